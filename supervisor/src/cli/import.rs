//! `import` and `init`: the ways into a configuration.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

/// From what a configuration is made.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// From PM2: ecosystem.config.js, .cjs, .mjs, .json, .yaml, or ~/.pm2/dump.pm2
    ///
    /// JavaScript is evaluated by node. The new file is printed, or written by --output; what became
    /// of each option is said on standard error.
    Pm2(From),
    /// From supervisord: supervisord.conf, with the files that it includes
    Supervisord(From),
    /// From the YAML of the former Labs server for Snowflake
    LabsYaml(From),
    /// From a .env file of a Snowflake MCP server: SNOWFLAKE_ACCOUNT, SERVER_PORT, LOG_LEVEL
    ///
    /// No secret is copied: the new file names the variable that holds it.
    Env(From),
}

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct From {
    /// The file to translate
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
    /// Write the new file there instead of printing it
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(long, requires = "output")]
    pub force: bool,
}

/// Arguments of `init`.
#[derive(Debug, Args)]
pub struct Init {
    /// Where to write [default: what --config says]
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// The app's name [default: query, or the program's name]
    #[arg(long, value_name = "NAME", value_parser = crate::roads::app_name)]
    pub app: Option<String>,
    /// A program of your own with its arguments, in quotes: "python3 server.py"
    #[arg(long, value_name = "COMMAND", conflicts_with_all = ["sample", "snowflake_account"])]
    pub exec: Option<String>,
    /// An IP address and a port that all workers share [default: 127.0.0.1:8000 for mcp-worker]
    #[arg(long, value_name = "ADDRESS")]
    pub listen: Option<SocketAddr>,
    /// How many workers [default: 2 for mcp-worker, 1 for a program]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    pub instances: Option<u32>,
    /// The sample account: data to try everything with, without credentials
    #[arg(long)]
    pub sample: bool,
    /// Serve this Snowflake account, ORGANISATION-ACCOUNT; who logs in is to be filled in
    #[arg(long, value_name = "ACCOUNT", conflicts_with = "sample")]
    pub snowflake_account: Option<String>,
    /// Ask nothing; take the defaults
    #[arg(long, short)]
    pub yes: bool,
    /// Replace a file that is there
    #[arg(long)]
    pub force: bool,
}

impl Init {
    /// Whether the command line says what to write.
    #[must_use]
    pub fn says_what(&self) -> bool {
        self.yes
            || self.sample
            || self.app.is_some()
            || self.exec.is_some()
            || self.listen.is_some()
            || self.instances.is_some()
            || self.snowflake_account.is_some()
    }
}
