//! `init`: asks a few questions on a terminal, or takes what flags say, and writes a file.
//!
//! Nothing is written before the last answer, so Ctrl-C leaves nothing behind.

use std::io::{self, BufRead, IsTerminal, Write};
use std::path::Path;

use mcp_supervisor::cli::{self, Cli};
use mcp_supervisor::roads::{self, APP, Choice, Fresh, LISTEN};

use super::CommandError;
use super::import::{deliver, refuse_existing, tell_what_to_mend};

/// Workers of the sample account, and of a program.
const WORKERS: u32 = 2;
const PROGRAMS: u32 = 1;

pub(super) fn init(cli: &Cli, wanted: &cli::Init) -> Result<(), CommandError> {
    let file = wanted.output.as_ref().unwrap_or(&cli.config);
    refuse_existing(file, wanted.force)?;
    let ask = !wanted.says_what() && io::stdin().is_terminal() && io::stderr().is_terminal();
    let fresh = if ask { asked(cli)? } else { told(cli, wanted)? };
    let text = roads::fresh(&fresh);
    deliver(&text, Some(file), wanted.force)?;
    say!("wrote {}", file.display());
    tell_what_to_mend(cli, &text, file)?;
    let config = match file == Path::new(cli::DEFAULT_CONFIG) {
        true => String::new(),
        false => format!(" --config {}", file.display()),
    };
    let environment = cli.env.as_ref().map(|name| format!(" --env {name}")).unwrap_or_default();
    say!("\nnext: mcp-supervisor{config}{environment} check");
    say!("then: mcp-supervisor{config}{environment} start");
    Ok(())
}

/// What the flags say; where they are silent, the sample account.
fn told(cli: &Cli, wanted: &cli::Init) -> Result<Fresh, CommandError> {
    let choice = match &wanted.exec {
        Some(line) => Choice::Program(command(line).map_err(CommandError::Usage)?),
        None => wanted.snowflake_account.clone().map_or(Choice::Sample, Choice::Snowflake),
    };
    let listen = wanted.listen.map(|address| address.to_string());
    let (app, instances, listen) = match &choice {
        Choice::Sample | Choice::Snowflake(_) => {
            (APP.to_owned(), WORKERS, listen.or_else(|| Some(LISTEN.to_owned())))
        }
        Choice::Program(words) => (name_of(words), PROGRAMS, listen),
    };
    Ok(Fresh {
        app: wanted.app.clone().unwrap_or(app),
        choice,
        listen,
        instances: wanted.instances.unwrap_or(instances),
        environment: cli.env.clone(),
    })
}

/// A program and its arguments; what of the line only a shell would understand is said.
fn command(line: &str) -> Result<Vec<String>, String> {
    let words = roads::command(line)?;
    if let Some(unread) = roads::unread(line, &words) {
        say!("{unread}");
    }
    Ok(words)
}

/// A name for an app, from its program: of `python3 server.py` that is `server`.
fn name_of(words: &[String]) -> String {
    let named = words.iter().skip(1).find(|word| word.contains('.') && !word.starts_with('-'));
    let word = named.or(words.first()).map_or("", String::as_str);
    let file = word.rsplit('/').next().unwrap_or_default();
    let stem = file.split('.').next().unwrap_or_default();
    roads::app_name(stem).unwrap_or_else(|_| "app".to_owned())
}

/// Few questions, each with a default that Enter accepts.
fn asked(cli: &Cli) -> Result<Fresh, CommandError> {
    say!(
        "A new configuration. Enter takes what is in brackets, Ctrl-C leaves everything as it is."
    );
    say!("\n  1  the sample account: data to try everything with, without credentials");
    say!("  2  a program of your own");
    let sample = ask("What shall run?", "1", |answer| match answer {
        "1" => Ok(true),
        "2" => Ok(false),
        _ => Err("write 1 or 2".to_owned()),
    })?;
    let choice = match sample {
        true => Choice::Sample,
        false => Choice::Program(ask("Its program and arguments?", "python3 server.py", |line| {
            command(line)
        })?),
    };
    let (name, address, workers) = match &choice {
        Choice::Sample | Choice::Snowflake(_) => (APP.to_owned(), LISTEN, WORKERS),
        Choice::Program(words) => (name_of(words), "none", PROGRAMS),
    };
    let app = ask("What is it called?", &name, roads::app_name)?;
    let question = match sample {
        true => "Where shall it serve?",
        false => "An address that all its workers share, or none if it binds its own port?",
    };
    let listen = ask(question, address, |answer| match answer {
        "none" if !sample => Ok(None),
        address => match address.parse::<std::net::SocketAddr>() {
            Ok(address) => Ok(Some(address.to_string())),
            Err(_) => Err("write an IP address and a port, such as 127.0.0.1:8000".to_owned()),
        },
    })?;
    let instances = ask("How many workers?", &workers.to_string(), |answer| {
        let count = answer.parse().ok().filter(|count| (1..=256).contains(count));
        count.ok_or_else(|| "write a number from 1 to 256".to_owned())
    })?;
    Ok(Fresh { app, choice, listen, instances, environment: cli.env.clone() })
}

/// Asks until the answer is one.
fn ask<T>(
    question: &str,
    default: &str,
    read: impl Fn(&str) -> Result<T, String>,
) -> Result<T, CommandError> {
    loop {
        let mut err = io::stderr().lock();
        let asked = write!(err, "{question} [{default}] ").and_then(|()| err.flush());
        asked.map_err(CommandError::Output)?;
        drop(err);
        let mut line = String::new();
        let read_bytes = io::stdin().lock().read_line(&mut line);
        if read_bytes.map_err(super::system("read the answer"))? == 0 {
            say!();
            return Err(CommandError::Usage("no answer; nothing was written".to_owned()));
        }
        let answer = if line.trim().is_empty() { default } else { line.trim() };
        match read(answer) {
            Ok(value) => return Ok(value),
            Err(words) => say!("  {words}"),
        }
    }
}
