//! What is written from now on, of all logs together.
//!
//! Every file is read to its end before its successor is begun, so a rotation loses nothing and
//! doubles nothing. inotify tells when to look; where it tells nothing (a file system over the
//! network), every half second is looked all the same. What arrives within a tenth of a second is
//! put in the order of its times.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use jiff::Timestamp;
use notify::{RecursiveMode, Watcher};

use super::Entry;
use super::followed::Followed;
use super::part_file::PartFile;
use super::past::wanted_parts;
use super::source::{Part, Source};
use super::wanted::Wanted;
use crate::runtime::since_epoch;

/// How often is looked where nothing tells that something was written.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Lines that arrive within this time are put in order.
const TOGETHER: Duration = Duration::from_millis(100);
/// How much of all logs is read in one go, and of each at least.
const TURN_BYTES: usize = 16 * 1024 * 1024;
const SHARE_BYTES_MIN: usize = 64 * 1024;

/// The parts of each log.
type Found = BTreeMap<Source, Vec<Part>>;

/// Why following ends.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The files cannot be read.
    #[error("cannot follow the files")]
    Read(#[source] io::Error),
    /// The lines cannot be shown.
    #[error("cannot show a line")]
    Show(#[source] io::Error),
}

/// Whoever is shown lines as they come.
pub trait Audience {
    /// Is shown a line.
    ///
    /// # Errors
    /// When it cannot be shown.
    fn show(&mut self, entry: &Entry) -> io::Result<()>;

    /// Has been shown all there is for now.
    ///
    /// # Errors
    /// When it cannot be shown.
    fn pause(&mut self) -> io::Result<()>;

    /// Waits for so long, or until nobody looks any more; whether that is so.
    fn is_gone(&mut self, within: Duration) -> bool;
}

/// Logs from a moment on.
#[derive(Debug)]
pub struct Follower {
    directory: PathBuf,
    wanted: Arc<Wanted>,
    logs: BTreeMap<Arc<Source>, Followed>,
}

impl Follower {
    pub(super) fn new(directory: &Path, wanted: &Arc<Wanted>) -> Follower {
        // What is written later is later than any bound that could be meant.
        Follower {
            directory: directory.to_owned(),
            wanted: Arc::clone(wanted),
            logs: BTreeMap::new(),
        }
    }

    /// A log is read on from this place.
    pub(super) fn go_on(&mut self, source: Arc<Source>, file: &PartFile, at: u64) {
        self.logs.insert(source, Followed::from(file, at));
    }

    /// Shows lines as they are written, until nobody looks any more.
    ///
    /// # Errors
    /// When the files cannot be read, or a line cannot be shown.
    pub fn run(mut self, audience: &mut dyn Audience) -> Result<(), FollowError> {
        // Many changes at once are one: the files are read to their ends anyway.
        let (changes, changed) = sync_channel(1);
        let tell = move |event: notify::Result<notify::Event>| {
            // To look is no change: our own looking would wake us for ever.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                let _ = changes.try_send(());
            }
        };
        // Without a watcher we look by ourselves.
        let mut watcher = notify::recommended_watcher(tell).ok();
        let mut is_watched = false;
        loop {
            if let Some(watcher) = watcher.as_mut().filter(|_| !is_watched) {
                // The directory may not be there yet.
                is_watched = watcher.watch(&self.directory, RecursiveMode::NonRecursive).is_ok();
            }
            while self.look(audience)? {}
            audience.pause().map_err(FollowError::Show)?;
            wait(&changed);
            if audience.is_gone(TOGETHER) {
                return Ok(());
            }
            let _ = changed.try_recv();
        }
    }

    /// Shows what is new; true when there may be more.
    fn look(&mut self, audience: &mut dyn Audience) -> Result<bool, FollowError> {
        let found = wanted_parts(&self.directory, &self.wanted).map_err(FollowError::Read)?;
        self.meet(&found);
        let share = (TURN_BYTES / self.logs.len().max(1)).max(SHARE_BYTES_MIN);
        let mut entries = Vec::new();
        let is_more = self.news(&found, share, &mut entries).map_err(FollowError::Read)?;
        for entry in &entries {
            audience.show(entry).map_err(FollowError::Show)?;
        }
        Ok(is_more)
    }

    /// Logs that were not there before are read from their beginning.
    fn meet(&mut self, found: &Found) {
        for source in found.keys() {
            if !self.logs.contains_key(source) {
                self.logs.insert(Arc::new(source.clone()), Followed::default());
            }
        }
    }

    /// Reads so much of what is new in each log, and adds it in the order of its times; true when
    /// there may be more. A log that cannot be read holds up none of the others.
    fn news(&mut self, found: &Found, share: usize, entries: &mut Vec<Entry>) -> io::Result<bool> {
        let arrived =
            Timestamp::try_from(std::time::UNIX_EPOCH + since_epoch()).unwrap_or_default();
        let (mut is_more, mut outcome) = (false, Ok(()));
        let mut ordered = Vec::new();
        for (index, (source, log)) in self.logs.iter_mut().enumerate() {
            let parts = found.get(source).map(Vec::as_slice).unwrap_or_default();
            let mut lines = Vec::new();
            match log.read_on(parts, share, &mut lines) {
                Ok(may_be) => is_more |= may_be,
                Err(error) => outcome = outcome.and(Err(error)),
            }
            let mut at = i128::MIN;
            for line in lines {
                let Some(entry) = log.judge(line, (source, &self.wanted), arrived) else {
                    continue;
                };
                at = at.max(entry.time.unwrap_or(arrived).as_nanosecond());
                ordered.push((at, index, entry));
            }
        }
        ordered.sort_by_key(|(at, index, _)| (*at, *index));
        entries.extend(ordered.into_iter().map(|(_, _, entry)| entry));
        outcome.map(|()| is_more)
    }
}

/// The ends of logs, for whoever looks now and then and is not shown everything.
#[derive(Debug)]
pub struct Recent(Follower);

/// What was written since the last look.
#[derive(Debug, Default)]
pub struct News {
    /// The lines, in the order of their times.
    pub entries: Vec<Entry>,
    /// So many bytes before them were not read.
    pub skipped_bytes: u64,
}

impl Recent {
    /// Of the logs in a directory.
    #[must_use]
    pub fn of(directory: &Path, wanted: &Wanted) -> Recent {
        Recent(Follower::new(directory, &Arc::new(wanted.clone())))
    }

    /// Reads what is new of those logs that are meant, and of each no more than its last so many
    /// bytes: memory and time are bounded, whatever was written. What cannot be read now may be
    /// readable at the next look.
    pub fn look(&mut self, is_meant: impl Fn(&Source) -> bool, bytes_max: u64) -> News {
        let follower = &mut self.0;
        let mut news = News::default();
        let Ok(mut found) = wanted_parts(&follower.directory, &follower.wanted) else {
            return news;
        };
        found.retain(|source, _| is_meant(source));
        follower.logs.retain(|source, _| is_meant(source));
        follower.meet(&found);
        for (source, log) in &mut follower.logs {
            let parts = found.get(source).map(Vec::as_slice).unwrap_or_default();
            news.skipped_bytes += log.leave_out(parts, bytes_max).unwrap_or(0);
        }
        let _ = follower.news(&found, usize::MAX, &mut news.entries);
        news.skipped_bytes += follower.logs.values_mut().map(Followed::unseen_bytes).sum::<u64>();
        news
    }
}

/// Waits for a change, at most until it is time to look anyway.
fn wait(changed: &Receiver<()>) {
    if let Err(RecvTimeoutError::Disconnected) = changed.recv_timeout(LOOK_EVERY) {
        // Nobody watches for us: the whole time is waited out.
        let (_nobody, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(LOOK_EVERY);
    }
}
