//! The one picture that status, metrics and logs are drawn from. Read-only.

use crate::machine::desired::{AppName, Change, Changes, RunId};
use crate::machine::moment::Moment;

/// Everything, at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshot {
    /// Number of the accepted configuration; 0 before the first.
    pub generation: u64,
    /// Why the configuration as it is now was refused.
    pub config_problem: Option<String>,
    /// True once the service was told to end.
    pub stopping: bool,
    /// What operators changed at run time, deleted apps and those that the file does not name
    /// included.
    pub changes: Changes,
    /// The apps, by name. An app that is no longer wanted stays until its last worker left.
    pub apps: Vec<AppView>,
}

/// One app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppView {
    /// Its name.
    pub name: AppName,
    /// How its roll stands.
    pub roll: RollView,
    /// What operators changed at run time, where that differs from the file.
    pub change: Option<Change>,
    /// How many workers the file asks for; none when it does not name the app any more.
    pub instances_in_file: Option<u32>,
    /// Its slots, by number.
    pub slots: Vec<SlotView>,
}

/// How a roll stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RollView {
    /// Every worker is of the wanted kind.
    Idle,
    /// Workers are being replaced.
    Rolling {
        /// Slots that are done.
        replaced: u32,
        /// Slots altogether.
        total: u32,
    },
    /// A new worker did not get ready; the old ones go on.
    Stopped {
        /// Why.
        why: String,
    },
}

/// One slot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SlotView {
    /// Its number.
    pub index: u32,
    /// What it is doing.
    pub phase: PhaseName,
    /// The run in it.
    pub run: Option<RunId>,
    /// Since when it has been in this phase.
    pub since: Moment,
    /// When the phase's deadline comes: ready by, killed at, retried at.
    pub deadline: Option<Moment>,
    /// How often a worker was started again here after it died.
    pub restarts: u64,
    /// How the last run ended, in words.
    pub last_exit: Option<String>,
    /// Why it is in this phase, when that is not obvious.
    pub why: Option<String>,
    /// Earlier runs on their way out.
    pub leaving: Vec<RunId>,
    /// The run that is to take over, while it starts.
    pub successor: Option<RunId>,
    /// Probes that failed in a row while it serves nevertheless.
    pub failing: Option<FailingProbe>,
    /// Replacements that nobody asked for, if there were any.
    pub replaced: Option<Replaced>,
    /// Why nobody starts it again, where it ended by itself and that is as it should be.
    pub finished: Option<Finished>,
}

/// Probes that failed in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailingProbe {
    /// So many.
    pub failures: u32,
    /// So many kill the worker.
    pub failures_max: u32,
    /// What the last one met.
    pub why: String,
}

/// Replacements that nobody asked for: for memory, age, a time table or files that changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Replaced {
    /// How many there were.
    pub times: u64,
    /// When the last one was.
    pub at: Moment,
    /// Why that was.
    pub why: String,
}

/// Why a program that ended by itself is not started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finished {
    /// Its exit code says so.
    ExitCode,
    /// The policy leaves it at that.
    Policy,
}

/// The name of a phase, without its data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PhaseName {
    /// Nothing runs and nothing is wanted.
    Stopped,
    /// A process runs and is not ready yet.
    Starting,
    /// It serves.
    Ready,
    /// It finishes what it has.
    Draining,
    /// It was sent SIGKILL.
    Killing,
    /// It waits before the next try.
    Backoff,
    /// It gave up; waits for a person or a new configuration.
    Failed,
}

impl PhaseName {
    /// The word of the architecture, for logs and labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            PhaseName::Stopped => "stopped",
            PhaseName::Starting => "starting",
            PhaseName::Ready => "ready",
            PhaseName::Draining => "draining",
            PhaseName::Killing => "killing",
            PhaseName::Backoff => "backoff",
            PhaseName::Failed => "failed",
        }
    }
}
