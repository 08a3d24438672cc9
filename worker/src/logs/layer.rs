//! From an event to a line: who logs, within what, where it goes.
//!
//! Spans of ours say what all that happens inside of them belongs to (a request, a call of a tool),
//! and each line inside carries that. Events whose target is the name of a channel go to the file
//! of that channel alone; all others go to `application.log`, and errors to `error.log` as well.
//! The text of a statement gets no further than the operator wants.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};

use mcp_protocol::access::AuditLevel;
use mcp_protocol::hexadecimal::hex;
use mcp_protocol::log_line::{Colours, Fields, LogFormat, LogLine};
use mcp_protocol::logs::Channel;
use mcp_protocol::settings::LogLevel;
use ring::digest;
use serde_json::Value;
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::files::{self, LineWriter};
use super::timestamp;
use crate::settings::Identity;
use crate::traces::{self, Placed};

/// The field that is the text of a statement, in whatever event.
const STATEMENT: &str = "statement";
/// The field beside it that says why it gave nothing.
const FAILURE: &str = "failure";
/// Whose spans say what their events belong to.
const OURS: &str = env!("CARGO_CRATE_NAME");

/// The functions that log: file, line, name; in order.
const FUNCTIONS: &[(&str, u32, &str)] = include!(concat!(env!("OUT_DIR"), "/functions.rs"));

/// How lines look.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Form {
    pub(crate) format: LogFormat,
    pub(crate) colours: Colours,
}

/// Writes events down.
pub(super) struct Scribe {
    pub(super) writer: LineWriter,
    pub(super) form: Form,
    pub(super) who: Fields,
    pub(super) statements: Arc<Statements>,
    pub(super) without: Arc<Without>,
}

/// The files that get no lines, as of now.
#[derive(Debug, Default)]
pub(super) struct Without(AtomicU8);

impl Without {
    pub(super) fn set(&self, channels: &BTreeSet<Channel>) {
        self.0.store(files::mask(channels), Ordering::Relaxed);
    }

    /// What is left of these.
    fn of(&self, channels: &[Channel]) -> u8 {
        files::mask(channels) & !self.0.load(Ordering::Relaxed)
    }
}

/// What a line says of a statement's text, as of now.
#[derive(Debug, Default)]
pub(super) struct Statements(AtomicU8);

impl Statements {
    pub(super) fn set(&self, level: AuditLevel) {
        self.0.store(level as u8, Ordering::Relaxed);
    }

    /// Takes a statement out of what is said, or leaves of it what may be written.
    fn censor(&self, fields: &mut Fields) {
        let Some(statement) = fields.take(STATEMENT) else { return };
        // What the warehouse says of a wrong one quotes it.
        let failure = fields.take(FAILURE);
        let level = self.0.load(Ordering::Relaxed);
        if level == AuditLevel::Off as u8 {
            return;
        }
        if let Value::String(text) = &statement {
            fields.set("statement_sha256", hash(text));
        }
        if level == AuditLevel::Text as u8 {
            fields.set(STATEMENT, statement);
            fields.set(FAILURE, failure);
        }
    }
}

/// By what a statement is known whose text nobody is to read.
pub(crate) fn hash(statement: &str) -> String {
    let sum = digest::digest(&digest::SHA256, statement.as_bytes());
    hex(sum.as_ref())
}

/// What each line of a worker says of who wrote it.
pub(crate) fn who(identity: &Identity) -> Fields {
    let Identity { app, slot, run, pid } = identity;
    let mut who = Fields::default();
    who.set("worker", format!("{app}[{slot}]"));
    who.set("run", *run);
    who.set("app", app.as_str());
    who.set("slot", *slot);
    who.set("pid", *pid);
    who
}

/// The line that says that so many are missing here.
pub(crate) fn missing(who: &Fields, form: Form, count: u64, why: &str) -> String {
    let mut fields = Fields::saying("lines are missing here");
    fields.set("lines", count);
    fields.set("why", why);
    fields.fill(who);
    let timestamp = timestamp();
    let logger = "mcp_worker::logs";
    let level = LogLevel::Warn;
    let line = LogLine { timestamp: &timestamp, level, logger, place: None, fields: &fields };
    line.written(form.format, form.colours)
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> tracing_subscriber::Layer<S> for Scribe {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let target = attributes.metadata().target();
        if !target.starts_with(OURS) && target != traces::TARGET {
            return;
        }
        let Some(span) = context.span(id) else { return };
        let mut fields = Fields::default();
        attributes.record(&mut fields);
        span.extensions_mut().insert(fields);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        let Some(span) = context.span(id) else { return };
        if let Some(fields) = span.extensions_mut().get_mut::<Fields>() {
            values.record(fields);
        }
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let metadata = event.metadata();
        let level = level(*metadata.level());
        let to = self.without.of(channels(metadata.target(), level));
        if to == 0 {
            return;
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        self.statements.censor(&mut fields);
        let scope = || context.event_scope(event).into_iter().flatten();
        if let Some(at) = scope().find_map(|span| span.extensions().get::<Placed>().copied()) {
            fields.set("trace_id", format!("{:032x}", at.trace_id));
            fields.set("span_id", format!("{:016x}", at.span_id));
        }
        for span in scope() {
            if let Some(around) = span.extensions().get::<Fields>() {
                fields.fill(around);
            }
        }
        fields.fill(&self.who);
        let module = metadata.module_path().unwrap_or_default();
        let line = LogLine {
            timestamp: &timestamp(),
            level,
            logger: metadata.target(),
            place: metadata.line().map(|line| (module, function(metadata), line)),
            fields: &fields,
        };
        let text = line.written(self.form.format, self.form.colours);
        self.writer.send_to(to, &text);
    }
}

/// The function that an event of ours is in.
fn function(metadata: &Metadata<'_>) -> Option<&'static str> {
    metadata.module_path().filter(|module| module.starts_with(OURS))?;
    let file = metadata.file()?;
    let file = &file[file.find("src/")?..];
    let place = (file, metadata.line()?);
    let at = FUNCTIONS.binary_search_by(|(file, line, _)| (*file, *line).cmp(&place)).ok()?;
    Some(FUNCTIONS[at].2)
}

/// The files that a line is for.
fn channels(target: &str, level: LogLevel) -> &'static [Channel] {
    let own = |channel: &&[Channel]| channel[0].name() == target;
    if let Some(channel) = OWN.iter().copied().find(own) {
        return channel;
    }
    match level {
        LogLevel::Error => &[Channel::Application, Channel::Error],
        LogLevel::Warn | LogLevel::Info | LogLevel::Debug | LogLevel::Trace => {
            &[Channel::Application]
        }
    }
}

/// The channels that events name as their target.
pub(super) const OWN: [&[Channel]; 3] =
    [&[Channel::Access], &[Channel::Database], &[Channel::Performance]];

fn level(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        Level::DEBUG => LogLevel::Debug,
        Level::TRACE => LogLevel::Trace,
    }
}
