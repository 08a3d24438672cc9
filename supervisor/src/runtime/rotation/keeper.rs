//! The thread that keeps series of log files in order: it compresses older files and removes those
//! that are too many or too old, while nobody waits for it.
//!
//! It is told of each series when its file is opened and when it was rotated. It never touches the
//! file that is written to, nor the newest rotated one unless that is too old: whoever reads or
//! writes those is left in peace.

#![expect(unsafe_code, reason = "the niceness of a thread has no safe wrapper")]

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use super::compress::{Outcome, compress};
use super::{
    COMPRESSED, Count, Counts, UNFINISHED, hold_names, numbered, remove, rotate, rotated,
    with_ending,
};
use crate::config::OutputConfig;
use crate::runtime::clock::since_epoch;

/// The newest rotated file stays as it is.
const PLAIN: u32 = 1;
/// How soon a file to which somebody still writes is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(5);
/// How often all series are looked at, for files that have become too old.
const LOOK_AT_ALL: Duration = Duration::from_hours(1);
/// Everybody else's work comes first.
const NICENESS: i32 = 10;

/// What the thread is told.
enum Order {
    Tidy(PathBuf, OutputConfig),
    Finish,
}

/// The thread's handle.
#[derive(Debug)]
pub(crate) struct Keeper {
    tidy: Tidy,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// Rotates files and tells the thread of their series; cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Tidy {
    orders: Sender<Order>,
    counts: Counts,
}

impl std::fmt::Debug for Order {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Order::Tidy(file, _) => write!(out, "Tidy({})", file.display()),
            Order::Finish => out.write_str("Finish"),
        }
    }
}

impl Keeper {
    /// Starts the thread.
    pub(crate) fn start() -> io::Result<Keeper> {
        let (orders, received) = channel();
        let stop = Arc::new(AtomicBool::new(false));
        let counts = Counts::default();
        let house = House {
            policies: BTreeMap::new(),
            due: BTreeSet::new(),
            stop: stop.clone(),
            counts: counts.clone(),
        };
        let thread =
            std::thread::Builder::new().name("log-keeper".to_owned()).spawn(move || {
                step_back();
                house.run(&received);
            })?;
        Ok(Keeper { tidy: Tidy { orders, counts }, stop, thread: Some(thread) })
    }

    /// What others tell it with.
    pub(crate) fn tidy(&self) -> Tidy {
        self.tidy.clone()
    }

    /// What was done with each log.
    pub(crate) fn counts(&self) -> &Counts {
        &self.tidy.counts
    }
}

impl Drop for Keeper {
    /// Ends the thread soon: a file that is being compressed stays plain.
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        let _ = self.tidy.orders.send(Order::Finish);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Tidy {
    /// A file was opened: its series is to be brought in order.
    pub(crate) fn series(&self, file: &Path, policy: OutputConfig) {
        // At the very end nobody listens, and the next supervisor looks at everything.
        let _ = self.orders.send(Order::Tidy(file.to_owned(), policy));
    }

    /// Rotates a file, if it is there; whoever writes opens it anew. One that failed halfway can be
    /// tried again.
    pub(crate) fn rotate(&self, file: &Path, policy: OutputConfig) -> io::Result<()> {
        if rotate(file, policy.files_max)? {
            self.count(file).rotations.add(1);
        }
        self.series(file, policy);
        Ok(())
    }

    /// What is done with the log of this file.
    pub(crate) fn count(&self, file: &Path) -> Arc<Count> {
        self.counts.of(file)
    }

    /// Bytes of all logs that the disk refused.
    pub(crate) fn dropped_bytes(&self) -> u64 {
        self.counts.all().iter().map(|(_, count)| count.dropped_bytes.get()).sum()
    }
}

#[cfg(test)]
impl Tidy {
    /// Nobody listens; what is told can be seen at the other end.
    pub(crate) fn for_nobody() -> (Tidy, impl std::fmt::Debug) {
        let (orders, received) = channel();
        (Tidy { orders, counts: Counts::default() }, received)
    }
}

/// The thread's own state.
struct House {
    policies: BTreeMap<PathBuf, OutputConfig>,
    /// Series that are not in order yet.
    due: BTreeSet<PathBuf>,
    stop: Arc<AtomicBool>,
    counts: Counts,
}

impl House {
    fn run(mut self, orders: &Receiver<Order>) {
        loop {
            let wait = if self.due.is_empty() { LOOK_AT_ALL } else { LOOK_AGAIN };
            match orders.recv_timeout(wait) {
                Ok(Order::Tidy(file, policy)) => self.take(file, policy),
                Ok(Order::Finish) | Err(RecvTimeoutError::Disconnected) => return,
                Err(RecvTimeoutError::Timeout) if self.due.is_empty() => {
                    self.due.extend(self.policies.keys().cloned());
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
            while let Ok(Order::Tidy(file, policy)) = orders.try_recv() {
                self.take(file, policy);
            }
            for file in std::mem::take(&mut self.due) {
                let policy = self.policies.get(&file).copied().unwrap_or_default();
                match tidy(&file, policy, &self.stop, &self.counts.of(&file)) {
                    Ok(Outcome::Done | Outcome::Stopped) => {}
                    Ok(Outcome::Held) => {
                        self.due.insert(file);
                    }
                    // The next rotation, or the next look at all, tries again.
                    Err(error) => tracing::warn!(
                        file = %file.display(), %error,
                        "older log files cannot be brought in order; they stay as they are"
                    ),
                }
            }
            // Also when the order to finish was among those that were read above.
            if self.stop.load(Ordering::Relaxed) {
                return;
            }
        }
    }

    fn take(&mut self, file: PathBuf, policy: OutputConfig) {
        self.due.insert(file.clone());
        self.policies.insert(file, policy);
    }
}

/// Brings a series in order, as far as nobody still writes to one of its files.
fn tidy(
    file: &Path,
    policy: OutputConfig,
    stop: &AtomicBool,
    count: &Count,
) -> io::Result<Outcome> {
    remove(&with_ending(file, UNFINISHED))?;
    forget(file, policy)?;
    let mut outcome = Outcome::Done;
    // The oldest first: the series moves on while we work, and only away from the newest.
    for one in rotated(file)?.iter().rev() {
        if !policy.compress || one.compressed || one.number <= PLAIN {
            continue;
        }
        match compress(file, &one.path, stop, count)? {
            Outcome::Done => {}
            Outcome::Held => outcome = Outcome::Held,
            Outcome::Stopped => return Ok(Outcome::Stopped),
        }
    }
    Ok(outcome)
}

/// Removes files that are too many, too old, or there a second time.
fn forget(file: &Path, policy: OutputConfig) -> io::Result<()> {
    let _names = hold_names();
    for one in rotated(file)? {
        let is_old = |keep: Duration| {
            let about = std::fs::metadata(&one.path).and_then(|about| about.modified());
            let written = about.ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
            written.is_some_and(|written| since_epoch().saturating_sub(written) > keep)
        };
        if one.number > policy.files_max || policy.keep.is_some_and(is_old) {
            remove(&one.path)?;
        }
        if !one.compressed {
            remove(&numbered(file, one.number, COMPRESSED))?;
        }
    }
    Ok(())
}

/// Lets everybody else go first.
fn step_back() {
    // SAFETY: a system call on numbers; 0 is the thread that calls.
    unsafe { libc::syscall(libc::SYS_setpriority, libc::PRIO_PROCESS, 0, NICENESS) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn names(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).unwrap().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    static GO: AtomicBool = AtomicBool::new(false);

    #[test]
    fn all_but_the_newest_are_compressed_and_those_too_many_or_too_old_go() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.log");
        let place = |number: u32| numbered(&file, number, "");
        for number in 1..=6 {
            fs::write(place(number), format!("{number}\n")).unwrap();
        }
        fs::write(numbered(&file, 3, COMPRESSED), "torn").unwrap();
        fs::write(with_ending(&file, UNFINISHED), "torn").unwrap();
        fs::write(&file, "").unwrap();
        let count = Count::default();
        let day = Duration::from_hours(24);
        let old = std::time::UNIX_EPOCH + since_epoch() - 2 * day;
        fs::File::options().append(true).open(place(4)).unwrap().set_modified(old).unwrap();
        let policy = OutputConfig { files_max: 5, ..OutputConfig::default() };
        assert_eq!(
            tidy(&file, OutputConfig { compress: false, ..policy }, &GO, &count).unwrap(),
            Outcome::Done
        );
        let plain = ["a.log", "a.log.1", "a.log.2", "a.log.3", "a.log.4", "a.log.5"];
        assert_eq!(names(directory.path()), plain);
        tidy(&file, policy, &GO, &count).unwrap();
        let compressed =
            ["a.log", "a.log.1", "a.log.2.zst", "a.log.3.zst", "a.log.4.zst", "a.log.5.zst"];
        assert_eq!(names(directory.path()), compressed);
        let three = fs::File::open(numbered(&file, 3, COMPRESSED)).unwrap();
        assert_eq!(zstd::decode_all(three).unwrap(), b"3\n");
        let packed_to = |number| numbered(&file, number, COMPRESSED).metadata().unwrap().len();
        let packed = (count.packed_from_bytes.get(), count.packed_to_bytes.get());
        assert_eq!(packed, (8, (2..=5).map(packed_to).sum()));
        tidy(&file, OutputConfig { keep: Some(day), ..policy }, &GO, &count).unwrap();
        let kept = ["a.log", "a.log.1", "a.log.2.zst", "a.log.3.zst", "a.log.5.zst"];
        assert_eq!(names(directory.path()), kept);
    }

    #[test]
    fn one_that_is_dropped_ends() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.log");
        fs::write(numbered(&file, 2, ""), "2\n").unwrap();
        let keeper = Keeper::start().unwrap();
        let tidy = keeper.tidy();
        tidy.series(&file, OutputConfig::default());
        drop(keeper);
        // It may have come to it or not: the file is there, once.
        assert_eq!(names(directory.path()).len(), 1);
        tidy.series(&file, OutputConfig::default());
    }
}
