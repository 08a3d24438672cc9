//! What the simulation must have seen: a sweep that stops exploring must say so.

use std::collections::BTreeSet;

use mcp_supervisor::machine::{
    Action, Command, Event, KillCause, Notice, Outcome, PhaseName, RollView, RunId, Scope,
    Snapshot, Urgency,
};

use crate::properties::slots;

/// Everything that a sweep must have seen at least once.
pub(crate) const ALL: [&str; 27] = [
    "killed: never ready",
    "killed: heartbeat lost",
    "killed: drain overrun",
    "killed: hurry",
    "a killed process that stays",
    "gave up",
    "hopeless exit",
    "a worker that was done",
    "a failed slot was forgiven",
    "roll began",
    "roll ended",
    "roll stopped",
    "a successor took over",
    "a successor was promoted by a death",
    "reload during a roll",
    "configuration during a roll",
    "stale news",
    "news after the shutdown",
    "an app that is leaving",
    "reload done",
    "reload failed",
    "restart done",
    "restart failed",
    "settle done",
    "settle failed",
    "unknown app",
    "shutdown done",
];

/// Notes what there is to see in one call of `handle`.
pub(crate) fn see(
    sights: &mut BTreeSet<&'static str>,
    event: &Event,
    actions: &[Action],
    (before, after): (&Snapshot, &Snapshot),
) {
    see_event(sights, event, before);
    see_handover(sights, before, after);
    for action in actions {
        match action {
            Action::Kill { why, .. } => {
                sights.insert(match why {
                    KillCause::NeverReady => "killed: never ready",
                    KillCause::HeartbeatLost => "killed: heartbeat lost",
                    KillCause::Unhealthy => "killed: not well",
                    KillCause::DrainOverrun => "killed: drain overrun",
                    KillCause::NoLongerWanted => "killed: hurry",
                });
            }
            Action::Announce(notice) => see_notice(sights, notice),
            Action::Reply { outcome, .. } => see_reply(sights, event, outcome),
            Action::Spawn { .. }
            | Action::Drain { .. }
            | Action::Signal { .. }
            | Action::Remember(_)
            | Action::Exit => {}
        }
    }
}

fn see_event(sights: &mut BTreeSet<&'static str>, event: &Event, before: &Snapshot) {
    let rolls =
        |app: &mcp_supervisor::machine::AppView| matches!(app.roll, RollView::Rolling { .. });
    match event {
        Event::Tick
        | Event::ConfigRejected { .. }
        | Event::Refresh { .. }
        | Event::Remembered(_) => {}
        Event::Configured(_) if before.stopping => {
            sights.insert("news after the shutdown");
        }
        Event::Configured(_) => {
            if before.apps.iter().any(rolls) {
                sights.insert("configuration during a roll");
            }
        }
        Event::SpawnFailed { run, .. }
        | Event::Ready { run }
        | Event::BootFailed { run, .. }
        | Event::Heartbeat { run }
        | Event::ProbeFailed { run, .. }
        | Event::Measured { run, .. }
        | Event::Exited { run, .. } => {
            if !slots(before).any(|(_, slot)| holds(slot, *run)) {
                sights.insert("stale news");
            }
        }
        Event::Asked { command: Command::Reload(Scope::App(name)), .. } => {
            if before.apps.iter().any(|app| app.name == *name && rolls(app)) {
                sights.insert("reload during a roll");
            }
        }
        Event::Asked { .. } | Event::Shutdown(Urgency::Drain | Urgency::Now) => {}
    }
}

fn see_handover(sights: &mut BTreeSet<&'static str>, before: &Snapshot, after: &Snapshot) {
    for (id, old) in slots(before) {
        let Some(run) = old.successor else { continue };
        let seated = |slot: &mcp_supervisor::machine::SlotView| slot.run == Some(run);
        match slots(after).find(|(other, slot)| *other == id && seated(slot)) {
            Some((_, slot)) if slot.phase == PhaseName::Ready => {
                sights.insert("a successor took over");
            }
            Some(_) => {
                sights.insert("a successor was promoted by a death");
            }
            None => {}
        }
    }
    if after.apps.iter().any(|app| !app.slots.is_empty()) && after.stopping {
        sights.insert("an app that is leaving");
    }
}

fn see_notice(sights: &mut BTreeSet<&'static str>, notice: &Notice) {
    sights.insert(match notice {
        Notice::Moved { to: PhaseName::Failed, why, .. } => match why {
            Some(why) if why.starts_with("gave up") => "gave up",
            Some(_) | None => "hopeless exit",
        },
        Notice::Moved { to: PhaseName::Stopped, why: Some(why), run: Some(_), .. }
            if why == "exit code 0" =>
        {
            "a worker that was done"
        }
        Notice::Stuck { .. } => "a killed process that stays",
        Notice::RollBegan { .. } => "roll began",
        Notice::RollEnded { .. } => "roll ended",
        Notice::RollStopped { .. } => "roll stopped",
        Notice::Moved { .. }
        | Notice::ConfigAccepted { .. }
        | Notice::ConfigRejected { .. }
        | Notice::ShuttingDown => return,
    });
}

fn see_reply(sights: &mut BTreeSet<&'static str>, event: &Event, outcome: &Outcome) {
    let unknown = match outcome {
        Outcome::Done => false,
        Outcome::Failed { why, .. } => why.starts_with("there is no app"),
    };
    if unknown && matches!(event, Event::Asked { .. }) {
        sights.insert("unknown app");
    }
}

/// Notes how a wish ended that was not refused at once.
pub(crate) fn see_outcome(
    sights: &mut BTreeSet<&'static str>,
    command: &Command,
    outcome: &Outcome,
) {
    if let Outcome::Failed { why, .. } = outcome
        && (why.starts_with("there is no app") || why == "the service is ending")
    {
        return;
    }
    let done = *outcome == Outcome::Done;
    sights.insert(match command {
        Command::Settle if done => "settle done",
        Command::Settle => "settle failed",
        Command::Reload(_) if done => "reload done",
        Command::Reload(_) => "reload failed",
        Command::Restart(_) if done => "restart done",
        Command::Restart(_) => "restart failed",
        Command::Start(_) => "start done",
        Command::Stop(_) => "stop done",
        Command::Delete(_) => "delete done",
        Command::Reset(_) => "reset done",
        Command::Forget(_) => "forget done",
        Command::Scale { .. } => "scale done",
        Command::Signal { .. } => "signal done",
        Command::Shutdown => "shutdown done",
    });
}

fn holds(slot: &mcp_supervisor::machine::SlotView, run: RunId) -> bool {
    slot.run == Some(run) || slot.successor == Some(run) || slot.leaving.contains(&run)
}
