//! Everything that can happen, in one closed list.

use crate::machine::desired::{AppName, Desired, RunId};
use crate::machine::exit::Exit;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Time passed; some deadline may have been reached.
    Tick,
    /// A configuration was read and accepted.
    Configured(Desired),
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
    /// A worker is alive.
    Heartbeat {
        /// Its run.
        run: RunId,
    },
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
    /// Replace every worker in scope, as the rollout of its app says.
    Reload(Scope),
    /// Stop every worker in scope, then start it again. Failed slots are forgiven.
    Restart(Scope),
    /// End the service; answered when nobody is left.
    Stop,
}

/// Which apps are meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Scope {
    /// All of them.
    All,
    /// This one.
    App(AppName),
}

/// How the service is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Urgency {
    /// Every worker finishes what it has, within its grace.
    Drain,
    /// At once: whoever still drains is killed.
    Now,
}
