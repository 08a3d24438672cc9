//! `[apps.NAME.logs]`, as far as it is our own worker's: what it writes, and how; and
//! `[apps.NAME.traces]`.
//!
//! How much is kept of any app's log files is read elsewhere; nothing here opens one.

use std::collections::BTreeMap;

use mcp_protocol::log_line::LogFormat;
use mcp_protocol::settings::{LogLevel, LogSettings};

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

/// The name of the table that says where traces go.
pub(super) const TRACES: &str = "traces";
const COLLECTOR: Key = key("otlp", Kind::Text, r#""http://127.0.0.1:4318""#);
/// Its keys.
pub(super) const TRACES_KEYS: &[Key] = &[COLLECTOR];

/// The keys of the table that are for our own worker alone, and the same from the app's table on.
pub(super) const OURS: [(&str, &str); 4] = [
    ("level", "logs.level"),
    (FORMAT.name, "logs.format"),
    (MODULES.name, "logs.levels"),
    (STATEMENTS.name, "logs.statements"),
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
        traces_to: collector(app.section(TRACES), report),
    }
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
