//! `check`: what is wrong with the file and with this machine for it, or else what would happen:
//! at a start, and at a reload where a supervisor runs. Nothing is touched.

use mcp_protocol::control::{AppPlan, FailureCause, Request, Status, Target};
use mcp_supervisor::cli::{self, Cli};
use mcp_supervisor::config::{self, Config};
use mcp_supervisor::report::{self, Plan, Running};
use mcp_supervisor::runtime::{self, AskError};

use super::{CommandError, Exit, load, print, print_json, socket};

pub(super) fn check(cli: &Cli, output: &cli::Output) -> Result<(), CommandError> {
    match plan(cli) {
        Ok(plan) if output.json => print_json(&plan.json),
        Ok(plan) => print(&plan.text),
        Err(CommandError::Config { problems, .. }) if output.json => {
            print_json(&report::problems_json(&problems))?;
            Err(CommandError::Told { exit: Exit::Configuration })
        }
        Err(CommandError::Refused { reason }) if output.json => {
            print_json(&report::refusal_json(&cli.config, &reason))?;
            Err(CommandError::Told { exit: Exit::Configuration })
        }
        Err(error) => Err(error),
    }
}

fn plan(cli: &Cli) -> Result<Plan, CommandError> {
    let config = load(cli)?;
    let status = runtime::ask(&socket(cli)?, &Request::Status, &mut |_| {}).ok();
    let missing = runtime::missing(&config, status.as_ref().map(|status| status.pid));
    if let Some(problems) = config::problems_at(&config, &missing) {
        return Err(CommandError::Config { file: cli.config.clone(), problems });
    }
    let reload = match &status {
        Some(status) if is_of(status, &config) => Some(reload(cli)?),
        Some(_) | None => None,
    };
    let running = status.as_ref().map(|status| Running { status, reload: reload.as_deref() });
    Ok(report::plan(&config, running, runtime::since_epoch()))
}

/// Whether a reload would take this very configuration in.
fn is_of(status: &Status, config: &Config) -> bool {
    runtime::is_same_file(&status.config_file, &config.file)
        && status.environment == config.environment
}

fn reload(cli: &Cli) -> Result<Vec<AppPlan>, CommandError> {
    runtime::plan(&socket(cli)?, Target::All).map_err(|error| match error {
        AskError::Failed { reason, cause: FailureCause::Configuration, .. } => {
            CommandError::Refused { reason }
        }
        error => error.into(),
    })
}
