//! The command line of `mcp-worker`.

use clap::{Parser, Subcommand, ValueEnum};
use mcp_protocol::settings::LogLevel;

/// Serves the Model Context Protocol (MCP) from a pool of warehouse sessions.
///
/// Normally you do not start this program yourself: `mcp-supervisor start` starts as many of it
/// as `ecosystem.toml` asks for, and they serve MCP over HTTP on one port. For a desktop client
/// that starts its servers itself, use `mcp-worker stdio`.
///
/// Exit codes: 0 done, 1 failed, 2 wrong usage, 78 the settings ask for what this build has not.
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
    },
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
