//! The whole way: an MCP client at the door, the pool, the wire, and the server behind it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mcp_protocol::relay::{SealingKey, SealingKeys};
use mcp_protocol::settings::Settings;
use mcp_worker::access::{Caller, Reception};
use mcp_worker::admin::Office;
use mcp_worker::bus::Bus;
use mcp_worker::http::{Door, Health, Serving, Stage};
use mcp_worker::mcp::edge::Edge;
use mcp_worker::mcp::server::Server as McpServer;
use mcp_worker::mcp::tools::Desk;
use mcp_worker::metrics::Metrics;
use mcp_worker::settings::Identity;
use mcp_worker::warehouse::connections::Connections;
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::house::{ENDED_WITHIN, House, PATIENCE};
use crate::server::Config;
use crate::server::record::End;

/// A door before a pool of the worker's own.
struct Open {
    house: House,
    door: Door,
    address: SocketAddr,
    _serving: watch::Sender<Serving>,
}

async fn open(config: Config, max: u32) -> Open {
    let house = House::warm(config, max).await;
    let (door, address, serving) = door(&house, &Settings::default(), Bus::alone());
    Open { house, door, address, _serving: serving }
}

/// A door before this house's pool, among the others of this bus.
fn door(
    house: &House,
    settings: &Settings,
    bus: Bus,
) -> (Door, SocketAddr, watch::Sender<Serving>) {
    let metrics = Arc::new(Metrics::default());
    let (_, limits) = watch::channel(settings.limits.clone());
    let connections = Connections::single(house.pool.clone());
    let desk = Desk::new(connections.clone(), limits);
    let server = McpServer::new(desk, Caller::nobody(), (Arc::clone(&metrics), house.clock));
    let (serving, watched) = watch::channel(Serving::Ready);
    let identity = Identity { app: "query".to_owned(), slot: 0, run: 1, pid: std::process::id() };
    let (identity, (_, access)) =
        (Arc::new(identity), watch::channel(Arc::new(settings.access.clone())));
    let health = Health {
        identity: Arc::clone(&identity),
        environment: settings.environment.clone(),
        connections,
        serving: watched,
        metrics: Arc::clone(&metrics),
        office: Office::alone(identity, access.clone(), house.clock),
    };
    let (stage, stages) = Door::stage();
    let (_, keys) = watch::channel(settings.sessions.clone());
    let edge = Edge::new(keys, bus, house.clock);
    let entrance = (server, Reception::new(access), edge);
    let router = mcp_worker::http::router(settings, entrance, health, stages, house.clock);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.set_nonblocking(true).expect("a listener can be non-blocking");
    let address = listener.local_addr().expect("a listener has an address");
    let counted = (metrics, house.clock);
    let door = Door::open(listener, settings, router, stage, counted).expect("a door");
    (door, address, serving)
}

impl Open {
    fn client() -> reqwest::Client {
        // A connection for each request, so that one that is dropped is closed.
        let builder = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0);
        builder.user_agent("desk/1.0").build().expect("a client is made")
    }

    async fn call(&self, client: &reqwest::Client, query: &str) -> reqwest::Result<Value> {
        let call = json!({
            "jsonrpc": "2.0", "id": 7, "method": "tools/call",
            "params": { "name": "execute_query", "arguments": { "query": query } }
        });
        let request = client.post(format!("http://{}/mcp", self.address)).json(&call);
        let request = request.header("Accept", "application/json, text/event-stream");
        let text = request.send().await?.text().await?;
        // An answer that took its time comes as an event.
        let message = text.lines().rev().find_map(|line| line.strip_prefix("data: "));
        Ok(serde_json::from_str(message.unwrap_or(&text)).expect("an answer is JSON"))
    }
}

fn quick() -> Config {
    Config { long_after: Duration::from_millis(100), ..Config::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_gets_rows_and_the_account_is_told_who_asked() {
    let open = open(Config::default(), 2).await;
    let client = Open::client();
    let answer = open.call(&client, "SELECT ROWS(3)").await.expect("an answer");
    let told = answer["result"]["structuredContent"].to_string();
    assert!(told.contains("2 xxxxxxxx"), "{answer}");
    let seen = open.house.seen();
    let tag = seen.sent_of("SELECT ROWS(3)")[0].parameter("QUERY_TAG").clone();
    let tag: Value = serde_json::from_str(tag.as_str().unwrap_or_default()).expect("JSON");
    assert_eq!((&tag["tool"], &tag["worker"]), (&json!("execute_query"), &json!("query[0]")));
    let before = open.house.server.look(|seen| seen.sent.len());
    let refused = open.call(&client, "PUT file:///etc/hostname @stage").await.expect("an answer");
    assert!(refused["error"].is_object() || refused["result"]["isError"] == true, "{refused}");
    assert_eq!(open.house.server.look(|seen| seen.sent.len()), before, "the gate lets none pass");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_clients_that_disconnect_leave_nothing_behind() {
    const AT_ONCE: usize = 20;
    let open = open(quick(), 4).await;
    let client = Open::client();
    let server = &open.house.server;
    for round in 0..1000 / AT_ONCE {
        let asked = (0..AT_ONCE).map(|_| open.call(&client, "SELECT SLEEP(600)"));
        let asked = futures::future::join_all(asked);
        let before = server.look(|seen| seen.executions.len());
        let wanted = before + round % 5;
        tokio::select! {
            biased;
            _ = asked => panic!("nothing was to come of it"),
            reached = server.wait(PATIENCE, |seen| seen.executions.len() >= wanted) => {
                assert!(reached, "round {round}");
            }
        }
    }
    let gone = tokio::time::timeout(PATIENCE, async {
        // Those that were dropped before they reached the door are no matter.
        while open.house.pool.vitals().waiting > 0 {
            open.house.clock.until(open.house.now() + Duration::from_millis(5)).await;
        }
    });
    assert!(gone.await.is_ok(), "somebody still waits");
    open.house.assert_nothing_runs(ENDED_WITHIN).await;
    let ran = server.look(|seen| seen.executions_of("SELECT SLEEP").len());
    assert!(ran >= 100, "only {ran} statements began");
    open.house.assert_no_leaks().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_runs_when_the_grace_of_a_drain_is_over_ends_at_the_server_too() {
    let open = open(quick(), 2).await;
    let client = Open::client();
    let asked = open.call(&client, "SELECT SLEEP(600)");
    let drained = async {
        assert!(open.house.server.wait(PATIENCE, |seen| seen.running == 1).await);
        open.door.advance(Stage::AnsweringRest);
        open.house.assert_nothing_runs(ENDED_WITHIN).await;
    };
    let (answer, ()) = futures::join!(asked, drained);
    let answer = answer.expect("an answer, even now");
    assert_eq!(answer["error"]["code"], -32000, "{answer}");
    open.house.pool.close(ENDED_WITHIN).await;
    let seen = open.house.seen();
    assert_eq!(seen.open_sessions, 0);
    let ends: Vec<_> = seen.executions_of("SELECT SLEEP").iter().map(|run| run.ended).collect();
    assert!(ends.iter().all(|end| end.is_some_and(|(_, end)| end == End::Aborted)), "{ends:?}");
}

/// The first bytes of a reply that hold this.
async fn until(reply: &mut reqwest::Response, wanted: &str) -> String {
    let mut text = String::new();
    while !text.contains(wanted) {
        let bytes = tokio::time::timeout(PATIENCE, reply.chunk()).await.expect("in time");
        let bytes = bytes.expect("no error").unwrap_or_else(|| panic!("no {wanted}: {text}"));
        text.push_str(&String::from_utf8_lossy(&bytes));
    }
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_comes_back_to_another_worker_gets_its_answer_without_a_second_execution() {
    let house = House::warm(quick(), 4).await;
    let current = SealingKey::new(1, &[1; 32], 0);
    let sessions = SealingKeys { current, previous: None };
    let settings = Settings { sessions, ..Settings::default() };
    let bus = Bus::alone();
    let (_one, one, _serving) = door(&house, &settings, bus.clone());
    let (_other, other, _other_serving) = door(&house, &settings, bus.sibling());
    let client = Open::client();
    let accepted = ("Accept", "application/json, text/event-stream");
    let info = json!({ "name": "desk", "version": "1" });
    let params = json!({ "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": info });
    let begin = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params });
    let begun = client.post(format!("http://{one}/mcp")).header(accepted.0, accepted.1);
    let begun = begun.json(&begin).send().await.expect("an answer");
    let session = begun.headers()["mcp-session-id"].clone();
    let query = "SELECT SLEEP 3";
    let params = json!({ "name": "execute_query", "arguments": { "query": query } });
    let call = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
    let asked = client.post(format!("http://{one}/mcp")).header(accepted.0, accepted.1);
    let asked = asked.header("Mcp-Session-Id", &session).json(&call);
    let mut asked = asked.send().await.expect("a head");
    let first = until(&mut asked, "data: \n\n").await;
    let event = first.strip_prefix("id: ").and_then(|rest| rest.split_once('\n'));
    let event = event.unwrap_or_else(|| panic!("no id: {first}")).0.to_owned();
    assert!(house.server.wait(PATIENCE, |seen| seen.executions_of(query).len() == 1).await);
    let ended = async {
        loop {
            let back = client.get(format!("http://{other}/mcp")).header(accepted.0, accepted.1);
            let back = back.header("Mcp-Session-Id", &session).header("Last-Event-ID", &event);
            let mut back = back.send().await.expect("a head");
            let told = until(&mut back, "\"jsonrpc\"").await;
            if !told.contains("-32000") {
                break told;
            }
        }
    };
    // The first worker may not have heard yet what the warehouse calls the statement.
    let told = tokio::time::timeout(PATIENCE, ended).await.expect("an answer");
    let last = told.lines().rev().find_map(|line| line.strip_prefix("data: ")).expect("data");
    let answer: Value = serde_json::from_str(last).expect("JSON");
    assert_eq!(answer["id"], 7, "{answer}");
    assert!(answer["result"]["structuredContent"]["query_id"].is_string(), "{answer}");
    assert_eq!(house.server.look(|seen| seen.executions_of(query).len()), 1, "run again");
}
