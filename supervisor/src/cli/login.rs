//! `login`: what a person may say about logging in at a browser.

use clap::Args;

/// Arguments of `login`.
#[derive(Debug, Default, Args)]
pub struct Login {
    /// Only for this app
    #[arg(value_name = "APP")]
    pub app: Option<String>,
    /// Only for this connection of [apps.NAME.connections]; `default` is that of
    /// [apps.NAME.snowflake]
    #[arg(long, value_name = "NAME")]
    pub connection: Option<String>,
    /// Also where the login that is kept is still good
    #[arg(long)]
    pub again: bool,
    /// Print addresses, and open nothing
    #[arg(long)]
    pub no_browser: bool,
}
