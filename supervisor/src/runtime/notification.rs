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
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt::PassCred,
};
use nix::unistd::{Pid, getpgid};
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::sync::mpsc;

use crate::machine::RunId;
use crate::runtime::clock::pause;
use crate::runtime::news::News;

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
    socket: UnixDatagram,
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
        let bound = NotificationSocket { socket, path };
        setsockopt(&bound.socket, PassCred, &true)?;
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
        let mut strangers = 0u64;
        let mut buffer = vec![0u8; MESSAGE_BYTES_MAX];
        loop {
            let mut said = Said::default();
            let fd = self.socket.as_raw_fd();
            let next = self.socket.async_io(Interest::READABLE, || receive(fd, &mut buffer));
            let mut received = next.await;
            for _ in 1..TURN_MESSAGES {
                match received {
                    Ok((length, Some(sender))) if is_of(pid, sender) => {
                        said.hear(&buffer[..length])
                    }
                    Ok((_, sender)) => {
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
                    Err(_) => break,
                }
                let read = || receive(fd, &mut buffer);
                received = self.socket.try_io(Interest::READABLE, read);
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
    }
}

/// One message: its length and its sender.
fn receive(fd: RawFd, buffer: &mut [u8]) -> io::Result<(usize, Option<Pid>)> {
    let mut room = cmsg_space!(UnixCredentials, [RawFd; DESCRIPTORS_MAX]);
    let mut parts = [IoSliceMut::new(buffer)];
    let flags = MsgFlags::MSG_DONTWAIT | MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<()>(fd, &mut parts, Some(&mut room), flags)?;
    let mut sender = None;
    for part in message.cmsgs()? {
        match part {
            ControlMessageOwned::ScmCredentials(about) => sender = Some(Pid::from_raw(about.pid())),
            // Descriptors to be kept are not; a barrier waits for its own to be closed.
            ControlMessageOwned::ScmRights(descriptors) => {
                for descriptor in descriptors {
                    let _ = nix::unistd::close(descriptor);
                }
            }
            _ => {}
        }
    }
    Ok((message.bytes, sender))
}

/// Whether a process belongs to the run of another: itself, its group, or its descendants.
fn is_of(run: Pid, sender: Pid) -> bool {
    if sender == run || getpgid(Some(sender)) == Ok(run) {
        return true;
    }
    let ancestors = std::iter::successors(Some(sender), |pid| parent(*pid));
    ancestors.take(ANCESTORS_MAX).any(|ancestor| ancestor == run)
}

fn parent(pid: Pid) -> Option<Pid> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(')')?;
    rest.split_whitespace().nth(1)?.parse().ok().map(Pid::from_raw)
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
    use super::*;

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
}
