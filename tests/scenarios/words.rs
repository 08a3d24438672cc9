//! How actions and pictures read in a story.

use std::fmt::Write as _;

use mcp_supervisor::machine::{
    Action, Changes, FailingProbe, Finished, Notice, Outcome, PhaseName, Presence, Replaced,
    RollView, Snapshot,
};

/// One action; nothing for the notices that only repeat the action beside them.
pub(crate) fn action(action: &Action) -> Option<String> {
    Some(match action {
        Action::Spawn { run, slot, fingerprint } => {
            format!("Spawn {slot} {run} kind {}", fingerprint.0)
        }
        Action::Drain { run, grace, cause: _ } => format!("Drain {run} within {grace:?}"),
        Action::Kill { run, why } => format!("Kill {run} {why:?}"),
        Action::Reply { request, outcome: Outcome::Done } => format!("Reply {}: done", request.0),
        Action::Reply { request, outcome: Outcome::Failed { why, .. } } => {
            format!("Reply {}: failed: {why}", request.0)
        }
        Action::Signal { run, number } => format!("Signal {run} {number}"),
        Action::Remember(changes) => format!("Remember{}", self::changes(changes)),
        Action::Exit => "Exit".to_owned(),
        Action::Announce(notice) => return self::notice(notice),
    })
}

/// What differs from the file, as a story writes it.
fn changes(changes: &Changes) -> String {
    let mut text = String::new();
    for (app, change) in changes {
        match change.presence {
            Presence::Wanted => {}
            Presence::Stopped => {
                let _ = write!(text, " {app}=stopped");
            }
            Presence::Deleted => {
                let _ = write!(text, " {app}=deleted");
            }
        }
        if let Some(count) = change.instances {
            let _ = write!(text, " {app}={count}");
        }
        for index in &change.stopped_slots {
            let _ = write!(text, " {app}[{index}]=stopped");
        }
    }
    if text.is_empty() { " nothing".to_owned() } else { text }
}

fn notice(notice: &Notice) -> Option<String> {
    Some(match notice {
        Notice::Moved { slot, run, to, why, next_in } => {
            match to {
                PhaseName::Starting | PhaseName::Draining | PhaseName::Killing => return None,
                PhaseName::Ready | PhaseName::Stopped | PhaseName::Backoff | PhaseName::Failed => {}
            }
            let mut text = format!("{slot}");
            if let Some(run) = run {
                let _ = write!(text, " {run}");
            }
            let _ = write!(text, " {}", to.as_str());
            if let Some(wait) = next_in {
                let _ = write!(text, " {}ms", wait.as_millis());
            }
            if let Some(why) = why {
                let _ = write!(text, ": {why}");
            }
            text
        }
        Notice::Stuck { slot, run, for_time } => format!("{slot} {run} stuck for {for_time:?}"),
        Notice::RollBegan { app, why: None } => format!("roll of {app} began"),
        Notice::RollBegan { app, why: Some(why) } => format!("roll of {app} began: {why}"),
        Notice::RollEnded { app } => format!("roll of {app} ended"),
        Notice::RollStopped { app, why } => format!("roll of {app} stopped: {why}"),
        Notice::ConfigAccepted { generation } => format!("config {generation} accepted"),
        Notice::ConfigRejected { problem } => format!("config rejected: {problem}"),
        Notice::ShuttingDown => "shutting down".to_owned(),
    })
}

/// The picture.
pub(crate) fn status(snapshot: &Snapshot) -> String {
    let mut text = String::new();
    if let Some(problem) = &snapshot.config_problem {
        let _ = writeln!(text, "           | config problem: {problem}");
    }
    if !snapshot.changes.is_empty() {
        let _ = writeln!(text, "           | changed:{}", changes(&snapshot.changes));
    }
    for app in &snapshot.apps {
        let roll = match &app.roll {
            RollView::Idle => "idle".to_owned(),
            RollView::Rolling { replaced, total } => format!("rolling {replaced}/{total}"),
            RollView::Stopped { why } => format!("stopped: {why}"),
        };
        let _ = writeln!(text, "           | {} roll {roll}", app.name);
        for slot in &app.slots {
            let _ = write!(text, "           |   {} {}", slot.index, slot.phase.as_str());
            if let Some(run) = slot.run {
                let _ = write!(text, " {run}");
            }
            if let Some(run) = slot.successor {
                let _ = write!(text, ", successor {run}");
            }
            for run in &slot.leaving {
                let _ = write!(text, ", leaving {run}");
            }
            let _ = write!(text, ", restarts {}", slot.restarts);
            if let Some(why) = &slot.why {
                let _ = write!(text, ", why {why}");
            }
            if let Some(last) = &slot.last_exit {
                let _ = write!(text, ", last {last}");
            }
            if let Some(probe) = &slot.failing {
                let FailingProbe { failures, failures_max, why } = probe;
                let _ = write!(text, ", {failures} of {failures_max} probes failed: {why}");
            }
            if let Some(replaced) = &slot.replaced {
                let Replaced { times, at: _, why } = replaced;
                let _ = write!(text, ", {times} unasked, last: {why}");
            }
            match slot.finished {
                Some(Finished::ExitCode) => text.push_str(", finished by its exit code"),
                Some(Finished::Policy) => text.push_str(", finished by policy"),
                None => {}
            }
            text.push('\n');
        }
    }
    text
}
