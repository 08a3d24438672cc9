//! Who may call a worker, and what each caller may do there.
//!
//! A worker is told with its settings, and told anew whenever it changes: nobody has to be started
//! again because a key was made or revoked. No key crosses here, only what tells whether one is
//! right.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// The toolsets that there are; what `toolsets` may name.
///
/// `core` is what an assistant needs, short enough to be listed always; `catalog` knows more ways
/// to look at the account's objects; `operations` shows warehouses, history and load; `official`
/// has the names of the former official server, `managed` the tool types of Snowflake's own;
/// `custom` are those that the configuration declares.
pub const TOOLSETS: [&str; 6] = ["core", "catalog", "operations", "official", "managed", "custom"];

/// Whom a worker lets in.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct AccessSettings {
    /// What a caller may do who shows nothing; nobody gets in so without one.
    pub anonymous: Option<Grant>,
    /// Those who are known by name.
    pub clients: Vec<ClientSettings>,
    /// Whose tokens are taken besides keys; nobody's without it.
    pub oauth: Option<OAuthSettings>,
    /// What is written down of each call.
    pub audit: AuditLevel,
}

/// Whose access tokens are taken, and what they must say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct OAuthSettings {
    /// Who gives them, as their claim `iss` says it.
    pub issuer: String,
    /// The address of this service as its clients know it, with its path.
    pub resource: String,
    /// Whom they must be meant for: one of these is in their claim `aud`. Never empty.
    pub audiences: Vec<String>,
    /// Where the issuer's public keys are; where the issuer itself says without it.
    pub jwks_url: Option<String>,
    /// What they must allow, each of them; nothing when there are none.
    pub scopes: Vec<String>,
    /// The claim that says whose they are.
    pub subject_claim: String,
}

/// What is written down of each call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum AuditLevel {
    /// Nothing.
    Off,
    /// Who called what and how it ended, and of a statement its class and a hash.
    #[default]
    Hash,
    /// The same, and the statement itself.
    Text,
}

/// One client: a person's assistant, a team, a program.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ClientSettings {
    /// Its name, in logs, metrics and the account's history.
    pub name: String,
    /// The keys that it may show.
    pub keys: Vec<ApiKey>,
    /// What it may do.
    pub grant: Grant,
    /// Whose access tokens are this client's; `*` means everybody's who is not named elsewhere.
    pub subjects: Vec<String>,
    /// Whose certificates are this client's: names in them.
    pub certificates: Vec<String>,
}

/// What tells whether a shown key is right: its public part, and a hash of the whole.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApiKey {
    /// The part by which it is found and listed.
    pub id: String,
    /// SHA-256 of the whole key, which is random and long: nothing slower is needed.
    pub sha256: [u8; 32],
    /// When it ends, in seconds since 1970; never without one.
    pub expires_at: Option<u64>,
}

/// What a caller may do.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Grant {
    /// How far its statements may go.
    pub level: Level,
    /// The toolsets that it sees, each one of [`TOOLSETS`].
    pub toolsets: Vec<String>,
    /// The connections that a call may name.
    pub connections: Allowed,
    /// The roles that a call may name.
    pub roles: Allowed,
    /// The virtual warehouses that a call may name.
    pub warehouses: Allowed,
    /// The databases that a call may name, and that its statements may name.
    pub databases: Allowed,
    /// How much it may ask.
    pub quota: Quota,
    /// Whether it may see and steer the workers themselves.
    pub admin: bool,
}

/// How far statements may go; each includes the ones before.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Level {
    /// Reading only.
    #[default]
    Read,
    /// Adding and changing rows, creating what is not there.
    Write,
    /// Removing and replacing what is there, and procedures.
    Destructive,
}

/// Which names a call may say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Allowed {
    /// All of them.
    Any,
    /// These, as the account knows them; none when there are none, so that only the connection's
    /// own default holds.
    Only(Vec<String>),
}

/// How much a caller, or all of them together, may ask of all workers of an app together.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Quota {
    /// Requests in a second; so many may come at once.
    pub requests_per_second: Option<u32>,
    /// Statements in a second; so many may come at once.
    pub statements_per_second: Option<u32>,
    /// Statements that run at the same time.
    pub concurrent_statements: Option<u32>,
    /// Statements in a day, which begins at midnight UTC.
    pub statements_per_day: Option<u64>,
    /// Bytes of answers in a day, which begins at midnight UTC.
    pub bytes_per_day: Option<u64>,
    /// How long one statement may run, where that is less than what holds for all.
    pub statement_timeout: Option<Duration>,
    /// Bytes that one statement may scan by the warehouse's own estimate.
    pub bytes_scanned_max: Option<u64>,
    /// Millionths of a credit in a day, which begins at midnight UTC, by the worker's own estimate.
    pub microcredits_per_day: Option<u64>,
}

impl Allowed {
    /// Whether this name may be said.
    #[must_use]
    pub fn allows(&self, name: &str) -> bool {
        match self {
            Allowed::Any => true,
            Allowed::Only(names) => names.iter().any(|allowed| allowed == name),
        }
    }
}

impl Default for Grant {
    /// What is safe for anybody who is let in: reading, with the small toolset, as the connection
    /// itself stands; any database, for which of them can be read the role decides.
    fn default() -> Grant {
        let none = || Allowed::Only(Vec::new());
        Grant {
            level: Level::Read,
            toolsets: vec!["core".to_owned()],
            connections: none(),
            roles: none(),
            warehouses: none(),
            databases: Allowed::Any,
            quota: Quota::default(),
            admin: false,
        }
    }
}
