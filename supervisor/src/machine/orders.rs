//! What operators ask of apps and slots while they run: who is meant, and what changes.
//!
//! A wish of this kind is a *change*: it differs from the file, holds over every reload of it, and
//! is remembered for a later supervisor until it is forgotten or the file says the same.

use std::collections::BTreeMap;

use crate::machine::Machine;
use crate::machine::action::{Action, Outcome};
use crate::machine::app::App;
use crate::machine::desired::{AppGoal, AppName, Change, INSTANCES_MAX, Presence, SlotId};
use crate::machine::event::{Command, RequestId, Scale, Scope};
use crate::machine::requests::{Reach, Wish, Workers, refuse};
use crate::machine::slot::Slot;
use crate::machine::turn::Turn;

impl Machine {
    /// Carries out what is asked, and remembers who awaits the answer.
    pub(super) fn order(&mut self, turn: &mut Turn, request: RequestId, command: Command) {
        let before = self.changes.clone();
        match self.carry_out(turn, command) {
            Ok(Some(wish)) => self.requests.push(request, wish),
            Ok(None) => turn.act(Action::Reply { request, outcome: Outcome::Done }),
            Err(why) => refuse(turn, request, why),
        }
        if self.changes != before {
            turn.act(Action::Remember(self.changes.clone()));
        }
    }

    fn carry_out(&mut self, turn: &mut Turn, command: Command) -> Result<Option<Wish>, String> {
        let since = turn.next_run;
        let arranged = |reach, workers| Ok(Some(Wish::Arrange { reach, since, workers }));
        let settled = |among| Ok(Some(Wish::Settle { among, setbacks: BTreeMap::new() }));
        match command {
            Command::Shutdown => Ok(None),
            Command::Settle => settled(None),
            Command::SettleApps(apps) => settled(Some(apps)),
            Command::Reload(scope) => {
                let reach = self.shown(scope)?;
                self.each(&reach, |app| match reach.slot {
                    None => app.reload(turn, None),
                    Some(index) => app.reload_slot(turn, index),
                });
                Ok(Some(Wish::Reload(reach)))
            }
            Command::Restart(scope) => {
                let reach = self.shown(scope)?;
                self.want(turn, &reach);
                self.each(&reach, |app| app.restart(turn, &reach));
                arranged(reach, Workers::Fresh)
            }
            Command::Start(scope) => {
                let reach = self.configured(scope)?;
                self.want(turn, &reach);
                self.each(&reach, |app| app.forgive(turn.now, &reach));
                arranged(reach, Workers::Any)
            }
            Command::Stop(scope) => arranged(self.stop(turn, scope)?, Workers::Any),
            Command::Delete(scope) => arranged(self.delete(turn, scope)?, Workers::Any),
            Command::Reset(scope) => {
                let reach = self.shown(scope)?;
                self.each(&reach, |app| app.reset(turn.now, &reach));
                Ok(None)
            }
            Command::Forget(scope) => {
                let (mut reach, before) = (self.known(scope)?, self.changes.clone());
                self.forget(turn, &reach);
                // Of whom nothing is forgotten, nothing is expected.
                reach.apps.retain(|name| before.get(name) != self.changes.get(name));
                arranged(reach, Workers::Any)
            }
            Command::Scale { app, to } => arranged(self.scale(turn, app, to)?, Workers::Any),
            Command::Signal { scope, number } => {
                let reach = self.shown(scope)?;
                self.signal(turn, &reach, number).map(|()| None)
            }
        }
    }

    fn stop(&mut self, turn: &mut Turn, scope: Scope) -> Result<Reach, String> {
        let reach = self.shown(scope)?;
        self.change(turn, &reach, |change| match reach.slot {
            None => change.presence = Presence::Stopped,
            Some(index) => drop(change.stopped_slots.insert(index)),
        });
        Ok(reach)
    }

    fn delete(&mut self, turn: &mut Turn, scope: Scope) -> Result<Reach, String> {
        let reach = self.shown(scope)?;
        if let (Some(index), Some(app)) = (reach.slot, reach.apps.first()) {
            return Err(format!(
                "a single slot cannot be deleted; `stop {app}[{index}]` stops it, \
                 `scale {app} N` changes how many there are"
            ));
        }
        self.change(turn, &reach, |change| change.presence = Presence::Deleted);
        Ok(reach)
    }

    fn scale(&mut self, turn: &mut Turn, app: AppName, to: Scale) -> Result<Reach, String> {
        let reach = self.shown(Scope::App(app.clone()))?;
        let count = self.count(&app, to)?;
        self.change(turn, &reach, |change| change.instances = Some(count));
        Ok(reach)
    }

    fn signal(&self, turn: &mut Turn, reach: &Reach, number: i32) -> Result<(), String> {
        let slots = self.apps.values().flat_map(|app| app.slots.values());
        let runs: Vec<_> = slots
            .filter(|slot| reach.covers(&slot.id))
            .flat_map(|slot| slot.seated().into_iter().chain(&slot.successor))
            .map(|worker| worker.run)
            .collect();
        if runs.is_empty() {
            return Err("no process runs there".to_owned());
        }
        for run in runs {
            turn.act(Action::Signal { run, number });
        }
        Ok(())
    }

    /// How many workers are meant.
    fn count(&self, app: &AppName, to: Scale) -> Result<u32, String> {
        let now = self.apps.get(app).map_or(0, |app| app.goal.instances);
        let count = match to {
            Scale::To(count) => count,
            Scale::More(count) => now.saturating_add(count),
            Scale::Fewer(count) => now.saturating_sub(count),
        };
        if count == 0 {
            return Err(format!("`{app}` would have no worker left; `stop {app}` stops it"));
        }
        if count > INSTANCES_MAX {
            return Err(format!("`{app}` cannot have {count} workers; {INSTANCES_MAX} at most"));
        }
        Ok(count)
    }

    /// Takes back what was stopped or deleted at run time.
    fn want(&mut self, turn: &mut Turn, reach: &Reach) {
        let slots = reach.apps.first().and_then(|name| self.instances(name)).unwrap_or(0);
        self.change(turn, reach, |change| {
            match (reach.slot, change.presence) {
                (None, _) => change.stopped_slots.clear(),
                (Some(_), Presence::Wanted) => {}
                // One slot of an app that is stopped as a whole: the others stay as they are.
                (Some(_), Presence::Stopped | Presence::Deleted) => {
                    change.stopped_slots = (0..slots).collect();
                }
            }
            if let Some(index) = reach.slot {
                change.stopped_slots.remove(&index);
            }
            change.presence = Presence::Wanted;
        });
    }

    fn forget(&mut self, turn: &mut Turn, reach: &Reach) {
        for name in &reach.apps {
            match (reach.slot, self.changes.get_mut(name)) {
                (None, _) => drop(self.changes.remove(name)),
                (Some(index), Some(change)) => drop(change.stopped_slots.remove(&index)),
                (Some(_), None) => {}
            }
        }
        self.arrange(turn);
    }

    /// Changes what is wanted of apps at run time.
    fn change(&mut self, turn: &mut Turn, reach: &Reach, mut edit: impl FnMut(&mut Change)) {
        for name in &reach.apps {
            edit(self.changes.entry(name.clone()).or_default());
        }
        self.arrange(turn);
    }

    /// Puts file and run-time changes together, in force. What the file says as well is no change.
    pub(super) fn arrange(&mut self, turn: &mut Turn) {
        for (name, change) in &mut self.changes {
            let in_file = self.desired.get(name).map(|goal| goal.instances);
            change.instances = change.instances.filter(|count| Some(*count) != in_file);
        }
        self.changes.retain(|_, change| *change != Change::default());
        for app in self.apps.values_mut().filter(|app| !self.desired.contains_key(&app.name)) {
            app.remove();
        }
        for (name, goal) in &self.desired {
            let change = self.changes.get(name).cloned().unwrap_or_default();
            let instances = change.instances.unwrap_or(goal.instances);
            let goal = AppGoal { instances, ..goal.clone() };
            match (self.apps.get_mut(name), change.presence) {
                (Some(app), Presence::Deleted) => {
                    // Who waits for whom is as the file says now, or two might wait for each other.
                    app.goal.depends_on = goal.depends_on;
                    app.remove();
                }
                (Some(app), Presence::Wanted | Presence::Stopped) => app.configure(turn, goal),
                (None, Presence::Deleted) => continue,
                (None, Presence::Wanted | Presence::Stopped) => {
                    self.apps.insert(name.clone(), App::new(name.clone(), goal));
                }
            }
            if let Some(app) = self.apps.get_mut(name) {
                app.presence = change.presence;
                app.stopped_slots = change.stopped_slots;
            }
        }
    }

    /// Those who are in the picture.
    fn shown(&self, scope: Scope) -> Result<Reach, String> {
        let apps = self.apps.values().filter(|app| app.is_wanted()).map(|app| app.name.clone());
        self.reach(scope, apps.collect())
    }

    /// Those whom the file names.
    fn configured(&self, scope: Scope) -> Result<Reach, String> {
        self.reach(scope, self.desired.keys().cloned().collect())
    }

    /// Those whom the file names, or whom somebody changed.
    fn known(&self, scope: Scope) -> Result<Reach, String> {
        let changed = self.changes.keys().filter(|name| !self.desired.contains_key(name));
        self.reach(scope, self.desired.keys().chain(changed).cloned().collect())
    }

    /// Who is meant among these, or why there is nobody.
    fn reach(&self, scope: Scope, among: Vec<AppName>) -> Result<Reach, String> {
        let (name, slot) = match scope {
            Scope::All => return Ok(Reach { apps: among, slot: None }),
            Scope::App(name) => (name, None),
            Scope::Slot(SlotId { app, index }) => (app, Some(index)),
        };
        if !among.contains(&name) {
            let known: Vec<&str> = among.iter().map(AppName::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            let deleted = self.desired.contains_key(&name);
            let hint = if deleted { "; `start` brings a deleted one back" } else { "" };
            return Err(format!("there is no app `{name}`; there are: {known}{hint}"));
        }
        match (slot, self.instances(&name)) {
            (Some(index), Some(count)) if index >= count => Err(format!(
                "there is no slot {name}[{index}]; `{name}` has {count}, counted from 0"
            )),
            (Some(_), Some(_) | None) | (None, _) => Ok(Reach { apps: vec![name], slot }),
        }
    }

    /// How many workers are wanted of an app that the file names, deleted at run time or not.
    fn instances(&self, name: &AppName) -> Option<u32> {
        let in_file = self.desired.get(name)?.instances;
        Some(self.changes.get(name).and_then(|change| change.instances).unwrap_or(in_file))
    }

    fn each(&mut self, reach: &Reach, mut act: impl FnMut(&mut App)) {
        for app in self.apps.values_mut().filter(|app| reach.apps.contains(&app.name)) {
            act(app);
        }
    }
}

impl App {
    /// Stops the workers within reach, to start them again.
    fn restart(&mut self, turn: &mut Turn, reach: &Reach) {
        let wanted: Vec<u32> = self.wanted_slots().map(|slot| slot.id.index).collect();
        let meant = |slot: &&mut Slot| reach.covers(&slot.id) && wanted.contains(&slot.id.index);
        for slot in self.slots.values_mut().filter(meant) {
            slot.restart(turn, &self.goal);
        }
    }

    /// Forgets the deaths within reach: who waits, gave up or finished may start at once.
    fn forgive(&mut self, now: crate::machine::Moment, reach: &Reach) {
        for slot in self.slots.values_mut().filter(|slot| reach.covers(&slot.id)) {
            slot.forgive(now);
        }
    }

    /// Forgets the past of the slots within reach, counts included.
    fn reset(&mut self, now: crate::machine::Moment, reach: &Reach) {
        for slot in self.slots.values_mut().filter(|slot| reach.covers(&slot.id)) {
            slot.reset(now);
        }
    }
}
