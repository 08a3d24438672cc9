//! Programs of others that judge our metrics; where they are absent, they are fetched below the
//! target directory, once.
#![expect(clippy::disallowed_methods, reason = "they are programs of their own")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Mutex;

/// The library whose parser reads OpenMetrics as the standard has it.
const PARSER: &str = "prometheus_client==0.22.1";

/// Two tests that want a program at once fetch it one after the other.
static TURN: Mutex<()> = Mutex::new(());

/// A program, and where it finds its modules.
pub(crate) struct Tool {
    program: PathBuf,
    path: Option<PathBuf>,
}

impl Tool {
    /// A command that is not run yet.
    pub(crate) fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        if let Some(path) = &self.path {
            command.env("PYTHONPATH", path);
        }
        command
    }
}

/// Prometheus' own tool.
pub(crate) fn promtool() -> Option<Tool> {
    of_prometheus("promtool")
}

/// Prometheus itself.
pub(crate) fn prometheus() -> Option<Tool> {
    of_prometheus("prometheus")
}

/// A program of Prometheus, from the system or from its Debian package.
fn of_prometheus(name: &str) -> Option<Tool> {
    let _turn = TURN.lock();
    if succeeds(Command::new(name).arg("--version")) {
        return Some(Tool { program: name.into(), path: None });
    }
    let directory = directory("prometheus");
    let program = directory.join("usr/bin").join(name);
    if !program.exists() {
        fs::create_dir_all(&directory).ok()?;
        // The list of packages may be older than the archive.
        succeeds(Command::new("apt-get").args(["update", "--quiet"]));
        let download = ["download", "--quiet", "prometheus"];
        succeeds(Command::new("apt-get").args(download).current_dir(&directory)).then_some(())?;
        let packages = fs::read_dir(&directory).ok()?.flatten().map(|entry| entry.path());
        let package = packages.into_iter().find(|path| path.extension() == Some("deb".as_ref()))?;
        succeeds(Command::new("dpkg-deb").arg("-x").arg(package).arg(&directory)).then_some(())?;
    }
    Some(Tool { program, path: None })
}

/// A Python that has the parser.
pub(crate) fn python_with_parser() -> Option<Tool> {
    let _turn = TURN.lock();
    let directory = directory(&PARSER.replace("==", "-"));
    if !directory.join("prometheus_client").exists() {
        let install = ["-m", "pip", "install", "--quiet", "--no-deps", PARSER, "--target"];
        succeeds(Command::new("python3").args(install).arg(&directory)).then_some(())?;
    }
    Some(Tool { program: "python3".into(), path: Some(directory) })
}

/// What a tool says to this input, on both of its streams. That it finds fault is no failure.
pub(crate) fn fed(tool: &Tool, arguments: &[&str], input: &str) -> String {
    let mut command = tool.command();
    command.args(arguments).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // Its output fits into a pipe, so that it reads all before anyone has to read it.
    stdin.write_all(input.as_bytes()).unwrap();
    drop(stdin);
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

fn directory(name: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_BIN_EXE_mcp-supervisor"));
    own.parent().expect("a program lies in a directory").join("tools").join(name)
}

fn succeeds(command: &mut Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}
