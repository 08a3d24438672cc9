//! Remembers a failed login for a while, so that a wrong password is not tried again and again.
//!
//! The pool's library retries a failed connect for ever, and a few failed logins lock a user. So
//! after a failure every further try is refused from memory until the cool-down has passed; what
//! the warehouse does not let in is not tried again at all, for other credentials come with
//! another worker.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use crate::clock::Moment;

/// The memory of the last failure.
#[derive(Debug)]
pub struct Circuit {
    cool_down: Duration,
    state: Mutex<State>,
}

#[derive(Debug, Clone)]
enum State {
    Closed,
    Open { until: Moment, reason: String },
    Refused { reason: String },
    Shut,
}

/// Why no session may be opened now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// It failed a while ago, and will be tried again.
    ForNow(String),
    /// The warehouse does not let these credentials in.
    ForGood(String),
}

impl Refusal {
    /// The warehouse's words.
    #[must_use]
    pub fn reason(self) -> String {
        match self {
            Refusal::ForNow(reason) | Refusal::ForGood(reason) => reason,
        }
    }
}

impl Circuit {
    /// A circuit that lets the first try pass.
    #[must_use]
    pub fn new(cool_down: Duration) -> Circuit {
        Circuit { cool_down, state: Mutex::new(State::Closed) }
    }

    /// Why no session may be opened now, or `None` when one may.
    #[must_use]
    pub fn refusal(&self, now: Moment) -> Option<Refusal> {
        match &*self.state() {
            State::Closed => None,
            State::Open { until, reason } => {
                (now < *until).then(|| Refusal::ForNow(reason.clone()))
            }
            State::Refused { reason } => Some(Refusal::ForGood(reason.clone())),
            State::Shut => Some(Refusal::ForNow("the pool is closed".to_owned())),
        }
    }

    /// A session was opened.
    pub fn succeeded(&self) {
        self.change(State::Closed);
    }

    /// No session could be opened.
    pub fn failed(&self, now: Moment, reason: String) {
        self.change(State::Open { until: now + self.cool_down, reason });
    }

    /// The warehouse does not let these credentials in.
    pub fn refused(&self, reason: String) {
        self.change(State::Refused { reason });
    }

    /// Nothing will be opened any more.
    pub fn shut(&self) {
        self.change(State::Shut);
    }

    /// Whether [`Circuit::shut`] was called.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        match *self.state() {
            State::Closed | State::Open { .. } | State::Refused { .. } => false,
            State::Shut => true,
        }
    }

    fn change(&self, next: State) {
        let mut state = self.state();
        match *state {
            State::Closed | State::Open { .. } | State::Refused { .. } => *state = next,
            State::Shut => {}
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::START + Duration::from_secs(seconds)
    }

    #[test]
    fn a_failure_is_remembered_until_the_cool_down_has_passed() {
        let circuit = Circuit::new(Duration::from_secs(30));
        assert_eq!(circuit.refusal(at(0)), None);
        circuit.failed(at(1), "wrong password".to_owned());
        assert_eq!(circuit.refusal(at(30)), Some(Refusal::ForNow("wrong password".to_owned())));
        assert_eq!(circuit.refusal(at(31)), None);
        circuit.failed(at(31), "wrong password".to_owned());
        circuit.succeeded();
        assert_eq!(circuit.refusal(at(32)), None);
    }

    #[test]
    fn what_is_refused_is_not_tried_again() {
        let circuit = Circuit::new(Duration::from_secs(30));
        circuit.refused("wrong password".to_owned());
        let refusal = Some(Refusal::ForGood("wrong password".to_owned()));
        assert_eq!(circuit.refusal(at(1_000_000)), refusal);
        assert!(!circuit.is_shut());
    }

    #[test]
    fn a_shut_circuit_stays_shut() {
        let circuit = Circuit::new(Duration::ZERO);
        circuit.shut();
        circuit.succeeded();
        assert!(circuit.refusal(at(9)).is_some());
    }
}
