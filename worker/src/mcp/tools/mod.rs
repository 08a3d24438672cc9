//! The tools, one file each. Names, parameters and text formats of the first five are the ones
//! that clients of the Python server know.
//!
//! A tool gets an [`Errand`] and its arguments and gives a [`Reply`]; which tools there are, and
//! who sees them, is the [`shelf`]'s. Nothing here knows MCP's transport.

mod describe_view;
pub mod errand;
mod execute_query;
mod list_databases;
mod list_views;
mod query_view;
pub mod shelf;

use std::sync::Arc;

use mcp_protocol::settings::StatementLimits;
use rmcp::model::JsonObject;
use serde_json::Value;
use tokio::sync::watch;

use self::errand::{Asked, Errand, parsed};
use self::shelf::{Callable, Configured, Definition, Effect, Entry, Shelf, input};
use super::names::NameError;
use crate::access::Caller;
use crate::quota::Quotas;
use crate::warehouse::connections::{Connections, NoSuchConnection};
use crate::warehouse::pool::{Pool, PoolError};
use crate::warehouse::{Answer, WarehouseError};

/// What a tool works with.
#[derive(Clone)]
pub struct Desk {
    /// The accounts that there are, and sessions with each.
    pub connections: Connections,
    /// How much one statement may cost, as of now.
    pub limits: watch::Receiver<StatementLimits>,
    /// The tools.
    pub shelf: Shelf,
    /// How much each client may ask.
    pub quotas: Quotas,
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
            ToolError::Pool(PoolError::Quota(_)) => format!("Error: the statement was not run: {self}."),
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

/// All fixed tools, in the order in which they are listed.
pub const ENTRIES: [Entry; 5] = [
    list_databases::ENTRY,
    list_views::ENTRY,
    describe_view::ENTRY,
    query_view::ENTRY,
    execute_query::ENTRY,
];

impl Desk {
    /// A desk with the fixed tools.
    #[must_use]
    pub fn new(connections: Connections, limits: watch::Receiver<StatementLimits>) -> Desk {
        let (_, configured) = watch::channel(Configured::default());
        let quotas = Quotas::own(Arc::default());
        Desk { connections, limits, shelf: Shelf::new(&ENTRIES, configured), quotas }
    }

    /// The same with limits that other workers share.
    #[must_use]
    pub fn with_quotas(self, quotas: Quotas) -> Desk {
        Desk { quotas, ..self }
    }

    /// The same with configured tools, as of now.
    #[must_use]
    pub fn with_configured(self, configured: watch::Receiver<Configured>) -> Desk {
        Desk { shelf: Shelf::new(&ENTRIES, configured), ..self }
    }

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

/// Runs a tool.
///
/// # Errors
/// See [`ToolError`].
pub async fn call(
    desk: &Desk,
    tool: &dyn Callable,
    arguments: JsonObject,
    asked: Asked<'_>,
) -> Result<Reply, ToolError> {
    let errand = Errand::new(desk, tool.name(), asked);
    tool.call(&errand, arguments).await
}

/// A row limit as a client wrote it.
fn row_limit(limit: i64) -> Result<usize, ToolError> {
    usize::try_from(limit).ok().filter(|limit| *limit > 0).ok_or_else(|| {
        ToolError::Arguments(format!("`limit` is {limit}; use a whole number from 1 up"))
    })
}

/// Where a column of this name stands in an answer.
pub(in crate::mcp) fn position(answer: &Answer, column: &str) -> Option<usize> {
    answer.columns.iter().position(|candidate| candidate.name.eq_ignore_ascii_case(column))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::access::Caller;

    fn shelf() -> Shelf {
        Shelf::new(&ENTRIES, watch::channel(Configured::default()).1)
    }

    #[test]
    fn every_tool_is_found_by_its_name_and_says_that_it_only_reads() {
        let caller = Caller::local();
        for tool in shelf().listed(&caller) {
            assert!(shelf().named(&tool.name, &caller).is_some(), "{}", tool.name);
            let annotations = tool.annotations.expect("annotations");
            assert_eq!(annotations.read_only_hint, Some(true));
        }
        assert!(shelf().named("drop_everything", &caller).is_none());
        assert!(shelf().named("execute_query", &Caller::nobody()).is_none());
    }

    #[test]
    fn schemas_use_no_word_that_a_plain_validator_does_not_know() {
        let text = serde_json::to_string(&shelf().listed(&Caller::local())).unwrap();
        assert!(!text.contains("\"format\""), "{text}");
    }

    #[test]
    fn required_parameters_are_among_the_properties() {
        for entry in &ENTRIES {
            let Definition { input, .. } = (entry.definition)();
            for name in input["required"].as_array().into_iter().flatten() {
                let name = name.as_str().unwrap_or_default();
                assert!(input["properties"].get(name).is_some(), "{name} of {}", entry.name);
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
