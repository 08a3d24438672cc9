//! Traces: what a request did and how long each part took, told to a collector by OTLP.
//!
//! A [`Tracer`] watches the spans that the logs use too (request, call of a tool, statement) and
//! makes spans of OTLP of them; [`exporter`] sends them, and never lets a request wait. Without a
//! collector in the configuration there is no tracer, and nothing of this costs anything.

mod exporter;
mod proto;

use mcp_protocol::log_line::Fields;
use serde_json::Value;
use tracing::Subscriber;
use tracing::span::{Attributes, Id};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;
use uuid::Uuid;

use self::exporter::Sender;
pub(crate) use self::exporter::Traces;
use self::proto::Kind;
use crate::clock::unix_nanos;

/// The target of spans that only a trace needs; it is enabled where there is a collector.
pub(crate) const TARGET: &str = "traces";

/// The names under which a collector knows our fields.
const NAMES: [(&str, &str); 10] = [
    ("method", "http.request.method"),
    ("path", "url.path"),
    ("status", "http.response.status_code"),
    ("remote", "network.peer.address"),
    ("user_agent", "user_agent.original"),
    ("tool", "gen_ai.tool.name"),
    ("session", "mcp.session.id"),
    ("query_id", "db.snowflake.query_id"),
    ("class", "db.operation.name"),
    ("rows", "db.response.returned_rows"),
];
/// The bits of a trace's id that are chance, as W3C has them.
const RANDOM_BITS: u64 = (1 << 56) - 1;
/// What a span says of itself already.
const OF_THE_SPAN: [&str; 4] = ["trace_id", "span_id", "parent_id", "sampled"];

/// How requests are traced; none where they are not.
pub(crate) fn sampling() -> Option<Sampling> {
    if !tracing::enabled!(target: TARGET, tracing::Level::INFO) {
        return None;
    }
    tracing::dispatcher::get_default(|to| to.downcast_ref::<Tracer>().map(|one| one.sampling))
}

/// Of which traces that begin here the collector is told.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Sampling {
    share: f64,
}

impl Sampling {
    /// Whether this trace is among them: the same one everywhere, whoever asks.
    pub(crate) fn takes(self, trace_id: u128) -> bool {
        #[expect(clippy::cast_precision_loss, reason = "a share is no count")]
        #[expect(clippy::cast_possible_truncation, reason = "its last seven bytes are chance")]
        let place = (trace_id as u64 & RANDOM_BITS) as f64 / RANDOM_BITS as f64;
        self.share >= 1.0 || place < self.share
    }
}

/// A new name for a span.
pub(crate) fn new_span_id() -> u64 {
    // Zero means none.
    Uuid::new_v4().as_u64_pair().1.max(1)
}

/// A span that has ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Finished {
    trace_id: u128,
    span_id: u64,
    parent_id: Option<u64>,
    name: &'static str,
    kind: Kind,
    began_nanos: u64,
    ended_nanos: u64,
    attributes: Vec<(&'static str, Value)>,
    failed: bool,
}

/// Where a span of ours is in its trace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placed {
    pub(crate) trace_id: u128,
    pub(crate) span_id: u64,
    parent_id: Option<u64>,
    sampled: bool,
    began_nanos: u64,
}

/// Makes spans of OTLP of ours. It reads the fields that the layer of the logs keeps, so it has to
/// stand behind that.
pub(crate) struct Tracer {
    sender: Sender,
    sampling: Sampling,
}

impl Tracer {
    pub(crate) fn new(traces: &Traces) -> Tracer {
        Tracer { sender: traces.sender(), sampling: traces.sampling() }
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Tracer {
    fn on_new_span(&self, _attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        let around =
            span.scope().skip(1).find_map(|span| span.extensions().get::<Placed>().copied());
        let mut extensions = span.extensions_mut();
        let Some(fields) = extensions.get_mut::<Fields>() else { return };
        let began_nanos = unix_nanos();
        let placed = match around {
            Some(Placed { trace_id, span_id, sampled, .. }) => {
                let (span_id, parent_id) = (new_span_id(), Some(span_id));
                Placed { trace_id, span_id, parent_id, sampled, began_nanos }
            }
            None => match first(fields, began_nanos) {
                Some(placed) => placed,
                None => return,
            },
        };
        extensions.insert(placed);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        let Some(span) = context.span(&id) else { return };
        let mut extensions = span.extensions_mut();
        let Some(placed) = extensions.remove::<Placed>().filter(|placed| placed.sampled) else {
            return;
        };
        let mut fields = extensions.remove::<Fields>().unwrap_or_default();
        OF_THE_SPAN.iter().for_each(|name| drop(fields.take(name)));
        let is = |name: &str, value: &str| fields.get(name).is_some_and(|told| told == value);
        let status = fields.get("status").and_then(Value::as_u64);
        let failed = status.is_some_and(|status| status >= 500)
            || fields.get("outcome").is_some_and(|_| !is("outcome", "ok"));
        let name = span.metadata().name();
        self.sender.send(Finished {
            trace_id: placed.trace_id,
            span_id: placed.span_id,
            parent_id: placed.parent_id,
            name,
            kind: match name {
                "request" => Kind::Server,
                "statement" => Kind::Client,
                _inside => Kind::Internal,
            },
            began_nanos: placed.began_nanos,
            ended_nanos: unix_nanos(),
            attributes: fields.into_pairs().map(|(name, value)| (known(name), value)).collect(),
            failed,
        });
    }
}

/// The place of a request's own span, as the request says it.
fn first(fields: &Fields, began_nanos: u64) -> Option<Placed> {
    let text = |name: &str| fields.get(name)?.as_str();
    Some(Placed {
        trace_id: u128::from_str_radix(text("trace_id")?, 16).ok()?,
        span_id: u64::from_str_radix(text("span_id")?, 16).ok()?,
        parent_id: text("parent_id").and_then(|id| u64::from_str_radix(id, 16).ok()),
        sampled: fields.get("sampled").and_then(Value::as_bool).unwrap_or(true),
        began_nanos,
    })
}

fn known(name: &'static str) -> &'static str {
    NAMES.iter().find_map(|(ours, theirs)| (*ours == name).then_some(*theirs)).unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_traces_is_taken_and_always_the_same_ones() {
        let taken = |share: f64| {
            let ids = (0..2_000).map(|_| Uuid::new_v4().as_u128());
            ids.filter(|id| Sampling { share }.takes(*id)).count()
        };
        assert_eq!((taken(0.0), taken(1.0)), (0, 2_000));
        assert!((300..500).contains(&taken(0.2)), "{}", taken(0.2));
        let id = Uuid::new_v4().as_u128();
        let share = Sampling { share: 0.5 };
        assert_eq!(share.takes(id), share.takes(id));
        assert!(
            Sampling { share: 1.0 }.takes(u128::MAX) && !Sampling { share: 0.9 }.takes(u128::MAX)
        );
    }
}
