//! `[apps.NAME.logs]`, as far as it is our own worker's: what it writes, and how; and
//! `[apps.NAME.traces]`.
//!
//! How much is kept of any app's log files is read elsewhere; nothing here opens one.

use std::collections::{BTreeMap, BTreeSet};

use mcp_protocol::log_line::LogFormat;
use mcp_protocol::logs::Channel;
use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{LogLevel, LogSettings, TraceSettings};

use super::access;
use super::check::Around;
use super::keys::{self, Key, Kind, key};
use super::problem::Report;
use super::section::Section;
use super::worker::LEVELS;

/// The words for how log lines are written.
pub(super) const FORMATS: &[&str] = &["json", "text"];
/// What each of them means.
pub(super) const FORMAT_MEANINGS: [LogFormat; 2] = [LogFormat::Json, LogFormat::Text];

pub(super) const FORMAT: Key = key("format", Kind::Choice(FORMATS), r#""json""#);
pub(super) const MODULES: Key = key("levels", Kind::Texts, r#"["mcp_worker::warehouse=debug"]"#);
pub(super) const STATEMENTS: Key =
    key("statements", Kind::Choice(access::keys::AUDIT), r#""hash""#);

pub(super) const CHANNELS: Key = key(
    "channels",
    Kind::Texts,
    r#"["application", "error", "access", "database", "performance"]"#,
);
/// The files that it may name.
const NAMED: [Channel; 5] = [
    Channel::Application,
    Channel::Error,
    Channel::Access,
    Channel::Database,
    Channel::Performance,
];

/// The name of the table that says where traces go.
pub(super) const TRACES: &str = "traces";
const COLLECTOR: Key = key("otlp", Kind::Text, r#""http://127.0.0.1:4318""#);
/// Its keys.
pub(super) const TRACES_KEYS: &[Key] = &[COLLECTOR, SAMPLE, key(HEADERS, Kind::Variables, "")];
const SAMPLE: Key = key("sample", Kind::Share, "1.0");
const HEADERS: &str = "headers";
/// Headers that say what a message is, which is not for the operator to say.
const NOT_THEIRS: [&str; 5] =
    ["content-type", "content-length", "content-encoding", "host", "transfer-encoding"];

/// The keys of the table that are for our own worker alone, and the same from the app's table on.
pub(super) const OURS: [(&str, &str); 5] = [
    ("level", "logs.level"),
    (FORMAT.name, "logs.format"),
    (MODULES.name, "logs.levels"),
    (STATEMENTS.name, "logs.statements"),
    (CHANNELS.name, "logs.channels"),
];

/// What a worker writes, and how.
pub(super) fn read(app: Section<'_>, around: &Around<'_>, report: &mut Report) -> LogSettings {
    let (logs, default) = (app.section("logs"), LogSettings::default());
    LogSettings {
        directory: Some(around.log_directory.to_owned()),
        level: logs.choice("level", &LEVELS).unwrap_or(default.level),
        format: logs.choice(FORMAT.name, &FORMAT_MEANINGS).unwrap_or(default.format),
        levels: levels(logs, report),
        statements: logs.choice(STATEMENTS.name, &access::AUDIT).unwrap_or(default.statements),
        traces: traces(app.section(TRACES), report),
        without: without(logs, report),
    }
}

/// The files that are not among those that are named.
fn without(logs: Section<'_>, report: &mut Report) -> BTreeSet<Channel> {
    let Some(node) = logs.node(CHANNELS.name) else { return BTreeSet::new() };
    let mut without = BTreeSet::from(NAMED);
    for text in logs.texts(CHANNELS.name) {
        match NAMED.iter().find(|channel| channel.name() == text) {
            Some(channel) => drop(without.remove(channel)),
            None => {
                let why = match text == Channel::Audit.name() {
                    true => "is always written; `mcp.audit` says what it holds",
                    false => "is no log of a worker",
                };
                let names = NAMED.map(Channel::name).join(", ");
                report.add(&node.key, node.place, format!("`{text}` {why}; use some of {names}"));
            }
        }
    }
    without
}

/// The collector of traces, and what it is told.
fn traces(section: Section<'_>, report: &mut Report) -> Option<TraceSettings> {
    let headers = headers(section, report);
    let to = collector(section, report);
    if let (None, Some(node)) = (section.node(COLLECTOR.name), section.node(HEADERS)) {
        let words =
            format!("means nothing without a collector; write otlp = {}", COLLECTOR.example);
        report.add(&node.key, node.place, words);
    }
    Some(TraceSettings { to: to?, sample: section.share(SAMPLE.name).unwrap_or(1.0), headers })
}

/// What each message to the collector says of who sends it.
fn headers(section: Section<'_>, report: &mut Report) -> BTreeMap<String, Secret> {
    let Some(node) = section.node(HEADERS) else { return BTreeMap::new() };
    let mut headers = BTreeMap::new();
    for (name, value) in section.variables(HEADERS) {
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
        let is_name = !name.is_empty() && name.bytes().all(plain);
        let wrong = match is_name {
            false => Some("is no name of a header; use letters, digits and `-`"),
            true if NOT_THEIRS.iter().any(|one| name.eq_ignore_ascii_case(one)) => {
                Some("is set by the worker itself; remove it")
            }
            true if !value.bytes().all(|byte| (b' '..=b'~').contains(&byte)) => {
                Some("has a value that no header can have; use plain ASCII in one line")
            }
            true => None,
        };
        match wrong {
            Some(words) => report.add(&format!("{}.{name}", node.key), node.place, words),
            None => drop(headers.insert(name, Secret::new(value))),
        }
    }
    headers
}

/// Where the collector of traces is: scheme, name and port.
fn collector(traces: Section<'_>, report: &mut Report) -> Option<String> {
    let written = traces.text(COLLECTOR.name)?;
    let address = written.strip_prefix("http://").or_else(|| written.strip_prefix("https://"));
    let address = address.map(|address| address.trim_end_matches('/'));
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
    if address.is_some_and(|address| !address.is_empty() && address.chars().all(is_plain)) {
        return Some(written.trim_end_matches('/').to_owned());
    }
    if let Some(node) = traces.node(COLLECTOR.name) {
        let words = format!(
            "is no address of a collector; write its scheme, name and port without a path, as in \
             {}",
            COLLECTOR.example
        );
        report.add(&node.key, node.place, words);
    }
    None
}

/// The levels of single modules, each written as `MODULE=LEVEL`.
fn levels(logs: Section<'_>, report: &mut Report) -> BTreeMap<String, LogLevel> {
    let mut levels = BTreeMap::new();
    let Some(node) = logs.node(MODULES.name) else { return levels };
    for text in logs.texts(MODULES.name) {
        match level(&text) {
            Some((module, level)) => drop(levels.insert(module.to_owned(), level)),
            None => report.add(
                &node.key,
                node.place,
                format!(
                    "`{text}` is not a module and a level ({}); write levels = {}",
                    keys::LEVELS.join(", "),
                    MODULES.example
                ),
            ),
        }
    }
    levels
}

fn level(text: &str) -> Option<(&str, LogLevel)> {
    let (module, word) = text.split_once('=')?;
    let at = keys::LEVELS.iter().position(|level| *level == word.trim())?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':';
    let module = module.trim();
    (!module.is_empty() && module.chars().all(plain)).then_some((module, LEVELS[at]))
}
