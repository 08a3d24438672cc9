//! `execute_query`: any one statement that only reads.

use serde::Deserialize;
use serde_json::json;

use super::{Definition, Effect, Entry, Errand, Reply, ToolError, input, parsed, row_limit};
use crate::mcp::answer;
use crate::mcp::names::Name;
use crate::warehouse::{Answer, Context};

#[derive(Debug, Deserialize)]
struct Arguments {
    query: String,
    database: Option<String>,
    schema: Option<String>,
    #[serde(default = "limit_default")]
    limit: i64,
    #[serde(default)]
    use_transaction: bool,
    #[serde(default = "auto_commit_default")]
    auto_commit: bool,
}

fn limit_default() -> i64 {
    100
}

fn auto_commit_default() -> bool {
    true
}

pub(super) const ENTRY: Entry = Entry {
    name: "execute_query",
    toolset: "core",
    definition,
    call: |errand, arguments| Box::pin(async move { call(errand, parsed(arguments)?).await }),
};

fn definition() -> Definition {
    Definition {
        title: "Run a query".into(),
        description:
            "Runs one read-only SQL statement in Snowflake's dialect (SELECT, WITH, SHOW, \
                      DESCRIBE, EXPLAIN) and shows up to `limit` rows; `truncated` says that \
                      there were more. Anything that changes data is refused."
                .into(),
        input: input(
            json!({
                "query": { "type": "string", "description": "One statement." },
                "database": { "type": "string", "description": "Where unqualified names are looked up." },
                "schema": { "type": "string", "description": "Where unqualified names are looked up." },
                "limit": { "type": "integer", "minimum": 1, "default": limit_default(), "description": "The most rows to show." },
                "use_transaction": { "type": "boolean", "default": false, "description": "Accepted for compatibility; reading needs no transaction." },
                "auto_commit": { "type": "boolean", "default": auto_commit_default(), "description": "Accepted for compatibility." }
            }),
            &["query"],
        ),
        output: answer::output_schema(),
        effect: Effect::AsGranted,
    }
}

async fn call(errand: &Errand<'_>, arguments: Arguments) -> Result<Reply, ToolError> {
    errand.judge(&arguments.query)?;
    let resolved = |name: &Option<String>| -> Result<Option<String>, ToolError> {
        let name = name.as_deref().map(Name::parse).transpose()?;
        Ok(name.map(|name| name.as_str().to_owned()))
    };
    let context = Context {
        database: resolved(&arguments.database)?,
        schema: resolved(&arguments.schema)?,
        ..Context::default()
    };
    let rows_max = row_limit(arguments.limit)?;
    let found = errand.fetch(&arguments.query, &context, rows_max).await?;
    Ok(Reply { text: text(&arguments, &found), structured: answer::structured(&found) })
}

fn text(arguments: &Arguments, found: &Answer) -> String {
    let place = |name: &Option<String>| name.clone().unwrap_or_else(|| "None".to_owned());
    let mut text = format!(
        "## Query Results (Database: {}, Schema: {})\n\nRequest ID: {}\n",
        place(&found.database),
        place(&found.schema),
        found.query_id
    );
    if arguments.use_transaction {
        let mode = if arguments.auto_commit { "Auto-commit" } else { "Explicit" };
        text.push_str(&format!("Transaction Mode: {mode}\n"));
    }
    if found.rows.is_empty() {
        text.push_str("\nQuery completed successfully but returned no results.");
        return text;
    }
    text.push_str(&format!(
        "Showing {} rows\n\n```sql\n{}\n```\n\n{}",
        found.rows.len(),
        arguments.query.trim(),
        answer::table(found)
    ));
    if found.truncated {
        text.push_str("\n\nThere are more rows; raise `limit`, or aggregate in the statement.");
    }
    text
}
