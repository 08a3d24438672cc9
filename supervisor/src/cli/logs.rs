//! `logs` and what else is done to log files: what a person may type.

use std::collections::BTreeSet;

use clap::builder::PossibleValue;
use clap::{Args, ValueEnum};
use mcp_protocol::control::Target;
use mcp_protocol::logs::Channel;
use mcp_protocol::settings::LogLevel;
use regex::bytes::Regex;

use super::when::When;
use super::words;
use crate::logs::level_word;

/// How many lines are shown where nothing else says how many.
pub const LINES: usize = 15;

/// Arguments of `logs`.
#[derive(Debug, Args)]
pub struct Logs {
    /// Only the lines of this app, or of this slot of it such as `query[2]` (or `query:2`); without
    /// one, or with all, everything, the supervisor's own log included
    #[arg(value_name = "TARGET", value_parser = words::target)]
    pub target: Option<Target>,
    /// Go on and print new lines as they are written
    #[arg(long, short, conflicts_with = "until")]
    pub follow: bool,
    /// How many of the last lines, all logs taken together [default: 15; with --since all]
    #[arg(long, short = 'n', value_name = "N")]
    pub lines: Option<usize>,
    /// Only lines that are not older: 10m, 2h, today, 14:30, 2026-11-21, 2026-11-21T10:00
    #[arg(long, value_name = "WHEN", value_parser = When::parse)]
    pub since: Option<When>,
    /// Only lines that are not younger, in the same words
    #[arg(long, value_name = "WHEN", value_parser = When::parse)]
    pub until: Option<When>,
    /// Only lines that are at least this severe: error, warn, info, debug, trace
    #[arg(long, value_name = "LEVEL", value_parser = level)]
    pub level: Option<LogLevel>,
    /// Only lines in which this regular expression is found; (?i) before it for any case
    #[arg(long, short, value_name = "REGEX", value_parser = expression)]
    pub grep: Option<Regex>,
    /// Only these kinds of lines [default: supervisor,application,out,err]
    #[arg(long, value_name = "CHANNEL", value_delimiter = ',')]
    pub channel: Vec<LogChannel>,
    /// Print each line as a JSON object: source, channel, app, slot, timestamp, level, line
    #[arg(long, conflicts_with = "raw")]
    pub json: bool,
    /// Print each line as it is, without saying whose it is
    #[arg(long)]
    pub raw: bool,
}

/// A kind of lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogChannel {
    /// Every kind.
    All,
    /// What the supervisor does.
    Supervisor,
    /// What programs print.
    Out,
    /// What programs print to their standard error.
    Err,
    /// What workers write.
    Worker(Channel),
}

impl LogChannel {
    const ALL: [LogChannel; 10] = [
        LogChannel::Worker(Channel::ALL[0]),
        LogChannel::Worker(Channel::ALL[1]),
        LogChannel::Worker(Channel::ALL[2]),
        LogChannel::Worker(Channel::ALL[3]),
        LogChannel::Worker(Channel::ALL[4]),
        LogChannel::Worker(Channel::ALL[5]),
        LogChannel::Supervisor,
        LogChannel::Out,
        LogChannel::Err,
        LogChannel::All,
    ];

    const fn name(self) -> &'static str {
        match self {
            LogChannel::All => "all",
            LogChannel::Supervisor => "supervisor",
            LogChannel::Out => "out",
            LogChannel::Err => "err",
            LogChannel::Worker(channel) => channel.name(),
        }
    }
}

impl ValueEnum for LogChannel {
    fn value_variants<'a>() -> &'a [LogChannel] {
        &LogChannel::ALL
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        Some(PossibleValue::new(self.name()))
    }
}

impl Logs {
    /// The names of the kinds of lines that are wanted.
    ///
    /// Without a word about it: what was done and printed, and not one line for each request or
    /// statement; errors are in `application` already.
    #[must_use]
    pub fn channels(&self) -> BTreeSet<&'static str> {
        let usual = [
            LogChannel::Supervisor,
            LogChannel::Worker(Channel::Application),
            LogChannel::Out,
            LogChannel::Err,
        ];
        let wanted: &[LogChannel] = match &self.channel[..] {
            [] => &usual,
            some if some.contains(&LogChannel::All) => &LogChannel::ALL,
            some => some,
        };
        wanted.iter().map(|channel| channel.name()).collect()
    }

    /// How many lines are wanted; all of them without a number.
    #[must_use]
    pub fn count(&self) -> Option<usize> {
        self.lines.or(if self.since.is_none() { Some(LINES) } else { None })
    }
}

fn level(word: &str) -> Result<LogLevel, String> {
    level_word(word).ok_or_else(|| "write error, warn, info, debug or trace".to_owned())
}

fn expression(text: &str) -> Result<Regex, String> {
    Regex::new(text).map_err(|error| {
        format!(
            "{error}\na character that has a meaning of its own is written behind a \\, such as \\("
        )
    })
}
