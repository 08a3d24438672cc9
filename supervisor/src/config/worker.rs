//! The settings of our own worker: the tables that only `mcp-worker` understands.

use mcp_protocol::settings::{
    LogLevel, McpSettings, PoolSettings, SAMPLE_SCALE, Settings, StatementLimits, WarehouseSettings,
};

use super::check::{Around, not_above};
use super::file::child_key;
use super::problem::Report;
use super::section::Section;
use super::{access, door, offered, snowflake, variables, worker_logs};

/// The tables of an app that are for our own worker alone.
const TABLES: [&str; 13] = [
    "http",
    "mcp",
    access::CLIENTS,
    access::OAUTH,
    "tls",
    "warehouse",
    snowflake::TABLE,
    snowflake::CONNECTIONS,
    "pool",
    "limits",
    "tools",
    "cortex",
    worker_logs::TRACES,
];
/// What each word for a level means, in the order of the table of keys.
pub(super) const LEVELS: [LogLevel; 5] =
    [LogLevel::Error, LogLevel::Warn, LogLevel::Info, LogLevel::Debug, LogLevel::Trace];

/// Refuses what only our own worker understands.
pub(super) fn refuse(app: Section<'_>, report: &mut Report) {
    for node in TABLES.iter().filter_map(|table| app.node(table)) {
        report.add(
            &node.key,
            node.place,
            "only mcp-worker has these settings; remove this table, or let `exec` start mcp-worker",
        );
    }
    let logs = app.section("logs");
    for node in worker_logs::OURS.iter().filter_map(|(name, _)| logs.node(name)) {
        report.add(
            &node.key,
            node.place,
            "only mcp-worker writes logs of its own; remove this key and tell the program by `args` \
             or `env`",
        );
    }
}

/// The settings of a worker, and what to remark on. Its generation is set when they are handed
/// over.
pub(super) fn settings(
    app: Section<'_>,
    around: &Around<'_>,
    report: &mut Report,
    remarks: &mut Vec<String>,
) -> Settings {
    let default = Settings::default();
    let (health, mcp) = (app.section("health"), app.section("mcp"));
    Settings {
        environment: around.environment.to_owned(),
        generation: 0,
        heartbeat_every: health.duration("heartbeat_interval").unwrap_or(default.heartbeat_every),
        idle_grace: health.duration("idle_grace").unwrap_or(default.idle_grace),
        http: door::http(app.section("http"), default.http, report),
        mcp: McpSettings {
            allowed_hosts: mcp.texts("allowed_hosts"),
            allowed_origins: mcp.texts("allowed_origins"),
            websocket: mcp.boolean("websocket").unwrap_or(default.mcp.websocket),
        },
        access: access::settings(app, around, report, remarks),
        warehouse: warehouse(app, around, report, remarks),
        pool: pool(app.section("pool"), default.pool, report),
        limits: limits(app.section("limits"), default.limits),
        logs: worker_logs::read(app, around, report),
        // They are no configuration: whoever hands the settings over puts them in.
        sessions: default.sessions,
        // Nothing of a file: an administrator asks for it at run time.
        maintenance: None,
        tls: door::tls(app, around, report, remarks),
        connections: snowflake::connections(app, around, report, remarks),
        offered: offered::read(app, report),
    }
}

/// The settings of another program with a link: only what the link itself needs.
pub(super) fn linked_settings(app: Section<'_>, around: &Around<'_>) -> Settings {
    let default = Settings::default();
    let interval = app.section("health").duration("heartbeat_interval");
    Settings {
        environment: around.environment.to_owned(),
        heartbeat_every: interval.unwrap_or(default.heartbeat_every),
        ..default
    }
}

/// Where the data is: where `kind` says; without it at Snowflake, as soon as anything is written
/// of who logs in there. The sample account is never what is left over in production.
fn warehouse(
    app: Section<'_>,
    around: &Around<'_>,
    report: &mut Report,
    remarks: &mut Vec<String>,
) -> WarehouseSettings {
    let warehouse = app.section("warehouse");
    let about_account = snowflake::is_meant(app.section(snowflake::TABLE));
    let kind = warehouse.choice("kind", &[Kind::Embedded, Kind::Snowflake]);
    match kind.unwrap_or(if about_account { Kind::Snowflake } else { Kind::Embedded }) {
        Kind::Snowflake => {
            let account = snowflake::read(app, around, report, remarks);
            account.map_or(sample(warehouse), |account| {
                WarehouseSettings::Snowflake(Box::new(account))
            })
        }
        Kind::Embedded => {
            refuse_sample_in_production(warehouse, around, report);
            remarks.push("serves the embedded sample account, not Snowflake".to_owned());
            sample(warehouse)
        }
    }
}

/// What each word for a warehouse means, in the order of the table of keys.
#[derive(Clone, Copy)]
enum Kind {
    Embedded,
    Snowflake,
}

fn sample(warehouse: Section<'_>) -> WarehouseSettings {
    WarehouseSettings::Embedded { scale: warehouse.fraction("scale").unwrap_or(SAMPLE_SCALE) }
}

fn refuse_sample_in_production(warehouse: Section<'_>, around: &Around<'_>, report: &mut Report) {
    let allowed = "sample_account_in_production";
    let meant = warehouse.boolean(allowed).unwrap_or(false);
    let nodes = [warehouse.node("kind"), warehouse.node(allowed)];
    let blamed = nodes.iter().flatten().any(|node| report.blames(&node.key));
    if !around.in_production() || meant || blamed {
        return;
    }
    let app = child_key("apps", around.app);
    let table = child_key(&app, "warehouse");
    let account = child_key(&app, snowflake::TABLE);
    let variable = |key: &str| variables::name_of(&format!("{}.{key}", snowflake::TABLE));
    let names = ["account", "user", "private_key_file"];
    let variables: Vec<&str> = names.iter().filter_map(|key| variable(key)).collect();
    let words = match warehouse.node("kind") {
        Some(_) => "remove this kind and ".to_owned(),
        None => String::new(),
    };
    report.add(
        &table,
        warehouse.nearest.place,
        format!(
            "production would serve the embedded sample account, not your data; {words}write \
             account, user and private_key_file (or password_file, or token_file) below \
             [{account}], or set {}; if the sample account is meant, write {allowed} = true below \
             [environments.production.{table}]",
            variables.join(", ")
        ),
    );
}

fn pool(pool: Section<'_>, default: PoolSettings, report: &mut Report) -> PoolSettings {
    let settings = PoolSettings {
        min: pool.count("min").unwrap_or(default.min),
        max: pool.count("max").unwrap_or(default.max),
        acquire_timeout: pool.duration("acquire_timeout").unwrap_or(default.acquire_timeout),
        idle_timeout: pool.duration("idle_timeout").unwrap_or(default.idle_timeout),
        max_lifetime: pool.duration("max_lifetime").unwrap_or(default.max_lifetime),
        health_check_interval: pool
            .duration_or_off("health_check_interval")
            .unwrap_or(default.health_check_interval),
    };
    not_above(pool, ("min", settings.min), ("max", settings.max), report);
    settings
}

fn limits(limits: Section<'_>, default: StatementLimits) -> StatementLimits {
    StatementLimits {
        rows_max: limits.count("max_rows").unwrap_or(default.rows_max),
        bytes_max: limits.size("max_bytes").unwrap_or(default.bytes_max),
        timeout: limits.duration("statement_timeout").unwrap_or(default.timeout),
        characters_max: limits.count("max_characters").unwrap_or(default.characters_max),
    }
}
