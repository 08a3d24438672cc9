//! The binary: arguments to a way of serving, errors to words and an exit code. The only printer.

use std::io::{self, Stdin, StdoutLock};
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use mcp_protocol::settings::{LogSettings, Settings, WarehouseSettings};
use mcp_worker::cli::{Arguments, Command, Login, Reach};
use mcp_worker::clock::Clock;
use mcp_worker::settings::{self, InheritError, Inherited};
use mcp_worker::sql::Level;
use mcp_worker::sql_check::{self, Tally};
use mcp_worker::stdio;
use mcp_worker::supervised;
use mcp_worker::warehouse::open::open;
use mcp_worker::warehouse::snowflake::browser::{self, Screen, Terminal, Wanted};
use mcp_worker::words::chain;
use tokio::sync::mpsc;

/// The exit code of a failure.
const FAILED: u8 = 1;
/// The exit code of wrong usage.
const USAGE: u8 = 2;
/// The exit code that tells a supervisor not to try again (`EX_CONFIG` of sysexits).
const HOPELESS: u8 = 78;
/// The exit code that says that the gate refused something, when that was asked for.
const REFUSED: u8 = 3;

/// A way of reading statements.
type Check = fn(Stdin, StdoutLock<'static>, Level) -> io::Result<Tally>;

const BY_HAND: &str = "\
mcp-worker is started by mcp-supervisor and was started by hand.

  mcp-supervisor start    start the whole service, with as many workers as ecosystem.toml asks for
  mcp-worker stdio        serve one desktop client over standard input and output
  mcp-worker --help       say more
";

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let clock = Clock::start();
    let result = match arguments.command {
        None => match Inherited::take() {
            Ok(inherited) => in_runtime(supervised::serve(inherited, open, clock), |error| {
                if error.is_hopeless() { HOPELESS } else { FAILED }
            }),
            Err(InheritError::NotSupervised) => {
                print(BY_HAND);
                return ExitCode::from(USAGE);
            }
            Err(error) => Err((FAILED, chain(&error))),
        },
        Some(Command::Stdio { scale, log_level, log_format }) => {
            let settings = Settings {
                warehouse: WarehouseSettings::Embedded { scale },
                logs: LogSettings {
                    level: log_level.into(),
                    format: log_format.into(),
                    ..LogSettings::default()
                },
                ..Settings::default()
            };
            in_runtime(stdio::serve(settings, open, clock), |_error| FAILED)
        }
        Some(Command::Login(login)) => log_in(login, clock),
        Some(Command::SqlCheck { level, jsonl, fail_on_refused }) => {
            let refusal = if fail_on_refused { REFUSED } else { 0 };
            check_statements(
                if jsonl { sql_check::lines } else { sql_check::whole },
                level,
                refusal,
            )
        }
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err((code, reason)) => {
            print(&format!("error: {reason}\n"));
            ExitCode::from(code)
        }
    }
}

/// Lets a person log in.
fn log_in(login: Login, clock: Clock) -> Result<(), (u8, String)> {
    let Login { account, user, host, run_directory, again, no_browser, timeout } = login;
    let patience = Duration::from_secs(timeout);
    let wanted = Wanted { account, user, host, run_directory, again, patience };
    let screen = if no_browser { Screen::none() } else { settings::screen() };
    let lines = typed();
    let logging_in = async move {
        let say = &mut |words: &str| print(&format!("{words}\n"));
        browser::log_in(&wanted, clock, Terminal { say, lines, screen: &screen }).await
    };
    in_runtime(logging_in, |_error| FAILED)
}

/// What is typed or pasted meanwhile. A thread of its own, for nothing else ends such a read.
fn typed() -> mpsc::Receiver<String> {
    let (tell, lines) = mpsc::channel(1);
    std::thread::spawn(move || {
        for line in io::stdin().lines().map_while(Result::ok) {
            if tell.blocking_send(line).is_err() {
                return;
            }
        }
    });
    lines
}

/// Serves; of a failure, the exit code and the words.
fn in_runtime<E: std::error::Error>(
    serving: impl Future<Output = Result<(), E>>,
    code: fn(&E) -> u8,
) -> Result<(), (u8, String)> {
    // One thread serves: a request is mostly waiting, and to hand it from thread to thread costs more
    // than to answer it. A worker is one of several, and each of those has a core of its own.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| (FAILED, format!("cannot start the runtime: {error}")))?;
    let result = runtime.block_on(serving).map_err(|error| (code(&error), chain(&error)));
    // A read of standard input or the making of sample data may still occupy a thread.
    runtime.shutdown_background();
    result
}

/// Decides what comes in.
fn check_statements(check: Check, level: Reach, refusal: u8) -> Result<(), (u8, String)> {
    match check(io::stdin(), io::stdout().lock(), level.into()) {
        Ok(tally) if tally.unreadable > 0 => {
            let lines = tally.unreadable;
            Err((FAILED, format!("{lines} of the lines hold no statement; see `error` there")))
        }
        Ok(tally) if tally.refused > 0 && refusal != 0 => {
            Err((refusal, format!("{} of the statements were refused", tally.refused)))
        }
        Ok(_) => Ok(()),
        Err(error) => Err((FAILED, format!("cannot read statements or write decisions: {error}"))),
    }
}

/// To standard error: standard output belongs to the protocol.
#[expect(clippy::print_stderr, reason = "this is the one printer")]
fn print(text: &str) {
    eprint!("{text}");
}
