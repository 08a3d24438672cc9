//! The whole conversation between the supervisor and a worker, in two enums.
//!
//! After the handshake the supervisor hands over [`Settings`] once; what of them may change in a
//! running worker follows as [`Adjustable`]. The worker then says `Ready` or `Failed`, and from then
//! on `Heartbeat`. New variants go to the end: a peer that does not
//! know one drops that frame and goes on.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::admin::{Outcome, Part, Wish};
use crate::measure::Series;
use crate::relay::{Circular, Revocation, SessionTag, Statement};
use crate::settings::{Adjustable, Settings};

/// What the supervisor tells a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum ToWorker {
    /// Everything that the worker needs to know, secrets included. Said once, first.
    Settings(Box<Settings>),
    /// Take nothing new, finish what runs, leave within the grace.
    Drain {
        /// How long that may take.
        grace: Duration,
    },
    /// The log files were renamed: open them anew.
    ReopenLogs,
    /// The configuration changed in what a running worker can take on.
    Adjust(Box<Adjustable>),
    /// Another worker of the app told all of them something.
    Told(Circular),
    /// The answer to [`FromWorker::Seek`].
    Sought {
        /// Which question it answers.
        ticket: u64,
        /// The statement, where one is known.
        statement: Option<Box<Statement>>,
    },
    /// Sessions that were ended before this worker came; at most
    /// [`REVOCATIONS_MAX`](crate::relay::REVOCATIONS_MAX) at once, right after the settings.
    Revoked(Vec<Revocation>),
    /// An administrator wants this of every worker of the app; to be answered by
    /// [`FromWorker::Did`].
    Do {
        /// Comes back with the answer.
        ticket: u64,
        /// What.
        wish: Box<Wish>,
    },
    /// The answer to [`FromWorker::Ask`].
    Gathered {
        /// Which question it answers.
        ticket: u64,
        /// What each worker of the app answered, by slot.
        parts: Vec<Part>,
    },
}

/// What a worker tells the supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum FromWorker {
    /// It serves.
    Ready,
    /// It cannot serve, and why; it exits by itself right after.
    Failed {
        /// The whole chain of causes, in words.
        reason: String,
    },
    /// It is alive.
    Heartbeat(Vitals),
    /// It has nothing left to do and is about to exit.
    Drained,
    /// All other workers of the app should know this.
    Tell(Circular),
    /// A statement runs for a request whose client may come back for the answer, to any worker.
    StatementBegan(Statement),
    /// It runs no more, or nobody will come back for its answer.
    StatementEnded {
        /// Whose request.
        session: SessionTag,
        /// The request's JSON-RPC id, as JSON text.
        request: String,
    },
    /// Which statement runs, or ran, for this request?
    Seek {
        /// Comes back with the answer.
        ticket: u64,
        /// Whose request.
        session: SessionTag,
        /// The request's JSON-RPC id, as JSON text.
        request: String,
    },
    /// An administrator at this worker's door wants this of every worker of the app.
    Ask {
        /// Comes back with the answer.
        ticket: u64,
        /// What.
        wish: Box<Wish>,
    },
    /// The answer to [`ToWorker::Do`].
    Did {
        /// Which wish it answers.
        ticket: u64,
        /// What was done, or is told.
        outcome: Box<Outcome>,
    },
}

/// What a worker counts. Totals run from the start of the run and never go back.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Vitals {
    /// HTTP requests answered.
    pub requests_total: u64,
    /// HTTP requests answered with a status of 500 or more.
    pub request_errors_total: u64,
    /// HTTP requests being answered now.
    pub requests_in_flight: u32,
    /// Open client connections.
    pub connections: u32,
    /// The pool of sessions of the default connection.
    pub pool: PoolVitals,
    /// What was refused because there was too much of it, by client and limit.
    pub refusals: Vec<Refusals>,
    /// Decisions about a limit that this worker made by itself, for the memory that all workers
    /// share was not there or had no room left.
    pub unshared_limits_total: u64,
    /// The certificate at the door, where there is one.
    pub certificate: Option<CertificateVitals>,
    /// The pools of the other connections.
    pub named_pools: Vec<NamedPool>,
    /// The worker's version.
    pub version: String,
    /// Lines of its own logs that it could not keep.
    pub log_lines_dropped_total: u64,
    /// Sessions that sent a request since the last heartbeat, each by the first half of its tag; at
    /// most [`SESSIONS_MAX`].
    pub sessions: Vec<u64>,
    /// What was counted since the last heartbeat, of [`Measure`](crate::measure::Measure)s: unlike
    /// totals, so that a heartbeat stays short when little happens. At most [`SERIES_MAX`].
    pub series: Vec<Series>,
    /// The lists of revoked certificates at the door, where there are any.
    pub revocation_lists: Option<RevocationListVitals>,
}

/// The most sessions that one heartbeat names.
pub const SESSIONS_MAX: usize = 10_000;
/// The most series that one heartbeat carries: even the longest of them fit a frame.
pub const SERIES_MAX: usize = 1_000;

/// The pool of one connection that has a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedPool {
    /// The connection's name in the configuration.
    pub name: String,
    /// Its pool.
    pub pool: PoolVitals,
}

/// How often one client was over one limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusals {
    /// The client's name in the configuration; none for whoever showed nothing.
    pub client: Option<String>,
    /// Which limit.
    pub limit: Limit,
    /// How often.
    pub count_total: u64,
}

/// Of what there can be too much.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Limit {
    /// A client's requests in a second.
    Requests,
    /// The requests of all clients in a second.
    TotalRequests,
    /// The requests of all clients at once.
    ConcurrentRequests,
    /// A client's statements in a second.
    Statements,
    /// A client's statements at once.
    ConcurrentStatements,
    /// A client's statements in a day.
    StatementsOfDay,
    /// The bytes of a client's answers in a day.
    BytesOfDay,
    /// An address's requests that were not let in, in a minute.
    FailedLogins,
    /// An address's connections at once.
    Connections,
    /// What a client's statements cost in a day, by estimate.
    CreditsOfDay,
}

impl Limit {
    /// All of them.
    pub const ALL: [Limit; 10] = [
        Limit::Requests,
        Limit::TotalRequests,
        Limit::ConcurrentRequests,
        Limit::Statements,
        Limit::ConcurrentStatements,
        Limit::StatementsOfDay,
        Limit::BytesOfDay,
        Limit::FailedLogins,
        Limit::Connections,
        Limit::CreditsOfDay,
    ];

    /// Its name in metrics and headers.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Limit::Requests => "requests",
            Limit::TotalRequests => "total_requests",
            Limit::ConcurrentRequests => "concurrent_requests",
            Limit::Statements => "statements",
            Limit::ConcurrentStatements => "concurrent_statements",
            Limit::StatementsOfDay => "statements_of_day",
            Limit::BytesOfDay => "bytes_of_day",
            Limit::FailedLogins => "failed_logins",
            Limit::Connections => "connections",
            Limit::CreditsOfDay => "credits_of_day",
        }
    }
}

/// The certificate at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CertificateVitals {
    /// When it ends, in seconds since 1970.
    pub expires_at: u64,
    /// Whether the files changed since and cannot be used as they are now.
    pub renewal_fails: bool,
}

/// The lists of revoked certificates at the door.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationListVitals {
    /// When the next one of the first of them is due, in seconds since 1970.
    pub due_at: u64,
}

/// How a tool call ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum CallOutcome {
    /// With an answer.
    Ok,
    /// With an error that the client was told.
    Error,
    /// The client went away or cancelled.
    Cancelled,
}

impl CallOutcome {
    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            CallOutcome::Ok => "ok",
            CallOutcome::Error => "error",
            CallOutcome::Cancelled => "cancelled",
        }
    }
}

/// The pool of warehouse sessions at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolVitals {
    /// The most sessions that it may open.
    pub max: u32,
    /// Open sessions, busy or idle.
    pub total: u32,
    /// Open sessions that wait for work.
    pub idle: u32,
    /// Callers that wait for a session.
    pub waiting: u32,
    /// Callers that waited in vain.
    pub timeouts_total: u64,
    /// Sessions that were opened.
    pub opened_total: u64,
    /// Sessions that could not be opened.
    pub open_failures_total: u64,
    /// How opening one went last.
    pub logins: Logins,
    /// The most sessions in use at once since the worker began.
    pub peak: u32,
    /// Whether new ones may be opened.
    pub circuit: Circuit,
}

/// Whether new sessions with the warehouse may be opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Circuit {
    /// They may.
    #[default]
    Closed,
    /// The last one could not be, and the wait after that is over: the next caller tries.
    HalfOpen,
    /// The last one could not be; until the wait is over nobody tries.
    Open,
}

impl Circuit {
    /// All of them.
    pub const ALL: [Circuit; 3] = [Circuit::Closed, Circuit::HalfOpen, Circuit::Open];

    /// Its name in metrics.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Circuit::Closed => "closed",
            Circuit::HalfOpen => "half_open",
            Circuit::Open => "open",
        }
    }
}

/// How opening a session with the warehouse went last.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Logins {
    /// Well, or nobody tried.
    #[default]
    Fine,
    /// The warehouse cannot be reached; it is tried again.
    Failing,
    /// The warehouse refuses the credentials; it is not tried again until they change.
    Refused,
    /// A person has to log in at a browser first.
    LoggedOut,
}
