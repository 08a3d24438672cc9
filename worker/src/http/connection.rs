//! One connection from its first byte to its end.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower::ServiceExt;
use tracing::Instrument;

use super::access_log::Entry;
use super::body::{holding, metered};
use super::names::{self, Secrecy};
use super::traffic::{Activity, Limits, Traffic, Watched};
use super::{Hall, Presence, Stage, paths};
use crate::access::Peer;

/// A connection that nobody uses for so long is closed; longer than clients keep theirs.
pub(super) const IDLE_MAX: Duration = Duration::from_secs(75);
/// The longest head of a request, in bytes; session ids and tokens have a few thousand. A longer
/// one, or one of more than 100 lines, is answered with 431.
const HEAD_BYTES_MAX: usize = 32 * 1024;
/// What is kept in memory of a connection at most, in each direction.
const BUFFER_BYTES_MAX: usize = 64 * 1024;

/// What every request of a connection is told of it.
#[derive(Clone)]
struct Guest {
    from: SocketAddr,
    /// By the certificate that it showed.
    peer: Option<Peer>,
    secrecy: Secrecy,
    presence: Arc<Presence>,
}

/// Serves a connection until it ends, or the door's stage ends it.
pub(super) async fn serve(stream: TcpStream, from: SocketAddr, presence: Presence, hall: Hall) {
    let mut guest =
        Guest { from, peer: None, secrecy: Secrecy::Clear, presence: Arc::new(presence) };
    let Some(certificate) = &hall.certificate else {
        return converse(stream, guest, hall).await;
    };
    // Whoever does not manage that in time was no client.
    let greeting = hall.clock.within(hall.limits.header, certificate.greet(stream));
    let mut stage = hall.stage.clone();
    let greeted = tokio::select! {
        greeted = greeting => greeted,
        _ = stage.wait_for(|stage| *stage >= Stage::Closed) => return,
    };
    match greeted {
        Some(Ok(stream)) => {
            guest.peer = certificate.peer(&stream);
            guest.secrecy = Secrecy::Tls;
            converse(stream, guest, hall).await;
        }
        Some(Err(error)) => tracing::debug!(%error, "a client could not agree on TLS"),
        None => {}
    }
}

async fn converse<S>(stream: S, guest: Guest, hall: Hall)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let traffic = Traffic::new(hall.clock);
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&traffic)));
    let service = {
        let (hall, traffic) = (hall.clone(), Arc::clone(&traffic));
        hyper::service::service_fn(move |request| {
            answer(request, guest.clone(), hall.clone(), Arc::clone(&traffic))
        })
    };
    // Hyper's own head timer also counts the time between requests; `expires` tells them apart.
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_header_size(HEAD_BYTES_MAX)
            .max_buf_size(BUFFER_BYTES_MAX)
            .serve_connection(io, service)
            .with_upgrades()
    );
    let mut stage = hall.stage.clone();
    loop {
        let expires_at = traffic.expires_at(hall.limits);
        tokio::select! {
            // An error is the client's: it hung up or sent what is not HTTP.
            _ = connection.as_mut() => return,
            () = hall.clock.until_some(expires_at), if expires_at.is_some() => {
                match traffic.expires_at(hall.limits) {
                    Some(at) if at <= hall.clock.now() => return,
                    Some(_) | None => {}
                }
            }
            () = traffic.changed() => {}
            next = turn(&mut stage) => match next {
                Stage::Serving | Stage::LastRequests | Stage::AnsweringRest => {}
                Stage::ClosingIdle => match traffic.activity() {
                    // A request that is being answered is the last one then.
                    Activity::Idle { .. } | Activity::Busy => {
                        connection.as_mut().graceful_shutdown();
                    }
                    Activity::Head { .. } => {}
                },
                Stage::Closed => return,
            },
        }
    }
}

/// The limits of time of a connection.
pub(super) fn limits(header: Duration, write: Duration) -> Limits {
    Limits { header, write, idle: IDLE_MAX }
}

/// The door's next stage.
async fn turn(stage: &mut watch::Receiver<Stage>) -> Stage {
    match stage.changed().await {
        Ok(()) => *stage.borrow_and_update(),
        Err(_) => Stage::Closed,
    }
}

async fn answer(
    request: Request<Incoming>,
    guest: Guest,
    hall: Hall,
    traffic: Arc<Traffic>,
) -> Result<Response<Body>, Infallible> {
    let running = (traffic.request_began(), hall.metrics.request_started());
    let arrived = hall.clock.now();
    let path = paths::class(request.uri().path());
    let trace = paths::trace(request.headers());
    let mut request = request.map(Body::new);
    request.extensions_mut().insert(Arc::clone(&hall.metrics));
    let Guest { from, peer, secrecy, presence } = guest;
    let asker = hall.proxies.asker(from, request.headers());
    let secrecy = hall.proxies.secrecy(&asker, secrecy, request.headers());
    request.extensions_mut().insert(asker);
    peer.map(|peer| request.extensions_mut().insert(peer));
    request.extensions_mut().insert(presence);
    let method = request.method().clone();
    let entry = Entry::begin(&mut request, asker, hall.clock);
    let mut response = match hall.router.oneshot(request).instrument(entry.span()).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    hall.metrics.responded(path, response.status(), hall.clock.now().since(arrived), trace);
    if paths::is_open(path, &method, response.status()) {
        hall.turnstile.pass().await;
    }
    names::harden(response.headers_mut(), secrecy);
    if *hall.stage.borrow() > Stage::Serving {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    // It runs until its last byte is written, or nobody wants it any more.
    let response = entry.answer(response).map(|body| holding(body, running));
    Ok(match path {
        paths::MCP => response.map(|body| metered(body, hall.metrics)),
        _ => response,
    })
}
