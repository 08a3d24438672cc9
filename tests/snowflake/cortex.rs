//! Cortex the whole way: an MCP client at the door, a configured service, the account's REST
//! interface behind it, and what becomes of everything that goes wrong there.

use std::net::SocketAddr;
use std::time::Duration;

use mcp_protocol::access::{Allowed, Grant};
use mcp_protocol::offered::{
    CortexKind, CortexService, Need, Offered, Parameter, ParameterKind, Routine, RoutineKind,
    StatementPlace,
};
use mcp_protocol::settings::Settings;
use mcp_worker::bus::Bus;
use mcp_worker::http::{Door, Serving};
use serde_json::{Value, json};
use tokio::sync::watch;

use crate::door::door;
use crate::house::{ENDED_WITHIN, House, PATIENCE};
use crate::server::Config;
use crate::server::faults::{Endpoint, Fault};

/// A door that offers services, and the account behind it.
struct Open {
    house: House,
    address: SocketAddr,
    _door: Door,
    _serving: watch::Sender<Serving>,
}

fn service(name: &str, kind: CortexKind, identifier: &str) -> CortexService {
    CortexService {
        name: name.to_owned(),
        kind,
        description: format!("What {name} is for."),
        identifier: Some(identifier.to_owned()),
        columns: Vec::new(),
        results_max: None,
        place: StatementPlace {
            role: Some("reader".to_owned()),
            warehouse: Some("small_wh".to_owned()),
            ..StatementPlace::default()
        },
        clients: Allowed::Any,
        routine: None,
    }
}

fn services() -> Vec<CortexService> {
    vec![
        service("docs", CortexKind::Search, "db.s.docs"),
        service("missing", CortexKind::Search, "db.s.missing"),
        service("forbidden", CortexKind::Search, "db.s.forbidden"),
        service("busy", CortexKind::Search, "db.s.busy"),
        service("sales", CortexKind::Analyst, "db.s.sales_view"),
        service("helpful", CortexKind::Agent, "db.s.assistant"),
    ]
}

async fn open_with(cortex: Vec<CortexService>, toolsets: &[&str], timeout: Duration) -> Open {
    let house = House::warm(Config::default(), 2).await;
    let offered = Offered { cortex, ..Offered::default() };
    let mut settings = Settings { offered, ..Settings::default() };
    settings.limits.timeout = timeout;
    let toolsets = toolsets.iter().map(|name| (*name).to_owned()).collect();
    settings.access.anonymous = Some(Grant { toolsets, ..Grant::default() });
    let (door, address, serving) = door(&house.pool, house.clock, &settings, Bus::alone());
    Open { house, address, _door: door, _serving: serving }
}

async fn open() -> Open {
    open_with(services(), &["core", "managed", "official"], PATIENCE).await
}

impl Open {
    async fn ask(&self, method: &str, params: Value) -> reqwest::Result<Value> {
        let message = json!({ "jsonrpc": "2.0", "id": 7, "method": method, "params": params });
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build();
        let request =
            client.expect("a client is made").post(format!("http://{}/mcp", self.address));
        let request = request.header("Accept", "application/json, text/event-stream");
        let text = request.json(&message).send().await?.text().await?;
        // An answer that took its time comes as an event.
        let event = text.lines().rev().find_map(|line| line.strip_prefix("data: "));
        Ok(serde_json::from_str(event.unwrap_or(&text)).expect("an answer is JSON"))
    }

    async fn call(&self, tool: &str, arguments: Value) -> Value {
        let params = json!({ "name": tool, "arguments": arguments });
        self.ask("tools/call", params).await.expect("an answer")["result"].clone()
    }

    /// What a call that fails is told.
    async fn refused(&self, tool: &str, arguments: Value) -> String {
        let result = self.call(tool, arguments).await;
        assert_eq!(result["isError"], true, "{result}");
        text(&result).to_owned()
    }

    /// The account's statements go on as before, in the same session.
    async fn assert_sql_goes_on(&self) {
        let answer = self.call("execute_query", json!({ "query": "SELECT 1" })).await;
        assert_eq!(answer["structuredContent"]["row_count"], 1, "{answer}");
    }
}

fn text(result: &Value) -> &str {
    result["content"][0]["text"].as_str().unwrap_or_else(|| panic!("{result}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_search_goes_out_with_the_sessions_token_role_and_warehouse() {
    let open = open().await;
    let arguments = json!({ "query": "moon", "limit": 2, "columns": ["TEXT"],
                            "filter": { "@eq": { "LANGUAGE": "en" } } });
    let result = open.call("docs", arguments).await;
    let found = &result["structuredContent"];
    assert_eq!(found["results"].as_array().map(Vec::len), Some(2), "{result}");
    assert_eq!(
        (&found["results"][1]["TEXT"], &found["request_id"]),
        (&json!("moon"), &json!("r-2"))
    );
    let seen = open.house.seen();
    let [asked] = &seen.asked[..] else { panic!("{:?}", seen.asked) };
    assert_eq!(asked.path, "/api/v2/databases/DB/schemas/S/cortex-search-services/DOCS:query");
    let body = json!({ "query": "moon", "limit": 2, "columns": ["TEXT"],
                       "filter": { "@eq": { "LANGUAGE": "en" } } });
    assert_eq!(asked.body, body);
    assert_eq!(asked.role.as_deref(), Some("READER"));
    assert_eq!(asked.warehouse.as_deref(), Some("SMALL_WH"));
    assert_eq!(open.house.logins(), 1, "the pool's own session was used");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_former_names_ask_the_configured_services_and_no_others() {
    let open = open().await;
    let listed = open.ask("tools/list", json!({})).await.expect("a list");
    let tools = listed["result"]["tools"].as_array().expect("tools").clone();
    let tool = |name: &str| tools.iter().find(|tool| tool["name"] == name).cloned();
    for name in ["cortex_search", "cortex_analyst", "cortex_agent"] {
        assert!(tool(name).is_some(), "{name} of {tools:?}");
    }
    let about = tool("cortex_search").expect("it is there")["description"].to_string();
    assert!(about.contains("service_name DOCS, database_name DB, schema_name S"), "{about}");
    let place = json!({ "service_name": "docs", "database_name": "DB", "schema_name": "S",
                        "query": "sun", "columns": [], "filter_query": {}, "limit": 1 });
    let found = open.call("cortex_search", place).await;
    assert_eq!(found["structuredContent"]["results"][0]["TEXT"], "sun", "{found}");
    let asked = open.house.seen().asked.pop().expect("it was asked");
    assert_eq!(asked.body, json!({ "query": "sun", "limit": 1 }));
    for other in [
        json!({ "service_name": "payroll", "query": "q" }),
        json!({ "service_name": "docs", "database_name": "other", "query": "q" }),
        json!({ "service_name": "../x", "query": "q" }),
    ] {
        let words = open.refused("cortex_search", other).await;
        assert!(words.contains("not open to this client; these are: db.s.docs"), "{words}");
    }
    assert_eq!(open.house.seen().asked.len(), 1, "nothing else was asked");
    let agent = json!({ "service_name": "ASSISTANT", "database_name": "db", "schema_name": "s",
                        "query": "hello" });
    let said = open.call("cortex_agent", agent).await;
    assert_eq!(said["structuredContent"]["results"], "You said: hello", "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_that_an_analyst_writes_pass_the_gate_before_they_run() {
    let open = open().await;
    let plain = open.call("sales", json!({ "message": "sql: SELECT ROWS(2)" })).await;
    assert!(text(&plain).contains("```sql\nSELECT ROWS(2)"), "{plain}");
    let body = open.house.seen().asked.pop().expect("it was asked").body;
    assert_eq!(
        (&body["semantic_view"], &body["stream"]),
        (&json!("DB.S.SALES_VIEW"), &json!(false))
    );
    assert!(open.house.seen().sent_of("SELECT ROWS(2)").is_empty(), "it is only shown");
    let asked = |question: &str| json!({ "service_name": "sales", "semantic_model": "DB.S.SALES_VIEW", "query": question });
    let ran = open.call("cortex_analyst", asked("sql: SELECT ROWS(2)")).await;
    let found = &ran["structuredContent"];
    assert_eq!(found["sql"], "SELECT ROWS(2)", "{ran}");
    assert_eq!(found["results"].as_array().map(Vec::len), Some(2), "{ran}");
    assert!(found["results"][0].is_object() && found["text"].is_string(), "{ran}");
    let refused = open.call("cortex_analyst", asked("sql: DROP TABLE orders")).await;
    let why = refused["structuredContent"]["error"].as_str().expect("a reason");
    assert!(why.contains("DROP"), "{refused}");
    assert!(open.house.seen().sent_of("DROP").is_empty(), "the gate lets none pass");
    let vague = open.call("cortex_analyst", asked("how many?")).await;
    assert!(text(&vague).contains("How many orders are there?"), "{vague}");
    let other = json!({ "service_name": "sales", "semantic_model": "db.s.payroll", "query": "q" });
    let words = open.refused("cortex_analyst", other).await;
    assert!(words.contains("these are: db.s.sales_view"), "{words}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_streams_is_read_to_its_end_or_told_why_there_is_none() {
    let open = open().await;
    let said = open.call("helpful", json!({ "text": "good morning" })).await;
    assert_eq!(text(&said), "You said: good morning");
    assert_eq!(said["structuredContent"]["role"], "assistant", "{said}");
    let asked = open.house.seen().asked.pop().expect("it was asked");
    assert_eq!(asked.path, "/api/v2/databases/DB/schemas/S/agents/ASSISTANT:run");
    assert_eq!(
        (&asked.body["stream"], asked.accept.as_str()),
        (&json!(true), "application/json, text/event-stream")
    );
    let failed = open.refused("helpful", json!({ "text": "fail" })).await;
    assert!(failed.contains("399504: a tool failed"), "{failed}");
    let vanished = open.refused("helpful", json!({ "text": "vanish" })).await;
    assert!(vanished.contains("end before the answer"), "{vanished}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_expired_is_renewed_once_and_the_question_asked_again() {
    let open = open().await;
    open.house.server.expire_tokens(false);
    let found = open.call("docs", json!({ "query": "moon", "limit": 1 })).await;
    assert_eq!(found["structuredContent"]["results"][0]["TEXT"], "moon", "{found}");
    assert_eq!((open.house.logins(), open.house.seen().renewals.len()), (1, 1));
    open.house.server.forget_sessions();
    let found = open.call("docs", json!({ "query": "sun", "limit": 1 })).await;
    assert_eq!(found["structuredContent"]["results"][0]["TEXT"], "sun", "{found}");
    assert_eq!(open.house.logins(), 2);
    let asked = open.house.seen().asked.pop().expect("it was asked");
    assert_eq!(asked.role.as_deref(), Some("READER"), "the new session stands there too");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_service_refuses_comes_with_a_remedy_and_statements_go_on() {
    let open = open().await;
    for (tool, words) in [
        ("missing", ["answered 404: 390404: it does not exist", "configured identifier and role"]),
        ("forbidden", ["answered 403: 390403: insufficient", "USAGE on the service"]),
        ("busy", ["answered 429: 390429: too many requests", "ask again in 30 s"]),
    ] {
        let told = open.refused(tool, json!({ "query": "q" })).await;
        assert!(words.iter().all(|words| told.contains(words)), "{tool}: {told}");
        open.assert_sql_goes_on().await;
    }
    let server = &open.house.server;
    let busy = |status| Fault::Status { status, retry_after: Some(7) };
    for (fault, words) in [
        (busy(503), "ask again in 7 s"),
        (busy(500), "ask again in 7 s"),
        (Fault::Garbage, "the answer is no JSON"),
        (Fault::Empty, "the answer is no JSON"),
        (Fault::Truncated, "no answer from"),
        (Fault::ResetAfter, "no answer from"),
    ] {
        server.fail(Endpoint::Rest, 1, fault.clone());
        let told = open.refused("docs", json!({ "query": "q" })).await;
        assert!(told.contains(words), "{fault:?}: {told}");
        open.assert_sql_goes_on().await;
    }
    assert_eq!(open.house.logins(), 1, "no session was given up");
    open.house.assert_no_leaks().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_that_is_slow_has_a_time_limit_and_one_that_drips_is_waited_for() {
    let limit = Duration::from_millis(700);
    let open = open_with(services(), &["managed", "core"], limit).await;
    let drip = Fault::Drip { bytes: 64, every: Duration::from_millis(5) };
    open.house.server.fail(Endpoint::Rest, 1, drip);
    let found = open.call("docs", json!({ "query": "moon", "limit": 3 })).await;
    assert_eq!(found["structuredContent"]["results"].as_array().map(Vec::len), Some(3), "{found}");
    open.house.server.fail(Endpoint::Rest, 1, Fault::Hang);
    let told = open.refused("docs", json!({ "query": "q" })).await;
    assert!(told.contains("700ms") && told.contains("limits.statement_timeout"), "{told}");
    assert!(open.house.server.wait(PATIENCE, |seen| seen.hung_up == 1).await, "it is let go");
    open.assert_sql_goes_on().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_hangs_up_ends_the_question_at_the_account_too() {
    let open = open().await;
    open.house.server.fail(Endpoint::Rest, 1, Fault::Hang);
    let params = json!({ "name": "helpful", "arguments": { "text": "long" } });
    tokio::select! {
        _ = open.ask("tools/call", params) => panic!("it is never answered"),
        arrived = open.house.server.wait(PATIENCE, |seen| seen.requests_to(Endpoint::Rest) == 1) => {
            assert!(arrived, "the question arrives");
        }
    }
    assert!(open.house.server.wait(ENDED_WITHIN, |seen| seen.hung_up == 1).await, "it is let go");
    open.house.assert_no_leaks().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_cut_where_it_is_longer_than_a_client_is_shown() {
    let open = open().await;
    let found = open.call("docs", json!({ "query": "LONG 900", "limit": 1000 })).await;
    let kept = found["structuredContent"]["results"].as_array().expect("results").len();
    assert!((40..60).contains(&kept), "{kept}");
    assert_eq!(found["structuredContent"]["truncated"], true);
    assert!(found["structuredContent"].to_string().len() <= 50_100);
    assert!(text(&found).contains("ask for fewer results"));
    let told = open.refused("docs", json!({ "query": "LONG 20000", "limit": 1000 })).await;
    assert!(told.contains("longer than 8388608 bytes"), "{told}");
    open.assert_sql_goes_on().await;
}

fn routine(name: &str, kind: RoutineKind) -> CortexService {
    let parameter = |name: &str, kind, need| Parameter {
        name: name.to_owned(),
        kind,
        description: None,
        need,
        allowed: Vec::new(),
    };
    let parameters = vec![
        parameter("amount", ParameterKind::Number, Need::Required),
        parameter("note", ParameterKind::String, Need::Optional),
    ];
    let routine = Routine { kind, parameters, order: Vec::new() };
    let service = service(name, CortexKind::Generic, "db.s.\"to tax\"");
    CortexService { routine: Some(routine), ..service }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_routine_is_called_with_its_values_beside_it_where_it_was_configured() {
    let routines =
        vec![routine("to_tax", RoutineKind::Function), routine("book", RoutineKind::Procedure)];
    let open = open_with(routines, &["managed"], PATIENCE).await;
    let listed = open.ask("tools/list", json!({})).await.expect("a list");
    let tools = listed["result"]["tools"].as_array().expect("tools").clone();
    assert_eq!(tools.len(), 1, "who may only read sees no procedure: {tools:?}");
    assert_eq!(tools[0]["inputSchema"]["required"], json!(["amount"]));
    let note = "x'); DROP TABLE t; --";
    open.call("to_tax", json!({ "amount": 10.5, "note": note })).await;
    open.call("to_tax", json!({ "amount": 1 })).await;
    let seen = open.house.seen();
    let called = r#"SELECT "DB"."S"."to tax"("#;
    let sent = seen.sent_of(called);
    assert_eq!(sent[0].sql, format!(r#"{called}amount => ?, note => ?) AS "to tax""#));
    assert_eq!(sent[0].body["bindings"]["2"], json!({ "type": "TEXT", "value": note }));
    assert_eq!(sent[1].sql, format!(r#"{called}amount => ?) AS "to tax""#));
    let used = seen.sent.iter().any(|sent| sent.sql.contains("SMALL_WH"));
    assert!(used, "it runs in the warehouse that was configured");
    let wrong = open.refused("to_tax", json!({ "amount": "much" })).await;
    assert!(wrong.contains("`amount` must be a number"), "{wrong}");
    let hidden = open.ask("tools/call", json!({ "name": "book", "arguments": { "amount": 1 } }));
    assert_eq!(hidden.await.expect("an answer")["error"]["code"], -32602);
    assert!(open.house.seen().sent_of("CALL").is_empty());
}
