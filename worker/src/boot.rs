//! What a worker does before it is ready: opens its warehouse and the pool's first sessions.

use mcp_protocol::settings::Settings;

use crate::supervised::ServeError;
use crate::warehouse::connections::{Connections, OpenWarehouse, Opened};
use crate::warehouse::pool::PoolError;
use crate::warehouse::snowflake::House;

/// Opens the warehouse and the pool's first sessions.
///
/// A warehouse that cannot be reached now is no reason to leave: the worker serves, says so to
/// whoever asks, and finds it again by itself. One that does not let us in is.
pub(crate) async fn boot(
    open: OpenWarehouse,
    settings: Settings,
    house: House,
) -> Result<Connections, ServeError> {
    let wanted = settings.clone();
    let clock = house.clock;
    let opening = tokio::task::spawn_blocking(move || Opened::open(&wanted, &house, open));
    let opened = opening.await.map_err(|_| ServeError::Boot)??;
    tracing::info!(
        warehouse = opened.name(),
        further = settings.connections.len(),
        "the warehouse is open"
    );
    let connections = Connections::new(opened, &settings, clock);
    match connections.default_pool().open_min().await {
        Ok(()) => {}
        Err(PoolError::Open { reason }) => tracing::error!(%reason, "serving without a session"),
        Err(PoolError::Refused { reason }) => return Err(ServeError::Refused(reason)),
        Err(error) => return Err(error.into()),
    }
    Ok(connections)
}
