//! `cancel_query`: ends a query that this client began, through whatever worker.

use serde_json::json;

use super::history::{self, One};
use crate::mcp::answer::cell_text;
use crate::mcp::tools::shelf::{Definition, Effect};
use crate::mcp::tools::{Entry, Errand, Reply, ToolError, parsed, position};
use crate::warehouse::{Binding, Context};

/// What the history says of a query that is not over.
const ALIVE: [&str; 5] =
    ["RUNNING", "QUEUED", "BLOCKED", "RESUMING_WAREHOUSE", "QUEUED_REPAIRING_WAREHOUSE"];

pub(super) const ENTRY: Entry = Entry {
    name: "cancel_query",
    toolset: "operations",
    definition,
    call: |errand, arguments| Box::pin(async move { call(errand, parsed(arguments)?).await }),
};

fn definition() -> Definition {
    Definition {
        title: "Cancel a query".into(),
        description: "Ends a running query that this client began; nobody else's.".into(),
        input: history::input_of_one(),
        output: json!({
            "type": "object",
            "properties": {
                "query_id": { "type": "string" },
                "was_running": { "type": "boolean" },
                "answer": { "type": "string" }
            },
            "required": ["query_id", "was_running", "answer"]
        }),
        effect: Effect::Ends,
    }
}

async fn call(errand: &Errand<'_>, arguments: One) -> Result<Reply, ToolError> {
    let (context, found) = history::one(errand, &arguments).await?;
    let query_id = arguments.query_id;
    let at = position(&found, "EXECUTION_STATUS");
    let status = found.rows.first().and_then(|row| row.get(at?)).map(cell_text);
    let Some(status) = status else { return Err(ToolError::NoSuchQuery(query_id)) };
    let was_running = ALIVE.contains(&status.to_uppercase().as_str());
    let answer = if was_running {
        let bindings = vec![Binding::Text(query_id.clone())];
        let context = Context { bindings, ..context };
        let ended = errand.ask("SELECT SYSTEM$CANCEL_QUERY(?)", &context).await?;
        ended.rows.first().and_then(|row| row.first()).map(cell_text).unwrap_or_default()
    } else {
        format!("It is over already: {status}.")
    };
    let structured = json!({ "query_id": query_id, "was_running": was_running, "answer": answer });
    Ok(Reply::new(format!("Query {query_id}: {answer}"), structured))
}
