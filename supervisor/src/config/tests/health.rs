//! Each way of being ready and well, as it is meant.

use std::time::Duration;

use super::{Config, Workplace};
use crate::config::{AppConfig, ProbeTarget, ReadyBy, filled, page};
use crate::machine::{AppName, Readiness};

fn other(workplace: &Workplace, lines: &str) -> AppConfig {
    let text = format!("[apps.other]\nexec = \"other\"\n{lines}\n");
    let config: Config = workplace.load(text, None).unwrap_or_else(|why| panic!("{lines}: {why}"));
    config.apps[&AppName::new("other")].clone()
}

#[test]
fn each_way_of_being_ready_is_told_to_the_runtime_and_the_machine() {
    let workplace = Workplace::new();
    let line = "ready = \"output\"\nready_line = \"up\"";
    for (lines, ready) in [
        ("ready = \"link\"", ReadyBy::Link),
        ("ready = \"notify\"", ReadyBy::Notification),
        ("ready = \"descriptor\"", ReadyBy::Descriptor),
        ("ready = \"probe\"\nhealth.probe.tcp = \"127.0.0.1:1\"", ReadyBy::Probe),
        (line, ReadyBy::Line("up".to_owned())),
    ] {
        let app = other(&workplace, lines);
        assert_eq!(app.health.ready, ready);
        assert_eq!(app.goal.readiness, Readiness::Told, "{lines}");
        assert_eq!(app.settings.is_some(), ready == ReadyBy::Link, "{lines}");
        assert_eq!(app.goal.heartbeat_timeout.is_some(), ready == ReadyBy::Link, "{lines}");
    }
    let app = other(&workplace, "ready = \"3s\"");
    assert_eq!(app.health.ready, ReadyBy::Age);
    assert_eq!(app.goal.readiness, Readiness::AliveFor(Duration::from_secs(3)));
}

#[test]
fn a_watchdog_is_a_heartbeat_that_is_missed() {
    let workplace = Workplace::new();
    for ready in ["notify", "descriptor", "2s"] {
        let lines = format!("ready = \"{ready}\"\nhealth.watchdog_timeout = \"7s\"");
        let app = other(&workplace, &lines);
        assert_eq!(app.health.watchdog, Some(Duration::from_secs(7)));
        assert_eq!(app.goal.heartbeat_timeout, Some(Duration::from_secs(7)));
    }
}

#[test]
fn a_probe_has_defaults_and_its_program_is_found() {
    let workplace = Workplace::new();
    let app = other(&workplace, "health.probe.command = [\"other\", \"{pid}\"]");
    let probe = app.health.probe.unwrap();
    let program = workplace.directory.path().join("other");
    let arguments = vec!["{pid}".to_owned()];
    assert_eq!(probe.target, ProbeTarget::Command { program, arguments });
    assert_eq!(probe.interval, Duration::from_secs(10));
    assert_eq!(probe.timeout, Duration::from_secs(2));
    assert_eq!(probe.start_interval, Duration::from_millis(250));
    assert_eq!(app.goal.probe_failures_max, 3);
    let lines = "health.probe = { tcp = \"127.0.0.1:900{slot}\", failures = 9 }\ninstances = 10";
    let app = other(&workplace, lines);
    let target = ProbeTarget::Tcp("127.0.0.1:900{slot}".to_owned());
    assert_eq!(app.health.probe.unwrap().target, target);
    assert_eq!(app.goal.probe_failures_max, 9);
}

#[test]
fn what_a_program_is_handed_rolls_it_and_what_we_do_ourselves_does_not() {
    let workplace = Workplace::new();
    let of = |lines: &str| other(&workplace, lines).goal.fingerprint;
    let base = of("");
    let probe = "health.probe.tcp = \"127.0.0.1:1\"";
    assert_eq!(of("ready = \"5s\""), base);
    assert_eq!(of(probe), base);
    assert_eq!(of(&format!("ready = \"probe\"\n{probe}")), base);
    let line = |text: &str| of(&format!("ready = \"output\"\nready_line = \"{text}\""));
    assert_eq!(line("up"), line("ready"));
    let mut seen = vec![base, line("up")];
    for lines in
        ["ready = \"notify\"", "ready = \"descriptor\"", "health.watchdog_timeout = \"9s\""]
    {
        let fingerprint = of(lines);
        assert!(!seen.contains(&fingerprint), "{lines}");
        seen.push(fingerprint);
    }
}

#[test]
fn texts_are_filled_and_pages_are_taken_apart() {
    assert_eq!(filled("127.0.0.1:900{slot}/{pid}{pid}", 7, 42), "127.0.0.1:9007/4242");
    let apart = |url: &str| page(url).map(|(address, path)| format!("{address} {path}"));
    assert_eq!(apart("http://127.0.0.1:9000").unwrap(), "127.0.0.1:9000 /");
    assert_eq!(apart("http://[::1]:9000/a?b=c").unwrap(), "[::1]:9000 /a?b=c");
    assert_eq!(apart("http://10.0.0.1/healthz").unwrap(), "10.0.0.1:80 /healthz");
    assert!(apart("http://").is_err());
    assert!(apart("http://127.0.0.1:99999/").is_err());
    assert!(apart("http://127.0.0.1/\r\nhost: x").is_err());
}
