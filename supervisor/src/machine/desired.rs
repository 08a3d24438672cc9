//! What the operator wants: apps, how many workers of each, and the policies they live under.
//!
//! Policies are data, so that a reload can change them. Durations are never zero and counts are
//! never out of range here: `config/check.rs` refuses such a file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// The most workers of one app, in the file and at run time.
pub const INSTANCES_MAX: u32 = 256;

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
    /// A ready worker that failed so many probes in a row is killed; at least 1.
    pub probe_failures_max: u32,
    /// How long a worker may finish what it has.
    pub drain_timeout: Duration,
    /// What happens after a death.
    pub restart: RestartPolicy,
    /// How workers are replaced.
    pub rollout: Rollout,
    /// A worker that takes more memory than this is replaced.
    pub memory_bytes_max: Option<u64>,
    /// A worker that has been ready for so long is replaced.
    pub max_age: Option<Duration>,
    /// Apps that must serve before a worker of this one is started, and that leave after it.
    /// Never in a circle: `config/check.rs` refuses that.
    pub depends_on: BTreeSet<AppName>,
}

/// What makes a worker ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    /// Somebody tells: the worker itself, or a probe.
    Told,
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
    /// Exit codes by which a worker says that it is done: it is not started again.
    pub stop_exit_codes: BTreeSet<i32>,
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

/// How workers are replaced. At least one of the two limits is above zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rollout {
    /// How many slots of the app may hold a new worker beside the old one: the new one is ready
    /// before the old one leaves. Zero for programs that bind their own port.
    pub max_surge: u32,
    /// How many slots of the app may be without a ready worker, because the old one leaves before
    /// the new one starts.
    pub max_unavailable: u32,
    /// How long a new worker is watched before the next slot is touched; one that dies meanwhile
    /// stops the roll.
    pub pause_between: Option<Duration>,
}

/// What an operator changed at run time: it differs from the file, and outlives a reload of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Change {
    /// How many workers, where that was said.
    pub instances: Option<u32>,
    /// Whether the app as a whole is to run.
    pub presence: Presence,
    /// Slots that are to stay empty.
    pub stopped_slots: BTreeSet<u32>,
}

/// Whether an app as a whole is to run.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    #[default]
    Wanted,
    /// It stays in the picture, without a worker.
    Stopped,
    /// It is as if the file did not name it.
    Deleted,
}

/// Everything that was changed at run time, by app.
pub type Changes = BTreeMap<AppName, Change>;
