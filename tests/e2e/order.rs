//! In which order apps come and go, which endings are final, and how a roll takes its time.
#![expect(clippy::disallowed_methods, reason = "a pause is measured")]

use std::time::{Duration, Instant};

use crate::harness::{House, query};

/// The places of these words in the supervisor's log, each after the one before it.
fn in_order(log: &str, words: &[(&str, &str)]) {
    let mut from = 0;
    let lines: Vec<&str> = log.lines().collect();
    for (app, phase) in words {
        let (app_word, phase_word) = (format!("app={app} "), format!("phase=\"{phase}\""));
        let found = lines[from..]
            .iter()
            .position(|line| line.contains(&app_word) && line.contains(&phase_word));
        from += found.unwrap_or_else(|| panic!("no {app} {phase} after line {from}:\n{log}")) + 1;
    }
}

#[test]
fn apps_start_after_those_they_depend_on_and_leave_before_them() {
    let app = |name: &str, wanted: &str| {
        format!(
            "[apps.{name}]\nexec = [\"FAULT_WORKER\"]\nready = \"link\"\ndepends_on = [{wanted}]\n"
        )
    };
    let house = House::new(&format!(
        "[supervisor]\nmetrics = \"off\"\n{}{}{}",
        app("api", "\"query\""),
        app("query", "\"zoo\""),
        app("zoo", "")
    ));
    house.start();
    assert_eq!(house.run(&["stop"]).code, Some(0));
    let log = std::fs::read_to_string(house.path("logs/supervisor.log")).unwrap();
    in_order(
        &log,
        &[
            ("zoo", "starting"),
            ("zoo", "ready"),
            ("query", "starting"),
            ("query", "ready"),
            ("api", "starting"),
            ("api", "ready"),
            ("api", "draining"),
            ("api", "stopped"),
            ("query", "draining"),
            ("query", "stopped"),
            ("zoo", "draining"),
            ("zoo", "stopped"),
        ],
    );
}

#[test]
fn a_worker_that_ends_with_a_code_that_means_done_is_not_started_again() {
    let house = House::with_workers(1, "--die-at-boot 3", "restart.stop_exit_codes = [3]");
    house.start();
    let slot = &house.slots()[0];
    assert_eq!(slot["phase"], "stopped", "{slot}");
    assert_eq!(slot["restarts"], 0, "{slot}");
    house.write(&query(1, "--die-at-boot 3", "restart.backoff_min = \"1ms\""));
    assert_eq!(house.run(&["reload"]).code, Some(1), "any other code is a death");
}

#[test]
fn a_roll_pauses_between_slots() {
    let house = House::with_workers(2, "", "rollout.pause_between = \"1s\"");
    house.start();
    let (before, began) = (house.pids(), Instant::now());
    assert_eq!(house.run(&["reload"]).code, Some(0));
    assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
    assert!(house.pids().iter().all(|pid| !before.contains(pid)));
}

#[test]
fn surge_may_be_nought_behind_a_shared_listener() {
    let more = "rollout = { max_surge = 0, max_unavailable = 1 }";
    let house = House::with_workers(2, "", more);
    house.start();
    let before = house.pids();
    assert_eq!(house.run(&["reload"]).code, Some(0), "{}", house.logs());
    let after = house.pids();
    assert!(after.len() == 2 && after.iter().all(|pid| !before.contains(pid)));
    let said = house.run(&["check"]);
    assert!(said.out.contains("reload: old before new, 1 at a time"), "{said:?}");
}
