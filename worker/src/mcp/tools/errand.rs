//! One call's way to the warehouse: whose it is, how far it may go, and how much it may ask.
//!
//! Every name that a call says is resolved here as Snowflake does, and held against what its
//! caller may say. Nothing below asks again.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use mcp_protocol::access::{Allowed, Level as Granted};
use mcp_protocol::settings::StatementLimits;
use rmcp::model::JsonObject;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::credits::{Cost, Meter};
use super::{Desk, ToolError};
use crate::access::Caller;
use crate::mcp::edge::resume::Resumable;
use crate::mcp::names::{Name, Path};
use crate::quota::Place;
use crate::sql::{self, Decision, Level};
use crate::warehouse::course::{Course, Stage};
use crate::warehouse::left::Leave;
use crate::warehouse::pool::PoolError;
use crate::warehouse::{Answer, Context, Limits, Origin, Page, Run, WarehouseError};

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
    /// What lets another worker take up its statement, and this one another's.
    pub resumable: Option<Resumable>,
    /// What may come of its own statement.
    pub fate: Fate,
}

/// What a call's own statement may come to, besides an answer that is waited for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Fate {
    /// Nothing else.
    #[default]
    Awaited,
    /// It is left running when it takes longer than this.
    Left(Duration),
    /// It was left running and is over; by this name its answer is fetched.
    Over(String),
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
    /// What lets another worker take up its statement, and this one another's.
    pub resumable: Option<Resumable>,
    /// What may come of its own statement.
    pub fate: Fate,
    /// What its statements cost so far, in millionths of a credit, where somebody counts it.
    pub microcredits: Arc<AtomicU64>,
}

impl<'a> Errand<'a> {
    /// An errand for a tool, or for another method of the protocol.
    #[must_use]
    pub fn new(desk: &'a Desk, what: &str, asked: Asked<'a>) -> Errand<'a> {
        let caller = asked.caller.name.as_deref().map(str::to_owned);
        let origin = Origin { tool: Some(what.to_owned()), caller, ..asked.origin };
        let Asked { caller, cancel, course, resumable, fate, .. } = asked;
        let microcredits = Arc::default();
        Errand { desk, caller, origin, cancel, course, resumable, fate, microcredits }
    }
}

/// Where a call wants its statement to stand, as its client writes it.
#[derive(Debug, Clone, Default, Deserialize)]
pub struct Spot {
    /// The database.
    pub database: Option<String>,
    /// The schema.
    pub schema: Option<String>,
    /// The virtual warehouse.
    pub warehouse: Option<String>,
    /// The role.
    pub role: Option<String>,
    /// The connection.
    pub connection: Option<String>,
}

/// How much of an answer a call wants, and how long it waits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asking {
    /// The most rows.
    pub rows_max: usize,
    /// How long the statement may run.
    pub timeout: Duration,
}

impl Errand<'_> {
    /// Lets a statement pass that its caller may send, and that names no database that the caller
    /// may not; with a value beside it for each `?`, if it has some.
    ///
    /// # Errors
    /// When the caller may not.
    pub fn judge(&self, statement: &str, context: &Context) -> Result<(), ToolError> {
        let decision = match context.bindings.as_slice() {
            [] => sql::decide(statement, self.level()),
            _ => sql::decide_bound(statement, self.level()),
        };
        if let Decision::Refused { reason, .. } = decision {
            return Err(ToolError::Refused(reason));
        }
        match &self.caller.grant.databases {
            Allowed::Any => Ok(()),
            allowed @ Allowed::Only(_) => {
                sql::databases::within(statement, |name| allowed.allows(name))
                    .map_err(ToolError::Refused)
            }
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

    /// A database that the caller may name.
    ///
    /// # Errors
    /// When it is no name, or one that the caller may not say.
    pub fn database(&self, name: &str) -> Result<Name, ToolError> {
        let name = Name::parse(name)?;
        self.may_name_database(&name)?;
        Ok(name)
    }

    /// An object, in a schema and a database unless its own name brings them.
    ///
    /// # Errors
    /// When a part is no name, or one that the caller may not say.
    pub fn path(
        &self,
        object: &str,
        (schema, database): (Option<&str>, &str),
    ) -> Result<Path, ToolError> {
        let schema = schema.map(Name::parse).transpose()?;
        let path = Path::parse(object, schema, Name::parse(database)?)?;
        self.may_name_database(&path.database)?;
        Ok(path)
    }

    fn may_name_database(&self, name: &Name) -> Result<(), ToolError> {
        let databases = &self.caller.grant.databases;
        if databases.allows(name.as_str()) {
            return Ok(());
        }
        Err(ToolError::not_granted("database", name.as_str(), databases))
    }

    /// Where a call's statement will stand.
    ///
    /// # Errors
    /// When it names what is no name, or what its caller may not name.
    pub fn stand(&self, spot: &Spot) -> Result<Context, ToolError> {
        let name = |name: &Option<String>| -> Result<Option<String>, ToolError> {
            let name = name.as_deref().map(Name::parse).transpose()?;
            Ok(name.map(|name| name.as_str().to_owned()))
        };
        // A connection's name is the operator's, and nothing folds it.
        self.desk.connection(spot.connection.as_deref(), self.caller)?;
        let context = Context {
            connection: spot.connection.clone(),
            role: name(&spot.role)?,
            warehouse: name(&spot.warehouse)?,
            database: name(&spot.database)?,
            schema: name(&spot.schema)?,
            ..Context::default()
        };
        self.may_name(&context)?;
        Ok(context)
    }

    /// Whether the caller may name what a context names, now.
    ///
    /// # Errors
    /// With the first name that it may not say, and those that it may.
    pub fn may_name(&self, context: &Context) -> Result<(), ToolError> {
        let grant = &self.caller.grant;
        for (what, name, allowed) in [
            ("role", &context.role, &grant.roles),
            ("warehouse", &context.warehouse, &grant.warehouses),
            ("database", &context.database, &grant.databases),
        ] {
            if let Some(name) = name.as_deref().filter(|name| !allowed.allows(name)) {
                return Err(ToolError::not_granted(what, name, allowed));
            }
        }
        Ok(())
    }

    /// How long a statement may run, when a call wants so many seconds.
    ///
    /// # Errors
    /// When that is longer than this caller's may.
    pub fn timeout(&self, seconds: Option<u64>) -> Result<Duration, ToolError> {
        let most = self.timeout_max();
        match seconds {
            None => Ok(most),
            Some(seconds) if seconds > 0 && Duration::from_secs(seconds) <= most => {
                Ok(Duration::from_secs(seconds))
            }
            Some(seconds) => Err(ToolError::timeout_too_long(seconds, most)),
        }
    }

    fn timeout_max(&self) -> Duration {
        let own = self.caller.grant.quota.statement_timeout;
        let of_all = self.limits().timeout;
        own.map_or(of_all, |own| own.min(of_all))
    }

    /// Runs a statement of our own, whose answer is short.
    ///
    /// # Errors
    /// When the warehouse gives no answer.
    pub async fn ask(&self, statement: &str, context: &Context) -> Result<Answer, ToolError> {
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
    ) -> Result<Answer, ToolError> {
        let asking = Asking { rows_max, timeout: self.timeout_max() };
        self.run(statement, context, asking).await
    }

    /// Runs the statement that the call is about, as its fate wants it; a page of an answer is read
    /// whatever that is.
    ///
    /// # Errors
    /// When the warehouse gives no answer, or the statement was left running.
    pub async fn run_own(
        &self,
        statement: &str,
        context: Context,
        asking: Asking,
    ) -> Result<Answer, ToolError> {
        let context = match (&self.fate, &context.page) {
            (Fate::Awaited, _) | (Fate::Left(_) | Fate::Over(_), Some(_)) => context,
            (Fate::Left(wait), None) => Context { leave: Leave::After(*wait), ..context },
            (Fate::Over(query_id), None) => {
                let page = Page { query_id: query_id.clone(), offset: 0, run: Run::Kept };
                Context { page: Some(page), ..context }
            }
        };
        self.run(statement, &context, asking).await
    }

    /// Runs a statement.
    ///
    /// # Errors
    /// When the warehouse gives no answer.
    pub async fn run(
        &self,
        statement: &str,
        context: &Context,
        asking: Asking,
    ) -> Result<Answer, ToolError> {
        let pool = self.desk.connection(context.connection.as_deref(), self.caller)?;
        let (client, quota) = (self.caller.name.as_deref(), &self.caller.grant.quota);
        let meter = Meter::of(self, statement, context).await?;
        let place = self.desk.quotas.statement(client, quota).map_err(PoolError::from)?;
        let limits = self.limits();
        let limits = Limits {
            rows_max: asking.rows_max.min(limits.rows_max as usize),
            bytes_max: usize::try_from(limits.bytes_max).unwrap_or(usize::MAX),
            timeout: asking.timeout,
        };
        let (course, stage) = self.course.clone().watched();
        let mut context = Context { origin: self.origin.clone(), course, ..context.clone() };
        let resumable = self.resumable.as_ref().filter(|call| call.is_of(statement));
        let resumable = resumable.filter(|_| context.page.is_none());
        if let Some(resumable) = resumable {
            let page = |query_id: &str| Page {
                query_id: query_id.to_owned(),
                offset: 0,
                run: Run::TakenUp,
            };
            context.page = resumable.taken_up().map(page);
            context.leave = resumable.leave();
        }
        let tell = async {
            match resumable {
                Some(call) => call.tell(context.connection.as_deref(), stage.clone()).await,
                None => std::future::pending().await,
            }
        };
        let measure = async {
            match &meter {
                Some(meter) => meter.follow(stage.clone()).await,
                None => std::future::pending().await,
            }
        };
        let answer = tokio::select! {
            answer = pool.query(statement, &context, &limits, self.cancel) => answer,
            never = tell => match never {},
            never = measure => match never {},
        };
        let answer = match answer {
            Err(PoolError::Warehouse(WarehouseError::Left { query_id })) => {
                tokio::spawn(kept_until_over((place, meter.map(Meter::runs_on)), stage));
                return Err(ToolError::Left { query_id, connection: context.connection });
            }
            answer => answer?,
        };
        drop(meter);
        self.desk.quotas.answered(client, quota, answer.bytes as u64);
        Ok(answer)
    }

    /// What this call cost so far, where its caller has a budget.
    #[must_use]
    pub fn cost(&self) -> Option<Cost> {
        let (client, quota) = (self.caller.name.as_deref(), &self.caller.grant.quota);
        let left = self.desk.quotas.credits_left(client, quota)?;
        Some(Cost { microcredits: self.microcredits.load(Ordering::Relaxed), left })
    }

    /// How much one statement may cost, as of now.
    #[must_use]
    pub fn limits(&self) -> StatementLimits {
        self.desk.limits.borrow().clone()
    }

    /// The most rows of one answer.
    #[must_use]
    pub fn rows_max(&self) -> usize {
        self.desk.limits.borrow().rows_max as usize
    }
}

/// Keeps a client's place among statements at once, while one of its statements runs on and costs
/// something.
async fn kept_until_over(kept: (Option<Place>, Option<Meter>), mut stage: watch::Receiver<Stage>) {
    // An error means that nobody will tell of it any more, which ends it as well.
    let _ = stage.wait_for(|stage| *stage == Stage::Ended).await.is_ok();
    drop(kept);
}

/// Arguments as a tool understands them.
///
/// # Errors
/// When they do not fit.
pub fn parsed<A: DeserializeOwned>(arguments: JsonObject) -> Result<A, ToolError> {
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| ToolError::Arguments(error.to_string()))
}
