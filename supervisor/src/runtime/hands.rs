//! The hands: each of the machine's actions is carried out here, none is waited for.
//!
//! Everything with a process id, a descriptor or a channel is in here; nothing here decides.

use std::collections::BTreeMap;
use std::ffi::{CString, OsString};
use std::fs::File;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mcp_protocol::control::{Response, Status};
use mcp_protocol::logs::Channel;
use mcp_protocol::message::{ToWorker, Vitals};
use tokio::sync::mpsc;

use crate::config::Config;
use crate::machine::{Action, AppName, Event, Notice, PhaseName, RequestId, RunId, SlotId};
use crate::report::with_causes;
use crate::runtime::admin::Admin;
use crate::runtime::answer::Waiter;
use crate::runtime::clock;
use crate::runtime::configuration::Ledger;
use crate::runtime::doorway;
use crate::runtime::listeners::Listeners;
use crate::runtime::logging::{LANDMARK, Logging};
use crate::runtime::lookout::Lookout;
use crate::runtime::memory;
use crate::runtime::metrics::Meter;
use crate::runtime::news::News;
use crate::runtime::output::Outputs;
use crate::runtime::processes::Processes;
use crate::runtime::relay::Relay;
use crate::runtime::rotation::Keeper;
use crate::runtime::state::Memory;
use crate::runtime::totals::Totals;
use crate::runtime::wellbeing;

/// The workers' own shared log file.
pub const WORKER_LOG: &str = Channel::Application.file();

/// Everything that actions touch.
pub(crate) struct Hands {
    /// Shared with a birth, which changes everything else meanwhile.
    pub(crate) config: Arc<Config>,
    pub(crate) generation: u64,
    pub(crate) processes: Processes,
    pub(crate) listeners: Listeners,
    /// Where `/metrics` is really served.
    pub(crate) metrics: Option<std::net::SocketAddr>,
    pub(crate) totals: Totals,
    pub(crate) outputs: Outputs,
    pub(crate) logging: Logging,
    /// Keeps older log files in order.
    pub(crate) keeper: Keeper,
    pub(crate) lookout: Lookout,
    /// Variables that every program gets, such as PATH.
    pub(crate) inherited: Vec<(OsString, OsString)>,
    pub(crate) nothing: File,
    pub(crate) inbox: mpsc::Sender<News>,
    /// Operators who wait for an answer.
    pub(crate) waiting: BTreeMap<RequestId, Waiter>,
    /// What they changed at run time, and where it is kept.
    pub(crate) memory: Memory,
    /// What became of the configurations that were read.
    pub(crate) ledger: Ledger,
    /// What workers share, and tell each other.
    pub(crate) relay: Relay,
    /// What we measure of ourselves.
    pub(crate) meter: Meter,
    /// What administrators wish of workers.
    pub(crate) admin: Admin,
}

impl Hands {
    /// Carries one action out. What goes wrong at once comes back as an event.
    pub(crate) fn carry_out(&mut self, action: Action) -> Option<Event> {
        match action {
            Action::Spawn { run, slot, fingerprint: _ } => {
                let failed = self.start(run, slot.clone()).err();
                failed.iter().for_each(|_| self.meter.spawn_failed(&slot));
                let why = failed?;
                self.outputs.release(run);
                return Some(Event::SpawnFailed { run, why });
            }
            Action::Drain { run, grace, cause: _ } => {
                self.drain(run, grace);
            }
            Action::Kill { run, why: _ } => {
                if let Some(process) = self.processes.get_mut(run) {
                    process.health.leave();
                    process.kill();
                }
            }
            Action::Signal { run, number } => {
                if let Some(process) = self.processes.get(run) {
                    process.signal(number);
                }
            }
            Action::Remember(changes) => self.memory.remember(changes),
            Action::Announce(notice) => {
                if let Notice::Moved { run: Some(run), to: PhaseName::Ready, .. } = &notice {
                    self.note_ready(*run);
                }
                self.announce(notice);
            }
            Action::Reply { .. } | Action::Exit => {}
        }
        None
    }

    /// Asks a worker to leave; whoever is the last at an address that is given up stays until
    /// everybody is served who waits there.
    fn drain(&mut self, run: RunId, grace: Duration) {
        let Some(process) = self.processes.get_mut(run) else { return };
        let is_told_again = process.health.is_leaving();
        process.health.leave();
        let place = process.listen.filter(|_| !is_told_again);
        let is_served = |place: SocketAddr| {
            let mut others = self.processes.iter().map(|(_, process)| process);
            others.any(|other| other.listen == Some(place) && !other.health.is_leaving())
        };
        let last = place.filter(|place| !is_served(*place));
        match last.and_then(|place| self.listeners.close(place)) {
            Some(door) => {
                tokio::spawn(doorway::close(door, (run, grace), self.inbox.clone()));
            }
            None => self.vacated(run, grace),
        }
    }

    /// Nobody waits for this worker any more, or others are there for them.
    pub(crate) fn vacated(&mut self, run: RunId, grace: Duration) {
        if let Some(process) = self.processes.get(run) {
            process.ask_to_leave(grace);
        }
    }

    /// Lets go of addresses that are given up and that nobody serves any more.
    pub(crate) fn let_go_of_addresses(&mut self) {
        let Hands { listeners, processes, .. } = self;
        listeners.let_go(|place| processes.iter().any(|(_, one)| one.listen == Some(place)));
    }

    /// Shows everyone who waits how things stand.
    pub(crate) fn show_progress(&self, status: &Status) {
        for waiter in self.waiting.values() {
            // The last place is for the last answer.
            if waiter.answers.capacity() < 2 {
                continue;
            }
            let _ = waiter.answers.try_send(Response::Progress(Box::new(status.clone())));
        }
    }

    /// Somebody says that they are the worker of this run.
    pub(crate) fn welcome(
        &mut self,
        run: RunId,
        pid: i32,
        outbox: mpsc::Sender<ToWorker>,
    ) -> Result<(), String> {
        let generation = self.generation;
        let process = self
            .processes
            .get_mut(run)
            .ok_or_else(|| format!("{run} is not a run of this supervisor"))?;
        if process.pid.as_raw() != pid {
            return Err(format!("{run} is process {}, not {pid}", process.pid));
        }
        let Some(settings) = &mut process.settings else {
            return Err(format!("app `{}` is not run by mcp-worker", process.slot.app));
        };
        let mut wanted = settings.adjustable();
        wanted.sessions = self.relay.keys.clone();
        self.admin.lay_over(&process.slot.app, &mut wanted);
        settings.adjust(wanted);
        let mut settings = settings.clone();
        settings.generation = generation;
        let revoked = self.relay.revoked(&process.slot.app);
        for message in std::iter::once(ToWorker::Settings(settings)).chain(revoked) {
            let told = outbox.try_send(message);
            told.map_err(|_| "the outbox of a new link is full".to_owned())?;
        }
        process.link = Some(outbox);
        Ok(())
    }

    /// Takes a worker's counts in, and rotates the workers' log when it is due.
    pub(crate) fn note_vitals(&mut self, run: RunId, vitals: Vitals) {
        let Some(process) = self.processes.get_mut(run) else { return };
        let app = process.slot.app.clone();
        self.totals.add(&app, (&process.vitals, &vitals), clock::since_boot());
        process
            .health
            .said(wellbeing::in_words(&vitals, clock::since_epoch().as_secs()).as_deref());
        // What is news is counted by now.
        process.vitals = Vitals { series: Vec::new(), sessions: Vec::new(), ..vitals };
        self.look_at_pools(&app);
        self.look_at_own_logs();
        self.rotate_channels_due();
        self.adjust(run);
    }

    /// Takes a new configuration into use, or leaves everything as it was.
    pub(crate) fn apply(&mut self, config: Config) -> Result<(), String> {
        self.allows(&config)?;
        self.listeners.rebind(&config).map_err(|error| with_causes(&error))?;
        self.let_go_of_addresses();
        for (name, app) in &config.apps {
            self.outputs.set_policy(name, app.output);
        }
        self.lookout.apply(&config);
        self.logging.set_level(config.supervisor.log_level);
        self.logging.set_policy(config.supervisor.logs);
        if config != *self.config {
            self.config = Arc::new(config);
            self.renew_probes();
            self.adjust_workers();
            self.tidy_channels();
        }
        self.forget_outputs();
        Ok(())
    }

    /// Tells running workers what changed in what they can take on.
    pub(crate) fn adjust_workers(&mut self) {
        let runs: Vec<RunId> = self.processes.iter().map(|(run, _)| run).collect();
        runs.into_iter().for_each(|run| self.adjust(run));
    }

    /// Tells one worker; whoever has no link yet is told with all else.
    fn adjust(&mut self, run: RunId) {
        let Some(process) = self.processes.get_mut(run) else { return };
        let app = self.config.apps.get(&process.slot.app);
        let wanted = app.and_then(|app| Some(app.settings.as_ref()?.adjustable()));
        let (Some(mut wanted), Some(told)) = (wanted, &mut process.settings) else { return };
        wanted.sessions = self.relay.keys.clone();
        self.admin.lay_over(&process.slot.app, &mut wanted);
        if told.adjustable() == wanted {
            return;
        }
        match process
            .link
            .as_ref()
            .map(|link| link.try_send(ToWorker::Adjust(Box::new(wanted.clone()))))
        {
            // Its next heartbeat is the next chance.
            Some(Err(_)) => tracing::warn!(
                app = %process.slot.app, slot = process.slot.index,
                "a worker takes no messages; it is told later what changed"
            ),
            Some(Ok(())) | None => told.adjust(wanted),
        }
    }

    /// Lets go of the output, the statements and the numbers of apps that the file does not name and
    /// of which nobody runs.
    pub(crate) fn forget_outputs(&mut self) {
        let Hands { config, processes, outputs, relay, totals, meter, .. } = self;
        let runs = |app: &AppName| processes.iter().any(|(_, process)| process.slot.app == *app);
        outputs.retain(|app| config.apps.contains_key(app) || runs(app));
        relay.retain(|app| config.apps.contains_key(app) || runs(app));
        totals.retain(|app| config.apps.contains_key(app) || runs(app));
        meter.retain(|app| config.apps.contains_key(app) || runs(app));
    }

    /// Workers whose memory is limited.
    pub(crate) fn limited(&self) -> memory::Roots {
        let app = |slot: &SlotId| self.config.apps.get(&slot.app);
        let limit = |slot: &SlotId| app(slot)?.goal.memory_bytes_max;
        let limited = self.processes.iter().filter(|(_, process)| limit(&process.slot).is_some());
        limited.map(|(run, process)| (process.pid.as_raw(), run)).collect()
    }

    /// Whether [`Hands::apply`] would take this configuration into use now, or why not.
    pub(crate) fn could_apply(&self, config: &Config) -> Result<(), String> {
        self.allows(config)?;
        self.listeners.try_rebind(config).map_err(|error| with_causes(&error))
    }

    /// Whether this configuration can take the place of the one in force.
    pub(crate) fn allows(&self, config: &Config) -> Result<(), String> {
        let (now, then) = (&self.config.supervisor, &config.supervisor);
        let differs = [
            ("run_directory", now.run_directory != then.run_directory),
            ("log_directory", now.log_directory != then.log_directory),
            ("state_directory", now.state_directory != then.state_directory),
            ("metrics", now.metrics != then.metrics),
            ("cgroups", now.cgroups != then.cgroups),
        ];
        let keys: Vec<&str> =
            differs.iter().filter(|(_, differs)| *differs).map(|(key, _)| *key).collect();
        if keys.is_empty() {
            return Ok(());
        }
        Err(format!(
            "[supervisor] differs in {}, which cannot change while it runs: put it back as it was; \
             to change it, `stop`, change it, `start`",
            keys.join(", ")
        ))
    }

    /// One line for people: the only place that logs what the machine decided.
    fn announce(&self, notice: Notice) {
        match notice {
            Notice::Moved { slot, run, to, why, next_in } => {
                self.log_transition(&slot, run, to.as_str(), (why, next_in));
            }
            Notice::Stuck { slot, run, for_time } => tracing::error!(
                app = %slot.app, slot = slot.index, run = run.0, pid = self.pid(run),
                for_time = ?for_time,
                "a killed process is still there; it waits in the kernel, for a disk or a network"
            ),
            Notice::RollBegan { app, why } => tracing::info!(%app, why, "roll began"),
            Notice::RollEnded { app } => tracing::info!(%app, "roll ended, every worker is new"),
            Notice::RollStopped { app, why } => self.log_stopped_roll(app, why),
            Notice::ConfigAccepted { generation } => {
                tracing::info!(target: LANDMARK, generation, "configuration in force");
            }
            Notice::ConfigRejected { problem } => {
                tracing::error!(problem, "configuration refused, nothing was changed");
            }
            Notice::ShuttingDown => tracing::info!(target: LANDMARK, "shutting down"),
        }
    }

    fn log_transition(
        &self,
        slot: &SlotId,
        run: Option<RunId>,
        phase: &str,
        (why, next_in): (Option<String>, Option<Duration>),
    ) {
        let (run, pid) = (run.map(|run| run.0), run.and_then(|run| self.pid(run)));
        let next_in = next_in.map(tracing::field::debug);
        let (app, index) = (&slot.app, slot.index);
        match phase {
            "failed" => {
                tracing::error!(%app, slot = index, run, pid, phase, why, next_in, "worker moved");
            }
            "backoff" | "killing" => {
                tracing::warn!(%app, slot = index, run, pid, phase, why, next_in, "worker moved");
            }
            _ => tracing::info!(%app, slot = index, run, pid, phase, why, next_in, "worker moved"),
        }
    }

    fn pid(&self, run: RunId) -> Option<i32> {
        Some(self.processes.get(run)?.pid.as_raw())
    }
}

pub(super) fn c_string(bytes: &[u8]) -> Result<CString, String> {
    CString::new(bytes)
        .map_err(|_| format!("`{}` holds a NUL byte", String::from_utf8_lossy(bytes)))
}

/// A file that swallows and gives nothing.
pub(crate) fn nothing() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/null")
}
