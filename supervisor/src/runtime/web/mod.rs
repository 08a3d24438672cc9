//! The supervisor's own address: metrics and health for machines, and a page for people.
//!
//! It only shows: whatever changes something goes through the control socket, which knows who asks.
//! What is shown is asked of the loop; a slow or absent reader holds up nobody but itself, and when
//! nobody looks nothing here runs.

mod door;
mod events;
mod feed;
mod figures;
mod health;
mod page;
mod tail;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use nix::sys::socket::{setsockopt, sockopt};
use serde_json::Value;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, mpsc, oneshot};

use crate::config::Dashboard;
use crate::report::status_json;
use crate::runtime::clock::pause;
use crate::runtime::look::Look;
use crate::runtime::metrics::{self, Written};
use crate::runtime::news::News;
use feed::Feed;

/// The most connections at once; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 64;
/// How long to wait after the kernel had no descriptor for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a client may take to send its request head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
/// A client that takes nothing of what was sent to it for so many milliseconds is let go.
const STALLED_MILLISECONDS: u32 = 10_000;

/// What the pages are drawn from.
pub(super) struct House {
    inbox: mpsc::Sender<News>,
    /// Where we listen.
    address: SocketAddr,
    feed: Arc<Feed>,
}

/// The loop has gone: the supervisor ends.
#[derive(Debug)]
struct Ended;

impl IntoResponse for Ended {
    fn into_response(self) -> Response {
        (StatusCode::SERVICE_UNAVAILABLE, "the supervisor ends\n").into_response()
    }
}

impl House {
    /// How everything is at this moment.
    async fn look(&self) -> Result<Look, Ended> {
        look(&self.inbox).await
    }
}

async fn look(inbox: &mpsc::Sender<News>) -> Result<Look, Ended> {
    let (answer, look) = oneshot::channel();
    inbox.send(News::Look { answer }).await.map_err(|_| Ended)?;
    look.await.map_err(|_| Ended)
}

/// Binds the address.
pub(crate) fn bind(address: SocketAddr) -> std::io::Result<TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    TcpListener::from_std(listener)
}

/// Serves for ever.
pub(crate) async fn serve(listener: TcpListener, inbox: mpsc::Sender<News>) {
    let Ok(address) = listener.local_addr() else { return };
    let feed = Arc::new(Feed::default());
    tokio::spawn(events::draw(Arc::clone(&feed), inbox.clone(), address));
    let routes = routes(Arc::new(House { inbox, address, feed }));
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let Ok(place) = Arc::clone(&places).acquire_owned().await else { return };
        let Ok((stream, _)) = listener.accept().await else {
            pause(ACCEPT_PAUSE).await;
            continue;
        };
        let service = TowerToHyperService::new(routes.clone());
        tokio::spawn(async move {
            let _place = place;
            let mut builder = Builder::new();
            builder.timer(TokioTimer::new()).header_read_timeout(HEADER_TIMEOUT);
            let_go_when_stalled(&stream);
            // A client that goes away in the middle is its own loss.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// The kernel ends a connection whose other side takes nothing any more. Without that a reader that
/// stands still would keep its place for ever.
fn let_go_when_stalled(stream: &TcpStream) {
    // A kernel that does not know this serves all the same.
    let _ = setsockopt(stream, sockopt::TcpUserTimeout, &STALLED_MILLISECONDS);
}

fn routes(house: Arc<House>) -> Router {
    let for_people = Router::new()
        .route("/", get(page::html))
        .route("/page.js", get(page::script))
        .route("/page.css", get(page::style))
        .route("/status", get(status))
        .route("/events", get(events::stream))
        .layer(from_fn_with_state(Arc::clone(&house), door::for_people));
    let for_machines = Router::new()
        .route("/metrics", get(scrape))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(health::readyz))
        .route("/health", get(health::health))
        .route("/health/detailed", get(health::detailed))
        .layer(from_fn_with_state(Arc::clone(&house), door::for_machines));
    for_people
        .merge(for_machines)
        .layer(axum::middleware::map_response(door::harden))
        .with_state(house)
}

/// The metrics, in the form that is asked for.
async fn scrape(
    State(house): State<Arc<House>>,
    headers: HeaderMap,
) -> Result<impl IntoResponse, Ended> {
    let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
    let Written { content_type, text } =
        metrics::scraped(&house.inbox, accept).await.ok_or(Ended)?;
    Ok(([(header::CONTENT_TYPE, content_type)], text))
}

/// What `mcp-supervisor status --json` prints.
async fn status(State(house): State<Arc<House>>) -> Result<axum::Json<Value>, Ended> {
    Ok(axum::Json(status_json(&house.look().await?.status)))
}

/// Whether people are shown anything at an address, as the configuration says.
fn is_shown(dashboard: Dashboard, address: SocketAddr) -> bool {
    match dashboard {
        Dashboard::Auto => address.ip().is_loopback(),
        Dashboard::On => true,
        Dashboard::Off => false,
    }
}
