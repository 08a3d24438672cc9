//! What `database.log` says of a statement: one line, however it ended, also when whoever asked
//! went away.
//!
//! Neither its text nor the warehouse's words about it are here to be read by everybody: the room
//! of the logs writes them down only when the operator says so.

use std::sync::Arc;
use std::time::Duration;

use tracing::field::Empty;
use tracing::{Level, Span};

use super::course::{Course, Part, Spent};
use super::pool::PoolError;
use super::{Answer, Context, WarehouseError};
use crate::clock::{Clock, Moment};
use crate::sql;
use crate::traces;

/// A statement that is on its way.
pub(super) struct Entry<'a> {
    statement: &'a str,
    context: &'a Context,
    clock: Clock,
    began: Moment,
    spent: Arc<Spent>,
    outcome: Outcome,
    span: Span,
}

/// What became of it.
struct Outcome {
    name: &'static str,
    query_id: Option<String>,
    rows: Option<usize>,
    bytes: Option<usize>,
    failure: Option<String>,
}

impl<'a> Entry<'a> {
    /// A statement is asked for; the line is written when this is dropped.
    pub(super) fn begin(statement: &'a str, context: &'a Context, clock: Clock) -> Entry<'a> {
        let outcome =
            Outcome { name: "cancelled", query_id: None, rows: None, bytes: None, failure: None };
        let (began, spent) = (clock.now(), Arc::default());
        let span = tracing::info_span!(
            target: traces::TARGET,
            "statement",
            class = Empty,
            query_id = Empty,
            rows = Empty,
            outcome = Empty,
        );
        Entry { statement, context, clock, began, spent, outcome, span }
    }

    /// What the statement's own work is done within, for whoever follows the request.
    pub(super) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Where the statement's time is to be told.
    pub(super) fn course(&self) -> Course {
        self.context.course.clone().timed(Arc::clone(&self.spent))
    }

    /// It came to this.
    pub(super) fn ended(&mut self, result: &Result<Answer, PoolError>) {
        self.outcome = match result {
            Ok(answer) => Outcome {
                name: "ok",
                query_id: Some(answer.query_id.clone()).filter(|id| !id.is_empty()),
                rows: Some(answer.rows.len()),
                bytes: Some(answer.bytes),
                failure: None,
            },
            Err(error) => Outcome {
                name: outcome(error),
                query_id: None,
                rows: None,
                bytes: None,
                failure: Some(error.to_string()),
            },
        };
    }
}

impl Drop for Entry<'_> {
    fn drop(&mut self) {
        let parts = [Part::Wait, Part::Statement, Part::Fetch];
        let [wait, statement, fetch] = parts.map(|part| self.spent.on(part));
        for (part, time) in parts.into_iter().zip([wait, statement, fetch]) {
            self.context.course.spent(part, time);
        }
        if !is_wanted() {
            return;
        }
        let Outcome { name, query_id, rows, bytes, failure } = &self.outcome;
        let took = self.clock.now().since(self.began);
        let service = self.context.post.as_ref().map(|post| post.path.as_str());
        let class = || sql::decide(self.statement, sql::Level::Read).class().as_str();
        let class = service.is_none().then(class);
        self.span.record("class", class);
        self.span.record("query_id", query_id.as_deref());
        self.span.record("rows", rows);
        self.span.record("outcome", name);
        tracing::info!(
            target: "database",
            outcome = *name,
            class,
            service,
            query_id = query_id.as_deref(),
            query_duration_ms = milliseconds(statement + fetch),
            wait_ms = milliseconds(wait),
            fetch_ms = milliseconds(fetch),
            total_ms = milliseconds(took),
            rows,
            bytes,
            page = self.context.page.as_ref().map(|page| page.offset),
            connection = self.context.connection.as_deref().unwrap_or("default"),
            error_code = failure.as_deref().and_then(code),
            failure = failure.as_deref(),
            statement = self.statement,
            "query"
        );
    }
}

/// Whether anybody reads what is written here.
fn is_wanted() -> bool {
    tracing::enabled!(target: "database", Level::INFO)
}

/// How a statement ended that gave nothing.
fn outcome(error: &PoolError) -> &'static str {
    match error {
        PoolError::Exhausted { .. } => "no_session",
        PoolError::Open { .. } | PoolError::Refused { .. } => "no_login",
        PoolError::Closed => "closing",
        PoolError::Quota(_) => "over_quota",
        PoolError::Warehouse(error) => match error {
            WarehouseError::Statement { .. } | WarehouseError::Service { .. } => "error",
            WarehouseError::Unsupported { .. } => "unsupported",
            WarehouseError::TimedOut { .. } => "timed_out",
            WarehouseError::Cancelled => "cancelled",
            WarehouseError::Connect { .. } | WarehouseError::Settings { .. } => "unreachable",
            WarehouseError::Refused { .. } | WarehouseError::LoggedOut { .. } => "no_login",
            WarehouseError::Interrupted { .. } => "answer_lost",
            WarehouseError::Left { .. } => "left",
        },
    }
}

/// A time in milliseconds, to the microsecond.
pub(crate) fn milliseconds(time: Duration) -> f64 {
    (time.as_secs_f64() * 1_000_000.0).round() / 1000.0
}

/// The warehouse's code of an error: six digits.
pub(crate) fn code(message: &str) -> Option<&str> {
    let digits =
        |at: usize| message.get(at..at + 6).filter(|d| d.bytes().all(|b| b.is_ascii_digit()));
    match message.find("code ") {
        Some(at) => digits(at + 5).or_else(|| digits(0)),
        None => digits(0),
    }
}
