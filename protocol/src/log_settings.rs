//! Where and how a worker logs; a part of its [`Settings`](crate::settings::Settings).
//!
//! Words of the configuration and what they mean are not here, they are the supervisor's.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::access::AuditLevel;
use crate::log_line::LogFormat;

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
    /// The collector that is told of traces by OTLP, as in `http://127.0.0.1:4318`.
    pub traces_to: Option<String>,
}

impl Default for LogSettings {
    fn default() -> LogSettings {
        LogSettings {
            directory: None,
            level: LogLevel::Info,
            format: LogFormat::default(),
            levels: BTreeMap::new(),
            statements: AuditLevel::default(),
            traces_to: None,
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
