//! The supervisor's binary: arguments, then a command, then an exit code. The only printer.
//!
//! Data goes to standard output, words to standard error. Exit codes: 0 done, 1 failed, 2 usage,
//! 78 configuration refused. A reader that goes away (`status | head`) is no failure.

mod commands;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::Parser;
use mcp_supervisor::cli::Cli;

use commands::{CommandError, Exit};

fn main() -> ExitCode {
    match commands::run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(CommandError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => {
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = io::stdout().flush();
            let _ = io::stderr().write_all(error.in_words().as_bytes());
            match error.exit() {
                Exit::Failed => ExitCode::from(1),
                Exit::Usage => ExitCode::from(2),
                Exit::Configuration => ExitCode::from(78),
            }
        }
    }
}
