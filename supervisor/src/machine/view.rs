//! What is shown of a slot: its worker's phase, its past, and replacements that nobody asked for.
//!
//! Those are counted where a worker is displaced, not where that is decided: a worker that died
//! before its turn came was never replaced.

use crate::machine::desired::AppGoal;
use crate::machine::exit::Meaning;
use crate::machine::moment::Moment;
use crate::machine::slot::{Seat, Slot};
use crate::machine::snapshot::{FailingProbe, Finished, PhaseName, Replaced, SlotView};
use crate::machine::worker::{Stage, Worker};

impl Slot {
    /// Its picture.
    pub(super) fn view(&self, goal: &AppGoal) -> SlotView {
        let (phase, deadline) = match &self.seat {
            Seat::Vacant | Seat::Finished { .. } => (PhaseName::Stopped, None),
            Seat::Taken(worker) => (worker.phase(), worker.shown_deadline()),
            Seat::Backoff { until } => (PhaseName::Backoff, Some(*until)),
            Seat::Failed => (PhaseName::Failed, None),
        };
        let seated = self.seated();
        SlotView {
            index: self.id.index,
            phase,
            run: seated.map(|worker| worker.run),
            since: seated.map_or(self.empty_since, |worker| worker.since),
            deadline,
            restarts: self.restarts,
            last_exit: self.last_exit.clone(),
            why: seated.map_or_else(|| self.why.clone(), |worker| worker.why.clone()),
            leaving: self.leaving.iter().map(|worker| worker.run).collect(),
            successor: self.successor.as_ref().map(|worker| worker.run),
            failing: seated.and_then(|worker| worker.failing(goal)),
            replaced: self.replaced.clone(),
            finished: self.finished(),
        }
    }

    fn finished(&self) -> Option<Finished> {
        match &self.seat {
            Seat::Finished { how: Meaning::Done } => Some(Finished::ExitCode),
            Seat::Finished { how: Meaning::Clean | Meaning::Failed | Meaning::Hopeless } => {
                Some(Finished::Policy)
            }
            Seat::Vacant | Seat::Taken(_) | Seat::Backoff { .. } | Seat::Failed => None,
        }
    }

    /// Counts that the worker in the seat is displaced, if nobody asked for that.
    pub(super) fn count_unasked(&mut self, now: Moment) {
        if let Seat::Taken(worker) = &mut self.seat
            && let Some(why) = worker.unasked.take()
        {
            let times = self.replaced.as_ref().map_or(0, |replaced| replaced.times);
            self.replaced = Some(Replaced { times: times.saturating_add(1), at: now, why });
        }
    }
}

impl Worker {
    /// The probes that failed since the last good one, while it serves.
    fn failing(&self, goal: &AppGoal) -> Option<FailingProbe> {
        match self.stage {
            Stage::Ready { failures: failures @ 1.., .. } => Some(FailingProbe {
                failures,
                failures_max: goal.probe_failures_max.max(1),
                why: self.probe_words.clone().unwrap_or_default(),
            }),
            Stage::Ready { failures: 0, .. }
            | Stage::Starting { .. }
            | Stage::Draining { .. }
            | Stage::Killing { .. } => None,
        }
    }
}
