//! What differs between two readings of an app, in the words of the file.
//!
//! What was written is compared, key by key, so that a new key needs nothing here; but only when
//! what is meant differs, so that `1s` in place of `1000ms` is no difference.

use std::collections::{BTreeMap, BTreeSet};

use mcp_protocol::secret::MASK;

use super::access::changed_keys;
use super::file::{Value, child_key};
use super::keys::is_secret;
use super::section::Section;
use super::snowflake::changed_secrets;
use super::{AppConfig, Config};
use crate::machine::AppName;

/// The longest value that is shown, in characters.
const VALUE_CHARS_MAX: usize = 80;

/// What was written about an app, key by key; of secrets, that they were.
pub(super) fn written(app: Section<'_>) -> BTreeMap<String, String> {
    let shown = |key: &str, value| if is_secret(key) { MASK.to_owned() } else { text(value) };
    let values = app.values().into_iter();
    values.map(|(key, value)| (key.clone(), shown(&key, value))).collect()
}

fn text(value: &Value) -> String {
    match value {
        Value::Text(text) => format!("\"{}\"", text.escape_debug()),
        Value::Integer(number) => number.to_string(),
        Value::HugeInteger(number) => number.clone(),
        Value::Float(number) => number.to_string(),
        Value::Boolean(truth) => truth.to_string(),
        Value::Date(date) => date.clone(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(|item| text(&item.value)).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Table(_) => "{}".to_owned(),
    }
}

/// What the new reading of an app has changed, such as `instances 4 → 6`. Empty when it means the
/// same. Values of variables are left out, for they may be secrets after all, and of secrets only
/// that they changed is said.
#[must_use]
pub fn differences(old: &AppConfig, new: &AppConfig) -> Vec<String> {
    if meant(old) == meant(new) {
        return Vec::new();
    }
    let keys: BTreeSet<&String> = old.written.keys().chain(new.written.keys()).collect();
    let mut differences: Vec<String> = keys
        .into_iter()
        .filter(|key| old.written.get(*key) != new.written.get(*key))
        .map(|key| {
            if is_variable(key) {
                return key.clone();
            }
            let shown = |app: &AppConfig| {
                app.written.get(key).map_or("(default)".to_owned(), |one| cut(one))
            };
            format!("{key} {} → {}", shown(old), shown(new))
        })
        .collect();
    differences.extend(changed_secrets(old, new));
    differences.extend(changed_keys(old, new));
    if old.program != new.program && !differences.iter().any(|one| one.starts_with("exec ")) {
        let (old, new) = (old.program.display(), new.program.display());
        differences.push(format!("exec means another program: {old} → {new}"));
    }
    if differences.is_empty() {
        differences.push("what [supervisor] or a default says of it".to_owned());
    }
    differences
}

/// An app without the words that it was written in.
fn meant(app: &AppConfig) -> AppConfig {
    AppConfig { written: BTreeMap::new(), ..app.clone() }
}

/// What a new reading of the whole file has changed, such as `apps.query.instances 4 → 6`.
#[must_use]
pub fn changes(old: &Config, new: &Config) -> Vec<String> {
    let mut changes = Vec::new();
    if old.supervisor != new.supervisor {
        changes.push("[supervisor]".to_owned());
    }
    let names: BTreeSet<_> = old.apps.keys().chain(new.apps.keys()).collect();
    for name in names {
        let key = child_key("apps", name.as_str());
        match (old.apps.get(name), new.apps.get(name)) {
            (Some(old), Some(new)) => {
                let differences = differences(old, new).into_iter();
                changes.extend(differences.map(|difference| format!("{key}.{difference}")));
            }
            (None, Some(_)) => changes.push(format!("{key} is new")),
            (Some(_), None) => changes.push(format!("{key} is gone")),
            (None, None) => {}
        }
    }
    changes
}

/// The apps of which two readings want something else, those included that only one of them names.
#[must_use]
pub fn changed_apps(old: &Config, new: &Config) -> BTreeSet<AppName> {
    let differs =
        |name: &&AppName| old.apps.get(*name).map(meant) != new.apps.get(*name).map(meant);
    old.apps.keys().chain(new.apps.keys()).filter(differs).cloned().collect()
}

/// Whether two readings mean the same, however they are written.
#[must_use]
pub fn means_the_same(old: &Config, new: &Config) -> bool {
    let meant = |config: &Config| {
        let apps = config.apps.iter().map(|(name, app)| (name.clone(), meant(app))).collect();
        Config {
            apps,
            sources: Vec::new(),
            remarks: Vec::new(),
            places: BTreeMap::new(),
            ..config.clone()
        }
    };
    meant(old) == meant(new)
}

/// True for `env.TZ`: its value is shown to nobody.
pub(super) fn is_variable(key: &str) -> bool {
    key.starts_with("env.")
}

fn cut(value: &str) -> String {
    match value.char_indices().nth(VALUE_CHARS_MAX) {
        Some((at, _)) => format!("{}…", &value[..at]),
        None => value.to_owned(),
    }
}
