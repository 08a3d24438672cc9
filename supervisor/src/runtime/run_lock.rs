//! What keeps a run from being started twice: a locked file that its processes hold open.
//!
//! The lock belongs to the open file, not to us: the program and all that it starts inherit it,
//! and it is free when the last of them ended, whatever became of us. Inside the file stands who
//! they are and how they want to be stopped, for a supervisor that remembers nothing. That is
//! believed, so the open file that they inherit can only be read: who may not open ours by its
//! name cannot choose whom a later supervisor kills.
//!
//! Whether somebody is to be stopped is decided by `orphans`, not here.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::machine::{RunId, SlotId};
use crate::runtime::proc::{self, Known, Stat};

/// Where the locks lie, in the run directory.
const DIRECTORY: &str = "locks";

/// The directory of the locks, which may not be there.
pub(crate) fn place(run_directory: &Path) -> PathBuf {
    run_directory.join(DIRECTORY)
}

/// Makes the directory of the locks.
pub(crate) fn directory(run_directory: &Path) -> io::Result<PathBuf> {
    let path = place(run_directory);
    DirBuilder::new().recursive(true).mode(0o700).create(&path)?;
    Ok(path)
}

/// All that are in the directory of the locks.
pub(crate) fn all_in(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// How a run wants to be stopped, when we are not there to remember it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Terms {
    /// It notices by its link that we are gone, and leaves by itself.
    pub(crate) linked: bool,
    /// What asks any other program to leave.
    pub(crate) stop_signal: Signal,
    /// How long it may take then.
    pub(crate) grace: Duration,
    /// Where all of it lives, in this boot.
    pub(crate) cgroup: Option<PathBuf>,
}

/// Where a process was born.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In the cgroup that was made for its run, if one was.
    Cgroup,
    /// Where we are: the kernel would not have it in that cgroup, or there is none.
    Ours,
}

/// A lock that was taken for a run about to begin.
#[derive(Debug)]
pub(crate) struct RunLock {
    path: PathBuf,
    /// Closing it does not unlock: the program holds the same open file. Nobody writes by it.
    file: File,
    /// The same file, opened once more to be written; nobody inherits this one.
    note: File,
    /// How the run wants to be stopped.
    terms: Terms,
}

impl RunLock {
    /// Takes the lock of a run. Nobody else can have it: a survivor's was waited for at the start.
    ///
    /// A file that an earlier run of the slot left is used again: to make and to remove one may
    /// wait for the disk, and a program that died is to run again at once. What stands in it is
    /// written anew by `hand_over`; until then it tells of a dead process, and of a lock held.
    pub(crate) fn take(
        (directory, spare): (&Path, Option<PathBuf>),
        slot: &SlotId,
        run: RunId,
        terms: &Terms,
    ) -> io::Result<RunLock> {
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        if let Some(path) = spare
            && let Ok(note) = options.open(&path)
            && let Ok(file) = File::open(&path)
            && file.try_lock().is_ok()
        {
            return Ok(RunLock { path, file, note, terms: terms.clone() });
        }
        let path = directory.join(format!("{}.{}.{}", slot.app, slot.index, run.0));
        let mut note = options.create(true).truncate(false).open(&path)?;
        let file = File::open(&path)?;
        file.try_lock()?;
        note.set_len(0)?;
        note.write_all(terms.written().as_bytes())?;
        Ok(RunLock { path, file, note, terms: terms.clone() })
    }

    /// The open file that the program inherits; it can be read only.
    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    /// The run has begun: writes down who it is, and leaves the lock to it.
    pub(crate) fn hand_over(mut self, pid: i32, place: Place) -> PathBuf {
        self.terms.cgroup = self.terms.cgroup.filter(|_| place == Place::Cgroup);
        let mut text = self.terms.written();
        // Without these lines a later supervisor finds them by who holds the file.
        if let Some(Stat { known: Known { pid, started }, .. }) = Stat::of(pid) {
            text.push_str(&format!("pid={pid}\nstarted={started}\n"));
        }
        let _ = self.note.write_all_at(text.as_bytes(), 0);
        // An earlier run's may have been longer.
        let length = text.len() as u64;
        if self.note.metadata().is_ok_and(|about| about.len() > length) {
            let _ = self.note.set_len(length);
        }
        self.path
    }

    /// There is no run.
    pub(crate) fn discard(self) {
        let _ = fs::remove_file(self.path);
    }
}

/// Removes the lock of a run that ended; not while anybody holds it still.
pub(crate) fn remove(path: &Path) {
    if is_free(path) {
        let _ = fs::remove_file(path);
    }
}

/// Whether nobody holds a lock.
pub(crate) fn is_free(path: &Path) -> bool {
    match File::open(path) {
        Ok(file) => file.try_lock().is_ok(),
        Err(error) => error.kind() == io::ErrorKind::NotFound,
    }
}

/// What an earlier supervisor wrote down about a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) terms: Terms,
    /// Its first process, if that was written in this boot.
    pub(crate) main: Option<Known>,
}

impl Note {
    /// Reads a lock's file. What is missing in a torn one is what asks for the least patience.
    pub(crate) fn read(path: &Path) -> Note {
        Note::parse(&fs::read_to_string(path).unwrap_or_default(), proc::boot_id())
    }

    fn parse(text: &str, boot_id: &str) -> Note {
        // A line without its end was cut short.
        let whole = text.rsplit_once('\n').map_or("", |(whole, _)| whole);
        let lines = || whole.lines().filter_map(|line| line.split_once('='));
        let value = |name| lines().find(|(key, _)| *key == name).map(|(_, value)| value);
        let number = |name| value(name).and_then(|value| value.parse::<u64>().ok());
        let signal = value("stop_signal").and_then(|value| value.parse().ok());
        let pid = value("pid").and_then(|value| value.parse().ok());
        let this_boot = value("boot") == Some(boot_id);
        let main = pid.zip(number("started")).filter(|_| this_boot);
        Note {
            terms: Terms {
                linked: value("linked") == Some("true"),
                stop_signal: signal.unwrap_or(Signal::SIGTERM),
                grace: Duration::from_millis(number("grace_ms").unwrap_or(0)),
                cgroup: value("cgroup").filter(|_| this_boot).map(PathBuf::from),
            },
            main: main.map(|(pid, started)| Known { pid, started }),
        }
    }
}

impl Terms {
    fn written(&self) -> String {
        let Terms { linked, stop_signal, grace, cgroup } = self;
        let boot = proc::boot_id();
        let grace = grace.as_millis();
        let cgroup = match cgroup {
            Some(path) => format!("cgroup={}\n", path.display()),
            None => String::new(),
        };
        format!(
            "boot={boot}\nlinked={linked}\nstop_signal={stop_signal}\ngrace_ms={grace}\n{cgroup}"
        )
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::machine::AppName;

    fn terms() -> Terms {
        Terms {
            linked: false,
            stop_signal: Signal::SIGINT,
            grace: Duration::from_millis(1500),
            cgroup: Some("/sys/fs/cgroup/a b".into()),
        }
    }

    #[test]
    fn a_lock_is_held_by_whoever_has_a_copy_and_says_who_they_are() {
        let run_directory = tempfile::tempdir().unwrap();
        let directory = directory(run_directory.path()).unwrap();
        let slot = SlotId { app: AppName::new("job"), index: 2 };
        let own = Stat::of(std::process::id().cast_signed()).unwrap().known;
        let take = |spare| RunLock::take((&directory, spare), &slot, RunId(7), &terms());
        let lock = take(None).unwrap();
        let copy = lock.file().try_clone().unwrap();
        assert!(take(None).is_err());
        let path = lock.hand_over(own.pid, Place::Cgroup);
        assert_eq!(all_in(&directory), [directory.join("job.2.7")]);
        assert_eq!(Note::read(&path), Note { terms: terms(), main: Some(own) });
        remove(&path);
        assert!(path.exists(), "the copy holds it");
        drop(copy);
        remove(&path);
        assert!(!path.exists());
    }

    #[test]
    fn who_inherits_a_lock_cannot_write_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let slot = SlotId { app: AppName::new("job"), index: 0 };
        let take = |spare, run| {
            RunLock::take((directory.path(), spare), &slot, RunId(run), &terms()).unwrap()
        };
        let own = Stat::of(std::process::id().cast_signed()).unwrap().known;
        let mut spare = None;
        for run in 1..3 {
            let lock = take(spare, run);
            let inherited = lock.file().try_clone().unwrap();
            let told = inherited.write_all_at(b"pid=1\n", 0).unwrap_err();
            assert_eq!(told.raw_os_error(), Some(libc::EBADF), "{run}");
            assert!(inherited.set_len(0).is_err(), "{run}");
            assert_eq!(inherited.metadata().unwrap().permissions().mode() & 0o777, 0o600);
            spare = Some(lock.hand_over(own.pid, Place::Cgroup));
        }
    }

    #[test]
    fn the_file_of_an_ended_run_serves_the_next_one_and_tells_of_it_alone() {
        let directory = tempfile::tempdir().unwrap();
        let slot = SlotId { app: AppName::new("job"), index: 0 };
        let own = Stat::of(std::process::id().cast_signed()).unwrap().known;
        let take = |spare, run, terms: &Terms| {
            RunLock::take((directory.path(), spare), &slot, RunId(run), terms).unwrap()
        };
        let first = take(None, 1, &terms()).hand_over(own.pid, Place::Cgroup);
        let short = Terms { cgroup: None, ..terms() };
        let lock = take(Some(first.clone()), 2, &short);
        let held = take(Some(first.clone()), 3, &short);
        assert_eq!(held.path, directory.path().join("job.0.3"), "the spare one is held");
        assert_eq!(lock.hand_over(own.pid, Place::Cgroup), first);
        assert_eq!(Note::read(&first), Note { terms: short, main: Some(own) });
    }

    #[test]
    fn a_run_born_outside_its_cgroup_is_not_noted_to_be_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let slot = SlotId { app: AppName::new("job"), index: 0 };
        let lock = RunLock::take((directory.path(), None), &slot, RunId(1), &terms()).unwrap();
        let path = lock.hand_over(std::process::id().cast_signed(), Place::Ours);
        assert_eq!(Note::read(&path).terms, Terms { cgroup: None, ..terms() });
    }

    #[test]
    fn a_torn_note_and_one_of_another_boot_name_nobody() {
        let text = format!("{}pid=12\nstarted=345\n", terms().written());
        let boot = proc::boot_id();
        assert_eq!(Note::parse(&text, boot).main, Some(Known { pid: 12, started: 345 }));
        let elsewhen = Note::parse(&text, "another boot");
        assert_eq!((elsewhen.main, elsewhen.terms.cgroup), (None, None));
        for end in 0..text.len() {
            assert_eq!(Note::parse(&text[..end], boot).main, None, "{end}");
        }
    }
}
