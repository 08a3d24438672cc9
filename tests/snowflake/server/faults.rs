//! What is to go wrong, where, and how often.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::http::Request;

/// The doors of the service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Endpoint {
    Login,
    /// Where a browser is to go.
    Page,
    /// The page itself, which leads the browser back.
    Person,
    Renew,
    Heartbeat,
    Close,
    Query,
    Result,
    Abort,
    /// How far a statement is.
    Monitor,
    Chunk,
    /// The REST interface.
    Rest,
    /// Anything else, such as a place for uploads.
    Other,
}

impl Endpoint {
    pub(crate) fn of(request: &Request) -> Endpoint {
        let parts: Vec<&str> = request.path.split('/').skip(1).collect();
        match (request.method.as_str(), parts.as_slice()) {
            ("POST", ["session", "v1", "login-request"]) => Endpoint::Login,
            ("POST", ["session", "authenticator-request"]) => Endpoint::Page,
            ("GET", ["fed" | "console", "login"]) => Endpoint::Person,
            ("POST", ["session", "token-request"]) => Endpoint::Renew,
            ("POST", ["session", "heartbeat"]) => Endpoint::Heartbeat,
            ("POST", ["session"]) if request.argument("delete") == Some("true") => Endpoint::Close,
            ("POST", ["queries", "v1", "query-request"]) => Endpoint::Query,
            ("GET", ["queries", _, "result"]) => Endpoint::Result,
            ("POST", ["queries", _, "abort-request"]) => Endpoint::Abort,
            ("GET", ["monitoring", "queries", _]) => Endpoint::Monitor,
            ("GET", ["chunks", ..]) => Endpoint::Chunk,
            ("POST", ["api", "v2", ..]) => Endpoint::Rest,
            _ => Endpoint::Other,
        }
    }
}

/// One thing that goes wrong with one request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Refused in Snowflake's words; nothing is executed. `data` is an object, as most are.
    Refused { code: &'static str, message: &'static str },
    /// The same with `data: null`.
    RefusedBare { code: &'static str, message: &'static str },
    /// Success, and `data: null`.
    Nothing,
    /// An HTTP status with a page for people, or XML where chunks are. Nothing is executed.
    Status { status: u16, retry_after: Option<u32> },
    /// Sent elsewhere with 307, to this address. Nothing is executed.
    Redirect(String),
    /// The session's token has expired: 390112 until it is renewed. Nothing is executed.
    TokenExpired,
    /// The same, told by HTTP 401.
    TokenExpired401,
    /// The statement is executed, the token expires meanwhile, and only that is told.
    TokenExpiredMeanwhile,
    /// The token has expired and the master token as well, so that a renewal gives 390114.
    MasterExpired,
    /// The session is gone, told with this code: 390111, 390114.
    SessionGone(&'static str),
    /// Read, and reset; nothing is executed.
    ResetBefore,
    /// Executed, and reset without an answer.
    ResetAfter,
    /// Executed, and reset in the middle of the body.
    ResetHalfway,
    /// Executed; the connection ends in the middle of the body.
    Truncated,
    /// Executed; half of the body, with a head that fits it.
    CutShort,
    /// Executed; the body comes so many bytes at a time.
    Drip { bytes: usize, every: Duration },
    /// Read, and never answered; nothing is executed.
    Hang,
    /// Executed, and never answered.
    HangAfter,
    /// Executed; the body is no JSON and no Arrow.
    Garbage,
    /// Executed; the body is empty.
    Empty,
    /// Executed; the right body as `text/html`.
    WrongType,
    /// Executed; the first column has a type that nobody knows.
    UnknownColumnType,
    /// Executed; without the fields that a client can do without.
    Sparse,
}

struct Rule {
    endpoint: Endpoint,
    /// What the statement begins with, in upper case; empty fits all.
    statement: String,
    skip: usize,
    left: usize,
    fault: Fault,
}

/// The rules that are left, oldest first.
#[derive(Default)]
pub(crate) struct Faults {
    rules: Mutex<Vec<Rule>>,
}

impl Faults {
    pub(crate) fn add(
        &self,
        endpoint: Endpoint,
        statement: &str,
        (skip, times): (usize, usize),
        fault: Fault,
    ) {
        let statement = statement.to_uppercase();
        self.rules().push(Rule { endpoint, statement, skip, left: times, fault });
    }

    pub(crate) fn clear(&self) {
        self.rules().clear();
    }

    /// The fault of this request, which is used up by it.
    pub(crate) fn take(&self, endpoint: Endpoint, statement: &str) -> Option<Fault> {
        let statement = statement.trim_start().to_uppercase();
        let mut rules = self.rules();
        let fits = |rule: &&mut Rule| {
            rule.endpoint == endpoint && rule.left > 0 && statement.starts_with(&rule.statement)
        };
        let rule = rules.iter_mut().find(fits)?;
        if rule.skip > 0 {
            rule.skip -= 1;
            return None;
        }
        rule.left -= 1;
        Some(rule.fault.clone())
    }

    fn rules(&self) -> std::sync::MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
