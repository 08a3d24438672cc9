//! The tools of the former official server: their names, and the statements behind them.

use mcp_protocol::access::{Allowed, Grant, Level};
use mcp_protocol::settings::Settings;
use serde_json::{Value, json};

use crate::support::{Client, call, house};

fn official(level: Level) -> Grant {
    Grant { level, toolsets: vec!["official".to_owned()], ..Grant::default() }
}

async fn ask(grant: Grant, message: Value) -> Value {
    let mut settings = Settings::default();
    settings.access.anonymous = Some(grant);
    let house = house(&settings).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    client.mcp(&message).await.expect("an answer").json()
}

async fn names(grant: Grant) -> Vec<String> {
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let answer = ask(grant, list).await;
    let tools = answer["result"]["tools"].as_array().expect("tools").clone();
    tools.iter().filter_map(|tool| Some(tool["name"].as_str()?.to_owned())).collect()
}

/// The statement that reached the warehouse.
fn statement(answer: &Value) -> &str {
    let row = &answer["result"]["structuredContent"]["rows"][0];
    row[0].as_str().unwrap_or_else(|| panic!("{answer}"))
}

fn text(answer: &Value) -> &str {
    answer["result"]["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{answer}"))
}

#[tokio::test]
async fn the_names_are_those_that_clients_know_and_changes_are_for_those_who_may() {
    let reading = [
        "run_snowflake_query",
        "list_objects",
        "describe_object",
        "list_semantic_views",
        "describe_semantic_view",
        "show_semantic_dimensions",
        "show_semantic_metrics",
        "get_semantic_view_ddl",
        "write_semantic_view_query_tool",
        "query_semantic_view",
    ];
    assert_eq!(names(official(Level::Read)).await, reading);
    let writing = names(official(Level::Write)).await;
    assert_eq!(writing[reading.len()..], ["create_object"]);
    let all = names(official(Level::Destructive)).await;
    assert_eq!(all[reading.len()..], ["create_object", "create_or_alter_object", "drop_object"]);
}

#[tokio::test]
async fn one_name_of_two_sets_is_listed_once_and_is_the_official_one() {
    let toolsets = ["catalog", "official"].map(str::to_owned).to_vec();
    let grant = || Grant { toolsets: toolsets.clone(), ..Grant::default() };
    let names = names(grant()).await;
    assert_eq!(names.iter().filter(|name| *name == "describe_object").count(), 1, "{names:?}");
    let target = json!({ "name": "w" });
    let arguments = json!({ "object_type": "warehouse", "target_object": target });
    let answer = ask(grant(), call("describe_object", arguments)).await;
    assert!(answer["result"]["isError"] != true, "{answer}");
}

#[tokio::test]
async fn names_become_quoted_names_and_texts_become_literals() {
    for (tool, arguments, expected) in [
        ("run_snowflake_query", json!({ "statement": "select 1" }), "select 1"),
        (
            "list_objects",
            json!({ "object_type": "stage", "database_name": "db", "schema_name": "\"s x\"", "like": "o'x" }),
            "SHOW STAGES LIKE '%o''x%' IN SCHEMA \"DB\".\"s x\"",
        ),
        (
            "create_object",
            json!({
                "object_type": "table",
                "target_object": {
                    "name": "t", "database_name": "db", "schema_name": "s", "comment": "it's",
                    "columns": [{ "name": "a\".b", "datatype": "NUMBER(38,0)", "nullable": false }]
                }
            }),
            "",
        ),
        (
            "create_object",
            json!({
                "object_type": "view", "mode": "if_not_exists",
                "target_object": {
                    "name": "v", "database_name": "db", "schema_name": "s", "query": "select 1"
                }
            }),
            "CREATE VIEW IF NOT EXISTS \"DB\".\"S\".\"V\" AS select 1",
        ),
        (
            "drop_object",
            json!({
                "object_type": "table", "if_exists": true,
                "target_object": "{\"name\": \"t\", \"database_name\": \"db\", \"schema_name\": \"s\"}"
            }),
            "DROP TABLE IF EXISTS \"DB\".\"S\".\"T\"",
        ),
        (
            "query_semantic_view",
            json!({
                "database_name": "db", "schema_name": "s", "view_name": "v",
                "dimensions": [{ "table": "c", "name": "region" }],
                "metrics": [{ "table": "o", "name": "total" }],
                "where_clause": "region = 'EU'", "limit": 5
            }),
            "SELECT * FROM SEMANTIC_VIEW(\"DB\".\"S\".\"V\" DIMENSIONS \"C\".\"REGION\" \
             METRICS \"O\".\"TOTAL\") WHERE region = 'EU' LIMIT 5",
        ),
    ] {
        let answer = ask(official(Level::Destructive), call(tool, arguments)).await;
        if expected.is_empty() {
            assert_eq!(answer["result"]["isError"], true, "{answer}");
        } else {
            assert_eq!(statement(&answer), expected, "{tool}");
        }
    }
}

#[tokio::test]
async fn what_may_not_be_is_refused_with_a_reason() {
    let view = |clause: &str| {
        json!({
            "database_name": "db", "schema_name": "s", "view_name": "v",
            "facts": [{ "table": "t", "name": "n" }], "where_clause": clause
        })
    };
    let table = |column: &str| {
        let columns = json!([{ "name": "a", "datatype": column }]);
        let target =
            json!({ "name": "t", "database_name": "db", "schema_name": "s", "columns": columns });
        json!({ "object_type": "table", "target_object": target })
    };
    for (tool, arguments, words) in [
        ("run_snowflake_query", json!({ "statement": "drop table t" }), "refused"),
        ("query_semantic_view", view("1 = 1; drop table t"), "refused"),
        ("query_semantic_view", view("1 = 1 ->> drop table t"), "refused"),
        ("create_object", table("INT) AS SELECT 1 --"), "no such tool"),
        (
            "describe_object",
            json!({ "object_type": "table", "target_object": { "name": "t" } }),
            "needs `",
        ),
    ] {
        let answer = ask(official(Level::Read), call(tool, arguments)).await;
        let said = answer.to_string();
        assert!(said.contains(words) || answer["error"]["code"] == -32602, "{tool}: {said}");
    }
    let answer =
        ask(official(Level::Write), call("create_object", table("INT) AS SELECT 1 --"))).await;
    assert!(text(&answer).contains("is not a type"), "{answer}");
    let only =
        Grant { databases: Allowed::Only(vec!["OTHER".to_owned()]), ..official(Level::Read) };
    let listing = json!({ "object_type": "table", "database_name": "sales" });
    let answer = ask(only.clone(), call("list_objects", listing)).await;
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let all = ask(only.clone(), call("list_objects", json!({ "object_type": "table" }))).await;
    assert_eq!(all["result"]["isError"], true, "{all}");
    let databases = ask(only, call("list_objects", json!({ "object_type": "database" }))).await;
    assert!(!text(&databases).contains("SALES"), "{databases}");
}
