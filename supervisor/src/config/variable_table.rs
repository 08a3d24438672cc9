//! The names under which other servers take their settings, and the key of ours that each means.
//!
//! Three families of names are in use for the same things; all are here, in one table. Names that
//! are known and have nothing to change here say why, so that nobody waits for an effect.

use Form::{Choice, Count, Level, List, Megabytes, PrivateKey, Text};
use Meaning::{Elsewhere, Key, ListenHost, ListenPort, MetricsPort, MetricsSwitch, Nothing};

/// What a variable means.
#[derive(Debug, Clone, Copy)]
pub(super) enum Meaning {
    /// A key of every app that runs `mcp-worker`, as seen from the app.
    Key(&'static str, Form),
    ListenHost,
    ListenPort,
    MetricsPort,
    MetricsSwitch,
    /// It is read where the environment is chosen or Snowflake's files are looked for.
    Elsewhere,
    /// It changes nothing here, and why.
    Nothing(&'static str),
}

/// How the text of a variable becomes a value of the file.
#[derive(Debug, Clone, Copy)]
pub(super) enum Form {
    Text,
    /// A word in any case.
    Choice,
    Count,
    /// A number of this unit, as in "30m".
    Time(&'static str),
    Megabytes,
    /// Words separated by commas.
    List,
    Level,
    /// A private key or the path of one.
    PrivateKey,
}

const MINUTES: Form = Form::Time("m");
const SECONDS: Form = Form::Time("s");
const HOURS: Form = Form::Time("h");

const NO_AUTH: &str =
    "clients have keys of our own making; `mcp-supervisor client key create` makes one";
const NO_RATES: &str =
    "this release has no rate limits; `http.max_connections` and `pool.max` bound the load";
const READ_ONLY: &str = "only reading statements are let through, always";
const NO_TLS: &str = "the worker speaks plain HTTP; encrypt in a proxy in front of `listen`";
const NO_CACHE: &str = "answers are not cached";
const BY_ITSELF: &str = "the pool looks after its sessions by itself";
const NO_WEBSOCKET: &str = "there is no WebSocket; clients use streamable HTTP";
const CORS: &str = "pages are told apart by `mcp.allowed_origins` alone";
const NO_SESSIONS: &str = "a call is complete in itself; nothing is kept for a client between two";
const ALL_READ_ONLY: &str = "statements only read, so there are no transactions";
const LOG_LINES: &str = "the form of log lines cannot be chosen, and no SQL text is logged";
const OWN_LOGS: &str = "each app has log files of its own; write `supervisor.log_directory`";
const NO_PID_FILE: &str = "no pid file is needed; `mcp-supervisor pid` tells it";
const WELL: &str = "`health` says when a worker is well; `/health` of each worker answers always";
const METRICS: &str = "metrics are at `/metrics` of `supervisor.metrics`, all of them";
const PACING: &str = "answers are sent as soon as they are there";
const SUPERVISED: &str = "the service is run by `mcp-supervisor start`; see `user` and `group`";
const OUTPUT: &str = "answers go to the client, never to a file, up to `limits`";
const DEBUGGING: &str = "what is logged is for `logs.level` to say";
const LOAD: &str = "`pool.max`, `http.max_connections` and `resources` bound the load";

/// Every known name. The first of a key is the one that is recommended.
pub(super) const NAMES: &[(&str, Meaning)] = &[
    // ---- the account ----
    ("SNOWFLAKE_ACCOUNT", Key("snowflake.account", Text)),
    ("SNOWFLAKE_USER", Key("snowflake.user", Text)),
    ("SNOWFLAKE_AUTHENTICATOR", Key("snowflake.authenticator", Choice)),
    ("SNOWFLAKE_AUTH_TYPE", Key("snowflake.authenticator", Choice)),
    ("SNOWFLAKE_PRIVATE_KEY_PATH", Key("snowflake.private_key_file", Text)),
    ("SNOWFLAKE_PRIVATE_KEY_FILE", Key("snowflake.private_key_file", Text)),
    ("SNOWFLAKE_PRIVATE_KEY", Key("snowflake.private_key", PrivateKey)),
    ("SNOWFLAKE_PRIVATE_KEY_RAW", Key("snowflake.private_key", Text)),
    ("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE_FILE", Key("snowflake.private_key_passphrase_file", Text)),
    ("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE", Key("snowflake.private_key_passphrase", Text)),
    ("SNOWFLAKE_PRIVATE_KEY_FILE_PWD", Key("snowflake.private_key_passphrase", Text)),
    ("PRIVATE_KEY_PASSPHRASE", Key("snowflake.private_key_passphrase", Text)),
    ("SNOWFLAKE_PASSWORD_FILE", Key("snowflake.password_file", Text)),
    ("SNOWFLAKE_PASSWORD", Key("snowflake.password", Text)),
    ("SNOWFLAKE_TOKEN_FILE", Key("snowflake.token_file", Text)),
    ("SNOWFLAKE_TOKEN_FILE_PATH", Key("snowflake.token_file", Text)),
    ("SNOWFLAKE_TOKEN", Key("snowflake.token", Text)),
    ("SNOWFLAKE_OAUTH_CLIENT_ID", Key("snowflake.oauth_client_id", Text)),
    ("SNOWFLAKE_OAUTH_CLIENT_SECRET_FILE", Key("snowflake.oauth_client_secret_file", Text)),
    ("SNOWFLAKE_OAUTH_CLIENT_SECRET", Key("snowflake.oauth_client_secret", Text)),
    ("SNOWFLAKE_OAUTH_TOKEN_URL", Key("snowflake.oauth_token_url", Text)),
    ("SNOWFLAKE_OAUTH_TOKEN_REQUEST_URL", Key("snowflake.oauth_token_url", Text)),
    ("SNOWFLAKE_OAUTH_SCOPE", Key("snowflake.oauth_scope", Text)),
    ("SNOWFLAKE_PASSCODE_FILE", Key("snowflake.passcode_file", Text)),
    ("SNOWFLAKE_PASSCODE", Key("snowflake.passcode", Text)),
    ("SNOWFLAKE_ROLE", Key("snowflake.role", Text)),
    ("SNOWFLAKE_WAREHOUSE", Key("snowflake.warehouse", Text)),
    ("SNOWFLAKE_DATABASE", Key("snowflake.database", Text)),
    ("SNOWFLAKE_SCHEMA", Key("snowflake.schema", Text)),
    ("SNOWFLAKE_SCHEMA_NAME", Key("snowflake.schema", Text)),
    ("SNOWFLAKE_HOST", Key("snowflake.host", Text)),
    ("SNOWFLAKE_HOME", Elsewhere),
    (
        "SNOWFLAKE_DEFAULT_CONNECTION_NAME",
        Nothing("an account is never chosen by default; write `snowflake.connection`"),
    ),
    // ---- the pool ----
    ("SNOWFLAKE_POOL_MIN_SIZE", Key("pool.min", Count)),
    ("CONNECTION_POOL_MIN_SIZE", Key("pool.min", Count)),
    ("SNOWFLAKE_POOL_MAX_SIZE", Key("pool.max", Count)),
    ("CONNECTION_POOL_MAX_SIZE", Key("pool.max", Count)),
    ("SNOWFLAKE_POOL_MAX_INACTIVE_MINUTES", Key("pool.idle_timeout", MINUTES)),
    ("SNOWFLAKE_POOL_MAX_INACTIVE_TIME", Key("pool.idle_timeout", MINUTES)),
    ("SNOWFLAKE_MAX_INACTIVE_TIME", Key("pool.idle_timeout", MINUTES)),
    ("CONNECTION_POOL_MAX_INACTIVE_TIME_MINUTES", Key("pool.idle_timeout", MINUTES)),
    ("SNOWFLAKE_POOL_CONNECTION_TIMEOUT", Key("pool.acquire_timeout", SECONDS)),
    ("SNOWFLAKE_CONN_TIMEOUT", Key("pool.acquire_timeout", SECONDS)),
    ("CONNECTION_POOL_CONNECTION_TIMEOUT_SECONDS", Key("pool.acquire_timeout", SECONDS)),
    ("SNOWFLAKE_CONN_REFRESH_HOURS", Key("pool.max_lifetime", HOURS)),
    ("SNOWFLAKE_POOL_REFRESH_HOURS", Key("pool.max_lifetime", HOURS)),
    ("SNOWFLAKE_POOL_HEALTH_CHECK_MINUTES", Key("pool.health_check_interval", MINUTES)),
    ("SNOWFLAKE_POOL_HEALTH_CHECK_INTERVAL", Key("pool.health_check_interval", MINUTES)),
    ("SNOWFLAKE_HEALTH_CHECK_INTERVAL", Key("pool.health_check_interval", MINUTES)),
    ("CONNECTION_POOL_HEALTH_CHECK_INTERVAL_MINUTES", Key("pool.health_check_interval", MINUTES)),
    ("SNOWFLAKE_POOL_RETRY_ATTEMPTS", Nothing(BY_ITSELF)),
    ("CONNECTION_POOL_RETRY_ATTEMPTS", Nothing(BY_ITSELF)),
    // ---- the door ----
    ("SERVER_HOST", ListenHost),
    ("MCP_HTTP_HOST", ListenHost),
    ("MCP_SERVER_HOST", ListenHost),
    ("SERVER_PORT", ListenPort),
    ("MCP_HTTP_PORT", ListenPort),
    ("MCP_SERVER_PORT", ListenPort),
    ("SERVER_WORKERS", Key("instances", Count)),
    ("MCP_SERVER_WORKERS", Key("instances", Count)),
    ("MCP_REQUEST_TIMEOUT", Key("http.request_timeout", SECONDS)),
    ("MCP_HTTP_REQUEST_TIMEOUT", Key("http.request_timeout", SECONDS)),
    ("MCP_SERVER_TIMEOUT", Key("http.request_timeout", SECONDS)),
    ("MCP_MAX_REQUEST_SIZE", Key("http.max_body", Megabytes)),
    ("MAX_CONNECTIONS", Key("http.max_connections", Count)),
    ("CORS_ORIGINS", Key("mcp.allowed_origins", List)),
    ("MCP_CORS_ORIGINS", Key("mcp.allowed_origins", List)),
    ("CORS_ALLOW_ORIGINS", Key("mcp.allowed_origins", List)),
    ("CORS_ALLOW_METHODS", Nothing(CORS)),
    ("CORS_ALLOW_HEADERS", Nothing(CORS)),
    ("CORS_ALLOW_CREDENTIALS", Nothing(CORS)),
    ("SERVER_RELOAD", Nothing("workers are replaced when files change only with `watch`")),
    ("KEEPALIVE_TIMEOUT", Nothing("a kept-alive connection is closed when its worker leaves")),
    ("WEBSOCKET_HOST", Nothing(NO_WEBSOCKET)),
    ("WEBSOCKET_PORT", Nothing(NO_WEBSOCKET)),
    ("WS_PING_INTERVAL", Nothing(NO_WEBSOCKET)),
    ("WS_PING_TIMEOUT", Nothing(NO_WEBSOCKET)),
    ("WS_MAX_MESSAGE_SIZE", Nothing(NO_WEBSOCKET)),
    // ---- limits ----
    ("MAX_QUERY_RESULT_ROWS", Key("limits.max_rows", Count)),
    ("MAX_QUERY_LIMIT", Key("limits.max_rows", Count)),
    ("QUERY_TIMEOUT_SECONDS", Key("limits.statement_timeout", SECONDS)),
    ("MAX_MEMORY_MB", Key("restart.max_memory", Megabytes)),
    (
        "DEFAULT_QUERY_LIMIT",
        Nothing("a client says how many rows it wants, up to `limits.max_rows`"),
    ),
    ("MAX_CONCURRENT_REQUESTS", Nothing(LOAD)),
    ("MCP_MAX_CONCURRENT_REQUESTS", Nothing(LOAD)),
    ("REQUEST_QUEUE_SIZE", Nothing(LOAD)),
    ("MAX_CPU_PERCENT", Nothing(LOAD)),
    ("ENABLE_QUERY_CACHE", Nothing(NO_CACHE)),
    ("QUERY_CACHE_TTL", Nothing(NO_CACHE)),
    // ---- who may ask ----
    ("API_KEY", Nothing(NO_AUTH)),
    ("API_KEYS", Nothing(NO_AUTH)),
    ("VALID_API_KEYS", Nothing(NO_AUTH)),
    ("API_KEY_HEADER", Nothing(NO_AUTH)),
    ("ENABLE_API_AUTH", Nothing(NO_AUTH)),
    ("ENABLE_API_KEY_AUTH", Nothing(NO_AUTH)),
    ("JWT_SECRET", Nothing(NO_AUTH)),
    ("REQUIRE_SSL", Nothing(NO_TLS)),
    ("VERIFY_SSL_CERTS", Nothing(NO_TLS)),
    ("ENABLE_SQL_PROTECTION", Nothing(READ_ONLY)),
    ("ENABLE_SQL_INJECTION_PROTECTION", Nothing(READ_ONLY)),
    ("ALLOWED_SQL_COMMANDS", Nothing(READ_ONLY)),
    ("READONLY_MODE", Nothing(READ_ONLY)),
    ("ENABLE_RATE_LIMITING", Nothing(NO_RATES)),
    ("RATE_LIMIT_PER_MINUTE", Nothing(NO_RATES)),
    ("RATE_LIMIT_REQUESTS_PER_MINUTE", Nothing(NO_RATES)),
    ("RATE_LIMIT_REQUESTS_PER_SECOND", Nothing(NO_RATES)),
    ("RATE_LIMIT_BURST_SIZE", Nothing(NO_RATES)),
    ("RATE_LIMIT_VIOLATIONS_THRESHOLD", Nothing(NO_RATES)),
    ("RATE_LIMIT_STORAGE", Nothing(NO_RATES)),
    ("CLIENT_RATE_LIMIT_REQUESTS", Nothing(NO_RATES)),
    ("CLIENT_RATE_LIMIT_WINDOW_MINUTES", Nothing(NO_RATES)),
    // ---- logs ----
    ("LOG_LEVEL", Key("logs.level", Level)),
    ("LOG_FILE_MAX_SIZE", Key("logs.max_size", Megabytes)),
    ("LOG_ROTATION_SIZE", Key("logs.max_size", Megabytes)),
    ("LOG_FILE_BACKUP_COUNT", Key("logs.max_files", Count)),
    ("LOG_ROTATION_BACKUPS", Key("logs.max_files", Count)),
    ("LOG_FILE", Nothing(OWN_LOGS)),
    ("LOG_FORMAT", Nothing(LOG_LINES)),
    ("STRUCTURED_LOGGING", Nothing(LOG_LINES)),
    ("LOG_SQL_QUERIES", Nothing(LOG_LINES)),
    ("LOG_QUERY_DETAILS", Nothing(LOG_LINES)),
    ("ENABLE_REQUEST_LOGGING", Nothing(LOG_LINES)),
    ("LOG_TOKEN_ESTIMATION", Nothing(LOG_LINES)),
    ("DEBUG", Nothing(DEBUGGING)),
    ("ENABLE_PROFILING", Nothing(DEBUGGING)),
    // ---- watching it ----
    ("METRICS_PORT", MetricsPort),
    ("PROMETHEUS_PORT", MetricsPort),
    ("ENABLE_METRICS", MetricsSwitch),
    ("PROMETHEUS_ENABLED", MetricsSwitch),
    ("ENABLE_MONITORING", Nothing(METRICS)),
    ("METRICS_PATH", Nothing(METRICS)),
    ("METRICS_ENDPOINT", Nothing(METRICS)),
    ("TRACK_QUERY_METRICS", Nothing(METRICS)),
    ("HEALTH_CHECK_TIMEOUT", Nothing(WELL)),
    ("HEALTH_CHECK_INTERVAL", Nothing(WELL)),
    ("HEALTH_CHECK_ENABLED", Nothing(WELL)),
    ("DETAILED_HEALTH_CHECKS", Nothing(WELL)),
    // ---- sessions and transactions ----
    ("SESSION_TIMEOUT_MINUTES", Nothing(NO_SESSIONS)),
    ("MAX_CONCURRENT_SESSIONS", Nothing(NO_SESSIONS)),
    ("SESSION_CLEANUP_INTERVAL", Nothing(NO_SESSIONS)),
    ("ENABLE_SESSION_PERSISTENCE", Nothing(NO_SESSIONS)),
    ("DEFAULT_TRANSACTION_TIMEOUT", Nothing(ALL_READ_ONLY)),
    ("MAX_TRANSACTION_DURATION", Nothing(ALL_READ_ONLY)),
    ("AUTO_COMMIT_QUERIES", Nothing(ALL_READ_ONLY)),
    // ---- how it is run ----
    ("ENVIRONMENT", Elsewhere),
    ("MCP_ENV", Elsewhere),
    ("MCP_MODE", Nothing("the supervisor serves HTTP; `mcp-worker stdio` serves a desktop client")),
    ("PID_FILE", Nothing(NO_PID_FILE)),
    ("DAEMON_PID_FILE", Nothing(NO_PID_FILE)),
    ("DAEMON_USER", Nothing(SUPERVISED)),
    ("DAEMON_GROUP", Nothing(SUPERVISED)),
    ("WORKING_DIR", Nothing("a worker needs no directory of its own; write `cwd` if it does")),
    ("MCP_MIN_RESPONSE_INTERVAL_MS", Nothing(PACING)),
    ("MCP_MAX_RESPONSE_INTERVAL_MS", Nothing(PACING)),
    ("MCP_ADAPTIVE_PACING", Nothing(PACING)),
    ("MCP_MIN_REQUEST_INTERVAL_MS", Nothing(PACING)),
    ("MCP_BATCH_WINDOW_MS", Nothing(PACING)),
    ("MOCK_SNOWFLAKE", Nothing("the sample account is `warehouse.kind` = \"embedded\"")),
    ("APP_VERSION", Nothing("the version is the program's own")),
    ("DEPLOYMENT_TIMESTAMP", Nothing("`mcp-supervisor status` tells since when it runs")),
    // ---- what a model is shown ----
    ("MODEL_NAME", Nothing(OUTPUT)),
    ("MODEL_CONTEXT_TOKEN_LIMIT", Nothing(OUTPUT)),
    ("MODEL_TOKEN_LIMIT", Nothing(OUTPUT)),
    ("MODEL_SAFETY_MARGIN", Nothing(OUTPUT)),
    ("SAFETY_MARGIN", Nothing(OUTPUT)),
    ("DEFAULT_OUTPUT", Nothing(OUTPUT)),
    ("DEFAULT_FILE_FORMAT", Nothing(OUTPUT)),
    ("DEFAULT_OUTPUT_DIR", Nothing(OUTPUT)),
    ("AUTO_GENERATE_FILENAME", Nothing(OUTPUT)),
    ("FILENAME_PATTERN", Nothing(OUTPUT)),
    ("TOKEN_ESTIMATION_SAMPLE_SIZE", Nothing(OUTPUT)),
];
