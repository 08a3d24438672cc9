//! Rolling reloads, and what a refused or bad one leaves untouched.

use crate::harness::{House, Load, query, wait_for};

#[test]
fn ten_reloads_under_load_fail_no_request() {
    let house = House::with_workers(3, "--answer-after-ms 2", "");
    house.start();
    let load = Load::start(house.address(), 8);
    wait_for("the first answers", || load.answered() > 100);
    for number in 0..10 {
        let before = house.pids();
        let said = house.run(&["reload"]);
        assert_eq!(said.code, Some(0), "reload {number}: {said:?}\n{}", house.logs());
        let after = house.pids();
        assert_eq!(after.len(), 3);
        assert!(before.iter().all(|pid| !after.contains(pid)), "{before:?} and {after:?}");
    }
    let answered = load.answered();
    wait_for("answers after the last reload", || load.answered() > answered + 100);
    let (answered, failures) = load.stop();
    assert!(failures.is_empty(), "{} of {answered} failed: {failures:?}", failures.len());
    let slots = house.slots();
    assert!(slots.iter().all(|slot| slot["restarts"] == 0), "a reload is no restart: {slots:?}");
}

#[test]
fn a_release_that_does_not_get_ready_stops_the_roll_and_the_old_one_serves() {
    let house = House::with_workers(2, "", "");
    house.start();
    let before = house.pids();
    house.write(&query(2, "--fail out-of-cheese", ""));
    let said = house.run(&["reload"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("out-of-cheese"), "{said:?}");
    assert!(said.err.contains("the old workers go on serving"), "{said:?}");
    assert_eq!(house.pids(), before);
    let status = house.status();
    assert_eq!(status["apps"][0]["reload"], "stopped", "{status}");
    // The mended release goes through.
    house.write(&query(2, "", ""));
    let said = house.run(&["reload"]);
    assert_eq!(said.code, Some(0), "{said:?}\n{}", house.logs());
    assert_ne!(house.pids(), before);
    assert_eq!(house.status()["apps"][0]["reload"], "idle");
}

#[test]
fn a_refused_file_changes_nothing_and_status_says_so_until_it_is_mended() {
    let house = House::with_workers(1, "", "");
    house.start();
    let before = house.pids();
    house.write(&query(1, "", "instancez = 3"));
    let said = house.run(&["reload"]);
    assert_eq!(said.code, Some(78), "{said:?}");
    assert!(said.err.contains("instancez"), "{said:?}");
    assert!(said.err.contains("nothing was changed"), "{said:?}");
    assert_eq!(house.pids(), before);
    let problem = house.status()["config_problem"].as_str().unwrap().to_owned();
    assert!(problem.contains("instancez"), "{problem}");
    let shown = house.run(&["status"]).out;
    assert!(shown.contains("was refused"), "{shown}");
    house.write(&query(1, "", ""));
    assert_eq!(house.run(&["reload"]).code, Some(0));
    assert!(house.status()["config_problem"].is_null());
}

#[test]
fn the_supervisor_s_own_log_level_changes_while_it_runs() {
    let house = House::with_workers(1, "", "");
    house.start();
    let text = |level: &str| {
        query(1, "", "")
            .replace("[supervisor]\n", &format!("[supervisor]\nlog_level = \"{level}\"\n"))
    };
    // The configuration itself is told at every level.
    let lines = || house.logs().matches("roll began").count();
    let before = lines();
    house.write(&text("error"));
    assert_eq!(house.run(&["reload"]).code, Some(0), "{}", house.logs());
    house.write(&text("info"));
    assert_eq!(house.run(&["reload"]).code, Some(0), "{}", house.logs());
    wait_for("the second roll in the log", || lines() > before);
    assert_eq!(lines(), before + 1, "{}", house.logs());
}

#[test]
fn more_and_fewer_instances_come_with_a_reload() {
    let house = House::with_workers(1, "", "");
    house.start();
    house.write(&query(3, "", ""));
    assert_eq!(house.run(&["reload"]).code, Some(0));
    assert_eq!(house.pids().len(), 3);
    house.write(&query(2, "", ""));
    assert_eq!(house.run(&["reload"]).code, Some(0));
    house.wait_until("two slots", |status| {
        status["apps"][0]["slots"].as_array().unwrap().len() == 2
    });
}

#[test]
fn restart_replaces_every_worker() {
    let house = House::with_workers(2, "", "");
    house.start();
    let before = house.pids();
    let said = house.run(&["restart", "query"]);
    assert_eq!(said.code, Some(0), "{said:?}\n{}", house.logs());
    let after = house.pids();
    assert!(before.iter().all(|pid| !after.contains(pid)), "{before:?} and {after:?}");
    let said = house.run(&["restart", "quarry"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("there is no app `quarry`"), "{said:?}");
}

#[test]
fn hangup_reloads() {
    let house = House::with_workers(1, "", "");
    house.start();
    let before = house.pids();
    crate::harness::signal("-HUP", house.status()["pid"].as_u64().unwrap());
    house.wait_until("a new worker", |status| {
        let slot = &status["apps"][0]["slots"][0];
        slot["status"] == "online"
            && slot["pid"] != before[0]
            && slot["leaving_pids"] == serde_json::json!([])
    });
}

#[test]
fn a_reload_of_an_app_that_is_not_there_changes_nothing() {
    let house = House::with_workers(1, "", "");
    house.start();
    let before = house.pids();
    house.write(&query(2, "--answer-after-ms 1", ""));
    let said = house.run(&["reload", "quarry"]);
    assert_ne!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("there is no app `quarry`"), "{said:?}");
    assert_eq!(house.pids(), before);
}

#[test]
fn two_apps_swap_their_ports() {
    let ports: Vec<u16> = (0..2)
        .map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap())
        .collect::<Vec<_>>()
        .iter()
        .map(|listener| listener.local_addr().unwrap().port())
        .collect();
    let text = |first: u16, second: u16| {
        let other = query(1, "", "").replace("apps.query", "apps.zebra");
        let other = other.split_once("\n\n").unwrap().1.to_owned();
        let both = format!("{}{other}", query(1, "", ""));
        both.replacen("127.0.0.1:0", &format!("127.0.0.1:{first}"), 1).replacen(
            "127.0.0.1:0",
            &format!("127.0.0.1:{second}"),
            1,
        )
    };
    let house = House::new(&text(ports[0], ports[1]));
    house.start();
    house.write(&text(ports[1], ports[0]));
    let said = house.run(&["reload"]);
    assert_eq!(said.code, Some(0), "{said:?}\n{}", house.logs());
    let status = house.wait_until("the old workers to leave", |status| {
        let apps = status["apps"].as_array().unwrap();
        apps.iter().all(|app| app["slots"][0]["leaving_pids"] == serde_json::json!([]))
    });
    for (app, port) in [(0, ports[1]), (1, ports[0])] {
        let answer = crate::harness::get(([127, 0, 0, 1], port).into()).unwrap();
        assert_eq!(answer, status["apps"][app]["slots"][0]["pid"].to_string());
    }
}

#[test]
fn a_new_address_that_nobody_serves_yet_is_shown_as_such() {
    let house = House::with_workers(1, "", "");
    house.start();
    let old = house.address();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let text = query(1, "--fail not-today", "").replace("127.0.0.1:0", &free.to_string());
    house.write(&text);
    assert_eq!(house.run(&["reload"]).code, Some(1));
    let shown = house.run(&["status"]).out;
    assert!(shown.contains(&format!("query[0] still serves {old}")), "{shown}");
    crate::harness::get(old).unwrap();
}
