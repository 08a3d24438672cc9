//! The worker's life as a table: booting, ready, draining, done. Pure: no clock, no socket.
//!
//! News comes in with the time, actions go out; whoever drives this does what they say and comes
//! back at [`Lifecycle::next_deadline`].

use std::time::Duration;

use crate::clock::Moment;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum News {
    /// The pool is open; requests can be answered.
    Booted,
    /// Someone wants us to leave within the grace.
    Drain {
        /// How long that may take.
        grace: Duration,
    },
    /// No client connection is left.
    Emptied,
    /// Time has passed.
    Tick,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Open the door and tell the supervisor.
    Open,
    /// Accept no connection; answer each further request with `Connection: close`.
    StopAccepting,
    /// Close the connections that wait for a request that does not come.
    CloseIdle,
    /// Answer what still runs with an error and cancel it.
    AnswerRest,
    /// Close what is left and exit.
    Leave,
}

/// Where the worker stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not able to serve yet.
    Booting,
    /// Serves.
    Ready,
    /// Finishes what it has.
    Draining(Drain),
    /// Has nothing left to do.
    Done,
}

/// How far a drain is, and its deadlines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drain {
    duty: Duty,
    /// When the connections that idle are closed.
    close_idle_at: Moment,
    /// When what still runs is answered with an error.
    answer_at: Moment,
    /// When the worker leaves, whatever is left.
    leave_at: Moment,
}

/// The part of a drain that is going on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Duty {
    AwaitingRequests,
    FinishingRequests,
    AnsweringRest,
}

/// The longest time kept back from the grace for error answers and goodbyes.
const MARGIN_MAX: Duration = Duration::from_secs(1);

/// The state machine.
#[derive(Debug)]
pub struct Lifecycle {
    phase: Phase,
    idle_grace: Duration,
}

impl Lifecycle {
    /// A worker that boots.
    #[must_use]
    pub fn new(idle_grace: Duration) -> Lifecycle {
        Lifecycle { phase: Phase::Booting, idle_grace }
    }

    /// Where the worker stands.
    #[must_use]
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// When to come back with [`News::Tick`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        match self.phase {
            Phase::Booting | Phase::Ready | Phase::Done => None,
            Phase::Draining(drain) => Some(drain.deadline()),
        }
    }

    /// Takes the news in and says what is to be done, in order.
    pub fn handle(&mut self, now: Moment, news: News) -> Vec<Action> {
        match (self.phase, news) {
            (Phase::Booting, News::Booted) => {
                self.phase = Phase::Ready;
                vec![Action::Open]
            }
            (Phase::Booting, News::Drain { .. }) => {
                self.phase = Phase::Done;
                vec![Action::Leave]
            }
            (Phase::Ready, News::Drain { grace }) => {
                self.phase = Phase::Draining(Drain::new(now, grace, self.idle_grace));
                vec![Action::StopAccepting]
            }
            (Phase::Draining(drain), News::Drain { grace }) => {
                self.phase = Phase::Draining(drain.hastened(now, grace, self.idle_grace));
                self.advance(now)
            }
            (Phase::Draining(_), News::Emptied) => {
                self.phase = Phase::Done;
                vec![Action::Leave]
            }
            (Phase::Draining(_), News::Tick) => self.advance(now),
            (Phase::Booting, News::Emptied | News::Tick)
            | (Phase::Ready, News::Booted | News::Emptied | News::Tick)
            | (Phase::Draining(_), News::Booted)
            | (Phase::Done, News::Booted | News::Drain { .. } | News::Emptied | News::Tick) => {
                Vec::new()
            }
        }
    }

    /// Acts on every deadline of a drain that has passed.
    fn advance(&mut self, now: Moment) -> Vec<Action> {
        let mut actions = Vec::new();
        while let Phase::Draining(mut drain) = self.phase {
            if now < drain.deadline() {
                break;
            }
            let (phase, action) = match drain.duty {
                Duty::AwaitingRequests => {
                    drain.duty = Duty::FinishingRequests;
                    (Phase::Draining(drain), Action::CloseIdle)
                }
                Duty::FinishingRequests => {
                    drain.duty = Duty::AnsweringRest;
                    (Phase::Draining(drain), Action::AnswerRest)
                }
                Duty::AnsweringRest => (Phase::Done, Action::Leave),
            };
            self.phase = phase;
            actions.push(action);
        }
        actions
    }
}

impl Drain {
    fn new(now: Moment, grace: Duration, idle_grace: Duration) -> Drain {
        let margin = MARGIN_MAX.min(grace / 4);
        let answer_at = now + (grace - margin);
        Drain {
            duty: Duty::AwaitingRequests,
            close_idle_at: answer_at.min(now + idle_grace),
            answer_at,
            leave_at: answer_at + margin / 2,
        }
    }

    /// A second wish can only make it quicker: the first one's promise stands.
    fn hastened(self, now: Moment, grace: Duration, idle_grace: Duration) -> Drain {
        let other = Drain::new(now, grace, idle_grace);
        Drain {
            duty: self.duty,
            close_idle_at: self.close_idle_at.min(other.close_idle_at),
            answer_at: self.answer_at.min(other.answer_at),
            leave_at: self.leave_at.min(other.leave_at),
        }
    }

    fn deadline(&self) -> Moment {
        match self.duty {
            Duty::AwaitingRequests => self.close_idle_at,
            Duty::FinishingRequests => self.answer_at,
            Duty::AnsweringRest => self.leave_at,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRACE: News = News::Drain { grace: Duration::from_secs(20) };

    fn at(seconds: u64) -> Moment {
        Moment::START + Duration::from_secs(seconds)
    }

    fn ready() -> Lifecycle {
        let mut life = Lifecycle::new(Duration::from_secs(2));
        assert_eq!(life.handle(at(0), News::Booted), [Action::Open]);
        life
    }

    #[test]
    fn a_drain_takes_its_steps_in_order_and_ends_within_the_grace() {
        let mut life = ready();
        assert_eq!(life.handle(at(10), GRACE), [Action::StopAccepting]);
        assert_eq!(life.handle(at(11), News::Tick), []);
        assert_eq!(life.next_deadline(), Some(at(12)));
        assert_eq!(life.handle(at(12), News::Tick), [Action::CloseIdle]);
        assert_eq!(life.next_deadline(), Some(at(29)));
        assert_eq!(life.handle(at(29), News::Tick), [Action::AnswerRest]);
        assert!(life.next_deadline().unwrap() < at(30));
        assert_eq!(life.handle(at(30), News::Tick), [Action::Leave]);
        assert_eq!(life.phase(), Phase::Done);
        assert_eq!(life.next_deadline(), None);
    }

    #[test]
    fn a_drain_ends_as_soon_as_nothing_is_left() {
        let mut life = ready();
        life.handle(at(10), GRACE);
        assert_eq!(life.handle(at(10), News::Emptied), [Action::Leave]);
        assert_eq!(life.handle(at(30), News::Tick), []);
    }

    #[test]
    fn a_late_tick_takes_all_the_steps_that_were_due() {
        let mut life = ready();
        life.handle(at(10), GRACE);
        let rest = [Action::CloseIdle, Action::AnswerRest, Action::Leave];
        assert_eq!(life.handle(at(99), News::Tick), rest);
    }

    #[test]
    fn a_second_drain_can_only_hasten() {
        let mut life = ready();
        life.handle(at(10), GRACE);
        life.handle(at(10), News::Drain { grace: Duration::from_secs(900) });
        assert_eq!(life.next_deadline(), Some(at(12)));
        life.handle(at(12), News::Tick);
        life.handle(at(13), News::Drain { grace: Duration::from_secs(4) });
        assert_eq!(life.next_deadline(), Some(at(16)));
    }

    #[test]
    fn a_drain_without_grace_leaves_at_once() {
        let mut life = ready();
        life.handle(at(10), News::Drain { grace: Duration::ZERO });
        let rest = [Action::CloseIdle, Action::AnswerRest, Action::Leave];
        assert_eq!(life.handle(at(10), News::Tick), rest);
    }

    #[test]
    fn a_drain_while_booting_leaves_and_late_news_changes_nothing() {
        let mut life = Lifecycle::new(Duration::ZERO);
        assert_eq!(life.handle(at(1), GRACE), [Action::Leave]);
        for news in [News::Booted, GRACE, News::Emptied, News::Tick] {
            assert_eq!(life.handle(at(2), news), []);
        }
    }
}
