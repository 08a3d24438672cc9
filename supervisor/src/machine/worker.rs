//! One run of a worker, from its spawn to its reaping, wherever in its slot it stands.
//!
//! ```text
//! Starting ──ready──► Ready ──drain──► Draining ──grace over──► Killing ──exit──► gone
//!     └── drain ──────────────────────────▲            ▲
//!     └── not ready in time ── Ready, not heard of ────┘
//! ```
//! The slot that holds the worker decides what its end means; here are only its own deadlines.

use std::time::Duration;

use crate::machine::action::{Action, DrainCause, KillCause, Notice};
use crate::machine::desired::{AppGoal, Fingerprint, Readiness, RunId, SlotId};
use crate::machine::moment::Moment;
use crate::machine::snapshot::PhaseName;
use crate::machine::turn::{Move, Setback, Turn};

/// A process that was sent SIGKILL is normally gone at once; after this it is worth a line.
const STUCK_AFTER: Duration = Duration::from_secs(10);
/// How often that line is repeated.
const STUCK_AGAIN: Duration = Duration::from_secs(60);

/// What a worker was started from: two of the same kind are interchangeable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kind {
    /// What it was made of.
    pub(super) fingerprint: Fingerprint,
    /// How many reloads of its app came before it.
    pub(super) epoch: u64,
}

/// One run.
#[derive(Debug, Clone)]
pub(super) struct Worker {
    /// Its number.
    pub(super) run: RunId,
    /// Its kind.
    pub(super) kind: Kind,
    /// When it was started.
    pub(super) spawned_at: Moment,
    /// What it is doing.
    pub(super) stage: Stage,
    /// Since when it has been doing that.
    pub(super) since: Moment,
    /// Why, when that is not obvious.
    pub(super) why: Option<String>,
    /// When it became ready, if ever.
    pub(super) ready_at: Option<Moment>,
    /// When it was last known to be well, once it was ready.
    pub(super) well_at: Moment,
    /// Why it is to be replaced although it is of the wanted kind.
    pub(super) retired: Option<String>,
    /// Why it is to be replaced although nobody asked for it.
    pub(super) unasked: Option<String>,
    /// Why it leaves, once it is to be replaced.
    pub(super) cause: DrainCause,
    /// What it said itself about why it cannot serve.
    boot_words: Option<String>,
    /// What the last probe met.
    pub(super) probe_words: Option<String>,
}

/// What a run is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stage {
    /// It is not ready yet.
    Starting {
        /// Killed when it is not ready by then.
        ready_by: Moment,
        /// When being alive makes it ready, where that is the rule.
        serves_at: Option<Moment>,
    },
    /// It serves.
    Ready {
        /// Killed when it is not heard of by then.
        heard_by: Option<Moment>,
        /// Replaced when it is this old.
        old_at: Option<Moment>,
        /// Failed probes in a row.
        failures: u32,
    },
    /// It finishes what it has.
    Draining {
        /// Killed when it is still there then.
        kill_at: Moment,
    },
    /// It was sent SIGKILL.
    Killing {
        /// Why.
        why: KillCause,
        /// When its being still there is worth a line.
        report_at: Moment,
    },
}

/// What a passed deadline did to a worker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Passed {
    /// No deadline passed, or only a line was written.
    Nothing,
    /// It became ready.
    BecameReady,
    /// It is being killed.
    Killed,
}

impl Worker {
    /// Starts a worker.
    pub(super) fn spawn(turn: &mut Turn, slot: &SlotId, kind: Kind, goal: &AppGoal) -> Worker {
        let run = turn.issue_run();
        turn.act(Action::Spawn { run, slot: slot.clone(), fingerprint: kind.fingerprint });
        let stage = Stage::starting(turn, goal);
        turn.moved(Move {
            slot,
            run: Some(run),
            to: PhaseName::Starting,
            why: None,
            next_in: Some(goal.start_timeout),
        });
        let (spawned_at, since) = (turn.now, turn.now);
        Worker {
            run,
            kind,
            spawned_at,
            stage,
            since,
            why: None,
            ready_at: None,
            well_at: turn.now,
            retired: None,
            unasked: None,
            cause: DrainCause::Reload,
            boot_words: None,
            probe_words: None,
        }
    }

    /// Takes the news that it serves. True to its name only for a worker that was starting.
    pub(super) fn become_ready(&mut self, turn: &mut Turn, slot: &SlotId, goal: &AppGoal) {
        let heard_by = goal.heartbeat_timeout.map(|timeout| turn.after(timeout));
        let old_at = goal.max_age.map(|age| turn.sooner(age));
        self.ready_at = Some(turn.now);
        self.well_at = turn.now;
        self.probe_words = None;
        self.enter(turn, Stage::Ready { heard_by, old_at, failures: 0 }, None);
        self.announce(turn, slot, None);
        turn.readied.push((slot.app.clone(), self.kind));
    }

    /// Takes a sign of life.
    pub(super) fn heard(&mut self, turn: &Turn, goal: &AppGoal) {
        match &mut self.stage {
            Stage::Ready { heard_by, failures, .. } => {
                *heard_by = goal.heartbeat_timeout.map(|timeout| turn.after(timeout));
                *failures = 0;
                self.well_at = turn.now;
            }
            Stage::Starting { .. } | Stage::Draining { .. } | Stage::Killing { .. } => {}
        }
    }

    /// Takes the news that a probe found it unwell.
    pub(super) fn probe_failed(
        &mut self,
        turn: &mut Turn,
        slot: &SlotId,
        goal: &AppGoal,
        why: String,
    ) {
        match &mut self.stage {
            Stage::Ready { failures, .. } => {
                *failures = failures.saturating_add(1);
                let unwell = *failures >= goal.probe_failures_max.max(1);
                self.probe_words = Some(why);
                if unwell {
                    self.kill(turn, slot, goal, KillCause::Unhealthy);
                }
            }
            Stage::Starting { .. } => self.probe_words = Some(why),
            Stage::Draining { .. } | Stage::Killing { .. } => {}
        }
    }

    /// Takes its own words about why it cannot serve; its exit will carry them.
    pub(super) fn cannot_serve(&mut self, why: String) {
        self.boot_words = Some(why);
    }

    /// Asks it to finish and leave, unless it is on its way out already.
    pub(super) fn drain(
        &mut self,
        turn: &mut Turn,
        slot: &SlotId,
        goal: &AppGoal,
        (cause, why): (DrainCause, &str),
    ) {
        match self.stage {
            Stage::Starting { .. } | Stage::Ready { .. } => {
                let grace = goal.drain_timeout;
                turn.act(Action::Drain { run: self.run, grace, cause });
                self.enter(turn, Stage::Draining { kill_at: turn.after(grace) }, Some(why));
                self.announce(turn, slot, Some(grace));
            }
            Stage::Draining { .. } | Stage::Killing { .. } => {}
        }
    }

    /// Kills it, unless that was done already.
    pub(super) fn kill(&mut self, turn: &mut Turn, slot: &SlotId, goal: &AppGoal, why: KillCause) {
        if matches!(self.stage, Stage::Killing { .. }) {
            return;
        }
        turn.act(Action::Kill { run: self.run, why });
        let words = self.kill_words(why, goal);
        self.enter(turn, Stage::Killing { why, report_at: turn.after(STUCK_AFTER) }, Some(&words));
        self.announce(turn, slot, None);
        if why == KillCause::NeverReady {
            self.set_back(turn, slot, words);
        }
    }

    /// Acts on its deadline if that has passed.
    pub(super) fn expire(&mut self, turn: &mut Turn, slot: &SlotId, goal: &AppGoal) -> Passed {
        match &mut self.stage {
            Stage::Starting { serves_at: Some(serves_at), .. } if *serves_at <= turn.now => {
                self.become_ready(turn, slot, goal);
                Passed::BecameReady
            }
            Stage::Starting { ready_by, .. } if *ready_by <= turn.now => {
                self.kill(turn, slot, goal, KillCause::NeverReady);
                Passed::Killed
            }
            Stage::Ready { heard_by: Some(heard_by), .. } if *heard_by <= turn.now => {
                self.kill(turn, slot, goal, KillCause::HeartbeatLost);
                Passed::Killed
            }
            Stage::Ready { old_at: Some(at), .. } if *at <= turn.now => {
                self.grow_old(turn);
                Passed::Nothing
            }
            Stage::Draining { kill_at } if *kill_at <= turn.now => {
                self.kill(turn, slot, goal, KillCause::DrainOverrun);
                Passed::Killed
            }
            Stage::Killing { report_at, .. } if *report_at <= turn.now => {
                *report_at = turn.after(STUCK_AGAIN);
                let for_time = turn.now.since(self.since);
                turn.announce(Notice::Stuck { slot: slot.clone(), run: self.run, for_time });
                Passed::Nothing
            }
            Stage::Starting { .. }
            | Stage::Ready { .. }
            | Stage::Draining { .. }
            | Stage::Killing { .. } => Passed::Nothing,
        }
    }

    /// Puts changed time limits in force. They count from now, so that no one is killed for what
    /// was allowed a moment ago.
    pub(super) fn rearm(&mut self, turn: &Turn, before: &AppGoal, goal: &AppGoal) {
        match &mut self.stage {
            Stage::Starting { .. } => {
                let same = before.start_timeout == goal.start_timeout;
                if !same || before.readiness != goal.readiness {
                    self.stage = Stage::starting(turn, goal);
                }
            }
            Stage::Ready { heard_by, old_at, .. } => {
                if before.heartbeat_timeout != goal.heartbeat_timeout {
                    *heard_by = goal.heartbeat_timeout.map(|timeout| turn.after(timeout));
                }
                if before.max_age != goal.max_age && self.retired.is_none() {
                    *old_at = goal.max_age.map(|age| turn.after(age));
                }
            }
            Stage::Draining { .. } | Stage::Killing { .. } => {}
        }
    }

    /// When its next deadline comes.
    pub(super) fn deadline(&self) -> Option<Moment> {
        match self.stage {
            Stage::Starting { ready_by, serves_at } => {
                Some(serves_at.map_or(ready_by, |serves_at| serves_at.min(ready_by)))
            }
            Stage::Ready { heard_by, old_at, .. } => heard_by.into_iter().chain(old_at).min(),
            Stage::Draining { kill_at } => Some(kill_at),
            Stage::Killing { report_at, .. } => Some(report_at),
        }
    }

    /// The deadline that is worth showing: a heartbeat's and a killed one's are not.
    pub(super) fn shown_deadline(&self) -> Option<Moment> {
        match self.stage {
            Stage::Starting { .. } | Stage::Draining { .. } => self.deadline(),
            Stage::Ready { .. } | Stage::Killing { .. } => None,
        }
    }

    /// The name of what it is doing.
    pub(super) fn phase(&self) -> PhaseName {
        match self.stage {
            Stage::Starting { .. } => PhaseName::Starting,
            Stage::Ready { .. } => PhaseName::Ready,
            Stage::Draining { .. } => PhaseName::Draining,
            Stage::Killing { .. } => PhaseName::Killing,
        }
    }

    /// True while it serves.
    pub(super) fn is_ready(&self) -> bool {
        matches!(self.stage, Stage::Ready { .. })
    }

    /// How its end reads: our own reason if we killed it, else the kernel's and its own words.
    pub(super) fn end_words(&self, end: &str) -> String {
        match (&self.stage, &self.why, &self.boot_words) {
            (Stage::Killing { .. }, Some(why), _) => why.clone(),
            (_, _, Some(words)) => format!("{end}: {words}"),
            (_, _, None) => end.to_owned(),
        }
    }

    /// Reports that it failed before it was ever ready.
    pub(super) fn set_back(&self, turn: &mut Turn, slot: &SlotId, why: String) {
        turn.setbacks.push(Setback { slot: slot.clone(), run: self.run, kind: self.kind, why });
    }

    fn kill_words(&self, why: KillCause, goal: &AppGoal) -> String {
        match why {
            KillCause::NeverReady => {
                let words = format!("killed: not ready within {:?}", goal.start_timeout);
                match &self.probe_words {
                    Some(probe) => format!("{words}; last probe: {probe}"),
                    None => words,
                }
            }
            KillCause::HeartbeatLost => match goal.heartbeat_timeout {
                Some(timeout) => format!("killed: not heard of for {timeout:?}"),
                None => "killed: not heard of for too long".to_owned(),
            },
            KillCause::Unhealthy => {
                let probe = self.probe_words.as_deref().unwrap_or("no word");
                match goal.probe_failures_max {
                    0 | 1 => format!("killed: a probe failed: {probe}"),
                    count => format!("killed: {count} probes in a row failed: {probe}"),
                }
            }
            KillCause::DrainOverrun => {
                format!("killed: still there after {:?}", goal.drain_timeout)
            }
            KillCause::NoLongerWanted => "killed: no longer wanted".to_owned(),
        }
    }

    fn enter(&mut self, turn: &Turn, stage: Stage, why: Option<&str>) {
        self.stage = stage;
        self.since = turn.now;
        self.why = why.map(str::to_owned);
    }

    fn announce(&self, turn: &mut Turn, slot: &SlotId, next_in: Option<Duration>) {
        let (run, to) = (Some(self.run), self.phase());
        turn.moved(Move { slot, run, to, why: self.why.as_deref(), next_in });
    }
}

impl Stage {
    fn starting(turn: &Turn, goal: &AppGoal) -> Stage {
        let serves_at = match goal.readiness {
            Readiness::Told => None,
            Readiness::AliveFor(time) => Some(turn.after(time)),
        };
        Stage::Starting { ready_by: turn.after(goal.start_timeout), serves_at }
    }
}
