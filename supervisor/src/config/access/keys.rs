//! The keys of what callers may do: those that everybody begins with, in `[apps.NAME.mcp]`, and
//! those of each client and of an issuer of access tokens.

use crate::config::keys::{Key, Kind, WAIT_MAX, WAIT_MIN, key};

/// The words for how far statements may go, least first.
pub(super) const LEVELS: &[&str] = &["read", "write", "destructive"];
/// The words for whether callers must show who they are.
pub(super) const AUTHENTICATION: &[&str] = &["auto", "required", "off"];
/// The words for what is written down of each call.
pub(in crate::config) const AUDIT: &[&str] = &["off", "hash", "text"];

const fn count(name: &'static str, what: &'static str, example: &'static str) -> Key {
    key(name, Kind::Count { min: 1, max: u32::MAX, what }, example)
}

const LEVEL: Key = key("level", Kind::Choice(LEVELS), r#""read""#);
const TOOLSETS: Key = key("toolsets", Kind::Texts, r#"["core"]"#);
const CONNECTIONS: Key = key("connections", Kind::Texts, "[]");
const ROLES: Key = key("roles", Kind::Texts, "[]");
const WAREHOUSES: Key = key("warehouses", Kind::Texts, "[]");
const DATABASES: Key = key("databases", Kind::Texts, r#"["*"]"#);
const REQUESTS: Key = count("requests_per_second", "a number of requests", "50");
const STATEMENTS: Key = count("statements_per_second", "a number of statements", "10");
const CONCURRENT: Key = count("concurrent_statements", "a number of statements", "4");
const DAILY_STATEMENTS: Key = count("statements_per_day", "a number of statements", "10000");
const DAILY_BYTES: Key =
    key("bytes_per_day", Kind::Size { min: "1KB", max: "1000TB" }, r#""10GB""#);
const TIMEOUT: Key =
    key("statement_timeout", Kind::Duration { min: WAIT_MIN, max: WAIT_MAX }, r#""30s""#);

const SCANNED: Key =
    key("max_bytes_scanned", Kind::Size { min: "1KB", max: "1000TB" }, r#""100GB""#);
const CREDITS: Key =
    key("credits_per_day", Kind::Fraction { max: 1_000_000, what: "a number of credits" }, "2.5");

/// `[apps.NAME.mcp]`.
pub(in crate::config) const MCP: &[Key] = &[
    key("allowed_hosts", Kind::Texts, "[]"),
    key("allowed_origins", Kind::Texts, "[]"),
    key("websocket", Kind::Boolean, "false"),
    key("authentication", Kind::Choice(AUTHENTICATION), r#""auto""#),
    key("allow_anonymous_beyond_loopback", Kind::Boolean, "false"),
    key("audit", Kind::Choice(AUDIT), r#""hash""#),
    LEVEL,
    TOOLSETS,
    CONNECTIONS,
    ROLES,
    WAREHOUSES,
    DATABASES,
    REQUESTS,
    STATEMENTS,
    CONCURRENT,
    DAILY_STATEMENTS,
    DAILY_BYTES,
    TIMEOUT,
    SCANNED,
    CREDITS,
];

/// `[apps.NAME.clients.NAME]`.
pub(in crate::config) const CLIENT: &[Key] = &[
    LEVEL,
    TOOLSETS,
    CONNECTIONS,
    ROLES,
    WAREHOUSES,
    DATABASES,
    REQUESTS,
    STATEMENTS,
    CONCURRENT,
    DAILY_STATEMENTS,
    DAILY_BYTES,
    TIMEOUT,
    SCANNED,
    CREDITS,
    key("subjects", Kind::Texts, "[]"),
    key("certificates", Kind::Texts, "[]"),
    key("admin", Kind::Boolean, "false"),
];

/// `[apps.NAME.oauth]`.
pub(in crate::config) const OAUTH: &[Key] = &[
    key("issuer", Kind::Text, r#""https://idp.example.com""#),
    key("resource", Kind::Text, r#""https://mcp.example.com/mcp""#),
    key("audience", Kind::Texts, r#"["https://mcp.example.com/mcp"]"#),
    key("jwks_url", Kind::Text, r#""https://idp.example.com/keys""#),
    key("scopes", Kind::Texts, "[]"),
    key("subject_claim", Kind::Text, r#""sub""#),
];

/// What has no default in `[apps.NAME.mcp]`, as seen from the app: nothing is limited.
pub(in crate::config) const UNLIMITED: [&str; 8] = [
    "mcp.requests_per_second",
    "mcp.statements_per_second",
    "mcp.concurrent_statements",
    "mcp.statements_per_day",
    "mcp.bytes_per_day",
    "mcp.statement_timeout",
    "mcp.max_bytes_scanned",
    "mcp.credits_per_day",
];
