//! What the picture must show: nobody is forgotten, nobody is invented, and nothing changes without
//! a word.

use mcp_supervisor::machine::{Action, Moment, Notice, PhaseName, RunId, SlotId, Snapshot};

use crate::properties::{Pictures, Watch, slots};
use crate::stage::{Broken, holds};

impl Watch {
    /// Compares the picture with what is known.
    pub(crate) fn picture_is_right(
        &self,
        actions: &[Action],
        (before, after): Pictures<'_>,
    ) -> Result<(), Broken> {
        self.model.is_shown(after)?;
        let ending = self.ending.is_some();
        holds("the picture shows the end", after.stopping == ending, || ending.to_string())?;
        self.everybody_is_known(after)?;
        for (id, slot) in slots(after) {
            // A successor that takes the seat of a dead worker was announced when it was started.
            let old = crate::properties::slot(before, &id);
            let same = old.is_some_and(|old| {
                let promoted = slot.run.is_some() && slot.run == old.successor;
                old.phase == slot.phase || promoted
            });
            // The vacant seat of a forgiven slot waits a moment for those who leave.
            let quiet = same || slot.phase == PhaseName::Stopped;
            let said = |action: &Action| match action {
                Action::Announce(Notice::Moved { slot: moved, to, .. }) => {
                    *moved == id && *to == slot.phase
                }
                _ => false,
            };
            holds("changes are announced", quiet || actions.iter().any(said), || {
                format!("{id} is {:?}, and nobody was told", slot.phase)
            })?;
        }
        Ok(())
    }

    fn everybody_is_known(&self, after: &Snapshot) -> Result<(), Broken> {
        const RULE: &str = "the picture shows who is there";
        let mut shown: Vec<(RunId, SlotId)> = Vec::new();
        for (id, view) in slots(after) {
            let runs = view.run.into_iter().chain(view.successor);
            for run in runs.chain(view.leaving.iter().copied()) {
                shown.push((run, id.clone()));
            }
            let phase = view.run.and_then(|run| self.runs.get(&run)).map(|run| run.phase());
            holds(RULE, phase.is_none_or(|phase| phase == view.phase), || {
                format!("{id} is shown as {:?}, but {:?} is {phase:?}", view.phase, view.run)
            })?;
            let run = view.run.and_then(|run| self.runs.get(&run));
            let right = match (view.phase, run.and_then(|run| run.drained)) {
                (PhaseName::Draining, Some((at, grace))) => view.deadline == Some(at + grace),
                (PhaseName::Starting | PhaseName::Backoff | PhaseName::Draining, _) => {
                    view.deadline.is_some_and(|at| at > Moment::ZERO)
                }
                (
                    PhaseName::Ready | PhaseName::Killing | PhaseName::Stopped | PhaseName::Failed,
                    _,
                ) => view.deadline.is_none(),
            };
            holds(RULE, right, || format!("{id}: the deadline {:?} of {run:?}", view.deadline))?;
        }
        shown.sort();
        let same = shown
            .iter()
            .map(|(run, slot)| (run, slot))
            .eq(self.runs.iter().map(|(run, known)| (run, &known.slot)));
        holds(RULE, same, || format!("shown {shown:?}, but there are {:?}", self.runs))
    }
}

impl Watch {
    /// In good weather all that is wanted serves, unless it gave up, was done, or waits for an app
    /// in which nobody is up.
    pub(crate) fn all_serve(&self, after: &Snapshot) -> Result<(), Broken> {
        let up = |app: &mcp_supervisor::machine::AppName| {
            self.model.wanted(app).any(|id| {
                let serves = crate::properties::slot(after, &id)
                    .is_some_and(|view| view.phase == PhaseName::Ready);
                serves || self.finished.get(&id) == Some(&true)
            })
        };
        for id in self.model.shown().iter().flat_map(|app| self.model.wanted(app)) {
            let phase = crate::properties::slot(after, &id).map(|view| view.phase);
            let waits = !self.model.goals[&id.app].depends_on.iter().all(up);
            let right = match phase {
                Some(PhaseName::Ready | PhaseName::Failed) => true,
                _ => waits || self.finished.contains_key(&id),
            };
            holds("all that is wanted serves", right, || format!("{id} is {phase:?}"))?;
        }
        Ok(())
    }
}
