//! Remembers that no session can be opened, so that it is not tried again and again.
//!
//! The pool's library retries a failed connect for ever. So a failure closes the way for a while:
//! longer with each one in a row while the warehouse cannot be reached, and for a fixed time after
//! a refusal, for which the warehouse itself keeps in mind that nothing may be sent, and while a
//! person has to log in.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use mcp_protocol::message::{self, Logins};

use super::WarehouseError;
use super::pool::PoolError;
use crate::clock::Moment;

/// The first wait after the warehouse could not be reached; it doubles.
const WAIT_MIN: Duration = Duration::from_millis(500);
/// The longest: a warehouse that is back is found again in about this time.
const WAIT_MAX: Duration = Duration::from_secs(15);
/// How often to look whether what was refused may be tried again.
const REFUSED_WAIT: Duration = Duration::from_secs(30);
/// How often to look whether a person has logged in: nothing is sent for that.
const LOGGED_OUT_WAIT: Duration = Duration::from_secs(1);

/// The memory of the last failure.
#[derive(Debug)]
pub struct Circuit {
    state: Mutex<State>,
}

#[derive(Debug)]
enum State {
    Closed,
    Open { until: Moment, streak: u32, why: Why },
    Shut,
}

/// Why no session may be opened now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It was tried and did not work.
    Failed(String),
    /// The warehouse does not let us in.
    Refused(String),
    /// A person has to log in first.
    LoggedOut(String),
    /// The pool is closed.
    Shut,
}

impl From<Why> for PoolError {
    fn from(why: Why) -> PoolError {
        match why {
            Why::Failed(reason) | Why::LoggedOut(reason) => PoolError::Open { reason },
            Why::Refused(reason) => PoolError::Refused { reason },
            Why::Shut => PoolError::Closed,
        }
    }
}

impl Default for Circuit {
    fn default() -> Circuit {
        Circuit { state: Mutex::new(State::Closed) }
    }
}

impl Circuit {
    /// Why no session may be opened now, or `None` when one may.
    #[must_use]
    pub fn refusal(&self, now: Moment) -> Option<Why> {
        match &*self.state() {
            State::Closed => None,
            State::Open { until, why, .. } => (now < *until).then(|| why.clone()),
            State::Shut => Some(Why::Shut),
        }
    }

    /// A session was opened.
    pub fn succeeded(&self) {
        let mut state = self.state();
        match *state {
            State::Closed | State::Open { .. } => *state = State::Closed,
            State::Shut => {}
        }
    }

    /// No session could be opened. `shortened` takes something off a wait, so that many who wait
    /// do not come back at once.
    pub fn failed(
        &self,
        now: Moment,
        error: &WarehouseError,
        shortened: impl Fn(Duration) -> Duration,
    ) {
        let mut state = self.state();
        let streak = match *state {
            State::Closed => 0,
            State::Open { streak, .. } => streak + 1,
            State::Shut => return,
        };
        let (wait, why) = match error {
            // Neither is mended by trying again.
            WarehouseError::Refused { .. } | WarehouseError::Settings { .. } => {
                (REFUSED_WAIT, Why::Refused(error.to_string()))
            }
            WarehouseError::LoggedOut { .. } => {
                (LOGGED_OUT_WAIT, Why::LoggedOut(error.to_string()))
            }
            WarehouseError::Statement { .. }
            | WarehouseError::Service { .. }
            | WarehouseError::Unsupported { .. }
            | WarehouseError::TimedOut { .. }
            | WarehouseError::Cancelled
            | WarehouseError::Left { .. }
            | WarehouseError::Connect { .. }
            | WarehouseError::Interrupted { .. } => {
                let doubled = WAIT_MIN.saturating_mul(1 << streak.min(10)).min(WAIT_MAX);
                (shortened(doubled), Why::Failed(error.to_string()))
            }
        };
        *state = State::Open { until: now + wait, streak, why };
    }

    /// Lets a session be opened at once, whatever went wrong before. That nobody is logged in stays
    /// known until a try shows otherwise: to forget it logs nobody in.
    pub fn reset(&self) {
        let mut state = self.state();
        match &mut *state {
            State::Open { why: Why::LoggedOut(_), until, .. } => *until = Moment::START,
            State::Closed | State::Open { .. } => *state = State::Closed,
            State::Shut => {}
        }
    }

    /// Why no session is opened, how often in a row that went wrong, and when the next try may be;
    /// `None` when sessions are opened.
    #[must_use]
    pub fn trouble(&self) -> Option<(Why, u32, Option<Moment>)> {
        match &*self.state() {
            State::Closed => None,
            State::Open { until, streak, why } => Some((why.clone(), streak + 1, Some(*until))),
            State::Shut => Some((Why::Shut, 0, None)),
        }
    }

    /// Nothing will be opened any more.
    pub fn shut(&self) {
        *self.state() = State::Shut;
    }

    /// Whether [`Circuit::shut`] was called.
    #[must_use]
    pub fn is_shut(&self) -> bool {
        matches!(*self.state(), State::Shut)
    }

    /// Whether sessions may be opened, in a word.
    #[must_use]
    pub fn position(&self, now: Moment) -> message::Circuit {
        match &*self.state() {
            State::Closed | State::Shut => message::Circuit::Closed,
            State::Open { until, .. } if now < *until => message::Circuit::Open,
            State::Open { .. } => message::Circuit::HalfOpen,
        }
    }

    /// How logins go, in a word.
    #[must_use]
    pub fn logins(&self) -> Logins {
        match &*self.state() {
            State::Closed | State::Shut => Logins::Fine,
            State::Open { why: Why::Refused(_), .. } => Logins::Refused,
            State::Open { why: Why::LoggedOut(_), .. } => Logins::LoggedOut,
            State::Open { why: Why::Failed(_) | Why::Shut, .. } => Logins::Failing,
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

    fn unreachable() -> WarehouseError {
        WarehouseError::Connect { warehouse: "it".to_owned(), reason: "no route".to_owned() }
    }

    #[test]
    fn waits_grow_while_the_warehouse_cannot_be_reached_and_end_with_the_first_session() {
        let circuit = Circuit::default();
        let mut now = at(0);
        assert_eq!(circuit.refusal(now), None);
        let mut waits = Vec::new();
        for _ in 0..7 {
            circuit.failed(now, &unreachable(), |wait| wait);
            let mut wait = Duration::ZERO;
            while circuit.refusal(now + wait).is_some() {
                wait += Duration::from_millis(500);
            }
            waits.push(wait.as_millis());
            now = now + wait;
        }
        assert_eq!(waits, [500, 1000, 2000, 4000, 8000, 15000, 15000]);
        assert_eq!(circuit.logins(), Logins::Failing);
        circuit.succeeded();
        assert_eq!((circuit.refusal(now), circuit.logins()), (None, Logins::Fine));
        circuit.failed(now, &unreachable(), |wait| wait);
        assert_eq!(circuit.refusal(now + Duration::from_millis(500)), None);
    }

    /// When the warehouse may be asked in an outage of so long, in which nobody answers.
    fn tries(outage: Duration, shortened: fn(Duration) -> Duration) -> Vec<Moment> {
        let circuit = Circuit::default();
        let mut tries = vec![at(0)];
        let mut now = at(0);
        circuit.failed(now, &unreachable(), shortened);
        while now.since(at(0)) < outage {
            now = now + Duration::from_millis(5);
            if circuit.refusal(now).is_none() {
                tries.push(now);
                circuit.failed(now, &unreachable(), shortened);
            }
        }
        tries
    }

    #[test]
    fn ten_minutes_of_an_outage_are_few_tries_and_end_within_seconds() {
        let outage = Duration::from_secs(600);
        let shortest: fn(Duration) -> Duration = |wait| wait - wait / 4;
        let longest: fn(Duration) -> Duration = |wait| wait;
        for (shortened, fewest, most) in [(shortest, 50, 60), (longest, 40, 50)] {
            let tries = tries(outage, shortened);
            assert!((fewest..=most).contains(&tries.len()), "{} tries", tries.len());
            // Whenever it ends, the next try is not far.
            let gaps = tries.windows(2).map(|pair| pair[1].since(pair[0]));
            assert!(gaps.max() <= Some(WAIT_MAX + Duration::from_millis(5)));
        }
    }

    #[test]
    fn a_refusal_is_told_as_one() {
        let circuit = Circuit::default();
        let reason = "wrong password".to_owned();
        let error = WarehouseError::Refused { warehouse: "it".to_owned(), reason };
        assert_eq!(circuit.position(at(1)), message::Circuit::Closed);
        circuit.failed(at(1), &error, |wait| wait);
        assert!(matches!(circuit.refusal(at(30)), Some(Why::Refused(_))));
        assert_eq!(circuit.position(at(30)), message::Circuit::Open);
        assert_eq!(circuit.position(at(31)), message::Circuit::HalfOpen);
        assert_eq!(circuit.logins(), Logins::Refused);
        assert_eq!(circuit.refusal(at(31)), None);
    }

    #[test]
    fn a_reset_does_not_say_that_somebody_is_logged_in_and_lets_the_next_one_try() {
        let circuit = Circuit::default();
        let reason = "run login".to_owned();
        let error = WarehouseError::LoggedOut { warehouse: "it".to_owned(), reason };
        circuit.failed(at(10), &error, |wait| wait);
        assert!(circuit.refusal(at(10)).is_some());
        circuit.reset();
        assert_eq!(circuit.refusal(at(10)), None, "the next one tries");
        assert_eq!(circuit.logins(), Logins::LoggedOut);
        assert_eq!(circuit.position(at(10)), message::Circuit::HalfOpen);
        assert!(matches!(circuit.trouble(), Some((Why::LoggedOut(_), 1, Some(_)))));
        circuit.succeeded();
        assert_eq!(circuit.logins(), Logins::Fine);
    }

    #[test]
    fn a_reset_lets_the_next_one_try_at_once() {
        let circuit = Circuit::default();
        (0..3).for_each(|_| circuit.failed(at(1), &unreachable(), |wait| wait));
        assert!(matches!(circuit.trouble(), Some((Why::Failed(_), 3, Some(_)))));
        circuit.reset();
        assert_eq!((circuit.refusal(at(1)), circuit.trouble()), (None, None));
        circuit.shut();
        circuit.reset();
        assert_eq!(circuit.refusal(at(1)), Some(Why::Shut));
    }

    #[test]
    fn a_person_who_logged_in_is_noticed_within_a_second() {
        let circuit = Circuit::default();
        for second in 0..100 {
            let reason = "nobody is logged in".to_owned();
            let error = WarehouseError::LoggedOut { warehouse: "it".to_owned(), reason };
            circuit.failed(at(second), &error, |wait| wait);
            assert_eq!(circuit.logins(), Logins::LoggedOut);
            assert_eq!(circuit.refusal(at(second + 1)), None);
        }
    }

    #[test]
    fn a_shut_circuit_stays_shut() {
        let circuit = Circuit::default();
        circuit.shut();
        circuit.succeeded();
        circuit.failed(at(1), &unreachable(), |wait| wait);
        assert_eq!(circuit.refusal(at(9)), Some(Why::Shut));
    }
}
