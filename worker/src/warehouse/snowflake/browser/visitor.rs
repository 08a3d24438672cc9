//! The browser that comes back: one small door of this machine, open while somebody logs in.
//!
//! Snowflake's page leads the browser here with the token in the address, or posts it from a script
//! after having asked whether it may. What is not called by this machine's own name, or comes from
//! a page of somebody else, is turned away; so nobody's page can log us in as another. The answer
//! is given when Snowflake has said what it thinks of the token.

use axum::Router;
use axum::body::to_bytes;
use axum::extract::{Request, State};
use axum::response::{Html, IntoResponse, Response};
use http::header::{CACHE_CONTROL, HOST, HeaderName, ORIGIN, REFERRER_POLICY, VARY};
use http::{HeaderMap, HeaderValue, Method, StatusCode};
use mcp_protocol::secret::Secret;
use reqwest::Url;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

/// The longest body of a browser that is read, in bytes.
const BODY_BYTES_MAX: usize = 64 * 1024;

/// What was brought.
pub(super) struct Brought {
    pub(super) token: Secret,
    /// Whether the person agrees that the login is kept.
    pub(super) consent: bool,
    /// To be told whether it is good, or why not.
    pub(super) verdict: oneshot::Sender<Result<(), String>>,
}

/// The door.
#[derive(Clone)]
pub(super) struct Door {
    /// Where it goes.
    pub(super) brought: mpsc::Sender<Brought>,
    /// Where it is.
    pub(super) port: u16,
    /// The page that may post: the account's own.
    pub(super) origin: String,
}

/// Answers browsers until `over`, and then what they have asked already.
pub(super) async fn answer(listener: TcpListener, door: Door, over: CancellationToken) {
    let router = Router::new().fallback(visit).with_state(door);
    let _ = axum::serve(listener, router).with_graceful_shutdown(over.cancelled_owned()).await;
}

/// The token in an address that somebody pasted, or the token itself.
pub(super) fn pasted(line: &str) -> Option<Secret> {
    let line = line.trim();
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.+/=%:".contains(c);
    match Url::parse(line) {
        Ok(url) if url.has_host() => in_query(url.query().unwrap_or_default()),
        Ok(_) | Err(_) if line.len() > 20 && line.chars().all(plain) => {
            Some(Secret::new(line.to_owned()))
        }
        Ok(_) | Err(_) => None,
    }
}

async fn visit(State(door): State<Door>, request: Request) -> Response {
    let (head, body) = request.into_parts();
    if !door.is_called_by_name(&head.headers) || !door.may(&head.method, &head.headers) {
        return plain(StatusCode::FORBIDDEN, "This door is for Snowflake's own page.");
    }
    let token = match head.method {
        Method::OPTIONS => return door.permission(),
        Method::GET => in_query(head.uri.query().unwrap_or_default()).map(|token| (token, true)),
        Method::POST => match to_bytes(body, BODY_BYTES_MAX).await {
            Ok(body) => in_body(&body),
            Err(_) => None,
        },
        _ => None,
    };
    let Some((token, consent)) = token else {
        return plain(StatusCode::NOT_FOUND, "There is nothing here.");
    };
    let (verdict, heard) = oneshot::channel();
    let sent = door.brought.send(Brought { token, consent, verdict }).await;
    let verdict = match sent {
        Ok(()) => heard.await.unwrap_or_else(|_| Err("the login is over already".to_owned())),
        Err(_) => Err("the login is over already".to_owned()),
    };
    match head.method {
        Method::POST => door.told(&verdict, consent),
        _ => page(&verdict),
    }
}

impl Door {
    /// A page of somebody else may reach us by a name of its own that leads here.
    fn is_called_by_name(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        ["localhost", "127.0.0.1"].iter().any(|name| host == format!("{name}:{}", self.port))
    }

    fn may(&self, method: &Method, headers: &HeaderMap) -> bool {
        match headers.get(ORIGIN) {
            Some(origin) if origin == "null" => method == Method::GET,
            Some(origin) => origin.to_str().is_ok_and(|it| it.eq_ignore_ascii_case(&self.origin)),
            // Somebody is led here; scripts always say where they are from.
            None => method == Method::GET,
        }
    }

    fn permission(&self) -> Response {
        let mut response = plain(StatusCode::OK, "");
        self.allow(&mut response);
        response
    }

    fn told(&self, verdict: &Result<(), String>, consent: bool) -> Response {
        let (status, body) = match verdict {
            Ok(()) => (StatusCode::OK, json!({ "consent": consent })),
            Err(why) => (StatusCode::BAD_GATEWAY, json!({ "error": why })),
        };
        let mut response = (status, axum::Json(body)).into_response();
        self.allow(&mut response);
        response
    }

    fn allow(&self, response: &mut Response) {
        let headers = response.headers_mut();
        let mut put = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        };
        put("access-control-allow-origin", &self.origin);
        put("access-control-allow-methods", "POST, GET");
        put("access-control-allow-headers", "Content-Type");
        put("access-control-allow-private-network", "true");
        headers.insert(VARY, HeaderValue::from_static("Origin"));
    }
}

fn in_query(query: &str) -> Option<Secret> {
    let url = Url::parse(&format!("http://localhost/?{query}")).ok()?;
    let (_, token) = url.query_pairs().find(|(name, _)| name == "token")?;
    Some(Secret::new(token.into_owned())).filter(|token| !token.expose().is_empty())
}

fn in_body(body: &[u8]) -> Option<(Secret, bool)> {
    match serde_json::from_slice::<Value>(body) {
        Ok(told) => {
            let token = told["token"].as_str().filter(|token| !token.is_empty())?;
            let consent = told["consent"].as_bool().unwrap_or(true);
            Some((Secret::new(token.to_owned()), consent))
        }
        Err(_) => in_query(std::str::from_utf8(body).ok()?).map(|token| (token, true)),
    }
}

fn page(verdict: &Result<(), String>) -> Response {
    let (status, title, words) = match verdict {
        Ok(()) => (StatusCode::OK, "You are logged in", "You may close this page.".to_owned()),
        Err(why) => {
            let why = why.replace('&', "&amp;").replace('<', "&lt;");
            (StatusCode::BAD_GATEWAY, "You are not logged in", why)
        }
    };
    let page = format!(
        "<!DOCTYPE html><html lang=\"en\"><head><meta charset=\"utf-8\"><title>{title}</title>\
         </head><body><h1>{title}</h1><p>{words}</p></body></html>"
    );
    unkept((status, Html(page)).into_response())
}

fn plain(status: StatusCode, words: &'static str) -> Response {
    unkept((status, words).into_response())
}

fn unkept(mut response: Response) -> Response {
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_or_a_token_may_be_pasted_and_nothing_else() {
        let found = |line: &str| pasted(line).map(|token| token.expose().to_owned());
        let address = " http://localhost:4711/?token=a%2Fb%2Bc&x=1 \n";
        assert_eq!(found(address).as_deref(), Some("a/b+c"));
        let token = "ver:1-hint:3-ETMsDgAAAY+abc/def==";
        assert_eq!(found(token).as_deref(), Some(token));
        for line in ["", "yes", "http://localhost:4711/", "no token is in these words, is it?"] {
            assert_eq!(found(line), None, "{line}");
        }
    }

    #[test]
    fn a_token_is_found_in_either_form_of_a_body() {
        let found = |body: &str| {
            in_body(body.as_bytes()).map(|(token, consent)| (token.expose().to_owned(), consent))
        };
        let told = Some(("t".to_owned(), false));
        assert_eq!(found("{\"token\": \"t\", \"consent\": false}"), told);
        assert_eq!(found("token=t&x=y"), Some(("t".to_owned(), true)));
        assert_eq!(found("{\"token\": \"\"}"), None);
        assert_eq!(found("hello"), None);
    }
}
