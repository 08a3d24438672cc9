//! Tasks (the extension `io.modelcontextprotocol/tasks`): a call whose statement takes long is
//! answered with a name, and whoever holds the name asks any worker what became of it.
//!
//! The warehouse keeps the statement and its answer, the client keeps the name, and nobody here
//! keeps anything: the name is sealed and says what the warehouse calls the statement, whose it is,
//! and which call it was. Offered only where a warehouse leaves statements running.

pub mod ticket;

use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CreateTaskResult, DetailedTask, ErrorCode,
    GetTaskResult, JsonObject, ServerCapabilities, TASKS_EXTENSION_ID, Task, TaskPayload,
    TaskStatus,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::{Value, json};

use self::ticket::{Called, TASK_LIFE, Ticket};
use super::asker::passage;
use super::server::Server;
use super::tool_call::{Came, shown};
use super::tools::ToolError;
use super::tools::errand::Fate;
use crate::clock::unix_seconds;
use crate::warehouse::left::State;
use crate::warehouse::pool::{Pool, PoolError};

type Context = RequestContext<RoleServer>;

/// A call that takes longer becomes a task, for a client that knows what that is.
const TASK_AFTER: Duration = Duration::from_secs(1);
/// How often a client is to ask.
const POLL_EVERY: Duration = Duration::from_secs(2);
/// For so long a statement that the warehouse does not know may be too new to be known.
const KNOWN_WITHIN: Duration = Duration::from_secs(60);
/// JSON-RPC, server's own range: try again.
const AGAIN: ErrorCode = ErrorCode(-32000);

/// The same capabilities, and tasks.
pub(super) fn offered(mut capabilities: ServerCapabilities) -> ServerCapabilities {
    let extensions = capabilities.extensions.get_or_insert_default();
    extensions.insert(TASKS_EXTENSION_ID.to_owned(), JsonObject::new());
    capabilities
}

/// Answers a call of a tool, with its result or with a task.
pub(super) async fn called(
    server: &Server,
    request: CallToolRequestParams,
    context: &Context,
) -> Result<CallToolResponse, ErrorData> {
    let called = knows_tasks(context).then(|| Called::of(&request)).flatten();
    let fate = match &called {
        Some(_) => Fate::Left(TASK_AFTER),
        None => Fate::Awaited,
    };
    let came = server.run(request, context, fate).await?;
    if let (Some(called), Err(ToolError::Left { query_id, connection })) = (called, &came) {
        let (query_id, connection) = (query_id.clone(), connection.clone());
        let ticket = Ticket::new(query_id, connection, called, unix_seconds());
        let caller = server.caller(context);
        let id = ticket.sealed(&caller, &server.desk.cursors.ring());
        return Ok(CreateTaskResult::new(task(&id, &ticket, TaskStatus::Working)).into());
    }
    Ok(shown(came, context).into())
}

/// What became of a task.
pub(super) async fn get(
    server: &Server,
    id: &str,
    context: &Context,
) -> Result<GetTaskResult, ErrorData> {
    let (ticket, pool) = opened(server, id, context)?;
    let state = pool.state(&ticket.query_id).await.map_err(again)?;
    let payload = match state {
        State::Running => TaskPayload::Working,
        State::Unknown if ticket.age(unix_seconds()) < KNOWN_WITHIN => TaskPayload::Working,
        State::Over | State::Unknown => over(server, &ticket, context).await?,
    };
    let task = task(id, &ticket, payload.status());
    Ok(GetTaskResult::new(DetailedTask::new(task, payload)))
}

/// Ends the statement of a task, wherever it was begun. One that is over stays as it is.
pub(super) async fn cancel(server: &Server, id: &str, context: &Context) -> Result<(), ErrorData> {
    let (ticket, pool) = opened(server, id, context)?;
    let caller = server.caller(context);
    let mut record =
        server.audit.begin(("tasks/cancel", &caller), None, (&passage(context), server.clock));
    let ended = async {
        match pool.state(&ticket.query_id).await? {
            State::Over => Ok(false),
            State::Running | State::Unknown => pool.end(&ticket.query_id).await,
        }
    };
    match ended.await {
        Ok(is_ended) => {
            record.answered(&json!({ "query_id": ticket.query_id }));
            tracing::debug!(query_id = ticket.query_id, is_ended, "a task is cancelled");
            Ok(())
        }
        Err(error) => {
            record.failed();
            Err(again(error))
        }
    }
}

/// What a task's name says, and where its statement is, if it is the caller's.
pub(super) fn opened<'s>(
    server: &'s Server,
    id: &str,
    context: &Context,
) -> Result<(Ticket, &'s Pool), ErrorData> {
    let caller = server.caller(context);
    let ticket = Ticket::open(id, &caller, (&server.desk.cursors.ring(), unix_seconds()));
    let found = ticket.and_then(|ticket| {
        let pool = server.desk.connection(ticket.connection.as_deref(), &caller).ok()?;
        Some((ticket, pool))
    });
    // Why is not told: it would tell a stranger which tasks there are.
    let message = "there is no such task, or its time is over; call the tool again";
    found.ok_or_else(|| ErrorData::invalid_params(message, None))
}

/// How a statement that is over ended: its answer is fetched, as the call would have shown it.
async fn over(
    server: &Server,
    ticket: &Ticket,
    context: &Context,
) -> Result<TaskPayload, ErrorData> {
    let request = ticket.called.request();
    let came = server.run(request, context, Fate::Over(ticket.query_id.clone())).await?;
    match &came {
        Err(error) if error.is_ended_there() => return Ok(TaskPayload::Cancelled),
        Err(error) if !error.is_final() => return Err(error_again(error)),
        Ok(_) | Err(_) => {}
    }
    Ok(TaskPayload::Completed { result: result(came, context) })
}

fn result(came: Came, context: &Context) -> JsonObject {
    match serde_json::to_value(shown(came, context)) {
        Ok(Value::Object(result)) => result,
        Ok(_) | Err(_) => JsonObject::new(),
    }
}

fn task(id: &str, ticket: &Ticket, status: TaskStatus) -> Task {
    let (created, now) = (iso(ticket.created), iso(unix_seconds()));
    let task = Task::new(id, status, created, now)
        .with_ttl_ms(milliseconds(TASK_LIFE))
        .with_poll_interval_ms(milliseconds(POLL_EVERY));
    match status {
        TaskStatus::Working => task.with_status_message(format!("query {} runs", ticket.query_id)),
        _ended => task,
    }
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Seconds since 1970 as ISO 8601 writes them.
fn iso(seconds: u64) -> String {
    let seconds = i64::try_from(seconds).unwrap_or(i64::MAX);
    jiff::Timestamp::from_second(seconds).unwrap_or_default().to_string()
}

/// Whether the client says with this request that it knows tasks.
fn knows_tasks(context: &Context) -> bool {
    context.meta.client_capabilities().is_some_and(|can| can.supports_tasks())
}

fn again(error: PoolError) -> ErrorData {
    error_again(&error.into())
}

/// The task is as it was, and nothing is known of it at the moment.
fn error_again(error: &ToolError) -> ErrorData {
    ErrorData::new(AGAIN, error.words(), None)
}
