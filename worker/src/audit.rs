//! Who called what, and how it ended: a JSON line for each call of a tool and for each request
//! that was not let in, in a file beside the log that all workers share.
//!
//! As in the log, the one who calls never waits: what does not fit into the queue is dropped and
//! counted. A statement is in it as its class and a hash, and as text only when the operator says
//! so; keys, tokens and what an answer held are never in it.

use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

use mcp_protocol::access::{AccessSettings, AuditLevel};
use mcp_protocol::hexadecimal::hex;
use mcp_protocol::logs::Channel;
use mcp_protocol::settings::LogSettings;
use ring::digest;
use serde::Serialize;
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::access::{Caller, Shown};
use crate::clock::{Clock, Moment};
use crate::logs::{self, LineWriter, Lines, LogError};
use crate::settings::Identity;
use crate::sql::{self, Level};

/// The file's name in the log directory.
pub const FILE_NAME: &str = Channel::Audit.file();
/// The arguments of tools that are statements.
const STATEMENTS: [&str; 3] = ["query", "statement", "sql"];

/// Writes down who does what. Cheap to clone.
#[derive(Clone)]
pub struct Audit(Option<Arc<Desk>>);

struct Desk {
    writer: LineWriter,
    /// Says how much is written down, as of now.
    access: watch::Receiver<Arc<AccessSettings>>,
    identity: Identity,
}

/// What steers the file; what is queued is written when this is dropped.
#[derive(Debug)]
pub struct AuditFile(Option<Lines>);

impl AuditFile {
    /// Opens the file anew before the next line: it was renamed.
    pub fn reopen(&self) {
        self.0.iter().for_each(Lines::reopen);
    }

    /// Lines that did not fit into the queue.
    #[must_use]
    pub fn dropped_total(&self) -> usize {
        self.0.as_ref().map_or(0, Lines::dropped_total)
    }
}

impl Audit {
    /// Writes nothing down: nobody is served but the one who started the program.
    #[must_use]
    pub fn none() -> Audit {
        Audit(None)
    }

    /// Writes to a file in the directory of the logs; without one nothing is written down.
    ///
    /// # Errors
    /// When the file cannot be opened.
    pub fn open(
        settings: &LogSettings,
        identity: &Identity,
        access: watch::Receiver<Arc<AccessSettings>>,
    ) -> Result<(Audit, AuditFile), LogError> {
        let Some(directory) = &settings.directory else {
            return Ok((Audit::none(), AuditFile(None)));
        };
        let (writer, lines) = logs::lines_to(Some(directory.join(FILE_NAME)))?;
        let desk = Desk { writer, access, identity: identity.clone() };
        Ok((Audit(Some(Arc::new(desk))), AuditFile(Some(lines))))
    }

    /// Somebody was not let in.
    pub fn refused_at_the_door(&self, shown: &Shown, why: &str) {
        let shown = (*shown != Shown::Nothing).then(|| shown.to_string());
        self.write(|_| Event { reason: Some(why), shown, ..Event::new("door", "refused") });
    }

    /// An administrator had something done, or was refused. That is written down whatever else is.
    pub fn administered(
        &self,
        action: &str,
        caller: Option<&Caller>,
        (outcome, detail): (&str, Option<&str>),
    ) {
        let shown = caller.map(|caller| &caller.shown).filter(|shown| **shown != Shown::Nothing);
        self.write_always(|_| Event {
            action: Some(action),
            client: caller.and_then(|caller| caller.name.as_deref()),
            shown: shown.map(Shown::to_string),
            reason: detail,
            ..Event::new("admin", outcome)
        });
    }

    /// A call of a tool begins; it is written down when what this gives is dropped.
    #[must_use]
    pub fn begin(
        &self,
        (tool, caller): (&str, &Caller),
        arguments: Option<&Map<String, Value>>,
        clock: Clock,
    ) -> Record {
        let statement = self.is_on().then(|| statement(arguments)).flatten().map(str::to_owned);
        Record {
            audit: self.clone(),
            tool: tool.to_owned(),
            caller: caller.clone(),
            statement,
            began: clock.now(),
            clock,
            outcome: "cancelled",
            reason: None,
            rows: None,
            query_id: None,
        }
    }

    fn is_on(&self) -> bool {
        let level = self.0.as_ref().map(|desk| desk.access.borrow().audit);
        level.is_some_and(|level| level != AuditLevel::Off)
    }

    fn write<'a>(&self, event: impl FnOnce(AuditLevel) -> Event<'a>) {
        if self.is_on() {
            self.write_always(event);
        }
    }

    fn write_always<'a>(&self, event: impl FnOnce(AuditLevel) -> Event<'a>) {
        let Some(desk) = &self.0 else { return };
        let level = desk.access.borrow().audit;
        let Identity { app, slot, run, .. } = &desk.identity;
        let Ok(timestamp) = logs::timestamp() else { return };
        let line = Line { timestamp, app, slot: *slot, run: *run, event: event(level) };
        let Ok(mut text) = serde_json::to_vec(&line) else { return };
        text.push(b'\n');
        // What does not fit is dropped and counted there.
        let _ = desk.writer.clone().write_all(&text);
    }
}

fn statement(arguments: Option<&Map<String, Value>>) -> Option<&str> {
    STATEMENTS.iter().find_map(|name| arguments?.get(*name)?.as_str())
}

/// A call of a tool that goes on.
pub struct Record {
    audit: Audit,
    tool: String,
    caller: Caller,
    statement: Option<String>,
    began: Moment,
    clock: Clock,
    outcome: &'static str,
    reason: Option<String>,
    rows: Option<u64>,
    query_id: Option<String>,
}

impl Record {
    /// It was answered with this.
    pub fn answered(&mut self, answer: &Value) {
        self.outcome = "ok";
        self.rows = answer["row_count"].as_u64();
        self.query_id = answer["query_id"].as_str().map(str::to_owned);
    }

    /// It went wrong.
    pub fn failed(&mut self) {
        self.outcome = "error";
    }

    /// It was not to be.
    pub fn refused(&mut self, why: impl Into<String>) {
        self.outcome = "refused";
        self.reason = Some(why.into());
    }
}

impl Drop for Record {
    fn drop(&mut self) {
        let took: Duration = self.clock.now().since(self.began);
        self.audit.write(|level| {
            let statement = self.statement.as_deref();
            Event {
                client: self.caller.name.as_deref(),
                shown: (self.caller.shown != Shown::Nothing).then(|| self.caller.shown.to_string()),
                tool: Some(&self.tool),
                class: statement.map(|text| sql::decide(text, Level::Read).class().as_str()),
                statement_sha256: statement.map(hash),
                statement: statement.filter(|_| level == AuditLevel::Text),
                reason: self.reason.as_deref(),
                duration_ms: Some(u64::try_from(took.as_millis()).unwrap_or(u64::MAX)),
                rows: self.rows,
                query_id: self.query_id.as_deref(),
                ..Event::new("call", self.outcome)
            }
        });
    }
}

/// By what a statement is known that is not told.
pub(crate) fn hash(statement: &str) -> String {
    let sum = digest::digest(&digest::SHA256, statement.as_bytes());
    hex(sum.as_ref())
}

/// A line, in the order in which a person reads it.
#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    app: &'a str,
    slot: u32,
    run: u64,
    #[serde(flatten)]
    event: Event<'a>,
}

/// What happened.
#[derive(Default, Serialize)]
struct Event<'a> {
    event: &'a str,
    outcome: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    client: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    shown: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    action: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    class: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement_sha256: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    statement: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duration_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rows: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    query_id: Option<&'a str>,
}

impl<'a> Event<'a> {
    fn new(event: &'a str, outcome: &'a str) -> Event<'a> {
        Event { event, outcome, ..Event::default() }
    }
}
