//! Statements that nobody wants any more end at the server too, soon, and leak nothing.

use std::time::Duration;

use mcp_worker::warehouse::WarehouseError;
use mcp_worker::warehouse::pool::PoolError;
use tokio_util::sync::CancellationToken;

use crate::house::{ENDED_WITHIN, House, PATIENCE, TIMEOUT, is_timeout, limits};
use crate::server::Config;
use crate::server::faults::{Endpoint, Fault};
use crate::server::record::End;

/// With polls, so that a statement is ended in each of its states.
fn quick() -> Config {
    Config { long_after: Duration::from_millis(100), ..Config::default() }
}

/// How the statement that slept ended.
fn ends(house: &House) -> Vec<Option<End>> {
    let seen = house.seen();
    let runs = seen.executions.iter().filter(|run| run.sql.contains("SLEEP(600)"));
    runs.map(|run| run.ended.map(|(_, end)| end)).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_statement_ends_at_the_server() {
    for wait_for_polls in [false, true] {
        let house = House::warm(quick(), 2).await;
        let cancel = CancellationToken::new();
        let limits = limits(PATIENCE);
        let asked = house.query_with("SELECT SLEEP(600)", &limits, &cancel);
        let cancelled = async {
            let runs = house.server.wait(PATIENCE, |seen| {
                let polled = seen.requests_to(Endpoint::Result) > 1;
                seen.running == 1 && (polled || !wait_for_polls)
            });
            assert!(runs.await, "the statement runs");
            cancel.cancel();
            house.now()
        };
        let (result, cancelled_at) = futures::join!(asked, cancelled);
        let told_after = house.now().since(cancelled_at);
        assert!(
            matches!(result, Err(PoolError::Warehouse(WarehouseError::Cancelled))),
            "{result:?}"
        );
        assert!(told_after < ENDED_WITHIN, "{told_after:?}");
        house.assert_nothing_runs(ENDED_WITHIN).await;
        assert_eq!(ends(&house), [Some(End::Aborted)]);
        house.assert_no_leaks().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_takes_too_long_ends_at_the_server() {
    let house = House::warm(quick(), 2).await;
    let timeout = Duration::from_millis(700);
    let began = house.now();
    let error = house.query_within("SELECT SLEEP(600)", timeout).await.expect_err("too long");
    let took = house.now().since(began);
    assert!(is_timeout(&error), "{error:?}");
    assert!((timeout..timeout + ENDED_WITHIN).contains(&took), "{took:?}");
    house.assert_nothing_runs(ENDED_WITHIN).await;
    assert_eq!(ends(&house), [Some(End::Aborted)]);
    let seen = house.seen();
    let sent = seen.sent_of("SELECT SLEEP(600)")[0];
    let limit = sent.parameter("STATEMENT_TIMEOUT_IN_SECONDS").as_u64();
    assert!(
        limit.is_some_and(|seconds| (1..=2).contains(&seconds)),
        "the server knows too: {limit:?}"
    );
    house.assert_no_leaks().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_ends_although_the_token_expired_meanwhile() {
    let house = House::warm(quick(), 2).await;
    let cancel = CancellationToken::new();
    let limits = limits(PATIENCE);
    let asked = house.query_with("SELECT SLEEP(600)", &limits, &cancel);
    let cancelled = async {
        assert!(house.server.wait(PATIENCE, |seen| seen.running == 1).await);
        house.server.fail(Endpoint::Abort, 1, Fault::TokenExpired);
        cancel.cancel();
    };
    let (_, ()) = futures::join!(asked, cancelled);
    house.assert_nothing_runs(ENDED_WITHIN).await;
    house.assert_no_leaks().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_abort_that_is_lost_is_sent_again() {
    for fault in [Fault::ResetBefore, Fault::Status { status: 503, retry_after: None }] {
        let house = House::warm(quick(), 2).await;
        house.server.fail(Endpoint::Abort, 1, fault);
        let timeout = Duration::from_millis(300);
        let error = house.query_within("SELECT SLEEP(600)", timeout).await.expect_err("too long");
        assert!(is_timeout(&error), "{error:?}");
        house.assert_nothing_runs(ENDED_WITHIN).await;
        house.assert_no_leaks().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_that_hang_up_leave_nothing_behind() {
    const AT_ONCE: usize = 8;
    let house = House::warm(quick(), 8).await;
    for round in 0..1000 / AT_ONCE {
        let asked = (0..AT_ONCE).map(|_| house.query("SELECT SLEEP(600)"));
        let asked = futures::future::join_all(asked);
        // Some hang up before the server has heard of it, some while it works, some while it is
        // asked again for the answer.
        let before = house.server.look(|seen| seen.executions.len());
        let polls = house.server.look(|seen| seen.requests_to(Endpoint::Result));
        let moment = house.server.wait(PATIENCE, |seen| match round % 4 {
            0 => true,
            1 => seen.executions.len() > before,
            2 => seen.executions.len() >= before + AT_ONCE / 2,
            _ => seen.requests_to(Endpoint::Result) > polls,
        });
        tokio::select! {
            biased;
            _ = asked => panic!("nothing was to come of it"),
            reached = moment => assert!(reached, "round {round}"),
        }
    }
    house.assert_nothing_runs(ENDED_WITHIN).await;
    let ran = house.server.look(|seen| seen.executions_of("SELECT SLEEP").len());
    assert!(ran >= 200, "only {ran} statements began");
    house.assert_no_leaks().await;
    house.pool.close(TIMEOUT).await;
    let seen = house.seen();
    assert_eq!(seen.open_sessions, 0, "sessions were closed");
    let all = seen.executions.iter().all(|run| run.ended.is_some());
    assert!(all, "{} executions, some without an end", seen.executions.len());
}

/// A change needs a session of its own; who hangs up while that is opened leaves none behind.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_hangs_up_during_a_login_leaves_no_session_behind() {
    for fault in [Fault::HangAfter, Fault::Drip { bytes: 50, every: Duration::from_millis(20) }] {
        let house = House::warm(quick(), 1).await;
        house.server.fail(Endpoint::Login, 1, fault.clone());
        let cancel = CancellationToken::new();
        let limits = limits(PATIENCE);
        let asked = house.query_with("INSERT INTO t VALUES (1)", &limits, &cancel);
        let cancelled = async {
            assert!(house.server.wait(PATIENCE, |seen| seen.logins.len() == 2).await);
            cancel.cancel();
        };
        let (result, ()) = futures::join!(asked, cancelled);
        assert!(result.is_err(), "{fault:?}");
        house.assert_no_leaks().await;
        house.pool.close(PATIENCE).await;
        // The answer that never came is the server's to clean up.
        let left = usize::from(fault == Fault::HangAfter);
        let closed = house.server.wait(ENDED_WITHIN, |seen| seen.open_sessions <= left).await;
        assert!(closed, "{fault:?}: {} sessions", house.seen().open_sessions);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_drain_ends_what_runs_and_closes_every_session() {
    let house = House::warm(quick(), 4).await;
    let drain = CancellationToken::new();
    let limits = limits(PATIENCE);
    let asked = (0..4).map(|_| house.query_with("SELECT SLEEP(600)", &limits, &drain));
    let drained = async {
        assert!(house.server.wait(PATIENCE, |seen| seen.running == 4).await);
        drain.cancel();
        let began = house.now();
        house.pool.close(PATIENCE).await;
        house.now().since(began)
    };
    let (results, took) = futures::join!(futures::future::join_all(asked), drained);
    assert!(results.iter().all(std::result::Result::is_err));
    assert!(took < ENDED_WITHIN, "{took:?}");
    let seen = house.seen();
    assert_eq!((seen.running, seen.open_sessions), (0, 0));
    assert_eq!(seen.closes.len(), seen.logins.len());
    assert!(ends(&house).iter().all(|end| *end == Some(End::Aborted)));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_statements_are_polled_and_run_once() {
    let house = House::warm(quick(), 2).await;
    let answer = house.query("SELECT SLEEP(1.2)").await.expect("it ends");
    assert_eq!(answer.rows.len(), 1);
    let seen = house.seen();
    assert_eq!(seen.executions_of("SELECT SLEEP").len(), 1);
    assert_eq!(seen.sent_of("SELECT SLEEP").len(), 1);
    assert!(seen.requests_to(Endpoint::Result) >= 3, "{:?}", seen.requests);
}
