//! Everything that can happen, in one closed list.

use std::collections::BTreeSet;

use crate::machine::action::DrainCause;
use crate::machine::desired::{AppName, Changes, Desired, RunId, SlotId};
use crate::machine::exit::Exit;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Time passed; some deadline may have been reached.
    Tick,
    /// A configuration was read and accepted.
    Configured(Desired),
    /// A configuration was read that means what is in force.
    ConfigUnchanged {
        /// Its number.
        generation: u64,
    },
    /// A configuration was refused; the one in force stays.
    ConfigRejected {
        /// The problems, as the operator reads them.
        problem: String,
    },
    /// A process could not be started.
    SpawnFailed {
        /// The run that was to begin.
        run: RunId,
        /// The operation, its object and the cause.
        why: String,
    },
    /// A worker said that it serves.
    Ready {
        /// Its run.
        run: RunId,
    },
    /// A worker said that it cannot serve, and is about to exit.
    BootFailed {
        /// Its run.
        run: RunId,
        /// Its own words.
        why: String,
    },
    /// A worker is alive: it said so, or a probe found it well.
    Heartbeat {
        /// Its run.
        run: RunId,
    },
    /// A probe found that a worker is not well.
    ProbeFailed {
        /// Its run.
        run: RunId,
        /// What the probe met.
        why: String,
    },
    /// So much memory a worker takes.
    Measured {
        /// Its run.
        run: RunId,
        /// Resident memory, of its whole tree.
        memory_bytes: u64,
    },
    /// The workers of an app are to be replaced, because of a time table or of files that changed.
    Refresh {
        /// The app.
        app: AppName,
        /// Which of them: [`DrainCause::Schedule`] or [`DrainCause::Watch`].
        cause: DrainCause,
        /// Why.
        why: String,
    },
    /// What operators changed at run time under an earlier supervisor. Told before the first
    /// configuration.
    Remembered(Changes),
    /// A process ended and was reaped.
    Exited {
        /// Its run.
        run: RunId,
        /// How.
        exit: Exit,
    },
    /// An operator wants something; answered once by [`crate::machine::Action::Reply`].
    Asked {
        /// The number under which the answer is awaited.
        request: RequestId,
        /// The wish.
        command: Command,
    },
    /// The service is to end.
    Shutdown(Urgency),
}

/// The number under which an operator awaits an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// What an operator may want.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Command {
    /// Answer when everything wanted is ready, or why it will not be.
    Settle,
    /// The same of these apps alone.
    SettleApps(BTreeSet<AppName>),
    /// Replace every worker in scope, as the rollout of its app says.
    Reload(Scope),
    /// Stop every worker in scope, then start it again. Whoever was stopped is started, failed
    /// slots are forgiven.
    Restart(Scope),
    /// Start what was stopped or deleted at run time, and what gave up or finished.
    Start(Scope),
    /// Stop the workers in scope; they stay stopped until they are started.
    Stop(Scope),
    /// Stop the workers in scope and take their apps out of the picture.
    Delete(Scope),
    /// Forget deaths and counts; whoever waits or gave up is started at once.
    Reset(Scope),
    /// Go back to what the file says.
    Forget(Scope),
    /// Another number of workers.
    Scale {
        /// The app.
        app: AppName,
        /// How many.
        to: Scale,
    },
    /// Send a signal to the workers in scope.
    Signal {
        /// Whose.
        scope: Scope,
        /// The signal's number.
        number: i32,
    },
    /// End the service; answered when nobody is left.
    Shutdown,
}

/// How many workers an operator wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scale {
    /// So many.
    To(u32),
    /// So many more than now.
    More(u32),
    /// So many fewer than now.
    Fewer(u32),
}

/// Which workers are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// Those of this app.
    App(AppName),
    /// The one in this slot.
    Slot(SlotId),
}

/// How the service is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Every worker finishes what it has, within its grace.
    Drain,
    /// At once: whoever still drains is killed.
    Now,
}
