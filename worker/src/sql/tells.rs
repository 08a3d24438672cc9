//! `SHOW`, `DESCRIBE` and `LIST`: reads about objects, when they have that shape.
//!
//! A sentence in plain English may begin with the same words; it is no statement and is refused.

use super::Class;
use super::finding::{Finding, Need};
use super::lexer::{Kind, Token};

/// Words between `SHOW` and the plural that names what is shown.
const SHOWN_KINDS: [&str; 58] = [
    "ACCESS",
    "AGGREGATION",
    "API",
    "APPLICATION",
    "AUTHENTICATION",
    "AVAILABLE",
    "BACKUP",
    "BUILTIN",
    "CALLER",
    "CATALOG",
    "COMPUTE",
    "CORTEX",
    "DATA",
    "DATABASE",
    "DBT",
    "DELEGATED",
    "DYNAMIC",
    "EVENT",
    "EXPORTED",
    "EXTERNAL",
    "FAILOVER",
    "FILE",
    "FUTURE",
    "GIT",
    "HYBRID",
    "ICEBERG",
    "IMAGE",
    "IMPORTED",
    "INTERACTIVE",
    "JOIN",
    "MANAGED",
    "MASKING",
    "MATERIALIZED",
    "MCP",
    "METRIC",
    "NETWORK",
    "NOTIFICATION",
    "ORGANIZATION",
    "PACKAGES",
    "PASSWORD",
    "PRIMARY",
    "PRIVACY",
    "PROJECTION",
    "REPLICATION",
    "RESOURCE",
    "ROW",
    "SEARCH",
    "SECONDARY",
    "SECURITY",
    "SEMANTIC",
    "SERVICE",
    "SESSION",
    "SNAPSHOT",
    "STORAGE",
    "TAG",
    "TERSE",
    "UNIQUE",
    "USER",
];

/// Words that may follow the plural.
const SHOWN_AFTER: [&str; 17] = [
    "ASSIGNED", "FOR", "FROM", "GRANTED", "HISTORY", "IN", "LIKE", "LIMIT", "OF", "ON", "ONLY",
    "OWNED", "ROOT", "STARTS", "TO", "WITH", "WITHIN",
];

/// Kinds of things that can be described, by their first word.
const DESCRIBED: [&str; 64] = [
    "AGENT",
    "AGGREGATION",
    "ALERT",
    "API",
    "APPLICATION",
    "AUTHENTICATION",
    "AVAILABLE",
    "BACKUP",
    "CATALOG",
    "COMPUTE",
    "CONNECTION",
    "CONTACT",
    "CORTEX",
    "DATA",
    "DATABASE",
    "DBT",
    "DYNAMIC",
    "EVENT",
    "EXTERNAL",
    "FILE",
    "FUNCTION",
    "GIT",
    "HYBRID",
    "ICEBERG",
    "IMAGE",
    "INTEGRATION",
    "JOIN",
    "LISTING",
    "MASKING",
    "MATERIALIZED",
    "MCP",
    "MODEL",
    "NETWORK",
    "NOTEBOOK",
    "NOTIFICATION",
    "ORGANIZATION",
    "PASSWORD",
    "PIPE",
    "PRIVACY",
    "PROCEDURE",
    "PROJECTION",
    "ROLE",
    "ROW",
    "SCHEMA",
    "SEARCH",
    "SECRET",
    "SECURITY",
    "SEMANTIC",
    "SEQUENCE",
    "SERVICE",
    "SESSION",
    "SHARE",
    "SNAPSHOT",
    "STAGE",
    "STORAGE",
    "STREAM",
    "STREAMLIT",
    "TABLE",
    "TASK",
    "TRANSACTION",
    "TYPE",
    "USER",
    "VIEW",
    "WAREHOUSE",
];

/// What is wrong with a `SHOW`, `DESCRIBE` or `LIST`, if anything.
pub(super) fn check(tokens: &[Token<'_>]) -> Option<Finding> {
    let first = tokens[0];
    let rest = &tokens[1..];
    let wrong = |why: &'static str| Finding::invalid(first.text, first.at, why);
    if first.is("SHOW") {
        return (!shows(rest)).then(|| wrong("shows nothing by that name"));
    }
    if first.is_one_of(&["LIST", "LS"]) {
        return (!lists(rest)).then(|| wrong("lists files of a stage: LIST @stage"));
    }
    match rest.first() {
        Some(result) if result.is("RESULT") => Some(Finding {
            class: Class::Session,
            need: Need::Never,
            word: "RESULT".to_owned(),
            at: result.at,
            why: "shows what another client of this session asked for".into(),
        }),
        Some(_) | None => {
            (!describes(rest)).then(|| wrong("needs what is described: DESCRIBE TABLE name"))
        }
    }
}

fn shows(rest: &[Token<'_>]) -> bool {
    let Some(noun) = rest.iter().position(|token| !token.is_one_of(&SHOWN_KINDS)) else {
        return false;
    };
    let plural = rest[noun].kind == Kind::Word && rest[noun].text.ends_with(['s', 'S']);
    plural && rest.get(noun + 1).is_none_or(|token| token.is_one_of(&SHOWN_AFTER))
}

fn lists(rest: &[Token<'_>]) -> bool {
    rest.first().is_some_and(|token| match token.kind {
        Kind::Stage => true,
        Kind::Text => token.text.starts_with("'@"),
        Kind::Word
        | Kind::Quoted
        | Kind::Number
        | Kind::Variable
        | Kind::Symbol
        | Kind::Placeholder => false,
    })
}

/// A kind and a name, or a name alone.
fn describes(rest: &[Token<'_>]) -> bool {
    let kind = rest.len() > 1 && rest[0].is_one_of(&DESCRIBED);
    let part = |(n, token): (usize, &Token<'_>)| {
        if n % 2 == 0 { token.name().is_some() } else { token.is(".") }
    };
    kind || (!rest.is_empty() && rest.iter().enumerate().all(part))
}
