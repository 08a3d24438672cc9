//! What all who look are sent: drawn once, however many look.
//!
//! Whoever comes is sent what there is already, then everything new. Whoever reads too slowly
//! misses lines of logs and is told how many; whoever does not read at all is let go.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use hyper::body::{Body, Bytes, Frame};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore, broadcast, mpsc};

use crate::runtime::clock::in_time;

/// How many may look at once; each holds a connection, and there must be some left for scrapes.
const VIEWERS_MAX: usize = 24;
/// How many messages may wait for one who looks.
const WAITING_MAX: usize = 64;
/// How many of them may have left us without having been taken.
const SENT_MAX: usize = 4;
/// A viewer who takes nothing for so long is let go.
const STALLED_AFTER: Duration = Duration::from_secs(10);
/// A browser that lost us comes back after a second.
const GREETING: &[u8] = b"retry: 1000\n\n";
/// How many messages with logs are kept for who comes later.
const KEPT_MAX: usize = 64;

/// What is sent, and to whom.
#[derive(Debug)]
pub(super) struct Feed {
    /// Somebody came.
    came: Notify,
    sender: broadcast::Sender<Bytes>,
    places: Arc<Semaphore>,
    kept: Mutex<Kept>,
}

/// What somebody who comes now is sent first.
#[derive(Debug, Default)]
struct Kept {
    state: Bytes,
    logs: VecDeque<Bytes>,
}

impl Default for Feed {
    fn default() -> Feed {
        Feed {
            came: Notify::new(),
            sender: broadcast::Sender::new(WAITING_MAX),
            places: Arc::new(Semaphore::new(VIEWERS_MAX)),
            kept: Mutex::default(),
        }
    }
}

impl Feed {
    /// Waits until somebody looks.
    pub(super) async fn watched(&self) {
        while self.sender.receiver_count() == 0 {
            self.came.notified().await;
        }
    }

    /// Whether somebody looks.
    pub(super) fn is_watched(&self) -> bool {
        self.sender.receiver_count() > 0
    }

    /// Sends how everything is now.
    pub(super) fn send_state(&self, message: String) {
        let message = Bytes::from(message);
        let mut kept = self.kept();
        kept.state = message.clone();
        let _ = self.sender.send(message);
    }

    /// Sends new lines.
    pub(super) fn send_logs(&self, message: String) {
        let message = Bytes::from(message);
        let mut kept = self.kept();
        if kept.logs.len() == KEPT_MAX {
            kept.logs.pop_front();
        }
        kept.logs.push_back(message.clone());
        let _ = self.sender.send(message);
    }

    /// Nobody looks: what was drawn is stale by the time that somebody does.
    pub(super) fn forget(&self) {
        *self.kept() = Kept::default();
    }

    /// What one more viewer is sent; `None` when too many look already.
    pub(super) fn join(&self) -> Option<Messages> {
        let place = Arc::clone(&self.places).try_acquire_owned().ok()?;
        let (sender, messages) = mpsc::channel(SENT_MAX);
        let (first, news) = {
            let kept = self.kept();
            let first = std::iter::once(&kept.state).chain(&kept.logs);
            let first: Vec<&[u8]> =
                std::iter::once(GREETING).chain(first.map(|bytes| &bytes[..])).collect();
            (Bytes::from(first.concat()), self.sender.subscribe())
        };
        tokio::spawn(pass_on(first, news, sender));
        self.came.notify_one();
        Some(Messages { messages, _place: place })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Passes messages on until the viewer goes or takes nothing more.
async fn pass_on(first: Bytes, mut news: broadcast::Receiver<Bytes>, to: mpsc::Sender<Bytes>) {
    let mut next = first;
    loop {
        if !next.is_empty() {
            match tokio::time::timeout_at(in_time(STALLED_AFTER), to.send(next)).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) | Err(_) => return,
            }
        }
        let received = tokio::select! {
            received = news.recv() => received,
            () = to.closed() => return,
        };
        next = match received {
            Ok(message) => message,
            Err(RecvError::Lagged(count)) => Bytes::from(missed(count)),
            Err(RecvError::Closed) => return,
        };
    }
}

/// A message that so many messages were not sent.
fn missed(count: u64) -> String {
    format!("event: missed\ndata: {count}\n\n")
}

/// The messages for one viewer, as the body of an answer.
#[derive(Debug)]
pub(super) struct Messages {
    messages: mpsc::Receiver<Bytes>,
    _place: OwnedSemaphorePermit,
}

impl Body for Messages {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let message = self.messages.poll_recv(context);
        message.map(|message| message.map(|bytes| Ok(Frame::data(bytes))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn executor() -> tokio::runtime::Runtime {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
    }

    #[test]
    fn whoever_comes_later_is_sent_what_there_is() {
        executor().block_on(async {
            let feed = Feed::default();
            feed.send_state("state 1;".to_owned());
            feed.send_state("state 2;".to_owned());
            feed.send_logs("line;".to_owned());
            let mut one = feed.join().unwrap();
            assert_eq!(one.messages.recv().await.unwrap(), "retry: 1000\n\nstate 2;line;");
            feed.send_state("state 3;".to_owned());
            assert_eq!(one.messages.recv().await.unwrap(), "state 3;");
            feed.forget();
            feed.send_state("state 4;".to_owned());
            let mut two = feed.join().unwrap();
            assert!(two.messages.recv().await.unwrap().ends_with(b"\n\nstate 4;"));
        });
    }

    #[test]
    fn only_so_many_may_look_and_nobody_is_told_that_nobody_looks() {
        executor().block_on(async {
            let feed = Feed::default();
            assert!(!feed.is_watched());
            let mut all: Vec<_> = (0..VIEWERS_MAX).map(|_| feed.join().unwrap()).collect();
            assert!(feed.join().is_none());
            feed.watched().await;
            all.pop();
            assert!(feed.join().is_some());
            drop(all);
            while feed.is_watched() {
                tokio::task::yield_now().await;
            }
        });
    }

    #[test]
    fn a_slow_viewer_holds_up_nobody_and_is_told_what_was_missed() {
        executor().block_on(async {
            let feed = Feed::default();
            let mut slow = feed.join().unwrap();
            for number in 0..(WAITING_MAX + 100) {
                feed.send_logs(format!("{number};"));
            }
            slow.messages.recv().await.unwrap();
            assert_eq!(slow.messages.recv().await.unwrap(), missed(100));
            assert_eq!(slow.messages.recv().await.unwrap(), "100;");
        });
    }
}
