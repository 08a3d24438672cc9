//! Which slots may be replaced now, and when a roll is over or must stop.
//!
//! A roll is judged by what is in the seats. Displaced workers that take long to leave do not
//! count against `max_surge`, so they cannot hold up the other slots; but their own slot waits
//! for them before it is rolled again.

use std::time::Duration;

use crate::machine::action::Notice;
use crate::machine::app::App;
use crate::machine::desired::{Presence, Rollout};
use crate::machine::moment::Moment;
use crate::machine::order::{Gate, RollTurn};
use crate::machine::slot::{Seat, Slot};
use crate::machine::snapshot::RollView;
use crate::machine::turn::{Complaint, Turn};
use crate::machine::worker::Stage;

/// A roll that stopped, and that nobody asked for, is tried again after so long: whoever grew too
/// large or too old is still there.
const TRY_AGAIN: Duration = Duration::from_secs(60);

/// How a roll stands.
#[derive(Debug, Clone)]
pub(super) enum Roll {
    /// Nothing is to be replaced.
    Idle,
    /// Workers are being replaced.
    Rolling {
        /// Until then nobody is touched: a new worker is being watched.
        watching_until: Option<Moment>,
    },
    /// A new worker failed; nothing more is replaced until somebody asks again.
    Stopped {
        /// Who stopped it.
        complaint: Complaint,
        /// When it is tried again, if that is not left to a person.
        again_at: Option<Moment>,
    },
}

impl App {
    /// Begins a roll. One that runs already goes on towards the newest kind.
    pub(super) fn begin_roll(&mut self, turn: &mut Turn, why: Option<String>) {
        match self.roll {
            Roll::Rolling { .. } => {}
            // Nobody runs, and nobody would: there is nothing to tell.
            Roll::Idle | Roll::Stopped { .. } if self.presence != Presence::Wanted => {
                self.roll = Roll::Idle;
            }
            Roll::Idle | Roll::Stopped { .. } => {
                self.roll = Roll::Rolling { watching_until: None };
                turn.announce(Notice::RollBegan { app: self.name.clone(), why });
            }
        }
    }

    /// True while a roll goes on.
    pub(super) fn is_rolling(&self) -> bool {
        matches!(self.roll, Roll::Rolling { .. })
    }

    /// When the roll has something to do by itself.
    pub(super) fn roll_deadline(&self) -> Option<Moment> {
        match self.roll {
            Roll::Idle => None,
            Roll::Rolling { watching_until } => watching_until,
            Roll::Stopped { again_at, .. } => again_at,
        }
    }

    /// Acts on the roll's deadline if that has passed.
    pub(super) fn expire_roll(&mut self, turn: &mut Turn) {
        let passed = |at: &mut Moment| *at <= turn.now;
        match &mut self.roll {
            Roll::Idle => {}
            Roll::Rolling { watching_until } => drop(watching_until.take_if(passed)),
            Roll::Stopped { again_at, .. } => {
                if again_at.take_if(passed).is_some() {
                    let why = self.retirement();
                    self.begin_roll(turn, why);
                }
            }
        }
    }

    /// Why a worker is to be replaced that is of the wanted kind, if one is.
    fn retirement(&self) -> Option<String> {
        let slot = self.wanted_slots().find(|slot| {
            slot.seated().is_some_and(|worker| worker.is_ready() && worker.retired.is_some())
        })?;
        let why = slot.seated().and_then(|worker| worker.retired.as_deref()).unwrap_or_default();
        Some(format!("{} {why}", slot.id))
    }

    /// True when an outdated worker serves: it was to leave, and is wanted again before it did.
    fn keeps_outdated(&self) -> bool {
        self.wanted_slots()
            .filter_map(Slot::seated)
            .any(|worker| worker.is_ready() && self.is_outdated(worker))
    }

    /// Moves a roll one step.
    pub(super) fn step_roll(&mut self, turn: &mut Turn) {
        match self.roll {
            Roll::Idle => {
                let why = self.retirement();
                if why.is_some() || self.keeps_outdated() {
                    self.begin_roll(turn, why);
                    self.roll_on(turn);
                }
            }
            Roll::Stopped { .. } => {
                if self.wanted_slots().all(|slot| self.is_current(slot)) {
                    self.end_roll(turn);
                }
            }
            Roll::Rolling { .. } => self.roll_on(turn),
        }
    }

    /// Replaces whoever may be replaced now, or stops.
    fn roll_on(&mut self, turn: &mut Turn) {
        if let Some(complaint) = self.obstacle(turn) {
            let (app, why) = (self.name.clone(), complaint.words());
            turn.announce(Notice::RollStopped { app, why });
            let again_at = self.retirement().map(|_| turn.after(TRY_AGAIN));
            self.roll = Roll::Stopped { complaint, again_at };
            return;
        }
        let readied = (self.name.clone(), self.kind());
        if turn.readied.contains(&readied)
            && let Some(pause) = self.goal.rollout.pause_between
        {
            self.roll = Roll::Rolling { watching_until: Some(turn.after(pause)) };
        }
        if matches!(self.roll, Roll::Rolling { watching_until: Some(_) }) {
            return;
        }
        let Rollout { max_surge, max_unavailable, pause_between: _ } = self.goal.rollout;
        // While somebody that it depends on is away, or soon will be, no worker is started; why take
        // one down?
        let open = self.gate == Gate::Open && self.turn_in_roll == RollTurn::Now;
        if open && max_surge > 0 {
            self.raise(turn, max_surge);
        }
        if open && (max_unavailable > 0 || max_surge == 0) {
            self.replace(turn, max_unavailable);
        }
        self.end_roll(turn);
    }

    /// True when this slot has what is wanted: a ready worker of the wanted kind, or a worker
    /// that did what it was for.
    fn is_current(&self, slot: &Slot) -> bool {
        slot.is_up() && slot.seated().is_none_or(|worker| !self.is_outdated(worker))
    }

    /// True when a roll has nothing more to expect of this slot: it is current, or gave up before.
    fn is_through(&self, slot: &Slot) -> bool {
        match &slot.seat {
            Seat::Taken(_) | Seat::Finished { .. } => {
                slot.is_settled() && slot.seated().is_none_or(|worker| !self.is_outdated(worker))
            }
            Seat::Failed => true,
            Seat::Vacant | Seat::Backoff { .. } => false,
        }
    }

    /// The picture of the roll.
    pub(super) fn roll_view(&self) -> RollView {
        match &self.roll {
            Roll::Idle => RollView::Idle,
            Roll::Stopped { complaint, again_at: _ } => {
                RollView::Stopped { why: complaint.words() }
            }
            Roll::Rolling { .. } => {
                let replaced = self.wanted_slots().filter(|slot| self.is_current(slot)).count();
                RollView::Rolling {
                    replaced: u32::try_from(replaced).unwrap_or(u32::MAX),
                    total: u32::try_from(self.wanted_slots().count()).unwrap_or(u32::MAX),
                }
            }
        }
    }

    /// Why the roll must stop: a worker of the new kind that was never ready or not for long, a
    /// slot that gave up just now, or an app that it waits for in vain.
    fn obstacle(&self, turn: &Turn) -> Option<Complaint> {
        let setback = turn
            .setbacks
            .iter()
            .chain(&turn.relapses)
            .find(|setback| setback.slot.app == self.name && setback.kind == self.kind())
            .map(Complaint::from);
        let gave_up = turn.given_up.iter().find(|complaint| complaint.slot.app == self.name);
        setback
            .or_else(|| gave_up.cloned())
            .or_else(|| self.held_up(|slot| !self.is_through(slot)))
            .or_else(|| self.hindered())
    }

    /// A slot that gave up, where so many did that no other may be taken down.
    fn hindered(&self) -> Option<Complaint> {
        let Rollout { max_surge, max_unavailable, pause_between: _ } = self.goal.rollout;
        let failed = || self.wanted_slots().filter(|slot| matches!(slot.seat, Seat::Failed));
        let all_taken = max_surge == 0 && free(max_unavailable, failed().count()) == 0;
        let more = self.wanted_slots().any(|slot| !self.is_through(slot));
        failed().next().filter(|_| all_taken && more).map(Slot::complaint)
    }

    /// Make before break: starts successors beside ready workers, `max_surge` at a time.
    fn raise(&mut self, turn: &mut Turn, max_surge: u32) {
        let surging = self.slots.values().filter(|slot| slot.successor.is_some()).count();
        let kind = self.kind();
        for index in self.candidates().into_iter().take(free(max_surge, surging)) {
            if let Some(slot) = self.slots.get_mut(&index) {
                slot.raise_successor(turn, kind, &self.goal);
            }
        }
    }

    /// Replacement: drains ready workers as long as enough others are ready.
    fn replace(&mut self, turn: &mut Turn, max_unavailable: u32) {
        let unavailable = self.wanted_slots().filter(|slot| !slot.is_settled()).count();
        for index in self.candidates().into_iter().take(free(max_unavailable, unavailable)) {
            if let Some(slot) = self.slots.get_mut(&index) {
                let Some((cause, retired)) =
                    slot.seated().map(|worker| (worker.cause, worker.retired.clone()))
                else {
                    continue;
                };
                slot.count_unasked(turn.now);
                let why = (cause, retired.as_deref().unwrap_or("replaced"));
                slot.drain_seat(turn, &self.goal, why);
            }
        }
    }

    /// Slots whose ready worker is outdated and that have room for another process.
    fn candidates(&self) -> Vec<u32> {
        self.wanted_slots()
            .filter(|slot| slot.successor.is_none() && slot.leaving.is_empty())
            .filter(|slot| {
                slot.seated().is_some_and(|worker| {
                    matches!(worker.stage, Stage::Ready { .. }) && self.is_outdated(worker)
                })
            })
            .map(|slot| slot.id.index)
            .collect()
    }

    /// Ends the roll when every wanted slot has what is wanted.
    fn end_roll(&mut self, turn: &mut Turn) {
        let done =
            self.wanted_slots().all(|slot| slot.successor.is_none() && self.is_through(slot));
        if done && self.is_wanted() {
            self.roll = Roll::Idle;
            turn.announce(Notice::RollEnded { app: self.name.clone() });
        }
    }
}

/// How many more may be under way; a limit of zero would be a roll that never moves.
fn free(limit: u32, under_way: usize) -> usize {
    usize::try_from(limit.max(1)).unwrap_or(usize::MAX).saturating_sub(under_way)
}
