//! Commands that change what runs: each asks the running supervisor, shows what happens on the
//! way, and returns when it has happened.

use std::io::{self, Write};

use mcp_protocol::control::{FailureCause, Request, Status, Target};
use mcp_supervisor::cli::{self, Cli};
use mcp_supervisor::report::{self, Progress};
use mcp_supervisor::runtime::{self, AskError};

use super::{CommandError, print, print_json, socket};

/// Asks, shows progress, and says in one line what was done to whom.
pub(super) fn change(
    cli: &Cli,
    request: &Request,
    target: &Target,
    done: &str,
) -> Result<(), CommandError> {
    let status = ask(cli, request)?;
    match request {
        Request::Reload { .. } | Request::Restart { .. } => {
            say!("{done}; generation {}", status.generation);
        }
        _ => say!("{done} {target}"),
    }
    for line in changes_of(&status, target) {
        say!("  {line}");
    }
    Ok(())
}

/// What differs from the file now, of those who were meant.
fn changes_of(status: &Status, target: &Target) -> Vec<String> {
    let meant = status.apps.iter().filter(|app| target.app().is_none_or(|meant| meant == app.name));
    meant
        .flat_map(|app| app.changes.iter().map(move |change| format!("{}: {change}", app.name)))
        .collect()
}

pub(super) fn ask(cli: &Cli, request: &Request) -> Result<Status, CommandError> {
    let socket = socket(cli)?;
    // Only what changes from here on is progress.
    let before = runtime::ask(&socket, &Request::Status, &mut |_| {})?;
    let mut progress = Progress::since(&before);
    let outcome = runtime::ask(&socket, request, &mut |status| {
        for line in progress.lines(status) {
            say!("{line}");
        }
    });
    if let Ok(status) = &outcome {
        // The last steps may have come together with the answer.
        for line in progress.lines(status) {
            say!("{line}");
        }
    }
    outcome.map_err(|error| match error {
        AskError::Failed { reason, cause: FailureCause::Configuration, .. } => {
            CommandError::Refused { reason }
        }
        error => error.into(),
    })
}

/// `reload`, or what it would do.
pub(super) fn reload(cli: &Cli, wanted: &cli::Reload) -> Result<(), CommandError> {
    let target = wanted.target.clone().unwrap_or(Target::All);
    if !wanted.dry_run {
        return change(cli, &Request::Reload { target: target.clone() }, &target, "reloaded");
    }
    match runtime::plan(&socket(cli)?, target) {
        Ok(plan) if wanted.json => print_json(&report::reload_plan_json(&plan)),
        Ok(plan) => print(&report::reload_plan(&plan)),
        Err(AskError::Failed { reason, cause: FailureCause::Configuration, .. }) => {
            Err(CommandError::Refused { reason })
        }
        Err(error) => Err(error.into()),
    }
}
