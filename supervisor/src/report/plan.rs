//! What a configuration would start: the plan that `check` prints.

use serde_json::{Value, json};

use crate::config::Config;
use crate::machine::Rollout;

/// The plan, as text and as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// For a person.
    pub text: String,
    /// For a program.
    pub json: Value,
}

/// What this configuration would start.
#[must_use]
pub fn plan(config: &Config) -> Plan {
    let mut text =
        format!("{} is fine (environment {})\n", config.file.display(), config.environment);
    let mut apps = Vec::new();
    for (name, app) in &config.apps {
        let place = app.listen.map_or_else(
            || "binds its own port, if any".to_owned(),
            |address| format!("listens on {address}"),
        );
        let roll = match app.goal.rollout {
            Rollout { max_surge: 0, max_unavailable, .. } => {
                format!("reload: old before new, {max_unavailable} at a time")
            }
            Rollout { max_surge, .. } => format!("reload: new before old, {max_surge} at a time"),
        };
        let command = [vec![app.program.display().to_string()], app.arguments.clone()].concat();
        text.push_str(&format!(
            "\n  {name}: {} x {}\n    {place}; {roll}\n",
            app.goal.instances,
            command.join(" ")
        ));
        for remark in &app.remarks {
            text.push_str(&format!("    note: {remark}\n"));
        }
        apps.push(json!({
            "name": name.as_str(), "instances": app.goal.instances, "command": command,
            "listen": app.listen.map(|address| address.to_string()), "remarks": app.remarks,
        }));
    }
    let metrics = config.supervisor.metrics.map(|address| address.to_string());
    if let Some(address) = &metrics {
        text.push_str(&format!("\n  metrics on http://{address}/metrics\n"));
    }
    let json = json!({
        "config_file": config.file, "environment": config.environment, "metrics": metrics,
        "run_directory": config.supervisor.run_directory,
        "log_directory": config.supervisor.log_directory, "apps": apps,
    });
    Plan { text, json }
}
