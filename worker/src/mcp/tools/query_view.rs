//! `query_view`: the first rows of a view, or of a table.

use serde::Deserialize;
use serde_json::json;

use super::{Definition, Effect, Entry, Errand, Reply, ToolError, input, parsed, row_limit};
use crate::mcp::answer;
use crate::mcp::names::{Name, Path};

#[derive(Debug, Deserialize)]
struct Arguments {
    database: String,
    view_name: String,
    schema: Option<String>,
    #[serde(default = "limit_default")]
    limit: i64,
}

fn limit_default() -> i64 {
    10
}

pub(super) const ENTRY: Entry = Entry {
    name: "query_view",
    toolset: "core",
    definition,
    call: |errand, arguments| Box::pin(async move { call(errand, parsed(arguments)?).await }),
};

fn definition() -> Definition {
    Definition {
        title: "Look into a view".into(),
        description: "Shows the first rows of a view or a table. To filter or aggregate use \
                      execute_query."
            .into(),
        input: input(
            json!({
                "database": { "type": "string", "description": "Database of the view." },
                "view_name": { "type": "string", "description": "The view or table; may be written schema.view." },
                "schema": { "type": "string", "description": "Schema of the view; the default one when left out." },
                "limit": { "type": "integer", "minimum": 1, "default": limit_default(), "description": "The most rows to show." }
            }),
            &["database", "view_name"],
        ),
        output: answer::output_schema(),
        effect: Effect::Reads,
    }
}

async fn call(errand: &Errand<'_>, arguments: Arguments) -> Result<Reply, ToolError> {
    let database = Name::parse(&arguments.database)?;
    let schema = arguments.schema.as_deref().map(Name::parse).transpose()?;
    let path = Path::parse(&arguments.view_name, schema, database)?;
    let rows_max = row_limit(arguments.limit)?;
    let statement = format!("SELECT * FROM {}", path.quoted());
    let found = errand.fetch(&statement, &path.context(), rows_max).await?;
    let mut text = format!(
        "## Data from {path} (Showing {} rows)\n\n{}",
        found.rows.len(),
        answer::table(&found)
    );
    if found.truncated {
        text.push_str("\n\nThere are more rows; raise `limit`, or aggregate with execute_query.");
    }
    Ok(Reply { text, structured: answer::structured(&found) })
}
