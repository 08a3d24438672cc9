//! GET_DDL: the statement that would make a table or a view.

use super::account::{Kind, Relation};
use super::failure::{compilation, no_object, unsupported};
use super::rewrite::Scope;
use crate::warehouse::WarehouseError;

/// The statement that would make an object.
///
/// # Errors
/// When there is no such object, or it is of a kind that the account does not describe.
pub(crate) fn get(scope: Scope<'_>, kind: &str, name: &str) -> Result<String, WarehouseError> {
    let parts = parts(name);
    match kind.to_uppercase().as_str() {
        "VIEW" => {
            let relation = scope.account.relation(&parts, scope.place)?;
            match &relation.kind {
                Kind::View { text } => Ok(text.clone()),
                Kind::Table { .. } => Err(no_object("View", name, None)),
                Kind::Dictionary => Err(unsupported(format!(
                    "GET_DDL of {}; the views of INFORMATION_SCHEMA have no definition",
                    relation.full_name()
                ))),
            }
        }
        "TABLE" => {
            let relation = scope.account.relation(&parts, scope.place)?;
            match &relation.kind {
                Kind::Table { .. } => Ok(table(relation)),
                // Snowflake takes TABLE for views too.
                Kind::View { text } => Ok(text.clone()),
                Kind::Dictionary => Err(no_object("Table", name, None)),
            }
        }
        "DATABASE" | "SCHEMA" | "FUNCTION" | "PROCEDURE" | "SEQUENCE" | "STREAM" | "TASK"
        | "PIPE" | "FILE_FORMAT" | "POLICY" | "DYNAMIC_TABLE" => {
            Err(unsupported(format!("GET_DDL of a {kind}; it knows TABLE and VIEW")))
        }
        _ => Err(compilation(format!("invalid object type '{kind}' for GET_DDL"))),
    }
}

fn table(relation: &Relation) -> String {
    let columns: Vec<String> = relation
        .columns
        .iter()
        .map(|column| {
            let null = if column.nullable { "" } else { " NOT NULL" };
            format!("\t{} {}{null}", column.name, column.type_name)
        })
        .collect();
    format!("create or replace TABLE {} (\n{}\n);", relation.name, columns.join(",\n"))
}

/// A name as text, cut at its points.
fn parts(name: &str) -> Vec<String> {
    let mut parts = vec![String::new()];
    let mut quoted = false;
    for character in name.trim().chars() {
        match character {
            '"' => quoted = !quoted,
            '.' if !quoted => parts.push(String::new()),
            _ => {
                if let Some(part) = parts.last_mut() {
                    if quoted {
                        part.push(character);
                    } else {
                        part.extend(character.to_uppercase());
                    }
                }
            }
        }
    }
    parts
}
