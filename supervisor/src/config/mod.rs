//! From `ecosystem.toml` to what is meant: [`Config`], or every problem of the file at once.
//!
//! Three steps, a file each: `file` reads what was written and where, `environment` lays the
//! chosen environment over the base, `check` turns it into what is meant, with units, ranges and
//! defaults. Defaults of a worker's settings are taken from the protocol crate: one table.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use mcp_protocol::settings::{LogLevel, Settings};

use crate::machine::{AppGoal, AppName, Desired};

/// A whole configuration, checked: what is meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file that it was read from, absolute.
    pub file: PathBuf,
    /// The environment's name.
    pub environment: String,
    /// The supervisor's own part.
    pub supervisor: SupervisorConfig,
    /// The apps, by name.
    pub apps: BTreeMap<AppName, AppConfig>,
}

/// `[supervisor]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SupervisorConfig {
    /// Where the sockets are, absolute.
    pub run_directory: PathBuf,
    /// Where the log files are, absolute.
    pub log_directory: PathBuf,
    /// The least severe level that the supervisor logs.
    pub log_level: LogLevel,
    /// Where `/metrics` is served.
    pub metrics: Option<SocketAddr>,
}

/// `[apps.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct AppConfig {
    /// The program, absolute.
    pub program: PathBuf,
    /// Its arguments, without its own name.
    pub arguments: Vec<String>,
    /// Where it runs, absolute.
    pub working_directory: PathBuf,
    /// Variables that are set for it, besides the few that every program needs.
    pub variables: BTreeMap<String, String>,
    /// The address that the supervisor binds for it; without one it binds its own.
    pub listen: Option<SocketAddr>,
    /// What the machine is told.
    pub goal: AppGoal,
    /// What our own worker is told; `None` for any other program.
    pub settings: Option<Box<Settings>>,
    /// The signal that asks it to leave, when it has no link.
    pub stop_signal: i32,
    /// How much of its output is kept.
    pub output: OutputConfig,
    /// What an operator should be reminded of, such as "serves the embedded sample account".
    pub remarks: Vec<String>,
}

/// `[apps.NAME.logs]`: how much is kept of each of its log files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputConfig {
    /// A file that grew beyond this many bytes is rotated.
    pub bytes_max: u64,
    /// How many rotated files are kept.
    pub files_max: u32,
}

impl Config {
    /// The machine's part of the configuration.
    #[must_use]
    pub fn desired(&self, generation: u64) -> Desired {
        let apps = self.apps.iter().map(|(name, app)| (name.clone(), app.goal.clone())).collect();
        Desired { generation, apps }
    }

    /// The socket for workers and operators.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.supervisor.run_directory.join("supervisor.sock")
    }
}
