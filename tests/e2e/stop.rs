//! Ending: nobody and nothing is left.

use std::process::Stdio;

use crate::harness::{House, Load, alive, get, processes_of, signal, wait_for};

#[test]
fn stop_leaves_no_process_and_no_socket() {
    let house = House::with_workers(3, "--grandchild", "");
    house.start();
    let pids = house.pids();
    let socket = house.path("run/supervisor.sock");
    assert_eq!(processes_of(&socket).len(), 6, "three workers, three grandchildren");
    let supervisor = house.status()["pid"].as_u64().unwrap();
    let said = house.run(&["stop"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!alive(supervisor));
    assert!(pids.iter().all(|pid| !alive(*pid)));
    assert_eq!(processes_of(&socket), Vec::<i32>::new());
    let left: Vec<String> = std::fs::read_dir(house.path("run"))
        .unwrap()
        .flatten()
        .map(|entry| entry.file_name().display().to_string())
        .collect();
    assert_eq!(left, ["supervisor.lock"], "sockets and FIFOs are gone");
}

#[test]
fn a_request_in_flight_is_answered_before_the_worker_leaves() {
    let house = House::with_workers(1, "--answer-after-ms 700", "");
    house.start();
    let address = house.address();
    let asking = std::thread::spawn(move || get(address));
    wait_for("the connection", || {
        let table = std::fs::read_to_string("/proc/net/tcp").unwrap();
        let port = format!(":{:04X} ", address.port());
        table.lines().any(|line| line.contains(&port) && line.contains(" 01 "))
    });
    let said = house.run(&["stop"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    asking.join().unwrap().unwrap();
}

#[test]
fn a_worker_that_does_not_leave_is_killed_at_its_grace() {
    let house =
        House::with_workers(1, "--ignore-drain", "[apps.query.health]\ndrain_timeout = \"500ms\"");
    house.start();
    let pid = house.pids()[0];
    let said = house.run(&["stop"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!alive(pid));
    assert!(house.logs().contains("still there after 500ms"), "{}", house.logs());
}

#[test]
fn in_the_foreground_sigterm_drains_and_a_second_one_hurries() {
    let house = House::with_workers(1, "--ignore-drain", "");
    let mut child = house
        .command(&["start", "--foreground"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let socket = house.path("run/supervisor.sock");
    wait_for("the socket", || socket.exists());
    house.wait_until("the worker", |status| status["apps"][0]["slots"][0]["status"] == "online");
    let supervisor = u64::from(child.id());
    signal("-TERM", supervisor);
    house.wait_until("stopping", |status| status["stopping"] == true);
    signal("-TERM", supervisor);
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
    assert!(!socket.exists());
}

#[test]
fn a_terminated_worker_is_started_again() {
    let house = House::with_workers(2, "", "");
    house.start();
    let load = Load::start(house.address(), 2);
    wait_for("the first answers", || load.answered() > 20);
    let victim = house.pids()[0];
    // fault_worker does not handle SIGTERM: this is a death, as any other.
    signal("-TERM", victim);
    house.wait_until("the replacement", |status| {
        let slot = &status["apps"][0]["slots"][0];
        slot["status"] == "online" && slot["pid"] != victim
    });
    let (answered, failures) = load.stop();
    assert!(failures.len() <= 2, "{} of {answered} failed: {failures:?}", failures.len());
}
