//! What callers are told while an administrator has new calls turned away.
//!
//! What runs goes on, and what belongs to it is taken: that a call is cancelled, that its client
//! comes back for its stream. Only what would begin something is turned away.

use axum::body::Body;
use axum::response::IntoResponse;
use http::{HeaderValue, Response, StatusCode, header};
use mcp_protocol::admin::Maintenance;
use serde_json::{Value, json};

use super::words::{RETRY, error_body};

/// A request that begins nothing.
const PING: &str = "ping";

/// Why a request of this method is not taken now, if it is not: the words, and what a program reads.
pub(super) fn refusal_of(
    maintenance: Option<&Maintenance>,
    method: &str,
) -> Option<(String, Value)> {
    let maintenance = maintenance.filter(|_| method != PING)?;
    let Maintenance { reason, retry_after_seconds, .. } = maintenance;
    let why = reason.as_ref().map(|reason| format!(": {reason}")).unwrap_or_default();
    let words = format!("the service is in maintenance{why}; try again in {retry_after_seconds} s");
    let data = json!({
        "maintenance": true,
        "retryAfterSeconds": retry_after_seconds,
        "reason": reason,
    });
    Some((words, data))
}

/// The same over HTTP.
pub(super) fn turned_away(
    maintenance: Option<&Maintenance>,
    method: &str,
    id: Option<Value>,
) -> Option<Response<Body>> {
    let (words, data) = refusal_of(maintenance, method)?;
    let mut body = error_body(RETRY, &words, id);
    body["error"]["data"] = data;
    let mut response = (StatusCode::SERVICE_UNAVAILABLE, axum::Json(body)).into_response();
    let retry_after = maintenance.map_or(0, |one| one.retry_after_seconds);
    response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(retry_after));
    Some(response)
}
