//! One run's readiness and health: what it is handed to tell them by, and who watches for it.
//!
//! Whatever the way, the machine hears the same few words: ready, alive, not well.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mcp_protocol::env;
use nix::fcntl::OFlag;
use nix::unistd::Pid;
use tokio::io::AsyncReadExt;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use crate::config::{AppConfig, ProbeTarget, ReadyBy, filled, page};
use crate::machine::{Event, RunId, SlotId};
use crate::runtime::birth::c_strings;
use crate::runtime::birth_failure::Named;
use crate::runtime::hands::{Hands, c_string};
use crate::runtime::news::News;
use crate::runtime::notification::{Activity, NotificationSocket, Said};
use crate::runtime::probe::{Order, Probe, Target};

/// Others may pass through a directory.
const PASSABLE: u32 = 0o001;
/// Stands in arguments for the number of the readiness descriptor.
const NOTIFY_FD: &str = "{notify_fd}";

/// What a new process is handed, besides its listener.
#[derive(Debug)]
pub(crate) struct Handed {
    socket: Option<NotificationSocket>,
    pipe: Option<ReadyPipe>,
    watchdog: Option<Duration>,
}

#[derive(Debug)]
struct ReadyPipe {
    reader: OwnedFd,
    writer: OwnedFd,
    /// Under which the process finds its end.
    number: RawFd,
}

impl Handed {
    /// Makes what the configuration asks for; `number` is that of a readiness descriptor.
    pub(crate) fn prepare(
        run: RunId,
        app: &AppConfig,
        run_directory: &Path,
        number: RawFd,
    ) -> Result<Handed, String> {
        let health = &app.health;
        let notified = health.ready == ReadyBy::Notification || health.watchdog.is_some();
        if notified && app.process.credentials.is_some() {
            let about = std::fs::metadata(run_directory);
            if about.is_ok_and(|about| about.permissions().mode() & PASSABLE == 0) {
                let directory = run_directory.display();
                return Err(format!(
                    "its user cannot reach the notification socket in `{directory}`; let others \
                     pass through it: `chmod o+x {directory}`"
                ));
            }
        }
        let socket = notified
            .then(|| NotificationSocket::bind(run_directory, run))
            .transpose()
            .map_err(|error| format!("cannot bind a notification socket: {error}"))?;
        let pipe = (health.ready == ReadyBy::Descriptor)
            .then(|| nix::unistd::pipe2(OFlag::O_CLOEXEC))
            .transpose()
            .map_err(|errno| format!("cannot make a readiness descriptor: {errno}"))?
            .map(|(reader, writer)| ReadyPipe { reader, writer, number });
        Ok(Handed { socket, pipe, watchdog: health.watchdog })
    }

    /// The readiness descriptor.
    pub(crate) fn ready_pipe(&self) -> Option<BorrowedFd<'_>> {
        self.pipe.as_ref().map(|pipe| pipe.writer.as_fd())
    }

    /// Variables that say where all of it is.
    pub(crate) fn variables(&self) -> Vec<(&'static str, OsString)> {
        let socket = self.socket.iter().map(|socket| (env::NOTIFY_SOCKET, socket.path().into()));
        let number = |pipe: &ReadyPipe| (env::NOTIFY_FD, pipe.number.to_string().into());
        let microseconds =
            |time: &Duration| (env::WATCHDOG_USEC, time.as_micros().to_string().into());
        let watchdog = self.watchdog.iter().map(microseconds);
        socket.chain(self.pipe.iter().map(number)).chain(watchdog).collect()
    }

    /// The variable of it that holds the process's id.
    pub(crate) fn pid_variable(&self) -> Option<&'static str> {
        self.watchdog.map(|_| env::WATCHDOG_PID)
    }

    /// An argument as it is meant for this process.
    pub(crate) fn fill(&self, argument: &str) -> String {
        match &self.pipe {
            Some(pipe) => argument.replace(NOTIFY_FD, &pipe.number.to_string()),
            None => argument.to_owned(),
        }
    }

    /// Waits for what the process says by any of it.
    pub(crate) fn watch(
        self,
        (run, pid): (RunId, Pid),
        ready: ReadyBy,
        inbox: &mpsc::Sender<News>,
    ) -> Health {
        let mut ears = Vec::new();
        if let Some(socket) = self.socket {
            ears.push(Watch::begin(socket.hear((run, pid), inbox.clone())));
        }
        if let Some(pipe) = self.pipe {
            ears.push(Watch::begin(await_line(run, pipe.reader, inbox.clone())));
        }
        Health {
            ready,
            stage: Stage::Starting,
            activity: Activity::Serving,
            status: None,
            hindrance: None,
            probe: None,
            probing: None,
            _ears: ears,
        }
    }
}

/// A task that ends when this is dropped.
#[derive(Debug)]
struct Watch(AbortHandle);

impl Watch {
    fn begin(task: impl Future<Output = ()> + Send + 'static) -> Watch {
        Watch(tokio::spawn(task).abort_handle())
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How far a run has come, as far as probes matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Starting,
    Serving,
    Leaving,
}

/// What is known of one run's readiness and health.
#[derive(Debug)]
pub(crate) struct Health {
    ready: ReadyBy,
    stage: Stage,
    activity: Activity,
    /// Its own words.
    status: Option<String>,
    /// What kept it from being ready when we last looked.
    hindrance: Option<String>,
    probe: Option<Probe>,
    probing: Option<Watch>,
    _ears: Vec<Watch>,
}

impl Health {
    /// What it says of itself, or what it waits for.
    pub(crate) fn message(&self) -> Option<String> {
        let activity = match self.activity {
            Activity::Serving => None,
            Activity::Reloading => Some("reloading"),
            Activity::Stopping => Some("stopping by itself"),
        };
        let hindrance = self.hindrance.as_deref().filter(|_| self.stage == Stage::Starting);
        let words = self.status.as_deref().filter(|words| !words.is_empty()).or(hindrance);
        match (activity, words) {
            (Some(activity), Some(words)) => Some(format!("{activity}: {words}")),
            (activity, words) => activity.or(words).map(str::to_owned),
        }
    }

    /// What its own heartbeats mean in words; nothing when all is well.
    pub(crate) fn said(&mut self, words: Option<&str>) {
        if self.status.as_deref() != words {
            self.status = words.map(str::to_owned);
        }
    }

    /// Puts another probe in force; the one that runs goes on if it is the same.
    fn set_probe(&mut self, run: RunId, probe: Option<Probe>, inbox: &mpsc::Sender<News>) {
        if self.probe != probe || self.probing.is_none() {
            self.probe = probe;
            self.begin_probing(run, inbox);
        }
    }

    fn begin_probing(&mut self, run: RunId, inbox: &mpsc::Sender<News>) {
        self.probing = None;
        let Some(probe) = self.probe.clone() else { return };
        let inbox = inbox.clone();
        self.probing = match self.stage {
            Stage::Starting if self.ready == ReadyBy::Probe => {
                Some(Watch::begin(probe.until_ready(run, inbox)))
            }
            Stage::Serving => Some(Watch::begin(probe.while_serving(run, inbox))),
            Stage::Starting | Stage::Leaving => None,
        };
    }

    /// It is on its way out: nobody asks any more whether it is well.
    pub(crate) fn leave(&mut self) {
        self.stage = Stage::Leaving;
        self.probing = None;
    }

    /// Whether it is on its way out.
    pub(crate) fn is_leaving(&self) -> bool {
        self.stage == Stage::Leaving
    }
}

impl Hands {
    /// Probes a new run, if its app has a probe.
    pub(crate) fn begin_probing(&mut self, run: RunId) {
        let Some(process) = self.processes.get(run) else { return };
        let (slot, pid) = (process.slot.clone(), process.pid);
        let Some(app) = self.config.apps.get(&slot.app) else { return };
        let probe = self.probe_of(run, &slot, app, pid);
        let ready = app.health.ready.clone();
        if let Some(process) = self.processes.get_mut(run) {
            process.health.ready = ready;
            process.health.set_probe(run, probe, &self.inbox);
        }
    }

    /// Probes every run as the configuration in force says.
    pub(crate) fn renew_probes(&mut self) {
        let runs: Vec<RunId> = self.processes.iter().map(|(run, _)| run).collect();
        for run in runs {
            self.begin_probing(run);
        }
    }

    /// A run serves: from now on it is asked whether it is well.
    pub(crate) fn note_ready(&mut self, run: RunId) {
        if let Some(process) = self.processes.get_mut(run)
            && process.health.stage == Stage::Starting
        {
            process.health.stage = Stage::Serving;
            process.health.begin_probing(run, &self.inbox);
        }
    }

    /// Something keeps a run from being ready; should it never be, this is why.
    pub(crate) fn note_hindrance(&mut self, run: RunId, why: String) -> Vec<Event> {
        let Some(process) = self.processes.get_mut(run) else { return Vec::new() };
        match process.health.stage {
            Stage::Starting => {
                process.health.hindrance = Some(why.clone());
                vec![Event::ProbeFailed { run, why }]
            }
            Stage::Serving | Stage::Leaving => Vec::new(),
        }
    }

    /// Takes in what a program says of itself.
    pub(crate) fn heed(&mut self, run: RunId, said: Said) -> Vec<Event> {
        let Some(process) = self.processes.get_mut(run) else { return Vec::new() };
        let health = &mut process.health;
        if let Some(status) = said.status {
            health.status = Some(status);
        }
        if let Some(activity) = said.activity {
            health.activity = activity;
            if activity == Activity::Stopping {
                health.leave();
            }
        }
        let ready = said.ready && health.ready == ReadyBy::Notification;
        let ready = ready.then_some(Event::Ready { run });
        let alive = said.alive.then_some(Event::Heartbeat { run });
        ready.into_iter().chain(alive).collect()
    }

    fn probe_of(&self, run: RunId, slot: &SlotId, app: &AppConfig, pid: Pid) -> Option<Probe> {
        let config = app.health.probe.as_ref()?;
        let fill = |text: &str| filled(text, slot.index, pid.as_raw());
        let target = match &config.target {
            ProbeTarget::Tcp(text) => {
                let words = |_| format!("`{}` is not an address", fill(text));
                fill(text).parse().map(Target::Tcp).map_err(words)
            }
            ProbeTarget::Http(text) => {
                page(&fill(text)).map(|(address, path)| Target::Http(address, path))
            }
            ProbeTarget::Command { program, arguments } => {
                let program = c_string(program.as_os_str().as_bytes());
                program.and_then(|program| {
                    let mut all = vec![program.clone()];
                    for argument in arguments {
                        all.push(c_string(fill(argument).as_bytes())?);
                    }
                    let directory = app.working_directory.as_os_str().as_bytes();
                    let working_directory = c_string(directory)?;
                    let process = app.process.clone();
                    Ok(Target::Command(Arc::new(Order {
                        named: Named { program, working_directory, process },
                        arguments: all,
                        variables: c_strings(self.common_variables(run, slot, app))?,
                        helpers: self.processes.helpers.clone(),
                    })))
                })
            }
        };
        Some(Probe {
            target: target.unwrap_or_else(Target::Nothing),
            interval: config.interval,
            timeout: config.timeout,
            start_interval: config.start_interval,
        })
    }
}

/// Waits for the first line on a readiness descriptor.
async fn await_line(run: RunId, reader: OwnedFd, inbox: mpsc::Sender<News>) {
    let Ok(mut pipe) = pipe::Receiver::from_owned_fd(reader) else { return };
    let mut bytes = [0u8; 512];
    let mut ready = false;
    // After the line we read on, so that a program which writes more is not killed by SIGPIPE.
    while let Ok(count @ 1..) = pipe.read(&mut bytes).await {
        if !ready && bytes[..count].contains(&b'\n') {
            ready = true;
            if inbox.send(News::Ready { run }).await.is_err() {
                return;
            }
        }
    }
    if !ready {
        let why = "it closed its readiness descriptor without a line".to_owned();
        let _ = inbox.send(News::Hindered { run, why }).await;
    }
}
