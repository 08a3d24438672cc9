//! Tells a story: each event to a machine, and under it what the machine does.
//!
//! The simulation uses it as well, to tell a schedule that it found.

use std::fmt::Write as _;
use std::time::Duration;

use mcp_supervisor::machine::{Action, Event, Machine, Moment};

use crate::script::{self, Line};
use crate::words;

/// More wake-ups than any story has between two lines.
const TICKS_MAX: u32 = 200;
/// The seed of the machine where a story names none.
const SEED: u64 = 1;

/// Plays a story: the lines at the margin as they are, and under them what happens.
pub(crate) fn play(story: &str) -> Result<String, String> {
    let mut machine = Machine::new(SEED);
    let mut told = String::new();
    let mut leapt = false;
    for line in story.lines() {
        if line.starts_with(' ') {
            continue;
        }
        let Some((at, what)) = script::line(line)? else {
            let _ = writeln!(told, "{line}");
            continue;
        };
        if !leapt && !matches!(what, Line::Leap) {
            wait_until(&mut machine, at, &mut told)?;
        }
        leapt = matches!(what, Line::Leap);
        let _ = writeln!(told, "{line}");
        match what {
            Line::Leap => {}
            Line::Seed(seed) => machine = Machine::new(seed),
            Line::Status => told.push_str(&words::status(&machine.snapshot())),
            Line::Event(event) => {
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
