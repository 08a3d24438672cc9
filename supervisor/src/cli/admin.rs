//! What a person may ask of the workers themselves: sessions, statements, pools, maintenance.

use std::time::Duration;

use clap::{Args, Subcommand};
use mcp_protocol::settings::LogLevel;

use super::words;

/// What to ask of the workers themselves.
#[derive(Debug, Subcommand)]
pub enum WorkerCommand {
    /// Show the clients' sessions that workers saw lately
    Sessions(OfApp),
    /// Show the statements that run for clients, or end one of them
    Queries(Queries),
    /// Have workers ask the warehouse something, and say how long that took, or why it failed
    ///
    /// Every worker of the app asks through a session of its pool. Exit code 1 when one gets no
    /// answer.
    TestConnection(OfConnection),
    /// Replace the pools' sessions with the warehouse
    #[command(subcommand)]
    Pool(PoolCommand),
    /// Turn new calls away for a while, and take them again
    #[command(subcommand)]
    Maintenance(MaintenanceCommand),
    /// Log at another level, until `reload` or `forget`
    LogLevel(SetLevel),
    /// Show whether sessions with the warehouse are opened, or have it tried at once
    Circuit(Circuit),
    /// Print what workers hold as JSON: pools, sessions, statements
    ExportState(OfApp),
}

/// What to do with pools of sessions with the warehouse.
#[derive(Debug, Subcommand)]
pub enum PoolCommand {
    /// Replace every session with the warehouse, without a call that fails
    ///
    /// Idle sessions are closed at once, busy ones when their statement has ended; the command
    /// waits for those, and says what the pools were before and are after.
    Reset(PoolReset),
}

/// Arguments of `pool reset`.
#[derive(Debug, Args)]
pub struct PoolReset {
    /// The app [default: every app of mcp-worker]
    #[arg(value_name = "APP")]
    pub app: Option<String>,
    /// How long to wait for statements that still run: 30s, at most 10m
    #[arg(long, value_name = "TIME", value_parser = words::grace, default_value = "30s")]
    pub wait: Duration,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// What to do about calls that are taken or turned away.
#[derive(Debug, Subcommand)]
pub enum MaintenanceCommand {
    /// Turn new calls away with 503 and Retry-After; what runs is finished
    ///
    /// It holds for every worker of the app, also for those that come later, over reloads and a
    /// restart of the supervisor, until `maintenance off`.
    On(MaintenanceOn),
    /// Take calls again
    Off(OfApp),
    /// Say whether calls are taken, and how many statements still run
    Status(OfApp),
}

/// Arguments of `maintenance on`.
#[derive(Debug, Args)]
pub struct MaintenanceOn {
    /// The app [default: every app of mcp-worker]
    #[arg(value_name = "APP")]
    pub app: Option<String>,
    /// Why, for clients and for `status`
    #[arg(long, value_name = "TEXT", value_parser = words::reason)]
    pub reason: Option<String>,
    /// When clients are told to come back: 60s, 5m
    #[arg(long, value_name = "TIME", value_parser = words::lifetime, default_value = "60s")]
    pub retry_after: Duration,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// Arguments of commands about the workers of one app, or of all.
#[derive(Debug, Args)]
pub struct OfApp {
    /// The app [default: every app of mcp-worker]
    #[arg(value_name = "APP")]
    pub app: Option<String>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `queries`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Queries {
    /// What to do with one of them
    #[command(subcommand)]
    pub command: Option<QueriesCommand>,
    /// Whose
    #[command(flatten)]
    pub of: OfApp,
}

/// What to do with a statement.
#[derive(Debug, Subcommand)]
pub enum QueriesCommand {
    /// End a statement, at the warehouse too
    Cancel(CancelQuery),
}

/// Arguments of `queries cancel`.
#[derive(Debug, Args)]
pub struct CancelQuery {
    /// The statement, as `queries` shows it, or the warehouse's query id
    #[arg(value_name = "ID")]
    pub id: String,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `test-connection`.
#[derive(Debug, Args)]
pub struct OfConnection {
    /// The app [default: every app of mcp-worker]
    #[arg(value_name = "APP")]
    pub app: Option<String>,
    /// Only this connection [default: every one; the app's own is `default`]
    #[arg(long, value_name = "NAME")]
    pub connection: Option<String>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// Arguments of `log-level`.
#[derive(Debug, Args)]
pub struct SetLevel {
    /// error, warn, info, debug or trace; `file` for what the configuration says
    #[arg(value_name = "LEVEL", value_parser = words::level)]
    pub level: WantedLevel,
    /// The app [default: every app of mcp-worker]
    #[arg(value_name = "APP")]
    pub app: Option<String>,
    /// Print JSON instead of text
    #[arg(long)]
    pub json: bool,
}

/// What is to be logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WantedLevel {
    /// This, until the file is read again.
    Level(LogLevel),
    /// What the file says.
    File,
}

/// Arguments of `circuit`.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Circuit {
    /// What to do about it
    #[command(subcommand)]
    pub command: Option<CircuitCommand>,
    /// Whose
    #[command(flatten)]
    pub of: OfApp,
}

/// What to do about sessions that cannot be opened.
#[derive(Debug, Subcommand)]
pub enum CircuitCommand {
    /// Try to open sessions at once; credentials that were refused are tried once more
    ///
    /// A few refused logins lock a user out at Snowflake: mend what was refused first.
    Reset(OfConnection),
}
