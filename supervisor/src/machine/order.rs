//! Who waits for whom: an app starts when those that it depends on serve, and leaves before them.
//!
//! The order is about beginnings and ends alone. When somebody that others depend on dies, they go
//! on; only a worker that would be started just then waits.

use std::collections::{BTreeMap, BTreeSet};

use crate::machine::app::App;
use crate::machine::desired::{AppName, Presence};
use crate::machine::slot::{Seat, Slot, Wanted};
use crate::machine::turn::Complaint;

/// Whether workers of an app may be started now.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Gate {
    /// They may.
    #[default]
    Open,
    /// Not until this app serves, which it will, as far as anyone can tell.
    Waits(AppName),
    /// Not until somebody sees to this app.
    Hopeless {
        /// The app.
        on: AppName,
        /// What is the matter with it.
        why: &'static str,
    },
}

/// Whether the roll of an app may go on now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum RollTurn {
    /// It may.
    #[default]
    Now,
    /// Somebody that it depends on is being rolled, and may not serve for a while.
    Later,
}

/// The apps, as the machine keeps them.
type Apps = BTreeMap<AppName, App>;

/// The gate of every app.
pub(super) fn gates(apps: &Apps) -> BTreeMap<AppName, Gate> {
    apps.iter().map(|(name, app)| (name.clone(), gate(app, apps, apps.len()))).collect()
}

/// The gate of one app; `links` bounds how long a chain is followed, should it ever be a circle.
fn gate(app: &App, apps: &Apps, links: usize) -> Gate {
    for on in &app.goal.depends_on {
        let Some(other) = apps.get(on) else {
            return Gate::Hopeless { on: on.clone(), why: "is not there (`start` brings it back)" };
        };
        if other.wanted_slots().any(Slot::is_up) {
            continue;
        }
        if let Some(why) = hopeless(other, apps, links) {
            return Gate::Hopeless { on: on.clone(), why };
        }
        return Gate::Waits(on.clone());
    }
    Gate::Open
}

/// Why nobody will come up in an app by itself, if that is so.
fn hopeless(app: &App, apps: &Apps, links: usize) -> Option<&'static str> {
    let links = links.checked_sub(1)?;
    let kept_out = || matches!(gate(app, apps, links), Gate::Hopeless { .. });
    let wanted = || (0..app.goal.instances).filter(|index| app.wants(*index) == Wanted::Yes);
    let ended = |index: u32| match app.slots.get(&index).map(|slot| &slot.seat) {
        Some(Seat::Failed | Seat::Finished { .. }) => true,
        Some(Seat::Vacant) | None => kept_out(),
        Some(Seat::Taken(_) | Seat::Backoff { .. }) => false,
    };
    match app.presence {
        Presence::Stopped => Some("is stopped (`start` starts it)"),
        Presence::Deleted => Some("was deleted (`start` brings it back)"),
        Presence::Wanted if wanted().next().is_none() => Some("has no worker"),
        Presence::Wanted if wanted().all(ended) => {
            Some("does not serve and gave up (`start` tries again)")
        }
        Presence::Wanted => None,
    }
}

/// The apps whose roll waits for that of another: those that others depend on come first.
pub(super) fn later(apps: &Apps) -> BTreeSet<AppName> {
    let rolling = |name: &AppName| apps.get(name).is_some_and(App::is_rolling);
    let waits = |app: &&App| app.goal.depends_on.iter().any(rolling);
    apps.values().filter(waits).map(|app| app.name.clone()).collect()
}

/// The apps whose workers must stay a while, because somebody who depends on them is leaving.
pub(super) fn needed(apps: &Apps) -> BTreeSet<AppName> {
    let leaving = |app: &&App| {
        app.slots.values().any(|slot| app.wants(slot.id.index) == Wanted::No && !slot.is_empty())
    };
    apps.values().filter(leaving).flat_map(|app| app.goal.depends_on.iter().cloned()).collect()
}

impl App {
    /// Why a slot without a worker has none, where that is not a matter of its own past.
    pub(super) fn waits(&self, index: u32) -> Option<String> {
        if self.presence == Presence::Stopped || self.stopped_slots.contains(&index) {
            return Some("stopped by an operator".to_owned());
        }
        match &self.gate {
            Gate::Open => None,
            Gate::Waits(on) => Some(format!("waits for `{on}`")),
            Gate::Hopeless { on, why } => Some(format!("waits for `{on}`, which {why}")),
        }
    }

    /// A wanted slot that cannot be filled until somebody sees to another app, and why.
    pub(super) fn kept_out(&self) -> Option<Complaint> {
        self.held_up(|slot| matches!(slot.seat, Seat::Vacant))
    }

    /// The first of these slots, if its app waits for another that somebody must see to, and why.
    pub(super) fn held_up(&self, which: impl Fn(&Slot) -> bool) -> Option<Complaint> {
        let Gate::Hopeless { .. } = self.gate else { return None };
        let slot = self.wanted_slots().find(|slot| which(slot))?;
        Some(Complaint { slot: slot.id.clone(), why: self.waits(slot.id.index)? })
    }
}
