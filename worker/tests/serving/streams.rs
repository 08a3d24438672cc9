//! Replies that take their time: streams that begin early, break, are continued, and end.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use mcp_protocol::settings::Settings;
use mcp_worker::clock::Clock;
use mcp_worker::http::Stage;
use serde_json::{Value, json};

use crate::sessions::{ask, begin, cancel, connect, of, query, sharing, two_doors};
use crate::support::{Client, House, PATIENCE, eventually, house, mcp_head};

/// A client whose slow statement became a stream, and the id of the stream's first event.
async fn streaming(house: &House, session: &str, statement: &str) -> (Client, String) {
    let mut client = connect(house).await;
    client.send(&of(session), &query(json!(7), statement).to_string()).await.expect("sends");
    let head = client.head().await.expect("a head");
    assert_eq!(head.header("content-type"), Some("text/event-stream"), "{head:?}");
    let first = client.event().await.expect("a stream").expect("an event");
    let id = first.strip_prefix("id: ").and_then(|rest| rest.split_once('\n'));
    let (id, rest) = id.unwrap_or_else(|| panic!("no id: {first}"));
    assert_eq!(rest, "retry: 300\ndata: \n\n");
    (client, id.to_owned())
}

/// A client that comes back for the stream that began with this event.
async fn back(house: &House, session: &str, event: &str) -> Client {
    let mut client = connect(house).await;
    let head = format!(
        "GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\
         \r\nMcp-Session-Id: {session}\r\nLast-Event-ID: {event}"
    );
    client.send(&head, "").await.expect("sends");
    client
}

#[tokio::test]
async fn a_slow_call_is_a_stream_before_its_result_is_there() {
    let house = house(&sharing(1)).await;
    let newest = begin(&house, "2025-11-25").await;
    let (mut client, _) = streaming(&house, &newest, "select gated").await;
    house.counts.gate.notify_one();
    let result = client.event().await.expect("a stream").expect("an event");
    assert!(result.starts_with("data: {\"jsonrpc\"") && result.contains("\"id\":7"), "{result}");
    assert_eq!(client.event().await.expect("a stream"), None);
    let older = begin(&house, "2025-06-18").await;
    for head in [of(&older), mcp_head("")] {
        let mut client = connect(&house).await;
        client.send(&head, &query(json!(8), "select gated").to_string()).await.expect("sends");
        let head = client.head().await.expect("a head");
        assert_eq!(head.header("x-accel-buffering"), Some("no"), "{head:?}");
        assert_eq!(head.header("cache-control"), Some("no-store"), "{head:?}");
        house.counts.gate.notify_one();
        let result = client.event().await.expect("a stream").expect("an event");
        assert!(result.starts_with("data: {"), "a version that knows no first event: {result}");
    }
}

#[tokio::test]
async fn a_quick_call_and_a_client_that_takes_no_stream_get_json() {
    let house = house(&sharing(1)).await;
    let session = begin(&house, "2025-11-25").await;
    let quick = ask(&house, &of(&session), &query(json!(7), "select 1")).await;
    assert_eq!(quick.header("content-type"), Some("application/json"), "{quick:?}");
    let plain = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json";
    for accept in ["", "\r\nAccept: */*"] {
        let head = format!("{plain}{accept}");
        let slow = ask(&house, &head, &query(json!(7), "select slow")).await;
        assert_eq!(slow.header("content-type"), Some("application/json"), "{slow:?}");
        assert!(slow.json()["result"].is_object());
    }
}

#[tokio::test]
async fn a_client_that_comes_back_gets_its_result_from_the_worker_that_still_runs() {
    let house = house(&sharing(1)).await;
    let session = begin(&house, "2025-11-25").await;
    let (client, event) = streaming(&house, &session, "select gated").await;
    drop(client);
    let mut client = back(&house, &session, &event).await;
    assert_eq!(client.head().await.expect("a head").status, 200);
    let first = client.event().await.expect("a stream").expect("an event");
    assert!(first.starts_with(&format!("id: {event}\n")), "{first}");
    house.counts.gate.notify_one();
    let result = client.event().await.expect("a stream").expect("an event");
    assert!(result.contains("\"result\":"), "{result}");
    assert_eq!((house.counts.begun.load(SeqCst), house.counts.cancelled.load(SeqCst)), (1, 0));
}

#[tokio::test]
async fn a_client_that_comes_back_to_another_worker_is_told_to_call_again() {
    let (one, other) = two_doors().await;
    let session = begin(&one, "2025-11-25").await;
    let (client, event) = streaming(&one, &session, "select hang").await;
    drop(client);
    let answer = back(&other, &session, &event).await.answer().await.expect("an answer");
    let told = answer.json();
    assert_eq!(
        (answer.status, &told["id"], &told["error"]["code"]),
        (200, &json!(7), &json!(-32000))
    );
    eventually("its statement ends", || one.counts.cancelled.load(SeqCst) == 1).await;
    let stranger = begin(&one, "2025-11-25").await;
    for (session, event) in [(&stranger, event.as_str()), (&session, "x"), (&session, "")] {
        let answer = back(&other, session, event).await.answer().await.expect("an answer");
        assert_eq!(answer.status, 400, "{event}: {answer:?}");
    }
}

#[tokio::test]
async fn a_cancelled_stream_ends_and_nobody_is_told_to_come_back() {
    let (one, other) = two_doors().await;
    let session = begin(&one, "2025-11-25").await;
    let (mut client, event) = streaming(&one, &session, "select hang").await;
    assert_eq!(ask(&other, &of(&session), &cancel(&json!(7))).await.status, 202);
    assert_eq!(client.event().await.expect("a stream that ends well"), None);
    for house in [&one, &other] {
        let answer = back(house, &session, &event).await.answer().await.expect("an answer");
        assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{answer:?}");
    }
}

#[tokio::test]
async fn a_client_that_leaves_for_good_has_its_statement_ended_within_two_seconds() {
    let house = house(&sharing(1)).await;
    let clock = Clock::start();
    let counts = &house.counts;
    let primed = begin(&house, "2025-11-25").await;
    let (client, _) = streaming(&house, &primed, "select hang").await;
    let left = clock.now();
    drop(client);
    eventually("its statement ends", || counts.cancelled.load(SeqCst) == 1).await;
    let took = clock.now().since(left);
    assert!(took > Duration::from_millis(500) && took < Duration::from_secs(2), "{took:?}");
    let mut client = connect(&house).await;
    client.send_mcp(&query(json!(7), "select hang")).await.expect("sends");
    client.head().await.expect("a head");
    let left = clock.now();
    drop(client);
    eventually("its statement ends", || counts.cancelled.load(SeqCst) == 2).await;
    let took = clock.now().since(left);
    assert!(took < Duration::from_millis(900), "nobody can come back: {took:?}");
}

#[tokio::test]
async fn a_stream_is_told_when_its_worker_leaves_and_when_its_time_is_over() {
    let mut settings: Settings = sharing(1);
    settings.http.request_timeout = Duration::from_millis(600);
    for leaves in [true, false] {
        let house = house(&settings).await;
        let session = begin(&house, "2025-11-25").await;
        let (mut client, _) = streaming(&house, &session, "select hang").await;
        if leaves {
            house.door.advance(Stage::ClosingIdle);
            house.door.advance(Stage::AnsweringRest);
        }
        let told = client.event().await.expect("a stream").expect("an event");
        let told: Value = serde_json::from_str(told.trim_start_matches("data: ")).expect("JSON");
        assert_eq!((&told["id"], &told["error"]["code"]), (&json!(7), &json!(-32000)), "{told}");
        assert_eq!(client.event().await.expect("a stream"), None);
        eventually("its statement ends", || house.counts.cancelled.load(SeqCst) == 1).await;
    }
}

#[tokio::test]
async fn a_stream_outlives_the_closing_of_idle_connections() {
    let house = house(&sharing(1)).await;
    let session = begin(&house, "2025-11-25").await;
    let (mut client, _) = streaming(&house, &session, "select gated").await;
    house.door.advance(Stage::LastRequests);
    house.door.advance(Stage::ClosingIdle);
    house.counts.gate.notify_one();
    let result = client.event().await.expect("a stream").expect("an event");
    assert!(result.contains("\"result\":"), "{result}");
    assert_eq!(client.event().await.expect("a stream"), None);
    let emptied = tokio::time::timeout(PATIENCE, house.door.emptied()).await;
    assert!(emptied.is_ok(), "connections are left over");
}

#[tokio::test]
async fn a_subscription_lasts_until_its_worker_leaves_and_ends_well() {
    let mut settings: Settings = sharing(1);
    settings.http.request_timeout = Duration::from_millis(100);
    let house = house(&settings).await;
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}
    });
    let params = json!({ "_meta": meta, "notifications": { "toolsListChanged": true } });
    let message =
        json!({ "jsonrpc": "2.0", "id": 5, "method": "subscriptions/listen", "params": params });
    let head = mcp_head("\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen");
    let mut client = connect(&house).await;
    client.send(&head, &message.to_string()).await.expect("sends");
    assert_eq!(client.head().await.expect("a head").status, 200);
    let acknowledged = client.event().await.expect("a stream").expect("an event");
    assert!(acknowledged.contains("notifications/subscriptions/acknowledged"), "{acknowledged}");
    let early = tokio::time::timeout(settings.http.request_timeout * 3, client.event()).await;
    assert!(early.is_err(), "it ended early: {early:?}");
    house.door.advance(Stage::LastRequests);
    let last = client.event().await.expect("a stream").expect("an event");
    assert!(last.contains("\"id\":5") && last.contains("\"result\""), "{last}");
    assert_eq!(client.event().await.expect("a stream"), None);
}
