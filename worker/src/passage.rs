//! What a request is known by on its way from the door to the warehouse: its id, and the trace that
//! it is part of.
//!
//! Made once, at the door, and put into the request's extensions. Its span is what all lines about
//! the request are logged within, also those of tasks that work for it elsewhere.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use http::{Extensions, HeaderMap, HeaderName};
use mcp_protocol::log_line::Fields;
use mcp_protocol::redact::redact;
use tracing::Span;
use tracing::field::Empty;
use uuid::Uuid;

use crate::traces::{self, Sampling};

/// By what a client names its request, and is told what it was named.
pub const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// The trace that a request is part of, as W3C writes it.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
/// The bit that says that a trace is recorded.
const SAMPLED: u8 = 1;
/// The longest id that is taken from a client.
const ID_CHARS_MAX: usize = 128;

/// A request on its way.
#[derive(Debug, Clone)]
pub struct Passage {
    /// Its id: the client's, or ours.
    pub request_id: Arc<str>,
    /// The trace that it is part of.
    pub trace: Option<Trace>,
    /// Whose it is, by address; none of one that came through no door.
    pub remote: Option<IpAddr>,
    /// The tag of the MCP session that it belongs to, once that is known.
    pub session: Option<Arc<str>>,
    /// What is logged about it is logged within this.
    pub span: Span,
}

/// A place in a trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trace {
    /// The trace.
    pub trace_id: u128,
    /// The span in it that is at work.
    pub span_id: u64,
    /// Whether it is recorded, and what else the other side said in these bits.
    pub flags: u8,
}

impl Passage {
    /// A request with these headers.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Passage {
        let given = |name: &HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let request_id = match given(&REQUEST_ID).filter(|id| is_sane(id)) {
            Some(id) => Arc::from(id),
            None => Arc::from(Uuid::new_v4().to_string()),
        };
        Passage::known_by(request_id, given(&TRACEPARENT).and_then(Trace::read))
    }

    /// A request that came through no door.
    #[must_use]
    pub fn inside() -> Passage {
        Passage::known_by(Arc::from(Uuid::new_v4().to_string()), None)
    }

    /// The passage of a request that came through the door; another one for any other.
    #[must_use]
    pub fn within(extensions: &Extensions) -> Passage {
        extensions.get::<Passage>().cloned().unwrap_or_else(Passage::inside)
    }

    fn known_by(request_id: Arc<str>, parent: Option<Trace>) -> Passage {
        let sampling = traces::sampling();
        let is_traced = sampling.is_some();
        let trace = sampling.map(|sampling| Trace::below(parent, sampling)).or(parent);
        let hex = |id: Option<u64>| id.map(|id| format!("{id:016x}"));
        let parent_id = hex(parent.filter(|_| is_traced).map(|parent| parent.span_id));
        let span = tracing::error_span!(
            "request",
            request_id = &*request_id,
            client = Empty,
            session = Empty,
            trace_id = trace.map(|trace| format!("{:032x}", trace.trace_id)),
            span_id = hex(trace.map(|trace| trace.span_id)),
            parent_id,
            sampled = is_traced.then(|| trace.is_some_and(|trace| trace.flags & SAMPLED != 0)),
            method = Empty,
            path = Empty,
            status = Empty,
            remote = Empty,
            user_agent = Empty,
        );
        Passage { request_id, trace, remote: None, session: None, span }
    }

    /// What a line about the request says of it that is not logged within its span.
    #[must_use]
    pub fn fields(&self) -> Fields {
        let mut fields = Fields::default();
        fields.set("request_id", &*self.request_id);
        fields.set("remote", self.remote.map(|address| address.to_string()));
        fields.set("session", self.session.as_deref());
        fields.set("trace_id", self.trace.map(|trace| format!("{:032x}", trace.trace_id)));
        fields.set("span_id", self.trace.map(|trace| format!("{:016x}", trace.span_id)));
        fields
    }
}

impl Trace {
    /// The place of a request that is part of this trace, or of one of its own. Whether a trace is
    /// recorded is for the one to say who began it.
    fn below(parent: Option<Trace>, sampling: Sampling) -> Trace {
        let span_id = traces::new_span_id();
        match parent {
            Some(parent) => Trace { span_id, ..parent },
            None => {
                let trace_id = Uuid::new_v4().as_u128();
                let flags = if sampling.takes(trace_id) { SAMPLED } else { 0 };
                Trace { trace_id, span_id, flags }
            }
        }
    }

    /// The place that a `traceparent` of version 0, or of a later one, means.
    #[must_use]
    pub fn read(text: &str) -> Option<Trace> {
        let mut parts = text.trim().split('-');
        let mut part = |digits: usize| {
            let part = parts.next()?;
            let plain = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
            (part.len() == digits && part.bytes().all(plain)).then_some(part)
        };
        let version = u8::from_str_radix(part(2)?, 16).ok()?;
        let trace_id = u128::from_str_radix(part(32)?, 16).ok()?;
        let span_id = u64::from_str_radix(part(16)?, 16).ok()?;
        let flags = u8::from_str_radix(part(2)?, 16).ok()?;
        let is_more = parts.next().is_some();
        let is_known = version < u8::MAX && trace_id != 0 && span_id != 0;
        (is_known && !(version == 0 && is_more)).then_some(Trace { trace_id, span_id, flags })
    }
}

/// As a `traceparent`.
impl fmt::Display for Trace {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Trace { trace_id, span_id, flags } = self;
        write!(out, "00-{trace_id:032x}-{span_id:016x}-{flags:02x}")
    }
}

/// Whether an id may be repeated in logs and answers.
fn is_sane(id: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.:+/=@".contains(&byte);
    let length = 1..=ID_CHARS_MAX;
    length.contains(&id.len()) && id.bytes().all(plain) && redact(id) == id
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn passage(name: HeaderName, value: &str) -> Passage {
        Passage::of(&HeaderMap::from_iter([(name, HeaderValue::from_str(value).unwrap())]))
    }

    #[test]
    fn an_id_is_the_clients_when_it_is_sane_and_ours_otherwise() {
        assert_eq!(&*passage(REQUEST_ID, "a-1:b/2").request_id, "a-1:b/2");
        for strange in
            ["", "two words", "a\"b", "eyJh.eyJi.c", &"x".repeat(129), "mcps_aaaaaaaaaa_b"]
        {
            let made = passage(REQUEST_ID, strange).request_id;
            assert_eq!((made.len(), &*made == strange), (36, false), "{strange}");
        }
    }

    #[test]
    fn a_trace_is_read_as_w3c_writes_it_or_not_at_all() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let trace = passage(TRACEPARENT, text).trace.unwrap();
        assert_eq!((trace.to_string().as_str(), trace.flags), (text, 1));
        assert_eq!(Trace::read(&text.replacen("00", "cc", 1)), Some(trace));
        assert_eq!(Trace::read(&format!("{}-more", text.replacen("00", "cc", 1))), Some(trace));
        for wrong in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
            "00-+af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        ] {
            assert_eq!(Trace::read(wrong), None, "{wrong}");
        }
    }
}
