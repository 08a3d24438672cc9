//! The service as a whole: its start in the foreground and in the background, and its end.

use std::ffi::OsStr;
use std::io::{self, Write};

use mcp_protocol::control::Request;
use mcp_supervisor::cli::{self, Cli};
use mcp_supervisor::config;
use mcp_supervisor::report::{self, Progress};
use mcp_supervisor::runtime::{self, AskError, Background, Console, Options};

use super::{
    CommandError, ask_and_show, inherited, load, login, page, print, show, socket, surroundings,
    system, with_time_zone,
};

/// What a supervisor in the background still prints, a panic above all, goes here.
const STRAY_OUTPUT: &str = "supervisor.stderr.log";

/// Starts the supervisor, here or in the background.
pub(super) fn start(cli: &Cli, start: &cli::Start) -> Result<(), CommandError> {
    if start.background_child {
        return in_foreground(cli, Console::Silent);
    }
    if start.foreground {
        return in_foreground(cli, Console::Shown);
    }
    in_background(cli)
}

fn in_foreground(cli: &Cli, console: Console) -> Result<(), CommandError> {
    let config = load(cli)?;
    let stray = config.supervisor.log_directory.join(STRAY_OUTPUT);
    let file = cli.config.clone();
    let environment = cli.env.clone();
    let surroundings = with_time_zone(surroundings(cli)?);
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

fn in_background(cli: &Cli) -> Result<(), CommandError> {
    let config = load(cli)?;
    if runtime::ask(&config.socket(), &Request::Status, &mut |_| {}).is_err() {
        login::before_start(&config)?;
    }
    let mut arguments: Vec<&OsStr> =
        vec!["start".as_ref(), "--background-child".as_ref(), "--config".as_ref()];
    arguments.push(config.file.as_os_str());
    if let Some(environment) = &cli.env {
        arguments.extend(["--env".as_ref(), OsStr::new(environment)]);
    }
    for setting in &cli.set {
        arguments.extend(["--set".as_ref(), OsStr::new(setting)]);
    }
    say!("starting {} (environment {})", config.file.display(), config.environment);
    match runtime::start_background(&arguments).map_err(system("start the supervisor"))? {
        Background::Listening => {}
        Background::Ended { code, words } => return Err(CommandError::DidNotStart { code, words }),
    }
    // Who was ready before we asked has not been shown yet either.
    match ask_and_show(&config.socket(), &Request::Settle, Progress::default()) {
        Ok(status) => print(&report::status_table(&status, page())),
        Err(failed @ AskError::Failed { .. }) => {
            let status = runtime::ask(&config.socket(), &Request::Status, &mut |_| {});
            if status.is_ok_and(|status| !status.stopping) {
                say!(
                    "hint: the supervisor runs on; `mcp-supervisor status` says what it tries again \
                     and what waits for you, `logs` why; `stop` ends it"
                );
            }
            Err(failed.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Ends the service.
pub(super) fn stop(cli: &Cli) -> Result<(), CommandError> {
    let mut progress = Progress::default();
    let socket = socket(cli)?;
    let last = match runtime::stop(&socket, &mut |status| show(&mut progress, status)) {
        Err(AskError::NotRunning { survivors, .. }) if !survivors.is_empty() => {
            say!("no supervisor runs here; ending what an earlier one left: {survivors}");
            runtime::end_survivors(&socket)?;
            say!("stopped (nobody of them is left)");
            return Ok(());
        }
        outcome => outcome?,
    };
    say!("stopped (pid {} has ended, no worker is left)", last.pid);
    Ok(())
}
