//! Every key of the file, in one table: its kind, its range and what one would write.
//!
//! The check for unknown keys, the hints, the check of every value and the test that the shipped
//! file and the documentation mention each key all read this table.

use super::access::keys as access;
use super::{door, log_files, offered, process, worker_logs};
use crate::machine::INSTANCES_MAX;

/// A key and what may stand behind it.
pub(super) struct Key {
    pub(super) name: &'static str,
    pub(super) kind: Kind,
    /// What one would write, which is the default where there is one; empty for tables.
    pub(super) example: &'static str,
}

/// What may stand behind a key.
pub(super) enum Kind {
    /// A table with these keys.
    Table(&'static [Key]),
    /// A table of tables with these keys, under names that the operator chooses.
    Named(&'static [Key]),
    /// A table of texts, under names that the operator chooses.
    Variables,
    Text,
    /// A text that is shown to nobody.
    Secret,
    /// A program, or a program and its arguments.
    Command,
    Texts,
    /// A text, a number or a truth value.
    Scalar,
    Scalars,
    Boolean,
    Count {
        min: u32,
        max: u32,
        what: &'static str,
    },
    /// A number above 0, also with a fraction.
    Fraction {
        max: u32,
        what: &'static str,
    },
    Share, // From 0 to 1.
    Duration {
        min: &'static str,
        max: &'static str,
    },
    /// A duration, or the word "off".
    DurationOrOff {
        min: &'static str,
        max: &'static str,
    },
    Size {
        min: &'static str,
        max: &'static str,
    },
    /// A size, or the word "off".
    SizeOrOff {
        min: &'static str,
        max: &'static str,
    },
    /// Numbers with which a program may end.
    ExitCodes,
    /// A cron expression, or the word "off".
    TimeTable,
    TimeZone,
    /// Patterns of file names.
    Patterns,
    Choice(&'static [&'static str]),
    /// A way to log in to Snowflake.
    Authenticator,
    Address,
    AddressOrOff,
    /// One of a few words, or how long a program must have been alive.
    Readiness,
    /// An address that may hold `{slot}`.
    ProbeAddress,
    /// A page that may hold `{slot}` and `{pid}`.
    ProbePage,
    Signal,
    /// A user or a group, by name or number, or "inherit".
    Account,
    Umask,
    Nice,
    /// A resource limit, "unlimited" or "inherit".
    Limit(process::Unit),
}

impl Kind {
    /// The keys of a table; none for variables, whose names are free, and for single values.
    pub(super) fn members(&self) -> Option<&'static [Key]> {
        if let Kind::Table(keys) | Kind::Named(keys) = self { Some(keys) } else { None }
    }
}

/// The words for how severe a log line is, most severe first.
pub(super) const LEVELS: &[&str] = &["error", "warn", "info", "debug", "trace"];
/// The words for whether each run has a cgroup of its own, in the order of what they mean.
pub(super) const CGROUPS: &[&str] = &["auto", "off"];
/// The words for whether people may see the dashboard, in the order of what they mean.
pub(super) const DASHBOARDS: &[&str] = &["auto", "on", "off"];
/// The words for where the data is.
pub(super) const WAREHOUSES: &[&str] = &["embedded", "snowflake"];
/// The words for who says who a workload is.
pub(super) const PROVIDERS: &[&str] = &["OIDC", "AWS", "AZURE", "GCP"];
/// The words for when a worker is started again.
pub(super) const POLICIES: &[&str] = &["always", "on_failure", "never"];

pub(super) const fn key(name: &'static str, kind: Kind, example: &'static str) -> Key {
    Key { name, kind, example }
}

const fn table(name: &'static str, keys: &'static [Key]) -> Key {
    Key { name, kind: Kind::Table(keys), example: "" }
}

/// The shortest and the longest wait.
pub(super) const WAIT_MIN: &str = "1ms";
pub(super) const WAIT_MAX: &str = "24h";
pub(super) const WAIT: Kind = Kind::Duration { min: WAIT_MIN, max: WAIT_MAX };

/// The whole file.
pub(super) const FILE: &[Key] = &[
    table("supervisor", SUPERVISOR),
    key("apps", Kind::Named(APP), ""),
    key("environments", Kind::Named(ENVIRONMENT), ""),
];

/// `[environments.NAME]`: the shape of the file itself.
const ENVIRONMENT: &[Key] = &[table("supervisor", SUPERVISOR), key("apps", Kind::Named(APP), "")];

pub(super) const SUPERVISOR: &[Key] = &[
    key("run_directory", Kind::Text, r#""run""#),
    key("log_directory", Kind::Text, r#""logs""#),
    key("state_directory", Kind::Text, r#""state""#),
    key("log_level", Kind::Choice(LEVELS), r#""info""#),
    key("log_format", Kind::Choice(worker_logs::FORMATS), r#""text""#),
    key("metrics", Kind::AddressOrOff, r#""127.0.0.1:8001""#),
    key("dashboard", Kind::Choice(DASHBOARDS), r#""auto""#),
    key("cgroups", Kind::Choice(CGROUPS), r#""auto""#),
    key("watch", Kind::Boolean, "true"),
    key("journal", Kind::Boolean, "false"),
    table("logs", log_files::SUPERVISOR),
];

pub(super) const APP: &[Key] = &[
    key("exec", Kind::Command, r#"["mcp-worker"]"#),
    key("args", Kind::Texts, "[]"),
    key("cwd", Kind::Text, r#"".""#),
    key("listen", Kind::Address, r#""127.0.0.1:8000""#),
    key(
        "instances",
        Kind::Count { min: 1, max: INSTANCES_MAX, what: "a number of instances" },
        "1",
    ),
    key("ready", Kind::Readiness, r#""link""#),
    key("ready_line", Kind::Text, r#""listening on""#),
    key("stop_signal", Kind::Signal, r#""SIGTERM""#),
    key("env", Kind::Variables, ""),
    process::USER,
    process::GROUP,
    process::UMASK,
    process::NICE,
    table("resources", process::RESOURCE_KEYS),
    key("depends_on", Kind::Texts, "[]"),
    key("watch", Kind::Texts, "[]"),
    key("watch_ignore", Kind::Patterns, "[]"),
    key("watch_delay", Kind::Duration { min: "1ms", max: "1h" }, r#""500ms""#),
    table("restart", RESTART),
    table("rollout", ROLLOUT),
    table("health", HEALTH),
    table("logs", LOGS),
    table("http", door::HTTP),
    table("mcp", access::MCP),
    key("clients", Kind::Named(access::CLIENT), ""),
    table("oauth", access::OAUTH),
    table("tls", door::TLS),
    table("warehouse", WAREHOUSE),
    table("snowflake", SNOWFLAKE),
    key("connections", Kind::Named(SNOWFLAKE), ""),
    table("pool", POOL),
    table("limits", LIMITS),
    table(worker_logs::TRACES, worker_logs::TRACES_KEYS),
    offered::TOOLS,
    offered::CORTEX,
];

const RESTART: &[Key] = &[
    key("policy", Kind::Choice(POLICIES), r#""always""#),
    key("backoff_min", WAIT, r#""100ms""#),
    key("backoff_max", WAIT, r#""15s""#),
    key("stable_after", WAIT, r#""10s""#),
    key("max_restarts", Kind::Count { min: 0, max: 10_000, what: "a number of restarts" }, "10"),
    key("window", WAIT, r#""60s""#),
    key("stop_exit_codes", Kind::ExitCodes, "[]"),
    key("max_memory", Kind::SizeOrOff { min: "1MB", max: "1TB" }, r#""off""#),
    key("max_age", Kind::DurationOrOff { min: "1s", max: "8760h" }, r#""off""#),
    key("at", Kind::TimeTable, r#""off""#),
    key("time_zone", Kind::TimeZone, r#""local""#),
];

const ROLLOUT: &[Key] = &[
    key("max_surge", Kind::Count { min: 0, max: INSTANCES_MAX, what: "a number of workers" }, "1"),
    key(
        "max_unavailable",
        Kind::Count { min: 0, max: INSTANCES_MAX, what: "a number of workers" },
        "0",
    ),
    key("pause_between", Kind::DurationOrOff { min: WAIT_MIN, max: WAIT_MAX }, r#""off""#),
];

const HEALTH: &[Key] = &[
    key("start_timeout", WAIT, r#""60s""#),
    key("heartbeat_interval", Kind::Duration { min: "10ms", max: "5m" }, r#""5s""#),
    key("heartbeat_timeout", WAIT, r#""15s""#),
    key("drain_timeout", WAIT, r#""30s""#),
    key("idle_grace", WAIT, r#""2s""#),
    key("watchdog_timeout", WAIT, r#""30s""#),
    table("probe", PROBE),
];

const PROBE: &[Key] = &[
    key("tcp", Kind::ProbeAddress, r#""127.0.0.1:9000""#),
    key("http", Kind::ProbePage, r#""http://127.0.0.1:9000/healthz""#),
    key("command", Kind::Command, r#"["pg_isready", "-q"]"#),
    key("interval", WAIT, r#""10s""#),
    key("timeout", WAIT, r#""2s""#),
    key("failures", Kind::Count { min: 1, max: 1000, what: "a number of failures" }, "3"),
    key("start_interval", WAIT, r#""250ms""#),
];

const LOGS: &[Key] = &[
    key("level", Kind::Choice(LEVELS), r#""info""#),
    worker_logs::MODULES,
    worker_logs::FORMAT,
    worker_logs::STATEMENTS,
    worker_logs::CHANNELS,
    log_files::MAX_SIZE,
    log_files::MAX_AGE,
    log_files::MAX_FILES,
    log_files::KEEP,
    log_files::COMPRESS,
    log_files::MERGE,
];

const WAREHOUSE: &[Key] = &[
    key("kind", Kind::Choice(WAREHOUSES), r#""embedded""#),
    key("scale", Kind::Fraction { max: 10, what: "a scale" }, "0.01"),
    key("sample_account_in_production", Kind::Boolean, "false"),
];

const SNOWFLAKE: &[Key] = &[
    key("account", Kind::Text, r#""ORG-ACCOUNT""#),
    key("user", Kind::Text, r#""MCP_SERVICE""#),
    key("authenticator", Kind::Authenticator, r#""key_pair""#),
    key("private_key_file", Kind::Text, r#""rsa_key.p8""#),
    key("private_key", Kind::Secret, r#""${SNOWFLAKE_PRIVATE_KEY}""#),
    key("private_key_passphrase_file", Kind::Text, r#""passphrase""#),
    key("private_key_passphrase", Kind::Secret, r#""${SNOWFLAKE_PRIVATE_KEY_PASSPHRASE}""#),
    key("password_file", Kind::Text, r#""password""#),
    key("password", Kind::Secret, r#""${SNOWFLAKE_PASSWORD}""#),
    key("token_file", Kind::Text, r#""token""#),
    key("token", Kind::Secret, r#""${SNOWFLAKE_TOKEN}""#),
    key("workload_identity_provider", Kind::Choice(PROVIDERS), r#""OIDC""#),
    key(
        "workload_identity_entra_resource",
        Kind::Text,
        r#""api://fd3f753b-eed3-462c-b6a7-a4b5bb650aad""#,
    ),
    key("oauth_client_id", Kind::Text, r#""mcp-service""#),
    key("oauth_client_secret_file", Kind::Text, r#""oauth_client_secret""#),
    key("oauth_client_secret", Kind::Secret, r#""${SNOWFLAKE_OAUTH_CLIENT_SECRET}""#),
    key("oauth_token_url", Kind::Text, r#""https://idp.example.com/oauth2/token""#),
    key("oauth_scope", Kind::Text, r#""session:role:MCP_READER""#),
    key("passcode_file", Kind::Text, r#""passcode""#),
    key("passcode", Kind::Secret, r#""${SNOWFLAKE_PASSCODE}""#),
    key("role", Kind::Text, r#""MCP_READER""#),
    key("warehouse", Kind::Text, r#""COMPUTE_WH""#),
    key("database", Kind::Text, r#""ANALYTICS""#),
    key("schema", Kind::Text, r#""PUBLIC""#),
    key("host", Kind::Text, r#""org-account.snowflakecomputing.com""#),
    key("connection", Kind::Text, r#""production""#),
];

const POOL: &[Key] = &[
    key("min", Kind::Count { min: 0, max: 1000, what: "a number of sessions" }, "1"),
    key("max", Kind::Count { min: 1, max: 1000, what: "a number of sessions" }, "4"),
    key("acquire_timeout", WAIT, r#""30s""#),
    key("idle_timeout", WAIT, r#""10m""#),
    key("max_lifetime", Kind::Duration { min: "1s", max: "168h" }, r#""50m""#),
    key("health_check_interval", Kind::DurationOrOff { min: "1s", max: "24h" }, r#""5m""#),
];

const LIMITS: &[Key] = &[
    key("max_rows", Kind::Count { min: 1, max: 10_000_000, what: "a number of rows" }, "10000"),
    key("max_bytes", Kind::Size { min: "1KB", max: "1GB" }, r#""8MiB""#),
    key(
        "max_characters",
        Kind::Count { min: 1000, max: 100_000_000, what: "a number of characters" },
        "50000",
    ),
    key("statement_timeout", WAIT, r#""60s""#),
];

/// What one would write behind a key of `[apps.NAME.snowflake]`.
pub(super) fn snowflake_example(name: &str) -> &'static str {
    SNOWFLAKE.iter().find(|key| key.name == name).map_or("", |key| key.example)
}

/// True for the path of a key whose value is shown to nobody, as in `snowflake.password` or
/// `apps.query.snowflake.password`.
pub(super) fn is_secret(path: &str) -> bool {
    let mut names = path.rsplit('.');
    let (Some(name), Some(table)) = (names.next(), names.next()) else { return false };
    let below = |key: &&Key| key.name == table;
    let members = APP.iter().find(below).and_then(|key| key.kind.members()).unwrap_or(&[]);
    let in_account = || names_account(path.rsplit_once('.').map_or("", |(table, _)| table));
    members.iter().any(|key| key.name == name && matches!(key.kind, Kind::Secret))
        || (secret_names().any(|secret| secret == name) && in_account())
}

/// Whether the key of a table is that of an account: `snowflake`, or a member of `connections`.
fn names_account(table: &str) -> bool {
    let names: Vec<&str> = table.split('.').collect();
    let of_connections = |at: &usize| {
        names[*at] == super::snowflake::CONNECTIONS && (*at == 0 || names[*at - 1] != "apps")
    };
    let below = (0..names.len()).find(of_connections).is_some_and(|at| at + 1 < names.len());
    below || names.last() == Some(&super::snowflake::TABLE)
}

/// Whether this is a key of `[apps.NAME.snowflake]` whose value anybody may see.
pub(super) fn is_plain_of_account(name: &str) -> bool {
    SNOWFLAKE.iter().any(|key| key.name == name && !matches!(key.kind, Kind::Secret))
}

/// Whether this is a key of `[apps.NAME]` itself.
pub(super) fn is_of_app(name: &str) -> bool {
    APP.iter().any(|key| key.name == name)
}

/// The key that says the same in another way: of a secret that of its file, and the reverse.
pub(super) fn rival(table: &str, name: &str) -> Option<String> {
    if !names_account(table) {
        return None;
    }
    let literal = name.strip_suffix("_file").unwrap_or(name);
    let rival = if literal == name { format!("{name}_file") } else { literal.to_owned() };
    secret_names().any(|secret| secret == literal).then_some(rival)
}

/// The names of all keys whose values are shown to nobody.
pub(super) fn secret_names() -> impl Iterator<Item = &'static str> {
    SNOWFLAKE.iter().filter(|key| matches!(key.kind, Kind::Secret)).map(|key| key.name)
}

/// The known word, of the file or of the command line, that was probably meant by an unknown one:
/// within a slip of the finger for every four letters, or one that the unknown one begins with.
pub(crate) fn nearest<'k>(unknown: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let known: Vec<&str> = known.collect();
    let unknown = snake(unknown);
    let reach = 1 + unknown.chars().count() / 4;
    let distance = |name: &str| match squashed(name) == squashed(&unknown) {
        true => 0,
        false => strsim::damerau_levenshtein(&unknown, &snake(name)),
    };
    let likeness = |name: &str| strsim::jaro_winkler(&unknown, &snake(name));
    let begins = |name: &str| name.len() >= 3 && unknown.starts_with(&snake(name));
    let near = known.iter().filter(|name| distance(name) <= reach || begins(name));
    let best = near.min_by(|one, other| {
        distance(one).cmp(&distance(other)).then_with(|| likeness(other).total_cmp(&likeness(one)))
    });
    // A word that was cut short is clear when only one begins with it.
    let mut longer = known.iter().filter(|name| name.to_lowercase().starts_with(&unknown));
    let cut = longer.next().filter(|_| unknown.len() >= 3 && longer.next().is_none());
    best.or(cut).copied()
}

/// A name in small letters with `_` between words: `maxRestarts` and `max-restarts` mean the same.
fn snake(name: &str) -> String {
    let mut snake = String::new();
    let mut before = '_';
    for c in name.chars() {
        if c.is_uppercase() && before.is_lowercase() {
            snake.push('_');
        }
        snake.extend(if matches!(c, '-' | ' ') { '_' } else { c }.to_lowercase());
        before = c;
    }
    snake
}

/// A name in small letters without separators.
pub(super) fn squashed(name: &str) -> String {
    let plain = name.chars().filter(|c| !matches!(c, '_' | '-' | ' '));
    plain.flat_map(char::to_lowercase).collect()
}
