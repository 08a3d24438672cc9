//! Tasks: a call that takes long gets a name, and any worker tells what became of it, or ends it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mcp_protocol::access::{AccessSettings, ApiKey, ClientSettings, Grant};
use mcp_protocol::api_key;
use mcp_protocol::relay::{SealingKey, SealingKeys};
use mcp_protocol::settings::Settings;
use mcp_worker::access::Caller;
use mcp_worker::bus::Bus;
use mcp_worker::clock::{Clock, unix_seconds};
use mcp_worker::http::{Door, Serving};
use mcp_worker::mcp::edge::ring::Ring;
use mcp_worker::mcp::tasks::ticket::{Called, TASK_LIFE, Ticket};
use mcp_worker::warehouse::pool::Pool;
use reqwest::Client;
use ring::digest;
use rmcp::model::CallToolRequestParams;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::door::door;
use crate::house::{ENDED_WITHIN, PATIENCE, pool_settings, settings as account, warehouse};
use crate::server::faults::Endpoint;
use crate::server::record::{End, Seen};
use crate::server::{Config, Server};

const LONG: &str = "SELECT SLEEP(2.5)";
const VERY_LONG: &str = "SELECT SLEEP(600)";
const EXTENSION: &str = "io.modelcontextprotocol/tasks";

/// One worker of several before one account.
pub(crate) struct Worker {
    address: SocketAddr,
    pool: Pool,
    clock: Clock,
    _door: Door,
    _serving: watch::Sender<Serving>,
}

impl Worker {
    pub(crate) fn new(server: &Server, settings: &Settings, bus: Bus, max: u32) -> Worker {
        let clock = Clock::start();
        let warehouse = warehouse(&account(&server.url(), "canary-password"), None, clock);
        let pool = Pool::new(Arc::new(warehouse), &pool_settings(max), clock);
        let (door, address, serving) = door(&pool, clock, settings, bus);
        Worker { address, pool, clock, _door: door, _serving: serving }
    }

    pub(crate) async fn ask(&self, method: &str, params: Value, key: Option<&str>) -> Value {
        ask_at(self.address, method, params, key).await
    }

    async fn call(&self, query: &str, key: Option<&str>) -> Value {
        self.ask("tools/call", called(query), key).await
    }

    pub(crate) async fn begin(&self, query: &str, key: Option<&str>) -> String {
        begin_at(self.address, query, key).await
    }

    async fn get(&self, task: &str, key: Option<&str>) -> Value {
        self.ask("tasks/get", json!({ "taskId": task }), key).await
    }

    async fn cancel(&self, task: &str, key: Option<&str>) -> Value {
        self.ask("tasks/cancel", json!({ "taskId": task }), key).await
    }

    /// What became of a task, once that is known.
    pub(crate) async fn ended(&self, task: &str, key: Option<&str>) -> Value {
        let ended = async {
            loop {
                let answer = self.get(task, key).await;
                if answer["result"]["status"] != "working" {
                    return answer;
                }
                self.clock.until(self.clock.now() + Duration::from_millis(50)).await;
            }
        };
        self.clock.within(PATIENCE, ended).await.expect("it ends")
    }
}

fn called(query: &str) -> Value {
    json!({ "name": "execute_query", "arguments": { "query": query } })
}

/// The answer to a request of a client that knows tasks.
pub(crate) async fn ask_at(
    address: SocketAddr,
    method: &str,
    params: Value,
    key: Option<&str>,
) -> Value {
    let name = params.get("taskId").or_else(|| params.get("name")).cloned();
    let capabilities = json!({ "extensions": { EXTENSION: {} } });
    ask_as(address, method, (params, name.as_ref()), capabilities, key).await
}

/// Begins a task; its name.
pub(crate) async fn begin_at(address: SocketAddr, query: &str, key: Option<&str>) -> String {
    let answer = ask_at(address, "tools/call", called(query), key).await;
    let result = &answer["result"];
    assert_eq!(result["resultType"], "task", "{answer}");
    assert_eq!((&result["status"], &result["ttlMs"]), (&json!("working"), &json!(86_400_000)));
    result["taskId"].as_str().unwrap_or_else(|| panic!("no name: {answer}")).to_owned()
}

/// The message that answers a request of the newest version.
async fn ask_as(
    address: SocketAddr,
    method: &str,
    (mut params, name): (Value, Option<&Value>),
    capabilities: Value,
    key: Option<&str>,
) -> Value {
    params["_meta"] = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": { "name": "desk", "version": "1" },
        "io.modelcontextprotocol/clientCapabilities": capabilities,
    });
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let request = Client::builder().no_proxy().build().expect("a client is made");
    let request = request.post(format!("http://{}/mcp", address)).json(&message);
    let request = request.header("Accept", "application/json, text/event-stream");
    let request = request.header("MCP-Protocol-Version", "2026-07-28");
    let request = request.header("Mcp-Method", method);
    let request = match name.and_then(Value::as_str) {
        Some(name) => request.header("Mcp-Name", name),
        None => request,
    };
    let request = key.into_iter().fold(request, |request, key| request.bearer_auth(key));
    let text = request.send().await.expect("a head").text().await.expect("a body");
    let last = text.lines().rev().find_map(|line| line.strip_prefix("data: "));
    serde_json::from_str(last.unwrap_or(&text)).unwrap_or_else(|_| panic!("no JSON: {text}"))
}

fn keys(current: u8, previous: Option<u8>) -> SealingKeys {
    let key = |byte: u8| SealingKey::new(byte, &[byte; 32], 0);
    SealingKeys { current: key(current), previous: previous.map(key) }
}

fn sealed_with(sessions: SealingKeys) -> Settings {
    Settings { sessions, ..Settings::default() }
}

fn two(server: &Server) -> (Worker, Worker) {
    let bus = Bus::alone();
    let settings = sealed_with(keys(1, None));
    let other = Worker::new(server, &settings, bus.sibling(), 2);
    (Worker::new(server, &settings, bus, 2), other)
}

/// Settings that let in two clients, and their keys.
pub(crate) fn two_clients() -> (Settings, [String; 2]) {
    let shown = [1, 2].map(|number| {
        let text = api_key::text(&api_key::id([number; 6]), &[number; 32]);
        text.expose().to_owned()
    });
    let client = |name: &str, text: &String| {
        let sum = digest::digest(&digest::SHA256, text.as_bytes());
        let sha256 = sum.as_ref().try_into().expect("32 bytes");
        let id = api_key::id_of(text).expect("a key").to_owned();
        ClientSettings {
            name: name.to_owned(),
            keys: vec![ApiKey { id, sha256, expires_at: None }],
            grant: Grant::default(),
            subjects: Vec::new(),
            certificates: Vec::new(),
        }
    };
    let clients = vec![client("one", &shown[0]), client("two", &shown[1])];
    let access = AccessSettings { clients, ..AccessSettings::default() };
    (Settings { access, ..sealed_with(keys(1, None)) }, shown)
}

fn is_unknown(answer: &Value) -> bool {
    answer["error"]["code"] == -32602 && answer["error"]["message"].to_string().contains("no such")
}

fn runs(seen: &Seen, query: &str) -> usize {
    seen.executions_of(query).len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_one_worker_began_is_polled_at_another_and_runs_once() {
    let server = Server::start();
    let (one, other) = two(&server);
    let task = one.begin(LONG, None).await;
    let running = other.get(&task, None).await;
    assert_eq!(running["result"]["status"], "working", "{running}");
    assert_eq!(running["result"]["taskId"], task);
    let ended = other.ended(&task, None).await;
    let result = &ended["result"]["result"];
    assert_eq!(ended["result"]["status"], "completed", "{ended}");
    assert_eq!(result["structuredContent"]["rows"], json!([[1]]), "{ended}");
    assert!(result["content"][0]["text"].to_string().contains(LONG), "{ended}");
    assert_eq!(server.look(|seen| runs(seen, LONG)), 1);
    let again = one.get(&task, None).await;
    assert_eq!(again["result"]["result"]["structuredContent"], result["structuredContent"]);
    // The session that was left is closed once its statement is over, and the pool is whole.
    assert!(server.wait(PATIENCE, |seen| !seen.closes.is_empty()).await);
    assert_eq!(one.pool.vitals().waiting, 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_quick_is_answered_at_once_and_so_is_who_does_not_know_tasks() {
    let server = Server::start();
    let (one, _other) = two(&server);
    let quick = one.call("SELECT 1", None).await;
    assert_eq!(quick["result"]["resultType"], "complete", "{quick}");
    let arguments = json!({ "query": LONG });
    let params = json!({ "name": "execute_query", "arguments": arguments });
    let name = json!("execute_query");
    let plain = ask_as(one.address, "tools/call", (params, Some(&name)), json!({}), None).await;
    assert_eq!(plain["result"]["structuredContent"]["rows"], json!([[1]]), "{plain}");
    let sent = server.seen();
    assert_eq!(sent.sent_of(LONG)[0].body["asyncExec"], false, "nobody asked for its name");
    let task = json!({ "taskId": "x" });
    let refused =
        ask_as(one.address, "tasks/get", (task, Some(&json!("x"))), json!({}), None).await;
    assert_eq!(refused["error"]["code"], -32021, "{refused}");
    let told = one.ask("server/discover", json!({}), None).await;
    assert!(told["result"]["capabilities"]["extensions"][EXTENSION].is_object(), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_cancelled_at_another_worker_though_all_of_its_sessions_are_busy() {
    let server = Server::start();
    let (one, other) = two(&server);
    let task = one.begin(VERY_LONG, None).await;
    let busy = futures::future::join_all((0..2).map(|_| other.call("SELECT SLEEP(5)", None)));
    let cancelled = async {
        assert!(server.wait(PATIENCE, |seen| runs(seen, "SELECT SLEEP(5)") == 2).await);
        let before = server.now();
        let answer = other.cancel(&task, None).await;
        assert_eq!(answer["result"], json!({ "resultType": "complete" }), "{answer}");
        let is_aborted = |seen: &Seen| {
            let run = &seen.executions_of(VERY_LONG)[0];
            run.ended.is_some_and(|(_, end)| end == End::Aborted)
        };
        assert!(server.wait(ENDED_WITHIN, is_aborted).await, "it runs on");
        assert!(server.now().since(before) < ENDED_WITHIN);
    };
    let (_, ()) = futures::join!(busy, cancelled);
    let ended = one.ended(&task, None).await;
    assert_eq!(ended["result"]["status"], "cancelled", "{ended}");
    let again = one.cancel(&task, None).await;
    assert_eq!(again["result"]["resultType"], "complete", "{again}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_is_its_callers_alone() {
    let server = Server::start();
    let (settings, [owner, stranger]) = two_clients();
    let worker = Worker::new(&server, &settings, Bus::alone(), 2);
    let task = worker.begin(VERY_LONG, Some(&owner)).await;
    for method in ["tasks/get", "tasks/cancel"] {
        let foreign = worker.ask(method, json!({ "taskId": task }), Some(&stranger)).await;
        assert!(is_unknown(&foreign), "{method}: {foreign}");
        let nonsense = worker.ask(method, json!({ "taskId": "AAAA" }), Some(&owner)).await;
        assert!(is_unknown(&nonsense), "{method}: {nonsense}");
    }
    let update = json!({ "taskId": task, "inputResponses": {} });
    let foreign = worker.ask("tasks/update", update.clone(), Some(&stranger)).await;
    assert!(is_unknown(&foreign), "{foreign}");
    let update = worker.ask("tasks/update", update, Some(&owner)).await;
    assert_eq!(update["result"], json!({ "resultType": "complete" }), "{update}");
    assert_eq!(server.look(|seen| seen.running), 1, "nobody but its owner ends it");
    worker.cancel(&task, Some(&owner)).await;
    assert!(server.wait(ENDED_WITHIN, |seen| seen.running == 0).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_outlives_one_change_of_keys_and_not_its_time() {
    let server = Server::start();
    let bus = Bus::alone();
    let worker =
        |sessions: SealingKeys| Worker::new(&server, &sealed_with(sessions), bus.sibling(), 1);
    let task = worker(keys(1, None)).begin(LONG, None).await;
    let newer = worker(keys(2, Some(1)));
    assert_eq!(newer.ended(&task, None).await["result"]["status"], "completed");
    let much_newer = worker(keys(3, Some(2)));
    assert!(is_unknown(&much_newer.get(&task, None).await));
    let ring = Ring::new(&keys(2, None));
    let caller = Caller::nobody();
    let opened = Ticket::open(&task, &caller, (&Ring::new(&keys(1, None)), unix_seconds()));
    let query_id = opened.expect("its own key opens it").query_id;
    let aged = |seconds: u64| {
        let called = Called::of(&CallToolRequestParams::new("execute_query")).expect("short");
        let created = unix_seconds() - seconds;
        Ticket::new(query_id.clone(), None, called, created).sealed(&caller, &ring)
    };
    assert!(!is_unknown(&newer.get(&aged(60), None).await), "a made one is as good as any");
    assert!(is_unknown(&newer.get(&aged(TASK_LIFE.as_secs() + 1), None).await));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_outlives_its_worker() {
    let server = Server::start();
    let (one, other) = two(&server);
    let task = one.begin(LONG, None).await;
    // A worker that drains says goodbye in all its sessions but the one that was left.
    one.pool.close(PATIENCE).await;
    drop(one);
    let ended = other.ended(&task, None).await;
    let rows = &ended["result"]["result"]["structuredContent"]["rows"];
    assert_eq!(rows, &json!([[1]]), "{ended}");
    assert_eq!(server.look(|seen| runs(seen, LONG)), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_fails_completes_its_task_with_the_error() {
    let server = Server::start();
    let (one, other) = two(&server);
    let arguments = json!({ "query": VERY_LONG, "timeout": 2 });
    let params = json!({ "name": "execute_query", "arguments": arguments });
    let begun = one.ask("tools/call", params, None).await;
    let task = begun["result"]["taskId"].as_str().unwrap_or_else(|| panic!("no name: {begun}"));
    let ended = other.ended(task, None).await;
    assert_eq!(ended["result"]["status"], "completed", "{ended}");
    let result = &ended["result"]["result"];
    assert_eq!(result["isError"], true, "{ended}");
    assert!(result["content"][0]["text"].to_string().contains("timeout"), "{ended}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_keeps_its_place_among_its_clients_statements_until_it_is_over() {
    let server = Server::start();
    let (mut settings, [owner, _]) = two_clients();
    settings.access.clients[0].grant.quota.concurrent_statements = Some(1);
    let worker = Worker::new(&server, &settings, Bus::alone(), 2);
    let task = worker.begin(VERY_LONG, Some(&owner)).await;
    let refused = worker.call("SELECT 1", Some(&owner)).await;
    assert_eq!(refused["result"]["isError"], true, "{refused}");
    worker.cancel(&task, Some(&owner)).await;
    let free = async {
        while worker.call("SELECT 1", Some(&owner)).await["result"]["isError"] == true {
            worker.clock.until(worker.clock.now() + Duration::from_millis(20)).await;
        }
    };
    assert!(worker.clock.within(PATIENCE, free).await.is_some(), "its place is not given back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_cannot_be_asked_leaves_the_task_as_it_is() {
    let server = Server::with(Config::default());
    let (one, _other) = two(&server);
    let task = one.begin(LONG, None).await;
    server.fail(Endpoint::Monitor, 1, crate::server::faults::Fault::Garbage);
    let unknown = one.get(&task, None).await;
    assert_eq!(unknown["error"]["code"], -32000, "{unknown}");
    server.fail(Endpoint::Monitor, 1, crate::server::faults::Fault::TokenExpired);
    assert_eq!(one.ended(&task, None).await["result"]["status"], "completed");
}
