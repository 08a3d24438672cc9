//! `list_warehouses`: the virtual warehouses that a client may use, and how busy each is.

use serde::Deserialize;
use serde_json::json;

use crate::mcp::answer::{self, cell_text};
use crate::mcp::tools::errand::Spot;
use crate::mcp::tools::listing::{self, Shown};
use crate::mcp::tools::shelf::{Definition, Effect, input};
use crate::mcp::tools::{Entry, Errand, Reply, ToolError, parsed, position};

#[derive(Debug, Deserialize)]
struct Arguments {
    connection: Option<String>,
}

pub(super) const ENTRY: Entry = Entry {
    name: "list_warehouses",
    toolset: "operations",
    definition,
    call: |errand, arguments| Box::pin(async move { call(errand, parsed(arguments)?).await }),
};

fn definition() -> Definition {
    Definition {
        title: "List warehouses".into(),
        description: "Lists the virtual warehouses that this client may use: state, size, queries \
                      running and queued."
            .into(),
        input: input(json!({ "connection": { "type": "string" } }), &[]),
        output: answer::output_schema(),
        effect: Effect::Reads,
    }
}

async fn call(errand: &Errand<'_>, arguments: Arguments) -> Result<Reply, ToolError> {
    let Arguments { connection } = arguments;
    let context = errand.stand(&Spot { connection, ..Spot::default() })?;
    let mut listed = errand.ask("SHOW WAREHOUSES", &context).await?;
    let (name, current) = (position(&listed, "name"), position(&listed, "is_current"));
    listed.rows.retain(|row| {
        let text = |at: Option<usize>| at.and_then(|at| row.get(at)).map(cell_text);
        let is_current = text(current).is_some_and(|text| text == "Y");
        is_current || text(name).is_some_and(|name| errand.caller.grant.warehouses.allows(&name))
    });
    let shown = Shown {
        heading: "Warehouses",
        columns: &[
            "name",
            "state",
            "size",
            "running",
            "queued",
            "is_current",
            "auto_suspend",
            "auto_resume",
            "resource_monitor",
            "comment",
        ],
        empty: "None that this client may use.",
    };
    Ok(listing::reply(listed, &shown, errand.limits().characters_max as usize))
}
