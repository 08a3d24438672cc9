//! A small table that is made by hand: the answers of SHOW, DESCRIBE, USE and EXPLAIN.

use serde_json::json;

use super::account::{ColumnOf, Relation};
use crate::warehouse::{Cell, Column};

/// Columns and rows.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    /// The columns.
    pub(crate) columns: Vec<Column>,
    /// The rows.
    pub(crate) rows: Vec<Vec<Cell>>,
}

impl Listing {
    /// No rows yet; every column is text but those that Snowflake types otherwise.
    pub(crate) fn of(names: &[&str]) -> Listing {
        let columns = names
            .iter()
            .map(|name| Column {
                name: (*name).to_owned(),
                type_name: match *name {
                    "created_on" => "TIMESTAMP_LTZ(3)",
                    "rows" | "bytes" | "search_optimization_bytes" => "NUMBER(38,0)",
                    _ => "VARCHAR",
                }
                .to_owned(),
                nullable: true,
            })
            .collect();
        Listing { columns, rows: Vec::new() }
    }
}

/// A cell with text.
pub(crate) fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

/// A cell with a count.
pub(crate) fn number(count: usize) -> Cell {
    Cell::Number(count.to_string())
}

/// A cell with Snowflake's letter for a truth value.
pub(crate) fn flag(value: bool) -> Cell {
    text(if value { "Y" } else { "N" })
}

/// The numbers in the brackets of a type: its length, or precision and scale.
pub(crate) fn modifiers(type_name: &str) -> (&str, Vec<u32>) {
    match type_name.split_once('(') {
        Some((word, rest)) => {
            (word, rest.trim_end_matches(')').split(',').filter_map(|n| n.parse().ok()).collect())
        }
        None => (type_name, Vec::new()),
    }
}

/// The type of a column as `SHOW COLUMNS` gives it.
pub(crate) fn type_json(column: &ColumnOf) -> String {
    let nullable = column.nullable;
    let (word, numbers) = modifiers(&column.type_name);
    let value = match (word, numbers.as_slice()) {
        ("NUMBER", [precision, scale]) => {
            json!({"type": "FIXED", "precision": precision, "scale": scale, "nullable": nullable})
        }
        ("VARCHAR", lengths) => {
            let length = lengths.first().copied().unwrap_or(super::directory::TEXT_MAX);
            json!({
                "type": "TEXT", "length": length, "byteLength": u64::from(length) * 4,
                "nullable": nullable, "fixed": false,
            })
        }
        ("FLOAT", _) => json!({"type": "REAL", "nullable": nullable}),
        (word, [digits]) => {
            json!({"type": word, "precision": 0, "scale": digits, "nullable": nullable})
        }
        (word, _) => json!({"type": word, "nullable": nullable}),
    };
    value.to_string()
}

/// SQL's LIKE: `%` for any text, `_` for any character.
pub(crate) fn like(name: &str, pattern: &str) -> bool {
    let mut pattern_rest = pattern.chars();
    match pattern_rest.next() {
        None => name.is_empty(),
        Some('%') => {
            let rest = pattern_rest.as_str();
            (0..=name.len()).any(|at| name.is_char_boundary(at) && like(&name[at..], rest))
        }
        Some('\\') => {
            let mut chars = name.chars();
            chars.next() == pattern_rest.next() && like(chars.as_str(), pattern_rest.as_str())
        }
        Some(wanted) => {
            let mut chars = name.chars();
            let found = chars.next();
            found.is_some_and(|found| wanted == '_' || wanted == found)
                && like(chars.as_str(), pattern_rest.as_str())
        }
    }
}

/// What SHOW calls a relation.
pub(crate) fn kind_word(relation: &Relation) -> &'static str {
    if relation.is_view() { "VIEW" } else { "TABLE" }
}
