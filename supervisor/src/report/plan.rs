//! What a configuration would start: the plan that `check` prints.

use std::path::Path;
use std::time::Duration;

use mcp_protocol::control::{AppPlan, Status};
use serde_json::{Value, json};

use crate::config::{self, AppConfig, Config, Place, Problems, TimeTable};
use crate::report::changes::{reload_plan, reload_plan_json};
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

/// The supervisor that runs where this configuration would have one.
#[derive(Debug, Clone, Copy)]
pub struct Running<'a> {
    /// Its picture.
    pub status: &'a Status,
    /// What a reload would do; none when it has another file or another environment.
    pub reload: Option<&'a [AppPlan]>,
}

/// What this configuration would start, and what a reload would do where a supervisor runs; `now`
/// is the time since 1970.
#[must_use]
pub fn plan(config: &Config, running: Option<Running<'_>>, now: Duration) -> Plan {
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
    text.push_str(&at_a_reload(running));
    let json = json!({
        "running": running.map(|one| json!({
            "pid": one.status.pid, "config_file": one.status.config_file,
            "environment": one.status.environment,
        })),
        "reload": running.and_then(|one| one.reload).map(reload_plan_json),
        "ok": true, "problems": [],
        "config_file": config.file, "environment": config.environment, "metrics": metrics,
        "run_directory": config.supervisor.run_directory,
        "log_directory": config.supervisor.log_directory, "apps": apps,
        "remarks": config.remarks,
    });
    Plan { text, json }
}

/// Why a running supervisor would not take a configuration in, in the same form.
#[must_use]
pub fn refusal_json(file: &Path, reason: &str) -> Value {
    let (line, column, key) = (Value::Null, Value::Null, Value::Null);
    let problem =
        json!({ "file": file, "line": line, "column": column, "key": key, "message": reason });
    json!({ "ok": false, "problems": [problem] })
}

fn at_a_reload(running: Option<Running<'_>>) -> String {
    let Some(Running { status, reload }) = running else {
        return "\nno supervisor runs here; `start` would start all of this\n".to_owned();
    };
    let pid = status.pid;
    match reload {
        Some(plan) => format!("\na supervisor runs here (pid {pid}); {}", reload_plan(plan)),
        None => format!(
            "\na supervisor runs here (pid {pid}) with another configuration: {} (environment {}); \
             `reload` reads that, not this\n",
            status.config_file.display(),
            status.environment
        ),
    }
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
