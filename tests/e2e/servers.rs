//! Servers in several languages that share one port, and lose no request while they are replaced.

use std::path::Path;

use crate::harness::{House, Load, get, skip, wait_for};

/// Two workers behind one port; three reloads under load, and not a request fails.
fn shares_a_port_and_is_reloaded_without_a_failure(app: &str) {
    let house = House::new(&format!(
        "[supervisor]\nmetrics = \"off\"\n\n[apps.query]\nlisten = \"127.0.0.1:0\"\n\
         instances = 2\n{app}\n"
    ));
    house.start();
    let (address, pids) = (house.address(), house.pids());
    assert_eq!(pids.len(), 2);
    let load = Load::start(address, 8);
    // Both of them answer.
    let mut seen = std::collections::BTreeSet::new();
    wait_for("an answer of each worker", || {
        seen.insert(get(address).unwrap().parse::<u64>().unwrap());
        seen.len() == 2
    });
    assert!(seen.iter().all(|pid| pids.contains(pid)), "{seen:?} and {pids:?}");
    for number in 0..3 {
        let before = house.pids();
        let answered = load.answered();
        wait_for("answers", || load.answered() > answered + 50);
        let said = house.run(&["reload"]);
        assert_eq!(said.code, Some(0), "reload {number}: {said:?}\n{}", house.logs());
        let after = house.pids();
        assert!(before.iter().all(|pid| !after.contains(pid)), "{before:?} and {after:?}");
    }
    house.wait_until("the last ones to leave", |status| {
        let slots = status["apps"][0]["slots"].as_array().unwrap();
        slots.iter().all(|slot| slot["leaving_pids"] == serde_json::json!([]))
    });
    let answered = load.answered();
    wait_for("answers after the last reload", || load.answered() > answered + 50);
    let (answered, failures) = load.stop();
    assert!(failures.is_empty(), "{} of {answered} failed: {failures:?}", failures.len());
    let slots = house.status()["apps"][0]["slots"].as_array().unwrap().clone();
    assert!(slots.iter().all(|slot| slot["restarts"] == 0), "{slots:?}");
    assert!(!house.logs().contains("killed"), "everyone left by themselves\n{}", house.logs());
}

fn sample(name: &str) -> String {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    root.join("tests/e2e/servers").join(name).display().to_string()
}

/// The program's version, when it can be started: `Python 3.11.7`, `v20.1.0`.
pub(crate) fn version(program: &str) -> Option<(u32, u32)> {
    #[expect(clippy::disallowed_methods, reason = "tests start programs")]
    let output = std::process::Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    let number = text.trim_start_matches(|c: char| !c.is_ascii_digit());
    let mut parts = number.split('.').map(|part| part.trim().parse().ok());
    Some((parts.next()??, parts.next()??))
}

#[test]
fn a_server_in_python_shares_its_port() {
    if version("python3").is_none_or(|version| version < (3, 8)) {
        return skip(
            "servers::a_server_in_python_shares_its_port",
            "there is no python3 of 3.8 or newer",
        );
    }
    shares_a_port_and_is_reloaded_without_a_failure(&format!(
        "exec = [\"python3\", {:?}]\nready = \"notify\"",
        sample("server.py")
    ));
}

#[test]
fn a_server_in_node_shares_its_port() {
    if version("node").is_none_or(|version| version < (18, 0)) {
        return skip(
            "servers::a_server_in_node_shares_its_port",
            "there is no node of 18 or newer",
        );
    }
    shares_a_port_and_is_reloaded_without_a_failure(&format!(
        "exec = [\"node\", {:?}]\nready = \"output\"\nready_line = \"listening on\"",
        sample("server.mjs")
    ));
}

#[test]
fn a_server_in_rust_without_a_link_shares_its_port() {
    shares_a_port_and_is_reloaded_without_a_failure(
        "exec = [\"FAULT_WORKER\", \"--tell\", \"descriptor\"]\nready = \"descriptor\"",
    );
}

#[test]
fn the_page_about_programs_shows_these_very_servers() {
    let page = include_str!("../../docs/any-program.md");
    for server in [include_str!("servers/server.py"), include_str!("servers/server.mjs")] {
        assert!(page.contains(server), "docs/any-program.md does not show\n{server}");
    }
}
