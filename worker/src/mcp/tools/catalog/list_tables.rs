//! `list_tables`: which tables and views a schema, or a whole database, has, and how large they are.

use serde::Deserialize;
use serde_json::json;

use super::kinds;
use crate::mcp::answer;
use crate::mcp::names::Name;
use crate::mcp::tools::listing::{self, Shown};
use crate::mcp::tools::shelf::{Definition, Effect, input};
use crate::mcp::tools::{Entry, Errand, Reply, ToolError, hints, parsed};
use crate::warehouse::Context;

#[derive(Debug, Deserialize)]
struct Arguments {
    database: String,
    schema: Option<String>,
}

pub(super) const ENTRY: Entry = Entry {
    name: "list_tables",
    toolset: "catalog",
    definition,
    call: |errand, arguments| Box::pin(async move { call(errand, parsed(arguments)?).await }),
};

fn definition() -> Definition {
    Definition {
        title: "List tables".into(),
        description: "Lists the tables of a schema, or of all schemas of the database, with rows \
                      and bytes."
            .into(),
        input: input(
            json!({ "database": { "type": "string" }, "schema": { "type": "string" } }),
            &["database"],
        ),
        output: answer::output_schema(),
        effect: Effect::Reads,
    }
}

async fn call(errand: &Errand<'_>, arguments: Arguments) -> Result<Reply, ToolError> {
    let database = errand.database(&arguments.database)?;
    let schema = arguments.schema.as_deref().map(Name::parse).transpose()?;
    let within = kinds::named("table")?.within(Some(&database), schema.as_ref());
    let context = Context {
        database: Some(database.as_str().to_owned()),
        schema: schema.as_ref().map(|schema| schema.as_str().to_owned()),
        ..Context::default()
    };
    let listed = match errand.ask(&format!("SHOW TABLES{within}"), &context).await {
        Ok(listed) => listed,
        Err(error) => return Err(hints::helped(errand, &context, error).await),
    };
    let place = match &schema {
        Some(schema) => format!("{database}.{schema}"),
        None => database.to_string(),
    };
    let shown = Shown {
        heading: &format!("Tables of {place}"),
        columns: &["schema_name", "name", "kind", "rows", "bytes", "comment"],
        empty: "None that this role can see; list_views shows the views.",
    };
    Ok(listing::reply(listed, &shown, errand.limits().characters_max as usize))
}
