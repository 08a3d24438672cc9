//! The gate before the warehouse: which class a statement belongs to, and whether it may pass.
//!
//! It is an allow list over structure, not a search for bad words: what is not known to be
//! harmless is refused, and a keyword inside a text, a comment or a quoted name is data. Pure and
//! std only; no I/O, no clock, no parser of somebody else's dialect. It is the second line of
//! defence: the first is a role at the warehouse that can only read.

pub mod databases;
mod finding;
mod functions;
mod heads;
mod judge;
mod lexer;
mod names;
mod shape;
mod tells;
#[cfg(test)]
mod tests;
pub mod values;
mod verb;

use std::fmt;

pub use databases::{Named, databases};
use finding::{Finding, Need};
use lexer::Token;
pub use verb::verb;

/// The longest statement that is looked at, in bytes; a longer one is refused unread.
pub const STATEMENT_BYTES_MAX: usize = 1024 * 1024;

/// How far the tools of this worker may go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Reading only; the default.
    Read,
    /// Also statements that add or change rows, or create new tables, views and schemas.
    Write,
    /// Also statements that remove or replace what exists, and procedures.
    Destructive,
}

/// What kind of statement it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Class {
    /// It reads: `SELECT`, `SHOW`, `DESCRIBE`, `EXPLAIN`, `LIST`.
    Read,
    /// It changes rows or files, or may do anything, such as a procedure.
    Write,
    /// It creates, changes or removes objects.
    Ddl,
    /// It touches principals, credentials, warehouses or the account.
    Admin,
    /// It changes, or reads, what a pooled session keeps between two borrowers.
    Session,
    /// It is several statements.
    Multi,
    /// It is not one complete statement of Snowflake's SQL.
    Invalid,
}

impl Class {
    /// Its name, as reports write it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Class::Read => "read",
            Class::Write => "write",
            Class::Ddl => "ddl",
            Class::Admin => "admin",
            Class::Session => "session",
            Class::Multi => "multi",
            Class::Invalid => "invalid",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What the gate says about a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// It may be sent.
    Allowed {
        /// What it is.
        class: Class,
    },
    /// It must not be sent.
    Refused {
        /// What it is.
        class: Class,
        /// Which word refused it, where, and what would be allowed instead.
        reason: String,
    },
}

impl Decision {
    /// What the statement is, whatever was decided.
    #[must_use]
    pub fn class(&self) -> Class {
        match self {
            Decision::Allowed { class } | Decision::Refused { class, .. } => *class,
        }
    }

    /// Whether it may be sent.
    #[must_use]
    pub fn is_allowed(&self) -> bool {
        match self {
            Decision::Allowed { .. } => true,
            Decision::Refused { .. } => false,
        }
    }
}

/// Decides about one statement. Total: any text gets an answer, in time linear in its length.
#[must_use]
pub fn decide(statement: &str, level: Level) -> Decision {
    decided(statement, level, Values::None)
}

/// The same for a statement that takes a value at each `?`.
#[must_use]
pub fn decide_bound(statement: &str, level: Level) -> Decision {
    decided(statement, level, Values::Beside)
}

/// Whether values come along with a statement.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Values {
    /// None do.
    None,
    /// They come beside its text.
    Beside,
}

fn decided(statement: &str, level: Level, values: Values) -> Decision {
    let findings = examine(statement, values);
    match findings.iter().find(|finding| !finding.need.is_met_by(level)) {
        Some(finding) => {
            Decision::Refused { class: finding.class, reason: finding.reason(statement, level) }
        }
        None => Decision::Allowed { class: findings.first().map_or(Class::Read, |f| f.class) },
    }
}

/// Whether a statement is one that `EXPLAIN` explains: a query, or a change of rows.
#[must_use]
pub fn can_be_explained(statement: &str) -> bool {
    let Ok(lexed) = lexer::lex(statement) else { return false };
    let opened = lexed.tokens.iter().take_while(|token| token.is("(")).count();
    let verb = &lexed.tokens[opened..];
    match heads::head(verb) {
        heads::Head::Query | heads::Head::With => true,
        heads::Head::More(_) => verb
            .first()
            .is_some_and(|verb| verb.is_one_of(&["INSERT", "UPDATE", "DELETE", "MERGE"])),
        heads::Head::Explain | heads::Head::Tell | heads::Head::Unknown => false,
    }
}

/// The same about bytes: what is not UTF-8 is no statement.
#[must_use]
pub fn decide_bytes(statement: &[u8], level: Level) -> Decision {
    match std::str::from_utf8(statement) {
        Ok(statement) => decide(statement, level),
        Err(error) => {
            let whole = String::from_utf8_lossy(&statement[..error.valid_up_to()]);
            let word = statement.get(error.valid_up_to()).map_or(0, |byte| *byte);
            let why = "is not UTF-8; nobody knows which text the warehouse would read";
            let finding = Finding::invalid(format!("byte 0x{word:02X}"), whole.len(), why);
            Decision::Refused { class: finding.class, reason: finding.reason(&whole, level) }
        }
    }
}

/// Everything that keeps a statement from being a plain read; the first one names its class.
fn examine(statement: &str, values: Values) -> Vec<Finding> {
    if statement.len() > STATEMENT_BYTES_MAX {
        let why = format!("is longer than {STATEMENT_BYTES_MAX} bytes; send a shorter one");
        return vec![Finding::invalid("the statement", 0, why)];
    }
    let mut lexed = match lexer::lex(statement) {
        Ok(lexed) => lexed,
        Err(error) => return vec![Finding::invalid(error.what, error.at, error.why)],
    };
    if values == Values::Beside {
        values::mark(&mut lexed.tokens);
    }
    let Some(first) = lexed.tokens.iter().position(|token| !token.is(";")) else {
        return vec![Finding::invalid("the statement", 0, "is empty: nothing to run")];
    };
    if let Some(finding) = heads::block(&lexed.tokens[first..]) {
        return vec![finding];
    }
    let tokens = match alone(&lexed.tokens) {
        Ok(tokens) => tokens,
        Err(finding) => return vec![finding],
    };
    if let Some(finding) = shape::too_deep(tokens) {
        return vec![finding];
    }
    let mut findings = Vec::new();
    judge::links(tokens, &mut findings);
    findings.extend(shape::unlike_sql(tokens));
    if let Some(odd) = lexed.oddity {
        findings.push(Finding::invalid(odd.what, odd.at, odd.why));
    }
    findings
}

/// The tokens of the one statement, without its closing `;`.
fn alone<'t, 'a>(tokens: &'t [Token<'a>]) -> Result<&'t [Token<'a>], Finding> {
    let body = match tokens.split_last() {
        Some((last, body)) if last.is(";") => body,
        Some(_) | None => tokens,
    };
    match body.iter().find(|token| token.is(";")) {
        None => Ok(body),
        Some(token) => Err(Finding {
            class: Class::Multi,
            need: Need::Never,
            word: ";".to_owned(),
            at: token.at,
            why: "separates several statements; send them one at a time".into(),
        }),
    }
}
