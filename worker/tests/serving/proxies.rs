//! Who asks, when a proxy stands between: what it may say, and what nobody may.

use mcp_protocol::access::AuditLevel;
use mcp_protocol::logs::Channel;
use mcp_protocol::settings::{HttpSettings, ProxyHeader, Settings};
use serde_json::{Value, json};

use crate::access::{client, key, only};
use crate::logs::logged_by;
use crate::support::{Client, House, HttpAnswer, call, house, mcp_head};

/// Where every client of these tests comes from.
const HERE: &str = "127.0.0.0/8";

fn settings(trusted: &[&str]) -> Settings {
    let trusted_proxies = trusted.iter().map(|text| text.parse().expect("a network")).collect();
    let http = HttpSettings { trusted_proxies, failed_logins_per_minute: 3, ..Default::default() };
    Settings { http, ..Settings::default() }
}

async fn get(house: &House, path: &str, more: &str) -> HttpAnswer {
    let mut client = Client::connect(house.address).await.expect("connects");
    let head = format!("GET {path} HTTP/1.1\r\nHost: localhost{more}");
    client.send(&head, "").await.expect("sends");
    client.answer().await.expect("an answer")
}

/// How somebody without a key is turned away, so many times.
async fn turned_away(house: &House, more: &str, times: usize) -> Vec<u16> {
    let mut statuses = Vec::new();
    for _ in 0..times {
        let mut client = Client::connect(house.address).await.expect("connects");
        let message = call("execute_query", json!({ "query": "select 1" })).to_string();
        client.send(&mcp_head(more), &message).await.expect("sends");
        statuses.push(client.answer().await.expect("an answer").status);
    }
    statuses
}

#[tokio::test]
async fn those_behind_a_trusted_proxy_are_counted_each_and_one_of_a_stranger_is_not_believed() {
    let one = client("one", Some(&key(1)), Default::default());
    let access = only(vec![one]);
    let (ada, grace) = ("\r\nX-Forwarded-For: 203.0.113.9", "\r\nX-Forwarded-For: 203.0.113.10");
    let trusting = house(&Settings { access: access.clone(), ..settings(&[HERE]) }).await;
    assert_eq!(turned_away(&trusting, ada, 4).await, [401, 401, 401, 429]);
    assert_eq!(turned_away(&trusting, grace, 1).await, [401]);
    // What a client writes before its own address changes nothing.
    let forged = "\r\nX-Forwarded-For: 198.51.100.1, 203.0.113.9";
    assert_eq!(turned_away(&trusting, forged, 1).await, [429]);
    let strict = house(&Settings { access, ..settings(&["198.51.100.0/24"]) }).await;
    assert_eq!(turned_away(&strict, ada, 3).await, [401, 401, 401]);
    assert_eq!(turned_away(&strict, grace, 1).await, [429], "one address, whatever it says");
}

#[tokio::test]
async fn nobody_becomes_this_machine_by_a_header() {
    for trusted in [&[][..], &[HERE], &["127.0.0.1", "::1"]] {
        let house = house(&settings(trusted)).await;
        assert_eq!(get(&house, "/health/detailed", "").await.status, 200);
        for more in [
            "X-Forwarded-For: 127.0.0.1",
            "X-Forwarded-For: ::1, 127.0.0.1",
            "X-Forwarded-For: ",
            "Forwarded: for=127.0.0.1",
            "X-Forwarded-Proto: https",
        ] {
            for path in ["/health/detailed", "/status"] {
                let answer = get(&house, path, &format!("\r\n{more}")).await;
                assert_eq!(answer.status, 403, "{trusted:?} {path} {more}: {}", answer.body);
            }
        }
    }
}

#[tokio::test]
async fn a_page_is_told_to_come_over_tls_when_the_proxy_speaks_it() {
    let hardened = async |trusted: &[&str], header, more: &str| {
        let mut settings = settings(trusted);
        settings.http.proxy_header = header;
        let answer = get(&house(&settings).await, "/livez", more).await;
        answer.header("strict-transport-security").is_some()
    };
    let (x, rfc) = (ProxyHeader::XForwardedFor, ProxyHeader::Forwarded);
    assert!(hardened(&[HERE], x, "\r\nX-Forwarded-Proto: https").await);
    assert!(!hardened(&[], x, "\r\nX-Forwarded-Proto: https").await);
    assert!(!hardened(&[HERE], x, "\r\nX-Forwarded-Proto: http").await);
    assert!(hardened(&[HERE], rfc, "\r\nForwarded: for=203.0.113.9;proto=https").await);
    assert!(!hardened(&[HERE], rfc, "\r\nX-Forwarded-Proto: https").await);
}

#[tokio::test]
async fn what_is_written_down_names_who_asks_and_the_proxy() {
    let logged = logged_by(settings(&[HERE]), AuditLevel::Hash).await;
    let query = call("execute_query", json!({ "query": "select 1" }));
    logged.ask(&query, "\r\nX-Forwarded-For: 198.51.100.1, 203.0.113.9").await;
    let access = &logged.lines(Channel::Access, 1).await[0];
    let told = [&access["remote"], &access["proxy"]];
    assert_eq!(json!(told), json!(["203.0.113.9", "127.0.0.1"]), "{access}");
    let audit = &logged.lines(Channel::Audit, 1).await[0];
    assert_eq!(audit["remote"], "203.0.113.9", "{audit}");
    let mut stranger = Client::connect(logged.house.address).await.expect("connects");
    let head = mcp_head("\r\nX-Forwarded-For: 203.0.113.10");
    stranger.send(&head, &query.to_string()).await.expect("sends");
    assert_eq!(stranger.answer().await.expect("an answer").status, 401);
    let audit: &Value = &logged.lines(Channel::Audit, 2).await[1];
    assert_eq!((&audit["event"], &audit["remote"]), (&json!("door"), &json!("203.0.113.10")));
}
