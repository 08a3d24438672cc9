//! Commands that only look: the table, one app, process ids, environments, logs.

use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use mcp_protocol::control::{Request, Status, Target};
use mcp_supervisor::cli::{self, Cli};
use mcp_supervisor::config;
use mcp_supervisor::report;
use mcp_supervisor::runtime::{self, FollowError, SUPERVISOR_LOG, WORKER_LOG, log_files};

use super::targets::each;
use super::{CommandError, load, page, print, print_json, socket, surroundings, system};

pub(super) fn status(cli: &Cli, output: &cli::Output) -> Result<(), CommandError> {
    let status = picture(cli)?;
    if output.json {
        return print_json(&report::status_json(&status));
    }
    print(&report::status_table(&status, page()))
}

fn picture(cli: &Cli) -> Result<Status, CommandError> {
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

pub(super) fn logs(cli: &Cli, wanted: &cli::Logs) -> Result<(), CommandError> {
    let (directory, apps) = log_places(cli)?;
    let names = match wanted.target.as_ref().and_then(Target::app) {
        Some(app) if !apps.contains(app) && !logged_apps(&directory).contains(app) => {
            let known = apps.iter().map(String::as_str);
            return Err(CommandError::Usage(report::unknown_app(app, known)));
        }
        Some(app) => {
            if !apps.contains(app) {
                say!("there is no app {app} any more; this is what it left");
            }
            log_files(app).to_vec()
        }
        None => {
            let mut names = vec![SUPERVISOR_LOG.to_owned(), WORKER_LOG.to_owned()];
            names.extend(apps.iter().flat_map(|app| log_files(app)));
            names
        }
    };
    if let Some(Target::Slot { app, .. }) = &wanted.target {
        say!("lines are kept by app, not by slot: these are those of all slots of {app}");
    }
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

/// The directory of the logs and the apps: of the running supervisor, else of the file, else what
/// can be found.
fn log_places(cli: &Cli) -> Result<(PathBuf, BTreeSet<String>), CommandError> {
    let asked = picture(cli);
    if let Err(error @ CommandError::Config { .. }) = asked {
        return Err(error);
    }
    if let Ok(status) = asked {
        let apps = status.apps.into_iter().map(|app| app.name).collect();
        return Ok((status.log_directory, apps));
    }
    match load(cli) {
        Ok(config) => {
            let apps = config.apps.keys().map(ToString::to_string).collect();
            Ok((config.supervisor.log_directory, apps))
        }
        Err(unusable @ CommandError::Config { .. }) => {
            let directory = config::logs_of(&cli.config, cli.env.as_deref(), &surroundings(cli)?);
            let apps = logged_apps(&directory);
            if apps.is_empty() && !directory.join(SUPERVISOR_LOG).exists() {
                return Err(unusable);
            }
            let (file, logs) = (cli.config.display(), directory.display());
            say!("{file} cannot be used (`check` says why); this is what lies in {logs}");
            Ok((directory, apps))
        }
        Err(error) => Err(error),
    }
}

/// The apps of which log files lie in a directory.
fn logged_apps(directory: &Path) -> BTreeSet<String> {
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    names.filter_map(|name| runtime::app_of_log(&name).map(str::to_owned)).collect()
}
