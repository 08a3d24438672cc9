//! Statements that run for clients who may come back for the answer, to whichever worker.
//!
//! The worker that runs a statement tells when it begins and ends. When the worker dies, what it
//! ran stays here for a while, so that the worker at which the client comes back can take the
//! answer from the warehouse. Nothing of it outlives the supervisor.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use mcp_protocol::relay::{SessionTag, Statement};

use crate::machine::RunId;

/// The most statements of one app; the oldest goes when there are more.
const STATEMENTS_MAX: usize = 10_000;
/// How long the statements of a worker that is gone are known.
const KEPT_AFTER_DEATH: Duration = Duration::from_secs(10 * 60);
/// How long a statement is known whose end nobody told.
const AGE_MAX: Duration = Duration::from_secs(24 * 60 * 60);

/// The statements of one app. Times are since the start of the machine.
#[derive(Debug, Default)]
pub(crate) struct InFlight {
    by_request: HashMap<Key, Known>,
    /// The next that is forgotten comes first.
    by_end: BTreeSet<(Duration, Key)>,
}

type Key = (SessionTag, String);

#[derive(Debug)]
struct Known {
    run: RunId,
    statement: Statement,
    forgotten_at: Duration,
}

impl InFlight {
    /// A worker runs a statement.
    pub(crate) fn began(&mut self, run: RunId, statement: Statement, now: Duration) {
        self.forget(now);
        let key = (statement.session, statement.request.clone());
        self.remove(&key);
        self.put(key, Known { run, statement, forgotten_at: now + AGE_MAX });
        if self.by_request.len() > STATEMENTS_MAX
            && let Some((_, oldest)) = self.by_end.first().cloned()
        {
            self.remove(&oldest);
        }
    }

    /// The statement of a request is of no use any more, says the worker that runs it. One that
    /// another worker has taken over since is none of its business.
    pub(crate) fn ended(&mut self, run: RunId, key: &Key) {
        if self.by_request.get(key).is_some_and(|known| known.run == run) {
            self.remove(key);
        }
    }

    /// A worker is gone; its statements stay a little longer.
    pub(crate) fn left(&mut self, run: RunId, now: Duration) {
        self.forget(now);
        let of_run = |known: &Known| known.run == run;
        let keys: Vec<Key> = (self.by_request.iter().filter(|(_, known)| of_run(known)))
            .map(|(key, _)| key.clone())
            .collect();
        for key in keys {
            if let Some(known) = self.remove(&key) {
                let forgotten_at = known.forgotten_at.min(now + KEPT_AFTER_DEATH);
                self.put(key, Known { forgotten_at, ..known });
            }
        }
    }

    /// The statement of a request, if it is known.
    pub(crate) fn find(&mut self, key: &Key, now: Duration) -> Option<Statement> {
        self.forget(now);
        self.by_request.get(key).map(|known| known.statement.clone())
    }

    /// How many are known.
    pub(crate) fn len(&self) -> usize {
        self.by_request.len()
    }

    fn forget(&mut self, now: Duration) {
        while let Some((_, key)) = self.by_end.first().filter(|(at, _)| *at <= now).cloned() {
            self.remove(&key);
        }
    }

    fn put(&mut self, key: Key, known: Known) {
        self.by_end.insert((known.forgotten_at, key.clone()));
        self.by_request.insert(key, known);
    }

    fn remove(&mut self, key: &Key) -> Option<Known> {
        let known = self.by_request.remove(key)?;
        self.by_end.remove(&(known.forgotten_at, key.clone()));
        Some(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Duration = Duration::from_secs(1_000);

    fn key(request: usize) -> Key {
        (SessionTag([7; 16]), request.to_string())
    }

    fn statement(request: usize) -> Statement {
        let (session, request) = key(request);
        let query_id = format!("q{request}");
        Statement { session, request, principal: None, connection: None, query_id, reads: true }
    }

    #[test]
    fn a_statement_is_found_while_it_runs() {
        let mut flying = InFlight::default();
        flying.began(RunId(1), statement(1), START);
        assert_eq!(flying.find(&key(1), START), Some(statement(1)));
        assert_eq!(flying.find(&key(2), START), None);
        flying.ended(RunId(1), &key(1));
        assert_eq!(flying.find(&key(1), START), None);
        assert_eq!((flying.len(), flying.by_end.len()), (0, 0));
    }

    #[test]
    fn the_statements_of_a_dead_worker_are_found_for_some_minutes() {
        let mut flying = InFlight::default();
        flying.began(RunId(1), statement(1), START);
        flying.began(RunId(2), statement(2), START);
        flying.left(RunId(1), START);
        let soon = START + KEPT_AFTER_DEATH - Duration::from_secs(1);
        assert_eq!(flying.find(&key(1), soon), Some(statement(1)));
        assert_eq!(flying.find(&key(1), START + KEPT_AFTER_DEATH), None);
        assert_eq!(flying.find(&key(2), START + KEPT_AFTER_DEATH), Some(statement(2)));
        assert_eq!(flying.find(&key(2), START + AGE_MAX), None, "nobody told its end");
        assert_eq!((flying.len(), flying.by_end.len()), (0, 0));
    }

    #[test]
    fn whoever_takes_a_statement_over_says_when_it_ends() {
        let mut flying = InFlight::default();
        flying.began(RunId(1), statement(1), START);
        flying.left(RunId(1), START);
        flying.began(RunId(2), statement(1), START);
        flying.ended(RunId(1), &key(1));
        assert!(flying.find(&key(1), START + KEPT_AFTER_DEATH).is_some());
        flying.ended(RunId(2), &key(1));
        assert_eq!((flying.len(), flying.by_end.len()), (0, 0));
    }

    #[test]
    fn there_are_never_more_than_the_most() {
        let mut flying = InFlight::default();
        for number in 0..=STATEMENTS_MAX {
            let nanoseconds = Duration::from_nanos(u64::try_from(number).unwrap());
            flying.began(RunId(1), statement(number), START + nanoseconds);
        }
        assert_eq!((flying.len(), flying.by_end.len()), (STATEMENTS_MAX, STATEMENTS_MAX));
        assert_eq!(flying.find(&key(0), START), None);
        assert_eq!(flying.find(&key(1), START), Some(statement(1)));
    }
}
