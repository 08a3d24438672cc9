//! From a configuration to a supervisor that listens: what is bound, in which order, and what an
//! operator is told when one thing is missing.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use tokio::sync::mpsc;

use crate::config::{self, Config, Found, Problems};
use crate::machine::Machine;
use crate::runtime::admin::Admin;
use crate::runtime::cgroup::Cgroups;
use crate::runtime::clock::{self, Clock};
use crate::runtime::configuration::Ledger;
use crate::runtime::hands::{self, Hands};
use crate::runtime::listeners::{BindError, Listeners};
use crate::runtime::logging::{self, Console};
use crate::runtime::lookout::Lookout;
use crate::runtime::metrics::Meter;
use crate::runtime::news::{INBOX_MAX, News};
use crate::runtime::socket::{self, SocketError};
use crate::runtime::systemd::Systemd;
use crate::runtime::{
    Supervisor, link, notification, orphans, output, port_owner, preflight, processes, relay,
    rotation, run_lock, session_keys, signals, state, tombstones, totals, web,
};

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
    /// This machine lacks what the configuration needs.
    #[error("cannot start\n{problems}")]
    Missing {
        /// All of it.
        problems: Problems,
    },
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
    /// Programs of an earlier supervisor are in the way.
    #[error(
        "{who} of an earlier supervisor do not even die of SIGKILL; they wait in \
         the kernel, for a disk or a network, or are not ours to kill"
    )]
    Survivors {
        /// Their process ids and locks.
        who: String,
    },
    /// We would end ourselves with the program that is in the way.
    #[error(
        "cannot start from inside `{program}`, a program of an earlier supervisor; start or stop \
         the service from elsewhere"
    )]
    Inside {
        /// The program's app and slot.
        program: String,
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
    refuse(&config, &preflight::directories(&config))?;
    // Until the executor has dropped the socket, nobody else may bind it: the lock goes last.
    let lock = socket::lock(&config.supervisor.run_directory)?;
    let executor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(system("start the runtime"))?;
    let ended = executor.block_on(async {
        let supervisor = Supervisor::start(config, options, &lock).await?;
        supervisor.serve().await;
        Ok(())
    });
    drop(executor);
    drop(lock);
    ended
}

impl Supervisor {
    /// Binds everything, in an order in which nothing is left behind when one thing fails.
    pub(super) async fn start(
        config: Config,
        options: Options,
        lock: &socket::Lock,
    ) -> Result<Supervisor, StartError> {
        let (keeper, logging) = open_logs(&config, options.console)?;
        let (news, inbox) = mpsc::channel(INBOX_MAX);
        signals::watch_requests(&news).map_err(system("handle signals"))?;
        let locks = run_lock::directory(&config.supervisor.run_directory)
            .map_err(system("make the directory of the locks"))?;
        orphans::wait_until_gone(&locks).await?;
        notification::sweep(&config.supervisor.run_directory);
        refuse(&config, &preflight::ports(&config, None))?;
        let mut listeners = Listeners::default();
        listeners.rebind(&config)?;
        let metrics = serve_metrics(&config, &news)?;
        let door = socket::bind(&config.socket(), lock)?;
        tokio::spawn(link::accept(door, news.clone()));
        signals::watch(&news).map_err(system("handle signals"))?;
        let (ledger, generation) = Ledger::open(&config);
        let lookout = Lookout::start(&config, &news).await;
        let outputs = start_output(&config, &keeper, &news)?;
        let hands = Hands {
            generation,
            processes: processes::Processes::new(Cgroups::open(config.supervisor.cgroups), locks)
                .map_err(system("become the parent of orphans"))?,
            listeners,
            metrics,
            meter: Meter::start(),
            totals: totals::Totals::default(),
            outputs,
            logging,
            keeper,
            lookout,
            inherited: options.inherited,
            nothing: hands::nothing().map_err(system("open `/dev/null`"))?,
            relay: open_relay(&config, &news)?,
            inbox: news,
            waiting: BTreeMap::new(),
            memory: state::Memory::open(&config.supervisor.state_directory),
            admin: Admin::open(&config.supervisor.state_directory),
            ledger,
            config: Arc::new(config),
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
        })
    }
}

/// The supervisor's own log, and who keeps older files in order.
fn open_logs(
    config: &Config,
    console: Console,
) -> Result<(rotation::Keeper, logging::Logging), StartError> {
    let logs = &config.supervisor.log_directory;
    std::fs::create_dir_all(logs)
        .map_err(system(&format!("make the directory `{}`", logs.display())))?;
    let keeper = rotation::Keeper::start().map_err(system("start the thread for old logs"))?;
    let logging = logging::start(config, console, keeper.tidy()).map_err(system("open the log"))?;
    Ok((keeper, logging))
}

/// The thread that keeps what programs print.
fn start_output(
    config: &Config,
    keeper: &rotation::Keeper,
    news: &mpsc::Sender<News>,
) -> Result<output::Outputs, StartError> {
    let (run, logs) = (&config.supervisor.run_directory, &config.supervisor.log_directory);
    output::Outputs::start(run, logs, keeper.tidy(), news.clone())
        .map_err(system("start the thread for output"))
}

fn refuse(config: &Config, missing: &[Found]) -> Result<(), StartError> {
    match config::problems_at(config, missing) {
        Some(problems) => Err(StartError::Missing { problems }),
        None => Ok(()),
    }
}

/// Where metrics, health and the dashboard are served, if they are.
fn serve_metrics(
    config: &Config,
    news: &mpsc::Sender<News>,
) -> Result<Option<SocketAddr>, StartError> {
    let Some(address) = config.supervisor.metrics else { return Ok(None) };
    let bound = web::bind(address).map_err(|source| {
        let owner = port_owner::in_words(address);
        StartError::Metrics { address, owner, source }
    })?;
    let served = bound.local_addr().ok();
    tokio::spawn(web::serve(bound, news.clone()));
    Ok(served)
}

/// What workers share, as an earlier supervisor kept it.
fn open_relay(config: &Config, news: &mpsc::Sender<News>) -> Result<relay::Relay, StartError> {
    let state = &config.supervisor.state_directory;
    let keys = session_keys::open(state).map_err(system("make keys for session ids"))?;
    tokio::spawn(session_keys::renew(state.clone(), keys.clone(), news.clone()));
    Ok(relay::Relay::new(keys, tombstones::Tombstones::open(state)))
}

fn system(operation: &str) -> impl Fn(io::Error) -> StartError + '_ {
    move |source| StartError::System { operation: operation.to_owned(), source }
}
