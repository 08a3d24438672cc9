//! A pool of the worker's own sessions with the test server: what the tests of the connection share.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{PoolSettings, SnowflakeLogin, SnowflakeSettings};
use mcp_worker::clock::{Clock, Moment};
use mcp_worker::warehouse::pool::{Pool, PoolError};
use mcp_worker::warehouse::snowflake::platform::Variables;
use mcp_worker::warehouse::snowflake::{House as Surroundings, SnowflakeWarehouse};
use mcp_worker::warehouse::{Answer, Cell, Context, Limits, Warehouse, WarehouseError};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::server::faults::Endpoint;
use crate::server::record::Seen;
use crate::server::{Config, Server};

/// How long a test waits for anything before it fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The time limit of a statement, where a test says nothing else.
pub(crate) const TIMEOUT: Duration = Duration::from_secs(10);
/// How soon a statement that nobody wants has ended at the server.
pub(crate) const ENDED_WITHIN: Duration = Duration::from_secs(2);

/// A server and a pool before it.
pub(crate) struct House {
    pub(crate) server: Server,
    pub(crate) warehouse: Arc<SnowflakeWarehouse>,
    pub(crate) pool: Pool,
    pub(crate) clock: Clock,
    pub(crate) max: u32,
    _directory: TempDir,
}

/// What a statement came to, for a test to look at.
pub(crate) type Result = std::result::Result<Answer, PoolError>;

pub(crate) fn settings(url: &str, password: &str) -> SnowflakeSettings {
    SnowflakeSettings {
        account: "TESTORG-TEST".to_owned(),
        user: Some("MCP".to_owned()),
        role: None,
        warehouse: None,
        database: None,
        schema: None,
        host: Some(url.to_owned()),
        login: SnowflakeLogin::Password { password: Secret::new(password.to_owned()) },
    }
}

pub(crate) fn warehouse(
    settings: &SnowflakeSettings,
    directory: Option<&Path>,
    clock: Clock,
) -> SnowflakeWarehouse {
    let refusals = directory.map(Path::to_owned);
    let worker = "query[0]".to_owned();
    let house =
        Surroundings { worker, refusals, kept_logins: None, clock, variables: Variables::new() };
    SnowflakeWarehouse::open(settings, &house).expect("the settings can be used")
}

pub(crate) fn pool_settings(max: u32) -> PoolSettings {
    let acquire_timeout = Duration::from_secs(10);
    PoolSettings { min: 0, max, acquire_timeout, ..PoolSettings::default() }
}

pub(crate) fn limits(timeout: Duration) -> Limits {
    Limits { rows_max: 100_000, bytes_max: 64 << 20, timeout }
}

impl House {
    pub(crate) fn new(max: u32) -> House {
        House::with(Config::default(), max)
    }

    pub(crate) fn with(config: Config, max: u32) -> House {
        let server = Server::with(config);
        let url = server.url();
        House::at(server, &url, &pool_settings(max))
    }

    /// A pool that asks at another address than its server's.
    pub(crate) fn at(server: Server, url: &str, pool: &PoolSettings) -> House {
        let clock = Clock::start();
        let directory = tempfile::tempdir().expect("a directory can be made");
        let settings = settings(url, "canary-password");
        let warehouse = Arc::new(warehouse(&settings, Some(directory.path()), clock));
        let shared: Arc<dyn Warehouse> = Arc::clone(&warehouse) as Arc<dyn Warehouse>;
        let max = pool.max;
        let pool = Pool::new(shared, pool, clock);
        House { server, warehouse, pool, clock, max, _directory: directory }
    }

    /// One whose first session is open already.
    pub(crate) async fn warm(config: Config, max: u32) -> House {
        let house = House::with(config, max);
        house.query("SELECT 1").await.expect("the server is well");
        house
    }

    /// A pool of one whose next request goes to this endpoint as soon as something is asked.
    pub(crate) async fn before(endpoint: Endpoint, config: Config) -> House {
        let house = match endpoint {
            Endpoint::Login => House::with(config, 1),
            Endpoint::Page
            | Endpoint::Person
            | Endpoint::Renew
            | Endpoint::Heartbeat
            | Endpoint::Close
            | Endpoint::Query
            | Endpoint::Result
            | Endpoint::Abort
            | Endpoint::Monitor
            | Endpoint::Chunk
            | Endpoint::Rest
            | Endpoint::Other => House::warm(config, 1).await,
        };
        if endpoint == Endpoint::Renew {
            house.server.expire_tokens(false);
        }
        house
    }

    pub(crate) async fn query(&self, statement: &str) -> Result {
        self.query_within(statement, TIMEOUT).await
    }

    pub(crate) async fn query_within(&self, statement: &str, timeout: Duration) -> Result {
        self.query_with(statement, &limits(timeout), &CancellationToken::new()).await
    }

    pub(crate) async fn query_with(
        &self,
        statement: &str,
        limits: &Limits,
        cancel: &CancellationToken,
    ) -> Result {
        self.pool.query(statement, &Context::default(), limits, cancel).await
    }

    pub(crate) fn seen(&self) -> Seen {
        self.server.seen()
    }

    pub(crate) fn now(&self) -> Moment {
        self.clock.now()
    }

    pub(crate) fn logins(&self) -> usize {
        self.server.look(|seen| seen.logins.len())
    }

    /// Nothing runs at the server, or will not soon.
    pub(crate) async fn assert_nothing_runs(&self, limit: Duration) {
        let ended = self.server.wait(limit, |seen| seen.running == 0).await;
        assert!(ended, "after {limit:?} there still run {:?}", running(&self.seen()));
    }

    /// Every slot of the pool can be used, all at once, and nobody waits.
    pub(crate) async fn assert_no_leaks(&self) {
        let before = self.server.look(|seen| seen.executions.len());
        let all = (0..self.max).map(|_| self.query("SELECT SLEEP(0.3)"));
        let together = async {
            let max = self.max as usize;
            let ran = |seen: &Seen| {
                let new = seen.executions.iter().skip(before);
                new.filter(|run| run.sql.contains("SLEEP(0.3)")).count() >= max
            };
            assert!(self.server.wait(PATIENCE, ran).await, "not all {max} slots can be used");
        };
        let (results, ()) = futures::join!(futures::future::join_all(all), together);
        for result in results {
            result.expect("a slot of the pool works");
        }
        let vitals = self.pool.vitals();
        assert!(vitals.total <= self.max && vitals.waiting == 0, "{vitals:?}");
        self.assert_nothing_runs(ENDED_WITHIN).await;
    }
}

/// What a cell says.
pub(crate) fn text(cell: &Cell) -> Option<String> {
    match cell {
        Cell::Null => None,
        Cell::Boolean(value) => Some(value.to_string()),
        Cell::Number(text) | Cell::Text(text) => Some(text.clone()),
        Cell::Float(value) => Some(value.to_string()),
        Cell::Json(value) => Some(value.to_string()),
    }
}

/// The statements that run now.
pub(crate) fn running(seen: &Seen) -> Vec<&str> {
    let runs = seen.executions.iter().filter(|run| run.ended.is_none());
    runs.map(|run| run.sql.as_str()).collect()
}

/// The first column as numbers.
pub(crate) fn numbers(answer: &Answer) -> Vec<u64> {
    let number = |row: &Vec<Cell>| row.first().and_then(text).and_then(|n| n.parse().ok());
    answer.rows.iter().map(|row| number(row).expect("it is a number")).collect()
}

pub(crate) fn is_timeout(error: &PoolError) -> bool {
    matches!(error, PoolError::Warehouse(WarehouseError::TimedOut { .. }))
}

pub(crate) fn is_connect(error: &PoolError) -> bool {
    matches!(error, PoolError::Warehouse(WarehouseError::Connect { .. }))
}
