//! The word that a statement begins with, for whoever counts statements.
//!
//! It decides nothing: what may pass is for the gate. So it looks no further than the first word,
//! and gives one of few, whatever a client wrote.

/// The words that are told apart.
const VERBS: [&str; 32] = [
    "alter", "begin", "call", "comment", "commit", "copy", "create", "delete", "desc", "describe",
    "drop", "execute", "explain", "get", "grant", "insert", "list", "ls", "merge", "put", "remove",
    "revoke", "rollback", "select", "set", "show", "truncate", "undrop", "update", "use", "values",
    "with",
];

/// The word that a statement begins with, in small letters; `other` for any that is not known.
#[must_use]
pub fn verb(statement: &str) -> &'static str {
    let statement = begun(statement);
    let goes_on = |c: char| c.is_alphanumeric() || c == '_' || c == '$';
    let word = statement.split(|c| !goes_on(c)).next().unwrap_or_default();
    let known = VERBS.into_iter().find(|verb| verb.eq_ignore_ascii_case(word));
    match known {
        Some("desc") => "describe",
        Some("ls") => "list",
        Some(verb) => verb,
        None => "other",
    }
}

/// The statement without the comments, spaces and brackets before it.
fn begun(mut statement: &str) -> &str {
    loop {
        let rest = statement.trim_start_matches(|c: char| c.is_whitespace() || c == '(');
        let after = if rest.starts_with("--") || rest.starts_with("//") {
            rest.find('\n').map(|end| &rest[end..])
        } else if rest.starts_with("/*") {
            rest.find("*/").map(|end| &rest[end + 2..])
        } else {
            return rest;
        };
        match after {
            Some(after) => statement = after,
            None => return "",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_is_known_by_its_first_word() {
        for (statement, word) in [
            ("SELECT 1", "select"),
            ("  -- why\n /* not */ (( select 1))", "select"),
            ("// why\nDESC table t", "describe"),
            ("show\ttables", "show"),
            ("select1", "other"),
            ("WITH a AS (SELECT 1) SELECT * FROM a", "with"),
            ("evil_label", "other"),
            ("\"select\"", "other"),
            ("-- nothing", "other"),
            ("/* nothing", "other"),
            ("", "other"),
        ] {
            assert_eq!(verb(statement), word, "{statement}");
        }
    }
}
