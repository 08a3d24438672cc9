//! Everything that can be done about an event, in one closed list.
//!
//! An action is never awaited for its outcome: the outcome comes back as an event.

use std::time::Duration;

use crate::machine::desired::{AppName, Changes, Fingerprint, RunId, SlotId};
use crate::machine::event::RequestId;
use crate::machine::snapshot::PhaseName;

/// One thing to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Start a process.
    Spawn {
        /// Its run.
        run: RunId,
        /// Its place.
        slot: SlotId,
        /// The kind that was wanted when this was decided.
        fingerprint: Fingerprint,
    },
    /// Ask a worker to finish what it has and leave.
    Drain {
        /// Its run.
        run: RunId,
        /// How long that may take.
        grace: Duration,
        /// Why.
        cause: DrainCause,
    },
    /// SIGKILL to the worker and all its children.
    Kill {
        /// Its run.
        run: RunId,
        /// Why.
        why: KillCause,
    },
    /// Send a signal to the worker itself.
    Signal {
        /// Its run.
        run: RunId,
        /// The signal's number.
        number: i32,
    },
    /// Keep what operators changed at run time, so that a later supervisor knows of it.
    Remember(Changes),
    /// Write one line for people.
    Announce(Notice),
    /// Answer an operator.
    Reply {
        /// To which wish.
        request: RequestId,
        /// How it went.
        outcome: Outcome,
    },
    /// Nothing is wanted and nobody is left: leave. Said once, last.
    Exit,
}

/// Why a worker is asked to leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum DrainCause {
    /// Nobody is wanted in its place, or somebody else is there already.
    NoLongerWanted,
    /// An operator wants it stopped and started.
    Restart,
    /// A new one is wanted: an operator asked for it, or the configuration changed.
    Reload,
    /// It takes too much memory.
    Memory,
    /// It is too old.
    Age,
    /// Its app's time table says so.
    Schedule,
    /// The files that it is made of changed.
    Watch,
}

/// Why a worker is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KillCause {
    /// It was not ready in time.
    NeverReady,
    /// It was not heard of for too long.
    HeartbeatLost,
    /// It failed too many probes in a row.
    Unhealthy,
    /// It did not leave within its grace.
    DrainOverrun,
    /// It was still starting when it was no longer wanted, or the operator is in a hurry.
    NoLongerWanted,
}

/// One line for people. `runtime/` writes it, with the process id where there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A run moved from one phase to another.
    Moved {
        /// The slot.
        slot: SlotId,
        /// The run that it is about; none for a slot without one.
        run: Option<RunId>,
        /// Where it is now.
        to: PhaseName,
        /// Why, when that is not obvious.
        why: Option<String>,
        /// When the phase's deadline comes: the retry, the kill.
        next_in: Option<Duration>,
    },
    /// A process that was sent SIGKILL is still there.
    Stuck {
        /// The slot.
        slot: SlotId,
        /// The run.
        run: RunId,
        /// How long ago it was killed.
        for_time: Duration,
    },
    /// A roll of an app began.
    RollBegan {
        /// The app.
        app: AppName,
        /// Why, when nobody asked for it.
        why: Option<String>,
    },
    /// Every worker of an app is of the wanted kind.
    RollEnded {
        /// The app.
        app: AppName,
    },
    /// A new worker did not get ready; the old ones go on.
    RollStopped {
        /// The app.
        app: AppName,
        /// Why.
        why: String,
    },
    /// A configuration is in force.
    ConfigAccepted {
        /// Its number.
        generation: u64,
    },
    /// A configuration was refused.
    ConfigRejected {
        /// The problems.
        problem: String,
    },
    /// The service is ending.
    ShuttingDown,
}

/// How an operator's wish went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It was carried out.
    Done,
    /// It could not be; what holds now, for a person.
    Failed {
        /// The reason.
        why: String,
        /// The slot whose last words may explain it.
        slot: Option<SlotId>,
    },
}
