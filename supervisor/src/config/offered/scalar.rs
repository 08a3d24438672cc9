//! Single values of any kind: what a parameter of a declared tool may be.

use mcp_protocol::offered::Scalar;

use super::super::file::{Node, Value};
use super::super::value::{entry, found};

/// A text, a number or a truth value; a text may be empty.
pub(in crate::config) fn scalar(node: &Node) -> Result<Scalar, String> {
    match &node.value {
        Value::Integer(number) => Ok(Scalar::Integer(*number)),
        Value::Float(number) if number.is_finite() => Ok(Scalar::Number(*number)),
        Value::Boolean(truth) => Ok(Scalar::Boolean(*truth)),
        Value::Text(_) => entry(node).map(|text| Scalar::Text(text.to_owned())),
        Value::Date(date) => {
            Err(format!("the date {date} stands without quotes; write \"{date}\""))
        }
        other => Err(format!("{} is not a single value", found(other))),
    }
}

pub(in crate::config) fn scalars(node: &Node) -> Result<Vec<Scalar>, String> {
    match &node.value {
        Value::List(items) => items.iter().map(scalar).collect(),
        other => Err(format!("{} is not a list", found(other))),
    }
}
