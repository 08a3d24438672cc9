//! What must hold for any statement, tried on every labelled one: how it is written is no matter,
//! and two of them are never one.

use super::lexer::{Kind, lex};
use super::{Class, Level, decide};

struct Case {
    sql: String,
    class: String,
    allow_readonly: bool,
}

const LEVELS: [Level; 3] = [Level::Read, Level::Write, Level::Destructive];

/// What may stand between two tokens and means nothing.
const BETWEEN: [&str; 9] = [
    " ",
    "\n",
    "\t\t",
    "\r\n",
    " /**/ ",
    " /* a ' b \" c $$ ; -- d */ ",
    " -- e ' \" $$ /* ; ->>\n",
    " // f ' \" $$ */ ;\n",
    "\n/* g\n\nh */\n",
];

fn cases() -> Vec<Case> {
    let files = [
        include_str!("../../tests/data/sql_corpus.jsonl"),
        include_str!("../../tests/data/sql_more.jsonl"),
        include_str!("../../tests/data/sql_own.jsonl"),
    ];
    let lines = files.iter().flat_map(|file| file.lines());
    let case = |line: &str| {
        let case: serde_json::Value = serde_json::from_str(line).expect("a line is a case");
        let text = |key: &str| case[key].as_str().expect("a text").to_owned();
        let allow_readonly = case["allow_readonly"] == true;
        Case { sql: text("sql"), class: text("class"), allow_readonly }
    };
    lines.map(case).collect()
}

/// The statement with something else between its tokens, and its words in another case.
fn dressed(sql: &str, turn: usize) -> Option<String> {
    let tokens = lex(sql).ok()?.tokens;
    let mut text = BETWEEN[turn % BETWEEN.len()].to_owned();
    for (n, token) in tokens.iter().enumerate() {
        match (token.kind, (turn + n) % 3) {
            (Kind::Word, 0) => text.push_str(&token.text.to_ascii_lowercase()),
            (Kind::Word, 1) => text.push_str(&token.text.to_ascii_uppercase()),
            _ => text.push_str(token.text),
        }
        text.push_str(BETWEEN[(turn + 7 * n) % BETWEEN.len()]);
    }
    Some(text)
}

#[test]
fn how_a_statement_is_written_decides_nothing() {
    let mut tried = 0;
    for case in cases() {
        // Oddities lie in what is between tokens, or in a word that is cut in two here.
        let odd = lex(&case.sql).is_ok_and(|lexed| lexed.oddity.is_some());
        for turn in 0..BETWEEN.len() {
            let Some(dressed) = dressed(&case.sql, turn).filter(|_| !odd) else { break };
            for level in LEVELS {
                let plain = decide(&case.sql, level);
                let other = decide(&dressed, level);
                assert_eq!(
                    (other.class(), other.is_allowed()),
                    (plain.class(), plain.is_allowed()),
                    "{:?} and {dressed:?}",
                    case.sql
                );
            }
            tried += 1;
        }
    }
    assert!(tried > 9_000, "{tried} were tried");
}

#[test]
fn what_is_refused_stays_refused_in_brackets_behind_a_link_and_with_a_second_one() {
    for case in cases().iter().filter(|case| !case.allow_readonly) {
        let sql = &case.sql;
        let others = [
            format!("({sql})"),
            format!("SELECT 1 ->> {sql}"),
            format!("{sql}\n->> SELECT 1"),
            format!("{sql}\n;"),
            format!("{sql}\n; SELECT 1"),
            format!("SELECT 1; {sql}"),
            format!("WITH a AS (SELECT 1) {sql}"),
            format!("WITH a AS ({sql}\n) SELECT 1"),
            format!("SELECT * FROM ({sql}\n)"),
        ];
        for other in others {
            // Brackets can close what the statement left open, a comment can swallow it all, and
            // `(commit)` and `(set (a))` are a name and a call.
            let harmful = case.class != "invalid" && case.class != "read";
            let words = sql.split([' ', ';']).filter(|word| !word.is_empty()).count();
            let a_call = ["SET (", "UNSET (", "EXPLAIN "].iter().any(|head| sql.starts_with(head));
            let plain = !sql.contains("--") && !sql.contains("//") && words > 1 && !a_call;
            let allowed = decide(&other, Level::Read).is_allowed();
            assert!(!(harmful && plain && allowed), "{other:?}");
        }
    }
}

#[test]
fn two_that_are_allowed_are_refused_together_at_any_level() {
    let allowed: Vec<Case> = cases().into_iter().filter(|case| case.allow_readonly).collect();
    for (n, first) in allowed.iter().enumerate() {
        let second = &allowed[(n * 31 + 7) % allowed.len()];
        let first = first.sql.trim_end().trim_end_matches(';');
        for joined in [format!("{first}\n;{}", second.sql), format!("{first}\n;;{}", second.sql)] {
            for level in LEVELS {
                let decision = decide(&joined, level);
                assert!(!decision.is_allowed(), "{joined:?}");
                assert_eq!(decision.class(), Class::Multi, "{joined:?}");
            }
        }
    }
}
