//! `SHOW`, `DESCRIBE` and `LIST`: reads about objects, when they have that shape.
//!
//! A sentence in plain English may begin with the same words; it is no statement and is refused.

use super::Class;
use super::finding::{Finding, Need};
use super::lexer::{Kind, Token};

/// Words between `SHOW` and the plural that names what is shown.
const SHOWN_KINDS: [&str; 84] = [
    "ACCESS",
    "AGGREGATE",
    "AGGREGATION",
    "API",
    "APPLICATION",
    "ARTIFACT",
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
    "DCM",
    "DELEGATED",
    "DYNAMIC",
    "EVENT",
    "EXPERIMENT",
    "EXPORTED",
    "EXTERNAL",
    "FAILOVER",
    "FEATURE",
    "FILE",
    "FUTURE",
    "GIT",
    "GLOBAL",
    "HYBRID",
    "ICEBERG",
    "IDENTITY",
    "IMAGE",
    "IMPORTED",
    "INTERACTIVE",
    "JOIN",
    "LIFECYCLE",
    "LISTING",
    "MAINTENANCE",
    "MANAGED",
    "MASKING",
    "MATERIALIZED",
    "MCP",
    "METRIC",
    "MFA",
    "MODEL",
    "NETWORK",
    "NOTEBOOK",
    "NOTIFICATION",
    "ONLINE",
    "OPENFLOW",
    "ORGANIZATION",
    "PACKAGES",
    "PASSWORD",
    "PLANE",
    "POSTGRES",
    "PRICING",
    "PRIMARY",
    "PRIVACY",
    "PROGRAMMATIC",
    "PROJECTION",
    "PROVISIONED",
    "RELEASE",
    "REPLICATION",
    "RESOURCE",
    "ROW",
    "SEARCH",
    "SECONDARY",
    "SECURITY",
    "SEMANTIC",
    "SERVICE",
    "SESSION",
    "SHARED",
    "SNAPSHOT",
    "STORAGE",
    "TABLE",
    "TAG",
    "TELEMETRY",
    "TERSE",
    "UNIQUE",
    "USER",
    "WORKLOAD",
    "WORKSPACE",
];

/// Words that may follow the plural.
const SHOWN_AFTER: [&str; 17] = [
    "ASSIGNED", "FOR", "FROM", "GRANTED", "HISTORY", "IN", "LIKE", "LIMIT", "OF", "ON", "ONLY",
    "OWNED", "ROOT", "STARTS", "TO", "WITH", "WITHIN",
];

/// Kinds of things that can be described, by their first word.
const DESCRIBED: [&str; 84] = [
    "AGENT",
    "AGGREGATION",
    "ALERT",
    "API",
    "APPLICATION",
    "ARTIFACT",
    "AUTHENTICATION",
    "AVAILABLE",
    "BACKUP",
    "CATALOG",
    "CHANNEL",
    "CLASS",
    "COMPUTE",
    "CONNECTION",
    "CONTACT",
    "CORTEX",
    "DATA",
    "DATABASE",
    "DATASET",
    "DBT",
    "DCM",
    "DYNAMIC",
    "EVENT",
    "EXPERIMENT",
    "EXTERNAL",
    "FAILOVER",
    "FEATURE",
    "FILE",
    "FUNCTION",
    "GATEWAY",
    "GIT",
    "HYBRID",
    "ICEBERG",
    "IMAGE",
    "INTEGRATION",
    "INTERACTIVE",
    "JOIN",
    "LISTING",
    "MAINTENANCE",
    "MASKING",
    "MATERIALIZED",
    "MCP",
    "MODEL",
    "NETWORK",
    "NOTEBOOK",
    "NOTIFICATION",
    "ONLINE",
    "OPENFLOW",
    "ORGANIZATION",
    "PASSWORD",
    "PIPE",
    "POSTGRES",
    "PRIVACY",
    "PROCEDURE",
    "PROJECTION",
    "PROVISIONED",
    "REPLICATION",
    "RESOURCE",
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
    "TAG",
    "TASK",
    "TELEMETRY",
    "TRANSACTION",
    "TYPE",
    "USER",
    "VIEW",
    "WAREHOUSE",
    "WORKSPACE",
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
    let kinds = rest.iter().take_while(|token| token.is_one_of(&SHOWN_KINDS)).count();
    // `PACKAGES` is a kind in `PACKAGES POLICIES` and what is shown in `APPLICATION PACKAGES`.
    let at = |noun: usize| rest.get(noun).is_some_and(is_plural) && goes_on(rest, noun + 1);
    at(kinds) || (kinds > 0 && at(kinds - 1)) || shows_a_class(rest)
}

fn is_plural(token: &Token<'_>) -> bool {
    token.kind == Kind::Word && token.text.ends_with(['s', 'S'])
}

/// Whether nothing comes, or a clause that a `SHOW` can have.
fn goes_on(rest: &[Token<'_>], at: usize) -> bool {
    rest.get(at).is_none_or(|token| token.is_one_of(&SHOWN_AFTER))
}

/// `SNOWFLAKE.ML.FORECAST`, with `INSTANCES` or without: objects of a class, by its full name.
fn shows_a_class(rest: &[Token<'_>]) -> bool {
    let part = |at: usize| rest.get(at).is_some_and(|token| token.name().is_some());
    let dot = |at: usize| rest.get(at).is_some_and(|token| token.is("."));
    if !(part(0) && dot(1) && part(2) && dot(3) && part(4)) {
        return false;
    }
    let instances = rest.get(5).is_some_and(|token| token.is("INSTANCES"));
    goes_on(rest, if instances { 6 } else { 5 })
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
