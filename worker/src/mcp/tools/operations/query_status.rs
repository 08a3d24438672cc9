//! `query_status`: whether a query of this client still runs, and how it ended.

use super::history::{self, One};
use crate::mcp::answer;
use crate::mcp::tools::listing::{self, Shown};
use crate::mcp::tools::shelf::{Definition, Effect};
use crate::mcp::tools::{Entry, Errand, Reply, ToolError, parsed};

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
        input: history::input_of_one(),
        output: answer::output_schema(),
        effect: Effect::Reads,
    }
}

async fn call(errand: &Errand<'_>, arguments: One) -> Result<Reply, ToolError> {
    let (_, found) = history::one(errand, &arguments).await?;
    if found.rows.is_empty() {
        return Err(ToolError::NoSuchQuery(arguments.query_id));
    }
    let shown = Shown { heading: "Query", columns: &history::COLUMNS, empty: "" };
    Ok(listing::reply(found, &shown, errand.limits().characters_max as usize))
}
