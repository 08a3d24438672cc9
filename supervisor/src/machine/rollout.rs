//! Which slots may be replaced now, and when a roll is over or must stop.
//!
//! A roll is judged by what is in the seats. Displaced workers that take long to leave do not
//! count against `max_surge`, so they cannot hold up the other slots; but their own slot waits
//! for them before it is rolled again.

use crate::machine::action::Notice;
use crate::machine::app::App;
use crate::machine::desired::Rollout;
use crate::machine::slot::{Seat, Slot};
use crate::machine::snapshot::RollView;
use crate::machine::turn::Turn;
use crate::machine::worker::Stage;

/// How a roll stands.
#[derive(Debug)]
pub(super) enum Roll {
    /// Nothing is to be replaced.
    Idle,
    /// Workers are being replaced.
    Rolling,
    /// A new worker failed; nothing more is replaced until somebody asks again.
    Stopped {
        /// Why.
        why: String,
    },
}

impl App {
    /// Begins a roll. One that runs already goes on towards the newest kind.
    pub(super) fn begin_roll(&mut self, turn: &mut Turn) {
        match self.roll {
            Roll::Rolling => {}
            Roll::Idle | Roll::Stopped { .. } => {
                self.roll = Roll::Rolling;
                turn.announce(Notice::RollBegan { app: self.name.clone(), why: None });
            }
        }
    }

    /// Moves a roll one step.
    pub(super) fn step_roll(&mut self, turn: &mut Turn) {
        match self.roll {
            Roll::Idle => {}
            Roll::Stopped { .. } => self.end_roll(turn),
            Roll::Rolling => {
                if let Some(why) = self.obstacle(turn) {
                    turn.announce(Notice::RollStopped { app: self.name.clone(), why: why.clone() });
                    self.roll = Roll::Stopped { why };
                    return;
                }
                let Rollout { max_surge, max_unavailable, pause_between: _ } = self.goal.rollout;
                if max_surge > 0 {
                    self.raise(turn, max_surge);
                } else {
                    self.replace(turn, max_unavailable);
                }
                self.end_roll(turn);
            }
        }
    }

    /// True when this slot has what is wanted: a ready worker of the wanted kind, or a worker
    /// that was done.
    pub(super) fn is_current(&self, slot: &Slot) -> bool {
        match &slot.seat {
            Seat::Taken(worker) => worker.is_ready() && !self.is_outdated(worker),
            Seat::Finished => true,
            Seat::Vacant | Seat::Backoff { .. } | Seat::Failed => false,
        }
    }

    /// The picture of the roll.
    pub(super) fn roll_view(&self) -> RollView {
        match &self.roll {
            Roll::Idle => RollView::Idle,
            Roll::Stopped { why } => RollView::Stopped { why: why.clone() },
            Roll::Rolling => {
                let replaced = self.wanted_slots().filter(|slot| self.is_current(slot)).count();
                RollView::Rolling {
                    replaced: u32::try_from(replaced).unwrap_or(u32::MAX),
                    total: self.goal.instances,
                }
            }
        }
    }

    /// Why the roll must stop: a worker of the new kind that was never ready, or a slot that
    /// gave up.
    fn obstacle(&self, turn: &Turn) -> Option<String> {
        let setback = turn
            .setbacks
            .iter()
            .find(|setback| setback.slot.app == self.name && setback.kind == self.kind())
            .map(|setback| format!("{}: {}", setback.slot, setback.why));
        let failed = || self.wanted_slots().find(|slot| matches!(slot.seat, Seat::Failed));
        setback.or_else(|| failed().map(Slot::complaint))
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
        let available = |slot: &&Slot| slot.is_ready() || matches!(slot.seat, Seat::Finished);
        let unavailable = self.wanted_slots().filter(|slot| !available(slot)).count();
        for index in self.candidates().into_iter().take(free(max_unavailable, unavailable)) {
            if let Some(slot) = self.slots.get_mut(&index) {
                slot.drain_seat(turn, &self.goal, "replaced");
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
            self.wanted_slots().all(|slot| slot.successor.is_none() && self.is_current(slot));
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
