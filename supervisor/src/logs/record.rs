//! What a line says of itself: when, how severe, by whom. Pure.
//!
//! Workers write JSON objects, the supervisor writes text with `key=value`, and programs write
//! whatever they like: of that, a time and a level are taken where they can be recognised. A line
//! that says nothing of the kind gets from [`Carry`] what the lines before it said.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mcp_protocol::settings::LogLevel;
use serde_json::{Map, Value};

use super::source::{Kind, Source, Stream};
use super::stamp;

/// Names of keys of JSON lines by their meaning, the usual one first.
const TIMES: [&str; 4] = ["timestamp", "time", "ts", "@timestamp"];
const LEVELS: [&str; 4] = ["level", "severity", "lvl", "levelname"];
const MESSAGES: [&str; 2] = ["message", "msg"];
/// So many words of a text are looked at for its level.
const LEVEL_WORDS: usize = 4;

/// What a line says.
#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// When it was written.
    pub time: Option<Timestamp>,
    /// How severe it is.
    pub level: Option<LogLevel>,
    /// The app that it is of.
    pub app: Option<String>,
    /// The slot of it.
    pub slot: Option<u32>,
    /// The rest.
    pub shape: Shape,
}

/// How a line is written.
#[derive(Debug, Clone, PartialEq)]
pub enum Shape {
    /// A JSON object.
    Fields {
        /// What it says to people.
        message: Option<String>,
        /// All else but time, level, app and slot.
        fields: Map<String, Value>,
    },
    /// Text; what follows its time and level begins at this byte.
    Text {
        /// That byte.
        words_at: usize,
    },
}

impl Record {
    /// Reads a line of a source; a time without an offset is of this zone.
    pub(super) fn of(line: &[u8], source: &Source, zone: &TimeZone) -> Record {
        if line.first() == Some(&b'{')
            && let Ok(Value::Object(fields)) = serde_json::from_slice(line)
        {
            return from_fields(fields, source, zone);
        }
        let (time, words_at) = match stamp::leading(line, zone) {
            Some((time, length)) => (Some(time), length),
            None => (None, 0),
        };
        let (level, level_length) = text_level(&line[words_at..]);
        let mut record = Record {
            time,
            level,
            app: None,
            slot: None,
            shape: Shape::Text { words_at: words_at + level_length },
        };
        if source.kind == Kind::Supervisor {
            record.app = field_of(line, b" app=").map(str::to_owned);
            record.slot = field_of(line, b" slot=").and_then(|slot| slot.parse().ok());
        }
        record
    }
}

/// What lines without a time or a level get from those before them in their file.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Carry {
    pub(super) time: Option<Timestamp>,
    level: Option<LogLevel>,
}

/// A line's time and level, its own or those that it got.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Settled {
    pub(super) time: Option<Timestamp>,
    pub(super) level: LogLevel,
}

impl Carry {
    /// The next line of the file.
    pub(super) fn settle(&mut self, record: &Record, piece: Piece<'_>, source: &Source) -> Settled {
        self.time = record.time.or(self.time);
        let of_stream = match source.kind {
            Kind::Output { stream: Stream::Errors, .. } => LogLevel::Error,
            Kind::Output { stream: Stream::Output, .. } | Kind::Supervisor | Kind::Worker(_) => {
                LogLevel::Info
            }
        };
        let inherited = self.level.filter(|_| record.level.is_none() && piece.goes_on());
        let level = record.level.or(inherited).unwrap_or(of_stream);
        self.level = Some(level);
        Settled { time: self.time, level }
    }
}

/// A line, or a part of one that is too long.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) begins: bool,
}

impl Piece<'_> {
    /// Whether it belongs to the line before it: the rest of a long one, or an indented one, as in
    /// the trace of a failure.
    pub(super) fn goes_on(self) -> bool {
        !self.begins || matches!(self.bytes.first(), None | Some(b' ' | b'\t'))
    }
}

fn from_fields(mut fields: Map<String, Value>, source: &Source, zone: &TimeZone) -> Record {
    let is_ours = source.app().is_none();
    let mut take = |names: &[&str], fits: &dyn Fn(&Value) -> bool| {
        let name = names.iter().find(|name| fields.get(**name).is_some_and(fits))?;
        fields.remove(*name)
    };
    let time = take(&TIMES, &|value| time_of(value, zone).is_some());
    let level = take(&LEVELS, &|value| level_of(value).is_some());
    let message = take(&MESSAGES, &Value::is_string);
    // A program may call what it likes an app or a slot.
    let app = is_ours.then(|| take(&["app"], &Value::is_string)).flatten();
    let slot = is_ours.then(|| take(&["slot"], &Value::is_u64)).flatten();
    Record {
        time: time.and_then(|time| time_of(&time, zone)),
        level: level.and_then(|level| level_of(&level)),
        app: app.and_then(text),
        slot: slot.and_then(|slot| u32::try_from(slot.as_u64()?).ok()),
        shape: Shape::Fields { message: message.and_then(text), fields },
    }
}

fn text(value: Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) => {
            None
        }
    }
}

fn time_of(value: &Value, zone: &TimeZone) -> Option<Timestamp> {
    match value {
        Value::String(text) => {
            let (time, length) = stamp::leading(text.as_bytes(), zone)?;
            (length == text.len()).then_some(time)
        }
        Value::Number(number) => stamp::of_number(number.as_f64()?),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A level by its name, or by its number as bunyan and pino write it.
fn level_of(value: &Value) -> Option<LogLevel> {
    match value {
        Value::String(text) => level_word(text),
        Value::Number(number) => Some(match number.as_u64()? {
            0..20 => LogLevel::Trace,
            20..30 => LogLevel::Debug,
            30..40 => LogLevel::Info,
            40..50 => LogLevel::Warn,
            _more => LogLevel::Error,
        }),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// A level by one of the words that people have for it.
#[must_use]
pub fn level_word(word: &str) -> Option<LogLevel> {
    Some(match word.to_ascii_lowercase().as_str() {
        "trace" | "silly" => LogLevel::Trace,
        "debug" | "dbg" | "verbose" => LogLevel::Debug,
        "info" | "information" | "notice" | "log" => LogLevel::Info,
        "warn" | "warning" | "wrn" => LogLevel::Warn,
        "error" | "err" | "fatal" | "critical" | "crit" | "alert" | "emerg" | "panic" => {
            LogLevel::Error
        }
        _ => return None,
    })
}

/// The level among the first words of a text, and how many bytes it takes if it is the very first:
/// `INFO`, `[warn]`, `error:`, `level=debug`. A word in the middle of a sentence is none.
fn text_level(words: &[u8]) -> (Option<LogLevel>, usize) {
    let mut at = 0;
    for number in 0..LEVEL_WORDS {
        let begin = at + words[at..].iter().take_while(|byte| **byte == b' ').count();
        let rest = &words[begin..];
        let length = rest.iter().position(u8::is_ascii_whitespace).unwrap_or(rest.len());
        let end = begin + length;
        if let Some(level) = std::str::from_utf8(&rest[..length]).ok().and_then(marked_level) {
            let behind = words[end..].iter().take_while(|byte| **byte == b' ').count();
            return (Some(level), if number == 0 { end + behind } else { 0 });
        }
        at = end;
    }
    (field_of(words, b" level=").and_then(level_word), 0)
}

/// A level that is written as one: in capitals, between brackets, before a colon, behind a key.
fn marked_level(word: &str) -> Option<LogLevel> {
    if let Some(level) = word.strip_prefix("level=") {
        return level_word(level.trim_matches('"'));
    }
    let bare = word.trim_matches(|mark: char| matches!(mark, '[' | ']' | '(' | ')' | '<' | '>'));
    let name = bare.split(':').next().unwrap_or_default();
    let is_marked = name.len() < word.len() || name.bytes().all(|byte| byte.is_ascii_uppercase());
    level_word(name).filter(|_| is_marked)
}

/// The value behind ` key=` in a text, without quotes.
fn field_of<'a>(line: &'a [u8], key: &[u8]) -> Option<&'a str> {
    let at = line.windows(key.len()).position(|window| window == key)? + key.len();
    let value = &line[at..];
    let end = value.iter().position(u8::is_ascii_whitespace).unwrap_or(value.len());
    std::str::from_utf8(&value[..end]).ok().map(|value| value.trim_matches('"'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(file: &str, line: &str) -> Record {
        Record::of(line.as_bytes(), &Source::of(file).unwrap(), &TimeZone::UTC)
    }

    fn time(text: &str) -> Option<Timestamp> {
        Some(text.parse().unwrap())
    }

    #[test]
    fn a_workers_line_is_known_with_its_old_and_its_new_names() {
        let old = r#"{"timestamp":"2026-11-21T10:00:00.5Z","level":"warn","message":"slow","target":"mcp","app":"query","slot":2,"run":7,"rows":3}"#;
        let new = r#"{"timestamp":"2026-11-21T10:00:00.5Z","level":"WARNING","logger":"mcp","message":"slow","module":"m","function":"f","line":1,"app":"query","slot":2,"rows":3}"#;
        for line in [old, new] {
            let record = read("application.log", line);
            assert_eq!(record.time, time("2026-11-21T10:00:00.5Z"));
            assert_eq!(record.level, Some(LogLevel::Warn));
            assert_eq!((record.app.as_deref(), record.slot), (Some("query"), Some(2)));
            let Shape::Fields { message, fields } = record.shape else { panic!("{line}") };
            assert_eq!(message.as_deref(), Some("slow"));
            assert_eq!(fields["rows"], 3);
            assert!(!fields.contains_key("timestamp"));
        }
    }

    #[test]
    fn the_supervisors_line_says_of_whom_it_is() {
        let line = "2026-11-21T10:00:00Z  INFO worker moved app=query slot=1 run=57 pid=4121";
        let record = read("supervisor.log", line);
        assert_eq!(record.level, Some(LogLevel::Info));
        assert_eq!((record.app.as_deref(), record.slot), (Some("query"), Some(1)));
        let Shape::Text { words_at } = record.shape else { panic!() };
        assert_eq!(&line[words_at..], "worker moved app=query slot=1 run=57 pid=4121");
        assert_eq!(read("web.out.log", line).app, None, "only the supervisor's are believed");
    }

    #[test]
    fn levels_of_texts_are_taken_where_they_are_marked() {
        for (line, level) in [
            ("ERROR it broke", Some(LogLevel::Error)),
            ("[warn] it creaks", Some(LogLevel::Warn)),
            ("error: it broke", Some(LogLevel::Error)),
            ("INFO:root:hello", Some(LogLevel::Info)),
            ("2026-11-21 10:00:00,123 - app - CRITICAL - dead", Some(LogLevel::Error)),
            ("2026/11/21 10:00:00 [error] 7#7: x", Some(LogLevel::Error)),
            ("time=x level=debug msg=y", Some(LogLevel::Debug)),
            ("an error happened", None),
            ("info about it", None),
            ("", None),
        ] {
            assert_eq!(read("web.out.log", line).level, level, "{line}");
        }
        for (number, level) in [(10, LogLevel::Trace), (30, LogLevel::Info), (60, LogLevel::Error)]
        {
            let line = format!(r#"{{"level":{number},"time":1795255200000,"msg":"x"}}"#);
            let record = read("web.out.log", &line);
            assert_eq!((record.level, record.time), (Some(level), time("2026-11-21T10:00:00Z")));
        }
    }

    #[test]
    fn lines_that_say_nothing_get_what_those_before_them_said() {
        let source = Source::of("web.err.log").unwrap();
        let mut carry = Carry::default();
        let mut settle = |line: &str| {
            let record = Record::of(line.as_bytes(), &source, &TimeZone::UTC);
            let piece = Piece { bytes: line.as_bytes(), begins: true };
            let settled = carry.settle(&record, piece, &source);
            (settled.level, settled.time.is_some())
        };
        assert_eq!(settle("boom"), (LogLevel::Error, false), "what goes to the errors is one");
        assert_eq!(settle("2026-11-21T10:00:00Z WARN first"), (LogLevel::Warn, true));
        assert_eq!(settle("  at line 3"), (LogLevel::Warn, true));
        assert_eq!(settle("Traceback"), (LogLevel::Error, true));
    }
}
