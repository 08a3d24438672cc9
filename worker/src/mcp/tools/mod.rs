//! The tools, one file each. Names, parameters and text formats of the first five are the ones
//! that clients of the Python server know.
//!
//! A tool gets an [`Errand`] and its arguments and gives a [`Reply`]; which tools there are, and
//! who sees them, is the [`shelf`]'s. Nothing here knows MCP's transport.

mod catalog;
pub mod credits;
pub mod cursor;
mod describe_view;
pub mod errand;
mod error;
mod execute_query;
pub mod guard;
pub mod hints;
mod list_databases;
mod list_views;
mod listing;
mod operations;
pub mod parameters;
mod query_view;
pub mod results;
pub mod shelf;

use std::sync::{Arc, LazyLock};

use mcp_protocol::relay::SealingKeys;
use mcp_protocol::settings::StatementLimits;
use rmcp::model::JsonObject;
use serde_json::{Value, json};
use tokio::sync::watch;

use self::credits::Prices;
use self::cursor::Cursors;
use self::errand::{Asked, Errand, parsed};
pub use self::error::ToolError;
use self::shelf::{Callable, Configured, Definition, Effect, Entry, Shelf, input};
use crate::access::Caller;
use crate::quota::Quotas;
use crate::warehouse::Answer;
use crate::warehouse::connections::{Connections, NoSuchConnection};
use crate::warehouse::pool::Pool;

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
    /// What seals the cursors of long answers.
    pub cursors: Arc<Cursors>,
    /// What statements cost where they stand.
    pub prices: Prices,
}

/// What a tool gives back when it succeeds.
#[derive(Debug)]
pub struct Reply {
    /// For the reader.
    pub text: String,
    /// For the program, as the tool's output schema says.
    pub structured: Value,
    /// Where the whole answer can be read, when this is only its beginning.
    pub link: Option<Link>,
}

/// A resource that an answer points to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// Its address.
    pub uri: String,
    /// What it is, for people.
    pub name: String,
    /// What is in it.
    pub description: String,
    /// In which form.
    pub mime_type: &'static str,
}

impl Reply {
    /// A whole answer.
    #[must_use]
    pub fn new(text: String, structured: Value) -> Reply {
        Reply { text, structured, link: None }
    }
}

/// All fixed tools, in the order in which they are listed. Those of the former official server come
/// first: who asks for that set wants its tools, also where another has one of the same name.
static FIXED: LazyLock<Configured> = LazyLock::new(|| {
    let origin = [
        list_databases::ENTRY,
        list_views::ENTRY,
        describe_view::ENTRY,
        query_view::ENTRY,
        execute_query::ENTRY,
    ];
    let entries = [&origin[..], &catalog::CORE, &catalog::CATALOG, &operations::ENTRIES].concat();
    let entries = entries.into_iter().map(|entry| Arc::new(entry) as Arc<dyn Callable>);
    Arc::new(super::official::tools().into_iter().chain(entries).collect())
});

impl Desk {
    /// A desk with the fixed tools.
    #[must_use]
    pub fn new(connections: Connections, limits: watch::Receiver<StatementLimits>) -> Desk {
        let (_, configured) = watch::channel(Configured::default());
        let quotas = Quotas::own(Arc::default());
        let (_, keys) = watch::channel(SealingKeys::default());
        let cursors = Arc::new(Cursors::new(keys));
        let shelf = Shelf::new(Arc::clone(&FIXED), configured);
        Desk { connections, limits, shelf, quotas, cursors, prices: Prices::default() }
    }

    /// The same with limits that other workers share.
    #[must_use]
    pub fn with_quotas(self, quotas: Quotas) -> Desk {
        Desk { quotas, ..self }
    }

    /// The same with keys that all workers share, so that each opens the cursors of the others.
    #[must_use]
    pub fn with_sealing_keys(self, keys: watch::Receiver<SealingKeys>) -> Desk {
        Desk { cursors: Arc::new(Cursors::new(keys)), ..self }
    }

    /// The same with configured tools, as of now.
    #[must_use]
    pub fn with_configured(self, configured: watch::Receiver<Configured>) -> Desk {
        Desk { shelf: Shelf::new(Arc::clone(&FIXED), configured), ..self }
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

/// Whether a tool of this name is one that every worker has.
#[must_use]
pub fn is_fixed(name: &str) -> bool {
    FIXED.iter().any(|tool| tool.name() == name)
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
    tool.call(&Errand::new(desk, tool.name(), asked), arguments).await
}

/// Adds the arguments by which a call says where its statement stands; see [`errand::Spot`].
fn names_of_place(properties: &mut Value) {
    for name in ["database", "schema", "warehouse", "role", "connection"] {
        properties[name] = json!({ "type": "string" });
    }
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
        Shelf::new(Arc::clone(&FIXED), watch::channel(Configured::default()).1)
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
        for tool in FIXED.iter() {
            let Definition { input, .. } = tool.definition();
            for name in input["required"].as_array().into_iter().flatten() {
                let name = name.as_str().unwrap_or_default();
                assert!(input["properties"].get(name).is_some(), "{name} of {}", tool.name());
            }
        }
    }
    #[test]
    fn a_limit_must_be_positive() {
        assert_eq!(row_limit(1).unwrap(), 1);
        assert!(row_limit(0).is_err() && row_limit(-5).is_err());
    }
}
