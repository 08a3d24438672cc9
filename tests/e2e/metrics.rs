//! The metrics of the fleet, and that their documentation is complete.

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::TcpStream;

use crate::harness::skip;
use crate::harness::{House, get, query, signal, wait_for};
use crate::tools;

/// What a page of the metrics' address answers, its head included.
pub(crate) fn scrape(house: &House, path: &str) -> String {
    asked(house, path, "")
}

/// The same of a request with more lines in its head.
fn asked(house: &House, path: &str, more: &str) -> String {
    let address = house.status()["metrics"].as_str().unwrap().to_owned();
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n{more}connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
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
    let restarts =
        "supervisor_worker_restarts_total{app=\"query\",reason=\"signal\",slot=\"0\"} 1\n";
    assert!(text.contains(restarts), "{text}");
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
    assert!(text.contains(&of("logged_out", "people", 1)), "{text}");
    assert!(text.contains(&of("logged_out", "default", 0)), "{text}");
    assert!(house.run(&["status"]).out.contains("refuses the credentials"));
    std::fs::remove_file(&refused).unwrap();
    house.wait_until("no words", |status| message(status).is_null());
    assert!(scrape(&house, "/metrics").contains(&line(0)));
}

/// An answer without its head.
fn body(answer: &str) -> String {
    answer.split_once("\r\n\r\n").expect("a head").1.to_owned()
}

fn counting_text() -> String {
    let health = "[apps.query.health]\nheartbeat_interval = \"20ms\"";
    query(1, "--counts", health).replace("\"off\"", "\"127.0.0.1:0\"")
}

/// A house whose workers count everything that a worker may count, once it served a request.
fn counting_house(instances: u32) -> House {
    let text = counting_text().replace("instances = 1", &format!("instances = {instances}"));
    let house = House::new(&text);
    house.start();
    get(house.address()).unwrap();
    wait_for("the counts", || scrape(&house, "/metrics").contains("mcp_requests_total{"));
    house
}

/// Lets there be numbers that come with events only.
fn let_things_happen(house: &House) {
    assert_eq!(house.run(&["reload"]).code, Some(0));
    signal("-KILL", house.pids()[0]);
    house.wait_until("the replacement", |status| {
        let slot = &status["apps"][0]["slots"][0];
        slot["status"] == "online" && slot["restarts"] == 1
    });
}

#[test]
fn histograms_and_sessions_go_on_when_a_worker_is_replaced() {
    let house = counting_house(2);
    let histogram = |name: &str, labels: &str, count: u32| {
        let line = format!("{name}_count{{app=\"query\",{labels}}} {count}\n");
        wait_for(&line, || scrape(&house, "/metrics").contains(&line));
    };
    let labels = "outcome=\"outcome\",tool=\"tool\"";
    histogram("mcp_request_duration_seconds", labels, 1);
    let_things_happen(&house);
    (0..3).for_each(|_| drop(get(house.address()).unwrap()));
    histogram("mcp_request_duration_seconds", labels, 4);
    let text = scrape(&house, "/metrics");
    let bucket =
        format!("mcp_request_duration_seconds_bucket{{app=\"query\",{labels},le=\"0.025\"}} 4\n");
    assert!(text.contains(&bucket), "{text}");
    assert!(text.contains("mcp_active_sessions_total{app=\"query\"} 1\n"), "{text}");
    for (reason, count) in [("reload", 1), ("signal", 1)] {
        let labels = format!("app=\"query\",reason=\"{reason}\",slot=\"0\"");
        let line = format!("supervisor_worker_restarts_total{{{labels}}} {count}\n");
        assert!(text.contains(&line), "{line}\n{text}");
    }
    house.write(&text_without_query());
    assert_eq!(house.run(&["reload"]).code, Some(0));
    wait_for("the end of the series", || !scrape(&house, "/metrics").contains("app=\"query\""));
}

/// Another app than the one that was there.
fn text_without_query() -> String {
    query(1, "", "").replace("apps.query", "apps.other").replace("\"off\"", "\"127.0.0.1:0\"")
}

/// A line of the page about metrics: name, type, labels.
type Documented = (String, String, BTreeSet<String>);

fn documented() -> BTreeSet<Documented> {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/metrics.md");
    let page = std::fs::read_to_string(page).unwrap();
    let lines = page.lines().filter_map(|line| line.strip_prefix("| `"));
    let documented = lines.map(|line| {
        let cells: Vec<&str> = line.split(" | ").collect();
        assert_eq!(cells.len(), 6, "name, type, labels, unit, meaning, when it moves: {line}");
        let labels = cells[2].split(", ").filter(|label| *label != "–").map(str::to_owned);
        (cells[0].trim_end_matches('`').to_owned(), cells[1].to_owned(), labels.collect())
    });
    documented.collect()
}

/// What a text of Prometheus' form has: name, type, and the labels of the first number.
fn exported(text: &str) -> BTreeSet<Documented> {
    let families = text.lines().filter_map(|line| line.strip_prefix("# TYPE ")?.split_once(' '));
    let exported = families.map(|(name, kind)| {
        let is_of_it = |line: &&str| {
            line.strip_prefix(name).is_some_and(|rest| rest.starts_with(['{', ' ', '_']))
        };
        let first = text.lines().find(is_of_it).unwrap();
        let labels = first.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        let names = labels.map_or("", |(labels, _)| labels).split(',').filter(|it| !it.is_empty());
        let names = names.map(|label| label.split('=').next().unwrap().to_owned());
        (name.to_owned(), kind.to_owned(), names.filter(|name| name != "le").collect())
    });
    exported.collect()
}

#[test]
fn every_metric_is_documented_and_every_documented_one_is_there() {
    let house = counting_house(1);
    let_things_happen(&house);
    // A slot that is given up is the last thing that can happen.
    let gave_up = "[apps.bad]\nexec = [\"sh\", \"-c\", \"exit 78\"]\nready = \"1s\"\n";
    house.write(&format!("{}{gave_up}", counting_text()));
    house.run(&["reload"]);
    let text = || scrape(&house, "/metrics");
    wait_for("the one that gave up", || text().contains("supervisor_worker_failed_total{"));
    assert_eq!(exported(&text()), documented());
}

#[test]
fn the_names_that_runbooks_ask_for_are_there() {
    let house = counting_house(1);
    let text = scrape(&house, "/metrics");
    for name in [
        "pool_connections_active",
        "pool_connections_max",
        "pool_connections_total",
        "pool_connections_peak",
        "mcp_requests_total",
        "mcp_requests_per_second",
        "mcp_request_duration_seconds_bucket",
        "mcp_active_sessions_total",
        "query_duration_seconds_bucket",
        "rate_limit_exceeded_total",
    ] {
        assert!(text.lines().any(|line| line.starts_with(&format!("{name}{{"))), "{name}\n{text}");
    }
}

#[test]
fn promtool_finds_nothing_wrong_but_names_that_runbooks_ask_for() {
    let Some(promtool) = tools::promtool() else {
        return skip("promtool_finds_nothing_wrong_but_names_that_runbooks_ask_for", "no promtool");
    };
    let house = counting_house(1);
    let_things_happen(&house);
    let words = tools::fed(&promtool, &["check", "metrics"], &body(&scrape(&house, "/metrics")));
    let wrong: Vec<&str> = words.lines().filter(|line| !line.is_empty()).collect();
    let gauge = "non-counter metrics should not have \"_total\" suffix";
    let kept = ["mcp_active_sessions_total", "pool_connections_total"];
    assert_eq!(wrong, kept.map(|name| format!("{name} {gauge}")));
}

#[test]
fn a_parser_of_open_metrics_reads_the_open_form_with_exemplars() {
    let Some(python) = tools::python_with_parser() else {
        let name = "a_parser_of_open_metrics_reads_the_open_form_with_exemplars";
        return skip(name, "no parser from PyPI");
    };
    let house = counting_house(1);
    let accept = "accept: application/openmetrics-text; version=1.0.0\r\n";
    let answer = asked(&house, "/metrics", accept);
    let head = "content-type: application/openmetrics-text; version=1.0.0; charset=utf-8\r\n";
    assert!(answer.contains(head), "{answer}");
    let read = tools::fed(&python, &["-c", PARSE], &body(&answer));
    let plain = exported(&scrape(&house, "/metrics"));
    assert_eq!(
        read.lines().filter(|line| line.starts_with("family ")).count(),
        plain.len(),
        "{read}"
    );
    let exemplar =
        "exemplar mcp_request_duration_seconds_bucket abababababababababababababababab 0.02";
    assert!(read.contains(exemplar), "{read}");
    assert!(read.contains("family mcp_requests counter"), "{read}");
}

/// Reads the open form from its input and says what it found.
const PARSE: &str = "
import sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families
for family in text_string_to_metric_families(sys.stdin.read()):
    print('family', family.name, family.type, family.unit)
    for sample in family.samples:
        if sample.exemplar:
            print('exemplar', sample.name, sample.exemplar.labels['trace_id'], sample.exemplar.value)
";
