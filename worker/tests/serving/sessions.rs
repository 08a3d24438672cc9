//! Sessions of the older versions, which belong to no worker: begun at one door, used at another,
//! ended for all.

use std::sync::atomic::Ordering::SeqCst;

use mcp_protocol::relay::{SealingKey, SealingKeys};
use mcp_protocol::settings::Settings;
use mcp_worker::bus::Bus;
use serde_json::{Value, json};

use crate::support::{
    Client, House, HttpAnswer, call, eventually, house, house_among, listener, mcp_head,
};

/// The settings of workers that share a key made of this byte.
pub(crate) fn sharing(byte: u8) -> Settings {
    let current = SealingKey::new(byte, &[byte; 32], 0);
    let sessions = SealingKeys { current, previous: None };
    Settings { sessions, ..Settings::default() }
}

/// Two doors that share a key and hear each other.
pub(crate) async fn two_doors() -> (House, House) {
    let bus = Bus::alone();
    let one = house_among(listener(), &sharing(1), bus.clone()).await;
    let other = house_among(listener(), &sharing(1), bus.sibling()).await;
    (one, other)
}

pub(crate) async fn connect(house: &House) -> Client {
    Client::connect(house.address).await.expect("connects")
}

/// Introduces a client of this version and gives its session's id.
pub(crate) async fn begin(house: &House, version: &str) -> String {
    let message = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize",
        "params": {
            "protocolVersion": version, "capabilities": { "roots": {} },
            "clientInfo": { "name": "desk", "version": "3" }
        }
    });
    let answer = connect(house).await.mcp(&message).await.expect("an answer");
    let id = answer.header("mcp-session-id").unwrap_or_else(|| panic!("no session: {answer:?}"));
    assert!(id.len() <= 2048 && id.bytes().all(|byte| byte.is_ascii_graphic()), "{id}");
    id.to_owned()
}

/// The head of a request of a session.
pub(crate) fn of(session: &str) -> String {
    mcp_head(&format!("\r\nMcp-Session-Id: {session}"))
}

pub(crate) async fn ask(house: &House, head: &str, message: &Value) -> HttpAnswer {
    let mut client = connect(house).await;
    client.send(head, &message.to_string()).await.expect("sends");
    client.answer().await.expect("an answer")
}

pub(crate) fn cancel(request: &Value) -> Value {
    let params = json!({ "requestId": request });
    json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": params })
}

pub(crate) fn query(id: Value, statement: &str) -> Value {
    let mut message = call("execute_query", json!({ "query": statement }));
    message["id"] = id;
    message
}

async fn delete(house: &House, session: &str) -> HttpAnswer {
    let mut client = connect(house).await;
    let head = format!("DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Session-Id: {session}");
    client.send(&head, "").await.expect("sends");
    client.answer().await.expect("an answer")
}

fn list() -> Value {
    json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" })
}

#[tokio::test]
async fn a_session_begun_at_one_door_is_served_by_another_that_knows_whose_it_is() {
    let (one, other) = two_doors().await;
    for version in ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"] {
        let session = begin(&one, version).await;
        let answer = ask(&other, &of(&session), &query(json!(7), "select 1")).await;
        assert!(answer.status == 200 && answer.json()["result"].is_object(), "{answer:?}");
        let origin = other.counts.origins.lock().unwrap().pop().expect("somebody asked");
        assert_eq!(origin.client.as_deref(), Some("desk 3"));
        let named = origin.session.expect("a name for the session");
        assert!(named.len() == 32 && !session.contains(&named), "{named}");
    }
}

#[tokio::test]
async fn only_a_good_id_is_a_session_and_the_newest_version_has_none() {
    let house = house(&sharing(1)).await;
    let stranger = house_among(listener(), &sharing(2), Bus::alone()).await;
    let session = begin(&house, "2025-06-18").await;
    let cut = &session[..session.len() - 1];
    let foreign = begin(&stranger, "2025-06-18").await;
    for wrong in ["x", "", cut, &foreign] {
        let answer = ask(&house, &of(wrong), &list()).await;
        assert_eq!(answer.status, 404, "{wrong}: {answer:?}");
        let told = answer.json();
        assert_eq!((&told["id"], &told["error"]["code"]), (&json!(2), &json!(-32001)));
    }
    assert_eq!(ask(&house, &mcp_head(""), &list()).await.status, 200, "an id is no duty");
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "modern", "version": "5" }
    });
    let params = json!({ "_meta": meta, "name": "list_databases" });
    let modern = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let head = "\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\
                \r\nMcp-Name: list_databases\r\nMcp-Session-Id: x";
    assert_eq!(ask(&house, &mcp_head(head), &modern).await.status, 200);
    let origin = house.counts.origins.lock().unwrap().pop().expect("somebody asked");
    assert_eq!((origin.client.as_deref(), origin.session), (Some("modern 5"), None));
}

#[tokio::test]
async fn a_session_that_was_ended_at_one_door_is_ended_at_all_with_what_runs_for_it() {
    let (one, other) = two_doors().await;
    let (session, bystander) = (begin(&one, "2025-06-18").await, begin(&one, "2025-06-18").await);
    let mut running = connect(&other).await;
    let hang = query(json!(7), "select hang").to_string();
    running.send(&of(&session), &hang).await.expect("sends");
    eventually("it runs", || other.counts.begun.load(SeqCst) == 1).await;
    let answer = delete(&one, &session).await;
    assert_eq!((answer.status, answer.body.as_str()), (204, ""), "{answer:?}");
    eventually("it is cancelled", || other.counts.cancelled.load(SeqCst) == 1).await;
    for house in [&one, &other] {
        assert_eq!(ask(house, &of(&session), &list()).await.status, 404);
        assert_eq!(delete(house, &session).await.status, 404);
        assert_eq!(ask(house, &of(&bystander), &list()).await.status, 200);
    }
}

#[tokio::test]
async fn a_cancel_finds_its_request_at_any_door_and_no_other_request() {
    let (one, other) = two_doors().await;
    let (session, bystander) = (begin(&one, "2025-06-18").await, begin(&one, "2025-06-18").await);
    let mut clients = Vec::new();
    for (session, id) in [(&session, json!(7)), (&bystander, json!(7)), (&session, json!("7"))] {
        let mut client = connect(&other).await;
        let hang = query(id, "select hang").to_string();
        client.send(&of(session), &hang).await.expect("sends");
        clients.push(client);
    }
    eventually("all run", || other.counts.begun.load(SeqCst) == 3).await;
    let answer = ask(&one, &of(&session), &cancel(&json!(7))).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    let answer = clients[0].answer().await.expect("an end");
    assert_eq!(answer.header("content-type"), Some("text/event-stream"), "{answer:?}");
    assert!(!answer.body.contains("data: {"), "{answer:?}");
    assert_eq!(other.counts.cancelled.load(SeqCst), 1);
    let answer = ask(&other, &of(&session), &cancel(&json!("7"))).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    clients[2].answer().await.expect("an end");
    assert_eq!(other.counts.cancelled.load(SeqCst), 2, "the bystander still runs");
}

#[tokio::test]
async fn a_cancel_that_overtakes_its_request_is_not_lost() {
    let (one, other) = two_doors().await;
    let session = begin(&one, "2025-06-18").await;
    assert_eq!(ask(&one, &of(&session), &cancel(&json!(7))).await.status, 202);
    // The other door hears of it by itself; the request may still overtake that once more.
    for house in [&one, &other] {
        eventually_cancelled(house, &session).await;
    }
}

async fn eventually_cancelled(house: &House, session: &str) {
    let answer = ask(house, &of(session), &query(json!(7), "select hang")).await;
    assert_eq!(answer.header("content-type"), Some("text/event-stream"), "{answer:?}");
}

#[tokio::test]
async fn a_cancel_from_a_page_that_is_not_served_changes_nothing() {
    let house = house(&sharing(1)).await;
    let session = begin(&house, "2025-06-18").await;
    let mut running = connect(&house).await;
    let gated = query(json!(7), "select gated").to_string();
    running.send(&of(&session), &gated).await.expect("sends");
    eventually("it runs", || house.counts.begun.load(SeqCst) == 1).await;
    let evil = format!("{}\r\nOrigin: https://evil.example.com", of(&session));
    assert_eq!(ask(&house, &evil, &cancel(&json!(7))).await.status, 403);
    let delete = format!(
        "DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nMcp-Session-Id: {session}\
         \r\nOrigin: https://evil.example.com"
    );
    let mut client = connect(&house).await;
    client.send(&delete, "").await.expect("sends");
    assert_eq!(client.answer().await.expect("an answer").status, 403);
    house.counts.gate.notify_one();
    assert!(running.answer().await.expect("an answer").json()["result"].is_object());
}
