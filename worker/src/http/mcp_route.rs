//! `POST /mcp`: limits and plain answers around the SDK's stateless Streamable HTTP service.
//!
//! The SDK answers malformed bodies with 415 and knows neither a time limit nor a drain; here a
//! client gets a JSON-RPC error that it can read in each of these cases.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::response::IntoResponse;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Full, LengthLimitError, Limited};
use mcp_protocol::settings::Settings;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::{StreamableHttpServerConfig, StreamableHttpService};
use serde::Deserialize;
use serde::de::IgnoredAny;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Stage;
use crate::access::Reception;
use crate::clock::Clock;
use crate::mcp::server::Server;

/// JSON-RPC: the body is not JSON.
const PARSE_ERROR: i32 = -32700;
/// JSON-RPC: the body is JSON and no request.
const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC, server's own range: try again.
const RETRY: i32 = -32000;

/// Names under which a machine calls itself.
const LOOPBACK_HOSTS: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// Origins of pages that the machine itself serves.
const LOOPBACK_ORIGINS: [&str; 6] = [
    "http://localhost:*",
    "http://127.0.0.1:*",
    "http://[::1]:*",
    "https://localhost:*",
    "https://127.0.0.1:*",
    "https://[::1]:*",
];
/// What the SDK wants to be accepted, for clients that accept anything.
const ACCEPTED: &str = "application/json, text/event-stream";

/// The SDK's service with our limits.
pub(super) struct McpDoor {
    service: StreamableHttpService<Server, NeverSessionManager>,
    reception: Reception,
    stage: watch::Receiver<Stage>,
    body_bytes_max: usize,
    request_timeout: Duration,
    clock: Clock,
}

/// The part of a message that is needed to answer it without the SDK.
#[derive(Debug, Deserialize)]
struct Envelope {
    #[serde(default)]
    id: Option<Value>,
    #[serde(rename = "params", default)]
    _params: IgnoredAny,
}

impl McpDoor {
    pub(super) fn new(
        settings: &Settings,
        (server, reception): (Server, Reception),
        stage: watch::Receiver<Stage>,
        clock: Clock,
    ) -> McpDoor {
        let body_bytes_max = usize::try_from(settings.http.body_bytes_max).unwrap_or(usize::MAX);
        let hosts = LOOPBACK_HOSTS.into_iter().map(str::to_owned);
        let origins = LOOPBACK_ORIGINS.into_iter().map(str::to_owned);
        let config = StreamableHttpServerConfig::default()
            .with_legacy_session_mode(false)
            .with_json_response(true)
            .with_max_request_body_bytes(body_bytes_max)
            .with_allowed_hosts(hosts.chain(settings.mcp.allowed_hosts.iter().cloned()))
            .with_allowed_origins(origins.chain(settings.mcp.allowed_origins.iter().cloned()))
            .enforce_origin_validation();
        let sessions = Arc::new(NeverSessionManager::default());
        McpDoor {
            service: StreamableHttpService::new(move || Ok(server.clone()), sessions, config),
            reception,
            stage,
            body_bytes_max,
            request_timeout: settings.http.request_timeout,
            clock,
        }
    }

    /// Whatever comes first: the answer, the time limit, or the end of the drain. Dropping the
    /// SDK's future cancels the statement.
    async fn race(&self, id: Option<Value>, request: Request<Full<Bytes>>) -> Response<Body> {
        let mut stage = self.stage.clone();
        let deadline = self.clock.now() + self.request_timeout;
        tokio::select! {
            response = self.service.handle(request) => response.map(Body::new),
            () = self.clock.until(deadline) => {
                let message = format!("the request took longer than {:?}", self.request_timeout);
                refusal(StatusCode::OK, RETRY, &message, id)
            }
            _ = stage.wait_for(|stage| *stage >= Stage::AnsweringRest) => {
                refusal(StatusCode::OK, RETRY, "this worker is leaving; retry", id)
            }
        }
    }
}

/// Answers one message of a client.
pub(super) async fn answer(
    State(door): State<Arc<McpDoor>>,
    request: Request<Body>,
) -> Response<Body> {
    let (mut head, body) = request.into_parts();
    match door.reception.admit(&mut head).await {
        Ok(caller) => head.extensions.insert(caller),
        Err(refusal) => return refusal.response(),
    };
    let deadline = door.clock.now() + door.request_timeout;
    let body = tokio::select! {
        body = Limited::new(body, door.body_bytes_max).collect() => body,
        () = door.clock.until(deadline) => {
            return refusal(StatusCode::REQUEST_TIMEOUT, RETRY, "the body did not arrive", None);
        }
    };
    let body = match body {
        Ok(body) => body.to_bytes(),
        Err(error) if error.is::<LengthLimitError>() => {
            let message = format!("a body may have {} bytes", door.body_bytes_max);
            return refusal(StatusCode::PAYLOAD_TOO_LARGE, INVALID_REQUEST, &message, None);
        }
        Err(_) => return refusal(StatusCode::BAD_REQUEST, PARSE_ERROR, "the body broke off", None),
    };
    if !says_json(&head.headers) {
        let message = "send the body as Content-Type: application/json";
        return refusal(StatusCode::UNSUPPORTED_MEDIA_TYPE, INVALID_REQUEST, message, None);
    }
    let id = match serde_json::from_slice::<Envelope>(&body) {
        Ok(envelope) => envelope.id,
        Err(error) if error.is_data() => {
            let message = "the body must be one JSON-RPC message; batches are not served";
            return refusal(StatusCode::BAD_REQUEST, INVALID_REQUEST, message, None);
        }
        Err(error) => {
            let message = format!("the body is not JSON: {error}");
            return refusal(StatusCode::BAD_REQUEST, PARSE_ERROR, &message, None);
        }
    };
    accept_both(&mut head.headers);
    let response = door.race(id.clone(), Request::from_parts(head, Full::new(body))).await;
    if response.status() == StatusCode::UNSUPPORTED_MEDIA_TYPE {
        let message = "the body is JSON, but no JSON-RPC 2.0 message of MCP";
        return refusal(StatusCode::BAD_REQUEST, INVALID_REQUEST, message, id);
    }
    response
}

fn says_json(headers: &HeaderMap) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| {
        let media = value.split(';').next().unwrap_or_default();
        media.trim().eq_ignore_ascii_case("application/json")
    })
}

/// A client that accepts anything accepts what we send.
fn accept_both(headers: &mut HeaderMap) {
    let anything = match headers.get(header::ACCEPT) {
        None => true,
        Some(value) => value.to_str().is_ok_and(|value| value.contains("*/*")),
    };
    if anything {
        headers.insert(header::ACCEPT, HeaderValue::from_static(ACCEPTED));
    }
}

fn refusal(status: StatusCode, code: i32, message: &str, id: Option<Value>) -> Response<Body> {
    let error = json!({ "code": code, "message": message });
    let body = json!({ "jsonrpc": "2.0", "id": id, "error": error });
    (status, axum::Json(body)).into_response()
}
