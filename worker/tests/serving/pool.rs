//! The pool: nothing leaks, nobody is locked out, the impatient are told what to do.

use std::sync::Arc;
use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use mcp_protocol::message::Logins;
use mcp_protocol::settings::{PoolSettings, Settings};
use mcp_worker::clock::Clock;
use mcp_worker::warehouse::pool::{Pool, PoolError};
use mcp_worker::warehouse::{Answer, Context, Limits, WarehouseError};
use serde_json::json;
use tokio_util::sync::CancellationToken;

use crate::support::{Client, Counts, FakeWarehouse, PATIENCE, call, eventually, house};

fn pool(settings: &PoolSettings) -> (Pool, Arc<Counts>) {
    let warehouse = FakeWarehouse::default();
    let counts = Arc::clone(&warehouse.counts);
    (Pool::new(Arc::new(warehouse), settings, Clock::start()), counts)
}

fn small(max: u32, acquire_timeout: Duration) -> PoolSettings {
    PoolSettings { min: 1, max, acquire_timeout, ..PoolSettings::default() }
}

async fn query(
    pool: &Pool,
    statement: &str,
    cancel: &CancellationToken,
) -> Result<Answer, PoolError> {
    let limits = Limits { rows_max: 10, bytes_max: 1 << 20, timeout: PATIENCE };
    pool.query(statement, &Context::default(), &limits, cancel).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_hundred_clients_that_hang_up_leak_no_session() {
    let house = house(&Settings::default()).await;
    let hang = call("execute_query", json!({ "query": "select hang" }));
    for round in 0..50 {
        let mut clients = Vec::new();
        for _ in 0..4 {
            let mut client = Client::connect(house.address).await.expect("connects");
            client.send_mcp(&hang).await.expect("sends");
            clients.push(client);
        }
        eventually("four statements run", || house.counts.begun.load(SeqCst) == (round + 1) * 4)
            .await;
        drop(clients);
        eventually("they are cancelled", || house.counts.cancelled.load(SeqCst) == (round + 1) * 4)
            .await;
    }
    assert_eq!(house.counts.cancelled.load(SeqCst), 200);
    eventually("every session is back", || {
        let vitals = house.pool.vitals();
        vitals.idle == vitals.total && vitals.waiting == 0
    })
    .await;
    assert!(house.counts.opened.load(SeqCst) <= 4, "sessions were kept, not opened anew");
    let mut client = Client::connect(house.address).await.expect("connects");
    let answer = client.mcp(&call("execute_query", json!({ "query": "select 1" }))).await;
    assert_eq!(answer.expect("an answer").status, 200);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_in_vain_is_told_what_to_do() {
    let (pool, counts) = pool(&small(1, Duration::from_millis(100)));
    let hold = CancellationToken::new();
    let holder = tokio::spawn({
        let (pool, hold) = (pool.clone(), hold.clone());
        async move { query(&pool, "select hang", &hold).await }
    });
    eventually("the session is taken", || counts.begun.load(SeqCst) == 1).await;
    let error = query(&pool, "select 1", &CancellationToken::new()).await.expect_err("no session");
    assert!(matches!(error, PoolError::Exhausted { max: 1, .. }), "{error}");
    assert!(error.to_string().contains("raise `pool.max`"));
    assert_eq!(pool.vitals().timeouts_total, 1);
    hold.cancel();
    let held = holder.await.expect("no panic");
    assert!(matches!(held, Err(PoolError::Warehouse(WarehouseError::Cancelled))));
    assert!(query(&pool, "select 1", &CancellationToken::new()).await.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_login_is_told_at_once_and_not_tried_again_and_again() {
    let warehouse =
        FakeWarehouse { locked: Some("wrong password".to_owned()), ..FakeWarehouse::default() };
    let counts = Arc::clone(&warehouse.counts);
    let pool = Pool::new(Arc::new(warehouse), &small(4, PATIENCE), Clock::start());
    let opening = tokio::time::timeout(PATIENCE / 4, pool.open_min()).await.expect("at once");
    assert!(opening.expect_err("no login").to_string().contains("wrong password"));
    for _ in 0..5 {
        let error = query(&pool, "select 1", &CancellationToken::new()).await;
        assert!(matches!(error, Err(PoolError::Refused { .. })));
    }
    assert_eq!(counts.logins_tried.load(SeqCst), 1);
    let vitals = pool.vitals();
    assert_eq!((vitals.logins, vitals.open_failures_total), (Logins::Refused, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broken_session_is_closed_and_replaced() {
    let (pool, counts) = pool(&small(1, PATIENCE));
    assert!(query(&pool, "select broken", &CancellationToken::new()).await.is_ok());
    eventually("it is closed", || counts.closed.load(SeqCst) == 1).await;
    assert!(query(&pool, "select 1", &CancellationToken::new()).await.is_ok());
    assert_eq!(counts.opened.load(SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_whose_statement_does_not_hear_is_retired() {
    let (pool, counts) = pool(&small(1, PATIENCE));
    let cancel = CancellationToken::new();
    let deaf = query(&pool, "select deaf", &cancel);
    let hang_up = async {
        eventually("the statement runs", || counts.begun.load(SeqCst) == 1).await;
        cancel.cancel();
    };
    let (answer, ()) = tokio::join!(deaf, hang_up);
    assert!(matches!(answer, Err(PoolError::Warehouse(WarehouseError::Cancelled))));
    assert!(query(&pool, "select 1", &CancellationToken::new()).await.is_ok());
    assert_eq!(counts.opened.load(SeqCst), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_closed_pool_has_said_goodbye_and_says_so() {
    let (pool, counts) = pool(&small(2, PATIENCE));
    assert!(query(&pool, "select 1", &CancellationToken::new()).await.is_ok());
    pool.close(PATIENCE).await;
    // A login that was under way says goodbye as soon as it has succeeded.
    eventually("all are closed", || counts.closed.load(SeqCst) == counts.opened.load(SeqCst)).await;
    let error = query(&pool, "select 1", &CancellationToken::new()).await;
    assert!(matches!(error, Err(PoolError::Closed)));
}
