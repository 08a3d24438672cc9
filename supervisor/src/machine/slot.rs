//! One place for a worker: who sits in it, who is to take over, who is on the way out.
//!
//! The *seat* is what the phase table of the architecture is about. A *successor* starts beside a
//! ready worker and displaces it once it serves itself; it never starts while an earlier worker
//! is still leaving, so a slot never holds more than two processes, however often it is rolled.

use crate::machine::action::{DrainCause, KillCause};
use crate::machine::backoff::Tally;
use crate::machine::desired::{AppGoal, RunId, SlotId};
use crate::machine::exit::Meaning;
use crate::machine::moment::Moment;
use crate::machine::snapshot::{PhaseName, Replaced};
use crate::machine::turn::{Complaint, Move, Turn};
use crate::machine::words::size;
use crate::machine::worker::{Kind, Passed, Stage, Worker};

/// One place for a worker.
#[derive(Debug, Clone)]
pub(super) struct Slot {
    /// Its name.
    pub(super) id: SlotId,
    /// Who sits in it, or why nobody does.
    pub(super) seat: Seat,
    /// The run that is to take over, while it starts.
    pub(super) successor: Option<Worker>,
    /// Runs that were displaced, on their way out.
    pub(super) leaving: Vec<Worker>,
    /// Since when nobody has been in the seat, where nobody is.
    pub(super) empty_since: Moment,
    /// Why nobody is in the seat, when that is not obvious.
    pub(super) why: Option<String>,
    /// Its deaths.
    pub(super) tally: Tally,
    /// How often a worker was started again after a death.
    pub(super) restarts: u64,
    /// How the last run ended.
    pub(super) last_exit: Option<String>,
    /// Replacements that nobody asked for.
    pub(super) replaced: Option<Replaced>,
}

/// Who sits in a slot.
#[derive(Debug, Clone)]
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every seat is taken: a box would save nothing"
)]
pub(super) enum Seat {
    /// Nobody; a worker is started as soon as one is wanted.
    Vacant,
    /// Nobody: the worker was done, and its policy leaves it at that.
    Finished {
        /// How it ended.
        how: Meaning,
    },
    /// A run.
    Taken(Worker),
    /// Nobody until the next try.
    Backoff {
        /// When that is.
        until: Moment,
    },
    /// Nobody; waits for a person or a new configuration.
    Failed,
}

/// Whether a slot is part of what the operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wanted {
    /// It is.
    Yes,
    /// It is to be emptied.
    No,
}

impl Slot {
    /// An empty slot.
    pub(super) fn new(id: SlotId, now: Moment) -> Slot {
        Slot {
            id,
            seat: Seat::Vacant,
            successor: None,
            leaving: Vec::new(),
            empty_since: now,
            why: None,
            tally: Tally::default(),
            restarts: 0,
            last_exit: None,
            replaced: None,
        }
    }

    /// Every run in it.
    pub(super) fn workers(&self) -> impl Iterator<Item = &Worker> {
        self.seated().into_iter().chain(&self.successor).chain(&self.leaving)
    }

    /// Every run in it, to be changed.
    pub(super) fn workers_mut(&mut self) -> impl Iterator<Item = &mut Worker> {
        let seated = match &mut self.seat {
            Seat::Taken(worker) => Some(worker),
            Seat::Vacant | Seat::Finished { .. } | Seat::Backoff { .. } | Seat::Failed => None,
        };
        seated.into_iter().chain(&mut self.successor).chain(&mut self.leaving)
    }

    /// The run in the seat.
    pub(super) fn seated(&self) -> Option<&Worker> {
        match &self.seat {
            Seat::Taken(worker) => Some(worker),
            Seat::Vacant | Seat::Finished { .. } | Seat::Backoff { .. } | Seat::Failed => None,
        }
    }

    /// True when whoever depends on it may start: its worker serves, or did what it was for.
    pub(super) fn is_up(&self) -> bool {
        match &self.seat {
            Seat::Taken(worker) => worker.is_ready(),
            Seat::Finished { how } => match how {
                Meaning::Clean | Meaning::Done => true,
                Meaning::Failed | Meaning::Hopeless => false,
            },
            Seat::Vacant | Seat::Backoff { .. } | Seat::Failed => false,
        }
    }

    /// True when it serves, or there is nothing more to come from it.
    pub(super) fn is_settled(&self) -> bool {
        self.is_ready() || matches!(self.seat, Seat::Finished { .. })
    }

    /// True while a worker in it serves.
    pub(super) fn is_ready(&self) -> bool {
        self.seated().is_some_and(Worker::is_ready)
    }

    /// True when no process is left in it.
    pub(super) fn is_empty(&self) -> bool {
        self.workers().next().is_none()
    }

    /// Takes the news that a run serves.
    pub(super) fn ready(&mut self, turn: &mut Turn, run: RunId, goal: &AppGoal) {
        let id = self.id.clone();
        let starting = |worker: &&mut Worker| matches!(worker.stage, Stage::Starting { .. });
        if let Some(worker) = self.workers_mut().filter(starting).find(|worker| worker.run == run) {
            worker.become_ready(turn, &id, goal);
        }
        self.hand_over(turn, goal);
    }

    /// Takes a run's own words about why it cannot serve.
    pub(super) fn cannot_serve(&mut self, run: RunId, why: String) {
        if let Some(worker) = self.workers_mut().find(|worker| worker.run == run) {
            worker.cannot_serve(why);
        }
    }

    /// Takes the news that a probe found a run unwell.
    pub(super) fn probe_failed(
        &mut self,
        turn: &mut Turn,
        run: RunId,
        goal: &AppGoal,
        why: String,
    ) {
        let id = self.id.clone();
        if let Some(worker) = self.workers_mut().find(|worker| worker.run == run) {
            worker.probe_failed(turn, &id, goal, why);
        }
    }

    /// Takes the news of how much memory a run takes. It is judged once it is stable: a limit
    /// below what every worker needs must not become a loop of replacements.
    pub(super) fn measured(&mut self, turn: &Turn, run: RunId, goal: &AppGoal, bytes: u64) {
        let Some(max) = goal.memory_bytes_max.filter(|max| bytes > *max) else { return };
        if let Seat::Taken(worker) = &mut self.seat
            && worker.run == run
            && worker.ready_at.is_some_and(|at| turn.now.since(at) >= goal.restart.stable_after)
        {
            let (taken, max) = (size(bytes), size(max));
            let why = format!("takes {taken} of memory, max_memory is {max}");
            worker.retire_unasked((DrainCause::Memory, why));
        }
    }

    /// Marks the worker in the seat to be replaced.
    pub(super) fn retire(&mut self, why: &str) {
        if let Seat::Taken(worker) = &mut self.seat {
            worker.retire(why.to_owned());
        }
    }

    /// Takes a sign of life.
    pub(super) fn heard(&mut self, turn: &Turn, run: RunId, goal: &AppGoal) {
        if let Some(worker) = self.workers_mut().find(|worker| worker.run == run) {
            worker.heard(turn, goal);
        }
    }

    /// Acts on every deadline that has passed.
    pub(super) fn expire(&mut self, turn: &mut Turn, goal: &AppGoal) {
        let id = self.id.clone();
        for worker in &mut self.leaving {
            worker.expire(turn, &id, goal);
        }
        if let Seat::Taken(worker) = &mut self.seat {
            worker.expire(turn, &id, goal);
        }
        match self.successor.as_mut().map(|worker| worker.expire(turn, &id, goal)) {
            Some(Passed::BecameReady) => self.hand_over(turn, goal),
            Some(Passed::Killed) => self.leaving.extend(self.successor.take()),
            Some(Passed::Nothing) | None => {}
        }
        match self.seat {
            Seat::Backoff { until } if until <= turn.now => self.retry(turn.now),
            Seat::Backoff { .. }
            | Seat::Vacant
            | Seat::Finished { .. }
            | Seat::Taken(_)
            | Seat::Failed => {}
        }
    }

    /// Leaves the seat to the next try.
    pub(super) fn retry(&mut self, now: Moment) {
        self.restarts = self.restarts.saturating_add(1);
        self.vacate(now);
    }

    /// Starts a worker in the empty seat.
    pub(super) fn fill(&mut self, turn: &mut Turn, kind: Kind, goal: &AppGoal) {
        self.why = None;
        self.seat = Seat::Taken(Worker::spawn(turn, &self.id, kind, goal));
    }

    /// Starts a worker that is to displace the one in the seat.
    pub(super) fn raise_successor(&mut self, turn: &mut Turn, kind: Kind, goal: &AppGoal) {
        self.successor = Some(Worker::spawn(turn, &self.id, kind, goal));
    }

    /// Drains the successor, if there is one.
    pub(super) fn dismiss_successor(&mut self, turn: &mut Turn, goal: &AppGoal, why: &str) {
        if let Some(mut worker) = self.successor.take() {
            worker.drain(turn, &self.id, goal, (DrainCause::NoLongerWanted, why));
            self.leaving.push(worker);
        }
    }

    /// Drains the worker in the seat, if there is one.
    pub(super) fn drain_seat(&mut self, turn: &mut Turn, goal: &AppGoal, why: (DrainCause, &str)) {
        if let Seat::Taken(worker) = &mut self.seat {
            worker.drain(turn, &self.id, goal, why);
        }
    }

    /// Forgets its deaths; whoever waits or gave up may start at once.
    pub(super) fn forgive(&mut self, now: Moment) {
        self.tally.forgive();
        match self.seat {
            Seat::Finished { .. } | Seat::Backoff { .. } | Seat::Failed => self.vacate(now),
            Seat::Vacant | Seat::Taken(_) => {}
        }
    }

    /// Forgets its past; whoever waits or gave up may start at once, who was done stays done.
    pub(super) fn reset(&mut self, now: Moment) {
        self.restarts = 0;
        self.last_exit = None;
        self.replaced = None;
        match self.seat {
            Seat::Finished { .. } => self.tally.forgive(),
            Seat::Vacant | Seat::Taken(_) | Seat::Backoff { .. } | Seat::Failed => {
                self.forgive(now);
            }
        }
    }

    /// Empties it, to be filled again: every worker drains, and its end will be no death.
    pub(super) fn restart(&mut self, turn: &mut Turn, goal: &AppGoal) {
        const WHY: &str = "restart";
        self.forgive(turn.now);
        self.dismiss_successor(turn, goal, WHY);
        self.drain_seat(turn, goal, (DrainCause::Restart, WHY));
        self.plan_the_end();
    }

    /// Whoever is being killed would have had to go anyway: its end will be no death.
    fn plan_the_end(&mut self) {
        if let Seat::Taken(Worker { stage: Stage::Killing { why, .. }, .. }) = &mut self.seat {
            *why = KillCause::NoLongerWanted;
        }
    }

    /// Takes note that it is not wanted: should it be wanted again before its last worker has
    /// left, it starts without a past.
    pub(super) fn forget_past(&mut self) {
        self.tally.forgive();
        self.plan_the_end();
    }

    /// Moves a slot that is not wanted one step towards emptiness.
    pub(super) fn empty(&mut self, turn: &mut Turn, goal: &AppGoal, why: &str) {
        self.dismiss_successor(turn, goal, why);
        self.drain_seat(turn, goal, (DrainCause::NoLongerWanted, why));
        self.forget_past();
        match self.seat {
            Seat::Finished { .. } | Seat::Backoff { .. } | Seat::Failed => {
                self.vacate(turn.now);
                self.moved(turn, PhaseName::Stopped, None, Some(why));
            }
            Seat::Vacant | Seat::Taken(_) => {}
        }
    }

    /// Kills everybody in it.
    pub(super) fn kill_all(&mut self, turn: &mut Turn, goal: &AppGoal) {
        let id = self.id.clone();
        for worker in self.workers_mut() {
            worker.kill(turn, &id, goal, KillCause::NoLongerWanted);
        }
    }

    /// Puts a changed policy in force.
    pub(super) fn rearm(&mut self, turn: &Turn, before: &AppGoal, goal: &AppGoal) {
        for worker in self.workers_mut() {
            worker.rearm(turn, before, goal);
        }
        if let Seat::Backoff { until } = &mut self.seat {
            *until = turn.after(goal.restart.backoff_max).min(*until);
        }
    }

    /// When its next deadline comes.
    pub(super) fn deadline(&self) -> Option<Moment> {
        let retry = match self.seat {
            Seat::Backoff { until } => Some(until),
            Seat::Vacant | Seat::Finished { .. } | Seat::Taken(_) | Seat::Failed => None,
        };
        self.workers().filter_map(Worker::deadline).chain(retry).min()
    }

    /// Its place and its last end, for a person.
    pub(super) fn complaint(&self) -> Complaint {
        let why = self.why.as_deref().or(self.last_exit.as_deref()).unwrap_or("not ready");
        Complaint { slot: self.id.clone(), why: why.to_owned() }
    }

    /// Lets a successor that serves take the seat; whoever sat there drains.
    fn hand_over(&mut self, turn: &mut Turn, goal: &AppGoal) {
        if self.successor.as_ref().is_some_and(Worker::is_ready) {
            self.count_unasked(turn.now);
        }
        if let Some(successor) = self.successor.take_if(|worker| worker.is_ready())
            && let Seat::Taken(mut displaced) =
                std::mem::replace(&mut self.seat, Seat::Taken(successor))
        {
            let why = displaced.retired.clone();
            let why = (displaced.cause, why.as_deref().unwrap_or("replaced"));
            displaced.drain(turn, &self.id, goal, why);
            self.leaving.push(displaced);
        }
    }

    /// Leaves the seat empty.
    pub(super) fn vacate(&mut self, now: Moment) {
        self.seat = Seat::Vacant;
        self.empty_since = now;
        self.why = None;
    }

    /// Announces a change of phase that has no deadline.
    pub(super) fn moved(
        &self,
        turn: &mut Turn,
        to: PhaseName,
        run: Option<RunId>,
        why: Option<&str>,
    ) {
        turn.moved(Move { slot: &self.id, run, to, why, next_in: None });
    }
}
