//! Why a worker ended otherwise than it should, and whether starting it again can help.

use crate::http::DoorError;
use crate::link::LinkError;
use crate::logs::LogError;
use crate::warehouse::WarehouseError;
use crate::warehouse::pool::PoolError;

/// Why a worker ended otherwise than it should.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// No conversation with the supervisor.
    #[error("cannot report to the supervisor")]
    Link(#[from] LinkError),
    /// No log.
    #[error("cannot begin to log")]
    Log(#[from] LogError),
    /// No signals.
    #[error("cannot listen to signals")]
    Signals(#[source] std::io::Error),
    /// No data.
    #[error("cannot open the warehouse")]
    Warehouse(#[from] WarehouseError),
    /// The warehouse does not let us in.
    #[error("{0}")]
    Refused(String),
    /// No session.
    #[error("cannot open the pool of warehouse sessions")]
    Pool(#[from] PoolError),
    /// No door.
    #[error("cannot open the door")]
    Door(#[from] DoorError),
    /// The task that opens the warehouse died.
    #[error("the warehouse failed while it was opened")]
    Boot,
}

impl ServeError {
    /// True when starting again cannot help: what was asked for is not in this program, or the
    /// warehouse does not let us in.
    #[must_use]
    pub fn is_hopeless(&self) -> bool {
        matches!(
            self,
            ServeError::Warehouse(
                WarehouseError::Unsupported { .. }
                    | WarehouseError::Settings { .. }
                    | WarehouseError::Refused { .. }
            ) | ServeError::Refused(_)
        )
    }
}
