//! Processes as `/proc` shows them: who is whose child, and whether a number still means the one
//! whom we met under it.
//!
//! A process id is given again after its owner was reaped. Who is not our own child is known by
//! its start time as well, and a signal goes to it through a descriptor that was compared first.
#![expect(unsafe_code, reason = "pidfd_open and pidfd_send_signal have no safe wrapper")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::ptr;
use std::sync::OnceLock;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{SysconfVar, sysconf};

/// Room for the longest line of `stat`: fifty numbers and a name.
const STAT_BYTES_MAX: usize = 1200;
/// Room for the longest name of that file.
const PATH_BYTES_MAX: usize = 32;

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
    pub(crate) threads: u32,
    pub(crate) cpu_ticks: u64,
    pub(crate) rss_pages: u64,
}

impl Stat {
    /// The process that has this number now.
    ///
    /// One read gives the whole line as it is at one moment. Walks do this for every process there
    /// is, so that nothing is allocated.
    pub(crate) fn of(pid: i32) -> Option<Stat> {
        let mut path = [0; PATH_BYTES_MAX];
        let mut rest = &mut path[..];
        write!(rest, "/proc/{pid}/stat").ok()?;
        let written = PATH_BYTES_MAX - rest.len();
        let path = std::str::from_utf8(&path[..written]).ok()?;
        let mut line = [0; STAT_BYTES_MAX];
        let length = File::open(path).ok()?.read(&mut line).ok()?;
        Stat::read(&line[..length])
    }

    fn read(line: &[u8]) -> Option<Stat> {
        let pid = line.split(|byte| *byte == b' ').next()?;
        let pid = std::str::from_utf8(pid).ok()?.parse().ok()?;
        // The program's name stands in parentheses, and may be any bytes, parentheses included;
        // after it there are numbers only.
        let name_end = line.iter().rposition(|byte| *byte == b')')?;
        let mut fields = std::str::from_utf8(&line[name_end + 1..]).ok()?.split_ascii_whitespace();
        // proc(5) counts from the process id: the state is the third.
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        let user_ticks: u64 = fields.nth(14 - 6)?.parse().ok()?;
        let kernel_ticks: u64 = fields.next()?.parse().ok()?;
        let threads = fields.nth(20 - 16)?.parse().ok()?;
        let started = fields.nth(22 - 21)?.parse().ok()?;
        let rss_pages = fields.nth(24 - 23)?.parse().ok()?;
        let (known, ended) = (Known { pid, started }, matches!(state, "Z" | "X"));
        let cpu_ticks = user_ticks + kernel_ticks;
        Some(Stat { known, parent, group, ended, threads, cpu_ticks, rss_pages })
    }

    /// Processor time since it began, in the kernel as well; a zombie's too.
    pub(crate) fn cpu(&self) -> Duration {
        Duration::from_micros(self.cpu_ticks * (1_000_000 / units().ticks_a_second))
    }

    /// Resident memory; what it shares with others counts in full.
    pub(crate) fn rss_bytes(&self) -> u64 {
        self.rss_pages * units().bytes_a_page
    }
}

/// What the kernel counts in.
#[derive(Debug, Clone, Copy)]
struct Units {
    ticks_a_second: u64,
    bytes_a_page: u64,
}

fn units() -> Units {
    static UNITS: OnceLock<Units> = OnceLock::new();
    *UNITS.get_or_init(|| {
        let read = |variable, usual: u64| {
            let value =
                sysconf(variable).ok().flatten().and_then(|value| u64::try_from(value).ok());
            value.filter(|value| *value > 0).unwrap_or(usual)
        };
        Units {
            ticks_a_second: read(SysconfVar::CLK_TCK, 100),
            bytes_a_page: read(SysconfVar::PAGE_SIZE, 4096),
        }
    })
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
    pids().filter_map(Stat::of).map(|stat| (stat.known.pid, stat)).collect()
}

/// The numbers of all processes, in no order.
pub(crate) fn pids() -> impl Iterator<Item = i32> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether a process has something open that is one of these, as far as we may look: the path of a
/// file, or what the kernel calls a socket.
pub(crate) fn holds(pid: i32, wanted: impl Fn(&Path) -> bool) -> bool {
    let mut descriptors = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    descriptors.any(|descriptor| fs::read_link(descriptor.path()).is_ok_and(|to| wanted(&to)))
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
pub(crate) fn boot_id() -> &'static str {
    // Read once: a birth waits for nothing that cannot change.
    static BOOT_ID: OnceLock<String> = OnceLock::new();
    BOOT_ID.get_or_init(|| {
        let id = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        id.trim().to_owned()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_is_no_trouble() {
        let line = "42 (a) (b c) S 7 9 9 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 12345 99 1";
        let stat = Stat::read(line.as_bytes()).unwrap();
        assert_eq!(stat.known, Known { pid: 42, started: 12345 });
        assert_eq!((stat.parent, stat.group, stat.ended), (7, 9, false));
        assert!(Stat::read(line.replace(" S ", " Z ").as_bytes()).unwrap().ended);
        let line = "42 (a) S b) R 7 8 8 0 -1 4194304 1 0 0 0 1 2 0 0 20 0 1 0 99 1000 321 1 1";
        let stat = Stat::read(line.as_bytes()).unwrap();
        assert_eq!((stat.parent, stat.group, stat.rss_pages), (7, 8, 321));
        for wrong in ["nonsense", "1 (x) S 1", "42 (a) R 7", ""] {
            assert_eq!(Stat::read(wrong.as_bytes()), None, "{wrong}");
        }
    }

    #[test]
    fn what_a_process_takes_is_in_its_place() {
        let Units { ticks_a_second, bytes_a_page } = units();
        let line = "42 (a) b (c) S 1 42 42 0 -1 4194560 100 0 0 0 200 100 0 0 20 0 7 0 12345 \
                    1000000 55 18446744073709551615 1 1 0";
        let stat = Stat::read(line.as_bytes()).unwrap();
        assert_eq!(stat.cpu(), Duration::from_micros(300 * (1_000_000 / ticks_a_second)));
        assert_eq!((stat.threads, stat.rss_bytes()), (7, 55 * bytes_a_page));
    }

    /// A program may give itself any name; it must not vanish from a walk by it.
    #[test]
    fn a_name_that_is_no_text_hides_nobody() {
        let line = b"42 (\xff\xfe) S 7 9 9 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 1 0 12345 99 1";
        assert_eq!(Stat::read(line).unwrap().parent, 7);
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
