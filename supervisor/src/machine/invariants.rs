//! What holds after every event, whatever happened: checked in tests and debug builds.
//!
//! A release build does not stop over a broken one: nobody covers for the process whose duty is
//! not to die.

use std::collections::BTreeSet;

use crate::machine::Machine;
use crate::machine::moment::Moment;
use crate::machine::slot::{Seat, Slot};
use crate::machine::worker::Stage;

impl Machine {
    /// The first invariant that does not hold, in words.
    pub(super) fn broken_invariant(&self, now: Moment) -> Option<String> {
        if self.next_deadline().is_some_and(|deadline| deadline <= now) {
            return Some("a deadline that has passed was kept: the loop would spin".to_owned());
        }
        let mut seen = BTreeSet::new();
        let slots = self.apps.values().flat_map(|app| app.slots.values());
        for worker in slots.clone().flat_map(Slot::workers) {
            if !seen.insert(worker.run) || worker.run >= self.next_run {
                return Some(format!("{} is in two places or was never issued", worker.run));
            }
        }
        slots.filter_map(Slot::broken_invariant).next()
    }
}

impl Slot {
    fn broken_invariant(&self) -> Option<String> {
        let on_its_way = |stage: &Stage| match stage {
            Stage::Draining { .. } | Stage::Killing { .. } => true,
            Stage::Starting { .. } | Stage::Ready { .. } => false,
        };
        let starting = |stage: &Stage| matches!(stage, Stage::Starting { .. });
        let broken = if !self.leaving.iter().all(|worker| on_its_way(&worker.stage)) {
            "a displaced worker was not asked to leave"
        } else if self.successor.as_ref().is_some_and(|worker| !starting(&worker.stage)) {
            "a successor that does not start is no successor"
        } else if self.successor.is_some() && !matches!(self.seat, Seat::Taken(_)) {
            "a successor waits for a seat that is free"
        } else if self.workers().count() > 2 {
            "more than two processes"
        } else {
            return None;
        };
        Some(format!("{}: {broken}", self.id))
    }
}
