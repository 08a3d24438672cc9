//! Watches what a connection is doing, so that it is closed for the right reason and never for a
//! wrong one: a client that is slow with a request head, a connection that nobody uses.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
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
    activity: Mutex<Activity>,
    head_began: Notify,
    clock: Clock,
}

impl Traffic {
    pub(super) fn new(clock: Clock) -> Arc<Traffic> {
        let activity = Mutex::new(Activity::Idle { since: clock.now() });
        Arc::new(Traffic { activity, head_began: Notify::new(), clock })
    }

    pub(super) fn activity(&self) -> Activity {
        *self.activity.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A whole head has arrived; its request is being answered until the token is dropped.
    pub(super) fn request_began(self: &Arc<Traffic>) -> Busy {
        self.change(|_| Activity::Busy);
        Busy(Arc::clone(self))
    }

    /// Returns when a head begins to arrive.
    pub(super) async fn head_began(&self) {
        self.head_began.notified().await;
    }

    /// When the connection has done what it does for too long.
    pub(super) fn expires_at(&self, header: Duration, idle: Duration) -> Option<Moment> {
        match self.activity() {
            Activity::Idle { since } => Some(since + idle),
            Activity::Head { since } => Some(since + header),
            Activity::Busy => None,
        }
    }

    fn bytes_arrived(&self) {
        let now = self.clock.now();
        self.change(|activity| match activity {
            Activity::Idle { .. } => Activity::Head { since: now },
            Activity::Head { .. } | Activity::Busy => activity,
        });
        self.head_began.notify_one();
    }

    fn bytes_left(&self) {
        let now = self.clock.now();
        self.change(|activity| match activity {
            Activity::Idle { .. } => Activity::Idle { since: now },
            Activity::Head { .. } | Activity::Busy => activity,
        });
    }

    fn change(&self, next: impl FnOnce(Activity) -> Activity) {
        let mut activity = self.activity.lock().unwrap_or_else(PoisonError::into_inner);
        *activity = next(*activity);
    }
}

/// A request is being answered.
#[derive(Debug)]
pub(super) struct Busy(Arc<Traffic>);

impl Drop for Busy {
    fn drop(&mut self) {
        let now = self.0.clock.now();
        self.0.change(|_| Activity::Idle { since: now });
    }
}

/// A stream that tells what passes.
#[derive(Debug)]
pub(super) struct Watched {
    stream: TcpStream,
    traffic: Arc<Traffic>,
}

impl Watched {
    pub(super) fn new(stream: TcpStream, traffic: Arc<Traffic>) -> Watched {
        Watched { stream, traffic }
    }
}

impl AsyncRead for Watched {
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

impl AsyncWrite for Watched {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        if polled.is_ready() {
            self.traffic.bytes_left();
        }
        polled
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        if polled.is_ready() {
            self.traffic.bytes_left();
        }
        polled
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
