//! What administrators may ask at the door: who may, for which workers, and what is written down.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use mcp_protocol::access::{AccessSettings, AuditLevel, Grant};
use mcp_protocol::relay::{SealingKey, SealingKeys};
use mcp_protocol::settings::{LogLevel, LogSettings, McpSettings, PoolSettings, Settings};
use mcp_worker::bus::Bus;
use mcp_worker::settings::Identity;
use serde_json::{Value, json};

use crate::access::{client, key, only};
use crate::support::{
    Client, Colleagues, House, HttpAnswer, call, eventually, house, house_with, listener,
};

/// The number of the administrator's key, and of somebody's who is none.
pub(crate) const ADMIN: u8 = 1;
pub(crate) const PLAIN: u8 = 2;

/// Settings with an administrator and another client.
pub(crate) fn settings_with_clients() -> Settings {
    let grant = Grant { admin: true, ..Grant::default() };
    let clients = vec![
        client("boss", Some(&key(ADMIN)), grant),
        client("team", Some(&key(PLAIN)), Grant::default()),
    ];
    Settings { access: only(clients), ..Settings::default() }
}

/// Asks with a key.
pub(crate) async fn keyed(
    client: &mut Client,
    number: u8,
    method: &str,
    path: &str,
    body: Option<&Value>,
) -> HttpAnswer {
    let head = format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nAuthorization: Bearer {}",
        key(number)
    );
    let body = body.map(Value::to_string).unwrap_or_default();
    client.send(&head, &body).await.expect("sends");
    client.answer().await.expect("an answer")
}

async fn connect(house: &House) -> Client {
    Client::connect(house.address).await.expect("connects")
}

async fn asked(house: &House, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let answer = keyed(&mut connect(house).await, ADMIN, method, path, body.as_ref()).await;
    (answer.status, answer.json())
}

/// Begins a call on a connection of its own, whose answer is not waited for.
async fn begin(house: &House, statement: &str) -> Client {
    let mut client = connect(house).await;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nAuthorization: Bearer {}",
        key(PLAIN)
    );
    let message = call("execute_query", json!({ "query": statement })).to_string();
    client.send(&head, &message).await.expect("sends");
    client
}

/// Sessions of a house's account that said goodbye.
fn closed(house: &House) -> u32 {
    house.counts.closed.load(Ordering::SeqCst)
}

/// Two workers of one app.
async fn two(settings: &Settings) -> (House, House) {
    let one = house(settings).await;
    let identity = Identity { app: "query".to_owned(), slot: 2, run: 8, pid: std::process::id() };
    let office = one.office.sibling(Arc::new(identity));
    let bus = Bus::alone();
    let other = house_with(listener(), settings, Colleagues { bus, office: Some(office) }).await;
    (one, other)
}

const PATHS: [(&str, &str); 10] = [
    ("POST", "/admin/reset-connection-pool"),
    ("GET", "/admin/export-state"),
    ("GET", "/admin/maintenance-mode"),
    ("POST", "/admin/maintenance-mode"),
    ("POST", "/admin/log-level"),
    ("GET", "/admin/circuit-breaker"),
    ("GET", "/api/sessions"),
    ("GET", "/api/debug/active-queries"),
    ("DELETE", "/api/debug/active-queries/7.1"),
    ("POST", "/api/test-connection"),
];

#[tokio::test]
async fn only_an_administrator_may_and_the_others_are_told_how_to_become_one() {
    let house = house(&settings_with_clients()).await;
    for (method, path) in PATHS {
        let answer = keyed(&mut connect(&house).await, PLAIN, method, path, None).await;
        assert_eq!(answer.status, 403, "{method} {path}: {answer:?}");
        let words = answer.json()["error"]["message"].to_string();
        assert!(words.contains("[apps.query.clients.team]"), "{words}");
        let mut stranger = connect(&house).await;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost");
        stranger.send(&head, "").await.expect("sends");
        let answer = stranger.answer().await.expect("an answer");
        assert_eq!(answer.status, 401, "{method} {path}: {answer:?}");
        assert!(answer.header("www-authenticate").is_some(), "{answer:?}");
        let answer = keyed(&mut connect(&house).await, ADMIN, method, path, None).await;
        assert!(![401, 403].contains(&answer.status), "{method} {path}: {answer:?}");
    }
}

#[tokio::test]
async fn nobody_may_where_nobody_is_known_not_even_on_this_machine() {
    let house = house(&Settings::default()).await;
    for (method, path) in PATHS {
        let mut client = connect(&house).await;
        let head = format!("{method} {path} HTTP/1.1\r\nHost: localhost");
        client.send(&head, "").await.expect("sends");
        let answer = client.answer().await.expect("an answer");
        assert_eq!(answer.status, 403, "{method} {path}");
        let words = answer.json()["error"]["message"].to_string();
        assert!(words.contains("client key create") && words.contains("admin = true"), "{words}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_is_seen_and_ended_from_whichever_worker() {
    let (one, other) = two(&settings_with_clients()).await;
    let mut runs = begin(&other, "select hang").await;
    eventually("it runs", || other.counts.begun.load(Ordering::SeqCst) > 0).await;
    let (status, told) = asked(&one, "GET", "/api/debug/active-queries", None).await;
    assert_eq!((status, &told["active_queries"]), (200, &json!(1)), "{told}");
    let query = &told["queries"][0];
    assert_eq!((&query["slot"], &query["client"]), (&json!(2), &json!("team")), "{told}");
    assert_eq!((&query["tool"], &query["class"]), (&json!("execute_query"), &json!("read")));
    assert_eq!((&query["statement"], &query["waits"]), (&Value::Null, &json!(false)), "{told}");
    assert_eq!(query["statement_sha256"].as_str().map(str::len), Some(64));
    let id = query["id"].as_str().expect("an id");
    assert!(id.starts_with("8."), "{told}");
    let path = format!("/api/debug/active-queries/{id}");
    let (status, told) = asked(&one, "DELETE", &path, None).await;
    assert_eq!((status, &told["cancelled"]["id"]), (200, &json!(id)), "{told}");
    let answer = runs.answer().await.expect("an answer").json();
    assert!(answer.to_string().contains("cancelled"), "{answer}");
    let (status, told) = asked(&one, "POST", &format!("{path}/cancel"), None).await;
    assert_eq!((status, &told["error"]["code"]), (404, &json!("no_such_query")), "{told}");
    let (_, told) = asked(&other, "GET", "/api/debug/active-queries", None).await;
    assert_eq!(told["active_queries"], 0);
}

#[tokio::test]
async fn a_statement_is_told_as_text_where_the_audit_may_have_it() {
    let mut settings = settings_with_clients();
    settings.access.audit = AuditLevel::Text;
    let house = house(&settings).await;
    let _runs = begin(&house, "select hang").await;
    eventually("it runs", || house.counts.begun.load(Ordering::SeqCst) > 0).await;
    let (_, told) = asked(&house, "GET", "/api/debug/active-queries", None).await;
    assert_eq!(told["queries"][0]["statement"], "select hang", "{told}");
    let (_, state) = asked(&house, "GET", "/admin/export-state", None).await;
    assert!(!state.to_string().contains("select hang"), "a state is kept: {state}");
    assert_eq!(state["workers"][0]["queries"][0]["class"], "read", "{state}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pools_of_all_workers_are_reset_and_what_runs_is_waited_for() {
    let pool = PoolSettings { min: 1, max: 2, ..PoolSettings::default() };
    let (one, other) = two(&Settings { pool, ..settings_with_clients() }).await;
    let mut runs = begin(&other, "select gated").await;
    eventually("it runs", || other.counts.begun.load(Ordering::SeqCst) > 0).await;
    let body = json!({ "wait_seconds": 0 });
    let (status, told) = asked(&one, "POST", "/admin/reset-connection-pool", Some(body)).await;
    assert_eq!((status, &told["still_busy"]), (200, &json!(1)), "{told}");
    assert!(told["closed"].as_u64() >= Some(1), "the idle one of the other worker: {told}");
    let pools = told["workers"].as_array().expect("workers");
    assert_eq!(pools.len(), 2, "{told}");
    let busy = pools.iter().find(|worker| worker["slot"] == 2).expect("the other");
    assert_eq!(busy["pools"][0]["before"]["active"], 1, "{told}");
    // The one that waits comes back when the statement has ended, which it does with its answer.
    let waits = async {
        let body = json!({ "wait_seconds": 20 });
        asked(&one, "POST", "/admin/reset-connection-pool", Some(body)).await
    };
    let before = closed(&other);
    let goes_on = async {
        eventually("the idle ones are closed", || closed(&other) > before).await;
        other.counts.gate.notify_one();
        runs.answer().await.expect("an answer")
    };
    let ((status, told), answer) = tokio::join!(waits, goes_on);
    assert_eq!((status, &told["still_busy"]), (200, &json!(0)), "{told}");
    assert_eq!(answer.json()["result"]["isError"], false, "{answer:?}");
    eventually("every session of before has said goodbye", || {
        closed(&other) > before && closed(&one) >= 2
    })
    .await;
    let too_long = json!({ "wait_seconds": 100_000 });
    let (status, _) = asked(&one, "POST", "/admin/reset-connection-pool", Some(too_long)).await;
    assert_eq!(status, 400);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_maintenance_what_runs_is_finished_and_what_is_new_is_told_when_to_come_back() {
    let settings = Settings {
        mcp: McpSettings { websocket: true, ..McpSettings::default() },
        ..settings_with_clients()
    };
    let (one, other) = two(&settings).await;
    let mut runs = begin(&other, "select gated").await;
    eventually("it runs", || other.counts.begun.load(Ordering::SeqCst) > 0).await;
    let on = json!({ "enabled": true, "reason": "an upgrade", "retry_after": 7 });
    let (status, told) = asked(&one, "POST", "/admin/maintenance-mode", Some(on)).await;
    assert_eq!(
        (status, &told["enabled"], &told["running"]),
        (200, &json!(true), &json!(1)),
        "{told}"
    );
    assert_eq!(told["maintenance"]["by"], "client boss", "{told}");
    let mut new = begin(&other, "select 1").await;
    let answer = new.answer().await.expect("an answer");
    assert_eq!((answer.status, answer.header("retry-after")), (503, Some("7")), "{answer:?}");
    let answer = answer.json();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(7), &json!(-32000)), "{answer}");
    assert_eq!(answer["error"]["data"]["retryAfterSeconds"], 7, "{answer}");
    assert!(answer["error"]["message"].to_string().contains("an upgrade"), "{answer}");
    other.counts.gate.notify_one();
    let finished = runs.answer().await.expect("an answer").json();
    assert_eq!(finished["result"]["isError"], false, "{finished}");
    let (_, told) = asked(&other, "GET", "/admin/maintenance-mode", None).await;
    assert_eq!((&told["enabled"], &told["running"]), (&json!(true), &json!(0)), "{told}");
    for wrong in [
        json!({}),
        json!({ "enabled": "yes" }),
        json!({ "enabled": true, "retry_after": 0 }),
        json!({ "enabled": true, "reason": "x".repeat(201) }),
        json!({ "enabled": true, "force": true }),
    ] {
        let (status, told) = asked(&one, "POST", "/admin/maintenance-mode", Some(wrong)).await;
        assert_eq!((status, &told["error"]["code"]), (400, &json!("bad_request")), "{told}");
    }
    let off = json!({ "enabled": false });
    let (status, told) = asked(&one, "POST", "/admin/maintenance-mode", Some(off)).await;
    assert_eq!((status, &told["enabled"]), (200, &json!(false)), "{told}");
    let mut again = begin(&other, "select 1").await;
    assert_eq!(again.answer().await.expect("an answer").status, 200);
}

#[tokio::test]
async fn sessions_of_all_workers_are_told_once() {
    let current = SealingKey::new(1, &[7; 32], 1_800_000_000);
    let sessions = SealingKeys { current, previous: None };
    let (one, other) = two(&Settings { sessions, ..settings_with_clients() }).await;
    let hello = json!({
        "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {},
            "clientInfo": { "name": "desk", "version": "1" }
        }
    });
    let began = keyed(&mut connect(&one).await, PLAIN, "POST", "/mcp", Some(&hello)).await;
    let session = began.header("mcp-session-id").expect("a session").to_owned();
    let list = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/list" }).to_string();
    let mut client = connect(&other).await;
    let head = format!(
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nAuthorization: Bearer {}\r\nMcp-Session-Id: {session}",
        key(PLAIN)
    );
    // Whoever can read the list cannot use the session.
    for _ in 0..2 {
        client.send(&head, &list).await.expect("sends");
        assert_eq!(client.answer().await.expect("an answer").status, 200);
    }
    let (status, told) = asked(&one, "GET", "/api/sessions", None).await;
    assert_eq!((status, &told["active_sessions"]), (200, &json!(1)), "{told}");
    let seen = &told["sessions"][0];
    assert_eq!((&seen["client"], &seen["program"]), (&json!("team"), &json!("desk 1")), "{told}");
    assert_eq!((&seen["messages"], &seen["protocol"]), (&json!(3), &json!("2025-11-25")), "{told}");
    assert_eq!(seen["slots"], json!([1, 2]), "{told}");
    assert!(!told.to_string().contains(&session), "{told}");
}

#[tokio::test]
async fn connections_are_tested_by_every_worker() {
    let (one, _other) = two(&settings_with_clients()).await;
    let (status, told) = asked(&one, "POST", "/api/test-connection", None).await;
    assert_eq!((status, &told["status"]), (200, &json!("healthy")), "{told}");
    let workers = told["workers"].as_array().expect("workers");
    assert_eq!(workers.len(), 2, "{told}");
    assert_eq!(workers[0]["connections"][0]["role"], "ANALYST", "{told}");
    assert!(workers[0]["connections"][0]["latency_ms"].is_u64(), "{told}");
    let body = json!({ "connection": "finance" });
    let (status, told) = asked(&one, "POST", "/api/test-connection", Some(body)).await;
    assert_eq!(status, 503);
    assert!(told["error"]["message"].to_string().contains("there are default"), "{told}");
}

#[tokio::test]
async fn levels_and_circuits_are_understood_or_refused() {
    let house = house(&settings_with_clients()).await;
    for (level, status) in
        [(json!("debug"), 200), (Value::Null, 200), (json!("loud"), 400), (json!(3), 400)]
    {
        let body = json!({ "level": level });
        let (answered, told) = asked(&house, "POST", "/admin/log-level", Some(body)).await;
        assert_eq!(answered, status, "{told}");
    }
    let (_, told) = asked(&house, "GET", "/admin/circuit-breaker", None).await;
    assert_eq!(told["workers"][0]["circuits"][0]["state"], "closed", "{told}");
    let (status, _) = asked(&house, "POST", "/admin/circuit-breaker/reset", None).await;
    assert_eq!(status, 200);
}

#[tokio::test]
async fn every_wish_is_written_down_with_its_asker_also_where_nothing_else_is() {
    let directory = tempfile::tempdir().expect("a directory");
    let mut settings = settings_with_clients();
    settings.logs =
        LogSettings { directory: Some(directory.path().to_owned()), level: LogLevel::Info };
    settings.access = AccessSettings { audit: AuditLevel::Off, ..settings.access };
    let house = house(&settings).await;
    asked(&house, "DELETE", "/api/debug/active-queries/7.99", None).await;
    asked(&house, "GET", "/api/sessions", None).await;
    keyed(&mut connect(&house).await, PLAIN, "GET", "/admin/export-state", None).await;
    let path = directory.path().join("audit.log");
    let lines = || -> Vec<Value> {
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    };
    eventually("three lines", || lines().len() == 3).await;
    let told: Vec<String> = lines()
        .iter()
        .map(|line| {
            let text = |key: &str| line[key].as_str().unwrap_or("-").to_owned();
            format!("{} {} {} {}", text("client"), text("action"), text("outcome"), text("reason"))
        })
        .collect();
    assert_eq!(
        told,
        [
            "boss cancel_query error 7.99",
            "boss list_sessions ok -",
            "team /admin/export-state refused no administrator"
        ]
    );
}
