//! Everything about an app, for a person and for a program: what `describe` prints.

use std::time::Duration;

use mcp_protocol::control::{AppDescription, ProcessDetails, SlotStatus};
use serde_json::{Value, json};

use crate::machine::words::counted;
use crate::report::page::{Colour, Page};
use crate::report::table::{app_json, app_line, deadline, paint};
use crate::report::words::{bytes, duration, failing, percent, printable, state, why};

/// How wide the names on the left are.
const MARGIN: usize = 12;

/// Apps, one after the other.
#[must_use]
pub fn description(apps: &[AppDescription], page: Page) -> String {
    let texts: Vec<String> = apps.iter().map(|app| one(app, page)).collect();
    texts.join("\n")
}

fn one(app: &AppDescription, page: Page) -> String {
    let status = &app.status;
    let row = |name: &str, words: &str| row(name, words, page);
    let mut text = app_line(status, page);
    let instances = match app.instances_in_file {
        Some(count) => format!("{} now, {count} in the file", status.slots.len()),
        None => format!("{} now, the file does not name it", status.slots.len()),
    };
    let command: Vec<String> = app.command.iter().map(|word| quoted(word)).collect();
    text.push_str(&row("command", &command.join(" ")));
    text.push_str(&row("directory", &app.working_directory.display().to_string()));
    text.push_str(&row("instances", &instances));
    for (name, words) in &app.rules {
        text.push_str(&row(name, words));
    }
    for (number, (key, value)) in app.settings.iter().enumerate() {
        let name = if number == 0 { "in the file" } else { "" };
        text.push_str(&row(name, &format!("{key} = {value}")));
    }
    for (number, log) in app.logs.iter().enumerate() {
        let name = if number == 0 { "log files" } else { "" };
        text.push_str(&row(name, &log.file.display().to_string()));
    }
    for slot in &status.slots {
        let details = app.processes.iter().find(|process| process.slot == slot.index);
        text.push_str(&slot_text(&status.name, slot, details, page));
    }
    for log in app.logs.iter().filter(|log| !log.lines.is_empty()) {
        let name = log.file.file_name().unwrap_or(log.file.as_os_str());
        text.push_str(&format!("\nthe last lines of {}:\n", name.display()));
        text.push_str(&indented(&log.lines));
    }
    text
}

fn slot_text(app: &str, slot: &SlotStatus, process: Option<&ProcessDetails>, page: Page) -> String {
    let name = format!("{app}[{}]", slot.index);
    let head = format!("{name}  {} for {}", state(slot), duration(slot.for_time));
    let mut text = match page.colour {
        Colour::Plain => format!("\n{head}\n"),
        Colour::Shown => format!("\n{}", paint(&head, slot.phase)),
    };
    let mut rows: Vec<(&str, String)> = Vec::new();
    let why: Vec<String> = why(slot).into_iter().chain(deadline(slot)).collect();
    if !why.is_empty() {
        rows.push(("why", why.join("; ")));
    }
    if let (Some(pid), Some(run)) = (slot.pid, slot.run) {
        rows.push(("process", format!("pid {pid}, run {run}")));
    }
    let last = slot.last_exit.as_deref().unwrap_or("none yet");
    rows.push(("restarts", format!("{}; last exit: {last}", slot.restarts)));
    rows.extend(failing(slot).map(|words| ("probe", words)));
    rows.extend(replaced(slot).map(|words| ("replaced", words)));
    if let Some(message) = &slot.message {
        rows.push(("says", message.clone()));
    }
    if let Some(rss) = slot.rss_bytes {
        let share = process.and_then(|process| process.pss_bytes);
        let share = share.map_or(String::new(), |pss| format!(", its share {} (PSS)", bytes(pss)));
        rows.push(("memory", format!("{} resident (RSS){share}", bytes(rss))));
    }
    if let Some(time) = process.and_then(|process| process.cpu_time) {
        let now =
            slot.cpu_percent.map_or(String::new(), |share| format!("{} now, ", percent(share)));
        rows.push(("processor", format!("{now}{} altogether", seconds(time))));
    }
    let threads = slot.threads.map(|count| format!("threads: {count}"));
    let descriptors = process.and_then(|process| process.descriptors);
    let descriptors = descriptors.map(|count| format!("open descriptors: {count}"));
    let both: Vec<String> = threads.into_iter().chain(descriptors).collect();
    if !both.is_empty() {
        rows.push(("holds", both.join(", ")));
    }
    if let Some(count) = slot.requests_total {
        rows.push(("requests", format!("{count} answered by this run")));
    }
    if let Some(run) = slot.successor {
        rows.push(("successor", format!("run {run} is starting")));
    }
    if !slot.leaving.is_empty() {
        let pids: Vec<String> = slot.leaving.iter().map(ToString::to_string).collect();
        rows.push(("leaving", format!("pid {}", pids.join(", "))));
    }
    rows.iter().for_each(|(name, words)| text.push_str(&row(name, words, page)));
    text
}

fn row(name: &str, words: &str, page: Page) -> String {
    page.wrapped(&format!("  {name:<MARGIN$} {}", printable(words.as_bytes())), MARGIN + 3)
}

/// Replacements that nobody asked for.
fn replaced(slot: &SlotStatus) -> Option<String> {
    let replaced = slot.replaced.as_ref()?;
    let (times, ago) = (counted(replaced.times, "time"), duration(replaced.ago));
    Some(format!("{times} without being asked to, the last time {ago} ago: {}", replaced.why))
}

/// Lines of a program, set off and harmless.
pub(super) fn indented(lines: &[String]) -> String {
    lines.iter().map(|line| format!("    {}\n", printable(line.as_bytes()))).collect()
}

fn seconds(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.2}s", time.as_secs_f64()),
        _ => duration(time),
    }
}

/// A word of a command as one would type it.
fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@%+".contains(c);
    let word = printable(word.as_bytes());
    match !word.is_empty() && word.chars().all(plain) {
        true => word,
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// The same as JSON; durations are in seconds.
#[must_use]
pub fn description_json(apps: &[AppDescription]) -> Value {
    let one = |app: &AppDescription| {
        let mut value = app_json(&app.status);
        let pairs = |pairs: &[(String, String)]| {
            pairs
                .iter()
                .cloned()
                .map(|(name, words)| (name, json!(words)))
                .collect::<serde_json::Map<_, _>>()
        };
        value["command"] = json!(app.command);
        value["working_directory"] = json!(app.working_directory);
        value["instances_in_file"] = json!(app.instances_in_file);
        value["rules"] = Value::Object(pairs(&app.rules));
        value["settings"] = Value::Object(pairs(&app.settings));
        value["logs"] = app
            .logs
            .iter()
            .map(|log| json!({ "file": log.file, "last_lines": log.lines }))
            .collect();
        for process in &app.processes {
            let slots = value["slots"].as_array_mut().into_iter().flatten();
            for slot in slots.filter(|slot| slot["slot"] == process.slot) {
                slot["pss_bytes"] = json!(process.pss_bytes);
                slot["cpu_seconds"] = json!(process.cpu_time.map(|time| time.as_secs_f64()));
                slot["open_descriptors"] = json!(process.descriptors);
            }
        }
        value
    };
    Value::Array(apps.iter().map(one).collect())
}
