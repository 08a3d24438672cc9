//! What an administrator may have the workers of an app do, and what each of them answers.
//!
//! One [`Wish`] goes to every worker of the app, whoever said it: an operator at the control socket
//! or a client at a worker's door. Each worker answers for itself with an [`Outcome`]; whoever does
//! not answer in time is named. What is told to a person in the end is made of them in [`told`].
//! Times and sizes are plain numbers with their unit in the name, for they are printed as JSON.

pub mod told;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::message::PoolVitals;
use crate::settings::LogLevel;

/// How long a worker may take for what needs no waiting.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest wait that may be asked for.
pub const WAIT_MAX: Duration = Duration::from_secs(10 * 60);
/// How long one connection may take to answer a test.
pub const TEST_LIMIT: Duration = Duration::from_secs(20);
/// The most sessions, or statements, that one worker tells of at once.
pub const ROWS_MAX: usize = 200;
/// The longest text of a statement that is told, in characters.
pub const STATEMENT_CHARS_MAX: usize = 2_000;
/// The longest reason of a maintenance, in characters.
pub const REASON_CHARS_MAX: usize = 200;

/// What the workers of an app are to do or to tell.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Wish {
    /// Replace every session with the warehouse, and wait until those of before are gone.
    ResetPools {
        /// How long to wait for statements that still run, in seconds.
        wait_seconds: u64,
    },
    /// Which sessions of clients were seen lately?
    Sessions,
    /// Which statements run, or wait for a session of the pool?
    Queries,
    /// End this statement, by the worker's name for it or the warehouse's.
    CancelQuery {
        /// The name.
        id: String,
    },
    /// Ask the warehouse something, and tell how it went.
    TestConnections {
        /// Only this connection.
        connection: Option<String>,
    },
    /// How does opening sessions go?
    Circuits,
    /// Try to open sessions at once, whatever went wrong before.
    ResetCircuits {
        /// Only this connection.
        connection: Option<String>,
    },
    /// Take no new calls from now on, or take them again.
    Maintain(Option<Maintenance>),
    /// Are calls taken?
    Maintained,
    /// Log at this level until the configuration is read again; without one as the file says.
    LogLevel(Option<LogLevel>),
    /// Everything that can be told at once.
    State,
}

impl Wish {
    /// Its name in the audit log.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Wish::ResetPools { .. } => "reset_pools",
            Wish::Sessions => "list_sessions",
            Wish::Queries => "list_queries",
            Wish::CancelQuery { .. } => "cancel_query",
            Wish::TestConnections { .. } => "test_connections",
            Wish::Circuits => "list_circuits",
            Wish::ResetCircuits { .. } => "reset_circuits",
            Wish::Maintain(Some(_)) => "maintenance_on",
            Wish::Maintain(None) => "maintenance_off",
            Wish::Maintained => "maintenance_status",
            Wish::LogLevel(_) => "log_level",
            Wish::State => "export_state",
        }
    }

    /// Which thing it is about, for the audit log.
    #[must_use]
    pub fn detail(&self) -> Option<String> {
        match self {
            Wish::CancelQuery { id } => Some(id.clone()),
            Wish::TestConnections { connection } | Wish::ResetCircuits { connection } => {
                connection.clone()
            }
            Wish::Maintain(Some(maintenance)) => maintenance.reason.clone(),
            Wish::LogLevel(level) => level.map(|level| level.name().to_owned()),
            Wish::ResetPools { .. }
            | Wish::Sessions
            | Wish::Queries
            | Wish::Circuits
            | Wish::Maintain(None)
            | Wish::Maintained
            | Wish::State => None,
        }
    }

    /// Whether it changes nothing.
    #[must_use]
    pub fn only_looks(&self) -> bool {
        match self {
            Wish::Sessions | Wish::Queries | Wish::Circuits | Wish::Maintained | Wish::State => {
                true
            }
            Wish::ResetPools { .. }
            | Wish::CancelQuery { .. }
            | Wish::TestConnections { .. }
            | Wish::ResetCircuits { .. }
            | Wish::Maintain(_)
            | Wish::LogLevel(_) => false,
        }
    }

    /// How long a worker may take for its answer.
    #[must_use]
    pub fn patience(&self) -> Duration {
        match self {
            Wish::ResetPools { wait_seconds } => {
                PATIENCE + Duration::from_secs(*wait_seconds).min(WAIT_MAX)
            }
            Wish::TestConnections { .. } => PATIENCE + TEST_LIMIT,
            Wish::Sessions
            | Wish::Queries
            | Wish::CancelQuery { .. }
            | Wish::Circuits
            | Wish::ResetCircuits { .. }
            | Wish::Maintain(_)
            | Wish::Maintained
            | Wish::LogLevel(_)
            | Wish::State => PATIENCE,
        }
    }
}

/// That an app takes no new calls for a while.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Maintenance {
    /// Since when, in seconds since 1970.
    pub since: u64,
    /// Why, in the administrator's words; told to clients.
    pub reason: Option<String>,
    /// When clients are told to come back, in seconds.
    pub retry_after_seconds: u64,
    /// Who said so.
    pub by: String,
}

/// One worker's answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Part {
    /// Its slot.
    pub slot: u32,
    /// Its run.
    pub run: u64,
    /// Its process.
    pub pid: u32,
    /// What it answered; nothing when it did not answer in time.
    pub outcome: Option<Outcome>,
}

/// The answers of all workers of an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Gathered {
    /// The app.
    pub app: String,
    /// By slot.
    pub parts: Vec<Part>,
}

/// What a worker did, or tells.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Outcome {
    /// It could not, and why.
    Refused(String),
    /// Its pools have new sessions.
    Reset(Vec<PoolReset>),
    /// Sessions that it saw lately, the latest first.
    Sessions(Vec<SessionSeen>),
    /// Statements that it runs, the oldest first.
    Queries(Vec<ActiveQuery>),
    /// The statement that it ended; none when it runs no such statement.
    Cancelled(Option<ActiveQuery>),
    /// How its connections answered.
    Tested(Vec<ConnectionTest>),
    /// How opening sessions goes.
    Circuits(Vec<CircuitState>),
    /// Whether it takes calls.
    Maintained {
        /// Not, for this.
        maintenance: Option<Maintenance>,
        /// Statements that still run.
        running: u32,
    },
    /// It took that in.
    Done,
    /// Everything.
    State(Box<WorkerState>),
}

/// A pool, and what became of its sessions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolReset {
    /// The connection's name.
    pub connection: String,
    /// The pool before.
    pub before: PoolState,
    /// The pool after.
    pub after: PoolState,
    /// Sessions of before that are gone.
    pub closed: u64,
    /// Sessions of before in which a statement still runs; they go with its end.
    pub still_busy: u64,
}

/// The sessions of a pool at one moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolState {
    /// In which a statement runs.
    pub active: u32,
    /// Which wait for work.
    pub idle: u32,
    /// Open sessions.
    pub total: u32,
    /// The most in which a statement ran at once since the worker began.
    pub peak: u32,
    /// The most that may be open.
    pub max: u32,
    /// Callers that wait for one.
    pub waiting: u32,
    /// Callers that waited in vain.
    pub timeouts_total: u64,
    /// Sessions that were opened.
    pub opened_total: u64,
    /// Sessions that could not be opened.
    pub open_failures_total: u64,
}

impl From<&PoolVitals> for PoolState {
    fn from(vitals: &PoolVitals) -> PoolState {
        PoolState {
            active: vitals.total.saturating_sub(vitals.idle),
            idle: vitals.idle,
            total: vitals.total,
            peak: vitals.peak,
            max: vitals.max,
            waiting: vitals.waiting,
            timeouts_total: vitals.timeouts_total,
            opened_total: vitals.opened_total,
            open_failures_total: vitals.open_failures_total,
        }
    }
}

/// A session of a client, as one worker saw it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionSeen {
    /// What it is called in logs and in the account's history; none for clients of the protocol
    /// without sessions, who are told apart by their names alone.
    pub tag: Option<String>,
    /// The client's name in the configuration.
    pub client: Option<String>,
    /// What it introduced itself as.
    pub program: Option<String>,
    /// The version of the protocol.
    pub protocol: String,
    /// In seconds since 1970.
    pub first_seen: u64,
    /// In seconds since 1970.
    pub last_seen: u64,
    /// Messages that it sent.
    pub messages: u64,
}

/// A statement on its way.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActiveQuery {
    /// What it is called here: the run of its worker and a number.
    pub id: String,
    /// What the warehouse calls it, once that is known.
    pub query_id: Option<String>,
    /// Whether it waits for a session of the pool.
    pub waits: bool,
    /// The client's name in the configuration.
    pub client: Option<String>,
    /// The client's session.
    pub session: Option<String>,
    /// The tool that was called.
    pub tool: Option<String>,
    /// The connection.
    pub connection: String,
    /// When it came, in seconds since 1970.
    pub started: u64,
    /// How long ago that was, in milliseconds.
    pub elapsed_ms: u64,
    /// Its class: `read`, `write`, `ddl` and so on.
    pub class: String,
    /// A hash of its text.
    pub statement_sha256: String,
    /// Its text, where `mcp.audit` is "text".
    pub statement: Option<String>,
}

/// How a connection answered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConnectionTest {
    /// The connection's name.
    pub connection: String,
    /// The account; none for the sample account.
    pub account: Option<String>,
    /// How long the answer took, a login included where there had to be one, in milliseconds.
    pub latency_ms: u64,
    /// The role that a session has.
    pub role: Option<String>,
    /// The virtual warehouse that a session has.
    pub warehouse: Option<String>,
    /// Why there is no answer.
    pub error: Option<String>,
}

/// Whether sessions are opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CircuitState {
    /// The connection's name.
    pub connection: String,
    /// Whether they are.
    pub state: CircuitWord,
    /// Why not.
    pub reason: Option<String>,
    /// How often in a row it went wrong.
    pub failures: u32,
    /// When the next try may be, in milliseconds from now.
    pub retry_in_ms: Option<u64>,
}

/// Whether sessions are opened, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CircuitWord {
    /// They are.
    Closed,
    /// Not for a while: the warehouse cannot be reached.
    Open,
    /// Not until the credentials change: the warehouse refuses them.
    Refused,
    /// Never again: the worker leaves.
    Shut,
    /// Not until a person logged in at a browser.
    LoggedOut,
}

/// The pool of one connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PoolOf {
    /// The connection's name.
    pub connection: String,
    /// Its pool.
    pub pool: PoolState,
}

/// Everything that a worker can tell at once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WorkerState {
    /// Its release.
    pub version: String,
    /// How long it has run, in seconds.
    pub uptime_seconds: u64,
    /// Whether it takes calls.
    pub maintenance: Option<Maintenance>,
    /// Its pools, by connection.
    pub pools: Vec<PoolOf>,
    /// How opening sessions goes.
    pub circuits: Vec<CircuitState>,
    /// Sessions of clients, the latest first.
    pub sessions: Vec<SessionSeen>,
    /// Statements that run, without their texts.
    pub queries: Vec<ActiveQuery>,
}
