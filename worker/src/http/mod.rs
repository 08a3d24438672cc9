//! The door: accepts connections from the shared listener, serves them, and closes politely.
//!
//! A drain must not lose a request: an idle connection that is closed under a client that is just
//! about to use it looks like a failure to that client. So the door first answers one more request
//! a connection with `Connection: close`, then closes what idles, then answers what still runs.

mod connection;
mod mcp_route;
mod message;
mod routes;
mod stream;
mod traffic;
mod words;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use mcp_protocol::settings::HttpSettings;
use tokio::sync::{Semaphore, watch};
use tokio_util::task::TaskTracker;

pub use routes::{Health, Serving, router};

use crate::clock::Clock;
use crate::metrics::Metrics;

/// How far the door is closed. Each step includes the ones before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Open.
    Serving,
    /// Nothing is accepted; each further request is its connection's last.
    LastRequests,
    /// Connections without a request are closed.
    ClosingIdle,
    /// What still runs is answered with an error.
    AnsweringRest,
    /// What is left is dropped.
    Closed,
}

/// How long to wait after the system has run out of descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The open door.
#[derive(Debug)]
pub struct Door {
    stage: watch::Sender<Stage>,
    connections: TaskTracker,
}

/// What every connection needs.
#[derive(Clone)]
struct Hall {
    router: Router,
    stage: watch::Receiver<Stage>,
    metrics: Arc<Metrics>,
    header_timeout: Duration,
    clock: Clock,
}

impl Door {
    /// Makes the door's stage, so that routes can be built that watch it.
    #[must_use]
    pub fn stage() -> (watch::Sender<Stage>, watch::Receiver<Stage>) {
        watch::channel(Stage::Serving)
    }

    /// Begins to accept. The listener must be non-blocking.
    ///
    /// # Errors
    /// When the listener does not fit into the event loop.
    pub fn open(
        listener: TcpListener,
        settings: &HttpSettings,
        router: Router,
        stage: watch::Sender<Stage>,
        (metrics, clock): (Arc<Metrics>, Clock),
    ) -> io::Result<Door> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let hall = Hall {
            router,
            stage: stage.subscribe(),
            metrics,
            header_timeout: settings.header_timeout,
            clock,
        };
        let room = Arc::new(Semaphore::new(settings.connections_max.max(1) as usize));
        let connections = TaskTracker::new();
        connections.spawn(accept_all(listener, hall, room, connections.clone()));
        connections.close();
        Ok(Door { stage, connections })
    }

    /// Closes the door up to this stage; it never opens again.
    pub fn advance(&self, to: Stage) {
        self.stage.send_if_modified(|stage| {
            let further = to > *stage;
            *stage = to.max(*stage);
            further
        });
    }

    /// Returns when nothing is accepted any more and no connection is left.
    pub async fn emptied(&self) {
        self.connections.wait().await;
    }
}

async fn accept_all(
    listener: tokio::net::TcpListener,
    hall: Hall,
    room: Arc<Semaphore>,
    connections: TaskTracker,
) {
    let mut stage = hall.stage.clone();
    loop {
        let accepted = async {
            // With no room left, clients wait in the kernel's queue, where other workers look too.
            let place = Arc::clone(&room).acquire_owned().await;
            (place, listener.accept().await)
        };
        let (place, accepted) = tokio::select! {
            biased;
            _ = stage.wait_for(|stage| *stage > Stage::Serving) => return,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((stream, _peer)) => {
                // Without this each answer may wait for the client's delayed acknowledgement.
                let _ = stream.set_nodelay(true);
                let hall = hall.clone();
                connections.spawn(async move {
                    let _place = place;
                    connection::serve(stream, hall).await;
                });
            }
            Err(error) if concerns_one_connection(&error) => {}
            Err(error) => {
                tracing::warn!(%error, "cannot accept connections for a moment");
                hall.clock.until(hall.clock.now() + ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Whether the next accept may well succeed: the client gave up before we came to it.
fn concerns_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::Interrupted
    )
}
