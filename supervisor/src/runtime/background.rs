//! `start` without `--foreground`: the supervisor is started as a process of its own.
//!
//! It prints what goes wrong on its standard error until everything is bound; then it lets go of
//! the terminal. So `start` can tell every failure as if it had happened in the foreground.

use std::fs::OpenOptions;
use std::io::{self, Read};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::{Command, Stdio};

/// What became of the supervisor in the background.
#[derive(Debug)]
pub enum Background {
    /// It listens; from here on it is asked over its socket.
    Listening,
    /// It ended.
    Ended {
        /// Its exit code; none when a signal ended it.
        code: Option<i32>,
        /// What it said.
        words: String,
    },
}

/// Starts ourselves again with `arguments`, and waits until it listens or ended.
///
/// # Errors
/// When our own program cannot be started.
pub fn start_background(arguments: &[&std::ffi::OsStr]) -> io::Result<Background> {
    #[expect(clippy::disallowed_methods, reason = "the one place where we start ourselves")]
    let mut command = Command::new(std::env::current_exe()?);
    let mut child = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut words = String::new();
    if let Some(mut errors) = child.stderr.take() {
        errors.read_to_string(&mut words)?;
    }
    // Its standard error is closed: it listens, or it is ending. Before it listens it has nothing
    // to say but why it cannot.
    if words.is_empty() && child.try_wait()?.is_none() {
        return Ok(Background::Listening);
    }
    Ok(Background::Ended { code: child.wait()?.code(), words })
}

/// Leaves the terminal's session: what happens to it no longer happens to us.
///
/// # Errors
/// When the kernel refuses.
pub fn leave_terminal() -> io::Result<()> {
    nix::unistd::setsid()?;
    Ok(())
}

/// Closes our standard error towards `start`; what we may still print goes to this file.
///
/// # Errors
/// When the file cannot be opened.
pub fn let_go(file: &Path) -> io::Result<()> {
    let stray = OpenOptions::new().append(true).create(true).mode(0o640).open(file);
    // Whatever is wrong with that file: who started us waits for this descriptor to close.
    let file = stray.or_else(|_| OpenOptions::new().write(true).open("/dev/null"))?;
    nix::unistd::dup2_stderr(&file)?;
    Ok(())
}
