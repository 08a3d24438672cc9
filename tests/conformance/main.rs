//! The official conformance suite against our door, for both eras of the protocol.
//!
//! The suite needs tools, prompts and resources that no real server has. They live here, in front
//! of the real server and behind the real door, and are in no build of the worker. The suite is
//! installed from its registry into the target directory, and kept there for the next run; without
//! `npm` or the network the test says SKIP.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../snowflake/server/mod.rs"]
#[expect(dead_code, reason = "it is shared with the tests of the connection")]
mod account;
mod content;
mod fixtures;
mod inputs;
mod install;
#[path = "../skip.rs"]
mod skipping;
#[path = "../../worker/tests/serving/support.rs"]
#[expect(dead_code, reason = "the house is shared with the other tests of the door")]
mod support;
mod tasks;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use mcp_protocol::access::Grant;
use mcp_protocol::settings::Settings;
use mcp_worker::bus::Bus;
use serde_json::Value;

use fixtures::Fixtures;
use support::{Colleagues, house_serving, listener};

/// What a scenario came to: checks that succeeded and failed, and the words of those that failed.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) succeeded: usize,
    pub(crate) failed: Vec<String>,
}

#[test]
fn the_suite_for_2025_11_25_passes_but_for_what_needs_the_client_to_be_asked() {
    let name = "the_suite_for_2025_11_25_passes_but_for_what_needs_the_client_to_be_asked";
    run(name, "2025-11-25", include_str!("expected-2025-11-25.txt"));
}

#[test]
fn the_suite_for_2026_07_28_passes() {
    let name = "the_suite_for_2026_07_28_passes";
    run(name, "2026-07-28", include_str!("expected-2026-07-28.txt"));
}

/// Runs what a revision of the protocol requires, and compares it with the list of what fails.
#[expect(clippy::print_stdout, reason = "a test says what it saw")]
fn run(test: &str, revision: &str, expected: &str) {
    let suite = match install::suite() {
        Ok(suite) => suite,
        Err(why) => return skipping::skip(test, &why),
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let settings = settings();
    let opening = house_serving(
        listener(),
        &settings,
        Colleagues { bus: Bus::alone(), office: None },
        Fixtures::new,
    );
    let house = runtime.block_on(opening);
    let results = tempfile::tempdir().unwrap();
    let url = format!("http://{}/mcp", house.address);
    #[expect(clippy::disallowed_methods, reason = "the suite is a program of its own")]
    let output = Command::new(&suite.node)
        .arg(&suite.program)
        .args(["server", "--url", &url, "--requirements", revision, "--output-dir"])
        .arg(results.path())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let outcomes = outcomes(results.path());
    assert!(!outcomes.is_empty(), "{said}\n{}", String::from_utf8_lossy(&output.stderr));

    let extras = extensions(&suite.requirements(revision));
    let succeeded: usize = outcomes.values().map(|outcome| outcome.succeeded).sum();
    println!("{revision}: {} scenarios, {succeeded} checks succeeded", outcomes.len());
    let failed: BTreeMap<&str, &Outcome> = outcomes
        .iter()
        .filter(|(name, outcome)| !outcome.failed.is_empty() && !extras.contains(name))
        .map(|(name, outcome)| (name.as_str(), outcome))
        .collect();
    let listed: Vec<&str> = expected
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split(": ").next().unwrap())
        .collect();
    for name in &listed {
        assert!(failed.contains_key(name), "{name} passes now; take it off the list");
    }
    let unexpected: Vec<_> = failed.iter().filter(|(name, _)| !listed.contains(name)).collect();
    assert!(unexpected.is_empty(), "{revision}: {unexpected:#?}");
}

/// The scenarios of extensions, which the suite runs and does not require: tasks need tools that
/// only the extension's own server has.
fn extensions(requirements: &Path) -> Vec<String> {
    let text = fs::read_to_string(requirements).unwrap();
    let entries = text.split("- scenario: ").skip(1);
    let of_extension = entries.filter(|entry| entry.contains("reason: extension"));
    of_extension.map(|entry| entry.lines().next().unwrap().trim().to_owned()).collect()
}

/// Whoever comes is let in, and sees the tools that are always listed.
pub(crate) fn settings() -> Settings {
    let mut settings = Settings::default();
    settings.access.anonymous = Some(Grant::default());
    settings
}

/// What the suite wrote: a directory a scenario, named by it and the time, with a list of checks.
pub(crate) fn outcomes(results: &Path) -> BTreeMap<String, Outcome> {
    let mut outcomes: BTreeMap<String, Outcome> = BTreeMap::new();
    for directory in fs::read_dir(results).unwrap() {
        let directory = directory.unwrap();
        let Ok(text) = fs::read_to_string(directory.path().join("checks.json")) else { continue };
        let name = scenario(directory.file_name().to_str().unwrap());
        let outcome = outcomes.entry(name).or_default();
        let checks: Vec<Value> = serde_json::from_str(&text).unwrap();
        for check in checks {
            match check["status"].as_str().unwrap() {
                "SUCCESS" => outcome.succeeded += 1,
                "FAILURE" => {
                    outcome.failed.push(format!("{}: {}", check["id"], check["errorMessage"]))
                }
                _ => {}
            }
        }
    }
    outcomes
}

/// `server-ping-2026-01-02T03-04-05-006Z` is of `ping`.
fn scenario(directory: &str) -> String {
    let name = directory.strip_prefix("server-").unwrap_or(directory);
    let time = name
        .match_indices("-20")
        .map(|(at, _)| at)
        .filter(|at| name[at + 1..].contains('T'))
        .last();
    time.map_or(name, |at| &name[..at]).to_owned()
}
