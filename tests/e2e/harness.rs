//! A house: a configuration, a supervisor, and what tests ask of them.
#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for conditions")]

#[path = "../skip.rs"]
mod skipping;

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::pty::{PtyMaster, grantpt, posix_openpt, ptsname_r, unlockpt};
use serde_json::Value;

pub(crate) use skipping::skip;

/// How long a condition may take to come true on a slow machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Variables of the machine that would say something about a configuration.
const STRANGERS: [&str; 6] =
    ["MCP_ENV", "ENVIRONMENT", "LOG_LEVEL", "SERVER_HOST", "SERVER_PORT", "SERVER_WORKERS"];

/// A directory with a configuration, and perhaps a supervisor in it.
pub(crate) struct House {
    directory: tempfile::TempDir,
}

impl House {
    /// A house with this configuration. `FAULT_WORKER` and `PRINTER` in it become those programs'
    /// paths.
    pub(crate) fn new(configuration: &str) -> House {
        let house = House { directory: tempfile::tempdir().unwrap() };
        house.write(configuration);
        house
    }

    /// A house with one app `query` of fault workers that share a listener.
    pub(crate) fn with_workers(instances: u32, faults: &str, more: &str) -> House {
        House::new(&query(instances, faults, more))
    }

    pub(crate) fn write(&self, configuration: &str) {
        let worker = fault_worker().display().to_string();
        let printer = built("printer").display().to_string();
        let text = configuration.replace("FAULT_WORKER", &worker).replace("PRINTER", &printer);
        std::fs::write(self.path("ecosystem.toml"), text).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a command and returns what it said.
    pub(crate) fn run(&self, arguments: &[&str]) -> Said {
        Said::from(self.command(arguments).output().unwrap())
    }

    /// A command that is not run yet.
    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-supervisor"));
        command
            .arg("--config")
            .arg(self.path("ecosystem.toml"))
            .args(arguments)
            .stdin(Stdio::null())
            .current_dir("/");
        for variable in STRANGERS {
            command.env_remove(variable);
        }
        command
    }

    /// Starts the supervisor in the background; every worker must be ready.
    pub(crate) fn start(&self) -> Said {
        let said = self.run(&["start"]);
        assert_eq!(said.code, Some(0), "{said:?}\n{}", self.logs());
        said
    }

    /// The picture, as JSON.
    pub(crate) fn status(&self) -> Value {
        let said = self.run(&["status", "--json"]);
        assert_eq!(said.code, Some(0), "{said:?}\n{}", self.logs());
        serde_json::from_str(&said.out).unwrap()
    }

    /// The slots of the app `query`.
    pub(crate) fn slots(&self) -> Vec<Value> {
        self.status()["apps"][0]["slots"].as_array().unwrap().clone()
    }

    /// The process ids of the app `query`, by slot.
    pub(crate) fn pids(&self) -> Vec<u64> {
        self.slots().iter().filter_map(|slot| slot["pid"].as_u64()).collect()
    }

    /// The address that the app `query` shares.
    pub(crate) fn address(&self) -> SocketAddr {
        self.status()["apps"][0]["listen"].as_str().unwrap().parse().unwrap()
    }

    /// Waits until the picture is as wanted.
    pub(crate) fn wait_until(&self, what: &str, condition: impl Fn(&Value) -> bool) -> Value {
        let mut last = Value::Null;
        wait_for(&format!("{what} in {}", self.directory.path().display()), || {
            last = self.status();
            condition(&last)
        });
        last
    }

    /// Everything that was logged, for the words of a failure.
    pub(crate) fn logs(&self) -> String {
        let Ok(entries) = std::fs::read_dir(self.path("logs")) else { return String::new() };
        entries
            .flatten()
            .map(|entry| {
                let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
                format!("--- {}\n{text}\n", entry.file_name().display())
            })
            .collect()
    }
}

impl Drop for House {
    fn drop(&mut self) {
        let socket = self.path("run/supervisor.sock");
        if socket.exists() {
            let said = self.run(&["stop"]);
            if said.code != Some(0) && !std::thread::panicking() {
                panic!("cannot stop: {said:?}\n{}", self.logs());
            }
        }
        let left = processes_of(&self.path("run/supervisor.sock"));
        for pid in &left {
            let _ = Command::new("kill").arg("-9").arg(pid.to_string()).status();
        }
        if !std::thread::panicking() {
            assert!(left.is_empty(), "processes are left behind: {left:?}\n{}", self.logs());
            assert!(!socket.exists(), "the socket is left behind");
        }
    }
}

/// What a command said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        Said {
            code: output.status.code(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// The same, which is taken in by itself when it changes.
pub(crate) fn watched_query(instances: u32, faults: &str, more: &str) -> String {
    query(instances, faults, more).replace("watch = false\n", "")
}

/// A configuration with one app `query` of fault workers. A test that writes another one says
/// itself when it is read.
pub(crate) fn query(instances: u32, faults: &str, more: &str) -> String {
    let arguments: Vec<String> =
        faults.split_whitespace().map(|argument| format!(", {argument:?}")).collect();
    format!(
        "[supervisor]\nmetrics = \"off\"\nwatch = false\n\n[apps.query]\nexec = [\"FAULT_WORKER\"{}]\n\
         ready = \"link\"\nlisten = \"127.0.0.1:0\"\ninstances = {instances}\n{more}\n",
        arguments.concat()
    )
}

/// Where the misbehaving worker was built.
pub(crate) fn fault_worker() -> PathBuf {
    built("fault_worker")
}

fn built(example: &str) -> PathBuf {
    let own = Path::new(env!("CARGO_BIN_EXE_mcp-supervisor"));
    let path = own.parent().unwrap().join("examples").join(example);
    assert!(path.exists(), "{} is not built: run `cargo test -p mcp-supervisor`", path.display());
    path
}

/// Waits for a condition; fails with its name when its time is over.
pub(crate) fn wait_for(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    let (_never, pause) = std::sync::mpsc::channel::<()>();
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        let _ = pause.recv_timeout(Duration::from_millis(5));
    }
}

/// Processes that were started by the supervisor of this socket.
pub(crate) fn processes_of(socket: &Path) -> Vec<i32> {
    let wanted = format!("MCP_SUPERVISOR_SOCKET={}", socket.display());
    std::fs::read_dir("/proc")
        .unwrap()
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|pid| {
            let environ = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environ.split(|byte| *byte == 0).any(|entry| entry == wanted.as_bytes())
        })
        .collect()
}

/// True while the process runs; a zombie does not.
pub(crate) fn alive(pid: u64) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/stat"))
        .is_ok_and(|stat| !stat.rsplit(')').next().unwrap_or("").trim_start().starts_with('Z'))
}

/// A pseudo terminal: the side of a person, which never waits, and that of a program.
pub(crate) fn terminal() -> (PtyMaster, File) {
    // Other tests start programs meanwhile, which must not hold this terminal open.
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let person = posix_openpt(flags).unwrap();
    grantpt(&person).unwrap();
    unlockpt(&person).unwrap();
    let name = ptsname_r(&person).unwrap();
    let flags = OFlag::O_NOCTTY.bits();
    let program = OpenOptions::new().read(true).write(true).custom_flags(flags).open(name).unwrap();
    (person, program)
}

pub(crate) fn signal(name: &str, pid: u64) {
    let status = Command::new("kill").arg(name).arg(pid.to_string()).status().unwrap();
    assert!(status.success(), "kill {name} {pid}");
}

/// A plain request, as a browser's.
pub(crate) const GET: &str = "GET / HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n";

/// A plain request on a connection of its own; the body, or why there is none.
pub(crate) fn get(address: SocketAddr) -> Result<String, String> {
    send(address, GET)
}

/// Any request on a connection of its own; the body, or why there is none.
pub(crate) fn send(address: SocketAddr, request: &str) -> Result<String, String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).map_err(|e| e.to_string())?;
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(request.as_bytes()).map_err(|error| format!("cannot send: {error}"))?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).map_err(|error| format!("cannot read: {error}"))?;
    match answer.split_once("\r\n\r\n") {
        Some((head, body)) if head.starts_with("HTTP/1.1 200") => Ok(body.to_owned()),
        _ => Err(format!("not an answer: {answer:?}")),
    }
}

/// Clients that ask without a pause, each request on a connection of its own.
pub(crate) struct Load {
    over: Arc<AtomicBool>,
    answered: Arc<AtomicU64>,
    threads: Vec<JoinHandle<Vec<String>>>,
}

impl Load {
    pub(crate) fn start(address: SocketAddr, clients: usize) -> Load {
        Load::of(address, clients, GET.to_owned())
    }

    /// The same with any request.
    pub(crate) fn of(address: SocketAddr, clients: usize, request: String) -> Load {
        let over = Arc::new(AtomicBool::new(false));
        let answered = Arc::new(AtomicU64::new(0));
        let threads = (0..clients)
            .map(|_| {
                let (over, answered) = (Arc::clone(&over), Arc::clone(&answered));
                let request = request.clone();
                std::thread::spawn(move || {
                    let mut failures = Vec::new();
                    while !over.load(Ordering::Relaxed) {
                        match send(address, &request) {
                            Ok(_) => {
                                answered.fetch_add(1, Ordering::Relaxed);
                            }
                            Err(why) => failures.push(why),
                        }
                    }
                    failures
                })
            })
            .collect();
        Load { over, answered, threads }
    }

    /// Requests that were answered so far.
    pub(crate) fn answered(&self) -> u64 {
        self.answered.load(Ordering::Relaxed)
    }

    /// Ends it: how many were answered, and what failed.
    pub(crate) fn stop(self) -> (u64, Vec<String>) {
        self.over.store(true, Ordering::Relaxed);
        let failures = self.threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect();
        (self.answered.load(Ordering::Relaxed), failures)
    }
}
