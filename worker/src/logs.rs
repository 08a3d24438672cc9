//! Log events as JSON lines: to the file that all workers share, or to standard error.
//!
//! The one who logs never waits: lines go through a bounded queue to a thread, and what does not
//! fit is dropped and counted. A line is one `write` to a file opened for appending, so lines of
//! several workers do not mix. No SQL text may enter a log.

use std::fmt::Write as _;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use mcp_protocol::logs::Channel;
use mcp_protocol::settings::{LogLevel, LogSettings};
use serde::Serialize;
use serde_json::{Map, Value};
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::{LookupSpan, Registry};
use tracing_subscriber::reload;

use crate::settings::Identity;

/// The file's name in the log directory.
pub const FILE_NAME: &str = Channel::Application.file();
/// Lines that may wait to be written.
const QUEUE_LINES_MAX: usize = 8192;

/// Takes lines and never waits; cheap to clone.
pub(crate) type LineWriter = NonBlocking;

/// What steers where lines go. It keeps the writing thread alive; what is queued is written when
/// this is dropped.
#[derive(Debug)]
pub(crate) struct Lines {
    reopen: Arc<AtomicBool>,
    dropped: ErrorCounter,
    _guard: WorkerGuard,
}

/// What steers the log.
#[derive(Debug)]
pub struct Logs {
    lines: Lines,
    filter: reload::Handle<Targets, Registry>,
}

/// Why nothing can be logged.
#[derive(Debug, thiserror::Error)]
#[error("cannot open the log file `{path}`")]
pub struct LogError {
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// Begins to log, for the rest of the process.
///
/// # Errors
/// When the log file cannot be opened.
pub fn start(settings: &LogSettings, identity: &Identity) -> Result<Logs, LogError> {
    let (logs, subscriber) = prepared(settings, identity)?;
    // Refused only when the process logs already, as a test that runs several workers does.
    let _ = tracing::subscriber::set_global_default(subscriber);
    Ok(logs)
}

/// What logs, and what steers it; nothing is logged yet.
fn prepared(
    settings: &LogSettings,
    identity: &Identity,
) -> Result<(Logs, impl Subscriber + Send + Sync + use<>), LogError> {
    let (writer, lines) = lines_to(settings.directory.as_ref().map(|at| at.join(FILE_NAME)))?;
    let layer = tracing_subscriber::fmt::layer()
        .event_format(JsonLine { identity: identity.clone() })
        .with_writer(writer);
    let (filter, handle) = reload::Layer::new(filter(settings.level));
    let subscriber = tracing_subscriber::registry().with(filter).with(layer);
    Ok((Logs { lines, filter: handle }, subscriber))
}

/// Begins to write lines to a file that others append to as well; without one to standard error.
pub(crate) fn lines_to(path: Option<PathBuf>) -> Result<(LineWriter, Lines), LogError> {
    let reopen = Arc::new(AtomicBool::new(false));
    let target: Box<dyn Write + Send> = match path {
        None => Box::new(io::stderr()),
        Some(path) => {
            let file = open(&path).map_err(|source| LogError { path: path.clone(), source })?;
            Box::new(SharedFile { path, file, reopen: Arc::clone(&reopen) })
        }
    };
    let (writer, guard) = NonBlockingBuilder::default()
        .lossy(true)
        .buffered_lines_limit(QUEUE_LINES_MAX)
        .thread_name("logs")
        .finish(target);
    let dropped = writer.error_counter();
    Ok((writer, Lines { reopen, dropped, _guard: guard }))
}

/// The time of a line.
pub(crate) fn timestamp() -> Result<String, std::fmt::Error> {
    let mut timestamp = String::new();
    SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
    Ok(timestamp)
}

impl Lines {
    /// Opens the file anew before the next line: it was renamed.
    pub(crate) fn reopen(&self) {
        self.reopen.store(true, Ordering::Relaxed);
    }

    /// Lines that did not fit into the queue.
    pub(crate) fn dropped_total(&self) -> usize {
        self.dropped.dropped_lines()
    }
}

impl Logs {
    /// Opens the file anew before the next line: it was renamed.
    pub fn reopen(&self) {
        self.lines.reopen();
    }

    /// From now on writes what is at least this severe.
    pub fn set_level(&self, level: LogLevel) {
        // Fails only when the process logs elsewhere, as a test that runs several workers does.
        let _ = self.filter.reload(filter(level));
    }

    /// Lines that did not fit into the queue.
    #[must_use]
    pub fn dropped_total(&self) -> usize {
        self.lines.dropped_total()
    }
}

/// The SDK writes whole requests at its lower levels, statements included, and complains about
/// every client that hangs up: it is kept down at any level.
fn filter(level: LogLevel) -> Targets {
    let level = level_filter(level);
    Targets::new()
        .with_default(level)
        .with_target("rmcp", level.min(LevelFilter::WARN))
        .with_target("rmcp::service", LevelFilter::OFF)
}

fn level_filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).mode(0o640).open(path)
}

/// A file that others append to as well, and that is renamed now and then.
struct SharedFile {
    path: PathBuf,
    file: File,
    reopen: Arc<AtomicBool>,
}

impl Write for SharedFile {
    /// One system call a line. A line that the disk took in part counts as written: completing it
    /// later would mix it with the lines of other workers.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        if self.reopen.load(Ordering::Relaxed)
            && let Ok(file) = open(&self.path)
        {
            self.file = file;
            self.reopen.store(false, Ordering::Relaxed);
        }
        self.file.write(line)?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// One JSON object a line, flat, with who wrote it.
struct JsonLine {
    identity: Identity,
}

impl<S, N> FormatEvent<S, N> for JsonLine
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> std::fmt::Result {
        let timestamp = timestamp()?;
        let mut fields = Fields::default();
        event.record(&mut fields);
        let line = Line {
            timestamp,
            level: level(*event.metadata().level()),
            message: fields.message,
            target: event.metadata().target(),
            app: &self.identity.app,
            slot: self.identity.slot,
            run: self.identity.run,
            pid: self.identity.pid,
            rest: fields.rest,
        };
        let text = serde_json::to_string(&line).map_err(|_| std::fmt::Error)?;
        writeln!(writer, "{text}")
    }
}

fn level(level: Level) -> &'static str {
    match level {
        Level::ERROR => "error",
        Level::WARN => "warn",
        Level::INFO => "info",
        Level::DEBUG => "debug",
        Level::TRACE => "trace",
    }
}

/// The fields in the order in which a person reads them.
#[derive(Serialize)]
struct Line<'a> {
    timestamp: String,
    level: &'static str,
    message: String,
    target: &'a str,
    app: &'a str,
    slot: u32,
    run: u64,
    pid: u32,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Collects the fields of an event.
#[derive(Default)]
struct Fields {
    message: String,
    rest: Map<String, Value>,
}

impl Fields {
    fn note(&mut self, field: &Field, value: Value) {
        match (field.name(), value) {
            ("message", Value::String(text)) => self.message = text,
            (name, value) => {
                self.rest.insert(name.to_owned(), value);
            }
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let mut text = String::new();
        // Writing into a string fails only when the value's own formatting does.
        let _ = write!(text, "{value:?}");
        self.note(field, text.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.note(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.note(field, value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.note(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.note(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.note(field, value.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_that_changes_holds_for_the_next_line() {
        let directory = tempfile::tempdir().unwrap();
        let settings =
            LogSettings { level: LogLevel::Info, directory: Some(directory.path().to_owned()) };
        let identity = Identity { app: "query".to_owned(), slot: 0, run: 1, pid: 2 };
        let (logs, subscriber) = prepared(&settings, &identity).unwrap();
        tracing::subscriber::with_default(subscriber, || {
            // The same place in the code each time: what was decided about it must be forgotten.
            let speak = |word: &str| tracing::debug!(word, "said");
            speak("before");
            logs.set_level(LogLevel::Debug);
            speak("between");
            logs.set_level(LogLevel::Error);
            speak("after");
            tracing::warn!("too little");
        });
        // What is queued is written when this ends.
        drop(logs);
        let lines = std::fs::read_to_string(directory.path().join(FILE_NAME)).unwrap();
        assert_eq!(lines.lines().count(), 1, "{lines}");
        assert!(lines.contains("\"word\":\"between\""), "{lines}");
    }

    #[test]
    fn a_renamed_file_is_opened_anew_on_request() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join(FILE_NAME);
        let reopen = Arc::new(AtomicBool::new(false));
        let file = open(&path).unwrap();
        let mut shared = SharedFile { path: path.clone(), file, reopen: Arc::clone(&reopen) };
        let old = directory.path().join("application.log.1");
        shared.write_all(b"one\n").unwrap();
        std::fs::rename(&path, &old).unwrap();
        shared.write_all(b"two\n").unwrap();
        reopen.store(true, Ordering::Relaxed);
        shared.write_all(b"three\n").unwrap();
        assert_eq!(std::fs::read_to_string(old).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "three\n");
    }
}
