//! What each command does, step by step, in the words of the rooms that do it.

/// Says a line on standard error; nobody may be there to read it.
macro_rules! say {
    ($($words:tt)*) => {{
        let _ = writeln!(io::stderr(), $($words)*);
    }};
}

mod change;
mod config;
mod look;
mod service;

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use mcp_protocol::control::{FailureCause, Request, Target};
use mcp_supervisor::cli::{self, Cli, Client, Command};
use mcp_supervisor::config::{Config, Problems, Surroundings, load as load_file, socket_of};
use mcp_supervisor::monit::{self, MonitError};
use mcp_supervisor::report::{self, Colour};
use mcp_supervisor::runtime::{self, AskError, StartError};

use change::change;

/// Variables of ours that every program gets; the rest of an operator's environment stays out.
const INHERITED: [&str; 10] =
    ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"];

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The configuration was refused.
    #[error("cannot use {}", file.display())]
    Config { file: PathBuf, problems: Problems },
    /// The supervisor refused the configuration.
    #[error("the configuration was refused")]
    Refused { reason: String },
    /// The supervisor cannot start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The supervisor cannot be asked, or could not do it.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// It ended before it listened; its own words were shown.
    #[error("the supervisor did not start")]
    DidNotStart { code: Option<i32>, words: String },
    /// Nothing runs where a process was asked for.
    #[error("{target} has no process; `mcp-supervisor status` says why")]
    NoProcess { target: Target },
    /// The live screen cannot be shown.
    #[error(transparent)]
    Monit(#[from] MonitError),
    /// Something was typed that cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// Our output cannot be written.
    #[error("cannot write to standard output")]
    Output(#[source] io::Error),
    /// Something of the operating system failed.
    #[error("cannot {operation}")]
    System {
        operation: String,
        #[source]
        source: io::Error,
    },
}

/// The exit codes other than 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    Failed,
    Usage,
    Configuration,
}

impl CommandError {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            CommandError::Config { .. }
            | CommandError::Refused { .. }
            | CommandError::Ask(AskError::Failed { cause: FailureCause::Configuration, .. })
            | CommandError::DidNotStart { code: Some(78), .. } => Exit::Configuration,
            CommandError::Usage(_) | CommandError::Monit(MonitError::NoTerminal { .. }) => {
                Exit::Usage
            }
            CommandError::Start(_)
            | CommandError::Ask(_)
            | CommandError::DidNotStart { .. }
            | CommandError::NoProcess { .. }
            | CommandError::Monit(MonitError::Terminal { .. })
            | CommandError::Output(_)
            | CommandError::System { .. } => Exit::Failed,
        }
    }

    /// The error and its causes, as `main` prints them.
    pub(crate) fn in_words(&self) -> String {
        match self {
            CommandError::Config { problems, .. } => format!("error: {self}\n{problems}\n"),
            CommandError::Refused { reason } => format!(
                "error: {self}\n{}\nhint: nothing was changed; the running configuration stays in force\n",
                reason.trim_end()
            ),
            // The supervisor in the background has said it already, in the same form.
            CommandError::DidNotStart { words, .. } if !words.is_empty() => words.clone(),
            CommandError::Ask(AskError::Failed { last_output, .. }) => {
                format!("error: {self}\n{}", report::last_output(last_output))
            }
            CommandError::Start(_)
            | CommandError::Ask(_)
            | CommandError::NoProcess { .. }
            | CommandError::Usage(_)
            | CommandError::DidNotStart { .. }
            | CommandError::Monit(_)
            | CommandError::Output(_)
            | CommandError::System { .. } => {
                let mut text = format!("error: {self}");
                let mut cause = std::error::Error::source(self);
                while let Some(error) = cause {
                    text.push_str(&format!(": {error}"));
                    cause = error.source();
                }
                text.push('\n');
                text
            }
        }
    }
}

/// Carries a command out.
pub(crate) fn run(cli: &Cli) -> Result<(), CommandError> {
    match &cli.command {
        Command::Start(cli::Start { target: Some(target), .. }) => {
            change(cli, &Request::Start { target: target.clone() }, target, "started")
        }
        Command::Start(start) => service::start(cli, start),
        Command::Stop(cli::MaybeTarget { target: None }) => service::stop(cli),
        Command::Stop(cli::MaybeTarget { target: Some(target) }) => {
            change(cli, &Request::Stop { target: target.clone() }, target, "stopped")
        }
        Command::Restart(wanted) => {
            let target = whom(wanted);
            change(cli, &Request::Restart { target: target.clone() }, &target, "restarted")
        }
        Command::Reload(wanted) => change::reload(cli, wanted),
        Command::Delete(cli::OneTarget { target }) => {
            change(cli, &Request::Delete { target: target.clone() }, target, "deleted")
        }
        Command::Reset(cli::OneTarget { target }) => {
            change(cli, &Request::Reset { target: target.clone() }, target, "reset")
        }
        Command::Forget(wanted) => {
            let target = whom(wanted);
            let done = "forgot what was changed at run time of";
            change(cli, &Request::Forget { target: target.clone() }, &target, done)
        }
        Command::Scale(cli::ScaleTo { app, to }) => {
            let request = Request::Scale { app: app.clone(), to: *to };
            change(cli, &request, &Target::App(app.clone()), "scaled")
        }
        Command::Signal(cli::Signal { number, target }) => {
            let request = Request::Signal { target: target.clone(), number: *number };
            change(cli, &request, target, "signalled")
        }
        Command::Status(output) => look::status(cli, output),
        Command::Describe(wanted) => look::describe(cli, wanted),
        Command::Save(output) => look::save(cli, output),
        Command::Pid(wanted) => look::pid(cli, &whom(wanted)),
        Command::Env(cli::OneTarget { target }) => look::environment(cli, target),
        Command::Ping => look::ping(cli),
        Command::Logs(logs) => look::logs(cli, logs),
        Command::Monit => Ok(monit::run(&socket(cli)?, colour())?),
        Command::Check(output) => check(cli, output),
        Command::Config(command) => self::config::config(cli, command),
        Command::ClientConfig(wanted) => client_config(cli, wanted),
    }
}

fn whom(wanted: &cli::MaybeTarget) -> Target {
    wanted.target.clone().unwrap_or(Target::All)
}

fn check(cli: &Cli, output: &cli::Output) -> Result<(), CommandError> {
    let plan = report::plan(&load(cli)?, runtime::since_epoch());
    if output.json {
        return print_json(&plan.json);
    }
    print(&plan.text)
}

fn client_config(cli: &Cli, wanted: &cli::ClientConfig) -> Result<(), CommandError> {
    let config = load(cli)?;
    let serving = |name: &str| {
        config
            .apps
            .iter()
            .find(|(app, one)| {
                one.settings.is_some()
                    && one.listen.is_some()
                    && (name.is_empty() || app.as_str() == name)
            })
            .and_then(|(_, one)| Some((one.listen?, one.program.clone())))
    };
    let (address, worker) = serving(wanted.app.as_deref().unwrap_or("")).ok_or_else(|| {
        CommandError::Usage("there is no such app of mcp-worker that listens".to_owned())
    })?;
    let clients = wanted.client.map_or_else(|| Client::value_variants().to_vec(), |one| vec![one]);
    let texts: Vec<String> =
        clients.iter().map(|client| report::client_config(*client, address, &worker)).collect();
    print(&texts.join("\n"))
}

fn load(cli: &Cli) -> Result<Config, CommandError> {
    let surroundings = with_time_zone(surroundings()?);
    load_file(&cli.config, cli.env.as_deref(), &surroundings)
        .map_err(|problems| CommandError::Config { file: cli.config.clone(), problems })
}

/// Where a supervisor of this file listens, also when the file has become unusable since.
fn socket(cli: &Cli) -> Result<PathBuf, CommandError> {
    Ok(socket_of(&cli.config, cli.env.as_deref(), &surroundings()?))
}

fn surroundings() -> Result<Surroundings, CommandError> {
    let program = std::env::current_exe().map_err(system("find our own program"))?;
    let search_path = variable("PATH").unwrap_or_default();
    Ok(Surroundings {
        program_directory: program.parent().unwrap_or(Path::new("/")).to_owned(),
        search_path: std::env::split_paths(&search_path).collect(),
        run_directory: first_directory("RUNTIME_DIRECTORY"),
        log_directory: first_directory("LOGS_DIRECTORY"),
        time_zone: None,
        state_directory: first_directory("STATE_DIRECTORY"),
    })
}

/// For reading a whole file: to find the machine's zone costs more than all else that `status` does.
fn with_time_zone(surroundings: Surroundings) -> Surroundings {
    Surroundings { time_zone: Some(jiff::tz::TimeZone::system()), ..surroundings }
}

fn inherited() -> Vec<(OsString, OsString)> {
    INHERITED.iter().filter_map(|name| Some((OsString::from(name), variable(name)?))).collect()
}

#[expect(clippy::disallowed_methods, reason = "the edge: what the process was started with")]
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name)
}

/// systemd names several directories in one variable, separated by colons; the first is ours.
fn first_directory(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&variable(name)?).next()
}

fn colour() -> Colour {
    let wanted = io::stdout().is_terminal() && variable("NO_COLOR").is_none();
    if wanted { Colour::Shown } else { Colour::Plain }
}

fn print(text: &str) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).map_err(CommandError::Output)
}

fn print_json(value: &serde_json::Value) -> Result<(), CommandError> {
    print(&format!("{value:#}\n"))
}

fn system(operation: &str) -> impl Fn(io::Error) -> CommandError + '_ {
    move |source| CommandError::System { operation: operation.to_owned(), source }
}
