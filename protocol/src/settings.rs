//! What a worker is handed once, over its socket: never by argument or environment.
//!
//! These are values that were checked already. Defaults live in the supervisor's `config/`; the
//! `Default` here is what a worker uses that runs without a supervisor (`mcp-worker stdio`), and
//! the supervisor's own defaults are taken from it, so that there is one table of them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::access::{AccessSettings, AuditLevel, Grant};
use crate::admin::Maintenance;
pub use crate::door_settings::{ClientCertificates, HttpSettings, ProxyHeader, TlsSettings};
pub use crate::log_settings::{LogLevel, LogSettings, TraceSettings};
use crate::logs::Channel;
use crate::offered::Offered;
use crate::relay::SealingKeys;
use crate::secret::Secret;

/// The name of the connection that is used where a call names none.
pub const DEFAULT_CONNECTION: &str = "default";

/// The size of the sample data when none is written, a TPC-H scale factor.
pub const SAMPLE_SCALE: f64 = 0.01;

/// Everything that a worker needs to know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Settings {
    /// The environment's name, as in `--env NAME`; for logs and health answers.
    pub environment: String,
    /// Number of the accepted configuration.
    pub generation: u64,
    /// How often to send a heartbeat.
    pub heartbeat_every: Duration,
    /// After a drain began: how long an idle connection may wait for its next request.
    pub idle_grace: Duration,
    /// Limits at the HTTP door.
    pub http: HttpSettings,
    /// What MCP clients may ask and from where.
    pub mcp: McpSettings,
    /// Whom the worker lets in, and what each may do.
    pub access: AccessSettings,
    /// Where the data is.
    pub warehouse: WarehouseSettings,
    /// How many sessions with it.
    pub pool: PoolSettings,
    /// How much one statement may cost.
    pub limits: StatementLimits,
    /// Where and how to log.
    pub logs: LogSettings,
    /// What session ids are sealed with. The default is none at all, and means that the worker
    /// makes its own.
    pub sessions: SealingKeys,
    /// What the door shows to clients that speak TLS; without it they speak in the clear.
    pub tls: Option<TlsSettings>,
    /// Further accounts, by the names under which a call asks for them.
    pub connections: BTreeMap<String, SnowflakeSettings>,
    /// The tools that the configuration declares.
    pub offered: Offered,
    /// Whether new calls are turned away for now.
    pub maintenance: Option<Maintenance>,
}

/// The part of [`Settings`] that a worker takes on while it runs. All else needs a new worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Adjustable {
    /// How much one statement may cost; for statements that begin from now on.
    pub limits: StatementLimits,
    /// The least severe level that is logged.
    pub log_level: LogLevel,
    /// Whom it lets in; for requests that begin from now on.
    pub access: AccessSettings,
    /// What session ids are sealed with, from now on.
    pub sessions: SealingKeys,
    /// The tools that the configuration declares; for calls that begin from now on.
    pub offered: Offered,
    /// Whether new calls are turned away for now.
    pub maintenance: Option<Maintenance>,
    /// The least severe level of single modules.
    pub log_levels: BTreeMap<String, LogLevel>,
    /// What a line says of a statement's text.
    pub log_statements: AuditLevel,
    /// The files that get no lines.
    pub logs_without: BTreeSet<Channel>,
}

impl Settings {
    /// What of these may change in a running worker.
    #[must_use]
    pub fn adjustable(&self) -> Adjustable {
        Adjustable {
            limits: self.limits.clone(),
            log_level: self.logs.level,
            access: self.access.clone(),
            sessions: self.sessions.clone(),
            offered: self.offered.clone(),
            maintenance: self.maintenance.clone(),
            log_levels: self.logs.levels.clone(),
            log_statements: self.logs.statements,
            logs_without: self.logs.without.clone(),
        }
    }

    /// Takes on what may change.
    pub fn adjust(&mut self, to: Adjustable) {
        let Adjustable {
            limits,
            log_level,
            access,
            sessions,
            offered,
            maintenance,
            log_levels,
            log_statements,
            logs_without,
        } = to;
        self.logs.without = logs_without;
        self.maintenance = maintenance;
        self.limits = limits;
        self.access = access;
        self.sessions = sessions;
        self.offered = offered;
        self.logs.level = log_level;
        self.logs.levels = log_levels;
        self.logs.statements = log_statements;
    }
}

/// What MCP clients may ask and from where.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct McpSettings {
    /// Values of the `Host` header that are served, besides loopback names.
    pub allowed_hosts: Vec<String>,
    /// Values of the `Origin` header that are served; a request without one is served too.
    pub allowed_origins: Vec<String>,
    /// Whether `/ws` is served.
    pub websocket: bool,
}

/// Where the data is.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum WarehouseSettings {
    /// The sample account inside the worker.
    Embedded {
        /// TPC-H scale factor: 1 is the published size, 8.6 million rows.
        scale: f64,
    },
    /// An account at Snowflake.
    Snowflake(Box<SnowflakeSettings>),
}

/// An account at Snowflake, and how to be let in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SnowflakeSettings {
    /// The account's identifier, as in `ORGANISATION-ACCOUNT`.
    pub account: String,
    /// The user; an OAuth token may name one by itself.
    pub user: Option<String>,
    /// The role of a session; the user's own default without one.
    pub role: Option<String>,
    /// The virtual warehouse of a session; the user's own default without one.
    pub warehouse: Option<String>,
    /// The database of a session.
    pub database: Option<String>,
    /// The schema of a session.
    pub schema: Option<String>,
    /// The name to connect to, with a port if it has one; made from the account without one.
    pub host: Option<String>,
    /// What to log in with.
    pub login: SnowflakeLogin,
}

/// What to log in to Snowflake with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum SnowflakeLogin {
    /// A private key, whose public half the user has at Snowflake.
    KeyPair {
        /// PKCS#8 in PEM.
        private_key: Secret,
        /// What the key is encrypted with, if it is.
        passphrase: Option<Secret>,
    },
    /// A password.
    Password {
        /// The password.
        password: Secret,
    },
    /// A programmatic access token.
    ProgrammaticAccessToken {
        /// The token.
        token: Secret,
    },
    /// An OAuth access token that somebody else obtains and renews.
    OAuth {
        /// The token.
        token: Secret,
    },
    /// OAuth access tokens that the worker obtains and renews.
    OAuthClientCredentials {
        /// Who we are to the one who gives tokens.
        client_id: String,
        /// What proves it.
        client_secret: Secret,
        /// Where tokens are given.
        token_url: String,
        /// What the tokens are to be good for; made from the role without one.
        scope: Option<String>,
    },
    /// A password and a code of a second factor, which is good once.
    MfaPasscode {
        /// The password.
        password: Secret,
        /// The code.
        passcode: Secret,
    },
    /// A token by which the platform says who its workload is.
    WorkloadIdentity {
        /// Where the platform keeps the token, which it replaces before it expires.
        token_file: PathBuf,
    },
    /// What a cloud says of a workload of its own, asked for at each login.
    CloudIdentity {
        /// Which cloud.
        platform: CloudPlatform,
        /// What Snowflake is called in Azure; its usual name there without one.
        entra_resource: Option<String>,
    },
    /// What a person's login at a browser left in the run directory.
    ExternalBrowser,
}

/// A cloud that says who its workloads are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum CloudPlatform {
    /// Amazon Web Services.
    Aws,
    /// Microsoft Azure.
    Azure,
    /// Google Cloud.
    Gcp,
}

/// How many sessions a worker keeps with its warehouse.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PoolSettings {
    /// Sessions that are kept open.
    pub min: u32,
    /// The most sessions at once.
    pub max: u32,
    /// How long a call may wait for a session.
    pub acquire_timeout: Duration,
    /// A session unused for so long is closed.
    pub idle_timeout: Duration,
    /// A session this old is replaced.
    pub max_lifetime: Duration,
    /// How often an idle session is asked whether it still lives; never without one.
    pub health_check_interval: Option<Duration>,
}

/// How much one statement may cost.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatementLimits {
    /// The most rows of one answer; an answer that was cut says so.
    pub rows_max: u32,
    /// The most bytes of one answer's cells.
    pub bytes_max: u64,
    /// How long a statement may run.
    pub timeout: Duration,
    /// The most characters of one answer as a client sees it: of its text, and of its data.
    pub characters_max: u32,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            environment: "development".to_owned(),
            generation: 0,
            heartbeat_every: Duration::from_secs(5),
            idle_grace: Duration::from_secs(2),
            http: HttpSettings::default(),
            mcp: McpSettings::default(),
            access: AccessSettings {
                anonymous: Some(Grant::default()),
                ..AccessSettings::default()
            },
            warehouse: WarehouseSettings::Embedded { scale: SAMPLE_SCALE },
            pool: PoolSettings::default(),
            limits: StatementLimits::default(),
            logs: LogSettings::default(),
            sessions: SealingKeys::default(),
            tls: None,
            connections: BTreeMap::new(),
            offered: Offered::default(),
            maintenance: None,
        }
    }
}

impl Default for PoolSettings {
    fn default() -> PoolSettings {
        PoolSettings {
            min: 1,
            max: 4,
            acquire_timeout: Duration::from_secs(30),
            idle_timeout: Duration::from_secs(10 * 60),
            max_lifetime: Duration::from_secs(50 * 60),
            health_check_interval: Some(Duration::from_secs(5 * 60)),
        }
    }
}

impl Default for StatementLimits {
    fn default() -> StatementLimits {
        StatementLimits {
            rows_max: 10_000,
            bytes_max: 8 * 1024 * 1024,
            timeout: Duration::from_secs(60),
            characters_max: 50_000,
        }
    }
}
