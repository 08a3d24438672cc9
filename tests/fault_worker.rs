//! A worker that misbehaves on request; also the protocol by example.
//!
//! It speaks the supervisor's protocol over its link and answers HTTP on the inherited listener,
//! with nothing but the standard library and the protocol crate, so that a reader can see how
//! little a worker needs. Its arguments say what it does wrong, and when. With `--tell` it has no
//! link, as most programs, and says in another way that it is ready.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "its output is what is tested")]

#[path = "fault_worker/heartbeat.rs"]
mod heartbeat;
#[path = "fault_worker_wishes.rs"]
mod wishes;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, mpsc};
use std::time::Duration;

use mcp_protocol::env;
use mcp_protocol::frame::{self, Decoder};
use mcp_protocol::handshake::{Hello, Peer, Welcome};
use mcp_protocol::message::{FromWorker, ToWorker};
use mcp_protocol::relay::{Circular, SealingKeys, SessionTag, Statement};
use mcp_protocol::settings::{Adjustable, Settings};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Where a program finds the lock of its run.
const LOCK_FD: i32 = 63;

/// The link, for those who answer requests.
static LINK: OnceLock<Arc<UnixStream>> = OnceLock::new();
/// The one session that there is.
const SESSION: SessionTag = SessionTag([7; 16]);

/// What it does wrong.
#[derive(Debug, Default, Clone)]
struct Faults {
    /// Exits with this code instead of connecting.
    die_at_boot: Option<u8>,
    /// Says that it cannot serve, in these words.
    fail: Option<String>,
    /// Never says that it is ready.
    never_ready: bool,
    /// Says nothing after it was ready.
    mute: bool,
    /// Goes on after it was told to drain, and ignores SIGTERM.
    ignore_drain: bool,
    /// Starts a grandchild that outlives it.
    grandchild: bool,
    /// Starts one that leaves its group, its session, its parent and its environment, and writes
    /// its process id to this file.
    escape: Option<String>,
    /// Never connects, as a program that is not ours.
    unlinked: bool,
    /// Writes to this file that it runs, and whether somebody else did so at the same time.
    alone: Option<String>,
    /// Lets go of the lock of its run, as a program does that closes all it does not know.
    drop_lock: bool,
    /// Prints without end.
    flood: bool,
    /// Prints so many numbered lines before it is ready.
    print_lines: u32,
    /// How long it takes to answer a request.
    answer_after: Duration,
    /// It has no link, and tells its readiness otherwise.
    tell: Option<Tell>,
    /// It is ready once this file is there.
    wait_for: Option<PathBuf>,
    /// It binds this address itself once it is ready, not before.
    bind: Option<String>,
    /// It answers with 503, and sends no sign of life, while this file is there.
    sick_when: Option<PathBuf>,
    /// While this file exists its heartbeats say that its warehouse refuses the credentials, that
    /// another connection cannot be reached, and that a person has to log in for a third one.
    refused_when: Option<PathBuf>,
    /// While this file exists nothing is well but that it serves: see `heartbeat`.
    ailing_when: Option<PathBuf>,
    /// Of everything that a worker may count it counts one for each request.
    counts: bool,
    /// What it says of itself at once.
    status: Option<String>,
    /// It prints what other workers and the supervisor tell it.
    gossip: bool,
    /// It gives no answer to what administrators wish.
    mute_to_wishes: bool,
    /// It says a number of itself, the next one each time, as fast as it can.
    notify_flood: bool,
}

/// How a program without a link tells that it is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tell {
    /// By `READY=1` to a socket.
    Notify,
    /// By a line to a descriptor.
    Descriptor,
    /// By a line of output, after one that is none yet.
    Output,
    /// By a line of its errors.
    Errors,
    /// Not at all.
    Nobody,
}

fn faults() -> Faults {
    let mut faults = Faults::default();
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        let mut value = || arguments.next().expect("this argument takes a value");
        match name.as_str() {
            "--die-at-boot" => faults.die_at_boot = value().parse().ok(),
            "--fail" => faults.fail = Some(value()),
            "--never-ready" => faults.never_ready = true,
            "--mute" => faults.mute = true,
            "--ignore-drain" => faults.ignore_drain = true,
            "--grandchild" => faults.grandchild = true,
            "--escape" => faults.escape = Some(value()),
            "--escaped" => escaped(&value()),
            "--unlinked" => faults.unlinked = true,
            "--alone" => faults.alone = Some(value()),
            "--drop-lock" => faults.drop_lock = true,
            "--flood" => faults.flood = true,
            "--print-lines" => faults.print_lines = value().parse().expect("a number of lines"),
            "--answer-after-ms" => {
                faults.answer_after = Duration::from_millis(value().parse().expect("milliseconds"));
            }
            "--tell" => faults.tell = Some(tell_by(&value())),
            "--wait-for" => faults.wait_for = Some(value().into()),
            "--bind" => faults.bind = Some(value()),
            "--sick-when" => faults.sick_when = Some(value().into()),
            "--refused-when" => faults.refused_when = Some(value().into()),
            "--ailing-when" => faults.ailing_when = Some(value().into()),
            "--counts" => faults.counts = true,
            "--status" => faults.status = Some(value()),
            "--gossip" => faults.gossip = true,
            "--mute-to-wishes" => faults.mute_to_wishes = true,
            "--notify-flood" => faults.notify_flood = true,
            other => panic!("unknown argument {other}"),
        }
    }
    faults
}

fn tell_by(word: &str) -> Tell {
    match word {
        "notify" => Tell::Notify,
        "descriptor" => Tell::Descriptor,
        "output" => Tell::Output,
        "errors" => Tell::Errors,
        "nobody" => Tell::Nobody,
        other => panic!("unknown way to tell {other}"),
    }
}

fn main() -> ExitCode {
    let faults = faults();
    if let Some(code) = faults.die_at_boot {
        eprintln!("fault_worker: dying at boot with code {code}");
        return ExitCode::from(code);
    }
    if faults.ignore_drain {
        // SAFETY: SIG_IGN is no handler; nothing of ours runs in a signal.
        #[expect(unsafe_code, reason = "to be deaf to SIGTERM is this program's purpose")]
        unsafe {
            let ignore = nix::sys::signal::SigHandler::SigIgn;
            nix::sys::signal::signal(nix::sys::signal::Signal::SIGTERM, ignore)
                .expect("SIGTERM can be ignored");
        }
    }
    for number in 0..faults.print_lines {
        println!("line {number}");
    }
    let _held = faults.alone.as_deref().map(alone);
    start_others(&faults);
    if faults.drop_lock {
        nix::unistd::close(LOCK_FD).expect("the lock is inherited");
    }
    if faults.flood {
        loop {
            println!("a line of a flood");
        }
    }
    if faults.unlinked {
        println!("unlinked and running");
        stay();
    }
    if let Some(tell) = faults.tell {
        return without_link(&faults, tell);
    }
    let Some(socket) = variable(env::SOCKET) else { return ExitCode::from(2) };
    let link = Arc::new(UnixStream::connect(socket).expect("the supervisor listens"));
    let (settings, mut decoder) = introduce(&link);
    if let Some(reason) = faults.fail {
        tell(&link, &FromWorker::Failed { reason });
        return ExitCode::FAILURE;
    }
    let _ = LINK.set(Arc::clone(&link));
    if faults.gossip {
        print_keys(&settings.sessions);
    }
    let requests = Arc::new(AtomicU64::new(0));
    let door = Door::open(&faults, &requests);
    if !faults.never_ready {
        tell(&link, &FromWorker::Ready);
        if !faults.mute {
            heartbeat::beat(&link, &settings, &requests, &faults);
        }
    }
    loop {
        match hear::<ToWorker>(&link, &mut decoder) {
            Some(ToWorker::Drain { .. }) if !faults.ignore_drain => break,
            Some(ToWorker::Adjust(to)) => {
                let Adjustable { limits, log_level, access, sessions, maintenance, .. } = *to;
                if let Some(maintenance) = maintenance {
                    println!("in maintenance by {}", maintenance.by);
                }
                println!("adjusted to {} rows and log level {log_level:?}", limits.rows_max);
                let keys = access.clients.iter().flat_map(|client| &client.keys);
                let ids: Vec<&str> = keys.map(|key| key.id.as_str()).collect();
                println!("now lets in: {}", ids.join(" "));
                if faults.gossip {
                    print_keys(&sessions);
                }
            }
            Some(news @ (ToWorker::Told(_) | ToWorker::Sought { .. } | ToWorker::Revoked(_))) => {
                if faults.gossip {
                    println!("{} {}", std::process::id(), in_words(news));
                }
            }
            Some(ToWorker::Do { ticket, wish }) if !faults.mute_to_wishes => {
                println!("{} was to {}", std::process::id(), wish.name());
                let outcome = Box::new(wishes::answered(*wish));
                tell(&link, &FromWorker::Did { ticket, outcome });
            }
            Some(
                ToWorker::Drain { .. }
                | ToWorker::Settings(_)
                | ToWorker::ReopenLogs
                | ToWorker::Do { .. }
                | ToWorker::Gathered { .. },
            ) => {}
            None => break,
        }
    }
    if let Some(door) = door {
        door.close();
    }
    tell(&link, &FromWorker::Drained);
    ExitCode::SUCCESS
}

/// What others told, or what was asked and answered.
fn in_words(news: ToWorker) -> String {
    match news {
        ToWorker::Told(Circular::Cancel { request, .. }) => format!("was told to cancel {request}"),
        ToWorker::Told(Circular::Revoke { .. }) => "was told that a session ended".to_owned(),
        ToWorker::Told(Circular::TakenUp { request, .. }) => {
            format!("was told that {request} was taken up")
        }
        ToWorker::Sought { ticket, statement } => match statement {
            Some(statement) => format!("found {} for {ticket}", statement.query_id),
            None => format!("found nothing for {ticket}"),
        },
        ToWorker::Revoked(sessions) => format!("knows of {} ended sessions", sessions.len()),
        ToWorker::Settings(_)
        | ToWorker::Drain { .. }
        | ToWorker::ReopenLogs
        | ToWorker::Adjust(_)
        | ToWorker::Do { .. }
        | ToWorker::Gathered { .. } => "was told something else".to_owned(),
    }
}

fn print_keys(keys: &SealingKeys) {
    let own = std::process::id();
    match &keys.previous {
        Some(old) => println!("{own} seals with key {} and opens with {}", keys.current.id, old.id),
        None => println!("{own} seals with key {}", keys.current.id),
    }
}

/// Tells the supervisor what a request such as `GET /cancel/7` says.
fn tell_as_asked(head: &[u8]) {
    let head = String::from_utf8_lossy(head);
    let path = head.split(' ').nth(1).unwrap_or_default();
    let Some((verb, word)) = path.trim_start_matches('/').split_once('/') else { return };
    let (session, request) = (SESSION, word.to_owned());
    let began = |request: &str| {
        let statement = Statement {
            session,
            request: request.to_owned(),
            principal: None,
            connection: None,
            query_id: format!("query-{request}"),
            reads: true,
        };
        FromWorker::StatementBegan(statement)
    };
    let number = || word.parse().expect("a number");
    let told = match verb {
        "cancel" => vec![FromWorker::Tell(Circular::Cancel { session, request })],
        "revoke" => vec![FromWorker::Tell(Circular::Revoke { session, until: number() })],
        "began" => vec![began(word)],
        "began-and-ended" => vec![began(word), FromWorker::StatementEnded { session, request }],
        "seek" => vec![FromWorker::Seek { ticket: number(), session, request }],
        other => panic!("unknown thing to tell {other}"),
    };
    let link = LINK.get().expect("there is a link before there is a door");
    told.iter().for_each(|message| tell(link, message));
}

/// The life of a program without a link: serve, tell, and drain at SIGTERM.
fn without_link(faults: &Faults, tell: Tell) -> ExitCode {
    let mut signals = signal_hook::iterator::Signals::new([signal_hook::consts::SIGTERM])
        .expect("SIGTERM can be handled");
    let requests = Arc::new(AtomicU64::new(0));
    let door = Door::open(faults, &requests);
    if let Some(status) = &faults.status {
        notify(&format!("STATUS={status}"));
    }
    if faults.notify_flood {
        std::thread::spawn(|| {
            let mut number = 0u64;
            loop {
                notify(&format!("STATUS={number}"));
                number += 1;
            }
        });
    }
    let later = faults.clone();
    std::thread::spawn(move || become_ready(&later, tell, &requests));
    signals.forever().next();
    if tell == Tell::Notify {
        notify("STOPPING=1\nSTATUS=leaving");
    }
    if let Some(door) = door {
        door.close();
    }
    ExitCode::SUCCESS
}

fn become_ready(faults: &Faults, tell: Tell, requests: &Arc<AtomicU64>) {
    let (_never, wait) = mpsc::channel::<()>();
    while faults.wait_for.as_ref().is_some_and(|file| !file.exists()) {
        let _ = wait.recv_timeout(Duration::from_millis(5));
    }
    let _door = faults.bind.as_ref().map(|address| {
        let listener = TcpListener::bind(address).expect("the address is free");
        Door::over(listener, faults, requests)
    });
    match tell {
        Tell::Notify => notify("READY=1"),
        Tell::Descriptor => {
            let number = variable(env::NOTIFY_FD).and_then(|text| text.parse().ok());
            let number = number.expect("a readiness descriptor was handed over");
            // SAFETY: the supervisor passed a pipe under this number, for us alone to own.
            #[expect(unsafe_code, reason = "an inherited descriptor is a number")]
            let pipe = unsafe { OwnedFd::from_raw_fd(number) };
            std::fs::File::from(pipe).write_all(b"\n").expect("the supervisor reads");
        }
        Tell::Output => println!("soon listening\nnow listening on a port"),
        Tell::Errors => eprintln!("soon listening\nnow listening on a port"),
        Tell::Nobody => {}
    }
    let every = variable(env::WATCHDOG_USEC).and_then(|text| text.parse().ok());
    let Some(every) = every.map(|time: u64| Duration::from_micros(time / 4)) else {
        let _ = wait.recv_timeout(Duration::MAX);
        return;
    };
    assert_eq!(variable(env::WATCHDOG_PID), Some(std::process::id().to_string()));
    loop {
        if !is_sick(faults) {
            notify("WATCHDOG=1");
        }
        let _ = wait.recv_timeout(every);
    }
}

fn is_sick(faults: &Faults) -> bool {
    faults.sick_when.as_ref().is_some_and(|file| file.exists())
}

/// Says something of itself, as `sd_notify` does.
fn notify(words: &str) {
    let path = variable(env::NOTIFY_SOCKET).expect("a notification socket was handed over");
    let socket = UnixDatagram::unbound().expect("a socket");
    socket.send_to(words.as_bytes(), path).expect("the supervisor listens");
}

/// Those who outlive us.
fn start_others(faults: &Faults) {
    #[expect(
        clippy::disallowed_methods,
        clippy::zombie_processes,
        reason = "children that nobody waits for are this program's fault"
    )]
    let start = |program: &str, arguments: &[&str]| {
        let child = std::process::Command::new(program).args(arguments).spawn();
        child.expect("a child can be started");
    };
    if faults.grandchild {
        start("sleep", &["1000"]);
    }
    if let Some(file) = &faults.escape {
        start(&own_program(), &["--escaped", file]);
        // Nobody may go on before the escape is complete: a test asks for its process id.
        let (_never, wait) = mpsc::channel::<()>();
        while !std::path::Path::new(file).exists() {
            let _ = wait.recv_timeout(Duration::from_millis(1));
        }
    }
}

fn own_program() -> String {
    std::env::current_exe().expect("we have a path").display().to_string()
}

/// The first half of an escape: a session of its own, a child, and away. Called again by that
/// child, which has no environment, it is the second half.
fn escaped(file: &str) -> ! {
    if variable(env::RUN).is_some() {
        nix::unistd::setsid().expect("a child of ours leads no group");
        #[expect(clippy::disallowed_methods, reason = "the second fork of a daemon")]
        std::process::Command::new(own_program())
            .args(["--escaped", file])
            .env_clear()
            .spawn()
            .expect("a child can be started");
        std::process::exit(0);
    }
    let whole = format!("{file}.new");
    std::fs::write(&whole, std::process::id().to_string()).expect("the file can be written");
    std::fs::rename(whole, file).expect("the file can be named");
    stay()
}

/// Stays until it is killed.
fn stay() -> ! {
    loop {
        std::thread::park();
    }
}

/// One line for each start: "runs", or "twice" while another one of us has the same file.
fn alone(file: &str) -> std::fs::File {
    let mut file = std::fs::File::options()
        .append(true)
        .create(true)
        .open(file)
        .expect("the file can be opened");
    let word = if file.try_lock().is_ok() { "runs" } else { "twice" };
    writeln!(file, "{word} {}", std::process::id()).expect("the file can be written");
    file
}

#[expect(clippy::disallowed_methods, reason = "a worker finds its place in its environment")]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Hello, welcome, settings.
fn introduce(link: &UnixStream) -> (Settings, Decoder) {
    let number = |name| variable(name).and_then(|text| text.parse().ok()).expect("a number");
    let peer = Peer::Worker {
        app: variable(env::APP).expect("an app"),
        slot: u32::try_from(number(env::SLOT)).expect("a slot"),
        run: number(env::RUN),
    };
    tell(link, &Hello::new(peer));
    let mut decoder = Decoder::default();
    match hear::<Welcome>(link, &mut decoder) {
        Some(Welcome::Speak { .. }) => {}
        refused => panic!("not welcome: {refused:?}"),
    }
    match hear::<ToWorker>(link, &mut decoder) {
        Some(ToWorker::Settings(settings)) => (*settings, decoder),
        other => panic!("settings come first, not {other:?}"),
    }
}

fn tell<M: serde::Serialize>(mut link: &UnixStream, message: &M) {
    let bytes = frame::encode(message).expect("our messages are small");
    // A supervisor that has gone does not hear us.
    let _ = link.write_all(&bytes);
}

fn hear<M: serde::de::DeserializeOwned>(mut link: &UnixStream, decoder: &mut Decoder) -> Option<M> {
    let mut bytes = [0u8; 4096];
    loop {
        if let Some(body) = decoder.next_body().ok()? {
            return frame::decode(&body).ok();
        }
        match link.read(&mut bytes).ok()? {
            0 => return None,
            count => decoder.push(&bytes[..count]),
        }
    }
}

/// The HTTP door on the inherited listener.
struct Door {
    wake: std::io::PipeWriter,
    thread: std::thread::JoinHandle<()>,
}

impl Door {
    fn open(faults: &Faults, requests: &Arc<AtomicU64>) -> Option<Door> {
        variable(env::LISTEN_FDS)?;
        assert_eq!(
            variable(env::LISTEN_PID),
            Some(std::process::id().to_string()),
            "the listeners are meant for us"
        );
        // SAFETY: the supervisor passed a listener under this number, for us alone to own.
        #[expect(unsafe_code, reason = "an inherited descriptor is a number")]
        let listener = unsafe { TcpListener::from_raw_fd(env::LISTEN_FDS_START) };
        Some(Door::over(listener, faults, requests))
    }

    fn over(listener: TcpListener, faults: &Faults, requests: &Arc<AtomicU64>) -> Door {
        listener.set_nonblocking(true).expect("a listener can be made nonblocking");
        let (woken, wake) = std::io::pipe().expect("a pipe");
        let (faults, requests) = (faults.clone(), Arc::clone(requests));
        let thread = std::thread::spawn(move || serve(&listener, &woken, &faults, &requests));
        Door { wake, thread }
    }

    /// Stops accepting, and waits for what runs.
    fn close(self) {
        drop(self.wake);
        self.thread.join().expect("the door does not panic");
    }
}

fn serve(
    listener: &TcpListener,
    woken: &std::io::PipeReader,
    faults: &Faults,
    requests: &Arc<AtomicU64>,
) {
    let mut accepted = 0u32;
    let (done, all_done) = mpsc::channel::<()>();
    loop {
        let mut watched = [
            PollFd::new(listener.as_fd(), PollFlags::POLLIN),
            PollFd::new(woken.as_fd(), PollFlags::POLLIN),
        ];
        poll(&mut watched, PollTimeout::NONE).expect("poll works");
        if watched[1].any() == Some(true) {
            break;
        }
        let Ok((stream, _)) = listener.accept() else { continue };
        accepted += 1;
        let (done, requests) = (done.clone(), Arc::clone(requests));
        let faults = faults.clone();
        std::thread::spawn(move || {
            answer(&stream, &faults);
            requests.fetch_add(1, Ordering::Relaxed);
            let _ = done.send(());
        });
    }
    for _ in 0..accepted {
        let _ = all_done.recv();
    }
}

/// One request, one answer: our process id.
fn answer(mut stream: &TcpStream, faults: &Faults) {
    stream.set_nonblocking(false).expect("a stream can be made blocking");
    let mut head = Vec::new();
    let mut bytes = [0u8; 1024];
    while !head.windows(4).any(|window| window == b"\r\n\r\n") {
        match stream.read(&mut bytes) {
            Ok(count @ 1..) => head.extend_from_slice(&bytes[..count]),
            _ => return,
        }
    }
    if head.starts_with(b"GET /hoard ") {
        // So much memory is taken, and never given back.
        std::mem::forget(vec![1u8; 64 << 20]);
    }
    if faults.gossip {
        tell_as_asked(&head);
    }
    let (_never, wait) = mpsc::channel::<()>();
    let _ = wait.recv_timeout(faults.answer_after);
    let body = std::process::id().to_string();
    let status = if is_sick(faults) { "503 Service Unavailable" } else { "200 OK" };
    let _ = write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    );
}
