//! The `status` table, and the same as JSON.

use mcp_protocol::control::{AppStatus, RollStatus, SlotPhase, SlotStatus, Status};
use serde_json::{Value, json};

use crate::report::words::{bytes, duration, moment, percent, phase, printable};

/// Whether the terminal shows colours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Colour {
    /// It does.
    Shown,
    /// It does not, or it is no terminal.
    Plain,
}

/// The cells of a line.
type Row = [String; 9];

const HEADINGS: [&str; 9] =
    ["slot", "status", "pid", "uptime", "restarts", "cpu", "memory", "requests", "note"];

/// The whole picture as a table with a head line, remarks and problems.
#[must_use]
pub fn status_table(status: &Status, colour: Colour) -> String {
    let mut text = format!(
        "mcp-supervisor {}  pid {}  environment {}  up {}  generation {}{}\n\n",
        status.version,
        status.pid,
        status.environment,
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
    text.push_str(&draw(&rows, &phases, colour));
    text.push('\n');
    for app in &status.apps {
        text.push_str(&app_line(app));
    }
    for remark in &status.remarks {
        text.push_str(&format!("{remark}\n"));
    }
    if let Some(metrics) = &status.metrics {
        text.push_str(&format!("metrics: http://{metrics}/metrics\n"));
    }
    text.extend(refusal(status));
    if status.dropped_total > 0 {
        text.push_str(&format!(
            "\n{} lines of logs or bytes of output could not be kept: is the disk full?\n",
            status.dropped_total
        ));
    }
    text
}

/// The line for a configuration that was refused, with its first problem.
fn refusal(status: &Status) -> Option<String> {
    let problem = status.config_problem.as_ref()?;
    let file = status.config_file.file_name().unwrap_or(status.config_file.as_os_str());
    let when = status.config_refused_at.map_or(String::new(), |at| format!(" at {}", moment(at)));
    let mut lines = problem.lines();
    let first = printable(lines.next().unwrap_or_default().trim().as_bytes());
    // What is indented further belongs to the problem above it.
    let more = lines.filter(|line| line.starts_with("  ") && !line.starts_with("   ")).count();
    let more = match more {
        0 => String::new(),
        more => format!(" (+{more} more; `mcp-supervisor check` shows all)"),
    };
    Some(format!(
        "\n{} changed{when} and was refused; generation {} stays in force: {first}{more}\n",
        printable(file.as_encoded_bytes()),
        status.generation,
    ))
}

fn row(app: &AppStatus, slot: &SlotStatus) -> Row {
    let dash = || "-".to_owned();
    [
        format!("{}[{}]", app.name, slot.index),
        phase(slot.phase).to_owned(),
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
    if let Some(why) = &slot.why {
        parts.push(printable(why.as_bytes()));
    } else if let Some(last) = slot.last_exit.as_ref().filter(|_| slot.restarts > 0) {
        parts.push(format!("last exit: {}", printable(last.as_bytes())));
    }
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

pub(super) fn app_line(app: &AppStatus) -> String {
    let ready = app.slots.iter().filter(|slot| slot.phase == SlotPhase::Ready).count();
    let place = app.listen.as_ref().map_or(String::new(), |listen| format!(" on {listen}"));
    let mut line = format!("{}: {ready} of {} online{place}\n", app.name, app.slots.len());
    match &app.roll {
        RollStatus::Idle => {}
        RollStatus::Rolling { replaced, total } => {
            line.push_str(&format!("  reloading: {replaced} of {total} replaced\n"));
        }
        RollStatus::Stopped { why } => line.push_str(&format!(
            "  reload stopped (mend the cause, then `reload` again): {}\n",
            printable(why.as_bytes())
        )),
    }
    for change in &app.changes {
        line.push_str(&format!("  changed: {change}\n"));
    }
    for remark in &app.remarks {
        line.push_str(&format!("  note: {remark}\n"));
    }
    line
}

fn draw(rows: &[Row], phases: &[SlotPhase], colour: Colour) -> String {
    let mut widths = HEADINGS.map(str::len);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = line(&HEADINGS.map(str::to_owned), &widths);
    text.push_str(&line(&widths.map(|width| "-".repeat(width)), &widths));
    for (row, phase) in rows.iter().zip(phases) {
        let plain = line(row, &widths);
        text.push_str(&match colour {
            Colour::Plain => plain,
            Colour::Shown => paint(&plain, *phase),
        });
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
        "changes": app.changes, "remarks": app.remarks, "slots": slots,
    })
}

fn slot_json(slot: &SlotStatus) -> Value {
    json!({
        "slot": slot.index, "status": phase(slot.phase), "phase": slot.phase, "run": slot.run,
        "pid": slot.pid, "in_phase_seconds": slot.for_time.as_secs_f64(),
        "deadline_in_seconds": slot.deadline_in.map(|wait| wait.as_secs_f64()),
        "restarts": slot.restarts, "last_exit": slot.last_exit, "why": slot.why,
        "leaving_pids": slot.leaving, "successor_run": slot.successor,
        "message": slot.message, "cpu_percent": slot.cpu_percent, "threads": slot.threads,
        "rss_bytes": slot.rss_bytes, "requests_total": slot.requests_total,
    })
}
