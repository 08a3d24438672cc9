//! Functions that do more than compute, found by name at any depth, quoted or not.
//!
//! A user's own function is allowed: at this warehouse it cannot change rows. What is listed here
//! acts, hands out access, advances a counter, runs hidden text or shows another client's rows.

use super::Class;
use super::finding::{Finding, Need};
use super::lexer::{Kind, Token};

/// Prefix of the warehouse's own functions; all act unless listed in [`SYSTEM_READS`].
const SYSTEM: &str = "SYSTEM$";

/// Functions of the `SYSTEM$` family that only tell something.
const SYSTEM_READS: [&str; 42] = [
    "ALLOWLIST",
    "ALLOWLIST_PRIVATELINK",
    "AUTO_REFRESH_STATUS",
    "BEHAVIOR_CHANGE_BUNDLE_STATUS",
    "CATALOG_LINK_STATUS",
    "CLIENT_VERSION_INFO",
    "CLIENT_VULNERABILITY_INFO",
    "CLUSTERING_DEPTH",
    "CLUSTERING_INFORMATION",
    "CLUSTERING_RATIO",
    "CURRENT_USER_TASK_NAME",
    "DATABASE_REFRESH_HISTORY",
    "DATABASE_REFRESH_PROGRESS",
    "DATABASE_REFRESH_PROGRESS_BY_JOB",
    "DATA_METRIC_SCAN",
    "ESTIMATE_AUTOMATIC_CLUSTERING_COSTS",
    "ESTIMATE_QUERY_ACCELERATION",
    "ESTIMATE_SEARCH_OPTIMIZATION_COSTS",
    "EXPLAIN_JSON_TO_TEXT",
    "EXTERNAL_TABLE_PIPE_STATUS",
    "GET_CLASSIFICATION_RESULT",
    "GET_COMPUTE_POOL_STATUS",
    "GET_DIRECTORY_TABLE_STATUS",
    "GET_ICEBERG_TABLE_INFORMATION",
    "GET_PREDECESSOR_RETURN_VALUE",
    "GET_SERVICE_STATUS",
    "GET_SNOWFLAKE_PLATFORM_INFO",
    "GET_TAG",
    "GET_TAG_ALLOWED_VALUES",
    "GET_TAG_ON_CURRENT_COLUMN",
    "GET_TAG_ON_CURRENT_TABLE",
    "INTERNAL_STAGES_PUBLIC_ACCESS_STATUS",
    "IS_GLOBAL_DATA_SHARING_ENABLED_FOR_ACCOUNT",
    "LAST_CHANGE_COMMIT_TIME",
    "PIPE_STATUS",
    "SHOW_ACTIVE_BEHAVIOR_CHANGE_BUNDLES",
    "SHOW_BUDGETS_IN_ACCOUNT",
    "STREAM_GET_TABLE_TIMESTAMP",
    "STREAM_HAS_DATA",
    "TASK_RUNTIME_INFO",
    "TYPEOF",
    "WHITELIST",
];

/// One function that is more than reading.
struct Acting {
    name: &'static str,
    class: Class,
    need: Need,
    why: &'static str,
}

const fn acting(name: &'static str, class: Class, need: Need, why: &'static str) -> Acting {
    Acting { name, class, need, why }
}

const HIDDEN: &str = "runs text that cannot be seen here";
const OTHERS: &str = "shows what another client of this session asked for";
const URL: &str = "hands out a link that opens a file without the gate";

/// The list. A name counts when an argument list follows.
const ACTING: [Acting; 12] = [
    acting("NEXTVAL", Class::Write, Need::Write, "advances a sequence"),
    acting("GETNEXTVAL", Class::Write, Need::Write, "advances a sequence"),
    acting("TO_QUERY", Class::Write, Need::Never, HIDDEN),
    acting("RESULT_SCAN", Class::Session, Need::Never, OTHERS),
    acting("LAST_QUERY_ID", Class::Session, Need::Never, OTHERS),
    acting("GET_PRESIGNED_URL", Class::Read, Need::Never, URL),
    acting("BUILD_SCOPED_FILE_URL", Class::Read, Need::Never, URL),
    acting("FINETUNE", Class::Admin, Need::Never, "starts work on the account"),
    acting("AGENT_RUN", Class::Write, Need::Never, "lets an agent act"),
    acting("DATA_AGENT_RUN", Class::Write, Need::Never, "lets an agent act"),
    acting("SEND_EMAIL", Class::Admin, Need::Never, "sends mail"),
    acting("GENERATE_TOKEN", Class::Admin, Need::Never, "hands out a credential"),
];

/// What the name at an index does, when it is the name of something that acts.
pub(super) fn acts(tokens: &[Token<'_>], index: usize) -> Option<Finding> {
    let token = tokens[index];
    if token.kind == Kind::Stage {
        return behind_stage(token);
    }
    let name = token.name()?;
    let called = tokens.get(index + 1).is_some_and(|next| next.is("("));
    let member = index > 0 && tokens[index - 1].is(".");
    if let Some(rest) = strip_prefix_any_case(name, SYSTEM) {
        return system(rest).then(|| found(token, Class::Admin, Need::Never, ADMIN));
    }
    let split = tokens.get(index + 1).is_some_and(|next| next.kind == Kind::Variable);
    if split && name.eq_ignore_ascii_case("SYSTEM") {
        return Some(found(token, Class::Admin, Need::Never, ADMIN));
    }
    if called && name.eq_ignore_ascii_case("IDENTIFIER") {
        return identifier(tokens, index);
    }
    if called && token.is("TABLE") {
        return table(tokens, index);
    }
    let counts = called || (member && name.eq_ignore_ascii_case("NEXTVAL"));
    let entry = acting_by(name)?;
    counts.then(|| found(token, entry.class, entry.need, entry.why))
}

fn acting_by(name: &str) -> Option<&'static Acting> {
    ACTING.iter().find(|entry| name.eq_ignore_ascii_case(entry.name))
}

/// A path may hold operators, so `@stage+f(…)` may be a path or a sum; a name in it that acts
/// counts as a call.
fn behind_stage(token: Token<'_>) -> Option<Finding> {
    let mut words = token.text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '$');
    words.find_map(|word| {
        if strip_prefix_any_case(word, SYSTEM).is_some_and(system) {
            return Some(Finding {
                word: word.to_owned(),
                ..found(token, Class::Admin, Need::Never, ADMIN)
            });
        }
        let entry = acting_by(word)?;
        let finding = found(token, entry.class, Need::Never, entry.why);
        Some(Finding { word: word.to_owned(), ..finding })
    })
}

const ADMIN: &str = "acts on the account or on other sessions";

/// Whether the rest of a `SYSTEM$` name is not known to be harmless.
fn system(rest: &str) -> bool {
    !SYSTEM_READS.iter().any(|known| rest.eq_ignore_ascii_case(known))
}

/// `IDENTIFIER('name')` is a plain name; anything computed, called or acting is hidden text.
fn identifier(tokens: &[Token<'_>], index: usize) -> Option<Finding> {
    let argument = tokens.get(index + 2).filter(|token| token.kind == Kind::Text);
    let Some(argument) = argument.filter(|_| tokens.get(index + 3).is_some_and(|t| t.is(")")))
    else {
        let why = "takes a name that cannot be seen here; write the name itself";
        return Some(found(tokens[index], Class::Write, Need::Never, why));
    };
    let text = argument.text.to_ascii_uppercase();
    if text.contains(SYSTEM) {
        return Some(found(tokens[index], Class::Admin, Need::Never, ADMIN));
    }
    if text.contains("NEXTVAL") {
        return Some(found(tokens[index], Class::Write, Need::Write, "advances a sequence"));
    }
    if text.contains('\\') || tokens.get(index + 4).is_some_and(|token| token.is("(")) {
        let why = "calls something by a text; write the function's name itself";
        return Some(found(tokens[index], Class::Write, Need::Never, why));
    }
    None
}

/// `TABLE(f(…))` calls a function by its name; `TABLE('…')` and `TABLE($x)` hide it.
fn table(tokens: &[Token<'_>], index: usize) -> Option<Finding> {
    let argument = tokens.get(index + 2)?;
    let hidden = match argument.kind {
        Kind::Text | Kind::Variable | Kind::Placeholder => true,
        Kind::Symbol => argument.is(":") || argument.is("?"),
        Kind::Word | Kind::Quoted | Kind::Number | Kind::Stage => false,
    };
    let why = "takes a table by a text; write the table's name itself";
    hidden.then(|| found(tokens[index], Class::Write, Need::Never, why))
}

fn found(token: Token<'_>, class: Class, need: Need, why: &'static str) -> Finding {
    let word = token.name().unwrap_or(token.text).to_owned();
    Finding { class, need, word, at: token.at, why: why.into() }
}

fn strip_prefix_any_case<'n>(name: &'n str, prefix: &str) -> Option<&'n str> {
    let head = name.get(..prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then(|| &name[prefix.len()..])
}
