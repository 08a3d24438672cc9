//! What the server saw: for a test to ask afterwards, or to wait for.

use std::collections::BTreeMap;

use mcp_worker::clock::Moment;
use serde_json::Value;

use super::faults::Endpoint;

/// Everything that happened since the start.
#[derive(Debug, Clone, Default)]
pub(crate) struct Seen {
    /// Requests of each kind, also those that failed.
    pub(crate) requests: BTreeMap<Endpoint, usize>,
    /// Paths of requests that fit no door.
    pub(crate) strange: Vec<String>,
    pub(crate) connections: usize,
    /// Login requests, also those that were refused.
    pub(crate) logins: Vec<Login>,
    /// Moments of renewals that were granted.
    pub(crate) renewals: Vec<Moment>,
    /// Sessions for which a heartbeat came.
    pub(crate) heartbeats: Vec<i64>,
    /// Sessions that were closed by their client.
    pub(crate) closes: Vec<i64>,
    /// Sessions that are open now.
    pub(crate) open_sessions: usize,
    /// Every query-request, also a repeated one.
    pub(crate) sent: Vec<Sent>,
    /// Every statement that began to run, once.
    pub(crate) executions: Vec<Execution>,
    pub(crate) running: usize,
    /// The most statements that ran at once.
    pub(crate) running_max: usize,
    pub(crate) aborts: Vec<Abort>,
    pub(crate) fetches: Vec<Fetch>,
    /// Requests to services beside SQL, of sessions that are known.
    pub(crate) asked: Vec<Asked>,
    /// Clients that hung up on a request that is never answered.
    pub(crate) hung_up: usize,
}

/// A request to a service beside SQL.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) session: i64,
    pub(crate) path: String,
    pub(crate) body: Value,
    /// Where its session stood.
    pub(crate) role: Option<String>,
    pub(crate) warehouse: Option<String>,
    pub(crate) accept: String,
}

#[derive(Debug, Clone)]
pub(crate) struct Login {
    pub(crate) at: Moment,
    pub(crate) user: String,
    /// The `data` of the request.
    pub(crate) data: Value,
    /// What stood in the address: role, warehouse, database, schema.
    pub(crate) query: Vec<(String, String)>,
    pub(crate) granted: bool,
}

/// One query-request.
#[derive(Debug, Clone)]
pub(crate) struct Sent {
    pub(crate) at: Moment,
    pub(crate) session: i64,
    pub(crate) sql: String,
    pub(crate) request_id: String,
    pub(crate) retry_count: Option<String>,
    /// The whole body, with `parameters`.
    pub(crate) body: Value,
    pub(crate) user_agent: String,
}

impl Sent {
    /// A parameter that was sent with the statement.
    pub(crate) fn parameter(&self, name: &str) -> &Value {
        &self.body["parameters"][name]
    }
}

/// How a statement ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Done,
    Failed,
    Aborted,
    TimedOut,
}

/// One run of a statement.
#[derive(Debug, Clone)]
pub(crate) struct Execution {
    pub(crate) session: i64,
    pub(crate) sql: String,
    pub(crate) request_id: String,
    pub(crate) query_id: String,
    pub(crate) began: Moment,
    pub(crate) ended: Option<(Moment, End)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Abort {
    pub(crate) at: Moment,
    /// The request id or query id that was named.
    pub(crate) named: String,
    /// Whether such a statement ran.
    pub(crate) found: bool,
}

/// One request for a chunk.
#[derive(Debug, Clone)]
pub(crate) struct Fetch {
    pub(crate) query_id: String,
    pub(crate) index: u64,
    /// Whether it came with the headers that the answer asked for.
    pub(crate) with_key: bool,
    /// Whether a token came along, which no storage may see.
    pub(crate) with_token: bool,
}

impl Seen {
    pub(crate) fn requests_to(&self, endpoint: Endpoint) -> usize {
        self.requests.get(&endpoint).copied().unwrap_or(0)
    }

    /// Executions of statements that begin with this.
    pub(crate) fn executions_of(&self, begin: &str) -> Vec<&Execution> {
        self.executions.iter().filter(|run| run.sql.starts_with(begin)).collect()
    }

    /// Query-requests whose statement begins with this.
    pub(crate) fn sent_of(&self, begin: &str) -> Vec<&Sent> {
        self.sent.iter().filter(|sent| sent.sql.starts_with(begin)).collect()
    }
}
