//! Who may call, and what each may do: `authentication` and what everybody begins with in
//! `[apps.NAME.mcp]`, `[apps.NAME.clients.NAME]`, `[apps.NAME.oauth]`, and the keys that were made.
//!
//! A client has what `[apps.NAME.mcp]` says where its own table says nothing. Names of the account
//! are resolved as Snowflake does, so that they can be compared letter by letter from here on.

mod changed;
mod key_file;
pub(super) mod keys;
mod oauth;

use std::collections::BTreeMap;
use std::net::SocketAddr;

use mcp_protocol::access::{
    AccessSettings, Allowed, ApiKey, AuditLevel, ClientSettings, Grant, Level, Quota, TOOLSETS,
};
use mcp_protocol::settings::{DEFAULT_CONNECTION, Settings};

pub(super) use changed::{changed_keys, rule};
pub(super) use key_file::read as stored_keys;
pub use key_file::{FILE_NAME as KEY_FILE_NAME, StoredKey, parse_keys, render_keys};

use super::Config;
use super::check::Around;
use super::file::{Node, child_key};
use super::keys::nearest;
use super::problem::Report;
use super::section::Section;
use super::snowflake::CONNECTIONS;
use super::value::quoted;

/// The table of clients.
pub(super) const CLIENTS: &str = "clients";
/// The table of the one who gives access tokens.
pub(super) const OAUTH: &str = "oauth";
/// What stands for all names.
const ALL: &str = "*";
/// What each word for a level means, in the order of the table of keys.
const LEVELS: [Level; 3] = [Level::Read, Level::Write, Level::Destructive];
pub(super) const AUDIT: [AuditLevel; 3] = [AuditLevel::Off, AuditLevel::Hash, AuditLevel::Text];

/// Whether callers must show who they are.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Authentication {
    Auto,
    Required,
    Off,
}

const AUTHENTICATION: [Authentication; 3] =
    [Authentication::Auto, Authentication::Required, Authentication::Off];

/// Whom an app lets in, and what to remark on.
pub(super) fn settings(
    app: Section<'_>,
    around: &Around<'_>,
    report: &mut Report,
    remarks: &mut Vec<String>,
) -> AccessSettings {
    let mcp = app.section("mcp");
    let base = grant(mcp, &Grant::default(), report);
    let clients = clients(app.section(CLIENTS), &base, around, report);
    let oauth = oauth::read(app, around, report);
    refuse_shared_names(app.section(CLIENTS), report);
    refuse_unknown_connections(app, report);
    remark(&clients, oauth.is_some(), around, remarks);
    let wanted = mcp.choice("authentication", &AUTHENTICATION).unwrap_or(Authentication::Auto);
    let known = !clients.is_empty() || app.node(OAUTH).is_some();
    let anonymous = match wanted {
        Authentication::Off => true,
        Authentication::Required => false,
        Authentication::Auto => !known,
    };
    if wanted == Authentication::Required
        && !known
        && app.node(CLIENTS).is_none()
        && let Some(node) = mcp.node("authentication")
    {
        let table = child_key(&child_key(&child_key("apps", around.app), CLIENTS), "NAME");
        let words = format!("lets nobody in, for there is no client; write a table [{table}]");
        report.add(&node.key, node.place, words);
    }
    if anonymous && base.level != Level::Read {
        remarks.push("whoever calls may change data without showing who it is".to_owned());
    }
    AccessSettings {
        anonymous: anonymous.then_some(base),
        clients,
        oauth,
        audit: mcp.choice("audit", &AUDIT).unwrap_or_default(),
    }
}

/// Refuses to be reachable for everybody without asking who it is, unless that is meant. A door on
/// loopback with proxies before it is one that others reach.
pub(super) fn refuse_open_door(
    app: Section<'_>,
    (listen, settings): (SocketAddr, &Settings),
    report: &mut Report,
    remarks: &mut Vec<String>,
) {
    let is_here = listen.ip().to_canonical().is_loopback();
    let (node, below, whoever) = match is_here {
        false => (app.node("listen"), ".listen", format!("whoever reaches {listen}")),
        true if settings.http.trusted_proxies.is_empty() => return,
        true => {
            let proxies = app.section("http").node("trusted_proxies");
            let whoever = "whoever comes through these proxies".to_owned();
            (proxies, ".http.trusted_proxies", whoever)
        }
    };
    let Some(node) = node.filter(|node| !report.blames(&node.key)) else { return };
    if settings.access.anonymous.is_none() {
        if settings.tls.is_none() && !is_here {
            remarks.push(format!(
                "keys cross the network to {listen} as they are; use TLS, or a proxy that does"
            ));
        }
        return;
    }
    if app.section("mcp").boolean("allow_anonymous_beyond_loopback") == Some(true) {
        remarks.push(format!("{whoever} may ask without showing who it is"));
        return;
    }
    let table = node.key.strip_suffix(below).unwrap_or(&node.key);
    let inside = SocketAddr::new(std::net::Ipv4Addr::LOCALHOST.into(), listen.port());
    let or = if is_here { String::new() } else { format!(", or listen on {inside}") };
    report.add(
        &node.key,
        node.place,
        format!(
            "{whoever} could ask without showing who it is; make a client ([{}] and \
             `mcp-supervisor client key create NAME`){or}; if everybody is meant, write \
             allow_anonymous_beyond_loopback = true below [{}]",
            child_key(&child_key(table, CLIENTS), "NAME"),
            child_key(table, "mcp"),
        ),
    );
}

/// What a table allows; what it does not say is as in `base`.
fn grant(section: Section<'_>, base: &Grant, report: &mut Report) -> Grant {
    let mut names = |key: &str, base: &Allowed, of: Names| {
        allowed(section, (key, of), report).unwrap_or_else(|| base.clone())
    };
    Grant {
        connections: names("connections", &base.connections, Names::Ours),
        roles: names("roles", &base.roles, Names::Account),
        warehouses: names("warehouses", &base.warehouses, Names::Account),
        databases: names("databases", &base.databases, Names::Account),
        level: section.choice("level", &LEVELS).unwrap_or(base.level),
        toolsets: toolsets(section, report).unwrap_or_else(|| base.toolsets.clone()),
        quota: quota(section, &base.quota),
        // Said of each client by itself: nobody is an administrator by default.
        admin: section.boolean("admin").unwrap_or(false),
    }
}

fn quota(section: Section<'_>, base: &Quota) -> Quota {
    Quota {
        requests_per_second: section.count("requests_per_second").or(base.requests_per_second),
        statements_per_second: section
            .count("statements_per_second")
            .or(base.statements_per_second),
        concurrent_statements: section
            .count("concurrent_statements")
            .or(base.concurrent_statements),
        statements_per_day: section
            .count("statements_per_day")
            .map(u64::from)
            .or(base.statements_per_day),
        bytes_per_day: section.size("bytes_per_day").or(base.bytes_per_day),
        statement_timeout: section.duration("statement_timeout").or(base.statement_timeout),
        bytes_scanned_max: section.size("max_bytes_scanned").or(base.bytes_scanned_max),
        microcredits_per_day: section
            .fraction("credits_per_day")
            .map(millionths)
            .or(base.microcredits_per_day),
    }
}

/// A number in range as millionths, 1 at the least.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is above 0 and far below 2^52"
)]
fn millionths(number: f64) -> u64 {
    ((number * 1e6).round() as u64).max(1)
}

fn toolsets(section: Section<'_>, report: &mut Report) -> Option<Vec<String>> {
    section.node("toolsets")?;
    let mut toolsets = Vec::new();
    for (name, node) in section.entries("toolsets") {
        if name == ALL {
            toolsets.extend(TOOLSETS.map(str::to_owned));
        } else if TOOLSETS.contains(&name.as_str()) {
            toolsets.push(name);
        } else {
            let words = match nearest(&name, TOOLSETS.into_iter()) {
                Some(meant) => {
                    format!("{} is no toolset; did you mean \"{meant}\"?", quoted(&name))
                }
                None => {
                    let known = TOOLSETS.join(", ");
                    format!("{} is no toolset; there are {known}", quoted(&name))
                }
            };
            report.add(&node.key, node.place, words);
        }
    }
    toolsets.sort();
    toolsets.dedup();
    Some(toolsets)
}

/// Whose names they are.
#[derive(Clone, Copy)]
enum Names {
    /// Of this file.
    Ours,
    /// Of the account, where unquoted names fold to upper case.
    Account,
}

fn allowed(section: Section<'_>, (key, of): (&str, Names), report: &mut Report) -> Option<Allowed> {
    section.node(key)?;
    let entries = section.entries(key);
    if let [(name, _)] = &entries[..]
        && name == ALL
    {
        return Some(Allowed::Any);
    }
    let mut names = Vec::new();
    for (name, node) in entries {
        let resolved = match (name.as_str(), of) {
            (ALL, _) => Err("\"*\" means all names; write it alone, or leave it out".to_owned()),
            ("", _) => Err("a name cannot be empty; remove it".to_owned()),
            (_, Names::Ours) => Ok(name),
            (_, Names::Account) => resolved(&name),
        };
        match resolved {
            Ok(name) => names.push(name),
            Err(words) => report.add(&node.key, node.place, words),
        }
    }
    Some(Allowed::Only(names))
}

/// A name as the account knows it: unquoted ones fold to upper case, `"quoted"` ones are kept.
fn resolved(name: &str) -> Result<String, String> {
    if let Some(inner) = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) {
        let plain = inner.replace("\"\"", "");
        if !plain.is_empty() && !plain.contains('"') {
            return Ok(inner.replace("\"\"", "\""));
        }
    }
    let first = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    let plain = |c: char| c.is_ascii_alphanumeric() || "_$".contains(c);
    if first && name.chars().all(plain) {
        return Ok(name.to_ascii_uppercase());
    }
    Err(format!(
        "{} is no name of the account as it is; write it in quotes of its own: '\"My name\"'",
        quoted(name)
    ))
}

fn clients(
    section: Section<'_>,
    base: &Grant,
    around: &Around<'_>,
    report: &mut Report,
) -> Vec<ClientSettings> {
    let members = section.members().into_iter().filter(|(_, client)| client.is_table());
    members
        .map(|(name, client)| ClientSettings {
            name: name.to_owned(),
            keys: keys_of(name, around.keys),
            grant: grant(client, base, report),
            subjects: client.texts("subjects"),
            certificates: client.texts("certificates"),
        })
        .collect()
}

/// The keys of a client that were not revoked. One that has ended is among them: whoever shows it
/// is told so.
fn keys_of(client: &str, keys: &[StoredKey]) -> Vec<ApiKey> {
    let own = keys.iter().filter(|key| key.client == client && key.revoked_at.is_none());
    own.map(|key| ApiKey { id: key.id.clone(), sha256: key.sha256, expires_at: key.expires_at })
        .collect()
}

/// A configuration with the keys that there are now, for when its own file cannot be read anew.
///
/// # Errors
/// In words, when the file of keys cannot be used.
pub(crate) fn with_keys_of_now(config: &Config) -> Result<Config, String> {
    let mut config = config.clone();
    let settings = config.apps.values_mut().filter_map(|app| app.settings.as_mut());
    let mut clients = settings.flat_map(|settings| &mut settings.access.clients).peekable();
    if clients.peek().is_some() {
        let keys = key_file::in_force(&config.supervisor.state_directory)?;
        clients.for_each(|client| client.keys = keys_of(&client.name, &keys));
    }
    Ok(config)
}

/// Two clients cannot be told apart by the same subject or certificate.
fn refuse_shared_names(section: Section<'_>, report: &mut Report) {
    for key in ["subjects", "certificates"] {
        let mut taken: BTreeMap<String, &str> = BTreeMap::new();
        for (client, table) in section.members() {
            let entries: Vec<(String, &Node)> = table.entries(key);
            for (name, node) in entries {
                match taken.get(&name) {
                    Some(other) if *other != client => {
                        let words =
                            format!("{} is client {other} already; remove one", quoted(&name));
                        report.add(&node.key, node.place, words);
                    }
                    Some(_) => {}
                    None => drop(taken.insert(name, client)),
                }
            }
        }
    }
}

fn refuse_unknown_connections(app: Section<'_>, report: &mut Report) {
    let named = app.section(CONNECTIONS).members().into_iter().map(|(name, _)| name);
    let known: Vec<&str> = named.chain([DEFAULT_CONNECTION]).collect();
    let clients = app.section(CLIENTS).members().into_iter().map(|(_, client)| client);
    for table in std::iter::once(app.section("mcp")).chain(clients) {
        for (name, node) in table.entries("connections") {
            if name == ALL || known.contains(&name.as_str()) {
                continue;
            }
            let meant = match nearest(&name, known.iter().copied()) {
                Some(meant) => format!("did you mean \"{meant}\"?"),
                None => format!("there are {}", known.join(", ")),
            };
            let words = format!("{} is no connection; {meant}", quoted(&name));
            report.add(&node.key, node.place, words);
        }
    }
}

fn remark(clients: &[ClientSettings], oauth: bool, around: &Around<'_>, remarks: &mut Vec<String>) {
    for client in clients {
        let known = !client.subjects.is_empty() || !client.certificates.is_empty();
        if client.keys.is_empty() && !known {
            remarks.push(format!(
                "client {0} has no key; `mcp-supervisor client key create {0}` makes one",
                client.name
            ));
        }
    }
    if oauth && clients.iter().all(|client| client.subjects.is_empty()) {
        let table = child_key(&child_key(&child_key("apps", around.app), CLIENTS), "NAME");
        remarks.push(format!("no access token lets anybody in: no [{table}] has `subjects`"));
    }
}
