//! What each command does, step by step, in the words of the rooms that do it.

use std::ffi::{OsStr, OsString};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use mcp_protocol::control::{FailureCause, Request, Target};
use mcp_supervisor::cli::{self, Cli, Client, Command};
use mcp_supervisor::config::{self, Config, Problems, Surroundings};
use mcp_supervisor::monit::{self, MonitError};
use mcp_supervisor::report::{self, Colour, Progress};
use mcp_supervisor::runtime::{
    self, AskError, Background, Console, FollowError, Options, SUPERVISOR_LOG, StartError,
    WORKER_LOG,
};

/// What a supervisor in the background still prints, a panic above all, goes here.
const STRAY_OUTPUT: &str = "supervisor.stderr.log";
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
            _ => {
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

/// Says a line on standard error; nobody may be there to read it.
macro_rules! say {
    ($($words:tt)*) => {{
        let _ = writeln!(io::stderr(), $($words)*);
    }};
}

/// Carries a command out.
pub(crate) fn run(cli: &Cli) -> Result<(), CommandError> {
    match &cli.command {
        Command::Start(start) if start.foreground => start_in_foreground(cli, Console::Shown),
        Command::Start(start) if start.background_child => {
            start_in_foreground(cli, Console::Silent)
        }
        Command::Start(_) => start_in_background(cli),
        Command::Status(output) => status(cli, output),
        Command::Stop => stop(cli),
        Command::Restart(target) => {
            change(cli, &Request::Restart { target: whom(target) }, "restarted")
        }
        Command::Reload(target) => {
            change(cli, &Request::Reload { target: whom(target) }, "reloaded")
        }
        Command::Logs(logs) => show_logs(cli, logs),
        Command::Monit => Ok(monit::run(&socket(cli)?, colour())?),
        Command::Check(output) => check(cli, output),
        Command::ClientConfig(wanted) => client_config(cli, wanted),
    }
}

fn start_in_foreground(cli: &Cli, console: Console) -> Result<(), CommandError> {
    let config = load(cli)?;
    let stray = config.supervisor.log_directory.join(STRAY_OUTPUT);
    let file = cli.config.clone();
    let environment = cli.env.clone();
    let surroundings = surroundings()?;
    let options = Options {
        console,
        inherited: inherited(),
        load: Box::new(move || config::load(&file, environment.as_deref(), &surroundings)),
        listening: Box::new(move || {
            if console == Console::Silent {
                // Without this, `start` waits for us for ever; there is nothing else to be done.
                let _ = runtime::let_go(&stray);
            }
        }),
    };
    abort_on_panic();
    if console == Console::Silent {
        runtime::leave_terminal().map_err(system("leave the terminal"))?;
    }
    Ok(runtime::run(config, options)?)
}

/// A supervisor with one dead task would look alive and not act: better that it dies as a whole
/// and is started again.
fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        report(panic);
        std::process::abort();
    }));
}

fn start_in_background(cli: &Cli) -> Result<(), CommandError> {
    let config = load(cli)?;
    let mut arguments: Vec<&OsStr> =
        vec!["start".as_ref(), "--background-child".as_ref(), "--config".as_ref()];
    arguments.push(config.file.as_os_str());
    if let Some(environment) = &cli.env {
        arguments.extend(["--env".as_ref(), OsStr::new(environment)]);
    }
    say!("starting {} (environment {})", config.file.display(), config.environment);
    match runtime::start_background(&arguments).map_err(system("start the supervisor"))? {
        Background::Listening => {}
        Background::Ended { code, words } => return Err(CommandError::DidNotStart { code, words }),
    }
    let mut progress = Progress::default();
    let outcome = runtime::ask(&config.socket(), &Request::Settle, &mut |status| {
        for line in progress.lines(status) {
            say!("{line}");
        }
    });
    match outcome {
        Ok(status) => print(&report::status_table(&status, colour())),
        Err(AskError::Failed { reason, cause }) => {
            let status = runtime::ask(&config.socket(), &Request::Status, &mut |_| {});
            if status.is_ok_and(|status| !status.stopping) {
                say!(
                    "hint: the supervisor keeps trying; see `mcp-supervisor status` and `logs`; \
                     `stop` ends it"
                );
            }
            Err(AskError::Failed { reason, cause }.into())
        }
        Err(error) => Err(error.into()),
    }
}

fn status(cli: &Cli, output: &cli::Output) -> Result<(), CommandError> {
    let status = runtime::ask(&socket(cli)?, &Request::Status, &mut |_| {})?;
    if output.json {
        return print_json(&report::status_json(&status));
    }
    print(&report::status_table(&status, colour()))
}

fn stop(cli: &Cli) -> Result<(), CommandError> {
    let mut progress = Progress::default();
    let last = runtime::stop(&socket(cli)?, &mut |status| {
        for line in progress.lines(status) {
            say!("{line}");
        }
    })?;
    say!("stopped (pid {} has ended, no worker is left)", last.pid);
    Ok(())
}

fn change(cli: &Cli, request: &Request, done: &str) -> Result<(), CommandError> {
    let mut progress = Progress::default();
    let outcome = runtime::ask(&socket(cli)?, request, &mut |status| {
        for line in progress.lines(status) {
            say!("{line}");
        }
    });
    match outcome {
        Ok(status) => {
            say!("{done}; generation {}", status.generation);
            Ok(())
        }
        Err(AskError::Failed { reason, cause: FailureCause::Configuration }) => {
            Err(CommandError::Refused { reason })
        }
        Err(error) => Err(error.into()),
    }
}

fn whom(target: &cli::Target) -> Target {
    target.app.clone().map_or(Target::All, Target::App)
}

fn show_logs(cli: &Cli, wanted: &cli::Logs) -> Result<(), CommandError> {
    let (directory, apps) = log_places(cli)?;
    let names = match &wanted.app {
        Some(app) if !apps.contains(app) => {
            return Err(CommandError::Usage(format!(
                "there is no app `{app}`; there are: {}",
                apps.join(", ")
            )));
        }
        Some(app) => app_logs(app),
        None => {
            let mut names = vec![SUPERVISOR_LOG.to_owned(), WORKER_LOG.to_owned()];
            names.extend(apps.iter().flat_map(|app| app_logs(app)));
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
    match runtime::ask(&socket(cli)?, &Request::Status, &mut |_| {}) {
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

fn app_logs(app: &str) -> Vec<String> {
    vec![format!("{app}.out.log"), format!("{app}.err.log")]
}

fn check(cli: &Cli, output: &cli::Output) -> Result<(), CommandError> {
    let plan = report::plan(&load(cli)?);
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
    config::load(&cli.config, cli.env.as_deref(), &surroundings()?)
        .map_err(|problems| CommandError::Config { file: cli.config.clone(), problems })
}

/// Where a supervisor of this file listens, also when the file has become unusable since.
fn socket(cli: &Cli) -> Result<PathBuf, CommandError> {
    Ok(config::socket_of(&cli.config, cli.env.as_deref(), &surroundings()?))
}

fn surroundings() -> Result<Surroundings, CommandError> {
    let program = std::env::current_exe().map_err(system("find our own program"))?;
    let search_path = variable("PATH").unwrap_or_default();
    Ok(Surroundings {
        program_directory: program.parent().unwrap_or(Path::new("/")).to_owned(),
        search_path: std::env::split_paths(&search_path).collect(),
        run_directory: first_directory("RUNTIME_DIRECTORY"),
        log_directory: first_directory("LOGS_DIRECTORY"),
    })
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
