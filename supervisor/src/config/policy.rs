//! The supervisor's own defaults, in one place. A worker's come from the protocol crate.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use mcp_protocol::log_line::LogFormat;
use mcp_protocol::settings::LogLevel;

use super::OutputConfig;
use crate::machine::{RestartPolicy, RestartWhen};

/// The program of an app that names none.
pub(super) const PROGRAM: &str = "mcp-worker";
/// Where the sockets are, unless the file or the service manager says otherwise.
pub(super) const RUN_DIRECTORY: &str = "run";
/// Where the log files are, unless the file or the service manager says otherwise.
pub(super) const LOG_DIRECTORY: &str = "logs";
/// Where changes made at run time are kept, unless the file or the service manager says otherwise.
pub(super) const STATE_DIRECTORY: &str = "state";
/// The variable with the directory in which systemd hands secrets over.
pub(super) const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";
pub(super) const LOG_LEVEL: LogLevel = LogLevel::Info;
pub(super) const LOG_FORMAT: LogFormat = LogFormat::Text;
pub(super) const METRICS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 8001);

pub(super) const INSTANCES: u32 = 1;
pub(super) const STOP_SIGNAL: i32 = libc::SIGTERM;
/// How long a program without a link must have been alive to count as ready.
pub(super) const ALIVE_FOR: Duration = Duration::from_secs(2);
pub(super) const START_TIMEOUT: Duration = Duration::from_secs(60);
pub(super) const HEARTBEAT_TIMEOUT: Duration = Duration::from_secs(15);
pub(super) const DRAIN_TIMEOUT: Duration = Duration::from_secs(30);
pub(super) const OUTPUT: OutputConfig = OutputConfig {
    bytes_max: 50_000_000,
    age_max: None,
    files_max: 10,
    keep: None,
    compress: true,
    merge: true,
};
/// So many failed probes in a row mean that a worker is not well.
pub(super) const PROBE_FAILURES_MAX: u32 = 3;
/// The pause between two probes of a worker that serves.
pub(super) const PROBE_INTERVAL: Duration = Duration::from_secs(10);
/// How long a probe may take.
pub(super) const PROBE_TIMEOUT: Duration = Duration::from_secs(2);
/// The pause between two probes of a worker that starts.
pub(super) const PROBE_START_INTERVAL: Duration = Duration::from_millis(250);
/// Files were left alone for so long: the workers are replaced.
pub(super) const WATCH_DELAY: Duration = Duration::from_millis(500);
/// How many slots may hold two workers during a roll.
pub(super) const MAX_SURGE: u32 = 1;
/// How many slots of an app that binds its own port may be without a worker during a roll.
pub(super) const MAX_UNAVAILABLE: u32 = 1;

pub(super) const RESTART: RestartPolicy = RestartPolicy {
    when: RestartWhen::Always,
    backoff_min: Duration::from_millis(100),
    backoff_max: Duration::from_secs(15),
    stable_after: Duration::from_secs(10),
    max_restarts: 10,
    window: Duration::from_secs(60),
    stop_exit_codes: BTreeSet::new(),
};
