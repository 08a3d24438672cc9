//! The tools, one file each. Names, parameters and text formats are the ones that clients of the
//! Python server know.

mod describe_view;
mod execute_query;
mod list_databases;
mod list_views;
mod query_view;

use std::sync::Arc;

use futures::future::BoxFuture;
use mcp_protocol::settings::StatementLimits;
use rmcp::model::{JsonObject, Tool, ToolAnnotations};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::names::NameError;
use crate::access::Caller;
use crate::warehouse::connections::{Connections, NoSuchConnection};
use crate::warehouse::pool::{Pool, PoolError};
use crate::warehouse::{Answer, Context, Limits, Origin, WarehouseError};

/// What a tool works with.
#[derive(Clone)]
pub struct Desk {
    /// The accounts that there are, and sessions with each.
    pub connections: Connections,
    /// How much one statement may cost, as of now.
    pub limits: watch::Receiver<StatementLimits>,
}

impl Desk {
    /// Sessions with the account that a call names; with the default one when it names none.
    ///
    /// # Errors
    /// When the caller may name no such connection; which ones it may is told.
    pub fn connection(
        &self,
        name: Option<&str>,
        caller: &Caller,
    ) -> Result<&Pool, NoSuchConnection> {
        self.connections.of(name, caller)
    }
}

/// What a tool gives back when it succeeds.
#[derive(Debug)]
pub struct Reply {
    /// For the reader.
    pub text: String,
    /// For the program, as the tool's output schema says.
    pub structured: Value,
}

/// Why a tool gives nothing back.
#[derive(Debug, thiserror::Error)]
pub enum ToolError {
    /// The arguments do not fit the tool's schema.
    #[error("the arguments do not fit: {0}")]
    Arguments(String),
    /// A name is not a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// The read-only gate does not let the statement pass.
    #[error("the statement was refused: {0}")]
    Refused(String),
    /// The call names a connection that its caller does not have.
    #[error(transparent)]
    Connection(#[from] NoSuchConnection),
    /// The warehouse gave no answer.
    #[error(transparent)]
    Pool(#[from] PoolError),
}

impl ToolError {
    /// The client went away.
    #[must_use]
    pub fn cancelled() -> ToolError {
        ToolError::Pool(PoolError::Warehouse(WarehouseError::Cancelled))
    }

    /// Whether nobody wants the answer any more.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, ToolError::Pool(PoolError::Warehouse(WarehouseError::Cancelled)))
    }

    /// What the client is told: what went wrong and what to do next.
    #[must_use]
    pub fn words(&self) -> String {
        match self {
            ToolError::Arguments(_) => {
                format!("Error: {self}. Call again with arguments as in the tool's schema.")
            }
            ToolError::Name(_) => {
                format!(
                    "Error: {self}. Unquoted names fold to upper case; list_databases and list_views show the names there are."
                )
            }
            ToolError::Refused(_) | ToolError::Connection(_) => format!("Error: {self}"),
            ToolError::Pool(PoolError::Warehouse(WarehouseError::Statement { .. })) => {
                format!(
                    "Error executing query: {self}\nCheck the names with list_databases, list_views and describe_view, then correct the statement."
                )
            }
            // The reason names files and keys; it is in the log, for those who can do something.
            ToolError::Pool(
                PoolError::Refused { .. } | PoolError::Warehouse(WarehouseError::Refused { .. }),
            ) => {
                "Error executing query: the warehouse refuses this server's credentials. Trying again does not help; whoever runs the server must act.".to_owned()
            }
            ToolError::Pool(_) => format!("Error executing query: {self}"),
        }
    }
}

/// One tool: its name, the set it belongs to, how it presents itself and what it does.
pub struct Entry {
    name: &'static str,
    /// One of [`mcp_protocol::access::TOOLSETS`].
    toolset: &'static str,
    definition: fn() -> Definition,
    call: for<'a> fn(&'a Errand<'a>, JsonObject) -> Running<'a>,
}

/// A tool at work.
type Running<'a> = BoxFuture<'a, Result<Reply, ToolError>>;

/// All tools, in the order in which they are listed.
const ENTRIES: [Entry; 5] = [
    list_databases::ENTRY,
    list_views::ENTRY,
    describe_view::ENTRY,
    query_view::ENTRY,
    execute_query::ENTRY,
];

impl Entry {
    /// The tool of this name, if the caller sees it.
    #[must_use]
    pub fn named(name: &str, caller: &Caller) -> Option<&'static Entry> {
        ENTRIES.iter().find(|entry| entry.name == name && caller.sees(entry.toolset))
    }

    /// The tool's name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }
}

/// How a tool presents itself.
struct Definition {
    title: &'static str,
    description: &'static str,
    properties: Value,
    required: &'static [&'static str],
    output: Value,
}

/// The tools as `tools/list` shows them to a caller.
#[must_use]
pub fn listed(caller: &Caller) -> Vec<Tool> {
    ENTRIES.iter().filter(|entry| caller.sees(entry.toolset)).map(tool).collect()
}

/// How the tool of this name presents itself, whoever may call it.
#[must_use]
pub fn definition(name: &str) -> Option<Tool> {
    ENTRIES.iter().find(|entry| entry.name == name).map(tool)
}

/// Runs a tool.
///
/// # Errors
/// See [`ToolError`].
pub async fn call(
    desk: &Desk,
    entry: &Entry,
    arguments: JsonObject,
    asked: Asked<'_>,
) -> Result<Reply, ToolError> {
    let origin = Origin { tool: Some(entry.name.to_owned()), ..asked.origin };
    let errand = Errand { desk, caller: asked.caller, origin, cancel: asked.cancel };
    (entry.call)(&errand, arguments).await
}

/// Who calls a tool, and until when.
pub struct Asked<'a> {
    /// What the account's history is to say of it.
    pub origin: Origin,
    /// Whose call it is, and what that caller may do.
    pub caller: &'a Caller,
    /// Fires when nobody wants the answer any more.
    pub cancel: &'a CancellationToken,
}

/// One call's way to the warehouse.
struct Errand<'a> {
    desk: &'a Desk,
    #[allow(dead_code, reason = "what a caller may say besides a statement is asked of it")]
    caller: &'a Caller,
    origin: Origin,
    cancel: &'a CancellationToken,
}

impl Errand<'_> {
    /// Runs a statement of our own, whose answer is short.
    async fn ask(&self, statement: &str, context: &Context) -> Result<Answer, PoolError> {
        self.fetch(statement, context, self.rows_max()).await
    }

    /// Runs a statement and takes at most so many rows.
    async fn fetch(
        &self,
        statement: &str,
        context: &Context,
        rows_max: usize,
    ) -> Result<Answer, PoolError> {
        let limits = self.desk.limits.borrow().clone();
        let limits = Limits {
            rows_max: rows_max.min(limits.rows_max as usize),
            bytes_max: usize::try_from(limits.bytes_max).unwrap_or(usize::MAX),
            timeout: limits.timeout,
        };
        let context = Context { origin: self.origin.clone(), ..context.clone() };
        self.desk.connections.default_pool().query(statement, &context, &limits, self.cancel).await
    }

    fn rows_max(&self) -> usize {
        self.desk.limits.borrow().rows_max as usize
    }
}

fn tool(entry: &Entry) -> Tool {
    let definition = (entry.definition)();
    let input = json!({
        "type": "object",
        "properties": definition.properties,
        "required": definition.required,
    });
    let annotations = ToolAnnotations::with_title(definition.title)
        .read_only(true)
        .destructive(false)
        .idempotent(true)
        .open_world(false);
    Tool::new(entry.name, definition.description, object(input))
        .with_title(definition.title)
        .with_raw_output_schema(Arc::new(object(definition.output)))
        .with_annotations(annotations)
}

fn object(value: Value) -> JsonObject {
    match value {
        Value::Object(object) => object,
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
            unreachable!("a schema of ours is written as an object")
        }
    }
}

fn parsed<A: DeserializeOwned>(arguments: JsonObject) -> Result<A, ToolError> {
    serde_json::from_value(Value::Object(arguments))
        .map_err(|error| ToolError::Arguments(error.to_string()))
}

/// A row limit as a client wrote it.
fn row_limit(limit: i64) -> Result<usize, ToolError> {
    usize::try_from(limit).ok().filter(|limit| *limit > 0).ok_or_else(|| {
        ToolError::Arguments(format!("`limit` is {limit}; use a whole number from 1 up"))
    })
}

/// Where a column of this name stands in an answer.
fn position(answer: &Answer, column: &str) -> Option<usize> {
    answer.columns.iter().position(|candidate| candidate.name.eq_ignore_ascii_case(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_tool_is_found_by_its_name_and_says_that_it_only_reads() {
        let caller = Caller::local();
        for tool in listed(&caller) {
            assert!(Entry::named(&tool.name, &caller).is_some(), "{}", tool.name);
            let annotations = tool.annotations.expect("annotations");
            assert_eq!(annotations.read_only_hint, Some(true));
        }
        assert!(Entry::named("drop_everything", &caller).is_none());
        assert!(Entry::named("execute_query", &Caller::nobody()).is_none());
    }

    #[test]
    fn schemas_use_no_word_that_a_plain_validator_does_not_know() {
        let text = serde_json::to_string(&listed(&Caller::local())).unwrap();
        assert!(!text.contains("\"format\""), "{text}");
    }

    #[test]
    fn required_parameters_are_among_the_properties() {
        for entry in &ENTRIES {
            let definition = (entry.definition)();
            for name in definition.required {
                assert!(definition.properties.get(name).is_some(), "{name} of {}", entry.name);
            }
        }
    }

    #[test]
    fn a_client_is_not_told_where_refused_credentials_are_remembered() {
        let reason = || "wrong password, until /run/refused-logins/abc is removed".to_owned();
        let warehouse = WarehouseError::Refused { warehouse: "it".to_owned(), reason: reason() };
        for error in [PoolError::Refused { reason: reason() }, PoolError::Warehouse(warehouse)] {
            let words = ToolError::Pool(error).words();
            assert!(words.contains("whoever runs the server"), "{words}");
            assert!(!words.contains("/run") && !words.contains("password"), "{words}");
        }
    }

    #[test]
    fn a_limit_must_be_positive() {
        assert_eq!(row_limit(1).unwrap(), 1);
        assert!(row_limit(0).is_err() && row_limit(-5).is_err());
    }
}
