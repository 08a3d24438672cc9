//! What one call of `handle` gathers: the actions, the setbacks, and the two things that are
//! issued along the way, run numbers and chance.

use std::time::Duration;

use crate::machine::action::{Action, Notice};
use crate::machine::desired::{AppName, RunId, SlotId};
use crate::machine::moment::Moment;
use crate::machine::rng::Rng;
use crate::machine::snapshot::PhaseName;
use crate::machine::worker::Kind;

/// The shortest wait that becomes a deadline. The configuration refuses zero durations; this
/// keeps the promise that a deadline lies ahead even if one got through, so the loop cannot spin.
const SHORTEST_WAIT: Duration = Duration::from_millis(1);

/// One call of `handle`.
#[derive(Debug)]
pub(super) struct Turn {
    /// When it is.
    pub(super) now: Moment,
    /// What is to be done, in order.
    pub(super) actions: Vec<Action>,
    /// Workers that failed before they were ever ready, in this turn.
    pub(super) setbacks: Vec<Setback>,
    /// Workers that died in their seats after they were ready, but before they were stable.
    pub(super) relapses: Vec<Setback>,
    /// Slots that gave up.
    pub(super) given_up: Vec<Complaint>,
    /// Workers that became ready, by app and kind.
    pub(super) readied: Vec<(AppName, Kind)>,
    /// Chance.
    pub(super) rng: Rng,
    /// The number of the next run.
    pub(super) next_run: RunId,
}

/// A worker died, or was killed, before it had proved itself.
#[derive(Debug, Clone)]
pub(super) struct Setback {
    /// Where.
    pub(super) slot: SlotId,
    /// Which run.
    pub(super) run: RunId,
    /// Of which kind it was.
    pub(super) kind: Kind,
    /// Why, for a person.
    pub(super) why: String,
}

/// What is the matter with a slot, for a person.
#[derive(Debug, Clone)]
pub(super) struct Complaint {
    /// The slot.
    pub(super) slot: SlotId,
    /// What is the matter.
    pub(super) why: String,
}

impl Complaint {
    /// The slot and what is the matter with it.
    pub(super) fn words(&self) -> String {
        format!("{}: {}", self.slot, self.why)
    }
}

impl From<&Setback> for Complaint {
    fn from(setback: &Setback) -> Complaint {
        Complaint { slot: setback.slot.clone(), why: setback.why.clone() }
    }
}

/// A change of phase, as it will be announced.
#[derive(Debug)]
pub(super) struct Move<'a> {
    /// The slot.
    pub(super) slot: &'a SlotId,
    /// The run, where there is one.
    pub(super) run: Option<RunId>,
    /// The phase that begins.
    pub(super) to: PhaseName,
    /// Why, when that is not obvious.
    pub(super) why: Option<&'a str>,
    /// When the phase's deadline comes.
    pub(super) next_in: Option<Duration>,
}

impl Turn {
    /// A turn that begins now.
    pub(super) fn new(now: Moment, rng: Rng, next_run: RunId) -> Turn {
        Turn {
            now,
            actions: Vec::new(),
            setbacks: Vec::new(),
            relapses: Vec::new(),
            given_up: Vec::new(),
            readied: Vec::new(),
            rng,
            next_run,
        }
    }

    /// The deadline that lies so far ahead.
    pub(super) fn after(&self, wait: Duration) -> Moment {
        self.now + wait.max(SHORTEST_WAIT)
    }

    /// A deadline up to a tenth before that, so that many that began together do not end together.
    pub(super) fn sooner(&mut self, wait: Duration) -> Moment {
        let tenth = u64::try_from(wait.as_nanos() / 10).unwrap_or(u64::MAX);
        let wait = wait.saturating_sub(Duration::from_nanos(self.rng.below(tenth)));
        self.after(wait)
    }

    /// A run number that was never used before.
    pub(super) fn issue_run(&mut self) -> RunId {
        let run = self.next_run;
        self.next_run = RunId(run.0.saturating_add(1));
        run
    }

    /// Adds an action.
    pub(super) fn act(&mut self, action: Action) {
        self.actions.push(action);
    }

    /// Adds a line for people.
    pub(super) fn announce(&mut self, notice: Notice) {
        self.actions.push(Action::Announce(notice));
    }

    /// Announces a change of phase: the one place where that is done.
    pub(super) fn moved(&mut self, change: Move<'_>) {
        self.announce(Notice::Moved {
            slot: change.slot.clone(),
            run: change.run,
            to: change.to,
            why: change.why.map(str::to_owned),
            next_in: change.next_in,
        });
    }
}
