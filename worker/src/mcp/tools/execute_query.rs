//! `execute_query`: any one statement that its caller may send.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::errand::{Asking, Spot};
use super::parameters::{Bound, bind};
use super::results::{Question, Results, first_or_next};
use super::shelf::ROWS_DEFAULT;
use super::{Definition, Effect, Entry, Errand, Reply, ToolError, guard, hints, input, parsed};
use super::{names_of_place, row_limit};
use crate::mcp::answer;
use crate::warehouse::{Context, Origin};

#[derive(Debug, Deserialize)]
struct Arguments {
    query: String,
    #[serde(flatten)]
    spot: Spot,
    parameters: Option<Value>,
    limit: Option<i64>,
    timeout: Option<u64>,
    cursor: Option<String>,
    reason: Option<String>,
    #[serde(default)]
    use_transaction: bool,
    #[serde(default = "auto_commit_default")]
    auto_commit: bool,
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
    let mut properties = json!({
        "query": { "type": "string", "description": "One statement." },
        "parameters": {
            "type": ["array", "object"],
            "description": "Values for `?` (a list) or `:name` (an object)."
        },
        "limit": { "type": "integer", "minimum": 1, "default": ROWS_DEFAULT, "description": "The most rows to show." },
        "timeout": { "type": "integer", "minimum": 1, "description": "Seconds." },
        "cursor": { "type": "string", "description": "`next_cursor` of the same call: its next rows." },
        "reason": { "type": "string", "description": "Why, for the account's query history." },
        "use_transaction": { "type": "boolean", "default": false, "description": "Accepted, without effect." },
        "auto_commit": { "type": "boolean", "default": true, "description": "Accepted, without effect." }
    });
    names_of_place(&mut properties);
    Definition {
        title: "Run a query".into(),
        description: "Runs one SQL statement in Snowflake's dialect and shows the first rows. \
                      Unless this client was given more, only reading passes: SELECT, WITH, SHOW, \
                      DESCRIBE, EXPLAIN."
            .into(),
        input: input(properties, &["query"]),
        output: answer::output_schema(),
        effect: Effect::AsGranted,
    }
}

async fn call(errand: &Errand<'_>, arguments: Arguments) -> Result<Reply, ToolError> {
    let Bound { statement, bindings } = bind(&arguments.query, arguments.parameters.as_ref())?;
    let context = Context { bindings, ..errand.stand(&arguments.spot)? };
    errand.judge(&statement, &context)?;
    let asking = Asking {
        rows_max: arguments.limit.map_or(Ok(ROWS_DEFAULT), row_limit)?,
        timeout: errand.timeout(arguments.timeout)?,
    };
    let origin = Origin { reason: arguments.reason.clone(), ..errand.origin.clone() };
    let (course, resumable) = (errand.course.clone(), errand.resumable.clone());
    let (fate, microcredits) = (errand.fate.clone(), Arc::clone(&errand.microcredits));
    let errand = &Errand { origin, course, resumable, fate, microcredits, ..*errand };
    let question = Question { statement: &statement, context, asking };
    let cursor = arguments.cursor.as_deref();
    if cursor.is_none() {
        guard::check(errand, &question).await?;
    }
    let context = question.context.clone();
    match first_or_next(errand, question, cursor).await {
        Ok(found) => Ok(reply(&arguments, found)),
        Err(error) => Err(hints::helped(errand, &context, error).await),
    }
}

fn reply(arguments: &Arguments, found: Results) -> Reply {
    let text = text(arguments, &found);
    Reply { text, structured: found.structured(), link: found.link }
}

fn text(arguments: &Arguments, results: &Results) -> String {
    let found = &results.answer;
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
    text.push_str(&results.ending());
    text
}
