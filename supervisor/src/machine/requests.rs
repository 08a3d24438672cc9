//! What operators asked for and still await an answer to.
//!
//! Each wish is answered once, as soon as its condition holds or cannot hold any more.

use std::collections::{BTreeMap, BTreeSet};

use crate::machine::action::{Action, Outcome};
use crate::machine::app::App;
use crate::machine::desired::{AppName, RunId, SlotId};
use crate::machine::event::RequestId;
use crate::machine::rollout::Roll;
use crate::machine::slot::{Seat, Slot, Wanted};
use crate::machine::turn::{Complaint, Setback, Turn};

/// So many failed starts of one slot are an answer to "is everything ready yet?".
const SETBACKS_MAX: u32 = 3;

/// So many failures are named in one answer.
const FAILURES_SHOWN: usize = 5;

/// How often each slot failed to start, and why the last time.
type Setbacks = BTreeMap<SlotId, (u32, String)>;

/// The apps, as the machine keeps them.
type Apps = BTreeMap<AppName, App>;

/// The wishes that await an answer.
#[derive(Debug, Clone, Default)]
pub(super) struct Requests(Vec<Pending>);

#[derive(Debug, Clone)]
struct Pending {
    request: RequestId,
    wish: Wish,
}

/// A wish, with what must be remembered to answer it.
#[derive(Debug, Clone)]
pub(super) enum Wish {
    /// Everything wanted is ready.
    Settle {
        /// Of these apps; `None` means all that there are.
        among: Option<BTreeSet<AppName>>,
        /// Failed starts since it was asked.
        setbacks: Setbacks,
    },
    /// These apps are of the wanted kind.
    Reload(Reach),
    /// Who is wanted within reach serves, and nobody else is left there.
    Arrange {
        /// Who is meant.
        reach: Reach,
        /// When it was asked: what failed before does not count.
        since: RunId,
        /// Whether only workers that were started since count.
        workers: Workers,
    },
    /// Nobody is left.
    Shutdown,
}

/// The workers that are meant by a wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reach {
    /// The apps.
    pub(super) apps: Vec<AppName>,
    /// One slot of the only app, where that was said.
    pub(super) slot: Option<u32>,
}

/// Which workers count as serving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Workers {
    /// Any.
    Any,
    /// Those that were started since the wish.
    Fresh,
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
            Wish::Shutdown => true,
            Wish::Settle { .. } | Wish::Reload(_) | Wish::Arrange { .. } => {
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

impl Reach {
    /// True when this slot is meant.
    pub(super) fn covers(&self, slot: &SlotId) -> bool {
        self.apps.contains(&slot.app) && self.slot.is_none_or(|index| index == slot.index)
    }

    /// The apps that are meant and still there.
    fn apps<'a>(&'a self, apps: &'a Apps) -> impl Iterator<Item = &'a App> {
        self.apps.iter().filter_map(|name| apps.get(name))
    }

    /// The slots that are meant and wanted.
    fn wanted<'a>(&'a self, apps: &'a Apps) -> impl Iterator<Item = &'a Slot> {
        self.apps(apps).flat_map(App::wanted_slots).filter(|slot| self.covers(&slot.id))
    }
}

impl Wish {
    fn outcome(&mut self, apps: &Apps, turn: &Turn) -> Option<Outcome> {
        match self {
            Wish::Settle { among, setbacks } => settled(among.as_ref(), setbacks, apps, turn),
            Wish::Reload(reach) => reloaded(reach, apps),
            Wish::Arrange { reach, since, workers } => {
                arranged(reach, (*since, *workers), apps, turn)
            }
            Wish::Shutdown => None,
        }
    }
}

/// What failed.
enum Failure {
    /// A slot.
    Slot(Complaint),
    /// A roll, in words, and the slot that stopped it.
    Roll { words: String, slot: SlotId },
}

/// The answer once every app that is meant is decided. One failure is told with all the others.
fn settled(
    among: Option<&BTreeSet<AppName>>,
    setbacks: &mut Setbacks,
    apps: &Apps,
    turn: &Turn,
) -> Option<Outcome> {
    for setback in &turn.setbacks {
        let (count, why) = setbacks.entry(setback.slot.clone()).or_default();
        (*count, *why) = (*count + 1, setback.why.clone());
    }
    let mut failures = Vec::new();
    let meant = |app: &&App| among.is_none_or(|among| among.contains(&app.name));
    for app in apps.values().filter(meant) {
        failures.extend(decided(app, setbacks)?);
    }
    Some(together(failures))
}

/// What failed of an app once all its slots are ready, given up, or kept out until a person acts;
/// `None` while one of them is not.
fn decided(app: &App, setbacks: &Setbacks) -> Option<Vec<Failure>> {
    if app.is_rolling() {
        return None;
    }
    let mut failures = Vec::new();
    let mut kept_out = app.kept_out();
    let is_kept_out = kept_out.is_some();
    for slot in app.wanted_slots().filter(|slot| !slot.is_settled()) {
        let complaint = if let Some(complaint) = start_failed(slot, setbacks) {
            Some(complaint)
        } else if is_kept_out && matches!(slot.seat, Seat::Vacant) {
            // The first one speaks for all who are kept out.
            kept_out.take()
        } else {
            // It still starts, or waits for what will come.
            return None;
        };
        failures.extend(complaint.map(Failure::Slot));
    }
    match &app.roll {
        Roll::Stopped { complaint, again_at: _ } if failures.is_empty() => {
            let (words, slot) = (roll_words(app, complaint), complaint.slot.clone());
            failures.push(Failure::Roll { words, slot });
        }
        Roll::Stopped { .. } | Roll::Idle | Roll::Rolling { .. } => {}
    }
    Some(failures)
}

/// Why a slot is not expected to become ready: it gave up, or failed too often since it was asked.
fn start_failed(slot: &Slot, setbacks: &Setbacks) -> Option<Complaint> {
    if gave_up(slot) {
        return Some(slot.complaint());
    }
    let (_, why) = setbacks.get(&slot.id).filter(|(count, _)| *count >= SETBACKS_MAX)?;
    let why = format!("failed to start {SETBACKS_MAX} times; last: {why}");
    Some(Complaint { slot: slot.id.clone(), why })
}

/// One answer for all failures; slots that failed for one reason are told in one breath.
fn together(failures: Vec<Failure>) -> Outcome {
    let mut told: Vec<(Vec<String>, &str)> = Vec::new();
    for failure in &failures {
        let (slot, why) = match failure {
            Failure::Slot(Complaint { slot, why }) => (Some(slot.to_string()), why.as_str()),
            Failure::Roll { words, slot: _ } => (None, words.as_str()),
        };
        match told.iter_mut().find(|(slots, same)| *same == why && !slots.is_empty()) {
            Some((slots, _)) => slots.extend(slot),
            None => told.push((slot.into_iter().collect(), why)),
        }
    }
    let words: Vec<String> = told
        .iter()
        .map(|(slots, why)| match slots.is_empty() {
            true => (*why).to_owned(),
            false => format!("{}: {why}", first_ones(slots, ", ")),
        })
        .collect();
    let why = first_ones(&words, "; ");
    match failures.into_iter().next() {
        Some(Failure::Slot(Complaint { slot, .. }) | Failure::Roll { slot, .. }) => {
            Outcome::Failed { why, slot: Some(slot) }
        }
        None => Outcome::Done,
    }
}

/// The first ones, and how many more there are.
fn first_ones(all: &[String], between: &str) -> String {
    match all.len().checked_sub(FAILURES_SHOWN) {
        None | Some(0) => all.join(between),
        Some(more) => format!("{}{between}and {more} more", all[..FAILURES_SHOWN].join(between)),
    }
}

fn reloaded(reach: &Reach, apps: &Apps) -> Option<Outcome> {
    // One app's failure is told when the others are through as well.
    if reach.apps(apps).any(App::is_rolling) {
        return None;
    }
    Some(reach.apps(apps).find_map(stopped_roll).unwrap_or(Outcome::Done))
}

fn arranged(
    reach: &Reach,
    (since, workers): (RunId, Workers),
    apps: &Apps,
    turn: &Turn,
) -> Option<Outcome> {
    let counts = |setback: &&Setback| setback.run >= since && reach.covers(&setback.slot);
    let setback = turn.setbacks.iter().find(counts).map(Complaint::from);
    let kept_out = || {
        let vacant = |slot: &Slot| matches!(slot.seat, Seat::Vacant) && reach.covers(&slot.id);
        reach.apps(apps).find_map(|app| app.held_up(vacant))
    };
    let complaint = setback
        .or_else(|| reach.wanted(apps).find(|slot| gave_up(slot)).map(Slot::complaint))
        .or_else(kept_out);
    if let Some(complaint) = complaint {
        return Some(failure(&complaint));
    }
    let serves = |slot: &Slot| match (&slot.seat, workers) {
        (Seat::Taken(worker), Workers::Any) => worker.is_ready(),
        (Seat::Taken(worker), Workers::Fresh) => worker.is_ready() && worker.run >= since,
        (Seat::Finished { .. }, _) => true,
        (Seat::Vacant | Seat::Backoff { .. } | Seat::Failed, _) => false,
    };
    let gone = |app: &App| {
        let unwanted = app.slots.values().filter(|slot| app.wants(slot.id.index) == Wanted::No);
        unwanted.filter(|slot| reach.covers(&slot.id)).all(Slot::is_empty)
    };
    let done = reach.wanted(apps).all(serves) && reach.apps(apps).all(gone);
    done.then_some(Outcome::Done)
}

fn gave_up(slot: &Slot) -> bool {
    matches!(slot.seat, Seat::Failed)
}

fn failure(complaint: &Complaint) -> Outcome {
    Outcome::Failed { why: complaint.words(), slot: Some(complaint.slot.clone()) }
}

fn stopped_roll(app: &App) -> Option<Outcome> {
    match &app.roll {
        Roll::Stopped { complaint, again_at: _ } => {
            let why = roll_words(app, complaint);
            Some(Outcome::Failed { why, slot: Some(complaint.slot.clone()) })
        }
        Roll::Idle | Roll::Rolling { .. } => None,
    }
}

fn roll_words(app: &App, complaint: &Complaint) -> String {
    format!("the roll of `{}` stopped: {}; {}", app.name, complaint.words(), aftermath(app))
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
