//! Access tokens: which are taken, whose they are, and what is done while the issuer is silent.

use mcp_protocol::access::{AccessSettings, Grant, Level};
use mcp_worker::access::{Reception, Shown};
use mcp_worker::clock::unix_seconds;
use serde_json::{Value, json};

use super::issuer::{Issuer, Key, unsigned, with_secret};
use super::{admit, bearer, client, oauth, only, reception, refused};

/// Ada is an analyst, and so is nobody else.
fn access(issuer: &Issuer) -> AccessSettings {
    let mut analysts = client("analysts", None, Grant { level: Level::Write, ..Grant::default() });
    analysts.subjects = vec!["ada".to_owned()];
    AccessSettings { oauth: Some(oauth(&issuer.url())), ..only(vec![analysts]) }
}

async fn lets_in(reception: &Reception, token: &str) -> bool {
    admit(reception, &[("Authorization", &bearer(token))]).await.is_ok()
}

async fn answer_to(reception: &Reception, token: &str) -> (u16, String) {
    refused(reception, &[("Authorization", &bearer(token))]).await
}

fn header(key: &Key, id: &str) -> Value {
    json!({ "alg": key.algorithm(), "typ": "JWT", "kid": id })
}

/// Claims with one of them said otherwise, or left out.
fn but(claims: &Value, name: &str, value: Value) -> Value {
    let mut claims = claims.clone();
    match value {
        Value::Null => drop(claims.as_object_mut().expect("an object").remove(name)),
        value => claims[name] = value,
    }
    claims
}

#[tokio::test]
async fn a_token_that_is_good_lets_its_subject_in() {
    let (ec, rsa) = (Key::ec(), Key::rsa());
    let issuer = Issuer::with(vec![ec.public("e"), rsa.public("r")]).await;
    let (reception, _access) = reception(access(&issuer));
    for (key, id) in [(&ec, "e"), (&rsa, "r")] {
        let token = key.token(&header(key, id), &issuer.claims());
        let headers = [("Authorization", &*bearer(&token))];
        let caller = admit(&reception, &headers).await.expect("let in");
        assert_eq!(caller.name.as_deref(), Some("analysts"));
        assert_eq!(caller.grant.level, Level::Write);
        assert_eq!(caller.shown, Shown::Token("ada".into()));
    }
    let list = json!(["https://other.example.com", "https://mcp.example.com/mcp"]);
    let several = ec.token(&header(&ec, "e"), &but(&issuer.claims(), "aud", list));
    assert!(lets_in(&reception, &several).await);
    let unnamed = json!({ "alg": "ES256" });
    assert!(lets_in(&reception, &ec.token(&unnamed, &issuer.claims())).await, "no name of a key");
    let late =
        ec.token(&header(&ec, "e"), &but(&issuer.claims(), "exp", json!(unix_seconds() - 10)));
    assert!(lets_in(&reception, &late).await, "clocks differ a little");
    assert_eq!(issuer.asked_for_keys(), 1, "its keys are kept");
}

#[tokio::test]
async fn a_token_that_is_not_good_in_one_way_is_refused() {
    let (ours, strangers) = (Key::ec(), Key::ec());
    let issuer = Issuer::with(vec![ours.public("e")]).await;
    let (reception, _access) = reception(access(&issuer));
    let good = issuer.claims();
    assert!(lets_in(&reception, &ours.token(&header(&ours, "e"), &good)).await);
    let now = unix_seconds();
    for (name, value, words) in [
        ("iss", json!("https://evil.example.com"), "another issuer"),
        ("iss", json!([issuer.url(), "https://evil.example.com"]), ""),
        ("iss", Value::Null, "does not say who gave it"),
        ("aud", json!("https://other.example.com"), "meant for somebody else"),
        ("aud", Value::Null, "does not say who gave it"),
        ("exp", json!(now - 60), "expired"),
        ("exp", Value::Null, "does not say who gave it"),
        ("exp", json!("never"), ""),
        ("nbf", json!(now + 600), "does not hold yet"),
        ("nbf", json!("now"), "from which on"),
        ("sub", Value::Null, "does not say whose it is"),
        ("sub", json!(""), "does not say whose it is"),
    ] {
        let token = ours.token(&header(&ours, "e"), &but(&good, name, value.clone()));
        let (status, challenge) = answer_to(&reception, &token).await;
        assert_eq!(status, 401, "{name} {value}: {challenge}");
        assert!(challenge.contains("invalid_token"), "{challenge}");
        assert!(challenge.contains(words), "{name} {value}: {challenge}");
        assert!(challenge.contains("resource_metadata=\"https://mcp.example.com/"), "{challenge}");
    }
    let stranger = answer_to(&reception, &strangers.token(&header(&ours, "e"), &good)).await;
    assert!(stranger.1.contains("signature is wrong"), "{stranger:?}");
    let nobody = ours.token(&header(&ours, "e"), &but(&good, "sub", json!("eve")));
    let (status, challenge) = answer_to(&reception, &nobody).await;
    assert_eq!(status, 403, "{challenge}");
    let text = ours.token(&header(&ours, "e"), &good);
    let (message, _) = text.rsplit_once('.').expect("a signature");
    for broken in [format!("{message}."), format!("{message}.AAAA"), "a.b.c".to_owned(), text + "A"]
    {
        assert_eq!(answer_to(&reception, &broken).await.0, 401, "{broken}");
    }
}

#[tokio::test]
async fn a_token_that_anybody_could_have_signed_is_refused() {
    let key = Key::ec();
    let public = key.public("e");
    let shared = json!({ "kty": "oct", "kid": "s", "alg": "HS256", "k": "c2VjcmV0" });
    let issuer = Issuer::with(vec![public.clone(), shared]).await;
    let (reception, _access) = reception(access(&issuer));
    let good = issuer.claims();
    assert!(lets_in(&reception, &key.token(&header(&key, "e"), &good)).await);
    assert_eq!(answer_to(&reception, &unsigned(&good)).await.0, 401);
    for (id, secret) in [
        ("e", public.to_string().into_bytes()),
        ("e", public["x"].as_str().expect("a part").as_bytes().to_vec()),
        ("s", b"secret".to_vec()),
    ] {
        for algorithm in ["HS256", "HS384", "HS512"] {
            let header = json!({ "alg": algorithm, "kid": id });
            let (status, challenge) =
                answer_to(&reception, &with_secret(&header, &good, &secret)).await;
            assert_eq!(status, 401);
            assert!(challenge.contains("not signed with a private key"), "{challenge}");
        }
    }
    // A key of one kind under the name of another's algorithm.
    let confused = key.token(&json!({ "alg": "RS256", "kid": "e" }), &good);
    assert_eq!(answer_to(&reception, &confused).await.0, 401);
}

#[tokio::test]
async fn a_new_key_is_found_and_a_made_up_one_does_not_flood_the_issuer() {
    let (old, new) = (Key::ec(), Key::ec());
    let issuer = Issuer::with(vec![old.public("old")]).await;
    let (reception, _access) = reception(access(&issuer));
    let by_old = old.token(&header(&old, "old"), &issuer.claims());
    let by_new = new.token(&header(&new, "new"), &issuer.claims());
    assert!(lets_in(&reception, &by_old).await);
    issuer.has(vec![old.public("old"), new.public("new")]);
    assert!(lets_in(&reception, &by_new).await, "its keys are fetched anew");
    assert!(lets_in(&reception, &by_old).await);
    assert_eq!(issuer.asked_for_keys(), 2);
    for number in 0..50 {
        let made_up = new.token(&header(&new, &format!("made-up-{number}")), &issuer.claims());
        assert_eq!(answer_to(&reception, &made_up).await.0, 401);
    }
    assert!(issuer.asked_for_keys() <= 4, "{}", issuer.asked_for_keys());
}

#[tokio::test]
async fn known_keys_stay_good_while_the_issuer_is_silent() {
    let key = Key::ec();
    let issuer = Issuer::with(vec![key.public("e")]).await;
    let (first, changes) = reception(access(&issuer));
    let token = key.token(&header(&key, "e"), &issuer.claims());
    assert!(lets_in(&first, &token).await);
    issuer.falls_silent();
    assert!(lets_in(&first, &token).await);
    // A change of clients does not forget them.
    let mut other = access(&issuer);
    other.clients.push(client("more", None, Grant::default()));
    changes.send_replace(std::sync::Arc::new(other));
    assert!(lets_in(&first, &token).await);
    // Whoever knows none cannot tell, and says so.
    let (second, _access) = reception(access(&issuer));
    let (status, challenge) = answer_to(&second, &token).await;
    assert_eq!((status, challenge.as_str()), (503, ""));
}

#[tokio::test]
async fn a_token_must_allow_enough_and_anybody_may_be_meant() {
    let key = Key::ec();
    let issuer = Issuer::with(vec![key.public("e")]).await;
    let mut settings = access(&issuer);
    settings.oauth.as_mut().expect("an issuer").scopes = vec!["mcp".to_owned(), "sql".to_owned()];
    settings.clients[0].subjects = vec!["*".to_owned()];
    let (reception, _access) = reception(settings);
    let token = |name: &str, value: Value| {
        let claims = but(&issuer.claims(), name, value);
        key.token(&header(&key, "e"), &claims)
    };
    for (name, value) in [("scope", json!("openid sql mcp")), ("scp", json!(["mcp", "sql"]))] {
        assert!(lets_in(&reception, &token(name, value)).await, "{name}");
    }
    for value in [json!("mcp"), json!("mcpsql"), Value::Null] {
        let (status, challenge) = answer_to(&reception, &token("scope", value)).await;
        assert_eq!(status, 403, "{challenge}");
        assert!(challenge.contains("error=\"insufficient_scope\""), "{challenge}");
        assert!(challenge.contains("scope=\"mcp sql\""), "{challenge}");
    }
}
