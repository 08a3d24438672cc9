//! Where a statement takes values that come beside its text: `?`, and `:name`, which becomes `?`.
//!
//! Only tokens are looked at, so a `?` in a text, a comment or a quoted name stays what it is. A
//! value never comes here: it is not text of the statement, and so nothing that the gate must read.

use super::lexer::{Kind, Token, lex};

/// Words after which a value can stand. After any other name a colon begins a path: `data:field`.
const BEFORE_VALUE: [&str; 30] = [
    "ALL", "AND", "ANY", "BETWEEN", "BY", "CASE", "DISTINCT", "ELSE", "ESCAPE", "FETCH", "FIRST",
    "FROM", "HAVING", "ILIKE", "IN", "LIKE", "LIMIT", "NEXT", "NOT", "OFFSET", "ON", "OR",
    "QUALIFY", "REGEXP", "RLIKE", "SELECT", "SET", "THEN", "WHEN", "WHERE",
];

/// A statement with `?` wherever it takes a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Places {
    /// Its text.
    pub statement: String,
    /// The names that stood there, in order; none for each `?` of its own.
    pub names: Vec<Option<String>>,
}

/// Finds the places of values. A text that is no statement has none: the gate says why.
#[must_use]
pub fn places(statement: &str) -> Places {
    let mut found = Places { statement: String::with_capacity(statement.len()), names: Vec::new() };
    let tokens = lex(statement).map(|lexed| lexed.tokens).unwrap_or_default();
    // There a question mark says how often something is repeated.
    let is_pattern = tokens.iter().any(|token| token.is("MATCH_RECOGNIZE"));
    let mut copied = 0;
    for (index, token) in tokens.iter().enumerate() {
        if token.is("?") && !is_pattern {
            found.names.push(None);
        } else if let Some(name) = name_at(&tokens, index) {
            found.statement.push_str(&statement[copied..token.at]);
            found.statement.push('?');
            copied = name.at + name.text.len();
            found.names.push(Some(name.text.to_owned()));
        }
    }
    found.statement.push_str(&statement[copied..]);
    found
}

/// The name of the value whose place begins at an index.
fn name_at<'t, 'a>(tokens: &'t [Token<'a>], index: usize) -> Option<&'t Token<'a>> {
    let colon = tokens.get(index).filter(|token| token.is(":"))?;
    let name = tokens.get(index + 1).filter(|token| token.kind == Kind::Word)?;
    let before = tokens.get(index.checked_sub(1)?)?;
    let can_stand = match before.kind {
        Kind::Symbol => !before.is_one_of(&[")", "]", "}", ".", ":"]),
        Kind::Word => before.at + before.text.len() < colon.at && before.is_one_of(&BEFORE_VALUE),
        Kind::Quoted
        | Kind::Text
        | Kind::Number
        | Kind::Variable
        | Kind::Stage
        | Kind::Placeholder => false,
    };
    (can_stand && name.at == colon.at + 1).then_some(name)
}

/// Makes each `?` a place for a value.
pub(super) fn mark(tokens: &mut [Token<'_>]) {
    for token in tokens {
        if token.is("?") {
            token.kind = Kind::Placeholder;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::{Level, decide, decide_bound};

    fn named(statement: &str) -> (String, Vec<String>) {
        let Places { statement, names } = places(statement);
        (statement, names.into_iter().map(|name| name.unwrap_or_else(|| "?".to_owned())).collect())
    }

    #[test]
    fn names_become_places_in_their_order() {
        let (statement, names) =
            named("select :a, f(:b) from t where x = :a and y in (:c, ?) limit :d");
        assert_eq!(statement, "select ?, f(?) from t where x = ? and y in (?, ?) limit ?");
        assert_eq!(names, ["a", "b", "a", "c", "?", "d"]);
    }

    #[test]
    fn paths_casts_texts_and_comments_are_no_places() {
        for statement in [
            "select v:name, v :name, v[0]:name, \"V\":name, f(x):name from t",
            "select x::date, ':name', \":name\", $$ ? :name $$ from t -- ? :name",
            "select * from t match_recognize(pattern (a? b))",
        ] {
            assert_eq!(named(statement), (statement.to_owned(), Vec::new()), "{statement}");
        }
    }

    #[test]
    fn a_place_passes_the_gate_where_a_value_may_stand_and_nowhere_else() {
        for fine in ["select ?", "select * from t where a = ? limit ?", "select f(?, ?)"] {
            assert!(decide_bound(fine, Level::Read).is_allowed(), "{fine}");
            assert!(!decide(fine, Level::Read).is_allowed(), "{fine} without values");
        }
        for hidden in [
            "select * from table(?)",
            "select * from identifier(?)",
            "select identifier(?)(1)",
            "execute immediate ?",
            "select 1; select ?",
            "delete from t where a = ?",
        ] {
            assert!(!decide_bound(hidden, Level::Read).is_allowed(), "{hidden}");
        }
        assert!(decide_bound("insert into t values (?)", Level::Write).is_allowed());
    }
}
