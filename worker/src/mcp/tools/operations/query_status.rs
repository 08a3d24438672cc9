//! `query_status`: whether a query of this client still runs, and how it ended.

use serde::Deserialize;
use serde_json::json;

use super::history;
use crate::mcp::answer;
use crate::mcp::tools::errand::Spot;
use crate::mcp::tools::listing::{self, Shown};
use crate::mcp::tools::shelf::{Definition, Effect, input};
use crate::mcp::tools::{Entry, Errand, Reply, ToolError, parsed};

#[derive(Debug, Deserialize)]
struct Arguments {
    query_id: String,
    database: Option<String>,
    connection: Option<String>,
}

pub(super) const ENTRY: Entry = Entry {
    name: "query_status",
    toolset: "operations",
    definition,
    call: |errand, arguments| Box::pin(async move { call(errand, parsed(arguments)?).await }),
};

fn definition() -> Definition {
    Definition {
        title: "Status of a query".into(),
        description: "Shows whether a query that this client began still runs, and how it ended."
            .into(),
        input: input(
            json!({
                "query_id": { "type": "string" },
                "database": { "type": "string", "description": "Any: the history is read through one." },
                "connection": { "type": "string" }
            }),
            &["query_id"],
        ),
        output: answer::output_schema(),
        effect: Effect::Reads,
    }
}

async fn call(errand: &Errand<'_>, arguments: Arguments) -> Result<Reply, ToolError> {
    let Arguments { query_id, database, connection } = arguments;
    let context = errand.stand(&Spot { database, connection, ..Spot::default() })?;
    let found = history::own(errand, &context, (Some(&query_id), 1)).await?;
    if found.rows.is_empty() {
        return Err(ToolError::NoSuchQuery(query_id));
    }
    let shown = Shown { heading: "Query", columns: &history::COLUMNS, empty: "" };
    Ok(listing::reply(found, &shown, errand.limits().characters_max as usize))
}
