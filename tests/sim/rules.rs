//! What must hold when a worker is started, asked to leave, killed, or sent a signal.

use std::collections::BTreeSet;
use std::time::Duration;

use mcp_supervisor::machine::{
    Action, AppName, Command, Event, Fingerprint, KillCause, Moment, PhaseName, Rollout, RunId,
    SlotId, SlotView, Snapshot, Urgency,
};

use crate::model::covers;
use crate::properties::{Pictures, Run, Watch, app, slot, slots};
use crate::stage::{Broken, holds};

/// The shortest time limits that a simulated operator writes.
const START_MIN: Duration = Duration::from_secs(5);
const HEARTBEAT_MIN: Duration = Duration::from_secs(6);

impl Watch {
    /// A worker is started: it is wanted, of the wanted kind, and there is room for it.
    pub(crate) fn spawned(
        &mut self,
        now: Moment,
        (id, fingerprint): (RunId, Fingerprint),
        place: &SlotId,
        (before, after): Pictures<'_>,
    ) -> Result<(), Broken> {
        let wanted = self.model.wants(place);
        holds("only the wanted are started", wanted, || format!("{id} in {place}"))?;
        let goal = self.model.goals[&place.app].clone();
        holds("the wanted kind is started", goal.fingerprint == fingerprint, || id.to_string())?;
        for on in &goal.depends_on {
            let why = || format!("{id} in {place} needs {on}");
            holds("nobody starts before those that it depends on", self.is_up(now, on), why)?;
        }
        let others = self.runs.values().filter(|other| other.slot == *place).count();
        let room = usize::from(goal.rollout.max_surge > 0);
        holds("there is room", others <= room, || format!("{others} others in {place}"))?;
        let succeeds = slot(after, place).is_some_and(|view| view.successor == Some(id));
        if succeeds {
            self.succeeds(id, place, goal.rollout, after)?;
            let seated = slot(before, place).and_then(|view| view.run);
            let seated = seated.and_then(|run| self.runs.get(&run)).cloned();
            self.may_replace(now, place, seated.as_ref())?;
        }
        if let Some(deaths) = self.deaths.get_mut(place) {
            deaths.spawned(now).map_err(|why| Broken {
                rule: "nobody is started before the wait is over",
                why: format!("{place}: {why}"),
            })?;
        }
        self.finished.remove(place);
        let record = Run {
            slot: place.clone(),
            fingerprint,
            epoch: self.epochs.get(&place.app).copied().unwrap_or(0),
            spawned: now,
            ready: None,
            young: now,
            heard: now,
            unwell: 0,
            retired: false,
            aged: false,
            drained: None,
            killed: None,
            planned: false,
        };
        holds("a run is issued once", self.runs.insert(id, record).is_none(), || id.to_string())
    }

    fn succeeds(
        &self,
        id: RunId,
        place: &SlotId,
        rollout: Rollout,
        after: &Snapshot,
    ) -> Result<(), Broken> {
        let successors = slots(after).filter(|(slot, _)| slot.app == place.app);
        let successors = successors.filter(|(_, view)| view.successor.is_some()).count();
        holds("max_surge holds", successors <= rollout.max_surge as usize, || {
            format!("{successors} successors when {id} is started in {place}")
        })
    }

    /// True when somebody in this app serves, or did what it was for.
    fn is_up(&self, now: Moment, app: &AppName) -> bool {
        self.model.wanted(app).any(|slot| {
            let serves = |run: &Run| {
                let leaves = run.drained.is_some_and(|(at, _)| at != now) || run.killed.is_some();
                run.slot == slot && run.ready.is_some() && !leaves
            };
            self.finished.get(&slot) == Some(&true) || self.runs.values().any(serves)
        })
    }

    /// A worker is asked to leave: nobody who serves leaves before there is somebody else, and
    /// nobody before those that depend on it.
    pub(crate) fn drained(
        &mut self,
        now: Moment,
        (id, grace): (RunId, Duration),
        event: &Event,
        (_, after): Pictures<'_>,
    ) -> Result<(), Broken> {
        const ONCE: &str = "a worker is drained once, while it is there";
        let why = || format!("{id} is drained");
        let run = self.runs.get_mut(&id).ok_or_else(|| Broken { rule: ONCE, why: why() })?;
        holds(ONCE, run.drained.is_none() && run.killed.is_none(), why)?;
        run.drained = Some((now, grace));
        run.planned = true;
        let run = run.clone();
        let goal = self.model.goals[&run.slot.app].clone();
        holds("the grace is the app's", grace == goal.drain_timeout, why)?;
        let view = slot(after, &run.slot);
        let replaced = view.is_some_and(|view| {
            view.run.is_some_and(|run| run > id) && view.phase == PhaseName::Ready
        });
        let restart = match event {
            Event::Asked { command: Command::Restart(scope), .. } => covers(scope, &run.slot),
            _ => false,
        };
        if !self.model.wants(&run.slot) {
            let hurry = restart || self.ending == Some(Urgency::Now);
            let last = replaced || hurry || !self.is_needed(&run);
            return holds("those who depend on it leave first", last, why);
        }
        if run.ready.is_none() || restart || replaced {
            return Ok(());
        }
        // The old one leaves before the new one starts.
        self.may_replace(now, &run.slot, Some(&run))?;
        let shown = app(after, &run.slot.app).map(|app| app.slots.as_slice()).unwrap_or_default();
        let away = |view: &&SlotView| {
            let id = SlotId { app: run.slot.app.clone(), index: view.index };
            let settled = view.phase == PhaseName::Ready || self.finished.contains_key(&id);
            self.model.wants(&id) && !settled
        };
        let away = shown.iter().filter(away).count();
        holds("max_unavailable holds", away <= goal.rollout.max_unavailable as usize, || {
            format!("{away} slots of {} are away when {id} is drained", run.slot.app)
        })
    }

    /// True when somebody that depends on this one is still leaving.
    pub(crate) fn is_needed(&self, run: &Run) -> bool {
        self.runs.values().any(|other| {
            let depends = |on: &BTreeSet<AppName>| on.contains(&run.slot.app);
            let goal = self.model.goals.get(&other.slot.app);
            goal.is_some_and(|goal| depends(&goal.depends_on)) && !self.model.wants(&other.slot)
        })
    }

    /// A worker is killed: only for the reason that is given.
    pub(crate) fn killed(
        &mut self,
        now: Moment,
        id: RunId,
        why: KillCause,
        event: &Event,
    ) -> Result<(), Broken> {
        const ONCE: &str = "a worker is killed once, while it is there";
        let wrong = || format!("{id} is killed for {why:?}");
        let run = self.runs.get_mut(&id).ok_or_else(|| Broken { rule: ONCE, why: wrong() })?;
        holds(ONCE, run.killed.is_none(), wrong)?;
        run.killed = Some(why);
        // Whoever is unwanted would have had to go anyway.
        run.planned |= matches!(why, KillCause::DrainOverrun | KillCause::NoLongerWanted)
            || !self.model.wants(&run.slot);
        let failures = self.model.goals[&run.slot.app].probe_failures_max;
        let serves = run.ready.is_some() && run.drained.is_none();
        let fair = match why {
            KillCause::NeverReady => {
                run.ready.is_none() && run.drained.is_none() && now.since(run.spawned) >= START_MIN
            }
            KillCause::HeartbeatLost => serves && now.since(run.heard) >= HEARTBEAT_MIN,
            KillCause::Unhealthy => {
                let told = matches!(event, Event::ProbeFailed { run, .. } if *run == id);
                serves && told && run.unwell >= failures
            }
            KillCause::DrainOverrun => {
                run.drained.is_some_and(|(since, grace)| now.since(since) >= grace)
            }
            KillCause::NoLongerWanted => self.ending == Some(Urgency::Now),
        };
        holds("a kill has its reason", fair, || format!("{}: {run:?}", wrong()))
    }

    /// Whoever failed too many probes in a row is killed.
    pub(crate) fn probes_kill(&self, event: &Event) -> Result<(), Broken> {
        let Event::ProbeFailed { run: id, .. } = event else { return Ok(()) };
        let Some(run) = self.runs.get(id) else { return Ok(()) };
        let max = self.model.goals[&run.slot.app].probe_failures_max;
        let spared = run.phase() == PhaseName::Ready && run.unwell >= max;
        holds("whoever fails too many probes is killed", !spared, || format!("{id}: {run:?}"))
    }

    /// A signal goes to exactly those who are meant.
    pub(crate) fn signals(
        &self,
        event: &Event,
        actions: &[Action],
        before: &Snapshot,
    ) -> Result<(), Broken> {
        let sent = |action: &Action| match action {
            Action::Signal { run, number } => Some((*run, *number)),
            _ => None,
        };
        let mut sent: Vec<_> = actions.iter().filter_map(sent).collect();
        sent.sort_unstable();
        let meant: Vec<_> = match event {
            Event::Asked { command: Command::Signal { scope, number }, .. }
                if self.ending.is_none() =>
            {
                let meant = slots(before)
                    .filter(|(slot, _)| covers(scope, slot) && self.model.shows(&slot.app));
                let runs = meant.flat_map(|(_, view)| view.run.into_iter().chain(view.successor));
                let mut runs: Vec<_> = runs.map(|run| (run, *number)).collect();
                runs.sort_unstable();
                runs
            }
            _ => Vec::new(),
        };
        // A slot that is not there is refused as a whole.
        let refused = match event {
            Event::Asked {
                command: Command::Signal { scope: mcp_supervisor::machine::Scope::Slot(slot), .. },
                ..
            } => slot.index >= self.model.instances(&slot.app),
            _ => false,
        };
        let right = if refused { sent.is_empty() } else { sent == meant };
        holds("a signal goes to those who are meant", right, || format!("{sent:?}, not {meant:?}"))
    }
}
