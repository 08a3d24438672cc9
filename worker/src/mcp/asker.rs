//! Who sends a request, and what it can take, as far as the request itself tells.
//!
//! Read from what the door left in the request's extensions; nothing here decides what a caller
//! may do.

use std::sync::Arc;

use mcp_protocol::access::Level;
use rmcp::RoleServer;
use rmcp::model::JsonObject;
use rmcp::service::RequestContext;
use serde_json::Value;

use super::edge::resume::Resumable;
use super::edge::session::Session;
use crate::access::Caller;
use crate::passage::Passage;
use crate::warehouse::Origin;

/// What lets another worker take up this call, where it only reads a statement of its client's own.
pub(super) fn resumable(
    context: &RequestContext<RoleServer>,
    caller: &Caller,
    arguments: &JsonObject,
) -> Option<Resumable> {
    let head = context.extensions.get::<http::request::Parts>()?;
    let call = head.extensions.get::<Resumable>().cloned()?;
    let statement = arguments.get("query").and_then(Value::as_str)?;
    (caller.grant.level == Level::Read).then(|| call.of(statement))
}

/// What the request is known by.
pub(super) fn passage(context: &RequestContext<RoleServer>) -> Passage {
    let Some(head) = context.extensions.get::<http::request::Parts>() else {
        return Passage::inside();
    };
    let session = head.extensions.get::<Arc<Session>>();
    let session = session.map(|session| Arc::from(session.tag.to_string()));
    Passage { session, ..Passage::within(&head.extensions) }
}

/// Who asks, as far as the request tells.
pub(super) fn origin(context: &RequestContext<RoleServer>) -> Origin {
    let head = context.extensions.get::<http::request::Parts>();
    let header = |name: &str| {
        let value = head?.headers.get(name)?.to_str().ok()?;
        Some(value.to_owned())
    };
    let session = head.and_then(|head| head.extensions.get::<Arc<Session>>());
    let trace = head.and_then(|head| head.extensions.get::<Passage>()?.trace);
    // Over HTTP the SDK knows of no client but the one that the message itself names.
    let named = match head {
        Some(_) => context.meta.client_info(),
        None => context.client_info(),
    };
    let named = named.map(|client| format!("{} {}", client.name, client.version));
    let client = session.map(|session| session.client.to_string()).or(named);
    Origin {
        client: client.or_else(|| header("user-agent")),
        session: session.map(|session| session.tag.to_string()),
        request: Some(context.id.to_string()),
        tool: None,
        traceparent: trace.map(|trace| trace.to_string()),
        caller: None,
        reason: None,
    }
}

/// Whether a client knows links to resources: those of the first version do not, nor do they say
/// which version they speak.
pub(super) fn knows_links(context: &RequestContext<RoleServer>) -> bool {
    const WITHOUT: &str = "2025-03-26";
    match context.extensions.get::<http::request::Parts>() {
        Some(head) => {
            let version = head.headers.get("mcp-protocol-version");
            version.and_then(|value| value.to_str().ok()).is_some_and(|value| value > WITHOUT)
        }
        None => {
            let peer = context.peer.peer_info();
            peer.is_some_and(|peer| peer.protocol_version.as_str() > WITHOUT)
        }
    }
}
