//! The files that all workers of a house write their own lines to, by name.
//!
//! Workers append to them, the supervisor rotates them, operators read them: so that they mean the
//! same files, the names are here and nowhere else. What any program prints is not among them.

use serde::{Deserialize, Serialize};

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_as_its_channel() {
        for channel in Channel::ALL {
            assert_eq!(channel.file(), format!("{}.log", channel.name()));
        }
    }
}
