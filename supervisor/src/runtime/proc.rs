//! Processes as `/proc` shows them: who is whose child, and whether a number still means the one
//! whom we met under it.
//!
//! A process id is given again after its owner was reaped. Who is not our own child is known by
//! its start time as well, and a signal goes to it through a descriptor that was compared first.
#![expect(unsafe_code, reason = "pidfd_open and pidfd_send_signal have no safe wrapper")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::ptr;
use std::sync::OnceLock;

use nix::sys::signal::Signal;

/// A process that cannot be taken for another one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Known {
    pub(crate) pid: i32,
    /// Clock ticks since boot.
    pub(crate) started: u64,
}

/// What the kernel tells of a process in one line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) known: Known,
    pub(crate) parent: i32,
    pub(crate) group: i32,
    /// It ended and was not reaped.
    pub(crate) ended: bool,
}

impl Stat {
    /// The process that has this number now.
    pub(crate) fn of(pid: i32) -> Option<Stat> {
        Stat::read(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    }

    fn read(line: &str) -> Option<Stat> {
        let pid = line.split(' ').next()?.parse().ok()?;
        // The program's name stands in parentheses, and may contain any of them itself.
        let mut fields = line.rsplit_once(')')?.1.split_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let started = fields.nth(16)?.parse().ok()?;
        let ended = matches!(state, "Z" | "X");
        Some(Stat { known: Known { pid, started }, parent, group, ended })
    }
}

impl Known {
    /// Whether it still runs; one that only waits to be reaped does not.
    pub(crate) fn is_alive(self) -> bool {
        Stat::of(self.pid).is_some_and(|stat| stat.known == self && !stat.ended)
    }

    /// Sends it a signal, and nobody else who may have its number by now.
    pub(crate) fn signal(self, signal: Signal) -> io::Result<()> {
        // SAFETY: two numbers go in, a descriptor or an error comes out.
        let opened = unsafe { libc::syscall(libc::SYS_pidfd_open, self.pid, 0) };
        let fd = i32::try_from(opened).ok().filter(|fd| *fd >= 0);
        let fd = fd.ok_or_else(io::Error::last_os_error)?;
        // SAFETY: the kernel just made this descriptor for us alone.
        let pidfd = unsafe { OwnedFd::from_raw_fd(fd) };
        // The descriptor stands for whoever had the number when it was opened.
        if Stat::of(self.pid).is_none_or(|stat| stat.known != self) {
            return Err(io::Error::from_raw_os_error(libc::ESRCH));
        }
        let none = ptr::null::<libc::siginfo_t>();
        // SAFETY: the descriptor is open; a null pointer means that the kernel fills the rest in.
        let sent = unsafe {
            let fd = pidfd.as_raw_fd();
            libc::syscall(libc::SYS_pidfd_send_signal, fd, signal as i32, none, 0)
        };
        if sent == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
    }
}

/// Everyone, by number.
pub(crate) fn everyone() -> BTreeMap<i32, Stat> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries
        .filter_map(|entry| Stat::of(entry.file_name().to_str()?.parse().ok()?))
        .map(|stat| (stat.known.pid, stat))
        .collect()
}

/// The given ones and all their descendants.
pub(crate) fn with_descendants(
    everyone: &BTreeMap<i32, Stat>,
    roots: impl IntoIterator<Item = i32>,
) -> BTreeSet<i32> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for stat in everyone.values() {
        children.entry(stat.parent).or_default().push(stat.known.pid);
    }
    let mut found = BTreeSet::new();
    let mut left: Vec<i32> = roots.into_iter().collect();
    while let Some(pid) = left.pop() {
        if found.insert(pid) {
            left.extend(children.get(&pid).into_iter().flatten());
        }
    }
    found
}

/// The process's value of an environment variable, as it was started.
pub(crate) fn variable_of(pid: i32, name: &str) -> Option<String> {
    let environ = fs::read(format!("/proc/{pid}/environ")).ok()?;
    let prefix = format!("{name}=");
    environ
        .split(|byte| *byte == 0)
        .find_map(|entry| entry.strip_prefix(prefix.as_bytes()))
        .map(|value| String::from_utf8_lossy(value).into_owned())
}

/// What a descriptor of a process leads to.
pub(crate) fn target_of(pid: i32, descriptor: i32) -> Option<PathBuf> {
    fs::read_link(format!("/proc/{pid}/fd/{descriptor}")).ok()
}

/// Identity of this boot: process ids and start times of another one mean nothing.
pub(crate) fn boot_id() -> String {
    static ID: OnceLock<String> = OnceLock::new();
    let read = || {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        id.trim().to_owned()
    };
    ID.get_or_init(read).clone()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_is_no_trouble() {
        let line = "42 (a) (b c) S 7 9 9 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 12345 99 1";
        let stat = Stat::read(line).unwrap();
        assert_eq!(stat.known, Known { pid: 42, started: 12345 });
        assert_eq!((stat.parent, stat.group, stat.ended), (7, 9, false));
        assert!(Stat::read(&line.replace(" S ", " Z ")).unwrap().ended);
        assert_eq!(Stat::read("nonsense"), None);
    }

    #[test]
    fn a_signal_reaches_only_whom_it_is_meant_for() {
        let own = Stat::of(std::process::id().cast_signed()).unwrap().known;
        assert!(own.is_alive());
        let other = Known { started: own.started + 1, ..own };
        assert!(!other.is_alive());
        // SIGCONT does nothing to who runs.
        own.signal(Signal::SIGCONT).unwrap();
        assert!(other.signal(Signal::SIGCONT).is_err());
    }
}
