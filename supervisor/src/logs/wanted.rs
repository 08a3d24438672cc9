//! What somebody wants to see of logs: whose, of when, how severe, with which words. Pure.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mcp_protocol::control::Target;
use mcp_protocol::settings::LogLevel;
use regex::bytes::Regex;

use super::record::{Record, Settled};
use super::source::{Kind, Source};

/// What is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// Whose lines.
    pub target: Target,
    /// The kinds of lines, by the names of [`Source::channel`].
    pub channels: BTreeSet<&'static str>,
    /// None that are older.
    pub since: Option<Timestamp>,
    /// None that are younger.
    pub until: Option<Timestamp>,
    /// So many of the last, all logs taken together; all of them without a number.
    pub lines: Option<usize>,
    /// None that are less severe.
    pub level: Option<LogLevel>,
    /// Only those in which this is found.
    pub grep: Option<Regex>,
    /// Where a time without an offset is of.
    pub zone: TimeZone,
}

/// When a line may have been written, in nanoseconds since 1970: exactly then, or between the last
/// writes to the file before its own and to its own.
#[derive(Debug, Clone, Copy)]
pub(super) enum Written {
    At(Timestamp),
    Between(i128, i128),
}

impl Wanted {
    /// Whether lines of a log may be wanted. `of_slots` are the logs of single slots that there are.
    pub(super) fn takes(&self, source: &Source, of_slots: &BTreeSet<(String, u32)>) -> bool {
        self.channels.contains(source.channel())
            && match (&source.kind, &self.target) {
                (Kind::Supervisor | Kind::Worker(_), _) | (_, Target::All) => true,
                (Kind::Output { app, .. }, Target::App(wanted)) => app == wanted,
                (Kind::Output { app, slot, .. }, Target::Slot { app: wanted, slot: number }) => {
                    let has_own = of_slots.contains(&(wanted.clone(), *number));
                    app == wanted && slot.map_or(!has_own, |slot| slot == *number)
                }
            }
    }

    /// Whether a line of such a log is wanted.
    pub(super) fn admits(
        &self,
        (source, bytes): (&Source, &[u8]),
        record: &Record,
        settled: Settled,
        written: Written,
    ) -> bool {
        self.level.is_none_or(|least| settled.level <= least)
            && self.is_in_time(written)
            && self.is_of_target(source, record)
            && self.grep.as_ref().is_none_or(|grep| grep.is_match(bytes))
    }

    fn is_in_time(&self, written: Written) -> bool {
        let (earliest, latest) = match written {
            Written::At(time) => (time.as_nanosecond(), time.as_nanosecond()),
            Written::Between(earliest, latest) => (earliest, latest),
        };
        self.since.is_none_or(|since| latest >= since.as_nanosecond())
            && self.until.is_none_or(|until| earliest <= until.as_nanosecond())
    }

    fn is_of_target(&self, source: &Source, record: &Record) -> bool {
        match (&source.kind, &self.target) {
            (Kind::Output { .. }, _) | (_, Target::All) => true,
            (Kind::Supervisor | Kind::Worker(_), Target::App(app)) => {
                record.app.as_ref() == Some(app)
            }
            (Kind::Supervisor | Kind::Worker(_), Target::Slot { app, slot }) => {
                record.app.as_ref() == Some(app) && record.slot == Some(*slot)
            }
        }
    }
}
