//! Tools that the configuration declares: who sees them, what they take, what becomes of a change.

use mcp_protocol::access::{Allowed, Grant, Level};
use mcp_protocol::offered::{
    Need, Offered, Parameter, ParameterKind, Scalar, StatementPlace, StatementTool,
};
use mcp_protocol::settings::Settings;
use mcp_worker::mcp::configured::ready;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::{Client, House, PATIENCE, call, house, mcp_head};

fn parameter(name: &str, kind: ParameterKind, need: Need) -> Parameter {
    Parameter { name: name.to_owned(), kind, description: None, need, allowed: Vec::new() }
}

fn tool(name: &str, statement: &str, parameters: Vec<Parameter>) -> StatementTool {
    StatementTool {
        name: name.to_owned(),
        description: "What it is for.".to_owned(),
        statement: statement.to_owned(),
        parameters,
        place: StatementPlace {
            role: Some("reader".to_owned()),
            database: Some("sales".to_owned()),
            ..StatementPlace::default()
        },
        level: Level::Read,
        rows_max: None,
        clients: Allowed::Any,
    }
}

fn orders() -> StatementTool {
    let parameters = vec![
        parameter("customer", ParameterKind::Integer, Need::Required),
        parameter("region", ParameterKind::String, Need::Default(Scalar::Text("EU".to_owned()))),
        parameter("since", ParameterKind::Date, Need::Optional),
    ];
    tool("orders_of", "select context, :customer, :region, :since, :customer", parameters)
}

async fn house_of(tools: Vec<StatementTool>, grant: Grant) -> House {
    let mut settings = Settings { offered: Offered { tools }, ..Settings::default() };
    settings.access.anonymous = Some(grant);
    house(&settings).await
}

fn custom() -> Grant {
    Grant { toolsets: vec!["custom".to_owned()], ..Grant::default() }
}

async fn ask(house: &House, message: &Value) -> Value {
    let mut client = Client::connect(house.address).await.expect("connects");
    client.mcp(message).await.expect("an answer").json()
}

async fn listed(house: &House) -> Vec<Value> {
    let message = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let answer = ask(house, &message).await;
    answer["result"]["tools"].as_array().expect("tools").clone()
}

#[tokio::test]
async fn a_declared_tool_is_listed_with_its_parameters_and_runs_where_it_says() {
    let house = house_of(vec![orders()], custom()).await;
    let tools = listed(&house).await;
    assert_eq!(tools.len(), 1, "{tools:?}");
    let input = &tools[0]["inputSchema"];
    assert_eq!(input["required"], json!(["customer"]));
    assert_eq!(input["properties"]["region"]["default"], "EU");
    assert_eq!(tools[0]["annotations"]["readOnlyHint"], true);
    let arguments = json!({ "customer": 7, "region": "x'; drop table y" });
    let answer = ask(&house, &call("orders_of", arguments)).await;
    let rows = &answer["result"]["structuredContent"]["rows"][0];
    let (place, who) = (rows[0].as_str().expect("a place"), rows[1].as_str().expect("values"));
    assert_eq!(place, r#"(Some("READER"), None, Some("SALES"), None)"#);
    let expected = r#"[Fixed("7"), Text("x'; drop table y"), Null, Fixed("7")]"#;
    assert!(who.contains(expected), "{who}");
}

#[tokio::test]
async fn arguments_that_do_not_fit_never_reach_the_warehouse() {
    let house = house_of(vec![orders()], custom()).await;
    for (arguments, words) in [
        (json!({}), "`customer` is missing"),
        (json!({ "customer": "7" }), "whole number"),
        (json!({ "customer": 7, "since": "soon" }), "a date"),
        (json!({ "customer": 7, "until": 1 }), "no parameter `until`"),
    ] {
        let answer = ask(&house, &call("orders_of", arguments)).await;
        assert_eq!(answer["result"]["isError"], true, "{answer}");
        let text = answer["result"]["content"][0]["text"].as_str().expect("a text");
        assert!(text.contains(words), "{text}");
    }
    assert_eq!(house.counts.begun.load(std::sync::atomic::Ordering::SeqCst), 0);
}

#[tokio::test]
async fn only_those_see_it_who_may_call_it() {
    let writes = StatementTool {
        level: Level::Write,
        ..tool(
            "add_order",
            "INSERT INTO orders VALUES (:a)",
            vec![parameter("a", ParameterKind::Integer, Need::Required)],
        )
    };
    let others = StatementTool {
        clients: Allowed::Only(vec!["team".to_owned()]),
        ..tool("for_the_team", "SELECT 1", Vec::new())
    };
    let refused = tool("drop_it", "DROP TABLE orders", Vec::new());
    let taken = tool("execute_query", "SELECT 1", Vec::new());
    let tools = || vec![orders(), writes.clone(), others.clone(), refused.clone(), taken.clone()];
    let names = |tools: Vec<Value>| -> Vec<String> {
        tools.iter().filter_map(|tool| Some(tool["name"].as_str()?.to_owned())).collect()
    };
    let house = house_of(tools(), custom()).await;
    assert_eq!(names(listed(&house).await), ["orders_of"]);
    let answer = ask(&house, &call("for_the_team", json!({}))).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let writer = Grant { level: Level::Write, ..custom() };
    let house = house_of(tools(), writer).await;
    assert_eq!(names(listed(&house).await), ["orders_of", "add_order"]);
    let house = house_of(tools(), Grant::default()).await;
    assert!(!names(listed(&house).await).contains(&"orders_of".to_owned()));
}

#[tokio::test]
async fn a_change_is_in_force_at_once_and_subscribers_are_told() {
    let house = house_of(Vec::new(), custom()).await;
    assert!(listed(&house).await.is_empty());
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}
    });
    let message = json!({
        "jsonrpc": "2.0", "id": 5, "method": "subscriptions/listen",
        "params": { "_meta": meta, "notifications": { "toolsListChanged": true } }
    })
    .to_string();
    let head = "\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen";
    let head = mcp_head(head);
    let request = format!("{head}\r\nContent-Length: {}\r\n\r\n{message}", message.len());
    let mut stream = TcpStream::connect(house.address).await.expect("connects");
    stream.write_all(request.as_bytes()).await.expect("sends");
    let mut read = String::new();
    until(&mut stream, &mut read, "notifications/subscriptions/acknowledged").await;
    house.configured.send_replace(ready(&Offered { tools: vec![orders()] }));
    until(&mut stream, &mut read, "notifications/tools/list_changed").await;
    assert_eq!(listed(&house).await.len(), 1);
}

async fn until(stream: &mut TcpStream, read: &mut String, word: &str) {
    while !read.contains(word) {
        let mut bytes = [0; 4096];
        let reading = tokio::time::timeout(PATIENCE, stream.read(&mut bytes)).await;
        let length = reading.expect("in time").expect("reads");
        assert!(length > 0, "{read}");
        read.push_str(&String::from_utf8_lossy(&bytes[..length]));
    }
}
