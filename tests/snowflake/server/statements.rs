//! Statements while they run: started once per request id, waited for, polled, aborted.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use super::answers::{Failure, Format, Outcome, Place, in_progress};
use super::http;
use super::http::{Body, Reply, Request};
use super::record::{Abort, End, Execution, Fetch, Sent};
use super::rows::{CHUNK_KEY, Made};
use super::sessions::Refusal;
use super::{ChunkPacking, State, history, sql};

/// One statement, from its request to long after its end.
pub(crate) struct Statement {
    session: i64,
    sql: String,
    /// What is executed: the text with its values in their places.
    filled: String,
    request_id: String,
    query_id: String,
    format: Format,
    describe_only: bool,
    time_limit: Option<Duration>,
    /// The most rows of an answer.
    rows_max: Option<u64>,
    pub(super) abort: CancellationToken,
    pub(super) answer: watch::Sender<Option<Arc<Value>>>,
}

/// All statements, by what they can be asked for.
#[derive(Default)]
pub(crate) struct Statements {
    by_request: HashMap<(i64, String), Arc<Statement>>,
    pub(super) by_query: HashMap<String, Arc<Statement>>,
    made: HashMap<String, Made>,
}

/// Notes a query-request as it came, whatever becomes of it.
pub(crate) fn note_sent(state: &State, request: &Request) {
    let body = request.json();
    let sent = Sent {
        at: state.clock.now(),
        session: state.sessions().named_by(request.token()).unwrap_or(0),
        sql: body["sqlText"].as_str().unwrap_or_default().to_owned(),
        request_id: request.argument("requestId").unwrap_or_default().to_owned(),
        retry_count: request.argument("retryCount").map(str::to_owned),
        user_agent: request.header("user-agent").unwrap_or_default().to_owned(),
        body,
    };
    state.note(|seen| seen.sent.push(sent));
}

/// Takes a query-request: runs the statement, or waits for the run that its request id began.
pub(crate) async fn query(state: &Arc<State>, request: &Request) -> Result<Value, Refusal> {
    let now = state.clock.now();
    let body = request.json();
    let (session, default_limit) = {
        let mut sessions = state.sessions();
        let session = sessions.of_token(request.token(), now)?;
        let limit = session.parameters.get("STATEMENT_TIMEOUT_IN_SECONDS").cloned();
        (session.id, limit)
    };
    let request_id = request.argument("requestId").unwrap_or_default().to_owned();
    let statement_text = body["sqlText"].as_str().unwrap_or_default().to_owned();
    let known = state.statements().by_request.get(&(session, request_id.clone())).cloned();
    let statement = if let Some(statement) = known {
        statement
    } else {
        let limit = &body["parameters"]["STATEMENT_TIMEOUT_IN_SECONDS"];
        let limit = limit.as_u64().or_else(|| limit.as_str()?.parse().ok());
        let limit = limit.or_else(|| default_limit?.parse().ok()).filter(|limit| *limit > 0);
        let rows_max = body["parameters"]["ROWS_PER_RESULTSET"].as_u64();
        let statement = Arc::new(Statement {
            session,
            filled: sql::filled(&statement_text, &body["bindings"]),
            sql: statement_text,
            query_id: state.new_query_id(),
            format: Format::wanted(request),
            describe_only: body["describeOnly"].as_bool().unwrap_or(false),
            time_limit: limit.map(Duration::from_secs),
            rows_max: rows_max.filter(|rows| *rows > 0 && state.config.cuts_rows),
            abort: CancellationToken::new(),
            answer: watch::Sender::new(None),
            request_id: request_id.clone(),
        });
        let mut statements = state.statements();
        statements.by_query.insert(statement.query_id.clone(), Arc::clone(&statement));
        statements.by_request.insert((session, request_id), Arc::clone(&statement));
        drop(statements);
        begin(state, &statement);
        statement
    };
    if body["asyncExec"].as_bool() == Some(true) {
        return Ok(in_progress("333334", &statement.query_id));
    }
    Ok(waited_for(state, &statement, "333334").await)
}

/// The answer of a statement, or that it still runs after `long_after`.
async fn waited_for(state: &State, statement: &Statement, code: &str) -> Value {
    let mut answer = statement.answer.subscribe();
    let ready = answer.wait_for(Option::is_some);
    match state.clock.within(state.config.long_after, ready).await {
        Some(Ok(answer)) => answer.as_deref().cloned().unwrap_or_default(),
        Some(Err(_)) | None => in_progress(code, &statement.query_id),
    }
}

/// Answers a poll for a result.
pub(crate) async fn result(state: &Arc<State>, request: &Request) -> Result<Value, Refusal> {
    state.sessions().of_token(request.token(), state.clock.now())?;
    let query_id = request.path.split('/').nth(2).unwrap_or_default();
    let statement = state.statements().by_query.get(query_id).cloned();
    match statement {
        Some(statement) => Ok(waited_for(state, &statement, "333333").await),
        None => Ok(json!({
            "data": {"errorCode": "000707", "sqlState": "02000", "queryId": query_id, "age": 0,
                     "internalError": false},
            "code": "000707", "message": format!("Data not available: query {query_id}"),
            "success": false
        })),
    }
}

/// Tells how far a statement is, to whoever is let in.
pub(crate) fn monitor(state: &State, request: &Request) -> Result<Value, Refusal> {
    state.sessions().of_token(request.token(), state.clock.now())?;
    let query_id = request.path.split('/').nth(3).unwrap_or_default();
    let statement = state.statements().by_query.get(query_id).cloned();
    let told = |statement: Arc<Statement>| {
        let answer = statement.answer.borrow().clone();
        let status = match answer {
            None => "RUNNING",
            Some(answer) if answer["success"] == true => "SUCCESS",
            Some(_) => "FAILED_WITH_ERROR",
        };
        json!({ "id": query_id, "sqlText": statement.sql, "status": status })
    };
    let queries: Vec<Value> = statement.into_iter().map(told).collect();
    Ok(json!({"data": {"queries": queries}, "code": null, "message": null, "success": true}))
}

fn begin(state: &Arc<State>, statement: &Arc<Statement>) {
    let execution = Execution {
        session: statement.session,
        sql: statement.sql.clone(),
        request_id: statement.request_id.clone(),
        query_id: statement.query_id.clone(),
        began: state.clock.now(),
        ended: None,
    };
    let mut place = 0;
    state.note(|seen| {
        place = seen.executions.len();
        seen.executions.push(execution);
        seen.running += 1;
        seen.running_max = seen.running_max.max(seen.running);
    });
    let (state, statement) = (Arc::clone(state), Arc::clone(statement));
    tokio::spawn(async move {
        let (answer, end) = execute(&state, &statement).await;
        let now = state.clock.now();
        state.note(|seen| {
            seen.running -= 1;
            if let Some(execution) = seen.executions.get_mut(place) {
                execution.ended = Some((now, end));
            }
        });
        statement.answer.send_replace(Some(Arc::new(answer)));
    });
}

/// Waits as long as the statement takes, then does what it says.
async fn execute(state: &Arc<State>, statement: &Statement) -> (Value, End) {
    let query_id = &statement.query_id;
    let now = state.clock.now();
    let takes = sql::pause(&statement.sql).max(state.config.latency);
    let limit = statement.time_limit.filter(|limit| *limit < takes);
    let failed = |failure: Failure, end| (failure.json(query_id), end);
    if !takes.is_zero() {
        tokio::select! {
            () = statement.abort.cancelled() => return failed(Failure::aborted(), End::Aborted),
            () = state.clock.until(now + limit.unwrap_or(takes)) => {}
        }
    }
    if let Some(limit) = limit {
        let message = format!(
            "Statement reached its statement or warehouse timeout of {} second(s) and was canceled.",
            limit.as_secs()
        );
        return failed(Failure::new("000630", "57014", message), End::TimedOut);
    }
    let told = history::told(state, &statement.filled);
    let mut sessions = state.sessions();
    let Some(session) = sessions.get(statement.session) else {
        return failed(Failure::aborted(), End::Aborted);
    };
    let mut outcome = match told {
        Some(told) => Ok(told),
        None => sql::run(&statement.filled, session),
    };
    if let (Ok(Outcome::Made(made)), Some(rows_max)) = (&mut outcome, statement.rows_max) {
        made.rows = made.rows.min(rows_max);
    }
    session.last_query = Some(query_id.clone());
    match outcome {
        Ok(outcome) => {
            if let Outcome::Made(made) = &outcome {
                state.statements().made.insert(query_id.clone(), *made);
            }
            let base = state.base();
            let format = statement.format;
            let describe_only = statement.describe_only;
            let place = Place { base: &base, query_id, session, format, describe_only };
            (outcome.json(&place), End::Done)
        }
        Err(failure) => failed(failure, End::Failed),
    }
}

/// Ends a statement by its request id, or by the query id in the path.
pub(crate) fn abort(state: &State, request: &Request) -> Result<Value, Refusal> {
    let now = state.clock.now();
    let session = state.sessions().of_token(request.token(), now)?.id;
    let in_path = request.path.split('/').nth(2).filter(|part| *part != "v1");
    let in_body = request.json()["requestId"].as_str().unwrap_or_default().to_owned();
    let statements = state.statements();
    let statement = match in_path {
        Some(query_id) => statements.by_query.get(query_id),
        None => statements.by_request.get(&(session, in_body.clone())),
    };
    let running = statement.filter(|statement| statement.answer.borrow().is_none());
    if let Some(statement) = running {
        statement.abort.cancel();
    }
    let found = running.is_some();
    drop(statements);
    let named = in_path.map_or(in_body, str::to_owned);
    state.note(|seen| seen.aborts.push(Abort { at: now, named, found }));
    if found {
        return Ok(json!({"data": null, "code": null, "message": null, "success": true}));
    }
    Ok(json!({
        "data": null, "code": "000605",
        "message": "Identified SQL statement is not currently executing.", "success": false
    }))
}

/// Hands out a chunk to whoever brings the key; a token must not come along.
pub(crate) fn chunk(state: &State, request: &Request) -> Reply {
    let mut parts = request.path.split('/').skip(2);
    let query_id = parts.next().unwrap_or_default().to_owned();
    let index = parts.next().and_then(|index| index.parse().ok()).unwrap_or(0);
    let key = request.header("x-amz-server-side-encryption-customer-key");
    let with_key = key == Some(CHUNK_KEY);
    let with_token = request.header("authorization").is_some();
    let made = state.statements().made.get(&query_id).copied();
    let fetch = Fetch { query_id, index, with_key, with_token };
    state.note(|seen| seen.fetches.push(fetch));
    let chunk = made.and_then(|made| made.chunk(index));
    let (pieces, small) = match chunk {
        Some(chunk) if with_key && !with_token => chunk,
        Some(_) | None => return denied(403),
    };
    let kind = ("Content-Type", "binary/octet-stream".to_owned());
    let mut reply = Reply { status: 200, headers: vec![kind], body: Body::Bytes(Vec::new()) };
    reply.body = match (small, state.config.chunk_packing) {
        (true, ChunkPacking::Plain) => Body::Bytes(pieces.flatten().collect()),
        (true, ChunkPacking::Silent) => {
            Body::Bytes(http::gzip(&pieces.flatten().collect::<Vec<_>>()))
        }
        (true, ChunkPacking::Declared) => {
            reply.headers.push(("Content-Encoding", "gzip".to_owned()));
            Body::Bytes(http::gzip(&pieces.flatten().collect::<Vec<_>>()))
        }
        (false, _) => Body::Stream(pieces),
    };
    reply
}

/// What the storage says to an address that has run out.
pub(crate) fn denied(status: u16) -> Reply {
    let text = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code>\
                <Message>Request has expired</Message><X-Amz-Expires>21599</X-Amz-Expires>\
                <RequestId>TESTREQUEST</RequestId></Error>";
    Reply::page(status, "application/xml", text)
}
