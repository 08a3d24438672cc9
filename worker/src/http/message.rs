//! What is read of a message and its head without the SDK: enough to know whose it is, what it is
//! about, and which answer it can take. Nothing here answers or waits, but for errors of form.

use std::borrow::Cow;

use axum::body::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::stream::EVENT_STREAM;
use super::words::{INVALID_REQUEST, PARSE_ERROR, Refused, refusal};

pub(super) const SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");
pub(super) const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");
pub(super) const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
/// The first version that has no sessions: each request says for itself what it needs.
pub(super) const SESSIONLESS_SINCE: &str = "2026-07-28";
/// What the SDK wants to be accepted, for clients that accept anything.
pub(super) const ACCEPTED: &str = "application/json, text/event-stream";

/// The part of a message that is needed to answer it without the SDK.
#[derive(Debug, Deserialize)]
pub(super) struct Envelope<'a> {
    #[serde(default)]
    pub(super) id: Option<Value>,
    #[serde(borrow, default)]
    pub(super) method: Option<Cow<'a, str>>,
}

/// What is read of the few messages that the edge itself acts on.
#[derive(Debug, Deserialize)]
pub(super) struct Message<P> {
    pub(super) params: P,
}

/// How a client introduces itself.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Introduction {
    #[serde(default)]
    pub(super) capabilities: Map<String, Value>,
    pub(super) client_info: Implementation,
}

#[derive(Debug, Deserialize)]
pub(super) struct Implementation {
    pub(super) name: String,
    pub(super) version: String,
}

/// What a client wants no answer to.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Cancelled {
    pub(super) request_id: Value,
}

/// What is read of the SDK's answer to an introduction.
#[derive(Debug, Deserialize)]
pub(super) struct Introduced {
    pub(super) result: Agreed,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Agreed {
    pub(super) protocol_version: String,
}

/// Whether the client says itself that it takes a stream of events.
pub(super) fn takes_streams(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT).iter();
    let mut accepted = accepted.filter_map(|value| value.to_str().ok());
    accepted.any(|value| value.contains(EVENT_STREAM))
}

pub(super) fn envelope<'a>(headers: &HeaderMap, body: &'a Bytes) -> Result<Envelope<'a>, Refused> {
    if !says_json(headers) {
        let message = "send the body as Content-Type: application/json";
        let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
        return Err(refusal(status, INVALID_REQUEST, message, None).into());
    }
    serde_json::from_slice(body).map_err(|error| {
        if error.is_data() {
            let message = "the body must be one JSON-RPC message; batches are not served";
            return refusal(StatusCode::BAD_REQUEST, INVALID_REQUEST, message, None).into();
        }
        let message = format!("the body is not JSON: {error}");
        refusal(StatusCode::BAD_REQUEST, PARSE_ERROR, &message, None).into()
    })
}

pub(super) fn is_sessionless(headers: &HeaderMap) -> bool {
    let version = headers.get(PROTOCOL_VERSION).and_then(|value| value.to_str().ok());
    version.is_some_and(|version| version >= SESSIONLESS_SINCE)
}

pub(super) fn says_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| {
        let media = value.split(';').next().unwrap_or_default();
        media.trim().eq_ignore_ascii_case("application/json")
    })
}

/// A client that accepts anything accepts what we send.
pub(super) fn accept_both(headers: &mut HeaderMap) {
    let anything = match headers.get(header::ACCEPT) {
        None => true,
        Some(value) => value.to_str().is_ok_and(|value| value.contains("*/*")),
    };
    if anything {
        headers.insert(header::ACCEPT, HeaderValue::from_static(ACCEPTED));
    }
}
