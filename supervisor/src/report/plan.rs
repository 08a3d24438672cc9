//! What a configuration would start: the plan that `check` prints.

use std::time::Duration;

use serde_json::{Value, json};

use crate::config::{self, AppConfig, Config, Place, Problems, TimeTable};
use crate::report::words::printable;

/// The plan, as text and as JSON.
#[derive(Debug, Clone, PartialEq)]
pub struct Plan {
    /// For a person.
    pub text: String,
    /// For a program.
    pub json: Value,
}

/// How many times of a time table are shown.
const TIMES_SHOWN: usize = 3;

/// What this configuration would start; `now` is the time since 1970.
#[must_use]
pub fn plan(config: &Config, now: Duration) -> Plan {
    let mut text =
        format!("{} is fine (environment {})\n", config.file.display(), config.environment);
    for remark in &config.remarks {
        text.push_str(&format!("  note: {remark}\n"));
    }
    let mut apps = Vec::new();
    for (name, app) in &config.apps {
        let place = app.listen.map_or_else(
            || "binds its own port, if any".to_owned(),
            |address| format!("listens on {address}"),
        );
        let command = [vec![app.program.display().to_string()], app.arguments.clone()].concat();
        text.push_str(&format!(
            "\n  {name}: {} x {}\n    {place}; reload: {}\n",
            app.goal.instances,
            printable(command.join(" ").as_bytes()),
            config::rollout(app.goal.rollout)
        ));
        for line in reasons(app, now) {
            text.push_str(&format!("    {}\n", printable(line.as_bytes())));
        }
        for remark in &app.remarks {
            text.push_str(&format!("    note: {}\n", printable(remark.as_bytes())));
        }
        apps.push(json!({
            "name": name.as_str(), "instances": app.goal.instances, "command": command,
            "listen": app.listen.map(|address| address.to_string()), "remarks": app.remarks,
            "next_times": app.time_table.as_ref().map(|table| next_times(table, now)),
        }));
    }
    let metrics = config.supervisor.metrics.map(|address| address.to_string());
    if let Some(address) = &metrics {
        text.push_str(&format!("\n  metrics on http://{address}/metrics\n"));
    }
    let json = json!({
        "ok": true, "problems": [], "config_file": config.file, "environment": config.environment, "metrics": metrics,
        "run_directory": config.supervisor.run_directory,
        "log_directory": config.supervisor.log_directory, "apps": apps,
        "remarks": config.remarks,
    });
    Plan { text, json }
}

/// What is wrong with a configuration, as JSON.
#[must_use]
pub fn problems_json(problems: &Problems) -> Value {
    let one = |problem: &crate::config::Problem| {
        json!({
            "file": problem.file, "key": problem.key, "message": problem.message,
            "line": problem.place.map(|Place { line, .. }| line),
            "column": problem.place.map(|Place { column, .. }| column),
        })
    };
    let list: Vec<Value> = problems.list().iter().map(one).collect();
    json!({ "ok": false, "problems": list })
}

/// What an app waits for, and what has its workers replaced.
fn reasons(app: &AppConfig, now: Duration) -> Vec<String> {
    let mut lines = Vec::new();
    if !app.goal.depends_on.is_empty() {
        let names: Vec<&str> = app.goal.depends_on.iter().map(|name| name.as_str()).collect();
        lines.push(format!("starts when these serve: {}", names.join(", ")));
    }
    if let Some(table) = &app.time_table {
        let times = next_times(table, now).join(", ");
        let (expression, zone) = (table.expression(), table.zone());
        lines.push(format!("replaced at \"{expression}\" in {zone}, next: {times}"));
    }
    if let Some(watch) = &app.watch {
        let paths: Vec<&str> = watch.paths.iter().map(|path| path.written.as_str()).collect();
        lines.push(format!("replaced when these change: {}", paths.join(", ")));
    }
    lines
}

fn next_times(table: &TimeTable, now: Duration) -> Vec<String> {
    let times = std::iter::successors(table.next_after(now), |time| table.next_after(*time));
    times.take(TIMES_SHOWN).map(|time| table.in_words(time)).collect()
}
