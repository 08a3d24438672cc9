//! Every key of the file, in one table: its kind, its range and what one would write.
//!
//! The check for unknown keys, the hints, the check of every value and the test that the shipped
//! file and the documentation mention each key all read this table.

use super::process;
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
    /// A program, or a program and its arguments.
    Command,
    Texts,
    Boolean,
    Count {
        min: u32,
        max: u32,
        what: &'static str,
    },
    Scale,
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
    Warehouse,
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
/// The words for when a worker is started again.
pub(super) const POLICIES: &[&str] = &["always", "on_failure", "never"];

const fn key(name: &'static str, kind: Kind, example: &'static str) -> Key {
    Key { name, kind, example }
}

const fn table(name: &'static str, keys: &'static [Key]) -> Key {
    Key { name, kind: Kind::Table(keys), example: "" }
}

/// A wait, from a millisecond to a day.
const WAIT: Kind = Kind::Duration { min: "1ms", max: "24h" };

/// The whole file.
pub(super) const FILE: &[Key] = &[
    table("supervisor", SUPERVISOR),
    key("apps", Kind::Named(APP), ""),
    key("environments", Kind::Named(ENVIRONMENT), ""),
];

/// `[environments.NAME]`: the shape of the file itself.
const ENVIRONMENT: &[Key] = &[table("supervisor", SUPERVISOR), key("apps", Kind::Named(APP), "")];

const SUPERVISOR: &[Key] = &[
    key("run_directory", Kind::Text, r#""run""#),
    key("log_directory", Kind::Text, r#""logs""#),
    key("state_directory", Kind::Text, r#""state""#),
    key("log_level", Kind::Choice(LEVELS), r#""info""#),
    key("metrics", Kind::AddressOrOff, r#""127.0.0.1:8001""#),
    key("cgroups", Kind::Choice(CGROUPS), r#""auto""#),
    key("watch", Kind::Boolean, "true"),
];

const APP: &[Key] = &[
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
    table("http", HTTP),
    table("mcp", MCP),
    table("warehouse", WAREHOUSE),
    table("pool", POOL),
    table("limits", LIMITS),
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
    key("pause_between", Kind::DurationOrOff { min: "1ms", max: "24h" }, r#""off""#),
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
    key("max_size", Kind::Size { min: "1KB", max: "1TB" }, r#""50MB""#),
    key("max_files", Kind::Count { min: 1, max: 1000, what: "a number of files" }, "10"),
];

const HTTP: &[Key] = &[
    key("header_timeout", WAIT, r#""10s""#),
    key("request_timeout", WAIT, r#""5m""#),
    key("max_body", Kind::Size { min: "1KB", max: "1GB" }, r#""1MiB""#),
    key(
        "max_connections",
        Kind::Count { min: 1, max: 100_000, what: "a number of connections" },
        "1024",
    ),
];

const MCP: &[Key] =
    &[key("allowed_hosts", Kind::Texts, "[]"), key("allowed_origins", Kind::Texts, "[]")];

const WAREHOUSE: &[Key] = &[
    key("kind", Kind::Warehouse, r#""embedded""#),
    key("scale", Kind::Scale, "0.01"),
    key("sample_account_in_production", Kind::Boolean, "false"),
];

const POOL: &[Key] = &[
    key("min", Kind::Count { min: 0, max: 1000, what: "a number of sessions" }, "1"),
    key("max", Kind::Count { min: 1, max: 1000, what: "a number of sessions" }, "4"),
    key("acquire_timeout", WAIT, r#""30s""#),
    key("idle_timeout", WAIT, r#""10m""#),
    key("max_lifetime", Kind::Duration { min: "1s", max: "168h" }, r#""50m""#),
];

const LIMITS: &[Key] = &[
    key("max_rows", Kind::Count { min: 1, max: 10_000_000, what: "a number of rows" }, "10000"),
    key("max_bytes", Kind::Size { min: "1KB", max: "1GB" }, r#""8MiB""#),
    key("statement_timeout", WAIT, r#""60s""#),
];

/// The known word, of the file or of the command line, that was probably meant by an unknown one:
/// within a slip of the finger for every four letters, or one that the unknown one begins with.
pub(crate) fn nearest<'k>(unknown: &str, known: impl Iterator<Item = &'k str>) -> Option<&'k str> {
    let plain = |word: &str| word.to_lowercase().replace('-', "_");
    let unknown = plain(unknown);
    let reach = 1 + unknown.chars().count() / 4;
    let distance = |name: &str| strsim::damerau_levenshtein(&unknown, &plain(name));
    let likeness = |name: &str| strsim::jaro_winkler(&unknown, &plain(name));
    let begins = |name: &str| name.len() >= 3 && unknown.starts_with(&plain(name));
    known.filter(|name| distance(name) <= reach || begins(name)).min_by(|one, other| {
        distance(one).cmp(&distance(other)).then_with(|| likeness(other).total_cmp(&likeness(one)))
    })
}

/// The tables of an app that have a key of this name, as in `restart`.
pub(super) fn tables_with(name: &str) -> impl Iterator<Item = &'static str> {
    let holds = move |candidate: &&Key| matches!(&candidate.kind, Kind::Table(keys) if keys.iter().any(|key| key.name == name));
    APP.iter().filter(holds).map(|table| table.name)
}
