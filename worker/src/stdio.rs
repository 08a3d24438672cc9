//! A worker for a desktop client: MCP over standard input and output, no supervisor.

use std::sync::Arc;

use mcp_protocol::settings::Settings;
use rmcp::ServiceExt;
use tokio::sync::watch;

use crate::access::Caller;
use crate::clock::Clock;
use crate::logs::{self, LogError};
use crate::mcp::configured;
use crate::mcp::server::Server;
use crate::mcp::tools::Desk;
use crate::metrics::Metrics;
use crate::settings::{Identity, of_platform};
use crate::warehouse::WarehouseError;
use crate::warehouse::connections::{Connections, OpenWarehouse, Opened};
use crate::warehouse::pool::PoolError;
use crate::warehouse::snowflake::House;

/// Why the client could not be served.
#[derive(Debug, thiserror::Error)]
pub enum StdioError {
    /// No log.
    #[error("cannot begin to log")]
    Log(#[from] LogError),
    /// No data.
    #[error("cannot open the warehouse")]
    Warehouse(#[from] WarehouseError),
    /// No session.
    #[error("cannot open the pool of warehouse sessions")]
    Pool(#[from] PoolError),
    /// The conversation did not begin.
    #[error("cannot begin to speak MCP: {0}")]
    Begin(String),
    /// A task of ours died.
    #[error("the server failed")]
    Task(#[from] tokio::task::JoinError),
}

/// Serves until the client closes our standard input.
///
/// # Errors
/// When there is no warehouse, or the client does not speak MCP.
pub async fn serve(
    settings: Settings,
    open: OpenWarehouse,
    clock: Clock,
) -> Result<(), StdioError> {
    let identity = Identity { app: "stdio".to_owned(), slot: 0, run: 0, pid: std::process::id() };
    let _logs = logs::start(&settings.logs, &identity)?;
    let wanted = settings.clone();
    let house = House {
        worker: identity.app.clone(),
        refusals: None,
        kept_logins: None,
        clock,
        variables: of_platform(),
    };
    let opening = tokio::task::spawn_blocking(move || Opened::open(&wanted, &house, open));
    let connections = Connections::new(opening.await??, &settings, clock);
    connections.default_pool().open_min().await?;
    // Nobody adjusts them here; they stay readable when their sender is gone.
    let (_, limits) = watch::channel(settings.limits);
    let (_, tools) = watch::channel(configured::ready(&settings.offered));
    let desk = Desk::new(connections.clone(), limits).with_configured(tools);
    // Whoever could start this program is the one who is served.
    let server = Server::new(desk, Caller::local(), (Arc::new(Metrics::default()), clock));
    let service = server.serve(rmcp::transport::stdio()).await;
    let service = service.map_err(|error| StdioError::Begin(error.to_string()))?;
    service.waiting().await?;
    connections.close(std::time::Duration::from_secs(1)).await;
    Ok(())
}
