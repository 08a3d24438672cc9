//! Commands that only look: the table, one app, process ids, environments, logs.

use std::io::{self, BufWriter, Write};
use std::path::PathBuf;

use mcp_protocol::control::{Request, Status, Target};
use mcp_supervisor::cli::{self, Cli};
use mcp_supervisor::report;
use mcp_supervisor::runtime::{self, FollowError, SUPERVISOR_LOG, WORKER_LOG, log_files};

use super::{CommandError, colour, load, print, print_json, socket, system};

pub(super) fn status(cli: &Cli, output: &cli::Output) -> Result<(), CommandError> {
    let status = picture(cli)?;
    if output.json {
        return print_json(&report::status_json(&status));
    }
    print(&report::status_table(&status, colour()))
}

fn picture(cli: &Cli) -> Result<Status, CommandError> {
    Ok(runtime::ask(&socket(cli)?, &Request::Status, &mut |_| {})?)
}

pub(super) fn describe(cli: &Cli, wanted: &cli::Describe) -> Result<(), CommandError> {
    let apps = runtime::describe(&socket(cli)?, wanted.target.clone())?;
    if wanted.json {
        return print_json(&report::description_json(&apps));
    }
    print(&report::description(&apps, colour()))
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
pub(super) fn pid(cli: &Cli, target: &Target) -> Result<(), CommandError> {
    let pids = pids(&picture(cli)?, target)?;
    if pids.is_empty() {
        return Err(CommandError::NoProcess { target: target.clone() });
    }
    print(&pids.iter().map(|pid| format!("{pid}\n")).collect::<String>())
}

fn pids(status: &Status, target: &Target) -> Result<Vec<u32>, CommandError> {
    let known = status.apps.iter().map(|app| app.name.as_str());
    if let Some(app) = target.app()
        && !known.clone().any(|name| name == app)
    {
        return Err(CommandError::Usage(report::unknown_app(app, known)));
    }
    let slots = status.apps.iter().flat_map(|app| {
        app.slots.iter().filter(|slot| target.means(&app.name, slot.index)).map(|slot| slot.pid)
    });
    let slots: Vec<Option<u32>> = slots.collect();
    match target {
        Target::Slot { app, slot } if slots.is_empty() => {
            let count =
                status.apps.iter().find(|one| one.name == *app).map_or(0, |app| app.slots.len());
            Err(CommandError::Usage(format!(
                "`{app}` has no slot {slot}; its {count} slots are numbered from 0"
            )))
        }
        Target::All | Target::App(_) | Target::Slot { .. } => {
            Ok(slots.into_iter().flatten().collect())
        }
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

pub(super) fn logs(cli: &Cli, wanted: &cli::Logs) -> Result<(), CommandError> {
    let (directory, apps) = log_places(cli)?;
    let names = match &wanted.app {
        Some(app) if !apps.contains(app) => {
            let known = apps.iter().map(String::as_str);
            return Err(CommandError::Usage(report::unknown_app(app, known)));
        }
        Some(app) => log_files(app).to_vec(),
        None => {
            let mut names = vec![SUPERVISOR_LOG.to_owned(), WORKER_LOG.to_owned()];
            names.extend(apps.iter().flat_map(|app| log_files(app)));
            names
        }
    };
    let mut out = BufWriter::new(io::stdout().lock());
    let width = names.iter().map(String::len).max().unwrap_or(0);
    let mut show = |name: &str, line: &[u8]| {
        writeln!(out, "{name:<width$} | {}", report::printable(line))?;
        out.flush()
    };
    for name in &names {
        let path = directory.join(name);
        let lines = runtime::last_lines(&path, wanted.lines)
            .map_err(system(&format!("read `{}`", path.display())))?;
        for line in lines {
            show(name, &line).map_err(CommandError::Output)?;
        }
    }
    if wanted.follow {
        match runtime::follow(&directory, &names, &mut show) {
            Ok(()) => {}
            Err(FollowError::Show(error)) => return Err(CommandError::Output(error)),
            Err(FollowError::Watch(source)) => {
                let operation = format!("follow the logs in `{}`", directory.display());
                return Err(CommandError::System { operation, source });
            }
        }
    }
    Ok(())
}

/// The directory of the logs and the apps: of the running supervisor, else of the file.
fn log_places(cli: &Cli) -> Result<(PathBuf, Vec<String>), CommandError> {
    match picture(cli) {
        Ok(status) => {
            let apps = status.apps.into_iter().map(|app| app.name).collect();
            Ok((status.log_directory, apps))
        }
        Err(_) => {
            let config = load(cli)?;
            let apps = config.apps.keys().map(ToString::to_string).collect();
            Ok((config.supervisor.log_directory, apps))
        }
    }
}
