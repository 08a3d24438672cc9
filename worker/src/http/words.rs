//! Answers that the door gives by itself, in a form that an MCP client reads: JSON-RPC errors.

use axum::body::Body;
use axum::response::IntoResponse;
use http::{Response, StatusCode};
use serde_json::{Value, json};

/// JSON-RPC: the body is not JSON.
pub(super) const PARSE_ERROR: i32 = -32700;
/// JSON-RPC: the body is JSON and no request.
pub(super) const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC, server's own range: try again.
pub(super) const RETRY: i32 = -32000;
/// JSON-RPC, server's own range, as clients know it: there is no such session.
pub(super) const NO_SESSION: i32 = -32001;

/// Why a request is not answered by whom it was meant for: the answer that it gets.
#[derive(Debug)]
pub(super) struct Refused(Box<Response<Body>>);

impl Refused {
    pub(super) fn into_response(self) -> Response<Body> {
        *self.0
    }
}

impl From<Response<Body>> for Refused {
    fn from(response: Response<Body>) -> Refused {
        Refused(Box::new(response))
    }
}

/// An error under this status.
pub(super) fn refusal(
    status: StatusCode,
    code: i32,
    message: &str,
    id: Option<Value>,
) -> Response<Body> {
    (status, axum::Json(error_body(code, message, id))).into_response()
}

/// An error as a message.
pub(super) fn error_body(code: i32, message: &str, id: Option<Value>) -> Value {
    let error = json!({ "code": code, "message": message });
    json!({ "jsonrpc": "2.0", "id": id, "error": error })
}
