//! What must hold after every event, judged from outside: by what went in and what came out.
//!
//! Nothing here looks into the machine. Who is wanted, deaths, streaks and waits are counted again,
//! so that the machine is compared with the rules and not with itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mcp_supervisor::machine::{
    Action, AppGoal, AppName, AppView, Change, Command, Desired, Event, Fingerprint, KillCause,
    Moment, PhaseName, RequestId, RunId, Scope, SlotId, SlotView, Snapshot, Urgency,
};

use crate::deaths::Deaths;
use crate::model::{Model, covers, touches};
use crate::requests::Wish;
use crate::rolls::RollSeen;
use crate::sights::see;
use crate::stage::{Broken, holds};

/// Everything that was seen from outside.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// What is wanted.
    pub(crate) model: Model,
    /// The runs that were spawned and whose end was not told yet.
    pub(crate) runs: BTreeMap<RunId, Run>,
    /// What was seen at least once.
    pub(crate) sights: BTreeSet<&'static str>,
    /// The deaths that are not forgiven.
    pub(crate) deaths: BTreeMap<SlotId, Deaths>,
    /// The slots whose worker was done, and whether it did what it was for.
    pub(crate) finished: BTreeMap<SlotId, bool>,
    /// How the roll of each app went.
    pub(crate) rolls: BTreeMap<AppName, RollSeen>,
    /// Since when the pause of each app's rolls holds.
    pub(crate) paces: BTreeMap<AppName, Moment>,
    /// How many reloads each app saw.
    pub(crate) epochs: BTreeMap<AppName, u64>,
    /// The wishes that await an answer.
    pub(crate) asked: BTreeMap<RequestId, Wish>,
    /// How the service is to end.
    pub(crate) ending: Option<Urgency>,
    /// Who died in this event, and before it was stable.
    pub(crate) fell: Option<Run>,
    over: bool,
}

/// A run, as far as it can be told from outside.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Its place.
    pub(crate) slot: SlotId,
    /// What it was made of.
    pub(crate) fingerprint: Fingerprint,
    /// How many reloads of its app came before it.
    pub(crate) epoch: u64,
    /// When it was spawned.
    pub(crate) spawned: Moment,
    /// When it became ready.
    pub(crate) ready: Option<Moment>,
    /// When its age began to count: when it became ready, or the limit changed.
    pub(crate) young: Moment,
    /// When it was last heard of.
    pub(crate) heard: Moment,
    /// Failed probes in a row.
    pub(crate) unwell: u32,
    /// True once there was a reason to replace it although it is of the wanted kind.
    pub(crate) retired: bool,
    /// True once it may have been too old.
    pub(crate) aged: bool,
    /// When it was asked to leave, and how long that may take.
    pub(crate) drained: Option<(Moment, Duration)>,
    /// Why it was killed.
    pub(crate) killed: Option<KillCause>,
    /// True when its end will be no death.
    pub(crate) planned: bool,
}

/// The pictures before and after an event.
pub(crate) type Pictures<'a> = (&'a Snapshot, &'a Snapshot);

impl Run {
    /// The phase that the picture must show.
    pub(crate) fn phase(&self) -> PhaseName {
        match (self.killed, self.drained, self.ready) {
            (Some(_), _, _) => PhaseName::Killing,
            (None, Some(_), _) => PhaseName::Draining,
            (None, None, Some(_)) => PhaseName::Ready,
            (None, None, None) => PhaseName::Starting,
        }
    }
}

impl Watch {
    /// True once the machine said that it is over.
    pub(crate) fn over(&self) -> bool {
        self.over
    }

    /// The goal of an app, if it runs or has not left yet.
    pub(crate) fn goal(&self, app: &AppName) -> Option<&AppGoal> {
        self.model.goals.get(app)
    }

    /// True when this run is not of the wanted kind, or has had its time.
    pub(crate) fn is_outdated(&self, run: &Run) -> bool {
        let other = |goal: &AppGoal| goal.fingerprint != run.fingerprint;
        self.is_due(run) || self.goal(&run.slot.app).is_none_or(other)
    }

    /// True when this run is to be replaced, whatever the file says.
    pub(crate) fn is_due(&self, run: &Run) -> bool {
        run.retired || run.epoch != self.epoch(&run.slot.app)
    }

    fn epoch(&self, app: &AppName) -> u64 {
        self.epochs.get(app).copied().unwrap_or(0)
    }

    /// Checks one call of `handle`.
    pub(crate) fn check(
        &mut self,
        now: Moment,
        event: &Event,
        actions: &[Action],
        pictures: Pictures<'_>,
    ) -> Result<(), Broken> {
        if self.over {
            return holds("nothing follows the end", actions.is_empty(), || format!("{actions:?}"));
        }
        see(&mut self.sights, event, actions, pictures);
        let changes = self.model.changes.clone();
        self.fell = None;
        self.take_in(now, event, pictures);
        self.remembers(event, actions, changes)?;
        self.signals(event, actions, pictures.0)?;
        for (place, action) in actions.iter().enumerate() {
            match action {
                Action::Spawn { run, slot, fingerprint } => {
                    self.spawned(now, (*run, *fingerprint), slot, pictures)?;
                }
                Action::Drain { run, grace, .. } => {
                    self.drained(now, (*run, *grace), event, pictures)?;
                }
                Action::Kill { run, why } => self.killed(now, *run, *why, event)?,
                Action::Signal { .. } | Action::Remember(_) => {}
                Action::Announce(notice) => {
                    self.readied(now, notice);
                    self.announced(now, notice, pictures)?;
                }
                Action::Reply { request, outcome } => {
                    self.replied(*request, outcome, event, pictures.1)?;
                }
                Action::Exit => {
                    let last = place + 1 == actions.len() && self.runs.is_empty();
                    holds("the exit comes last", last, || format!("left: {:?}", self.runs))?;
                    self.over = true;
                }
            }
        }
        self.probes_kill(event)?;
        self.rolls_are_right(now, event, actions, pictures)?;
        self.picture_is_right(actions, pictures)
    }

    /// Remembers what an event means, by the rules.
    fn take_in(&mut self, now: Moment, event: &Event, pictures: Pictures<'_>) {
        self.note_the_aged(now);
        match event {
            Event::Tick
            | Event::ConfigUnchanged { .. }
            | Event::ConfigRejected { .. }
            | Event::BootFailed { .. } => {}
            Event::Ready { .. } => {}
            Event::Heartbeat { run } => {
                // Who is being killed was given up: what it says now comes too late.
                let heard = |run: &&mut Run| run.killed.is_none();
                if let Some(run) = self.runs.get_mut(run).filter(heard) {
                    run.heard = now;
                    run.unwell = 0;
                }
            }
            Event::ProbeFailed { run, .. } => {
                if let Some(run) = self.runs.get_mut(run) {
                    run.unwell += u32::from(run.phase() == PhaseName::Ready);
                }
            }
            Event::Measured { run, memory_bytes } => self.measured(now, *run, *memory_bytes),
            Event::Refresh { app, .. } => {
                if self.model.runs(app) {
                    self.reloaded(now, app);
                    self.forgive(&Scope::App(app.clone()));
                }
            }
            Event::Remembered(changes) => self.model.remembered(changes),
            Event::Configured(desired) => self.configured(now, desired),
            Event::SpawnFailed { run, .. } => self.ended(now, *run, None, pictures.0),
            Event::Exited { run, exit } => self.ended(now, *run, Some(*exit), pictures.0),
            Event::Asked { request, command } => self.ordered(now, *request, command),
            Event::Shutdown(urgency) => self.shut_down(*urgency),
        }
        self.forget_the_unwanted();
    }

    fn configured(&mut self, now: Moment, desired: &Desired) {
        let before = self.model.goals.clone();
        self.model.configure(&desired.apps);
        for name in self.model.shown() {
            let (Some(old), Some(goal)) = (before.get(&name), self.model.goals.get(&name)) else {
                continue;
            };
            let (longest, other_age) = (goal.restart.backoff_max, old.max_age != goal.max_age);
            let other_kind = old.fingerprint != goal.fingerprint;
            for (_, deaths) in self.deaths.iter_mut().filter(|(slot, _)| slot.app == name) {
                deaths.rearm(now, longest);
            }
            for run in self.runs.values_mut().filter(|run| run.slot.app == name && other_age) {
                run.young = now;
            }
            if old.rollout.pause_between != goal.rollout.pause_between {
                self.paces.insert(name.clone(), now);
            }
            if other_kind {
                self.forgive(&Scope::App(name));
            }
        }
    }

    fn ordered(&mut self, now: Moment, request: RequestId, command: &Command) {
        let (shown, before) = (self.model.shown(), self.model.changes.clone());
        let meant = self.model.order(command);
        let apps = match command {
            Command::Forget(_) => self.model.changed_since(&before),
            _ => shown.clone(),
        };
        self.asked.insert(request, Wish::new(now, command, (meant, apps), &self.runs));
        if meant.is_err() {
            return;
        }
        match command {
            Command::Reload(Scope::Slot(slot)) => {
                for run in self.runs.values_mut().filter(|run| run.slot == *slot) {
                    run.retired |= run.phase() == PhaseName::Ready;
                }
                self.forgive(&Scope::Slot(slot.clone()));
            }
            Command::Reload(scope) => {
                for app in shown.iter().filter(|app| touches(scope, app)) {
                    self.reloaded(now, app);
                }
                self.forgive(scope);
            }
            Command::Restart(scope) => {
                // Of an app that was deleted nobody is restarted.
                let restarted =
                    |run: &&mut Run| shown.contains(&run.slot.app) && covers(scope, &run.slot);
                self.runs.values_mut().filter(restarted).for_each(|run| run.planned = true);
                self.forgive(scope);
            }
            Command::Start(scope) => self.forgive(scope),
            Command::Reset(scope) => {
                self.deaths.retain(|slot, _| !covers(scope, slot));
            }
            Command::Settle
            | Command::SettleApps(_)
            | Command::Stop(_)
            | Command::Delete(_)
            | Command::Forget(_)
            | Command::Scale { .. }
            | Command::Signal { .. } => {}
            Command::Shutdown => self.shut_down(Urgency::Drain),
        }
    }

    /// Everybody of an app is outdated, but for those who were started at this very moment.
    fn reloaded(&mut self, now: Moment, app: &AppName) {
        let epoch = self.epochs.entry(app.clone()).or_default();
        let before = *epoch;
        *epoch += 1;
        let goal = self.model.goals.get(app).map(|goal| goal.fingerprint);
        for run in self.runs.values_mut().filter(|run| run.slot.app == *app) {
            let current = run.epoch == before && Some(run.fingerprint) == goal;
            if current && run.spawned == now {
                run.epoch = *epoch;
            }
        }
    }

    fn measured(&mut self, now: Moment, run: RunId, bytes: u64) {
        let Some(run) = self.runs.get_mut(&run) else { return };
        let Some(goal) = self.model.goals.get(&run.slot.app) else { return };
        let stable = run.ready.is_some_and(|ready| now.since(ready) >= goal.restart.stable_after);
        let large = goal.memory_bytes_max.is_some_and(|max| bytes > max);
        if large && stable && run.phase() == PhaseName::Ready {
            run.retired = true;
            self.sights.insert("too large");
        }
    }

    /// Up to a tenth before its time, so that not all that began together end together.
    fn note_the_aged(&mut self, now: Moment) {
        for run in self.runs.values_mut().filter(|run| run.ready.is_some()) {
            let age = self.model.goals.get(&run.slot.app).and_then(|goal| goal.max_age);
            if age.is_some_and(|age| now.since(run.young) >= age * 9 / 10) && !run.aged {
                run.aged = true;
                self.sights.insert("too old");
            }
        }
    }

    fn forgive(&mut self, scope: &Scope) {
        if self.ending.is_none() {
            self.deaths.retain(|slot, _| !covers(scope, slot));
            self.finished.retain(|slot, _| !covers(scope, slot));
        }
    }

    fn forget_the_unwanted(&mut self) {
        let model = &self.model;
        self.deaths.retain(|slot, _| model.wants(slot));
        self.finished.retain(|slot, _| model.wants(slot));
        // Whoever is being killed would have had to go anyway.
        let killed = self.runs.values_mut().filter(|run| run.killed.is_some());
        killed.filter(|run| !model.wants(&run.slot)).for_each(|run| run.planned = true);
    }

    fn shut_down(&mut self, urgency: Urgency) {
        if self.ending != Some(Urgency::Now) {
            self.ending = Some(urgency);
        }
        self.model.ending = true;
    }

    /// Says so exactly when changes were made, and says which.
    fn remembers(
        &self,
        event: &Event,
        actions: &[Action],
        before: BTreeMap<AppName, Change>,
    ) -> Result<(), Broken> {
        let told = matches!(event, Event::Remembered(_));
        let changed = !told && before != self.model.changes;
        let said: Vec<_> = actions
            .iter()
            .filter_map(|action| match action {
                Action::Remember(changes) => Some(changes),
                _ => None,
            })
            .collect();
        let right = if changed { said == [&self.model.changes] } else { said.is_empty() };
        holds("changes are remembered", right, || {
            format!("{before:?} became {:?}, said is {said:?}", self.model.changes)
        })
    }
}

/// Every slot of a picture, by name.
pub(crate) fn slots(picture: &Snapshot) -> impl Iterator<Item = (SlotId, &SlotView)> {
    picture.apps.iter().flat_map(|app| {
        let id = |index| SlotId { app: app.name.clone(), index };
        app.slots.iter().map(move |slot| (id(slot.index), slot))
    })
}

/// One app of a picture.
pub(crate) fn app<'a>(picture: &'a Snapshot, name: &AppName) -> Option<&'a AppView> {
    picture.apps.iter().find(|app| app.name == *name)
}

/// One slot of a picture.
pub(crate) fn slot<'a>(picture: &'a Snapshot, id: &SlotId) -> Option<&'a SlotView> {
    app(picture, &id.app)?.slots.iter().find(|slot| slot.index == id.index)
}
