//! Whether the tokens have the shape of one statement: balanced, not too deep, no template.
//!
//! Depth is bounded here so that no recursive reader behind the gate can be made to overflow.

use super::finding::Finding;
use super::heads::{self, Head};
use super::lexer::{Kind, Token};

/// The deepest nesting of brackets and of `CASE`.
pub(super) const NESTING_MAX: usize = 128;

/// The longest run of prefix operators, such as `NOT NOT NOT`.
const PREFIXES_MAX: usize = 64;

/// The longest chain of operators without a comma or a bracket: readers nest one level for each.
const CHAIN_MAX: usize = 2_000;

/// Set operators, joins and links of one statement: readers nest one level for each.
const SETS_MAX: usize = 500;

/// Why the nesting is too deep or not balanced, if it is.
pub(super) fn too_deep(tokens: &[Token<'_>]) -> Option<Finding> {
    let mut open: Vec<&Token<'_>> = Vec::new();
    let (mut cases, mut prefixes, mut chain, mut sets) = (0usize, 0usize, 0usize, 0usize);
    for token in tokens {
        let prefix = token.is_one_of(&["NOT", "-", "+"]);
        prefixes = if prefix { prefixes + 1 } else { 0 };
        chain = if is_operator(token) { chain + 1 } else { chain };
        if token.is_one_of(&[",", "(", ")", "SELECT", "WHERE", "->>"]) {
            chain = 0;
        }
        if token.is_one_of(&["UNION", "EXCEPT", "MINUS", "INTERSECT", "JOIN", "->>"]) {
            sets += 1;
        }
        if token.is("CASE") {
            cases += 1;
        } else if token.is("END") {
            cases = cases.saturating_sub(1);
        }
        if let Some(finding) = bracket(token, &mut open) {
            return Some(finding);
        }
        let depth = open.len().max(cases);
        if depth > NESTING_MAX || prefixes > PREFIXES_MAX || chain > CHAIN_MAX || sets > SETS_MAX {
            let why = "is one level too many: the statement is nested too deeply or chains too \
                       many operators; split it into parts with WITH";
            return Some(Finding::invalid(token.text, token.at, why));
        }
    }
    open.first().map(|token| Finding::invalid(token.text, token.at, "is not closed"))
}

fn is_operator(token: &Token<'_>) -> bool {
    match token.kind {
        Kind::Word => token.is_one_of(&["AND", "OR", "NOT", "LIKE", "ILIKE", "IS", "IN"]),
        Kind::Symbol => !token.is_one_of(&[".", ",", "(", ")", "[", "]", "{", "}"]),
        Kind::Quoted
        | Kind::Text
        | Kind::Number
        | Kind::Variable
        | Kind::Stage
        | Kind::Placeholder => false,
    }
}

/// Opens or closes a bracket; says when it does not match.
fn bracket<'t, 'a>(token: &'t Token<'a>, open: &mut Vec<&'t Token<'a>>) -> Option<Finding> {
    if token.kind != Kind::Symbol {
        return None;
    }
    let opening = match token.text {
        "(" | "[" | "{" => {
            open.push(token);
            return None;
        }
        ")" => "(",
        "]" => "[",
        "}" => "{",
        _ => return None,
    };
    if open.pop().is_some_and(|last| last.text == opening) {
        return None;
    }
    Some(Finding::invalid(token.text, token.at, "closes nothing"))
}

/// Where the verb behind `WITH name (columns) AS (query), …` stands.
///
/// # Errors
/// When it is not such a list; a procedure in it runs when it is called.
pub(super) fn behind_with(tokens: &[Token<'_>]) -> Result<usize, Finding> {
    let is = |at: usize, word: &str| tokens.get(at).is_some_and(|token| token.is(word));
    let broken = |at: usize| {
        let token = tokens.get(at).unwrap_or(&tokens[0]);
        let why = "is not expected in a list of WITH: name AS (query), …";
        Finding::invalid(token.text, token.at, why)
    };
    let mut at = if is(1, "RECURSIVE") && !is(2, "AS") { 2 } else { 1 };
    loop {
        if tokens.get(at).and_then(Token::name).is_none() {
            return Err(broken(at));
        }
        at += 1;
        if is(at, "(") {
            at = behind_bracket(tokens, at).ok_or_else(|| broken(at))?;
        }
        if !is(at, "AS") {
            return Err(broken(at));
        }
        if is(at + 1, "PROCEDURE") {
            return Err(anonymous_procedure(tokens[at + 1]));
        }
        if !is(at + 1, "(") {
            return Err(broken(at + 1));
        }
        let opened = tokens[at + 1..].iter().take_while(|token| token.is("(")).count();
        at = match tokens.get(at + 1 + opened) {
            Some(first) if !first.is_one_of(&["SELECT", "WITH", "VALUES"]) => {
                return Err(no_query(&tokens[at + 1 + opened..]));
            }
            Some(_) | None => behind_bracket(tokens, at + 1).ok_or_else(|| broken(at + 1))?,
        };
        if !is(at, ",") {
            return if at < tokens.len() { Ok(at) } else { Err(broken(0)) };
        }
        at += 1;
    }
}

/// `WITH name AS PROCEDURE (…)`, which is called behind the list.
pub(super) fn anonymous_procedure(token: Token<'_>) -> Finding {
    Finding {
        class: super::Class::Write,
        need: super::Need::Never,
        word: "PROCEDURE".to_owned(),
        at: token.at,
        why: "runs code, which may do anything".into(),
    }
}

/// What stands in a list of `WITH` where only a query can; a statement there keeps its class.
fn no_query(tokens: &[Token<'_>]) -> Finding {
    match heads::head(tokens) {
        Head::More(finding) => Finding { need: super::Need::Never, ..finding },
        Head::Query | Head::With | Head::Explain | Head::Tell | Head::Unknown => {
            let why = "is not expected in a list of WITH: name AS (query), …";
            Finding::invalid(tokens[0].text, tokens[0].at, why)
        }
    }
}

/// The index behind the bracket that opens at an index.
fn behind_bracket(tokens: &[Token<'_>], open: usize) -> Option<usize> {
    let mut depth = 0usize;
    for (offset, token) in tokens[open..].iter().enumerate() {
        if token.is("(") {
            depth += 1;
        } else if token.is(")") {
            depth -= 1;
            if depth == 0 {
                return Some(open + offset + 1);
            }
        }
    }
    None
}

/// Operators that need a value before them.
const INFIX: [&str; 10] = ["<", ">", "<=", ">=", "<>", "!=", "=", "%", "/", "||"];

/// Words after which a value, a name or a query comes.
const BEFORE_VALUE: [&str; 13] = [
    "SELECT", "FROM", "WHERE", "JOIN", "BY", "ON", "HAVING", "AND", "OR", "QUALIFY", "DISTINCT",
    "LIMIT", "IN",
];

/// Words that cannot be the first of a list of columns.
const AFTER_COLUMNS: [&str; 15] = [
    "FROM",
    "WHERE",
    "GROUP",
    "ORDER",
    "HAVING",
    "LIMIT",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "MINUS",
    "JOIN",
    "ON",
    "AND",
    "OR",
    "QUALIFY",
];

/// Words and symbols that something must follow.
const NOT_LAST: [&str; 30] = [
    "SELECT",
    "FROM",
    "WHERE",
    "AND",
    "OR",
    "NOT",
    "BY",
    "JOIN",
    "ON",
    "HAVING",
    "QUALIFY",
    "IN",
    "LIKE",
    "ILIKE",
    "BETWEEN",
    "UNION",
    "EXCEPT",
    "INTERSECT",
    "MINUS",
    "DISTINCT",
    "THEN",
    "WHEN",
    "ELSE",
    ",",
    ".",
    "+",
    "-",
    "::",
    "=>",
    "->",
];

/// Symbols that only a pattern of rows can contain.
const PATTERN: [&str; 4] = ["?", "|", "^", "$"];

/// What cannot be SQL: residue of templates, markers of other clients and dialects.
pub(super) fn unlike_sql(tokens: &[Token<'_>]) -> Option<Finding> {
    if let Some(last) = tokens.last().filter(|t| t.is_one_of(&NOT_LAST) || t.is_one_of(&INFIX)) {
        return Some(Finding::invalid(
            last.text,
            last.at,
            "cannot be the end: something is cut off",
        ));
    }
    let patterns = tokens.iter().any(|token| token.is("MATCH_RECOGNIZE"));
    for (index, token) in tokens.iter().enumerate() {
        let before = index.checked_sub(1).map(|before| tokens[before]);
        let next = tokens.get(index + 1);
        if token.is("SELECT") && before.is_none_or(|before| !before.is(".")) {
            let column = next.is_some_and(|next| begins_column(next, tokens.get(index + 2)));
            if !column {
                return Some(Finding::invalid(token.text, token.at, "names no column"));
            }
        }
        if token.kind == Kind::Stage && before.is_some_and(|before| before.is_one_of(&INFIX)) {
            let why = "is a place for files, and no value: a variable of another dialect";
            return Some(Finding::invalid(token.text, token.at, why));
        }
        if token.kind != Kind::Symbol {
            continue;
        }
        let after_start = before.is_none_or(|before| {
            before.is_one_of(&BEFORE_VALUE)
                || before.is_one_of(&INFIX)
                || before.is_one_of(&["(", ","])
        });
        let wrong = match token.text {
            "{" if next.is_some_and(|next| next.is("{")) => true,
            "[" | "{" => before.is_some_and(|before| before.is_one_of(&["FROM", "JOIN"])),
            "!" => before.is_none_or(|before| before.name().is_none() && !before.is(")")),
            "." => {
                next.is_some_and(|n| n.is(".")) && tokens.get(index + 2).is_some_and(|t| t.is("."))
            }
            "&" | "~" | "#" => true,
            text if PATTERN.contains(&text) => !patterns,
            text if INFIX.contains(&text) || text == ":" => after_start,
            _ => false,
        };
        if wrong {
            let why = "stands where no value is: a left-over of a template or of another dialect";
            return Some(Finding::invalid(token.text, token.at, why));
        }
    }
    None
}

/// Whether a list of columns can begin so.
fn begins_column(first: &Token<'_>, second: Option<&Token<'_>>) -> bool {
    match first.kind {
        Kind::Word => !first.is_one_of(&AFTER_COLUMNS),
        Kind::Quoted | Kind::Text | Kind::Number | Kind::Variable | Kind::Placeholder => true,
        Kind::Stage => false,
        Kind::Symbol => {
            let fraction = second.is_some_and(|second| second.kind == Kind::Number);
            first.is_one_of(&["*", "(", "[", "{", "+", "-"]) || (first.is(".") && fraction)
        }
    }
}
