//! Each fault of the server, seen by a plain client.

use std::time::Duration;

use serde_json::json;

use crate::client::{Client, PATIENCE, rows};
use crate::server::Server;
use crate::server::faults::{Endpoint, Fault};
use crate::server::strange::Strange;

/// One statement with this fault: what the client got, and how often the statement ran.
async fn tried(fault: Fault, sql: &str) -> (Result<String, reqwest::Error>, usize) {
    let server = Server::start();
    let client = Client::logged_in(&server).await;
    server.fail(Endpoint::Query, 1, fault);
    let body = json!({"sqlText": sql});
    let request = client.request("once", &body).timeout(Duration::from_millis(500));
    let got = match request.send().await {
        Ok(response) => response.text().await,
        Err(error) => Err(error),
    };
    let next = client.cell("SELECT 1").await;
    assert_eq!(next.as_deref(), Some("1"), "one fault is one fault");
    let executions = server.look(|seen| seen.executions_of("INSERT").len());
    (got, executions)
}

#[tokio::test]
async fn faults_before_a_statement_do_not_run_it() {
    let refused = Fault::Refused { code: "390422", message: "no" };
    let bare = Fault::RefusedBare { code: "390144", message: "no" };
    for (fault, words) in [
        (refused, "\"errorCode\":\"390422\""),
        (bare, "\"data\":null"),
        (Fault::Nothing, "\"data\":null"),
        (Fault::Status { status: 503, retry_after: None }, "<html>"),
        (Fault::Status { status: 429, retry_after: Some(1) }, "<html>"),
    ] {
        let (got, runs) = tried(fault.clone(), "INSERT INTO t VALUES (1)").await;
        let text = got.expect("there is an answer");
        assert!(text.contains(words), "{fault:?}: {text}");
        assert_eq!(runs, 0, "{fault:?}");
    }
    for fault in [Fault::ResetBefore, Fault::Hang] {
        let (got, runs) = tried(fault.clone(), "INSERT INTO t VALUES (1)").await;
        let error = got.expect_err("there is no answer");
        assert_eq!(error.is_timeout(), fault == Fault::Hang, "{error:?}");
        assert_eq!(runs, 0, "{fault:?}");
    }
}

#[tokio::test]
async fn faults_after_a_statement_ran_it_once() {
    for fault in [Fault::ResetAfter, Fault::ResetHalfway, Fault::Truncated, Fault::HangAfter] {
        let (got, runs) = tried(fault.clone(), "INSERT INTO t VALUES (1)").await;
        assert!(got.is_err(), "{fault:?}");
        assert_eq!(runs, 1, "{fault:?}");
    }
    let parses = |text: &str| serde_json::from_str::<serde_json::Value>(text).is_ok();
    for fault in [Fault::Garbage, Fault::Empty, Fault::CutShort] {
        let (got, runs) = tried(fault.clone(), "INSERT INTO t VALUES (1)").await;
        assert!(!parses(&got.expect("HTTP sees nothing wrong")), "{fault:?}");
        assert_eq!(runs, 1, "{fault:?}");
    }
    let drip = Fault::Drip { bytes: 400, every: Duration::from_millis(1) };
    for fault in [drip, Fault::WrongType] {
        let (got, runs) = tried(fault.clone(), "INSERT INTO t VALUES (1)").await;
        assert!(parses(&got.expect("it comes whole")), "{fault:?}");
        assert_eq!(runs, 1, "{fault:?}");
    }
}

#[tokio::test]
async fn answers_can_lack_fields_and_have_strange_types() {
    let (got, _) = tried(Fault::Sparse, "SELECT 1").await;
    let answer: serde_json::Value = serde_json::from_str(&got.expect("it comes")).expect("JSON");
    assert!(answer["data"].get("returned").is_none() && answer["data"]["rowtype"].is_array());
    assert_eq!(rows(&answer).len(), 1);
    let (got, _) = tried(Fault::UnknownColumnType, "SELECT 1").await;
    assert!(got.expect("it comes").contains("\"quaternion\""));
}

#[tokio::test]
async fn tokens_expire_before_and_during_a_statement() {
    for (fault, runs) in
        [(Fault::TokenExpired, 0), (Fault::TokenExpired401, 0), (Fault::TokenExpiredMeanwhile, 1)]
    {
        let server = Server::start();
        let mut client = Client::logged_in(&server).await;
        server.fail_statement("insert", 0, 1, fault.clone());
        let answer = client.send("id", "INSERT INTO t VALUES (1)").await.expect("it answers");
        assert_eq!(answer["code"], "390112", "{fault:?}");
        assert_eq!(server.look(|seen| seen.executions.len()), runs, "{fault:?}");
        assert_eq!(client.query("SELECT 1").await["code"], "390112", "it stays expired");
        let body = json!({"oldSessionToken": client.token, "requestType": "RENEW"});
        let renewed = client.post("/session/token-request", &client.master, &body).await;
        client.token = renewed["data"]["sessionToken"].as_str().unwrap_or_default().to_owned();
        let answer = client.send("id", "INSERT INTO t VALUES (1)").await.expect("it answers");
        assert_eq!(answer["success"], true);
        assert_eq!(server.look(|seen| seen.executions_of("INSERT").len()), 1);
    }
}

#[tokio::test]
async fn master_tokens_expire_and_sessions_go() {
    let server = Server::start();
    let client = Client::logged_in(&server).await;
    server.fail(Endpoint::Query, 1, Fault::MasterExpired);
    assert_eq!(client.query("SELECT 1").await["code"], "390112");
    let body = json!({"oldSessionToken": client.token, "requestType": "RENEW"});
    let refused = client.post("/session/token-request", &client.master, &body).await;
    assert_eq!(refused["code"], "390114");
    let client = Client::logged_in(&server).await;
    server.fail(Endpoint::Query, 1, Fault::SessionGone("390114"));
    assert_eq!(client.query("SELECT 1").await["code"], "390114");
    assert_eq!(client.query("SELECT 1").await["code"], "390111");
}

#[tokio::test]
async fn chunks_fail_in_their_own_ways() {
    let server = Server::start();
    let client = Client::logged_in(&server).await;
    let answer = client.query("SELECT ROWS 1000 CHUNKS 2").await;
    server.fail_later(Endpoint::Chunk, 1, 1, Fault::Status { status: 403, retry_after: None });
    assert_eq!(client.chunk(&answer, 0).await.expect("it answers").status(), 200);
    let refused = client.chunk(&answer, 1).await.expect("it answers");
    assert_eq!(refused.status(), 403);
    assert!(refused.text().await.expect("text").starts_with("<?xml"));
    server.fail(Endpoint::Chunk, 1, Fault::Truncated);
    assert!(client.chunk(&answer, 0).await.expect("a head").bytes().await.is_err());
    let whole = client.chunk(&answer, 0).await.expect("a head").bytes().await.expect("whole");
    assert!(!whole.is_empty());
    assert!(server.look(|seen| seen.fetches.iter().all(|fetch| fetch.with_key)));
}

#[tokio::test]
async fn refused_logins_and_the_date_can_be_wrong() {
    let server = Server::start();
    let refusal = Fault::RefusedBare { code: "390144", message: "JWT token is invalid." };
    server.fail(Endpoint::Login, 1, refusal);
    server.skew_date(-3);
    let client = Client::new(&server);
    let url = format!("{}/session/v1/login-request", server.url());
    let response = client.http.post(url).json(&json!({"data": {}})).send().await.expect("answer");
    let date = response.headers()["date"].to_str().expect("it is text").to_owned();
    assert!(date.ends_with(" GMT"), "{date}");
    assert!(response.text().await.expect("text").contains("390144"));
    assert!(!server.seen().logins[0].granted);
}

#[tokio::test]
async fn an_outage_refuses_everything_until_it_ends() {
    let server = Server::start();
    let client = Client::logged_in(&server).await;
    let cut = async {
        assert!(server.wait(PATIENCE, |seen| seen.running == 1).await);
        server.outage();
    };
    let body = json!({"sqlText": "SELECT SLEEP 600"});
    let (lost, ()) = futures::join!(client.request("lost", &body).send(), cut);
    assert!(lost.is_err(), "the connection was reset");
    assert!(client.send("refused", "SELECT 1").await.is_err(), "nobody listens");
    let error = Client::new(&server).login("secret", "").await.expect_err("nobody listens");
    assert!(error.is_connect(), "{error:?}");
    server.back();
    assert_eq!(client.cell("SELECT 1").await.as_deref(), Some("1"), "the session is still there");
    server.forget_sessions();
    assert_eq!(client.query("SELECT 1").await["code"], "390111");
}

#[tokio::test]
async fn a_babbler_is_no_server() {
    let strange = Strange::babbler();
    for scheme in ["http", "https"] {
        let error = reqwest::get(format!("{scheme}://{}", strange.address()))
            .await
            .expect_err("it is no HTTP");
        assert!(!error.is_timeout(), "{error:?}");
    }
    assert!(strange.came() >= 2);
}
