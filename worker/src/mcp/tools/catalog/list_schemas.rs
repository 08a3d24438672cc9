//! `list_schemas`: which schemas a database has.

use serde::Deserialize;
use serde_json::json;

use crate::mcp::answer;
use crate::mcp::tools::listing::{self, Shown};
use crate::mcp::tools::shelf::{Definition, Effect, input};
use crate::mcp::tools::{Entry, Errand, Reply, ToolError, hints, parsed};
use crate::warehouse::Context;

#[derive(Debug, Deserialize)]
struct Arguments {
    database: String,
}

pub(super) const ENTRY: Entry = Entry {
    name: "list_schemas",
    toolset: "catalog",
    definition,
    call: |errand, arguments| Box::pin(async move { call(errand, parsed(arguments)?).await }),
};

fn definition() -> Definition {
    Definition {
        title: "List schemas".into(),
        description: "Lists the schemas of a database.".into(),
        input: input(json!({ "database": { "type": "string" } }), &["database"]),
        output: answer::output_schema(),
        effect: Effect::Reads,
    }
}

async fn call(errand: &Errand<'_>, arguments: Arguments) -> Result<Reply, ToolError> {
    let database = errand.database(&arguments.database)?;
    let context = Context { database: Some(database.as_str().to_owned()), ..Context::default() };
    let statement = format!("SHOW SCHEMAS IN DATABASE {}", database.quoted());
    let listed = match errand.ask(&statement, &context).await {
        Ok(listed) => listed,
        Err(error) => return Err(hints::helped(errand, &context, error).await),
    };
    let shown = Shown {
        heading: &format!("Schemas of {database}"),
        columns: &["name", "owner", "comment", "created_on"],
        empty: "None that this role can see.",
    };
    Ok(listing::reply(listed, &shown, errand.limits().characters_max as usize))
}
