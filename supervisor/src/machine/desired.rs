//! What the operator wants: apps, how many workers of each, and the policies they live under.
//!
//! Policies are data, so that a reload can change them. Durations are never zero and counts are
//! never out of range here: `config/check.rs` refuses such a file.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The name of an app, as in `[apps.query]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppName(Arc<str>);

impl AppName {
    /// A name that was checked by the configuration.
    #[must_use]
    pub fn new(name: &str) -> AppName {
        AppName(Arc::from(name))
    }

    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

/// One place for a worker of an app; written `query[2]`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SlotId {
    /// The app.
    pub app: AppName,
    /// The slot's number, from 0.
    pub index: u32,
}

impl fmt::Display for SlotId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}[{}]", self.app, self.index)
    }
}

/// One execution of a worker: issued once, never used again, so that late news cannot hit a
/// successor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RunId(pub u64);

impl fmt::Display for RunId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "run-{}", self.0)
    }
}

/// Identity of program, arguments, environment and settings; a different one means a roll.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub u64);

/// The whole wish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Desired {
    /// Number of the accepted configuration.
    pub generation: u64,
    /// The apps, by name.
    pub apps: BTreeMap<AppName, AppGoal>,
}

/// What is wanted of one app.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppGoal {
    /// How many workers.
    pub instances: u32,
    /// Which kind of worker.
    pub fingerprint: Fingerprint,
    /// What makes a worker ready.
    pub readiness: Readiness,
    /// A worker that is not ready after so long is killed.
    pub start_timeout: Duration,
    /// A ready worker that was not heard of for so long is killed; `None` where none is expected.
    pub heartbeat_timeout: Option<Duration>,
    /// How long a worker may finish what it has.
    pub drain_timeout: Duration,
    /// What happens after a death.
    pub restart: RestartPolicy,
    /// How workers are replaced.
    pub rollout: Rollout,
}

/// What makes a worker ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// It says so over its link.
    Link,
    /// It has been alive for so long.
    AliveFor(Duration),
}

/// What happens after a death.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestartPolicy {
    /// After which deaths a worker is started again.
    pub when: RestartWhen,
    /// The wait after the first death.
    pub backoff_min: Duration,
    /// The longest wait.
    pub backoff_max: Duration,
    /// A worker that was ready for so long has proved itself: its streak of deaths is forgotten.
    pub stable_after: Duration,
    /// More deaths than this inside `window` mean giving up.
    pub max_restarts: u32,
    /// The window in which deaths are counted.
    pub window: Duration,
}

/// After which deaths a worker is started again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RestartWhen {
    /// After every one.
    Always,
    /// After all but a clean exit.
    OnFailure,
    /// After none.
    Never,
}

/// How workers are replaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rollout {
    /// Start the new one, wait until it is ready, then drain the old one: for workers that share
    /// the app's listener.
    MakeBeforeBreak {
        /// How many slots of the app may hold two workers at once; at least 1.
        max_surge: u32,
    },
    /// Drain the old one, then start the new one: for programs that bind their own port.
    Replace {
        /// How many slots of the app may be without a ready worker at once; at least 1.
        max_unavailable: u32,
    },
}
