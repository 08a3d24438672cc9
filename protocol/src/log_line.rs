//! The form of a line in a log: an object of JSON, or words for people.
//!
//! Supervisor and workers write it, operators and the supervisor's own commands read it; so that it
//! is one form, it has one home. A line holds no secret: each value passes [`redact`] on its way
//! in. Where lines go, and which are written at all, is not known here.

use std::fmt::{self, Write as _};

use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::Value;
use tracing::field::{Field, Visit};

use crate::redact::{is_secret_name, redact};
use crate::secret::MASK;
use crate::settings::LogLevel;

/// The most characters of one value; of a longer one the beginning is kept.
const VALUE_CHARS_MAX: usize = 64 * 1024;
/// What each line has of its own, so that no field may be called so.
const RESERVED: [&str; 5] = ["timestamp", "level", "logger", "message", "module"];
/// What tells where a line belongs, in the order in which it is told.
const CONTEXT: [&str; 11] = [
    "request_id",
    "client",
    "session",
    "tool",
    "worker",
    "run",
    "app",
    "slot",
    "pid",
    "trace_id",
    "span_id",
];
/// What a line for people tells at its beginning, or not at all.
const NOT_FOR_PEOPLE: [&str; 6] = ["worker", "run", "app", "slot", "pid", "request_id"];

/// How lines are written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogFormat {
    /// An object of JSON a line.
    #[default]
    Json,
    /// Words for people.
    Text,
}

/// Whether a line for people is coloured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Colours {
    /// For a file, or a pipe.
    #[default]
    Off,
    /// For a terminal.
    On,
}

/// One line.
#[derive(Debug, Clone)]
pub struct LogLine<'a> {
    /// When, in UTC.
    pub timestamp: &'a str,
    /// How severe.
    pub level: LogLevel,
    /// Whose line it is: a module, or a channel's name.
    pub logger: &'a str,
    /// The place in the code, where there is one: the module, the function, the line.
    pub place: Option<(&'a str, Option<&'a str>, u32)>,
    /// What is told, and of what.
    pub fields: &'a Fields,
}

/// What an event or a span says.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Fields {
    message: String,
    rest: Vec<(&'static str, Value)>,
}

impl Fields {
    /// What is said without more.
    #[must_use]
    pub fn saying(message: &str) -> Fields {
        Fields { message: shown("message", message), rest: Vec::new() }
    }

    /// Says this as well; what was said under the same name is forgotten. Secrets are hidden.
    pub fn set(&mut self, name: &'static str, value: impl Into<Value>) {
        let value = match value.into() {
            Value::Null => return,
            Value::String(text) => Value::String(shown(name, &text)),
            Value::Bool(value) => Value::Bool(value),
            _ if is_secret_name(name) => Value::String(MASK.to_owned()),
            value => value,
        };
        match self.rest.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.rest.push((name, value)),
        }
    }

    /// Says nothing under this name; gives what was said.
    pub fn take(&mut self, name: &str) -> Option<Value> {
        let at = self.rest.iter().position(|(known, _)| *known == name)?;
        Some(self.rest.remove(at).1)
    }

    /// Says also what these say, where nothing was said yet.
    pub fn fill(&mut self, from: &Fields) {
        for (name, value) in &from.rest {
            if self.get(name).is_none() {
                self.rest.push((name, value.clone()));
            }
        }
    }

    /// What was said under a name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.rest.iter().find_map(|(known, value)| (*known == name).then_some(value))
    }

    /// All that was said but the message.
    pub fn into_pairs(self) -> impl Iterator<Item = (&'static str, Value)> {
        self.rest.into_iter()
    }

    fn others(&self) -> impl Iterator<Item = &(&'static str, Value)> {
        self.rest.iter().filter(|(name, _)| !CONTEXT.contains(name))
    }

    fn note(&mut self, field: &Field, text: &str) {
        match field.name() {
            "message" => self.message = shown("message", text),
            name => self.set(name, text),
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        // Writing into a string fails only when the value's own formatting does.
        let _ = write!(text, "{value:?}");
        self.note(field, &text);
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field, value);
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.set(field.name(), value);
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.set(field.name(), value);
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.set(field.name(), value);
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.set(field.name(), value);
    }
}

impl LogLine<'_> {
    /// The line, with its end.
    #[must_use]
    pub fn written(&self, format: LogFormat, colours: Colours) -> String {
        let mut text = match format {
            // Texts, numbers and truth values can always be written.
            LogFormat::Json => serde_json::to_string(self).unwrap_or_default(),
            LogFormat::Text => self.for_people(colours),
        };
        text.push('\n');
        text
    }

    fn for_people(&self, colours: Colours) -> String {
        let (dim, plain) = match colours {
            Colours::Off => ("", ""),
            Colours::On => ("\x1b[2m", "\x1b[0m"),
        };
        let colour = match (colours, self.level) {
            (Colours::Off, _) => "",
            (Colours::On, LogLevel::Error) => "\x1b[31m",
            (Colours::On, LogLevel::Warn) => "\x1b[33m",
            (Colours::On, LogLevel::Info) => "\x1b[32m",
            (Colours::On, LogLevel::Debug) => "\x1b[34m",
            (Colours::On, LogLevel::Trace) => "\x1b[35m",
        };
        let level = self.level.name().to_ascii_uppercase();
        let mut text = format!("{dim}{}{plain} {colour}{level:>5}{plain}", self.timestamp);
        if let Some(worker) = self.fields.get("worker") {
            let _ = write!(text, " {}", plainly(worker));
        }
        if let Some(request) = self.fields.get("request_id") {
            let _ = write!(text, " [{}]", plainly(request));
        }
        text.push(' ');
        text.extend(self.fields.message.chars().flat_map(visible));
        let shown = self.fields.rest.iter().filter(|(name, _)| !NOT_FOR_PEOPLE.contains(name));
        for (name, value) in shown {
            let _ = write!(text, " {dim}{name}={plain}{}", plainly(value));
        }
        text
    }
}

impl Serialize for LogLine<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("timestamp", self.timestamp)?;
        map.serialize_entry("level", self.level.name())?;
        map.serialize_entry("logger", self.logger)?;
        map.serialize_entry("message", &self.fields.message)?;
        if let Some((module, function, line)) = self.place {
            map.serialize_entry("module", module)?;
            if let Some(function) = function {
                map.serialize_entry("function", function)?;
            }
            map.serialize_entry("line", &line)?;
        }
        for name in CONTEXT {
            if let Some(value) = self.fields.get(name) {
                map.serialize_entry(name, value)?;
            }
        }
        for (name, value) in self.fields.others() {
            let is_taken = RESERVED.contains(name)
                || (self.place.is_some() && matches!(*name, "function" | "line"));
            match is_taken {
                false => map.serialize_entry(name, value)?,
                true => map.serialize_entry(&format!("{name}_"), value)?,
            }
        }
        map.end()
    }
}

/// As much of a value as is written, without secrets.
fn shown(name: &str, text: &str) -> String {
    if is_secret_name(name) {
        return MASK.to_owned();
    }
    let text = redact(text);
    match text.char_indices().nth(VALUE_CHARS_MAX) {
        None => text.into_owned(),
        Some((end, _)) => format!("{}… ({} bytes in all)", &text[..end], text.len()),
    }
}

/// A value for people: a plain word as it is, anything else between quotation marks.
fn plainly(value: &Value) -> String {
    match value {
        Value::String(text) => {
            let is_plain = |c: char| !c.is_whitespace() && !c.is_control() && c != '"' && c != '=';
            match !text.is_empty() && text.chars().all(is_plain) {
                true => text.clone(),
                false => Value::String(text.clone()).to_string(),
            }
        }
        other => other.to_string(),
    }
}

/// A character that does nothing to a terminal.
fn visible(c: char) -> impl Iterator<Item = char> {
    let escaped = c.is_control().then(|| c.escape_default());
    let plain = (!c.is_control()).then_some(c);
    escaped.into_iter().flatten().chain(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(fields: &Fields) -> LogLine<'_> {
        LogLine {
            timestamp: "2030-01-02T03:04:05.678901Z",
            level: LogLevel::Warn,
            logger: "mcp_worker::http",
            place: Some(("mcp_worker::http", Some("serve"), 7)),
            fields,
        }
    }

    fn fields() -> Fields {
        let mut fields = Fields::saying("it\nhappened");
        fields.set("rows", 3);
        fields.set("worker", "query[2]");
        fields.set("request_id", "r-1");
        fields.set("why", "two words");
        fields
    }

    #[test]
    fn json_has_the_head_the_context_and_the_rest_in_this_order() {
        let json = line(&fields()).written(LogFormat::Json, Colours::Off);
        assert_eq!(
            json,
            "{\"timestamp\":\"2030-01-02T03:04:05.678901Z\",\"level\":\"warn\",\
             \"logger\":\"mcp_worker::http\",\"message\":\"it\\nhappened\",\
             \"module\":\"mcp_worker::http\",\"function\":\"serve\",\"line\":7,\
             \"request_id\":\"r-1\",\"worker\":\"query[2]\",\"rows\":3,\"why\":\"two words\"}\n"
        );
    }

    #[test]
    fn people_get_one_line_without_control_characters() {
        let text = line(&fields()).written(LogFormat::Text, Colours::Off);
        assert_eq!(
            text,
            "2030-01-02T03:04:05.678901Z  WARN query[2] [r-1] it\\nhappened rows=3 \
             why=\"two words\"\n"
        );
        let coloured = line(&fields()).written(LogFormat::Text, Colours::On);
        assert!(coloured.contains("\x1b[33m WARN\x1b[0m"), "{coloured}");
    }

    #[test]
    fn secrets_and_what_is_too_long_do_not_get_in() {
        let mut fields = Fields::saying("Authorization: Bearer canary.1");
        fields.set("password", "canary");
        fields.set("passcode", 123_456);
        fields.set("why", "password=canary");
        fields.set("text", "x".repeat(100_000));
        let json = line(&fields).written(LogFormat::Json, Colours::Off);
        assert!(!json.contains("canary") && !json.contains("123456"), "{json}");
        assert!(json.len() < 70_000 && json.contains("(100000 bytes in all)"), "{json}");
    }

    #[test]
    fn no_field_takes_the_place_of_the_head() {
        let mut fields = Fields::saying("said");
        fields.set("level", "high");
        fields.set("line", 3);
        let json = line(&fields).written(LogFormat::Json, Colours::Off);
        assert!(json.contains("\"level_\":\"high\"") && json.contains("\"line_\":3"), "{json}");
    }

    #[test]
    fn what_is_nearer_is_told() {
        let (mut near, mut far) = (Fields::default(), Fields::default());
        near.set("tool", "near");
        far.set("tool", "far");
        far.set("client", "one");
        near.fill(&far);
        assert_eq!(near.get("tool"), Some(&Value::from("near")));
        assert_eq!(near.take("client"), Some(Value::from("one")));
        assert_eq!(near.get("client"), None);
    }
}
