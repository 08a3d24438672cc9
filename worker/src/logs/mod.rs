//! The worker's logs: events as lines in the files that all workers share, or on standard error.
//!
//! `layer` makes a line of an event and knows which file it is for, `files` writes it and
//! never lets the one who logs wait. Nothing outside this room knows a file's name; who wants to be
//! heard uses `tracing`, with a channel's name as the target where the line is for that file alone.

mod files;
mod layer;

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use mcp_protocol::log_line::{Colours, LogFormat};
use mcp_protocol::logs::Channel;
use mcp_protocol::settings::{LogLevel, LogSettings};
use tracing::Dispatch;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::{FormatTime, SystemTime};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::registry::Registry;
use tracing_subscriber::reload;

use self::files::Lines as Queue;
pub(crate) use self::files::{LineWriter, Lines, to_files};
pub(crate) use self::layer::{Form, hash, missing, who};
use self::layer::{Scribe, Statements, Without};
use crate::clock::Clock;
use crate::settings::Identity;
use crate::traces::{self, Tracer, Traces};

/// The channels whose lines are events; `audit.log` has a queue of its own, so that no flood of
/// others takes the room of its lines.
const CHANNELS: [Channel; 5] = [
    Channel::Application,
    Channel::Error,
    Channel::Access,
    Channel::Database,
    Channel::Performance,
];

/// What steers the logs.
#[derive(Debug)]
pub struct Logs {
    lines: Queue,
    filter: reload::Handle<Targets, Registry>,
    statements: Arc<Statements>,
    without: Arc<Without>,
    settings: LogSettings,
    traces: Option<Traces>,
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
/// When a log file cannot be opened.
pub fn start(settings: &LogSettings, identity: &Identity) -> Result<Logs, LogError> {
    let (logs, dispatch) = prepared(settings, identity)?;
    // Refused only when the process logs already, as a test that runs several workers does.
    let _ = tracing::dispatcher::set_global_default(dispatch);
    Ok(logs)
}

/// What logs, and what steers it; nothing is logged yet. Where there is a collector of traces, to
/// be called inside the runtime.
///
/// # Errors
/// When a log file cannot be opened.
pub fn prepared(settings: &LogSettings, identity: &Identity) -> Result<(Logs, Dispatch), LogError> {
    let who = who(identity);
    let mut form = Form { format: settings.format, colours: Colours::Off };
    let (writer, lines) = match &settings.directory {
        Some(directory) => {
            let by = who.clone();
            let missing = Box::new(move |count, why: &str| missing(&by, form, count, why));
            to_files(directory, &CHANNELS, missing)?
        }
        None => {
            if form.format == LogFormat::Text && io::IsTerminal::is_terminal(&io::stderr()) {
                form.colours = Colours::On;
            }
            files::to_stderr()
        }
    };
    let statements = Arc::new(Statements::default());
    statements.set(settings.statements);
    let without = Arc::new(Without::default());
    without.set(&settings.without);
    let (statements_told, without_told) = (Arc::clone(&statements), Arc::clone(&without));
    let scribe = Scribe { writer, form, who, statements: statements_told, without: without_told };
    let (filter, handle) = reload::Layer::new(filter(settings));
    let traces = settings.traces.as_ref().map(|traces| Traces::begin(traces, identity));
    let tracer = traces.as_ref().map(Tracer::new);
    let subscriber = tracing_subscriber::registry().with(filter).with(scribe).with(tracer);
    let settings = settings.clone();
    let logs = Logs { lines, filter: handle, statements, without, settings, traces };
    Ok((logs, Dispatch::new(subscriber)))
}

/// The time of a line.
pub(crate) fn timestamp() -> String {
    let mut timestamp = String::with_capacity(27);
    // A year has four digits for a while yet.
    let _ = SystemTime.format_time(&mut Writer::new(&mut timestamp));
    timestamp
}

impl Logs {
    /// Opens the files anew before the next line: they were renamed.
    pub fn reopen(&self) {
        self.lines.reopen();
    }

    /// From now on writes what these settings say of levels, statements and files; all else stays.
    pub fn adjust(&mut self, to: &LogSettings) {
        let LogSettings { level, levels, statements, without, .. } = to.clone();
        self.settings = LogSettings { level, levels, statements, without, ..self.settings.clone() };
        self.statements.set(statements);
        self.without.set(&self.settings.without);
        // Fails only when the process logs elsewhere, as a test that runs several workers does.
        let _ = self.filter.reload(filter(&self.settings));
    }

    /// Lines that were lost: no room in the queue, or on the disk.
    #[must_use]
    pub fn dropped_total(&self) -> u64 {
        self.lines.dropped_total()
    }
}

impl Logs {
    /// Sends what the collector of traces was not told yet; gives up after this.
    pub async fn flush_traces(&self, limit: Duration, clock: Clock) {
        if let Some(traces) = &self.traces {
            traces.flush(limit, clock).await;
            let traces_dropped = traces.dropped_total();
            tracing::info!(traces_dropped, "the collector of traces was told");
        }
    }
}

/// The SDK writes whole requests at its lower levels, statements included, and complains about
/// every client that hangs up: it is kept down at any level. The channels of their own tell of
/// every request, however little of the rest is wanted; on standard error they are like the rest.
fn filter(settings: &LogSettings) -> Targets {
    let level = level_filter(settings.level);
    let own = layer::OWN.iter().flat_map(|channels| channels.iter());
    let own_level = if settings.directory.is_some() { LevelFilter::INFO } else { level };
    let wanted = settings.levels.iter().map(|(of, level)| (of.clone(), level_filter(*level)));
    Targets::new()
        .with_default(level)
        .with_targets(wanted)
        .with_targets(own.map(|channel| match settings.without.contains(channel) {
            true => (channel.name(), LevelFilter::OFF),
            false => (channel.name(), own_level),
        }))
        .with_target(
            traces::TARGET,
            if settings.traces.is_some() { LevelFilter::INFO } else { LevelFilter::OFF },
        )
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

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::sync::OnceLock;

    use mcp_protocol::access::AuditLevel;
    use serde_json::Value;
    use tracing::subscriber::NoSubscriber;

    use super::*;

    /// While there is but one who listens, `tracing` asks only the thread that comes first to a
    /// line whether anybody wants it, and that may be another test's.
    fn never_alone() {
        static OTHER: OnceLock<Dispatch> = OnceLock::new();
        OTHER.get_or_init(|| Dispatch::new(NoSubscriber::default()));
    }

    fn settings(directory: &Path) -> LogSettings {
        never_alone();
        LogSettings { directory: Some(directory.to_owned()), ..LogSettings::default() }
    }

    fn identity() -> Identity {
        Identity { app: "query".to_owned(), slot: 2, run: 7, pid: 42 }
    }

    fn lines(directory: &Path, channel: Channel) -> Vec<Value> {
        let text = std::fs::read_to_string(directory.join(channel.file())).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    #[test]
    fn a_level_that_changes_holds_for_the_next_line() {
        let directory = tempfile::tempdir().unwrap();
        let (mut logs, dispatch) = prepared(&settings(directory.path()), &identity()).unwrap();
        tracing::dispatcher::with_default(&dispatch, || {
            // The same place in the code each time: what was decided about it must be forgotten.
            let speak = |word: &str| tracing::debug!(word, "said");
            let at = |level| LogSettings { level, ..LogSettings::default() };
            speak("before");
            logs.adjust(&at(LogLevel::Debug));
            speak("between");
            logs.adjust(&at(LogLevel::Error));
            speak("after");
            tracing::warn!("too little");
            let levels = [("mcp_worker::logs".to_owned(), LogLevel::Debug)].into();
            logs.adjust(&LogSettings { levels, ..at(LogLevel::Error) });
            speak("here");
        });
        // What is queued is written when this ends.
        drop(logs);
        let lines = lines(directory.path(), Channel::Application);
        let words: Vec<_> = lines.iter().map(|line| line["word"].as_str()).collect();
        assert_eq!(words, [Some("between"), Some("here")]);
    }

    #[test]
    fn each_line_goes_where_it_belongs_and_says_where_it_comes_from() {
        let directory = tempfile::tempdir().unwrap();
        let level = LogLevel::Error;
        let settings = LogSettings { level, ..settings(directory.path()) };
        let (logs, dispatch) = prepared(&settings, &identity()).unwrap();
        tracing::dispatcher::with_default(&dispatch, || {
            let request =
                tracing::error_span!("request", request_id = "r-1", client = tracing::field::Empty);
            let _inside = request.enter();
            request.record("client", "one");
            let _call = tracing::error_span!("tool_call", tool = "execute_query").entered();
            tracing::error!(why = "because", "it failed");
            tracing::info!("not wanted");
            tracing::info!(target: "access", status = 200, "request");
            tracing::info!(target: "database", statement = "select canary", "query");
            tracing::info!(target: "performance", total_ms = 1.5, tool = "other", "tool_call");
        });
        drop(logs);
        let of = |channel| lines(directory.path(), channel);
        let messages = |channel| {
            let words = |line: &Value| line["message"].as_str().unwrap().to_owned();
            of(channel).iter().map(words).collect::<Vec<_>>().join(",")
        };
        let expected = ["it failed", "it failed", "request", "query", "tool_call"];
        assert_eq!(CHANNELS.map(messages), expected);
        let line = &of(Channel::Error)[0];
        for (name, value) in [
            ("level", Value::from("error")),
            ("logger", "mcp_worker::logs::tests".into()),
            ("module", "mcp_worker::logs::tests".into()),
            ("function", "each_line_goes_where_it_belongs_and_says_where_it_comes_from".into()),
            ("request_id", "r-1".into()),
            ("client", "one".into()),
            ("tool", "execute_query".into()),
            ("worker", "query[2]".into()),
            ("run", 7.into()),
            ("app", "query".into()),
            ("slot", 2.into()),
            ("pid", 42.into()),
            ("why", "because".into()),
        ] {
            assert_eq!(line[name], value, "{name} of {line}");
        }
        assert!(line["timestamp"].is_string() && line["line"].is_u64(), "{line}");
        assert_eq!(of(Channel::Performance)[0]["tool"], "other");
        let query = of(Channel::Database)[0].to_string();
        assert!(!query.contains("canary") && query.contains(&hash("select canary")), "{query}");
    }

    #[test]
    fn a_file_that_nobody_wants_gets_no_lines_until_it_is_wanted() {
        let directory = tempfile::tempdir().unwrap();
        let without = [Channel::Access, Channel::Application].into();
        let wanted = LogSettings { without, ..settings(directory.path()) };
        let (mut logs, dispatch) = prepared(&wanted, &identity()).unwrap();
        tracing::dispatcher::with_default(&dispatch, || {
            let speak = || {
                tracing::info!(target: "access", "request");
                tracing::info!(target: "database", "query");
                tracing::error!("broken");
            };
            speak();
            logs.adjust(&LogSettings::default());
            speak();
        });
        drop(logs);
        let counts = CHANNELS.map(|channel| lines(directory.path(), channel).len());
        // Application, error, access, database, performance.
        assert_eq!(counts, [1, 2, 1, 2, 0]);
    }

    #[test]
    fn a_statement_is_written_as_the_operator_says() {
        let directory = tempfile::tempdir().unwrap();
        let (mut logs, dispatch) = prepared(&settings(directory.path()), &identity()).unwrap();
        tracing::dispatcher::with_default(&dispatch, || {
            for level in [AuditLevel::Off, AuditLevel::Hash, AuditLevel::Text] {
                logs.adjust(&LogSettings { statements: level, ..LogSettings::default() });
                tracing::info!(target: "database", statement = "select 1", "query");
            }
        });
        drop(logs);
        let lines = lines(directory.path(), Channel::Database);
        let told =
            |line: &Value| (line.get("statement_sha256").is_some(), line["statement"].clone());
        let told: Vec<_> = lines.iter().map(told).collect();
        assert_eq!(told, [(false, Value::Null), (true, Value::Null), (true, "select 1".into())]);
    }
}
