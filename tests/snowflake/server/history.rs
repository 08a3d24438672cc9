//! What the account tells of its statements: `QUERY_HISTORY_BY_USER`, and `SYSTEM$CANCEL_QUERY`.
//!
//! Not SQL: the columns are always the same, and of the conditions only whose query it is, which one,
//! and how many are read from the statement.

use serde_json::Value;

use super::State;
use super::answers::{Column, Outcome};
use super::record::{End, Execution, Seen};

/// The columns, as the worker asks for them.
const COLUMNS: [&str; 10] = [
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

/// The answer of a statement that asks about statements.
pub(super) fn told(state: &State, statement: &str) -> Option<Outcome> {
    if let Some(query_id) = after(statement, "SYSTEM$CANCEL_QUERY('") {
        let statements = state.statements();
        let running = statements.by_query.get(query_id);
        let running = running.filter(|one| one.answer.borrow().is_none());
        let words = match running {
            Some(running) => {
                running.abort.cancel();
                format!("query [{query_id}] terminated.")
            }
            None => "Identified SQL statement is not currently executing.".to_owned(),
        };
        let columns = vec![Column::text("SYSTEM$CANCEL_QUERY", 256)];
        return Some(Outcome::Rows { columns, rows: vec![vec![Some(words)]] });
    }
    if !statement.contains("QUERY_HISTORY_BY_USER") {
        return None;
    }
    let columns = COLUMNS.iter().map(|name| Column::text(name, 16_777_216)).collect();
    let seen = state.seen.borrow();
    let limit = after(statement, "LIMIT ").and_then(|text| text.trim().parse().ok());
    let own = seen.executions.iter().rev().filter(|run| is_wanted(&seen, run, statement));
    let rows = own.take(limit.unwrap_or(usize::MAX)).map(|run| row(&seen, run)).collect();
    Some(Outcome::Rows { columns, rows })
}

/// The text behind this, up to a quote if there is one.
fn after<'s>(statement: &'s str, begin: &str) -> Option<&'s str> {
    let at = statement.rfind(begin)?;
    statement[at + begin.len()..].split('\'').next()
}

fn tag(seen: &Seen, run: &Execution) -> Value {
    let sent = seen.sent.iter().find(|sent| sent.request_id == run.request_id);
    let tag = sent.and_then(|sent| sent.parameter("QUERY_TAG").as_str());
    tag.and_then(|tag| serde_json::from_str(tag).ok()).unwrap_or_default()
}

fn is_wanted(seen: &Seen, run: &Execution, statement: &str) -> bool {
    let tag = tag(seen, run);
    let is_own = match after(statement, "TAG:caller::VARCHAR = '") {
        Some(name) => tag["caller"] == name,
        None => tag["worker"].is_string() && tag["caller"].is_null(),
    };
    let is_the_one =
        after(statement, " AND QUERY_ID = '").is_none_or(|query_id| run.query_id == query_id);
    let tool = tag["tool"].as_str();
    is_own && is_the_one && tool.is_some_and(|tool| !statement.contains(&format!("'{tool}'")))
}

fn row(seen: &Seen, run: &Execution) -> Vec<Option<String>> {
    let status = match run.ended {
        None => "RUNNING",
        Some((_, End::Done)) => "SUCCESS",
        Some((_, End::Failed | End::Aborted | End::TimedOut)) => "FAILED_WITH_ERROR",
    };
    let took = run.ended.map(|(at, _)| at.since(run.began).as_millis().to_string());
    let reason = tag(seen, run)["reason"].as_str().map(str::to_owned);
    let text = |text: &str| Some(text.to_owned());
    let cells = [took, text("0"), None, None, None, reason, text(&run.sql)];
    let begin = [text(&run.query_id), text(status), text("2026-07-28 00:00:00.000 Z")];
    begin.into_iter().chain(cells).collect()
}
