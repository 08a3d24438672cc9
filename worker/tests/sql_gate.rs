//! The read-only gate against every labelled statement, and against mutations of them.
//!
//! `sql_corpus.jsonl` is the corpus that the promise names; `sql_more.jsonl` holds ways around the
//! gate that were thought of later, `sql_own.jsonl` every kind of statement that can be thought of.
//! A new way around it becomes a line there first.

use std::collections::BTreeMap;

use sqlparser::ast::{SetExpr, Statement};
use sqlparser::dialect::SnowflakeDialect;
use sqlparser::parser::Parser as SqlParser;

use mcp_worker::sql::{Class, Decision, Level, STATEMENT_BYTES_MAX, decide};

/// One labelled statement.
#[derive(serde::Deserialize)]
struct Case {
    sql: String,
    class: String,
    allow_readonly: bool,
    why: String,
}

const CORPUS: &str = include_str!("data/sql_corpus.jsonl");
const MORE: &str = include_str!("data/sql_more.jsonl");
const OWN: &str = include_str!("data/sql_own.jsonl");

fn cases(file: &str) -> Vec<Case> {
    file.lines().map(|line| serde_json::from_str(line).expect("a line is a case")).collect()
}

fn all_cases() -> Vec<Case> {
    [CORPUS, MORE, OWN].into_iter().flat_map(cases).collect()
}

fn short(sql: &str) -> String {
    sql.chars().take(120).collect()
}

fn reason(sql: &str, level: Level) -> String {
    match decide(sql, level) {
        Decision::Refused { reason, .. } => reason,
        Decision::Allowed { class } => panic!("`{sql}` was allowed as {class}"),
    }
}

fn assert_as_labelled(file: &str) {
    let mut wrong = Vec::new();
    for case in cases(file) {
        let decision = decide(&case.sql, Level::Read);
        if decision.is_allowed() != case.allow_readonly || decision.class().as_str() != case.class {
            wrong.push(format!("{:?} ({}): {decision:?}", short(&case.sql), case.why));
        }
    }
    assert!(wrong.is_empty(), "{} decided otherwise:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_corpus_is_decided_as_labelled() {
    assert_eq!(cases(CORPUS).len(), 285);
    assert_as_labelled(CORPUS);
}

#[test]
fn the_further_cases_are_decided_as_labelled() {
    assert!(cases(MORE).len() >= 60);
    assert_as_labelled(MORE);
    assert!(cases(OWN).len() >= 1_000);
    assert_as_labelled(OWN);
}

/// Whether another one's parser sees a query and nothing that changes something.
fn is_query(body: &SetExpr) -> bool {
    match body {
        SetExpr::Select(select) => select.into.is_none(),
        SetExpr::Query(query) => is_query(&query.body),
        SetExpr::SetOperation { left, right, .. } => is_query(left) && is_query(right),
        SetExpr::Values(_) | SetExpr::Table(_) => true,
        SetExpr::Insert(_) | SetExpr::Update(_) | SetExpr::Delete(_) | SetExpr::Merge(_) => false,
    }
}

fn assert_harmless_to_another_parser(sql: &str) {
    let Ok(parsed) = SqlParser::parse_sql(&SnowflakeDialect {}, sql) else { return };
    assert!(parsed.len() <= 1, "several statements: {sql:?}");
    let Some(statement) = parsed.first() else { return };
    let words = format!("{statement:?}");
    let kind: String = words.chars().take_while(|c| c.is_alphanumeric()).collect();
    let tells =
        ["Show", "Explain", "List", "LS", "Describe"].iter().any(|tell| kind.starts_with(tell));
    let harmless = match statement {
        Statement::Query(query) => is_query(&query.body),
        _ => tells,
    };
    assert!(harmless, "{kind} was taken for a read: {sql:?}");
}

#[test]
fn a_parser_that_somebody_else_wrote_finds_no_change_in_what_is_allowed() {
    let cases = all_cases();
    let mut dice = Dice(0xcafe);
    for case in cases.iter().filter(|case| case.allow_readonly) {
        assert_harmless_to_another_parser(&case.sql);
    }
    for _ in 0..20_000 {
        let case = &cases[dice.below(cases.len())];
        let other = &cases[dice.below(cases.len())];
        let mutated = mutate(&case.sql, &other.sql, &mut dice);
        if decide(&mutated, Level::Read).is_allowed() {
            assert_harmless_to_another_parser(&mutated);
        }
    }
}

#[test]
fn a_refusal_names_the_word_its_place_and_the_way_out() {
    let told = reason("SELECT 1\n ->> drop TABLE secret_t", Level::Read);
    assert!(told.starts_with("`DROP` (line 2, column 6)"), "{told}");
    assert!(told.contains("SHOW"), "{told}");
    assert!(!told.contains("secret_t"), "{told}");
    assert!(reason("SELECT 1; SELECT 2", Level::Read).contains("one statement a call"));
    assert!(reason("USE ROLE r", Level::Read).contains("`schema` parameters"));
    assert!(reason("SELECT 'a", Level::Read).contains("does not end"));
    assert!(reason("TRUNCATE t", Level::Write).contains("removes and replaces nothing"));
    assert!(reason("GRANT ROLE r TO USER u", Level::Destructive).contains("no level"));
}

#[test]
fn a_refusal_is_short_and_holds_no_control_character() {
    let long = format!("{}\u{1b}[2K", "x".repeat(100_000));
    for sql in [long.as_str(), "SELECT 1\u{1b}[2K", "SELECT \"SYSTEM$\u{1b}[2K\"()"] {
        let told = reason(sql, Level::Read);
        assert!(told.len() < 400 && !told.chars().any(char::is_control), "{told}");
    }
}

#[test]
fn each_level_allows_what_it_says_and_all_below() {
    let from = |sql: &str| {
        [Level::Read, Level::Write, Level::Destructive]
            .into_iter()
            .find(|level| decide(sql, *level).is_allowed())
    };
    for sql in ["SELECT 1", "SHOW TABLES", "EXPLAIN DELETE FROM t"] {
        assert_eq!(from(sql), Some(Level::Read), "{sql}");
    }
    let writes = [
        "INSERT INTO t SELECT s.NEXTVAL FROM u",
        "WITH a AS (SELECT 1) DELETE FROM t USING a",
        "MERGE INTO t USING s ON t.i = s.i WHEN MATCHED THEN UPDATE SET a = 1",
        "COPY INTO t FROM @s",
        "CREATE TABLE t AS SELECT 1 a",
        "COMMENT ON TABLE t IS 'x'",
        "SELECT s.NEXTVAL",
    ];
    for sql in writes {
        assert_eq!(from(sql), Some(Level::Write), "{sql}");
    }
    let destroys =
        ["DROP TABLE t", "TRUNCATE t", "CREATE OR REPLACE TABLE t (a INT)", "CALL p()", "RM @s/a"];
    for sql in destroys {
        assert_eq!(from(sql), Some(Level::Destructive), "{sql}");
    }
    let never = [
        "USE ROLE r",
        "ALTER USER u SET PASSWORD = 'x'",
        "EXECUTE IMMEDIATE 'DROP TABLE t'",
        "INSERT INTO t SELECT SYSTEM$WAIT(1)",
        "INSERT INTO t VALUES ({{ a }})",
        "DELETE FROM t; SELECT 1",
        "DELETE FROM t ->> USE ROLE r",
        "UPDATE t SET a = (DELETE FROM u)",
        "PUT 'file:///a' @s",
        "GET @s 'file:///a'",
        "BEGIN DELETE FROM t; END",
        "DELETE\u{a0}FROM t",
        "INSERT INTO t (SELECT 1",
    ];
    for sql in never {
        assert_eq!(from(sql), None, "{sql}");
    }
}

#[test]
fn limits_refuse_before_anything_can_overflow() {
    let refused = |sql: &str| {
        let decision = decide(sql, Level::Destructive);
        assert_eq!(decision.class(), Class::Invalid, "{}", short(sql));
        assert!(!decision.is_allowed());
    };
    let nest = |open: &str, close: &str, times: usize| {
        format!("SELECT {}1{}", open.repeat(times), close.repeat(times))
    };
    refused(&nest("(", ")", 10_000));
    refused(&nest("[", "]", 10_000));
    refused(&nest("{'a': ", "}", 10_000));
    refused(&nest("CASE WHEN a THEN ", " END", 10_000));
    refused(&nest("(SELECT ", ")", 10_000));
    refused(&format!("SELECT {}1", "- ".repeat(10_000)));
    refused(&format!("SELECT {}TRUE", "NOT ".repeat(100)));
    refused(&format!("SELECT 1{}", " + 1".repeat(10_000)));
    refused(&format!("SELECT 1{}", " UNION ALL SELECT 1".repeat(10_000)));
    refused(&"(".repeat(STATEMENT_BYTES_MAX));
    refused(&"EXPLAIN ".repeat(10_000));
    refused(&format!("WITH {} SELECT 1", "a AS (SELECT 1), ".repeat(10_000)));
    refused(&format!("SELECT 1 {}", " ".repeat(STATEMENT_BYTES_MAX)));

    // Each verb is looked at once, so the longest heap of them is decided at once too.
    for unit in ["ALTER ", "(CREATE OR ", "->> DROP TABLE ", "s.NEXTVAL, ", "WITH a AS (", "a$$ "] {
        let heap = format!("SELECT {}", unit.repeat(STATEMENT_BYTES_MAX / unit.len() - 7));
        assert!(!decide(&heap, Level::Destructive).is_allowed() || unit.starts_with('s'));
    }

    let longest = format!("SELECT '{}'", "x".repeat(STATEMENT_BYTES_MAX - 9));
    assert_eq!(longest.len(), STATEMENT_BYTES_MAX);
    assert!(decide(&longest, Level::Read).is_allowed());
    assert!(!decide(&format!("{longest} "), Level::Read).is_allowed());
    assert!(decide(&nest("(", ")", 100), Level::Read).is_allowed());
    let list = format!("SELECT * FROM t WHERE a IN (1{})", ", 1".repeat(16_000));
    assert!(decide(&list, Level::Read).is_allowed());
}

#[test]
fn what_is_refused_stays_refused_with_other_case_and_comments_between() {
    let refused = all_cases().into_iter().filter(|case| !case.allow_readonly);
    for case in refused.filter(|case| case.class != "invalid") {
        // A line break in a comment or a text may give another statement, so those are left out.
        let plain = !["--", "//", "/*", "'", "\""].iter().any(|mark| case.sql.contains(mark));
        for between in ["/**/", " \n ", " /* a ' b */ ", "\t-- '\n", "// \"\n"] {
            let dressed = case.sql.replace(' ', between);
            assert!(!plain || !decide(&dressed, Level::Read).is_allowed(), "{:?}", short(&dressed));
        }
        for dressed in [case.sql.to_lowercase(), case.sql.to_uppercase()] {
            assert!(!decide(&dressed, Level::Read).is_allowed(), "{:?}", short(&dressed));
        }
        let opened = format!("({})", case.sql);
        assert!(!decide(&opened, Level::Read).is_allowed(), "{:?}", short(&opened));
    }
}

#[test]
fn two_allowed_statements_are_refused_together() {
    let allowed: Vec<Case> = all_cases().into_iter().filter(|case| case.allow_readonly).collect();
    for (first, second) in allowed.iter().zip(allowed.iter().rev()) {
        let joined = format!("{}\n;\n{}", first.sql.trim_end().trim_end_matches(';'), second.sql);
        assert_eq!(decide(&joined, Level::Read).class(), Class::Multi, "{joined:?}");
        assert!(!decide(&joined, Level::Read).is_allowed());
    }
}

/// SplitMix64: small, seeded, the same on every machine.
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end.max(1)).expect("a length fits");
        usize::try_from(self.next() % end).expect("a remainder fits")
    }
}

const PIECES: [&str; 34] = [
    "'",
    "\"",
    "$$",
    "$",
    ";",
    "--",
    "//",
    "/*",
    "*/",
    "->>",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    "@s",
    "\\",
    "\n",
    "\r",
    " ",
    "\0",
    "\u{2028}",
    "\u{200b}",
    "\u{ff1b}",
    "SELECT ",
    "DROP ",
    "DELETE ",
    " FROM t",
    "WITH a AS (",
    "EXPLAIN ",
    "IDENTIFIER(",
    "SYSTEM$WAIT(1)",
    ".NEXTVAL",
];

/// A statement with one to four edits: a piece put in, a stretch taken out, or another's tail.
fn mutate(sql: &str, other: &str, dice: &mut Dice) -> String {
    let mut text: Vec<char> = sql.chars().take(400).collect();
    for _ in 0..=dice.below(4) {
        let at = dice.below(text.len() + 1);
        match dice.below(3) {
            0 => {
                let piece = PIECES[dice.below(PIECES.len())];
                text.splice(at..at, piece.chars());
            }
            1 => {
                let end = (at + dice.below(6)).min(text.len());
                text.drain(at..end);
            }
            _ => {
                let tail: Vec<char> = other.chars().take(400).collect();
                let from = dice.below(tail.len() + 1);
                text.truncate(at);
                text.extend(&tail[from..]);
            }
        }
    }
    text.into_iter().collect()
}

const HARM: [&str; 24] = [
    "INSERT", "UPDATE", "DELETE", "MERGE", "TRUNCATE", "COPY", "PUT", "GET", "REMOVE", "CALL",
    "EXECUTE", "CREATE", "ALTER", "DROP", "UNDROP", "COMMENT", "GRANT", "REVOKE", "USE", "SET",
    "BEGIN", "DECLARE", "COMMIT", "ROLLBACK",
];

fn begins_with_harm(sql: &str) -> bool {
    let word_part = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let start = sql.trim_start_matches([' ', '\t', '\r', '\n', '(']);
    let word = &start[..start.find(|c| !word_part(c)).unwrap_or(start.len())];
    HARM.iter().any(|harm| word.eq_ignore_ascii_case(harm))
}

#[test]
fn twenty_thousand_mutations_neither_panic_nor_slip_through() {
    let cases = all_cases();
    let mut dice = Dice(0x5eed);
    let mut seen: BTreeMap<&str, u32> = BTreeMap::new();
    let mut harmful = 0;
    for _ in 0..20_000 {
        let case = &cases[dice.below(cases.len())];
        let other = &cases[dice.below(cases.len())];
        let mutated = mutate(&case.sql, &other.sql, &mut dice);
        let decision = decide(&mutated, Level::Read);
        *seen.entry(decision.class().as_str()).or_default() += 1;
        if begins_with_harm(&mutated) {
            harmful += 1;
            assert!(!decision.is_allowed(), "{mutated:?}");
        }
        if mutated.contains('\0') {
            assert!(!decision.is_allowed(), "{mutated:?}");
        }
        let highest = decide(&mutated, Level::Destructive);
        assert!(highest.is_allowed() || !decision.is_allowed(), "{mutated:?}");
    }
    assert!(harmful > 2_000, "the fuzzer lost its bite: {harmful} harmful mutations");
    assert_eq!(seen.len(), 7, "a class was never met: {seen:?}");
}
