//! One request to Snowflake and its answer: sent, waited for with limits, read with a limit.
//!
//! What went wrong is told apart by what a caller may do about it: a request that never left may
//! be sent again, one whose answer was lost may have been carried out. Nothing here knows what a
//! statement is.

use std::time::Duration;

use reqwest::header::{ACCEPT, AUTHORIZATION, DATE, HeaderMap, HeaderValue, RETRY_AFTER};
use reqwest::{Client, Response, StatusCode, Url};
use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use super::account::Endpoint;
use crate::clock::Clock;
use crate::words::chain;

/// How long a connection may take to come about.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// How long nothing may arrive while an answer is waited for. Snowflake itself answers a statement
/// after 45 s at the latest, if only to say that it is still running.
const READ_TIMEOUT: Duration = Duration::from_secs(90);
/// The longest answer that is read whole; the parts of a long one are fetched one by one.
const ANSWER_BYTES_MAX: usize = 64 << 20;
/// The longest text of a server that is quoted in an error, in characters.
const QUOTED_CHARS_MAX: usize = 200;

/// The way to one account. Shared by all of a worker's sessions, whose requests share connections.
pub(super) struct Wire {
    http: Client,
    endpoint: Endpoint,
    clock: Clock,
}

/// An answer in Snowflake's envelope.
#[derive(Debug, Clone, Default)]
pub(super) struct Reply {
    /// Empty when all went well.
    pub(super) code: String,
    pub(super) message: String,
    pub(super) success: bool,
    pub(super) data: Value,
    /// The server's clock, in seconds since 1970.
    pub(super) date: Option<u64>,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// The request did not leave: no name, no connection, no TLS.
    Unreachable(String),
    /// The server is busy or in trouble itself, and says when to come back if it can.
    Busy { words: String, after: Option<Duration> },
    /// The request left, and no whole answer came.
    Lost(String),
    /// The server does not want such a request at all.
    Denied { status: u16, words: String },
    /// What came is not what Snowflake speaks.
    Nonsense(String),
}

impl Trouble {
    /// What happened, for people.
    pub(super) fn words(&self) -> &str {
        match self {
            Trouble::Unreachable(words) | Trouble::Lost(words) | Trouble::Nonsense(words) => words,
            Trouble::Busy { words, .. } | Trouble::Denied { words, .. } => words,
        }
    }
}

/// Who sends a request.
pub(super) enum Bearer<'a> {
    Nobody,
    Token(&'a str),
}

impl Wire {
    pub(super) fn new(endpoint: Endpoint, clock: Clock) -> Result<Wire, String> {
        let http = Client::builder()
            .user_agent(concat!("mcp-supervisor/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIMEOUT)
            .read_timeout(READ_TIMEOUT)
            .tcp_keepalive(Duration::from_secs(30))
            .tcp_nodelay(true)
            .gzip(true)
            // Secrets go to the address that was named, and nowhere else.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| format!("cannot prepare HTTPS: {}", chain(&error)))?;
        Ok(Wire { http, endpoint, clock })
    }

    pub(super) fn http(&self) -> &Client {
        &self.http
    }

    pub(super) fn clock(&self) -> Clock {
        self.clock
    }

    /// The address of a path at this account, with the names that tell requests apart.
    pub(super) fn url(&self, path: &str, request_id: Uuid) -> Url {
        let mut url = self.endpoint.url(path);
        url.query_pairs_mut()
            .append_pair("requestId", &request_id.to_string())
            .append_pair("request_guid", &Uuid::new_v4().to_string());
        url
    }

    /// An address that an answer gave, which may be a path alone.
    pub(super) fn further(&self, address: &str) -> Result<Url, Trouble> {
        let base = self.endpoint.url("/");
        let url = base.join(address);
        // The token goes along, so it must be the same server.
        let url = url.ok().filter(|url| url.origin() == base.origin());
        url.ok_or_else(|| Trouble::Nonsense("an answer names a place at another server".to_owned()))
    }

    pub(super) async fn post(
        &self,
        url: Url,
        bearer: Bearer<'_>,
        body: &Value,
    ) -> Result<Reply, Trouble> {
        let request = self.http.post(url).headers(headers(bearer)).json(body);
        read(request.send().await.map_err(of_sending)?).await
    }

    pub(super) async fn get(&self, url: Url, bearer: Bearer<'_>) -> Result<Reply, Trouble> {
        let request = self.http.get(url).headers(headers(bearer));
        read(request.send().await.map_err(of_sending)?).await
    }
}

pub(super) fn headers(bearer: Bearer<'_>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static("application/snowflake"));
    if let Bearer::Token(token) = bearer
        && let Ok(mut value) = HeaderValue::from_str(&format!("Snowflake Token=\"{token}\""))
    {
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    headers
}

async fn read(response: Response) -> Result<Reply, Trouble> {
    let status = response.status();
    let header = |name| response.headers().get(name).and_then(|value| value.to_str().ok());
    let date = header(DATE).and_then(unix_seconds);
    let after = header(RETRY_AFTER).and_then(|text| text.trim().parse().ok());
    let after = after.map(Duration::from_secs);
    let trouble = of_status(status, after);
    if let Some(busy @ Trouble::Busy { .. }) = trouble {
        return Err(busy);
    }
    let body = whole(response, ANSWER_BYTES_MAX).await?;
    let read: Result<Envelope, _> = serde_json::from_slice(&body);
    let envelope = match (read, trouble) {
        // A denial that says why is an answer.
        (Ok(envelope), Some(trouble)) if envelope.code.is_none() => return Err(trouble),
        (Ok(envelope), _) => envelope,
        (Err(_), Some(trouble)) => return Err(trouble),
        (Err(error), None) => {
            let words = format!("the answer is not what Snowflake speaks: {error}");
            return Err(Trouble::Nonsense(words));
        }
    };
    Ok(Reply {
        code: envelope.code.unwrap_or_default().into_text(),
        message: envelope.message.unwrap_or_default(),
        success: envelope.success,
        data: envelope.data,
        date,
    })
}

/// Reads a body; one that is longer is nonsense.
pub(super) async fn whole(mut response: Response, bytes_max: usize) -> Result<Vec<u8>, Trouble> {
    let mut body = Vec::new();
    while let Some(piece) = response.chunk().await.map_err(of_reading)? {
        if body.len() + piece.len() > bytes_max {
            let words = format!("the answer is longer than {bytes_max} bytes");
            return Err(Trouble::Nonsense(words));
        }
        body.extend_from_slice(&piece);
    }
    Ok(body)
}

/// The trouble that a status tells; `None` for one with an answer behind it.
pub(super) fn of_status(status: StatusCode, after: Option<Duration>) -> Option<Trouble> {
    let words = || format!("the server answered {status}");
    match status.as_u16() {
        200..=299 => None,
        408 | 429 | 500..=599 => Some(Trouble::Busy { words: words(), after }),
        other => Some(Trouble::Denied { status: other, words: words() }),
    }
}

/// The trouble of a request that was to be sent.
pub(super) fn of_sending(error: reqwest::Error) -> Trouble {
    let is_unsent = error.is_connect() || error.is_builder();
    let words = cut(&in_words(error));
    if is_unsent { Trouble::Unreachable(words) } else { Trouble::Lost(words) }
}

/// The trouble of an answer that was to be read.
pub(super) fn of_reading(error: reqwest::Error) -> Trouble {
    Trouble::Lost(cut(&in_words(error)))
}

/// An error without its address, which may hold a signature.
pub(super) fn in_words(error: reqwest::Error) -> String {
    chain(&error.without_url())
}

fn cut(words: &str) -> String {
    words.chars().take(QUOTED_CHARS_MAX).collect()
}

/// A date of an HTTP head, in seconds since 1970.
fn unix_seconds(date: &str) -> Option<u64> {
    let since = httpdate::parse_http_date(date).ok()?.duration_since(std::time::UNIX_EPOCH);
    since.ok().map(|since| since.as_secs())
}

#[derive(Deserialize)]
struct Envelope {
    code: Option<Code>,
    message: Option<String>,
    #[serde(default)]
    success: bool,
    #[serde(default)]
    data: Value,
}

/// A code is a text, or in some answers a number.
#[derive(Deserialize)]
#[serde(untagged)]
enum Code {
    Text(String),
    Number(i64),
}

impl Default for Code {
    fn default() -> Code {
        Code::Text(String::new())
    }
}

impl Code {
    fn into_text(self) -> String {
        match self {
            Code::Text(text) => text,
            Code::Number(number) => number.to_string(),
        }
    }
}
