//! A finding: one word of a statement that is more than reading, and what a client is told.
//!
//! A refusal names the word, its place and the way out. It never repeats the statement.

use std::borrow::Cow;

use super::{Class, Level};

/// The longest word that a refusal repeats, in characters.
const WORD_CHARS_MAX: usize = 48;

/// What a level must be so that a finding does not matter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Need {
    /// [`Level::Write`] or more.
    Write,
    /// [`Level::Destructive`].
    Destructive,
    /// No level is enough.
    Never,
}

impl Need {
    /// Whether a level is enough.
    pub(super) fn is_met_by(self, level: Level) -> bool {
        match self {
            Need::Write => level >= Level::Write,
            Need::Destructive => level >= Level::Destructive,
            Need::Never => false,
        }
    }
}

/// One word that is more than reading.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Finding {
    /// The class that it gives to the statement.
    pub(super) class: Class,
    /// From which level on it is allowed.
    pub(super) need: Need,
    /// The word.
    pub(super) word: String,
    /// Where it begins, in bytes.
    pub(super) at: usize,
    /// What it does, or what is wrong with it: a predicate of the word.
    pub(super) why: Cow<'static, str>,
}

impl Finding {
    /// Something that is not a complete statement of Snowflake's SQL.
    pub(super) fn invalid(
        word: impl Into<String>,
        at: usize,
        why: impl Into<Cow<'static, str>>,
    ) -> Finding {
        Finding { class: Class::Invalid, need: Need::Never, word: word.into(), at, why: why.into() }
    }

    /// The refusal for a client.
    pub(super) fn reason(&self, statement: &str, level: Level) -> String {
        let before = &statement.as_bytes()[..self.at.min(statement.len())];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        let line_begins = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let column = 1 + String::from_utf8_lossy(&before[line_begins..]).chars().count();
        format!(
            "`{}` (line {line}, column {column}) {}; {}",
            shown(&self.word),
            self.why,
            self.way_out(level)
        )
    }

    fn way_out(&self, level: Level) -> &'static str {
        match (self.class, self.need) {
            (Class::Session, _) => {
                "sessions are shared: name objects in full, or use the tool's `database` and \
                 `schema` parameters"
            }
            (Class::Multi, _) => "one statement a call, a closing `;` is fine",
            (Class::Invalid, _) => {
                "allowed is one complete statement: SELECT, WITH, VALUES, SHOW, DESCRIBE, EXPLAIN \
                 or LIST"
            }
            (_, Need::Never) if level > Level::Read => "no level of this server allows it",
            (_, Need::Write | Need::Destructive | Need::Never) => match level {
                Level::Read => {
                    "this server only reads: SELECT, WITH, VALUES, SHOW, DESCRIBE, EXPLAIN or LIST"
                }
                Level::Write => {
                    "this server reads, changes rows and creates tables, views and schemas; it \
                     removes and replaces nothing"
                }
                Level::Destructive => "no level of this server allows it",
            },
        }
    }
}

/// A word for people: short, and without what a terminal would act on.
pub(super) fn shown(word: &str) -> String {
    let mut text: String = word
        .chars()
        .take(WORD_CHARS_MAX)
        .map(|c| if c.is_control() { '\u{fffd}' } else { c })
        .collect();
    if word.chars().nth(WORD_CHARS_MAX).is_some() {
        text.push('…');
    }
    text
}
