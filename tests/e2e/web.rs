//! The supervisor's own address: health, state and events, who is answered, and what it costs.
#![expect(clippy::disallowed_methods, reason = "tests wait for conditions until a deadline")]

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::Value;

use crate::harness::{House, PATIENCE, alive, query, signal, wait_for};

/// A configuration with fault workers and an address for people and machines.
fn served(instances: u32, faults: &str, more: &str) -> String {
    query(instances, faults, more).replace("metrics = \"off\"", "metrics = \"127.0.0.1:0\"")
}

/// Where the supervisor itself is served.
pub(crate) fn address(house: &House) -> String {
    house.status()["metrics"].as_str().unwrap().to_owned()
}

/// A request, and its answer: status, head, body.
fn ask(address: &str, method: &str, path: &str, fields: &str) -> (u16, String, String) {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "{method} {path} HTTP/1.1\r\n{fields}connection: close\r\n\r\n").unwrap();
    let mut answer = String::new();
    std::io::Read::read_to_string(&mut stream, &mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    (status, head.to_ascii_lowercase(), body.to_owned())
}

fn get(address: &str, path: &str) -> (u16, String) {
    let (status, _, body) = ask(address, "GET", path, "host: localhost\r\n");
    (status, body)
}

fn health(address: &str) -> (u16, Value) {
    let (status, body) = get(address, "/health");
    (status, serde_json::from_str(&body).unwrap())
}

/// The stream of events, read line by line.
struct Events(BufReader<TcpStream>);

impl Events {
    /// Opens it; none when it is refused.
    fn open(address: &str) -> Option<Events> {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(stream, "GET /events HTTP/1.1\r\nhost: localhost\r\n\r\n").unwrap();
        let mut events = Events(BufReader::new(stream));
        events.line().contains(" 200 ").then_some(events)
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        assert_ne!(self.0.read_line(&mut line).unwrap(), 0, "the stream ended");
        line
    }

    /// The data of the next event of this name for which this is so.
    fn wait(&mut self, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            assert!(Instant::now() < deadline, "no such event {name}");
            if self.line().trim_end() != format!("event: {name}") {
                continue;
            }
            let data = self.line();
            let data = data.strip_prefix("data: ").expect("data follows the name");
            let data: Value = serde_json::from_str(data).expect("data is JSON");
            if is_so(&data) {
                return data;
            }
        }
    }
}

#[test]
fn health_is_healthy_degraded_or_unhealthy_and_says_why() {
    let slow = "[apps.query.restart]\nbackoff_min = \"1h\"\nbackoff_max = \"2h\"";
    let house = House::new(&served(2, "", slow));
    house.start();
    let address = address(&house);
    let (status, all) = health(&address);
    assert_eq!((status, all["status"].as_str()), (200, Some("healthy")), "{all}");
    assert_eq!(get(&address, "/readyz"), (200, "ready\n".to_owned()));
    let pids = house.pids();
    signal("-KILL", pids[0]);
    wait_for("degraded", || health(&address).1["status"] == "degraded");
    let (status, all) = health(&address);
    assert_eq!(status, 200);
    assert_eq!((&all["apps"][0]["ready"], &all["apps"][0]["wanted"]), (&1.into(), &2.into()));
    let reason = all["apps"][0]["reasons"][0].as_str().unwrap();
    assert!(reason.starts_with("query[0] is waiting restart"), "{reason}");
    assert_eq!(get(&address, "/readyz").0, 200, "clients are answered");
    assert!(house.run(&["stop", "query[0]"]).code == Some(0));
    assert_eq!(health(&address).1["status"], "healthy", "nobody misses who was stopped");
    signal("-KILL", pids[1]);
    wait_for("unhealthy", || health(&address).0 == 503);
    assert_eq!(health(&address).1["status"], "unhealthy");
    assert_eq!(get(&address, "/readyz"), (503, "nobody serves: query\n".to_owned()));
    assert_eq!(get(&address, "/livez"), (200, "ok\n".to_owned()));
}

#[test]
fn a_refused_configuration_and_a_warehouse_that_refuses_us_are_degraded() {
    let directory = tempfile::tempdir().unwrap();
    let refused = directory.path().join("refused");
    let fault = format!("--refused-when {}", refused.display());
    let text = served(1, &fault, "[apps.query.health]\nheartbeat_interval = \"20ms\"");
    let house = House::new(&text);
    house.start();
    let address = address(&house);
    std::fs::write(&refused, "").unwrap();
    wait_for("the warehouse", || health(&address).1["status"] == "degraded");
    let reasons = &health(&address).1["apps"][0]["reasons"];
    let words = [
        "its warehouse refuses the credentials; not tried again until they change",
        "connection finance: cannot reach its warehouse; tries again",
        "connection people: nobody is logged in; run `mcp-supervisor login`",
    ];
    assert_eq!(*reasons, Value::from(words.to_vec()));
    std::fs::remove_file(&refused).unwrap();
    wait_for("health", || health(&address).1["status"] == "healthy");
    house.write(&text.replace("instances = 1", "instances = 0"));
    assert_eq!(house.run(&["reload"]).code, Some(78));
    let (status, all) = health(&address);
    assert_eq!(
        (status, &all["status"], &all["config_refused"]),
        (200, &"degraded".into(), &true.into())
    );
}

#[test]
fn full_pools_certificates_that_end_and_lost_logs_are_degraded_and_told_in_numbers() {
    let directory = tempfile::tempdir().unwrap();
    let ailing = directory.path().join("ailing");
    let fault = format!("--ailing-when {}", ailing.display());
    let house =
        House::new(&served(1, &fault, "[apps.query.health]\nheartbeat_interval = \"20ms\""));
    house.start();
    let address = address(&house);
    let detailed =
        || -> Value { serde_json::from_str(&get(&address, "/health/detailed").1).unwrap() };
    let well = detailed();
    assert_eq!(
        (&well["status"], &well["components"]["logs"]["status"]),
        (&"healthy".into(), &"healthy".into())
    );
    assert_eq!(well["components"]["logs"]["dropped_total"], 0);
    assert!(well["components"]["logs"]["disk"]["size_bytes"].as_u64() > Some(0), "{well}");
    std::fs::write(&ailing, "").unwrap();
    wait_for("degraded", || health(&address).1["status"] == "degraded");
    let all = detailed();
    let reasons = [
        "its renewed certificate cannot be used; see its log",
        "its sessions are nearly all in use, or callers waited for one in vain",
        "lines of its workers' logs were lost",
    ];
    assert_eq!(all["apps"][0]["reasons"], Value::from(reasons.to_vec()), "{all}");
    let parts = &all["apps"][0]["components"];
    let pool = &parts["connection_pools"]["default"];
    assert_eq!((&pool["active"], &pool["max"]), (&10.into(), &10.into()), "{all}");
    assert_eq!(parts["certificate"]["renewal_fails"], true, "{all}");
    assert!(parts["logs"]["dropped_total"].as_u64() > Some(0), "{all}");
}

#[test]
fn strangers_are_turned_away_and_nothing_can_be_changed() {
    let house = House::new(&served(1, "", ""));
    house.start();
    let address = address(&house);
    for path in [
        "/",
        "/page.js",
        "/page.css",
        "/status",
        "/events",
        "/metrics",
        "/health",
        "/health/detailed",
    ] {
        let stranger = ask(&address, "GET", path, "host: evil.example\r\n");
        assert_eq!(stranger.0, 403, "{path}");
        for method in ["POST", "PUT", "DELETE", "PATCH"] {
            let (status, _, _) = ask(&address, method, path, "host: localhost\r\n");
            assert_eq!(status, 405, "{method} {path}");
        }
    }
    assert_eq!(get(&address, "/nothing").0, 404);
    let of_a_page =
        "host: localhost\r\norigin: http://evil.example\r\nsec-fetch-site: cross-site\r\n";
    assert_eq!(ask(&address, "GET", "/events", of_a_page).0, 403);
    let (status, head, body) = ask(&address, "GET", "/", "host: localhost\r\n");
    assert_eq!(status, 200);
    for said in [
        "content-security-policy: default-src 'none'; script-src 'self'",
        "x-content-type-options: nosniff",
        "x-frame-options: deny",
        "referrer-policy: no-referrer",
        "cache-control: no-store",
    ] {
        assert!(head.contains(said), "{said} in {head}");
    }
    assert!(!head.contains("access-control"), "{head}");
    for outside in ["http://", "https://"] {
        let page = body.replace("http://www.w3.org/2000/svg", "");
        assert!(!page.contains(outside), "the page takes something from elsewhere");
    }
}

#[test]
fn state_is_that_of_the_command() {
    let house = House::new(&served(2, "", ""));
    house.start();
    let (status, body) = get(&address(&house), "/status");
    let (told, printed): (Value, Value) = (serde_json::from_str(&body).unwrap(), house.status());
    assert_eq!(status, 200);
    for key in ["pid", "version", "config_file", "generation", "metrics"] {
        assert_eq!(told[key], printed[key], "{key}");
    }
    assert_eq!(told["apps"][0]["slots"][1]["pid"], printed["apps"][0]["slots"][1]["pid"]);
}

#[test]
fn a_network_sees_metrics_and_the_dashboard_only_if_the_file_says_so() {
    let text = served(1, "", "").replace("127.0.0.1:0\"\nwatch", "0.0.0.0:0\"\nwatch");
    let house = House::new(&text);
    house.start();
    let address = address(&house).replace("0.0.0.0", "127.0.0.1");
    assert_eq!(ask(&address, "GET", "/metrics", "host: mcp.monitoring:8001\r\n").0, 200);
    for path in ["/", "/status", "/events"] {
        let (status, words) = get(&address, path);
        assert_eq!(status, 403, "{path}");
        assert!(words.contains("supervisor.dashboard = \"on\""), "{words}");
    }
    let with = |word: &str| {
        text.replace("watch = false\n", &format!("watch = false\ndashboard = \"{word}\"\n"))
    };
    house.write(&with("on"));
    assert_eq!(house.run(&["reload"]).code, Some(0));
    assert_eq!(get(&address, "/status").0, 200);
    assert_eq!(ask(&address, "GET", "/status", "host: mcp.monitoring\r\n").0, 403);
    house.write(&with("off"));
    assert_eq!(house.run(&["reload"]).code, Some(0));
    assert_eq!(get(&address, "/").0, 404);
    assert_eq!(get(&address, "/metrics").0, 200);
}

#[test]
fn whoever_looks_sees_every_second_how_it_is_and_what_is_logged() {
    let house = House::new(&served(1, "--print-lines 3", ""));
    house.start();
    let address = address(&house);
    let mut events = Events::open(&address).unwrap();
    let online = |state: &Value| state["status"]["apps"][0]["slots"][0]["status"] == "online";
    let state = events.wait("state", online);
    assert_eq!(state["health"]["status"], "healthy");
    assert!(state["figures"]["query"]["sums"]["requests"].is_number(), "{state}");
    let has = |words: &'static str| {
        move |batch: &Value| {
            let lines = batch["lines"].as_array().unwrap();
            lines.iter().any(|line| line["text"].as_str().unwrap().contains(words))
        }
    };
    signal("-KILL", house.pids()[0]);
    events.wait("logs", has("SIGKILL"));
    events.wait("state", |state| state["status"]["apps"][0]["slots"][0]["restarts"] == 1);
    let mut late = Events::open(&address).unwrap();
    late.wait("logs", has("line 2"));
}

#[test]
fn only_so_many_may_look_at_once_and_scrapes_go_on() {
    let house = House::new(&served(1, "", ""));
    house.start();
    let address = address(&house);
    let mut all: Vec<Events> = Vec::new();
    while let Some(events) = Events::open(&address) {
        all.push(events);
        assert!(all.len() < 60, "anybody may look");
    }
    assert_eq!(get(&address, "/metrics").0, 200);
    drop(all);
    wait_for("a place", || Events::open(&address).is_some());
}

#[test]
fn when_nobody_looks_the_supervisor_sleeps() {
    let text = "[supervisor]\nmetrics = \"127.0.0.1:0\"\nwatch = false\n\n[apps.idle]\n\
                exec = [\"/bin/sleep\", \"1000\"]\nready = \"1ms\"\n";
    let house = House::new(text);
    house.start();
    let address = address(&house);
    let pid = house.status()["pid"].as_u64().unwrap();
    assert!(alive(pid));
    let woken = || -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find(|line| line.starts_with("voluntary_ctxt_switches")).unwrap();
        line.split_whitespace().last().unwrap().parse().unwrap()
    };
    let mut events = Events::open(&address).unwrap();
    events.wait("state", |_| true);
    let first = woken();
    events.wait("state", |_| true);
    assert!(woken() > first, "somebody looks");
    drop(events);
    // Two seconds without one turn of the loop; it takes two of them to draw a state.
    let (mut last, mut since) = (woken(), Instant::now());
    wait_for("sleep", || {
        let now = woken();
        if now != last {
            (last, since) = (now, Instant::now());
        }
        since.elapsed().as_secs() >= 2
    });
}
