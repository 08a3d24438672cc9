//! One statement, link by link and word by word: what in it is more than reading.
//!
//! The flow operator `->>` makes one statement of several, so each link is judged as a statement.
//! A head decides about its link; inside, only structure counts: a verb where a statement can
//! begin, `INTO`, `FOR UPDATE`, and functions that act.

use super::Class;
use super::finding::{Finding, Need};
use super::functions;
use super::heads::{self, Head};
use super::lexer::{Kind, Token};
use super::shape;
use super::tells;

/// Verbs that the warehouse reserves: they can be no column and no alias without quotes.
const RESERVED_VERBS: [&str; 8] =
    ["INSERT", "UPDATE", "DELETE", "CREATE", "ALTER", "DROP", "GRANT", "REVOKE"];

/// Verbs that may also be names.
const VERBS: [&str; 19] = [
    "MERGE", "CALL", "COPY", "TRUNCATE", "EXECUTE", "PUT", "GET", "REMOVE", "RM", "USE", "SET",
    "UNSET", "BEGIN", "DECLARE", "COMMIT", "ROLLBACK", "COMMENT", "UNDROP", "START",
];

/// Words that go on with a query: a verb before one of them is a name.
const CONTINUATIONS: [&str; 42] = [
    "AND",
    "ANTI",
    "AS",
    "ASC",
    "ASOF",
    "BETWEEN",
    "COLLATE",
    "CONNECT",
    "CROSS",
    "DESC",
    "ELSE",
    "END",
    "EXCEPT",
    "FETCH",
    "FROM",
    "FULL",
    "GROUP",
    "HAVING",
    "ILIKE",
    "IN",
    "INNER",
    "INTERSECT",
    "IS",
    "JOIN",
    "LEFT",
    "LIKE",
    "LIMIT",
    "MINUS",
    "NATURAL",
    "NOT",
    "OFFSET",
    "ON",
    "OR",
    "ORDER",
    "OVER",
    "QUALIFY",
    "RIGHT",
    "RLIKE",
    "THEN",
    "UNION",
    "WHEN",
    "WHERE",
];

/// Judges every link of a statement.
pub(super) fn links(tokens: &[Token<'_>], findings: &mut Vec<Finding>) {
    let mut begins = 0;
    let mut depth = 0usize;
    for (index, token) in tokens.iter().enumerate() {
        match token.text {
            "(" | "[" | "{" if token.kind == Kind::Symbol => depth += 1,
            ")" | "]" | "}" if token.kind == Kind::Symbol => depth = depth.saturating_sub(1),
            "->>" if token.kind == Kind::Symbol && depth == 0 => {
                link(&tokens[begins..index], token.at, findings);
                begins = index + 1;
            }
            "->>" if token.kind == Kind::Symbol => {
                findings.push(Finding::invalid("->>", token.at, "cannot stand in brackets"));
            }
            _ => {}
        }
    }
    let end = tokens.last().map_or(0, |token| token.at);
    link(&tokens[begins..], end, findings);
}

/// Judges one link; `at` is where an empty one is.
fn link(tokens: &[Token<'_>], at: usize, findings: &mut Vec<Finding>) {
    let opened = tokens.iter().take_while(|token| token.is("(")).count();
    let body = &tokens[opened..];
    let Some(first) = body.first() else {
        findings.push(Finding::invalid("->>", at, "has nothing on one side"));
        return;
    };
    let unknown = || {
        Finding::invalid(first.text, first.at, "does not begin a statement that this server knows")
    };
    match heads::head(body) {
        Head::Query => query(body, findings),
        Head::With => with(body, findings),
        Head::Explain if opened == 0 => explain(body, findings),
        Head::Tell if opened == 0 => {
            findings.extend(tells::check(body));
            query(body, findings);
        }
        Head::More(finding) => {
            findings.push(finding);
            inside(body, findings);
        }
        Head::Explain | Head::Tell | Head::Unknown => findings.push(unknown()),
    }
}

/// `EXPLAIN` compiles and never runs, so a plan of a change of rows is a read. Functions that act
/// may be computed while compiling, so they still count.
fn explain(tokens: &[Token<'_>], findings: &mut Vec<Finding>) {
    let mut body = &tokens[1..];
    if body.first().is_some_and(|token| token.is("USING")) {
        let known = body.get(1).is_some_and(|t| t.is_one_of(&["TEXT", "JSON", "TABULAR"]));
        body = &body[if known { 2 } else { 0 }..];
    }
    let opened = body.iter().take_while(|token| token.is("(")).count();
    let verb = &body[opened..];
    let changes_rows = ["INSERT", "UPDATE", "DELETE", "MERGE"];
    match heads::head(verb) {
        Head::Query => query(verb, findings),
        Head::With => with(verb, findings),
        Head::More(_) if opened == 0 && verb[0].is_one_of(&changes_rows) => inside(verb, findings),
        Head::More(finding) => findings.push(finding),
        Head::Explain | Head::Tell | Head::Unknown => {
            let why = "explains a query or a change of rows; this is neither";
            findings.push(Finding::invalid(tokens[0].text, tokens[0].at, why));
        }
    }
}

/// Finds the verb behind the list of `WITH`.
fn with(tokens: &[Token<'_>], findings: &mut Vec<Finding>) {
    let main = match shape::behind_with(tokens) {
        Ok(main) => main,
        Err(finding) => {
            findings.push(finding);
            return;
        }
    };
    let opened = tokens[main..].iter().take_while(|token| token.is("(")).count();
    match heads::head(&tokens[main + opened..]) {
        Head::Query | Head::With => query(tokens, findings),
        Head::More(finding) => {
            findings.push(finding);
            inside(tokens, findings);
        }
        Head::Explain | Head::Tell | Head::Unknown => {
            let why = "is a list of names without a query behind it";
            findings.push(Finding::invalid(tokens[0].text, tokens[0].at, why));
        }
    }
}

/// Judges the words of a query.
fn query(tokens: &[Token<'_>], findings: &mut Vec<Finding>) {
    for index in 0..tokens.len() {
        let token = tokens[index];
        findings.extend(functions::acts(tokens, index));
        if token.kind != Kind::Word || is_member(tokens, index) {
            continue;
        }
        let next = |word: &str| tokens.get(index + 1).is_some_and(|next| next.is(word));
        if token.is("INTO") {
            findings.push(into(tokens, index));
        } else if token.is("FOR") && (next("UPDATE") || next("SHARE") || next("NO")) {
            findings.push(Finding {
                class: Class::Write,
                need: Need::Write,
                word: "FOR UPDATE".to_owned(),
                at: token.at,
                why: "locks rows".into(),
            });
        } else if token.is_one_of(&["DESC", "DESCRIBE"])
            && next("RESULT")
            && behind_bracket(tokens, index)
        {
            findings.extend(tells::check(&tokens[index..]));
        } else if token.is("AS") && next("PROCEDURE") && opens_bracket(tokens, index + 2) {
            findings.push(shape::anonymous_procedure(tokens[index + 1]));
        } else if index > 0 && begins_statement(tokens, index) {
            findings.extend(nested(tokens, index));
        }
    }
}

fn behind_bracket(tokens: &[Token<'_>], index: usize) -> bool {
    index > 0 && tokens[index - 1].is("(")
}

fn opens_bracket(tokens: &[Token<'_>], index: usize) -> bool {
    tokens.get(index).is_some_and(|token| token.is("("))
}

/// Judges what stands inside a statement that is more than reading anyway.
fn inside(tokens: &[Token<'_>], findings: &mut Vec<Finding>) {
    for index in 1..tokens.len() {
        findings.extend(functions::acts(tokens, index));
        let opens = tokens[index - 1].is("(");
        if opens && tokens[index].kind == Kind::Word && begins_statement(tokens, index) {
            findings.extend(nested(tokens, index));
        }
    }
}

/// Whether a word is a part of a name or of a path: `t.update`, `v:insert`.
fn is_member(tokens: &[Token<'_>], index: usize) -> bool {
    index > 0 && tokens[index - 1].is_one_of(&[".", ":"])
}

/// Whether a verb stands where a statement can begin, and not as a name.
fn begins_statement(tokens: &[Token<'_>], index: usize) -> bool {
    let token = tokens[index];
    let Some(next) = tokens.get(index + 1) else { return false };
    let before = tokens[index - 1];
    let object = match next.kind {
        Kind::Word => !next.is_one_of(&CONTINUATIONS),
        Kind::Quoted | Kind::Stage | Kind::Variable | Kind::Text | Kind::Placeholder => true,
        Kind::Number | Kind::Symbol => false,
    };
    if token.is_one_of(&RESERVED_VERBS) {
        let pair = [("DELETE", "FROM"), ("CREATE", "OR")];
        let paired = pair.iter().any(|(verb, word)| token.is(verb) && next.is(word));
        return !before.is("AS") && (object || paired);
    }
    if !token.is_one_of(&VERBS) {
        return false;
    }
    let can_begin = before.is_one_of(&["(", ")"]);
    let pair = [("MERGE", "INTO"), ("COPY", "INTO"), ("EXECUTE", "IMMEDIATE")];
    let paired = pair.iter().any(|(verb, word)| token.is(verb) && next.is(word));
    let comments = before.is("(") && token.is("COMMENT") && next.is("ON");
    paired || comments || (can_begin && object)
}

/// A statement inside a statement. The warehouse has none that changes something, so no level
/// allows it; its class is its own.
fn nested(tokens: &[Token<'_>], index: usize) -> Option<Finding> {
    match heads::head(&tokens[index..]) {
        Head::More(finding) => Some(Finding { need: Need::Never, ..finding }),
        Head::Query | Head::With | Head::Explain | Head::Tell | Head::Unknown => None,
    }
}

/// `SELECT … INTO`: a new table in other dialects, a variable in scripting, a file in MySQL.
fn into(tokens: &[Token<'_>], index: usize) -> Finding {
    let at = tokens[index].at;
    let target = tokens.get(index + 1);
    if target.is_some_and(|token| token.is_one_of(&[":", "OUTFILE", "DUMPFILE"])) {
        return Finding::invalid("INTO", at, "belongs to scripting or to another dialect");
    }
    let why = "puts a result into a new table".into();
    Finding { class: Class::Ddl, need: Need::Never, word: "INTO".to_owned(), at, why }
}
