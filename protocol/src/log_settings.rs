//! Where and how a worker logs; a part of its [`Settings`](crate::settings::Settings).
//!
//! Words of the configuration and what they mean are not here, they are the supervisor's.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::access::AuditLevel;
use crate::log_line::LogFormat;
use crate::logs::Channel;
use crate::secret::Secret;

/// Where and how to log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct LogSettings {
    /// The directory of the log files; none means standard error.
    pub directory: Option<PathBuf>,
    /// The least severe level that is written.
    pub level: LogLevel,
    /// How lines are written.
    pub format: LogFormat,
    /// The least severe level of single modules, as in `mcp_worker::warehouse`.
    pub levels: BTreeMap<String, LogLevel>,
    /// What a line says of a statement's text.
    pub statements: AuditLevel,
    /// The collector that is told of traces, where there is one.
    pub traces: Option<TraceSettings>,
    /// The files that get no lines. What is said of `Audit` here means nothing: it is always written.
    pub without: BTreeSet<Channel>,
}

/// A collector of traces.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TraceSettings {
    /// Where it takes OTLP, as in `http://127.0.0.1:4318`.
    pub to: String,
    /// The share of requests without a trace of their caller's that it is told of, from 0 to 1.
    pub sample: f64,
    /// What each message to it says of who sends it, by the names of HTTP's headers.
    pub headers: BTreeMap<String, Secret>,
}

impl Default for LogSettings {
    fn default() -> LogSettings {
        LogSettings {
            directory: None,
            level: LogLevel::Info,
            format: LogFormat::default(),
            levels: BTreeMap::new(),
            statements: AuditLevel::default(),
            traces: None,
            without: BTreeSet::new(),
        }
    }
}

/// How severe a log line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum LogLevel {
    /// Someone must act.
    Error,
    /// It healed itself.
    Warn,
    /// A step of the service's life.
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}
