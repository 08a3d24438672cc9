//! What a person may type, and nothing about how it is done. This file opens no file.

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};

/// The configuration file when none is named.
pub const DEFAULT_CONFIG: &str = "ecosystem.toml";

/// Keeps a fleet of MCP workers (or any other programs) alive behind one port.
///
/// Everything is described in one file, ecosystem.toml. A first session:
/// `start`, `status`, `logs`, `reload`, `stop`.
#[derive(Debug, Parser)]
#[command(name = "mcp-supervisor", version, arg_required_else_help = true, max_term_width = 100)]
pub struct Cli {
    /// The configuration file
    #[arg(long, short, global = true, value_name = "FILE", default_value = DEFAULT_CONFIG)]
    pub config: PathBuf,
    /// The environment whose part of the file is laid over the rest: development, staging,
    /// production, or any name that the file defines [default: development]
    #[arg(long, global = true, value_name = "NAME", env = "MCP_ENV", hide_env_values = true)]
    pub env: Option<String>,
    /// What to do
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start the supervisor and all workers; returns when every worker is ready
    Start(Start),
    /// Show every worker: its state, process, uptime, restarts, memory
    #[command(visible_aliases = ["ls", "list"])]
    Status(Output),
    /// Finish what runs, end every worker, then the supervisor itself
    Stop,
    /// Stop workers and start them again, all at once; clients notice (`reload` avoids that)
    Restart(Target),
    /// Read the configuration again and replace workers one by one, without one failed request
    ///
    /// The whole file takes effect; with APP, only workers of that app are replaced without need.
    Reload(Target),
    /// Show the last lines of the logs
    Logs(Logs),
    /// Watch apps and workers on a live screen, with their logs and keys to reload, restart, stop
    #[command(visible_alias = "dash")]
    Monit,
    /// Check the configuration file and say what it would start, without touching anything
    Check(Output),
    /// Print the configuration that connects an MCP client to this service
    ClientConfig(ClientConfig),
}

/// Arguments of `start`.
#[derive(Debug, Args)]
pub struct Start {
    /// Stay in the foreground: for systemd, containers, and to watch
    #[arg(long)]
    pub foreground: bool,
    /// The supervisor itself, started by `start`
    #[arg(long, hide = true)]
    pub background_child: bool,
}

/// Arguments of commands with a table.
#[derive(Debug, Args)]
pub struct Output {
    /// Print JSON instead of a table
    #[arg(long)]
    pub json: bool,
}

/// Arguments of commands for one app or all.
#[derive(Debug, Args)]
pub struct Target {
    /// The app; all of them without one
    #[arg(value_name = "APP")]
    pub app: Option<String>,
}

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// Only the output of this app; everything, the supervisor's own log included, without one
    #[arg(value_name = "APP")]
    pub app: Option<String>,
    /// Go on and print new lines as they are written
    #[arg(long, short)]
    pub follow: bool,
    /// How many of the last lines of each log
    #[arg(long, short = 'n', value_name = "N", default_value_t = 15)]
    pub lines: usize,
}

/// Arguments of `client-config`.
#[derive(Debug, Args)]
pub struct ClientConfig {
    /// The client; all of them without one
    #[arg(value_enum)]
    pub client: Option<Client>,
    /// The app that the client is to use [default: the first one that listens]
    #[arg(long, value_name = "APP")]
    pub app: Option<String>,
}

/// MCP clients whose configuration we know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Client {
    /// Claude Desktop: claude_desktop_config.json
    ClaudeDesktop,
    /// Claude Code: .mcp.json, or one command
    ClaudeCode,
    /// Cursor: .cursor/mcp.json
    Cursor,
    /// Visual Studio Code: .vscode/mcp.json
    Vscode,
    /// Windsurf: mcp_config.json
    Windsurf,
    /// Zed: settings.json
    Zed,
    /// Codex: ~/.codex/config.toml
    Codex,
    /// Gemini CLI: ~/.gemini/settings.json
    GeminiCli,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_sound() {
        Cli::command().debug_assert();
    }

    #[test]
    fn pm2_habits_work() {
        for word in ["ls", "list", "status"] {
            let cli = Cli::try_parse_from(["mcp-supervisor", word]).unwrap();
            assert!(matches!(cli.command, Command::Status(_)), "{word}");
        }
        let cli = Cli::try_parse_from(["mcp-supervisor", "start", "--env", "production"]).unwrap();
        assert_eq!(cli.env.as_deref(), Some("production"));
    }
}
