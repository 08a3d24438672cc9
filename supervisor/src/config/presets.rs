//! What an environment of a familiar name has unless something else is written.
//!
//! The weakest layer: whatever is written anywhere wins, also over the other half of a pair. Only
//! apps of our own worker get the part for apps; nothing is known of other programs.

use super::file::{Node, Value};
use super::origin::Origin;
use super::{program, tree};

/// What one environment has. `docs/config.md` shows this table.
pub(super) struct Preset {
    pub(super) environment: &'static str,
    /// How variables call it that begin with its name in short.
    pub(super) short: &'static str,
    /// The level of the supervisor's log and of the workers'.
    pub(super) log_level: &'static str,
    pub(super) instances: u32,
    pub(super) pool_min: u32,
    pub(super) pool_max: u32,
    /// Where the data is, when the environment has an opinion on it.
    pub(super) warehouse: Option<&'static str>,
}

pub(super) const PRESETS: [Preset; 3] = [
    Preset {
        environment: "development",
        short: "DEV",
        log_level: "debug",
        instances: 1,
        pool_min: 1,
        pool_max: 5,
        warehouse: Some("embedded"),
    },
    Preset {
        environment: "staging",
        short: "STAGE",
        log_level: "info",
        instances: 2,
        pool_min: 2,
        pool_max: 10,
        warehouse: None,
    },
    Preset {
        environment: "production",
        short: "PROD",
        log_level: "warn",
        instances: 4,
        pool_min: 5,
        pool_max: 20,
        warehouse: None,
    },
];

/// The preset of an environment.
pub(super) fn of(environment: &str) -> Option<&'static Preset> {
    PRESETS.iter().find(|preset| preset.environment == environment)
}

/// The names of the environments that everyone knows.
pub(super) fn environments() -> impl Iterator<Item = &'static str> {
    PRESETS.iter().map(|preset| preset.environment)
}

/// Writes what the environment's preset has wherever nothing was written.
pub(super) fn fill(root: &mut Node, environment: &str) {
    let Some(preset) = of(environment) else { return };
    let level = || Value::Text(preset.log_level.to_owned());
    let origin = Origin::Preset(preset.environment);
    let mut wanted = vec![(vec!["supervisor".to_owned(), "log_level".to_owned()], level())];
    for name in our_apps(root) {
        let app = |table: &[&str]| {
            let start = ["apps", name.as_str()];
            start.iter().chain(table).map(|part| (*part).to_owned()).collect::<Vec<_>>()
        };
        let written = |key: &str| {
            let path = app(&["pool", key]);
            match tree::find(root, &path).map(|node| &node.value) {
                Some(Value::Integer(number)) => u32::try_from(*number).ok(),
                Some(_) | None => None,
            }
        };
        // A pair whose other half was written gives way to it.
        let min = written("max").map_or(preset.pool_min, |max| preset.pool_min.min(max));
        let max = written("min").map_or(preset.pool_max, |min| preset.pool_max.max(min));
        let number = |number: u32| Value::Integer(i64::from(number));
        wanted.push((app(&["instances"]), number(preset.instances)));
        wanted.push((app(&["logs", "level"]), level()));
        wanted.push((app(&["pool", "min"]), number(min)));
        wanted.push((app(&["pool", "max"]), number(max)));
        // An account that is named anywhere is meant.
        let account = tree::find(root, &app(&["snowflake"]));
        if let Some(kind) = preset.warehouse.filter(|_| account.is_none()) {
            wanted.push((app(&["warehouse", "kind"]), Value::Text(kind.to_owned())));
        }
    }
    for (path, value) in wanted {
        if tree::find(root, &path).is_none() {
            tree::set(root, &path, value, &origin);
        }
    }
}

/// The names of the apps whose program is our own worker.
pub(super) fn our_apps(root: &Node) -> Vec<String> {
    let Some(Value::Table(apps)) = tree::find(root, &["apps".to_owned()]).map(|node| &node.value)
    else {
        return Vec::new();
    };
    let ours = apps.iter().filter(|(_, entry)| match &entry.node.value {
        Value::Table(app) => program::is_ours(app.get("exec").map(|exec| &exec.node)),
        _other => false,
    });
    ours.map(|(name, _)| name.clone()).collect()
}
