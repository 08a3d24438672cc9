//! What is remembered of a conversation at `/ws`: a line in `access.log`, written at its end, and
//! its place among the visitors.
//!
//! The request that asked for it has a line of its own, with status 101, which cannot say how it
//! went on. Nothing of what was said is kept, only how much of it.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderName, header};
use mcp_protocol::relay::SessionTag;
use rmcp::model::{ClientRequest, Implementation};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::access_log::shown;
use super::asker::Asker;
use crate::access::Caller;
use crate::admin::{Office, Visit};
use crate::clock::{Clock, Moment};
use crate::mcp::edge::session::Client;
use crate::metrics::Metrics;
use crate::passage::Passage;
use crate::warehouse::journal::milliseconds;

/// The version that a client says it speaks that does not introduce itself.
const PROTOCOL_VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// A conversation; its line is written when this is dropped.
pub(super) struct Talk {
    passage: Passage,
    asker: Option<Asker>,
    user_agent: Option<String>,
    /// The version in the head of the request that asked for it.
    version: String,
    /// What counts as its session: nobody else can name it.
    tag: SessionTag,
    who: Who,
    heard: Said,
    told: Said,
    /// With which code we ended it.
    code: Option<u16>,
    office: Office,
    metrics: Option<Arc<Metrics>>,
    began: Moment,
    clock: Clock,
}

/// How far the client is known.
enum Who {
    /// It has not introduced itself, and need not.
    Stranger,
    /// It has, and is not answered yet.
    Introduces(Client, Caller),
    /// A version was agreed on.
    Known(Client),
}

/// What one side said.
#[derive(Default)]
struct Said {
    messages: u64,
    bytes: u64,
}

impl Said {
    fn note(&mut self, bytes: usize) {
        self.messages += 1;
        self.bytes += bytes as u64;
    }
}

impl Talk {
    /// A conversation that a request with this head asked for.
    pub(super) fn begin(head: &Parts, office: Office, clock: Clock) -> Talk {
        let text = |name: &HeaderName| Some(head.headers.get(name)?.to_str().ok()?.to_owned());
        Talk {
            passage: Passage::within(&head.extensions),
            asker: head.extensions.get::<Asker>().copied(),
            user_agent: head.headers.get(header::USER_AGENT).map(shown),
            version: text(&PROTOCOL_VERSION).unwrap_or_default(),
            tag: SessionTag(Uuid::new_v4().into_bytes()),
            who: Who::Stranger,
            heard: Said::default(),
            told: Said::default(),
            code: None,
            office,
            metrics: head.extensions.get::<Arc<Metrics>>().cloned(),
            began: clock.now(),
            clock,
        }
    }

    /// The client sent a message.
    pub(super) fn heard(&mut self, bytes: usize) {
        self.heard.note(bytes);
    }

    /// The client was sent a message.
    pub(super) fn told(&mut self, bytes: usize) {
        self.told.note(bytes);
    }

    /// We end it with this code.
    pub(super) fn ends(&mut self, code: u16) {
        self.code = Some(code);
    }

    /// A request that was admitted. A client that introduces itself is here as soon as it is
    /// answered, any other one now.
    pub(super) fn asked(&mut self, request: &ClientRequest, caller: &Caller) {
        let ClientRequest::InitializeRequest(request) = request else {
            return self.visit(caller);
        };
        let Implementation { name, version, .. } = request.params.client_info.clone();
        let (protocol, capabilities) = (String::new(), Map::new());
        self.who =
            Who::Introduces(Client { name, version, protocol, capabilities }, caller.clone());
    }

    /// Whoever sends a message is here.
    pub(super) fn visit(&self, caller: &Caller) {
        let (session, program, protocol) = match &self.who {
            Who::Known(client) => {
                self.metrics.iter().for_each(|metrics| metrics.session_seen(self.tag));
                (Some(self.tag), Some(client.to_string()), client.protocol.clone())
            }
            Who::Stranger | Who::Introduces(..) => {
                (None, self.user_agent.clone(), self.version.clone())
            }
        };
        let client = caller.name.as_deref().map(str::to_owned);
        self.office.visitors().note(Visit { session, client, program, protocol });
    }

    /// What the server answers says which version was agreed on; a session begins with it.
    pub(super) fn answered(&mut self, message: &Value) {
        let agreed = message.pointer("/result/protocolVersion").and_then(Value::as_str);
        let Some(agreed) = agreed else { return };
        match std::mem::replace(&mut self.who, Who::Stranger) {
            Who::Introduces(client, caller) => {
                self.who = Who::Known(Client { protocol: agreed.to_owned(), ..client });
                self.visit(&caller);
            }
            other @ (Who::Stranger | Who::Known(_)) => self.who = other,
        }
    }
}

impl Drop for Talk {
    fn drop(&mut self) {
        let _within = self.passage.span.enter();
        tracing::info!(
            target: "access",
            path = "/ws",
            duration_ms = milliseconds(self.clock.now().since(self.began)),
            messages_in = self.heard.messages,
            messages_out = self.told.messages,
            bytes_in = self.heard.bytes,
            bytes_out = self.told.bytes,
            code = self.code,
            remote = self.asker.map(display),
            proxy = self.asker.and_then(|asker| asker.via()).map(display),
            user_agent = self.user_agent.as_deref(),
            "conversation"
        );
    }
}
