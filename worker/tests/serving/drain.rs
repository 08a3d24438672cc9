//! Leaving without losing a request.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::SeqCst};
use std::time::Duration;

use mcp_protocol::settings::Settings;
use mcp_worker::http::Stage;
use serde_json::json;

use crate::support::{Client, House, PATIENCE, call, eventually, house, house_at, listener};

/// Waits until no connection is left.
async fn emptied(house: &House) {
    let emptied = tokio::time::timeout(PATIENCE, house.door.emptied()).await;
    assert!(emptied.is_ok(), "connections are left over");
}

/// What a load of clients saw.
#[derive(Default)]
struct Seen {
    stop: AtomicBool,
    ok: AtomicU64,
    failed: AtomicU64,
}

impl Seen {
    fn note(&self, answered: bool) {
        let counter = if answered { &self.ok } else { &self.failed };
        counter.fetch_add(1, SeqCst);
    }
}

async fn one_request_each(address: std::net::SocketAddr, seen: Arc<Seen>) {
    while !seen.stop.load(SeqCst) {
        let answered = async {
            let mut client = Client::connect(address).await?;
            client.mcp(&call("execute_query", json!({ "query": "select 1" }))).await
        };
        seen.note(answered.await.is_ok_and(|answer| answer.status == 200));
    }
}

async fn kept_alive(address: std::net::SocketAddr, seen: Arc<Seen>) {
    while !seen.stop.load(SeqCst) {
        let Ok(mut client) = Client::connect(address).await else {
            seen.note(false);
            continue;
        };
        loop {
            let answer = client.mcp(&call("execute_query", json!({ "query": "select 1" }))).await;
            seen.note(answer.as_ref().is_ok_and(|answer| answer.status == 200));
            let goes_on = answer.is_ok_and(|answer| !answer.says_close());
            if !goes_on || seen.stop.load(SeqCst) {
                break;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_drains_beside_another_server_lose_no_request() {
    let settings = Settings::default();
    let shared = listener();
    let take = || shared.try_clone().expect("a descriptor");
    let mut current = house_at(take(), &settings).await;
    let seen = Arc::new(Seen::default());
    let clients: Vec<_> = (0..4)
        .flat_map(|_| {
            let (address, one, kept) = (current.address, Arc::clone(&seen), Arc::clone(&seen));
            [tokio::spawn(one_request_each(address, one)), tokio::spawn(kept_alive(address, kept))]
        })
        .collect();
    for _ in 0..10 {
        let before = seen.ok.load(SeqCst);
        eventually("clients are served", || seen.ok.load(SeqCst) > before + 50).await;
        let successor = house_at(take(), &settings).await;
        let leaving = std::mem::replace(&mut current, successor);
        leaving.door.advance(Stage::LastRequests);
        emptied(&leaving).await;
    }
    seen.stop.store(true, SeqCst);
    for client in clients {
        client.await.expect("no panic");
    }
    let (ok, failed) = (seen.ok.load(SeqCst), seen.failed.load(SeqCst));
    assert_eq!(failed, 0, "{failed} of {} requests failed", ok + failed);
}

#[tokio::test]
async fn a_request_in_flight_is_finished_and_its_connection_closed() {
    let house = house(&Settings::default()).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    client
        .send_mcp(&call("execute_query", json!({ "query": "select slow" })))
        .await
        .expect("sends");
    eventually("it runs", || house.counts.begun.load(SeqCst) == 1).await;
    house.door.advance(Stage::ClosingIdle);
    let answer = client.answer().await.expect("an answer");
    assert!(answer.status == 200 && answer.says_close(), "{answer:?}");
    assert!(answer.json()["result"]["structuredContent"].is_object());
    emptied(&house).await;
}

#[tokio::test]
async fn a_request_that_overruns_is_answered_with_an_error_and_cancelled() {
    let house = house(&Settings::default()).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    client
        .send_mcp(&call("execute_query", json!({ "query": "select hang" })))
        .await
        .expect("sends");
    eventually("it runs", || house.counts.begun.load(SeqCst) == 1).await;
    house.door.advance(Stage::AnsweringRest);
    let answer = client.answer().await.expect("an answer").json();
    assert_eq!(answer["id"], 7);
    assert_eq!(
        answer["error"],
        json!({ "code": -32000, "message": "this worker is leaving; retry" })
    );
    eventually("it is cancelled", || house.counts.cancelled.load(SeqCst) == 1).await;
    emptied(&house).await;
}

#[tokio::test]
async fn a_connection_without_a_first_byte_is_still_served_its_request() {
    let house = house(&Settings::default()).await;
    let mut silent = Client::connect(house.address).await.expect("connects");
    let mut half = Client::connect(house.address).await.expect("connects");
    half.send_bytes(b"GET /livez HTTP/1.1\r\nHost: localhost\r\n").await.expect("sends");
    let connections = || house.metrics.vitals(house.pool.vitals()).connections;
    eventually("both are accepted", || connections() == 2).await;
    house.door.advance(Stage::LastRequests);
    let answer = silent.get("/livez").await.expect("an answer");
    assert!(answer.status == 200 && answer.says_close(), "{answer:?}");
    house.door.advance(Stage::ClosingIdle);
    half.send_bytes(b"\r\n").await.expect("sends");
    assert_eq!(half.answer().await.expect("an answer").status, 200);
    emptied(&house).await;
}

#[tokio::test]
async fn an_idle_connection_is_closed_when_its_time_has_come_and_not_before() {
    let house = house(&Settings::default()).await;
    let mut idle = Client::connect(house.address).await.expect("connects");
    assert_eq!(idle.get("/livez").await.expect("an answer").status, 200);
    house.door.advance(Stage::LastRequests);
    let early = tokio::time::timeout(Duration::from_millis(200), house.door.emptied()).await;
    assert!(early.is_err(), "closed too early");
    house.door.advance(Stage::ClosingIdle);
    assert!(idle.is_closed().await);
    emptied(&house).await;
}
