//! What a reload would change, and what operators changed already: what `reload --dry-run` and
//! `save` print.

use mcp_protocol::control::{AppChange, AppFate, AppPlan, ChangesKept, Presence};
use serde_json::{Value, json};

use crate::config::ways;
use crate::machine::words::counted;
use crate::report::words::printable;

/// What a reload would do, app by app.
#[must_use]
pub fn reload_plan(apps: &[AppPlan]) -> String {
    let mut text = String::from("nothing was changed; `reload` would do this:\n");
    let (touched, untouched): (Vec<&AppPlan>, Vec<&AppPlan>) =
        apps.iter().partition(|app| is_touched(app));
    for app in &touched {
        text.push_str(&format!("\n{}: {}\n", app.app, headline(app)));
        if app.fate == AppFate::Kept && app.differences.is_empty() {
            text.push_str("  differs: nothing in the file\n");
        }
        for difference in &app.differences {
            text.push_str(&format!("  differs: {}\n", printable(difference.as_bytes())));
        }
        for line in steps(app) {
            text.push_str(&format!("  {line}\n"));
        }
    }
    if !untouched.is_empty() {
        let names: Vec<&str> = untouched.iter().map(|app| app.app.as_str()).collect();
        text.push_str(&format!("\nuntouched: {}\n", names.join(", ")));
    }
    text
}

fn is_touched(app: &AppPlan) -> bool {
    let steps = [&app.started, &app.replaced, &app.stopped];
    app.fate != AppFate::Kept
        || !app.differences.is_empty()
        || steps.iter().any(|slots| !slots.is_empty())
}

fn headline(app: &AppPlan) -> String {
    let workers = |count: Option<u32>| count.unwrap_or(0);
    let (now, then) = (workers(app.instances_now), workers(app.instances_then));
    match app.fate {
        AppFate::Added => format!("new in the file, {then} x"),
        AppFate::Removed => "not in the file any more".to_owned(),
        AppFate::Kept if now != then => format!("instances {now} → {then}"),
        AppFate::Kept if !app.replaced.is_empty() => "workers are replaced".to_owned(),
        AppFate::Kept if app.started.is_empty() && app.stopped.is_empty() => {
            "takes effect without touching a worker".to_owned()
        }
        AppFate::Kept => "changes".to_owned(),
    }
}

fn steps(app: &AppPlan) -> Vec<String> {
    let slots = |slots: &[u32]| {
        let names: Vec<String> = slots.iter().map(|slot| format!("{}[{slot}]", app.app)).collect();
        names.join(", ")
    };
    let mut steps = Vec::new();
    if !app.replaced.is_empty() {
        let how = ways(app.max_surge, app.max_unavailable);
        let mut order = app.replaced.clone();
        order.sort_unstable();
        steps.push(format!("replaced: {} ({how}, in this order)", slots(&order)));
    }
    if !app.started.is_empty() {
        steps.push(format!("started: {}", slots(&app.started)));
    }
    if !app.stopped.is_empty() {
        steps.push(format!("stopped: {}", slots(&app.stopped)));
    }
    steps
}

/// The same as JSON.
#[must_use]
pub fn reload_plan_json(apps: &[AppPlan]) -> Value {
    let one = |app: &AppPlan| {
        json!({
            "name": app.app, "fate": app.fate, "touched": is_touched(app),
            "differences": app.differences,
            "instances_now": app.instances_now, "instances_then": app.instances_then,
            "started": app.started, "replaced": app.replaced, "stopped": app.stopped,
            "max_surge": app.max_surge, "max_unavailable": app.max_unavailable,
        })
    };
    Value::Array(apps.iter().map(one).collect())
}

/// What was changed at run time, where it is kept, and how it would stand in the file.
#[must_use]
pub fn changes(kept: &ChangesKept) -> String {
    if kept.apps.is_empty() {
        return "nothing was changed at run time: the configuration file holds as it is\n"
            .to_owned();
    }
    let mut text = format!(
        "kept in {}; it holds again after a restart of the supervisor:\n",
        kept.file.display()
    );
    for app in &kept.apps {
        text.push_str(&format!("\n{}: {}\n", app.app, in_words(app)));
        for line in as_written(app) {
            text.push_str(&format!("  {line}\n"));
        }
    }
    text.push_str(
        "\nOnce the file says so, `reload` and `forget` make the file the only place. \
         `forget` alone undoes the changes.\n",
    );
    text
}

fn in_words(app: &AppChange) -> String {
    let mut words = Vec::new();
    match app.presence {
        Presence::Wanted => {}
        Presence::Stopped => words.push("stopped".to_owned()),
        Presence::Deleted => words.push("deleted".to_owned()),
    }
    if let Some(count) = app.instances {
        words.push(counted(u64::from(count), "instance"));
    }
    if !app.stopped_slots.is_empty() {
        let slots: Vec<String> =
            app.stopped_slots.iter().map(|slot| format!("{}[{slot}]", app.app)).collect();
        words.push(format!("{} stopped", slots.join(", ")));
    }
    match app.instances_in_file {
        Some(count) => format!("{}; the file says {count}", words.join(", ")),
        None => format!("{}; the file does not name it", words.join(", ")),
    }
}

/// The lines that would make a change part of the file, and words where there are none.
fn as_written(app: &AppChange) -> Vec<String> {
    let mut lines = Vec::new();
    if app.instances_in_file.is_none() {
        return lines;
    }
    let table = table(&app.app);
    match (app.presence, app.instances) {
        (Presence::Stopped | Presence::Deleted, _) | (Presence::Wanted, Some(0)) => {
            lines.push(format!("# remove {table} and all tables below it"));
            return lines;
        }
        (Presence::Wanted, Some(count)) => {
            lines.extend([table, format!("instances = {count}")]);
        }
        (Presence::Wanted, None) => {}
    }
    if !app.stopped_slots.is_empty() {
        lines.push("# a single slot cannot be left out in the file; lower `instances`".to_owned());
    }
    lines
}

fn table(app: &str) -> String {
    let bare = app.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_');
    if bare { format!("[apps.{app}]") } else { format!("[apps.\"{app}\"]") }
}

/// The same as JSON.
#[must_use]
pub fn changes_json(kept: &ChangesKept) -> Value {
    let one = |app: &AppChange| {
        json!({
            "name": app.app, "instances_in_file": app.instances_in_file,
            "instances": app.instances, "presence": app.presence,
            "stopped_slots": app.stopped_slots, "file_lines": as_written(app),
        })
    };
    json!({ "file": kept.file, "apps": kept.apps.iter().map(one).collect::<Vec<_>>() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(app: &str) -> AppPlan {
        AppPlan {
            app: app.to_owned(),
            fate: AppFate::Kept,
            differences: Vec::new(),
            instances_now: Some(4),
            instances_then: Some(4),
            started: Vec::new(),
            replaced: Vec::new(),
            stopped: Vec::new(),
            max_surge: 1,
            max_unavailable: 0,
        }
    }

    #[test]
    fn a_plan_says_what_and_why_and_who_is_left_alone() {
        let grown = AppPlan {
            differences: vec!["env.TZ".to_owned(), "instances 4 → 6".to_owned()],
            instances_then: Some(6),
            started: vec![4, 5],
            replaced: vec![0, 1, 2, 3],
            ..plan("query")
        };
        let gone = AppPlan {
            fate: AppFate::Removed,
            instances_then: None,
            stopped: vec![0],
            ..plan("old")
        };
        let own_port = AppPlan {
            differences: vec!["args (default) → [\"-v\"]".to_owned()],
            replaced: vec![0],
            max_surge: 0,
            max_unavailable: 1,
            ..plan("single")
        };
        let policy = AppPlan {
            differences: vec!["restart.window \"1m\" → \"2m\"".to_owned()],
            ..plan("z")
        };
        let expected = "nothing was changed; `reload` would do this:\n\
            \nquery: instances 4 → 6\n  differs: env.TZ\n  differs: instances 4 → 6\n\
            \x20 replaced: query[0], query[1], query[2], query[3] (new before old, 1 at a time, in this order)\n\
            \x20 started: query[4], query[5]\n\
            \nold: not in the file any more\n  stopped: old[0]\n\
            \nsingle: workers are replaced\n  differs: args (default) → [\"-v\"]\n\
            \x20 replaced: single[0] (old before new, 1 at a time, in this order)\n\
            \nz: takes effect without touching a worker\n  differs: restart.window \"1m\" → \"2m\"\n\
            \nuntouched: plain\n";
        assert_eq!(reload_plan(&[grown, gone, plan("plain"), own_port, policy]), expected);
    }

    #[test]
    fn changes_come_with_the_lines_for_the_file() {
        let change = |app: &str, instances, presence, stopped_slots| AppChange {
            app: app.to_owned(),
            instances_in_file: Some(4),
            instances,
            presence,
            stopped_slots,
        };
        let kept = |apps| ChangesKept { file: "/s/changes.json".into(), apps };
        assert!(changes(&kept(Vec::new())).starts_with("nothing was changed"));
        let foreign = AppChange {
            instances_in_file: None,
            ..change("gone", Some(2), Presence::Wanted, Vec::new())
        };
        let text = changes(&kept(vec![
            change("a.b", Some(6), Presence::Wanted, vec![1]),
            change("idle", None, Presence::Stopped, Vec::new()),
            foreign,
        ]));
        let expected = "kept in /s/changes.json; it holds again after a restart of the supervisor:\n\
            \na.b: 6 instances, a.b[1] stopped; the file says 4\n\
            \x20 [apps.\"a.b\"]\n  instances = 6\n\
            \x20 # a single slot cannot be left out in the file; lower `instances`\n\
            \nidle: stopped; the file says 4\n\
            \x20 # remove [apps.idle] and all tables below it\n\
            \ngone: 2 instances; the file does not name it\n";
        assert!(text.starts_with(expected), "{text}");
    }
}
