//! The limits at the door, and what browsers and impatient people meet there.

use std::sync::atomic::Ordering::SeqCst;
use std::time::Duration;

use mcp_protocol::access::{AccessSettings, Grant, Quota};
use mcp_protocol::message::{Limit, PoolVitals};
use mcp_protocol::settings::{HttpSettings, McpSettings, Settings};
use serde_json::{Value, json};

use crate::support::{Client, HttpAnswer, PATIENCE, call, eventually, house, mcp_head};

fn with_quota(quota: Quota) -> Settings {
    let anonymous = Some(Grant { quota, ..Grant::default() });
    let access = AccessSettings { anonymous, ..AccessSettings::default() };
    Settings { access, ..Settings::default() }
}

fn with_http(http: HttpSettings) -> Settings {
    Settings { http, ..Settings::default() }
}

fn statement(text: &str) -> Value {
    call("execute_query", json!({ "query": text }))
}

fn header<'a>(answer: &'a HttpAnswer, name: &str) -> Option<&'a str> {
    answer.head.lines().find_map(|line| {
        let (found, value) = line.split_once(':')?;
        found.eq_ignore_ascii_case(name).then(|| value.trim())
    })
}

#[tokio::test]
async fn a_client_that_asks_too_much_is_told_when_to_come_back() {
    let settings = with_quota(Quota { requests_per_second: Some(2), ..Quota::default() });
    let house = house(&settings).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let mut answer = client.mcp(&list).await.expect("an answer");
    assert_eq!(answer.status, 200);
    assert_eq!(header(&answer, "ratelimit-limit"), Some("2"), "{answer:?}");
    assert!(header(&answer, "ratelimit").is_some_and(|text| text.starts_with("\"requests\";r=1")));
    // They come faster than one in half a second, on any machine, sooner or later.
    for _ in 0..1_000 {
        answer = client.mcp(&list).await.expect("an answer");
        if answer.status != 200 {
            break;
        }
    }
    assert_eq!(answer.status, 429, "{answer:?}");
    assert_eq!(header(&answer, "retry-after"), Some("1"));
    assert_eq!(header(&answer, "ratelimit-remaining"), Some("0"));
    assert_eq!(header(&answer, "ratelimit-policy"), Some("\"requests\";q=2;w=1"));
    let error = &answer.json()["error"];
    assert_eq!(error["data"], json!({ "retryAfterSeconds": 1, "limit": "requests" }));
    assert!(error["message"].as_str().is_some_and(|text| text.contains("2 requests in a second")));
    let refusals = house.metrics.vitals(PoolVitals::default()).refusals;
    assert_eq!((refusals[0].limit, refusals[0].count_total), (Limit::Requests, 1));
}

#[tokio::test]
async fn a_statement_too_many_is_an_error_of_the_tool_and_is_not_sent() {
    let settings = with_quota(Quota { statements_per_day: Some(2), ..Quota::default() });
    let house = house(&settings).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    for _ in 0..2 {
        let answer = client.mcp(&statement("select 1")).await.expect("an answer").json();
        assert_eq!(answer["result"]["isError"].as_bool().unwrap_or(false), false, "{answer}");
    }
    let answer = client.mcp(&statement("select 1")).await.expect("an answer");
    assert_eq!(answer.status, 200);
    let answer = answer.json();
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    let text = answer["result"]["content"][0]["text"].as_str().expect("text");
    assert!(text.contains("2 statements in a day (UTC); try again in"), "{text}");
    assert_eq!(house.counts.begun.load(SeqCst), 2);
}

#[tokio::test]
async fn what_all_may_ask_at_once_is_free_again_when_an_answer_is_over() {
    let http = HttpSettings { concurrent_requests: Some(1), ..HttpSettings::default() };
    let house = house(&with_http(http)).await;
    let mut first = Client::connect(house.address).await.expect("connects");
    let mut second = Client::connect(house.address).await.expect("connects");
    first.send_mcp(&statement("select hang")).await.expect("sends");
    eventually("it runs", || house.counts.begun.load(SeqCst) == 1).await;
    let refused = second.mcp(&statement("select 1")).await.expect("an answer");
    assert_eq!(refused.status, 429, "{refused:?}");
    assert_eq!(refused.json()["error"]["data"]["limit"], "concurrent_requests");
    // Health is told all the same.
    assert_eq!(second.get("/livez").await.expect("an answer").status, 200);
    drop(first);
    eventually("it is cancelled", || house.counts.cancelled.load(SeqCst) == 1).await;
    let free = async {
        loop {
            let answer = second.mcp(&statement("select 1")).await.expect("an answer");
            if answer.status == 200 {
                return;
            }
        }
    };
    tokio::time::timeout(PATIENCE, free).await.expect("its place is free again");
}

#[tokio::test]
async fn an_address_that_is_not_let_in_too_often_is_told_less() {
    let access = AccessSettings { anonymous: None, ..AccessSettings::default() };
    let http = HttpSettings { failed_logins_per_minute: 3, ..HttpSettings::default() };
    let house = house(&Settings { access, http, ..Settings::default() }).await;
    let mut seen = Vec::new();
    for _ in 0..5 {
        let mut client = Client::connect(house.address).await.expect("connects");
        let answer = client.mcp(&statement("select 1")).await.expect("an answer");
        assert!(answer.says_close(), "{answer:?}");
        seen.push(answer.status);
    }
    assert_eq!(seen, [401, 401, 401, 429, 429]);
    assert_eq!(house.counts.begun.load(SeqCst), 0);
}

#[tokio::test]
async fn pages_that_may_come_are_told_so_and_others_are_turned_away_everywhere() {
    let mcp = McpSettings {
        allowed_origins: vec!["https://app.example.com".to_owned()],
        ..McpSettings::default()
    };
    let house = house(&Settings { mcp, ..Settings::default() }).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    let preflight = |origin: &str| {
        format!(
            "OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\nOrigin: {origin}\r\n\
             Access-Control-Request-Method: POST\r\n\
             Access-Control-Request-Headers: authorization,mcp-session-id"
        )
    };
    client.send(&preflight("https://app.example.com"), "").await.expect("sends");
    let answer = client.answer().await.expect("an answer");
    assert_eq!(answer.status, 200, "{answer:?}");
    let allowed = header(&answer, "access-control-allow-origin");
    assert_eq!(allowed, Some("https://app.example.com"));
    let headers = header(&answer, "access-control-allow-headers").expect("headers");
    assert!(headers.contains("authorization") && headers.contains("mcp-session-id"), "{headers}");
    client.send(&preflight("https://evil.example"), "").await.expect("sends");
    let answer = client.answer().await.expect("an answer");
    assert_eq!((answer.status, header(&answer, "access-control-allow-origin")), (403, None));
    let head = mcp_head("\r\nOrigin: https://app.example.com");
    client.send(&head, &statement("select 1").to_string()).await.expect("sends");
    let answer = client.answer().await.expect("an answer");
    let read = header(&answer, "access-control-expose-headers").expect("what it may read");
    assert!(read.contains("mcp-session-id") && read.contains("retry-after"), "{read}");
    for path in ["/health", "/mcp", "/nowhere"] {
        let head = format!("GET {path} HTTP/1.1\r\nHost: evil.example");
        client.send(&head, "").await.expect("sends");
        assert_eq!(client.answer().await.expect("an answer").status, 403, "{path}");
    }
}

#[tokio::test]
async fn every_answer_tells_browsers_to_be_careful() {
    let house = house(&Settings::default()).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    for path in ["/livez", "/health", "/nowhere"] {
        let answer = client.get(path).await.expect("an answer");
        assert_eq!(header(&answer, "x-content-type-options"), Some("nosniff"), "{answer:?}");
        assert_eq!(header(&answer, "cache-control"), Some("no-store"));
        assert_eq!(header(&answer, "referrer-policy"), Some("no-referrer"));
        assert_eq!(header(&answer, "server"), None);
        assert_eq!(header(&answer, "strict-transport-security"), None);
    }
}

#[tokio::test]
async fn what_is_too_deep_too_long_or_too_slow_is_refused() {
    let http = HttpSettings { body_timeout: Duration::from_millis(50), ..HttpSettings::default() };
    let house = house(&with_http(http)).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    client.send(&mcp_head(""), &"[".repeat(500_000)).await.expect("sends");
    let answer = client.answer().await.expect("an answer");
    assert_eq!(answer.status, 400);
    assert!(answer.body.contains("64 deep"), "{answer:?}");
    let mut client = Client::connect(house.address).await.expect("connects");
    let many: String = (0..200).map(|n| format!("\r\nX-{n}: 1")).collect();
    client.send(&mcp_head(&many), "{}").await.expect("sends");
    assert_eq!(client.answer().await.expect("an answer").status, 431);
    let mut client = Client::connect(house.address).await.expect("connects");
    let long = format!("\r\nX-Long: {}", "a".repeat(40_000));
    client.send(&mcp_head(&long), "{}").await.expect("sends");
    assert_eq!(client.answer().await.expect("an answer").status, 431);
    let mut client = Client::connect(house.address).await.expect("connects");
    let half = format!("{}\r\nContent-Length: 100\r\n\r\n{{", mcp_head(""));
    client.send_bytes(half.as_bytes()).await.expect("sends");
    assert_eq!(client.answer().await.expect("an answer").status, 408);
}

#[tokio::test]
async fn a_client_that_does_not_read_its_answers_is_let_go() {
    let http =
        HttpSettings { write_timeout: Duration::from_millis(100), ..HttpSettings::default() };
    let house = house(&with_http(http)).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    let requests = "GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n".repeat(1_000);
    // It sends until nothing goes any more, and reads nothing; then it is let go.
    let sending = async { while client.send_bytes(requests.as_bytes()).await.is_ok() {} };
    tokio::time::timeout(PATIENCE, sending).await.expect("the connection is closed");
    let open = || house.metrics.vitals(PoolVitals::default()).connections;
    eventually("nothing is left of it", || open() == 0).await;
}
