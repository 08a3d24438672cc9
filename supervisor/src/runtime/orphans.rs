//! Workers of a supervisor that died: they drain by themselves, and hold the port until then.
//!
//! A supervisor that starts after a crash waits for them rather than fail on its own port.

use std::path::Path;
use std::time::Duration;

use mcp_protocol::env;

use crate::config::Config;
use crate::runtime::clock::{in_time, pause};
use crate::runtime::port_owner::{owners, variable_of};

/// How often to look whether they have left.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// How much longer than their grace they may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Waits until no worker of an earlier supervisor holds one of our ports, or until its grace is
/// over. Who stays longer is named by the error of the bind that follows.
pub(crate) async fn wait_until_gone(config: &Config) {
    let mut left = find(config);
    if left.is_empty() {
        return;
    }
    tracing::warn!(pids = ?left, "waiting for workers of an earlier supervisor to finish");
    let grace = config.apps.values().map(|app| app.goal.drain_timeout).max().unwrap_or_default();
    let deadline = in_time(grace + PATIENCE);
    while !left.is_empty() && in_time(Duration::ZERO) < deadline {
        pause(LOOK_EVERY).await;
        left = find(config);
    }
}

/// Processes that hold one of our ports and were started by a supervisor with our socket.
fn find(config: &Config) -> Vec<i32> {
    let socket = config.socket();
    config
        .apps
        .values()
        .filter_map(|app| app.listen)
        .filter(|address| address.port() != 0)
        .flat_map(|address| owners(address.port()))
        .filter(|pid| variable_of(*pid, env::SOCKET).is_some_and(|path| Path::new(&path) == socket))
        .collect()
}
