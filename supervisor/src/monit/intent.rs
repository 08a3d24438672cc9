//! What an operator can wish for with a key: its words, and the request that it becomes.
//!
//! A new verb of the protocol, for one slot for example, is a variant here and a line in each
//! function; keys are in `model`.

use mcp_protocol::control::{Request, Target};

/// A wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Intent {
    /// Replace an app's workers one by one.
    Reload { app: String },
    /// Stop an app's workers and start them again.
    Restart { app: String },
    /// End every worker and the supervisor.
    Stop,
}

impl Intent {
    /// What is sent.
    pub(super) fn request(&self) -> Request {
        match self {
            Intent::Reload { app } => Request::Reload { target: Target::App(app.clone()) },
            Intent::Restart { app } => Request::Restart { target: Target::App(app.clone()) },
            Intent::Stop => Request::Shutdown,
        }
    }

    /// What is asked before it is sent; nothing when no client notices.
    pub(super) fn question(&self) -> Option<String> {
        match self {
            Intent::Reload { .. } => None,
            Intent::Restart { app } => {
                Some(format!("restart every worker of {app}, all at once? clients notice (y/n)"))
            }
            Intent::Stop => {
                Some("stop the whole service: every worker and the supervisor? (y/n)".to_owned())
            }
        }
    }

    /// While it is carried out.
    pub(super) fn doing(&self) -> String {
        match self {
            Intent::Reload { app } => format!("reloading {app}"),
            Intent::Restart { app } => format!("restarting {app}"),
            Intent::Stop => "stopping".to_owned(),
        }
    }

    /// Once it is done.
    pub(super) fn done(&self) -> String {
        match self {
            Intent::Reload { app } => format!("{app} was reloaded"),
            Intent::Restart { app } => format!("{app} was restarted"),
            Intent::Stop => "the service was stopped".to_owned(),
        }
    }

    /// When it came to nothing.
    pub(super) fn failed(&self, why: &str) -> String {
        match self {
            Intent::Reload { app } => format!("cannot reload {app}: {why}"),
            Intent::Restart { app } => format!("cannot restart {app}: {why}"),
            Intent::Stop => format!("cannot stop the service: {why}"),
        }
    }
}
