//! The machine's snapshot, completed with what only the runtime knows: process ids, addresses,
//! memory. What operators and Prometheus are shown is drawn from here, so they cannot disagree.

use std::time::Duration;

use mcp_protocol::control::{AppStatus, RollStatus, SlotPhase, SlotStatus, Status};

use crate::machine::{AppView, Moment, PhaseName, RollView, RunId, SlotView, Snapshot};
use crate::runtime::hands::Hands;

/// The whole picture.
pub(crate) fn status(snapshot: &Snapshot, hands: &Hands, now: Moment, uptime: Duration) -> Status {
    Status {
        pid: std::process::id(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        environment: hands.config.environment.clone(),
        config_file: hands.config.file.clone(),
        log_directory: hands.config.supervisor.log_directory.clone(),
        metrics: hands.metrics.map(|address| address.to_string()),
        generation: snapshot.generation,
        config_problem: snapshot.config_problem.clone(),
        uptime,
        stopping: snapshot.stopping,
        dropped_total: hands.dropped_total(),
        apps: snapshot.apps.iter().map(|app| app_status(app, hands, now)).collect(),
    }
}

fn app_status(app: &AppView, hands: &Hands, now: Moment) -> AppStatus {
    let roll = match &app.roll {
        RollView::Idle => RollStatus::Idle,
        RollView::Rolling { replaced, total } => {
            RollStatus::Rolling { replaced: *replaced, total: *total }
        }
        RollView::Stopped { why } => RollStatus::Stopped { why: why.clone() },
    };
    AppStatus {
        name: app.name.to_string(),
        listen: hands.listeners.address(&app.name).map(|address| address.to_string()),
        roll,
        changes: Vec::new(),
        remarks: remarks(app, hands),
        slots: app.slots.iter().map(|slot| slot_status(slot, hands, now)).collect(),
    }
}

/// What the configuration remarks, and where workers still serve when that is another place.
fn remarks(app: &AppView, hands: &Hands) -> Vec<String> {
    let config = hands.config.apps.get(&app.name);
    let mut remarks = config.map_or(Vec::new(), |config| config.remarks.clone());
    let wanted = hands.listeners.address(&app.name);
    let seated = app.slots.iter().filter_map(|slot| hands.processes.get(slot.run?));
    for process in seated.filter(|process| config.is_some() && process.listen != wanted) {
        let place = process.listen.map_or("a port of its own".to_owned(), |at| at.to_string());
        remarks.push(format!("{} still serves {place}", process.slot));
    }
    remarks
}

fn slot_status(slot: &SlotView, hands: &Hands, now: Moment) -> SlotStatus {
    let process = slot.run.and_then(|run| hands.processes.get(run));
    let pid = |run: RunId| Some(hands.processes.get(run)?.pid.as_raw().unsigned_abs());
    SlotStatus {
        index: slot.index,
        phase: phase(slot.phase),
        run: slot.run.map(|run| run.0),
        pid: slot.run.and_then(pid),
        for_time: now.since(slot.since),
        deadline_in: slot.deadline.map(|deadline| deadline.since(now)),
        restarts: slot.restarts,
        last_exit: slot.last_exit.clone(),
        why: slot.why.clone(),
        leaving: slot.leaving.iter().filter_map(|run| pid(*run)).collect(),
        successor: slot.successor.map(|run| run.0),
        message: process.and_then(|process| process.health.message()),
        cpu_percent: None,
        threads: None,
        rss_bytes: process.and_then(|process| process.rss_bytes()),
        requests_total: process
            .filter(|process| process.settings.is_some())
            .map(|process| process.vitals.requests_total),
    }
}

fn phase(phase: PhaseName) -> SlotPhase {
    match phase {
        PhaseName::Stopped => SlotPhase::Stopped,
        PhaseName::Starting => SlotPhase::Starting,
        PhaseName::Ready => SlotPhase::Ready,
        PhaseName::Draining => SlotPhase::Draining,
        PhaseName::Killing => SlotPhase::Killing,
        PhaseName::Backoff => SlotPhase::Backoff,
        PhaseName::Failed => SlotPhase::Failed,
    }
}
