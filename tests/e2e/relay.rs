//! What workers tell each other through the supervisor, and the keys that they share.

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use mcp_protocol::relay::KEY_LIFE;
use serde_json::Value;

use crate::harness::{House, alive, query, send, signal, wait_for};
use crate::metrics::scrape;

/// A house with two workers that say aloud what they hear, and another app with one.
fn house() -> House {
    House::new(&configuration("").replace("\"off\"", "\"127.0.0.1:0\""))
}

fn configuration(more: &str) -> String {
    let other = query(1, "--gossip", "").split_once("[apps").unwrap().1.replace(".query", ".other");
    format!("{}[apps{other}", query(2, "--gossip", more))
}

/// Has a worker of an app say something: its process id.
fn ask(house: &House, app: usize, path: &str) -> u64 {
    let listen = house.status()["apps"][app]["listen"].as_str().unwrap().to_owned();
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    send(listen.parse().unwrap(), &request).unwrap().parse().unwrap()
}

/// The number of an app in the status, in which they are sorted by name.
const OTHER: usize = 0;
const QUERY: usize = 1;

fn pids(house: &House, app: usize) -> Vec<u64> {
    let status = house.status();
    let slots = status["apps"][app]["slots"].as_array().unwrap();
    slots.iter().filter_map(|slot| slot["pid"].as_u64()).collect()
}

fn wait_for_line(house: &House, line: &str) {
    wait_for(line, || house.logs().lines().any(|one| one.ends_with(line)));
}

/// In seconds since 1970.
fn now() -> u64 {
    std::time::UNIX_EPOCH.elapsed().unwrap().as_secs()
}

fn keys_file(house: &House) -> PathBuf {
    house.path("state/session-keys")
}

fn keys(house: &House) -> Value {
    serde_json::from_slice(&std::fs::read(keys_file(house)).unwrap()).unwrap()
}

#[test]
fn what_a_worker_tells_reaches_its_siblings_and_nobody_else() {
    let house = house();
    house.start();
    let teller = ask(&house, QUERY, "/cancel/41");
    let sibling = pids(&house, QUERY).into_iter().find(|pid| *pid != teller).unwrap();
    wait_for_line(&house, &format!("{sibling} was told to cancel 41"));
    // Its link brings news in their order, so this would come last.
    let other = ask(&house, OTHER, "/seek/41");
    wait_for_line(&house, &format!("{other} found nothing for 41"));
    let told = house.logs().matches("was told").count();
    assert_eq!(told, 1, "{}", house.logs());
    let text = scrape(&house, "/metrics");
    assert!(text.contains("supervisor_circulars_relayed_total{app=\"query\"} 1\n"), "{text}");
    assert!(text.contains("supervisor_circulars_relayed_total{app=\"other\"} 0\n"), "{text}");
    // What is too long is not passed on.
    ask(&house, QUERY, &format!("/cancel/{}", "4".repeat(1_025)));
    let dropped = "supervisor_circulars_dropped_total{app=\"query\"} 1\n";
    wait_for("the drop", || scrape(&house, "/metrics").contains(dropped));
}

#[test]
fn an_ended_session_stays_ended_after_a_reload_and_a_restart() {
    let house = house();
    house.start();
    let until = now() + 1_000;
    let teller = ask(&house, QUERY, &format!("/revoke/{until}"));
    let sibling = pids(&house, QUERY).into_iter().find(|pid| *pid != teller).unwrap();
    wait_for_line(&house, &format!("{sibling} was told that a session ended"));
    let revoked = "supervisor_revoked_sessions{app=\"query\"} 1\n";
    assert!(scrape(&house, "/metrics").contains(revoked));
    assert_eq!(house.run(&["reload"]).code, Some(0));
    for pid in pids(&house, QUERY) {
        wait_for_line(&house, &format!("{pid} knows of 1 ended sessions"));
    }
    assert_eq!(house.run(&["stop"]).code, Some(0));
    house.start();
    for pid in pids(&house, QUERY) {
        wait_for_line(&house, &format!("{pid} knows of 1 ended sessions"));
    }
    let other = pids(&house, OTHER)[0];
    assert!(!house.logs().contains(&format!("{other} knows")), "{}", house.logs());
}

#[test]
fn the_statement_of_a_killed_worker_is_found_by_its_siblings_alone() {
    let house = house();
    house.start();
    let teller = ask(&house, QUERY, "/began/41");
    let known = |count: u32| {
        let line = format!("supervisor_resumable_statements{{app=\"query\"}} {count}\n");
        wait_for(&line, || scrape(&house, "/metrics").contains(&line));
    };
    known(1);
    signal("-KILL", teller);
    house.wait_until("the replacement", |status| {
        let slots = status["apps"][QUERY]["slots"].as_array().unwrap();
        slots.iter().all(|slot| slot["status"] == "online" && slot["pid"] != teller)
    });
    let finder = ask(&house, QUERY, "/seek/41");
    wait_for_line(&house, &format!("{finder} found query-41 for 41"));
    let other = ask(&house, OTHER, "/seek/41");
    wait_for_line(&house, &format!("{other} found nothing for 41"));
    // Whoever takes it over says when it ends.
    let taker = ask(&house, QUERY, "/began-and-ended/41");
    assert_ne!(taker, teller);
    known(0);
}

#[test]
fn keys_outlive_the_supervisor_and_nobody_else_may_read_them() {
    let house = house();
    house.start();
    let first = keys(&house);
    let mode = std::fs::metadata(keys_file(&house)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(house.run(&["stop"]).code, Some(0));
    house.start();
    assert_eq!(keys(&house), first);
    assert_eq!(house.run(&["stop"]).code, Some(0));
    // Whoever could read them could make sessions.
    let open = std::fs::Permissions::from_mode(0o644);
    std::fs::set_permissions(keys_file(&house), open).unwrap();
    house.start();
    assert_ne!(keys(&house), first);
    assert!(house.path("state/session-keys.broken").exists());
    let logs = house.logs();
    assert!(logs.contains("others may have read it (mode 0644"), "{logs}");
    assert!(logs.contains("the sessions of all clients end"), "{logs}");
}

#[test]
fn a_new_key_reaches_running_workers() {
    let health = "[apps.query.health]\nheartbeat_interval = \"20ms\"\n";
    let house = House::new(&configuration(health));
    house.start();
    let mut stored = keys(&house);
    assert_eq!(house.run(&["stop"]).code, Some(0));
    // Due some seconds from now, when the workers run.
    stored["keys"]["current"]["made_at"] = Value::from(now() - KEY_LIFE.as_secs() + 4);
    let old = stored["keys"]["current"]["secret"].clone();
    let sum = checksum(&serde_json::from_value(stored["keys"].clone()).unwrap());
    stored["checksum"] = Value::from(sum);
    std::fs::write(keys_file(&house), stored.to_string()).unwrap();
    house.start();
    assert_eq!(keys(&house)["keys"]["current"]["secret"], old, "it was taken for damaged");
    let before = pids(&house, QUERY);
    for pid in &before {
        wait_for_line(&house, &format!("{pid} seals with key 2 and opens with 1"));
    }
    let after = keys(&house);
    assert_eq!(after["keys"]["previous"]["secret"], old);
    assert_ne!(after["keys"]["current"]["secret"], old);
    assert_eq!(pids(&house, QUERY), before, "a new key is no reason for a new worker");
    assert!(before.iter().all(|pid| alive(*pid)));
}

/// As the supervisor makes it: FNV-1a over the keys as JSON.
fn checksum(keys: &mcp_protocol::relay::SealingKeys) -> String {
    let bytes = serde_json::to_vec(keys).unwrap();
    let sum = bytes.iter().fold(0xCBF2_9CE4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    });
    format!("{sum:016x}")
}
