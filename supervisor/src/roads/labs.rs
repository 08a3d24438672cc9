//! From the configuration of the former Labs server for Snowflake to a draft.
//!
//! That server is no longer kept. What its file asks for and this release does becomes an app of
//! `mcp-worker`; what it does not do is dropped by name, so that nobody finds out in production.

use super::document::Document;
use super::fresh::{self, APP, LISTEN};
use super::notes::Notes;
use super::written::Written;
use super::{Draft, Untranslatable};

const HEAD: &str = "Translated from the configuration of the Labs server for Snowflake. `mcp-supervisor check` says what \
    is still wrong with it. docs/migrate.md says what became of each key.";

/// Translates the file.
///
/// # Errors
/// When the text is not YAML, or none of the server's keys is in it.
pub fn labs(text: &str) -> Result<Draft, Untranslatable> {
    let root = Written::from_yaml(text)
        .map_err(|why| Untranslatable(format!("it cannot be read: {why}")))?;
    let Written::Table(entries) = &root else {
        return Err(Untranslatable("it is no table of services".to_owned()));
    };
    let mut notes = Notes::default();
    let mut known = false;
    for (key, value) in entries {
        known |= match key.as_str() {
            "search_services" => services(key, value, SEARCH, &mut notes),
            "analyst_services" => services(key, value, ANALYST, &mut notes),
            "agent_services" => services(key, value, OTHER, &mut notes),
            "other_services" => others(value, &mut notes),
            "sql_statement_permissions" => permissions(value, &mut notes),
            other => {
                notes.unknown(other, "the Labs server does not know it either");
                false
            }
        };
    }
    if !known {
        let words = "there is none of search_services, analyst_services, agent_services, \
                     other_services and sql_statement_permissions in it";
        return Err(Untranslatable(words.to_owned()));
    }
    let words = "the account and how to log in were given to the Labs server by flags, variables \
                 or connections.toml, not by this file; until they are written here, the sample \
                 account is served";
    notes.question(format!("apps.{APP}.snowflake"), words);
    let mut document = Document::default();
    document.head(HEAD);
    fresh::worker(&mut document, APP, LISTEN, 2);
    fresh::sample(&mut document, APP);
    Ok(notes.finish(&document))
}

const SEARCH: &str = "Cortex Search is not a tool of this release";
const ANALYST: &str = "Cortex Analyst is not a tool of this release";
const OTHER: &str = "this kind of Cortex service is not a tool of this release";

fn services(key: &str, value: &Written, reason: &str, notes: &mut Notes) -> bool {
    for (index, service) in value.items().iter().enumerate() {
        let name = service.get("service_name").and_then(Written::as_text);
        let name = name.unwrap_or_else(|| index.to_string());
        notes.dropped(format!("{key}.{name}"), reason);
    }
    if value.items().is_empty() {
        notes.dropped(key, "it is empty");
    } else {
        notes.question(key, format!("{reason}; whoever uses it keeps the Labs server for it"));
    }
    true
}

fn others(value: &Written, notes: &mut Notes) -> bool {
    let Written::Table(entries) = value else {
        notes.unknown("other_services", "it is no table");
        return true;
    };
    for (name, value) in entries {
        let key = format!("other_services.{name}");
        let on = !value.is_off();
        match (name.as_str(), on) {
            ("query_manager", true) => notes.holds(key, "the tool execute_query, always there"),
            ("query_manager", false) => {
                let words = "execute_query is always there; it only reads";
                notes.dropped(&key, words);
                notes.question(key, words);
            }
            ("object_manager", true) => {
                notes.dropped(
                    key,
                    "list_databases, list_views, describe_view and query_view are there; nothing \
                     creates or drops objects",
                );
            }
            ("semantic_manager", true) => {
                notes.dropped(key, "semantic views are not a tool of this release");
            }
            ("object_manager" | "semantic_manager", false) => {
                notes.holds(key, "it is not there");
            }
            _ => notes.unknown(key, "the Labs server does not know it either"),
        }
    }
    true
}

/// Kinds of statements that the Labs server tells apart and that change something.
const WRITING: [&str; 14] = [
    "alter",
    "comment",
    "commit",
    "copy",
    "create",
    "delete",
    "drop",
    "insert",
    "merge",
    "rollback",
    "transaction",
    "truncatetable",
    "update",
    "use",
];

/// A list of tables with one key each, or one table.
fn permissions(value: &Written, notes: &mut Notes) -> bool {
    for item in value.items() {
        let Written::Table(entries) = item else {
            notes
                .unknown("sql_statement_permissions", "an entry is not of the form `Select: true`");
            continue;
        };
        for (kind, value) in entries {
            permission(kind, !value.is_off(), notes);
        }
    }
    true
}

fn permission(kind: &str, allowed: bool, notes: &mut Notes) {
    let key = format!("sql_statement_permissions.{kind}");
    let lower = kind.to_lowercase();
    match (lower.as_str(), allowed) {
        ("select" | "describe", true) => notes.holds(key, "statements that read are let through"),
        ("select" | "describe", false) => {
            let words = "statements that read are always let through; take the right from the role";
            notes.dropped(&key, words);
            notes.question(key, words);
        }
        ("command", true) => notes.dropped(
            key,
            "SHOW and EXPLAIN are let through without it; CALL, GRANT, PUT and EXECUTE IMMEDIATE, \
             which it let through as well, are refused",
        ),
        ("all" | "unknown", true) => {
            notes.dropped(key, "only statements that read are let through")
        }
        (kind, true) if WRITING.contains(&kind) => {
            notes.dropped(key, "this release only reads; the statement is refused");
        }
        ("command" | "all" | "unknown", false) => notes.holds(key, "refused, always"),
        (kind, false) if WRITING.contains(&kind) => notes.holds(key, "refused, always"),
        _ => notes.unknown(key, "the Labs server does not know it either"),
    }
}
