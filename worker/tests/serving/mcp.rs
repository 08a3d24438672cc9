//! The protocol at the door: both eras, the tools, and answers to what is not MCP.

use std::time::Duration;

use mcp_protocol::measure::Measure;
use mcp_protocol::message::{CallOutcome, PoolVitals};
use mcp_protocol::settings::Settings;
use mcp_worker::http::Serving;
use serde_json::{Value, json};

use crate::support::{Client, call, eventually, house, mcp_head};

async fn ask(message: Value) -> Value {
    let house = house(&Settings::default()).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    let answer = client.mcp(&message).await.expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

fn text_of(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn every_older_version_can_introduce_itself_to_any_worker() {
    for version in ["2025-03-26", "2025-06-18", "2025-11-25"] {
        let answer = ask(json!({
            "jsonrpc": "2.0", "id": 1, "method": "initialize",
            "params": {
                "protocolVersion": version, "capabilities": {},
                "clientInfo": { "name": "test", "version": "1" }
            }
        }))
        .await;
        assert_eq!(answer["result"]["protocolVersion"], version);
        assert_eq!(answer["result"]["serverInfo"]["name"], "mcp-supervisor");
        assert!(answer["result"]["instructions"].as_str().is_some_and(|text| text.len() > 100));
    }
}

#[tokio::test]
async fn the_newest_version_discovers_lists_and_calls_without_introduction() {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
        "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" }
    });
    let house = house(&Settings::default()).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    let version = "\r\nMCP-Protocol-Version: 2026-07-28";
    for (method, name, params) in [
        ("server/discover", "", json!({ "_meta": meta })),
        ("tools/list", "", json!({ "_meta": meta })),
        (
            "tools/call",
            "\r\nMcp-Name: list_databases",
            json!({ "_meta": meta, "name": "list_databases" }),
        ),
    ] {
        let message = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
        let head = mcp_head(&format!("{version}\r\nMcp-Method: {method}{name}"));
        client.send(&head, &message.to_string()).await.expect("sends");
        let answer = client.answer().await.expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert!(answer.json()["result"].is_object(), "{answer:?}");
    }
}

#[tokio::test]
async fn the_tools_are_listed_with_the_parameters_that_clients_know() {
    let answer = ask(json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })).await;
    let tools = answer["result"]["tools"].as_array().expect("tools");
    let seen: Vec<(&str, Vec<&String>)> = tools
        .iter()
        .map(|tool| {
            let properties = tool["inputSchema"]["properties"].as_object().expect("properties");
            let mut names: Vec<&String> = properties.keys().collect();
            names.sort();
            (tool["name"].as_str().expect("a name"), names)
        })
        .collect();
    let expected = [
        ("list_databases", vec![]),
        ("list_views", vec!["database", "schema"]),
        ("describe_view", vec!["database", "schema", "view_name"]),
        ("query_view", vec!["database", "limit", "schema", "view_name"]),
        (
            "execute_query",
            vec![
                "auto_commit",
                "connection",
                "cursor",
                "database",
                "limit",
                "parameters",
                "query",
                "reason",
                "role",
                "schema",
                "timeout",
                "use_transaction",
                "warehouse",
            ],
        ),
        ("search_objects", vec!["database", "detail", "kinds", "limit", "pattern", "schema"]),
        ("describe_object", vec!["database", "kind", "name", "schema"]),
        (
            "explain_query",
            vec!["connection", "database", "parameters", "query", "role", "schema", "warehouse"],
        ),
    ];
    assert_eq!(format!("{seen:?}"), format!("{expected:?}"));
}

#[tokio::test]
async fn the_tools_answer_in_the_texts_that_clients_know() {
    let databases = ask(call("list_databases", json!({}))).await;
    assert_eq!(text_of(&databases), "Available Snowflake databases:\nSALES");
    let views = ask(call("list_views", json!({ "database": "sales", "schema": "public" }))).await;
    assert_eq!(text_of(&views), "Views in SALES.PUBLIC:\nORDERS (created: 2024-01-01)");
    let all = ask(call("list_views", json!({ "database": "sales" }))).await;
    assert_eq!(text_of(&all), "Views in SALES:\nPUBLIC.ORDERS (created: 2024-01-01)");
    let described =
        ask(call("describe_view", json!({ "database": "sales", "view_name": "public.orders" })))
            .await;
    let text = text_of(&described);
    assert!(text.starts_with("## View: SALES.PUBLIC.ORDERS\n\nRequest ID: 01b2-fake\n"), "{text}");
    assert!(text.contains("### Columns:\n- ID : NUMBER(38,0) NOT NULL\n"), "{text}");
    assert!(text.contains("### View Definition:\n```sql\n"), "{text}");
}

#[tokio::test]
async fn names_are_quoted_and_never_become_sql() {
    let view = json!({ "database": "sales", "schema": "public", "view_name": "\"a\"\"; drop\"", "limit": 1 });
    let answer = ask(call("query_view", view)).await;
    let structured = &answer["result"]["structuredContent"];
    assert_eq!(structured["rows"][0][0], "SELECT * FROM \"SALES\".\"PUBLIC\".\"a\"\"; drop\"");
    assert_eq!((&structured["truncated"], &structured["row_count"]), (&json!(true), &json!(1)));
    let wrong = json!({ "database": "sales", "view_name": "orders; drop table x" });
    let answer = ask(call("query_view", wrong)).await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
}

#[tokio::test]
async fn a_query_is_answered_as_text_and_as_data() {
    let arguments = json!({ "query": "select 1", "database": "sales", "use_transaction": true });
    let answer = ask(call("execute_query", arguments)).await;
    let text = text_of(&answer);
    assert!(text.starts_with("## Query Results (Database: SALES, Schema: None)\n"), "{text}");
    assert!(text.contains("Transaction Mode: Auto-commit\nShowing 2 rows\n"), "{text}");
    assert!(text.ends_with("| select 1 | 1 |\n| select 1 | 2.50 |"), "{text}");
    let structured = &answer["result"]["structuredContent"];
    assert_eq!(structured["rows"], json!([["select 1", 1], ["select 1", "2.50"]]));
    assert_eq!(structured["columns"][1]["type"], "VARCHAR");
}

#[tokio::test]
async fn errors_are_told_as_errors_with_what_to_do_next() {
    for (tool, arguments, words) in [
        ("execute_query", json!({ "query": "drop table x" }), "refused"),
        ("execute_query", json!({ "query": "select wrong" }), "no such column: WRONG"),
        ("execute_query", json!({ "query": "select 1", "limit": 0 }), "whole number from 1"),
        ("query_view", json!({ "database": "sales" }), "view_name"),
    ] {
        let answer = ask(call(tool, arguments)).await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        assert!(text_of(&answer).contains(words), "{answer}");
    }
    let unknown = ask(call("drop_everything", json!({}))).await;
    assert_eq!(unknown["error"]["code"], -32602, "{unknown}");
}

#[tokio::test]
async fn what_is_not_mcp_gets_an_error_that_can_be_read() {
    let house = house(&Settings::default()).await;
    for (body, status, code) in [
        ("{ not json", 400, -32700),
        ("[]", 400, -32600),
        ("42", 400, -32600),
        ("{\"hello\":1}", 400, -32600),
    ] {
        let mut client = Client::connect(house.address).await.expect("connects");
        client.send(&mcp_head(""), body).await.expect("sends");
        let answer = client.answer().await.expect("an answer");
        assert_eq!(
            (answer.status, &answer.json()["error"]["code"]),
            (status, &json!(code)),
            "{body}"
        );
    }
    let mut client = Client::connect(house.address).await.expect("connects");
    assert_eq!(client.get("/mcp").await.expect("an answer").status, 405);
    client.send("DELETE /mcp HTTP/1.1\r\nHost: localhost", "").await.expect("sends");
    assert_eq!(client.answer().await.expect("an answer").status, 405);
    let long = "x".repeat(1024 * 1024 + 1);
    client.send(&mcp_head(""), &long).await.expect("sends");
    assert_eq!(client.answer().await.expect("an answer").status, 413);
}

#[tokio::test]
async fn strange_hosts_and_origins_are_refused() {
    let mut settings = Settings::default();
    settings.mcp.allowed_hosts = vec!["mcp.example.com".to_owned()];
    settings.mcp.allowed_origins = vec!["https://app.example.com:*".to_owned()];
    let house = house(&settings).await;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    for (host, origin, status) in [
        ("localhost:3000", "", 200),
        ("mcp.example.com", "", 200),
        ("evil.example.com", "", 403),
        ("localhost", "\r\nOrigin: http://localhost:8080", 200),
        ("localhost", "\r\nOrigin: https://app.example.com", 200),
        ("localhost", "\r\nOrigin: https://evil.example.com", 403),
    ] {
        let mut client = Client::connect(house.address).await.expect("connects");
        let head = mcp_head(origin).replace("Host: localhost", &format!("Host: {host}"));
        client.send(&head, &list).await.expect("sends");
        assert_eq!(client.answer().await.expect("an answer").status, status, "{host} {origin}");
    }
}

#[tokio::test]
async fn health_tells_who_answers_and_ready_tells_whether() {
    let house = house(&Settings::default()).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    assert_eq!(client.get("/livez").await.expect("an answer").status, 200);
    let health = client.get("/health").await.expect("an answer").json();
    assert_eq!((&health["status"], &health["worker"]["slot"]), (&json!("healthy"), &json!(1)));
    for (serving, status) in
        [(Serving::Ready, 200), (Serving::Booting, 503), (Serving::Draining, 503)]
    {
        house.serving.send_replace(serving);
        assert_eq!(client.get("/readyz").await.expect("an answer").status, status);
    }
    let vitals = house.metrics.vitals(PoolVitals::default());
    assert_eq!((vitals.requests_total, vitals.request_errors_total), (5, 2));
    assert_eq!(vitals.connections, 1);
}

#[tokio::test]
async fn a_request_that_takes_too_long_is_answered_and_its_statement_cancelled() {
    let mut settings = Settings::default();
    settings.http.request_timeout = Duration::from_millis(200);
    let house = house(&settings).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    let hang = call("execute_query", json!({ "query": "select hang" }));
    let answer = client.mcp(&hang).await.expect("an answer").json();
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!(7), &json!(-32000)));
    let counts = std::sync::Arc::clone(&house.counts);
    eventually("the statement is cancelled", || {
        counts.cancelled.load(std::sync::atomic::Ordering::SeqCst) == 1
    })
    .await;
    eventually("the call is counted", || {
        let untold = house.metrics.tallies.untold();
        untold.keys().any(|(measure, labels)| {
            *measure == Measure::Calls && labels[2] == CallOutcome::Cancelled.name()
        })
    })
    .await;
}

#[tokio::test]
async fn a_slow_head_is_cut_off_and_an_idle_connection_is_not() {
    let mut settings = Settings::default();
    settings.http.header_timeout = Duration::from_millis(150);
    let house = house(&settings).await;
    let mut slow = Client::connect(house.address).await.expect("connects");
    let mut idle = Client::connect(house.address).await.expect("connects");
    assert_eq!(idle.get("/livez").await.expect("an answer").status, 200);
    slow.send_bytes(b"GET /livez HT").await.expect("sends");
    assert!(slow.is_closed().await);
    assert_eq!(idle.get("/livez").await.expect("an answer").status, 200);
}

#[tokio::test]
async fn connections_over_the_limit_wait_their_turn() {
    let mut settings = Settings::default();
    settings.http.connections_max = 1;
    let house = house(&settings).await;
    let mut first = Client::connect(house.address).await.expect("connects");
    assert_eq!(first.get("/livez").await.expect("an answer").status, 200);
    let mut second = Client::connect(house.address).await.expect("connects");
    second.send("GET /livez HTTP/1.1\r\nHost: localhost", "").await.expect("sends");
    assert_eq!(first.get("/livez").await.expect("an answer").status, 200);
    assert_eq!(house.metrics.vitals(PoolVitals::default()).requests_total, 2);
    drop(first);
    assert_eq!(second.answer().await.expect("an answer").status, 200);
}
