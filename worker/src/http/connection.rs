//! One connection from its first byte to its end.

use std::convert::Infallible;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderValue, Request, Response, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::TcpStream;
use tokio::sync::watch;
use tower::ServiceExt;

use super::traffic::{Activity, Traffic, Watched};
use super::{Hall, Stage};

/// A connection that nobody uses for so long is closed; longer than clients keep theirs.
const IDLE_MAX: Duration = Duration::from_secs(75);

/// Serves a connection until it ends, or the door's stage ends it.
pub(super) async fn serve(stream: TcpStream, hall: Hall) {
    let _open = hall.metrics.connection_opened();
    let traffic = Traffic::new(hall.clock);
    let io = TokioIo::new(Watched::new(stream, Arc::clone(&traffic)));
    let service = {
        let (hall, traffic) = (hall.clone(), Arc::clone(&traffic));
        hyper::service::service_fn(move |request| {
            answer(request, hall.clone(), Arc::clone(&traffic))
        })
    };
    // Hyper's own head timer also counts the time between requests; `expires` tells them apart.
    let mut connection = pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .serve_connection(io, service)
    );
    let mut stage = hall.stage.clone();
    loop {
        let expires_at = traffic.expires_at(hall.header_timeout, IDLE_MAX);
        tokio::select! {
            // An error is the client's: it hung up or sent what is not HTTP.
            _ = connection.as_mut() => return,
            () = hall.clock.until_some(expires_at), if expires_at.is_some() => {
                match traffic.expires_at(hall.header_timeout, IDLE_MAX) {
                    Some(at) if at <= hall.clock.now() => return,
                    Some(_) | None => {}
                }
            }
            () = traffic.head_began() => {}
            next = turn(&mut stage) => match next {
                Stage::Serving | Stage::LastRequests | Stage::AnsweringRest => {}
                Stage::ClosingIdle => match traffic.activity() {
                    Activity::Idle { .. } => connection.as_mut().graceful_shutdown(),
                    Activity::Head { .. } | Activity::Busy => {}
                },
                Stage::Closed => return,
            },
        }
    }
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
    hall: Hall,
    traffic: Arc<Traffic>,
) -> Result<Response<Body>, Infallible> {
    let _busy = traffic.request_began();
    let _in_flight = hall.metrics.request_started();
    let mut response = match hall.router.oneshot(request.map(Body::new)).await {
        Ok(response) => response,
        Err(never) => match never {},
    };
    hall.metrics.request_answered(response.status());
    if *hall.stage.borrow() > Stage::Serving {
        response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    }
    Ok(response)
}
