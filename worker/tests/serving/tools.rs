//! The tools at the door: who may say what, values beside a statement, long answers page by page,
//! errors that help, and how much all of it costs a reader.

use mcp_protocol::access::{Allowed, Grant, Level, Quota};
use mcp_protocol::settings::Settings;
use serde_json::{Value, json};

use crate::support::{Client, House, call, house, mcp_head};

fn only(names: &[&str]) -> Allowed {
    Allowed::Only(names.iter().map(|name| (*name).to_owned()).collect())
}

async fn house_for(grant: Grant) -> House {
    let mut settings = Settings::default();
    settings.access.anonymous = Some(grant);
    house(&settings).await
}

async fn ask(house: &House, message: &Value) -> Value {
    let mut client = Client::connect(house.address).await.expect("connects");
    client.mcp(message).await.expect("an answer").json()
}

async fn result(house: &House, tool: &str, arguments: Value) -> Value {
    let answer = ask(house, &call(tool, arguments)).await;
    assert!(answer["result"].is_object(), "{answer}");
    answer["result"].clone()
}

fn text_of(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result}"))
}

async fn refused(house: &House, tool: &str, arguments: Value) -> String {
    let result = result(house, tool, arguments).await;
    assert_eq!(result["isError"], true, "{result}");
    text_of(&result).to_owned()
}

#[tokio::test]
async fn the_list_that_everybody_gets_is_short() {
    let house = house(&Settings::default()).await;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let answer = ask(&house, &list).await;
    let tools = answer["result"]["tools"].as_array().expect("tools");
    assert!(tools.len() <= 10, "{} tools", tools.len());
    // Four characters of JSON are about one token.
    let tokens = answer["result"]["tools"].to_string().len() / 4;
    assert!(tokens <= 3000, "about {tokens} tokens");
}

#[tokio::test]
async fn a_toolset_that_was_not_granted_is_neither_listed_nor_called() {
    let house = house(&Settings::default()).await;
    let answer = ask(&house, &call("query_history", json!({}))).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let toolsets = vec!["core".to_owned(), "catalog".to_owned(), "operations".to_owned()];
    let house = house_for(Grant { toolsets, ..Grant::default() }).await;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let tools = ask(&house, &list).await["result"]["tools"].to_string();
    for name in ["list_schemas", "list_tables", "sample_rows", "query_history", "cancel_query"] {
        assert!(tools.contains(name), "{name}");
    }
}

#[tokio::test]
async fn a_call_stands_where_it_says_if_its_client_may_say_so() {
    let grant = Grant {
        roles: only(&["ANALYST"]),
        warehouses: only(&["BIG_WH", "small wh"]),
        databases: only(&["SALES"]),
        ..Grant::default()
    };
    let house = house_for(grant).await;
    let arguments = json!({
        "query": "select context", "role": "analyst", "warehouse": "\"small wh\"",
        "database": "sales", "schema": "public", "reason": "the report of May"
    });
    let found = result(&house, "execute_query", arguments).await;
    let row = &found["structuredContent"]["rows"][0];
    let place = "(Some(\"ANALYST\"), Some(\"small wh\"), Some(\"SALES\"), Some(\"PUBLIC\"))";
    assert_eq!(row[0], place);
    assert!(row[1].as_str().is_some_and(|who| who.contains("the report of May")), "{row}");
    for (name, value, words) in [
        (
            "role",
            "accountadmin",
            "role ACCOUNTADMIN is not open to this client; these are: ANALYST",
        ),
        ("role", "\"analyst\"", "role analyst is not open"),
        ("warehouse", "huge", "these are: BIG_WH, small wh"),
        ("database", "secret", "these are: SALES"),
        ("connection", "finance", "use one of: default"),
        ("role", "a; drop table b", "double quotes"),
    ] {
        let words_found =
            refused(&house, "execute_query", json!({ "query": "select 1", name: value })).await;
        assert!(words_found.contains(words), "{words_found}");
    }
    let elsewhere = json!({ "query": "select * from secret.public.t" });
    let words = refused(&house, "execute_query", elsewhere).await;
    assert!(words.contains("refused") && words.contains("SECRET"), "{words}");
    for (tool, arguments) in [
        ("list_views", json!({ "database": "secret" })),
        ("query_view", json!({ "database": "sales", "view_name": "secret.public.v" })),
        ("describe_view", json!({ "database": "secret", "view_name": "v" })),
        ("describe_object", json!({ "name": "secret.public.v" })),
        ("describe_object", json!({ "name": "secret", "kind": "database" })),
        ("search_objects", json!({ "database": "secret" })),
        ("explain_query", json!({ "query": "select 1", "database": "secret" })),
    ] {
        let words = refused(&house, tool, arguments).await;
        assert!(words.contains("database SECRET is not open"), "{tool}: {words}");
    }
}

#[tokio::test]
async fn values_go_beside_the_statement() {
    let house = house(&Settings::default()).await;
    let arguments = json!({
        "query": "select context(:a, :b)", "parameters": { "a": "x'); drop", "b": 7 }
    });
    let found = result(&house, "execute_query", arguments).await;
    let row = &found["structuredContent"]["rows"][0][1];
    assert_eq!(row, "(None, None, [Text(\"x'); drop\"), Fixed(\"7\")])");
    assert!(text_of(&found).contains("select context(:a, :b)"), "the statement as it was sent");
    let words =
        refused(&house, "execute_query", json!({ "query": "select ?", "parameters": [1, 2] }))
            .await;
    assert!(words.contains("has 1 `?`"), "{words}");
    let words = refused(&house, "execute_query", json!({ "query": "select ?" })).await;
    assert!(words.contains("refused"), "{words}");
}

#[tokio::test]
async fn a_long_answer_is_read_page_by_page() {
    let house = house(&Settings::default()).await;
    let arguments = |cursor: Option<&Value>| {
        let mut arguments = json!({ "query": "select rows 5", "limit": 2 });
        if let Some(cursor) = cursor {
            arguments["cursor"] = cursor.clone();
        }
        arguments
    };
    let mut seen = Vec::new();
    let mut cursor = None;
    for page in 0..3 {
        let found = result(&house, "execute_query", arguments(cursor.as_ref())).await;
        let structured = &found["structuredContent"];
        assert_eq!(structured["query_id"], "01b2-fake");
        if page == 0 {
            assert_eq!(structured["total_rows"], 5);
            assert!(text_of(&found).contains("There are 5 rows altogether"), "{found}");
        }
        assert_eq!(structured["truncated"], page < 2, "page {page}");
        for row in structured["rows"].as_array().expect("rows") {
            seen.push(row[0].as_i64().expect("a number"));
        }
        cursor = Some(structured["next_cursor"].clone());
        assert_eq!(structured["next_cursor"].is_null(), page == 2, "page {page}");
    }
    assert_eq!(seen, [0, 1, 2, 3, 4]);
}

#[tokio::test]
async fn a_cursor_leads_nowhere_else() {
    let house = house(&Settings::default()).await;
    let first =
        result(&house, "execute_query", json!({ "query": "select rows 5", "limit": 2 })).await;
    let cursor = first["structuredContent"]["next_cursor"].as_str().expect("a cursor").to_owned();
    let arguments = json!({ "query": "select rows 6", "limit": 2, "cursor": cursor });
    let words = refused(&house, "execute_query", arguments).await;
    assert!(words.contains("belongs to another query"), "{words}");
    let moved = json!({ "query": "select rows 5", "cursor": cursor, "database": "sales" });
    let words = refused(&house, "execute_query", moved).await;
    assert!(words.contains("belongs to another query"), "{words}");
    let arguments = json!({ "query": "select rows 5", "cursor": format!("A{cursor}") });
    let words = refused(&house, "execute_query", arguments).await;
    assert!(words.contains("without `cursor`"), "{words}");
}

#[tokio::test]
async fn no_answer_has_more_rows_than_the_configuration_says() {
    let mut settings = Settings::default();
    settings.limits.rows_max = 4;
    let house = house(&settings).await;
    let arguments = json!({ "query": "select rows 9", "limit": 3 });
    let first = result(&house, "execute_query", arguments.clone()).await;
    let cursor = &first["structuredContent"]["next_cursor"];
    assert!(cursor.is_string(), "{first}");
    let mut next = arguments;
    next["cursor"] = cursor.clone();
    let last = result(&house, "execute_query", next).await;
    let structured = &last["structuredContent"];
    assert_eq!((&structured["rows"][0][0], &structured["row_count"]), (&json!(3), &json!(1)));
    assert_eq!(
        (&structured["truncated"], &structured["next_cursor"]),
        (&json!(true), &json!(null))
    );
    assert!(text_of(&last).contains("at most 4 of one answer"), "{last}");
}

#[tokio::test]
async fn an_answer_stays_within_so_many_characters_and_goes_on_where_it_was_cut() {
    let mut settings = Settings::default();
    settings.limits.characters_max = 2500;
    let house = house(&settings).await;
    let arguments = json!({ "query": "select wide" });
    let found = result(&house, "execute_query", arguments).await;
    let structured = &found["structuredContent"];
    assert_eq!((&structured["row_count"], &structured["truncated"]), (&json!(2), &json!(true)));
    assert!(structured["next_cursor"].is_string(), "{structured}");
    assert!(text_of(&found).contains("Cut after 2 of 5 rows"), "{found}");
}

#[tokio::test]
async fn what_was_cut_is_offered_as_a_resource_to_those_who_know_links() {
    let house = house(&Settings::default()).await;
    let message = call("execute_query", json!({ "query": "select rows 5", "limit": 2 }));
    for (version, is_offered) in [
        ("", false),
        ("\r\nMCP-Protocol-Version: 2025-03-26", false),
        ("\r\nMCP-Protocol-Version: 2025-06-18", true),
        ("\r\nMCP-Protocol-Version: 2025-11-25", true),
    ] {
        let mut client = Client::connect(house.address).await.expect("connects");
        client.send(&mcp_head(version), &message.to_string()).await.expect("sends");
        let answer = client.answer().await.expect("an answer").json();
        let link = &answer["result"]["content"][1];
        assert_eq!(link["type"] == "resource_link", is_offered, "{version}: {answer}");
        if is_offered {
            assert!(
                link["uri"].as_str().is_some_and(|uri| uri.starts_with("snowflake-result:///"))
            );
        }
    }
}

#[tokio::test]
async fn nobody_waits_longer_than_allowed() {
    let quota =
        Quota { statement_timeout: Some(std::time::Duration::from_secs(5)), ..Quota::default() };
    let house = house_for(Grant { quota, ..Grant::default() }).await;
    let arguments = json!({ "query": "select 1", "timeout": 5 });
    assert_ne!(result(&house, "execute_query", arguments).await["isError"], true);
    for seconds in [0, 6] {
        let arguments = json!({ "query": "select 1", "timeout": seconds });
        let words = refused(&house, "execute_query", arguments).await;
        assert!(words.contains("at most 5 s"), "{words}");
    }
}

#[tokio::test]
async fn errors_say_what_to_do_next() {
    let grant = Grant { warehouses: only(&["BIG_WH"]), ..Grant::default() };
    let house = house_for(grant).await;
    for (query, words) in [
        ("select ordres", "Did you mean PUBLIC.ORDERS"),
        ("select secret", "GRANT SELECT ON TABLE SECRETS TO ROLE ANALYST"),
        ("select suspended", "another `warehouse`: BIG_WH"),
    ] {
        let found = refused(&house, "execute_query", json!({ "query": query })).await;
        assert!(found.contains(words), "{found}");
    }
}

#[tokio::test]
async fn a_statement_that_would_scan_too_much_is_not_run() {
    let quota = Quota { bytes_scanned_max: Some(1 << 30), ..Quota::default() };
    let house = house_for(Grant { quota, ..Grant::default() }).await;
    let begun = || house.counts.begun.load(std::sync::atomic::Ordering::SeqCst);
    let words = refused(&house, "execute_query", json!({ "query": "select 1" })).await;
    assert!(words.contains("about 5.0 GiB") && words.contains("1.0 GiB"), "{words}");
    assert_eq!(begun(), 1, "only its plan was asked for");
    let found = result(&house, "execute_query", json!({ "query": "show databases" })).await;
    assert_ne!(found["isError"], true, "{found}");
    let plan = result(&house, "explain_query", json!({ "query": "select 1" })).await;
    assert_eq!(plan["structuredContent"]["bytes"], 5_368_709_120_u64);
    assert!(text_of(&plan).contains("40 of 100 partitions"), "{plan}");
    assert!(text_of(&plan).contains("TableScan SALES.PUBLIC.ORDERS"), "{plan}");
}

#[tokio::test]
async fn a_tool_goes_as_far_as_its_caller_and_says_so() {
    for (level, reads, destroys) in [
        (Level::Read, true, false),
        (Level::Write, false, false),
        (Level::Destructive, false, true),
    ] {
        let house = house_for(Grant { level, ..Grant::default() }).await;
        let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
        let answer = ask(&house, &list).await;
        let tools = answer["result"]["tools"].as_array().expect("tools");
        let hints = |name: &str| {
            let tool = tools.iter().find(|tool| tool["name"] == name).expect("the tool");
            let hints = &tool["annotations"];
            (hints["readOnlyHint"].clone(), hints["destructiveHint"].clone())
        };
        assert_eq!(hints("execute_query"), (json!(reads), json!(destroys)), "{level:?}");
        assert_eq!(hints("describe_object"), (json!(true), json!(false)));
        let insert = json!({ "query": "insert into t values (1)" });
        let found = result(&house, "execute_query", insert).await;
        assert_eq!(found["isError"] == true, level == Level::Read, "{found}");
        let drop = result(&house, "execute_query", json!({ "query": "drop table t" })).await;
        assert_eq!(drop["isError"] == true, level != Level::Destructive, "{drop}");
    }
}

#[tokio::test]
async fn objects_are_found_but_not_those_of_other_databases() {
    let house = house_for(Grant { databases: only(&["SALES"]), ..Grant::default() }).await;
    let arguments = json!({ "pattern": "it's", "kinds": ["tables"] });
    let found = result(&house, "search_objects", arguments).await;
    let objects = &found["structuredContent"]["objects"];
    assert_eq!(objects.as_array().map(Vec::len), Some(1), "{objects}");
    assert_eq!(
        (&objects[0]["name"], &objects[0]["rows"]),
        (&json!("SALES.PUBLIC.ORDERS"), &json!(7))
    );
    assert_eq!(objects[0]["comment"], "SHOW TABLES LIKE '%it''s%' IN ACCOUNT");
    let names = json!({ "kinds": ["table"], "detail": "names" });
    let found = result(&house, "search_objects", names).await;
    assert_eq!(text_of(&found), "1 found:\n- table SALES.PUBLIC.ORDERS");
    let words = refused(&house, "search_objects", json!({ "kinds": ["secrets"] })).await;
    assert!(words.contains("use one of: table, view"), "{words}");
}

#[tokio::test]
async fn a_client_ends_only_what_it_began() {
    let grant = Grant {
        toolsets: vec!["operations".to_owned()],
        warehouses: only(&["COMPUTE_WH"]),
        ..Grant::default()
    };
    let house = house_for(grant).await;
    let ended = result(&house, "cancel_query", json!({ "query_id": "running-id" })).await;
    assert_eq!(ended["structuredContent"]["was_running"], true, "{ended}");
    assert!(text_of(&ended).contains("[Text(\"running-id\")]"), "{ended}");
    for tool in ["cancel_query", "query_status"] {
        let words = refused(&house, tool, json!({ "query_id": "somebody's" })).await;
        assert!(words.contains("no query somebody's that this client began"), "{words}");
    }
    let warehouses = result(&house, "list_warehouses", json!({})).await;
    let text = text_of(&warehouses);
    assert!(text.contains("COMPUTE_WH") && !text.contains("HUGE_WH"), "{text}");
}

#[tokio::test]
async fn a_long_answer_can_be_read_as_a_resource_part_by_part() {
    let mut settings = Settings::default();
    settings.limits.rows_max = 5;
    settings.limits.characters_max = 100;
    let house = house(&settings).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    let message = call("execute_query", json!({ "query": "select rows 5", "limit": 2 }));
    let head = mcp_head("\r\nMCP-Protocol-Version: 2025-11-25");
    client.send(&head, &message.to_string()).await.expect("sends");
    let answer = client.answer().await.expect("an answer").json();
    let link = answer["result"]["content"][1]["uri"].as_str().expect("a link").to_owned();
    let read = |uri: String| json!({ "jsonrpc": "2.0", "id": 8, "method": "resources/read", "params": { "uri": uri } });
    let mut lines = String::new();
    let mut uri = format!("{link}.jsonl");
    for _ in 0..5 {
        let part = ask(&house, &read(uri.clone())).await;
        let contents = &part["result"]["contents"][0];
        assert_eq!(contents["mimeType"], "application/jsonl", "{part}");
        lines.push_str(contents["text"].as_str().expect("text"));
        match part["result"]["_meta"]["nextUri"].as_str() {
            Some(next) => uri = next.to_owned(),
            None => break,
        }
    }
    let expected: Vec<String> = (0..5).map(|n| format!("{{\"N\":{n},\"S\":\"x\"}}\n")).collect();
    assert_eq!(lines, expected.concat());
    let csv = ask(&house, &read(link.clone())).await;
    let text = csv["result"]["contents"][0]["text"].as_str().expect("text");
    assert!(text.starts_with("N,S\r\n0,x\r\n"), "{text}");
    let wrong = ask(&house, &read(format!("{link}A"))).await;
    assert!(wrong["error"]["message"].is_string(), "{wrong}");
}
