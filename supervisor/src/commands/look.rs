//! Commands that only look: the table, one app, process ids, environments.

use mcp_protocol::control::{Request, Status, Target};
use mcp_supervisor::cli::{self, Cli};
use mcp_supervisor::report;
use mcp_supervisor::runtime;

use super::targets::each;
use super::{CommandError, page, print, print_json, socket, system};

pub(super) fn status(cli: &Cli, output: &cli::Output) -> Result<(), CommandError> {
    let status = picture(cli)?;
    if output.json {
        return print_json(&report::status_json(&status));
    }
    print(&report::status_table(&status, page()))
}

pub(super) fn picture(cli: &Cli) -> Result<Status, CommandError> {
    Ok(runtime::ask(&socket(cli)?, &Request::Status, &mut |_| {})?)
}

pub(super) fn describe(cli: &Cli, wanted: &cli::Describe) -> Result<(), CommandError> {
    let mut apps = Vec::new();
    let outcome = each(&wanted.targets, |target| {
        apps.extend(runtime::describe(&socket(cli)?, target.clone())?);
        Ok(())
    });
    if !apps.is_empty() || outcome.is_ok() {
        match wanted.json {
            true => print_json(&report::description_json(&apps))?,
            false => print(&report::description(&apps, page()))?,
        }
    }
    outcome
}

pub(super) fn save(cli: &Cli, output: &cli::Output) -> Result<(), CommandError> {
    let changes = runtime::changes(&socket(cli)?)?;
    if output.json {
        return print_json(&report::changes_json(&changes));
    }
    print(&report::changes(&changes))
}

pub(super) fn ping(cli: &Cli) -> Result<(), CommandError> {
    print(&report::pong(&picture(cli)?))
}

/// The processes that were meant: those that serve or are about to, not those that leave.
pub(super) fn pid(cli: &Cli, targets: &[Target]) -> Result<(), CommandError> {
    let status = picture(cli)?;
    each(targets, |target| {
        let pids = pids(&status, target)?;
        if pids.is_empty() {
            return Err(CommandError::NoProcess { target: target.clone() });
        }
        print(&pids.iter().map(|pid| format!("{pid}\n")).collect::<String>())
    })
}

fn pids(status: &Status, target: &Target) -> Result<Vec<u32>, CommandError> {
    known(status, target)?;
    let slots = status.apps.iter().flat_map(|app| {
        app.slots.iter().filter(|slot| target.means(&app.name, slot.index)).map(|slot| slot.pid)
    });
    Ok(slots.flatten().collect())
}

/// Refuses an app or a slot that is not in the picture.
fn known(status: &Status, target: &Target) -> Result<(), CommandError> {
    let Some(name) = target.app() else { return Ok(()) };
    let known = status.apps.iter().map(|app| app.name.as_str());
    let Some(app) = status.apps.iter().find(|app| app.name == name) else {
        return Err(CommandError::Usage(report::unknown_app(name, known)));
    };
    match target {
        Target::Slot { slot, .. } if app.slots.iter().all(|one| one.index != *slot) => {
            let count = u32::try_from(app.slots.len()).unwrap_or(u32::MAX);
            Err(CommandError::Usage(report::unknown_slot(name, *slot, count)))
        }
        Target::All | Target::App(_) | Target::Slot { .. } => Ok(()),
    }
}

/// The environment of the first process that was meant, sorted, a variable a line.
pub(super) fn environment(cli: &Cli, target: &Target) -> Result<(), CommandError> {
    if *target == Target::All {
        let words = "name an app or a slot of it, such as `env query[0]`";
        return Err(CommandError::Usage(words.to_owned()));
    }
    let pids = pids(&picture(cli)?, target)?;
    let pid = pids.first().ok_or_else(|| CommandError::NoProcess { target: target.clone() })?;
    let operation = format!("read the environment of {target} (pid {pid})");
    let environment = std::fs::read(format!("/proc/{pid}/environ")).map_err(system(&operation))?;
    let mut lines: Vec<String> = environment
        .split(|byte| *byte == 0)
        .filter(|variable| !variable.is_empty())
        .map(|variable| format!("{}\n", report::printable(variable)))
        .collect();
    lines.sort();
    print(&lines.concat())
}
