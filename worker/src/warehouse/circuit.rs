//! Remembers a failed login for a while, so that a wrong password is not tried again and again.
//!
//! The pool's library retries a failed connect for ever, and a few failed logins lock a user. So
//! after a failure every further try is refused from memory until the cool-down has passed.

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
    Shut,
}

impl Circuit {
    /// A circuit that lets the first try pass.
    #[must_use]
    pub fn new(cool_down: Duration) -> Circuit {
        Circuit { cool_down, state: Mutex::new(State::Closed) }
    }

    /// Why no session may be opened now, or `None` when one may.
    #[must_use]
    pub fn refusal(&self, now: Moment) -> Option<String> {
        match &*self.state() {
            State::Closed => None,
            State::Open { until, reason } => (now < *until).then(|| reason.clone()),
            State::Shut => Some("the pool is closed".to_owned()),
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

    /// Nothing will be opened any more.
    pub fn shut(&self) {
        self.change(State::Shut);
    }

    /// Whether [`Circuit::shut`] was called.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        match *self.state() {
            State::Closed | State::Open { .. } => false,
            State::Shut => true,
        }
    }

    fn change(&self, next: State) {
        let mut state = self.state();
        match *state {
            State::Closed | State::Open { .. } => *state = next,
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
        assert_eq!(circuit.refusal(at(30)), Some("wrong password".to_owned()));
        assert_eq!(circuit.refusal(at(31)), None);
        circuit.failed(at(31), "wrong password".to_owned());
        circuit.succeeded();
        assert_eq!(circuit.refusal(at(32)), None);
    }

    #[test]
    fn a_shut_circuit_stays_shut() {
        let circuit = Circuit::new(Duration::ZERO);
        circuit.shut();
        circuit.succeeded();
        assert!(circuit.refusal(at(9)).is_some());
    }
}
