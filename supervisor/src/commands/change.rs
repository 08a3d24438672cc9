//! Commands that change what runs: each asks the running supervisor, shows what happens on the
//! way, and returns when it has happened.

use std::io::{self, Write};

use mcp_protocol::control::{AppPlan, AppStatus, FailureCause, Request, Status, Target};
use mcp_supervisor::cli::{self, Cli};
use mcp_supervisor::report::{self, Progress};
use mcp_supervisor::runtime::{self, AskError};

use super::targets::{each, whom};
use super::{CommandError, Exit, ask_and_show, print, print_json, socket};

/// Does the same to each target.
pub(super) fn changes(
    cli: &Cli,
    targets: &[Target],
    done: &str,
    request: impl Fn(Target) -> Request,
) -> Result<(), CommandError> {
    each(targets, |target| {
        let all: Vec<Target> = std::iter::once(target).chain(targets).cloned().collect();
        change(cli, &request(target.clone()), &all, done)
    })
}

/// Asks, shows progress, and says in one line what was done to whom: the first of the targets.
/// The others are the rest of the same command.
pub(super) fn change(
    cli: &Cli,
    request: &Request,
    targets: &[Target],
    done: &str,
) -> Result<(), CommandError> {
    let target = targets.first().unwrap_or(&Target::All);
    let status = ask(cli, request)?;
    match request {
        Request::Reload { .. } | Request::Roll { .. } | Request::Restart { .. } => {
            let whom = if *target == Target::All { String::new() } else { format!(" {target}") };
            say!("{done}{whom}; generation {}", status.generation);
        }
        _ => say!("{done} {target}"),
    }
    for line in changes_of(&status, target) {
        say!("  {line}");
    }
    if matches!(request, Request::RotateLogs { .. }) {
        for line in remarks_of(&status, target) {
            say!("  {line}");
        }
    }
    if matches!(request, Request::Stop { .. } | Request::Delete { .. }) {
        for line in report::left_alone(&status, targets) {
            say!("warning: {line}");
        }
    }
    Ok(())
}

/// What differs from the file now, of those who were meant.
fn changes_of(status: &Status, target: &Target) -> Vec<String> {
    meant(status, target)
        .flat_map(|app| app.changes.iter().map(move |change| format!("{}: {change}", app.name)))
        .collect()
}

/// What an operator should know of those who were meant: a file that waits for the end of a line.
fn remarks_of(status: &Status, target: &Target) -> Vec<String> {
    meant(status, target)
        .flat_map(|app| app.remarks.iter().map(move |remark| format!("{}: {remark}", app.name)))
        .collect()
}

fn meant<'a>(status: &'a Status, target: &'a Target) -> impl Iterator<Item = &'a AppStatus> {
    status.apps.iter().filter(|app| target.app().is_none_or(|meant| meant == app.name))
}

pub(super) fn ask(cli: &Cli, request: &Request) -> Result<Status, CommandError> {
    let socket = socket(cli)?;
    // Only what changes from here on is progress.
    let before = runtime::ask(&socket, &Request::Status, &mut |_| {})?;
    refuse_what_only_a_start_heeds(cli, &before)?;
    ask_and_show(&socket, request, Progress::since(&before)).map_err(refusal)
}

/// A supervisor keeps for its life the environment and the `--set` that it was started with; where
/// it listens, which `--set` may say as well, was found already.
fn refuse_what_only_a_start_heeds(cli: &Cli, running: &Status) -> Result<(), CommandError> {
    let remedy = "`stop` it, then `start` it so";
    if let Some(wanted) = cli.env.as_ref().filter(|wanted| **wanted != running.environment) {
        return Err(CommandError::Usage(format!(
            "the supervisor runs in the environment {}, and not in {wanted}; {remedy}",
            running.environment
        )));
    }
    match cli.set.iter().find(|set| !set.trim_start().starts_with("supervisor.")) {
        Some(set) => Err(CommandError::Usage(format!(
            "--set {set}: the supervisor keeps what it was started with; {remedy}, or change the file"
        ))),
        None => Ok(()),
    }
}

/// `reload`, or what it would do. The file is read once, whatever the number of targets.
pub(super) fn reload(cli: &Cli, wanted: &cli::Reload) -> Result<(), CommandError> {
    let targets = whom(&wanted.targets);
    if wanted.dry_run {
        return plan(cli, &targets, wanted.json);
    }
    let mut was_read = false;
    each(&targets, |target| {
        let target = target.clone();
        let request = match was_read {
            false => Request::Reload { target: target.clone() },
            true => Request::Roll { target: target.clone() },
        };
        let outcome = change(cli, &request, &[target], "reloaded");
        // A target that nobody knows is refused before the file is taken into use.
        was_read |= outcome.as_ref().map_or_else(|why| why.exit() != Exit::Usage, |()| true);
        outcome
    })
}

fn plan(cli: &Cli, targets: &[Target], json: bool) -> Result<(), CommandError> {
    let mut plans = Vec::new();
    let outcome = each(targets, |target| {
        let plan = runtime::plan(&socket(cli)?, target.clone()).map_err(refusal)?;
        for app in plan {
            match plans.iter_mut().find(|known: &&mut AppPlan| known.app == app.app) {
                Some(known) if known.replaced.len() < app.replaced.len() => *known = app,
                Some(_) => {}
                None => plans.push(app),
            }
        }
        Ok(())
    });
    if !plans.is_empty() || outcome.is_ok() {
        match json {
            true => print_json(&report::reload_plan_json(&plans))?,
            false => print(&report::reload_plan(&plans))?,
        }
    }
    outcome
}

fn refusal(error: AskError) -> CommandError {
    match error {
        AskError::Failed { reason, cause: FailureCause::Configuration, .. } => {
            CommandError::Refused { reason }
        }
        error => error.into(),
    }
}
