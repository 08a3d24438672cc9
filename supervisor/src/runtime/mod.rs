//! The workshop: everything with a side effect, around one loop that owns the machine.
//!
//! News comes in through one bounded inbox; the loop turns it into the machine's events and
//! carries out the actions that come back. Nothing here decides, nothing in the loop waits.
//! Signs of life come before deadlines: the inbox is emptied before time is allowed to pass.

mod background;
mod clock;
mod hands;
mod link;
mod listeners;
mod logging;
mod metrics;
mod news;
mod operator;
mod orphans;
mod output;
mod picture;
mod port_owner;
mod processes;
mod rotation;
mod signals;
mod socket;
mod spawn;
mod systemd;
mod tail;
mod totals;
mod wire;

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;

use mcp_protocol::control::{FailureCause, Request, Response, Status};
use tokio::sync::mpsc;

use crate::config::{Config, Problems};
use crate::machine::{
    Action, AppName, Command, Event, Machine, Outcome, RequestId, Scope, Urgency,
};
use clock::Clock;
use hands::Hands;
use news::{INBOX_MAX, News, Signal};
use systemd::Systemd;

pub use background::{Background, leave_terminal, let_go, start_background};
pub use hands::WORKER_LOG;
pub use listeners::BindError;
pub use logging::{Console, FILE_NAME as SUPERVISOR_LOG};
pub use operator::{AskError, ask, stop};
pub use socket::SocketError;
pub use tail::{follow, last_lines};
pub use wire::WireError;

/// Reads the configuration file anew.
pub type Loader = Box<dyn Fn() -> Result<Config, Problems>>;

/// What `main` decides for the runtime.
pub struct Options {
    /// Whether people look at our standard error.
    pub console: Console,
    /// Variables that every program gets, such as PATH.
    pub inherited: Vec<(OsString, OsString)>,
    /// Reads the configuration file anew, for a reload.
    pub load: Loader,
    /// Called once everything is bound: from here on failures are told over the socket.
    pub listening: Box<dyn FnOnce()>,
}

/// Why the supervisor cannot start. Nothing was started then.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The run directory is not ours.
    #[error("cannot start")]
    Socket(#[from] SocketError),
    /// An app's address is taken.
    #[error(transparent)]
    Listen(#[from] BindError),
    /// The address of the metrics is taken.
    #[error("cannot serve metrics on {address}{owner}; change supervisor.metrics")]
    Metrics {
        /// The address.
        address: SocketAddr,
        /// Who has it, in words.
        owner: String,
        /// Why it cannot be bound.
        #[source]
        source: io::Error,
    },
    /// Something of the operating system is missing.
    #[error("cannot {operation}")]
    System {
        /// What was tried, with its object.
        operation: String,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
}

/// Runs the supervisor until it was told to stop and everybody has left.
///
/// # Errors
/// When it cannot start.
pub fn run(config: Config, options: Options) -> Result<(), StartError> {
    let executor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("start the runtime"))?;
    executor.block_on(async {
        let supervisor = Supervisor::start(config, options).await?;
        supervisor.serve().await;
        Ok(())
    })
}

/// The loop and what it owns.
struct Supervisor {
    machine: Machine,
    hands: Hands,
    clock: Clock,
    systemd: Systemd,
    inbox: mpsc::Receiver<News>,
    load: Loader,
    /// Requests that are our own: systemd is told when they are done.
    own_requests: BTreeSet<RequestId>,
    requests: u64,
    stop_signals: u32,
    /// Answers that are still on their way.
    parting: Vec<mpsc::Sender<Response>>,
    ended: bool,
    _lock: socket::Lock,
}

impl Supervisor {
    async fn start(config: Config, options: Options) -> Result<Supervisor, StartError> {
        let lock = socket::lock(&config.supervisor.run_directory)?;
        let logs = &config.supervisor.log_directory;
        std::fs::create_dir_all(logs)
            .map_err(system(&format!("make the directory `{}`", logs.display())))?;
        let logging = logging::start(&config, options.console).map_err(system("open the log"))?;
        orphans::wait_until_gone(&config).await;
        let mut listeners = listeners::Listeners::default();
        listeners.rebind(&config)?;
        let (news, inbox) = mpsc::channel(INBOX_MAX);
        if let Some(address) = config.supervisor.metrics {
            let bound = metrics::bind(address).map_err(|source| StartError::Metrics {
                address,
                owner: port_owner::in_words(address),
                source,
            })?;
            tokio::spawn(metrics::serve(bound, news.clone()));
        }
        let door = socket::bind(&config.socket(), &lock)?;
        tokio::spawn(link::accept(door, news.clone()));
        signals::watch(&news).map_err(system("handle signals"))?;
        let outputs = output::Outputs::start(&config.supervisor.run_directory, logs)
            .map_err(system("start the thread for output"))?;
        let hands = Hands {
            generation: 1,
            processes: processes::Processes::default(),
            listeners,
            totals: totals::Totals::default(),
            outputs,
            logging,
            inherited: options.inherited,
            nothing: hands::nothing().map_err(system("open `/dev/null`"))?,
            inbox: news,
            waiting: BTreeMap::new(),
            config,
        };
        (options.listening)();
        Ok(Supervisor {
            machine: Machine::new(u64::from(clock::since_epoch().subsec_nanos())),
            hands,
            clock: Clock::start(),
            systemd: Systemd::find(),
            inbox,
            load: options.load,
            own_requests: BTreeSet::new(),
            requests: 0,
            stop_signals: 0,
            parting: Vec::new(),
            ended: false,
            _lock: lock,
        })
    }

    async fn serve(mut self) {
        for (name, app) in &self.hands.config.apps {
            for remark in &app.remarks {
                tracing::warn!(app = %name, "{remark}");
            }
        }
        let desired = self.hands.config.desired(self.hands.generation);
        let settle = self.own(Command::Settle);
        self.handle(vec![Event::Configured(desired), settle]);
        let mut watchdog = self.systemd.watchdog_every.map(tokio::time::interval);
        while !self.ended {
            let deadline = self.machine.next_deadline();
            let news = tokio::select! {
                biased;
                news = self.inbox.recv() => news,
                () = next_tick(&mut watchdog) => {
                    self.systemd.alive();
                    continue;
                }
                () = self.clock.until(deadline) => None,
            };
            if let Some(late) = self.clock.forgive(deadline) {
                tracing::warn!(?late, "the supervisor was held up; its deadlines wait for it");
            }
            let events = match news {
                Some(news) => self.take_in(news),
                None => vec![Event::Tick],
            };
            self.handle(events);
        }
        self.part().await;
    }

    /// The last answers go out; the last output is written.
    async fn part(self) {
        let deadline = clock::in_time(std::time::Duration::from_secs(1));
        for answer in self.parting {
            let _ = tokio::time::timeout_at(deadline, answer.closed()).await;
        }
        self.hands.outputs.finish();
        tracing::info!("ended");
    }

    /// Lets the machine decide, and carries out what it says.
    ///
    /// All of these events are of one moment: a configuration and the reload that comes with it
    /// are one wish.
    fn handle(&mut self, events: Vec<Event>) {
        let now = self.clock.now();
        let mut events = VecDeque::from(events);
        let mut replies = Vec::new();
        let mut moved = false;
        while let Some(event) = events.pop_front() {
            for action in self.machine.handle(now, event) {
                match &action {
                    Action::Reply { request, outcome } => {
                        replies.push((*request, outcome.clone()));
                    }
                    Action::Announce(notice) => {
                        moved = true;
                        if *notice == crate::machine::Notice::ShuttingDown {
                            self.systemd.stopping();
                        }
                    }
                    Action::Exit => self.ended = true,
                    Action::Spawn { .. } | Action::Drain { .. } | Action::Kill { .. } => {}
                }
                events.extend(self.hands.carry_out(action));
            }
        }
        if moved && !self.hands.waiting.is_empty() {
            self.hands.show_progress(&self.status());
        }
        for (request, outcome) in replies {
            self.reply(request, outcome);
        }
    }

    fn reply(&mut self, request: RequestId, outcome: Outcome) {
        if self.own_requests.remove(&request) {
            // A failed start or roll leaves whoever can serve serving; the status line says it.
            match outcome {
                Outcome::Done => self.systemd.ready("every worker is ready"),
                Outcome::Failed { why } => self.systemd.ready(&why),
            }
            return;
        }
        let status = self.status();
        self.parting.extend(self.hands.answer(request, outcome, status));
        self.parting.retain(|answer| !answer.is_closed());
    }

    fn status(&self) -> Status {
        let snapshot = self.machine.snapshot();
        picture::status(&snapshot, &self.hands, self.clock.now(), self.clock.elapsed())
    }

    /// What news means to the machine.
    fn take_in(&mut self, news: News) -> Vec<Event> {
        match news {
            News::ExecFailed { run, why } => {
                if let Some(process) = self.hands.processes.get_mut(run) {
                    process.exec_failed = true;
                }
                vec![Event::SpawnFailed { run, why }]
            }
            News::Ended { run } => match self.hands.processes.reap(run) {
                Some((process, exit)) if !process.exec_failed => vec![Event::Exited { run, exit }],
                Some(_) | None => Vec::new(),
            },
            News::WorkerConnected { run, pid, outbox, verdict } => {
                let _ = verdict.send(self.hands.welcome(run, pid, outbox));
                Vec::new()
            }
            News::Ready { run } => vec![Event::Ready { run }],
            News::BootFailed { run, why } => vec![Event::BootFailed { run, why }],
            News::Heartbeat { run, vitals } => {
                self.hands.note_vitals(run, *vitals);
                vec![Event::Heartbeat { run }]
            }
            News::LinkLost { run } => {
                if let Some(process) = self.hands.processes.get_mut(run) {
                    process.link = None;
                }
                Vec::new()
            }
            News::Asked { request, answers } => self.asked(request, answers),
            News::Scrape { answer } => {
                let _ = answer.send(metrics::text(&self.status(), &self.hands));
                Vec::new()
            }
            News::Signal(signal) => self.signalled(signal),
        }
    }

    fn asked(&mut self, request: Request, answers: mpsc::Sender<Response>) -> Vec<Event> {
        let command = match request {
            Request::Status => {
                let _ = answers.try_send(Response::Status(Box::new(self.status())));
                return Vec::new();
            }
            Request::Settle => Command::Settle,
            Request::Stop => Command::Stop,
            Request::Restart { app } => Command::Restart(scope(app)),
            Request::Reload { app } => {
                return match self.reload() {
                    Ok(configured) => vec![
                        configured,
                        self.await_answer(Command::Reload(scope(app)), answers),
                        self.own(Command::Settle),
                    ],
                    Err(problem) => {
                        let cause = FailureCause::Configuration;
                        let _ =
                            answers.try_send(Response::Failed { reason: problem.clone(), cause });
                        vec![Event::ConfigRejected { problem }]
                    }
                };
            }
        };
        vec![self.await_answer(command, answers)]
    }

    fn signalled(&mut self, signal: Signal) -> Vec<Event> {
        match signal {
            Signal::Stop => {
                self.stop_signals += 1;
                let urgency = if self.stop_signals == 1 { Urgency::Drain } else { Urgency::Now };
                vec![Event::Shutdown(urgency)]
            }
            Signal::Reload => match self.reload() {
                Ok(configured) => vec![configured, self.own(Command::Reload(Scope::All))],
                Err(problem) => vec![Event::ConfigRejected { problem }],
            },
            Signal::ReopenLogs => {
                self.hands.reopen_logs();
                Vec::new()
            }
        }
    }

    /// Reads the file anew and takes it into use, or says in words why not.
    fn reload(&mut self) -> Result<Event, String> {
        let config = (self.load)().map_err(|problems| problems.to_string())?;
        self.hands.apply(config)?;
        self.systemd.reloading();
        Ok(Event::Configured(self.hands.config.desired(self.hands.generation)))
    }

    fn await_answer(&mut self, command: Command, answers: mpsc::Sender<Response>) -> Event {
        let request = self.next_request();
        self.hands.waiting.insert(request, answers);
        Event::Asked { request, command }
    }

    /// A wish of our own: systemd is told when it is done.
    fn own(&mut self, command: Command) -> Event {
        let request = self.next_request();
        self.own_requests.insert(request);
        Event::Asked { request, command }
    }

    fn next_request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }
}

fn scope(app: Option<String>) -> Scope {
    app.map_or(Scope::All, |app| Scope::App(AppName::new(&app)))
}

async fn next_tick(watchdog: &mut Option<tokio::time::Interval>) {
    match watchdog {
        Some(watchdog) => {
            watchdog.tick().await;
        }
        None => std::future::pending().await,
    }
}

fn system(operation: &str) -> impl Fn(io::Error) -> StartError + '_ {
    move |source| StartError::System { operation: operation.to_owned(), source }
}
