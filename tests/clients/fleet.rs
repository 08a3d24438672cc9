//! The real fleet under load: reloads, a killed worker, and the workers' own endpoints.

use std::time::Duration;

use serde_json::{Value, json};

use crate::harness::{House, Load, send, signal, wait_for};

/// Two workers of ours; each generation opens its own sample account.
const FLEET: &str = "[supervisor]\nmetrics = \"off\"\n[apps.query]\nlisten = \"127.0.0.1:0\"\n\
     instances = 2\n";

/// A query, by hand.
fn call(query: &str) -> String {
    call_of("execute_query", &json!({ "query": query }))
}

/// A call of a tool, by hand.
pub(crate) fn call_of(tool: &str, arguments: &Value) -> String {
    let call = json!({
        "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": tool, "arguments": arguments },
    });
    let body = call.to_string();
    format!(
        "POST /mcp HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\
         content-type: application/json\r\naccept: application/json, text/event-stream\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    )
}

#[test]
fn ten_reloads_of_the_real_fleet_fail_no_query() {
    let house = House::new(FLEET);
    house.start();
    let load = Load::of(house.address(), 4, call("select 1 as one"));
    wait_for("the first answers", || load.answered() > 20);
    for number in 0..10 {
        let before = house.pids();
        let said = house.run(&["reload"]);
        assert_eq!(said.code, Some(0), "reload {number}: {said:?}\n{}", house.logs());
        let after = house.pids();
        assert!(before.iter().all(|pid| !after.contains(pid)), "{before:?} and {after:?}");
    }
    let answered = load.answered();
    wait_for("answers after the last reload", || load.answered() > answered + 20);
    let (answered, failures) = load.stop();
    assert!(failures.is_empty(), "{} of {answered} failed: {failures:?}", failures.len());
}

#[test]
fn a_killed_worker_of_the_real_fleet_is_replaced_within_its_start_time_and_a_second() {
    let house = House::new(FLEET);
    house.start();
    let start_time = start_time(&house);
    let load = Load::of(house.address(), 2, call("select 1 as one"));
    wait_for("the first answers", || load.answered() > 20);
    let victim = house.pids()[0];
    let uptime = |status: &Value| status["uptime_seconds"].as_f64().unwrap();
    let killed_at = uptime(&house.status());
    signal("-KILL", victim);
    let status = house.wait_until("the replacement", |status| {
        let slot = &status["apps"][0]["slots"][0];
        slot["status"] == "online" && slot["pid"] != victim
    });
    let took = Duration::from_secs_f64(uptime(&status) - killed_at);
    // Under load a start takes its share of the processor: three times as long is not slower.
    let allowed = start_time * 3 + Duration::from_secs(1);
    assert!(took < allowed, "replaced after {took:?}; the first start took {start_time:?}");
    let (answered, failures) = load.stop();
    assert!(failures.len() <= 2, "{} of {answered} failed: {failures:?}", failures.len());
}

/// How long the workers took from their start to ready, by the supervisor's own log.
fn start_time(house: &House) -> Duration {
    let status = house.status();
    let slot = &status["apps"][0]["slots"][0];
    let ready_for = slot["in_phase_seconds"].as_f64().unwrap();
    Duration::from_secs_f64(status["uptime_seconds"].as_f64().unwrap() - ready_for)
}

#[test]
fn health_ready_and_live_answer_and_a_write_is_refused() {
    let house = House::new(FLEET);
    house.start();
    let address = house.address();
    let get = |path: &str| {
        let request =
            format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
        send(address, &request).unwrap()
    };
    get("/livez");
    get("/readyz");
    let health: Value = serde_json::from_str(&get("/health")).unwrap();
    assert!(house.pids().contains(&health["worker"]["pid"].as_u64().unwrap()), "{health}");
    let answer =
        send(address, &call("drop table SNOWFLAKE_SAMPLE_DATA.TPCH_SF1.CUSTOMER")).unwrap();
    let answer: Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    assert!(answer["result"]["content"][0]["text"].as_str().unwrap().contains("DROP"), "{answer}");
}
