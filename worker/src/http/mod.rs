//! The door: accepts connections from the shared listener, serves them, and closes politely.
//!
//! A drain must not lose a request: an idle connection that is closed under a client that is just
//! about to use it looks like a failure to that client. So the door first answers one more request
//! a connection with `Connection: close`, then closes what idles, then answers what still runs.

mod access_log;
mod admin;
mod asker;
mod body;
mod connection;
mod health;
mod maintenance;
mod mcp_route;
mod mcp_streams;
mod message;
mod names;
mod neighbours;
mod paths;
mod routes;
mod stream;
mod talk;
mod tls;
mod toll;
mod traffic;
mod turnstile;
mod websocket;
mod words;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use mcp_protocol::message::Limit;
use mcp_protocol::settings::Settings;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use asker::Proxies;
pub use health::{Health, Serving};
use neighbours::{Neighbour, Neighbours};
pub use routes::router;
use tls::Certificate;
pub use tls::TlsError;
use traffic::Limits;
use turnstile::Turnstile;

use crate::clock::Clock;
use crate::metrics::{Gauge, Metrics};

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
    certificate: Option<Certificate>,
    proxies: Arc<Proxies>,
    turnstile: Arc<Turnstile>,
    limits: Limits,
    clock: Clock,
}

/// What a connection takes of the door, until all that began on it has ended.
#[derive(Debug)]
struct Presence {
    _place: OwnedSemaphorePermit,
    _neighbour: Neighbour,
    _open: Gauge,
    _inside: TaskTrackerToken,
}

/// Why the door does not open.
#[derive(Debug, thiserror::Error)]
pub enum DoorError {
    /// The listener does not fit into the event loop.
    #[error("cannot accept connections on the inherited listener")]
    Listener(#[from] io::Error),
    /// There is no certificate to show.
    #[error(transparent)]
    Tls(#[from] TlsError),
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
    /// When the listener does not fit into the event loop, or the certificate cannot be shown.
    pub fn open(
        listener: TcpListener,
        settings: &Settings,
        router: Router,
        stage: watch::Sender<Stage>,
        (metrics, clock): (Arc<Metrics>, Clock),
    ) -> Result<Door, DoorError> {
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let shown = settings
            .tls
            .as_ref()
            .map(|tls| Certificate::shown(tls, stage.subscribe(), (Arc::clone(&metrics), clock)));
        let http = &settings.http;
        let hall = Hall {
            router,
            stage: stage.subscribe(),
            metrics,
            certificate: shown.transpose()?,
            proxies: Arc::new(Proxies::new(http)),
            turnstile: Arc::new(Turnstile::new(http.open_answers_per_second, clock)),
            limits: connection::limits(http.header_timeout, http.write_timeout),
            clock,
        };
        let room = Arc::new(Semaphore::new(http.connections_max.max(1) as usize));
        let neighbours =
            Neighbours::new(http.connections_per_address_max, Arc::clone(&hall.proxies));
        let connections = TaskTracker::new();
        connections.spawn(accept_all(listener, hall, (room, neighbours), connections.clone()));
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
    (room, neighbours): (Arc<Semaphore>, Arc<Neighbours>),
    connections: TaskTracker,
) {
    let mut stage = hall.stage.clone();
    loop {
        let accepted = async {
            // With no room left, clients wait in the kernel's queue, where other workers look too.
            let place = Arc::clone(&room).acquire_owned().await.map_err(io::Error::other)?;
            listener.accept().await.map(|(stream, from)| (place, stream, from))
        };
        let accepted = tokio::select! {
            biased;
            _ = stage.wait_for(|stage| *stage > Stage::Serving) => return,
            accepted = accepted => accepted,
        };
        match accepted {
            Ok((place, stream, from)) => {
                let Some(neighbour) = neighbours.enter(from.ip()) else {
                    hall.metrics.refused(None, Limit::Connections);
                    continue;
                };
                // Without this each answer may wait for the client's delayed acknowledgement.
                let _ = stream.set_nodelay(true);
                let presence = Presence {
                    _place: place,
                    _neighbour: neighbour,
                    _open: hall.metrics.connection_opened(),
                    _inside: connections.token(),
                };
                connections.spawn(connection::serve(stream, from, presence, hall.clone()));
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
