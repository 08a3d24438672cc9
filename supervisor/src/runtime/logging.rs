//! The supervisor's own log: one line a transition, to `supervisor.log`, never in the loop's way.
//!
//! Lines go through a queue that drops and counts when the disk is slow. In the foreground they
//! are shown on standard error as well, and where it is wanted in systemd's journal.

use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mcp_protocol::log_line::{Colours, Fields, LogFormat, LogLine};
use mcp_protocol::settings::LogLevel;
use tracing::level_filters::LevelFilter;
use tracing::{Event, Level, Subscriber};
use tracing_appender::non_blocking::{ErrorCounter, NonBlocking, NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::filter::Targets;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Registry, fmt, reload};

use crate::config::{Config, OutputConfig};
use crate::runtime::journal::{self, Journal};
use crate::runtime::own_log::{OwnLog, Wishes};
use crate::runtime::rotation::Tidy;

/// The name of the supervisor's own log file.
pub const FILE_NAME: &str = "supervisor.log";
/// How many lines may wait for the disk. Each place costs 32 bytes from the start.
const LINES_MAX: usize = 4 * 1024;

/// The target of lines that are logged at every level: what an operator looks for after a start, a
/// reload or an end, also where only warnings are wanted.
pub(crate) const LANDMARK: &str = "landmark";

/// Whether people look at our standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Console {
    /// They do: show every line there too.
    Shown,
    /// Nobody looks.
    Silent,
}

/// Keeps the log alive; what waits is written when it goes.
#[derive(Debug)]
pub(crate) struct Logging {
    _guards: Vec<WorkerGuard>,
    dropped: Vec<ErrorCounter>,
    /// Lines that the journal did not take.
    dropped_by_journal: Arc<AtomicU64>,
    wishes: Arc<Wishes>,
    level: reload::Handle<Targets, Registry>,
}

impl Logging {
    /// Lines that were dropped because the disk, or the journal, was too slow.
    pub(crate) fn dropped_lines(&self) -> u64 {
        let of_files: u64 = self.dropped.iter().map(|one| one.dropped_lines() as u64).sum();
        of_files + self.dropped_by_journal.load(Ordering::Relaxed)
    }

    /// From now on logs what is at least this severe.
    pub(crate) fn set_level(&self, level: LogLevel) {
        // Fails only when the log itself is gone.
        let _ = self.level.reload(filter(level));
    }

    /// The file was renamed: the next line opens it anew.
    pub(crate) fn reopen(&self) {
        self.wishes.reopen();
    }

    /// The next line begins a new file.
    pub(crate) fn rotate(&self) {
        self.wishes.rotate();
    }

    /// From now on keeps so much.
    pub(crate) fn set_policy(&self, policy: OutputConfig) {
        self.wishes.set_policy(policy);
    }
}

/// From now on `tracing` writes to the log.
pub(crate) fn start(config: &Config, console: Console, tidy: Tidy) -> io::Result<Logging> {
    let wishes = Arc::new(Wishes::new(config.supervisor.logs));
    let path = config.supervisor.log_directory.join(FILE_NAME);
    let (writer, guard) = queue(OwnLog::open(path, Arc::clone(&wishes), tidy)?);
    let (mut dropped, mut guards) = (vec![writer.error_counter()], vec![guard]);
    let (level, handle) = reload::Layer::new(filter(config.supervisor.log_level));
    let format = config.supervisor.log_format;
    let in_words = (format == LogFormat::Text)
        .then(|| fmt::layer().with_ansi(false).with_target(false).with_writer(writer.clone()));
    let in_json =
        (format == LogFormat::Json).then(|| fmt::layer().event_format(Json).with_writer(writer));
    let dropped_by_journal = Arc::default();
    let place = Path::new(journal::SOCKET);
    let journal = config.supervisor.journal.then(|| Journal::at(place, &dropped_by_journal));
    let (to_journal, refused) = match journal {
        None => (None, None),
        Some(Ok(journal)) => (Some(journal), None),
        Some(Err(error)) => (None, Some(error)),
    };
    let ansi = io::stderr().is_terminal();
    // Under systemd standard error goes to the journal too: a line is not to be there twice.
    let shown = console == Console::Shown && (ansi || to_journal.is_none());
    let to_console = shown.then(|| {
        // A terminal that is held with Ctrl-S must not hold the supervisor.
        let (writer, guard) = queue(io::stderr());
        dropped.push(writer.error_counter());
        guards.push(guard);
        fmt::layer().with_ansi(ansi).with_target(false).with_writer(writer)
    });
    let lines = tracing_subscriber::registry().with(level).with(in_words).with(in_json);
    lines.with(to_console).with(to_journal).init();
    if let Some(error) = refused {
        let place = place.display();
        tracing::warn!(%error, "supervisor.journal: nobody takes entries at {place}");
    }
    Ok(Logging { _guards: guards, dropped, dropped_by_journal, wishes, level: handle })
}

/// A writer that never blocks who logs: it drops and counts instead.
fn queue(target: impl Write + Send + 'static) -> (NonBlocking, WorkerGuard) {
    NonBlockingBuilder::default().lossy(true).buffered_lines_limit(LINES_MAX).finish(target)
}

fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    Targets::new().with_default(level).with_target(LANDMARK, LevelFilter::INFO)
}

/// Lines of the same form as the workers'.
struct Json;

impl<S, N> FormatEvent<S, N> for Json
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
        let metadata = event.metadata();
        let mut fields = Fields::default();
        event.record(&mut fields);
        let mut timestamp = String::new();
        SystemTime.format_time(&mut Writer::new(&mut timestamp))?;
        let module = metadata.module_path().unwrap_or_default();
        let line = LogLine {
            timestamp: &timestamp,
            level: severity(*metadata.level()),
            logger: metadata.target(),
            place: metadata.line().map(|line| (module, None, line)),
            fields: &fields,
        };
        writer.write_str(&line.written(LogFormat::Json, Colours::Off))
    }
}

fn severity(level: Level) -> LogLevel {
    match level {
        Level::ERROR => LogLevel::Error,
        Level::WARN => LogLevel::Warn,
        Level::INFO => LogLevel::Info,
        Level::DEBUG => LogLevel::Debug,
        Level::TRACE => LogLevel::Trace,
    }
}
