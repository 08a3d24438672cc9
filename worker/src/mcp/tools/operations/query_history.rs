//! `query_history`: what this client asked lately, how it ended and what it cost.

use serde::Deserialize;
use serde_json::json;

use super::history;
use crate::mcp::answer;
use crate::mcp::tools::errand::Spot;
use crate::mcp::tools::listing::{self, Shown};
use crate::mcp::tools::shelf::{Definition, Effect, input};
use crate::mcp::tools::{Entry, Errand, Reply, ToolError, parsed, row_limit};

#[derive(Debug, Deserialize)]
struct Arguments {
    database: Option<String>,
    connection: Option<String>,
    #[serde(default = "limit_default")]
    limit: i64,
}

fn limit_default() -> i64 {
    20
}

pub(super) const ENTRY: Entry = Entry {
    name: "query_history",
    toolset: "operations",
    definition,
    call: |errand, arguments| Box::pin(async move { call(errand, parsed(arguments)?).await }),
};

fn definition() -> Definition {
    Definition {
        title: "Query history".into(),
        description: "Lists this client's queries of the last 7 days, latest first: status, \
                      milliseconds, bytes scanned, warehouse."
            .into(),
        input: input(
            json!({
                "limit": { "type": "integer", "minimum": 1, "default": limit_default() },
                "database": { "type": "string", "description": "Any: the history is read through one." },
                "connection": { "type": "string" }
            }),
            &[],
        ),
        output: answer::output_schema(),
        effect: Effect::Reads,
    }
}

async fn call(errand: &Errand<'_>, arguments: Arguments) -> Result<Reply, ToolError> {
    let rows_max = row_limit(arguments.limit)?.min(errand.rows_max());
    let Arguments { database, connection, .. } = arguments;
    let context = errand.stand(&Spot { database, connection, ..Spot::default() })?;
    let found = history::own(errand, &context, (None, rows_max)).await?;
    let shown = Shown {
        heading: "Queries of this client",
        columns: &history::COLUMNS,
        empty: "None in the last 7 days.",
    };
    Ok(listing::reply(found, &shown, errand.limits().characters_max as usize))
}
