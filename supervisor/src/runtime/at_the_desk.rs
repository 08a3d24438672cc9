//! `login`: the worker's program in the foreground, before the person who typed the command.
//!
//! It has our terminal and our environment, for a browser needs both; no run, no slot and no link.

use std::io;
use std::path::Path;
use std::process::Command;

/// Who is to log in where.
#[derive(Debug)]
pub struct LoginOf<'a> {
    /// The account.
    pub account: &'a str,
    /// The user.
    pub user: &'a str,
    /// The name to connect to, where it is not made from the account.
    pub host: Option<&'a str>,
    /// Where the login is kept.
    pub run_directory: &'a Path,
    /// Also when the login that is kept is still good.
    pub again: bool,
    /// Print the address alone.
    pub no_browser: bool,
}

/// Lets a person log in; true when that went well. What is wrong has been said.
///
/// # Errors
/// When the program cannot be started.
pub fn log_in(program: &Path, login: &LoginOf<'_>) -> io::Result<bool> {
    #[expect(clippy::disallowed_methods, reason = "the one place where a worker's program logs in")]
    let mut command = Command::new(program);
    // With `=`: a value may begin with a dash.
    command.arg("login").arg(format!("--account={}", login.account));
    command.arg(format!("--user={}", login.user));
    if let Some(host) = login.host {
        command.arg(format!("--host={host}"));
    }
    command.arg("--run-directory").arg(login.run_directory);
    if login.again {
        command.arg("--again");
    }
    if login.no_browser {
        command.arg("--no-browser");
    }
    Ok(command.status()?.success())
}
