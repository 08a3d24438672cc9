//! `config`: what a person may ask of the configuration in force, and of its history.

use clap::{Args, Subcommand};

use super::Output;

/// What to do with the configuration.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Print the configuration in force as a file: every key, defaults included
    ///
    /// All that has a say is in it: the file, the environment, variables, .env files, --set. No
    /// supervisor needs to run. Secrets and the values of `env` tables are hidden: in the file they
    /// are comments, in JSON they are "***".
    Show(ShowConfig),
    /// List the configurations that were in force, the newest last, and what each changed
    History(Output),
    /// Show what differs between two configurations, and what a reload would roll
    Diff(Diff),
    /// Put the file back to what an earlier configuration was, and take it in
    ///
    /// The text that it replaces is kept. Without a running supervisor only the file is written.
    Rollback(Rollback),
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

/// Arguments of `config diff`.
#[derive(Debug, Args)]
pub struct Diff {
    /// The number of a configuration [default: the one in force]
    #[arg(value_name = "FROM")]
    pub from: Option<u64>,
    /// The number of another one [default: the file as it is now]
    #[arg(value_name = "TO")]
    pub to: Option<u64>,
}

/// Arguments of `config rollback`.
#[derive(Debug, Args)]
pub struct Rollback {
    /// The number of a configuration, as in `config history` [default: the one in force when the
    /// file says something else, else the one before]
    #[arg(value_name = "N")]
    pub to: Option<u64>,
}
