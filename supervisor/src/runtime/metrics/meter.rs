//! What the supervisor measures of itself and of what it does with its workers.
//!
//! It listens to what the machine decides and to what became of it; nothing here decides, waits or
//! wakes the loop. Times are of the loop's own clock. What it keeps is bounded by apps and slots,
//! and goes with them.

use std::collections::BTreeMap;
use std::fs;
use std::time::Duration;

use mcp_protocol::measure::{Family, Kind, Sizes};

use super::families::{DRAIN, LAG, RELOAD};
use crate::machine::{
    Action, AppName, DrainCause, Event, Exit, KillCause, Notice, PhaseName, RunId, SlotId,
};
use crate::runtime::clock;
use crate::runtime::hands::Hands;

/// How long each thing took, by app and by how it came out.
type Times = BTreeMap<(AppName, &'static str), Sizes>;

/// The supervisor's own numbers.
#[derive(Debug)]
pub(crate) struct Meter {
    /// When the supervisor began, since 1970.
    pub(super) began_at: Duration,
    pub(super) turns: Sizes,
    pub(super) drains: Times,
    pub(super) reloads: Times,
    pub(super) restarts: BTreeMap<(SlotId, &'static str), u64>,
    pub(super) gave_up: BTreeMap<SlotId, u64>,
    /// What operators asked.
    pub(super) asked: BTreeMap<&'static str, u64>,
    /// Why the next worker of a slot is started, where another one was there before it.
    reasons: BTreeMap<SlotId, &'static str>,
    /// What is known of the end of runs that have not ended yet.
    ends: BTreeMap<RunId, &'static str>,
    /// When runs were asked to leave.
    leaving: BTreeMap<RunId, Duration>,
    /// When rolls began.
    rolling: BTreeMap<AppName, Duration>,
    /// How often the kernel had run out of memory when that was last looked at.
    out_of_memory: Option<u64>,
}

impl Hands {
    /// Takes note of what the machine decided, before it is done.
    pub(crate) fn measure(&mut self, action: &Action, now: Duration) {
        let run = match action {
            Action::Drain { run, .. } | Action::Kill { run, .. } => Some(*run),
            Action::Spawn { .. }
            | Action::Signal { .. }
            | Action::Remember(_)
            | Action::Announce(_)
            | Action::Reply { .. }
            | Action::Exit => None,
        };
        let process = run.and_then(|run| self.processes.get(run));
        self.meter.decided(action, process.map(|process| &process.slot), now);
    }

    /// A run said that it cannot serve, and why.
    pub(crate) fn boot_failed(&mut self, run: RunId, why: String) -> Event {
        self.meter.boot_failed(run);
        Event::BootFailed { run, why }
    }
}

impl Meter {
    /// Nothing was measured yet.
    pub(crate) fn start() -> Meter {
        Meter {
            began_at: clock::since_epoch(),
            turns: Sizes::default(),
            drains: Times::new(),
            reloads: Times::new(),
            restarts: BTreeMap::new(),
            gave_up: BTreeMap::new(),
            asked: BTreeMap::new(),
            reasons: BTreeMap::new(),
            ends: BTreeMap::new(),
            leaving: BTreeMap::new(),
            rolling: BTreeMap::new(),
            out_of_memory: out_of_memory(),
        }
    }

    /// The loop turned once, and that took so long, what it came too late for it included.
    pub(crate) fn turned(&mut self, took: Duration) {
        count(&mut self.turns, LAG, took);
    }

    /// An operator asked for this.
    pub(crate) fn asked(&mut self, what: &'static str) {
        *self.asked.entry(what).or_default() += 1;
    }

    /// The machine decided this, to be done to a run of this slot where it is about a run.
    pub(crate) fn decided(&mut self, action: &Action, slot: Option<&SlotId>, now: Duration) {
        match action {
            Action::Spawn { slot, .. } => {
                if let Some(reason) = self.reasons.remove(slot) {
                    *self.restarts.entry((slot.clone(), reason)).or_default() += 1;
                }
            }
            Action::Drain { run, cause, .. } => {
                self.leaving.entry(*run).or_insert(now);
                self.asked_to_leave(slot, *cause);
            }
            Action::Kill { run, why } => self.killed(*run, *why),
            Action::Announce(notice) => self.announced(notice, now),
            Action::Signal { .. } | Action::Remember(_) | Action::Reply { .. } | Action::Exit => {}
        }
    }

    /// A successor may be there already: then it was started for this.
    fn asked_to_leave(&mut self, slot: Option<&SlotId>, cause: DrainCause) {
        let reason = match cause {
            DrainCause::NoLongerWanted => return,
            DrainCause::Restart => "restart",
            DrainCause::Reload => "reload",
            DrainCause::Memory => "max_memory",
            DrainCause::Age => "max_age",
            DrainCause::Schedule => "schedule",
            DrainCause::Watch => "watch",
        };
        let Some(slot) = slot else { return };
        match cause {
            DrainCause::Restart | DrainCause::NoLongerWanted => {
                self.reasons.insert(slot.clone(), reason);
            }
            DrainCause::Reload
            | DrainCause::Memory
            | DrainCause::Age
            | DrainCause::Schedule
            | DrainCause::Watch => {
                *self.restarts.entry((slot.clone(), reason)).or_default() += 1;
            }
        }
    }

    fn killed(&mut self, run: RunId, why: KillCause) {
        let reason = match why {
            KillCause::NeverReady => "never_ready",
            KillCause::HeartbeatLost => "heartbeat_lost",
            KillCause::Unhealthy => "unhealthy",
            // It was to leave anyway.
            KillCause::DrainOverrun | KillCause::NoLongerWanted => PLANNED,
        };
        self.ends.insert(run, reason);
    }

    /// A run said that it cannot serve.
    fn boot_failed(&mut self, run: RunId) {
        self.ends.entry(run).or_insert("boot_failed");
    }

    /// A run of this slot could not be started.
    pub(crate) fn spawn_failed(&mut self, slot: &SlotId) {
        self.reasons.insert(slot.clone(), "spawn_failed");
    }

    /// A run ended.
    pub(crate) fn ended(&mut self, run: RunId, slot: &SlotId, exit: Exit, now: Duration) {
        let reason = self.ends.remove(&run);
        if let Some(since) = self.leaving.remove(&run) {
            let result = if reason == Some(PLANNED) { "killed" } else { "left" };
            let times = self.drains.entry((slot.app.clone(), result)).or_default();
            count(times, DRAIN, now.saturating_sub(since));
            return;
        }
        let reason = reason.unwrap_or_else(|| match exit {
            Exit::Code(_) => "exit",
            Exit::CpuTime(_) => "cpu_time",
            Exit::Signal(libc::SIGKILL) if self.ran_out_of_memory() => "oom",
            Exit::Signal(_) => "signal",
        });
        if reason != PLANNED {
            self.reasons.insert(slot.clone(), reason);
        }
    }

    fn announced(&mut self, notice: &Notice, now: Duration) {
        match notice {
            Notice::Moved { slot, to: PhaseName::Failed, .. } => {
                *self.gave_up.entry(slot.clone()).or_default() += 1;
            }
            Notice::RollBegan { app, .. } => drop(self.rolling.insert(app.clone(), now)),
            Notice::RollEnded { app } => self.rolled(app, "done", now),
            Notice::RollStopped { app, .. } => self.rolled(app, "stopped", now),
            Notice::Moved { .. }
            | Notice::Stuck { .. }
            | Notice::ConfigAccepted { .. }
            | Notice::ConfigRejected { .. }
            | Notice::ShuttingDown => {}
        }
    }

    fn rolled(&mut self, app: &AppName, result: &'static str, now: Duration) {
        if let Some(since) = self.rolling.remove(app) {
            let times = self.reloads.entry((app.clone(), result)).or_default();
            count(times, RELOAD, now.saturating_sub(since));
        }
    }

    /// Forgets the apps that are not there any more.
    pub(crate) fn retain(&mut self, is_there: impl Fn(&AppName) -> bool) {
        self.drains.retain(|(app, _), _| is_there(app));
        self.reloads.retain(|(app, _), _| is_there(app));
        self.restarts.retain(|(slot, _), _| is_there(&slot.app));
        self.gave_up.retain(|slot, _| is_there(&slot.app));
        self.reasons.retain(|slot, _| is_there(&slot.app));
        self.rolling.retain(|app, _| is_there(app));
    }

    /// Whether the kernel ended somebody for want of memory since that was last asked.
    fn ran_out_of_memory(&mut self) -> bool {
        let before = std::mem::replace(&mut self.out_of_memory, out_of_memory());
        self.out_of_memory > before
    }
}

/// The end of a run that was to leave.
const PLANNED: &str = "planned";

fn count(times: &mut Sizes, family: Family, took: Duration) {
    match family.kind {
        Kind::Histogram(ends) => times.count(ends, took.as_secs_f64(), None),
        Kind::Gauge | Kind::Counter => {}
    }
}

/// How often the kernel ended a process for want of memory, as far as it tells.
fn out_of_memory() -> Option<u64> {
    let counts = fs::read_to_string("/proc/vmstat").ok()?;
    counts.lines().find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Fingerprint;

    const SECOND: Duration = Duration::from_secs(1);

    fn slot() -> SlotId {
        SlotId { app: AppName::new("query"), index: 0 }
    }

    fn spawn(meter: &mut Meter, run: u64) {
        let action = Action::Spawn { run: RunId(run), slot: slot(), fingerprint: Fingerprint(1) };
        meter.decided(&action, Some(&slot()), SECOND);
    }

    fn drain(meter: &mut Meter, run: u64, cause: DrainCause) {
        let action = Action::Drain { run: RunId(run), grace: SECOND, cause };
        meter.decided(&action, Some(&slot()), SECOND);
    }

    fn reasons(meter: &Meter) -> Vec<(&'static str, u64)> {
        meter.restarts.iter().map(|((_, reason), count)| (*reason, *count)).collect()
    }

    #[test]
    fn a_restart_is_counted_by_why_it_came() {
        let mut meter = Meter::start();
        spawn(&mut meter, 1);
        assert_eq!(reasons(&meter), [], "the first worker of a slot takes nobody's place");
        meter.ended(RunId(1), &slot(), Exit::Code(3), SECOND);
        spawn(&mut meter, 2);
        let kill = Action::Kill { run: RunId(2), why: KillCause::HeartbeatLost };
        meter.decided(&kill, Some(&slot()), SECOND);
        meter.ended(RunId(2), &slot(), Exit::Signal(libc::SIGKILL), SECOND);
        spawn(&mut meter, 3);
        meter.boot_failed(RunId(3));
        meter.ended(RunId(3), &slot(), Exit::Code(1), SECOND);
        spawn(&mut meter, 4);
        meter.spawn_failed(&slot());
        spawn(&mut meter, 5);
        meter.ended(RunId(5), &slot(), Exit::Signal(11), SECOND);
        spawn(&mut meter, 6);
        let counted = [
            ("boot_failed", 1),
            ("exit", 1),
            ("heartbeat_lost", 1),
            ("signal", 1),
            ("spawn_failed", 1),
        ];
        assert_eq!(reasons(&meter), counted);
        meter.retain(|_| false);
        assert_eq!(reasons(&meter), []);
    }

    #[test]
    fn a_planned_end_is_no_restart_and_a_replacement_is_one() {
        let mut meter = Meter::start();
        spawn(&mut meter, 1);
        drain(&mut meter, 1, DrainCause::NoLongerWanted);
        meter.ended(RunId(1), &slot(), Exit::Code(0), SECOND * 3);
        spawn(&mut meter, 2);
        assert_eq!(reasons(&meter), []);
        spawn(&mut meter, 3);
        drain(&mut meter, 2, DrainCause::Memory);
        meter.ended(RunId(2), &slot(), Exit::Code(0), SECOND * 2);
        drain(&mut meter, 3, DrainCause::Restart);
        meter.ended(RunId(3), &slot(), Exit::Code(0), SECOND);
        spawn(&mut meter, 4);
        assert_eq!(reasons(&meter), [("max_memory", 1), ("restart", 1)]);
        let drains = &meter.drains[&(slot().app, "left")];
        assert_eq!((drains.sum, drains.buckets.len()), (3.0, 3), "{drains:?}");
    }
}
