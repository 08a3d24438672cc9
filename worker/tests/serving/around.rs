//! What stands around the tools: prompts, resources and completions, in both eras.

use mcp_protocol::access::{Allowed, Grant};
use mcp_protocol::settings::Settings;
use serde_json::{Value, json};

use crate::support::{Client, house, mcp_head};

fn message(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params })
}

/// The answer to a client with this grant.
async fn ask_as(grant: Grant, method: &str, params: Value) -> Value {
    let mut settings = Settings::default();
    settings.access.anonymous = Some(grant);
    let house = house(&settings).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    client.mcp(&message(method, params)).await.expect("an answer").json()
}

async fn ask(method: &str, params: Value) -> Value {
    ask_as(Grant::default(), method, params).await
}

/// What a resource says, as JSON.
fn contents(answer: &Value) -> Value {
    let resource = &answer["result"]["contents"][0];
    assert_eq!(resource["mimeType"], "application/json", "{answer}");
    serde_json::from_str(resource["text"].as_str().expect("a text")).expect("JSON")
}

fn values(answer: &Value) -> &Value {
    &answer["result"]["completion"]["values"]
}

#[tokio::test]
async fn what_is_there_is_declared_and_the_rest_is_not_found() {
    let hello = json!({
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" }
    });
    let answer = ask("initialize", hello).await;
    let declared = answer["result"]["capabilities"].as_object().expect("capabilities");
    let mut names: Vec<&String> = declared.keys().collect();
    names.sort();
    assert_eq!(names, ["completions", "prompts", "resources", "tools"]);
    for (method, params) in [
        ("resources/subscribe", json!({ "uri": "snowflake://SALES" })),
        ("logging/setLevel", json!({ "level": "info" })),
    ] {
        assert_eq!(ask(method, params).await["error"]["code"], -32601, "{method}");
    }
}

#[tokio::test]
async fn prompts_are_listed_and_filled_in() {
    let answer = ask("prompts/list", json!({})).await;
    let prompts = answer["result"]["prompts"].as_array().expect("prompts");
    let names: Vec<&str> = prompts.iter().filter_map(|prompt| prompt["name"].as_str()).collect();
    assert_eq!(names, ["explore_database", "explain_table", "write_query", "why_is_it_slow"]);
    let params = json!({ "name": "explore_database", "arguments": { "database": "sales" } });
    let answer = ask("prompts/get", params).await;
    let text = answer["result"]["messages"][0]["content"]["text"].as_str().expect("a text");
    assert!(text.contains("Explore database SALES"), "{text}");
    let wrong = ask("prompts/get", json!({ "name": "explore_database" })).await;
    assert_eq!(wrong["error"]["code"], -32602, "{wrong}");
}

#[tokio::test]
async fn resources_lead_from_the_account_to_a_table() {
    let listed = ask("resources/list", json!({})).await;
    let uris: Vec<&Value> = listed["result"]["resources"]
        .as_array()
        .expect("resources")
        .iter()
        .map(|resource| &resource["uri"])
        .collect();
    assert_eq!(uris, ["snowflake:///", "snowflake://SALES"]);
    let templates = ask("resources/templates/list", json!({})).await;
    assert_eq!(templates["result"]["resourceTemplates"].as_array().map(Vec::len), Some(3));

    let read = |uri: &'static str| ask("resources/read", json!({ "uri": uri }));
    let account = contents(&read("snowflake:///").await);
    assert_eq!(account["databases"][0]["uri"], "snowflake://SALES");
    let database = contents(&read("snowflake://sales").await);
    assert_eq!(database["schemas"][0]["comment"], "SHOW SCHEMAS IN DATABASE \"SALES\"");
    let schema = contents(&read("snowflake://SALES/PUBLIC").await);
    assert_eq!(schema["objects"][1]["uri"], "snowflake://SALES/PUBLIC/%22My%20orders%22");
    assert_eq!(
        (&schema["objects"][0]["rows"], &schema["objects"][1]["rows"]),
        (&json!(null), &json!(7))
    );
    let table = contents(&read("snowflake://SALES/PUBLIC/%22My%20orders%22").await);
    assert_eq!(table["name"], "SALES.PUBLIC.\"My orders\"");
    assert_eq!(table["columns"][0]["type"], "NUMBER(38,0)");
    assert!(table["definition"].is_string(), "{table}");
}

#[tokio::test]
async fn what_a_caller_may_not_name_does_not_exist_for_it() {
    let elsewhere =
        || Grant { databases: Allowed::Only(vec!["OTHER".to_owned()]), ..Grant::default() };
    let listed = ask_as(elsewhere(), "resources/list", json!({})).await;
    assert_eq!(listed["result"]["resources"].as_array().map(Vec::len), Some(1), "{listed}");
    let account = ask_as(elsewhere(), "resources/read", json!({ "uri": "snowflake:///" })).await;
    assert_eq!(contents(&account)["databases"], json!([]));
    for uri in ["snowflake://SALES", "snowflake://SALES/PUBLIC/ORDERS", "snowflake://a;b", "x"] {
        let answer = ask_as(elsewhere(), "resources/read", json!({ "uri": uri })).await;
        assert_eq!(answer["error"]["code"], -32002, "{answer}");
    }
    for (argument, context) in [("database", json!({})), ("schema", json!({ "database": "sales" }))]
    {
        let params = json!({
            "ref": { "type": "ref/prompt", "name": "explain_table" },
            "argument": { "name": argument, "value": "" },
            "context": { "arguments": context }
        });
        let answer = ask_as(elsewhere(), "completion/complete", params).await;
        assert_eq!(*values(&answer), json!([]), "{answer}");
    }
    let nothing = || Grant { toolsets: Vec::new(), ..Grant::default() };
    for (method, list) in [("prompts/list", "prompts"), ("resources/list", "resources")] {
        let answer = ask_as(nothing(), method, json!({})).await;
        assert_eq!(answer["result"][list], json!([]), "{answer}");
    }
}

#[tokio::test]
async fn names_are_completed_from_what_was_typed() {
    let complete = |reference: Value, argument: &str, value: &str, context: Value| {
        let argument = json!({ "name": argument, "value": value });
        let context = json!({ "arguments": context });
        let params = json!({ "ref": reference, "argument": argument, "context": context });
        async move { ask("completion/complete", params).await }
    };
    let prompt = || json!({ "type": "ref/prompt", "name": "explain_table" });
    let answer = complete(prompt(), "database", "sa", json!({})).await;
    assert_eq!(
        answer["result"]["completion"],
        json!({ "values": ["SALES"], "total": 1, "hasMore": false })
    );
    let table = json!({ "type": "ref/resource", "uri": "snowflake://{database}/{schema}/{table}" });
    let context = || json!({ "database": "sales", "schema": "public" });
    let answer = complete(table, "table", "\"my", context()).await;
    assert_eq!(*values(&answer), json!(["\"My orders\""]), "{answer}");
    let answer = complete(prompt(), "table", "", json!({ "database": "sales" })).await;
    assert_eq!(*values(&answer), json!([]), "a schema is missing: {answer}");
    let answer = complete(prompt(), "tabel", "", json!({})).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
}

#[tokio::test]
async fn the_newest_version_has_prompts_and_resources_too() {
    let meta = json!({
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {}
    });
    let house = house(&Settings::default()).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    for (method, name, params) in [
        ("prompts/list", "", json!({})),
        ("resources/list", "", json!({})),
        ("resources/templates/list", "", json!({})),
        ("resources/read", "snowflake://SALES", json!({ "uri": "snowflake://SALES" })),
        (
            "prompts/get",
            "write_query",
            json!({ "name": "write_query", "arguments": { "question": "how many?" } }),
        ),
        (
            "completion/complete",
            "",
            json!({
                "ref": { "type": "ref/prompt", "name": "explain_table" },
                "argument": { "name": "database", "value": "s" }
            }),
        ),
    ] {
        let mut params = params;
        params["_meta"] = meta.clone();
        let name = if name.is_empty() { String::new() } else { format!("\r\nMcp-Name: {name}") };
        let version = "\r\nMCP-Protocol-Version: 2026-07-28";
        let head = mcp_head(&format!("{version}\r\nMcp-Method: {method}{name}"));
        client.send(&head, &message(method, params).to_string()).await.expect("sends");
        let answer = client.answer().await.expect("an answer");
        assert_eq!(answer.status, 200, "{answer:?}");
        assert_eq!(answer.json()["result"]["resultType"], "complete", "{answer:?}");
    }
    let params = json!({ "_meta": meta, "uri": "snowflake://a/b/c/d" });
    let head = "\r\nMCP-Protocol-Version: 2026-07-28\r\nMcp-Method: resources/read\
                \r\nMcp-Name: snowflake://a/b/c/d";
    let body = message("resources/read", params).to_string();
    client.send(&mcp_head(head), &body).await.expect("sends");
    assert_eq!(client.answer().await.expect("an answer").json()["error"]["code"], -32602);
}
