//! What a caller asked of the account, by the account's own history.
//!
//! Whose a query is tells its tag, which this server alone writes: a client that has proved its
//! name sees and ends what it began itself, through whatever worker. Clients without a name share
//! what has no name in its tag.

use serde::Deserialize;
use serde_json::{Value, json};

use crate::mcp::tools::errand::Spot;
use crate::mcp::tools::shelf::input;
use crate::mcp::tools::{Errand, ToolError, hints};
use crate::warehouse::{Answer, Binding, Context};

/// The columns of the history, as they are shown.
pub(super) const COLUMNS: [&str; 10] = [
    "QUERY_ID",
    "EXECUTION_STATUS",
    "START_TIME",
    "TOTAL_ELAPSED_TIME",
    "BYTES_SCANNED",
    "ROWS_PRODUCED",
    "WAREHOUSE_NAME",
    "ERROR_MESSAGE",
    "REASON",
    "QUERY_TEXT",
];

/// How many of the user's queries the account looks through.
const LOOKED_THROUGH: u32 = 10_000;

/// One query, as a call names it.
#[derive(Debug, Deserialize)]
pub(super) struct One {
    /// What the account calls it.
    pub(super) query_id: String,
    database: Option<String>,
    connection: Option<String>,
}

/// The schema of [`One`].
pub(super) fn input_of_one() -> Value {
    input(
        json!({
            "query_id": { "type": "string" },
            "database": { "type": "string", "description": "Any: the history is read through one." },
            "connection": { "type": "string" }
        }),
        &["query_id"],
    )
}

/// What the history says of one query, if it is the caller's, and where it was asked.
pub(super) async fn one(errand: &Errand<'_>, one: &One) -> Result<(Context, Answer), ToolError> {
    let (database, connection) = (one.database.clone(), one.connection.clone());
    let context = errand.stand(&Spot { database, connection, ..Spot::default() })?;
    let found = own(errand, &context, (Some(&one.query_id), 1)).await?;
    Ok((context, found))
}

/// The caller's queries, the latest first; one alone, if it is named.
pub(super) async fn own(
    errand: &Errand<'_>,
    context: &Context,
    (query_id, rows_max): (Option<&str>, usize),
) -> Result<Answer, ToolError> {
    let mut bindings = Vec::new();
    let whose = match errand.caller.name.as_deref() {
        Some(name) => {
            bindings.push(Binding::Text(name.to_owned()));
            "TAG:caller::VARCHAR = ?"
        }
        None => "TAG:worker IS NOT NULL AND TAG:caller IS NULL",
    };
    let which = match query_id {
        Some(id) => {
            bindings.push(Binding::Text(id.to_owned()));
            " AND QUERY_ID = ?"
        }
        None => "",
    };
    // This very statement is in the history as well.
    let statement = format!(
        "SELECT QUERY_ID, EXECUTION_STATUS, START_TIME, TOTAL_ELAPSED_TIME, BYTES_SCANNED, \
         ROWS_PRODUCED, WAREHOUSE_NAME, ERROR_MESSAGE, TAG:reason::VARCHAR AS REASON, \
         LEFT(QUERY_TEXT, 500) AS QUERY_TEXT FROM (SELECT *, TRY_PARSE_JSON(QUERY_TAG) AS TAG \
         FROM TABLE(INFORMATION_SCHEMA.QUERY_HISTORY_BY_USER(RESULT_LIMIT => {LOOKED_THROUGH}))) \
         WHERE {whose}{which} AND TAG:tool::VARCHAR NOT IN ('query_history', 'query_status', \
         'cancel_query') ORDER BY START_TIME DESC LIMIT {rows_max}"
    );
    let context = Context { bindings, ..context.clone() };
    match errand.fetch(&statement, &context, rows_max).await {
        Ok(answer) => Ok(answer),
        Err(error) => Err(hints::helped(errand, &context, error).await),
    }
}
