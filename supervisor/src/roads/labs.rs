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
    let mut services = Document::default();
    let mut known = false;
    for (key, value) in entries {
        known |= match key.as_str() {
            "search_services" | "analyst_services" | "agent_services" => {
                cortex(key, value, &mut services, &mut notes)
            }
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
    let mcp = document.table(&["apps", APP, "mcp"]);
    mcp.remark("The Labs server's tools, by their names and arguments.");
    mcp.set("toolsets", vec!["official".to_owned()]);
    fresh::sample(&mut document, APP);
    document.append(services);
    Ok(notes.finish(&document))
}

/// Each service of a kind as a table of its own, from which its tool gets its name and place.
fn cortex(key: &str, value: &Written, document: &mut Document, notes: &mut Notes) -> bool {
    if value.items().is_empty() {
        notes.dropped(key, "it is empty");
    }
    for (index, service) in value.items().iter().enumerate() {
        let text = |name: &str| service.get(name).and_then(Written::as_text);
        let Some(name) = text("service_name").filter(|name| crate::config::is_name(name)) else {
            let words = "it has no `service_name` that can stand for it here; write it by hand";
            notes.dropped(format!("{key}.{index}"), words);
            continue;
        };
        let from = format!("{key}.{name}");
        let table = ["apps", APP, "cortex", &name];
        let identifier = match key {
            "analyst_services" => text("semantic_model"),
            _ => ["database_name", "schema_name", "service_name"]
                .iter()
                .map(|part| text(part))
                .collect::<Option<Vec<_>>>()
                .map(|parts| parts.join(".")),
        };
        let Some(identifier) = identifier else {
            notes.dropped(from, "it does not say which service of the account it is");
            continue;
        };
        if document.has(&table) {
            notes.dropped(from, "another service has this name; give one of them another");
            continue;
        }
        let kind = match key {
            "search_services" => "CORTEX_SEARCH_SERVICE_QUERY",
            "analyst_services" => "CORTEX_ANALYST_MESSAGE",
            _ => "CORTEX_AGENT_RUN",
        };
        let description = text("description").map(|words| words.trim().to_owned());
        let description = description.filter(|words| !words.is_empty());
        let table = document.table(&table);
        table.set("type", kind);
        table.set("identifier", identifier.as_str());
        table.set("description", description.as_deref().unwrap_or(name.as_str()));
        if key == "search_services" {
            let columns = service.get("columns").map(Written::texts).unwrap_or_default();
            table.set_some("columns", (!columns.is_empty()).then_some(columns));
            table.set_some("limit", service.get("limit").and_then(Written::as_integer));
        }
        notes.holds(from, format!("apps.{APP}.cortex.{name}"));
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
            ("query_manager" | "object_manager" | "semantic_manager", true) => {
                notes.holds(key, "its tools are in the toolset `official`");
            }
            ("query_manager" | "object_manager" | "semantic_manager", false) => {
                let words = "its tools are in the toolset `official` all the same; what changes \
                             objects is shown only to clients whose `level` goes as far";
                notes.dropped(&key, words);
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
        ("all" | "unknown", true) => notes.dropped(
            key,
            "only what is known to read is let through, unless a client has a `level`",
        ),
        (kind, true) if WRITING.contains(&kind) => {
            let words = "whoever calls may only read; a client with a `level` of its own may go \
                         further (docs/clients.md)";
            notes.dropped(&key, words);
            notes.question(key, words);
        }
        ("command" | "all" | "unknown", false) => {
            notes.holds(key, "refused, unless a client has a `level`")
        }
        (kind, false) if WRITING.contains(&kind) => {
            notes.holds(key, "refused, unless a client has a `level`")
        }
        _ => notes.unknown(key, "the Labs server does not know it either"),
    }
}
