//! `check` looks at the machine as well as at the file, and at the supervisor that runs.

use std::net::TcpListener;

use super::harness::{House, query, signal};

#[test]
fn everything_that_the_machine_lacks_is_said_at_once_and_where() {
    let (one, other) = (taken(), taken());
    let metrics = format!("metrics = \"{}\"", other.local_addr().unwrap());
    let text = query(1, "", "")
        .replace("127.0.0.1:0", &one.local_addr().unwrap().to_string())
        .replace("metrics = \"off\"", &metrics);
    let text =
        text.replace("[supervisor]", "[supervisor]\nlog_directory = \"ecosystem.toml/logs\"");
    let house = House::new(&text);
    let said = house.run(&["check"]);
    assert_eq!(said.code, Some(78), "{said:?}");
    for words in [
        &format!("cannot listen on {}", one.local_addr().unwrap()),
        &format!("cannot serve metrics on {}", other.local_addr().unwrap()),
        "ecosystem.toml is not a directory",
        &format!("pid {}", std::process::id()),
        " | listen = ",
    ] {
        assert!(said.err.contains(words), "{words}: {said:?}");
    }
    assert!(!house.path("run").exists(), "nothing was touched");
}

#[test]
fn a_port_that_no_line_of_the_file_names_is_not_blamed_on_one() {
    let (one, house) = (taken(), House::new(&query(1, "", "")));
    let address = one.local_addr().unwrap();
    let said = house.run(&["--set", &format!("apps.query.listen={address}"), "check"]);
    assert_eq!(said.code, Some(78), "{said:?}");
    assert!(
        said.err.contains(&format!("  apps.query.listen: cannot listen on {address}")),
        "{said:?}"
    );
    assert!(said.err.contains("; it comes from --set"), "{said:?}");
}

#[test]
fn a_running_supervisor_keeps_its_ports_and_its_reload_is_shown() {
    let text = query(1, "", "").replace("127.0.0.1:0", &free());
    let house = House::new(&text);
    let said = house.run(&["check"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("no supervisor runs here"), "{said:?}");
    house.start();
    house.write(&text.replace("instances = 1", "instances = 2"));
    let said = house.run(&["check"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("instances 1 → 2"), "{said:?}");
    let said = house.run(&["check", "--json"]);
    let plan: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(plan["reload"][0]["instances_then"], 2, "{plan}");
    assert_eq!(plan["running"]["pid"], house.status()["pid"], "{plan}");
}

#[test]
fn what_a_reload_would_refuse_is_refused_by_check_with_the_same_words() {
    let address = free();
    let text = query(1, "", "").replace("127.0.0.1:0", &address);
    let house = House::new(&text);
    house.start();
    let pids = house.pids();
    // The port stays, so that the old address is in the way of the wider one until it is let go.
    house.write(&text.replace("listen = \"127.0.0.1", "listen = \"0.0.0.0"));
    let wider = address.replace("127.0.0.1", "0.0.0.0");
    let reason = format!(
        "cannot listen on {wider} for app `query` (this supervisor holds that port by another \
         address; `stop`, then `start`): Address already in use"
    );
    for command in [&["check"][..], &["check", "--json"], &["reload", "--dry-run"], &["reload"]] {
        let said = house.run(command);
        assert_eq!(said.code, Some(78), "{command:?}: {said:?}");
        assert!(format!("{}{}", said.out, said.err).contains(&reason), "{command:?}: {said:?}");
    }
    // To ask changes nothing, and holds no port.
    let other = free();
    house.write(&text.replace(&address, &other));
    for command in [&["check"][..], &["reload", "--dry-run"]] {
        assert_eq!(house.run(command).code, Some(0), "{command:?}");
    }
    assert_eq!(house.pids(), pids);
    TcpListener::bind(other).expect("nobody holds it");
}

#[test]
fn a_port_that_workers_of_a_killed_supervisor_still_hold_is_no_obstacle() {
    // A program without a link does not notice that its supervisor has died.
    let app = format!("exec = [\"sleep\", \"1000\"]\nready = \"10ms\"\nlisten = \"{}\"", free());
    let house = House::new(&format!("[supervisor]\nmetrics = \"off\"\n[apps.query]\n{app}\n"));
    house.start();
    signal("-KILL", house.status()["pid"].as_u64().unwrap());
    let said = house.run(&["check"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    house.start();
}

#[test]
fn the_schema_is_printed_for_editors() {
    let house = House::new("");
    let said = house.run(&["schema"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let schema: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    assert_eq!(schema["$schema"], "http://json-schema.org/draft-07/schema#");
}

fn taken() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

/// A port that was free a moment ago.
fn free() -> String {
    taken().local_addr().unwrap().to_string()
}
