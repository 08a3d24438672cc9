//! What `mcp-supervisor status|reload|…` asks over the socket, and what it is answered.
//!
//! An operator sends one [`Request`] and reads [`Response`]s: any number of `Progress`, then
//! exactly one of the others. These types are the boundary's own; the supervisor's inner types
//! never cross a socket.

mod details;
mod name;

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::admin::{Gathered, Wish};

pub use details::{
    AppChange, AppDescription, AppFate, AppPlan, ChangesKept, LogTail, Presence, ProcessDetails,
};

/// One wish of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// How is everything?
    Status,
    /// Tell when everything wanted is ready, or why it will not be; progress until then.
    Settle,
    /// Drain all workers and leave.
    Shutdown,
    /// Stop workers, then start them: for programs that cannot run twice.
    Restart {
        /// Whom.
        target: Target,
    },
    /// Read the configuration file again and replace workers one by one, new before old.
    Reload {
        /// Whom.
        target: Target,
    },
    /// Start what was stopped or deleted at run time, and what gave up.
    Start {
        /// Whom.
        target: Target,
    },
    /// Stop workers until they are started again; the supervisor stays.
    Stop {
        /// Whom.
        target: Target,
    },
    /// Stop workers and take their apps out of the picture.
    Delete {
        /// Whom.
        target: Target,
    },
    /// Forget deaths and counts; whoever waits or gave up is started at once.
    Reset {
        /// Whom.
        target: Target,
    },
    /// Drop what was changed at run time: the file holds again.
    Forget {
        /// Whom.
        target: Target,
    },
    /// Another number of workers.
    Scale {
        /// The app.
        app: String,
        /// How many.
        to: Scale,
    },
    /// Send a signal to workers.
    Signal {
        /// Whom.
        target: Target,
        /// The signal's number.
        number: i32,
    },
    /// What would `Reload` do? Nothing is changed.
    Plan {
        /// Whom.
        target: Target,
    },
    /// Everything that is known of apps.
    Describe {
        /// Whom.
        target: Target,
    },
    /// What was changed at run time, and where is it kept?
    Changes,
    /// Replace workers as `Reload` does, without reading the file again.
    Roll {
        /// Whom.
        target: Target,
    },
    /// The configuration file was put back to what it was: take it in as a file that changed.
    Rollback {
        /// The generation that it is of.
        to: u64,
    },
    /// Begin new log files, whatever the size of those there are.
    RotateLogs {
        /// Whose; without one all, those included that are of no app.
        target: Option<Target>,
    },
    /// Empty log files; those that were rotated stay, and so does the audit log.
    FlushLogs {
        /// Whose; without one all, those included that are of no app.
        target: Option<Target>,
    },
    /// Open all log files anew: somebody renamed them.
    ReopenLogs,
    /// Something of the workers themselves.
    Admin {
        /// Of which app; of all that are run by our worker, without one.
        app: Option<String>,
        /// What.
        wish: Wish,
    },
}

/// Which workers are meant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Target {
    /// All of them.
    All,
    /// Those of one app.
    App(String),
    /// The one in a slot, written `query[2]`.
    Slot {
        /// The app.
        app: String,
        /// The slot's number.
        slot: u32,
    },
}

impl fmt::Display for Target {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Target::All => out.write_str("all"),
            Target::App(app) => out.write_str(app),
            Target::Slot { app, slot } => write!(out, "{app}[{slot}]"),
        }
    }
}

impl Target {
    /// The app that is meant, unless all are.
    #[must_use]
    pub fn app(&self) -> Option<&str> {
        match self {
            Target::All => None,
            Target::App(app) | Target::Slot { app, .. } => Some(app),
        }
    }

    /// Whether a slot of an app is meant.
    #[must_use]
    pub fn means(&self, app: &str, slot: u32) -> bool {
        match self {
            Target::All => true,
            Target::App(meant) => meant == app,
            Target::Slot { app: meant, slot: number } => meant == app && *number == slot,
        }
    }
}

/// How many workers are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Scale {
    /// So many.
    To(u32),
    /// So many more than now.
    More(u32),
    /// So many fewer than now.
    Fewer(u32),
}

/// One answer to an operator.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Response {
    /// The picture at this moment; more answers follow.
    Progress(Box<Status>),
    /// The picture that was asked for.
    Status(Box<Status>),
    /// The wish was carried out; with the picture after it.
    Done(Box<Status>),
    /// The wish could not be carried out; nothing more will happen.
    Failed {
        /// What went wrong and what holds now, for a person.
        reason: String,
        /// Whether the configuration was at fault.
        cause: FailureCause,
        /// What the program that is to blame wrote last; empty where none is.
        last_output: Vec<String>,
    },
    /// What a reload would do, by app.
    Plan(Vec<AppPlan>),
    /// The apps that were asked for.
    Description(Vec<AppDescription>),
    /// What was changed at run time.
    Changes(ChangesKept),
    /// What the workers answered, by app.
    Gathered(Vec<Gathered>),
}

/// Whose fault a failure was: it decides the exit code of the command.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum FailureCause {
    /// The file was refused; nothing was changed.
    Configuration,
    /// Anything else.
    Operation,
    /// Nothing of that name is there; nothing was changed.
    Usage,
}

/// The whole picture.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The supervisor's process id.
    pub pid: u32,
    /// The supervisor's release.
    pub version: String,
    /// The environment's name.
    pub environment: String,
    /// The configuration file in force.
    pub config_file: PathBuf,
    /// Where the log files are.
    pub log_directory: PathBuf,
    /// Where `/metrics` is served.
    pub metrics: Option<String>,
    /// Number of the accepted configuration.
    pub generation: u64,
    /// Why the file as it is now was refused; absent when it is the one in force.
    pub config_problem: Option<String>,
    /// When it was refused, since 1970.
    pub config_refused_at: Option<Duration>,
    /// How long the supervisor has run.
    pub uptime: Duration,
    /// True once it was told to stop.
    pub stopping: bool,
    /// Lines of program output or events that had to be dropped.
    pub dropped_total: u64,
    /// The apps, by name.
    pub apps: Vec<AppStatus>,
    /// What an operator should know of the whole, such as changes of apps that are gone.
    pub remarks: Vec<String>,
}

/// One app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppStatus {
    /// Its name.
    pub name: String,
    /// Where it listens.
    pub listen: Option<String>,
    /// A rolling reload, if one runs or was stopped.
    pub roll: RollStatus,
    /// What operators changed at run time, where that differs from the file, in words.
    pub changes: Vec<String>,
    /// Things that an operator should know, such as "serves the embedded sample account".
    pub remarks: Vec<String>,
    /// The apps that must serve before it is started.
    pub depends_on: Vec<String>,
    /// Its slots, by number.
    pub slots: Vec<SlotStatus>,
}

/// How a rolling reload stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum RollStatus {
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
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SlotStatus {
    /// Its number.
    pub index: u32,
    /// What it is doing.
    pub phase: SlotPhase,
    /// The run in it, if there is one.
    pub run: Option<u64>,
    /// That run's process.
    pub pid: Option<u32>,
    /// How long it has been in this phase.
    pub for_time: Duration,
    /// Until the phase's deadline, if it has one: ready by, killed at, retried at.
    pub deadline_in: Option<Duration>,
    /// How often a worker of this slot was started again after it died.
    pub restarts: u64,
    /// How the last run ended, in words.
    pub last_exit: Option<String>,
    /// Why it is in this phase, in words, when that is not obvious.
    pub why: Option<String>,
    /// Processes of earlier runs that are on their way out.
    pub leaving: Vec<u32>,
    /// The run that is to take over, while it starts.
    pub successor: Option<u64>,
    /// What the program says of itself by `sd_notify`, such as "warming caches".
    pub message: Option<String>,
    /// Resident memory in bytes, as the kernel counts it.
    pub rss_bytes: Option<u64>,
    /// Share of one processor since the last picture, in percent; absent in the first one.
    pub cpu_percent: Option<f32>,
    /// Threads of the process.
    pub threads: Option<u32>,
    /// Requests answered by this run.
    pub requests_total: Option<u64>,
    /// The probes that failed since the last good one, while it serves nevertheless.
    pub failing: Option<FailingProbe>,
    /// Replacements that nobody asked for, if there were any.
    pub replaced: Option<Replaced>,
    /// Why nobody starts it again, where its program ended by itself and that is as it should be.
    pub finished: Option<Finished>,
}

/// Probes that failed in a row.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FailingProbe {
    /// So many.
    pub failures: u32,
    /// So many in a row kill the worker.
    pub failures_max: u32,
    /// What the last one met.
    pub why: String,
}

/// Replacements for memory, age, a time table or files that changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Replaced {
    /// How many there were.
    pub times: u64,
    /// How long ago the last one was.
    pub ago: Duration,
    /// Why that was.
    pub why: String,
}

/// Why a program that ended by itself is not started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Finished {
    /// Its exit code is one of `restart.stop_exit_codes`.
    ExitCode,
    /// `restart.policy` leaves it at that.
    Policy,
}

/// What a slot is doing, in the words of the architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SlotPhase {
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
    /// It gave up.
    Failed,
}
