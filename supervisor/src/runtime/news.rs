//! Everything that can arrive in the loop's inbox.
//!
//! News is about the outside; the loop turns it into the machine's events, which know no process
//! ids, sockets or channels.

use std::time::Duration;

use mcp_protocol::control::{Request, Response};
use mcp_protocol::message::{ToWorker, Vitals};
use mcp_protocol::relay::SealingKeys;
use tokio::sync::{mpsc, oneshot};

use crate::machine::{AppName, DrainCause, RunId, Trust};
use crate::runtime::admin::AdminNews;
use crate::runtime::admin_note::By;
use crate::runtime::look::Look;
use crate::runtime::memory::Roots;
use crate::runtime::metrics::Drawn;
use crate::runtime::notification::Said;
use crate::runtime::relay::Errand;

/// How many pieces of news may wait before their senders do.
pub(crate) const INBOX_MAX: usize = 1024;
/// How many messages may wait for one operator.
pub(crate) const OUTBOX_MAX: usize = 16;
/// How many messages may wait for one worker.
pub(crate) const WORKER_OUTBOX_MAX: usize = 1024;

/// One thing that the outside tells the loop.
#[derive(Debug)]
pub(crate) enum News {
    /// The program could not be executed, and why. The child's end follows.
    ExecFailed { run: RunId, why: String },
    /// A child can be reaped.
    Ended { run: RunId },
    /// Somebody says that they are a worker; the verdict tells whether we believe it.
    WorkerConnected {
        run: RunId,
        pid: i32,
        outbox: mpsc::Sender<ToWorker>,
        verdict: oneshot::Sender<Result<(), String>>,
    },
    /// Nobody waits any more at the address that a worker is the last to serve.
    Vacated { run: RunId, grace: Duration },
    /// A worker serves.
    Ready { run: RunId },
    /// A worker cannot serve.
    BootFailed { run: RunId, why: String },
    /// A worker is alive.
    Heartbeat { run: RunId, vitals: Box<Vitals> },
    /// A program said something of itself.
    Said { run: RunId, said: Said },
    /// Something keeps a worker from being ready.
    Hindered { run: RunId, why: String },
    /// A probe found a worker well.
    ProbePassed { run: RunId },
    /// A probe found that a worker is not well.
    ProbeFailed { run: RunId, why: String },
    /// A worker has something for others of its app.
    Errand { run: RunId, errand: Errand },
    /// Session ids are sealed with new keys, which are in their file already.
    KeysRenewed(SealingKeys),
    /// Something of what administrators wish.
    Admin(AdminNews),
    /// A worker's connection is gone.
    LinkLost { run: RunId },
    /// An operator wants something.
    Asked { request: Request, answers: mpsc::Sender<Response>, by: By },
    /// The workers of an app are due to be replaced, and why.
    Refresh { app: AppName, cause: DrainCause, why: String },
    /// The configuration's files changed, and may be read, if not trusted further than this.
    SourcesChanged(Trust),
    /// What a refused configuration lacked may be there by now.
    LookAgain,
    /// An app's files, or the configuration's, cannot be watched, and why; or they can again.
    WatchTrouble { app: Option<AppName>, trouble: Option<String> },
    /// Whose memory is limited?
    WhoIsLimited { answer: oneshot::Sender<Roots> },
    /// So much memory a worker takes with its descendants.
    Measured { run: RunId, memory_bytes: u64 },
    /// Somebody wants to see how everything is.
    Look { answer: oneshot::Sender<Look> },
    /// Somebody wants to read the metrics.
    Scrape { answer: oneshot::Sender<Drawn> },
    /// A signal came.
    Signal(Signal),
}

/// What a signal asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Drain and leave; the second time, leave at once.
    Stop,
    /// Read the configuration file again.
    Reload,
    /// The log files were renamed.
    ReopenLogs,
    /// A child ended: one of ours, whose end is told by itself, or an orphan that came to us.
    ChildEnded,
}
