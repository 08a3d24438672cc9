//! Values that may be the word "off": limits that an app need not have, and that an environment
//! may take away again.

use std::time::Duration;

use super::file::{Node, Value};
use super::value;

/// The word.
const OFF: &str = "off";

/// `None` for the word "off", else what `read` makes of the value.
fn or_off<'a, T>(
    node: &'a Node,
    read: impl FnOnce(&'a Node) -> Result<T, String>,
) -> Result<Option<T>, String> {
    match &node.value {
        Value::Text(text) if text == OFF => Ok(None),
        Value::Boolean(false) => Err(format!("false is no value here; write \"{OFF}\"")),
        _other => read(node).map(Some),
    }
}

pub(super) fn duration(node: &Node, min: &str, max: &str) -> Result<Option<Duration>, String> {
    or_off(node, |node| value::duration(node, min, max))
}

pub(super) fn size(node: &Node, min: &str, max: &str) -> Result<Option<u64>, String> {
    or_off(node, |node| value::size(node, min, max))
}

/// A cron expression; whether its time zone is known is another question.
pub(super) fn time_table(node: &Node) -> Result<Option<&str>, String> {
    or_off(node, |node| {
        let expression = value::text(node)?;
        super::timetable::TimeTable::parse(expression, jiff::tz::TimeZone::UTC).map(|_| expression)
    })
}
