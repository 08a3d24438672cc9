//! `sample_rows`: a few rows of a table from anywhere in it, where `query_view` shows the first.

use serde::Deserialize;
use serde_json::json;

use crate::mcp::answer;
use crate::mcp::tools::shelf::{Definition, Effect, input};
use crate::mcp::tools::{Entry, Errand, Reply, ToolError, hints, parsed, row_limit};

/// The most rows of a sample.
const ROWS_MAX: usize = 1000;

#[derive(Debug, Deserialize)]
struct Arguments {
    database: String,
    table: String,
    schema: Option<String>,
    #[serde(default = "rows_default")]
    rows: i64,
}

fn rows_default() -> i64 {
    10
}

pub(super) const ENTRY: Entry = Entry {
    name: "sample_rows",
    toolset: "catalog",
    definition,
    call: |errand, arguments| Box::pin(async move { call(errand, parsed(arguments)?).await }),
};

fn definition() -> Definition {
    Definition {
        title: "Sample rows".into(),
        description: "Shows random rows of a table; the first ones where it cannot be sampled, \
                      such as a view."
            .into(),
        input: input(
            json!({
                "database": { "type": "string" },
                "schema": { "type": "string" },
                "table": { "type": "string" },
                "rows": { "type": "integer", "minimum": 1, "maximum": ROWS_MAX, "default": rows_default() }
            }),
            &["database", "table"],
        ),
        output: answer::output_schema(),
        effect: Effect::Reads,
    }
}

async fn call(errand: &Errand<'_>, arguments: Arguments) -> Result<Reply, ToolError> {
    let place = (arguments.schema.as_deref(), arguments.database.as_str());
    let path = errand.path(&arguments.table, place)?;
    let rows = row_limit(arguments.rows)?.min(ROWS_MAX);
    let context = path.context();
    let sampled = format!("SELECT * FROM {} SAMPLE ({rows} ROWS)", path.quoted());
    let (mut found, how) = match errand.fetch(&sampled, &context, rows).await {
        Ok(found) => (found, "random"),
        Err(error) if error.is_about_statement() => {
            let first = format!("SELECT * FROM {} LIMIT {rows}", path.quoted());
            match errand.fetch(&first, &context, rows).await {
                Ok(found) => (found, "first"),
                Err(error) => return Err(hints::helped(errand, &context, error).await),
            }
        }
        Err(error) => return Err(error),
    };
    answer::fit(&mut found, errand.limits().characters_max as usize);
    let count = found.rows.len();
    let text = format!("## {path} ({count} {how} rows)\n\n{}", answer::table(&found));
    Ok(Reply::new(text, answer::structured(&found)))
}
