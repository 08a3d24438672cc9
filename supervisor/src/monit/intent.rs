//! What an operator can wish for with a key: its words, and the request that it becomes.
//!
//! A new verb of the protocol is a variant here and a line in each function; keys are in `model`.
//! Words name whom they are about as every command does, `query[2]`, so that a person who looks at
//! the wrong line notices before it is too late.

use mcp_protocol::control::{Request, Scale, Target};

/// A wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Intent {
    /// Replace workers, new before old.
    Reload(Target),
    /// Stop workers, then start them.
    Restart(Target),
    /// Start what was stopped or gave up.
    Start(Target),
    /// Stop workers until they are started again.
    Stop(Target),
    /// Forgive deaths.
    Reset(Target),
    /// One worker more.
    Grow {
        /// Of this app.
        app: String,
    },
    /// One worker fewer.
    Shrink {
        /// Of this app.
        app: String,
    },
    /// End every worker and the supervisor.
    Shutdown,
}

impl Intent {
    /// What is sent.
    pub(super) fn request(&self) -> Request {
        let scale = |app: &String, to| Request::Scale { app: app.clone(), to };
        match self {
            Intent::Reload(whom) => Request::Reload { target: whom.clone() },
            Intent::Restart(whom) => Request::Restart { target: whom.clone() },
            Intent::Start(whom) => Request::Start { target: whom.clone() },
            Intent::Stop(whom) => Request::Stop { target: whom.clone() },
            Intent::Reset(whom) => Request::Reset { target: whom.clone() },
            Intent::Grow { app } => scale(app, Scale::More(1)),
            Intent::Shrink { app } => scale(app, Scale::Fewer(1)),
            Intent::Shutdown => Request::Shutdown,
        }
    }

    /// What is asked before it is sent; nothing when nobody loses anything by it.
    pub(super) fn question(&self) -> Option<String> {
        let about = match self {
            Intent::Reload(_) | Intent::Start(_) | Intent::Reset(_) | Intent::Grow { .. } => {
                return None;
            }
            Intent::Restart(whom) => match whom {
                Target::All | Target::App(_) => ", all at once? clients notice",
                Target::Slot { .. } => "? its clients notice",
            },
            Intent::Stop(whom) => match whom {
                Target::All | Target::App(_) => ", all its workers, until it is started again?",
                Target::Slot { .. } => " until it is started again?",
            },
            Intent::Shrink { .. } => "? the worker in its last slot is stopped",
            Intent::Shutdown => ": every worker and the supervisor?",
        };
        Some(format!("{}{about} (y/n)", self.task()))
    }

    /// While it is carried out.
    pub(super) fn doing(&self) -> String {
        match self {
            Intent::Reload(whom) => format!("reloading {whom}"),
            Intent::Restart(whom) => format!("restarting {whom}"),
            Intent::Start(whom) => format!("starting {whom}"),
            Intent::Stop(whom) => format!("stopping {whom}"),
            Intent::Reset(whom) => format!("resetting {whom}"),
            Intent::Grow { app } => format!("adding a worker to {app}"),
            Intent::Shrink { app } => format!("taking a worker from {app}"),
            Intent::Shutdown => "stopping the whole service".to_owned(),
        }
    }

    /// Once it is done.
    pub(super) fn done(&self) -> String {
        match self {
            Intent::Reload(whom) => format!("{whom} was reloaded"),
            Intent::Restart(whom) => format!("{whom} was restarted"),
            Intent::Start(whom) => format!("{whom} was started"),
            Intent::Stop(whom) => format!("{whom} was stopped"),
            Intent::Reset(whom) => format!("{whom} was reset: its deaths are forgiven"),
            Intent::Grow { app } => format!("{app} has one worker more"),
            Intent::Shrink { app } => format!("{app} has one worker fewer"),
            Intent::Shutdown => "the service was stopped".to_owned(),
        }
    }

    /// When it came to nothing.
    pub(super) fn failed(&self, why: &str) -> String {
        format!("cannot {}: {why}", self.task())
    }

    fn task(&self) -> String {
        match self {
            Intent::Reload(whom) => format!("reload {whom}"),
            Intent::Restart(whom) => format!("restart {whom}"),
            Intent::Start(whom) => format!("start {whom}"),
            Intent::Stop(whom) => format!("stop {whom}"),
            Intent::Reset(whom) => format!("reset {whom}"),
            Intent::Grow { app } => format!("scale {app} up by one"),
            Intent::Shrink { app } => format!("scale {app} down by one"),
            Intent::Shutdown => "stop the whole service".to_owned(),
        }
    }
}
