//! A server of our own that speaks Snowflake's internal protocol, and fails as it is told.
//!
//! It is what the worker's connection to Snowflake is tested against: no account is needed, every
//! fault can be asked for, and everything that was sent is recorded. Shapes are those that the
//! public drivers read. It runs on threads of its own, so that a test that blocks does not stop
//! it, and needs nothing of the test around it, so that a benchmark can use it too.

pub(crate) mod answers;
mod cortex;
mod date;
pub(crate) mod faults;
mod history;
pub(crate) mod http;
pub(crate) mod record;
mod rows;
mod serve;
pub(crate) mod sessions;
mod sql;
mod statements;
pub(crate) mod strange;

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp_worker::clock::{Clock, Moment};
use serde_json::Value;
use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::Runtime;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use faults::{Endpoint, Fault, Faults};
use http::Request;
use record::{Login, Seen};
use sessions::Sessions;
use statements::Statements;

/// How chunks are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChunkPacking {
    Plain,
    /// gzip, and the head says so.
    Declared,
    /// gzip, and nobody says so.
    Silent,
}

/// See [`Config::judge`].
pub(crate) type Judge = fn(&Value, &Seen) -> Result<Option<&'static str>, sessions::Refusal>;

/// How the server behaves while nothing is wrong.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// How long every statement takes at least. No thread waits meanwhile.
    pub(crate) latency: Duration,
    /// After this a query-request or a poll is answered with "still running".
    pub(crate) long_after: Duration,
    /// How long a session token is valid.
    pub(crate) validity: Duration,
    /// How long a master token is valid.
    pub(crate) master_validity: Duration,
    /// The only password or token that lets a user in; any does without one.
    pub(crate) password: Option<String>,
    /// Decides about a login by what it says and by what was seen before, where it is more than a
    /// password: gives what the answer says in place of a further code, or a refusal.
    pub(crate) judge: Option<Judge>,
    pub(crate) chunk_packing: ChunkPacking,
    /// Whether ROWS_PER_RESULTSET cuts an answer; the service does, and a proxy may drop it.
    pub(crate) cuts_rows: bool,
}

impl Default for Config {
    fn default() -> Config {
        Config {
            latency: Duration::ZERO,
            long_after: Duration::from_secs(45),
            validity: Duration::from_secs(3600),
            master_validity: Duration::from_secs(4 * 3600),
            password: None,
            judge: None,
            chunk_packing: ChunkPacking::Declared,
            cuts_rows: false,
        }
    }
}

pub(crate) struct State {
    config: Config,
    clock: Clock,
    address: SocketAddr,
    faults: Faults,
    sessions: Mutex<Sessions>,
    statements: Mutex<Statements>,
    seen: watch::Sender<Seen>,
    query_ids: AtomicU64,
    hours_off: AtomicI64,
}

impl State {
    fn sessions(&self) -> MutexGuard<'_, Sessions> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn statements(&self) -> MutexGuard<'_, Statements> {
        self.statements.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, change: impl FnOnce(&mut Seen)) {
        self.seen.send_modify(change);
    }

    fn note_login(&self, request: &Request, data: &Value, user: &str, granted: bool) {
        let login = Login {
            at: self.clock.now(),
            user: user.to_owned(),
            data: data.clone(),
            query: request.query.clone(),
            granted,
        };
        self.note(|seen| seen.logins.push(login));
    }

    fn count_sessions(&self) {
        let open = self.sessions().count();
        self.note(|seen| seen.open_sessions = open);
    }

    fn base(&self) -> String {
        format!("http://{}", self.address)
    }

    fn new_query_id(&self) -> String {
        let number = self.query_ids.fetch_add(1, Ordering::Relaxed);
        format!("01c0ffee-0000-{:04x}-0000-{number:012x}", number % 0xffff)
    }

    fn hours_off(&self) -> i64 {
        self.hours_off.load(Ordering::Relaxed)
    }
}

/// What lives between two outages.
#[derive(Default)]
struct Life {
    over: CancellationToken,
    /// The listener and its connections.
    tasks: TaskTracker,
}

/// The server. Ends with everything in it when it is dropped.
pub(crate) struct Server {
    state: Arc<State>,
    /// Holds the port while nobody listens at it; never listens itself.
    _port: TcpSocket,
    life: Mutex<Life>,
    runtime: Option<Runtime>,
}

impl Server {
    pub(crate) fn start() -> Server {
        Server::with(Config::default())
    }

    pub(crate) fn with(config: Config) -> Server {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .thread_name("fault-server")
            .enable_all()
            .build()
            .expect("a runtime starts");
        let inside = runtime.enter();
        let port = socket((Ipv4Addr::LOCALHOST, 0).into());
        let address = port.local_addr().expect("a bound socket has an address");
        let state = State {
            config,
            clock: Clock::start(),
            address,
            faults: Faults::default(),
            sessions: Mutex::default(),
            statements: Mutex::default(),
            seen: watch::Sender::new(Seen::default()),
            query_ids: AtomicU64::new(1),
            hours_off: AtomicI64::new(0),
        };
        drop(inside);
        let server = Server {
            state: Arc::new(state),
            _port: port,
            life: Mutex::default(),
            runtime: Some(runtime),
        };
        server.back();
        server
    }

    /// `http://127.0.0.1:PORT`.
    pub(crate) fn url(&self) -> String {
        self.state.base()
    }

    pub(crate) fn now(&self) -> Moment {
        self.state.clock.now()
    }

    /// The next `times` requests there go wrong, after those that earlier calls are about.
    pub(crate) fn fail(&self, endpoint: Endpoint, times: usize, fault: Fault) {
        self.state.faults.add(endpoint, "", (0, times), fault);
    }

    /// The same for statements that begin so, after `skip` of them went well.
    pub(crate) fn fail_statement(&self, begin: &str, skip: usize, times: usize, fault: Fault) {
        self.state.faults.add(Endpoint::Query, begin, (skip, times), fault);
    }

    /// The same for any endpoint, after `skip` requests went well.
    pub(crate) fn fail_later(&self, endpoint: Endpoint, skip: usize, times: usize, fault: Fault) {
        self.state.faults.add(endpoint, "", (skip, times), fault);
    }

    /// No fault is left.
    pub(crate) fn heal(&self) {
        self.state.faults.clear();
    }

    /// The clock that clients are shown is off by so many hours.
    pub(crate) fn skew_date(&self, hours: i64) {
        self.state.hours_off.store(hours, Ordering::Relaxed);
    }

    /// All session tokens expire; perhaps the master tokens too.
    pub(crate) fn expire_tokens(&self, masters_as_well: bool) {
        let now = self.state.clock.now();
        let mut sessions = self.state.sessions();
        for id in sessions.ids() {
            sessions.expire(id, now, masters_as_well);
        }
    }

    /// All sessions are forgotten.
    pub(crate) fn forget_sessions(&self) {
        let mut sessions = self.state.sessions();
        for id in sessions.ids() {
            sessions.remove(id);
        }
        drop(sessions);
        self.state.count_sessions();
    }

    /// Resets every connection and refuses new ones. Returns when all are gone.
    pub(crate) fn outage(&self) {
        let Some(runtime) = &self.runtime else { return };
        let life = self.life.lock().unwrap_or_else(PoisonError::into_inner);
        life.over.cancel();
        life.tasks.close();
        let (tell, told) = std::sync::mpsc::channel();
        let tasks = life.tasks.clone();
        runtime.spawn(async move {
            tasks.wait().await;
            let _ = tell.send(());
        });
        // The server's own threads do this, so a test that waits here does not wait for itself.
        let _ = told.recv_timeout(Duration::from_secs(10));
    }

    /// Listens, at the same port as before.
    pub(crate) fn back(&self) {
        let Some(runtime) = &self.runtime else { return };
        let _inside = runtime.enter();
        let life = Life::default();
        let listener = listener(self.state.address);
        let (over, tasks) = (life.over.clone(), life.tasks.clone());
        let accept = serve::accept(Arc::clone(&self.state), listener, over, tasks.clone());
        tasks.spawn(accept);
        *self.life.lock().unwrap_or_else(PoisonError::into_inner) = life;
    }

    /// Everything that was seen until now, as a copy.
    pub(crate) fn seen(&self) -> Seen {
        self.state.seen.borrow().clone()
    }

    /// Looks at what was seen, without a copy.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Seen) -> T) -> T {
        look(&self.state.seen.borrow())
    }

    /// Returns when this has been seen. False when `limit` passed before.
    pub(crate) async fn wait(&self, limit: Duration, seen: impl FnMut(&Seen) -> bool) -> bool {
        let mut watched = self.state.seen.subscribe();
        let happened = watched.wait_for(seen);
        matches!(self.state.clock.within(limit, happened).await, Some(Ok(_)))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.outage();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

fn socket(address: SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket can be made");
    // Two sockets may hold the port: one all the time, one that listens and comes and goes.
    socket.set_reuseport(true).expect("a socket can share its port");
    socket.set_reuseaddr(true).expect("a socket can share its address");
    socket.bind(address).expect("an address of this machine can be bound");
    socket
}

fn listener(address: SocketAddr) -> TcpListener {
    socket(address).listen(1024).expect("a bound socket can listen")
}
