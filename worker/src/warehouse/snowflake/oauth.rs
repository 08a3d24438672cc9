//! Access tokens that are obtained with a client's id and secret, and renewed before they expire.
//!
//! One request at a time, whoever waits: sessions that are opened together share a token. What the
//! giver of tokens says about itself is repeated in errors; the secret never is. Snowflake itself
//! gives no tokens in this way, so the address is always somebody else's.

use std::time::Duration;

use mcp_protocol::secret::{MASK, Secret};
use reqwest::{StatusCode, Url};
use serde_json::Value;
use tokio::sync::Mutex;

use super::account::is_loopback;
use super::wire::{self, Trouble};
use crate::warehouse::WarehouseError;

/// How long a request for a token may take.
const REQUEST_LIMIT: Duration = Duration::from_secs(30);
/// The longest answer that is read, in bytes; tokens have a few thousand.
const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// How long before its end a token is renewed, in seconds, unless it lives so short a time.
const RENEW_BEFORE_S: u64 = 60;
/// How long a token is used whose end was not told, in seconds.
const LIFETIME_UNTOLD_S: u64 = 5 * 60;
/// The most characters of somebody else's words that are repeated.
const WORDS_CHARS_MAX: usize = 300;

/// A client that is given tokens.
pub(super) struct ClientCredentials {
    client_id: String,
    client_secret: Secret,
    token_url: Url,
    scope: Option<String>,
    held: Mutex<Held>,
}

/// What was learned so far.
struct Held {
    token: Option<Token>,
    style: Style,
}

struct Token {
    secret: Secret,
    renew_at_unix: u64,
}

/// Where the client's id and secret stand in a request. There is no telling which one a giver of
/// tokens wants; the header is what the standard recommends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Header,
    Body,
}

/// Why there is no token.
enum Failure {
    /// The id, the secret or the scope is not accepted.
    Refused { words: String, about_client: bool },
    /// No answer, or none that says so.
    Later(String),
}

impl ClientCredentials {
    /// The address must keep what is said to it secret.
    pub(super) fn new(
        client_id: &str,
        client_secret: &Secret,
        token_url: &str,
        scope: Option<String>,
    ) -> Result<ClientCredentials, String> {
        let token_url: Url = token_url.trim().parse().map_err(|why| {
            format!("snowflake.oauth_token_url is no address ({why}); write it with https://")
        })?;
        let host = token_url.host_str().unwrap_or_default();
        if token_url.scheme() != "https" && !(token_url.scheme() == "http" && is_loopback(host)) {
            return Err(
                "snowflake.oauth_token_url is not encrypted; write it with https://".to_owned()
            );
        }
        let held = Mutex::new(Held { token: None, style: Style::Header });
        let (client_id, client_secret) = (client_id.to_owned(), client_secret.clone());
        Ok(ClientCredentials { client_id, client_secret, token_url, scope, held })
    }

    /// What a changed credential would change.
    pub(super) fn parts(&self) -> [&str; 3] {
        [&self.client_id, self.client_secret.expose(), self.token_url.as_str()]
    }

    /// A token that is good for a while, asked for if there is none.
    pub(super) async fn token(
        &self,
        http: &reqwest::Client,
        now_unix: u64,
    ) -> Result<Secret, WarehouseError> {
        let mut held = self.held.lock().await;
        if let Some(token) = held.token.as_ref().filter(|token| now_unix < token.renew_at_unix) {
            return Ok(token.secret.clone());
        }
        held.token = None;
        let mut answer = self.ask(http, held.style).await;
        if let (Err(Failure::Refused { about_client: true, .. }), Style::Header) =
            (&answer, held.style)
        {
            answer = self.ask(http, Style::Body).await;
            if answer.is_ok() {
                held.style = Style::Body;
            }
        }
        let answer = answer.map_err(|failure| self.told(failure))?;
        let token = self.read(&answer, now_unix)?;
        let secret = token.secret.clone();
        held.token = Some(token);
        Ok(secret)
    }

    /// The token in hand was not accepted: the next login asks for a new one.
    pub(super) fn forget(&self) {
        // Whoever holds this is about to have a new one.
        if let Ok(mut held) = self.held.try_lock() {
            held.token = None;
        }
    }

    async fn ask(&self, http: &reqwest::Client, style: Style) -> Result<Value, Failure> {
        let mut fields = vec![("grant_type", "client_credentials")];
        if let Some(scope) = &self.scope {
            fields.push(("scope", scope));
        }
        let request = http.post(self.token_url.clone()).timeout(REQUEST_LIMIT);
        let request = request.header(reqwest::header::ACCEPT, "application/json");
        let request = match style {
            Style::Header => request
                .basic_auth(escaped(&self.client_id), Some(escaped(self.client_secret.expose()))),
            Style::Body => {
                fields.push(("client_id", &self.client_id));
                fields.push(("client_secret", self.client_secret.expose()));
                request
            }
        };
        let answer = request.form(&fields).send().await.map_err(lost)?;
        let status = answer.status();
        let body = wire::whole(answer, ANSWER_BYTES_MAX).await.map_err(unread)?;
        let json: Value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        if status.is_success() {
            return Ok(json);
        }
        let error = json["error"].as_str().unwrap_or_default();
        let more = json["error_description"].as_str().unwrap_or_default();
        let words = [status.as_str(), error, more].join(" ").trim().to_owned();
        let refused = [StatusCode::BAD_REQUEST, StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN]
            .contains(&status);
        if !refused || error == "temporarily_unavailable" || error == "server_error" {
            return Err(Failure::Later(words));
        }
        let about_client = status == StatusCode::UNAUTHORIZED || error == "invalid_client";
        Err(Failure::Refused { words, about_client })
    }

    fn read(&self, answer: &Value, now_unix: u64) -> Result<Token, WarehouseError> {
        let text = answer["access_token"].as_str().filter(|text| !text.is_empty());
        let Some(text) = text else {
            return Err(self.told(Failure::Later("its answer holds no access_token".to_owned())));
        };
        let told = &answer["expires_in"];
        let lifetime = told.as_u64().or_else(|| told.as_str()?.parse().ok());
        let lifetime = lifetime.unwrap_or(LIFETIME_UNTOLD_S);
        let used_for = lifetime - RENEW_BEFORE_S.min(lifetime / 2);
        let renew_at_unix = now_unix.saturating_add(used_for);
        Ok(Token { secret: Secret::new(text.to_owned()), renew_at_unix })
    }

    /// A failure in words, which never hold the secret.
    fn told(&self, failure: Failure) -> WarehouseError {
        let warehouse = self.token_url.origin().ascii_serialization();
        let clean = |words: String| {
            let words = words.replace(self.client_secret.expose(), MASK);
            let plain = |c: char| if c.is_control() { ' ' } else { c };
            words.chars().map(plain).take(WORDS_CHARS_MAX).collect::<String>()
        };
        match failure {
            Failure::Refused { words, .. } => WarehouseError::Refused {
                warehouse,
                reason: format!(
                    "no access token: {}; check snowflake.oauth_client_id, \
                     snowflake.oauth_client_secret and snowflake.oauth_scope",
                    clean(words)
                ),
            },
            Failure::Later(words) => WarehouseError::Connect {
                warehouse,
                reason: format!(
                    "no access token: {}; check snowflake.oauth_token_url if it stays",
                    clean(words)
                ),
            },
        }
    }
}

/// An answer that did not come, with its causes and without the address, which others say.
fn lost(error: reqwest::Error) -> Failure {
    Failure::Later(wire::in_words(error))
}

/// The trouble of an answer that was to be read whole.
fn unread(trouble: Trouble) -> Failure {
    Failure::Later(match trouble {
        Trouble::Nonsense(_) => "its answer is longer than 256 KiB".to_owned(),
        other => other.words().to_owned(),
    })
}

/// An id or a secret as the standard wants it before it is put into the header.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                escaped.push(char::from(byte));
            }
            other => escaped.push_str(&format!("%{other:02X}")),
        }
    }
    escaped
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex as StdMutex};

    use axum::Router;
    use axum::extract::State;
    use axum::http::HeaderMap;
    use axum::routing::post;
    use serde_json::json;

    use super::*;

    /// A giver of tokens that answers as told and keeps what it was asked.
    #[derive(Clone, Default)]
    struct Giver {
        asked: Arc<StdMutex<Vec<(String, String)>>>,
        answers: Arc<StdMutex<Vec<(u16, String)>>>,
    }

    impl Giver {
        /// Begins to answer, the last answer for ever; gives the address.
        async fn open(answers: &[(u16, &str)]) -> (Giver, String) {
            let giver = Giver::default();
            let answers = answers.iter().map(|(status, body)| (*status, (*body).to_owned()));
            giver.answers.lock().unwrap().extend(answers);
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let routes = Router::new().route("/token", post(answer)).with_state(giver.clone());
            tokio::spawn(async move { axum::serve(listener, routes).await });
            (giver, format!("http://{address}/token"))
        }

        fn asked(&self) -> Vec<(String, String)> {
            self.asked.lock().unwrap().clone()
        }
    }

    async fn answer(
        State(giver): State<Giver>,
        headers: HeaderMap,
        body: String,
    ) -> (axum::http::StatusCode, String) {
        let header = headers.get("authorization").map_or("", |value| value.to_str().unwrap());
        giver.asked.lock().unwrap().push((header.to_owned(), body));
        let mut answers = giver.answers.lock().unwrap();
        let last = answers.len() == 1;
        let (status, body) = if last { answers[0].clone() } else { answers.remove(0) };
        (axum::http::StatusCode::from_u16(status).unwrap(), body)
    }

    fn client(url: &str, scope: Option<&str>) -> ClientCredentials {
        let secret = Secret::new("canary secret~+".to_owned());
        ClientCredentials::new("id:1", &secret, url, scope.map(str::to_owned)).unwrap()
    }

    fn granted(token: &str, lifetime: &Value) -> String {
        json!({ "access_token": token, "expires_in": lifetime }).to_string()
    }

    async fn token(client: &ClientCredentials, now: u64) -> Result<String, String> {
        let http = reqwest::Client::new();
        let token = client.token(&http, now).await;
        token.map(|token| token.expose().to_owned()).map_err(|why| format!("{why} {why:?}"))
    }

    #[tokio::test]
    async fn a_token_is_asked_for_once_and_renewed_shortly_before_it_expires() {
        let first = granted("one", &json!(600));
        let second = granted("two", &json!("90"));
        let third = r#"{"access_token": "three"}"#;
        let (giver, url) = Giver::open(&[(200, &first), (200, &second), (200, third)]).await;
        let client = client(&url, Some("session:role:R"));
        for (now, expected) in [
            (1_000, "one"),
            (1_539, "one"),
            (1_540, "two"),
            (1_584, "two"),
            (1_585, "three"),
            (1_824, "three"),
        ] {
            assert_eq!(token(&client, now).await.unwrap(), expected, "{now}");
        }
        let asked = giver.asked();
        assert_eq!(asked.len(), 3);
        let (header, body) = &asked[0];
        assert_eq!(header, "Basic aWQlM0ExOmNhbmFyeSUyMHNlY3JldH4lMkI=");
        assert_eq!(body, "grant_type=client_credentials&scope=session%3Arole%3AR");
        client.forget();
        token(&client, 1_825).await.unwrap();
        assert_eq!(giver.asked().len(), 4);
    }

    #[tokio::test]
    async fn many_logins_at_once_ask_for_one_token() {
        let answer = granted("one", &json!(600));
        let (giver, url) = Giver::open(&[(200, &answer)]).await;
        let client = Arc::new(client(&url, None));
        let all: Vec<_> = (0..16)
            .map(|_| {
                let client = Arc::clone(&client);
                tokio::spawn(async move { token(&client, 1_000).await.unwrap() })
            })
            .collect();
        for one in all {
            assert_eq!(one.await.unwrap(), "one");
        }
        let asked = giver.asked();
        assert_eq!(asked.len(), 1);
        assert_eq!(asked[0].1, "grant_type=client_credentials");
    }

    #[tokio::test]
    async fn a_giver_that_wants_the_secret_in_the_body_gets_it_there_from_then_on() {
        let answer = granted("one", &json!(600));
        let refusal = r#"{"error": "invalid_client"}"#;
        let (giver, url) = Giver::open(&[(401, refusal), (200, &answer)]).await;
        let client = client(&url, None);
        assert_eq!(token(&client, 1_000).await.unwrap(), "one");
        assert_eq!(token(&client, 9_000).await.unwrap(), "one");
        let asked = giver.asked();
        let body =
            "grant_type=client_credentials&client_id=id%3A1&client_secret=canary+secret%7E%2B";
        assert_eq!(asked[1], (String::new(), body.to_owned()));
        assert_eq!(asked[2], asked[1]);
    }

    #[tokio::test]
    async fn no_token_is_told_with_a_remedy_and_never_with_the_secret() {
        let echo = r#"{"error": "invalid_scope", "error_description": "of canary secret~+\n"}"#;
        for (status, answer, kind, words) in [
            (401, "", "Refused", "401; check snowflake.oauth_client_id"),
            (400, echo, "Refused", "400 invalid_scope of (secret)"),
            (400, r#"{"error": "temporarily_unavailable"}"#, "Connect", "temporarily"),
            (503, "<html>", "Connect", "503; check snowflake.oauth_token_url"),
            (429, "", "Connect", "429"),
            (200, "<html>", "Connect", "no access_token"),
            (200, r#"{"access_token": ""}"#, "Connect", "no access_token"),
            (200, &"x".repeat(ANSWER_BYTES_MAX + 1), "Connect", "longer than 256 KiB"),
        ] {
            let (_giver, url) = Giver::open(&[(status, answer)]).await;
            let said = token(&client(&url, None), 1_000).await.unwrap_err();
            assert!(said.contains(kind) && said.contains(words), "{status}: {said}");
            assert!(!said.contains("canary"), "{said}");
        }
        let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/token", gone.local_addr().unwrap());
        drop(gone);
        let said = token(&client(&url, None), 1_000).await.unwrap_err();
        assert!(said.contains("Connect") && said.contains("refused"), "{said}");
    }

    #[test]
    fn a_secret_is_sent_nowhere_unencrypted() {
        let secret = Secret::new("canary".to_owned());
        for (url, words) in [
            ("http://idp.example.com/token", "is not encrypted"),
            ("ftp://127.0.0.1/token", "is not encrypted"),
            ("idp.example.com", "is no address"),
        ] {
            let Err(why) = ClientCredentials::new("id", &secret, url, None) else {
                panic!("{url}");
            };
            assert!(why.contains(words) && why.contains("https://"), "{why}");
        }
        assert!(ClientCredentials::new("id", &secret, "https://idp.example.com", None).is_ok());
    }
}
