//! The configuration's own files, as the thread sees them that watches.
//!
//! What is heard of them goes to the machine's `Calm`, which says when to look. Beside that their
//! numbers are compared from time to time (never by opening them, which would itself be heard), for
//! what nobody tells: changes by another machine, or a directory that cannot be listened to. While
//! a configuration is refused, each such look is also the time to try it again.

use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::machine::{Calm, Sign, Trust};
use crate::runtime::board::Kind;
use crate::runtime::watched::Way;

/// How often files are looked at, whether their changes are told as well or not.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// What changes whenever a file is written, replaced or given other rights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Numbers {
    device: u64,
    inode: u64,
    size: u64,
    modified: (i64, i64),
    changed: (i64, i64),
}

/// The files, what was noticed of them, and when they are looked at.
#[derive(Debug, Default)]
pub(crate) struct Sources {
    files: BTreeSet<PathBuf>,
    ways: Vec<Way>,
    calm: Calm,
    numbers: Vec<Option<Numbers>>,
    /// The next look, whatever is heard; never without files.
    look_at: Option<Duration>,
    pub(crate) standing: Standing,
    /// A refused configuration is to be tried again.
    again: bool,
}

/// How the configuration stands that was read last.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// It is in force, or says what is.
    #[default]
    InForce,
    /// It was refused; what it lacks may come without a change of its files.
    Refused,
}

impl Sources {
    /// Watches these files from now on. They may have changed since they were read.
    pub(crate) fn adopt(&mut self, files: BTreeSet<PathBuf>, now: Duration) {
        if self.files == files {
            return;
        }
        self.files = files;
        self.numbers = self.numbers_now();
        match self.files.first() {
            // Whoever has a file open has it open still.
            Some(file) => {
                self.calm.note(file, Sign::Touched, now);
                self.look_at = Some(now + LOOK_EVERY);
            }
            None => *self = Sources::default(),
        }
    }

    /// Finds where the files lead now; the directories that must be listened to.
    pub(crate) fn directories(&mut self) -> BTreeSet<PathBuf> {
        self.ways = self.files.iter().map(|file| Way::to(file)).collect();
        let ways = &self.ways;
        self.calm.heed_only(|path| ways.iter().any(|way| way.names.contains(path)));
        self.ways.iter().flat_map(Way::parents).collect()
    }

    /// Notes what happened at a path; false when it is none of ours.
    pub(crate) fn heard(&mut self, path: &Path, kind: Kind, now: Duration) -> bool {
        if !self.ways.iter().any(|way| way.names.contains(path)) {
            return false;
        }
        let sign = match kind {
            // A new file that is empty was made by somebody who is about to write.
            Kind::Made if is_empty_file(path) => Sign::Written,
            Kind::Made | Kind::Moved | Kind::Closed(_) => Sign::Complete,
            Kind::Written => Sign::Written,
            Kind::Touched(_) => Sign::Touched,
        };
        self.calm.note(path, sign, now);
        true
    }

    /// Notes that anything may have happened.
    pub(crate) fn may_differ(&mut self, now: Duration) {
        if let Some(file) = self.files.first() {
            self.calm.note(file, Sign::Differs, now);
        }
    }

    /// Compares the files' numbers when that is due; true when a change was found that nobody told.
    pub(crate) fn poll(&mut self, now: Duration) -> bool {
        let waits = self.calm.is_untold() && self.calm.due_at().is_some_and(|due| due <= now);
        let is_time = self.look_at.is_some_and(|due| due <= now);
        if !waits && !is_time {
            return false;
        }
        self.again |= is_time && self.standing == Standing::Refused;
        self.look_at = Some(now + LOOK_EVERY);
        let numbers = self.numbers_now();
        let differs = self.calm.is_untold() && numbers != self.numbers;
        self.numbers = numbers;
        if differs {
            self.may_differ(now);
        }
        differs
    }

    /// Whether a refused configuration is to be tried again now.
    pub(crate) fn take_again(&mut self) -> bool {
        std::mem::take(&mut self.again)
    }

    /// When something is to be done.
    pub(crate) fn due_at(&self) -> Option<Duration> {
        self.calm.due_at().into_iter().chain(self.look_at).min()
    }

    /// How far to trust the files, when it is time to read them.
    pub(crate) fn take_due(&mut self, now: Duration) -> Option<Trust> {
        let trust = self.calm.take_due(now)?;
        self.numbers = self.numbers_now();
        Some(trust)
    }

    fn numbers_now(&self) -> Vec<Option<Numbers>> {
        self.files.iter().map(|file| numbers(file)).collect()
    }
}

fn is_empty_file(path: &Path) -> bool {
    std::fs::symlink_metadata(path).is_ok_and(|about| about.is_file() && about.len() == 0)
}

fn numbers(file: &Path) -> Option<Numbers> {
    let about = std::fs::metadata(file).ok()?;
    Some(Numbers {
        device: about.dev(),
        inode: about.ino(),
        size: about.len(),
        modified: (about.mtime(), about.mtime_nsec()),
        changed: (about.ctime(), about.ctime_nsec()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    const fn millis(millis: u64) -> Duration {
        Duration::from_millis(millis)
    }

    /// The files of a directory with one configuration, after the first looks.
    fn settled(file: &Path) -> Sources {
        let mut sources = Sources::default();
        sources.adopt(BTreeSet::from([file.to_owned()]), Duration::ZERO);
        sources.directories();
        assert_eq!(sources.take_due(millis(500)), Some(Trust::Settling), "changed since read?");
        assert_eq!(sources.take_due(millis(1500)), Some(Trust::Whole));
        sources
    }

    #[test]
    fn what_nobody_tells_is_found_by_looking() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ecosystem.toml");
        fs::write(&file, "one").unwrap();
        let mut sources = settled(&file);
        assert_eq!(sources.due_at(), Some(millis(5_000)));
        assert!(!sources.poll(millis(4_999)));
        assert!(!sources.poll(millis(5_000)), "nothing changed");
        fs::write(&file, "three").unwrap();
        assert!(sources.poll(millis(10_000)));
        // It goes on, which is found when it is due.
        fs::write(&file, "three and more").unwrap();
        assert!(sources.poll(millis(11_500)));
        assert_eq!(sources.take_due(millis(11_500)), None);
        assert_eq!(sources.take_due(millis(13_000)), Some(Trust::Settling));
        fs::remove_file(&file).unwrap();
        assert!(sources.poll(millis(16_500)));
        assert_eq!(sources.take_due(millis(18_000)), Some(Trust::Settling));
        assert_eq!(sources.look_at, Some(millis(16_500) + LOOK_EVERY));
    }

    #[test]
    fn a_refused_configuration_is_tried_again_at_each_look_and_no_other() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ecosystem.toml");
        fs::write(&file, "one").unwrap();
        let mut sources = settled(&file);
        let mut looks = |standing: Standing, until: u64| {
            sources.standing = standing;
            let due = sources.due_at().unwrap();
            assert!(due <= millis(until) && !sources.poll(due - millis(1)), "{due:?}");
            let early = sources.take_again();
            sources.poll(due);
            (early, sources.take_again(), sources.take_again())
        };
        assert_eq!(looks(Standing::InForce, 10_000), (false, false, false));
        assert_eq!(looks(Standing::Refused, 20_000), (false, true, false));
        assert_eq!(looks(Standing::Refused, 30_000), (false, true, false));
        assert_eq!(looks(Standing::InForce, 40_000), (false, false, false));
    }

    #[test]
    fn only_the_files_and_the_links_to_them_are_heard() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().canonicalize().unwrap();
        fs::create_dir(root.join("deep")).unwrap();
        fs::write(root.join("deep/real.toml"), "one").unwrap();
        std::os::unix::fs::symlink("deep/real.toml", root.join("ecosystem.toml")).unwrap();
        let mut sources = settled(&root.join("ecosystem.toml"));
        let mut heard = |name: &str| sources.heard(&root.join(name), Kind::Written, millis(2_000));
        assert!(heard("ecosystem.toml") && heard("deep/real.toml"));
        assert!(!heard("deep/real.toml~") && !heard("deep"));
    }

    #[test]
    fn a_file_that_was_just_made_is_about_to_be_written() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().canonicalize().unwrap().join("ecosystem.toml");
        fs::write(&file, "").unwrap();
        let mut sources = settled(&file);
        sources.heard(&file, Kind::Made, millis(2_000));
        assert_eq!(sources.take_due(millis(2_500)), None);
        fs::write(&file, "one").unwrap();
        sources.heard(&file, Kind::Closed(crate::runtime::board::Since::LongAgo), millis(2_600));
        assert_eq!(sources.take_due(millis(3_100)), Some(Trust::Settling));
    }
}
