//! The official clients while workers are replaced and killed: a session goes on at another worker,
//! and only a request that a killed worker had in hand may fail.

use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::FLEET;
use crate::harness::{House, signal, skip};
use crate::install;

/// Rolling reloads, in which nothing may fail.
const RELOADS: usize = 5;
/// Workers that are killed, one after the other.
const KILLS: usize = 5;

/// A client that calls without end.
struct Calling {
    what: String,
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Calling {
    /// Starts it, and waits for its first answer.
    #[expect(clippy::disallowed_methods, reason = "a client is a program of its own")]
    fn start(program: &Path, script: &str, mode: &str, url: &str) -> Calling {
        let mut process = Command::new(program)
            .args([script, mode, url])
            .current_dir(install::directory())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{script} {mode}");
        Calling { what: format!("{script} {mode}"), process, said }
    }

    /// Lets it end, and gives what it says.
    fn end(mut self) -> Value {
        drop(self.process.stdin.take());
        let mut said = String::new();
        self.said.read_to_string(&mut said).unwrap();
        self.process.wait().unwrap();
        serde_json::from_str(&said).unwrap_or_else(|_| panic!("{}: {said}", self.what))
    }
}

impl Drop for Calling {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Runs both protocols of a client through reloads and kills.
fn through(program: &Path, script: &str) {
    let house = House::new(FLEET);
    house.start();
    let url = format!("http://{}/mcp", house.address());
    for (mode, protocol) in [("auto", "2026-07-28"), ("legacy", "2025-11-25")] {
        let calling = Calling::start(program, script, mode, &url);
        for _ in 0..RELOADS {
            let said = house.run(&["reload"]);
            assert_eq!(said.code, Some(0), "{said:?}\n{}", house.logs());
        }
        let told = calling.end();
        assert_eq!(told["protocol"], protocol, "{told}");
        let (none, calls) = (serde_json::json!([]), told["calls"].as_u64().unwrap());
        assert!(calls >= 20, "{script} {mode}: {told}");
        assert_eq!((&told["errors"], &told["wrong"]), (&none, &none), "{script} {mode}: {told}");

        let calling = Calling::start(program, script, mode, &url);
        for _ in 0..KILLS {
            let victim = house.pids()[0];
            signal("-KILL", victim);
            house.wait_until("the replacement", |status| {
                let slot = &status["apps"][0]["slots"][0];
                slot["status"] == "online" && slot["pid"] != victim
            });
        }
        let told = calling.end();
        assert_eq!(told["wrong"], none, "{script} {mode}: {told}");
        // A client has one call at a time, so a kill can take one.
        let errors = told["errors"].as_array().unwrap().len();
        assert!(errors <= KILLS, "{script} {mode}: {told}");
        assert!(told["calls"].as_u64().unwrap() >= 20, "{script} {mode}: {told}");
    }
}

#[test]
fn the_python_client_calls_on_through_reloads_and_kills() {
    match install::python() {
        Ok(python) => through(&python, "calling.py"),
        Err(why) => skip("the_python_client_calls_on_through_reloads_and_kills", &why),
    }
}

#[test]
fn the_typescript_client_calls_on_through_reloads_and_kills() {
    match install::node() {
        Ok(node) => through(&node, "calling.mjs"),
        Err(why) => skip("the_typescript_client_calls_on_through_reloads_and_kills", &why),
    }
}
