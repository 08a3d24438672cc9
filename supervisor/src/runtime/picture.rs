//! The machine's snapshot, completed with what only the runtime knows: process ids, addresses,
//! memory. What operators and Prometheus are shown is drawn from here, so they cannot disagree.

use std::time::Duration;

use mcp_protocol::control::{self, AppStatus, RollStatus, SlotPhase, SlotStatus, Status};

use crate::machine::words::counted;
use crate::machine::{
    AppName, AppView, Change, Finished, Moment, PhaseName, Presence, RollView, RunId, SlotView,
    Snapshot,
};
use crate::report::moment;
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
        config_refused_at: hands.ledger.refused_at().filter(|_| snapshot.config_problem.is_some()),
        uptime,
        stopping: snapshot.stopping,
        dropped_total: hands.dropped_total(),
        apps: snapshot.apps.iter().map(|app| app_status(app, hands, now)).collect(),
        remarks: [hands.config.remarks.clone(), unwatched(hands), absent(snapshot, hands)].concat(),
    }
}

/// That nobody notices when the configuration changes, if so.
fn unwatched(hands: &Hands) -> Vec<String> {
    let words = "the configuration is not watched (supervisor.watch = false); `reload` reads it";
    if hands.config.supervisor.watch { Vec::new() } else { vec![words.to_owned()] }
}

/// What was changed at run time of apps that are not in the picture, and why the changes of an
/// earlier supervisor could not be used.
fn absent(snapshot: &Snapshot, hands: &Hands) -> Vec<String> {
    let shown = |name: &AppName| snapshot.apps.iter().any(|app| app.name == *name);
    let absent = snapshot.changes.iter().filter(|(name, _)| !shown(name));
    let words = absent.flat_map(|(name, change)| {
        let in_file = hands.config.apps.get(name).map(|app| app.goal.instances);
        let words = changes(name, change, in_file);
        words.into_iter().map(move |words| format!("{name}: {words}"))
    });
    let troubles = hands.memory.problem.iter().chain(hands.lookout.trouble(None));
    troubles.cloned().chain(words).collect()
}

/// What operators changed of an app at run time, each with the way back.
fn changes(name: &AppName, change: &Change, in_file: Option<u32>) -> Vec<String> {
    let Some(in_file) = in_file else {
        return vec![format!(
            "was changed at run time, and the file does not name it (`forget {name}` drops that)"
        )];
    };
    let mut words = Vec::new();
    match change.presence {
        Presence::Wanted => {}
        Presence::Stopped => {
            words.push(format!("stopped by an operator (`start {name}` undoes it)"));
        }
        Presence::Deleted => {
            words.push(format!("deleted by an operator (`start {name}` undoes it)"));
        }
    }
    if let Some(count) = change.instances.filter(|count| *count != in_file) {
        words.push(format!(
            "{}; the file says {in_file} (`forget {name}` undoes it)",
            counted(u64::from(count), "instance")
        ));
    }
    if !change.stopped_slots.is_empty() {
        let slots: Vec<String> =
            change.stopped_slots.iter().map(|slot| format!("{name}[{slot}]")).collect();
        let slots = slots.join(", ");
        words.push(format!("{slots} stopped by an operator (`start {name}` undoes it)"));
    }
    words
}

/// What administrators asked of an app's workers that holds until it is said otherwise.
fn asked_for(name: &AppName, hands: &Hands) -> Vec<String> {
    let maintenance = hands.admin.maintenance.of(name).map(|maintenance| {
        let why = maintenance.reason.as_ref().map(|why| format!(" ({why})")).unwrap_or_default();
        let (since, by) = (moment(Duration::from_secs(maintenance.since)), &maintenance.by);
        format!("in maintenance{why} since {since}, by {by} (`maintenance off {name}` ends it)")
    });
    let level = hands.admin.level(name).map(|level| {
        let level = level.name();
        format!("workers log at level {level}, until `reload` or `forget {name}`")
    });
    maintenance.into_iter().chain(level).collect()
}

/// Whether an app is to run, as operators are told.
pub(crate) fn presence(presence: Presence) -> control::Presence {
    match presence {
        Presence::Wanted => control::Presence::Wanted,
        Presence::Stopped => control::Presence::Stopped,
        Presence::Deleted => control::Presence::Deleted,
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
        changes: [
            asked_for(&app.name, hands),
            match &app.change {
                Some(change) => changes(&app.name, change, app.instances_in_file),
                None => Vec::new(),
            },
        ]
        .concat(),
        remarks: remarks(app, hands),
        depends_on: depends_on(&app.name, hands),
        slots: app.slots.iter().map(|slot| slot_status(slot, hands, now)).collect(),
    }
}

fn depends_on(app: &AppName, hands: &Hands) -> Vec<String> {
    let config = hands.config.apps.get(app).into_iter();
    config.flat_map(|config| &config.goal.depends_on).map(ToString::to_string).collect()
}

/// What the configuration remarks, and where workers still serve when that is another place.
fn remarks(app: &AppView, hands: &Hands) -> Vec<String> {
    let config = hands.config.apps.get(&app.name);
    let mut remarks = config.map_or(Vec::new(), |config| config.remarks.clone());
    remarks.extend(hands.lookout.trouble(Some(&app.name)).cloned());
    remarks.extend(hands.outputs.troubles(&app.name));
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
    let usage = process.and_then(|process| process.usage.last);
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
        cpu_percent: process.and_then(|process| process.usage.cpu_percent),
        threads: usage.map(|usage| usage.threads),
        rss_bytes: usage.map(|usage| usage.rss_bytes),
        requests_total: process
            .filter(|process| process.settings.is_some())
            .map(|process| process.vitals.requests_total),
        failing: slot.failing.as_ref().map(|probe| control::FailingProbe {
            failures: probe.failures,
            failures_max: probe.failures_max,
            why: probe.why.clone(),
        }),
        replaced: slot.replaced.as_ref().map(|replaced| control::Replaced {
            times: replaced.times,
            ago: now.since(replaced.at),
            why: replaced.why.clone(),
        }),
        finished: slot.finished.map(|finished| match finished {
            Finished::ExitCode => control::Finished::ExitCode,
            Finished::Policy => control::Finished::Policy,
        }),
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
