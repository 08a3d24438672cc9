//! The longer answers: what a reload would do, everything about an app, what operators changed.
//! Data for `report`; nothing of how it is found out.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::AppStatus;

/// What a reload would do to one app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppPlan {
    /// Its name.
    pub app: String,
    /// Whether it stays.
    pub fate: AppFate,
    /// What differs from the configuration in force, in the words of the file.
    pub differences: Vec<String>,
    /// How many workers are wanted now, run-time changes included.
    pub instances_now: Option<u32>,
    /// How many would be wanted then.
    pub instances_then: Option<u32>,
    /// Slots that would be filled, in order.
    pub started: Vec<u32>,
    /// Slots whose workers would be replaced, in order.
    pub replaced: Vec<u32>,
    /// Slots whose workers would be stopped for good.
    pub stopped: Vec<u32>,
    /// How many slots at a time get the new worker before the old one leaves.
    pub max_surge: u32,
    /// How many slots at a time lose the old worker before the new one starts.
    pub max_unavailable: u32,
}

/// Whether an app stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum AppFate {
    /// It is new.
    Added,
    /// It stays.
    Kept,
    /// The file does not name it any more.
    Removed,
}

/// Everything that is known of an app.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AppDescription {
    /// Its part of the picture.
    pub status: AppStatus,
    /// The program, absolute, and its arguments.
    pub command: Vec<String>,
    /// Where it runs.
    pub working_directory: PathBuf,
    /// How many workers the file asks for; none when it does not name the app.
    pub instances_in_file: Option<u32>,
    /// The rules that it lives under: what they are about, and the rule in words.
    pub rules: Vec<(String, String)>,
    /// What was written in the file, key by key; values of variables are left out.
    pub settings: Vec<(String, String)>,
    /// What only a closer look shows, by slot.
    pub processes: Vec<ProcessDetails>,
    /// Its log files, each with its last lines.
    pub logs: Vec<LogTail>,
}

/// What only a closer look at a process shows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessDetails {
    /// The slot that it is in.
    pub slot: u32,
    /// Its process id.
    pub pid: u32,
    /// Its share of memory in bytes: what it shares with others is divided among them.
    pub pss_bytes: Option<u64>,
    /// Processor time since it began.
    pub cpu_time: Option<Duration>,
    /// Open descriptors.
    pub descriptors: Option<u64>,
}

/// The end of a log file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTail {
    /// The file.
    pub file: PathBuf,
    /// Its last lines.
    pub lines: Vec<String>,
}

/// What was changed at run time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangesKept {
    /// Where it is kept over the supervisor's end.
    pub file: PathBuf,
    /// By app.
    pub apps: Vec<AppChange>,
}

/// What was changed of one app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppChange {
    /// Its name.
    pub app: String,
    /// How many workers the file asks for; none when it does not name the app.
    pub instances_in_file: Option<u32>,
    /// How many an operator asked for.
    pub instances: Option<u32>,
    /// Whether the app as a whole is to run.
    pub presence: Presence,
    /// Slots that are to stay empty.
    pub stopped_slots: Vec<u32>,
}

/// Whether an app as a whole is to run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Presence {
    /// It is.
    Wanted,
    /// It stays in the picture, without a worker.
    Stopped,
    /// It is as if the file did not name it.
    Deleted,
}
