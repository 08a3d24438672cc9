//! What a person may type after `config`.

use clap::{Args, Subcommand};

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the configuration in force as a file: every key, defaults included
    ///
    /// All that has a say is in it: the file, the environment, variables, .env files, --set. No
    /// supervisor needs to run. Secrets and the values of `env` tables are shown as "***".
    Show(ShowConfig),
}

/// Arguments of `config show`.
#[derive(Debug, Args)]
pub struct ShowConfig {
    /// Say behind each value where it comes from
    #[arg(long)]
    pub origin: bool,
    /// Print JSON instead of TOML, with all origins
    #[arg(long)]
    pub json: bool,
}
