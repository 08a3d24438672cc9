//! Any text as a statement: always a decision, soon, and one that hangs together.
//!
//! The gate is pure and stands alone, so its source is taken in as it is: what is tried is built in
//! seconds, without the rest of the worker.

#![no_main]

use libfuzzer_sys::fuzz_target;

use sql::{Class, Decision, Level};

#[path = "../../worker/src/sql/mod.rs"]
#[allow(dead_code, unreachable_pub, reason = "only what decides is asked here")]
mod sql;

const LEVELS: [Level; 3] = [Level::Read, Level::Write, Level::Destructive];

/// Verbs that no level of reading lets begin a statement.
const HARM: [&str; 24] = [
    "INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "COPY", "PUT", "GET", "REMOVE", "CALL",
    "EXECUTE", "CREATE", "ALTER", "DROP", "UNDROP", "COMMENT", "GRANT", "REVOKE", "USE", "SET",
    "BEGIN", "DECLARE", "COMMIT", "ROLLBACK",
];

fuzz_target!(|bytes: &[u8]| {
    let decisions = LEVELS.map(|level| sql::decide_bytes(bytes, level));
    for decision in &decisions {
        if let Decision::Refused { reason, .. } = decision {
            assert!(reason.len() < 600 && !reason.chars().any(char::is_control), "{reason:?}");
        }
    }
    let [read, write, destructive] = decisions.map(|decision| decision.is_allowed());
    assert!(read <= write && write <= destructive, "a higher level allows less");

    let Ok(text) = std::str::from_utf8(bytes) else {
        assert!(!destructive, "what is not UTF-8 was allowed");
        return;
    };
    let _ = sql::databases(text);
    let start = text.trim_start_matches([' ', '\t', '\r', '\n', '(']);
    let word: String = start.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
    if HARM.iter().any(|harm| word.eq_ignore_ascii_case(harm))
        && !start[word.len()..].starts_with('$')
    {
        assert!(!read, "a verb that changes something was taken for a read");
    }
    if !destructive {
        return;
    }
    if text.contains(';') {
        return;
    }
    for level in LEVELS {
        let alone = sql::decide(text, level);
        let dressed = sql::decide(&format!("\n/* a */ -- '\n{text}\n/* ; */;\n-- b"), level);
        assert_eq!(dressed.class(), alone.class());
        assert_eq!(dressed.is_allowed(), alone.is_allowed());
        let twice = sql::decide(&format!("{text}\n;{text}"), level);
        assert!(!twice.is_allowed() && twice.class() == Class::Multi, "two passed as one");
    }
});
