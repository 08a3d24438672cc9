//! What must hold when a worker is started, asked to leave, or killed.

use std::time::Duration;

use mcp_supervisor::machine::{
    Command, Event, KillCause, Moment, PhaseName, RollView, Rollout, RunId, SlotId, SlotView,
    Snapshot, Urgency,
};

use crate::properties::{Pictures, Run, Watch, app, holds};

/// The shortest time limits that a simulated operator writes.
const START_MIN: Duration = Duration::from_secs(5);
const HEARTBEAT_MIN: Duration = Duration::from_secs(6);

impl Watch {
    /// A worker is started: it is wanted, of the wanted kind, and there is room for it.
    pub(crate) fn spawned(
        &mut self,
        now: Moment,
        run: RunId,
        slot: &SlotId,
        after: &Snapshot,
    ) -> Result<(), String> {
        let goal = self.apps.get(&slot.app).ok_or("a spawn that nobody wants")?;
        holds(slot.index < goal.instances, || format!("{slot} is not wanted"))?;
        let others = self.runs.values().filter(|other| other.slot == *slot).count();
        let app = app(after, &slot.app).ok_or("a spawn for an app that is not shown")?;
        let successors = app.slots.iter().filter(|slot| slot.successor.is_some()).count();
        let (room, surge) = match goal.rollout {
            Rollout { max_surge: 0, .. } => (0, 0),
            Rollout { max_surge, .. } => (1, max_surge as usize),
        };
        holds(others <= room, || format!("{slot} holds {others} others when {run} is started"))?;
        if app.slots.iter().any(|slot| slot.successor == Some(run)) {
            holds(successors <= surge, || format!("{successors} successors in {}", app.name))?;
            holds(matches!(app.roll, RollView::Rolling { .. }), || {
                format!("{run} succeeds somebody, but nothing rolls")
            })?;
        }
        if let Some(deaths) = self.deaths.get_mut(slot) {
            deaths.spawned(now).map_err(|why| format!("{slot}: {why}"))?;
        }
        let record = Run {
            slot: slot.clone(),
            spawned: now,
            ready: None,
            heard: now,
            drained: None,
            killed: None,
            planned: false,
        };
        holds(self.runs.insert(run, record).is_none(), || format!("{run} was issued twice"))
    }

    /// A worker is asked to leave: nobody who serves leaves before there is somebody else.
    pub(crate) fn drained(
        &mut self,
        now: Moment,
        (id, grace): (RunId, Duration),
        event: &Event,
        (_, after): Pictures<'_>,
    ) -> Result<(), String> {
        let run = self.runs.get_mut(&id).ok_or_else(|| format!("{id} is drained but gone"))?;
        holds(run.drained.is_none(), || format!("{id} is drained twice"))?;
        run.drained = Some((now, grace));
        run.planned = true;
        let slot = run.slot.clone();
        let Some(goal) = self.apps.get(&slot.app).filter(|goal| slot.index < goal.instances) else {
            return Ok(());
        };
        let restart = matches!(event, Event::Asked { command: Command::Restart(_), .. });
        if run.ready.is_none() || restart {
            return Ok(());
        }
        let app = app(after, &slot.app).ok_or("a drain in an app that is not shown")?;
        match goal.rollout {
            Rollout { max_surge: 1.., .. } => {
                let replaced = app.slots.iter().any(|view| {
                    view.index == slot.index
                        && view.run.is_some_and(|run| run > id)
                        && view.phase == PhaseName::Ready
                });
                holds(replaced, || format!("{id} is taken down before its successor serves"))
            }
            Rollout { max_unavailable, .. } => {
                let away = |view: &&SlotView| {
                    view.phase != PhaseName::Ready && view.phase != PhaseName::Stopped
                };
                let away = app.slots.iter().filter(|view| view.index < goal.instances).filter(away);
                let away = away.count();
                holds(away <= max_unavailable as usize, || {
                    format!("{away} slots of {} are away, {max_unavailable} may be", slot.app)
                })
            }
        }
    }

    /// A worker is killed: only for the reason that is given.
    pub(crate) fn killed(&mut self, now: Moment, id: RunId, why: KillCause) -> Result<(), String> {
        let run = self.runs.get_mut(&id).ok_or_else(|| format!("{id} is killed but gone"))?;
        holds(run.killed.is_none(), || format!("{id} is killed twice"))?;
        run.killed = Some(why);
        let fair = match why {
            KillCause::NeverReady => {
                run.ready.is_none() && run.drained.is_none() && now.since(run.spawned) >= START_MIN
            }
            KillCause::HeartbeatLost | KillCause::Unhealthy => {
                run.ready.is_some()
                    && run.drained.is_none()
                    && now.since(run.heard) >= HEARTBEAT_MIN
            }
            KillCause::DrainOverrun => {
                run.drained.is_some_and(|(since, grace)| now.since(since) >= grace)
            }
            KillCause::NoLongerWanted => self.ending == Some(Urgency::Now),
        };
        run.planned |= matches!(why, KillCause::DrainOverrun | KillCause::NoLongerWanted);
        holds(fair, || format!("{id} is killed for {why:?}, but that is not so: {run:?}"))
    }
}
