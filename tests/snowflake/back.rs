//! A client of the sessionful versions whose connection broke and that comes back to another worker:
//! its statement is taken up there, belongs to that worker from then on, and ends with it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderValue;
use mcp_protocol::relay::{SealingKey, SealingKeys, SessionTag, Statement};
use mcp_protocol::settings::Settings;
use mcp_worker::bus::Bus;
use mcp_worker::clock::Clock;
use mcp_worker::http::{Door, Serving};
use mcp_worker::warehouse::course::Course;
use mcp_worker::warehouse::left::Leave;
use mcp_worker::warehouse::pool::{Pool, PoolError};
use mcp_worker::warehouse::{Context, WarehouseError};
use reqwest::{Client, RequestBuilder, Response};
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::door::door;
use crate::house::{ENDED_WITHIN, PATIENCE, limits, pool_settings, settings as account, warehouse};
use crate::server::record::{End, Seen};
use crate::server::{Config, Server};

const SLOW: &str = "SELECT SLEEP(4)";
const VERY_SLOW: &str = "SELECT SLEEP(600)";
/// A stream whose client does not come back ends within this.
const GIVEN_UP_WITHIN: Duration = Duration::from_millis(1500);

/// Two workers before one account, and a client with a session.
struct Two {
    server: Server,
    clock: Clock,
    bus: Bus,
    one: Worker,
    other: Worker,
    client: Client,
    session: HeaderValue,
}

struct Worker {
    address: SocketAddr,
    pool: Pool,
    _door: Door,
    _serving: watch::Sender<Serving>,
}

fn worker(server: &Server, clock: Clock, bus: Bus) -> Worker {
    let current = SealingKey::new(1, &[1; 32], 0);
    let sessions = SealingKeys { current, previous: None };
    let settings = Settings { sessions, ..Settings::default() };
    let warehouse = warehouse(&account(&server.url(), "canary-password"), None, clock);
    let pool = Pool::new(Arc::new(warehouse), &pool_settings(2), clock);
    let (door, address, serving) = door(&pool, clock, &settings, bus);
    Worker { address, pool, _door: door, _serving: serving }
}

/// The first bytes of a reply that hold this.
pub(crate) async fn until(reply: &mut reqwest::Response, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        let bytes = tokio::time::timeout(PATIENCE, reply.chunk()).await.expect("in time");
        let bytes = bytes.expect("no error").unwrap_or_else(|| panic!("no {wanted}: {text}"));
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
    text
}

/// The message in the last event of this text.
pub(crate) fn last(told: &str) -> Value {
    let last = told.lines().rev().find_map(|line| line.strip_prefix("data: ")).expect("data");
    serde_json::from_str(last).expect("JSON")
}

impl Two {
    async fn open() -> Two {
        let long_after = Duration::from_millis(100);
        let server = Server::with(Config { long_after, ..Config::default() });
        let (bus, clock) = (Bus::alone(), Clock::start());
        let one = worker(&server, clock, bus.clone());
        let other = worker(&server, clock, bus.sibling());
        // A connection for each request, so that one that is dropped is closed.
        let client = Client::builder().no_proxy().pool_max_idle_per_host(0).build();
        let client = client.expect("a client is made");
        let session = HeaderValue::from_static("");
        let mut two = Two { server, clock, bus, one, other, client, session };
        let info = json!({ "name": "desk", "version": "1" });
        let params =
            json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
        let begin = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
        let begun = two.client.post(format!("http://{}/mcp", two.one.address)).json(&begin);
        let begun = begun.header("Accept", "application/json, text/event-stream");
        let begun = begun.send().await.expect("an answer");
        two.session = begun.headers()["mcp-session-id"].clone();
        two
    }

    fn with_session(&self, request: RequestBuilder) -> RequestBuilder {
        let accepted = "application/json, text/event-stream";
        request.header("Accept", accepted).header("Mcp-Session-Id", &self.session)
    }

    fn post(&self, worker: &Worker, message: &Value) -> RequestBuilder {
        let request = self.client.post(format!("http://{}/mcp", worker.address));
        self.with_session(request.json(message))
    }

    /// Begins a statement at the first worker: the reply, and the id to come back with, once the
    /// worker knows what the account calls the statement.
    async fn begin(&self, query: &str) -> (Response, String) {
        let params = json!({ "name": "execute_query", "arguments": { "query": query } });
        let call = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
        let mut asked = self.post(&self.one, &call).send().await.expect("a head");
        let first = until(&mut asked, "data: \n\n").await;
        let event = first.strip_prefix("id: ").and_then(|rest| rest.split_once('\n'));
        let event = event.unwrap_or_else(|| panic!("no id: {first}")).0.to_owned();
        let polled = |seen: &Seen| seen.requests_to(crate::server::faults::Endpoint::Result) > 0;
        assert!(self.server.wait(PATIENCE, polled).await, "the worker does not wait for it");
        (asked, event)
    }

    /// Comes back to the other worker.
    async fn come_back(&self, event: &str) -> Response {
        let back = self.client.get(format!("http://{}/mcp", self.other.address));
        let back = self.with_session(back).header("Last-Event-ID", event);
        back.send().await.expect("a head")
    }

    /// What the session is called among workers, as the account's history shows it.
    async fn tag(&self) -> SessionTag {
        let params = json!({ "name": "execute_query", "arguments": { "query": "SELECT 1" } });
        let call = json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": params });
        self.post(&self.one, &call).send().await.expect("an answer");
        let seen = self.server.seen();
        let tag = seen.sent_of("SELECT 1")[0].parameter("QUERY_TAG").clone();
        let tag: Value = serde_json::from_str(tag.as_str().unwrap_or_default()).expect("JSON");
        tag["session"].as_str().unwrap_or_default().parse().expect("a tag")
    }

    async fn cancel(&self, worker: &Worker) {
        let params = json!({ "requestId": 7 });
        let method = "notifications/cancelled";
        let notice = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        let answer = self.post(worker, &notice).send().await.expect("an answer");
        assert_eq!(answer.status(), 202);
    }

    async fn assert_aborted(&self, query: &str, within: Duration) {
        let is_aborted = |seen: &Seen| {
            let runs = seen.executions_of(query);
            runs.len() == 1 && runs[0].ended.is_some_and(|(_, end)| end == End::Aborted)
        };
        assert!(self.server.wait(within, is_aborted).await, "it runs on");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_comes_back_to_another_worker_gets_the_answer_though_the_first_one_lives() {
    let two = Two::open().await;
    let (asked, event) = two.begin(SLOW).await;
    drop(asked);
    let mut back = two.come_back(&event).await;
    let answer = last(&until(&mut back, "\"jsonrpc\"").await);
    assert_eq!(answer["id"], 7, "{answer}");
    assert_eq!(answer["result"]["structuredContent"]["rows"], json!([[1]]), "{answer}");
    let seen = two.server.seen();
    assert_eq!(seen.executions_of(SLOW).len(), 1, "run again");
    assert!(seen.aborts.is_empty(), "{:?}", seen.aborts);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_whose_statement_was_taken_up_ends_without_an_answer() {
    let two = Two::open().await;
    let (mut asked, event) = two.begin(SLOW).await;
    let mut back = two.come_back(&event).await;
    let rest = async {
        let mut rest = String::new();
        while let Some(bytes) = asked.chunk().await.expect("no error") {
            rest.push_str(&String::from_utf8_lossy(&bytes));
        }
        rest
    };
    let rest = two.clock.within(PATIENCE, rest).await.expect("it ends");
    assert!(!rest.contains("jsonrpc"), "{rest}");
    let answer = last(&until(&mut back, "\"jsonrpc\"").await);
    assert_eq!(answer["result"]["structuredContent"]["rows"], json!([[1]]), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_statement_that_was_taken_up_is_asked_for_by_its_name() {
    for at_the_first in [true, false] {
        let two = Two::open().await;
        let (asked, event) = two.begin(VERY_SLOW).await;
        drop(asked);
        let mut back = two.come_back(&event).await;
        until(&mut back, "data: \n\n").await;
        // The first one lets go, and has nobody who comes back to it.
        let ended = two.server.wait(GIVEN_UP_WITHIN, |seen| seen.running == 0).await;
        assert!(!ended, "it was ended by who let it go");
        two.cancel(if at_the_first { &two.one } else { &two.other }).await;
        two.assert_aborted(VERY_SLOW, ENDED_WITHIN).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_was_taken_up_ends_with_its_last_client() {
    let two = Two::open().await;
    let (asked, event) = two.begin(VERY_SLOW).await;
    drop(asked);
    let mut back = two.come_back(&event).await;
    until(&mut back, "data: \n\n").await;
    drop(back);
    two.assert_aborted(VERY_SLOW, PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancel_ends_the_statement_of_a_worker_that_died() {
    let two = Two::open().await;
    let context = Context { leave: Leave::After(Duration::ZERO), ..Context::default() };
    let context = Context { course: Course::followed().0, ..context };
    let cancel = CancellationToken::new();
    let left = two.one.pool.query(VERY_SLOW, &context, &limits(PATIENCE), &cancel).await;
    let Err(PoolError::Warehouse(WarehouseError::Left { query_id })) = left else {
        panic!("{left:?}");
    };
    // As its worker left it with the supervisor.
    let request = "7".to_owned();
    let session = two.tag().await;
    let (principal, connection) = (None, None);
    let told = Statement { session, request, principal, connection, query_id, reads: true };
    two.bus.began(told);
    two.cancel(&two.other).await;
    two.assert_aborted(VERY_SLOW, ENDED_WITHIN).await;
}
