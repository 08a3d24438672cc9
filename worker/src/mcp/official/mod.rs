//! The tools of the former official server, by their names and parameters, so that who used it
//! need only change an address.
//!
//! Behind them is what is behind the others: names are parsed and quoted, every statement passes
//! the gate at its caller's level, answers are bounded. What made or dropped an object there is
//! shown only to clients that may do so.

mod objects;
mod semantic;
mod target;

use std::sync::Arc;

use mcp_protocol::access::Level;
use rmcp::model::JsonObject;
use serde::Deserialize;
use serde_json::json;

use super::answer;
use super::names::Name;
use super::tools::errand::{Asking, Errand, parsed};
use super::tools::results::{Question, first_or_next};
use super::tools::shelf::{Callable, Definition, Effect, Entry, ROWS_DEFAULT, Running, input};
use super::tools::{Reply, ToolError, guard};
use crate::access::Caller;
use crate::warehouse::Context;

/// The set that they belong to.
const TOOLSET: &str = "official";

/// One tool, and how far its caller must be allowed to go to see it.
struct Tool {
    entry: Entry,
    level: Level,
}

/// All of them, in the order in which they are listed.
#[must_use]
pub(super) fn tools() -> Vec<Arc<dyn Callable>> {
    let reading = [QUERY, objects::LIST, objects::DESCRIBE].into_iter().chain(semantic::ENTRIES);
    let reading = reading.map(|entry| Tool { entry, level: Level::Read });
    let changing = [
        Tool { entry: objects::CREATE, level: Level::Write },
        Tool { entry: objects::CREATE_OR_ALTER, level: Level::Destructive },
        Tool { entry: objects::DROP, level: Level::Destructive },
    ];
    reading.chain(changing).map(|tool| Arc::new(tool) as Arc<dyn Callable>).collect()
}

impl Callable for Tool {
    fn name(&self) -> &str {
        self.entry.name
    }

    fn label(&self) -> &'static str {
        self.entry.name
    }

    fn toolset(&self) -> &'static str {
        TOOLSET
    }

    fn is_for(&self, caller: &Caller) -> bool {
        caller.sees(TOOLSET) && caller.grant.level >= self.level
    }

    fn definition(&self) -> Definition {
        (self.entry.definition)()
    }

    fn call<'a>(&'a self, errand: &'a Errand<'a>, arguments: JsonObject) -> Running<'a> {
        (self.entry.call)(errand, arguments)
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct QueryArguments {
    statement: String,
    cursor: Option<String>,
}

/// `run_snowflake_query`: any one statement that its caller may send.
const QUERY: Entry = Entry {
    name: "run_snowflake_query",
    toolset: TOOLSET,
    definition: || Definition {
        title: "Run a query".into(),
        description: "Runs one SQL statement in Snowflake's dialect, as far as this client may go."
            .into(),
        input: input(
            json!({
                "statement": { "type": "string", "description": "One statement." },
                "cursor": { "type": "string", "description": "`next_cursor` of the same call." }
            }),
            &["statement"],
        ),
        output: answer::output_schema(),
        effect: Effect::AsGranted,
    },
    call: |errand, arguments| {
        Box::pin(async move {
            let QueryArguments { statement, cursor } = parsed(arguments)?;
            query(errand, &statement, cursor.as_deref(), &Context::default()).await
        })
    },
};

/// Runs a statement that a caller wrote, or one that holds parts that it wrote.
pub(in crate::mcp) async fn query(
    errand: &Errand<'_>,
    statement: &str,
    cursor: Option<&str>,
    context: &Context,
) -> Result<Reply, ToolError> {
    let context = context.clone();
    errand.judge(statement, &context)?;
    let asking = Asking { rows_max: ROWS_DEFAULT, timeout: errand.timeout(None)? };
    let question = Question { statement, context, asking };
    if cursor.is_none() {
        guard::check(errand, &question).await?;
    }
    let results = first_or_next(errand, question, cursor).await?;
    let mut text = answer::table(&results.answer);
    text.push_str(&results.ending());
    Ok(Reply { text, structured: results.structured(), link: results.link })
}

/// Runs a statement that was put together here.
async fn own(errand: &Errand<'_>, statement: &str) -> Result<Reply, ToolError> {
    let context = Context::default();
    errand.judge(statement, &context)?;
    let mut found = errand.ask(statement, &context).await?;
    answer::fit(&mut found, errand.limits().characters_max as usize);
    let mut text = answer::table(&found);
    if found.truncated {
        text.push_str("\n\nThere are more rows than are shown; look for less.");
    }
    Ok(Reply::new(text, answer::structured(&found)))
}

/// The place that a list is of: the account, a database or a schema, as it stands in SHOW.
fn scope(
    errand: &Errand<'_>,
    database: Option<&str>,
    schema: Option<&str>,
) -> Result<String, ToolError> {
    let database = database.map(|name| errand.database(name)).transpose()?;
    let schema = schema.map(Name::parse).transpose()?;
    match (database, schema) {
        (Some(database), Some(schema)) => {
            Ok(format!(" IN SCHEMA {}.{}", database.quoted(), schema.quoted()))
        }
        (Some(database), None) => Ok(format!(" IN DATABASE {}", database.quoted())),
        (None, Some(_)) => {
            Err(ToolError::Arguments("`schema_name` needs `database_name` beside it".to_owned()))
        }
        (None, None) => match &errand.caller.grant.databases {
            mcp_protocol::access::Allowed::Any => Ok(" IN ACCOUNT".to_owned()),
            mcp_protocol::access::Allowed::Only(_) => Err(ToolError::Arguments(
                "name a database: this client may not look through the whole account".to_owned(),
            )),
        },
    }
}
