//! `query_view`: the first rows of a view, or of a table.

use serde::Deserialize;
use serde_json::json;

use super::errand::Asking;
use super::results::{Question, first_or_next};
use super::{
    Definition, Effect, Entry, Errand, Reply, ToolError, guard, hints, input, parsed, row_limit,
};
use crate::mcp::answer;

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
    let place = (arguments.schema.as_deref(), arguments.database.as_str());
    let path = errand.path(&arguments.view_name, place)?;
    let asking = Asking { rows_max: row_limit(arguments.limit)?, timeout: errand.timeout(None)? };
    let statement = format!("SELECT * FROM {}", path.quoted());
    let context = path.context();
    let question = Question { statement: &statement, context: context.clone(), asking };
    guard::check(errand, &question).await?;
    let found = match first_or_next(errand, question, None).await {
        Ok(found) => found,
        Err(error) => return Err(hints::helped(errand, &context, error).await),
    };
    let mut text = format!(
        "## Data from {path} (Showing {} rows)\n\n{}",
        found.answer.rows.len(),
        answer::table(&found.answer)
    );
    if found.answer.truncated {
        text.push_str("\n\nThere are more rows; raise `limit`, or aggregate with execute_query.");
    }
    // It has no argument to go on with.
    Ok(Reply::new(text, answer::structured(&found.answer)))
}
