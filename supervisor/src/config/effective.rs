//! The configuration in force, key by key, each with its value and where that came from.
//!
//! What is written nowhere has its default here as well, so that the whole, read as a file, means
//! the same. Secrets and variables of programs have no value here: nothing that prints this can
//! show them.

use std::path::PathBuf;

use mcp_protocol::settings::WarehouseSettings;
use serde_json::Value as Json;

use super::file::{self, Node, Value};
use super::keys::{FILE, Key, Kind};
use super::layers::Laid;
use super::{AppConfig, Config, ReadyBy, Surroundings, access, presets, program, worker_logs};
use crate::machine::AppName;

/// A configuration as it is in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Effective {
    /// The configuration file, absolute.
    pub file: PathBuf,
    /// The environment's name.
    pub environment: String,
    /// What chose it, as in `--env`; `None` when nothing did.
    pub chosen_by: Option<String>,
    /// Whether the environment must be in a file before it can be chosen.
    pub must_be_written: bool,
    /// Every file that was read for it, or would be if it were there, absolute.
    pub sources: Vec<PathBuf>,
    /// Every table with its values, in the order of the file.
    pub tables: Vec<Table>,
}

/// A table of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// The names that lead to it, as in `apps`, `query`, `pool`.
    pub path: Vec<String>,
    /// Its values, without those of the tables in it.
    pub settings: Vec<Setting>,
}

/// A value that is in force.
#[derive(Debug, Clone, PartialEq)]
pub struct Setting {
    /// The last part of its key.
    pub name: String,
    /// The value; `None` for one that is not shown.
    pub value: Option<Json>,
    /// Where it came from, as in `SERVER_PORT in .env, line 3`.
    pub origin: String,
}

/// A default that depends on the rest of the file: the end of its key, and the value in TOML.
type Default = (&'static str, Option<&'static str>);

/// Every key with its value.
pub(super) fn effective(config: &Config, laid: &Laid, surroundings: &Surroundings) -> Effective {
    let file = config.file.file_name().map_or_else(String::new, |name| name.display().to_string());
    let mut tables = Tables { file, list: Vec::new() };
    for key in FILE {
        let node = member(&laid.root, key.name);
        match key.kind.members() {
            None => {}
            Some(_) if key.name == "environments" => {}
            Some(keys) if key.name == "apps" => {
                for (name, app) in &config.apps {
                    let node = node.and_then(|apps| member(apps, name.as_str()));
                    tables.add(app_path(name), node, keys, &defaults_of(app, node));
                }
            }
            Some(keys) => tables.add(vec![key.name.to_owned()], node, keys, &[]),
        }
    }
    tables.name_directories(surroundings);
    Effective {
        file: config.file.clone(),
        environment: config.environment.clone(),
        chosen_by: laid.environment.by.clone(),
        must_be_written: presets::of(&config.environment).is_none(),
        sources: config.sources.clone(),
        tables: tables.list,
    }
}

fn app_path(name: &AppName) -> Vec<String> {
    vec!["apps".to_owned(), name.as_str().to_owned()]
}

fn member<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let Value::Table(entries) = &node.value else { return None };
    entries.get(name).map(|entry| &entry.node)
}

/// The tables in one whose names the operator chose.
fn members(node: &Node) -> impl Iterator<Item = (&str, &Node)> {
    let entries = match &node.value {
        Value::Table(entries) => Some(entries),
        _single => None,
    };
    entries.into_iter().flatten().map(|(name, entry)| (name.as_str(), &entry.node))
}

/// What the table of keys cannot know: keys without a default, and those whose default or whose
/// very sense depends on the app. The first that fits counts; one that fits none has its own.
fn defaults_of(app: &AppConfig, node: Option<&Node>) -> Vec<Default> {
    let ours = node.is_some_and(|node| program::is_ours(member(node, "exec")));
    let linked = app.health.ready == ReadyBy::Link;
    let mut defaults = vec![
        ("listen", None),
        ("ready_line", None),
        ("health.watchdog_timeout", None),
        ("health.probe.tcp", None),
        ("health.probe.http", None),
        ("health.probe.command", None),
        ("snowflake.", None),
        ("logs.levels", None),
        ("traces.", None),
        ("http.requests_per_second", None),
        ("http.concurrent_requests", None),
        ("tls.certificate_file", None),
        ("tls.key_file", None),
        ("tls.client_ca_file", None),
        ("tls.client_crl", None),
        ("clients.", None),
        ("oauth.", None),
        ("connections.", None),
        ("tools.", None),
        ("cortex.", None),
    ];
    if app.settings.as_ref().is_none_or(|settings| settings.tls.is_none()) {
        defaults.push(("tls.", None));
    }
    defaults.extend(access::keys::UNLIMITED.map(|key| (key, None)));
    if app.health.probe.is_none() {
        defaults.push(("health.probe.", None));
    }
    if !linked {
        defaults.extend([("health.heartbeat_interval", None), ("health.heartbeat_timeout", None)]);
    }
    if !ours {
        let tables = ["http.", "mcp.", "warehouse.", "pool.", "limits."];
        defaults.extend(tables.map(|table| (table, None)));
        defaults.extend(worker_logs::OURS.map(|(_, key)| (key, None)));
        defaults.push(("health.idle_grace", None));
        defaults.push(("ready", Some("\"2s\"")));
    }
    let warehouse = app.settings.as_ref().map(|settings| &settings.warehouse);
    if let Some(WarehouseSettings::Snowflake(_)) = warehouse {
        defaults.push(("warehouse.kind", Some("\"snowflake\"")));
        defaults.push(("warehouse.", None));
    }
    if app.listen.is_none() {
        defaults.push(("rollout.max_surge", Some("0")));
        defaults.push(("rollout.max_unavailable", Some("1")));
    }
    defaults
}

struct Tables {
    /// The configuration file's name.
    file: String,
    list: Vec<Table>,
}

impl Tables {
    /// A table and those in it.
    fn add(
        &mut self,
        path: Vec<String>,
        node: Option<&Node>,
        keys: &'static [Key],
        defaults: &[Default],
    ) {
        let top = path.len();
        self.add_below((path, top), node, keys, defaults);
    }

    /// The same; `top` is the number of names that lead to the table that `defaults` are seen from.
    fn add_below(
        &mut self,
        (path, top): (Vec<String>, usize),
        node: Option<&Node>,
        keys: &'static [Key],
        defaults: &[Default],
    ) {
        let mut settings = Vec::new();
        let mut below = Vec::new();
        for key in keys {
            let written = node.and_then(|node| member(node, key.name));
            let path: Vec<String> = path.iter().cloned().chain([key.name.to_owned()]).collect();
            match &key.kind {
                Kind::Table(keys) => below.push((path, written, *keys)),
                Kind::Named(keys) => {
                    let members = written.into_iter().flat_map(members);
                    below.extend(members.map(|(name, node)| {
                        let path = path.iter().cloned().chain([name.to_owned()]).collect();
                        (path, Some(node), *keys)
                    }));
                }
                Kind::Variables => {
                    let settings = written.map_or(Vec::new(), |node| self.hidden(node));
                    self.list.extend((!settings.is_empty()).then_some(Table { path, settings }));
                }
                single => settings.extend(match written {
                    Some(node) => Some(self.written((key.name, single), node)),
                    None => default(key, &path[top..].join("."), defaults),
                }),
            }
        }
        // A table's own values come before the tables in it.
        let at = self.list.iter().position(|table| table.path.starts_with(&path));
        let own = (!settings.is_empty()).then_some(Table { path, settings });
        own.into_iter().for_each(|own| self.list.insert(at.unwrap_or(self.list.len()), own));
        for (path, node, keys) in below {
            self.add_below((path, top), node, keys, defaults);
        }
    }

    fn written(&self, (name, kind): (&str, &Kind), node: &Node) -> Setting {
        let value = may_be_shown(kind).then(|| json(&node.value));
        Setting { name: name.to_owned(), value, origin: self.origin(node) }
    }

    /// The variables of a program, without their values.
    fn hidden(&self, node: &Node) -> Vec<Setting> {
        let Value::Table(entries) = &node.value else { return Vec::new() };
        let hidden = |(name, node): (&String, &Node)| Setting {
            name: name.clone(),
            value: None,
            origin: self.origin(node),
        };
        entries.iter().map(|(name, entry)| hidden((name, &entry.node))).collect()
    }

    fn origin(&self, node: &Node) -> String {
        let place = format!("{}, line {}", self.file, node.place.line);
        match (node.origin.in_words(), node.origin.is_in_file()) {
            (Some(words), true) => format!("{place}, with {words}"),
            (Some(words), false) => words,
            (None, _) => place,
        }
    }

    /// Directories that the service manager made are in force where the file names none.
    fn name_directories(&mut self, surroundings: &Surroundings) {
        let given = [
            ("run_directory", &surroundings.run_directory, "RUNTIME_DIRECTORY"),
            ("log_directory", &surroundings.log_directory, "LOGS_DIRECTORY"),
            ("state_directory", &surroundings.state_directory, "STATE_DIRECTORY"),
        ];
        let settings = self.list.iter_mut().filter(|table| table.path == ["supervisor"]);
        for setting in settings.flat_map(|table| &mut table.settings) {
            for (key, directory, variable) in &given {
                if let Some(directory) = directory
                    && setting.name == *key
                    && setting.origin == DEFAULT
                {
                    setting.value = Some(Json::String(directory.display().to_string()));
                    setting.origin = format!("{variable} in the environment");
                }
            }
        }
    }
}

/// Every kind is named, so that a new one that is secret is not shown by mistake.
fn may_be_shown(kind: &Kind) -> bool {
    match kind {
        Kind::Variables | Kind::Secret => false,
        Kind::Table(_)
        | Kind::Named(_)
        | Kind::Text
        | Kind::Command
        | Kind::Texts
        | Kind::Scalar
        | Kind::Scalars
        | Kind::Boolean
        | Kind::Count { .. }
        | Kind::Fraction { .. }
        | Kind::Share
        | Kind::Duration { .. }
        | Kind::DurationOrOff { .. }
        | Kind::Size { .. }
        | Kind::SizeOrOff { .. }
        | Kind::ExitCodes
        | Kind::TimeTable
        | Kind::TimeZone
        | Kind::Patterns
        | Kind::Choice(_)
        | Kind::Authenticator
        | Kind::Address
        | Kind::AddressOrOff
        | Kind::Readiness
        | Kind::ProbeAddress
        | Kind::ProbePage
        | Kind::Signal
        | Kind::Account
        | Kind::Umask
        | Kind::Nice
        | Kind::Limit(_) => true,
    }
}

/// The origin of what is written nowhere.
const DEFAULT: &str = "the default";

fn default(key: &Key, path: &str, defaults: &[Default]) -> Option<Setting> {
    let fits = |end: &str| path == end || (end.ends_with('.') && path.starts_with(end));
    let text = match defaults.iter().find(|(end, _)| fits(end)) {
        Some((_, text)) => (*text)?,
        None => key.example,
    };
    let value = file::parse(&format!("value = {text}"))?;
    let value = member(&value, "value").map(|node| json(&node.value));
    Some(Setting { name: key.name.to_owned(), value, origin: DEFAULT.to_owned() })
}

fn json(value: &Value) -> Json {
    match value {
        Value::Text(text) | Value::HugeInteger(text) | Value::Date(text) => text.as_str().into(),
        Value::Integer(number) => (*number).into(),
        Value::Float(number) => (*number).into(),
        Value::Boolean(truth) => (*truth).into(),
        Value::List(items) => items.iter().map(|item| json(&item.value)).collect(),
        Value::Table(_) => Json::Null,
    }
}
