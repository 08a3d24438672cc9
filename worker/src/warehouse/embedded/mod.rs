//! The embedded sample account: an SQL engine inside the worker that looks like a small
//! Snowflake account with the TPC-H data.
//!
//! It exists so that a worker serves something real before anybody has credentials. It answers
//! Snowflake's SQL as Snowflake would or says that it cannot; it never guesses. Nothing here
//! reads or writes a file or a socket.
//!
//! - `session` a statement's way, limits, cancellation; `engine` the tables and the threads
//! - `parse`, `command`, `planning` from text to a plan; `rewrite` from Snowflake's words to
//!   the engine's; `functions` and `operators` what the engine does not mean by itself
//! - `account`, `directory`, `show`, `describe`, `listing`, `ddl` what the account says about itself
//! - `sample`, `views` what is in it; `cells` values out; `failure` errors out

mod account;
mod cells;
mod command;
mod ddl;
mod describe;
mod directory;
mod engine;
mod failure;
mod functions;
mod listing;
mod operators;
mod parse;
mod planning;
mod rewrite;
mod sample;
mod session;
mod show;
mod views;
mod yielding;

use std::sync::Arc;

use async_trait::async_trait;

use super::{Session, Warehouse, WarehouseError};
use engine::Engine;
use session::EmbeddedSession;

/// The embedded sample account.
pub struct EmbeddedWarehouse {
    engine: Arc<Engine>,
}

impl EmbeddedWarehouse {
    /// Generates the data at a scale and prepares the engine. Blocks: well under a second at
    /// scale 0.01, some seconds at scale 1.
    ///
    /// # Errors
    /// When the scale is no scale, or the engine's threads do not start.
    pub fn open(scale: f64) -> Result<EmbeddedWarehouse, WarehouseError> {
        Ok(EmbeddedWarehouse { engine: Arc::new(Engine::open(scale)?) })
    }
}

#[async_trait]
impl Warehouse for EmbeddedWarehouse {
    fn name(&self) -> &str {
        failure::NAME
    }

    async fn connect(&self) -> Result<Box<dyn Session>, WarehouseError> {
        Ok(Box::new(EmbeddedSession::new(Arc::clone(&self.engine))))
    }
}
