//! `config`: what is in force, and where it comes from.

use mcp_supervisor::cli::{Cli, ConfigCommand, ShowConfig};
use mcp_supervisor::{config, report};

use super::{CommandError, print, print_json, surroundings, with_time_zone};

pub(super) fn run(cli: &Cli, wanted: &ConfigCommand) -> Result<(), CommandError> {
    match wanted {
        ConfigCommand::Show(wanted) => show(cli, wanted),
    }
}

fn show(cli: &Cli, wanted: &ShowConfig) -> Result<(), CommandError> {
    let surroundings = with_time_zone(surroundings(cli)?);
    let effective = config::effective(&cli.config, cli.env.as_deref(), &surroundings)
        .map_err(|problems| CommandError::Config { file: cli.config.clone(), problems })?;
    if wanted.json {
        return print_json(&report::effective_json(&effective));
    }
    print(&report::effective_toml(&effective, wanted.origin))
}
