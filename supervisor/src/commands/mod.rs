//! What each command does, step by step, in the words of the rooms that do it.

/// Says a line on standard error; nobody may be there to read it.
macro_rules! say {
    ($($words:tt)*) => {{
        let _ = writeln!(io::stderr(), $($words)*);
    }};
}

mod admin;
mod change;
mod check;
mod client;
mod config;
mod import;
mod init;
mod login;
mod logs;
mod look;
mod service;
mod targets;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use mcp_protocol::control::{FailureCause, Request, Status, Target};
use mcp_supervisor::cli::{self, Cli, Client, Command};
use mcp_supervisor::config::{
    Config, Problems, Surroundings, check_environment, load as read, schema, socket_of,
};
use mcp_supervisor::monit::{self, MonitError};
use mcp_supervisor::report::{self, Colour, Entrance, Page, Progress};
use mcp_supervisor::runtime::{self, AskError, KeyError, StartError};

use change::{change, changes};
use targets::whom;

/// Variables of ours that every program gets; the rest of an operator's environment stays out.
const INHERITED: [&str; 10] =
    ["PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"];

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CommandError {
    /// The configuration was refused.
    #[error("cannot use {}", file.display())]
    Config { file: PathBuf, problems: Problems },
    /// There is no supervisor, and no file either that would say where it is.
    #[error(
        "no supervisor runs here, and there is no configuration file {}; name one with --config, \
         write one, or `mcp-supervisor init`",
        file.display()
    )]
    NoFile { file: PathBuf },
    /// All was said already.
    #[error("see above")]
    Told { exit: Exit },
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
    /// Keys of clients cannot be read or changed.
    #[error(transparent)]
    Key(#[from] KeyError),
    /// Something was typed that cannot be meant.
    #[error("{0}")]
    Usage(String),
    /// What was to be translated is not what it should be.
    #[error("cannot translate `{}`: {reason}", file.display())]
    Untranslatable { file: PathBuf, reason: String },
    /// What was to be translated cannot be evaluated.
    #[error("cannot translate `{}`", file.display())]
    JavaScript {
        file: PathBuf,
        #[source]
        source: runtime::JavaScriptError,
    },
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
            CommandError::Usage(_)
            | CommandError::Key(KeyError::Unknown { .. } | KeyError::Over { .. })
            | CommandError::Ask(AskError::Failed { cause: FailureCause::Usage, .. })
            | CommandError::Monit(MonitError::NoTerminal { .. }) => Exit::Usage,
            CommandError::Told { exit } => *exit,
            CommandError::Start(_)
            | CommandError::Ask(_)
            | CommandError::DidNotStart { .. }
            | CommandError::NoProcess { .. }
            | CommandError::NoFile { .. }
            | CommandError::Key(_)
            | CommandError::Monit(MonitError::Terminal { .. })
            | CommandError::Untranslatable { .. }
            | CommandError::JavaScript { .. }
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
            CommandError::Told { .. } => String::new(),
            CommandError::Start(_)
            | CommandError::Ask(_)
            | CommandError::NoProcess { .. }
            | CommandError::NoFile { .. }
            | CommandError::Key(_)
            | CommandError::Usage(_)
            | CommandError::DidNotStart { .. }
            | CommandError::Monit(_)
            | CommandError::Untranslatable { .. }
            | CommandError::JavaScript { .. }
            | CommandError::Output(_)
            | CommandError::System { .. } => format!("error: {}\n", report::with_causes(self)),
        }
    }
}

/// Carries a command out.
pub(crate) fn run(cli: &Cli) -> Result<(), CommandError> {
    carry_out(cli).map_err(|error| match error {
        CommandError::Ask(AskError::NotRunning { survivors, .. })
            if survivors.is_empty() && !cli.config.exists() =>
        {
            CommandError::NoFile { file: absolute(&cli.config) }
        }
        error => error,
    })
}

fn carry_out(cli: &Cli) -> Result<(), CommandError> {
    match &cli.command {
        Command::Start(start) if start.targets.is_empty() => service::start(cli, start),
        Command::Stop(wanted) if wanted.targets.is_empty() => service::stop(cli),
        Command::Start(cli::Start { targets, .. }) => {
            changes(cli, targets, "started", |target| Request::Start { target })
        }
        Command::Stop(cli::MaybeTargets { targets }) => {
            changes(cli, targets, "stopped", |target| Request::Stop { target })
        }
        Command::Restart(cli::MaybeTargets { targets }) => {
            changes(cli, &whom(targets), "restarted", |target| Request::Restart { target })
        }
        Command::Reload(wanted) => change::reload(cli, wanted),
        Command::Delete(cli::Targets { targets }) => {
            changes(cli, targets, "deleted", |target| Request::Delete { target })
        }
        Command::Reset(cli::Targets { targets }) => {
            changes(cli, targets, "reset", |target| Request::Reset { target })
        }
        Command::Forget(cli::MaybeTargets { targets }) => {
            let done = "forgot what was changed at run time of";
            changes(cli, &whom(targets), done, |target| Request::Forget { target })
        }
        Command::Scale(cli::ScaleTo { app, to }) => {
            let request = Request::Scale { app: app.clone(), to: *to };
            change(cli, &request, &[Target::App(app.clone())], "scaled")
        }
        Command::Signal(cli::Signal { number, target }) => {
            let request = Request::Signal { target: target.clone(), number: *number };
            change(cli, &request, std::slice::from_ref(target), "signalled")
        }
        Command::Status(output) => look::status(cli, output),
        Command::Describe(wanted) => look::describe(cli, wanted),
        Command::Save(output) => look::save(cli, output),
        Command::Pid(cli::MaybeTargets { targets }) => look::pid(cli, &whom(targets)),
        Command::Env(cli::OneTarget { target }) => look::environment(cli, target),
        Command::Ping => look::ping(cli),
        Command::Logs(logs) => logs::logs(cli, logs),
        Command::RotateLogs(wanted) => logs::rotate(cli, wanted),
        Command::Flush(wanted) => logs::flush(cli, wanted),
        Command::ReloadLogs => logs::reopen(cli),
        Command::Monit => Ok(monit::run(&socket(cli)?, page().colour)?),
        Command::Init(wanted) => init::init(cli, wanted),
        Command::Import(wanted) => import::import(cli, wanted),
        Command::Check(output) => check::check(cli, output),
        Command::Config(wanted) => config::run(cli, wanted),
        Command::Client(wanted) => client::run(cli, wanted),
        Command::Login(wanted) => login::login(cli, wanted),
        Command::Workers(wanted) => admin::run(cli, wanted),
        Command::Schema => print_json(&schema()),
        Command::ClientConfig(wanted) => client_config(cli, wanted),
        Command::Completion(cli::Completion { shell }) => print_bytes(&cli::completion(*shell)),
    }
}

fn client_config(cli: &Cli, wanted: &cli::ClientConfig) -> Result<(), CommandError> {
    let config = load(cli)?;
    let serving: Vec<_> = config
        .apps
        .iter()
        .filter_map(|(name, app)| {
            let entrance = match app.settings.as_ref()?.access.anonymous {
                Some(_) => Entrance::Open,
                None => Entrance::ByKey,
            };
            Some((name.as_str(), (app.listen?, entrance), &app.program))
        })
        .collect();
    let meant = |name: &str| wanted.app.as_deref().is_none_or(|wanted| wanted == name);
    let Some((_, address, worker)) = serving.iter().find(|(name, ..)| meant(name)) else {
        return Err(CommandError::Usage(match &wanted.app {
            Some(app) => report::unknown_app(app, serving.iter().map(|(name, ..)| *name)),
            None => "there is no app of mcp-worker that listens".to_owned(),
        }));
    };
    let clients = wanted.client.map_or_else(|| Client::value_variants().to_vec(), |one| vec![one]);
    let texts: Vec<String> =
        clients.iter().map(|client| report::client_config(*client, *address, worker)).collect();
    print(&texts.join("\n"))
}

fn load(cli: &Cli) -> Result<Config, CommandError> {
    let surroundings = with_time_zone(surroundings(cli)?);
    read(&cli.config, cli.env.as_deref(), &surroundings)
        .map_err(|problems| CommandError::Config { file: cli.config.clone(), problems })
}

/// Where a supervisor of this file listens, also when the file has become unusable since.
fn socket(cli: &Cli) -> Result<PathBuf, CommandError> {
    let surroundings = surroundings(cli)?;
    // A variable may be there for others; it must not keep anybody from the service that runs.
    if cli.env.is_some() {
        check_environment(&cli.config, cli.env.as_deref(), &surroundings)
            .map_err(|problems| CommandError::Config { file: cli.config.clone(), problems })?;
    }
    Ok(socket_of(&cli.config, cli.env.as_deref(), &surroundings))
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

fn surroundings(cli: &Cli) -> Result<Surroundings, CommandError> {
    let program = std::env::current_exe().map_err(system("find our own program"))?;
    let search_path = variable("PATH").unwrap_or_default();
    Ok(Surroundings {
        program_directory: program.parent().unwrap_or(Path::new("/")).to_owned(),
        search_path: std::env::split_paths(&search_path).collect(),
        run_directory: first_directory("RUNTIME_DIRECTORY"),
        log_directory: first_directory("LOGS_DIRECTORY"),
        time_zone: None,
        state_directory: first_directory("STATE_DIRECTORY"),
        variables: variables(),
        set: cli.set.clone(),
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

/// What the process was started with, as far as it is text.
fn variables() -> BTreeMap<String, String> {
    let text = |(name, value): (OsString, OsString)| {
        Some((name.into_string().ok()?, value.into_string().ok()?))
    };
    std::env::vars_os().filter_map(text).collect()
}

/// systemd names several directories in one variable, separated by colons; the first is ours.
fn first_directory(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&variable(name)?).next()
}

/// Asks, and shows what happens until the answer is there.
fn ask_and_show(
    socket: &Path,
    request: &Request,
    mut progress: Progress,
) -> Result<Status, AskError> {
    let last = runtime::ask(socket, request, &mut |status| show(&mut progress, status))?;
    // The last steps may have come together with the answer.
    show(&mut progress, &last);
    Ok(last)
}

/// Says what is new in a picture.
fn show(progress: &mut Progress, status: &Status) {
    for line in progress.lines(status) {
        say!("{line}");
    }
}

/// What standard output is laid out for: a file or a pipe has neither colours nor a width.
fn page() -> Page {
    if !io::stdout().is_terminal() {
        return Page { colour: Colour::Plain, width: None };
    }
    let colour = if variable("NO_COLOR").is_none() { Colour::Shown } else { Colour::Plain };
    Page { colour, width: monit::terminal_width() }
}

fn print(text: &str) -> Result<(), CommandError> {
    print_bytes(text.as_bytes())
}

fn print_bytes(bytes: &[u8]) -> Result<(), CommandError> {
    let mut out = io::stdout().lock();
    out.write_all(bytes).and_then(|()| out.flush()).map_err(CommandError::Output)
}

fn print_json(value: &serde_json::Value) -> Result<(), CommandError> {
    print(&format!("{value:#}\n"))
}

fn system(operation: &str) -> impl Fn(io::Error) -> CommandError + '_ {
    move |source| CommandError::System { operation: operation.to_owned(), source }
}
