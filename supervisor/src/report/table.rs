//! The `status` table, and the same as JSON.

use mcp_protocol::control::{AppStatus, RollStatus, SlotPhase, SlotStatus, Status};
use serde_json::{Value, json};

use crate::report::page::{Colour, Page};
use crate::report::words::{bytes, duration, failing, moment, percent, printable, state, why};

/// The cells of a line.
type Row = [String; 9];

/// Which of the cells is the note: the last one.
const NOTE: usize = 8;

/// How far the rest of a line that was broken is indented.
const HANGING: usize = 4;

const HEADINGS: [&str; 9] =
    ["slot", "status", "pid", "uptime", "restarts", "cpu", "memory", "requests", "note"];

/// The whole picture as a table with a head line, remarks and problems.
#[must_use]
pub fn status_table(status: &Status, page: Page) -> String {
    let mut text = format!(
        "mcp-supervisor {}  pid {}  environment {}  up {}  generation {}{}\n\n",
        status.version,
        status.pid,
        printable(status.environment.as_bytes()),
        duration(status.uptime),
        status.generation,
        if status.stopping { "  STOPPING" } else { "" },
    );
    let rows: Vec<Row> = status
        .apps
        .iter()
        .flat_map(|app| app.slots.iter().map(move |slot| row(app, slot)))
        .collect();
    let phases: Vec<SlotPhase> =
        status.apps.iter().flat_map(|app| app.slots.iter().map(|slot| slot.phase)).collect();
    text.push_str(&draw(&rows, &phases, page));
    text.push('\n');
    for app in &status.apps {
        text.push_str(&app_line(app, page));
    }
    for remark in &status.remarks {
        text.push_str(&page.wrapped(&printable(remark.as_bytes()), HANGING));
    }
    if let Some(metrics) = &status.metrics {
        text.push_str(&format!("metrics: http://{metrics}/metrics\n"));
    }
    text.extend(refusal(status, page));
    if status.dropped_total > 0 {
        let lost = match status.dropped_total {
            1 => "1 line of logs or byte".to_owned(),
            count => format!("{count} lines of logs or bytes"),
        };
        text.push_str(&format!("\n{lost} of output could not be kept: is the disk full?\n"));
    }
    text
}

/// The first of several problems in one line: where, and what to write, without the file's line.
fn first_problem(problem: &str, status: &Status) -> String {
    let mut lines = problem.lines();
    let place = lines.next().unwrap_or_default().trim();
    let directory = status.config_file.parent().map(|path| format!("{}/", path.display()));
    let place = directory.and_then(|path| place.strip_prefix(&path)).unwrap_or(place);
    let of_it = lines.take_while(|line| line.starts_with("   "));
    let mut words = of_it.filter(|line| line.starts_with("    ") && !line.starts_with("     "));
    words.next().map_or(place.to_owned(), |words| format!("{place}: {}", words.trim()))
}

/// The line for a configuration that was refused, with its first problem.
fn refusal(status: &Status, page: Page) -> Option<String> {
    let problem = status.config_problem.as_ref()?;
    let file = status.config_file.file_name().unwrap_or(status.config_file.as_os_str());
    let when = status.config_refused_at.map_or(String::new(), |at| format!(" at {}", moment(at)));
    // What is indented further belongs to the problem above it.
    let begins = |line: &&str| line.starts_with("  ") && !line.starts_with("   ");
    let more = problem.lines().skip(1).filter(begins).count();
    let more = match more {
        0 => String::new(),
        more => format!(" (+{more} more; `mcp-supervisor check` shows all)"),
    };
    let line = format!(
        "{} changed{when} and was refused; generation {} stays in force: {}{more}",
        printable(file.as_encoded_bytes()),
        status.generation,
        printable(first_problem(problem, status).as_bytes()),
    );
    Some(format!("\n{}", page.wrapped(&line, HANGING)))
}

fn row(app: &AppStatus, slot: &SlotStatus) -> Row {
    let dash = || "-".to_owned();
    [
        format!("{}[{}]", app.name, slot.index),
        state(slot).to_owned(),
        slot.pid.map_or_else(dash, |pid| pid.to_string()),
        if slot.phase == SlotPhase::Ready { duration(slot.for_time) } else { dash() },
        slot.restarts.to_string(),
        slot.cpu_percent.map_or_else(dash, percent),
        slot.rss_bytes.map_or_else(dash, bytes),
        slot.requests_total.map_or_else(dash, |count| count.to_string()),
        note(slot),
    ]
}

/// Why the slot is as it is, what comes next, and what happened last.
pub(crate) fn note(slot: &SlotStatus) -> String {
    let mut parts = Vec::new();
    if let Some(why) = why(slot) {
        parts.push(why);
    } else if let Some(last) = slot.last_exit.as_ref().filter(|_| slot.restarts > 0) {
        parts.push(format!("last exit: {}", printable(last.as_bytes())));
    }
    parts.extend(failing(slot));
    if let Some(message) = &slot.message {
        parts.push(format!("says: {}", printable(message.as_bytes())));
    }
    if slot.phase == SlotPhase::Failed {
        parts.push("`start` tries again".to_owned());
    }
    parts.extend(deadline(slot));
    if slot.successor.is_some() {
        parts.push("successor starting".to_owned());
    }
    if !slot.leaving.is_empty() {
        let pids: Vec<String> = slot.leaving.iter().map(ToString::to_string).collect();
        parts.push(format!("predecessor draining (pid {})", pids.join(", ")));
    }
    parts.join("; ")
}

/// What comes next by itself, and when.
pub(super) fn deadline(slot: &SlotStatus) -> Option<String> {
    let what = match slot.phase {
        SlotPhase::Starting => "must be ready in",
        SlotPhase::Draining => "killed in",
        SlotPhase::Backoff => "again in",
        SlotPhase::Stopped | SlotPhase::Ready | SlotPhase::Killing | SlotPhase::Failed => {
            return None;
        }
    };
    Some(format!("{what} {}", duration(slot.deadline_in?)))
}

pub(super) fn app_line(app: &AppStatus, page: Page) -> String {
    let ready = app.slots.iter().filter(|slot| slot.phase == SlotPhase::Ready).count();
    let place = app.listen.as_ref().map_or(String::new(), |listen| format!(" on {listen}"));
    let finished = app.slots.iter().filter(|slot| slot.finished.is_some()).count();
    let finished = if finished > 0 { format!(", {finished} finished") } else { String::new() };
    let total = app.slots.len();
    let mut line = format!("{}: {ready} of {total} online{place}{finished}\n", app.name);
    for note in app_notes(app) {
        line.push_str(&format!("  {note}\n"));
    }
    page.wrapped(&line, HANGING)
}

/// What an operator should know of an app, the most pressing first, each as one printable line.
pub(crate) fn app_notes(app: &AppStatus) -> Vec<String> {
    let roll = match &app.roll {
        RollStatus::Idle => None,
        RollStatus::Rolling { replaced, total } => {
            Some(format!("reloading: {replaced} of {total} replaced"))
        }
        RollStatus::Stopped { why } => {
            Some(format!("reload stopped (mend the cause, then `reload` again): {why}"))
        }
    };
    let changes = app.changes.iter().map(|change| format!("changed: {change}"));
    let remarks = app.remarks.iter().map(|remark| format!("note: {remark}"));
    let notes = roll.into_iter().chain(changes).chain(remarks);
    notes.map(|words| printable(words.as_bytes())).collect()
}

/// A note that has no room in its line stands below it.
fn draw(rows: &[Row], phases: &[SlotPhase], page: Page) -> String {
    let mut widths = HEADINGS.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = line(&HEADINGS.map(str::to_owned), &widths);
    let mut rule = widths;
    if let Some(width) = page.width {
        let before: usize = widths[..NOTE].iter().map(|width| width + 2).sum();
        rule[NOTE] = rule[NOTE].min(width.saturating_sub(before)).max(HEADINGS[NOTE].len());
    }
    text.push_str(&line(&rule.map(|width| "-".repeat(width)), &widths));
    for (row, phase) in rows.iter().zip(phases) {
        let whole = line(row, &widths);
        let fits = page.fits(whole.trim_end());
        let (mut head, note) = (row.clone(), &row[NOTE]);
        if !fits {
            head[NOTE].clear();
        }
        let plain = if fits { whole } else { line(&head, &widths) };
        text.push_str(&match page.colour {
            Colour::Plain => plain,
            Colour::Shown => paint(&plain, *phase),
        });
        if !fits {
            let margin = " ".repeat(HANGING);
            text.push_str(&page.wrapped(&format!("{margin}{note}"), HANGING));
        }
    }
    text
}

fn line(cells: &Row, widths: &[usize; 9]) -> String {
    let padded: Vec<String> =
        cells.iter().zip(widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
    format!("{}\n", padded.join("  ").trim_end())
}

pub(super) fn paint(line: &str, phase: SlotPhase) -> String {
    let code = match phase {
        SlotPhase::Ready => "32",
        SlotPhase::Failed => "31",
        SlotPhase::Backoff | SlotPhase::Killing => "33",
        SlotPhase::Starting | SlotPhase::Draining => "36",
        SlotPhase::Stopped => "90",
    };
    format!("\x1b[{code}m{}\x1b[0m\n", line.trim_end())
}

/// The whole picture as JSON; durations are in seconds.
#[must_use]
pub fn status_json(status: &Status) -> Value {
    let apps: Vec<Value> = status.apps.iter().map(app_json).collect();
    json!({
        "pid": status.pid, "version": status.version, "environment": status.environment,
        "config_file": status.config_file, "log_directory": status.log_directory, "metrics": status.metrics,
        "generation": status.generation, "config_problem": status.config_problem,
        "config_refused_at_seconds": status.config_refused_at.map(|at| at.as_secs_f64()),
        "uptime_seconds": status.uptime.as_secs_f64(), "stopping": status.stopping,
        "dropped_total": status.dropped_total, "apps": apps, "remarks": status.remarks,
    })
}

/// One app as JSON.
pub(super) fn app_json(app: &AppStatus) -> Value {
    let (roll, why) = match &app.roll {
        RollStatus::Idle => ("idle", None),
        RollStatus::Rolling { .. } => ("rolling", None),
        RollStatus::Stopped { why } => ("stopped", Some(why)),
    };
    let slots: Vec<Value> = app.slots.iter().map(slot_json).collect();
    json!({
        "name": app.name, "listen": app.listen, "reload": roll, "reload_problem": why,
        "changes": app.changes, "remarks": app.remarks, "depends_on": app.depends_on,
        "slots": slots,
    })
}

fn slot_json(slot: &SlotStatus) -> Value {
    json!({
        "slot": slot.index, "status": state(slot), "phase": slot.phase, "run": slot.run,
        "pid": slot.pid, "in_phase_seconds": slot.for_time.as_secs_f64(),
        "deadline_in_seconds": slot.deadline_in.map(|wait| wait.as_secs_f64()),
        "restarts": slot.restarts, "last_exit": slot.last_exit, "why": slot.why,
        "leaving_pids": slot.leaving, "successor_run": slot.successor,
        "message": slot.message, "cpu_percent": slot.cpu_percent, "threads": slot.threads,
        "rss_bytes": slot.rss_bytes, "requests_total": slot.requests_total,
        "failing_probe": slot.failing.as_ref().map(|probe| json!({
            "failures": probe.failures, "failures_max": probe.failures_max, "why": probe.why,
        })),
        "replaced_unasked": slot.replaced.as_ref().map(|replaced| json!({
            "times": replaced.times, "last_seconds_ago": replaced.ago.as_secs_f64(),
            "last_why": replaced.why,
        })),
        "finished": slot.finished,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const PIPE: Page = Page { colour: Colour::Plain, width: None };
    /// Clears the screen, and rings.
    const NASTY: &str = "\u{1b}[2J\u{7}";

    fn app(roll: RollStatus) -> AppStatus {
        AppStatus {
            name: "query".to_owned(),
            listen: Some("127.0.0.1:80".to_owned()),
            roll,
            changes: vec![format!("instances {NASTY}")],
            remarks: vec![format!("serves {NASTY}")],
            depends_on: Vec::new(),
            slots: Vec::new(),
        }
    }

    fn status(app: AppStatus) -> Status {
        Status {
            pid: 1,
            version: "1.0.0".to_owned(),
            environment: NASTY.to_owned(),
            config_file: "ecosystem.toml".into(),
            log_directory: "logs".into(),
            metrics: None,
            generation: 3,
            config_problem: Some(format!("one {NASTY}\ntwo\n")),
            config_refused_at: None,
            uptime: std::time::Duration::from_secs(1),
            stopping: false,
            dropped_total: 0,
            apps: vec![app],
            remarks: vec![format!("a change {NASTY}")],
        }
    }

    #[test]
    fn an_app_s_notes_follow_its_line() {
        let mut app = app(RollStatus::Rolling { replaced: 1, total: 2 });
        app.changes = vec!["4 instances".to_owned()];
        app.remarks = vec!["it sleeps".to_owned()];
        let line = "query: 0 of 0 online on 127.0.0.1:80\n";
        let notes = "  reloading: 1 of 2 replaced\n  changed: 4 instances\n  note: it sleeps\n";
        assert_eq!(app_line(&app, PIPE), format!("{line}{notes}"));
    }

    #[test]
    fn no_words_in_a_picture_command_the_terminal() {
        let text = status_table(&status(app(RollStatus::Stopped { why: NASTY.to_owned() })), PIPE);
        let raw = text.chars().filter(|letter| letter.is_control() && *letter != '\n');
        assert_eq!(raw.count(), 0, "{text:?}");
        assert_eq!(text.matches("\\u{1b}[2J\\u{7}").count(), 6, "{text}");
        assert!(text.contains("in force: one \\u{1b}[2J\\u{7}\n"), "{text}");
    }

    /// An app with one slot, of which this is known besides.
    fn sample(slot: &Value, remark: &str) -> Status {
        let mut one = json!({
            "index": 0, "phase": "ready", "run": 1, "pid": 4121, "restarts": 0, "leaving": [],
            "for_time": { "secs": 90, "nanos": 0 },
        });
        let more = slot.as_object().unwrap().clone();
        one.as_object_mut().unwrap().extend(more);
        serde_json::from_value(json!({
            "pid": 4115, "version": "0.1.0", "environment": "development",
            "config_file": "/srv/ecosystem.toml", "log_directory": "/srv/logs", "generation": 3,
            "uptime": { "secs": 90, "nanos": 0 }, "stopping": false, "dropped_total": 0,
            "remarks": [], "apps": [{
                "name": "web", "roll": "Idle", "changes": [], "remarks": [remark],
                "depends_on": [], "slots": [one],
            }],
        }))
        .unwrap()
    }

    fn shown(slot: &Value, width: Option<usize>) -> String {
        let remark = "serves the embedded sample account, not Snowflake, and this is a long note";
        status_table(&sample(slot, remark), Page { colour: Colour::Plain, width })
    }

    #[test]
    fn what_is_too_long_for_the_terminal_is_broken_and_a_pipe_has_no_width() {
        let why = "exit code 3, and the last words of a program that has much to say of itself";
        let slot = json!({ "why": why });
        let narrow = shown(&slot, Some(80));
        assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
        let note = "  note: serves the embedded sample account, not Snowflake, and this is a long\n    \
                    note\n";
        assert!(narrow.contains(note), "{narrow}");
        assert!(narrow.contains("\n    exit code 3, and the last words"), "{narrow}");
        let wide = shown(&slot, None);
        assert!(
            wide.lines().any(|line| line.starts_with("web[0]") && line.ends_with(why)),
            "{wide}"
        );
        assert!(wide.contains("and this is a long note\n"), "{wide}");
    }

    #[test]
    fn a_slot_whose_program_was_done_was_not_stopped_by_anybody() {
        let done = |finished: &str| json!({ "phase": "stopped", "pid": null, "why": "exit code 3", "finished": finished });
        let text = shown(&done("exit_code"), None);
        assert!(text.contains("web[0]  finished"), "{text}");
        assert!(text.contains("exit code 3, one of its stop_exit_codes; `start` runs"), "{text}");
        assert!(text.contains("web: 0 of 1 online, 1 finished\n"), "{text}");
        let text = shown(&done("policy"), None);
        assert!(text.contains("exit code 3, and its restart policy leaves it at that"), "{text}");
        let stopped = json!({ "phase": "stopped", "pid": null, "why": "stopped by an operator" });
        let text = shown(&stopped, None);
        assert!(text.contains("web[0]  stopped ") && !text.contains("finished"), "{text}");
    }

    #[test]
    fn a_failing_probe_is_shown_while_its_worker_serves() {
        let probe = json!({ "failures": 2, "failures_max": 3, "why": "no answer \u{1b}[2J" });
        let text = shown(&json!({ "failing": probe }), None);
        assert!(text.contains("2 of 3 probes failed: no answer \\u{1b}[2J\n"), "{text}");
        assert!(!shown(&json!({}), None).contains("probe"));
    }
}
