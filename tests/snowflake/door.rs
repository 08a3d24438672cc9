//! The whole way: an MCP client at the door, the pool, the wire, and the server behind it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use mcp_protocol::settings::Settings;
use mcp_worker::access::{Caller, Reception};
use mcp_worker::admin::Office;
use mcp_worker::bus::Bus;
use mcp_worker::clock::Clock;
use mcp_worker::http::{Door, Health, Serving, Stage};
use mcp_worker::mcp::configured::ready;
use mcp_worker::mcp::edge::Edge;
use mcp_worker::mcp::server::Server as McpServer;
use mcp_worker::mcp::tools::Desk;
use mcp_worker::metrics::Metrics;
use mcp_worker::settings::Identity;
use mcp_worker::warehouse::connections::Connections;
use mcp_worker::warehouse::pool::Pool;
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
    let (door, address, serving) =
        door(&house.pool, house.clock, &Settings::default(), Bus::alone());
    Open { house, door, address, _serving: serving }
}

/// A door before this pool, among the others of this bus.
pub(crate) fn door(
    pool: &Pool,
    clock: Clock,
    settings: &Settings,
    bus: Bus,
) -> (Door, SocketAddr, watch::Sender<Serving>) {
    let metrics = Arc::new(Metrics::default());
    let (_, limits) = watch::channel(settings.limits.clone());
    let connections = Connections::single(pool.clone());
    let (_, keys) = watch::channel(settings.sessions.clone());
    let (_, configured) = watch::channel(ready(&settings.offered));
    let desk = Desk::new(connections.clone(), limits)
        .with_sealing_keys(keys.clone())
        .with_configured(configured);
    let server = McpServer::new(desk, Caller::nobody(), (Arc::clone(&metrics), clock));
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
        office: Office::alone(identity, access.clone(), clock),
    };
    let (stage, stages) = Door::stage();
    let edge = Edge::new(keys, bus, clock);
    let entrance = (server, Reception::new(access), edge);
    let router = mcp_worker::http::router(settings, entrance, health, stages, clock);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    listener.set_nonblocking(true).expect("a listener can be non-blocking");
    let address = listener.local_addr().expect("a listener has an address");
    let counted = (metrics, clock);
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
