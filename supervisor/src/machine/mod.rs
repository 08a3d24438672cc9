//! The study: everything that decides. Pure, and only the standard library.
//!
//! Events go in, actions come out; time and chance are arguments. No I/O, no clock, no entropy,
//! no log, no `async`, no hash map with its random order: `tests/tidy.rs` holds that door.
//!
//! ```text
//! Machine ── App ── Slot ── Worker     who is there, and what its deadlines are
//!    │        └── rollout              which slot is replaced next
//!    │         └── ending, backoff     what a death means, when to try again, when to give up
//!    └── requests                      who awaits an answer
//! ```

mod action;
mod app;
mod backoff;
mod desired;
mod ending;
mod event;
mod exit;
mod invariants;
mod moment;
mod requests;
mod rng;
mod rollout;
mod slot;
mod snapshot;
mod turn;
mod worker;

use std::collections::BTreeMap;

pub use action::{Action, KillCause, Notice, Outcome};
pub use desired::{
    AppGoal, AppName, Change, Changes, Desired, Fingerprint, Presence, Readiness, RestartPolicy,
    RestartWhen, Rollout, RunId, SlotId,
};
pub use event::{Command, Event, RequestId, Scale, Scope, Urgency};
pub use exit::{Exit, Meaning};
pub use moment::Moment;
pub use rng::Rng;
pub use snapshot::{AppView, PhaseName, RollView, SlotView, Snapshot};

use app::{App, Progress};
use ending::End;
use requests::{Requests, Wish, refuse};
use slot::Slot;
use turn::Turn;

/// More passes than any event needs to settle all slots. A guard: if it were ever reached, the
/// rest would be done at the next event instead of never returning.
const PASSES_MAX: u32 = 16;

/// The state of everything that is supervised, and the rules by which it changes.
#[derive(Debug)]
pub struct Machine {
    life: Life,
    generation: u64,
    config_problem: Option<String>,
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
        let mut turn = Turn {
            now,
            actions: Vec::new(),
            setbacks: Vec::new(),
            rng: self.rng.clone(),
            next_run: self.next_run,
        };
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
            stopping: self.life != Life::Serving,
            apps: self.apps.values().map(App::view).collect(),
        }
    }

    fn take_in(&mut self, turn: &mut Turn, event: Event) {
        match event {
            Event::Tick => {}
            Event::Configured(desired) => self.configure(turn, desired),
            Event::ConfigRejected { problem } => {
                self.config_problem = Some(problem.clone());
                turn.announce(Notice::ConfigRejected { problem });
            }
            Event::SpawnFailed { run, why } => self.ended(turn, run, End::not_spawned(why)),
            Event::Exited { run, exit } => self.ended(turn, run, End::exited(exit)),
            Event::Ready { run } => {
                if let Some((app, index)) = self.find(run)
                    && let Some(slot) = app.slots.get_mut(&index)
                {
                    slot.ready(turn, run, &app.goal);
                }
            }
            Event::BootFailed { run, why } => {
                if let Some((app, index)) = self.find(run)
                    && let Some(slot) = app.slots.get_mut(&index)
                {
                    slot.cannot_serve(run, why);
                }
            }
            Event::Heartbeat { run } => {
                if let Some((app, index)) = self.find(run)
                    && let Some(slot) = app.slots.get_mut(&index)
                {
                    slot.heard(turn, run, &app.goal);
                }
            }
            Event::ProbeFailed { .. }
            | Event::Measured { .. }
            | Event::Refresh { .. }
            | Event::Remembered(_) => {}
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
        for app in self.apps.values_mut().filter(|app| !desired.apps.contains_key(&app.name)) {
            app.remove();
        }
        for (name, goal) in desired.apps {
            match self.apps.get_mut(&name) {
                Some(app) => app.configure(turn, goal),
                None => {
                    self.apps.insert(name.clone(), App::new(name, goal));
                }
            }
        }
    }

    fn ask(&mut self, turn: &mut Turn, request: RequestId, command: Command) {
        if command == Command::Shutdown {
            self.requests.push(request, Wish::Stop);
            return self.shut_down(turn, Urgency::Drain);
        }
        if self.life != Life::Serving {
            return refuse(turn, request, "the service is ending".to_owned());
        }
        let wish = match command {
            Command::Shutdown
            | Command::Start(_)
            | Command::Stop(_)
            | Command::Delete(_)
            | Command::Reset(_)
            | Command::Forget(_)
            | Command::Scale { .. }
            | Command::Signal { .. } => return,
            Command::Settle => Wish::Settle { setbacks: BTreeMap::new() },
            Command::Reload(scope) => match self.scope(scope) {
                Ok(apps) => {
                    self.each(&apps, |app| app.reload(turn));
                    Wish::Reload { apps }
                }
                Err(why) => return refuse(turn, request, why),
            },
            Command::Restart(scope) => match self.scope(scope) {
                Ok(apps) => {
                    self.each(&apps, |app| app.restart(turn));
                    Wish::Restart { apps, since: turn.next_run }
                }
                Err(why) => return refuse(turn, request, why),
            },
        };
        self.requests.push(request, wish);
    }

    fn each(&mut self, names: &[AppName], mut change: impl FnMut(&mut App)) {
        for app in self.apps.values_mut().filter(|app| names.contains(&app.name)) {
            change(app);
        }
    }

    /// The apps that are meant, or why there is none.
    fn scope(&self, scope: Scope) -> Result<Vec<AppName>, String> {
        let wanted = || self.apps.values().filter(|app| app.is_wanted()).map(|app| &app.name);
        match scope {
            Scope::All => Ok(wanted().cloned().collect()),
            Scope::Slot(slot) => self.scope(Scope::App(slot.app)),
            Scope::App(name) if wanted().any(|known| *known == name) => Ok(vec![name]),
            Scope::App(name) => {
                let known: Vec<&str> = wanted().map(AppName::as_str).collect();
                let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
                Err(format!("there is no app `{name}`; there are: {known}"))
            }
        }
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
            for app in self.apps.values_mut() {
                if app.reconcile(turn, unwanted) == Progress::Made {
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
