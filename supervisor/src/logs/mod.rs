//! Logs as operators read them: found with all that was rotated away, read from either end, merged
//! by time, filtered, followed.
//!
//! The supervisor need not run, and files may be rotated, compressed, emptied and removed under the
//! reader. However long a log or a line is, the memory for it is bounded. How a line looks is
//! decided in `report`; nothing here prints, and nothing writes to a log.

mod ending;
mod follow;
mod followed;
mod lines;
mod part_file;
mod past;
mod record;
mod series;
mod source;
mod stamp;
#[cfg(test)]
mod tests;
mod wanted;

use std::sync::Arc;

use jiff::Timestamp;
use mcp_protocol::settings::LogLevel;

pub use ending::{last_entries, last_lines};
pub use follow::{Audience, FollowError, Follower, News, Recent};
pub use past::{Past, ShowError};
pub use record::{Record, Shape, level_word};
pub use source::{Kind, Source, Stream};
pub use wanted::Wanted;

use lines::Line;
use record::Settled;

/// One line, with what is known of it.
#[derive(Debug, Clone)]
pub struct Entry {
    /// The log that it is of.
    pub source: Arc<Source>,
    /// Its bytes as they are, without the end of the line.
    pub line: Vec<u8>,
    /// False for the rest of a line that was too long for one part.
    pub begins: bool,
    /// Whether the line ends with it.
    pub ends: bool,
    /// Whether it was cut because it is too long: the rest follows.
    pub is_cut: bool,
    /// What it says of itself.
    pub record: Record,
    /// How severe it is: what it says, or what lines of its kind are.
    pub level: LogLevel,
    /// When it was written: what it says, else what the line before it said, or when it arrived.
    pub time: Option<Timestamp>,
}

impl Entry {
    fn new(source: &Arc<Source>, line: Line, record: Record, settled: Settled) -> Entry {
        Entry {
            source: Arc::clone(source),
            line: line.bytes,
            begins: line.begins,
            ends: line.ends,
            is_cut: line.more,
            record,
            level: settled.level,
            time: settled.time,
        }
    }

    /// The app that the line is of.
    #[must_use]
    pub fn app(&self) -> Option<&str> {
        self.source.app().or(self.record.app.as_deref())
    }

    /// The slot of that app.
    #[must_use]
    pub fn slot(&self) -> Option<u32> {
        match self.source.kind {
            Kind::Output { slot, .. } => slot,
            Kind::Supervisor | Kind::Worker(_) => self.record.slot,
        }
    }
}
