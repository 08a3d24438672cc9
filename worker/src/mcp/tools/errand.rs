//! One call's way to the warehouse: whose it is, how far it may go, and how much it may ask.

use mcp_protocol::access::Level as Granted;
use rmcp::model::JsonObject;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::{Desk, ToolError};
use crate::access::Caller;
use crate::sql::{self, Decision, Level};
use crate::warehouse::collected::weight;
use crate::warehouse::course::Course;
use crate::warehouse::pool::PoolError;
use crate::warehouse::{Answer, Context, Limits, Origin};

/// Who calls a tool, and until when.
pub struct Asked<'a> {
    /// What the account's history is to say of it.
    pub origin: Origin,
    /// Whose call it is, and what that caller may do.
    pub caller: &'a Caller,
    /// Fires when nobody wants the answer any more.
    pub cancel: &'a CancellationToken,
    /// Where to tell how far its statements have come.
    pub course: Course,
}

/// One call's way to the warehouse.
pub struct Errand<'a> {
    /// What the tool works with.
    pub desk: &'a Desk,
    /// Whose call it is.
    pub caller: &'a Caller,
    /// What the account's history is to say of it.
    pub origin: Origin,
    /// Fires when nobody wants the answer any more.
    pub cancel: &'a CancellationToken,
    /// Where to tell how far its statements have come.
    pub course: Course,
}

impl<'a> Errand<'a> {
    /// An errand for a tool, or for another method of the protocol.
    #[must_use]
    pub fn new(desk: &'a Desk, what: &str, asked: Asked<'a>) -> Errand<'a> {
        let origin = Origin { tool: Some(what.to_owned()), ..asked.origin };
        Errand { desk, caller: asked.caller, origin, cancel: asked.cancel, course: asked.course }
    }
}

impl Errand<'_> {
    /// Lets a statement pass that its caller may send.
    ///
    /// # Errors
    /// When the caller may not.
    pub fn judge(&self, statement: &str) -> Result<(), ToolError> {
        match sql::decide(statement, self.level()) {
            Decision::Allowed { .. } => Ok(()),
            Decision::Refused { reason, .. } => Err(ToolError::Refused(reason)),
        }
    }

    /// How far the caller's statements may go.
    #[must_use]
    pub fn level(&self) -> Level {
        match self.caller.grant.level {
            Granted::Read => Level::Read,
            Granted::Write => Level::Write,
            Granted::Destructive => Level::Destructive,
        }
    }

    /// Runs a statement of our own, whose answer is short.
    ///
    /// # Errors
    /// When the warehouse gives no answer.
    pub async fn ask(&self, statement: &str, context: &Context) -> Result<Answer, PoolError> {
        self.fetch(statement, context, self.rows_max()).await
    }

    /// Runs a statement and takes at most so many rows.
    ///
    /// # Errors
    /// When the warehouse gives no answer.
    pub async fn fetch(
        &self,
        statement: &str,
        context: &Context,
        rows_max: usize,
    ) -> Result<Answer, PoolError> {
        let (client, quota) = (self.caller.name.as_deref(), &self.caller.grant.quota);
        let _place = self.desk.quotas.statement(client, quota)?;
        let limits = self.desk.limits.borrow().clone();
        let limits = Limits {
            rows_max: rows_max.min(limits.rows_max as usize),
            bytes_max: usize::try_from(limits.bytes_max).unwrap_or(usize::MAX),
            timeout: quota.statement_timeout.unwrap_or(limits.timeout).min(limits.timeout),
        };
        let context =
            Context { origin: self.origin.clone(), course: self.course.clone(), ..context.clone() };
        let pool = self.desk.connections.default_pool();
        let answer = pool.query(statement, &context, &limits, self.cancel).await?;
        let bytes = answer.rows.iter().flatten().map(weight).sum::<usize>();
        self.desk.quotas.answered(client, quota, bytes as u64);
        Ok(answer)
    }

    /// The most rows of one answer.
    #[must_use]
    pub fn rows_max(&self) -> usize {
        self.desk.limits.borrow().rows_max as usize
    }
}

/// Arguments as a tool understands them.
///
/// # Errors
/// When they do not fit.
pub fn parsed<A: DeserializeOwned>(arguments: JsonObject) -> Result<A, ToolError> {
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| ToolError::Arguments(error.to_string()))
}
