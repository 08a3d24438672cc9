//! An account at Snowflake as a warehouse.
//!
//! From top to bottom: a `session` stands where its statement wants to; the `layer` carries the
//! statement through the library `snowflake-api`; a `statement` is sent, sent again where that is
//! safe, and waited for; a `connection` holds the tokens; the `gate` lets nobody try refused
//! credentials again; the `wire` is one request and its answer. `fetch` and `cells` make rows
//! of what came; what runs on when nobody waits for it is `left`. Nothing above this room knows any of it.

mod account;
mod bindings;
pub mod browser;
mod cells;
mod connection;
mod failure;
mod fetch;
pub mod gate;
mod key;
mod layer;
mod left;
mod login;
mod oauth;
pub mod platform;
mod rest;
mod session;
mod standing;
mod statement;
mod tag;
mod tries;
mod wire;

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use mcp_protocol::settings::SnowflakeSettings;

use self::account::Endpoint;
use self::connection::{Account, Connection};
use self::gate::Gate;
use self::left::Roster;
use self::login::Login;
use self::session::SnowflakeSession;
use self::wire::Wire;
use super::left::State;
use super::{Session, Warehouse, WarehouseError};
use crate::clock::Clock;

/// What a connection takes from the worker around it.
#[derive(Debug, Clone)]
pub struct House {
    /// Which worker asks, for the query tag: `query[2]`.
    pub worker: String,
    /// Where refused credentials are remembered for all workers; in each worker alone without one.
    pub refusals: Option<PathBuf>,
    /// Where logins of people at a browser are kept; there are none without one.
    pub kept_logins: Option<PathBuf>,
    /// Time.
    pub clock: Clock,
    /// What the platform told the process.
    pub variables: platform::Variables,
}

/// An account at Snowflake, and how to be let in.
pub struct SnowflakeWarehouse {
    account: Arc<Account>,
    worker: Arc<str>,
}

impl SnowflakeWarehouse {
    /// Prepares a connection; nothing is sent.
    ///
    /// # Errors
    /// When the settings cannot be used: an account that is no name, a key that cannot be read.
    pub fn open(
        settings: &SnowflakeSettings,
        house: &House,
    ) -> Result<SnowflakeWarehouse, WarehouseError> {
        let name = format!("the Snowflake account {}", settings.account);
        let unusable =
            |reason: String| WarehouseError::Settings { warehouse: name.clone(), reason };
        let endpoint = Endpoint::of(settings).map_err(unusable)?;
        let login = Login::new(settings, &endpoint, &house.variables).map_err(unusable)?;
        let kept = browser::kept_for(house.kept_logins.as_deref(), &endpoint, settings);
        let login = login.with_kept(kept);
        let directory = house.refusals.as_deref();
        let version = login.credential_version();
        let gate = Gate::new(name.clone(), directory, (&version, login.place()), house.clock);
        let wire = Wire::new(endpoint, house.clock).map_err(unusable)?;
        let (logins, roster) = (AtomicU64::new(0), Roster::default());
        let account = Account { name, wire, login, gate, logins, roster };
        Ok(SnowflakeWarehouse {
            account: Arc::new(account),
            worker: Arc::from(house.worker.as_str()),
        })
    }

    /// Logins that were sent to the account.
    #[must_use]
    pub fn logins_total(&self) -> u64 {
        self.account.logins.load(Ordering::Relaxed)
    }
}

#[async_trait]
impl Warehouse for SnowflakeWarehouse {
    fn name(&self) -> &str {
        &self.account.name
    }

    async fn connect(&self) -> Result<Box<dyn Session>, WarehouseError> {
        let connection = Connection::new(Arc::clone(&self.account));
        let session = SnowflakeSession::open(connection, Arc::clone(&self.worker)).await?;
        Ok(Box::new(session))
    }

    fn forgive(&self) {
        self.account.gate.forget();
    }

    fn leaves_running(&self) -> bool {
        true
    }

    async fn state(&self, query_id: &str) -> Result<State, WarehouseError> {
        left::state(&self.account, query_id).await
    }

    async fn end(&self, query_id: &str) -> Result<bool, WarehouseError> {
        left::end(&self.account, query_id).await
    }
}
