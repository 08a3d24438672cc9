//! What is written down of calls and of those who are not let in, and what never is.

use mcp_protocol::access::{AccessSettings, AuditLevel, Grant};
use mcp_protocol::settings::{LogSettings, Settings};
use serde_json::{Value, json};

use super::{ask, client, key, only};
use crate::support::{call, eventually, house};

fn settings(directory: &std::path::Path, audit: AuditLevel) -> Settings {
    let one = client("one", Some(&key(1)), Grant::default());
    Settings {
        access: AccessSettings { audit, ..only(vec![one]) },
        logs: LogSettings { directory: Some(directory.to_owned()), ..Settings::default().logs },
        ..Settings::default()
    }
}

fn lines(directory: &std::path::Path) -> Vec<Value> {
    let text = std::fs::read_to_string(directory.join("audit.log")).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).expect("a line of JSON")).collect()
}

async fn written(directory: &std::path::Path, count: usize) -> Vec<Value> {
    eventually("the lines are written", || lines(directory).len() >= count).await;
    lines(directory)
}

#[tokio::test]
async fn every_call_and_every_refusal_is_a_line_without_key_or_statement() {
    let directory = tempfile::tempdir().expect("a directory");
    let house = house(&settings(directory.path(), AuditLevel::Hash)).await;
    let query = |text: &str| call("execute_query", json!({ "query": text }));
    ask(&house, &key(1), &query("select canary")).await;
    ask(&house, &key(1), &query("drop table canary")).await;
    ask(&house, &key(1), &query("select wrong")).await;
    ask(&house, &key(1), &call("drop_everything", json!({}))).await;
    ask(&house, &key(2), &query("select 1")).await;
    let lines = written(directory.path(), 5).await;
    let told = |line: &Value| {
        let word = |name: &str| line[name].as_str().unwrap_or("-").to_owned();
        [word("event"), word("outcome"), word("client"), word("tool"), word("class")].join(" ")
    };
    let told: Vec<String> = lines.iter().map(told).collect();
    assert_eq!(
        told,
        [
            "call ok one execute_query read",
            "call refused one execute_query ddl",
            "call error one execute_query read",
            "call refused one drop_everything -",
            "door refused - - -",
        ]
    );
    let first = &lines[0];
    assert_eq!((&first["rows"], &first["query_id"]), (&json!(2), &json!("01b2-fake")), "{first}");
    assert_eq!(first["statement_sha256"].as_str().map(str::len), Some(64), "{first}");
    assert!(first["duration_ms"].is_u64() && first["timestamp"].is_string(), "{first}");
    assert_eq!(
        (&first["app"], &first["slot"], &first["run"]),
        (&json!("query"), &json!(1), &json!(7))
    );
    assert!(first["shown"].as_str().is_some_and(|shown| shown.starts_with("key ")), "{first}");
    assert!(lines[1]["reason"].as_str().is_some_and(|why| why.contains("DROP")), "{}", lines[1]);
    let text = std::fs::read_to_string(directory.path().join("audit.log")).expect("a file");
    for secret in [&key(1)[16..], &key(2)[16..], "select canary", "table canary"] {
        assert!(!text.contains(secret), "{text}");
    }
}

#[tokio::test]
async fn the_statement_is_there_when_the_operator_says_so_and_nothing_when_he_says_that() {
    let directory = tempfile::tempdir().expect("a directory");
    let house = house(&settings(directory.path(), AuditLevel::Text)).await;
    let query = call("execute_query", json!({ "query": "select canary" }));
    ask(&house, &key(1), &query).await;
    let lines = written(directory.path(), 1).await;
    assert_eq!(lines[0]["statement"], "select canary");
    let off = settings(directory.path(), AuditLevel::Off).access;
    house.access.send_replace(std::sync::Arc::new(off));
    ask(&house, &key(1), &query).await;
    ask(&house, &key(2), &query).await;
    let on = settings(directory.path(), AuditLevel::Hash).access;
    house.access.send_replace(std::sync::Arc::new(on));
    // Renamed, as a rotation does it.
    std::fs::rename(directory.path().join("audit.log"), directory.path().join("audit.log.1"))
        .expect("a file");
    house.audit.reopen();
    ask(&house, &key(1), &query).await;
    let lines = written(directory.path(), 1).await;
    assert_eq!((lines.len(), &lines[0]["outcome"]), (1, &json!("ok")));
    assert!(lines[0].get("statement").is_none(), "{}", lines[0]);
    let old = std::fs::read_to_string(directory.path().join("audit.log.1")).expect("a file");
    assert_eq!(old.lines().count(), 1, "{old}");
}
