//! `[apps.NAME.logs]` and `[supervisor.logs]`: how much is kept of log files, and in which.

use std::time::Duration;

use super::keys::{Key, Kind, key};
use super::policy;
use super::section::Section;

pub(super) const MAX_SIZE: Key =
    key("max_size", Kind::Size { min: "1KB", max: "1TB" }, r#""50MB""#);
pub(super) const MAX_AGE: Key =
    key("max_age", Kind::DurationOrOff { min: "1s", max: "8760h" }, r#""off""#);
pub(super) const MAX_FILES: Key =
    key("max_files", Kind::Count { min: 1, max: 1000, what: "a number of files" }, "10");
pub(super) const KEEP: Key =
    key("keep", Kind::DurationOrOff { min: "1s", max: "87600h" }, r#""off""#);
pub(super) const COMPRESS: Key = key("compress", Kind::Boolean, "true");
pub(super) const MERGE: Key = key("merge", Kind::Boolean, "true");

/// `[supervisor.logs]`.
pub(super) const SUPERVISOR: &[Key] = &[MAX_SIZE, MAX_AGE, MAX_FILES, KEEP, COMPRESS];

/// How much is kept of a log file and of those that it was before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutputConfig {
    /// A file that grew beyond this many bytes is rotated.
    pub bytes_max: u64,
    /// A file that was begun so long ago is rotated.
    pub age_max: Option<Duration>,
    /// How many rotated files are kept.
    pub files_max: u32,
    /// Rotated files that were last written to so long ago are removed.
    pub keep: Option<Duration>,
    /// Whether rotated files are compressed, all but the newest.
    pub compress: bool,
    /// Whether the slots of an app share a file.
    pub merge: bool,
}

impl Default for OutputConfig {
    fn default() -> OutputConfig {
        policy::OUTPUT
    }
}

impl OutputConfig {
    /// What keeps at least as much as both: for a file that is shared.
    #[must_use]
    pub fn or_more(self, other: OutputConfig) -> OutputConfig {
        OutputConfig {
            bytes_max: self.bytes_max.max(other.bytes_max),
            age_max: self.age_max.zip(other.age_max).map(|(one, other)| one.max(other)),
            files_max: self.files_max.max(other.files_max),
            keep: self.keep.zip(other.keep).map(|(one, other)| one.max(other)),
            compress: self.compress && other.compress,
            merge: true,
        }
    }
}

/// What a table of log files means.
pub(super) fn read(logs: Section<'_>) -> OutputConfig {
    let default = policy::OUTPUT;
    OutputConfig {
        bytes_max: logs.size(MAX_SIZE.name).unwrap_or(default.bytes_max),
        age_max: logs.duration_or_off(MAX_AGE.name).unwrap_or(default.age_max),
        files_max: logs.count(MAX_FILES.name).unwrap_or(default.files_max),
        keep: logs.duration_or_off(KEEP.name).unwrap_or(default.keep),
        compress: logs.boolean(COMPRESS.name).unwrap_or(default.compress),
        merge: default.merge,
    }
}

/// What `[apps.NAME.logs]` means.
pub(super) fn of_app(logs: Section<'_>) -> OutputConfig {
    let merge = logs.boolean(MERGE.name).unwrap_or(policy::OUTPUT.merge);
    OutputConfig { merge, ..read(logs) }
}
