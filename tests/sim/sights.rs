//! What the simulation must have seen: a sweep that stops exploring must say so.

use std::collections::BTreeSet;

use mcp_supervisor::machine::{
    Action, Command, Event, KillCause, Notice, Outcome, PhaseName, RollView, RunId, Scope,
    Snapshot, Urgency,
};

use crate::properties::slots;

/// Everything that a sweep must have seen at least once.
pub(crate) const ALL: [&str; 46] = [
    "killed: never ready",
    "killed: heartbeat lost",
    "killed: not well",
    "killed: drain overrun",
    "killed: hurry",
    "a killed process that stays",
    "gave up",
    "hopeless exit",
    "a worker that was done",
    "too large",
    "too old",
    "roll began",
    "roll began by itself",
    "roll ended",
    "roll stopped",
    "a successor took over",
    "a successor was promoted by a death",
    "reload during a roll",
    "configuration during a roll",
    "stale news",
    "news after the shutdown",
    "an app that is leaving",
    "a slot that waits for another app",
    "changes from before",
    "settle done",
    "settle failed",
    "reload done",
    "reload failed",
    "restart done",
    "restart failed",
    "start done",
    "start failed",
    "stop done",
    "delete done",
    "reset done",
    "forget done",
    "forget failed",
    "scale done",
    "scale failed",
    "signal done",
    "signal failed",
    "shutdown done",
    "unknown app",
    "unknown slot",
    "too many workers",
    "a slot cannot be deleted",
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
        | Event::ConfigUnchanged { .. }
        | Event::ConfigRejected { .. }
        | Event::Refresh { .. } => {}
        Event::Remembered(_) => {
            sights.insert("changes from before");
        }
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
    let waits = |why: &String| why.starts_with("waits for");
    if slots(after).any(|(_, slot)| slot.why.as_ref().is_some_and(waits)) {
        sights.insert("a slot that waits for another app");
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
        Notice::RollBegan { why: Some(_), .. } => "roll began by itself",
        Notice::RollBegan { why: None, .. } => "roll began",
        Notice::RollEnded { .. } => "roll ended",
        Notice::RollStopped { .. } => "roll stopped",
        Notice::Moved { .. }
        | Notice::ConfigAccepted { .. }
        | Notice::ConfigRejected { .. }
        | Notice::ShuttingDown => return,
    });
}

fn see_reply(sights: &mut BTreeSet<&'static str>, event: &Event, outcome: &Outcome) {
    let Outcome::Failed { why, .. } = outcome else { return };
    let refusals = [
        ("there is no app", "unknown app"),
        ("there is no slot", "unknown slot"),
        ("a single slot cannot be deleted", "a slot cannot be deleted"),
    ];
    let refused = refusals.into_iter().find(|(words, _)| why.starts_with(words));
    let refused = refused.map(|(_, sight)| sight);
    let many = why.contains("cannot have").then_some("too many workers");
    if matches!(event, Event::Asked { .. }) {
        sights.extend(refused.or(many));
    }
}

/// Notes how a wish ended that was not refused at once.
pub(crate) fn see_outcome(
    sights: &mut BTreeSet<&'static str>,
    command: &Command,
    outcome: &Outcome,
) {
    let done = *outcome == Outcome::Done;
    if let Outcome::Failed { why, .. } = outcome
        && (why.starts_with("there is no") || why == "the service is ending")
    {
        return;
    }
    let (well, badly) = match command {
        Command::Settle | Command::SettleApps(_) => ("settle done", "settle failed"),
        Command::Reload(_) => ("reload done", "reload failed"),
        Command::Restart(_) => ("restart done", "restart failed"),
        Command::Start(_) => ("start done", "start failed"),
        Command::Stop(_) => ("stop done", "stop failed"),
        Command::Delete(_) => ("delete done", "delete failed"),
        Command::Reset(_) => ("reset done", "reset failed"),
        Command::Forget(_) => ("forget done", "forget failed"),
        Command::Scale { .. } => ("scale done", "scale failed"),
        Command::Signal { .. } => ("signal done", "signal failed"),
        Command::Shutdown => ("shutdown done", "shutdown failed"),
    };
    sights.insert(if done { well } else { badly });
}

fn holds(slot: &mcp_supervisor::machine::SlotView, run: RunId) -> bool {
    slot.run == Some(run) || slot.successor == Some(run) || slot.leaving.contains(&run)
}
