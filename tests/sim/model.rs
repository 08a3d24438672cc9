//! Who is wanted: the file and what operators changed at run time, counted again from outside.

use std::collections::BTreeMap;

use mcp_supervisor::machine::{
    AppGoal, AppName, Change, Changes, Command, Presence, Scale, Scope, SlotId, Snapshot,
};

use crate::stage::{Broken, holds};

/// The most workers that one app may have.
const INSTANCES_MAX: u32 = 256;

/// What is wanted.
#[derive(Debug, Clone, Default)]
pub(crate) struct Model {
    /// What the file says.
    pub(crate) file: BTreeMap<AppName, AppGoal>,
    /// What was changed at run time.
    pub(crate) changes: Changes,
    /// The goal that each app had last while it was in the picture: its limits hold until its
    /// last worker has left.
    pub(crate) goals: BTreeMap<AppName, AppGoal>,
    /// True once nothing is wanted any more.
    pub(crate) ending: bool,
}

/// Whom a wish is about, or why it is refused.
pub(crate) type Meant = Result<(), &'static str>;

impl Model {
    /// Puts a file in force.
    pub(crate) fn configure(&mut self, file: &BTreeMap<AppName, AppGoal>) {
        if !self.ending {
            self.file = file.clone();
            self.tidy();
            self.arrange();
        }
    }

    /// Takes back what an earlier supervisor remembered.
    pub(crate) fn remembered(&mut self, changes: &Changes) {
        self.changes = changes.clone();
        self.arrange();
    }

    /// The apps of which something else was changed at run time before.
    pub(crate) fn changed_since(&self, before: &Changes) -> Vec<AppName> {
        let names = before.keys().chain(self.changes.keys());
        names.filter(|name| before.get(*name) != self.changes.get(*name)).cloned().collect()
    }

    /// Carries out a wish, or says why it must be refused.
    pub(crate) fn order(&mut self, command: &Command) -> Meant {
        if self.ending {
            return Err("the service is ending");
        }
        match command {
            Command::Settle | Command::SettleApps(_) | Command::Shutdown => Ok(()),
            Command::Reload(scope)
            | Command::Reset(scope)
            | Command::Restart(scope)
            | Command::Stop(scope)
            | Command::Delete(scope)
            | Command::Signal { scope, .. } => self.change_shown(command, scope),
            Command::Start(scope) => {
                let names: Vec<AppName> = self.file.keys().cloned().collect();
                self.change(&names, scope, |model, name, slot| model.start(name, slot))
            }
            Command::Forget(scope) => {
                let names: Vec<AppName> =
                    self.file.keys().chain(self.changes.keys()).cloned().collect();
                self.change(&names, scope, |model, name, slot| match slot {
                    None => drop(model.changes.remove(name)),
                    Some(index) => drop(model.entry(name).stopped_slots.remove(&index)),
                })
            }
            Command::Scale { app, to } => {
                let now = if self.shows(app) { self.instances(app) } else { 0 };
                let count = match to {
                    Scale::To(count) => *count,
                    Scale::More(count) => now + count,
                    Scale::Fewer(count) => now.saturating_sub(*count),
                };
                if count == 0 && self.shows(app) {
                    return Err("would have no worker");
                }
                if count > INSTANCES_MAX && self.shows(app) {
                    return Err("cannot have");
                }
                let names = self.shown();
                self.change(&names, &Scope::App(app.clone()), |model, name, _| {
                    model.entry(name).instances = Some(count);
                })
            }
        }
    }

    fn change_shown(&mut self, command: &Command, scope: &Scope) -> Meant {
        let names = self.shown();
        if let (Command::Delete(_), Scope::Slot(slot)) = (command, scope) {
            self.check(&names, slot)?;
            return Err("a single slot cannot be deleted");
        }
        self.change(&names, scope, |model, name, slot| match (command, slot) {
            (Command::Restart(_), _) => model.start(name, slot),
            (Command::Stop(_), None) => model.entry(name).presence = Presence::Stopped,
            (Command::Stop(_), Some(index)) => {
                model.entry(name).stopped_slots.insert(index);
            }
            (Command::Delete(_), _) => model.entry(name).presence = Presence::Deleted,
            _ => {}
        })
    }

    fn start(&mut self, name: &AppName, slot: Option<u32>) {
        let count = self.instances(name);
        let change = self.entry(name);
        match slot {
            None => change.stopped_slots.clear(),
            Some(index) => {
                if change.presence != Presence::Wanted {
                    change.stopped_slots = (0..count).collect();
                }
                change.stopped_slots.remove(&index);
            }
        }
        change.presence = Presence::Wanted;
    }

    fn change(
        &mut self,
        among: &[AppName],
        scope: &Scope,
        edit: impl Fn(&mut Model, &AppName, Option<u32>),
    ) -> Meant {
        match scope {
            Scope::All => among.iter().for_each(|name| edit(self, name, None)),
            Scope::App(name) if among.contains(name) => edit(self, name, None),
            Scope::App(_) => return Err("there is no app"),
            Scope::Slot(slot) => {
                self.check(among, slot)?;
                edit(self, &slot.app, Some(slot.index));
            }
        }
        self.tidy();
        self.arrange();
        Ok(())
    }

    fn check(&self, among: &[AppName], slot: &SlotId) -> Meant {
        if !among.contains(&slot.app) {
            return Err("there is no app");
        }
        // Of an app that only the changes name, nobody knows how many workers it has.
        let known = self.file.contains_key(&slot.app);
        if known && slot.index >= self.instances(&slot.app) {
            return Err("there is no slot");
        }
        Ok(())
    }

    fn entry(&mut self, name: &AppName) -> &mut Change {
        self.changes.entry(name.clone()).or_default()
    }

    /// What does not differ from the file is no change.
    fn tidy(&mut self) {
        for (name, change) in &mut self.changes {
            let in_file = self.file.get(name).map(|goal| goal.instances);
            change.instances = change.instances.filter(|count| Some(*count) != in_file);
        }
        self.changes.retain(|_, change| *change != Change::default());
    }

    fn arrange(&mut self) {
        for name in self.shown() {
            let goal = AppGoal { instances: self.instances(&name), ..self.file[&name].clone() };
            self.goals.insert(name, goal);
        }
        // Who waits for whom is as the file says now, for those who were deleted as well.
        for (name, goal) in &mut self.goals {
            if let Some(file) = self.file.get(name) {
                goal.depends_on.clone_from(&file.depends_on);
            }
        }
    }

    /// How many workers an app has in the file, or at run time.
    pub(crate) fn instances(&self, name: &AppName) -> u32 {
        let changed = self.changes.get(name).and_then(|change| change.instances);
        let in_file = || self.file.get(name).map(|goal| goal.instances);
        changed.or_else(in_file).unwrap_or(0)
    }

    fn presence(&self, name: &AppName) -> Presence {
        self.changes.get(name).map(|change| change.presence).unwrap_or_default()
    }

    /// True while an app is in the picture.
    pub(crate) fn shows(&self, name: &AppName) -> bool {
        !self.ending && self.file.contains_key(name) && self.presence(name) != Presence::Deleted
    }

    /// The apps that are in the picture.
    pub(crate) fn shown(&self) -> Vec<AppName> {
        self.file.keys().filter(|name| self.shows(name)).cloned().collect()
    }

    /// True when workers of this app are wanted.
    pub(crate) fn runs(&self, name: &AppName) -> bool {
        self.shows(name) && self.presence(name) == Presence::Wanted
    }

    /// True when a worker in this slot is wanted.
    pub(crate) fn wants(&self, slot: &SlotId) -> bool {
        let stopped = self.changes.get(&slot.app).is_some_and(|change| {
            change.presence != Presence::Wanted || change.stopped_slots.contains(&slot.index)
        });
        self.shows(&slot.app) && slot.index < self.instances(&slot.app) && !stopped
    }

    /// The slots of an app in which a worker is wanted.
    pub(crate) fn wanted(&self, name: &AppName) -> impl Iterator<Item = SlotId> {
        let slots = (0..self.instances(name)).map(|index| SlotId { app: name.clone(), index });
        slots.filter(|slot| self.wants(slot))
    }

    /// The picture shows what is wanted, and how that differs from the file.
    pub(crate) fn is_shown(&self, picture: &Snapshot) -> Result<(), Broken> {
        const RULE: &str = "the picture shows what is wanted";
        holds(RULE, picture.changes == self.changes, || {
            format!("changed are {:?}, shown as {:?}", self.changes, picture.changes)
        })?;
        for name in self.shown() {
            let there = picture.apps.iter().any(|app| app.name == name);
            holds(RULE, there, || format!("{name} is not in the picture"))?;
        }
        for app in &picture.apps {
            let (name, change) = (&app.name, self.changes.get(&app.name));
            holds(RULE, app.change.as_ref() == change, || {
                format!("{name} was changed by {change:?}, shown is {:?}", app.change)
            })?;
            let in_file = self.file.get(name).map(|goal| goal.instances);
            holds(RULE, app.instances_in_file == in_file, || {
                format!("{name} is {in_file:?} in the file, shown as {:?}", app.instances_in_file)
            })?;
            let count = if self.shows(name) { self.instances(name) } else { 0 };
            let has = |index: u32| app.slots.iter().any(|slot| slot.index == index);
            holds(RULE, (0..count).all(has), || format!("{name} does not show {count} slots"))?;
            let mut extra = app.slots.iter().filter(|slot| slot.index >= count);
            let used = extra.all(|slot| slot.run.is_some() || !slot.leaving.is_empty());
            holds(RULE, used, || format!("{name} shows an empty slot that is not wanted"))?;
        }
        Ok(())
    }
}

/// True when a wish is about this slot.
pub(crate) fn covers(scope: &Scope, slot: &SlotId) -> bool {
    match scope {
        Scope::All => true,
        Scope::App(name) => *name == slot.app,
        Scope::Slot(only) => only == slot,
    }
}

/// True when a wish is about this app, or a part of it.
pub(crate) fn touches(scope: &Scope, app: &AppName) -> bool {
    match scope {
        Scope::All => true,
        Scope::App(name) => name == app,
        Scope::Slot(slot) => slot.app == *app,
    }
}
