//! Which databases a statement names, so that a client can be kept to its own.
//!
//! A second line of defence: it sees what is written, and not what a view, a function or a share
//! reads behind its name, nor which database is the session's own. The first line is a role that
//! can read nothing else. Where the text leaves open whether a name is a database, it counts as one.

use std::collections::BTreeSet;

use super::lexer::{self, Kind, Token};
use super::names;

/// What a statement names.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Named {
    /// A database, as the account knows it: folded to upper case unless it was in quotes.
    Database(String),
    /// The whole account, so all databases, by this word.
    Account(String),
    /// Something whose name cannot be seen in the text, by this word.
    Unseen(String),
}

/// The databases that a statement names, each once. Linear in its length; a text that is not SQL
/// names nothing, for the gate refuses it.
#[must_use]
pub fn databases(statement: &str) -> Vec<Named> {
    let Ok(lexed) = lexer::lex(statement) else { return Vec::new() };
    let mut seen = Seen { tokens: &lexed.tokens, named: BTreeSet::new() };
    for link in lexed.tokens.split(|token| token.is("->>") || token.is(";")) {
        seen.link(link);
    }
    seen.named.into_iter().collect()
}

/// Whether a statement names only databases that a client may name.
///
/// # Errors
/// In words for the client, when it names another one, or hides which.
pub fn within(statement: &str, is_allowed: impl Fn(&str) -> bool) -> Result<(), String> {
    for named in databases(statement) {
        match named {
            Named::Database(name) if is_allowed(&name) => {}
            Named::Database(name) => {
                return Err(format!(
                    "`{}` may be a database, and is none that this client may use; name a table as \
                     database.schema.table and a column by the table's alias",
                    super::finding::shown(&name)
                ));
            }
            Named::Account(word) => {
                return Err(format!(
                    "`{}` tells about every database, and this client may use some only; name one: \
                     IN DATABASE name",
                    super::finding::shown(&word)
                ));
            }
            Named::Unseen(word) => {
                return Err(format!(
                    "`{}` takes a name that cannot be seen here; write the name itself",
                    super::finding::shown(&word)
                ));
            }
        }
    }
    Ok(())
}

/// Verbs behind which `DATABASE`, `SCHEMA` and `IN` are followed by names.
const OF_OBJECTS: [&str; 11] = [
    "SHOW", "DESC", "DESCRIBE", "CREATE", "ALTER", "DROP", "UNDROP", "COMMENT", "GRANT", "REVOKE",
    "USE",
];

/// Kinds of things behind `SHOW … IN`; the name comes after them.
const SCOPES: [&str; 24] = [
    "ACCOUNT",
    "AGENT",
    "APPLICATION",
    "BACKUP",
    "CLASS",
    "COMPUTE",
    "DATABASE",
    "DBT",
    "EXPERIMENT",
    "EXTERNAL",
    "FAILOVER",
    "GIT",
    "IMAGE",
    "MODEL",
    "REPLICATION",
    "SCHEMA",
    "SERVICE",
    "SESSION",
    "SNAPSHOT",
    "TABLE",
    "TASK",
    "USER",
    "VIEW",
    "WAREHOUSE",
];

/// Words that go on where a name could have come.
const CLAUSES: [&str; 11] =
    ["EXISTS", "IF", "NOT", "FROM", "LIKE", "LIMIT", "STARTS", "WITH", "AS", "SET", "UNSET"];

/// Functions, beside those of `SYSTEM$` and `INFORMATION_SCHEMA`, that take an object by a text.
const BY_TEXT: [&str; 9] = [
    "GET_DDL",
    "GET_LINEAGE",
    "GET_OBJECT_REFERENCES",
    "POLICY_REFERENCES",
    "SEARCH_PREVIEW",
    "TAG_REFERENCES",
    "TAG_REFERENCES_ALL_COLUMNS",
    "TAG_REFERENCES_WITH_LINEAGE",
    "VALIDATE",
];

struct Seen<'t, 'a> {
    tokens: &'t [Token<'a>],
    named: BTreeSet<Named>,
}

/// A bracket that is open, and what it belongs to.
enum Bracket {
    /// A function that takes names as texts, which concern databases where its own name says so.
    ByText { of_databases: bool },
    /// Any other.
    Other,
}

impl<'a> Seen<'_, 'a> {
    /// Looks at one statement.
    fn link(&mut self, link: &[Token<'a>]) {
        let opened = link.iter().take_while(|token| token.is("(")).count();
        let head = link.get(opened).filter(|head| head.is_one_of(&OF_OBJECTS)).copied();
        if head.is_some_and(|head| head.is("SHOW")) {
            let shown = link.iter().take(opened + 4).find(|token| token.is("DATABASES"));
            self.named.extend(shown.map(|shown| Named::Account(shown.text.to_owned())));
        }
        let mut brackets = Vec::new();
        let mut index = 0;
        while let Some(token) = link.get(index) {
            if token.is("(") {
                brackets.push(self.bracket(link, index));
            } else if token.is(")") {
                brackets.pop();
            }
            index = match token.kind {
                Kind::Word | Kind::Quoted => self.chain(link, index, head),
                Kind::Stage => {
                    self.stage(token.text);
                    index + 1
                }
                Kind::Text => {
                    self.text(link, index, brackets.last());
                    index + 1
                }
                Kind::Number | Kind::Variable | Kind::Symbol | Kind::Placeholder => index + 1,
            };
        }
    }

    /// What the bracket at an index belongs to. An argument that is computed hides a name.
    fn bracket(&mut self, link: &[Token<'a>], index: usize) -> Bracket {
        let Some(name) = index.checked_sub(1).and_then(|before| link[before].name()) else {
            return Bracket::Other;
        };
        let upper = name.to_ascii_uppercase();
        let qualifier = index.checked_sub(3).and_then(|before| link[before].name());
        let of_schema = qualifier.is_some_and(|q| q.eq_ignore_ascii_case("INFORMATION_SCHEMA"));
        let by_text = upper.starts_with("SYSTEM$") || BY_TEXT.contains(&upper.as_str());
        if !by_text && !of_schema {
            return Bracket::Other;
        }
        let arguments = link[index + 1..].iter().take_while(|token| !token.is(")"));
        let computed =
            arguments.into_iter().any(|token| token.is_one_of(&["||", "("]) || is_value(token));
        if by_text && computed {
            self.named.insert(Named::Unseen(name.to_owned()));
        }
        Bracket::ByText { of_databases: upper.contains("DATABASE") }
    }

    /// A name with all its parts; returns where it ends.
    fn chain(&mut self, link: &[Token<'a>], start: usize, head: Option<Token<'a>>) -> usize {
        let (parts, end) = self.parts(link, start);
        let before = start.checked_sub(1).map(|before| link[before]);
        // Behind a colon stands a path into a value, and behind AS a new name.
        if parts.is_empty() || before.is_some_and(|before| before.is(":")) {
            return end;
        }
        let from = head.map_or(3, |head| least_parts(link, start, &head, parts.len()));
        if parts.len() >= from {
            self.named.insert(Named::Database(parts[0].clone()));
        }
        let in_account = parts.len() == 1 && link[start].is("ACCOUNT");
        if in_account && head.is_some() && before.is_some_and(|before| before.is("IN")) {
            self.named.insert(Named::Account("ACCOUNT".to_owned()));
        }
        end
    }

    /// The parts of the name that begins at an index, and the index behind it.
    fn parts(&mut self, link: &[Token<'a>], start: usize) -> (Vec<String>, usize) {
        let (mut parts, mut end) = self.first_part(link, start);
        while link.get(end).is_some_and(|token| token.is(".")) {
            if link.get(end + 1).is_some_and(|token| token.is(".")) {
                parts.push(String::new());
                end += 1;
            }
            let Some(token) = link.get(end + 1).filter(|token| token.name().is_some()) else {
                return (parts, end + 1);
            };
            parts.push(names::folded(token));
            end += 2;
        }
        // `SNOWFLAKE.CORTEX.COMPLETE(…)` computes, and reads no database of that name.
        let cortex = parts.len() == 3 && parts[0] == "SNOWFLAKE" && parts[1] == "CORTEX";
        if cortex && link.get(end).is_some_and(|token| token.is("(")) {
            parts.clear();
        }
        (parts, end)
    }

    /// One name, or those in `IDENTIFIER('…')` and `TABLE('…')`.
    fn first_part(&mut self, link: &[Token<'a>], start: usize) -> (Vec<String>, usize) {
        let token = link[start];
        let is = |at: usize, symbol: &str| link.get(at).is_some_and(|token| token.is(symbol));
        let by_text = token.name().is_some_and(|name| name.eq_ignore_ascii_case("IDENTIFIER"))
            || (token.is("TABLE")
                && link
                    .get(start + 2)
                    .is_some_and(|t| t.kind != Kind::Word && t.kind != Kind::Quoted));
        if !by_text || !is(start + 1, "(") {
            return (vec![names::folded(&token)], start + 1);
        }
        let text = link.get(start + 2).filter(|text| text.kind == Kind::Text && is(start + 3, ")"));
        match text.and_then(|text| names::of_text(text.text)) {
            Some(parts) => (parts, start + 4),
            None => {
                self.named.insert(Named::Unseen(token.text.to_owned()));
                (Vec::new(), start + 1)
            }
        }
    }

    /// `@db.schema.stage/path`.
    fn stage(&mut self, text: &str) {
        let parts = names::leading(text.trim_start_matches('@'));
        if parts.len() >= 3 {
            self.named.insert(Named::Database(parts[0].clone()));
        }
    }

    /// A text that is a stage, or an argument that names an object.
    fn text(&mut self, link: &[Token<'a>], index: usize, bracket: Option<&Bracket>) {
        let text = link[index].text;
        let content = text.trim_matches(['\'', '$']);
        if content.starts_with('@') {
            self.stage(content);
            return;
        }
        let token = |back: usize| index.checked_sub(back).map(|at| link[at]);
        let named = token(1).is_some_and(|before| before.is("=>"));
        let (by_text, of_databases) = match bracket {
            Some(Bracket::ByText { of_databases }) => (true, *of_databases),
            Some(Bracket::Other) | None => (false, false),
        };
        if !named && !by_text {
            return;
        }
        let parameter = token(2).and_then(|name| name.name()).unwrap_or_default();
        let kind = token(2).filter(|_| token(1).is_some_and(|comma| comma.is(",")));
        let kind = kind.map_or("", |kind| kind.text.trim_matches('\''));
        let is_database = (named && parameter.to_ascii_uppercase().contains("DATABASE"))
            || of_databases
            || kind.eq_ignore_ascii_case("DATABASE");
        let from = match () {
            () if is_database => 1,
            () if kind.eq_ignore_ascii_case("SCHEMA") => 2,
            () => 3,
        };
        let parts = names::leading(content);
        if content.contains('\\') {
            self.named.insert(Named::Unseen(self.word(&link[index])));
        } else if parts.len() >= from {
            self.named.insert(Named::Database(parts[0].clone()));
        }
    }

    /// A text for people: what calls it, or itself.
    fn word(&self, token: &Token<'a>) -> String {
        let before = self.tokens.iter().rev().find(|t| t.at < token.at && t.name().is_some());
        before.map_or_else(|| "text".to_owned(), |before| before.text.to_owned())
    }
}

/// From how many parts on the name at an index begins with a database, in a statement about
/// objects.
fn least_parts(link: &[Token<'_>], start: usize, head: &Token<'_>, parts: usize) -> usize {
    let mut at = start;
    while at > 0 && link[at - 1].is_one_of(&["IF", "NOT", "EXISTS"]) {
        at -= 1;
    }
    let Some(before) = at.checked_sub(1).map(|before| link[before]) else { return 3 };
    let alone = parts == 1 && link[start].kind == Kind::Word;
    if alone && link[start].is_one_of(&CLAUSES) {
        return 3;
    }
    if before.is_one_of(&["DATABASE", "APPLICATION"]) {
        return if alone && link[start].is_one_of(&["ROLE", "PACKAGE"]) { 3 } else { 1 };
    }
    if before.is("SCHEMA") {
        return 2;
    }
    if head.is("SHOW") && before.is_one_of(&["IN", "FROM"]) {
        let of_table = link.iter().take(6).any(|token| token.is_one_of(&["COLUMNS", "KEYS"]));
        let scope = alone && link[start].is_one_of(&SCOPES);
        return if of_table || scope { 3 } else { 1 };
    }
    if before.is_one_of(&["TO", "WITH", "CLONE", "OF"]) {
        let of = |word: &str| link.iter().take(6).any(|token| token.is(word));
        return match () {
            () if of("DATABASE") => 1,
            () if of("SCHEMA") => 2,
            () => 3,
        };
    }
    3
}

/// Whether it stands for a value that the text does not tell.
fn is_value(token: &Token<'_>) -> bool {
    matches!(token.kind, Kind::Variable | Kind::Placeholder)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(statement: &str) -> Vec<String> {
        let name = |named| match named {
            Named::Database(name) => name,
            Named::Account(word) => format!("account by {}", word.to_uppercase()),
            Named::Unseen(word) => format!("unseen by {}", word.to_uppercase()),
        };
        databases(statement).into_iter().map(name).collect()
    }

    /// Each names the database `D` and no other.
    const OF_D: [&str; 55] = [
        "SELECT * FROM d.s.t",
        "SELECT * FROM x, D . s . t",
        "SELECT * FROM \"D\".\"s\".\"t\"",
        "SELECT * FROM d/* a */.s.t",
        "SELECT * FROM d..t",
        "SELECT d.s.t.a FROM x",
        "SELECT d.s.f(1)",
        "SELECT * FROM TABLE(d.s.f(1))",
        "SELECT * FROM TABLE(d.INFORMATION_SCHEMA.QUERY_HISTORY())",
        "SELECT d.s.m!PREDICT(1)",
        "SELECT * FROM IDENTIFIER('d.s.t')",
        "SELECT * FROM IDENTIFIER('\"D\".s.t')",
        "SELECT * FROM IDENTIFIER('d').s.t",
        "SELECT * FROM TABLE('d.s.t')",
        "SELECT $1 FROM @d.s.st/path/x.csv",
        "SELECT $1 FROM '@d.s.st/x'",
        "LIST @d.s.%t",
        "LIST @\"D\".s.st/x",
        "SELECT * FROM DIRECTORY(@d.s.st)",
        "SELECT GET_DDL('TABLE', 'd.s.t')",
        "SELECT GET_DDL('schema', 'd.s')",
        "SELECT GET_DDL('DATABASE', 'd')",
        "SELECT SYSTEM$CLUSTERING_INFORMATION('d.s.t')",
        "SELECT SYSTEM$DATABASE_REFRESH_PROGRESS('d')",
        "SELECT * FROM TABLE(GET_OBJECT_REFERENCES(DATABASE_NAME => 'd', SCHEMA_NAME => 's'))",
        "SELECT * FROM TABLE(INFER_SCHEMA(LOCATION => '@d.s.st', FILE_FORMAT => 'f'))",
        "SELECT * FROM TABLE(INFER_SCHEMA(LOCATION => '@st', FILE_FORMAT => 'd.s.f'))",
        "SELECT * FROM SEMANTIC_VIEW(d.s.v METRICS a.b)",
        "WITH a AS (SELECT * FROM d.s.t) SELECT * FROM a",
        "SELECT (SELECT MAX(a) FROM d.s.t)",
        "SHOW TABLES IN DATABASE d",
        "SHOW TABLES IN SCHEMA d.s",
        "SHOW TABLES IN d.s",
        "SHOW TABLES IN d",
        "SHOW SCHEMAS IN d LIMIT 5",
        "SHOW TERSE TABLES LIKE 'a' IN DATABASE \"D\" STARTS WITH 'b'",
        "SHOW COLUMNS IN TABLE d.s.t",
        "SHOW GRANTS ON DATABASE d",
        "SHOW TABLES ->> SELECT * FROM d.s.t",
        "SELECT 1 ->> SELECT * FROM d.s.t JOIN $1",
        "DESC TABLE d.s.t",
        "DESCRIBE DATABASE d",
        "DESC SCHEMA d.s",
        "DESC FUNCTION d.s.f(INT)",
        "EXPLAIN SELECT * FROM d.s.t",
        "INSERT INTO d.s.t SELECT 1",
        "DELETE FROM d.s.t",
        "CREATE TABLE d.s.t (a INT)",
        "CREATE TABLE t CLONE d.s.u",
        "CREATE SCHEMA IF NOT EXISTS d.s",
        "CREATE SCHEMA s CLONE d.s",
        "DROP DATABASE IF EXISTS d",
        "COMMENT ON DATABASE d IS 'x'",
        "CALL d.s.p()",
        "SELECT d.s.q.NEXTVAL",
    ];

    #[test]
    fn a_database_is_seen_wherever_it_is_named() {
        for statement in OF_D {
            assert_eq!(named(statement), ["D"], "{statement}");
        }
        assert_eq!(named("SELECT * FROM \"d\".s.t JOIN e.s.t ON TRUE JOIN E.x.y"), ["E", "d"]);
        assert_eq!(named("SELECT * FROM \"a\"\"b\".s.t"), ["a\"b"]);
        assert_eq!(named("CREATE DATABASE d CLONE e"), ["D", "E"]);
    }

    #[test]
    fn what_names_none_is_left_alone() {
        for statement in [
            "SELECT a, t.b, s.t.* FROM s.t",
            "SELECT v:a.b.c, t.v:x.y.z::string FROM t",
            "SELECT 'a.b.c', 'www.example.com' FROM t WHERE host IN ('a.b.c')",
            "SELECT SPLIT('a.b.c', '.'), ENDSWITH(m, 'mail.example.com') FROM t",
            "SELECT a -- d.s.t\nFROM t /* d.s.t */",
            "SELECT \"d.s.t\" FROM t",
            "SELECT 1.5, database, schema FROM t WHERE database = 'd'",
            "SELECT s.f(1), SNOWFLAKE.CORTEX.COMPLETE('m', 'a.b.c')",
            "SELECT * FROM INFORMATION_SCHEMA.TABLES",
            "SELECT * FROM @st/a.b.c/d.csv",
            "SELECT * FROM @s.st/a.b",
            "SHOW TABLES",
            "SHOW TABLES IN SCHEMA s",
            "SHOW TABLES IN DATABASE LIKE 'a%'",
            "SHOW COLUMNS IN TABLE s.t",
            "SHOW COLUMNS IN s.t",
            "DESC TABLE s.t",
            "SELECT 'not SQL",
        ] {
            assert_eq!(named(statement), [""; 0], "{statement}");
        }
    }

    #[test]
    fn the_whole_account_and_hidden_names_are_told() {
        assert_eq!(named("SHOW TABLES IN ACCOUNT"), ["account by ACCOUNT"]);
        assert_eq!(named("show terse databases like 'a'"), ["account by DATABASES"]);
        assert_eq!(named("SELECT * FROM IDENTIFIER($t)"), ["unseen by IDENTIFIER"]);
        assert_eq!(named("SELECT * FROM TABLE($t)"), ["unseen by TABLE"]);
        assert_eq!(named("SELECT GET_DDL('TABLE', 'd' || '.s.t')"), ["unseen by GET_DDL"]);
        assert_eq!(named("SELECT SYSTEM$PIPE_STATUS($p)"), ["unseen by SYSTEM$PIPE_STATUS"]);
    }

    #[test]
    fn a_client_is_kept_to_its_own() {
        let only = |statement: &str| within(statement, |name| name == "D");
        assert_eq!(only("SELECT * FROM d.s.t JOIN t"), Ok(()));
        assert!(only("SELECT * FROM e.s.t").unwrap_err().starts_with("`E` may be a database"));
        assert!(only("SELECT * FROM \"d\".s.t").is_err());
        assert!(only("SHOW TABLES IN ACCOUNT").unwrap_err().contains("IN DATABASE name"));
        assert!(
            only("SELECT * FROM IDENTIFIER($a)").unwrap_err().contains("write the name itself")
        );
    }
}
