//! Classes of statements and the read-only gate; pure.

/// What a client may do at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Look only.
    Read,
    /// Change data.
    Write,
    /// Drop things.
    Destructive,
}

/// What a statement needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// It only looks.
    Read,
    /// Anything else.
    Other,
}

/// Whether a statement may run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may.
    Allowed {
        /// What it is.
        class: Class,
    },
    /// It may not.
    Refused {
        /// What it is.
        class: Class,
        /// Why, and what to do instead.
        reason: String,
    },
}

const READERS: [&str; 7] = ["select", "with", "show", "describe", "desc", "explain", "values"];

/// Whether the statement may run at this level.
#[must_use]
pub fn decide(statement: &str, level: Level) -> Decision {
    let text = statement.trim().trim_end_matches(';');
    let first: String = text.chars().take_while(char::is_ascii_alphabetic).collect();
    let reads = READERS.contains(&first.to_ascii_lowercase().as_str());
    if reads && !text.contains(';') && level >= Level::Read {
        return Decision::Allowed { class: Class::Read };
    }
    let reason = format!("only one statement that reads is served here: {}", READERS.join(", "));
    Decision::Refused { class: Class::Other, reason }
}
