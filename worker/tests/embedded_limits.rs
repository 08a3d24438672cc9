//! How the embedded account ends statements: at the limits, in time, on request; and that it
//! stays within its memory and takes no thread from others.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg(feature = "embedded")]

mod embedded_account;

use std::future::pending;
use std::time::Duration;

use embedded_account::{Asking, LIMITS, warehouse};
use mcp_worker::warehouse::{Context, Limits, Warehouse, WarehouseError};
use tokio_util::sync::CancellationToken;

/// 216 billion rows: nobody waits for the end of it.
const ENDLESS: &str = "SELECT COUNT(*) FROM lineitem a, lineitem b, lineitem c \
                       WHERE a.l_comment || b.l_comment <> c.l_comment";

async fn run(
    statement: &str,
    limits: Limits,
    cancel: &CancellationToken,
) -> Result<mcp_worker::warehouse::Answer, WarehouseError> {
    let mut session = warehouse().connect().await.unwrap();
    session.query(statement, &Context::default(), &limits, cancel).await
}

#[tokio::test]
async fn rows_and_bytes_end_an_answer() {
    let cancel = CancellationToken::new();
    let all = "SELECT l_comment FROM lineitem";
    let few = run(all, Limits { rows_max: 10, ..LIMITS }, &cancel).await.unwrap();
    assert_eq!((few.rows.len(), few.truncated), (10, true));
    let exact = "SELECT n_name FROM nation";
    let exact = run(exact, Limits { rows_max: 25, ..LIMITS }, &cancel).await.unwrap();
    assert_eq!((exact.rows.len(), exact.truncated), (25, false));
    let small = run(all, Limits { bytes_max: 1000, ..LIMITS }, &cancel).await.unwrap();
    assert!(small.truncated && (10..1000).contains(&small.rows.len()));
    let shown = run("SHOW TABLES", Limits { rows_max: 3, ..LIMITS }, &cancel).await.unwrap();
    assert_eq!((shown.rows.len(), shown.truncated), (3, true));
}

#[tokio::test]
async fn no_rows_still_have_columns() {
    let cancel = CancellationToken::new();
    let answer = run("SELECT * FROM region WHERE 1 = 0", LIMITS, &cancel).await.unwrap();
    assert_eq!((answer.columns.len(), answer.rows.len()), (3, 0));
    assert_eq!(answer.query_id.len(), 36);
    assert_eq!(answer.schema.as_deref(), Some("TPCH_SF1"));
}

#[tokio::test]
async fn time_ends_a_statement() {
    let limits = Limits { timeout: Duration::from_millis(300), ..LIMITS };
    let ended = run(ENDLESS, limits, &CancellationToken::new()).await;
    assert!(matches!(ended, Err(WarehouseError::TimedOut { .. })), "{ended:?}");
    free_again().await;
}

#[tokio::test]
async fn cancelling_and_dropping_free_the_engine() {
    let cancel = CancellationToken::new();
    let asked = cancel.clone();
    let task = tokio::spawn(async move { run(ENDLESS, LIMITS, &asked).await });
    tokio::task::yield_now().await;
    cancel.cancel();
    let ended = task.await.unwrap();
    assert!(matches!(ended, Err(WarehouseError::Cancelled)), "{ended:?}");

    let never = CancellationToken::new();
    for _ in 0..4 {
        let statement = run(ENDLESS, LIMITS, &never);
        let dropped = tokio::time::timeout(Duration::from_millis(200), statement).await;
        assert!(dropped.is_err());
    }
    free_again().await;
}

/// Both of the engine's threads answer: the endless statements have really ended.
async fn free_again() {
    let mut both = Vec::new();
    for _ in 0..2 {
        both.push(tokio::spawn(async {
            let mut asking = Asking::new().await;
            asking.rows("SELECT COUNT(*) FROM lineitem").await
        }));
    }
    for task in both {
        let answer = tokio::time::timeout(Duration::from_secs(30), task).await;
        assert_eq!(answer.expect("the engine is free").unwrap(), "60175");
    }
}

#[tokio::test]
async fn the_callers_thread_is_never_taken() {
    // One thread runs both: if the statement took it, the timer would come late.
    let cancel = CancellationToken::new();
    let statement = run(ENDLESS, LIMITS, &cancel);
    let timer = async {
        for _ in 0..20 {
            assert!(
                tokio::time::timeout(Duration::from_millis(10), pending::<()>()).await.is_err()
            );
        }
    };
    tokio::select! {
        ended = statement => panic!("it cannot have ended: {ended:?}"),
        () = timer => {}
    }
}

#[tokio::test]
async fn too_much_memory_is_an_error() {
    let cancel = CancellationToken::new();
    let greedy = "SELECT COUNT(*) FROM (SELECT a.l_comment || b.l_comment AS c, COUNT(*) \
                  FROM lineitem a JOIN lineitem b ON a.l_linenumber = b.l_linenumber GROUP BY 1)";
    let ended = run(greedy, LIMITS, &cancel).await;
    match ended {
        Err(WarehouseError::Statement { message }) => {
            assert!(message.contains("needs more memory"), "{message}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_deep_statement_is_answered_or_refused() {
    let mut asking = Asking::new().await;
    let long = |terms: usize| format!("SELECT 1{}", "+1".repeat(terms));
    assert_eq!(asking.rows(&long(250)).await, "251");
    let either =
        format!("SELECT COUNT(*) FROM nation WHERE 1=2{}", " OR n_nationkey=1".repeat(250));
    assert_eq!(asking.rows(&either).await, "1");
    assert!(asking.rows(&long(5000)).await.contains("nested deeper than 300"));
    assert!(asking.rows(&long(50_000)).await.contains("more than 20000 words"));
    let deep = format!("SELECT {}1{}", "(".repeat(5000), ")".repeat(5000));
    assert!(asking.rows(&deep).await.contains("nested deeper than 60"));
    let list = format!("SELECT COUNT(*) FROM nation WHERE n_nationkey IN (7{})", ",8".repeat(9000));
    assert_eq!(asking.rows(&list).await, "2");
}
