//! The address at which the metrics are read: `/metrics`, and `/livez` for whoever only asks whether
//! the process runs.
//!
//! A scrape asks the loop for the text; a slow scraper holds up nobody but itself.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use hyper::server::conn::http1::Builder;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::sync::{Semaphore, mpsc};

use crate::runtime::clock::pause;
use crate::runtime::metrics::{self, Written};
use crate::runtime::news::News;

/// The most connections at once; further ones wait in the kernel's queue.
const CONNECTIONS_MAX: usize = 64;
/// How long to wait after the kernel had no descriptor for a new connection.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How long a client may take to send its request head.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Serves `/metrics` and `/livez` for ever.
pub(crate) async fn serve(listener: tokio::net::TcpListener, inbox: mpsc::Sender<News>) {
    let scrape = move |headers: HeaderMap| {
        let inbox = inbox.clone();
        async move {
            let accept = headers.get(header::ACCEPT).and_then(|value| value.to_str().ok());
            match metrics::scraped(&inbox, accept).await {
                Some(Written { content_type, text }) => {
                    ([(header::CONTENT_TYPE, content_type)], text).into_response()
                }
                None => StatusCode::SERVICE_UNAVAILABLE.into_response(),
            }
        }
    };
    let routes = Router::new()
        .route("/metrics", get(scrape))
        .route("/livez", get(|| async { Ok::<_, Infallible>("ok\n") }));
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
            // A scraper that goes away in the middle is its own loss.
            let _ = builder.serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// Binds the address of the metrics.
pub(crate) fn bind(address: SocketAddr) -> std::io::Result<tokio::net::TcpListener> {
    let listener = std::net::TcpListener::bind(address)?;
    listener.set_nonblocking(true)?;
    tokio::net::TcpListener::from_std(listener)
}
