//! An operator's wish: what only looks is answered here; what changes something becomes the
//! machine's event, and its answer follows when it has happened.

use std::sync::Arc;

use mcp_protocol::control::{
    self, AppChange, AppDescription, AppFate, AppPlan, ChangesKept, FailureCause, ProcessDetails,
    Request, Response, Target,
};
use tokio::sync::mpsc;

use super::{Supervisor, picture, vitals};
use crate::config::{self, Config};
use crate::machine::{AppName, Command, Event, RunId, Scale, Scope, SlotId};
use crate::report::{unknown_app, unknown_slot};
use crate::runtime::admin_note::By;
use crate::runtime::clock::since_epoch;
use crate::runtime::configuration::{Cause, Considered};
use crate::runtime::hands::Hands;

/// The most apps that are described in one answer: it must fit one message.
const DESCRIBED_MAX: usize = 100;

impl Supervisor {
    /// Answers a wish, or lets the machine do so.
    pub(super) fn asked(
        &mut self,
        request: Request,
        answers: mpsc::Sender<Response>,
        by: By,
    ) -> Vec<Event> {
        self.hands.meter.asked(request.name());
        let answer = match request {
            Request::Status => Response::Status(Box::new(self.status())),
            Request::Plan { target } => self.plan(target),
            Request::Changes => Response::Changes(self.changes()),
            Request::Describe { target } => match self.describe(&target) {
                Ok(apps) => {
                    tokio::spawn(complete(apps, answers));
                    return Vec::new();
                }
                Err(refusal) => refusal.answer(),
            },
            Request::Admin { app, wish } => {
                self.hands.asked_by_operator(app, wish, (answers, by));
                return Vec::new();
            }
            Request::Reload { target } => return self.reload_asked(target, answers),
            Request::Roll { target } => return self.order(target, Command::Reload, answers),
            Request::Rollback { to } => return self.rollback_asked(to, answers),
            Request::Settle => return self.command(None, Command::Settle, answers),
            Request::Shutdown => return self.command(None, Command::Shutdown, answers),
            Request::ReopenLogs => {
                self.hands.reopen_logs();
                Response::Done(Box::new(self.status()))
            }
            Request::RotateLogs { target } => return self.rotate_logs(target, answers),
            Request::FlushLogs { target } => return self.flush_logs(target, answers),
            Request::Restart { target } => return self.order(target, Command::Restart, answers),
            Request::Start { target } => return self.order(target, Command::Start, answers),
            Request::Stop { target } => return self.order(target, Command::Stop, answers),
            Request::Delete { target } => return self.order(target, Command::Delete, answers),
            Request::Reset { target } => return self.order(target, Command::Reset, answers),
            Request::Forget { target } => {
                self.hands.let_file_say_levels(target.app());
                return self.order(target, Command::Forget, answers);
            }
            Request::Scale { app, to } => {
                let command = Command::Scale { app: AppName::new(&app), to: scale(to) };
                return self.command(Some(&Target::App(app)), command, answers);
            }
            Request::Signal { target, number } => {
                return self.order(target, |scope| Command::Signal { scope, number }, answers);
            }
        };
        let _ = answers.try_send(answer);
        Vec::new()
    }

    fn order(
        &mut self,
        target: Target,
        command: impl FnOnce(Scope) -> Command,
        answers: mpsc::Sender<Response>,
    ) -> Vec<Event> {
        let command = command(scope(&target));
        self.command(Some(&target), command, answers)
    }

    /// The machine's event for a command, unless it is about somebody of whom nobody ever heard.
    fn command(
        &mut self,
        target: Option<&Target>,
        command: Command,
        answers: mpsc::Sender<Response>,
    ) -> Vec<Event> {
        if let Some(why) = target.and_then(|target| self.unheard_of(target)) {
            let _ = answers.try_send(Refusal::Usage(why).answer());
            return Vec::new();
        }
        vec![self.await_answer(command, answers)]
    }

    fn await_answer(&mut self, command: Command, answers: mpsc::Sender<Response>) -> Event {
        let request = self.next_request();
        self.hands.await_answer(request, &command, answers);
        Event::Asked { request, command }
    }

    /// That there is no such app or slot, if so. One that was deleted is known.
    pub(super) fn unheard_of(&self, target: &Target) -> Option<String> {
        let app = target.app()?;
        let snapshot = self.machine.snapshot();
        let mut known: Vec<&str> = self.hands.config.apps.keys().map(AppName::as_str).collect();
        let others = snapshot.apps.iter().map(|app| &app.name).chain(snapshot.changes.keys());
        known.extend(others.map(AppName::as_str));
        known.sort_unstable();
        known.dedup();
        if !known.contains(&app) {
            return Some(unknown_app(app, known.into_iter()));
        }
        self.no_such_slot(&self.hands.config, target)
    }

    /// That the app, as this configuration and the changes of operators have it, has no such slot.
    fn no_such_slot(&self, config: &Config, target: &Target) -> Option<String> {
        let Target::Slot { app, slot } = target else { return None };
        let name = AppName::new(app);
        let in_file = config.apps.get(&name)?.goal.instances;
        let changed = self.hands.memory.changes.get(&name).and_then(|change| change.instances);
        let count = changed.unwrap_or(in_file);
        (*slot >= count).then(|| unknown_slot(app, *slot, count))
    }

    fn reload_asked(&mut self, target: Target, answers: mpsc::Sender<Response>) -> Vec<Event> {
        match self.reload(Cause::Reload, Some(&target)) {
            Ok(configured) => vec![
                configured,
                self.await_answer(Command::Reload(scope(&target)), answers),
                self.own(Command::Settle),
            ],
            Err(considered) => refused(considered, &answers).into_iter().collect(),
        }
    }

    /// Takes in a file that was rolled back; answered when everybody is as it wants them of whom
    /// it wants something else.
    fn rollback_asked(&mut self, to: u64, answers: mpsc::Sender<Response>) -> Vec<Event> {
        let before = Arc::clone(&self.hands.config);
        let (considered, mut events) = self.rolled_back(to);
        match considered {
            Considered::Unchanged | Considered::Taken => {
                let changed = config::changed_apps(&before, &self.hands.config);
                events.push(self.await_answer(Command::SettleApps(changed), answers));
            }
            Considered::Refused(_) | Considered::Unknown(_) | Considered::Waits => {
                drop(refused(considered, &answers));
            }
        }
        events
    }

    /// The file as it is now, if the target is in it.
    fn named_in_file(&self, target: &Target) -> Result<Config, Refusal> {
        let config = (self.load)().map_err(|problems| Refusal::Configuration(problems.to_string()));
        let config = config?;
        match self.not_in_file(&config, target) {
            Some(why) => Err(Refusal::Usage(why)),
            None => Ok(config),
        }
    }

    /// That the target is not in this file, if so.
    pub(super) fn not_in_file(&self, config: &Config, target: &Target) -> Option<String> {
        if let Some(app) = target.app()
            && !config.apps.contains_key(&AppName::new(app))
        {
            let known = config.apps.keys().map(AppName::as_str);
            return Some(format!("{} (in the file)", unknown_app(app, known)));
        }
        self.no_such_slot(config, target)
    }

    /// What a reload would do; nothing is touched, the refusal of a bad file included.
    fn plan(&self, target: Target) -> Response {
        let loaded = self.named_in_file(&target).and_then(|config| {
            self.hands.could_apply(&config).map_err(Refusal::Configuration)?;
            Ok(config)
        });
        let config = match loaded {
            Ok(config) => config,
            Err(refusal) => return refusal.answer(),
        };
        let desired = config.desired(self.hands.generation + 1);
        let plans = self.machine.preview(self.clock.now(), &desired, &scope(&target));
        let plans = plans.into_iter().map(|plan| self.app_plan(plan, &config)).collect();
        Response::Plan(plans)
    }

    fn app_plan(&self, plan: crate::machine::AppPlan, config: &Config) -> AppPlan {
        let before = self.hands.config.apps.get(&plan.app);
        let after = config.apps.get(&plan.app);
        let (fate, differences) = match (before, after) {
            (Some(before), Some(after)) => (AppFate::Kept, config::differences(before, after)),
            (None, Some(_)) => (AppFate::Added, Vec::new()),
            (Some(_) | None, None) => (AppFate::Removed, Vec::new()),
        };
        AppPlan {
            app: plan.app.to_string(),
            fate,
            differences,
            instances_now: plan.instances.0,
            instances_then: plan.instances.1,
            started: plan.start,
            replaced: plan.replace,
            stopped: plan.stop,
            max_surge: plan.rollout.max_surge,
            max_unavailable: plan.rollout.max_unavailable,
        }
    }

    fn changes(&self) -> ChangesKept {
        let config = &self.hands.config;
        let changes = self.machine.snapshot().changes;
        let apps = changes.iter().map(|(name, change)| AppChange {
            app: name.to_string(),
            instances_in_file: config.apps.get(name).map(|app| app.goal.instances),
            instances: change.instances,
            presence: picture::presence(change.presence),
            stopped_slots: change.stopped_slots.iter().copied().collect(),
        });
        ChangesKept { apps: apps.collect(), file: self.hands.memory.file.clone() }
    }

    /// Everything that is known of apps at this moment, and who completes it.
    fn describe(&mut self, target: &Target) -> Result<Vec<Unfinished>, Refusal> {
        if let Some(why) = self.unheard_of(target) {
            return Err(Refusal::Usage(why));
        }
        let status = self.status();
        let mut apps = Vec::new();
        for mut app in status.apps {
            app.slots.retain(|slot| target.means(&app.name, slot.index));
            if target.app().is_none_or(|meant| meant == app.name) {
                apps.push(self.hands.description(app));
            }
        }
        match (target, apps.first()) {
            (Target::All, _) if apps.len() > DESCRIBED_MAX => {
                let words = format!("{} apps are too many for one answer; name one", apps.len());
                Err(Refusal::Operation(words))
            }
            (Target::App(app) | Target::Slot { app, .. }, None) => {
                let words = format!("`{app}` was deleted; `start {app}` brings it back");
                Err(Refusal::Operation(words))
            }
            (Target::All | Target::App(_) | Target::Slot { .. }, _) => Ok(apps),
        }
    }
}

/// A description that lacks what takes a while to find out.
struct Unfinished {
    description: AppDescription,
    last_output: crate::runtime::last_output::LastOutput,
}

impl Hands {
    fn description(&self, status: control::AppStatus) -> Unfinished {
        let name = AppName::new(&status.name);
        let config = self.config.apps.get(&name);
        let processes = status.slots.iter().filter_map(|slot| {
            let process = self.processes.get(RunId(slot.run?))?;
            Some(ProcessDetails {
                slot: slot.index,
                pid: slot.pid?,
                cpu_time: process.usage.last.map(|last| last.cpu),
                ..ProcessDetails::default()
            })
        });
        let program = config.map(|app| app.program.display().to_string());
        let arguments = config.map_or(&[][..], |app| &app.arguments);
        let description = AppDescription {
            command: program.into_iter().chain(arguments.iter().cloned()).collect(),
            working_directory: config.map(|app| app.working_directory.clone()).unwrap_or_default(),
            instances_in_file: config.map(|app| app.goal.instances),
            rules: config.map(|app| config::rules(app, since_epoch())).unwrap_or_default(),
            settings: config.map(config::settings).unwrap_or_default(),
            processes: processes.collect(),
            logs: Vec::new(),
            status,
        };
        Unfinished { description, last_output: self.last_output(&name) }
    }
}

/// Looks at what takes a while, outside of the loop, and answers.
async fn complete(apps: Vec<Unfinished>, answers: mpsc::Sender<Response>) {
    let mut descriptions = Vec::new();
    for Unfinished { mut description, last_output } in apps {
        description.logs = last_output.both().await;
        descriptions.push(description);
    }
    let looked = tokio::task::spawn_blocking(move || {
        for process in descriptions.iter_mut().flat_map(|app| &mut app.processes) {
            process.pss_bytes = vitals::pss_bytes(process.pid);
            process.descriptors = vitals::descriptors(process.pid);
        }
        descriptions
    });
    if let Ok(descriptions) = looked.await {
        let _ = answers.try_send(Response::Description(descriptions));
    }
}

/// Why a wish comes to nothing before anything is changed.
pub(super) enum Refusal {
    /// Nothing of that name is there.
    Usage(String),
    /// The file cannot be used.
    Configuration(String),
    /// Anything else.
    Operation(String),
}

impl Refusal {
    pub(super) fn answer(&self) -> Response {
        let (reason, cause) = match self {
            Refusal::Usage(why) => (why, FailureCause::Usage),
            Refusal::Configuration(why) => (why, FailureCause::Configuration),
            Refusal::Operation(why) => (why, FailureCause::Operation),
        };
        Response::Failed { reason: reason.clone(), cause, last_output: Vec::new() }
    }
}

/// Answers a wish that changes nothing, and says what the machine is told of it. That a file was
/// refused is remembered; a slip of the operator's finger is nothing that the file is to blame for.
fn refused(considered: Considered, answers: &mpsc::Sender<Response>) -> Option<Event> {
    let refusal = match &considered {
        Considered::Refused(why) => Some(Refusal::Configuration(why.clone())),
        Considered::Unknown(why) => Some(Refusal::Usage(why.clone())),
        Considered::Waits | Considered::Unchanged | Considered::Taken => None,
    };
    if let Some(refusal) = refusal {
        let _ = answers.try_send(refusal.answer());
    }
    considered.refusal()
}

fn scope(target: &Target) -> Scope {
    match target {
        Target::All => Scope::All,
        Target::App(app) => Scope::App(AppName::new(app)),
        Target::Slot { app, slot } => Scope::Slot(SlotId { app: AppName::new(app), index: *slot }),
    }
}

fn scale(to: control::Scale) -> Scale {
    match to {
        control::Scale::To(count) => Scale::To(count),
        control::Scale::More(count) => Scale::More(count),
        control::Scale::Fewer(count) => Scale::Fewer(count),
    }
}
