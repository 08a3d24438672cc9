//! What programs say of themselves by `sd_notify`: a datagram socket for each run that asks for it.
//!
//! One socket a run, so that a program which floods its own holds up nobody else: the kernel makes
//! it wait. Whoever sends is known by the kernel's word, never by its own. What came in one turn
//! is put together into one piece of news, so that the loop hears each run a hundred times a
//! second at the most.

use std::io::{self, IoSliceMut};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::cmsg_space;
use nix::sys::socket::{MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt::PassCred};
use nix::unistd::{Pid, getpgid};
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::sync::{mpsc, oneshot};

use crate::machine::RunId;
use crate::runtime::clock::pause;
use crate::runtime::news::News;
use crate::runtime::proc::Stat;

/// The longest message that is read; the rest of a longer one is lost.
const MESSAGE_BYTES_MAX: usize = 4096;
/// How many messages are put together in one turn.
const TURN_MESSAGES: usize = 64;
/// How long a turn is at least.
const TURN: Duration = Duration::from_millis(10);
/// The most descriptors that the kernel passes with one message.
const DESCRIPTORS_MAX: usize = 253;
/// How much of a program's words about itself is kept: they stand in every status.
const STATUS_CHARS_MAX: usize = 200;
/// How far the parents of a sender are followed.
const ANCESTORS_MAX: usize = 64;

/// What a program said in one turn.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Said {
    /// `READY=1`.
    pub(crate) ready: bool,
    /// `WATCHDOG=1`.
    pub(crate) alive: bool,
    /// The last of `READY=1`, `RELOADING=1` and `STOPPING=1`.
    pub(crate) activity: Option<Activity>,
    /// The last `STATUS=`.
    pub(crate) status: Option<String>,
}

/// What a program says that it is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Activity {
    /// It serves.
    Serving,
    /// It reads its own configuration anew.
    Reloading,
    /// It is about to leave by itself.
    Stopping,
}

impl Said {
    /// Takes one message in. What we do not know is left out: `MAINPID=`, `FDSTORE=1` and others.
    fn hear(&mut self, message: &[u8]) {
        for line in message.split(|byte| *byte == b'\n') {
            match line {
                b"READY=1" => {
                    self.ready = true;
                    self.activity = Some(Activity::Serving);
                }
                b"RELOADING=1" => self.activity = Some(Activity::Reloading),
                b"STOPPING=1" => self.activity = Some(Activity::Stopping),
                b"WATCHDOG=1" => self.alive = true,
                _ => {
                    if let Some(words) = line.strip_prefix(b"STATUS=") {
                        self.status = Some(harmless(words, STATUS_CHARS_MAX));
                    }
                }
            }
        }
    }
}

/// Words of a program as one line that cannot command a terminal, and not too long.
pub(crate) fn harmless(words: &[u8], chars_max: usize) -> String {
    let text = String::from_utf8_lossy(words);
    let plain = |c: char| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c };
    text.trim().chars().take(chars_max).map(plain).collect()
}

/// The socket of one run; its file goes with it.
#[derive(Debug)]
pub(crate) struct NotificationSocket {
    /// There until it is dropped.
    socket: Option<UnixDatagram>,
    path: PathBuf,
}

impl NotificationSocket {
    /// Binds it in the run directory.
    pub(crate) fn bind(run_directory: &Path, run: RunId) -> io::Result<NotificationSocket> {
        // Not longer than the control socket's name, which was checked to fit.
        let path = run_directory.join(format!("n{}.sock", run.0));
        match std::fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            Ok(()) | Err(_) => {}
        }
        let socket = UnixDatagram::bind(&path)?;
        setsockopt(&socket, PassCred, &true)?;
        let bound = NotificationSocket { socket: Some(socket), path };
        // A program may run as another user; who sends is looked at, not who may.
        std::fs::set_permissions(&bound.path, std::fs::Permissions::from_mode(0o666))?;
        Ok(bound)
    }

    /// Where a program finds it.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Hears what the run of this process says, for ever.
    pub(crate) async fn hear(self, (run, pid): (RunId, Pid), inbox: mpsc::Sender<News>) {
        let Some(socket) = &self.socket else { return };
        let fd = socket.as_raw_fd();
        let mut strangers = 0u64;
        let mut buffer = vec![0u8; MESSAGE_BYTES_MAX];
        loop {
            let mut said = Said::default();
            let next = socket.async_io(Interest::READABLE, || receive(fd, &mut buffer));
            let mut received = next.await;
            for _ in 1..TURN_MESSAGES {
                let Ok(message) = received else { break };
                match message.sender {
                    Some(sender) if is_of(pid, sender) => said.hear(&buffer[..message.length]),
                    sender => {
                        strangers += 1;
                        if strangers == 1 {
                            let sender = sender.map(Pid::as_raw);
                            tracing::warn!(
                                run = run.0,
                                ?sender,
                                "a notification of a process outside the run was dropped; further ones are dropped in silence"
                            );
                        }
                    }
                }
                // Before the next message: whoever passes slow ones holds up itself only.
                message.passed.close().await;
                received = socket.try_io(Interest::READABLE, || receive(fd, &mut buffer));
            }
            if said != Said::default() && inbox.send(News::Said { run, said }).await.is_err() {
                return;
            }
            pause(TURN).await;
        }
    }
}

impl Drop for NotificationSocket {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.path);
        // With it go messages that nobody read, and the descriptors in them.
        if let Some(socket) = self.socket.take() {
            aside(move || drop(socket));
        }
    }
}

/// Does what may take as long as a program pleases: the last close of a connection waits for the
/// time that its owner chose. Not on the executor's own threads, for which it waits at its end.
fn aside(work: impl FnOnce() + Send + 'static) {
    // Without a thread the work is dropped, and done, here.
    let _ = std::thread::Builder::new().name("close".to_owned()).spawn(work);
}

/// One message.
struct Message {
    length: usize,
    sender: Option<Pid>,
    passed: Passed,
}

/// Descriptors that came with a message: those to be kept are not; a barrier waits for its own to
/// be closed.
#[derive(Debug, Default)]
struct Passed(Vec<RawFd>);

impl Passed {
    /// Closes them, and returns when all are.
    async fn close(self) {
        if self.0.is_empty() {
            return;
        }
        let (done, closed) = oneshot::channel::<()>();
        aside(move || {
            drop(self);
            drop(done);
        });
        let _ = closed.await;
    }
}

impl Drop for Passed {
    fn drop(&mut self) {
        for descriptor in self.0.drain(..) {
            let _ = nix::unistd::close(descriptor);
        }
    }
}

fn receive(fd: RawFd, buffer: &mut [u8]) -> io::Result<Message> {
    receive_with(fd, buffer, cmsg_space!(UnixCredentials, [RawFd; DESCRIPTORS_MAX]))
}

fn receive_with(fd: RawFd, buffer: &mut [u8], mut room: Vec<u8>) -> io::Result<Message> {
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let length = recvmsg::<()>(fd, &mut parts, Some(&mut room), flags)?.bytes;
    let (sender, passed) = control(&room);
    Ok(Message { length, sender, passed })
}

/// What the kernel wrote beside a message; zeroes follow it.
///
/// By hand: nix gives nothing of what was cut off, as it is when our table of descriptors is full,
/// yet those that did come are ours to close.
fn control(mut room: &[u8]) -> (Option<Pid>, Passed) {
    const WORD: usize = size_of::<usize>();
    const HEADER: usize = size_of::<libc::cmsghdr>();
    let number = |bytes: &[u8]| bytes.first_chunk().map(|bytes| i32::from_ne_bytes(*bytes));
    let (mut sender, mut passed) = (None, Passed::default());
    while let Some(length) = room.first_chunk::<WORD>().map(|bytes| usize::from_ne_bytes(*bytes))
        && let Some(data) = room.get(HEADER..length)
    {
        let (level, kind) = (number(&room[WORD..]), number(&room[WORD + 4..]));
        if level == Some(libc::SOL_SOCKET) && kind == Some(libc::SCM_CREDENTIALS) {
            // The process id comes first.
            sender = number(data).map(Pid::from_raw);
        } else if level == Some(libc::SOL_SOCKET) && kind == Some(libc::SCM_RIGHTS) {
            passed.0.extend(data.chunks_exact(size_of::<RawFd>()).filter_map(number));
        }
        room = room.get(length.next_multiple_of(WORD)..).unwrap_or_default();
    }
    (sender, passed)
}

/// Whether a process belongs to the run of another: itself, its group, or its descendants.
fn is_of(run: Pid, sender: Pid) -> bool {
    if sender == run || getpgid(Some(sender)) == Ok(run) {
        return true;
    }
    let parent = |pid: &i32| Some(Stat::of(*pid)?.parent);
    let ancestors = std::iter::successors(Some(sender.as_raw()), parent);
    ancestors.take(ANCESTORS_MAX).any(|ancestor| ancestor == run.as_raw())
}

/// Removes the sockets of an earlier supervisor's runs, once nobody of them is left.
pub(crate) fn sweep(run_directory: &Path) {
    let Ok(entries) = std::fs::read_dir(run_directory) else { return };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix('n')?.strip_suffix(".sock"));
        if number.is_some_and(|number| number.bytes().all(|digit| digit.is_ascii_digit())) {
            // What cannot be removed is in nobody's way.
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;
    use std::os::fd::AsFd;

    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use nix::sys::socket::{ControlMessage, UnixAddr, sendmsg, sockopt::Linger};

    use super::*;
    use crate::runtime::clock::in_time;

    #[test]
    fn messages_of_one_turn_become_one() {
        let mut said = Said::default();
        said.hear(b"READY=1\nSTATUS=warm\nMAINPID=1");
        said.hear(b"STATUS=busy \x1b[2J\x07\nWATCHDOG=1\n");
        said.hear(b"READY=2\nready=1\nWATCHDOG=trigger");
        let status = Some("busy \u{FFFD}[2J\u{FFFD}".to_owned());
        let serving = Some(Activity::Serving);
        assert_eq!(said, Said { ready: true, alive: true, activity: serving, status });
        said.hear(b"RELOADING=1\nSTOPPING=1");
        assert_eq!(said.activity, Some(Activity::Stopping));
    }

    #[test]
    fn words_are_bounded_and_one_line() {
        let mut said = Said::default();
        said.hear(&[b"STATUS=".as_slice(), &[b'x'; 4000]].concat());
        assert_eq!(said.status.unwrap().len(), STATUS_CHARS_MAX);
        assert_eq!(harmless(b" a\tb\xFF\n", 9), "a\u{FFFD}b\u{FFFD}");
    }

    #[test]
    fn a_run_is_its_process_and_what_descends_from_it() {
        let own = Pid::this();
        assert!(is_of(own, own));
        assert!(is_of(nix::unistd::getpgrp(), own));
        assert!(is_of(nix::unistd::getppid(), own));
        assert!(!is_of(Pid::from_raw(i32::MAX), own));
        assert!(!is_of(own, Pid::from_raw(i32::MAX)));
    }

    /// Sends a message with descriptors.
    fn pass(socket: &NotificationSocket, text: &[u8], descriptors: &[RawFd]) {
        let to = UnixAddr::new(socket.path()).unwrap();
        let from = std::os::unix::net::UnixDatagram::unbound().unwrap();
        let (text, rights) =
            ([std::io::IoSlice::new(text)], [ControlMessage::ScmRights(descriptors)]);
        sendmsg(from.as_raw_fd(), &text, &rights, MsgFlags::empty(), Some(&to)).unwrap();
    }

    /// A connection whose last close takes twenty seconds, or until the other end is dropped.
    fn slow_to_close() -> (std::net::TcpStream, std::net::TcpStream) {
        let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let mut slow = std::net::TcpStream::connect(server.local_addr().unwrap()).unwrap();
        let (other, _) = server.accept().unwrap();
        setsockopt(&slow, Linger, &libc::linger { l_onoff: 1, l_linger: LINGER_SECONDS }).unwrap();
        slow.set_nonblocking(true).unwrap();
        while slow.write(&[0; 65536]).is_ok() {}
        (slow, other)
    }

    const LINGER_SECONDS: i32 = 20;

    async fn next(inbox: &mut mpsc::Receiver<News>) -> RunId {
        match tokio::time::timeout(Duration::from_secs(30), inbox.recv()).await {
            Ok(Some(News::Said { run, said })) if said.ready => run,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_descriptor_that_is_slow_to_close_holds_up_its_sender_only() {
        let directory = tempfile::tempdir().unwrap();
        let (one, two, three) = (RunId(1), RunId(2), RunId(3));
        let bind = |run| NotificationSocket::bind(directory.path(), run).unwrap();
        let (evil, gone, good) = (bind(one), bind(two), bind(three));
        let (slow, other) = slow_to_close();
        pass(&evil, b"READY=1", &[slow.as_raw_fd()]);
        drop(slow);
        let (slow, unread) = slow_to_close();
        pass(&gone, b"READY=1", &[slow.as_raw_fd()]);
        drop(slow);
        pass(&good, b"READY=1", &[]);
        let (sender, mut inbox) = mpsc::channel(9);
        let own = Pid::this();
        tokio::spawn(evil.hear((one, own), sender.clone()));
        let soon = in_time(Duration::from_secs(10));
        drop(gone);
        assert!(in_time(Duration::ZERO) < soon, "an unread message held up the loop");
        tokio::spawn(good.hear((three, own), sender));
        // The first is heard too, once its descriptor is closed.
        assert_eq!(next(&mut inbox).await, three);
        drop((other, unread));
        assert_eq!(next(&mut inbox).await, one);
    }

    #[tokio::test]
    async fn descriptors_are_closed_even_when_some_were_cut_off() {
        let directory = tempfile::tempdir().unwrap();
        let socket = NotificationSocket::bind(directory.path(), RunId(1)).unwrap();
        let fd = socket.socket.as_ref().unwrap().as_raw_fd();
        let rooms = [
            (cmsg_space!(UnixCredentials, [RawFd; DESCRIPTORS_MAX]), 3),
            (cmsg_space!(UnixCredentials, [RawFd; 1]), 2),
            (cmsg_space!(UnixCredentials), 0),
        ];
        for (room, arrived) in rooms {
            let (reader, writer) = nix::unistd::pipe().unwrap();
            let all = [writer.as_raw_fd(); 3];
            pass(&socket, b"READY=1", &all);
            drop(writer);
            let message = receive_with(fd, &mut [0; 64], room).unwrap();
            assert_eq!((message.length, message.sender), (7, Some(Pid::this())));
            assert_eq!(message.passed.0.len(), arrived);
            message.passed.close().await;
            let mut hung_up = [PollFd::new(reader.as_fd(), PollFlags::POLLIN)];
            assert_eq!(poll(&mut hung_up, PollTimeout::ZERO), Ok(1), "a descriptor is left open");
        }
    }
}
