//! The study: everything that decides. Pure, and only the standard library.
//!
//! Events go in, actions come out; time and chance are arguments. No I/O, no clock, no entropy,
//! no log, no `async`, no hash map with its random order: `tests/tidy.rs` holds that door.
//!
//! ```text
//! Machine ── App ── Slot ── Worker     who is there, and what its deadlines are
//!    │        └── rollout              which slot is replaced next
//!    │        └── order                who waits for whom
//!    │         └── ending, backoff     what a death means, when to try again, when to give up
//!    └── orders, requests              what operators change, and who awaits an answer
//!    └── plan                          what would happen if
//!    └── calm                          when changed files may be read, and what is then done
//! ```

mod action;
mod app;
mod backoff;
mod calm;
mod desired;
mod ending;
mod event;
mod exit;
mod invariants;
mod moment;
mod order;
mod orders;
mod plan;
mod requests;
mod retirement;
mod rng;
mod rollout;
mod slot;
mod snapshot;
mod turn;
mod view;
pub mod words;
mod worker;

use std::collections::{BTreeMap, BTreeSet};

pub use action::{Action, DrainCause, KillCause, Notice, Outcome};
pub use calm::{Calm, Reading, Sign, Trust, Verdict, judge};
pub use desired::{
    AppGoal, AppName, Change, Changes, Desired, Fingerprint, INSTANCES_MAX, Presence, Readiness,
    RestartPolicy, RestartWhen, Rollout, RunId, SlotId,
};
pub use event::{Command, Event, RequestId, Scale, Scope, Urgency};
pub use exit::{Exit, Meaning};
pub use moment::Moment;
pub use plan::AppPlan;
pub use rng::Rng;
pub use snapshot::{
    AppView, FailingProbe, Finished, PhaseName, Replaced, RollView, SlotView, Snapshot,
};

use app::{App, Progress, Stay};
use ending::End;
use order::RollTurn;
use requests::{Requests, Wish, refuse};
use slot::Slot;
use turn::Turn;

/// More passes than any event needs to settle all slots. A guard: if it were ever reached, the
/// rest would be done at the next event instead of never returning.
const PASSES_MAX: u32 = 16;

/// The state of everything that is supervised, and the rules by which it changes.
#[derive(Debug, Clone)]
pub struct Machine {
    life: Life,
    generation: u64,
    config_problem: Option<String>,
    /// What the file asks for.
    desired: BTreeMap<AppName, AppGoal>,
    /// What operators changed at run time.
    changes: Changes,
    /// What comes of both.
    apps: BTreeMap<AppName, App>,
    requests: Requests,
    rng: Rng,
    next_run: RunId,
}

/// Whether the service is to go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Life {
    Serving,
    Ending(Urgency),
    /// The last action was said; nothing follows.
    Over,
}

impl Machine {
    /// A machine that wants nothing yet; the seed spreads its retries.
    #[must_use]
    pub fn new(seed: u64) -> Machine {
        Machine {
            life: Life::Serving,
            generation: 0,
            config_problem: None,
            desired: BTreeMap::new(),
            changes: Changes::new(),
            apps: BTreeMap::new(),
            requests: Requests::default(),
            rng: Rng::new(seed),
            next_run: RunId(1),
        }
    }

    /// Takes an event in, acts on every deadline that has passed, moves each slot one step
    /// towards its goal, and says what is to be done. Total: it never fails.
    pub fn handle(&mut self, now: Moment, event: Event) -> Vec<Action> {
        if self.life == Life::Over {
            return Vec::new();
        }
        let mut turn = Turn::new(now, self.rng.clone(), self.next_run);
        self.take_in(&mut turn, event);
        for app in self.apps.values_mut() {
            app.expire(&mut turn);
        }
        self.reconcile(&mut turn);
        self.requests.answer(&self.apps, &mut turn);
        if matches!(self.life, Life::Ending(_)) && self.apps.is_empty() {
            self.requests.grant_all(&mut turn);
            turn.act(Action::Exit);
            self.life = Life::Over;
        }
        self.rng = turn.rng;
        self.next_run = turn.next_run;
        debug_assert_eq!(self.broken_invariant(now), None);
        turn.actions
    }

    /// When to call [`Machine::handle`] with [`Event::Tick`] if nothing else happens before.
    #[must_use]
    pub fn next_deadline(&self) -> Option<Moment> {
        self.apps.values().filter_map(App::deadline).min()
    }

    /// The picture at this moment.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            generation: self.generation,
            config_problem: self.config_problem.clone(),
            stopping: self.is_ending(),
            changes: self.changes.clone(),
            apps: self.apps.values().map(|app| self.view(app)).collect(),
        }
    }

    /// Whether the service was told to end.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.life != Life::Serving
    }

    fn view(&self, app: &App) -> AppView {
        AppView {
            change: self.changes.get(&app.name).cloned(),
            instances_in_file: self.desired.get(&app.name).map(|goal| goal.instances),
            ..app.view()
        }
    }

    fn take_in(&mut self, turn: &mut Turn, event: Event) {
        match event {
            Event::Tick => {}
            Event::Configured(desired) => self.configure(turn, desired),
            Event::ConfigUnchanged { generation } => self.confirm(generation),
            Event::ConfigRejected { problem } => {
                if self.config_problem.as_ref() != Some(&problem) {
                    turn.announce(Notice::ConfigRejected { problem: problem.clone() });
                }
                self.config_problem = Some(problem);
            }
            Event::SpawnFailed { run, why } => self.ended(turn, run, End::not_spawned(why)),
            Event::Exited { run, exit } => self.ended(turn, run, End::exited(exit)),
            Event::Ready { run } => {
                self.with(run, |slot, goal| slot.ready(turn, run, goal));
            }
            Event::BootFailed { run, why } => self.with(run, |slot, _| slot.cannot_serve(run, why)),
            Event::Heartbeat { run } => {
                self.with(run, |slot, goal| slot.heard(turn, run, goal));
            }
            Event::ProbeFailed { run, why } => {
                self.with(run, |slot, goal| slot.probe_failed(turn, run, goal, why));
            }
            Event::Measured { run, memory_bytes } => {
                self.with(run, |slot, goal| slot.measured(turn, run, goal, memory_bytes));
            }
            Event::Refresh { app, cause, why } => self.refresh(turn, &app, (cause, why)),
            Event::Remembered(changes) => {
                self.changes = changes;
                self.arrange(turn);
            }
            Event::Asked { request, command } => self.ask(turn, request, command),
            Event::Shutdown(urgency) => self.shut_down(turn, urgency),
        }
    }

    /// The app and the slot that hold this run; none for news that is stale.
    fn find(&mut self, run: RunId) -> Option<(&mut App, u32)> {
        self.apps.values_mut().find_map(|app| {
            let holds = |slot: &&Slot| slot.workers().any(|worker| worker.run == run);
            let index = app.slots.values().find(holds)?.id.index;
            Some((app, index))
        })
    }

    /// Tells the slot that holds this run; nobody, when the news is stale.
    fn with(&mut self, run: RunId, tell: impl FnOnce(&mut Slot, &AppGoal)) {
        if let Some((app, index)) = self.find(run)
            && let Some(slot) = app.slots.get_mut(&index)
        {
            tell(slot, &app.goal);
        }
    }

    fn ended(&mut self, turn: &mut Turn, run: RunId, end: End) {
        if let Some((app, index)) = self.find(run) {
            let wanted = app.wants(index);
            if let Some(slot) = app.slots.get_mut(&index) {
                slot.ended(turn, run, end, (&app.goal, wanted));
            }
        }
    }

    fn configure(&mut self, turn: &mut Turn, desired: Desired) {
        if self.life != Life::Serving {
            return;
        }
        self.generation = desired.generation;
        self.config_problem = None;
        turn.announce(Notice::ConfigAccepted { generation: desired.generation });
        self.desired = desired.apps;
        let before = self.changes.clone();
        self.arrange(turn);
        if self.changes != before {
            turn.act(Action::Remember(self.changes.clone()));
        }
        for app in self.apps.values_mut() {
            app.resume_roll(turn);
        }
    }

    /// The file is right and means what is in force; not even a roll that stopped is tried again.
    fn confirm(&mut self, generation: u64) {
        if self.life == Life::Serving {
            self.generation = generation;
            self.config_problem = None;
        }
    }

    /// Somebody or something outside asks for new workers of an app.
    fn refresh(&mut self, turn: &mut Turn, app: &AppName, why: (DrainCause, String)) {
        let wanted = |app: &&mut App| app.presence == Presence::Wanted;
        if let Some(app) = self.apps.get_mut(app).filter(wanted) {
            app.reload(turn, Some(why));
        }
    }

    fn ask(&mut self, turn: &mut Turn, request: RequestId, command: Command) {
        if command == Command::Shutdown {
            self.requests.push(request, Wish::Shutdown);
            return self.shut_down(turn, Urgency::Drain);
        }
        if self.life != Life::Serving {
            return refuse(turn, request, "the service is ending".to_owned());
        }
        self.order(turn, request, command);
    }

    /// Shutdown is a goal, nothing wanted; the same steps as ever lead there.
    fn shut_down(&mut self, turn: &mut Turn, urgency: Urgency) {
        if self.life == Life::Serving {
            turn.announce(Notice::ShuttingDown);
            self.requests.refuse_for_shutdown(turn);
            for app in self.apps.values_mut() {
                app.remove();
            }
            self.life = Life::Ending(urgency);
        }
        if urgency == Urgency::Now {
            self.life = Life::Ending(urgency);
            for app in self.apps.values_mut() {
                app.kill_all(turn);
            }
        }
    }

    fn reconcile(&mut self, turn: &mut Turn) {
        let unwanted = match self.life {
            Life::Serving => "no longer wanted",
            Life::Ending(_) | Life::Over => "shutdown",
        };
        for _ in 0..PASSES_MAX {
            let mut progress = Progress::None;
            let needed = match self.life {
                // In a hurry nobody waits for anybody.
                Life::Ending(Urgency::Now) => BTreeSet::new(),
                Life::Serving | Life::Ending(Urgency::Drain) | Life::Over => {
                    order::needed(&self.apps)
                }
            };
            let later = order::later(&self.apps);
            for (name, gate) in order::gates(&self.apps) {
                let Some(app) = self.apps.get_mut(&name) else { continue };
                app.gate = gate;
                let waits = later.contains(&name);
                app.turn_in_roll = if waits { RollTurn::Later } else { RollTurn::Now };
                let stay = if needed.contains(&name) { Stay::Needed } else { Stay::No };
                if app.reconcile(turn, unwanted, stay) == Progress::Made {
                    progress = Progress::Made;
                }
            }
            self.apps.retain(|_, app| app.is_wanted() || !app.slots.is_empty());
            if progress == Progress::None {
                return;
            }
        }
    }
}
