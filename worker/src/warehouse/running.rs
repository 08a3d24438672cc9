//! Statements on their way, so that they can be told and each can be ended from outside.
//!
//! The pool writes a statement in when it comes and takes it out when it has ended, however that
//! is. Nothing of an answer is here.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::Origin;
use super::course::Stage;
use crate::clock::Moment;

/// Numbers are given once in a worker, whichever pool runs the statement.
static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// The statements of one pool.
#[derive(Debug, Default)]
pub struct Running(Mutex<BTreeMap<u64, Entry>>);

#[derive(Debug)]
struct Entry {
    statement: Arc<str>,
    origin: Origin,
    began: Moment,
    stage: watch::Receiver<Stage>,
    cancel: CancellationToken,
}

/// A statement at this moment.
#[derive(Debug, Clone)]
pub struct Underway {
    /// Its number in this worker.
    pub number: u64,
    /// Its text.
    pub statement: Arc<str>,
    /// Who asks.
    pub origin: Origin,
    /// Since when.
    pub elapsed: Duration,
    /// Whether it waits for a session.
    pub waits: bool,
    /// What the warehouse calls it, once that is known.
    pub query_id: Option<String>,
}

/// A statement's place; it is gone when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    running: Arc<Running>,
    number: u64,
}

impl Running {
    /// A statement comes, which this token ends.
    pub(super) fn begin(
        self: &Arc<Running>,
        (statement, origin): (&Arc<str>, &Origin),
        stage: watch::Receiver<Stage>,
        cancel: &CancellationToken,
        began: Moment,
    ) -> Place {
        let number = NUMBERS.fetch_add(1, Ordering::Relaxed);
        let (statement, origin) = (Arc::clone(statement), origin.clone());
        let entry = Entry { statement, origin, began, stage, cancel: cancel.clone() };
        self.lock().insert(number, entry);
        Place { running: Arc::clone(self), number }
    }

    /// All of them, the oldest first.
    #[must_use]
    pub fn list(&self, now: Moment) -> Vec<Underway> {
        self.lock().iter().map(|(number, entry)| entry.underway(*number, now)).collect()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Ends the first one that is meant, and tells which that was.
    pub fn cancel(&self, now: Moment, is_meant: impl Fn(&Underway) -> bool) -> Option<Underway> {
        let found = self.lock().iter().find_map(|(number, entry)| {
            let underway = entry.underway(*number, now);
            is_meant(&underway).then(|| (underway, entry.cancel.clone()))
        });
        let (underway, cancel) = found?;
        cancel.cancel();
        Some(underway)
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Entry>> {
        // What is locked here is never left half changed, whatever panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Entry {
    fn underway(&self, number: u64, now: Moment) -> Underway {
        let (waits, query_id) = match &*self.stage.borrow() {
            Stage::Before | Stage::Waiting => (true, None),
            Stage::Running { query_id } => (false, query_id.clone()),
            Stage::Ended => (false, None),
        };
        let (statement, origin) = (Arc::clone(&self.statement), self.origin.clone());
        Underway { number, statement, origin, elapsed: now.since(self.began), waits, query_id }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.running.lock().remove(&self.number);
    }
}
