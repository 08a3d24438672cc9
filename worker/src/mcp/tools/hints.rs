//! What may help a client whose statement failed: the names that are like the one that is not
//! there, the grant that is missing and whom to ask for it, another warehouse.
//!
//! The account is asked once, in the place of the statement that failed; when that fails too, the
//! client gets the first error as it was.

use mcp_protocol::access::Allowed;

use super::{Errand, ToolError};
use crate::mcp::answer::cell_text;
use crate::mcp::names::Name;
use crate::warehouse::journal::code;
use crate::warehouse::pool::PoolError;
use crate::warehouse::{Answer, Cell, Context, WarehouseError};

/// How many names are offered.
const OFFERED_MAX: usize = 3;
/// How like a name must be.
const LIKENESS_MIN: f64 = 0.75;
/// How many names are looked at.
const LOOKED_AT_MAX: usize = 5000;

/// The error, with what may help where something may.
pub async fn helped(errand: &Errand<'_>, context: &Context, error: ToolError) -> ToolError {
    let ToolError::Pool(PoolError::Warehouse(WarehouseError::Statement { message })) = &error
    else {
        return error;
    };
    let names = Names { errand, context };
    let hint = match code(message) {
        // The sample account has looked for it already.
        Some("002003" | "002043") if message.contains("Did you mean") => None,
        Some("002003" | "002043") => names.like(message).await,
        Some("003001") => Some(names.grant(message).await),
        Some("000606" | "000609" | "090073") => Some(other_warehouse(errand)),
        Some(_) | None => None,
    };
    match (error, hint) {
        (ToolError::Pool(error), Some(hint)) => ToolError::Hinted { error, hint },
        (error, _) => error,
    }
}

/// The first text in single quotes.
fn named(message: &str) -> Option<&str> {
    let (_, rest) = message.split_once('\'')?;
    rest.split_once('\'').map(|(name, _)| name)
}

fn other_warehouse(errand: &Errand<'_>) -> String {
    match &errand.caller.grant.warehouses {
        Allowed::Only(names) if names.is_empty() => {
            "This client may not name another warehouse: whoever runs the server has to give the \
             connection one that runs."
                .to_owned()
        }
        Allowed::Only(names) => {
            format!("Call again with another `warehouse`: {}.", names.join(", "))
        }
        Allowed::Any => {
            "Call again with another `warehouse`; SHOW WAREHOUSES tells which there are.".to_owned()
        }
    }
}

struct Names<'a> {
    errand: &'a Errand<'a>,
    context: &'a Context,
}

impl Names<'_> {
    /// The names that are like the one that is not there.
    async fn like(&self, message: &str) -> Option<String> {
        let missing = named(message)?;
        let mut parts: Vec<&str> = missing.split('.').map(|part| part.trim_matches('"')).collect();
        let object = parts.pop()?;
        let place = match parts.as_slice() {
            [] => Vec::new(),
            [schema] => vec![self.context.database.as_deref(), Some(*schema)],
            [.., database, schema] => vec![Some(*database), Some(*schema)],
        };
        let quoted: Vec<String> =
            place.into_iter().flatten().map(|name| Name::known(name.to_owned()).quoted()).collect();
        let kind = if message.contains("Schema '") {
            "SCHEMAS"
        } else if message.contains("Database '") {
            "DATABASES"
        } else {
            "OBJECTS"
        };
        let within = match quoted.as_slice() {
            [_, ..] if kind == "OBJECTS" => format!(" IN SCHEMA {}", quoted.join(".")),
            _ => String::new(),
        };
        let listed = self.ask(&format!("SHOW TERSE {kind}{within}")).await?;
        let near = nearest(object, &self.full_names(&listed, kind));
        if near.is_empty() {
            return Some(format!(
                "Nothing there has a name like {object}; search_objects finds it elsewhere, if \
                 this role can see it."
            ));
        }
        Some(format!("Did you mean {}?", near.join(", ")))
    }

    /// What to ask for, and of whom.
    async fn grant(&self, message: &str) -> String {
        let role = match &self.context.role {
            Some(role) => role.clone(),
            None => {
                let answer = self.ask("SELECT CURRENT_ROLE()").await;
                let cell = answer.as_ref().and_then(|a| a.rows.first()?.first().map(cell_text));
                cell.unwrap_or_else(|| "the role of this connection".to_owned())
            }
        };
        let object = named(message).unwrap_or("the object");
        let kind = message
            .split_once(" on ")
            .and_then(|(_, rest)| rest.split_once(" '"))
            .map_or("table", |(kind, _)| kind);
        let privilege = match kind {
            "database" | "schema" | "warehouse" => "USAGE",
            "function" | "procedure" => "USAGE",
            "stage" => "READ",
            _table_or_view => "SELECT",
        };
        let kind = kind.to_uppercase();
        format!(
            "Ask the owner of {object} or an administrator for: GRANT {privilege} ON {kind} \
             {object} TO ROLE {role}. Another `role` may have it already."
        )
    }

    async fn ask(&self, statement: &str) -> Option<Answer> {
        let context =
            Context { bindings: Vec::new(), page: None, rows_kept: None, ..self.context.clone() };
        self.errand.fetch(statement, &context, LOOKED_AT_MAX).await.ok()
    }

    /// The names of a listing that the caller may say, each with its schema where it has one.
    fn full_names(&self, listed: &Answer, kind: &str) -> Vec<(String, String)> {
        let at = |column: &str| super::position(listed, column);
        let (name, schema, database) =
            (at("name").unwrap_or(1), at("schema_name"), at("database_name"));
        let database = if kind == "DATABASES" { Some(name) } else { database };
        let cell = |row: &[Cell], at: Option<usize>| {
            let text = at.and_then(|at| row.get(at)).map(cell_text);
            text.filter(|text| text != "NULL" && !text.is_empty())
        };
        let allowed = &self.errand.caller.grant.databases;
        let full = |row: &Vec<Cell>| {
            if cell(row, database).is_some_and(|database| !allowed.allows(&database)) {
                return None;
            }
            let name = cell(row, Some(name))?;
            let shown = Name::known(name.clone()).to_string();
            let schema = cell(row, schema).filter(|_| kind == "OBJECTS");
            let shown = match schema {
                Some(schema) => format!("{}.{shown}", Name::known(schema)),
                None => shown,
            };
            Some((name, shown))
        };
        listed.rows.iter().filter_map(full).collect()
    }
}

/// The names most like a word, as they are shown, best first.
fn nearest(word: &str, names: &[(String, String)]) -> Vec<String> {
    let word = word.to_uppercase();
    let mut like: Vec<(f64, &str)> = names
        .iter()
        .map(|(name, shown)| (strsim::jaro_winkler(&word, &name.to_uppercase()), shown.as_str()))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .collect();
    like.sort_by(|left, right| right.0.total_cmp(&left.0));
    like.truncate(OFFERED_MAX);
    like.into_iter().map(|(_, shown)| shown.to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_and_names_are_found_in_the_words_of_both_kinds_of_accounts() {
        let snowflake = "SQL compilation error:\nObject 'ORDRES' does not exist or not authorized \
                         (Snowflake's code 002003, query 01b2)";
        let embedded = "002003 (42S02): SQL compilation error: Object 'ORDRES' does not exist";
        for message in [snowflake, embedded] {
            assert_eq!((code(message), named(message)), (Some("002003"), Some("ORDRES")));
        }
        assert_eq!(code("no code in it"), None);
        assert_eq!(code("é"), None);
    }

    #[test]
    fn the_most_similar_names_come_first() {
        let names = ["ORDERS", "ORDER_LINES", "CUSTOMER", "\"orders old\""];
        let names: Vec<(String, String)> =
            names.iter().map(|name| ((*name).to_owned(), (*name).to_owned())).collect();
        let near = nearest("ordres", &names);
        assert_eq!(near.first().map(String::as_str), Some("ORDERS"), "{near:?}");
        assert!(!near.contains(&"CUSTOMER".to_owned()));
    }
}
