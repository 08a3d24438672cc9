//! Spans as OTLP writes them: the few messages of its protobuf that a trace needs.
//!
//! Written by hand, because they are few and fixed: the numbers of the fields are those of
//! `opentelemetry/proto/trace/v1`, version 1, which never change. Nothing here sends anything.

use serde_json::Value;

use super::Finished;

/// What a span was to whoever asked: `SPAN_KIND_…`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Work inside.
    Internal = 1,
    /// An answer to somebody else.
    Server = 2,
    /// A question to somebody else.
    Client = 3,
}

/// `STATUS_CODE_ERROR`.
const ERROR: u64 = 2;

/// A request of OTLP: these spans of one resource.
pub(super) fn request(resource: &[(&'static str, Value)], spans: &[Finished]) -> Vec<u8> {
    let mut scope = Message::default();
    scope.text(1, env!("CARGO_PKG_NAME"));
    scope.text(2, env!("CARGO_PKG_VERSION"));
    let mut of_scope = Message::default();
    of_scope.bytes(1, &scope.0);
    for span in spans {
        of_scope.bytes(2, &of_span(span).0);
    }
    let mut of_resource = Message::default();
    let mut about = Message::default();
    for (key, value) in resource {
        about.attribute(1, key, value);
    }
    of_resource.bytes(1, &about.0);
    of_resource.bytes(2, &of_scope.0);
    let mut request = Message::default();
    request.bytes(1, &of_resource.0);
    request.0
}

fn of_span(span: &Finished) -> Message {
    let mut message = Message::default();
    message.bytes(1, &span.trace_id.to_be_bytes());
    message.bytes(2, &span.span_id.to_be_bytes());
    if let Some(parent) = span.parent_id {
        message.bytes(4, &parent.to_be_bytes());
    }
    message.text(5, span.name);
    message.number(6, span.kind as u64);
    message.fixed64(7, span.began_nanos);
    message.fixed64(8, span.ended_nanos);
    for (key, value) in &span.attributes {
        message.attribute(9, key, value);
    }
    if span.failed {
        let mut status = Message::default();
        status.number(3, ERROR);
        message.bytes(15, &status.0);
    }
    message
}

/// A message that is being written.
#[derive(Debug, Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.0.push(value.to_le_bytes()[0] | 0x80);
            value >>= 7;
        }
        self.0.push(value.to_le_bytes()[0]);
    }

    fn tag(&mut self, field: u32, wire: u32) {
        self.varint(u64::from(field << 3 | wire));
    }

    fn number(&mut self, field: u32, value: u64) {
        self.tag(field, 0);
        self.varint(value);
    }

    fn fixed64(&mut self, field: u32, value: u64) {
        self.tag(field, 1);
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    fn bytes(&mut self, field: u32, value: &[u8]) {
        self.tag(field, 2);
        self.varint(value.len() as u64);
        self.0.extend_from_slice(value);
    }

    fn text(&mut self, field: u32, value: &str) {
        self.bytes(field, value.as_bytes());
    }

    /// A key and its value: text, truth, whole number or number.
    fn attribute(&mut self, field: u32, key: &str, value: &Value) {
        let mut any = Message::default();
        match value {
            Value::String(text) => any.text(1, text),
            Value::Bool(truth) => any.number(2, u64::from(*truth)),
            Value::Number(number) => match (number.as_i64(), number.as_f64()) {
                (Some(whole), _) => any.number(3, whole.cast_unsigned()),
                (None, Some(float)) => any.fixed64(4, float.to_bits()),
                (None, None) => any.text(1, &number.to_string()),
            },
            Value::Null | Value::Array(_) | Value::Object(_) => any.text(1, &value.to_string()),
        }
        let mut pair = Message::default();
        pair.text(1, key);
        pair.bytes(2, &any.0);
        self.bytes(field, &pair.0);
    }
}
