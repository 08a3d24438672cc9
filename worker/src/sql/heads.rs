//! What a statement is by its first words.
//!
//! One table of verbs. A head that is not in it is no statement of ours, and refused.

use super::Class;
use super::finding::{Finding, Need};
use super::lexer::{Kind, Token};

/// What the first words promise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Head {
    /// `SELECT` or `VALUES`.
    Query,
    /// `WITH`: the verb comes after the list of names.
    With,
    /// `EXPLAIN`: the verb comes after its options.
    Explain,
    /// `SHOW`, `DESCRIBE`, `LIST`.
    Tell,
    /// More than reading.
    More(Finding),
    /// None of ours.
    Unknown,
}

const CHANGES_ROWS: &str = "changes rows";
const ACCESS: &str = "changes who may do what";
const FILES: &str = "moves or removes files";
const HIDDEN: &str = "runs text that cannot be seen here";
const SHARED: &str = "changes a session that other clients use too";
const TRANSACTION: &str = "is transaction control, which belongs to the server";
const BLOCK: &str = "opens a block of scripting, which may do anything";

/// What `EXECUTE` starts.
const STARTED: [&str; 8] =
    ["TASK", "ALERT", "DBT", "NOTEBOOK", "JOB", "SERVICE", "MANAGED", "DATA"];

/// Structures of scripting, whose parts end with `;`; they live in a block only.
const STRUCTURES: [&str; 6] = ["IF", "FOR", "WHILE", "LOOP", "REPEAT", "CASE"];

/// The head of a statement.
pub(super) fn head(tokens: &[Token<'_>]) -> Head {
    let Some(first) = tokens.first().filter(|token| token.kind == Kind::Word) else {
        return Head::Unknown;
    };
    let second = |word: &str| tokens.get(1).is_some_and(|token| token.is(word));
    let more = |class, need, why| Head::More(more(first, class, need, why));
    match first.text.to_ascii_uppercase().as_str() {
        "SELECT" | "VALUES" => Head::Query,
        "WITH" => Head::With,
        "EXPLAIN" => Head::Explain,
        "SHOW" | "DESCRIBE" | "DESC" | "LIST" | "LS" => Head::Tell,
        "INSERT" if second("OVERWRITE") => more(Class::Write, Need::Destructive, CHANGES_ROWS),
        "INSERT" | "UPDATE" | "DELETE" | "MERGE" => more(Class::Write, Need::Write, CHANGES_ROWS),
        "TRUNCATE" => more(Class::Write, Need::Destructive, "removes all rows"),
        "COPY" => copy(first, tokens),
        "REMOVE" | "RM" => more(Class::Write, Need::Destructive, FILES),
        "PUT" | "GET" => more(Class::Write, Need::Never, "moves files of this server"),
        "CALL" => more(Class::Write, Need::Destructive, "runs a procedure, which may do anything"),
        "EXECUTE" if second("IMMEDIATE") => more(Class::Write, Need::Never, HIDDEN),
        "EXECUTE" if tokens.get(1).is_some_and(|token| token.is_one_of(&STARTED)) => {
            more(Class::Admin, Need::Never, "starts work on the account")
        }
        "DECLARE" => more(Class::Write, Need::Never, BLOCK),
        "BEGIN" if begins_transaction(tokens) => more(Class::Session, Need::Never, TRANSACTION),
        "BEGIN" => more(Class::Write, Need::Never, BLOCK),
        "START" if second("TRANSACTION") => more(Class::Session, Need::Never, TRANSACTION),
        "COMMIT" | "ROLLBACK" => more(Class::Session, Need::Never, TRANSACTION),
        "USE" | "SET" | "UNSET" => more(Class::Session, Need::Never, SHARED),
        "GRANT" | "REVOKE" => more(Class::Admin, Need::Never, ACCESS),
        "ALTER" if second("SESSION") && !object_is(tokens, "POLICY") => {
            more(Class::Session, Need::Never, SHARED)
        }
        "CREATE" | "ALTER" | "DROP" | "UNDROP" | "COMMENT" => objects(first, tokens),
        _ => Head::Unknown,
    }
}

/// A block of scripting, or a structure outside one: their `;` do not separate statements.
pub(super) fn block(tokens: &[Token<'_>]) -> Option<Finding> {
    let first = tokens.first()?;
    if first.is_one_of(&STRUCTURES) {
        return Some(Finding::invalid(first.text, first.at, "belongs to scripting, in a block"));
    }
    let opens = first.is("DECLARE") || (first.is("BEGIN") && !begins_transaction(tokens));
    opens.then(|| more(first, Class::Write, Need::Never, BLOCK))
}

fn more(token: &Token<'_>, class: Class, need: Need, why: &'static str) -> Finding {
    let word = token.text.to_ascii_uppercase();
    Finding { class, need, word, at: token.at, why: why.into() }
}

fn begins_transaction(tokens: &[Token<'_>]) -> bool {
    tokens.get(1).is_none_or(|next| next.is_one_of(&[";", "->>", "WORK", "TRANSACTION", "NAME"]))
}

/// Into a table it adds rows; into a stage or a place outside it takes data away.
fn copy(first: &Token<'_>, tokens: &[Token<'_>]) -> Head {
    let target = tokens.get(2).map(|token| token.kind);
    let loads = tokens.get(1).is_some_and(|token| token.is("INTO"))
        && matches!(target, Some(Kind::Word | Kind::Quoted));
    let purge = tokens.iter().position(|token| token.is("PURGE"));
    let purges = purge.is_some_and(|at| tokens.get(at + 1).is_some_and(|next| next.is("=")));
    Head::More(if loads && purges {
        more(first, Class::Write, Need::Destructive, "loads rows and removes the files")
    } else if loads {
        more(first, Class::Write, Need::Write, "loads rows")
    } else {
        more(first, Class::Write, Need::Never, "carries data to a place outside the tables")
    })
}

/// Objects of the account: principals, credentials, networks, and what costs money.
const ACCOUNT_OBJECTS: [&str; 34] = [
    "ACCOUNT",
    "API INTEGRATION",
    "APPLICATION ROLE",
    "AUTHENTICATION POLICY",
    "CATALOG INTEGRATION",
    "COMPUTE POOL",
    "CONNECTION",
    "DATA EXCHANGE",
    "DATABASE ROLE",
    "EXTERNAL ACCESS INTEGRATION",
    "EXTERNAL LISTING",
    "EXTERNAL VOLUME",
    "FAILOVER GROUP",
    "INTEGRATION",
    "LISTING",
    "MANAGED ACCOUNT",
    "NETWORK POLICY",
    "NETWORK RULE",
    "NOTIFICATION INTEGRATION",
    "ORGANIZATION",
    "ORGANIZATION ACCOUNT",
    "ORGANIZATION LISTING",
    "PASSWORD POLICY",
    "REPLICATION GROUP",
    "RESOURCE MONITOR",
    "ROLE",
    "SECRET",
    "SECURITY INTEGRATION",
    "SESSION POLICY",
    "SHARE",
    "STORAGE INTEGRATION",
    "USER",
    "USERS",
    "WAREHOUSE",
];

/// Words between the verb and the kind of object.
const MODIFIERS: [&str; 13] = [
    "OR",
    "REPLACE",
    "ALTER",
    "SECURE",
    "TEMP",
    "TEMPORARY",
    "TRANSIENT",
    "VOLATILE",
    "LOCAL",
    "GLOBAL",
    "IF",
    "NOT",
    "EXISTS",
];

/// As many of them as a statement has; more are not looked at, so that time stays linear.
const MODIFIERS_MAX: usize = 8;

/// Creates, changes or removes an object: of the account, or of a database.
fn objects(first: &Token<'_>, tokens: &[Token<'_>]) -> Head {
    let words = &tokens[1..tokens.len().min(1 + MODIFIERS_MAX)];
    let kind = words.iter().position(|token| !token.is_one_of(&MODIFIERS)).unwrap_or(0) + 1;
    let of_account = ACCOUNT_OBJECTS.iter().any(|object| {
        let mut words = object.split(' ').enumerate();
        words.all(|(n, word)| tokens.get(kind + n).is_some_and(|token| token.is(word)))
    });
    if of_account && !first.is("COMMENT") {
        return Head::More(more(first, Class::Admin, Need::Never, "changes the account"));
    }
    let replaces = tokens[..kind.min(tokens.len())].iter().any(|token| token.is("OR"));
    let simple = ["TABLE", "VIEW", "SCHEMA"];
    let adds = first.is("CREATE")
        && !replaces
        && tokens.get(kind).is_some_and(|token| token.is_one_of(&simple));
    let need = if adds || first.is_one_of(&["COMMENT", "UNDROP"]) {
        Need::Write
    } else {
        Need::Destructive
    };
    Head::More(more(first, Class::Ddl, need, "creates, changes or removes objects"))
}

fn object_is(tokens: &[Token<'_>], word: &str) -> bool {
    tokens.get(2).is_some_and(|token| token.is(word))
}
