//! Who called what, and how it ended: a JSON line for each call of a tool and for each request
//! that was not let in, in a file beside the log that all workers share.
//!
//! As in the log, the one who calls never waits: what does not fit into the queue is dropped and
//! counted. A statement is in it as its class and a hash, and as text only when the operator says
//! so; keys, tokens and what an answer held are never in it.

use std::sync::Arc;
use std::time::Duration;

use mcp_protocol::access::{AccessSettings, AuditLevel};
use mcp_protocol::log_line::{Fields, LogLine};
use mcp_protocol::logs::Channel;
use mcp_protocol::settings::{LogLevel, LogSettings};
use serde_json::{Map, Value};
use tokio::sync::watch;

use crate::access::{Caller, Shown};
use crate::clock::{Clock, Moment};
use crate::logs::{self, Form, LineWriter, Lines, LogError};
use crate::passage::Passage;
use crate::settings::Identity;
use crate::sql::{self, Level};

/// The arguments of tools that are statements.
const STATEMENTS: [&str; 3] = ["query", "statement", "sql"];

/// Writes down who does what. Cheap to clone.
#[derive(Clone)]
pub struct Audit(Option<Arc<Desk>>);

struct Desk {
    writer: LineWriter,
    /// Says how much is written down, as of now.
    access: watch::Receiver<Arc<AccessSettings>>,
    who: Fields,
    form: Form,
}

/// What steers the file; what is queued is written when this is dropped.
#[derive(Debug)]
pub struct AuditFile(Option<Lines>);

impl AuditFile {
    /// Opens the file anew before the next line: it was renamed.
    pub fn reopen(&self) {
        self.0.iter().for_each(Lines::reopen);
    }

    /// Lines that were lost: no room in the queue, or on the disk.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
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
        let (who, form) =
            (logs::who(identity), Form { format: settings.format, ..Form::default() });
        let by = who.clone();
        let missing = Box::new(move |count, why: &str| logs::missing(&by, form, count, why));
        let (writer, lines) = logs::to_files(directory, &[Channel::Audit], missing)?;
        let desk = Desk { writer, access, who, form };
        Ok((Audit(Some(Arc::new(desk))), AuditFile(Some(lines))))
    }

    /// Somebody was not let in.
    pub fn refused_at_the_door(&self, passage: &Passage, shown: &Shown, why: &str) {
        self.write(|_| {
            let mut event = event("door", "refused");
            event.set("shown", (*shown != Shown::Nothing).then(|| shown.to_string()));
            event.set("reason", why);
            event.fill(&passage.fields());
            event
        });
    }

    /// An administrator had something done, or was refused. That is written down whatever else is.
    pub fn administered(
        &self,
        action: &str,
        caller: Option<&Caller>,
        (outcome, detail): (&str, Option<&str>),
    ) {
        let shown = caller.map(|caller| &caller.shown).filter(|shown| **shown != Shown::Nothing);
        self.write_always(|_| {
            let mut event = event("admin", outcome);
            event.set("action", action);
            event.set("client", caller.and_then(|caller| caller.name.as_deref()));
            event.set("shown", shown.map(Shown::to_string));
            event.set("reason", detail);
            event
        });
    }

    /// A call of a tool begins; it is written down when what this gives is dropped.
    #[must_use]
    pub fn begin(
        &self,
        (tool, caller): (&str, &Caller),
        arguments: Option<&Map<String, Value>>,
        (passage, clock): (&Passage, Clock),
    ) -> Record {
        let statement = self.is_on().then(|| statement(arguments)).flatten().map(str::to_owned);
        Record {
            audit: self.clone(),
            tool: tool.to_owned(),
            caller: caller.clone(),
            passage: passage.fields(),
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

    fn write(&self, event: impl FnOnce(AuditLevel) -> Fields) {
        if self.is_on() {
            self.write_always(event);
        }
    }

    fn write_always(&self, event: impl FnOnce(AuditLevel) -> Fields) {
        let Some(desk) = &self.0 else { return };
        let mut fields = event(desk.access.borrow().audit);
        fields.fill(&desk.who);
        let timestamp = logs::timestamp();
        let (level, logger) = (LogLevel::Info, Channel::Audit.name());
        let line = LogLine { timestamp: &timestamp, level, logger, place: None, fields: &fields };
        desk.writer.send(&[Channel::Audit], &line.written(desk.form.format, desk.form.colours));
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
    passage: Fields,
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
        let caller = &self.caller;
        self.audit.write(|level| {
            let mut event = event("call", self.outcome);
            event.set("client", caller.name.as_deref());
            event.set("shown", (caller.shown != Shown::Nothing).then(|| caller.shown.to_string()));
            event.set("tool", self.tool.as_str());
            if let Some(text) = &self.statement {
                event.set("class", sql::decide(text, Level::Read).class().as_str());
                event.set("statement_sha256", logs::hash(text));
                event.set("statement", (level == AuditLevel::Text).then_some(text.as_str()));
            }
            event.set("reason", self.reason.as_deref());
            event.set("duration_ms", u64::try_from(took.as_millis()).unwrap_or(u64::MAX));
            event.set("rows", self.rows);
            event.set("query_id", self.query_id.as_deref());
            event.fill(&self.passage);
            event
        });
    }
}

fn event(event: &'static str, outcome: &str) -> Fields {
    let mut fields = Fields::saying(&format!("{event} {outcome}"));
    fields.set("event", event);
    fields.set("outcome", outcome);
    fields
}
