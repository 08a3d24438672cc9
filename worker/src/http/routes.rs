//! What is served where: `/mcp`, and the answers to "are you alive, ready, well?".

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use http::StatusCode;
use mcp_protocol::message::{Logins, PoolVitals};
use mcp_protocol::settings::Settings;
use serde_json::{Map, Value, json};
use tokio::sync::watch;

use super::Stage;
use super::mcp_route::{self, McpDoor};
use super::mcp_streams;
use super::names::{self, Names};
use super::toll::{self, Toll};
use super::websocket::{self, SocketDoor};
use crate::access::{self, Reception};
use crate::clock::{Clock, Moment};
use crate::mcp::edge::Edge;
use crate::mcp::server::Served;
use crate::settings::Identity;
use crate::warehouse::connections::Connections;

/// What the health answers are made from.
#[derive(Clone)]
pub struct Health {
    /// Who answers.
    pub identity: Arc<Identity>,
    /// The environment's name.
    pub environment: String,
    /// Its sessions.
    pub connections: Connections,
    /// Whether it takes requests.
    pub serving: watch::Receiver<Serving>,
}

/// Whether the worker takes requests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Serving {
    /// Not yet.
    Booting,
    /// Yes.
    Ready,
    /// Not any more.
    Draining,
}

/// Everything that is served.
pub fn router(
    settings: &Settings,
    entrance: (impl Served, Reception, Arc<Edge>),
    health: Health,
    stage: watch::Receiver<Stage>,
    clock: Clock,
) -> Router {
    let metadata = access::router(&entrance.1);
    let toll = Toll::new(&settings.http, entrance.0.quotas().clone());
    let names = Names::new(&settings.mcp);
    let socket = socket(settings, (&entrance.0, &entrance.1), (&toll, &stage), clock);
    let mcp = Arc::new(McpDoor::new(settings, entrance, stage, clock));
    let health = Arc::new((health, clock));
    let of_mcp = post(mcp_route::answer).get(mcp_streams::resume).delete(mcp_streams::end);
    Router::new()
        .route("/livez", get(async || "alive\n"))
        .route("/readyz", get(readyz))
        .route("/health", get(report))
        .with_state(health)
        .merge(metadata)
        .merge(
            Router::new()
                .route("/mcp", of_mcp)
                .with_state(mcp)
                .merge(socket)
                .layer(from_fn_with_state(toll, toll::collect)),
        )
        .layer(names::cors(Arc::clone(&names)))
        .layer(from_fn_with_state(names, names::guard))
}

/// `/ws`, where it is to be served.
fn socket(
    settings: &Settings,
    (server, reception): (&impl Served, &Reception),
    (toll, stage): (&Arc<Toll>, &watch::Receiver<Stage>),
    clock: Clock,
) -> Router {
    if !settings.mcp.websocket {
        return Router::new();
    }
    let entrance = (server.clone(), reception.clone());
    let door = SocketDoor::new(settings, entrance, Arc::clone(toll), stage.clone(), clock);
    Router::new().route("/ws", get(websocket::upgrade)).with_state(Arc::new(door))
}

async fn readyz(State(health): State<Arc<(Health, Clock)>>) -> (StatusCode, &'static str) {
    match *health.0.serving.borrow() {
        Serving::Ready => (StatusCode::OK, "ready\n"),
        Serving::Booting => (StatusCode::SERVICE_UNAVAILABLE, "booting\n"),
        Serving::Draining => (StatusCode::SERVICE_UNAVAILABLE, "draining\n"),
    }
}

async fn report(State(health): State<Arc<(Health, Clock)>>) -> Json<Value> {
    let (health, clock) = &*health;
    let Identity { app, slot, run, pid } = &*health.identity;
    let status = match *health.serving.borrow() {
        Serving::Booting => "booting",
        Serving::Ready => "ok",
        Serving::Draining => "draining",
    };
    let pool = pool_report(&health.connections.default_pool().vitals());
    let connections = health.connections.vitals().into_iter();
    let connections: Map<String, Value> =
        connections.map(|one| (one.name, pool_report(&one.pool))).collect();
    Json(json!({
        "status": status,
        "version": env!("CARGO_PKG_VERSION"),
        "uptime_seconds": clock.now().since(Moment::START).as_secs(),
        "environment": health.environment,
        "worker": { "app": app, "slot": slot, "run": run, "pid": pid },
        "pool": pool,
        "connections": connections,
    }))
}

fn pool_report(pool: &PoolVitals) -> Value {
    json!({
        "max": pool.max,
        "total": pool.total,
        "idle": pool.idle,
        "waiting": pool.waiting,
        "timeouts_total": pool.timeouts_total,
        "opened_total": pool.opened_total,
        "open_failures_total": pool.open_failures_total,
        "logins": match pool.logins {
            Logins::Fine => "fine",
            Logins::Failing => "failing",
            Logins::Refused => "refused",
            Logins::LoggedOut => "logged_out",
        },
    })
}
