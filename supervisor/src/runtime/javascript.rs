//! Evaluates a PM2 file that is a program: `node` runs it and prints what it exports as JSON.
//!
//! A process is started here and not in `spawn`, because it is no worker: it has no slot, no log and
//! no socket, belongs to a command at a terminal, and is over within a deadline. Only `import pm2`
//! comes here; the supervisor itself never runs JavaScript.
#![expect(unsafe_code, reason = "what dies with us is said between fork and exec")]

use std::io::{self, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;

use crate::runtime::clock::Clock;

/// How long a configuration may take to be evaluated.
const TIME_MAX: Duration = Duration::from_secs(10);
/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// Loads the file as CommonJS or as a module, and prints its export as the last line. What JSON
/// does not have becomes a text, a function a table with that word, nothing null, so that it is seen instead of lost.
const SCRIPT: &str = r#"
const { pathToFileURL } = require("node:url");
const plain = (_, value) =>
  value instanceof RegExp ? String(value)
  : typeof value === "function" ? { "[a function]": null }
  : value === undefined || typeof value === "symbol" ? null
  : typeof value === "bigint" ? String(value)
  : typeof value === "number" && !Number.isFinite(value) ? "unlimited"
  : value;
const answer = (exported) =>
  process.stdout.write("\n" + JSON.stringify(exported, plain), () => process.exit(0));
import(pathToFileURL(process.argv[1])).then(
  (module) => answer(module.default ?? module),
  (error) => { console.error(String(error?.stack ?? error)); process.exit(1); },
);
"#;

/// Why a program did not become a configuration.
#[derive(Debug, thiserror::Error)]
pub enum JavaScriptError {
    /// Nobody here can run it.
    #[error(
        "it is a program, and there is no node in PATH to run it; where there is one, \
         `node -p 'JSON.stringify(require(\"./ecosystem.config.js\"))' > ecosystem.json` makes a \
         file that can be imported, and so does `pm2 save`, which writes ~/.pm2/dump.pm2"
    )]
    NoNode,
    /// The system refuses.
    #[error("node cannot be started")]
    Start(#[source] io::Error),
    /// The program failed.
    #[error("node could not load it:\n{words}")]
    Failed {
        /// What node said.
        words: String,
    },
    /// The program goes on.
    #[error("it was not loaded within {} s; a configuration waits for nothing", TIME_MAX.as_secs())]
    TooLong,
}

/// What the file exports, as JSON.
///
/// # Errors
/// When there is no node, or when the file fails, or goes on for too long.
pub fn evaluate(file: &Path) -> Result<String, JavaScriptError> {
    #[expect(clippy::disallowed_methods, reason = "the one place where node is started")]
    let mut command = Command::new("node");
    let directory = file.parent().unwrap_or(Path::new("/"));
    command.args(["--input-type=commonjs", "--eval", SCRIPT, "--"]).arg(file);
    // Whatever the file itself printed stands above.
    let text = answer(command.current_dir(directory), TIME_MAX)?;
    Ok(text.lines().last().unwrap_or_default().to_owned())
}

/// What becomes known of a program that runs, each at its own time.
enum News {
    Output(io::Result<String>),
    Errors(String),
    Ended,
}

/// What a program prints until it ends. All of it has one deadline, for a program can close its
/// output and go on, or end and leave somebody behind who holds it open.
fn answer(command: &mut Command, time_max: Duration) -> Result<String, JavaScriptError> {
    let clock = Clock::start();
    let mut child = start(command)?;
    let group = Pid::from_raw(child.id().cast_signed());
    let told = listen(&mut child, group);
    let (mut output, mut errors, mut ended) = (None, None, None);
    loop {
        match told.recv_timeout(time_max.saturating_sub(clock.elapsed())) {
            Ok(News::Output(text)) => output = Some(text.map_err(JavaScriptError::Start)?),
            Ok(News::Errors(words)) => errors = Some(words),
            Ok(News::Ended) => {
                // It is not reaped yet, so its group's id is its own. Whoever is left in there
                // holds the streams open.
                let _ = killpg(group, Signal::SIGKILL);
                ended = Some(child.wait().map_err(JavaScriptError::Start)?);
            }
            Err(_) => {
                if ended.is_none() {
                    let _ = killpg(group, Signal::SIGKILL);
                    let _ = child.wait();
                }
                return Err(JavaScriptError::TooLong);
            }
        }
        match (ended, &output, &errors) {
            (Some(status), Some(_), _) if status.success() => return Ok(output.unwrap_or_default()),
            (Some(status), _, Some(words)) if !status.success() => {
                return Err(JavaScriptError::Failed { words: words.trim().to_owned() });
            }
            (Some(_) | None, _, _) => {}
        }
    }
}

/// Starts it as the leader of a group, which is killed with it.
fn start(command: &mut Command) -> Result<Child, JavaScriptError> {
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0);
    // A terminal's Ctrl-C does not reach another group.
    // SAFETY: prctl is a plain system call, and neither allocates nor takes a lock.
    unsafe { command.pre_exec(|| Ok(set_pdeathsig(Signal::SIGKILL)?)) };
    command.spawn().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => JavaScriptError::NoNode,
        _ => JavaScriptError::Start(error),
    })
}

/// Hears of its streams and its end. Nobody waits for the threads when the deadline has passed.
fn listen(child: &mut Child, pid: Pid) -> mpsc::Receiver<News> {
    let (tell, told) = mpsc::channel();
    let tellers = (tell.clone(), tell.clone());
    if let Some(output) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut text = String::new();
            let read = output.take(ANSWER_BYTES_MAX).read_to_string(&mut text);
            let _ = tellers.0.send(News::Output(read.map(|_| text)));
        });
    }
    if let Some(errors) = child.stderr.take() {
        std::thread::spawn(move || {
            let mut bytes = Vec::new();
            // Half of it is better than nothing.
            let _ = errors.take(ANSWER_BYTES_MAX).read_to_end(&mut bytes);
            let _ = tellers.1.send(News::Errors(String::from_utf8_lossy(&bytes).into_owned()));
        });
    }
    std::thread::spawn(move || {
        let ended = WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT;
        while waitid(Id::Pid(pid), ended) == Err(Errno::EINTR) {}
        let _ = tell.send(News::Ended);
    });
    told
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a shell's script answers.
    fn shell(script: &str, time_max: Duration) -> Result<String, JavaScriptError> {
        #[expect(clippy::disallowed_methods, reason = "tests start programs")]
        let mut command = Command::new("sh");
        answer(command.args(["-c", script]), time_max)
    }

    const SOON: Duration = Duration::from_millis(200);
    const PATIENCE: Duration = Duration::from_secs(30);

    #[test]
    fn whoever_goes_on_ends_at_the_deadline() {
        for script in ["sleep 1000", "exec >&-; sleep 1000", "exec >&- 2>&-; sleep 1000"] {
            let clock = Clock::start();
            let said = shell(script, SOON);
            assert!(matches!(said, Err(JavaScriptError::TooLong)), "{script}: {said:?}");
            assert!(clock.elapsed() < PATIENCE, "{script}");
        }
    }

    #[test]
    fn whoever_is_left_behind_holds_nothing_open() {
        let said = shell("sleep 1000 & echo why >&2; exit 3", PATIENCE);
        let Err(JavaScriptError::Failed { words }) = said else { panic!("{said:?}") };
        assert_eq!(words, "why");
        assert_eq!(shell("sleep 1000 & echo yes", PATIENCE).unwrap(), "yes\n");
    }

    #[test]
    fn whoever_left_the_group_is_not_waited_for() {
        // It holds the error stream open, out of our reach; the last line ends it.
        let kept = tempfile::NamedTempFile::new().unwrap();
        let script = format!(
            "setsid sh -c 'echo $$ >{0}; exec sleep 1000' >&- & \
             until [ -s {0} ]; do sleep 0.01; done; exit 3",
            kept.path().display()
        );
        let said = shell(&script, Duration::from_secs(1));
        let pid = std::fs::read_to_string(kept.path()).unwrap().trim().parse().unwrap();
        nix::sys::signal::kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        assert!(matches!(said, Err(JavaScriptError::TooLong)), "{said:?}");
    }
}
