//! The metrics of the fleet, and that their documentation is complete.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::{House, get, query, signal};

/// What a page of the metrics' address answers, its head included.
pub(crate) fn scrape(house: &House, path: &str) -> String {
    let address = house.status()["metrics"].as_str().unwrap().to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    answer
}

#[test]
fn totals_do_not_go_back_when_a_worker_is_replaced() {
    let health = "[apps.query.health]\nheartbeat_interval = \"20ms\"";
    let text = query(1, "", health).replace("\"off\"", "\"127.0.0.1:0\"");
    let house = House::new(&text);
    house.start();
    let address = house.address();
    for _ in 0..7 {
        get(address).unwrap();
    }
    let counted = |count: u32| {
        let line = format!("mcp_http_requests_total{{app=\"query\"}} {count}\n");
        crate::harness::wait_for(&line, || scrape(&house, "/metrics").contains(&line));
    };
    counted(7);
    signal("-KILL", house.pids()[0]);
    house.wait_until("the replacement", |status| {
        let slot = &status["apps"][0]["slots"][0];
        slot["status"] == "online" && slot["restarts"] == 1
    });
    get(address).unwrap();
    counted(8);
    let text = scrape(&house, "/metrics");
    assert!(text.contains("supervisor_worker_restarts_total{app=\"query\",slot=\"0\"} 1\n"));
    assert!(text.contains("supervisor_worker_up{app=\"query\",slot=\"0\"} 1\n"), "{text}");
    scrape(&house, "/livez");
}

#[test]
fn refused_credentials_are_told_by_status_and_a_metric_for_as_long_as_they_are() {
    let health = "[apps.query.health]\nheartbeat_interval = \"20ms\"";
    let directory = tempfile::tempdir().unwrap();
    let refused = directory.path().join("refused");
    let fault = format!("--refused-when {}", refused.display());
    let house = House::new(&query(1, &fault, health).replace("\"off\"", "\"127.0.0.1:0\""));
    house.start();
    let message = |status: &serde_json::Value| status["apps"][0]["slots"][0]["message"].clone();
    assert!(message(&house.status()).is_null());
    std::fs::write(&refused, "").unwrap();
    house.wait_until("the words", |status| {
        message(status).as_str().is_some_and(|words| {
            words.contains("refuses the credentials")
                && words.contains("; connection finance: cannot reach its warehouse")
        })
    });
    let of = |state: &str, connection: &str, value: u32| {
        let labels = format!("app=\"query\",connection=\"{connection}\",slot=\"0\"");
        format!("pool_logins_{state}{{{labels}}} {value}\n")
    };
    let line = |value| of("refused", "default", value);
    let text = scrape(&house, "/metrics");
    assert!(text.contains(&line(1)) && text.contains(&of("failing", "default", 0)), "{text}");
    assert!(text.contains(&of("failing", "finance", 1)), "{text}");
    assert!(house.run(&["status"]).out.contains("refuses the credentials"));
    std::fs::remove_file(&refused).unwrap();
    house.wait_until("no words", |status| message(status).is_null());
    assert!(scrape(&house, "/metrics").contains(&line(0)));
}

#[test]
fn every_metric_is_documented_and_every_documented_one_is_there() {
    let text = query(1, "", "").replace("\"off\"", "\"127.0.0.1:0\"");
    let house = House::new(&text);
    house.start();
    let text = scrape(&house, "/metrics");
    let exported: BTreeSet<&str> =
        text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split(' ').next()).collect();
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let documented: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    // Our own worker alone has tool calls, refusals and certificates, and it does not run here.
    let of_our_worker = [
        "mcp_requests_total",
        "mcp_request_duration_seconds_sum",
        "rate_limit_exceeded_total",
        "tls_certificate_expiry_seconds",
        "tls_certificate_renewal_failing",
    ];
    let documented: BTreeSet<&str> =
        documented.into_iter().filter(|name| !of_our_worker.contains(name)).collect();
    assert_eq!(exported, documented);
}
