//! What must hold of rolls: a worker is replaced only with cause, at the pace that its app allows,
//! and a new worker that dies before it was stable stops the roll.

use mcp_supervisor::machine::{
    Action, AppName, Event, Fingerprint, KillCause, Moment, Notice, PhaseName, RollView, SlotId,
    Snapshot,
};

use crate::properties::{Pictures, Run, Watch, app, slots};
use crate::stage::{Broken, holds};

/// What was seen of the rolls of one app.
#[derive(Debug, Default)]
pub(crate) struct RollSeen {
    /// Who became ready since the roll began, and of which kind it was.
    pub(crate) readied: Vec<(Moment, Fingerprint, u64)>,
}

impl Watch {
    /// A line tells that a roll began, or that a worker serves: some do so by being alive.
    pub(crate) fn readied(&mut self, now: Moment, notice: &Notice) {
        if let Notice::RollBegan { app, .. } = notice {
            self.rolls.remove(app);
        }
        let Notice::Moved { run: Some(id), to: PhaseName::Ready, .. } = notice else { return };
        let Some(run) = self.runs.get_mut(id).filter(|run| run.ready.is_none()) else { return };
        (run.ready, run.heard, run.young) = (Some(now), now, now);
        let run = run.clone();
        // Of a kind that was not wanted then, nobody is watched.
        if !self.is_outdated(&run) {
            let kind = (now, run.fingerprint, run.epoch);
            self.rolls.entry(run.slot.app).or_default().readied.push(kind);
        }
    }

    /// A worker is to be replaced: there is a reason, and enough time has passed since the last.
    pub(crate) fn may_replace(
        &self,
        now: Moment,
        place: &SlotId,
        old: Option<&Run>,
    ) -> Result<(), Broken> {
        let cause = old.is_some_and(|run| run.aged || self.is_outdated(run));
        holds("nobody is replaced without a cause", cause, || format!("{place}: {old:?}"))?;
        let goal = &self.model.goals[&place.app];
        let (Some(pause), Some(seen)) = (goal.rollout.pause_between, self.rolls.get(&place.app))
        else {
            return Ok(());
        };
        let epoch = self.epochs.get(&place.app).copied().unwrap_or(0);
        let current = |(_, fingerprint, old): &&(Moment, Fingerprint, u64)| {
            *fingerprint == goal.fingerprint && *old == epoch
        };
        let last = seen.readied.iter().filter(current).map(|(at, ..)| *at).max();
        let watched = last.is_none_or(|at| now.since(at) >= pause || at <= self.paced(place));
        holds("a new worker is watched before the next is replaced", watched, || {
            format!("{place} at {now:?}, the last was ready at {last:?}, the pause is {pause:?}")
        })
    }

    /// Since when the pause of this app holds: one that was written later cannot look back.
    fn paced(&self, place: &SlotId) -> Moment {
        self.paces.get(&place.app).copied().unwrap_or_default()
    }

    /// Checks what became of the rolls in this event.
    pub(crate) fn rolls_are_right(
        &mut self,
        now: Moment,
        event: &Event,
        actions: &[Action],
        (before, after): Pictures<'_>,
    ) -> Result<(), Broken> {
        self.roll_changes_were_announced(actions, (before, after))?;
        self.relapses_stop(now, event, actions, (before, after))?;
        self.the_outdated_are_replaced(after)
    }

    fn roll_changes_were_announced(
        &mut self,
        actions: &[Action],
        (before, after): Pictures<'_>,
    ) -> Result<(), Broken> {
        for shown in &after.apps {
            let was = app(before, &shown.name).map_or(&RollView::Idle, |app| &app.roll);
            let said = said(actions, &shown.name);
            let right = match (was, &shown.roll) {
                (RollView::Idle | RollView::Stopped { .. }, RollView::Rolling { .. }) => {
                    said.last() == Some(&Said::Began)
                }
                (RollView::Idle | RollView::Rolling { .. }, RollView::Stopped { .. }) => {
                    said.last() == Some(&Said::Stopped)
                }
                (RollView::Rolling { .. }, RollView::Rolling { .. }) => {
                    matches!(said.last(), None | Some(Said::Began))
                }
                (_, RollView::Idle) => !matches!(said.last(), Some(Said::Began | Said::Stopped)),
                (RollView::Stopped { .. }, RollView::Stopped { .. }) => {
                    matches!(said.last(), None | Some(Said::Stopped))
                }
            };
            holds("rolls are announced", right, || {
                format!("{} was {was:?}, is {:?}, said is {said:?}", shown.name, shown.roll)
            })?;
            if shown.roll == RollView::Idle {
                self.rolls.remove(&shown.name);
            }
        }
        Ok(())
    }

    /// A worker of the wanted kind that dies before it was stable stops the roll.
    fn relapses_stop(
        &self,
        now: Moment,
        event: &Event,
        actions: &[Action],
        (before, after): Pictures<'_>,
    ) -> Result<(), Broken> {
        let Some(run) = &self.fell else { return Ok(()) };
        let name = &run.slot.app;
        let Some(goal) = self.goal(name) else { return Ok(()) };
        let watched = goal.rollout.pause_between.unwrap_or_default();
        let watched = watched.max(goal.restart.stable_after);
        let stable = run.ready.is_some_and(|ready| now.since(ready) >= watched);
        let rolled =
            app(before, name).is_some_and(|app| matches!(app.roll, RollView::Rolling { .. }));
        let epoch = self.epochs.get(name).copied().unwrap_or(0);
        let current = run.fingerprint == goal.fingerprint && run.epoch == epoch;
        // Whoever was not ready in time stopped the roll when it was killed.
        let told = run.killed == Some(KillCause::NeverReady);
        if !rolled || stable || !current || told || !self.model.runs(name) {
            return Ok(());
        }
        let on = app(after, name).is_some_and(|app| matches!(app.roll, RollView::Rolling { .. }));
        let stopped = !on && said(actions, name).contains(&Said::Stopped);
        holds("a relapse stops the roll", stopped, || format!("{event:?} of {run:?}"))
    }

    /// Whoever serves and is outdated is under way to be replaced, or its roll stopped.
    fn the_outdated_are_replaced(&self, after: &Snapshot) -> Result<(), Broken> {
        for (id, view) in slots(after) {
            let Some(run) = view.run.and_then(|run| self.runs.get(&run)) else { continue };
            let idle = app(after, &id.app).is_some_and(|app| app.roll == RollView::Idle);
            let serves = view.phase == PhaseName::Ready && self.model.wants(&id);
            let kept = serves && idle && self.is_outdated(run);
            holds("the outdated are replaced", !kept, || format!("{id} goes on: {run:?}"))?;
        }
        Ok(())
    }
}

/// What was announced of a roll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Began,
    Ended,
    Stopped,
}

fn said(actions: &[Action], name: &AppName) -> Vec<Said> {
    let said = |action: &Action| match action {
        Action::Announce(Notice::RollBegan { app, .. }) if app == name => Some(Said::Began),
        Action::Announce(Notice::RollEnded { app }) if app == name => Some(Said::Ended),
        Action::Announce(Notice::RollStopped { app, .. }) if app == name => Some(Said::Stopped),
        _ => None,
    };
    actions.iter().filter_map(said).collect()
}
