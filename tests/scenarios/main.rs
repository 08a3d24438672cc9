//! Plays every story in this directory: events in, actions out, in text.
//!
//! A story pins one decision of the machine, so that an operator can read it. Lines that begin at
//! the margin are written by hand: a time and an event. Indented lines are what the machine does;
//! `UPDATE=1` writes them anew. A time on an indented line means that no event came: a deadline
//! passed. The line `status` shows the picture that an operator would see.

mod script;
mod words;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_supervisor::machine::{Action, Event, Machine, Moment};

/// More wake-ups than any story has between two lines.
const TICKS_MAX: u32 = 200;

#[test]
fn stories_end_as_they_are_told() {
    let update = update_wanted();
    let mut told = 0;
    let mut wrong = String::new();
    for path in stories() {
        told += 1;
        let written = std::fs::read_to_string(&path).unwrap();
        let played = play(&written).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        if played == written {
            continue;
        }
        if update {
            std::fs::write(&path, played).unwrap();
        } else {
            let _ = write!(wrong, "\n{}\n{}", path.display(), difference(&written, &played));
        }
    }
    assert!(told >= 16, "only {told} stories were found");
    assert!(wrong.is_empty(), "stories went another way (UPDATE=1 rewrites them):{wrong}");
}

#[expect(clippy::disallowed_methods, reason = "a switch for the person who runs the tests")]
fn update_wanted() -> bool {
    std::env::var_os("UPDATE").is_some()
}

fn stories() -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/scenarios");
    let entries =
        std::fs::read_dir(directory).expect("stories").map(|entry| entry.expect("a story").path());
    let mut paths: Vec<PathBuf> =
        entries.filter(|path| path.extension().is_some_and(|end| end == "story")).collect();
    paths.sort();
    paths
}

fn play(story: &str) -> Result<String, String> {
    let mut machine = Machine::new(1);
    let mut told = String::new();
    for line in story.lines() {
        if line.starts_with(' ') {
            continue;
        }
        let Some((at, what)) = script::line(line)? else {
            let _ = writeln!(told, "{line}");
            continue;
        };
        wait_until(&mut machine, at, &mut told)?;
        let _ = writeln!(told, "{line}");
        match what {
            script::Line::Status => told.push_str(&words::status(&machine.snapshot())),
            script::Line::Event(event) => {
                tell(&machine.handle(Moment::after_start(at), *event), None, &mut told);
            }
        }
    }
    Ok(told)
}

/// Lets every deadline pass that comes before the next line.
fn wait_until(machine: &mut Machine, at: Duration, told: &mut String) -> Result<(), String> {
    for _ in 0..TICKS_MAX {
        match machine.next_deadline() {
            Some(deadline) if deadline.since_start() < at => {
                let actions = machine.handle(deadline, Event::Tick);
                tell(&actions, Some(deadline.since_start()), told);
            }
            Some(_) | None => return Ok(()),
        }
    }
    Err("the machine does not come to rest".to_owned())
}

fn tell(actions: &[Action], at: Option<Duration>, told: &mut String) {
    let mut at = at.map(|at| format!("{}ms", at.as_millis())).unwrap_or_default();
    for line in actions.iter().filter_map(words::action) {
        let _ = writeln!(told, "{:>8}   -> {line}", std::mem::take(&mut at));
    }
}

fn difference(written: &str, played: &str) -> String {
    let (old, new): (Vec<&str>, Vec<&str>) = (written.lines().collect(), played.lines().collect());
    let same = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let mut text = String::new();
    for line in &old[same.saturating_sub(3)..same] {
        let _ = writeln!(text, "  {line}");
    }
    for (mark, lines) in [('-', &old), ('+', &new)] {
        for line in lines.iter().skip(same).take(6) {
            let _ = writeln!(text, "{mark} {line}");
        }
    }
    text
}
