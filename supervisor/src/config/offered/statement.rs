//! The parameters in a statement: `:name` outside texts, quoted names and comments.
//!
//! By the rules of Snowflake's SQL as far as they decide what is a text and what a comment; nothing
//! else of the language is known here.

use std::collections::BTreeSet;

use super::super::file::Node;
use super::super::keys::nearest;
use super::super::problem::Report;
use super::super::section::Section;

/// Notes parameters that are not declared, and declared ones that the statement lacks.
pub(super) fn check(statement: &str, (node, tool): (&Node, Section<'_>), report: &mut Report) {
    let written = names(statement);
    let declared = tool.section("parameters").members();
    let declared_names = || declared.iter().map(|(name, _)| *name);
    for name in &written {
        if declared_names().any(|declared| declared == *name) {
            continue;
        }
        let remedy = match nearest(name, declared_names()) {
            Some(meant) => format!("did you mean `:{meant}`?"),
            None => format!("declare it: write [{}.parameters.{name}]", tool.nearest.key),
        };
        let words = format!("`:{name}` is no parameter of this tool; {remedy}");
        report.add(&node.key, node.place, words);
    }
    for (name, parameter) in &declared {
        if !written.contains(name) {
            let table = parameter.nearest;
            let words = format!(
                "the statement has no `:{name}`; write it where the value belongs, or remove this \
                 parameter"
            );
            report.add(&table.key, table.place, words);
        }
    }
}

/// The names of the parameters in a statement.
fn names(statement: &str) -> BTreeSet<&str> {
    let mut names = BTreeSet::new();
    let mut at = 0;
    while let Some(next) = statement[at..].chars().next() {
        let rest = &statement[at..];
        if let Some(length) = skipped(rest) {
            at += length;
            continue;
        }
        if next == ':' {
            let name = &rest[1..1 + word(&rest[1..])];
            let before = statement[..at].chars().next_back();
            if !name.is_empty() && !before.is_some_and(is_operand_end) {
                names.insert(name);
            }
            // The second colon of a cast is none of a parameter.
            at += 1 + name.len() + usize::from(rest[1..].starts_with(':'));
            continue;
        }
        at += next.len_utf8();
    }
    names
}

/// How long the text, quoted name or comment is that begins here; none when none does. One that
/// does not end goes to the end: the worker's gate says what is wrong with it.
fn skipped(rest: &str) -> Option<usize> {
    let to = |open: usize, close: &str| {
        Some(rest[open..].find(close).map_or(rest.len(), |at| open + at + close.len()))
    };
    match rest.as_bytes() {
        [b'-', b'-', ..] | [b'/', b'/', ..] => to(2, "\n"),
        [b'/', b'*', ..] => to(2, "*/"),
        [b'$', b'$', ..] => to(2, "$$"),
        [b'"', ..] => to(1, "\""),
        [b'\'', ..] => {
            let mut escaped = false;
            let end = rest.bytes().enumerate().skip(1).find(|(_, byte)| {
                let ends = *byte == b'\'' && !escaped;
                escaped = *byte == b'\\' && !escaped;
                ends
            });
            Some(end.map_or(rest.len(), |(at, _)| at + 1))
        }
        _ => None,
    }
}

/// The length of the name that begins here.
fn word(rest: &str) -> usize {
    match rest.chars().next() {
        Some(first) if first.is_ascii_alphabetic() || first == '_' => {
            let part = |c: char| c.is_ascii_alphanumeric() || c == '_';
            rest.find(|c| !part(c)).unwrap_or(rest.len())
        }
        Some(_) | None => 0,
    }
}

/// Whether a colon behind this leads into a value (`column:key`), and is no parameter.
fn is_operand_end(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '_' | '$' | '"' | ')' | ']')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_found_where_they_are_and_nowhere_else() {
        for (statement, expected) in [
            ("SELECT * FROM t WHERE a = :a AND b>:b_2 LIMIT :n", vec!["a", "b_2", "n"]),
            ("SELECT :a, (:b), [:c]", vec!["a", "b", "c"]),
            ("SELECT x:y.z, x:y::date, \"X\":k, f(x):k, x[0]:k, :a::date", vec!["a"]),
            ("SELECT ':a', 'it''s :b', '\\':c', \":d\", $$ :e $$", vec![]),
            ("SELECT 1 -- :a\n// :b\n/* :c */ + :d", vec!["d"]),
            ("SELECT 'é' || :a", vec!["a"]),
            ("SELECT :1, : a, :", vec![]),
            ("SELECT ':a", vec![]),
        ] {
            assert_eq!(names(statement).into_iter().collect::<Vec<_>>(), expected, "{statement}");
        }
    }
}
