//! What the loop and the kernel put up for the thread that watches files.
//!
//! Here an event of the kernel becomes a change that means something; whose change it is, the
//! thread finds out. Nobody waits here but the thread.

use std::path::{Path, PathBuf};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use notify::event::{AccessKind, AccessMode, ModifyKind};
use notify::{Event, EventKind};

use crate::runtime::clock;
use crate::runtime::watch::Wanted;

/// So many changes are told one by one; after that everything may have changed.
const CHANGES_MAX: usize = 4096;
/// A file whose time of change is this near was written, not only opened.
const JUST_NOW: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(crate) struct Board {
    notes: Mutex<Notes>,
    bell: Condvar,
}

#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) wanted: Option<Wanted>,
    pub(crate) changes: Vec<Change>,
    /// More changed than could be told.
    pub(crate) overflow: bool,
}

#[derive(Debug)]
pub(crate) struct Change {
    pub(crate) path: PathBuf,
    pub(crate) kind: Kind,
}

/// What happened at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Something appeared: other directories may have to be listened to.
    Made,
    /// Something went or was renamed: likewise.
    Moved,
    /// Somebody writes.
    Written,
    /// Somebody who could write has closed it.
    Closed(Since),
    /// Its rights or times were set.
    Touched(Since),
}

/// Whether a file was really written, as its time of change tells.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    JustWritten,
    LongAgo,
}

impl Board {
    pub(crate) fn change(&self, write: impl FnOnce(&mut Notes)) {
        write(&mut self.lock());
        self.bell.notify_one();
    }

    /// A thread that panicked has ended the process, or is a test's.
    fn lock(&self) -> MutexGuard<'_, Notes> {
        self.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes everything down, when there is something or the wait is over.
    pub(crate) fn take(&self, wait: Option<Duration>) -> Notes {
        let notes = self.lock();
        let empty = |notes: &mut Notes| {
            notes.wanted.is_none() && notes.changes.is_empty() && !notes.overflow
        };
        let mut notes = match wait {
            Some(wait) => {
                let woken = self.bell.wait_timeout_while(notes, wait, empty);
                woken.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.bell.wait_while(notes, empty).unwrap_or_else(PoisonError::into_inner),
        };
        std::mem::take(&mut *notes)
    }

    /// Takes an event of the kernel in.
    pub(crate) fn hear(&self, event: notify::Result<Event>) {
        let Ok(event) = event else { return };
        let kind = match event.kind {
            EventKind::Create(_) => Kind::Made,
            EventKind::Remove(_) | EventKind::Modify(ModifyKind::Name(_)) => Kind::Moved,
            EventKind::Access(AccessKind::Close(AccessMode::Write)) => {
                Kind::Closed(since(&event.paths))
            }
            EventKind::Modify(ModifyKind::Metadata(_)) => Kind::Touched(since(&event.paths)),
            EventKind::Modify(ModifyKind::Any | ModifyKind::Data(_) | ModifyKind::Other) => {
                Kind::Written
            }
            EventKind::Access(_) => return,
            EventKind::Any | EventKind::Other => {
                if event.need_rescan() {
                    self.change(|notes| notes.overflow = true);
                }
                return;
            }
        };
        self.change(|notes| {
            for path in event.paths {
                if notes.changes.len() < CHANGES_MAX {
                    notes.changes.push(Change { path, kind });
                } else {
                    notes.overflow = true;
                }
            }
        });
    }
}

/// A file that was opened for writing and not written, or got another time, counts for nobody who
/// does not look into it.
fn since(paths: &[PathBuf]) -> Since {
    match paths.iter().any(|path| was_just_written(path)) {
        true => Since::JustWritten,
        false => Since::LongAgo,
    }
}

fn was_just_written(path: &Path) -> bool {
    let written = std::fs::metadata(path).and_then(|about| about.modified()).ok();
    let since = written.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    since.is_some_and(|time| time.abs_diff(clock::since_epoch()) < JUST_NOW)
}
