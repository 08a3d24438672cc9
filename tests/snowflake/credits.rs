//! A client's budget of credits the whole way: what its statements cost by their time and their
//! warehouse, and what becomes of it once all is spent.

use std::net::SocketAddr;
use std::time::Duration;

use mcp_protocol::access::{Allowed, Grant, Quota};
use mcp_protocol::settings::Settings;
use mcp_worker::bus::Bus;
use mcp_worker::http::{Door, Serving};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::door::door;
use crate::house::{House, PATIENCE};
use crate::server::Config;

/// A door for one client with a budget.
struct Open {
    house: House,
    address: SocketAddr,
    _door: Door,
    _serving: watch::Sender<Serving>,
}

async fn open(quota: Quota) -> Open {
    let config = Config { long_after: Duration::from_millis(100), ..Config::default() };
    let house = House::warm(config, 2).await;
    let mut settings = Settings::default();
    let grant = Grant { quota, warehouses: Allowed::Any, ..Grant::default() };
    settings.access.anonymous = Some(grant);
    let (door, address, serving) = door(&house.pool, house.clock, &settings, Bus::alone());
    Open { house, address, _door: door, _serving: serving }
}

fn budget(microcredits: u64) -> Quota {
    Quota { microcredits_per_day: Some(microcredits), ..Quota::default() }
}

impl Open {
    async fn call(&self, tool: &str, query: &str, warehouse: Option<&str>) -> Value {
        let mut arguments = json!({ "query": query });
        if let Some(warehouse) = warehouse {
            arguments["warehouse"] = json!(warehouse);
        }
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call",
                              "params": { "name": tool, "arguments": arguments } });
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build();
        let request =
            client.expect("a client is made").post(format!("http://{}/mcp", self.address));
        let request = request.header("Accept", "application/json, text/event-stream");
        let answer = request.json(&message).send().await.expect("an answer");
        let text = answer.text().await.expect("an answer");
        let event = text.lines().rev().find_map(|line| line.strip_prefix("data: "));
        let answer: Value = serde_json::from_str(event.unwrap_or(&text)).expect("JSON");
        answer["result"].clone()
    }

    async fn run(&self, query: &str, warehouse: &str) -> Value {
        self.call("execute_query", query, Some(warehouse)).await
    }

    fn asked(&self) -> usize {
        self.house.seen().sent_of("SHOW WAREHOUSES").len()
    }
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result}"))
}

fn credits(result: &Value, of: &str) -> f64 {
    result["structuredContent"]["credits"][of].as_f64().unwrap_or_else(|| panic!("{result}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_costs_its_time_at_the_price_of_its_warehouse_until_all_is_spent() {
    // A second of a 4X-Large costs 128 / 3600 = 0.0356 credits.
    let open = open(budget(20_000)).await;
    let cheap = open.run("SELECT SLEEP(0.2)", "small_wh").await;
    let cost = credits(&cheap, "estimated");
    assert!((0.000_1..0.002).contains(&cost), "{cheap}");
    assert!((credits(&cheap, "left_today") + cost - 0.02).abs() < 1e-6, "{cheap}");
    assert!(text(&cheap).contains("credits, by estimate"), "{cheap}");
    let dear = open.run("SELECT SLEEP(0.7)", "big_wh").await;
    let cost = credits(&dear, "estimated");
    assert!((0.024..0.3).contains(&cost), "{dear}");
    assert!(credits(&dear, "left_today") < 1e-9, "{dear}");
    let before = open.house.seen().sent.len();
    let refused = open.run("SELECT 1", "small_wh").await;
    assert_eq!(refused["isError"], true, "{refused}");
    let words = text(&refused);
    assert!(
        words.contains("0.02 credits in a day (UTC)") && words.contains("try again in"),
        "{words}"
    );
    assert_eq!(open.house.seen().sent.len(), before, "nothing was sent");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_size_is_looked_up_once_and_only_for_clients_with_a_budget() {
    let open_to_all = open(Quota::default()).await;
    let answer = open_to_all.run("SELECT 1", "small_wh").await;
    assert!(answer["structuredContent"]["credits"].is_null(), "{answer}");
    assert_eq!(open_to_all.asked(), 0);
    let open = open(budget(1_000_000)).await;
    for _ in 0..3 {
        open.run("SELECT 1", "small_wh").await;
    }
    assert_eq!(open.asked(), 1);
    let shown = open.call("execute_query", "SHOW TABLES", Some("big_wh")).await;
    assert!(credits(&shown, "estimated") == 0.0, "it needs no warehouse: {shown}");
    assert_eq!(open.asked(), 1);
    let without = open.call("execute_query", "SELECT 1", None).await;
    assert!(credits(&without, "estimated") == 0.0, "there is no warehouse: {without}");
    let odd = open.run("SELECT 1", "odd_wh").await;
    assert!(text(&odd).contains("the size of the warehouse ODD_WH cannot be seen"), "{odd}");
    assert!(open.house.seen().sent_of("SELECT 1").len() <= 5, "it was not run");
    let plan = open.call("explain_query", "SELECT 1", Some("big_wh")).await;
    assert_eq!(plan["structuredContent"]["credits"]["per_hour"], 128, "{plan}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_whose_client_left_has_cost_what_it_ran() {
    let open = open(budget(5_000)).await;
    open.run("SELECT 1", "big_wh").await;
    tokio::select! {
        _ = open.run("SELECT SLEEP(600)", "big_wh") => panic!("it takes longer"),
        () = async {
            let runs = open.house.server.wait(PATIENCE, |seen| seen.running == 1).await;
            assert!(runs, "it runs");
            open.house.clock.until(open.house.now() + Duration::from_millis(400)).await;
        } => {}
    }
    let spent = async {
        loop {
            let answer = open.run("SHOW TABLES", "big_wh").await;
            if answer["isError"] == true {
                return text(&answer).to_owned();
            }
        }
    };
    let words = open.house.clock.within(PATIENCE, spent).await.expect("it is counted");
    assert!(words.contains("0.005 credits"), "{words}");
}
