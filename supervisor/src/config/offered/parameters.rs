//! The parameters of a declared tool: what each is, and which values it may have.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use mcp_protocol::offered::{Need, Parameter, ParameterKind, Scalar};

use super::super::keys::{Key, Kind, key};
use super::super::problem::Report;
use super::super::section::Section;

/// The words for what a parameter is, in the order of [`KINDS`].
const KIND_WORDS: &[&str] = &["string", "integer", "number", "boolean", "date", "timestamp"];
const KINDS: [ParameterKind; 6] = [
    ParameterKind::String,
    ParameterKind::Integer,
    ParameterKind::Number,
    ParameterKind::Boolean,
    ParameterKind::Date,
    ParameterKind::Timestamp,
];

/// `[apps.NAME.tools.NAME.parameters.NAME]`.
pub(super) const PARAMETERS: &[Key] = &[
    key("type", Kind::Choice(KIND_WORDS), r#""string""#),
    key("description", Kind::Text, r#""The customer's number.""#),
    key("default", Kind::Scalar, r#""EU""#),
    key("allowed", Kind::Scalars, r#"["EU", "US"]"#),
    key("required", Kind::Boolean, "true"),
];

/// The parameters of a tool.
pub(super) fn read(section: Section<'_>, report: &mut Report) -> Vec<Parameter> {
    let members = section.members().into_iter().filter(|(_, one)| one.is_table());
    members.map(|(name, one)| parameter(name, one, report)).collect()
}

fn parameter(name: &str, section: Section<'_>, report: &mut Report) -> Parameter {
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    if !name.chars().all(plain) || name.starts_with(|first: char| first.is_ascii_digit()) {
        let table = section.nearest;
        let words = "cannot be written as a parameter; use letters, digits and `_`, and begin with \
                     a letter or `_`";
        report.add(&table.key, table.place, words);
    }
    let kind = section.choice("type", &KINDS).unwrap_or(ParameterKind::String);
    let allowed = section.scalars("allowed");
    let default = section.scalar("default");
    check_values(kind, (section, &default, &allowed), report);
    let required = section.boolean("required");
    let need = match (default, required) {
        (Some(_), Some(true)) => {
            if let Some(node) = section.node("required") {
                let words =
                    "the parameter has a default and so is never missing; remove one of them";
                report.add(&node.key, node.place, words);
            }
            Need::Required
        }
        (Some(default), _) => Need::Default(default),
        (None, Some(false)) => Need::Optional,
        (None, _) => Need::Required,
    };
    let description = section.text("description").map(str::to_owned);
    Parameter { name: name.to_owned(), kind, description, need, allowed }
}

/// Notes values that are not of the parameter's kind, and a default that it may not have.
fn check_values(
    kind: ParameterKind,
    (section, default, allowed): (Section<'_>, &Option<Scalar>, &[Scalar]),
    report: &mut Report,
) {
    let named = [("default", default.as_slice()), ("allowed", allowed)];
    for (key, value) in named.iter().flat_map(|(key, values)| values.iter().map(|v| (*key, v))) {
        let Some(node) = section.node(key) else { continue };
        if !is_of(kind, value) {
            let words = format!("{} is not {}; {}", shown(value), what(kind), example(kind));
            report.add(&node.key, node.place, words);
        }
    }
    if let (Some(default), Some(node)) = (default, section.node("default"))
        && !allowed.is_empty()
        && !allowed.contains(default)
    {
        let words = format!("{} is not among `allowed`; write one that is", shown(default));
        report.add(&node.key, node.place, words);
    }
}

/// Whether a value is of a kind.
fn is_of(kind: ParameterKind, value: &Scalar) -> bool {
    match (kind, value) {
        (ParameterKind::String, Scalar::Text(_))
        | (ParameterKind::Integer | ParameterKind::Number, Scalar::Integer(_))
        | (ParameterKind::Number, Scalar::Number(_))
        | (ParameterKind::Boolean, Scalar::Boolean(_)) => true,
        (ParameterKind::Date, Scalar::Text(text)) => text.parse::<Date>().is_ok(),
        (ParameterKind::Timestamp, Scalar::Text(text)) => {
            text.parse::<DateTime>().is_ok() || text.parse::<Timestamp>().is_ok()
        }
        (_, Scalar::Text(_) | Scalar::Integer(_) | Scalar::Number(_) | Scalar::Boolean(_)) => false,
    }
}

fn shown(value: &Scalar) -> String {
    match value {
        Scalar::Text(text) => super::super::value::quoted(text),
        Scalar::Integer(number) => number.to_string(),
        Scalar::Number(number) => number.to_string(),
        Scalar::Boolean(truth) => truth.to_string(),
    }
}

fn what(kind: ParameterKind) -> &'static str {
    match kind {
        ParameterKind::String => "a text",
        ParameterKind::Integer => "a whole number",
        ParameterKind::Number => "a number",
        ParameterKind::Boolean => "a truth value",
        ParameterKind::Date => "a date",
        ParameterKind::Timestamp => "a time",
    }
}

fn example(kind: ParameterKind) -> &'static str {
    match kind {
        ParameterKind::String => "write it in quotes, or another `type`",
        ParameterKind::Integer => "write one such as 10, or another `type`",
        ParameterKind::Number => "write one such as 2.5, or another `type`",
        ParameterKind::Boolean => "write true or false, or another `type`",
        ParameterKind::Date => "write one such as \"2026-01-31\", or another `type`",
        ParameterKind::Timestamp => "write one such as \"2026-01-31T12:00:00\", or another `type`",
    }
}
