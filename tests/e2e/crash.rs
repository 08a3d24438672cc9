//! Deaths, hangs, and a supervisor that dies itself.

use std::time::{Duration, Instant};

use crate::harness::{House, Load, alive, signal, wait_for};

#[test]
fn a_killed_worker_is_replaced_and_the_others_keep_answering() {
    let house = House::with_workers(4, "", "");
    house.start();
    let load = Load::start(house.address(), 4);
    wait_for("the first answers", || load.answered() > 50);
    let victim = house.pids()[1];
    #[expect(clippy::disallowed_methods, reason = "a figure for the words of a failure")]
    let killed_at = Instant::now();
    signal("-KILL", victim);
    let status = house.wait_until("the replacement", |status| {
        let slot = &status["apps"][0]["slots"][1];
        slot["status"] == "online" && slot["pid"] != victim
    });
    let took = killed_at.elapsed();
    assert!(took < Duration::from_secs(1), "replaced and ready after {took:?}");
    let slot = &status["apps"][0]["slots"][1];
    assert_eq!(slot["restarts"], 1, "{slot}");
    assert_eq!(slot["last_exit"], "killed by SIGKILL, perhaps out of memory", "{slot}");
    let (answered, failures) = load.stop();
    // Only what ran on the victim may fail: at most what four clients had in flight.
    assert!(failures.len() <= 4, "{} of {answered} failed: {failures:?}", failures.len());
}

#[test]
fn a_crash_loop_backs_off_gives_up_and_leaves_others_alone() {
    let loop_policy = "[apps.query.restart]\nbackoff_min = \"10ms\"\nbackoff_max = \"50ms\"\n\
         max_restarts = 3\nwindow = \"60s\"\n\
         [apps.good]\nexec = [\"sleep\", \"1000\"]\nready = \"10ms\"\n";
    let house = House::with_workers(1, "--die-at-boot 3", loop_policy);
    let said = house.run(&["start"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    let status = house
        .wait_until("giving up", |status| status["apps"][1]["slots"][0]["status"] == "errored");
    let apps = status["apps"].as_array().unwrap();
    let why = apps[1]["slots"][0]["why"].as_str().unwrap();
    assert!(why.contains("gave up after 4 deaths"), "{why}");
    assert!(why.contains("exit code 3"), "{why}");
    assert_eq!(apps[0]["name"], "good");
    assert_eq!(apps[0]["slots"][0]["status"], "online");
    let said = house.run(&["logs", "query"]);
    assert!(said.out.contains("dying at boot with code 3"), "last words are kept: {said:?}");
}

#[test]
fn a_worker_that_is_never_ready_is_killed_at_its_start_timeout() {
    let house =
        House::with_workers(1, "--never-ready", "[apps.query.health]\nstart_timeout = \"300ms\"");
    let said = house.run(&["start"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("not ready"), "{said:?}");
}

#[test]
fn a_mute_or_stopped_worker_is_replaced() {
    let health =
        "[apps.query.health]\nheartbeat_interval = \"50ms\"\nheartbeat_timeout = \"400ms\"";
    let house = House::with_workers(2, "", health);
    house.start();
    let victim = house.pids()[0];
    signal("-STOP", victim);
    house.wait_until("the replacement", |status| {
        let slot = &status["apps"][0]["slots"][0];
        slot["status"] == "online" && slot["pid"] != victim
    });
    assert!(!alive(victim), "a stopped worker is killed");
}

#[test]
fn a_supervisor_that_was_stopped_does_not_judge_by_the_time_it_missed() {
    let health = "[apps.query.health]\nheartbeat_interval = \"100ms\"\nheartbeat_timeout = \"1s\"";
    let house = House::with_workers(2, "", health);
    house.start();
    let (supervisor, before) = (house.status()["pid"].as_u64().unwrap(), house.pids());
    signal("-STOP", supervisor);
    let (_never, pause) = std::sync::mpsc::channel::<()>();
    let _ = pause.recv_timeout(Duration::from_secs(3));
    signal("-CONT", supervisor);
    house.wait_until("two more seconds", |status| status["uptime_seconds"].as_f64().unwrap() > 5.0);
    assert_eq!(house.pids(), before, "nobody was killed\n{}", house.logs());
}

#[test]
fn after_the_supervisor_was_killed_its_workers_leave_and_a_new_one_starts() {
    let house = House::with_workers(2, "", "");
    house.start();
    let status = house.status();
    let (supervisor, workers) = (status["pid"].as_u64().unwrap(), house.pids());
    // A fixed port from now on: the new supervisor must wait until the old workers let go of it.
    let address = house.address().to_string();
    let file = house.path("ecosystem.toml");
    let text = std::fs::read_to_string(&file).unwrap().replace("127.0.0.1:0", &address);
    std::fs::write(&file, text).unwrap();
    signal("-KILL", supervisor);
    wait_for("the supervisor's end", || !alive(supervisor));
    house.start();
    assert_eq!(house.address().to_string(), address);
    for worker in workers {
        assert!(!alive(worker), "worker {worker} of the old supervisor is still there");
    }
}
