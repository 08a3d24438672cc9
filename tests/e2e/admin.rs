//! What operators ask of the workers themselves, over a real supervisor: every worker of the app is
//! asked, who says nothing is named, and what is to hold holds for those who come later.

use serde_json::Value;

use crate::harness::{House, Said, alive, query, signal, wait_for};

fn json(said: &Said) -> Value {
    serde_json::from_str(&said.out).unwrap_or_else(|why| panic!("{why}: {said:?}"))
}

fn well(said: Said) -> Said {
    assert_eq!(said.code, Some(0), "{said:?}");
    said
}

fn wait_for_line(house: &House, line: &str) {
    wait_for(line, || house.logs().lines().any(|one| one.ends_with(line)));
}

#[test]
fn every_worker_of_the_app_answers_and_one_statement_is_ended_at_the_one_that_runs_it() {
    let house = House::with_workers(2, "", "");
    house.start();
    let pids = house.pids();
    let shown = well(house.run(&["queries"]));
    for pid in &pids {
        assert!(shown.out.contains(&format!("{pid}.1")), "{shown:?}");
    }
    let told = json(&well(house.run(&["queries", "query", "--json"])));
    assert_eq!(told["apps"][0]["active_queries"], 2, "{told}");
    let ended = well(house.run(&["queries", "cancel", &format!("{}.1", pids[1])]));
    assert_eq!(ended.out, format!("query[1]: ended {}.1 (select)\n", pids[1]), "{ended:?}");
    let nobody = house.run(&["queries", "cancel", "1.1"]);
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    assert!(nobody.out.contains("no such statement runs"), "{nobody:?}");
    let sessions = json(&well(house.run(&["sessions", "--json"])));
    let session = &sessions["apps"][0]["sessions"][0];
    assert_eq!(
        (session["messages"].as_u64(), sessions["apps"][0]["active_sessions"].as_u64()),
        (Some(6), Some(1)),
        "{sessions}"
    );
    let unknown = house.run(&["sessions", "qery"]);
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.err.contains("query"), "{unknown:?}");
    let audit = std::fs::read_to_string(house.path("logs/audit.log")).unwrap();
    let line: Value = serde_json::from_str(audit.lines().nth(2).unwrap()).unwrap();
    let own = nix::unistd::getuid().as_raw();
    assert_eq!(
        (line["action"].as_str(), line["by_uid"].as_u64()),
        (Some("cancel_query"), Some(own.into())),
        "{audit}"
    );
    assert_eq!(line["reason"].as_str(), Some(format!("{}.1", pids[1]).as_str()), "{audit}");
}

#[test]
fn whoever_says_nothing_is_named_and_the_command_fails() {
    let other =
        query(1, "--mute-to-wishes", "").split_once("[apps").unwrap().1.replace(".query", ".other");
    let house = House::new(&format!("{}[apps{other}", query(1, "", "")));
    house.start();
    let status = house.status();
    let deaf = status["apps"][0]["slots"][0]["pid"].as_u64().unwrap();
    let said = house.run(&["queries", "--json"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let told = json(&said);
    assert_eq!(told["apps"][0]["app"], "query", "{told}");
    assert_eq!(told["silent"][0]["app"], "other", "{told}");
    let words = format!("other[0] (pid {deaf}): it did not answer in time");
    assert!(said.err.contains(&words), "{said:?}");
    assert_eq!(house.run(&["queries", "query"]).code, Some(0));
}

#[test]
fn a_maintenance_holds_for_workers_that_come_later_and_over_a_restart() {
    let house = House::with_workers(2, "", "");
    house.start();
    let on =
        well(house.run(&["maintenance", "on", "--reason", "an upgrade", "--retry-after", "5m"]));
    assert!(on.out.contains("query: in maintenance (an upgrade) since"), "{on:?}");
    let changes = house.status()["apps"][0]["changes"].to_string();
    assert!(changes.contains("in maintenance (an upgrade)"), "{changes}");
    assert!(changes.contains("maintenance off query"), "{changes}");
    assert_eq!(well(house.run(&["reload"])).code, Some(0));
    let by = format!("user {}", nix::unistd::getuid().as_raw());
    let told = || house.logs().matches(&format!("in maintenance by {by}")).count();
    // Those of before were told as it began; those who came since know it from the start, and are
    // told of it with whatever else changes.
    assert_eq!(told(), 2, "{}", house.logs());
    let pid = house.pids()[0];
    signal("-KILL", pid);
    wait_for("the successor", || {
        house.pids().len() == 2 && !house.pids().contains(&pid) && !alive(pid)
    });
    well(house.run(&["log-level", "debug"]));
    wait_for("all are told", || told() == 4);
    assert_eq!(house.run(&["stop"]).code, Some(0));
    house.start();
    let changes = house.status()["apps"][0]["changes"].to_string();
    assert!(changes.contains("in maintenance (an upgrade)"), "{changes}");
    let off = json(&well(house.run(&["maintenance", "off", "query", "--json"])));
    assert_eq!(off["apps"][0]["enabled"], false, "{off}");
    assert_eq!(house.status()["apps"][0]["changes"].as_array().map(Vec::len), Some(0));
    assert_eq!(house.run(&["stop"]).code, Some(0));
    house.start();
    assert_eq!(house.status()["apps"][0]["changes"].as_array().map(Vec::len), Some(0));
}

#[test]
fn a_log_level_holds_until_the_file_is_read_again_or_it_is_forgotten() {
    let house = House::with_workers(1, "", "");
    house.start();
    for undo in [&["reload"][..], &["forget", "query"], &["log-level", "file"]] {
        let pid = house.pids()[0];
        well(house.run(&["log-level", "trace", "query"]));
        wait_for_line(&house, "log level Trace");
        let changes = house.status()["apps"][0]["changes"].to_string();
        assert!(changes.contains("log at level trace"), "{changes}");
        well(house.run(undo));
        assert_eq!(
            house.status()["apps"][0]["changes"].as_array().map(Vec::len),
            Some(0),
            "{undo:?}"
        );
        assert!(undo == ["reload"] || house.pids()[0] == pid, "nobody is replaced");
    }
}

#[test]
fn an_app_that_is_none_of_ours_is_not_asked() {
    let house = House::new(
        "[supervisor]\nmetrics = \"off\"\nwatch = false\n\n[apps.plain]\nexec = [\"sleep\", \"1000\"]\n",
    );
    house.start();
    for command in [&["sessions"][..], &["pool", "reset", "plain"]] {
        let said = house.run(command);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains("mcp-worker"), "{said:?}");
    }
}
