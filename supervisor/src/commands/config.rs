//! `config`: what is in force and where it comes from; the configurations that were in force before,
//! what differs between them, and the way back.
//!
//! All of it works without a running supervisor, from what the state directory holds; a rollback
//! then only writes the file. Where one runs, it alone judges what it can use: it has its own user,
//! variables and credentials, and this command those of a shell.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use mcp_protocol::control::{Request, Status};
use mcp_supervisor::cli::{self, Cli, ConfigCommand, ShowConfig};
use mcp_supervisor::config::{self, Config, Effective, Problems};
use mcp_supervisor::report;
use mcp_supervisor::runtime::{self, Existing, Generation, Kept};

use super::{
    CommandError, absolute, change, print, print_json, socket, surroundings, system, with_time_zone,
};

pub(super) fn run(cli: &Cli, wanted: &ConfigCommand) -> Result<(), CommandError> {
    match wanted {
        ConfigCommand::Show(wanted) => show(cli, wanted),
        ConfigCommand::History(output) => history(&Past::find(cli)?, output),
        ConfigCommand::Diff(wanted) => diff(&Past::find(cli)?, wanted),
        ConfigCommand::Rollback(wanted) => rollback(cli, &Past::find(cli)?, wanted),
    }
}

fn show(cli: &Cli, wanted: &ShowConfig) -> Result<(), CommandError> {
    let surroundings = with_time_zone(surroundings(cli)?);
    let effective = config::effective(&cli.config, cli.env.as_deref(), &surroundings)
        .map_err(|problems| CommandError::Config { file: cli.config.clone(), problems })?;
    if wanted.json {
        return print_json(&report::effective_json(&effective));
    }
    let note = other_environment(cli, &effective);
    print(&format!(
        "{}{}",
        note.unwrap_or_default(),
        report::effective_toml(&effective, wanted.origin)
    ))
}

/// A comment that says so when a supervisor runs this file in another environment.
fn other_environment(cli: &Cli, shown: &Effective) -> Option<String> {
    let status = runtime::ask(&socket(cli).ok()?, &Request::Status, &mut |_| {}).ok()?;
    let is_other = runtime::is_same_file(&status.config_file, &shown.file)
        && status.environment != shown.environment;
    is_other.then(|| {
        format!(
            "# the supervisor that runs (pid {}) is in the environment {}, not {}\n",
            status.pid, status.environment, shown.environment
        )
    })
}

/// What is kept, and what is in force.
struct Past {
    file: PathBuf,
    state: PathBuf,
    environment: Option<String>,
    /// What is kept of this file.
    kept: Kept,
    /// What is kept there of other files.
    others: Vec<Generation>,
    /// The picture of the supervisor that runs this file.
    running: Option<Status>,
    /// The other file that the supervisor runs who listens here.
    stranger: Option<PathBuf>,
    surroundings: config::Surroundings,
}

impl Past {
    fn find(cli: &Cli) -> Result<Past, CommandError> {
        let file = absolute(&cli.config);
        let listens = runtime::ask(&socket(cli)?, &Request::Status, &mut |_| {}).ok();
        let is_ours = |status: &Status| runtime::is_same_file(&status.config_file, &file);
        let (running, stranger) = match listens {
            Some(status) if is_ours(&status) => (Some(status), None),
            Some(status) => (None, Some(status.config_file)),
            None => (None, None),
        };
        let environment = running.as_ref().map(|status| status.environment.clone());
        let environment = environment.or_else(|| cli.env.clone());
        let surroundings = with_time_zone(surroundings(cli)?);
        let state = running.as_ref().and_then(|_| state_of_running(&socket(cli).ok()?));
        let state = state.unwrap_or_else(|| {
            config::state_directory_of(&cli.config, environment.as_deref(), &surroundings)
        });
        let mut kept = runtime::kept(&state);
        let (own, others) = kept.generations.into_iter().partition(|one| one.is_of(&file));
        kept.generations = own;
        for problem in &kept.problems {
            say!("warning: {problem}");
        }
        if let Some(other) = &stranger {
            say!("warning: {}", runs_another(other, &file));
        }
        Ok(Past { file, state, environment, kept, others, running, stranger, surroundings })
    }

    fn in_force(&self) -> Option<u64> {
        self.running.as_ref().map(|status| status.generation)
    }

    fn generation(&self, number: u64) -> Result<&Generation, CommandError> {
        let same = |one: &&Generation| one.number == number;
        self.kept.generations.iter().find(same).ok_or_else(|| {
            if let Some(file) = self.others.iter().find(same).and_then(|one| one.file.as_ref()) {
                return CommandError::Usage(format!(
                    "configuration {number} is of {0}, not of {1}; name it with --config {0}",
                    file.display(),
                    self.file.display()
                ));
            }
            let words = match (self.kept.generations.first(), self.kept.generations.last()) {
                (Some(first), Some(last)) => format!(
                    "configuration {number} is not kept; those from {} to {} are, see `config history`",
                    first.number, last.number
                ),
                _ => format!("no configuration is kept in `{}` yet", self.state.display()),
            };
            CommandError::Usage(words)
        })
    }

    fn text(&self, number: u64) -> Result<String, CommandError> {
        let generation = self.generation(number)?;
        runtime::text_of(&self.state, generation).map_err(|why| {
            let operation = format!("use configuration {number}");
            CommandError::System { operation, source: io::Error::other(why) }
        })
    }

    /// The one in force; without a supervisor the newest one.
    fn newest(&self) -> Result<u64, CommandError> {
        let newest = self.kept.generations.last().map(|one| one.number);
        match self.in_force().or(newest) {
            Some(number) => Ok(number),
            None => self.generation(0).map(|one| one.number),
        }
    }

    /// The newest one below whose text is another.
    fn before(&self, number: u64) -> Result<u64, CommandError> {
        let text = self.text(number).ok();
        let mut older = self.kept.generations.iter().rev().filter(|one| one.number < number);
        let found = older.find(|one| {
            let other = runtime::text_of(&self.state, one);
            other.is_ok_and(|other| Some(&other) != text.as_ref())
        });
        found.map(|one| one.number).ok_or_else(|| {
            CommandError::Usage(format!("nothing is kept from before configuration {number}"))
        })
    }

    fn read(&self, text: &str) -> Result<Config, Problems> {
        config::load_text(text, &self.file, self.environment.as_deref(), &self.surroundings)
    }

    /// What the file says; `None` when it is gone.
    fn file_text(&self) -> Result<Option<String>, CommandError> {
        let operation = format!("read `{}`", self.file.display());
        match std::fs::read_to_string(&self.file) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(system(&operation)),
        }
    }
}

/// Where a running supervisor keeps what outlives it: its service manager may have said that, and
/// to it alone.
pub(super) fn state_of_running(socket: &Path) -> Option<PathBuf> {
    runtime::changes(socket).ok()?.file.parent().map(Path::to_owned)
}

fn history(past: &Past, output: &cli::Output) -> Result<(), CommandError> {
    let (generations, in_force) = (&past.kept.generations, past.in_force());
    if output.json {
        return print_json(&report::history_json(generations, in_force));
    }
    print(&report::history(generations, in_force))?;
    let files: BTreeSet<_> = past.others.iter().filter_map(|one| one.file.as_ref()).collect();
    for file in files {
        say!("left out: configurations of {}, which are kept here too", file.display());
    }
    for file in &past.kept.replaced {
        say!("taken out of the way by a rollback, never in force: {}", file.display());
    }
    Ok(())
}

fn diff(past: &Past, wanted: &cli::Diff) -> Result<(), CommandError> {
    let from = wanted.from.map_or_else(|| past.newest(), Ok)?;
    let name = |number: u64| format!("configuration {number}");
    let (to_name, to) = match wanted.to {
        Some(number) => (name(number), past.text(number)?),
        None => (past.file.display().to_string(), past.file_text()?.unwrap_or_default()),
    };
    let (from_name, from) = (name(from), past.text(from)?);
    let lines = report::text_diff((&from_name, &from), (&to_name, &to));
    print(&match lines.is_empty() {
        true => format!("{from_name} and {to_name} are the same text\n"),
        false => format!("{lines}\n"),
    })?;
    match (past.read(&from), past.read(&to)) {
        (_, Err(problems)) => {
            print(&format!(
                "{to_name} would be refused today, and nothing changed:\n{problems}\n"
            ))?;
            if past.running.is_some() {
                say!(
                    "hint: it was read with the rights, variables and credentials of this command; \
                     `reload --dry-run` asks the running supervisor, which has its own"
                );
            }
            Ok(())
        }
        (Err(_), Ok(_)) => {
            print(&format!("{from_name} would be refused today; what differs is in the lines\n"))
        }
        (Ok(from), Ok(to)) => print(&report::meaning_diff(&from, &to)),
    }
}

fn runs_another(other: &Path, file: &Path) -> String {
    format!("the supervisor that runs here serves {}, not {}", other.display(), file.display())
}

fn rollback(cli: &Cli, past: &Past, wanted: &cli::Rollback) -> Result<(), CommandError> {
    if let Some(other) = &past.stranger {
        let words = runs_another(other, &past.file);
        return Err(CommandError::Usage(format!(
            "{words}; nothing was changed: name the other with --config, or give each a \
             supervisor.run_directory of its own"
        )));
    }
    let replaced = past.file_text()?;
    let number = match wanted.to {
        Some(number) => number,
        // A file that says something else is not in force: what is comes first.
        None => {
            let newest = past.newest()?;
            match past.text(newest) {
                Ok(text) if replaced.as_ref() != Some(&text) => newest,
                Ok(_) | Err(_) => past.before(newest)?,
            }
        }
    };
    let text = past.text(number)?;
    if past.running.is_none() {
        past.read(&text).map_err(|problems| CommandError::Config {
            file: format!("configuration {number} today").into(),
            problems,
        })?;
    }
    let kept = put_back(past, &text, replaced.as_deref())?;
    let say_kept = || {
        if let Some(file) = &kept {
            say!("the text that was there is kept as {}", file.display());
        }
    };
    if past.running.is_none() {
        say_kept();
        say!("{} is configuration {number} again; `start` takes it in", past.file.display());
        return Ok(());
    }
    let outcome = change::ask(cli, &Request::Rollback { to: number });
    if let Err(CommandError::Refused { .. }) = &outcome {
        let operation = format!("put `{}` back to what it was", past.file.display());
        match &replaced {
            Some(text) => runtime::replace_in_kind(&past.file, text.as_bytes()),
            None => std::fs::remove_file(&past.file),
        }
        .map_err(system(&operation))?;
        if let Some(file) = &kept {
            let _ = std::fs::remove_file(file);
        }
    } else {
        say_kept();
    }
    let status = outcome?;
    say!("rolled back to configuration {number}; generation {}", status.generation);
    Ok(())
}

/// Keeps what the file says, then has it say this; on an error it is as it was.
fn put_back(
    past: &Past,
    text: &str,
    replaced: Option<&str>,
) -> Result<Option<PathBuf>, CommandError> {
    let Some(replaced) = replaced else {
        let made = runtime::make_file(&past.file, text.as_bytes(), 0o640, Existing::Replaced);
        made.map_err(system(&format!("write `{}`", past.file.display())))?;
        return Ok(None);
    };
    if text == replaced {
        return Ok(None);
    }
    let operation = format!("keep the text of `{}`; nothing was changed", past.file.display());
    let kept = runtime::keep_replaced(&past.state, replaced, runtime::since_epoch())
        .map_err(system(&operation))?;
    let written = runtime::replace_in_kind(&past.file, text.as_bytes());
    if let (Err(_), Some(kept)) = (&written, &kept) {
        let _ = std::fs::remove_file(kept);
    }
    let operation = format!("write `{}`; nothing was changed", past.file.display());
    written.map_err(system(&operation))?;
    Ok(kept)
}
