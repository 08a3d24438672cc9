//! Who is let in, by what, and what that caller then sees; and what is written down of it.

mod audit;
mod issuer;
mod tokens;

use std::sync::Arc;

use http::request::Parts;
use mcp_protocol::access::{
    AccessSettings, Allowed, ApiKey, ClientSettings, Grant, Level, OAuthSettings,
};
use mcp_protocol::api_key;
use mcp_protocol::settings::Settings;
use mcp_worker::access::{Caller, Peer, Reception, Refusal, Shown};
use ring::digest;
use serde_json::json;
use tokio::sync::watch;

use crate::support::{Client, House, HttpAnswer, call, house, mcp_head};

/// A client with this key.
pub(crate) fn client(name: &str, key: Option<&str>, grant: Grant) -> ClientSettings {
    ClientSettings {
        name: name.to_owned(),
        keys: key.into_iter().map(|text| kept(text, None)).collect(),
        grant,
        subjects: Vec::new(),
        certificates: Vec::new(),
    }
}

fn kept(text: &str, expires_at: Option<u64>) -> ApiKey {
    let sum = digest::digest(&digest::SHA256, text.as_bytes());
    let sha256 = sum.as_ref().try_into().expect("32 bytes");
    ApiKey { id: api_key::id_of(text).expect("a key").to_owned(), sha256, expires_at }
}

/// A key; a number for its randomness.
pub(crate) fn key(number: u8) -> String {
    let text = api_key::text(&api_key::id([number; 6]), &[number; 32]);
    text.expose().to_owned()
}

/// Nobody but these.
pub(crate) fn only(clients: Vec<ClientSettings>) -> AccessSettings {
    AccessSettings { clients, ..AccessSettings::default() }
}

fn reception(access: AccessSettings) -> (Reception, watch::Sender<Arc<AccessSettings>>) {
    let (sender, receiver) = watch::channel(Arc::new(access));
    (Reception::new(receiver), sender)
}

fn head(headers: &[(&str, &str)]) -> Parts {
    let request = http::Request::builder().method("POST").uri("/mcp");
    let request =
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
    request.body(()).expect("a request").into_parts().0
}

async fn admit(reception: &Reception, headers: &[(&str, &str)]) -> Result<Caller, Refusal> {
    reception.admit(&mut head(headers)).await
}

/// The status and the challenge of an answer to these headers.
async fn refused(reception: &Reception, headers: &[(&str, &str)]) -> (u16, String) {
    let refusal = admit(reception, headers).await.expect_err("not let in");
    let response = refusal.response();
    let challenge = response.headers().get("www-authenticate");
    let challenge = challenge.map_or("", |value| value.to_str().expect("text"));
    (response.status().as_u16(), challenge.to_owned())
}

fn bearer(key: &str) -> String {
    format!("Bearer {key}")
}

fn oauth(issuer: &str) -> OAuthSettings {
    OAuthSettings {
        issuer: issuer.to_owned(),
        resource: "https://mcp.example.com/mcp".to_owned(),
        audiences: vec!["https://mcp.example.com/mcp".to_owned()],
        jwks_url: None,
        scopes: Vec::new(),
        subject_claim: "sub".to_owned(),
    }
}

#[tokio::test]
async fn a_key_lets_its_client_in_by_either_header_and_is_gone_afterwards() {
    let (reception, _access) = reception(only(vec![
        client("one", Some(&key(1)), Grant::default()),
        client("two", Some(&key(2)), Grant { level: Level::Write, ..Grant::default() }),
    ]));
    for (name, value) in [
        ("Authorization", bearer(&key(2))),
        ("Authorization", format!("bearer  {} ", key(2))),
        ("X-API-Key", key(2)),
    ] {
        let mut head = head(&[(name, &value), ("Accept", "*/*")]);
        let caller = reception.admit(&mut head).await.expect("let in");
        assert_eq!(caller.name.as_deref(), Some("two"), "{name}: {value}");
        assert_eq!(caller.grant.level, Level::Write);
        assert_eq!(caller.shown, Shown::Key(api_key::id([2; 6]).as_str().into()));
        assert_eq!(head.headers.len(), 1, "the key is not passed on: {:?}", head.headers);
    }
}

#[tokio::test]
async fn whoever_shows_nothing_or_something_else_is_told_what_is_the_matter() {
    let mut ended = client("ended", None, Grant::default());
    ended.keys.push(kept(&key(3), Some(1)));
    let (reception, _access) =
        reception(only(vec![client("one", Some(&key(1)), Grant::default()), ended]));
    let (status, challenge) = refused(&reception, &[]).await;
    assert_eq!((status, challenge.as_str()), (401, "Bearer realm=\"mcp\""), "no error is told");
    let mistyped = key(1).replace("mcps_a", "mcps_b");
    let mut forged = api_key::text(&api_key::id([1; 6]), &[9; 32]).expose().to_owned();
    for (shown, words) in [
        (key(2), "not known"),
        (mistyped, "typing error"),
        (std::mem::take(&mut forged), "not known"),
        (key(3), "expired"),
        ("eyJhbGciOiJub25lIn0.e30.".to_owned(), "takes no access tokens"),
    ] {
        let (status, challenge) = refused(&reception, &[("Authorization", &bearer(&shown))]).await;
        assert_eq!(status, 401, "{words}");
        assert!(challenge.contains("error=\"invalid_token\""), "{challenge}");
        assert!(challenge.contains(words), "{words}: {challenge}");
        assert!(!challenge.contains(&shown), "{challenge}");
        assert!(!challenge.contains("resource_metadata"), "nobody gives tokens: {challenge}");
    }
    let two = [("Authorization", &*bearer(&key(1))), ("X-API-Key", &*key(1))];
    for headers in [&two[..], &[("Authorization", "Basic YTpi")], &[("Authorization", "Bearer")]] {
        let (status, challenge) = refused(&reception, headers).await;
        assert_eq!(status, 400, "{headers:?}");
        assert!(challenge.contains("error=\"invalid_request\""), "{challenge}");
    }
}

#[tokio::test]
async fn a_revoked_key_is_refused_with_the_next_request() {
    let one = client("one", Some(&key(1)), Grant::default());
    let (reception, access) = reception(only(vec![one.clone()]));
    let bearer = bearer(&key(1));
    let headers = [("Authorization", bearer.as_str())];
    assert!(admit(&reception, &headers).await.is_ok());
    access.send_replace(Arc::new(only(vec![ClientSettings { keys: Vec::new(), ..one.clone() }])));
    assert_eq!(refused(&reception, &headers).await.0, 401);
    access.send_replace(Arc::new(only(vec![one])));
    assert!(admit(&reception, &headers).await.is_ok());
}

#[tokio::test]
async fn where_nobody_is_known_anything_may_be_shown_and_where_somebody_is_a_bad_key_is_bad() {
    let anonymous = Some(Grant::default());
    let (nobody, _open) =
        reception(AccessSettings { anonymous: anonymous.clone(), ..only(vec![]) });
    for headers in [&[][..], &[("Authorization", "Basic YTpi")], &[("X-API-Key", "mine")]] {
        let caller = admit(&nobody, headers).await.expect("let in");
        assert_eq!((caller.name, caller.shown), (None, Shown::Nothing));
    }
    let one = client("one", Some(&key(1)), Grant::default());
    let (some, _access) = reception(AccessSettings { anonymous, ..only(vec![one]) });
    assert!(admit(&some, &[]).await.expect("let in").name.is_none());
    assert_eq!(refused(&some, &[("X-API-Key", &key(2))]).await.0, 401);
}

#[tokio::test]
async fn a_certificate_tells_who_it_is_unless_a_key_does() {
    let mut certified = client("certified", None, Grant::default());
    certified.certificates = vec!["ada.example.com".to_owned()];
    let (reception, _access) =
        reception(only(vec![client("one", Some(&key(1)), Grant::default()), certified]));
    let with = |names: &[&str], headers: &[(&str, &str)]| {
        let mut head = head(headers);
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        head.extensions.insert(Peer { names, is_revoked: Arc::new(|| false) });
        head
    };
    let caller = reception.admit(&mut with(&["other", "ada.example.com"], &[])).await;
    let caller = caller.expect("let in");
    assert_eq!(caller.name.as_deref(), Some("certified"));
    assert_eq!(caller.shown, Shown::Certificate("ada.example.com".into()));
    assert!(reception.admit(&mut with(&["eve.example.com"], &[])).await.is_err());
    assert!(reception.admit(&mut with(&[], &[])).await.is_err());
    let keyed = reception.admit(&mut with(&["ada.example.com"], &[("X-API-Key", &key(1))])).await;
    assert_eq!(keyed.expect("let in").name.as_deref(), Some("one"));
}

async fn ask(house: &House, key: &str, message: &serde_json::Value) -> HttpAnswer {
    let mut client = Client::connect(house.address).await.expect("connects");
    let head = mcp_head(&format!("\r\nAuthorization: Bearer {key}"));
    client.send(&head, &message.to_string()).await.expect("sends");
    client.answer().await.expect("an answer")
}

#[tokio::test]
async fn a_tool_that_a_client_does_not_see_is_neither_listed_nor_callable() {
    let blind = Grant { toolsets: vec!["operations".to_owned()], ..Grant::default() };
    let narrow = Grant { databases: Allowed::Only(vec!["SALES".to_owned()]), ..Grant::default() };
    let access =
        only(vec![client("blind", Some(&key(1)), blind), client("seeing", Some(&key(2)), narrow)]);
    let house = house(&Settings { access, ..Settings::default() }).await;
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let names = |answer: &HttpAnswer| answer.json()["result"]["tools"].to_string();
    assert!(!names(&ask(&house, &key(1), &list).await).contains("execute_query"));
    assert!(names(&ask(&house, &key(2), &list).await).contains("execute_query"));
    let query = call("execute_query", json!({ "query": "select 1" }));
    let answer = ask(&house, &key(1), &query).await.json();
    assert!(answer["error"]["message"].as_str().expect("an error").contains("no tool"), "{answer}");
    let answer = ask(&house, &key(2), &query).await.json();
    assert!(!answer["result"]["isError"].as_bool().unwrap_or_default(), "{answer}");
    let answer = ask(&house, &key(9), &query).await;
    assert_eq!(answer.status, 401, "{answer:?}");
    assert!(answer.json()["error"]["message"].as_str().is_some_and(|words| words.contains("key")));
}

#[tokio::test]
async fn a_client_without_a_token_finds_out_who_gives_them() {
    let access = AccessSettings { oauth: Some(oauth("https://idp.example.com")), ..only(vec![]) };
    let house = house(&Settings { access, ..Settings::default() }).await;
    let mut client = Client::connect(house.address).await.expect("connects");
    let list = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let answer = client.mcp(&list).await.expect("an answer");
    assert_eq!(answer.status, 401);
    let place = "https://mcp.example.com/.well-known/oauth-protected-resource/mcp";
    assert!(answer.head.contains(&format!("resource_metadata=\"{place}\"")), "{}", answer.head);
    for path in ["", "/mcp"] {
        let path = format!("/.well-known/oauth-protected-resource{path}");
        // Whoever was refused before its body was read has to come again.
        let mut client = Client::connect(house.address).await.expect("connects");
        let document = client.get(&path).await.expect("an answer");
        assert_eq!(document.status, 200, "{path}");
        let document = document.json();
        assert_eq!(document["resource"], "https://mcp.example.com/mcp");
        assert_eq!(document["authorization_servers"], json!(["https://idp.example.com"]));
    }
    let other = crate::support::house(&Settings::default()).await;
    let mut client = Client::connect(other.address).await.expect("connects");
    let document = client.get("/.well-known/oauth-protected-resource").await.expect("an answer");
    assert_eq!(document.status, 404, "nobody gives tokens");
}
