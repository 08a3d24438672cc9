//! The server while nothing is wrong: shapes, sessions, idempotence, long statements, chunks.

use std::time::Duration;

use serde_json::json;

use crate::client::{Client, PATIENCE, arrow_rows, rows};
use crate::server::record::End;
use crate::server::{ChunkPacking, Config, Server};

#[tokio::test]
async fn a_login_gives_tokens_and_the_context_that_was_asked_for() {
    let server = Server::start();
    let client = Client::new(&server);
    let query = "&databaseName=sales&warehouse=big%20one&roleName=reader";
    let answer = client.login("secret", query).await.expect("it answers");
    let info = &answer["data"]["sessionInfo"];
    assert_eq!(info["databaseName"], "SALES");
    assert_eq!(info["schemaName"], "PUBLIC");
    assert_eq!(info["warehouseName"], "BIG ONE");
    assert_eq!(info["roleName"], "READER");
    assert_eq!(answer["data"]["validityInSeconds"], 3600);
    let seen = server.seen();
    assert_eq!((seen.logins.len(), seen.open_sessions), (1, 1));
    assert_eq!(seen.logins[0].data["PASSWORD"], "secret");
}

#[tokio::test]
async fn a_wrong_password_is_refused() {
    let config = Config { password: Some("right".to_owned()), ..Config::default() };
    let server = Server::with(config);
    let answer = Client::new(&server).login("wrong", "").await.expect("it answers");
    assert_eq!((&answer["success"], &answer["code"]), (&json!(false), &json!("390100")));
    assert!(!server.seen().logins[0].granted);
    let answer = Client::new(&server).login("right", "").await.expect("it answers");
    assert_eq!(answer["success"], true);
}

#[tokio::test]
async fn tokens_are_renewed_and_old_ones_are_refused() {
    let server = Server::start();
    let mut client = Client::logged_in(&server).await;
    let old = client.token.clone();
    let body = json!({"oldSessionToken": old, "requestType": "RENEW"});
    let answer = client.post("//session/token-request?requestId=2", &client.master, &body).await;
    assert_eq!(answer["data"]["validityInSecondsST"], 3600, "{answer}");
    assert_eq!(client.query("SELECT 1").await["code"], "390112");
    client.token = answer["data"]["sessionToken"].as_str().unwrap_or_default().to_owned();
    assert_eq!(client.cell("SELECT 1").await.as_deref(), Some("1"));
    let again = client.post("/session/token-request", &client.master, &body).await;
    assert_eq!(again["code"], "390114");
    assert_eq!(server.seen().renewals.len(), 1);
    client.token = "nobody gave this".to_owned();
    assert_eq!(client.query("SELECT 1").await["code"], "390111");
}

#[tokio::test]
async fn tokens_expire_by_the_clock() {
    let server = Server::with(Config { validity: Duration::ZERO, ..Config::default() });
    let client = Client::logged_in(&server).await;
    assert_eq!(client.query("SELECT 1").await["code"], "390112");
}

#[tokio::test]
async fn heartbeats_and_goodbyes_are_counted() {
    let server = Server::start();
    let client = Client::logged_in(&server).await;
    let beat = client.post("/session/heartbeat?requestId=1", &client.token, &json!(null)).await;
    assert_eq!(beat["success"], true);
    let bye = client.post("/session?delete=true&requestId=1", &client.token, &json!(null)).await;
    assert_eq!(bye["success"], true);
    assert_eq!(client.query("SELECT 1").await["code"], "390111");
    let seen = server.seen();
    assert_eq!((seen.heartbeats.len(), seen.closes.len(), seen.open_sessions), (1, 1, 0));
}

#[tokio::test]
async fn a_session_keeps_what_its_client_left() {
    let server = Server::start();
    let (one, other) = (Client::logged_in(&server).await, Client::logged_in(&server).await);
    for sql in [
        "USE ROLE auditor",
        "USE WAREHOUSE big",
        "USE SCHEMA sales.eu;",
        "ALTER SESSION SET TIMEZONE = 'Asia/Tokyo', WEEK_START = 1",
        "SET X = 'left behind'",
        "/* a comment */ CREATE TEMP TABLE leftover (s TEXT)",
        "BEGIN",
    ] {
        assert_eq!(one.query(sql).await["success"], true, "{sql}");
    }
    for (question, here, there) in [
        ("SELECT CURRENT_ROLE()", Some("AUDITOR"), Some("ANALYST")),
        ("SELECT CURRENT_WAREHOUSE()", Some("BIG"), Some("COMPUTE_WH")),
        ("SELECT CURRENT_DATABASE()", Some("SALES"), None),
        ("SELECT CURRENT_SCHEMA()", Some("EU"), None),
        ("SELECT $x", Some("left behind"), None),
        ("SELECT * FROM leftover", Some("kept"), None),
    ] {
        assert_eq!(one.cell(question).await.as_deref(), here, "{question}");
        assert_eq!(other.cell(question).await.as_deref(), there, "{question}");
    }
    let shown = one.query("SHOW PARAMETERS LIKE 'TIMEZONE'").await;
    assert_eq!(rows(&shown)[0][1].as_deref(), Some("Asia/Tokyo"));
    assert!(one.cell("SELECT CURRENT_TRANSACTION()").await.is_some());
    assert!(one.cell("SELECT LAST_QUERY_ID()").await.is_some());
    assert_eq!(other.query("SELECT $x").await["success"], false);
    for sql in ["ROLLBACK", "UNSET x", "DROP TABLE leftover", "ALTER SESSION UNSET TIMEZONE"] {
        assert_eq!(one.query(sql).await["success"], true, "{sql}");
    }
    assert_eq!(one.cell("SELECT CURRENT_TRANSACTION()").await, None);
    assert_eq!(rows(&one.query("SHOW PARAMETERS LIKE 'TIMEZONE'").await).len(), 0);
    assert_eq!(one.query("SELECT * FROM leftover").await["code"], "002003");
}

#[tokio::test]
async fn what_it_does_not_know_is_refused_in_its_shape() {
    let server = Server::start();
    let client = Client::logged_in(&server).await;
    for (sql, code) in [
        ("FROBNICATE", "001003"),
        ("SELECT * FROM nowhere", "002003"),
        ("SELECT nothing", "000904"),
        ("SELECT 1; DROP TABLE t", "000008"),
    ] {
        let answer = client.query(sql).await;
        assert_eq!(answer["code"], code, "{answer}");
        assert_eq!(answer["data"]["errorCode"], code);
        assert!(answer["data"]["queryId"].is_string() && answer["data"]["sqlState"].is_string());
    }
    let ends: Vec<_> = server.seen().executions.iter().map(|run| run.ended).collect();
    assert!(ends.iter().all(|end| end.is_some_and(|(_, how)| how == End::Failed)), "{ends:?}");
}

#[tokio::test]
async fn one_request_id_is_executed_once() {
    let server = Server::start();
    let client = Client::logged_in(&server).await;
    let first = client.send("the-same", "INSERT INTO t VALUES (1)").await.expect("it answers");
    let second = client.send("the-same", "INSERT INTO t VALUES (1)").await.expect("it answers");
    assert_eq!(first, second);
    assert_eq!(first["data"]["rowtype"][0]["name"], "number of rows inserted");
    let seen = server.seen();
    assert_eq!((seen.sent.len(), seen.executions_of("INSERT").len()), (2, 1));
    let other = Client::logged_in(&server).await;
    let third = other.send("the-same", "INSERT INTO t VALUES (1)").await.expect("it answers");
    assert_ne!(first["data"]["queryId"], third["data"]["queryId"], "ids belong to a session");
}

#[tokio::test]
async fn a_long_statement_is_polled() {
    let config = Config { long_after: Duration::from_millis(50), ..Config::default() };
    let server = Server::with(config);
    let client = Client::logged_in(&server).await;
    let mut answer = client.query("SELECT SLEEP 0.2").await;
    assert_eq!((&answer["code"], &answer["success"]), (&json!("333334"), &json!(true)));
    assert_eq!(server.look(|seen| seen.running), 1);
    let mut polls = 0;
    while answer["code"].as_str().is_some_and(|code| code.starts_with("33333")) {
        let path =
            answer["data"]["getResultUrl"].as_str().expect("it says where to ask").to_owned();
        answer = client.get(&path).await;
        polls += 1;
    }
    assert!((2..20).contains(&polls), "{polls}");
    assert_eq!(rows(&answer)[0][0].as_deref(), Some("1"));
    assert_eq!(server.look(|seen| (seen.running, seen.running_max)), (0, 1));
}

#[tokio::test]
async fn an_abort_ends_what_runs_and_nothing_else() {
    let config = Config { long_after: Duration::from_millis(20), ..Config::default() };
    let server = Server::with(config);
    let client = Client::logged_in(&server).await;
    let answer = client.send("long", "SELECT SLEEP 600").await.expect("it answers");
    assert_eq!(answer["code"], "333334");
    let abort = json!({"requestId": "long"});
    let aborted = client.post("/queries/v1/abort-request?requestId=a", &client.token, &abort).await;
    assert_eq!(aborted["success"], true);
    assert!(server.wait(PATIENCE, |seen| seen.running == 0).await);
    let path = answer["data"]["getResultUrl"].as_str().unwrap_or_default().to_owned();
    assert_eq!(client.get(&path).await["code"], "000604");
    let again = client.post("/queries/v1/abort-request", &client.token, &abort).await;
    assert_eq!(again["code"], "000605");
    let found: Vec<bool> = server.seen().aborts.iter().map(|abort| abort.found).collect();
    assert_eq!(found, [true, false]);
}

#[tokio::test]
async fn a_statement_ends_at_its_time_limit() {
    let server = Server::start();
    let client = Client::logged_in(&server).await;
    let body = json!({"sqlText": "SELECT SLEEP 600",
                      "parameters": {"STATEMENT_TIMEOUT_IN_SECONDS": 1, "QUERY_TAG": "tag"}});
    let response = client.request("slow", &body).send().await.expect("it answers");
    let answer: serde_json::Value = response.json().await.expect("it is JSON");
    assert_eq!(answer["code"], "000630");
    assert_eq!(server.seen().sent[0].parameter("QUERY_TAG"), "tag");
}

#[tokio::test]
async fn rows_come_in_order_in_chunks_that_need_their_key() {
    for packing in [ChunkPacking::Plain, ChunkPacking::Declared] {
        let server = Server::with(Config { chunk_packing: packing, ..Config::default() });
        let client = Client::logged_in(&server).await;
        let answer = client.query("SELECT ROWS(10000, 3, 12)").await;
        let mut all = rows(&answer);
        for index in 0..3 {
            let chunk = client.chunk(&answer, index).await.expect("it answers");
            assert_eq!(chunk.status(), 200);
            all.extend(arrow_rows(&chunk.bytes().await.expect("it comes whole")));
        }
        assert_eq!(all.len(), 10_000);
        let text = |n: usize| vec![Some(n.to_string()), Some(format!("{n:<12}").replace(' ', "x"))];
        let wrong = all.iter().enumerate().find(|(n, row)| row[0] != text(*n)[0]);
        assert_eq!(wrong, None);
        let url = answer["data"]["chunks"][0]["url"].as_str().unwrap_or_default();
        let refused = client.http.get(url).send().await.expect("it answers");
        assert_eq!(refused.status(), 403);
        assert!(refused.text().await.expect("it is text").contains("AccessDenied"));
    }
}

#[tokio::test]
async fn rows_come_as_json_too_and_big_chunks_in_a_stream() {
    let server = Server::start();
    let client = Client::logged_in(&server).await;
    let answer = client.query("SELECT JSONROWS 10 CHUNKS 1").await;
    assert_eq!(rows(&answer).len(), 5);
    let chunk = client.chunk(&answer, 0).await.expect("it answers");
    let text = chunk.text().await.expect("it comes whole");
    let rest: Vec<(String, String)> = serde_json::from_str(&format!("[{text}]")).expect("rows");
    assert_eq!(rest[0], ("5".to_owned(), "5 xxxxxxxx".to_owned()));
    let answer = client.query("SELECT ROWS 200000 CHUNKS 1 WIDTH 50").await;
    let chunk = client.chunk(&answer, 0).await.expect("it answers");
    assert_eq!(chunk.content_length(), None, "it is streamed");
    assert_eq!(arrow_rows(&chunk.bytes().await.expect("it comes whole")).len(), 199_000);
}

#[tokio::test]
async fn many_statements_take_their_time_side_by_side() {
    let latency = Duration::from_millis(100);
    let server = Server::with(Config { latency, ..Config::default() });
    let client = Client::logged_in(&server).await;
    let began = server.now();
    let all = (0..64).map(|_| client.query("SELECT 1"));
    futures::future::join_all(all).await;
    let took = server.now().since(began);
    assert!((latency..latency * 20).contains(&took), "{took:?}");
    assert!(server.look(|seen| seen.running_max) > 32);
}

#[tokio::test]
async fn files_are_asked_for_with_a_command() {
    let server = Server::start();
    let client = Client::logged_in(&server).await;
    let put = client.query("PUT file:///etc/hostname @stage").await;
    assert_eq!(put["data"]["command"], "UPLOAD");
    assert_eq!(put["data"]["src_locations"][0], "/etc/hostname");
    let get = client.query("GET @stage/file file:///tmp/").await;
    assert_eq!(get["data"]["command"], "DOWNLOAD");
}
