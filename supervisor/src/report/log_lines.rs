//! Lines of logs for people, for programs, and as they are. No line commands a terminal.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mcp_protocol::logs::Channel;
use mcp_protocol::settings::LogLevel;
use serde_json::{Value, json};

use crate::logs::{Entry, Kind, Shape, Source};
use crate::report::page::{Colour, Page};
use crate::report::words::printable;

/// How a line is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogForm {
    /// For people.
    Words,
    /// A JSON object a line.
    Json,
    /// As it is, unless it goes to a terminal.
    Raw,
}

/// What standard output is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Surface {
    /// A terminal, which obeys control characters.
    Terminal,
    /// A file or a pipe.
    Bytes,
}

/// Keys that say who wrote a line and where in the program: the head of the line says the former,
/// and the latter is for developers. `--json` shows them.
const LEFT_OUT: [&str; 9] =
    ["target", "logger", "module", "function", "file", "worker", "pid", "run", "environment"];
/// The line of the program, which is a number; a key of that name with something else is shown.
const PROGRAM_LINE: &str = "line";
/// Colours of apps and slots: none of those that levels have.
const HUES: [u8; 8] = [36, 35, 34, 32, 96, 95, 94, 92];
/// A head that is longer does not push the others to the right.
const HEAD_CHARS_MAX: usize = 28;

/// Writes lines of logs, one after the other.
#[derive(Debug)]
pub struct LogLines {
    form: LogForm,
    surface: Surface,
    colour: Colour,
    zone: TimeZone,
    /// As long as the longest head so far.
    width: usize,
}

impl LogLines {
    /// For this page; times are told in this zone.
    #[must_use]
    pub fn new(form: LogForm, surface: Surface, page: Page, zone: TimeZone) -> LogLines {
        LogLines { form, surface, colour: page.colour, zone, width: 0 }
    }

    /// Makes room for the head of lines of this log from the first line on.
    pub fn make_room_for(&mut self, source: &Source) {
        self.make_room(&head_of(source, source.app(), None));
    }

    fn make_room(&mut self, head: &str) {
        self.width = self.width.max(head.chars().count()).min(HEAD_CHARS_MAX);
    }

    /// The line, with its end.
    pub fn line(&mut self, entry: &Entry) -> Vec<u8> {
        match (self.form, self.surface) {
            (LogForm::Words, _) => self.words(entry).into_bytes(),
            (LogForm::Json, _) => format!("{}\n", harmless_json(&object(entry))).into_bytes(),
            (LogForm::Raw, Surface::Terminal) => {
                format!("{}\n", printable(&entry.line)).into_bytes()
            }
            (LogForm::Raw, Surface::Bytes) => {
                // The rest of a long line follows at once.
                let end: &[u8] = if entry.is_cut { b"" } else { b"\n" };
                [&entry.line, end].concat()
            }
        }
    }

    fn words(&mut self, entry: &Entry) -> String {
        let plain = head_of(&entry.source, entry.app(), entry.slot());
        self.make_room(&plain);
        let room = " ".repeat(self.width.saturating_sub(plain.chars().count()));
        let head = format!("{}{room}", self.coloured(&plain, hue(entry)));
        self.body(entry).iter().map(|line| format!("{head} | {line}\n")).collect()
    }

    /// What a line says to people, in one line or in several, without whose it is.
    #[must_use]
    pub fn body(&self, entry: &Entry) -> Vec<String> {
        match &entry.record.shape {
            Shape::Fields { .. } => self.sentence(entry),
            Shape::Text { words_at } if entry.source.kind == Kind::Supervisor => {
                let words = entry.line.get(*words_at..).unwrap_or_default();
                vec![format!("{}{}", self.when_and_level(entry), printable(words))]
            }
            // What a program prints stays as it printed it, but for its colours.
            Shape::Text { .. } => vec![printable(&without_colours(&entry.line))],
        }
    }

    /// Time, level, message, and the other fields; a message of several lines is shown as such.
    fn sentence(&self, entry: &Entry) -> Vec<String> {
        let Shape::Fields { message, fields } = &entry.record.shape else { return Vec::new() };
        let shown = fields.iter().filter(|(key, value)| {
            let is_place = LEFT_OUT.contains(&key.as_str()) && entry.source.app().is_none();
            let is_place = is_place || key.as_str() == PROGRAM_LINE && value.is_number();
            !is_place && !value.is_null()
        });
        let fields: Vec<String> = shown
            .map(|(key, value)| {
                let key = printable(key.as_bytes());
                format!("{}{}", self.coloured(&format!("{key}="), Some(DIM)), value_words(value))
            })
            .collect();
        let message = message.as_deref().unwrap_or_default();
        let mut lines: Vec<String> =
            message.lines().map(|line| printable(&without_colours(line.as_bytes()))).collect();
        let first = lines.first().cloned().unwrap_or_default();
        let words = [std::slice::from_ref(&first), &fields].concat();
        let words: Vec<String> = words.into_iter().filter(|word| !word.is_empty()).collect();
        let first = format!("{}{}", self.when_and_level(entry), words.join(" "));
        lines = lines.into_iter().skip(1).map(|line| format!("    {line}")).collect();
        lines.insert(0, first);
        lines
    }

    fn when_and_level(&self, entry: &Entry) -> String {
        let time = entry.record.time.map(|time| self.local(time));
        let time = time.map(|time| format!("{} ", self.coloured(&time, Some(DIM))));
        let level = entry.record.level.map(|level| {
            let (word, hue) = level_words(level);
            format!("{} ", self.coloured(word, Some(hue)))
        });
        format!("{}{}", time.unwrap_or_default(), level.unwrap_or_default())
    }

    fn local(&self, time: Timestamp) -> String {
        time.to_zoned(self.zone.clone()).strftime("%Y-%m-%d %H:%M:%S%.3f").to_string()
    }

    fn coloured(&self, text: &str, hue: Option<u8>) -> String {
        match (self.colour, hue) {
            (Colour::Shown, Some(hue)) => format!("\u{1b}[{hue}m{text}\u{1b}[0m"),
            (Colour::Shown, None) | (Colour::Plain, _) => text.to_owned(),
        }
    }
}

const DIM: u8 = 2;

/// A level's word, all of one length, and its colour.
fn level_words(level: LogLevel) -> (&'static str, u8) {
    match level {
        LogLevel::Error => ("ERROR", 31),
        LogLevel::Warn => ("WARN ", 33),
        LogLevel::Info => ("INFO ", 32),
        LogLevel::Debug => ("DEBUG", DIM),
        LogLevel::Trace => ("TRACE", DIM),
    }
}

/// Whose line it is, in a word: `query[2]`, `query[2] access`, `web out`, `supervisor`.
fn head_of(source: &Source, app: Option<&str>, slot: Option<u32>) -> String {
    let who = match (app, slot) {
        (Some(app), Some(slot)) => format!("{app}[{slot}]"),
        (Some(app), None) => app.to_owned(),
        (None, _) => String::new(),
    };
    let who = printable(who.as_bytes());
    match &source.kind {
        Kind::Supervisor => source.channel().to_owned(),
        Kind::Worker(Channel::Application) if !who.is_empty() => who,
        Kind::Worker(_) | Kind::Output { .. } => {
            format!("{who} {}", source.channel()).trim_start().to_owned()
        }
    }
}

/// The colour of an app and a slot: the same in every run, another for each slot of an app.
fn hue(entry: &Entry) -> Option<u8> {
    if entry.source.kind == Kind::Supervisor {
        return None;
    }
    let app = entry.app()?;
    let sum = app.bytes().fold(0usize, |sum, byte| sum.wrapping_mul(31) + usize::from(byte));
    let slot = usize::try_from(entry.slot().unwrap_or(0)).unwrap_or(0);
    HUES.get(sum.wrapping_add(slot) % HUES.len()).copied()
}

/// A value as one reads it: a text of one word without quotes.
fn value_words(value: &Value) -> String {
    match value {
        Value::String(text) if is_one_word(text) => printable(text.as_bytes()),
        Value::String(_)
        | Value::Null
        | Value::Bool(_)
        | Value::Number(_)
        | Value::Array(_)
        | Value::Object(_) => harmless_json(value),
    }
}

fn is_one_word(text: &str) -> bool {
    !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '"')
}

/// JSON in which every control character is escaped, also those that JSON leaves as they are.
fn harmless_json(value: &Value) -> String {
    let text = value.to_string();
    if !text.contains(char::is_control) {
        return text;
    }
    let escaped = text.chars().map(|character| match character.is_control() {
        true => format!("\\u{:04x}", u32::from(character)),
        false => character.to_string(),
    });
    escaped.collect()
}

fn object(entry: &Entry) -> Value {
    let mut object = json!({
        "source": entry.source.file,
        "channel": entry.source.channel(),
        "app": entry.app(),
        "slot": entry.slot(),
        "timestamp": entry.time.map(|time| time.to_string()),
        "level": level_words(entry.level).0.trim_end().to_lowercase(),
        "line": String::from_utf8_lossy(&entry.line),
    });
    // A part of a line that is too long to be told as one.
    if entry.is_cut || !entry.begins {
        object["part"] = json!({ "begins": entry.begins, "ends": entry.ends });
    }
    object
}

/// Without the sequences that choose colours and typefaces; all others stay, and become visible.
fn without_colours(line: &[u8]) -> Vec<u8> {
    let mut kept = Vec::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.windows(2).position(|two| two == b"\x1b[") {
        let behind = &rest[at + 2..];
        let length = behind
            .iter()
            .take_while(|byte| byte.is_ascii_digit() || matches!(byte, b';' | b':'))
            .count();
        let is_colour = behind.get(length) == Some(&b'm');
        let kept_to = if is_colour { at } else { at + 2 };
        kept.extend_from_slice(&rest[..kept_to]);
        rest = if is_colour { &behind[length + 1..] } else { behind };
    }
    kept.extend_from_slice(rest);
    kept
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::last_entries;

    const WORKER: &str = "{\"timestamp\":\"2026-11-21T10:00:00.5Z\",\"level\":\"WARN\",\
        \"logger\":\"mcp\",\"message\":\"slow \\u001b[2J\\nand more\",\"app\":\"query\",\"slot\":1,\
        \"run\":7,\"line\":12,\"client\":\"a b\",\"rows\":3,\"session\":null}";
    const OWN: &str = "2026-11-21T10:00:01.25Z  INFO worker moved app=query slot=1";

    fn entries(file: &str, text: &[u8]) -> Vec<Entry> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(file);
        std::fs::write(&path, text).unwrap();
        last_entries(&path, 10).unwrap()
    }

    fn shown(form: LogForm, surface: Surface, colour: Colour, entries: &[Entry]) -> String {
        let page = Page { colour, width: None };
        let mut log = LogLines::new(form, surface, page, TimeZone::UTC);
        let lines: Vec<u8> = entries.iter().flat_map(|entry| log.line(entry)).collect();
        String::from_utf8_lossy(&lines).into_owned()
    }

    fn plain(form: LogForm, surface: Surface, file: &str, text: &[u8]) -> String {
        shown(form, surface, Colour::Plain, &entries(file, text))
    }

    #[test]
    fn lines_say_whose_they_are_and_what_happened() {
        let words = |file, text: &str| plain(LogForm::Words, Surface::Bytes, file, text.as_bytes());
        assert_eq!(
            words("application.log", WORKER),
            "query[1] | 2026-11-21 10:00:00.500 WARN  slow \\u{1b}[2J client=\"a b\" rows=3\n\
             query[1] |     and more\n"
        );
        assert!(words("access.log", WORKER).starts_with("query[1] access | "));
        assert_eq!(
            words("supervisor.log", OWN),
            "supervisor | 2026-11-21 10:00:01.250 INFO  worker moved app=query slot=1\n"
        );
        assert_eq!(words("web.out.log", OWN), format!("web out | {OWN}\n"), "as it was printed");
        assert_eq!(words("web[3].err.log", "x"), "web[3] err | x\n");
        assert_eq!(words("audit.log", "{\"event\":\"door\"}"), "audit | event=door\n");
    }

    #[test]
    fn no_byte_of_a_program_commands_a_terminal() {
        let nasty = "\u{1b}[31mred\u{1b}[0m \u{1b}]0;title\u{7}\u{1b}[2J\u{9b}m\r\0";
        let json = "{\"msg\":\"x\",\"a\\u001b[2J\":\"b\\u009b\\u007f\",\"time\":1}".to_owned();
        let lines = [nasty.as_bytes(), b"\n", json.as_bytes(), b"\n\xff\xfe\n"].concat();
        for form in [LogForm::Words, LogForm::Json, LogForm::Raw] {
            let said = plain(form, Surface::Terminal, "web.out.log", &lines);
            let harmless = said.chars().all(|c| c == '\n' || !c.is_control());
            assert!(harmless, "{form:?}: {said:?}");
        }
        let words = plain(LogForm::Words, Surface::Terminal, "web.out.log", nasty.as_bytes());
        assert!(words.starts_with("web out | red \\u{1b}]0;title\\u{7}\\u{1b}[2J"), "{words}");
        let page = Page { colour: Colour::Plain, width: None };
        let mut log = LogLines::new(LogForm::Raw, Surface::Bytes, page, TimeZone::UTC);
        let raw: Vec<u8> =
            entries("web.out.log", &lines).iter().flat_map(|entry| log.line(entry)).collect();
        assert_eq!(raw, lines);
    }

    #[test]
    fn programs_get_an_object_for_each_line() {
        let said = plain(LogForm::Json, Surface::Bytes, "application.log", WORKER.as_bytes());
        let object: Value = serde_json::from_str(&said).unwrap();
        assert_eq!(
            object,
            json!({
                "source": "application.log", "channel": "application", "app": "query", "slot": 1,
                "timestamp": "2026-11-21T10:00:00.5Z", "level": "warn", "line": WORKER,
            })
        );
        let said = plain(LogForm::Json, Surface::Bytes, "web.err.log", b"boom");
        let object: Value = serde_json::from_str(&said).unwrap();
        assert_eq!((&object["level"], &object["slot"]), (&json!("error"), &Value::Null));
        assert_eq!(object["timestamp"], Value::Null);
    }

    #[test]
    fn slots_have_colours_of_their_own_that_stay() {
        let of = |slot: u32| {
            let text = format!("{{\"message\":\"x\",\"app\":\"query\",\"slot\":{slot}}}");
            let entries = entries("application.log", text.as_bytes());
            shown(LogForm::Words, Surface::Terminal, Colour::Shown, &entries)
        };
        let colour = |said: &str| said.split('m').next().unwrap().to_owned();
        assert!(of(0).starts_with("\u{1b}["), "{:?}", of(0));
        assert_eq!(of(0), of(0));
        assert_ne!(colour(&of(0)), colour(&of(1)));
    }

    #[test]
    fn the_parts_of_a_long_line_are_joined_where_bytes_are_wanted() {
        let long = "x".repeat(5 * 1024 * 1024 / 2);
        let raw = plain(LogForm::Raw, Surface::Bytes, "web.out.log", long.as_bytes());
        assert_eq!(raw.len(), long.len() + 1);
        let json = plain(LogForm::Json, Surface::Bytes, "web.out.log", long.as_bytes());
        assert!(json.lines().all(|line| line.contains("\"part\":{")), "a part is told as one");
    }
}
