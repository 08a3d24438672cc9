//! Who goes on without those that it depends on: what `stop` and `delete` warn of.

use mcp_protocol::control::{AppStatus, Status, Target};

/// A line for each app that serves on although the targets, on which it depends, do not any more.
#[must_use]
pub fn left_alone(status: &Status, targets: &[Target]) -> Vec<String> {
    let serves = |app: &AppStatus| app.slots.iter().any(|slot| slot.pid.is_some());
    let down = |name: &str| !status.apps.iter().any(|app| app.name == name && serves(app));
    let leaving = |app: &AppStatus| targets.contains(&Target::App(app.name.clone()));
    let Some(first) = targets.first() else { return Vec::new() };
    let mut lines = Vec::new();
    for app in status.apps.iter().filter(|app| serves(app) && !leaving(app)) {
        let meant = |on: &&String| first.app().is_none_or(|name| name == on.as_str());
        for on in app.depends_on.iter().filter(meant).filter(|on| down(on)) {
            lines.push(format!("`{}` depends on `{on}` and goes on without it", app.name));
        }
    }
    lines
}
