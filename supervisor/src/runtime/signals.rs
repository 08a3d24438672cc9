//! Unix signals become news: a handler writes one byte, the loop reads it.

use std::io;
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGXFSZ};
use tokio::io::AsyncReadExt;
use tokio::sync::mpsc;

use crate::runtime::news::{News, Signal};

/// What each signal asks for; `docs/lifecycle.md` says the same in prose.
const REQUESTS: [(i32, Signal); 2] = [(SIGHUP, Signal::Reload), (SIGUSR1, Signal::ReopenLogs)];
const THE_REST: [(i32, Signal); 3] =
    [(SIGTERM, Signal::Stop), (SIGINT, Signal::Stop), (SIGCHLD, Signal::ChildEnded)];

/// Before anything is waited for: what only asks for something must not end us, and is carried out
/// once we serve. Whoever ends us before that does so at once.
pub(crate) fn watch_requests(inbox: &mpsc::Sender<News>) -> io::Result<()> {
    // A log that reaches a limit on the size of files must be an error, not our end.
    signal_hook::flag::register(SIGXFSZ, Arc::default())?;
    tell(&REQUESTS, inbox)
}

/// Sends news of the other signals to the inbox from now on as well.
pub(crate) fn watch(inbox: &mpsc::Sender<News>) -> io::Result<()> {
    tell(&THE_REST, inbox)
}

fn tell(signals: &[(i32, Signal)], inbox: &mpsc::Sender<News>) -> io::Result<()> {
    for (number, signal) in signals.iter().copied() {
        let (read, write) = UnixStream::pair()?;
        read.set_nonblocking(true)?;
        write.set_nonblocking(true)?;
        signal_hook::low_level::pipe::register(number, write)?;
        let mut read = tokio::net::UnixStream::from_std(read)?;
        let inbox = inbox.clone();
        tokio::spawn(async move {
            // A burst of one signal is read in one go and counts once.
            let mut bytes = [0u8; 64];
            while let Ok(1..) = read.read(&mut bytes).await {
                if inbox.send(News::Signal(signal)).await.is_err() {
                    return;
                }
            }
        });
    }
    Ok(())
}
