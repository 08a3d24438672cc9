//! Clients and their keys, for people and for programs. No key is here to be shown.

use std::collections::BTreeMap;
use std::time::Duration;

use mcp_protocol::access::{ClientSettings, Level};
use serde_json::{Value, json};

use super::words::moment;
use super::words::printable;
use crate::config::StoredKey;

/// A client, and the app in which it is one.
pub struct ClientOf<'a> {
    /// The app.
    pub app: &'a str,
    /// The client.
    pub client: &'a ClientSettings,
}

/// What a key is good for at this moment (seconds since 1970), where these clients are known.
fn state(key: &StoredKey, clients: Option<&[ClientOf<'_>]>, now: u64) -> &'static str {
    let is_named = |client: &ClientOf<'_>| client.client.name == key.client;
    let orphaned = clients.is_some_and(|clients| !clients.iter().any(is_named));
    match key {
        StoredKey { revoked_at: Some(_), .. } => "revoked",
        StoredKey { expires_at: Some(end), .. } if *end <= now => "expired",
        _ if orphaned => "dead: no such client",
        _ => "good",
    }
}

/// The clients, a line for each, then the keys whose clients nobody names.
#[must_use]
pub fn clients(clients: &[ClientOf<'_>], keys: &[StoredKey], now: Duration) -> String {
    let now = now.as_secs();
    let mut rows =
        vec![["app", "client", "level", "toolsets", "known by"].map(str::to_owned).to_vec()];
    for ClientOf { app, client } in clients {
        rows.push(vec![
            (*app).to_owned(),
            client.name.clone(),
            level(client.grant.level).to_owned(),
            client.grant.toolsets.join(","),
            known_by(client, now),
        ]);
    }
    let mut text = match clients.is_empty() {
        true => {
            "no client is named; write a table such as [apps.query.clients.assistant]\n".to_owned()
        }
        false => columns(&rows),
    };
    for key in keys.iter().filter(|key| state(key, Some(clients), now).starts_with("dead")) {
        text.push_str(&format!(
            "key {} is dead: the file names no client {}; `client key revoke {0}` ends it\n",
            key.id, key.client
        ));
    }
    text
}

fn known_by(client: &ClientSettings, now: u64) -> String {
    let good = client.keys.iter().filter(|key| key.expires_at.is_none_or(|end| end > now)).count();
    let counted = |count: usize, one: &str| match count {
        0 => None,
        1 => Some(format!("1 {one}")),
        count => Some(format!("{count} {one}s")),
    };
    let ways = [
        counted(good, "key"),
        counted(client.subjects.len(), "subject"),
        counted(client.certificates.len(), "certificate"),
    ];
    let ways: Vec<String> = ways.into_iter().flatten().collect();
    if ways.is_empty() { "nothing yet".to_owned() } else { ways.join(", ") }
}

/// The same as JSON.
#[must_use]
pub fn clients_json(clients: &[ClientOf<'_>], keys: &[StoredKey], now: Duration) -> Value {
    let one = |ClientOf { app, client }: &ClientOf<'_>| {
        let ids: Vec<&str> = client.keys.iter().map(|key| key.id.as_str()).collect();
        json!({
            "app": app, "client": client.name, "level": level(client.grant.level),
            "toolsets": client.grant.toolsets, "keys": ids,
            "subjects": client.subjects, "certificates": client.certificates,
        })
    };
    let dead =
        keys.iter().filter(|key| state(key, Some(clients), now.as_secs()).starts_with("dead"));
    let dead: Vec<Value> = dead.map(|key| json!({ "id": key.id, "client": key.client })).collect();
    json!({ "clients": clients.iter().map(one).collect::<Vec<Value>>(), "dead_keys": dead })
}

/// Keys, a line for each; `clients` where it is known who is named.
#[must_use]
pub fn keys(keys: &[StoredKey], clients: Option<&[ClientOf<'_>]>, now: Duration) -> String {
    if keys.is_empty() {
        return "there is no key; `mcp-supervisor client key create CLIENT` makes one\n".to_owned();
    }
    let heading = ["id", "client", "name", "made", "ends", "state"].map(str::to_owned).to_vec();
    let rows = keys.iter().map(|key| {
        vec![
            key.id.clone(),
            key.client.clone(),
            key.name.as_ref().map_or("-".to_owned(), |name| printable(name.as_bytes())),
            moment(Duration::from_secs(key.created_at)),
            key.expires_at.map_or("never".to_owned(), |end| moment(Duration::from_secs(end))),
            state(key, clients, now.as_secs()).to_owned(),
        ]
    });
    columns(&std::iter::once(heading).chain(rows).collect::<Vec<_>>())
}

/// The same as JSON.
#[must_use]
pub fn keys_json(keys: &[StoredKey], clients: Option<&[ClientOf<'_>]>, now: Duration) -> Value {
    let keys = keys.iter().map(|key| key_json(key, state(key, clients, now.as_secs())));
    Value::Array(keys.collect())
}

/// One key as JSON.
#[must_use]
pub fn key_json(key: &StoredKey, state: &str) -> Value {
    json!({
        "id": key.id, "client": key.client, "name": key.name,
        "created_at_seconds": key.created_at, "expires_at_seconds": key.expires_at,
        "revoked_at_seconds": key.revoked_at, "state": state,
    })
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Read => "read",
        Level::Write => "write",
        Level::Destructive => "destructive",
    }
}

/// Lines whose cells begin below each other.
pub(super) fn columns(rows: &[Vec<String>]) -> String {
    let mut widths: BTreeMap<usize, usize> = BTreeMap::new();
    for (column, cell) in rows.iter().flat_map(|row| row.iter().enumerate()) {
        let width = widths.entry(column).or_default();
        *width = cell.chars().count().max(*width);
    }
    let line = |row: &Vec<String>| {
        let cells = row.iter().zip(widths.values());
        let cells: Vec<String> = cells.map(|(cell, width)| format!("{cell:<width$}")).collect();
        format!("{}\n", cells.join("  ").trim_end())
    };
    rows.iter().map(line).collect()
}
