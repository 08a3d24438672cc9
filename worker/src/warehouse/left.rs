//! Statements that nobody waits for and that run on all the same: when one is left, and what can
//! be asked of it afterwards by its name.
//!
//! What was left belongs to no worker: whichever is asked asks the warehouse. Neither takes a place
//! in the pool, so that a statement can be ended, and asked for, while all sessions are busy.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::WarehouseError;
use super::pool::{Pool, PoolError};
use crate::clock::{Clock, Moment};

/// When a statement is to be left running. A warehouse that cannot do so waits for the answer.
#[derive(Debug, Clone, Default)]
pub enum Leave {
    /// Never.
    #[default]
    Never,
    /// When it has run for so long. Its name is asked for when it is sent.
    After(Duration),
    /// When this fires, and the warehouse has told its name by then.
    Told(CancellationToken),
}

/// How far a statement is that was left running.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// It runs, or waits to.
    Running,
    /// It ended, one way or the other: its answer says how.
    Over,
    /// The warehouse does not know it: it is too new, or too old.
    Unknown,
}

impl Leave {
    /// Returns when a statement that was sent at that moment is to be left.
    pub async fn comes(&self, sent_at: Moment, clock: Clock) {
        match self {
            Leave::Never => std::future::pending().await,
            Leave::After(wait) => clock.until(sent_at + *wait).await,
            Leave::Told(told) => told.cancelled().await,
        }
    }
}

/// When it is left makes no difference to a statement.
impl PartialEq for Leave {
    fn eq(&self, _other: &Leave) -> bool {
        true
    }
}

impl Eq for Leave {}

/// What a warehouse says that leaves nothing running.
pub(super) fn nothing(warehouse: &str) -> WarehouseError {
    WarehouseError::Unsupported {
        warehouse: warehouse.to_owned(),
        what: "it leaves no statement running".to_owned(),
    }
}

impl Pool {
    /// Whether a statement can be left running here; see [`super::Warehouse::leaves_running`].
    #[must_use]
    pub fn leaves_running(&self) -> bool {
        self.inner.warehouse.leaves_running()
    }

    /// How far a statement is that was left running.
    ///
    /// # Errors
    /// When the warehouse cannot be asked.
    pub async fn state(&self, query_id: &str) -> Result<State, PoolError> {
        Ok(self.inner.warehouse.state(query_id).await?)
    }

    /// Ends a statement that was left running; see [`super::Warehouse::end`].
    ///
    /// # Errors
    /// When the warehouse cannot be asked.
    pub async fn end(&self, query_id: &str) -> Result<bool, PoolError> {
        Ok(self.inner.warehouse.end(query_id).await?)
    }
}
