//! The command line of `mcp-worker`.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use mcp_protocol::log_line::LogFormat;
use mcp_protocol::settings::LogLevel;

use crate::sql;

/// Serves the Model Context Protocol (MCP) from a pool of warehouse sessions.
///
/// Normally you do not start this program yourself: `mcp-supervisor start` starts as many of it
/// as `ecosystem.toml` asks for, and they serve MCP over HTTP on one port. For a desktop client
/// that starts its servers itself, use `mcp-worker stdio`.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 3 `sql-check --fail-on-refused` refused something,
/// 78 the settings ask for what this build has not.
#[derive(Debug, Parser)]
#[command(name = "mcp-worker", version, about, long_about, verbatim_doc_comment)]
pub struct Arguments {
    /// What to do; nothing when the supervisor starts the worker.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The ways to run a worker by hand.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve MCP over standard input and output, for a desktop client.
    ///
    /// The client starts this command and speaks to it through the pipes; it ends when the client
    /// closes them. Log lines go to standard error. The tools are the same as over HTTP.
    Stdio {
        /// Size of the embedded sample account: 1 is 8.6 million rows, 0.01 starts in a moment.
        #[arg(long, default_value_t = 0.01, value_name = "FACTOR", value_parser = scale)]
        scale: f64,
        /// The least severe level that is logged.
        #[arg(long, default_value = "warn", value_name = "LEVEL")]
        log_level: Level,
        /// How log lines are written: an object of JSON each, or words for people, coloured on a
        /// terminal.
        #[arg(long, default_value = "text", value_name = "FORMAT")]
        log_format: Format,
    },
    /// Log in to Snowflake at a browser, for all workers of this machine.
    ///
    /// `mcp-supervisor login` starts this with what the configuration says. Opens the page with
    /// $BROWSER, else as the desktop opens pages, prints its address, and waits until the browser
    /// comes back; where it cannot, because it is on another machine, the address at which it ended
    /// may be pasted here. What Snowflake gives is kept in the run directory, in a file for its
    /// owner alone.
    Login(Login),
    /// Tell which statements from standard input the gate lets through, and why not.
    ///
    /// Prints one object of JSON a line: `line`, `class`, `decision` ("allow" or "refuse"),
    /// `allowed`, `reason`. Without --jsonl all of the input is one statement. With it each line is
    /// an object with a `sql` key, and is answered in order; a line that is not gets `line` and
    /// `error`. No account is needed, and nothing is run.
    ///
    /// Exit codes: 0 all were decided, 1 a line could not be read, 2 wrong usage, 3 one was refused
    /// and --fail-on-refused was given.
    #[command(verbatim_doc_comment)]
    SqlCheck {
        /// How far a statement may go: what a client with this `level` would be told.
        #[arg(long, default_value = "read", value_name = "LEVEL")]
        level: Reach,
        /// One statement a line, as an object of JSON with a `sql` key; other keys do not matter.
        #[arg(long)]
        jsonl: bool,
        /// End with exit code 3 when a statement is refused.
        #[arg(long)]
        fail_on_refused: bool,
    },
}

/// Arguments of `login`.
#[derive(Debug, Args)]
pub struct Login {
    /// The account, as the configuration writes it.
    #[arg(long)]
    pub account: String,
    /// The user.
    #[arg(long)]
    pub user: String,
    /// The name to connect to, where it is not made from the account.
    #[arg(long, value_name = "NAME")]
    pub host: Option<String>,
    /// The supervisor's run directory.
    #[arg(long, value_name = "DIRECTORY")]
    pub run_directory: PathBuf,
    /// Also when the login that is kept is still good.
    #[arg(long)]
    pub again: bool,
    /// Print the address, and open nothing.
    #[arg(long)]
    pub no_browser: bool,
    /// How long the person may take, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    pub timeout: u64,
}

/// How far statements may go, as it is typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Reach {
    /// Reading only.
    Read,
    /// Also adding and changing rows, and creating tables, views and schemas.
    Write,
    /// Also removing and replacing what exists, and procedures.
    Destructive,
}

impl From<Reach> for sql::Level {
    fn from(reach: Reach) -> sql::Level {
        match reach {
            Reach::Read => sql::Level::Read,
            Reach::Write => sql::Level::Write,
            Reach::Destructive => sql::Level::Destructive,
        }
    }
}

/// How severe a log line is, as it is typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Level {
    /// Someone must act.
    Error,
    /// It healed itself.
    Warn,
    /// Steps of the service's life.
    Info,
    /// What a developer wants to know.
    Debug,
    /// Everything.
    Trace,
}

/// How log lines are written, as it is typed.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub enum Format {
    /// An object of JSON each.
    Json,
    /// Words for people.
    Text,
}

impl From<Format> for LogFormat {
    fn from(format: Format) -> LogFormat {
        match format {
            Format::Json => LogFormat::Json,
            Format::Text => LogFormat::Text,
        }
    }
}

impl From<Level> for LogLevel {
    fn from(level: Level) -> LogLevel {
        match level {
            Level::Error => LogLevel::Error,
            Level::Warn => LogLevel::Warn,
            Level::Info => LogLevel::Info,
            Level::Debug => LogLevel::Debug,
            Level::Trace => LogLevel::Trace,
        }
    }
}

fn scale(text: &str) -> Result<f64, String> {
    let scale: f64 = text.parse().map_err(|_| "write a number such as 0.01".to_owned())?;
    if scale > 0.0 && scale <= 100.0 {
        Ok(scale)
    } else {
        Err("use a number above 0 and up to 100, such as 0.01".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_well_formed() {
        <Arguments as clap::CommandFactory>::command().debug_assert();
    }

    #[test]
    fn a_scale_must_be_a_useful_number() {
        assert_eq!(scale("0.1"), Ok(0.1));
        for wrong in ["0", "-1", "NaN", "inf", "ten", "1000"] {
            assert!(scale(wrong).is_err(), "{wrong}");
        }
    }
}
