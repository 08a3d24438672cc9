//! The official MCP clients against the real fleet: what a user's desktop does, done here.
//!
//! The test installs the clients by itself, from their registries, into the target directory, and
//! keeps them there for the next run. Without Python's `venv` or `npm` it says SKIP.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod account;
mod fleet;
#[path = "../e2e/harness.rs"]
#[expect(dead_code, reason = "the house is shared with the other tests of real processes")]
mod harness;
mod install;

use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

use harness::{House, skip};

/// Four workers of ours on the sample account, with everything else as it is by default.
const FLEET: &str = "[supervisor]\nmetrics = \"off\"\n[apps.query]\nlisten = \"127.0.0.1:0\"\n\
     instances = 4\n";
/// Tools that every client sees.
const TOOLS: [&str; 8] = [
    "describe_object",
    "describe_view",
    "execute_query",
    "explain_query",
    "list_databases",
    "list_views",
    "query_view",
    "search_objects",
];
/// TPC-H has five market segments.
const SEGMENTS: [&str; 5] = ["AUTOMOBILE", "BUILDING", "FURNITURE", "HOUSEHOLD", "MACHINERY"];
/// 150,000 customers at scale 1; the sample account is a hundredth of that.
const CUSTOMERS: i64 = 1_500;

#[test]
fn the_official_python_client_queries_through_the_shared_port() {
    let python = match install::python() {
        Ok(python) => python,
        Err(why) => {
            return skip("the_official_python_client_queries_through_the_shared_port", &why);
        }
    };
    let house = House::new(FLEET);
    house.start();
    let url = format!("http://{}/mcp", house.address());
    for (mode, protocol) in [("auto", "2026-07-28"), ("legacy", "2025-11-25")] {
        let answer = ask(&python, &["client.py", mode, "http", &url]);
        check(&answer);
        assert_eq!(answer["protocol"], protocol, "{answer}");
    }
    check(&ask(&python, &["client.py", "auto", "stdio", &worker(), "stdio"]));
}

#[test]
fn the_official_typescript_client_queries_through_the_shared_port() {
    let node = match install::node() {
        Ok(node) => node,
        Err(why) => {
            return skip("the_official_typescript_client_queries_through_the_shared_port", &why);
        }
    };
    let house = House::new(FLEET);
    house.start();
    let url = format!("http://{}/mcp", house.address());
    check(&ask(&node, &["client.mjs", "http", &url]));
    check(&ask(&node, &["client.mjs", "stdio", &worker(), "stdio"]));
}

/// Runs a client's script, which lies beside the installed packages.
fn ask(program: &Path, arguments: &[&str]) -> Value {
    #[expect(clippy::disallowed_methods, reason = "a client is a program of its own")]
    let output =
        Command::new(program).args(arguments).current_dir(install::directory()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments:?}: {said}\n{errors}");
    serde_json::from_str(said.trim()).unwrap_or_else(|_| panic!("{said}\n{errors}"))
}

/// The tools are there, and every customer is counted in one of the five segments.
fn check(answer: &Value) {
    let listed = answer["tools"].as_array().unwrap();
    assert!(TOOLS.iter().all(|tool| listed.iter().any(|name| name == tool)), "{answer}");
    assert_eq!(answer["is_error"], false, "{answer}");
    let rows = answer["structured"]["rows"].as_array().unwrap();
    let segments: Vec<&str> = rows.iter().map(|row| row[0].as_str().unwrap()).collect();
    assert_eq!(segments, SEGMENTS, "{answer}");
    let number = |value: &Value| {
        value.as_i64().or_else(|| value.as_str().and_then(|text| text.parse().ok())).unwrap()
    };
    let customers: i64 = rows.iter().map(|row| number(&row[1])).sum();
    assert_eq!(customers, CUSTOMERS, "{answer}");
    for segment in SEGMENTS {
        assert!(answer["text"].as_str().unwrap().contains(segment), "{answer}");
    }
}

/// The worker that was built with these tests.
fn worker() -> String {
    let own = Path::new(env!("CARGO_BIN_EXE_mcp-supervisor"));
    let path: PathBuf = own.parent().unwrap().join("mcp-worker");
    assert!(path.exists(), "mcp-worker is not built: run `cargo test --workspace`");
    path.display().to_string()
}
