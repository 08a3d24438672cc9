//! Sessions live on: tokens are renewed, lost sessions replaced, and an outage is outlived quietly.

use std::time::Duration;

use mcp_protocol::settings::PoolSettings;

use crate::house::{House, PATIENCE, pool_settings};
use crate::server::faults::{Endpoint, Fault};
use crate::server::record::Seen;
use crate::server::{Config, Server};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_token_is_renewed_and_a_lost_session_replaced_without_losing_the_request() {
    let house = House::warm(Config::default(), 1).await;
    let counts = |seen: &Seen| (seen.logins.len(), seen.renewals.len());
    house.server.expire_tokens(false);
    house.query("SELECT 1").await.expect("the token is renewed");
    assert_eq!(house.server.look(counts), (1, 1));
    house.server.expire_tokens(true);
    house.query("SELECT 1").await.expect("a new session is opened");
    assert_eq!(house.server.look(counts), (2, 1));
    house.server.forget_sessions();
    house.query("SELECT 1").await.expect("a new session is opened");
    assert_eq!(house.server.look(counts), (3, 1));
    house.assert_no_leaks().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_renewed_before_it_expires() {
    let config = Config { validity: Duration::from_secs(4), ..Config::default() };
    let house = House::warm(config, 1).await;
    let began = house.now();
    while house.now().since(began) < Duration::from_secs(6) {
        house.query("SELECT SLEEP(0.1)").await.expect("it works all the time");
    }
    let seen = house.seen();
    assert!((1..=6).contains(&seen.renewals.len()), "{} renewals", seen.renewals.len());
    assert_eq!(seen.logins.len(), 1);
    // A statement that met an expired token would have been sent twice.
    assert_eq!(seen.sent.len(), seen.executions.len(), "no statement was refused");
}

/// A login that takes its time is waited for, and no other begun.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn slow_logins_are_no_reason_for_more_of_them() {
    let house = House::new(8);
    let slow = Fault::Drip { bytes: 50, every: Duration::from_millis(50) };
    house.server.fail(Endpoint::Login, usize::MAX, slow);
    let began = house.now();
    house.query("SELECT 1").await.expect("it works");
    let took = house.now().since(began);
    assert!(took > Duration::from_millis(500), "the login was slow: {took:?}");
    assert_eq!(house.logins(), 1);
    let three = (0..3).map(|_| house.query("SELECT SLEEP(3)"));
    for result in futures::future::join_all(three).await {
        result.expect("it works");
    }
    assert_eq!(house.logins(), 3);
}

/// Many borrowers whose tokens all expired at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_session_renews_for_itself_and_once() {
    let house = House::new(4);
    let all =
        |statement: &'static str| futures::future::join_all((0..4).map(|_| house.query(statement)));
    for result in all("SELECT SLEEP(0.3)").await {
        result.expect("it works");
    }
    let logins = house.logins();
    house.server.expire_tokens(false);
    for result in all("SELECT SLEEP(0.3)").await {
        result.expect("the tokens are renewed");
    }
    let renewals = house.server.look(|seen| seen.renewals.len());
    assert!(renewals <= 4, "{renewals}");
    assert_eq!(house.logins(), logins);
}

/// Idle sessions are asked whether they live; one that does not is replaced before it is needed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn idle_sessions_are_kept_alive_and_dead_ones_let_go() {
    let server = Server::start();
    let url = server.url();
    let every = Some(Duration::from_millis(200));
    let settings = PoolSettings { health_check_interval: every, ..pool_settings(1) };
    let house = House::at(server, &url, &settings);
    house.query("SELECT 1").await.expect("it works");
    assert!(house.server.wait(PATIENCE, |seen| seen.heartbeats.len() >= 3).await);
    house.server.expire_tokens(false);
    assert!(house.server.wait(PATIENCE, |seen| seen.renewals.len() == 1).await, "it is renewed");
    house.server.forget_sessions();
    let beats = house.server.look(|seen| seen.requests_to(Endpoint::Heartbeat));
    let asked = |seen: &Seen| seen.requests_to(Endpoint::Heartbeat) > beats;
    assert!(house.server.wait(PATIENCE, asked).await);
    let sent = house.server.look(|seen| seen.sent.len());
    house.query("SELECT 1").await.expect("another session is there");
    let more = house.server.look(|seen| seen.sent.len()) - sent;
    assert!(more <= 2, "{more} statements were sent");
    // A network that is away for a moment is no reason to let sessions go.
    let logins = house.logins();
    let busy = Fault::Status { status: 503, retry_after: None };
    house.server.fail(Endpoint::Heartbeat, 2, busy);
    let beats = house.server.look(|seen| seen.heartbeats.len());
    assert!(house.server.wait(PATIENCE, |seen| seen.heartbeats.len() > beats).await);
    house.query("SELECT 1").await.expect("it works");
    assert_eq!(house.logins(), logins);
    house.assert_no_leaks().await;
}

/// The renewal itself can fail for a moment.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_renewal_that_is_lost_loses_no_request() {
    for fault in [
        Fault::ResetBefore,
        Fault::Status { status: 503, retry_after: None },
        Fault::Refused { code: "390113", message: "Master token not found." },
        Fault::RefusedBare { code: "390114", message: "Authentication token has expired." },
    ] {
        let house = House::warm(Config::default(), 1).await;
        house.server.expire_tokens(false);
        house.server.fail(Endpoint::Renew, 1, fault.clone());
        let result = house.query("SELECT 1").await;
        assert!(result.is_ok(), "{fault:?}: {result:?}");
        house.assert_no_leaks().await;
    }
}

/// Asks all the time, from as many callers as there are sessions, until `until` says enough.
async fn asked_all_the_time(house: &House, until: Duration) -> (usize, usize) {
    let began = house.now();
    let caller = || async {
        let (mut fine, mut failed) = (0, 0);
        while house.now().since(began) < until {
            let pause = house.clock.until(house.now() + Duration::from_millis(20));
            match house.query_within("SELECT 1", Duration::from_secs(1)).await {
                Ok(_) => fine += 1,
                Err(_) => failed += 1,
            }
            pause.await;
        }
        (fine, failed)
    };
    let callers = (0..house.max).map(|_| caller());
    let counts = futures::future::join_all(callers).await;
    counts.into_iter().fold((0, 0), |(fine, failed), (more, worse)| (fine + more, failed + worse))
}

/// An outage in which nobody answers a connect; how the wire's own count of logins grows is how
/// often the door was knocked at.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_brings_no_storm_of_logins_and_ends_soon() {
    let house = House::warm(Config::default(), 4).await;
    asked_all_the_time(&house, Duration::from_millis(300)).await;
    house.server.outage();
    let before = house.warehouse.logins_total();
    let (fine, failed) = asked_all_the_time(&house, Duration::from_secs(6)).await;
    assert_eq!(fine, 0);
    assert!(failed > 0, "callers are told, not held");
    let tried = house.warehouse.logins_total() - before;
    assert!(tried <= 9, "{tried} logins in an outage of 6 s");
    house.server.forget_sessions();
    house.server.back();
    let back_at = house.now();
    while house.query("SELECT 1").await.is_err() {
        assert!(house.now().since(back_at) < Duration::from_secs(30), "not back within 30 s");
        house.clock.until(house.now() + Duration::from_millis(20)).await;
    }
    house.assert_no_leaks().await;
    let after = house.logins();
    assert!(after <= 4 + 4 + 4, "{after} logins that the server saw");
}

/// An outage in which a load balancer answers for the service.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_not_available_sees_no_storm_of_logins() {
    let house = House::warm(Config::default(), 4).await;
    house.server.forget_sessions();
    let all = [Endpoint::Login, Endpoint::Query, Endpoint::Renew, Endpoint::Heartbeat];
    for endpoint in all {
        house.server.fail(endpoint, usize::MAX, Fault::Status { status: 503, retry_after: None });
    }
    asked_all_the_time(&house, Duration::from_secs(6)).await;
    let tried = house.server.look(|seen| seen.requests_to(Endpoint::Login));
    assert!(tried <= 9, "{tried} logins in 6 s");
    house.server.heal();
    let healed_at = house.now();
    while house.query("SELECT 1").await.is_err() {
        assert!(house.now().since(healed_at) < Duration::from_secs(30), "not back within 30 s");
        house.clock.until(house.now() + Duration::from_millis(20)).await;
    }
    house.assert_no_leaks().await;
}

/// Every session is replaced, also that of a statement that runs, and nobody notices.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pool_that_is_reset_replaces_every_session_and_fails_no_call() {
    let house = House::new(4);
    let all = (0..4).map(|_| house.query("SELECT SLEEP(0.3)"));
    for result in futures::future::join_all(all).await {
        result.expect("it works");
    }
    let old = house.server.look(|seen| seen.open_sessions);
    assert_eq!(old, 4);
    let long = house.query("SELECT SLEEP(1)");
    let reset = async {
        assert!(house.server.wait(PATIENCE, |seen| seen.running == 1).await);
        house.pool.reset();
        // Its own session is kept for as long as it runs.
        assert!(house.server.wait(PATIENCE, |seen| seen.closes.len() == 3).await);
        assert_eq!(house.server.look(|seen| seen.running), 1);
        asked_all_the_time(&house, Duration::from_millis(1500)).await
    };
    let (result, (fine, failed)) = futures::join!(long, reset);
    result.expect("what ran has ended well");
    assert!(fine > 0 && failed == 0, "{fine} {failed}");
    assert!(house.server.wait(PATIENCE, |seen| seen.closes.len() == old).await);
    house.assert_no_leaks().await;
    let sessions = house.server.look(|seen| {
        let last = seen.sent.iter().rev().take(4);
        last.map(|sent| sent.session).collect::<Vec<_>>()
    });
    let closed = house.server.look(|seen| seen.closes.clone());
    assert!(sessions.iter().all(|id| !closed.contains(id)), "{sessions:?} {closed:?}");
}

/// Statements that ran when the service went are told to have failed, and not held for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_when_the_service_goes_is_told() {
    let house = House::warm(Config::default(), 2).await;
    let asked = house.query_within("SELECT SLEEP(600)", Duration::from_secs(3));
    let gone = async {
        assert!(house.server.wait(PATIENCE, |seen| seen.running == 1).await);
        house.server.outage();
    };
    let began = house.now();
    let (result, ()) = futures::join!(asked, gone);
    assert!(result.is_err());
    assert!(house.now().since(began) < Duration::from_secs(6));
}
