//! What each wish of an operator is called in metrics. Nothing else may depend on these names.

use super::Request;

impl Request {
    /// Its name in metrics.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Request::Status => "status",
            Request::Settle => "settle",
            Request::Shutdown => "shutdown",
            Request::Restart { .. } => "restart",
            Request::Reload { .. } => "reload",
            Request::Start { .. } => "start",
            Request::Stop { .. } => "stop",
            Request::Delete { .. } => "delete",
            Request::Reset { .. } => "reset",
            Request::Forget { .. } => "forget",
            Request::Scale { .. } => "scale",
            Request::Signal { .. } => "signal",
            Request::Plan { .. } => "plan",
            Request::Describe { .. } => "describe",
            Request::Changes => "changes",
            Request::Roll { .. } => "roll",
            Request::Rollback { .. } => "rollback",
            Request::RotateLogs { .. } => "rotate_logs",
            Request::FlushLogs { .. } => "flush_logs",
            Request::ReopenLogs => "reopen_logs",
            Request::Admin { wish, .. } => wish.name(),
        }
    }
}
