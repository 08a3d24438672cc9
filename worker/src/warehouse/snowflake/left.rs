//! Statements that run on when nobody waits for them: how they are left, asked for and ended.
//!
//! The server ends what runs in a session together with the session, so one that was left is not
//! said goodbye to before its statement is over. Asking and ending need a token of the same user,
//! not the session that began the statement: any that is open in this worker will do, also one that
//! is busy. A worker that has none opens one for a moment.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use serde_json::Value;
use uuid::Uuid;

use super::connection::{Account, Connection, Named, NoPass};
use super::failure;
use super::session::{Condition, SnowflakeSession};
use super::statement::{Effect, Statement, Unanswered, check_name};
use super::wire::Reply;
use crate::clock::Clock;
use crate::warehouse::course::{Course, Stage};
use crate::warehouse::left::State;
use crate::warehouse::{Context, Limits, WarehouseError};

/// What the server says of a statement that is not over.
const RUNNING: [&str; 7] = [
    "RUNNING",
    "QUEUED",
    "BLOCKED",
    "ABORTING",
    "RESUMING_WAREHOUSE",
    "QUEUED_REPARING_WAREHOUSE",
    "QUEUED_REPAIRING_WAREHOUSE",
];
/// How long the server may take to say how far a statement is.
const STATE_LIMIT: Duration = Duration::from_secs(10);
/// How long to wait before asking again whether a statement that was left is over.
const ASKED_AGAIN_AFTER: Duration = Duration::from_secs(5);

/// The sessions of an account that live in this worker.
#[derive(Default)]
pub(super) struct Roster(Mutex<Vec<Weak<Connection>>>);

impl Roster {
    /// One more.
    pub(super) fn enter(&self, connection: &Arc<Connection>) {
        let mut connections = self.lock();
        connections.retain(|connection| connection.strong_count() > 0);
        connections.push(Arc::downgrade(connection));
    }

    /// Those that are open at the moment.
    fn open(&self) -> Vec<Arc<Connection>> {
        let connections = self.lock();
        let living = connections.iter().filter_map(Weak::upgrade);
        living.filter(|connection| connection.is_open()).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Weak<Connection>>> {
        // What is locked here is never left half changed, whatever panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How far a statement is.
pub(super) async fn state(account: &Arc<Account>, query_id: &str) -> Result<State, WarehouseError> {
    check_name(query_id)?;
    for connection in account.roster.open() {
        match connection.told_of(query_id).await {
            Ok(reply) => return Ok(read(&reply)),
            Err(NoPass::Failed(error)) => return Err(error),
            // This one has just ended; another may do.
            Err(NoPass::Gone) => {}
        }
    }
    let connection = Connection::new(Arc::clone(account));
    connection.log_in().await?;
    let told = connection.told_of(query_id).await;
    connection.close().await;
    match told {
        Ok(reply) => Ok(read(&reply)),
        Err(NoPass::Failed(error)) => Err(error),
        Err(NoPass::Gone) => Err(connection.unreachable("the server ends every session at once")),
    }
}

/// Ends a statement; true when the server confirms it.
pub(super) async fn end(account: &Arc<Account>, query_id: &str) -> Result<bool, WarehouseError> {
    check_name(query_id)?;
    let statement = Named::ById(query_id.to_owned());
    if let Some(connection) = account.roster.open().into_iter().next() {
        return Ok(connection.abort(&statement).await);
    }
    let connection = Connection::new(Arc::clone(account));
    connection.log_in().await?;
    let is_ended = connection.abort(&statement).await;
    connection.close().await;
    Ok(is_ended)
}

/// Returns the name of a statement when it is to be left running, as soon as it has one.
pub(super) async fn named_when_left(context: &Context, clock: Clock) -> String {
    let Some(mut stage) = context.course.stage() else { return std::future::pending().await };
    context.leave.comes(clock.now(), clock).await;
    loop {
        match stage.borrow_and_update().clone() {
            Stage::Running { query_id: Some(query_id) } => return query_id,
            Stage::Running { query_id: None } | Stage::Before | Stage::Waiting | Stage::Ended => {}
        }
        if stage.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

fn read(reply: &Reply) -> State {
    let told = reply.data.get("queries").and_then(|queries| queries.get(0)?.get("status"));
    match told.and_then(Value::as_str) {
        Some(status) if RUNNING.contains(&status) => State::Running,
        Some(_) => State::Over,
        None => State::Unknown,
    }
}

impl Connection {
    /// What the server tells of a statement, by a token that is renewed once if it expired.
    async fn told_of(&self, query_id: &str) -> Result<Reply, NoPass> {
        let clock = self.account.wire.clock();
        let told = clock.within(STATE_LIMIT, self.asked_of(query_id)).await;
        let late = || self.unreachable(&format!("no word of the query within {STATE_LIMIT:?}"));
        told.unwrap_or_else(|| Err(NoPass::Failed(late())))
    }

    async fn asked_of(&self, query_id: &str) -> Result<Reply, NoPass> {
        let wire = &self.account.wire;
        let url = || wire.url(&format!("/monitoring/queries/{query_id}"), Uuid::new_v4());
        let mut pass = self.pass().await?;
        let mut reply = wire.get(url(), pass.bearer()).await;
        if matches!(&reply, Ok(reply) if failure::is_expired(&reply.code)) {
            pass = self.renew(&pass).await?;
            reply = wire.get(url(), pass.bearer()).await;
        }
        let reply = reply.map_err(|trouble| NoPass::Failed(self.unreachable(trouble.words())))?;
        if failure::is_gone(&reply.code) || failure::is_expired(&reply.code) {
            self.lose().await;
            return Err(NoPass::Gone);
        }
        match reply.success {
            true => Ok(reply),
            false => {
                let Reply { code, message, .. } = &reply;
                Err(NoPass::Failed(failure::of_statement(code, message, Some(query_id))))
            }
        }
    }

    /// Returns when a statement that was left running in this session is over; false when nobody
    /// can know any more.
    async fn is_over(&self, query_id: &str) -> bool {
        let clock = self.account.wire.clock();
        loop {
            let (effect, course) = (Effect::Reads, Course::default());
            let request_id = Uuid::new_v4();
            let statement = Statement { connection: self, request_id, effect, course };
            match statement.kept(query_id).await {
                Ok(_) | Err(Unanswered::Failed(WarehouseError::Statement { .. })) => return true,
                Err(Unanswered::SessionGone) => return false,
                // The network may be away; what runs there runs on.
                Err(Unanswered::Failed(_)) => {}
            }
            clock.until(clock.now() + ASKED_AGAIN_AFTER).await;
        }
    }
}

impl SnowflakeSession {
    /// Lets its statement run on: the pool gets another session, and this one ends when the
    /// statement is over. Its course tells so.
    pub(super) fn let_go(&mut self, query_id: &str, context: &Context, limits: &Limits) {
        self.condition = Condition::Broken;
        self.connection.leave_open();
        let connection = Arc::clone(&self.connection);
        let (query_id, course) = (query_id.to_owned(), context.course.clone());
        // The server's own limit ends it a second after ours; what it says then is waited for.
        let limit = limits.timeout + STATE_LIMIT;
        tokio::spawn(async move {
            let clock = connection.account.wire.clock();
            if clock.within(limit, connection.is_over(&query_id)).await != Some(false) {
                connection.say_goodbye().await;
            }
            course.tell(Stage::Ended);
        });
    }
}
