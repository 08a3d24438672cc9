//! What is served where: `/mcp`, the health pages, and what administrators may ask.

use std::sync::Arc;

use axum::Router;
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use mcp_protocol::settings::Settings;
use tokio::sync::watch;

use super::Stage;
use super::admin::{self, Entrance};
use super::health::{self, Health};
use super::mcp_route::{self, McpDoor};
use super::mcp_streams;
use super::names::{self, Names};
use super::toll::{self, Toll};
use super::websocket::{self, SocketDoor};
use crate::access::{self, Reception};
use crate::admin::Office;
use crate::clock::Clock;
use crate::mcp::edge::Edge;
use crate::mcp::server::Served;

/// Everything that is served.
pub fn router(
    settings: &Settings,
    entrance: (impl Served, Reception, Arc<Edge>),
    health: Health,
    stage: watch::Receiver<Stage>,
    clock: Clock,
) -> Router {
    let office = health.office.clone();
    let (reception, audit) = (entrance.1.clone(), entrance.1.audit().clone());
    let administrators = Entrance::new(reception, entrance.1.access(), &health.identity.app);
    let administration = admin::router(administrators.clone(), office.clone(), audit);
    let metadata = access::router(&entrance.1);
    let toll = Toll::new(&settings.http, entrance.0.quotas().clone());
    let names = Names::new(&settings.mcp);
    let socket = socket(settings, (&entrance.0, &entrance.1), (&toll, &stage, &office), clock);
    let mcp = Arc::new(McpDoor::new(settings, entrance, office, stage, clock));
    let of_mcp = post(mcp_route::answer).get(mcp_streams::resume).delete(mcp_streams::end);
    Router::new()
        .merge(health::router(health, administrators, clock))
        .merge(metadata)
        .merge(
            Router::new()
                .route("/mcp", of_mcp)
                .with_state(mcp)
                .merge(socket)
                .merge(administration)
                .layer(from_fn_with_state(toll, toll::collect)),
        )
        .layer(names::cors(Arc::clone(&names)))
        .layer(from_fn_with_state(names, names::guard))
}

/// What a conversation at `/ws` is held to: limits, the door's stage, and whether calls are taken.
type Terms<'a> = (&'a Arc<Toll>, &'a watch::Receiver<Stage>, &'a Office);

/// `/ws`, where it is to be served.
fn socket(
    settings: &Settings,
    (server, reception): (&impl Served, &Reception),
    (toll, stage, office): Terms<'_>,
    clock: Clock,
) -> Router {
    if !settings.mcp.websocket {
        return Router::new();
    }
    let entrance = (server.clone(), reception.clone());
    let door = SocketDoor::new(
        settings,
        entrance,
        (Arc::clone(toll), office.clone()),
        stage.clone(),
        clock,
    );
    Router::new().route("/ws", get(websocket::upgrade)).with_state(Arc::new(door))
}
