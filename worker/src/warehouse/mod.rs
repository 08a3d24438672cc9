//! The one door to data. Nothing above it knows which warehouse it talks to.
//!
//! A [`Warehouse`] opens [`Session`]s; the pool keeps them; tools borrow one for a statement and
//! give it back clean. No role, database, variable or transaction may pass from one borrower to
//! the next: what a statement needs is in its [`Context`].

mod care;
pub mod circuit;
pub(crate) mod collected;
pub mod connections;
pub mod contact;
pub mod course;
#[cfg(feature = "embedded")]
pub mod embedded;
pub(crate) mod journal;
pub mod left;
mod lent;
pub mod open;
mod opener;
pub mod pool;
pub mod running;
pub mod snowflake;
mod timing;

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use course::Course;
use left::{Leave, State};

/// A place where statements can be run, such as an account.
#[async_trait]
pub trait Warehouse: Send + Sync + 'static {
    /// What it is, for people: "the embedded sample account".
    fn name(&self) -> &str;

    /// Opens a session. Called from the pool's own threads.
    ///
    /// # Errors
    /// When the warehouse cannot be reached or does not let us in.
    async fn connect(&self) -> Result<Box<dyn Session>, WarehouseError>;

    /// Forgets that credentials were refused, for an administrator who knows better.
    fn forgive(&self) {}

    /// Whether a statement can be left running here and found again by its name, from any worker.
    fn leaves_running(&self) -> bool {
        false
    }

    /// How far a statement is that was left running.
    ///
    /// # Errors
    /// When the warehouse cannot be asked, or leaves nothing running.
    async fn state(&self, _query_id: &str) -> Result<State, WarehouseError> {
        Err(left::nothing(self.name()))
    }

    /// Ends a statement by its name, whoever began it; true when the warehouse confirms it, false
    /// also when it did not run any more.
    ///
    /// # Errors
    /// When the warehouse cannot be asked, or leaves nothing running.
    async fn end(&self, _query_id: &str) -> Result<bool, WarehouseError> {
        Err(left::nothing(self.name()))
    }
}

/// One authenticated conversation with a warehouse.
#[async_trait]
pub trait Session: Send + 'static {
    /// Runs one statement and collects its answer up to the limits.
    ///
    /// When `cancel` fires, or the future is dropped, the statement is ended at the warehouse too.
    ///
    /// # Errors
    /// See [`WarehouseError`]; each says what a caller can do about it.
    async fn query(
        &mut self,
        statement: &str,
        context: &Context,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result<Answer, WarehouseError>;

    /// Asks a service of the warehouse that is no statement, standing where the context says.
    ///
    /// # Errors
    /// When there is no such service, or it gives no answer.
    async fn post(
        &mut self,
        _post: &Post,
        _context: &Context,
        _limits: &Limits,
        _cancel: &CancellationToken,
    ) -> Result<Value, WarehouseError> {
        Err(WarehouseError::Unsupported {
            warehouse: "this warehouse".to_owned(),
            what: "it has no services beside SQL".to_owned(),
        })
    }

    /// Asks whether the session still lives, when nobody used it for a while.
    async fn check(&mut self) {}

    /// True when the session must not be used again.
    fn is_broken(&self) -> bool;

    /// Says goodbye.
    async fn close(self: Box<Self>);
}

/// What goes along with a statement: where it stands, who asks, its values, and what of its answer
/// is wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    /// The connection whose sessions it is for; the default one without.
    pub connection: Option<String>,
    /// The role; the session's default without one.
    pub role: Option<String>,
    /// The virtual warehouse that computes; the session's default without one.
    pub warehouse: Option<String>,
    /// The database; the session's default without one.
    pub database: Option<String>,
    /// The schema; the session's default without one.
    pub schema: Option<String>,
    /// Who asks.
    pub origin: Origin,
    /// The values of the statement's `?`, in order.
    pub bindings: Vec<Binding>,
    /// How many rows of the answer are to be had later, page by page; as many as are collected,
    /// without.
    pub rows_kept: Option<usize>,
    /// The rows of an answer that the statement gave before, instead of the statement anew.
    pub page: Option<Page>,
    /// Where to tell how far it has come.
    pub course: Course,
    /// What to ask a service, instead of the statement.
    pub post: Option<Post>,
    /// When to leave the statement running.
    pub leave: Leave,
}

/// A question to a service of the warehouse that is no statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Post {
    /// Where the service is, as a path at the warehouse.
    pub path: String,
    /// The question.
    pub body: Value,
}

/// A value that goes along with a statement, beside its text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Binding {
    /// No value.
    Null,
    /// TRUE or FALSE.
    Boolean(bool),
    /// A whole number, in digits.
    Fixed(String),
    /// A number of binary floating point, in digits.
    Real(String),
    /// Text; also what is to be read as a date, a decimal or JSON.
    Text(String),
}

/// Where in an answer that was given before its next rows begin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The warehouse's name for the execution.
    pub query_id: String,
    /// How many rows come before.
    pub offset: u64,
    /// Whether the execution is over, or whose it is.
    pub run: Run,
}

/// What is known of an execution whose answer is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Run {
    /// It is over, or somebody else's to end.
    Kept,
    /// It may run yet, and ends with whoever waits for this answer.
    TakenUp,
}

/// Who asks, as far as it is known; for the account's own history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The client's name and version, as it introduced itself.
    pub client: Option<String>,
    /// The MCP session.
    pub session: Option<String>,
    /// The JSON-RPC request.
    pub request: Option<String>,
    /// The tool that was called.
    pub tool: Option<String>,
    /// The trace that the call is part of, in W3C's form.
    pub traceparent: Option<String>,
    /// The client's name in the configuration, which it has proved.
    pub caller: Option<String>,
    /// Why it asks, in its own words.
    pub reason: Option<String>,
}

/// How much one statement may cost.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most rows that are collected.
    pub rows_max: usize,
    /// The most bytes of cells that are collected.
    pub bytes_max: usize,
    /// How long the statement may run.
    pub timeout: Duration,
}

/// What a statement gave.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The warehouse's name for this execution.
    pub query_id: String,
    /// The columns, in order; present also when there are no rows.
    pub columns: Vec<Column>,
    /// The rows, each with one cell a column.
    pub rows: Vec<Vec<Cell>>,
    /// About how many bytes the rows take.
    pub bytes: usize,
    /// True when there were more rows than the limits allow.
    pub truncated: bool,
    /// How many rows there are altogether, where that is known.
    pub total: Option<u64>,
    /// Whether the warehouse keeps the answer, so that a [`Page`] of it costs no second execution;
    /// one that does not runs the statement again, and gives rows in the same order.
    pub is_kept: bool,
    /// Database that unqualified names were looked up in.
    pub database: Option<String>,
    /// Schema that unqualified names were looked up in.
    pub schema: Option<String>,
}

impl Answer {
    /// What a service answered: one cell.
    #[must_use]
    pub fn of_service(answer: Value) -> Answer {
        let column =
            Column { name: "ANSWER".to_owned(), type_name: "VARIANT".to_owned(), nullable: false };
        let answer = Cell::Json(answer);
        Answer {
            query_id: String::new(),
            columns: vec![column],
            bytes: answer.weight(),
            rows: vec![vec![answer]],
            truncated: false,
            total: None,
            is_kept: false,
            database: None,
            schema: None,
        }
    }
}

/// One column of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name.
    pub name: String,
    /// Its type in Snowflake's words: `NUMBER(38,0)`, `VARCHAR`, `TIMESTAMP_NTZ(9)`.
    pub type_name: String,
    /// Whether it can be NULL.
    pub nullable: bool,
}

/// One value. Numbers are exact: a decimal never passes through binary floating point.
#[derive(Debug, Clone, PartialEq)]
pub enum Cell {
    /// No value.
    Null,
    /// TRUE or FALSE.
    Boolean(bool),
    /// An integer or decimal, written out with all its digits.
    Number(String),
    /// A FLOAT.
    Float(f64),
    /// Text; also dates, times and binary (hexadecimal), written as Snowflake writes them.
    Text(String),
    /// A VARIANT, OBJECT or ARRAY in which every number survives as JSON; others are text.
    Json(serde_json::Value),
}

impl Cell {
    /// About how many bytes the value takes in an answer.
    #[must_use]
    pub fn weight(&self) -> usize {
        match self {
            Cell::Null | Cell::Boolean(_) => 1,
            Cell::Float(_) => 8,
            Cell::Number(text) | Cell::Text(text) => text.len(),
            Cell::Json(value) => value.to_string().len(),
        }
    }
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum WarehouseError {
    /// The statement is wrong; saying it differently may help.
    #[error("{message}")]
    Statement {
        /// The warehouse's words, with a code where it gives one.
        message: String,
    },
    /// A service that is no statement does not do what it was asked; others may.
    #[error("the service answered {status}: {message}")]
    Service {
        /// HTTP's word for it.
        status: u16,
        /// Its own words, with a code where it gives one.
        message: String,
        /// When it makes sense to ask again, where it says so.
        retry_after: Option<Duration>,
    },
    /// This warehouse cannot do that at all.
    #[error("{warehouse} cannot do this: {what}")]
    Unsupported {
        /// Which warehouse.
        warehouse: String,
        /// What is missing, and what to use instead if there is something.
        what: String,
    },
    /// The statement ran longer than it may.
    #[error(
        "the statement was ended after {after:?}, its time limit; ask for less or raise the limit"
    )]
    TimedOut {
        /// The limit.
        after: Duration,
    },
    /// The caller went away or asked for the end.
    #[error("the statement was cancelled")]
    Cancelled,
    /// It was left running, as the caller wished; see [`Leave`].
    #[error("the statement runs on as {query_id}")]
    Left {
        /// The warehouse's name for the execution.
        query_id: String,
    },
    /// The warehouse cannot be reached now, or what it said cannot be understood.
    #[error("no answer from {warehouse}: {reason}")]
    Connect {
        /// Which warehouse.
        warehouse: String,
        /// The reason and the remedy.
        reason: String,
    },
    /// The warehouse does not let these credentials in; trying again cannot help.
    #[error("{warehouse} does not let us in: {reason}")]
    Refused {
        /// Which warehouse.
        warehouse: String,
        /// The reason and the remedy.
        reason: String,
    },
    /// A person has to log in first; nothing was sent, or what the last login left has ended.
    #[error("{warehouse} waits for a person: {reason}")]
    LoggedOut {
        /// Which warehouse.
        warehouse: String,
        /// Who, and how.
        reason: String,
    },
    /// Its settings cannot be used; nothing was sent.
    #[error("cannot use the settings of {warehouse}: {reason}")]
    Settings {
        /// Which warehouse.
        warehouse: String,
        /// What is wrong, and the remedy.
        reason: String,
    },
    /// The answer was lost; the statement may have been carried out.
    #[error("the answer was lost: {reason}")]
    Interrupted {
        /// What happened, and what to do before it is asked again.
        reason: String,
    },
}
