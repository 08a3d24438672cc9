//! The operator's end of the socket: one wish, then answers until the last one.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use interprocess::local_socket::tokio::Stream;
use mcp_protocol::admin::{Gathered, Wish};
use mcp_protocol::control::{
    AppDescription, AppPlan, ChangesKept, FailureCause, Request, Response, Status, Target,
};
use mcp_protocol::handshake::{Hello, Peer, Welcome};

use crate::runtime::clock::{in_time, pause};
use crate::runtime::orphans::{self, Survivors};
use crate::runtime::proc::Stat;
use crate::runtime::run_lock;
use crate::runtime::socket;
use crate::runtime::start::StartError;
use crate::runtime::wire::{Inbound, WireError, send};

/// How long a supervisor may take to greet.
const GREETING_TIME: Duration = Duration::from_secs(5);
/// How often to look whether a process has gone.
const LOOK_EVERY: Duration = Duration::from_millis(20);
/// How long a supervisor that said goodbye may still be there.
const PARTING_TIME: Duration = Duration::from_secs(10);

/// Why a wish came to nothing.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("no supervisor runs here (nobody listens on `{socket}`){}", remedy(survivors))]
    NotRunning {
        /// The socket.
        socket: PathBuf,
        /// Programs of an earlier one that run on.
        survivors: Survivors,
    },
    /// Somebody has the lock, and nobody listens.
    #[error(
        "a supervisor (pid {pid}) is starting or ending here and does not listen; after a crash it waits until the workers of the earlier one have finished: try again"
    )]
    Busy {
        /// Its process id.
        pid: String,
    },
    /// The socket is there, but not for us.
    #[error("cannot connect to `{socket}`")]
    Connect {
        /// The socket.
        socket: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It does not talk with us.
    #[error("the supervisor refused: {reason}")]
    Refused {
        /// Its words.
        reason: String,
    },
    /// It went away, or said something else than agreed.
    #[error("the supervisor did not answer")]
    Wire(#[from] WireError),
    /// It could not do it.
    #[error("{reason}")]
    Failed {
        /// Its words.
        reason: String,
        /// Whose fault it was.
        cause: FailureCause,
        /// What the program that is to blame wrote last.
        last_output: Vec<String>,
    },
    /// It answered another question.
    #[error("the supervisor gave an answer of another kind; is it of another release? `ping`")]
    OddAnswer,
    /// It said goodbye and is still there.
    #[error("the supervisor (pid {pid}) said that it ended, but its process is still there")]
    StillThere {
        /// Its process id.
        pid: u32,
    },
}

/// What to do where no supervisor runs.
fn remedy(survivors: &Survivors) -> String {
    match survivors.is_empty() {
        true => "; `mcp-supervisor start` starts one".to_owned(),
        false => format!(
            ", and programs of an earlier one run on: {survivors}; `mcp-supervisor start` asks \
             them to leave and starts new ones, `mcp-supervisor stop` ends them"
        ),
    }
}

/// Asks, shows progress on the way, and returns the last picture.
///
/// # Errors
/// See [`AskError`].
pub fn ask(
    socket: &Path,
    request: &Request,
    progress: &mut dyn FnMut(&Status),
) -> Result<Status, AskError> {
    picture(answer(socket, request, progress)?)
}

fn picture(answer: Response) -> Result<Status, AskError> {
    match answer {
        Response::Status(status) | Response::Done(status) => Ok(*status),
        _ => Err(AskError::OddAnswer),
    }
}

/// What a reload would do.
///
/// # Errors
/// See [`AskError`].
pub fn plan(socket: &Path, target: Target) -> Result<Vec<AppPlan>, AskError> {
    match answer(socket, &Request::Plan { target }, &mut |_| {})? {
        Response::Plan(plan) => Ok(plan),
        _ => Err(AskError::OddAnswer),
    }
}

/// Everything about apps.
///
/// # Errors
/// See [`AskError`].
pub fn describe(socket: &Path, target: Target) -> Result<Vec<AppDescription>, AskError> {
    match answer(socket, &Request::Describe { target }, &mut |_| {})? {
        Response::Description(apps) => Ok(apps),
        _ => Err(AskError::OddAnswer),
    }
}

/// What was changed at run time.
///
/// # Errors
/// See [`AskError`].
pub fn changes(socket: &Path) -> Result<ChangesKept, AskError> {
    match answer(socket, &Request::Changes, &mut |_| {})? {
        Response::Changes(changes) => Ok(changes),
        _ => Err(AskError::OddAnswer),
    }
}

/// What the workers of an app, or of all apps, answer to an administrator's wish.
///
/// # Errors
/// See [`AskError`].
pub fn wish(socket: &Path, app: Option<String>, wish: Wish) -> Result<Vec<Gathered>, AskError> {
    match answer(socket, &Request::Admin { app, wish }, &mut |_| {})? {
        Response::Gathered(all) => Ok(all),
        _ => Err(AskError::OddAnswer),
    }
}

/// The last answer to a wish.
fn answer(
    socket: &Path,
    request: &Request,
    progress: &mut dyn FnMut(&Status),
) -> Result<Response, AskError> {
    block_on(converse(socket, request, progress))
}

/// The picture at this moment, or why there is none within this time, so that a screen that asks
/// again and again can tell when a supervisor hangs.
///
/// # Errors
/// See [`AskError`].
pub fn glance(socket: &Path, within: Duration) -> Result<Status, AskError> {
    block_on(async {
        let ignore = &mut |_: &Status| {};
        let conversation = converse(socket, &Request::Status, ignore);
        let answer = tokio::time::timeout_at(in_time(within), conversation)
            .await
            .unwrap_or(Err(AskError::Wire(WireError::TimedOut)))?;
        picture(answer)
    })
}

/// Tells it to stop and waits until its process has gone.
///
/// # Errors
/// See [`AskError`].
pub fn stop(socket: &Path, progress: &mut dyn FnMut(&Status)) -> Result<Status, AskError> {
    let last = ask(socket, &Request::Shutdown, progress)?;
    block_on(async {
        let deadline = in_time(PARTING_TIME);
        while is_running(last.pid) || socket.exists() {
            if in_time(Duration::ZERO) > deadline {
                return Err(AskError::StillThere { pid: last.pid });
            }
            pause(LOOK_EVERY).await;
        }
        Ok(last)
    })
}

/// Ends what an earlier supervisor left behind, as the next one would before it starts: each is
/// asked by its stop signal, has its grace, and is killed then. None can start meanwhile.
///
/// # Errors
/// When another supervisor runs, and when somebody does not even die.
pub fn end_survivors(socket: &Path) -> Result<(), StartError> {
    let run_directory = socket.parent().unwrap_or(Path::new("/"));
    let lock = socket::lock(run_directory)?;
    let executor = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let failed = |source| StartError::System { operation: "start the runtime".to_owned(), source };
    let executor = executor.map_err(failed)?;
    executor.block_on(orphans::wait_until_gone(&run_lock::place(run_directory)))?;
    // Nobody listens on it: we have the lock.
    let _ = std::fs::remove_file(socket);
    drop(lock);
    Ok(())
}

/// False also for a zombie: it has ended, and its parent takes its time to notice.
fn is_running(pid: u32) -> bool {
    Stat::of(pid.cast_signed()).is_some_and(|stat| !stat.ended)
}

async fn converse(
    socket: &Path,
    request: &Request,
    progress: &mut dyn FnMut(&Status),
) -> Result<Response, AskError> {
    let (stream, mut inbound) = greet(socket).await?;
    send(&stream, request).await?;
    loop {
        match inbound.receive::<Response>(&stream).await? {
            Response::Progress(status) => progress(&status),
            Response::Failed { reason, cause, last_output } => {
                return Err(AskError::Failed { reason, cause, last_output });
            }
            last => return Ok(last),
        }
    }
}

async fn greet(socket: &Path) -> Result<(Stream, Inbound), AskError> {
    let stream = socket::connect(socket).await.map_err(|source| match source.kind() {
        io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
            match socket.parent().and_then(socket::holder) {
                Some(pid) => AskError::Busy { pid },
                None => AskError::NotRunning {
                    socket: socket.to_owned(),
                    survivors: socket.parent().map(Survivors::of).unwrap_or_default(),
                },
            }
        }
        _ => AskError::Connect { socket: socket.to_owned(), source },
    })?;
    send(&stream, &Hello::new(Peer::Operator)).await?;
    let mut inbound = Inbound::default();
    match inbound.receive_within(&stream, GREETING_TIME).await? {
        Welcome::Speak { .. } => Ok((stream, inbound)),
        Welcome::Refused { reason } => Err(AskError::Refused { reason }),
    }
}

pub(crate) fn block_on<T>(work: impl Future<Output = Result<T, AskError>>) -> Result<T, AskError> {
    let executor = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| AskError::Wire(WireError::Io(error)))?;
    executor.block_on(work)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Read;
    use std::os::unix::net::UnixListener;

    #[test]
    fn a_glance_at_a_supervisor_that_says_nothing_ends() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("supervisor.sock");
        let silent = UnixListener::bind(&path).unwrap();
        let hears = std::thread::spawn(move || {
            let (mut stream, _) = silent.accept().unwrap();
            let welcome = Welcome::Speak { version: mcp_protocol::handshake::NEWEST };
            let bytes = mcp_protocol::frame::encode(&welcome).unwrap();
            io::Write::write_all(&mut stream, &bytes).unwrap();
            // Until the other side gives up.
            stream.read_to_end(&mut Vec::new()).unwrap();
        });
        let (tell, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || drop(tell.send(glance(&path, Duration::from_millis(300)))));
        let error = told.recv_timeout(Duration::from_secs(10)).unwrap().unwrap_err();
        assert!(matches!(error, AskError::Wire(WireError::TimedOut)), "{error}");
        hears.join().unwrap();
    }
}
