//! The study: everything that decides. Pure, and only the standard library.
//!
//! Events go in, actions come out; time and chance are arguments. No I/O, no clock, no entropy,
//! no log, no `async`, no hash map with its random order: `tests/tidy.rs` holds that door.

mod action;
mod desired;
mod event;
mod exit;
mod moment;
mod rng;
mod snapshot;

pub use action::{Action, KillCause, Notice, Outcome};
pub use desired::{
    AppGoal, AppName, Desired, Fingerprint, Readiness, RestartPolicy, RestartWhen, Rollout, RunId,
    SlotId,
};
pub use event::{Command, Event, RequestId, Scope, Urgency};
pub use exit::{Exit, Meaning};
pub use moment::Moment;
pub use rng::Rng;
pub use snapshot::{AppView, PhaseName, RollView, SlotView, Snapshot};

/// The state of everything that is supervised, and the rules by which it changes.
#[derive(Debug)]
pub struct Machine {}

impl Machine {
    /// A machine that wants nothing yet; the seed spreads its retries.
    #[must_use]
    pub fn new(_seed: u64) -> Machine {
        Machine {}
    }

    /// Takes an event in, acts on every deadline that has passed, moves each slot one step
    /// towards its goal, and says what is to be done. Total: it never fails.
    pub fn handle(&mut self, _now: Moment, _event: Event) -> Vec<Action> {
        Vec::new()
    }

    /// When to call [`Machine::handle`] with [`Event::Tick`] if nothing else happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        None
    }

    /// The picture at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::default()
    }
}
