//! Words for moments: durations, sizes, phases, and what changed since the last picture.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use mcp_protocol::control::{Finished, SlotPhase, SlotStatus, Status};

use crate::config::nearest;
use crate::machine::words::counted;
pub(crate) use crate::machine::words::size as bytes;
use crate::report::details::indented;

/// The phase in PM2's words, so that habits carry over.
fn phase(phase: SlotPhase) -> &'static str {
    match phase {
        SlotPhase::Stopped => "stopped",
        SlotPhase::Starting => "launching",
        SlotPhase::Ready => "online",
        SlotPhase::Draining | SlotPhase::Killing => "stopping",
        SlotPhase::Backoff => "waiting restart",
        SlotPhase::Failed => "errored",
    }
}

/// What a slot is doing, in the same words; one whose program was done was not stopped by anybody.
pub(crate) fn state(slot: &SlotStatus) -> &'static str {
    if slot.finished.is_some() { "finished" } else { phase(slot.phase) }
}

/// Why a slot is as it is, in words that are harmless on a terminal.
pub(super) fn why(slot: &SlotStatus) -> Option<String> {
    let why = printable(slot.why.as_ref()?.as_bytes());
    Some(match slot.finished {
        None => why,
        Some(Finished::ExitCode) => {
            format!("{why}, one of its stop_exit_codes; `start` runs it again")
        }
        Some(Finished::Policy) => {
            format!("{why}, and its restart policy leaves it at that; `start` runs it again")
        }
    })
}

/// The probes that failed of a worker that serves.
pub(super) fn failing(slot: &SlotStatus) -> Option<String> {
    let probe = slot.failing.as_ref()?;
    let why = printable(probe.why.as_bytes());
    let of = counted(u64::from(probe.failures_max), "probe");
    Some(format!("{} of {of} failed: {why}", probe.failures))
}

/// A duration as people say it: its two largest units at the most.
pub(crate) fn duration(time: Duration) -> String {
    let seconds = time.as_secs();
    match seconds {
        0 => format!("{}ms", time.as_millis()),
        1..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3_600..86_400 => format!("{}h{:02}m", seconds / 3_600, seconds % 3_600 / 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds % 86_400 / 3_600),
    }
}

/// A time since 1970 on the clock of whoever reads it.
#[must_use]
pub fn moment(since_1970: Duration) -> String {
    let time = i64::try_from(since_1970.as_secs()).ok();
    let time = time.and_then(|time| jiff::Timestamp::from_second(time).ok()).unwrap_or_default();
    let time = time.to_zoned(jiff::tz::TimeZone::system());
    time.strftime("%Y-%m-%d %H:%M:%S").to_string()
}

/// A share of a processor.
pub(super) fn percent(share: f32) -> String {
    if share < 10.0 { format!("{share:.1}%") } else { format!("{share:.0}%") }
}

/// The answer to `ping`.
#[must_use]
pub fn pong(status: &Status) -> String {
    let stopping = if status.stopping { ", stopping" } else { "" };
    format!("pong: pid {}, up {}{stopping}\n", status.pid, duration(status.uptime))
}

/// That there is no such app, which one was probably meant, and which there are.
#[must_use]
pub fn unknown_app<'k>(app: &str, known: impl Iterator<Item = &'k str> + Clone) -> String {
    let names: Vec<&str> = known.clone().collect();
    let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
    match nearest(app, known) {
        Some(guess) => {
            format!("there is no app `{app}`; did you mean `{guess}`? there are: {names}")
        }
        None => format!("there is no app `{app}`; there are: {names}"),
    }
}

/// That the file names no such client, and which one was probably meant.
#[must_use]
pub fn unknown_client<'k>(client: &str, known: impl Iterator<Item = &'k str>) -> String {
    match nearest(client, known) {
        Some(guess) => format!("the file names no client `{client}`; did you mean `{guess}`?"),
        None => format!(
            "the file names no client `{client}`; write a table [apps.NAME.clients.{client}] first"
        ),
    }
}

/// That an app has no such slot, and which it has.
#[must_use]
pub fn unknown_slot(app: &str, slot: u32, count: u32) -> String {
    let slots = match count {
        0 => "it has none".to_owned(),
        1 => format!("its only slot is {app}[0]"),
        count => format!("its slots are {app}[0] to {app}[{}]", count - 1),
    };
    format!("there is no slot {app}[{slot}]; {slots}")
}

/// What a program wrote last, below the error that it may explain.
#[must_use]
pub fn last_output(lines: &[String]) -> String {
    match lines.is_empty() {
        true => String::new(),
        false => format!("the last lines of its output:\n{}", indented(lines)),
    }
}

/// An error and its causes in one line.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut words = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        words.push_str(&format!(": {error}"));
        cause = error.source();
    }
    words
}

/// Any bytes as one line that cannot command a terminal: control characters become visible.
#[must_use]
pub fn printable(line: &[u8]) -> String {
    String::from_utf8_lossy(line)
        .chars()
        .flat_map(|character| {
            let harmless = character == '\t' || !character.is_control();
            let escaped = (!harmless).then(|| character.escape_default());
            let plain = harmless.then_some(character);
            plain.into_iter().chain(escaped.into_iter().flatten())
        })
        .collect()
}

/// Turns pictures into lines: one for each slot whose state is not the one that was shown last.
#[derive(Debug, Default)]
pub struct Progress {
    shown: BTreeMap<String, (SlotPhase, Option<u64>)>,
}

impl Progress {
    /// Shows only what is different from this picture.
    #[must_use]
    pub fn since(status: &Status) -> Progress {
        let mut progress = Progress::default();
        drop(progress.lines(status));
        progress
    }

    /// The lines for what is new in this picture.
    pub fn lines(&mut self, status: &Status) -> Vec<String> {
        let mut lines = Vec::new();
        for app in &status.apps {
            for slot in &app.slots {
                let name = format!("{}[{}]", app.name, slot.index);
                let state = (slot.phase, slot.run);
                if self.shown.insert(name.clone(), state) != Some(state) {
                    lines.push(format!("  {name:<14} {}", slot_line(slot)));
                }
            }
        }
        lines
    }
}

fn slot_line(slot: &SlotStatus) -> String {
    let mut line = state(slot).to_owned();
    if let Some(pid) = slot.pid {
        line.push_str(&format!("  pid {pid}"));
    }
    match slot.phase {
        SlotPhase::Backoff => {
            if let Some(wait) = slot.deadline_in {
                line.push_str(&format!("  again in {}", duration(wait)));
            }
        }
        SlotPhase::Stopped
        | SlotPhase::Starting
        | SlotPhase::Ready
        | SlotPhase::Draining
        | SlotPhase::Killing
        | SlotPhase::Failed => {}
    }
    if let Some(why) = why(slot) {
        line.push_str(&format!("  {why}"));
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        let shown = [
            (Duration::from_millis(20), "20ms"),
            (Duration::from_secs(59), "59s"),
            (Duration::from_secs(61), "1m01s"),
            (Duration::from_secs(3_661), "1h01m"),
            (Duration::from_secs(90_000), "1d01h"),
        ];
        for (time, words) in shown {
            assert_eq!(duration(time), words);
        }
    }

    #[test]
    fn an_unknown_app_is_answered_with_the_nearest_one() {
        let known = ["query", "billing"];
        assert_eq!(
            unknown_app("quarry", known.into_iter()),
            "there is no app `quarry`; did you mean `query`? there are: query, billing"
        );
        assert_eq!(
            unknown_app("x", known.into_iter()),
            "there is no app `x`; there are: query, billing"
        );
        let known = ["my-app", "Query"];
        for (typed, meant) in [("my_app", "my-app"), ("query", "Query"), ("my-app2", "my-app")] {
            let said = unknown_app(typed, known.into_iter());
            assert!(said.contains(&format!("did you mean `{meant}`?")), "{said}");
        }
        assert_eq!(unknown_app("x", std::iter::empty()), "there is no app `x`; there are: none");
    }

    #[test]
    fn an_unknown_slot_is_answered_with_those_that_there_are() {
        let words = "there is no slot query[9]; its slots are query[0] to query[2]";
        assert_eq!(unknown_slot("query", 9, 3), words);
        assert_eq!(unknown_slot("a", 1, 1), "there is no slot a[1]; its only slot is a[0]");
    }

    #[test]
    fn the_last_output_is_set_off_and_harmless() {
        assert_eq!(last_output(&[]), "");
        let lines = ["a".to_owned(), "\u{1b}[2J".to_owned()];
        assert_eq!(last_output(&lines), "the last lines of its output:\n    a\n    \\u{1b}[2J\n");
    }

    #[derive(Debug, thiserror::Error)]
    #[error("{0}")]
    struct Layer(&'static str, #[source] Option<Box<Layer>>);

    #[test]
    fn an_error_is_told_with_all_its_causes() {
        let full = Layer("the disk is full", None);
        let write = Layer("cannot write `a`", Some(Box::new(full)));
        let start = Layer("cannot start", Some(Box::new(write)));
        assert_eq!(with_causes(&start), "cannot start: cannot write `a`: the disk is full");
        assert_eq!(with_causes(&Layer("alone", None)), "alone");
    }

    #[test]
    fn no_byte_commands_a_terminal() {
        assert_eq!(printable(b"a\tb"), "a\tb");
        assert_eq!(printable(b"\x1b[2J\r\x07"), "\\u{1b}[2J\\r\\u{7}");
        assert_eq!(printable("\u{9b}2J".as_bytes()), "\\u{9b}2J");
        assert_eq!(printable(&[0xFF, b'x']), "\u{FFFD}x");
        assert_eq!(printable("größe".as_bytes()), "größe");
    }
}
