//! The file of the supervisor's own log: it rotates itself, and follows what others do with it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use crate::config::OutputConfig;
use crate::runtime::rotation::{self, Count, Tidy, open_plain};

/// What the loop wants of the thread that writes; seen before the next line.
#[derive(Debug)]
pub(crate) struct Wishes {
    reopen: AtomicBool,
    rotate: AtomicBool,
    policy: Mutex<OutputConfig>,
}

impl Wishes {
    /// None yet, and how much is kept.
    pub(crate) fn new(policy: OutputConfig) -> Wishes {
        let [reopen, rotate] = [(); 2].map(|()| AtomicBool::new(false));
        Wishes { reopen, rotate, policy: Mutex::new(policy) }
    }

    /// The file was renamed: the next line opens it anew.
    pub(crate) fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
    }

    /// The next line begins a new file.
    pub(crate) fn rotate(&self) {
        self.rotate.store(true, Ordering::Relaxed);
    }

    /// From now on so much is kept.
    pub(crate) fn set_policy(&self, policy: OutputConfig) {
        *self.policy.lock().unwrap_or_else(PoisonError::into_inner) = policy;
    }

    fn policy(&self) -> OutputConfig {
        *self.policy.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A file that rotates itself. Only the queue's thread writes to it.
pub(crate) struct OwnLog {
    path: PathBuf,
    file: File,
    wishes: Arc<Wishes>,
    tidy: Tidy,
    count: Arc<Count>,
}

impl OwnLog {
    pub(crate) fn open(path: PathBuf, wishes: Arc<Wishes>, tidy: Tidy) -> io::Result<OwnLog> {
        let count = tidy.count(&path);
        let log = OwnLog { file: append_to(&path)?, path, wishes, tidy, count };
        log.tidy.series(&log.path, log.wishes.policy());
        Ok(log)
    }

    /// Begins a new file where one is due, was asked for or was taken away.
    fn make_room(&mut self) -> io::Result<()> {
        let policy = self.wishes.policy();
        let about = self.file.metadata()?;
        let asked = self.wishes.rotate.swap(false, Ordering::Relaxed);
        let due = asked || about.len() >= policy.bytes_max || rotation::is_too_old(&about, policy);
        let rotated = due && about.len() > 0 && self.tidy.rotate(&self.path, policy).is_ok();
        let moved = self.wishes.reopen.swap(false, Ordering::Relaxed) || about.nlink() == 0;
        if moved || rotated {
            self.file = append_to(&self.path)?;
        }
        Ok(())
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    open_plain(OpenOptions::new().append(true).create(true), path)
}

impl Write for OwnLog {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.make_room()?;
        let written = self.file.write(line)?;
        self.count.written_bytes.add(written as u64);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_own_log_is_rotated_when_due_or_asked_and_made_anew_when_it_is_gone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("supervisor.log");
        let policy = OutputConfig { bytes_max: 10, ..OutputConfig::default() };
        let wishes = Arc::new(Wishes::new(policy));
        let (tidy, _) = Tidy::for_nobody();
        let mut log = OwnLog::open(path.clone(), Arc::clone(&wishes), tidy.clone()).unwrap();
        let text = |ending: &str| {
            std::fs::read_to_string(directory.path().join(format!("supervisor.log{ending}")))
                .unwrap()
        };
        // An empty file is not rotated, as the count below says.
        wishes.rotate();
        for line in ["one\n", "two two two\n", "three\n"] {
            log.write_all(line.as_bytes()).unwrap();
        }
        assert_eq!((text("").as_str(), text(".1").as_str()), ("three\n", "one\ntwo two two\n"));
        wishes.rotate();
        log.write_all(b"four\n").unwrap();
        assert_eq!((text("").as_str(), text(".1").as_str()), ("four\n", "three\n"));
        std::fs::remove_file(&path).unwrap();
        log.write_all(b"five\n").unwrap();
        assert_eq!(text(""), "five\n");
        std::fs::rename(&path, directory.path().join("moved")).unwrap();
        wishes.reopen();
        log.write_all(b"six\n").unwrap();
        assert_eq!(text(""), "six\n");
        let count = tidy.count(&path);
        assert_eq!((count.rotations.get(), count.written_bytes.get()), (2, 36));
    }
}
