//! What a request is counted as: the kind of its path, and its trace.

use http::{HeaderMap, Method, StatusCode};
use mcp_protocol::measure::TraceId;

/// Where the protocol is spoken.
pub(super) const MCP: &str = "mcp";
const WEBSOCKET: &str = "websocket";
const ADMIN: &str = "admin";

/// The kind of a path; whatever a client writes, it is one of few.
pub(super) fn class(path: &str) -> &'static str {
    match path {
        "/mcp" => MCP,
        "/ws" => WEBSOCKET,
        "/livez" | "/readyz" | "/status" => "health",
        _ if is_below(path, "/health") => "health",
        _ if is_below(path, "/admin") || is_below(path, "/api") => ADMIN,
        _ if is_below(path, "/.well-known") => "metadata",
        _ => "other",
    }
}

/// Whether an answer was one for which nobody had to be let in. What is refused is one too, and what
/// a browser asks beforehand.
pub(super) fn is_open(class: &str, method: &Method, status: StatusCode) -> bool {
    let is_guarded = [MCP, WEBSOCKET, ADMIN].contains(&class);
    !is_guarded || status.is_client_error() || method == Method::OPTIONS
}

/// The trace that a request is part of.
pub(super) fn trace(head: &HeaderMap) -> Option<TraceId> {
    TraceId::of_traceparent(head.get("traceparent")?.to_str().ok()?)
}

fn is_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_path_is_of_a_kind() {
        for (path, kind) in [
            ("/mcp", "mcp"),
            ("/mcp/", "other"),
            ("/health", "health"),
            ("/health/detailed", "health"),
            ("/healthy", "other"),
            ("/api/sessions", "admin"),
            ("/.well-known/oauth-protected-resource", "metadata"),
            ("", "other"),
        ] {
            assert_eq!(class(path), kind, "{path}");
        }
    }
}
