//! What operators asked for and still await an answer to.
//!
//! Each wish is answered once, as soon as its condition holds or cannot hold any more.

use std::collections::BTreeMap;

use crate::machine::action::{Action, Outcome};
use crate::machine::app::App;
use crate::machine::desired::{AppName, RunId, SlotId};
use crate::machine::event::RequestId;
use crate::machine::rollout::Roll;
use crate::machine::slot::{Seat, Slot};
use crate::machine::turn::Turn;

/// So many failed starts of one slot are an answer to "is everything ready yet?".
const SETBACKS_MAX: u32 = 3;

/// The apps, as the machine keeps them.
type Apps = BTreeMap<AppName, App>;

/// The wishes that await an answer.
#[derive(Debug, Default)]
pub(super) struct Requests(Vec<Pending>);

#[derive(Debug)]
struct Pending {
    request: RequestId,
    wish: Wish,
}

/// A wish, with what must be remembered to answer it.
#[derive(Debug)]
pub(super) enum Wish {
    /// Everything wanted is ready.
    Settle {
        /// Failed starts since it was asked.
        setbacks: BTreeMap<SlotId, u32>,
    },
    /// These apps are of the wanted kind.
    Reload {
        /// The apps.
        apps: Vec<AppName>,
    },
    /// These apps have workers that were started since.
    Restart {
        /// The apps.
        apps: Vec<AppName>,
        /// The first run that counts.
        since: RunId,
    },
    /// Nobody is left.
    Stop,
}

impl Requests {
    /// Remembers a wish.
    pub(super) fn push(&mut self, request: RequestId, wish: Wish) {
        self.0.push(Pending { request, wish });
    }

    /// Answers every wish whose condition holds now, or never will.
    pub(super) fn answer(&mut self, apps: &Apps, turn: &mut Turn) {
        self.0.retain_mut(|pending| match pending.wish.outcome(apps, turn) {
            Some(outcome) => {
                turn.act(Action::Reply { request: pending.request, outcome });
                false
            }
            None => true,
        });
    }

    /// Refuses every wish but the one for the end.
    pub(super) fn refuse_for_shutdown(&mut self, turn: &mut Turn) {
        self.0.retain(|pending| match pending.wish {
            Wish::Stop => true,
            Wish::Settle { .. } | Wish::Reload { .. } | Wish::Restart { .. } => {
                refuse(turn, pending.request, "the service is ending".to_owned());
                false
            }
        });
    }

    /// Grants what is left: nobody runs any more.
    pub(super) fn grant_all(&mut self, turn: &mut Turn) {
        for pending in self.0.drain(..) {
            turn.act(Action::Reply { request: pending.request, outcome: Outcome::Done });
        }
    }
}

/// Answers that a wish cannot be carried out.
pub(super) fn refuse(turn: &mut Turn, request: RequestId, why: String) {
    turn.act(Action::Reply { request, outcome: Outcome::Failed { why, slot: None } });
}

impl Wish {
    fn outcome(&mut self, apps: &Apps, turn: &Turn) -> Option<Outcome> {
        match self {
            Wish::Settle { setbacks } => settled(setbacks, apps, turn),
            Wish::Reload { apps: scope } => reloaded(scope, apps),
            Wish::Restart { apps: scope, since } => restarted(scope, *since, apps, turn),
            Wish::Stop => None,
        }
    }
}

/// An app that was removed meanwhile has nothing left to wait for.
fn in_scope<'a>(scope: &'a [AppName], apps: &'a Apps) -> impl Iterator<Item = &'a App> {
    scope.iter().filter_map(|name| apps.get(name)).filter(|app| app.is_wanted())
}

fn settled(setbacks: &mut BTreeMap<SlotId, u32>, apps: &Apps, turn: &Turn) -> Option<Outcome> {
    for setback in &turn.setbacks {
        *setbacks.entry(setback.slot.clone()).or_default() += 1;
    }
    let stopped = apps.values().find_map(stopped_roll);
    let failed = apps.values().flat_map(App::wanted_slots).find(|slot| gave_up(slot));
    let hopeless = turn
        .setbacks
        .iter()
        .filter(|setback| setbacks.get(&setback.slot).is_some_and(|count| *count >= SETBACKS_MAX))
        .map(|setback| {
            format!("{}: failed to start {SETBACKS_MAX} times; last: {}", setback.slot, setback.why)
        });
    let why = failed.map(Slot::complaint).or_else(|| hopeless.into_iter().next()).or(stopped);
    if let Some(why) = why {
        return Some(Outcome::Failed { why, slot: None });
    }
    let rolling = apps.values().any(|app| matches!(app.roll, Roll::Rolling));
    let served = |slot: &Slot| slot.is_ready() || matches!(slot.seat, Seat::Finished);
    let settled = apps.values().flat_map(App::wanted_slots).all(served);
    (settled && !rolling).then_some(Outcome::Done)
}

fn reloaded(scope: &[AppName], apps: &Apps) -> Option<Outcome> {
    if let Some(why) = in_scope(scope, apps).find_map(stopped_roll) {
        return Some(Outcome::Failed { why, slot: None });
    }
    let rolling = in_scope(scope, apps).any(|app| matches!(app.roll, Roll::Rolling));
    (!rolling).then_some(Outcome::Done)
}

fn restarted(scope: &[AppName], since: RunId, apps: &Apps, turn: &Turn) -> Option<Outcome> {
    let counts = |slot: &SlotId| in_scope(scope, apps).any(|app| app.name == slot.app);
    let setback =
        turn.setbacks.iter().find(|setback| setback.run >= since && counts(&setback.slot));
    let slots = || in_scope(scope, apps).flat_map(App::wanted_slots);
    let why = setback
        .map(|setback| format!("{}: {}", setback.slot, setback.why))
        .or_else(|| slots().find(|slot| gave_up(slot)).map(Slot::complaint));
    if let Some(why) = why {
        return Some(Outcome::Failed { why, slot: None });
    }
    let again = |slot: &Slot| match &slot.seat {
        Seat::Taken(worker) => worker.is_ready() && worker.run >= since,
        Seat::Finished => true,
        Seat::Vacant | Seat::Backoff { .. } | Seat::Failed => false,
    };
    slots().all(again).then_some(Outcome::Done)
}

fn gave_up(slot: &Slot) -> bool {
    matches!(slot.seat, Seat::Failed)
}

fn stopped_roll(app: &App) -> Option<String> {
    match &app.roll {
        Roll::Stopped { why } => {
            Some(format!("the roll of `{}` stopped: {why}; {}", app.name, aftermath(app)))
        }
        Roll::Idle | Roll::Rolling => None,
    }
}

/// What holds after a roll stopped: said only as far as it is true.
fn aftermath(app: &App) -> &'static str {
    let old = |slot: &Slot| slot.seated().is_some_and(|worker| app.is_outdated(worker));
    if app.wanted_slots().any(old) {
        "the old workers go on serving"
    } else {
        "no old worker is left"
    }
}
