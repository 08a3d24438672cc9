//! `import`: the ways into a configuration from what others have.

use std::path::PathBuf;

use clap::{Args, Subcommand};

/// From what a configuration is made.
#[derive(Debug, Subcommand)]
pub enum Import {
    /// From a .env file of a Snowflake MCP server: SNOWFLAKE_ACCOUNT, SERVER_PORT, LOG_LEVEL
    ///
    /// The new file is printed; what became of each variable is said on standard error. No secret
    /// is copied: the new file names the variable that holds it.
    Env(From),
}

/// Arguments of `import`.
#[derive(Debug, Args)]
pub struct From {
    /// The file to translate
    #[arg(value_name = "FILE")]
    pub file: PathBuf,
}
