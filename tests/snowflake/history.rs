//! What a client asked, through the account's own history: listed, looked at and ended.

use std::time::Duration;

use mcp_worker::bus::Bus;
use serde_json::{Value, json};

use crate::house::{ENDED_WITHIN, PATIENCE};
use crate::server::Server;
use crate::tasks::{Worker, two_clients};

async fn tool(worker: &Worker, name: &str, arguments: Value, key: &str) -> Value {
    let params = json!({ "name": name, "arguments": arguments });
    worker.ask("tools/call", params, Some(key)).await["result"].clone()
}

/// The values of a column of an answer.
fn column(answer: &Value, name: &str) -> Vec<String> {
    let content = &answer["structuredContent"];
    let columns = content["columns"].as_array().unwrap_or_else(|| panic!("no columns: {answer}"));
    let at = columns.iter().position(|column| column["name"] == name).expect("the column");
    let rows = content["rows"].as_array().expect("rows");
    rows.iter().map(|row| row[at].as_str().unwrap_or_default().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_sees_and_ends_its_own_queries_and_nobody_elses() {
    const LONG: &str = "SELECT SLEEP(600)";
    let server = Server::start();
    let (mut settings, [owner, stranger]) = two_clients();
    for client in &mut settings.access.clients {
        client.grant.toolsets.push("operations".to_owned());
    }
    let worker = Worker::new(&server, &settings, Bus::alone(), 3);
    let why = json!({ "query": "SELECT ROWS(3)", "reason": "for the report" });
    tool(&worker, "execute_query", why, &owner).await;
    tool(&worker, "execute_query", json!({ "query": "SELECT ROWS(4)" }), &stranger).await;

    let asked = tool(&worker, "query_history", json!({}), &owner).await;
    assert_eq!(column(&asked, "QUERY_TEXT"), ["SELECT ROWS(3)"], "{asked}");
    assert_eq!(column(&asked, "EXECUTION_STATUS"), ["SUCCESS"]);
    assert_eq!(column(&asked, "REASON"), ["for the report"]);
    let again = tool(&worker, "query_history", json!({ "limit": 1 }), &owner).await;
    assert_eq!(column(&again, "QUERY_TEXT"), ["SELECT ROWS(3)"], "its own reading is not in it");

    let task = worker.begin(LONG, Some(&owner)).await;
    let running = tool(&worker, "query_history", json!({}), &owner).await;
    assert_eq!(column(&running, "QUERY_TEXT"), [LONG, "SELECT ROWS(3)"]);
    let query_id = column(&running, "QUERY_ID")[0].clone();
    let one = json!({ "query_id": query_id });
    let status = tool(&worker, "query_status", one.clone(), &owner).await;
    assert_eq!(column(&status, "EXECUTION_STATUS"), ["RUNNING"], "{status}");
    for name in ["query_status", "cancel_query"] {
        let foreign = tool(&worker, name, one.clone(), &stranger).await;
        let text = foreign["content"][0]["text"].to_string();
        assert!(foreign["isError"] == true && text.contains("no query"), "{name}: {foreign}");
    }
    assert!(!server.wait(Duration::from_millis(200), |seen| seen.running == 0).await);

    let ended = tool(&worker, "cancel_query", one.clone(), &owner).await;
    assert_eq!(ended["structuredContent"]["was_running"], true, "{ended}");
    assert!(ended["structuredContent"]["answer"].to_string().contains("terminated"), "{ended}");
    assert!(server.wait(ENDED_WITHIN, |seen| seen.running == 0).await, "it runs on");
    assert_eq!(worker.ended(&task, Some(&owner)).await["result"]["status"], "cancelled");
    let over = async {
        let told = tool(&worker, "query_status", one.clone(), &owner).await;
        assert_eq!(column(&told, "EXECUTION_STATUS"), ["FAILED_WITH_ERROR"], "{told}");
        tool(&worker, "cancel_query", one, &owner).await
    };
    let over = tokio::time::timeout(PATIENCE, over).await.expect("in time");
    assert_eq!(over["structuredContent"]["was_running"], false, "{over}");
}
