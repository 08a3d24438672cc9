//! What must hold after every event, judged from outside: by what went in and what came out.
//!
//! Nothing here looks into the machine. Deaths, streaks and waits are counted again, so that the
//! machine is compared with the rules and not with itself.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mcp_supervisor::machine::{
    Action, AppGoal, AppName, AppView, Command, Event, KillCause, Moment, Notice, Outcome,
    PhaseName, RequestId, RestartWhen, RollView, Rollout, RunId, Scope, SlotId, SlotView, Snapshot,
    Urgency,
};

use crate::deaths::Deaths;
use crate::sights::{see, see_outcome};

/// The shortest time limits that a simulated operator writes.
const START_MIN: Duration = Duration::from_secs(5);
const HEARTBEAT_MIN: Duration = Duration::from_secs(6);

/// Everything that was seen from outside.
#[derive(Debug, Default)]
pub(crate) struct Watch {
    /// What is wanted.
    pub(crate) apps: BTreeMap<AppName, AppGoal>,
    /// The runs that were spawned and whose end was not told yet.
    pub(crate) runs: BTreeMap<RunId, Run>,
    /// What was seen at least once.
    pub(crate) sights: BTreeSet<&'static str>,
    deaths: BTreeMap<SlotId, Deaths>,
    asked: BTreeMap<RequestId, Wish>,
    ending: Option<Urgency>,
    over: bool,
}

/// What an operator awaits an answer to.
#[derive(Debug)]
struct Wish {
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
                    Command::Settle => {}
                    Command::Stop => self.shut_down(Urgency::Drain),
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
            if let Some(run) = slot.1.run.and_then(|run| self.runs.get_mut(&run)) {
                if run.ready.is_none() {
                    run.ready = Some(now);
                    run.heard = now;
                }
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

    fn spawned(
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
            Rollout::MakeBeforeBreak { max_surge } => (1, max_surge as usize),
            Rollout::Replace { .. } => (0, 0),
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

    fn drained(
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
            Rollout::MakeBeforeBreak { .. } => {
                let replaced = app.slots.iter().any(|view| {
                    view.index == slot.index
                        && view.run.is_some_and(|run| run > id)
                        && view.phase == PhaseName::Ready
                });
                holds(replaced, || format!("{id} is taken down before its successor serves"))
            }
            Rollout::Replace { max_unavailable } => {
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

    fn killed(&mut self, now: Moment, id: RunId, why: KillCause) -> Result<(), String> {
        let run = self.runs.get_mut(&id).ok_or_else(|| format!("{id} is killed but gone"))?;
        holds(run.killed.is_none(), || format!("{id} is killed twice"))?;
        run.killed = Some(why);
        let fair = match why {
            KillCause::NeverReady => {
                run.ready.is_none() && run.drained.is_none() && now.since(run.spawned) >= START_MIN
            }
            KillCause::HeartbeatLost => {
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
            Command::Stop => return holds(self.runs.is_empty(), || "stopped too early".to_owned()),
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
            let replaced = matches!(command, Command::Reload(_)) && (fresh || slot.run.is_none());
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

fn app<'a>(picture: &'a Snapshot, name: &AppName) -> Option<&'a AppView> {
    picture.apps.iter().find(|app| app.name == *name)
}

fn covers(scope: &Scope, app: &AppName) -> bool {
    match scope {
        Scope::All => true,
        Scope::App(name) => name == app,
    }
}

fn holds(fact: bool, otherwise: impl FnOnce() -> String) -> Result<(), String> {
    if fact { Ok(()) } else { Err(otherwise()) }
}
