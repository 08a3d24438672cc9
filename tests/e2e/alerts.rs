//! The alert rules and the Grafana dashboard that are shipped: they are right, they name what there
//! is, and a real Prometheus that scrapes a real supervisor fires them when something is wrong.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::harness::{House, Said, query, send, signal, skip, wait_for};
use crate::prometheus::{Server, Tools};
use crate::web::address;

/// Metrics that are Prometheus' own.
const OF_PROMETHEUS: [&str; 1] = ["up"];
/// What our metrics begin with.
const OURS: [&str; 7] =
    ["supervisor_", "mcp_", "pool_", "query_", "rate_limit_", "tls_", "process_"];

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().join("deploy")
}

fn read(path: &str) -> String {
    std::fs::read_to_string(deploy().join(path)).unwrap()
}

pub(crate) fn tools(test: &str) -> Option<Tools> {
    let found = Tools::find();
    if found.is_none() {
        skip(test, "there is no prometheus, and it cannot be fetched");
    }
    found
}

/// The names of all alerts.
fn alerts() -> Vec<String> {
    let rules = read("prometheus/alerts.yml");
    let names = rules.lines().filter_map(|line| line.trim().strip_prefix("- alert: "));
    names.map(str::to_owned).collect()
}

/// Every expression of the Grafana dashboard.
fn expressions(value: &Value, into: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member.as_str()) {
                    ("expr", Some(text)) => into.push(text.to_owned()),
                    ("query", Some(text)) if text.starts_with("label_values(") => {
                        let metric = text.trim_start_matches("label_values(");
                        into.push(metric.rsplit_once(',').unwrap().0.to_owned());
                    }
                    _ => expressions(member, into),
                }
            }
        }
        Value::Array(members) => members.iter().for_each(|member| expressions(member, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn of_grafana() -> (Value, Vec<String>) {
    let dashboard: Value = serde_json::from_str(&read("grafana/mcp-supervisor.json")).unwrap();
    let mut found = Vec::new();
    expressions(&dashboard, &mut found);
    assert!(found.len() > 30, "only {} expressions", found.len());
    (dashboard, found)
}

/// The metrics of ours that a text names.
fn named(text: &str) -> BTreeSet<String> {
    let words = text.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let ours = words.filter(|word| OURS.iter().any(|begin| word.starts_with(begin)));
    ours.map(str::to_owned).collect()
}

#[test]
fn the_rules_hold_in_their_own_tests() {
    let Some(tools) = tools("the_rules_hold_in_their_own_tests") else { return };
    let directory = deploy().join("prometheus");
    let said = tools.promtool(&["check", "rules", "alerts.yml"], &directory);
    assert!(said.contains(&format!("{} rules found", alerts().len())), "{said}");
    tools.promtool(&["check", "config", "prometheus.yml"], &directory);
    tools.promtool(&["test", "rules", "alerts_test.yml"], &directory);
    let tests = read("prometheus/alerts_test.yml");
    for alert in alerts() {
        let fires = format!("labels: '{{alertname=\"{alert}\"}}'");
        assert!(tests.contains(&fires), "no test lets {alert} fire");
    }
}

#[test]
fn alerts_and_health_have_the_same_thresholds() {
    use mcp_protocol::health::{
        CERTIFICATE_WARNING, LOGS_LOST_FOR, POOL_FULL_FOR, POOL_FULL_SHARE,
    };
    let rules = read("prometheus/alerts.yml");
    let of = |alert: &str| {
        let (_, rest) = rules.split_once(&format!("- alert: {alert}\n")).unwrap();
        rest.split("- alert: ").next().unwrap().to_owned()
    };
    let days = CERTIFICATE_WARNING.as_secs() / 86_400;
    for (alert, said) in [
        ("CertificateEndsSoon", format!("< {days} * 86400\n")),
        ("PoolNearlyExhausted", format!("> {POOL_FULL_SHARE}\n")),
        ("PoolNearlyExhausted", format!("for: {}m\n", POOL_FULL_FOR.as_secs() / 60)),
        ("LogsDropped", format!("mcp_log_lines_dropped_total[{}m]", LOGS_LOST_FOR.as_secs() / 60)),
    ] {
        assert!(of(alert).contains(&said), "{alert} does not say {said}");
    }
}

#[test]
fn alerts_and_dashboards_name_metrics_that_there_are() {
    let page = std::fs::read_to_string(deploy().join("../docs/metrics.md")).unwrap();
    let documented: BTreeSet<&str> =
        page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    let exists = |name: &str| {
        let parts = ["_bucket", "_sum", "_count"];
        let whole = parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name);
        documented.contains(name) || documented.contains(whole) || OF_PROMETHEUS.contains(&name)
    };
    let (_, grafana) = of_grafana();
    let rules = read("prometheus/alerts.yml");
    // Comments name no metrics; the rules' expressions and words do.
    let rules: String = rules.lines().filter(|line| !line.trim_start().starts_with('#')).collect();
    for name in named(&rules).union(&named(&grafana.join("\n"))) {
        assert!(exists(name), "there is no metric {name} in docs/metrics.md");
    }
}

#[test]
fn the_grafana_dashboard_can_be_imported_anywhere() {
    let (dashboard, found) = of_grafana();
    let variables = dashboard["templating"]["list"].as_array().unwrap();
    assert_eq!(variables[0]["type"], "datasource");
    let text = dashboard.to_string();
    let uids: BTreeSet<&str> = text
        .split("\"uid\":\"")
        .skip(1)
        .filter_map(|rest| rest.split('"').next())
        .filter(|uid| *uid != "mcp-supervisor")
        .collect();
    assert_eq!(uids, BTreeSet::from(["${datasource}"]), "a data source of somebody's own");
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "two panels have one id");
    let Some(tools) = tools("the_grafana_dashboard_can_be_imported_anywhere") else { return };
    let filled = |text: &str| {
        let text = text.replace("$__rate_interval", "1m");
        text.replace("$instance", ".*").replace("$app", ".*")
    };
    let directory = tempfile::tempdir().unwrap();
    let numbered: String = found.iter().enumerate().fold(
        "groups:\n  - name: grafana\n    rules:\n".to_owned(),
        |mut text, (number, one)| {
            let one = serde_json::to_string(&filled(one)).unwrap();
            text.push_str(&format!(
                "      - record: checked:number_{number}\n        expr: {one}\n"
            ));
            text
        },
    );
    std::fs::write(directory.path().join("rules.yml"), numbered).unwrap();
    let said = tools.promtool(&["check", "rules", "rules.yml"], directory.path());
    assert!(said.contains(&format!("{} rules found", found.len())), "{said}");
}

/// The shipped rules with seconds in the place of minutes, and a minute in that of an hour: nobody
/// waits an hour for a test. Nothing else of them is changed.
fn hurried(rules: &str) -> String {
    let windows = [("[1h:30s]", "[60s:1s]"), ("offset 15m", "offset 15s")];
    let rules = windows.iter().fold(rules.to_owned(), |text, (old, new)| text.replace(old, new));
    let minutes = |text: String, minutes: u32| {
        let text = text.replace(&format!("[{minutes}m]"), &format!("[{minutes}s]"));
        text.replace(&format!("for: {minutes}m"), &format!("for: {minutes}s"))
    };
    let rules = [1, 2, 5, 10, 30].into_iter().fold(rules, minutes);
    let left = |line: &str| {
        let line = line.trim();
        line.starts_with("for:") && line.ends_with('m') || line.contains("m]")
    };
    assert!(!rules.lines().any(left), "a time was not shortened:\n{rules}");
    rules
}

/// A Prometheus that scrapes this house.
pub(crate) fn watching(house: &House, tools: &Tools) -> Server {
    with_rules(house, tools, str::to_owned)
}

/// The same, with rules that are changed beyond their times.
pub(crate) fn with_rules(
    house: &House,
    tools: &Tools,
    change: impl FnOnce(&str) -> String,
) -> Server {
    let rules = hurried(&change(&read("prometheus/alerts.yml")));
    std::fs::write(house.path("alerts.yml"), rules).unwrap();
    let configuration = read("prometheus/prometheus.yml")
        .replace("15s", "250ms")
        .replace("127.0.0.1:8001", &address(house));
    let path = house.path("prometheus.yml");
    std::fs::write(&path, configuration).unwrap();
    tools.serve(&path)
}

/// How an app is.
fn app(house: &House, name: &str) -> Value {
    let status = house.status();
    let apps = status["apps"].as_array().unwrap();
    apps.iter().find(|app| app["name"] == name).unwrap().clone()
}

/// Waits until these alerts fire, with or without others.
pub(crate) fn wait_for_alerts(prometheus: &Server, wanted: &[&str]) {
    let mut firing = Vec::new();
    wait_for(&format!("{wanted:?} in {:?}", alerts()), || {
        firing = prometheus.firing();
        wanted.iter().all(|name| firing.iter().any(|one| one == name))
    });
}

pub(crate) fn wait_for_silence(prometheus: &Server, of: &[&str]) {
    wait_for(&format!("the end of {of:?}"), || {
        let firing = prometheus.firing();
        of.iter().all(|name| firing.iter().all(|one| one != name))
    });
}

/// Two apps of workers that can be made to fail, one by a file, one by its death; and a third one
/// that dies again and again from the moment that a file is there.
fn fragile(house: &Path) -> String {
    let file = |name: &str| house.join(name).display().to_string();
    let faults = format!("--refused-when {} --ailing-when {}", file("refused"), file("ailing"));
    let beat = "[apps.query.health]\nheartbeat_interval = \"50ms\"\n\
                [apps.query.restart]\nmax_memory = \"80MB\"\n";
    let text = query(2, &faults, beat).replace("metrics = \"off\"", "metrics = \"127.0.0.1:0\"");
    let loops = format!("while [ ! -e {} ]; do sleep 0.05; done; exit 3", file("loops"));
    format!(
        "{text}\n[apps.frail]\nexec = [\"/bin/sleep\", \"1000\"]\nready = \"1ms\"\n\
         restart = {{ backoff_min = \"20s\", backoff_max = \"20s\", stable_after = \"1h\" }}\n\n\
         [apps.loops]\nexec = [\"/bin/sh\", \"-c\", {loops:?}]\nready = \"1ms\"\n\
         restart = {{ backoff_min = \"50ms\", backoff_max = \"100ms\", max_restarts = 8 }}\n"
    )
}

#[test]
fn a_real_prometheus_fires_each_alert_when_its_fault_is_made() {
    let Some(tools) = tools("a_real_prometheus_fires_each_alert_when_its_fault_is_made") else {
        return;
    };
    let house = House::new("");
    let text = fragile(&house.path(""));
    house.write(&text);
    house.start();
    let prometheus = watching(&house, &tools);
    wait_for("a scrape", || prometheus.scrapes());
    assert_eq!(prometheus.firing(), [""; 0], "nothing is wrong yet");

    let make = |name: &str| std::fs::write(house.path(name), "").unwrap();
    let unmake = |name: &str| std::fs::remove_file(house.path(name)).unwrap();
    make("refused");
    let of_logins = ["SnowflakeRefusesCredentials", "SnowflakeUnreachable", "SnowflakeLoginNeeded"];
    wait_for_alerts(&prometheus, &of_logins);
    unmake("refused");
    wait_for_silence(&prometheus, &of_logins);

    make("ailing");
    let of_the_ailing = [
        "HighErrorRate",
        "LogsDropped",
        "SlowToolCalls",
        "PoolNearlyExhausted",
        "SnowflakeConnectionErrors",
        "CertificateEndsSoon",
        "CertificateRenewalFails",
    ];
    wait_for_alerts(&prometheus, &of_the_ailing);
    unmake("ailing");
    wait_for_silence(&prometheus, &["PoolNearlyExhausted"]);

    let query: SocketAddr = app(&house, "query")["listen"].as_str().unwrap().parse().unwrap();
    send(query, "GET /hoard HTTP/1.1\r\n\r\n").unwrap();
    wait_for_alerts(&prometheus, &["MemoryHigh"]);

    let dying = "\"--die-at-boot\", \"3\", \"--refused-when\"";
    house.write(&text.replace("\"--refused-when\"", dying));
    assert_eq!(house.run(&["reload", "query"]).code, Some(1));
    wait_for_alerts(&prometheus, &["ReloadFailed"]);

    house.write(&text.replace("instances = 2", "instances = 0"));
    assert_eq!(house.run(&["reload"]).code, Some(78));
    wait_for_alerts(&prometheus, &["ConfigurationRejected"]);
    house.write(&text);
    let Said { code, err, .. } = house.run(&["reload", "frail"]);
    assert_eq!(code, Some(0), "{err}");
    wait_for_silence(&prometheus, &["ConfigurationRejected"]);

    signal("-KILL", app(&house, "frail")["slots"][0]["pid"].as_u64().unwrap());
    wait_for_alerts(&prometheus, &["AppDown", "AvailabilityLow", "WorkerDown"]);

    make("loops");
    wait_for_alerts(&prometheus, &["CrashLoop", "WorkerGaveUp"]);
    unmake("loops");

    // At the same address from now on, so that its successors are found there.
    let fixed = format!("metrics = \"{}\"", address(&house));
    house.write(&text.replace("metrics = \"127.0.0.1:0\"", &fixed));
    house.run(&["stop"]);
    wait_for_alerts(&prometheus, &["SupervisorDown"]);
    for _ in 0..3 {
        house.start();
        wait_for("a scrape", || prometheus.scrapes());
        house.wait_until("some uptime", |status| status["uptime_seconds"].as_f64() > Some(2.0));
        house.run(&["stop"]);
    }
    house.start();
    wait_for_alerts(&prometheus, &["SupervisorRestarting"]);
}
