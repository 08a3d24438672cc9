//! Evaluates a PM2 file that is a program: `node` runs it and prints what it exports as JSON.
//!
//! A process is started here and not in `spawn`, because it is no worker: it has no slot, no log and
//! no socket, belongs to a command at a terminal, and is over within a deadline. Only `import pm2`
//! comes here; the supervisor itself never runs JavaScript.

use std::io::{self, Read};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

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
    let child = command
        .args(["--input-type=commonjs", "--eval", SCRIPT, "--"])
        .arg(file)
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn();
    let mut child = child.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => JavaScriptError::NoNode,
        _ => JavaScriptError::Start(error),
    })?;
    let (tell, told) = mpsc::channel();
    let errors = child.stderr.take().map(read_all);
    if let Some(mut output) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut text = String::new();
            let read = Read::by_ref(&mut output).take(ANSWER_BYTES_MAX).read_to_string(&mut text);
            // Nobody waits any more when the deadline has passed.
            let _ = tell.send(read.map(|_| text));
        });
    }
    let Ok(text) = told.recv_timeout(TIME_MAX) else {
        let _ = child.kill();
        let _ = child.wait();
        return Err(JavaScriptError::TooLong);
    };
    let text = text.map_err(JavaScriptError::Start)?;
    let status = child.wait().map_err(JavaScriptError::Start)?;
    if !status.success() {
        let words = errors.and_then(|errors| errors.join().ok()).unwrap_or_default();
        return Err(JavaScriptError::Failed { words: words.trim().to_owned() });
    }
    // Whatever the file itself printed stands above.
    Ok(text.lines().last().unwrap_or_default().to_owned())
}

fn read_all(mut from: impl Read + Send + 'static) -> std::thread::JoinHandle<String> {
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // Half of it is better than nothing.
        let _ = Read::by_ref(&mut from).take(ANSWER_BYTES_MAX).read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}
