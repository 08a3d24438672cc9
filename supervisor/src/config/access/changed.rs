//! What differs between two readings of an app's callers that no line of the file says, and its
//! callers in words.

use std::collections::BTreeSet;

use mcp_protocol::access::{AccessSettings, ClientSettings, Level};

use crate::config::AppConfig;

/// What to say of each client whose keys are others.
pub(in crate::config) fn changed_keys(old: &AppConfig, new: &AppConfig) -> Vec<String> {
    let clients = |app: &AppConfig| -> Vec<ClientSettings> {
        app.settings.as_ref().map(|settings| settings.access.clients.clone()).unwrap_or_default()
    };
    let old = clients(old);
    let differs = |client: &ClientSettings| {
        let before = old.iter().find(|before| before.name == client.name)?;
        (before.keys != client.keys).then(|| words(before, client))
    };
    clients(new).iter().filter_map(differs).collect()
}

fn words(old: &ClientSettings, new: &ClientSettings) -> String {
    let ids = |client: &ClientSettings| -> BTreeSet<String> {
        client.keys.iter().map(|key| key.id.clone()).collect()
    };
    let (old, name, new) = (ids(old), &new.name, ids(new));
    let new_ones = new.difference(&old).map(|id| format!("key {id} is new"));
    let gone = old.difference(&new).map(|id| format!("key {id} is revoked"));
    let changes: Vec<String> = new_ones.chain(gone).collect();
    match changes.is_empty() {
        true => format!("clients.{name}: a key ends at another time"),
        false => format!("clients.{name}: {}", changes.join(", ")),
    }
}

/// Who may call, in words; `None` when nobody has to show who it is and nobody is known.
pub(in crate::config) fn rule(access: &AccessSettings) -> Option<String> {
    if access.clients.is_empty() && access.anonymous.is_some() {
        return None;
    }
    let mut words: Vec<String> = access.clients.iter().map(client).collect();
    if let Some(grant) = &access.anonymous {
        words.push(format!("everybody else ({})", level(grant.level)));
    }
    if let Some(oauth) = &access.oauth {
        words.push(format!("tokens of {}", oauth.issuer));
    }
    Some(words.join("; "))
}

fn client(client: &ClientSettings) -> String {
    let ids: Vec<&str> = client.keys.iter().map(|key| key.id.as_str()).collect();
    let keys = match &ids[..] {
        [] => "no key".to_owned(),
        [one] => format!("key {one}"),
        several => format!("keys {}", several.join(", ")),
    };
    let admin = if client.grant.admin { ", admin" } else { "" };
    format!("{} ({}{admin}, {keys})", client.name, level(client.grant.level))
}

fn level(level: Level) -> &'static str {
    match level {
        Level::Read => "read",
        Level::Write => "write",
        Level::Destructive => "destructive",
    }
}
