//! Values that go along with a statement, in the form in which Snowflake takes them.

use serde_json::{Value, json};

use crate::warehouse::Binding;

/// Texts with their types, by their places from 1; null without any.
pub(super) fn bindings(values: &[Binding]) -> Value {
    let bound = values.iter().zip(1..).map(|(value, place): (_, u32)| {
        let (kind, text) = match value {
            Binding::Null => ("ANY", None),
            Binding::Boolean(value) => ("BOOLEAN", Some(value.to_string())),
            Binding::Fixed(digits) => ("FIXED", Some(digits.clone())),
            Binding::Real(digits) => ("REAL", Some(digits.clone())),
            Binding::Text(text) => ("TEXT", Some(text.clone())),
        };
        (place.to_string(), json!({ "type": kind, "value": text }))
    });
    if values.is_empty() { Value::Null } else { Value::Object(bound.collect()) }
}
