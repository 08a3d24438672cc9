//! The accounts that a worker serves: the default one, and others that a call may name.
//!
//! Each has a pool of its own with threads of its own, so that an account that is slow, away or
//! refuses us holds up nobody who asks another. Only the default one is waited for at the start; a
//! named one opens its sessions when somebody asks it, and what is wrong with it is told to them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use mcp_protocol::measure::Series;
use mcp_protocol::message::NamedPool;
use mcp_protocol::settings::{
    DEFAULT_CONNECTION, PoolSettings, Settings, SnowflakeSettings, WarehouseSettings,
};

use super::pool::Pool;
use super::snowflake::House;
use super::{Session, Warehouse, WarehouseError};
use crate::access::Caller;
use crate::clock::Clock;

/// Makes the warehouse that the settings name; runs on a blocking thread.
pub type OpenWarehouse =
    fn(&WarehouseSettings, &House) -> Result<Arc<dyn Warehouse>, WarehouseError>;

/// A connection that a call named and cannot have. Whether there is one that the caller may not
/// name is not told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no connection `{name}` for this client; use one of: {}", may.join(", "))]
pub struct NoSuchConnection {
    /// What was named.
    pub name: String,
    /// What may be named, the default one first.
    pub may: Vec<String>,
}

/// What is known of a connection without asking it; for people who choose one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct About {
    /// Its name.
    pub name: String,
    /// The account; none for the sample account.
    pub account: Option<String>,
    /// The role of a call that names none; the user's own default without one.
    pub role: Option<String>,
    /// The virtual warehouse, likewise.
    pub warehouse: Option<String>,
    /// The database, likewise.
    pub database: Option<String>,
    /// The schema, likewise.
    pub schema: Option<String>,
}

/// All connections of a worker. Cheap to clone.
#[derive(Clone)]
pub struct Connections {
    inner: Arc<Inner>,
}

struct Inner {
    default: Connection,
    named: BTreeMap<String, Connection>,
}

struct Connection {
    pool: Pool,
    about: About,
}

/// The warehouses of all connections, before there are pools.
pub struct Opened {
    default: Arc<dyn Warehouse>,
    named: BTreeMap<String, Arc<dyn Warehouse>>,
}

impl Opened {
    /// Opens the warehouses that the settings name. Blocks, see [`super::open::open`].
    ///
    /// # Errors
    /// When the default one cannot be used; of the others, those who ask them are told.
    pub fn open(
        settings: &Settings,
        house: &House,
        open: OpenWarehouse,
    ) -> Result<Opened, WarehouseError> {
        let default = open(&settings.warehouse, house)?;
        let named = |(name, account): (&String, &SnowflakeSettings)| {
            let place = WarehouseSettings::Snowflake(Box::new(account.clone()));
            let warehouse = open(&place, house).unwrap_or_else(|error| {
                tracing::error!(connection = name, %error, "a connection cannot be used");
                Arc::new(Unusable { account: account.account.clone(), reason: error.to_string() })
            });
            (name.clone(), warehouse)
        };
        Ok(Opened { default, named: settings.connections.iter().map(named).collect() })
    }

    /// What the default one is, for people.
    #[must_use]
    pub fn name(&self) -> &str {
        self.default.name()
    }
}

impl Connections {
    /// Pools before opened warehouses; those of named ones begin empty.
    ///
    /// To be called inside the runtime that will run the sessions.
    #[must_use]
    pub fn new(opened: Opened, settings: &Settings, clock: Clock) -> Connections {
        let lazy = PoolSettings { min: 0, ..settings.pool.clone() };
        let account = match &settings.warehouse {
            WarehouseSettings::Embedded { .. } => None,
            WarehouseSettings::Snowflake(account) => Some(&**account),
        };
        let default = Connection {
            pool: Pool::new(opened.default, &settings.pool, clock),
            about: about(DEFAULT_CONNECTION, account),
        };
        let mut named = opened.named;
        let named = settings.connections.iter().filter_map(|(name, account)| {
            let pool = Pool::new(named.remove(name)?, &lazy, clock);
            Some((name.clone(), Connection { pool, about: about(name, Some(account)) }))
        });
        Connections { inner: Arc::new(Inner { default, named: named.collect() }) }
    }

    /// One connection alone.
    #[must_use]
    pub fn single(pool: Pool) -> Connections {
        let default = Connection { pool, about: about(DEFAULT_CONNECTION, None) };
        Connections { inner: Arc::new(Inner { default, named: BTreeMap::new() }) }
    }

    /// The one that is used where a call names none.
    #[must_use]
    pub fn default_pool(&self) -> &Pool {
        &self.inner.default.pool
    }

    /// All of them, the default one first.
    pub fn each(&self) -> impl Iterator<Item = (&About, &Pool)> {
        let named = self.inner.named.values();
        let all = std::iter::once(&self.inner.default).chain(named);
        all.map(|connection| (&connection.about, &connection.pool))
    }

    /// The one that a call asks for.
    ///
    /// # Errors
    /// When there is none of this name that the caller may name.
    pub fn of(&self, name: Option<&str>, caller: &Caller) -> Result<&Pool, NoSuchConnection> {
        let name = name.unwrap_or(DEFAULT_CONNECTION);
        if name == DEFAULT_CONNECTION {
            return Ok(&self.inner.default.pool);
        }
        let named = self.inner.named.get(name).filter(|_| caller.grant.connections.allows(name));
        named.map(|connection| &connection.pool).ok_or_else(|| {
            let may = self.listed(caller).into_iter().map(|about| about.name.clone()).collect();
            NoSuchConnection { name: name.to_owned(), may }
        })
    }

    /// Those that a caller may name, the default one first.
    #[must_use]
    pub fn listed(&self, caller: &Caller) -> Vec<&About> {
        let allowed = |name: &str| caller.grant.connections.allows(name);
        let named = self.inner.named.iter().filter(|(name, _)| allowed(name));
        let named = named.map(|(_, connection)| &connection.about);
        std::iter::once(&self.inner.default.about).chain(named).collect()
    }

    /// The pools of those that have names, at this moment.
    #[must_use]
    pub fn vitals(&self) -> Vec<NamedPool> {
        let of = |(name, connection): (&String, &Connection)| NamedPool {
            name: name.clone(),
            pool: connection.pool.vitals(),
        };
        self.inner.named.iter().map(of).collect()
    }

    /// Whether a statement can be left running at any of them.
    #[must_use]
    pub fn leave_running(&self) -> bool {
        let mut named = self.inner.named.values();
        self.inner.default.pool.leaves_running()
            || named.any(|connection| connection.pool.leaves_running())
    }

    /// Takes out what was counted of statements and waits, at most so many series.
    #[must_use]
    pub fn take_series(&self, most: usize) -> Vec<Series> {
        let default = (DEFAULT_CONNECTION, &self.inner.default);
        let named = self.inner.named.iter().map(|(name, connection)| (name.as_str(), connection));
        let mut taken = Vec::new();
        for (name, connection) in std::iter::once(default).chain(named) {
            let of_it = connection.pool.tallies().take(most - taken.len());
            taken.extend(of_it.into_iter().map(|mut series| {
                series.labels.insert(0, name.to_owned());
                series
            }));
        }
        taken
    }

    /// Replaces the sessions of all of them, as [`Pool::reset`] does.
    pub fn reset(&self) {
        self.each().for_each(|(_, pool)| pool.reset());
    }

    /// Closes all of them side by side, each as [`Pool::close`] does.
    pub async fn close(&self, limit: Duration) {
        futures::future::join_all(self.each().map(|(_, pool)| pool.close(limit))).await;
    }
}

fn about(name: &str, account: Option<&SnowflakeSettings>) -> About {
    About {
        name: name.to_owned(),
        account: account.map(|account| account.account.clone()),
        role: account.and_then(|account| account.role.clone()),
        warehouse: account.and_then(|account| account.warehouse.clone()),
        database: account.and_then(|account| account.database.clone()),
        schema: account.and_then(|account| account.schema.clone()),
    }
}

/// What stands for an account whose settings cannot be used, such as a key that does not open.
struct Unusable {
    account: String,
    reason: String,
}

#[async_trait]
impl Warehouse for Unusable {
    fn name(&self) -> &str {
        &self.account
    }

    async fn connect(&self) -> Result<Box<dyn Session>, WarehouseError> {
        let (warehouse, reason) = (self.account.clone(), self.reason.clone());
        Err(WarehouseError::Settings { warehouse, reason })
    }
}
