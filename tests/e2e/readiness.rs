//! Each way by which a program tells, or is found, to be ready and well.

use std::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::harness::{House, wait_for};

/// An app `query` of one fault worker without a link.
fn app(ready: &str, faults: &str, more: &str) -> String {
    let arguments: Vec<String> =
        faults.split_whitespace().map(|argument| format!(", {argument:?}")).collect();
    format!(
        "[supervisor]\nmetrics = \"off\"\n\n[apps.query]\nexec = [\"FAULT_WORKER\"{}]\n\
         ready = \"{ready}\"\n{more}\n",
        arguments.concat()
    )
}

/// An address that nobody has at this moment.
fn free_address() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

/// `start` in the background of the test; it returns once every worker is ready.
fn begin(house: &House) -> Child {
    let mut start = house.command(&["start"]);
    let child = start.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    wait_for("the supervisor", || house.path("run/supervisor.sock").exists());
    child
}

fn slot(status: &Value) -> &Value {
    &status["apps"][0]["slots"][0]
}

/// A program that is ready late is launching until then, and `start` waits for it.
fn is_ready_late(ready: &str, faults: &str, more: &str) -> House {
    let house = House::new(&app(ready, &format!("{faults} --wait-for go"), more));
    let mut start = begin(&house);
    house.wait_until("a process", |status| slot(status)["pid"].is_u64());
    assert_eq!(slot(&house.status())["status"], "launching");
    assert!(start.try_wait().unwrap().is_none(), "start does not wait");
    std::fs::write(house.path("go"), "").unwrap();
    house.wait_until("its readiness", |status| slot(status)["status"] == "online");
    assert!(start.wait().unwrap().success());
    house
}

/// A program that never tells is killed at its start timeout, and these words say why.
fn is_never_ready((ready, faults): (&str, &str), more: &str, why: &str) {
    let said = never_ready((ready, faults), more);
    assert!(said.contains(&format!("killed: not ready within 300ms{why}")), "{said}");
}

/// The same, for words that are not known to the letter.
fn never_ready((ready, faults): (&str, &str), more: &str) -> String {
    let more = format!("health.start_timeout = \"300ms\"\n{more}");
    let house = House::new(&app(ready, faults, &more));
    let said = house.run(&["start"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    said.err
}

/// The file `sick` makes a program unwell; it is replaced, and the words say why.
fn is_replaced_when_sick(house: &House, why: &str) {
    let before = house.pids();
    std::fs::write(house.path("sick"), "").unwrap();
    let killed = |status: &Value| {
        slot(status)["last_exit"].as_str().is_some_and(|words| words.contains(why))
    };
    house.wait_until(why, killed);
    std::fs::remove_file(house.path("sick")).unwrap();
    house.wait_until("its successor", |status| {
        slot(status)["status"] == "online" && slot(status)["pid"] != before[0]
    });
}

#[test]
fn a_notification_makes_ready() {
    is_ready_late("notify", "--tell notify", "");
    is_never_ready(("notify", "--tell notify --wait-for never"), "", "");
}

#[test]
fn what_a_program_says_of_itself_is_shown_without_its_control_bytes() {
    let status = r#"args = ["--status", "warming\u001Bcaches"]"#;
    let house = House::new(&app("notify", "--tell notify --wait-for go", status));
    let mut start = begin(&house);
    let status = house.wait_until("its words", |status| slot(status)["message"].is_string());
    assert_eq!(slot(&status)["message"], "warming\u{FFFD}caches");
    assert_eq!(slot(&status)["status"], "launching");
    let shown = house.run(&["status"]).out;
    assert!(shown.contains("says: warming\u{FFFD}caches"), "{shown}");
    std::fs::write(house.path("go"), "").unwrap();
    assert!(start.wait().unwrap().success());
}

#[test]
fn a_stranger_s_notification_is_dropped_and_logged_once() {
    let house = House::new(&app("notify", "--tell notify --wait-for go", ""));
    let mut start = begin(&house);
    house.wait_until("a process", |status| slot(status)["pid"].is_u64());
    let socket = house.path("run/n1.sock");
    let stranger = UnixDatagram::unbound().unwrap();
    for _ in 0..100 {
        stranger.send_to(b"READY=1\nSTATUS=stolen", &socket).unwrap();
    }
    wait_for("the line in the log", || house.logs().contains("outside the run was dropped"));
    let status = house.status();
    assert_eq!(slot(&status)["status"], "launching");
    assert_eq!(slot(&status)["message"], Value::Null);
    let logs = house.logs();
    assert_eq!(logs.matches("outside the run was dropped").count(), 1, "{logs}");
    std::fs::write(house.path("go"), "").unwrap();
    assert!(start.wait().unwrap().success());
    assert_eq!(house.run(&["stop"]).code, Some(0));
    assert!(!socket.exists(), "the notification socket is left behind");
}

#[test]
fn a_flood_of_notifications_holds_up_nobody_but_its_sender() {
    let quiet = "[apps.zebra]\nexec = [\"FAULT_WORKER\", \"--tell\", \"notify\"]\n\
         ready = \"notify\"\n";
    let house = House::new(&app("notify", "--tell notify --notify-flood", quiet));
    house.start();
    assert_eq!(house.run(&["restart", "zebra"]).code, Some(0));
    let said = |status: &Value| -> Option<f64> { slot(status)["message"].as_str()?.parse().ok() };
    let uptime = |status: &Value| status["uptime_seconds"].as_f64().unwrap();
    let first = house.wait_until("a number", |status| said(status).is_some());
    let last = house.wait_until("a second", |status| uptime(status) > uptime(&first) + 1.0);
    let numbers = said(&last).unwrap() - said(&first).unwrap();
    let rate = numbers / (uptime(&last) - uptime(&first));
    assert!(rate > 1.0, "the flood has stopped");
    assert!(rate < 8_000.0, "the kernel does not hold it up: {rate} a second");
}

#[test]
fn a_descendant_of_the_program_may_speak_for_it() {
    let shell = "[supervisor]\nmetrics = \"off\"\n[apps.query]\nready = \"notify\"\n\
         exec = [\"sh\", \"-c\", \"setsid FAULT_WORKER --tell notify & \
         trap \\\"kill $!; wait\\\" TERM; wait\"]\n";
    let house = House::new(shell);
    house.start();
    assert_eq!(slot(&house.status())["status"], "online");
}

#[test]
fn a_program_that_leaves_by_itself_says_so() {
    let more = "health.drain_timeout = \"60s\"\nlisten = \"127.0.0.1:0\"";
    let house = House::new(&app("notify", "--tell notify --answer-after-ms 1500", more));
    house.start();
    let (address, pid) = (house.address(), house.pids()[0]);
    let request = std::thread::spawn(move || crate::harness::get(address));
    // A signal of somebody else's: the supervisor did not ask it to leave.
    wait_for("the request to be accepted", || {
        let table = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"));
        let threads = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap().count();
        table.is_ok() && threads > 3
    });
    crate::harness::signal("-TERM", pid);
    house
        .wait_until("its words", |status| slot(status)["message"] == "stopping by itself: leaving");
    assert_eq!(request.join().unwrap().unwrap(), pid.to_string());
    house.wait_until("its successor", |status| {
        slot(status)["status"] == "online" && slot(status)["pid"] != pid
    });
}

#[test]
fn a_watchdog_that_is_not_fed_replaces_the_program() {
    let more = "health.watchdog_timeout = \"1s\"";
    let house = House::new(&app("notify", "--tell notify --sick-when sick", more));
    house.start();
    is_replaced_when_sick(&house, "killed: not heard of for 1s");
}

#[test]
fn a_line_to_the_readiness_descriptor_makes_ready() {
    is_ready_late("descriptor", "--tell descriptor", "listen = \"127.0.0.1:0\"");
    is_never_ready(("descriptor", "--tell descriptor --wait-for never"), "", "");
    let shell = |command: &str, more: &str| {
        format!(
            "[supervisor]\nmetrics = \"off\"\n[apps.query]\nready = \"descriptor\"\n\
             exec = [\"sh\", \"-c\", {command:?}, \"sh\", \"{{notify_fd}}\"]\n{more}\n"
        )
    };
    // The number as an argument, and more after the line than anyone asked for.
    let twice = "echo up >&$1; until test -e go; do sleep 0.01; done; echo more >&$1; \
         touch more; exec sleep 1000";
    let house = House::new(&shell(twice, ""));
    house.start();
    std::fs::write(house.path("go"), "").unwrap();
    wait_for("its life after the second line", || house.path("more").exists());
    assert_eq!(slot(&house.status())["restarts"], 0, "{}", house.logs());
    let more = "health.start_timeout = \"300ms\"";
    let house = House::new(&shell("eval \"exec $1>&-\"; exec sleep 1000", more));
    let said = house.run(&["start"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let why = "it closed its readiness descriptor without a line";
    assert!(said.err.contains(why), "{said:?}");
}

#[test]
fn a_line_of_output_or_errors_makes_ready() {
    let line = "ready_line = \"now listening on\"\nlisten = \"127.0.0.1:0\"";
    for (tell, file) in [("output", "out"), ("errors", "err")] {
        let house = is_ready_late("output", &format!("--tell {tell}"), line);
        let log = std::fs::read_to_string(house.path(&format!("logs/query.{file}.log")));
        assert_eq!(log.unwrap(), "soon listening\nnow listening on a port\n");
        assert_eq!(house.run(&["stop"]).code, Some(0));
        let left: Vec<_> = std::fs::read_dir(house.path("run"))
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        assert_eq!(left, ["supervisor.lock"], "FIFOs are left behind");
    }
    is_never_ready(("output", "--tell output --wait-for never"), line, "");
}

#[test]
fn the_last_words_of_a_program_with_a_fifo_of_its_own_are_kept() {
    let more = "ready_line = \"up\"\nrestart.policy = \"never\"";
    let house = House::new(&format!(
        "[supervisor]\nmetrics = \"off\"\n[apps.query]\nready = \"output\"\n{more}\n\
         exec = [\"sh\", \"-c\", \"seq 20000; echo up; seq 20000; printf goodbye\"]\n"
    ));
    house.run(&["start"]);
    let numbers: String = (1..=20_000).map(|number| format!("{number}\n")).collect();
    let all = format!("{numbers}up\n{numbers}goodbye\n");
    wait_for("the last words", || {
        std::fs::read_to_string(house.path("logs/query.out.log")).is_ok_and(|text| text == all)
    });
}

#[test]
fn a_reload_waits_for_the_readiness_of_the_new_one() {
    for ready in ["notify", "descriptor", "output"] {
        let faults = format!("--tell {ready} --wait-for go");
        let line = if ready == "output" { "ready_line = \"now listening\"" } else { "" };
        let more = format!("listen = \"127.0.0.1:0\"\n{line}");
        let house = House::new(&app(ready, &faults, &more));
        std::fs::write(house.path("go"), "").unwrap();
        house.start();
        let before = house.pids();
        std::fs::remove_file(house.path("go")).unwrap();
        let mut reload = house.command(&["reload"]);
        let mut reload = reload.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        house.wait_until("a successor", |status| slot(status)["successor_run"].is_u64());
        assert_eq!(house.pids(), before, "{ready}");
        assert!(reload.try_wait().unwrap().is_none(), "{ready}: reload does not wait");
        std::fs::write(house.path("go"), "").unwrap();
        assert!(reload.wait().unwrap().success(), "{ready}");
        assert_ne!(house.pids(), before, "{ready}");
        house
            .wait_until("the old one to leave", |status| slot(status)["leaving_pids"] == json!([]));
    }
}

#[test]
fn the_first_success_of_a_probe_makes_ready() {
    let faults = |address: SocketAddr| format!("--tell nobody --bind {address}");
    let quick = "health.probe.start_interval = \"10ms\"";
    let address = free_address();
    let tcp = format!("{quick}\nhealth.probe.tcp = \"{address}\"");
    is_ready_late("probe", &faults(address), &tcp);
    let address = free_address();
    let http = format!("{quick}\nhealth.probe.http = \"http://{address}/healthz\"");
    is_ready_late("probe", &faults(address), &http);
    let command = format!("{quick}\nhealth.probe.command = [\"test\", \"-e\", \"go\"]");
    is_ready_late("probe", "--tell nobody", &command);
}

#[test]
fn a_probe_that_never_succeeds_says_what_it_met() {
    let foreign = ("probe", "--tell nobody");
    let address = free_address();
    let why = format!("; last probe: cannot connect to {address}: Connection refused");
    is_never_ready(foreign, &format!("health.probe.tcp = \"{address}\""), &why);
    let command = "health.probe.command = [\"sh\", \"-c\", \"echo no database >&2; exit 3\"]";
    let sh = "/bin/sh`: exit code 3: no database";
    let said = never_ready(foreign, command);
    assert!(said.contains("; last probe: `/") && said.contains(sh), "{said}");
    let slow = "health.probe = { command = [\"sleep\", \"1000\"], timeout = \"50ms\" }";
    let said = never_ready(foreign, slow);
    assert!(said.contains("did not end within 50ms"), "{said}");
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let page = format!("http://{}/healthz", silent.local_addr().unwrap());
    let http = format!("health.probe = {{ http = \"{page}\", timeout = \"50ms\" }}");
    is_never_ready(foreign, &http, &format!("; last probe: {page} gave no answer within 50ms"));
}

#[test]
fn a_program_that_its_probe_finds_unwell_is_replaced() {
    let quick = "interval = \"20ms\", start_interval = \"10ms\", failures = 2";
    let address = free_address();
    let page = format!("http://{address}/healthz");
    let http = format!("health.probe = {{ http = \"{page}\", {quick} }}");
    let faults = format!("--tell nobody --bind {address} --sick-when sick");
    let house = House::new(&app("probe", &faults, &http));
    house.start();
    let why = format!("killed: 2 probes in a row failed: {page} answered 503 Service Unavailable");
    is_replaced_when_sick(&house, &why);
    // The same for a program that is ready in another way; its number stands in the command.
    let shell = "test ! -e sick || { echo process $0 is sick; exit 1; }";
    let command = format!(
        "health.probe = {{ command = [\"sh\", \"-c\", \"{shell}\", \"{{pid}}\"], {quick} }}"
    );
    let house = House::new(&app("notify", "--tell notify", &command));
    house.start();
    let pid = house.pids()[0];
    is_replaced_when_sick(&house, &format!("exit code 1: process {pid} is sick"));
}

#[test]
fn a_changed_probe_is_in_force_for_workers_that_stay() {
    let zebra = "[apps.zebra]\nexec = [\"sleep\", \"1000\"]\nready = \"10ms\"\n";
    let probe = "health.probe = { command = [\"test\", \"!\", \"-e\", \"sick\"], \
         interval = \"20ms\", failures = 1 }";
    let house = House::new(&app("notify", "--tell notify", zebra));
    house.start();
    let before = house.pids();
    std::fs::write(house.path("sick"), "").unwrap();
    house.write(&app("notify", "--tell notify", &format!("{probe}\n{zebra}")));
    assert_eq!(house.run(&["reload", "zebra"]).code, Some(0));
    house.wait_until("the first failure", |status| {
        slot(status)["last_exit"]
            .as_str()
            .is_some_and(|words| words.contains("killed: a probe failed"))
    });
    assert!(!house.logs().contains("roll began app=query"), "{before:?} were replaced otherwise");
    std::fs::remove_file(house.path("sick")).unwrap();
    house.wait_until("its successor", |status| slot(status)["status"] == "online");
}
