//! The files that all workers of a house write their own lines to, by name.
//!
//! Workers append to them, the supervisor rotates them, operators read them: so that they mean the
//! same files, the names are here and nowhere else. What any program prints is not among them.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::settings::LogLevel;

/// One of the files, and what is written to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Channel {
    /// What the worker does, step by step.
    Application,
    /// Of all that, what someone must act on.
    Error,
    /// Each HTTP request.
    Access,
    /// Each statement.
    Database,
    /// How long the parts of a call took.
    Performance,
    /// Who did what, and whether it was allowed.
    Audit,
}

impl Channel {
    /// All of them, in the order in which they are told.
    pub const ALL: [Channel; 6] = [
        Channel::Application,
        Channel::Error,
        Channel::Access,
        Channel::Database,
        Channel::Performance,
        Channel::Audit,
    ];

    /// Its name, as an operator says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Channel::Application => "application",
            Channel::Error => "error",
            Channel::Access => "access",
            Channel::Database => "database",
            Channel::Performance => "performance",
            Channel::Audit => "audit",
        }
    }

    /// The file's name in the directory of the logs.
    #[must_use]
    pub const fn file(self) -> &'static str {
        match self {
            Channel::Application => "application.log",
            Channel::Error => "error.log",
            Channel::Access => "access.log",
            Channel::Database => "database.log",
            Channel::Performance => "performance.log",
            Channel::Audit => "audit.log",
        }
    }
}

impl LogLevel {
    /// All of them, the most severe first.
    pub const ALL: [LogLevel; 5] =
        [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];

    /// Its name, as an operator says it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            LogLevel::Error => "error",
            LogLevel::Warn => "warn",
            LogLevel::Info => "info",
            LogLevel::Debug => "debug",
            LogLevel::Trace => "trace",
        }
    }
}

impl FromStr for LogLevel {
    /// The names that there are.
    type Err = String;

    fn from_str(text: &str) -> Result<LogLevel, String> {
        let found = LogLevel::ALL.into_iter().find(|level| level.name() == text);
        found.ok_or_else(|| LogLevel::ALL.map(LogLevel::name).join(", "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_found_by_its_name() {
        for level in LogLevel::ALL {
            assert_eq!(level.name().parse(), Ok(level));
        }
        let known = "loud".parse::<LogLevel>().unwrap_err();
        assert_eq!(known, "error, warn, info, debug, trace");
    }

    #[test]
    fn a_file_is_named_as_its_channel() {
        for channel in Channel::ALL {
            assert_eq!(channel.file(), format!("{}.log", channel.name()));
        }
    }
}
