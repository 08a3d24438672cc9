//! What must hold after every event, judged from outside: by what went in and what came out.
//!
//! Nothing here looks into the machine. Deaths, streaks and waits are counted again, so that the
//! machine is compared with the rules and not with itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mcp_supervisor::machine::{
    Action, AppGoal, AppName, AppView, Command, Event, KillCause, Moment, Notice, Outcome,
    PhaseName, RequestId, RestartWhen, RunId, Scope, SlotId, SlotView, Snapshot, Urgency,
};

use crate::deaths::Deaths;
use crate::sights::{see, see_outcome};

/// Everything that was seen from outside.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// What is wanted.
    pub(crate) apps: BTreeMap<AppName, AppGoal>,
    /// The runs that were spawned and whose end was not told yet.
    pub(crate) runs: BTreeMap<RunId, Run>,
    /// What was seen at least once.
    pub(crate) sights: BTreeSet<&'static str>,
    /// The deaths that are not forgiven.
    pub(crate) deaths: BTreeMap<SlotId, Deaths>,
    /// The wishes that await an answer.
    pub(crate) asked: BTreeMap<RequestId, Wish>,
    /// How the service is to end.
    pub(crate) ending: Option<Urgency>,
    over: bool,
}

/// What an operator awaits an answer to.
#[derive(Debug)]
pub(crate) struct Wish {
    asked: Moment,
    command: Command,
    /// The apps that it was about when it was asked.
    apps: BTreeSet<AppName>,
}

/// A run, as far as it can be told from outside.
#[derive(Debug, Clone)]
pub(crate) struct Run {
    /// Its place.
    pub(crate) slot: SlotId,
    /// When it was spawned.
    pub(crate) spawned: Moment,
    /// When it became ready.
    pub(crate) ready: Option<Moment>,
    /// When it was last heard of.
    pub(crate) heard: Moment,
    /// When it was asked to leave, and how long that may take.
    pub(crate) drained: Option<(Moment, Duration)>,
    /// Why it was killed.
    pub(crate) killed: Option<KillCause>,
    /// True when its end will be no death.
    pub(crate) planned: bool,
}

/// The pictures before and after an event.
pub(crate) type Pictures<'a> = (&'a Snapshot, &'a Snapshot);

impl Watch {
    /// True once the machine said that it is over.
    pub(crate) fn over(&self) -> bool {
        self.over
    }

    /// Every wish has been answered.
    pub(crate) fn nothing_pending(&self, when: &str) -> Result<(), String> {
        match self.asked.iter().next() {
            Some((request, wish)) => {
                Err(format!("{when}: request {} ({wish:?}) was never answered", request.0))
            }
            None => Ok(()),
        }
    }

    /// Every wanted slot is in the picture, and no other.
    pub(crate) fn all_wanted_are_shown(&self, picture: &Snapshot) -> bool {
        let wanted = self.apps.iter().map(|(name, goal)| (name, goal.instances as usize));
        wanted.eq(picture.apps.iter().map(|app| (&app.name, app.slots.len())))
    }

    /// Checks one call of `handle`.
    pub(crate) fn check(
        &mut self,
        now: Moment,
        event: &Event,
        actions: &[Action],
        pictures: Pictures<'_>,
    ) -> Result<(), String> {
        if self.over {
            return holds(actions.is_empty(), || format!("{actions:?} after the end"));
        }
        see(&mut self.sights, event, actions, pictures);
        self.take_in(now, event, pictures)?;
        for (place, action) in actions.iter().enumerate() {
            let last = place + 1 == actions.len();
            match action {
                Action::Spawn { run, slot, fingerprint } => {
                    let goal = self.apps.get(&slot.app).ok_or("a spawn that nobody wants")?;
                    holds(goal.fingerprint == *fingerprint, || format!("{run}: an old kind"))?;
                    self.spawned(now, *run, slot, pictures.1)?;
                }
                Action::Drain { run, grace } => {
                    self.drained(now, (*run, *grace), event, pictures)?
                }
                Action::Kill { run, why } => self.killed(now, *run, *why)?,
                Action::Signal { .. } | Action::Remember(_) => {}
                Action::Announce(notice) => self.announced(now, notice, pictures)?,
                Action::Reply { request, outcome } => {
                    self.replied(*request, outcome, pictures.1)?;
                }
                Action::Exit => {
                    holds(last, || "an action after the exit".to_owned())?;
                    holds(self.runs.is_empty(), || format!("left behind: {:?}", self.runs))?;
                    self.over = true;
                }
            }
        }
        self.changes_were_announced(actions, pictures)?;
        self.everybody_is_known(pictures.1)
    }

    /// Remembers what an event means, by the rules.
    fn take_in(
        &mut self,
        now: Moment,
        event: &Event,
        pictures: Pictures<'_>,
    ) -> Result<(), String> {
        match event {
            Event::Tick
            | Event::ProbeFailed { .. }
            | Event::Measured { .. }
            | Event::Refresh { .. }
            | Event::Remembered(_)
            | Event::ConfigRejected { .. }
            | Event::BootFailed { .. }
            | Event::Ready { .. } => {}
            Event::Heartbeat { run } => {
                if let Some(run) = self.runs.get_mut(run) {
                    run.heard = now;
                }
            }
            Event::Configured(desired) => {
                if self.ending.is_none() {
                    self.configured(now, &desired.apps, pictures)?;
                }
            }
            Event::SpawnFailed { run, .. } => self.ended(now, *run, false, pictures.0),
            Event::Exited { run, exit } => {
                self.ended(now, *run, *exit == mcp_supervisor::machine::Exit::Code(0), pictures.0);
            }
            Event::Asked { request, command } => {
                let apps = self.apps.keys().cloned().collect();
                self.asked.insert(*request, Wish { asked: now, command: command.clone(), apps });
                match command {
                    Command::Reload(scope) | Command::Restart(scope) => self.forgive(scope),
                    Command::Settle
                    | Command::Start(_)
                    | Command::Stop(_)
                    | Command::Delete(_)
                    | Command::Reset(_)
                    | Command::Forget(_)
                    | Command::Scale { .. }
                    | Command::Signal { .. } => {}
                    Command::Shutdown => self.shut_down(Urgency::Drain),
                }
                if let Command::Restart(scope) = command {
                    let in_scope = |run: &&mut Run| covers(scope, &run.slot.app);
                    for run in self.runs.values_mut().filter(in_scope) {
                        run.planned |= self.ending.is_none();
                    }
                }
            }
            Event::Shutdown(urgency) => self.shut_down(*urgency),
        }
        // What became ready only shows in the picture: some become so by being alive.
        for slot in slots(pictures.1).filter(|(_, slot)| slot.phase == PhaseName::Ready) {
            let run = slot.1.run.and_then(|run| self.runs.get_mut(&run));
            if let Some(run) = run.filter(|run| run.ready.is_none()) {
                run.ready = Some(now);
                run.heard = now;
            }
        }
        Ok(())
    }

    fn configured(
        &mut self,
        now: Moment,
        apps: &BTreeMap<AppName, AppGoal>,
        (before, after): Pictures<'_>,
    ) -> Result<(), String> {
        for (name, goal) in apps {
            let other = self.apps.get(name).is_some_and(|old| old.fingerprint != goal.fingerprint);
            for deaths in self.deaths.iter_mut().filter(|(slot, _)| slot.app == *name) {
                deaths.1.rearm(now, goal.restart.backoff_max);
            }
            if other {
                self.forgive(&Scope::App(name.clone()));
                for (id, slot) in slots(before).filter(|(id, _)| id.app == *name) {
                    let failed = |(other, slot): &(SlotId, &SlotView)| {
                        *other == id && slot.phase == PhaseName::Failed
                    };
                    let forgiven = !slots(after).any(|slot| failed(&slot));
                    holds(slot.phase != PhaseName::Failed || forgiven, || {
                        format!("{id} was not forgiven by a new kind of worker")
                    })?;
                    if slot.phase == PhaseName::Failed && id.index < goal.instances {
                        self.sights.insert("a failed slot was forgiven");
                    }
                }
            }
        }
        self.deaths
            .retain(|slot, _| apps.get(&slot.app).is_some_and(|goal| slot.index < goal.instances));
        self.apps = apps.clone();
        for run in self.runs.values_mut() {
            let goal = self.apps.get(&run.slot.app);
            run.planned |= goal.is_none_or(|goal| run.slot.index >= goal.instances);
        }
        Ok(())
    }

    fn forgive(&mut self, scope: &Scope) {
        if self.ending.is_none() {
            self.deaths.retain(|slot, _| !covers(scope, &slot.app));
        }
    }

    fn shut_down(&mut self, urgency: Urgency) {
        if self.ending != Some(Urgency::Now) {
            self.ending = Some(urgency);
        }
        self.apps.clear();
    }

    fn ended(&mut self, now: Moment, id: RunId, clean: bool, before: &Snapshot) {
        let Some(run) = self.runs.remove(&id) else { return };
        let Some(goal) = self.apps.get(&run.slot.app) else { return };
        let seated = slots(before).any(|(_, slot)| slot.run == Some(id));
        let clean = clean && run.killed.is_none();
        let counted = match goal.restart.when {
            RestartWhen::Always => true,
            RestartWhen::OnFailure => !clean,
            RestartWhen::Never => false,
        };
        if seated && counted && !run.planned {
            let ready_for = run.ready.map(|ready| now.since(ready));
            self.deaths.entry(run.slot).or_default().died(now, ready_for, &goal.restart);
        }
    }

    fn announced(
        &mut self,
        now: Moment,
        notice: &Notice,
        (before, _): Pictures<'_>,
    ) -> Result<(), String> {
        let Notice::Moved { slot, run, to, why, next_in } = notice else { return Ok(()) };
        let Some(goal) = self.apps.get(&slot.app) else { return Ok(()) };
        let deaths = self.deaths.entry(slot.clone()).or_default();
        match to {
            PhaseName::Backoff => {
                let wait = next_in.ok_or("a backoff without end")?;
                deaths.waits(now, wait, &goal.restart).map_err(|why| format!("{slot}: {why}"))
            }
            PhaseName::Failed if why.as_ref().is_some_and(|why| why.starts_with("gave up")) => {
                deaths.gives_up(now, &goal.restart).map_err(|why| format!("{slot}: {why}"))
            }
            PhaseName::Failed | PhaseName::Stopped => {
                // A death that is not counted: hopeless, or the slot's successor goes on.
                let promoted =
                    slots(before).any(|(_, view)| view.run == *run && view.successor.is_some());
                if *to == PhaseName::Failed && !promoted {
                    deaths.uncount();
                }
                Ok(())
            }
            PhaseName::Starting | PhaseName::Ready | PhaseName::Draining | PhaseName::Killing => {
                Ok(())
            }
        }
    }

    fn replied(
        &mut self,
        request: RequestId,
        outcome: &Outcome,
        after: &Snapshot,
    ) -> Result<(), String> {
        let wish = self.asked.remove(&request);
        let Wish { asked, command, apps } =
            wish.ok_or_else(|| format!("{} was answered twice", request.0))?;
        see_outcome(&mut self.sights, &command, outcome);
        if matches!(outcome, Outcome::Failed { .. }) {
            return Ok(());
        }
        let (scope, since) = match &command {
            Command::Shutdown => {
                return holds(self.runs.is_empty(), || "stopped too early".to_owned());
            }
            Command::Start(_)
            | Command::Stop(_)
            | Command::Delete(_)
            | Command::Reset(_)
            | Command::Forget(_)
            | Command::Scale { .. }
            | Command::Signal { .. } => return Ok(()),
            Command::Settle => (&Scope::All, Moment::ZERO),
            Command::Reload(scope) | Command::Restart(scope) => (scope, asked),
        };
        let meant = |app: &AppName| {
            covers(scope, app) && (command == Command::Settle || apps.contains(app))
        };
        for (id, slot) in slots(after).filter(|(id, _)| meant(&id.app)) {
            if self.apps.get(&id.app).is_none_or(|goal| id.index >= goal.instances) {
                continue;
            }
            let fresh = slot.run.and_then(|run| self.runs.get(&run));
            let fresh = fresh.is_some_and(|run| run.spawned >= since);
            let served = slot.phase == PhaseName::Ready && fresh;
            // One app of a reload may be done, and lose a worker, while another still rolls.
            let leaves = matches!(slot.phase, PhaseName::Draining | PhaseName::Killing);
            let old_serves = slot.run.is_some() && !fresh && !leaves;
            let replaced = matches!(command, Command::Reload(_)) && !old_serves;
            holds(served || replaced || slot.phase == PhaseName::Stopped, || {
                format!("{command:?} is answered with done, but {id} is {:?}", slot.phase)
            })?;
        }
        Ok(())
    }

    /// Nobody is forgotten, and nobody is waited for that does not exist.
    fn everybody_is_known(&self, after: &Snapshot) -> Result<(), String> {
        let mut shown: Vec<RunId> = slots(after)
            .flat_map(|(_, slot)| {
                slot.run.into_iter().chain(slot.successor).chain(slot.leaving.iter().copied())
            })
            .collect();
        shown.sort();
        let known: Vec<RunId> = self.runs.keys().copied().collect();
        holds(shown == known, || format!("shown {shown:?}, but there are {known:?}"))
    }

    /// A slot that shows another phase was announced to have entered it.
    fn changes_were_announced(
        &self,
        actions: &[Action],
        (before, after): Pictures<'_>,
    ) -> Result<(), String> {
        for (id, slot) in slots(after) {
            // A successor that takes the seat of a dead worker was announced when it was started.
            let same = slots(before).any(|(other, old)| {
                let promoted = slot.run.is_some() && slot.run == old.successor;
                other == id && (old.phase == slot.phase || promoted)
            });
            let said = |action: &Action| match action {
                Action::Announce(Notice::Moved { slot: moved, to, .. }) => {
                    *moved == id && *to == slot.phase
                }
                _ => false,
            };
            // The vacant seat of a forgiven slot waits a moment for those who leave.
            let quiet = same || slot.phase == PhaseName::Stopped;
            holds(quiet || actions.iter().any(said), || {
                format!("{id} is {:?}, and nobody was told", slot.phase)
            })?;
        }
        Ok(())
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

fn covers(scope: &Scope, app: &AppName) -> bool {
    match scope {
        Scope::All => true,
        Scope::App(name) => name == app,
        Scope::Slot(slot) => slot.app == *app,
    }
}

/// A fact, or what is the case instead.
pub(crate) fn holds(fact: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if fact { Ok(()) } else { Err(otherwise()) }
}
