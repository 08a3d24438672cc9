//! Watches what a connection is doing, so that it is closed for the right reason and never for a
//! wrong one: a client that is slow with a request head or does not read its answer, a connection
//! that nobody uses.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;

use crate::clock::{Clock, Moment};

/// What a connection is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Activity {
    /// Nothing, since then.
    Idle { since: Moment },
    /// A request's head is arriving, since then.
    Head { since: Moment },
    /// A request is being answered.
    Busy,
}

/// What one connection is doing; shared by its stream, its service and its driver.
#[derive(Debug)]
pub(super) struct Traffic {
    state: Mutex<State>,
    changed: Notify,
    clock: Clock,
}

#[derive(Debug, Clone, Copy)]
struct State {
    activity: Activity,
    /// Since when the client takes nothing of what there is for it.
    stuck_since: Option<Moment>,
}

/// How long what may last.
#[derive(Debug, Clone, Copy)]
pub(super) struct Limits {
    /// The arrival of a request's head.
    pub(super) header: Duration,
    /// That a client takes nothing of what there is for it.
    pub(super) write: Duration,
    /// That nothing happens.
    pub(super) idle: Duration,
}

impl Traffic {
    pub(super) fn new(clock: Clock) -> Arc<Traffic> {
        let activity = Activity::Idle { since: clock.now() };
        let state = Mutex::new(State { activity, stuck_since: None });
        Arc::new(Traffic { state, changed: Notify::new(), clock })
    }

    pub(super) fn activity(&self) -> Activity {
        self.state().activity
    }

    /// A whole head has arrived; its request is being answered until the token is dropped.
    pub(super) fn request_began(self: &Arc<Traffic>) -> Busy {
        self.change(|_| Activity::Busy);
        Busy(Arc::clone(self))
    }

    /// Returns when a limit may hold that did not before.
    pub(super) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// When the connection has done what it does for too long.
    pub(super) fn expires_at(&self, limits: Limits) -> Option<Moment> {
        let State { activity, stuck_since } = self.state();
        let stuck = stuck_since.map(|since| since + limits.write);
        let active = match activity {
            Activity::Idle { since } => Some(since + limits.idle),
            Activity::Head { since } => Some(since + limits.header),
            Activity::Busy => None,
        };
        stuck.into_iter().chain(active).min()
    }

    fn state(&self) -> State {
        *self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes_arrived(&self) {
        let now = self.clock.now();
        self.change(|activity| match activity {
            Activity::Idle { .. } => Activity::Head { since: now },
            Activity::Head { .. } | Activity::Busy => activity,
        });
        self.changed.notify_one();
    }

    /// What became of something that was to be written.
    fn written<T>(&self, polled: &Poll<T>) {
        let now = self.clock.now();
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match polled {
            Poll::Pending if state.stuck_since.is_none() => {
                state.stuck_since = Some(now);
                self.changed.notify_one();
            }
            Poll::Pending => {}
            Poll::Ready(_) => {
                state.stuck_since = None;
                if let Activity::Idle { .. } = state.activity {
                    state.activity = Activity::Idle { since: now };
                }
            }
        }
    }

    fn change(&self, next: impl FnOnce(Activity) -> Activity) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.activity = next(state.activity);
    }
}

/// A request is being answered.
#[derive(Debug)]
pub(super) struct Busy(Arc<Traffic>);

impl Drop for Busy {
    fn drop(&mut self) {
        let now = self.0.clock.now();
        self.0.change(|_| Activity::Idle { since: now });
        self.0.changed.notify_one();
    }
}

/// A stream that tells what passes.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    traffic: Arc<Traffic>,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, traffic: Arc<Traffic>) -> Watched<S> {
        Watched { stream, traffic }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.traffic.bytes_arrived();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.traffic.written(&polled);
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.traffic.written(&polled);
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        // That a stream has nothing left to flush says nothing new.
        if polled.is_pending() {
            self.traffic.written(&polled);
        }
        polled
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
