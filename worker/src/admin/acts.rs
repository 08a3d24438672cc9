//! What one worker does of an administrator's wishes, by itself and with its own sessions.

use std::time::Duration;

use futures::future::join_all;
use mcp_protocol::access::AuditLevel;
use mcp_protocol::admin::{
    ActiveQuery, CircuitState, CircuitWord, ConnectionTest, Outcome, PoolOf, PoolReset, PoolState,
    ROWS_MAX, STATEMENT_CHARS_MAX, TEST_LIMIT, WAIT_MAX, WorkerState,
};
use tokio_util::sync::CancellationToken;

use super::Desk;
use crate::audit;
use crate::clock::{Moment, unix_seconds};
use crate::mcp::answer::cell_text;
use crate::sql::{self, Level};
use crate::warehouse::circuit::Why;
use crate::warehouse::connections::{About, Connections};
use crate::warehouse::pool::{Pool, PoolError};
use crate::warehouse::running::Underway;
use crate::warehouse::{Context, Limits, Origin};

/// What is asked of a connection that is tested, and of which only the time counts.
const PING: &str = "SELECT 1";
const ROLE: &str = "SELECT CURRENT_ROLE()";
const WAREHOUSE: &str = "SELECT CURRENT_WAREHOUSE()";
/// More than the answer of any of them has.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Replaces all sessions, and waits for those of before.
pub(super) async fn reset_all(connections: &Connections, wait: Duration) -> Outcome {
    let limit = wait.min(WAIT_MAX);
    Outcome::Reset(
        join_all(connections.each().map(|(about, pool)| reset(about, pool, limit))).await,
    )
}

/// The statements on their way.
pub(super) fn queries(desk: &Desk, connections: &Connections) -> Outcome {
    let texts = match desk.access.borrow().audit {
        AuditLevel::Text => Texts::Told,
        AuditLevel::Off | AuditLevel::Hash => Texts::Kept,
    };
    Outcome::Queries(listed(desk, connections, texts))
}

/// Ends a statement.
pub(super) fn cancel(desk: &Desk, connections: &Connections, id: &str) -> Outcome {
    Outcome::Cancelled(cancelled(desk, connections, id))
}

/// Asks connections.
pub(super) async fn test_all(
    desk: &Desk,
    connections: &Connections,
    name: Option<&str>,
) -> Outcome {
    match meant(connections, name) {
        Ok(meant) => {
            let tests = meant.into_iter().map(|(about, pool)| test(desk, about, pool));
            Outcome::Tested(join_all(tests).await)
        }
        Err(why) => Outcome::Refused(why),
    }
}

/// Lets sessions be opened at once.
pub(super) fn forgive(desk: &Desk, connections: &Connections, name: Option<&str>) -> Outcome {
    match meant(connections, name) {
        Ok(meant) => {
            meant.iter().for_each(|(_, pool)| pool.forgive());
            circuits(desk, connections)
        }
        Err(why) => Outcome::Refused(why),
    }
}

/// How opening sessions goes.
pub(super) fn circuits(desk: &Desk, connections: &Connections) -> Outcome {
    Outcome::Circuits(states(desk, connections))
}

/// Whether calls are taken, and what still runs.
pub(super) fn maintained(desk: &Desk) -> Outcome {
    let connections = desk.connections.get();
    let running = connections.map_or(0, |all| all.each().map(|(_, one)| one.running().len()).sum());
    let maintenance = desk.maintenance.borrow().clone();
    Outcome::Maintained { maintenance, running: u32::try_from(running).unwrap_or(u32::MAX) }
}

/// The connections of this name; all without one.
fn meant<'a>(
    connections: &'a Connections,
    name: Option<&str>,
) -> Result<Vec<(&'a About, &'a Pool)>, String> {
    let meant: Vec<_> = connections
        .each()
        .filter(|(about, _)| name.is_none_or(|name| name == about.name))
        .collect();
    if meant.is_empty() {
        let known: Vec<&str> = connections.each().map(|(about, _)| about.name.as_str()).collect();
        let name = name.unwrap_or_default();
        return Err(format!("there is no connection `{name}`; there are {}", known.join(", ")));
    }
    Ok(meant)
}

async fn reset(about: &About, pool: &Pool, limit: Duration) -> PoolReset {
    let before = PoolState::from(&pool.vitals());
    let (closed, still_busy) = pool.reset_within(limit).await;
    let after = PoolState::from(&pool.vitals());
    PoolReset { connection: about.name.clone(), before, after, closed, still_busy }
}

/// Whether statements are told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Texts {
    Told,
    Kept,
}

fn listed(desk: &Desk, connections: &Connections, texts: Texts) -> Vec<ActiveQuery> {
    let now = desk.clock.now();
    let mut queries: Vec<ActiveQuery> = connections
        .each()
        .flat_map(|(about, pool)| {
            let underway = pool.running().list(now);
            underway.into_iter().map(|one| told(desk, about, one, texts))
        })
        .collect();
    queries.sort_by_key(|query| std::cmp::Reverse(query.elapsed_ms));
    queries.truncate(ROWS_MAX);
    queries
}

fn told(desk: &Desk, about: &About, underway: Underway, texts: Texts) -> ActiveQuery {
    let Underway { statement, origin, elapsed, waits, query_id, .. } = &underway;
    let text = || statement.chars().take(STATEMENT_CHARS_MAX).collect();
    ActiveQuery {
        id: id(desk, &underway),
        query_id: query_id.clone(),
        waits: *waits,
        client: origin.caller.clone(),
        session: origin.session.clone(),
        tool: origin.tool.clone(),
        connection: about.name.clone(),
        started: unix_seconds().saturating_sub(elapsed.as_secs()),
        elapsed_ms: milliseconds(*elapsed),
        class: sql::decide(statement, Level::Read).class().as_str().to_owned(),
        statement_sha256: audit::hash(statement),
        statement: (texts == Texts::Told).then(text),
    }
}

/// A name that no statement of another worker has.
fn id(desk: &Desk, underway: &Underway) -> String {
    format!("{}.{}", desk.identity.run, underway.number)
}

fn cancelled(desk: &Desk, connections: &Connections, wanted: &str) -> Option<ActiveQuery> {
    let now = desk.clock.now();
    let is_meant = |underway: &Underway| {
        id(desk, underway) == wanted || underway.query_id.as_deref() == Some(wanted)
    };
    connections.each().find_map(|(about, pool)| {
        let underway = pool.running().cancel(now, is_meant)?;
        tracing::info!(id = wanted, "an administrator ended a statement");
        Some(told(desk, about, underway, Texts::Kept))
    })
}

async fn test(desk: &Desk, about: &About, pool: &Pool) -> ConnectionTest {
    let began = desk.clock.now();
    let pinged = desk.clock.within(TEST_LIMIT, ask(pool, PING)).await;
    let latency = desk.clock.now().since(began);
    let error = match pinged {
        Some(Ok(_)) => None,
        Some(Err(error)) => Some(error.to_string()),
        None => Some(format!("no answer within {TEST_LIMIT:?}")),
    };
    let (mut role, mut warehouse) = (None, None);
    if error.is_none() {
        let left = TEST_LIMIT.saturating_sub(latency);
        let asking = async { (ask(pool, ROLE).await, ask(pool, WAREHOUSE).await) };
        if let Some((first, second)) = desk.clock.within(left, asking).await {
            (role, warehouse) = (first.ok().flatten(), second.ok().flatten());
        }
    }
    ConnectionTest {
        connection: about.name.clone(),
        account: about.account.clone(),
        latency_ms: milliseconds(latency),
        role,
        warehouse,
        error,
    }
}

/// The first cell of the answer to a statement of our own.
async fn ask(pool: &Pool, statement: &str) -> Result<Option<String>, PoolError> {
    let origin = Origin { tool: Some("test-connection".to_owned()), ..Origin::default() };
    let context = Context { origin, ..Context::default() };
    let limits = Limits { rows_max: 1, bytes_max: ANSWER_BYTES_MAX, timeout: TEST_LIMIT };
    let answer = pool.query(statement, &context, &limits, &CancellationToken::new()).await?;
    let cell = answer.rows.first().and_then(|row| row.first());
    Ok(cell.map(cell_text).filter(|text| !text.is_empty() && text != "NULL"))
}

fn states(desk: &Desk, connections: &Connections) -> Vec<CircuitState> {
    let now = desk.clock.now();
    connections.each().map(|(about, pool)| circuit(about, pool, now)).collect()
}

/// Whether a connection opens sessions.
pub(crate) fn circuit(about: &About, pool: &Pool, now: Moment) -> CircuitState {
    let connection = about.name.clone();
    let Some((why, failures, until)) = pool.circuit().trouble() else {
        let state = CircuitWord::Closed;
        return CircuitState { connection, state, reason: None, failures: 0, retry_in_ms: None };
    };
    let (state, reason) = match why {
        Why::Failed(words) => (CircuitWord::Open, Some(words)),
        Why::Refused(words) => (CircuitWord::Refused, Some(words)),
        Why::LoggedOut(words) => (CircuitWord::LoggedOut, Some(words)),
        Why::Shut => (CircuitWord::Shut, None),
    };
    let retry_in_ms = until.map(|until| milliseconds(until.since(now)));
    CircuitState { connection, state, reason, failures, retry_in_ms }
}

/// Everything.
pub(super) fn state(desk: &Desk, connections: &Connections) -> Outcome {
    let pools = connections.each();
    let pools = pools.map(|(about, pool)| PoolOf {
        connection: about.name.clone(),
        pool: PoolState::from(&pool.vitals()),
    });
    Outcome::State(Box::new(WorkerState {
        version: env!("CARGO_PKG_VERSION").to_owned(),
        uptime_seconds: desk.clock.now().since(Moment::START).as_secs(),
        maintenance: desk.maintenance.borrow().clone(),
        pools: pools.collect(),
        circuits: states(desk, connections),
        sessions: desk.visitors.list(),
        queries: listed(desk, connections, Texts::Kept),
    }))
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
