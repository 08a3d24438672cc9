//! Asks workers whether they are well: by a connection, a page, or a command that ends with 0.
//!
//! A probe is a task beside its run; it is there only for apps that have one, and it ends with its
//! run. It tells what it met and judges nothing.

use std::collections::BTreeSet;
use std::ffi::CString;
use std::io;
use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nix::fcntl::OFlag;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::io::unix::AsyncFd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::unix::pipe;
use tokio::sync::mpsc;

use crate::machine::{Exit, RunId};
use crate::runtime::birth_failure::{Named, exec_failure};
use crate::runtime::clock::{in_time, pause};
use crate::runtime::hands::nothing;
use crate::runtime::news::News;
use crate::runtime::notification::harmless;
use crate::runtime::processes::exit_of;
use crate::runtime::spawn::{Launch, Spawned, spawn, watchable};

/// How much of an answer is read: its first line is in there.
const ANSWER_BYTES_MAX: usize = 1024;
/// How much of the end of a command's output is kept.
const OUTPUT_BYTES_MAX: usize = 4096;
/// How much of a failure's words is kept.
const WHY_CHARS_MAX: usize = 200;

/// How one run is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Probe {
    pub(crate) target: Target,
    /// The pause between two tries.
    pub(crate) interval: Duration,
    /// How long one try may take.
    pub(crate) timeout: Duration,
    /// The pause between two tries until the first success.
    pub(crate) start_interval: Duration,
}

/// What is tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Tcp(SocketAddr),
    Http(SocketAddr, String),
    Command(Arc<Order>),
    /// Nothing can be: the words say why.
    Nothing(String),
}

/// A command, ready to be handed to the kernel.
#[derive(Debug)]
pub(crate) struct Order {
    pub(crate) named: Named,
    pub(crate) arguments: Vec<CString>,
    pub(crate) variables: Vec<CString>,
    pub(crate) helpers: Helpers,
}

impl PartialEq for Order {
    fn eq(&self, other: &Order) -> bool {
        let named = |order: &Order| {
            let Named { program, working_directory, process } = &order.named;
            (program.clone(), working_directory.clone(), process.clone())
        };
        named(self) == named(other)
            && self.arguments == other.arguments
            && self.variables == other.variables
    }
}

impl Eq for Order {}

/// Commands that run: nobody but us may reap them, or their exit would be lost.
#[derive(Debug, Clone, Default)]
pub(crate) struct Helpers(Arc<Mutex<BTreeSet<i32>>>);

impl Helpers {
    /// Whether this process is one of them.
    pub(crate) fn has(&self, pid: Pid) -> bool {
        self.all().contains(&pid.as_raw())
    }

    fn all(&self) -> MutexGuard<'_, BTreeSet<i32>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Probe {
    /// Tries until the first success, which means that the run is ready.
    pub(crate) async fn until_ready(self, run: RunId, inbox: mpsc::Sender<News>) {
        let mut told = None;
        loop {
            let news = match self.attempt().await {
                Ok(()) => {
                    let _ = inbox.send(News::Ready { run }).await;
                    return;
                }
                Err(why) if told.as_ref() == Some(&why) => None,
                Err(why) => {
                    told = Some(why.clone());
                    Some(News::Hindered { run, why })
                }
            };
            if let Some(news) = news
                && inbox.send(news).await.is_err()
            {
                return;
            }
            pause(self.start_interval).await;
        }
    }

    /// Tries again and again, and tells each time what it met.
    pub(crate) async fn while_serving(self, run: RunId, inbox: mpsc::Sender<News>) {
        loop {
            pause(self.interval).await;
            let news = match self.attempt().await {
                Ok(()) => News::ProbePassed { run },
                Err(why) => News::ProbeFailed { run, why },
            };
            if inbox.send(news).await.is_err() {
                return;
            }
        }
    }

    /// One try.
    async fn attempt(&self) -> Result<(), String> {
        let limit = in_time(self.timeout);
        let late = |what: &str| format!("{what} within {:?}", self.timeout);
        match &self.target {
            Target::Tcp(address) => tokio::time::timeout_at(limit, connect(*address))
                .await
                .map_err(|_| late(&format!("{address} took no connection")))?
                .map(drop),
            Target::Http(address, path) => tokio::time::timeout_at(limit, ask(*address, path))
                .await
                .map_err(|_| late(&format!("http://{address}{path} gave no answer")))?,
            Target::Command(order) => {
                let command = order.start()?;
                tokio::time::timeout_at(limit, command.outcome())
                    .await
                    .map_err(|_| late(&format!("`{}` did not end", order.program())))?
            }
            Target::Nothing(why) => Err(why.clone()),
        }
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, String> {
    let connected = TcpStream::connect(address).await;
    connected.map_err(|error| format!("cannot connect to {address}: {error}"))
}

/// Asks for a page; only the status of the answer is looked at.
async fn ask(address: SocketAddr, path: &str) -> Result<(), String> {
    let mut stream = connect(address).await?;
    let broken = |error: io::Error| format!("http://{address}{path} broke off: {error}");
    let request = format!(
        "GET {path} HTTP/1.1\r\nhost: {address}\r\nuser-agent: mcp-supervisor\r\n\
         accept: */*\r\nconnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.map_err(broken)?;
    let mut answer = Vec::new();
    let mut bytes = [0u8; 256];
    while !answer.contains(&b'\n') && answer.len() < ANSWER_BYTES_MAX {
        match stream.read(&mut bytes).await.map_err(broken)? {
            0 => break,
            count => answer.extend_from_slice(&bytes[..count]),
        }
    }
    let line = answer.split(|byte| *byte == b'\n').next().unwrap_or_default();
    let line = harmless(line, WHY_CHARS_MAX);
    // Whoever listens there may be anybody: the version is as long as they please.
    let words = line.strip_prefix("HTTP/1.").and_then(|rest| rest.split_once(' '));
    let words = words.map_or("", |(_, words)| words);
    match words.split(' ').next().and_then(|status| status.parse::<u16>().ok()) {
        Some(200..400) => Ok(()),
        Some(_) => Err(format!("http://{address}{path} answered {words}")),
        None => Err(format!("http://{address}{path} gave an answer that is not HTTP: {line:?}")),
    }
}

impl Order {
    fn program(&self) -> String {
        self.named.program.to_string_lossy().into_owned()
    }

    fn start(self: &Arc<Order>) -> Result<Command, String> {
        let failed = |error: io::Error| format!("cannot start `{}`: {error}", self.program());
        let (output, spawned) = self.launch().map_err(failed)?;
        self.follow(output, spawned).map_err(failed)
    }

    /// Hands it to the kernel.
    fn launch(&self) -> io::Result<(pipe::Receiver, Spawned)> {
        let (output, writer) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        let input = nothing()?;
        let launch = Launch {
            named: &self.named,
            arguments: self.arguments.clone(),
            variables: self.variables.clone(),
            pid_variables: Vec::new(),
            listener: None,
            ready_pipe: None,
            output: writer.as_fd(),
            errors: writer.as_fd(),
            input: input.as_fd(),
            lock: None,
            cgroup: None,
        };
        let output = pipe::Receiver::from_owned_fd(output)?;
        Ok((output, spawn(&launch)?))
    }

    /// Waits for it from now on, or ends it.
    fn follow(self: &Arc<Order>, output: pipe::Receiver, spawned: Spawned) -> io::Result<Command> {
        let Spawned { pid, pidfd, report } = spawned;
        let report = pipe::Receiver::from_owned_fd(report);
        match report.and_then(|report| Ok((report, watchable(pidfd)?))) {
            Ok((report, pidfd)) => {
                self.helpers.all().insert(pid.as_raw());
                Ok(Command { order: Arc::clone(self), pid, pidfd: Some(pidfd), output, report })
            }
            Err(error) => {
                // Never one of the helpers, it is reaped as a stranger.
                let _ = killpg(pid, Signal::SIGKILL);
                Err(error)
            }
        }
    }

    /// Ends whoever is left of a command's group, and tells how it ended itself.
    fn reap(&self, pid: Pid, pidfd: &AsyncFd<OwnedFd>) -> Option<Exit> {
        // It is a zombie still, so its group's id is its own.
        let _ = killpg(pid, Signal::SIGKILL);
        let ended = waitid(Id::PIDFd(pidfd.get_ref().as_fd()), WaitPidFlag::WEXITED);
        self.helpers.all().remove(&pid.as_raw());
        exit_of(ended.ok()?)
    }
}

/// A command that runs. Whatever becomes of us, it ends with its group, and is reaped.
struct Command {
    order: Arc<Order>,
    pid: Pid,
    /// There until it was reaped.
    pidfd: Option<AsyncFd<OwnedFd>>,
    output: pipe::Receiver,
    report: pipe::Receiver,
}

impl Command {
    /// Waits for its end.
    async fn outcome(mut self) -> Result<(), String> {
        let mut report = Vec::new();
        let _ = self.report.read_to_end(&mut report).await;
        let mut output = Vec::new();
        if let Some(pidfd) = &self.pidfd {
            let mut open = true;
            let mut bytes = [0u8; OUTPUT_BYTES_MAX];
            loop {
                tokio::select! {
                    biased;
                    read = self.output.read(&mut bytes), if open => match read {
                        Ok(count @ 1..) => keep_end(&mut output, &bytes[..count]),
                        Ok(0) | Err(_) => open = false,
                    },
                    _ = pidfd.readable() => break,
                }
            }
        }
        let exit = self.pidfd.take().and_then(|pidfd| self.order.reap(self.pid, &pidfd));
        if let Some(why) = exec_failure(&report, &self.order.named) {
            return Err(why);
        }
        match exit {
            Some(Exit::Code(0)) => Ok(()),
            Some(exit) => Err(self.failure(&exit.to_string(), &output)),
            None => Err(self.failure("its end was not seen", &output)),
        }
    }

    fn failure(&self, end: &str, output: &[u8]) -> String {
        let program = self.order.program();
        let blank = |line: &&[u8]| !line.trim_ascii().is_empty();
        match output.split(|byte| *byte == b'\n').rfind(blank) {
            Some(line) => format!("`{program}`: {end}: {}", harmless(line, WHY_CHARS_MAX)),
            None => format!("`{program}`: {end}"),
        }
    }
}

fn keep_end(kept: &mut Vec<u8>, bytes: &[u8]) {
    kept.extend_from_slice(bytes);
    let surplus = kept.len().saturating_sub(OUTPUT_BYTES_MAX);
    kept.drain(..surplus);
}

impl Drop for Command {
    fn drop(&mut self) {
        let Some(pidfd) = self.pidfd.take() else { return };
        let (pid, order) = (self.pid, Arc::clone(&self.order));
        // Not reaped yet, so the id is its own.
        let _ = killpg(pid, Signal::SIGKILL);
        // Without an executor we are at our own end, and whoever comes after us reaps it.
        if let Ok(executor) = tokio::runtime::Handle::try_current() {
            executor.spawn(async move {
                let _ = pidfd.readable().await;
                order.reap(pid, &pidfd);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::ProcessConfig;
    use nix::sys::wait::WaitStatus;

    /// What the probe makes of a page whose server says this.
    async fn asked(answer: &[u8]) -> Result<(), String> {
        let server = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = server.local_addr().unwrap();
        let serve = async {
            let (mut stream, _) = server.accept().await.unwrap();
            // Read first, or the end of the connection would take the answer with it.
            let _ = stream.read(&mut [0; 1024]).await.unwrap();
            stream.write_all(answer).await.unwrap();
        };
        let (said, ()) = tokio::join!(ask(address, "/"), serve);
        said.map_err(|why| why.replace(&format!("http://{address}/ "), ""))
    }

    #[tokio::test]
    async fn an_answer_is_taken_as_it_comes() {
        assert_eq!(asked(b"HTTP/1.1 200 OK\r\n").await, Ok(()));
        assert_eq!(asked(b"HTTP/1.0 302\n").await, Ok(()));
        let failed = |words: &str| Err(format!("answered {words}"));
        assert_eq!(asked(b"HTTP/1.1 503 Not now\r\n").await, failed("503 Not now"));
        assert_eq!(asked(b"HTTP/1.\xff 500 x\r\n").await, failed("500 x"));
        assert_eq!(asked(b"HTTP/1. 500\r\n").await, failed("500"));
        for other in
            [b"".as_slice(), b"\n", b"HTTP/1.", b"HTTP/1.1 ", b"HTTP/1.\xc3 \xff", b"SSH-2.0"]
        {
            let why = asked(other).await.unwrap_err();
            assert!(why.starts_with("gave an answer that is not HTTP"), "{why}");
        }
    }

    #[tokio::test]
    async fn a_command_that_cannot_be_waited_for_is_ended_and_left_to_be_reaped() {
        let program = c"/bin/sleep".to_owned();
        let process = ProcessConfig::default();
        let order = Arc::new(Order {
            named: Named { program: program.clone(), working_directory: c"/".to_owned(), process },
            arguments: vec![program, c"1000".to_owned()],
            variables: Vec::new(),
            helpers: Helpers::default(),
        });
        let (output, mut spawned) = order.launch().unwrap();
        let pid = spawned.pid;
        spawned.report = std::fs::File::open("/dev/null").unwrap().into();
        assert!(order.follow(output, spawned).is_err());
        assert!(!order.helpers.has(pid), "nobody would ever reap it");
        let ended = waitid(Id::Pid(pid), WaitPidFlag::WEXITED).unwrap();
        assert_eq!(ended, WaitStatus::Signaled(pid, Signal::SIGKILL, false));
    }
}
