//! An answer of the warehouse as a client sees it: a table for the reader, JSON for the program.

use serde_json::{Value, json};

use crate::warehouse::{Answer, Cell};

/// The longest cell of a table, in characters.
const CELL_CHARS_MAX: usize = 200;
/// Integers up to here are exact in every JSON reader.
const EXACT_INTEGER_MAX: i64 = 9_007_199_254_740_991;

/// The rows as a markdown table.
#[must_use]
pub fn table(answer: &Answer) -> String {
    let mut text = String::from("|");
    for column in &answer.columns {
        text.push_str(&format!(" {} |", shown(&column.name)));
    }
    text.push_str("\n|");
    text.push_str(&" --- |".repeat(answer.columns.len()));
    for row in &answer.rows {
        text.push_str("\n|");
        for cell in row {
            text.push_str(&format!(" {} |", shown(&cell_text(cell))));
        }
    }
    text
}

/// One cell as plain text.
#[must_use]
pub fn cell_text(cell: &Cell) -> String {
    match cell {
        Cell::Null => "NULL".to_owned(),
        Cell::Boolean(value) => value.to_string(),
        Cell::Number(digits) => digits.clone(),
        Cell::Float(value) => value.to_string(),
        Cell::Text(text) => text.clone(),
        Cell::Json(value) => value.to_string(),
    }
}

/// The answer as structured content.
#[must_use]
pub fn structured(answer: &Answer) -> Value {
    let columns: Vec<Value> = answer
        .columns
        .iter()
        .map(|column| {
            json!({ "name": column.name, "type": column.type_name, "nullable": column.nullable })
        })
        .collect();
    let rows: Vec<Value> =
        answer.rows.iter().map(|row| row.iter().map(cell_json).collect()).collect();
    json!({
        "query_id": answer.query_id,
        "database": answer.database,
        "schema": answer.schema,
        "columns": columns,
        "rows": rows,
        "row_count": answer.rows.len(),
        "truncated": answer.truncated,
    })
}

/// The schema of [`structured`].
#[must_use]
pub fn output_schema() -> Value {
    json!({
        "type": "object",
        "properties": {
            "query_id": { "type": "string" },
            "database": { "type": ["string", "null"] },
            "schema": { "type": ["string", "null"] },
            "columns": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "name": { "type": "string" },
                        "type": { "type": "string", "description": "In Snowflake's words, such as NUMBER(38,0)." },
                        "nullable": { "type": "boolean" }
                    },
                    "required": ["name", "type", "nullable"]
                }
            },
            "rows": {
                "type": "array",
                "description": "Cells in the order of the columns. Decimals and integers beyond 2^53 are strings with all their digits.",
                "items": { "type": "array" }
            },
            "row_count": { "type": "integer" },
            "truncated": { "type": "boolean", "description": "True when there were more rows." }
        },
        "required": ["query_id", "columns", "rows", "row_count", "truncated"]
    })
}

fn cell_json(cell: &Cell) -> Value {
    match cell {
        Cell::Null => Value::Null,
        Cell::Boolean(value) => json!(value),
        Cell::Number(digits) => match digits.parse::<i64>() {
            Ok(integer) if integer.unsigned_abs() <= EXACT_INTEGER_MAX.unsigned_abs() => {
                json!(integer)
            }
            Ok(_) | Err(_) => json!(digits),
        },
        Cell::Float(value) if value.is_finite() => json!(value),
        Cell::Float(value) => json!(value.to_string()),
        Cell::Text(text) => json!(text),
        Cell::Json(value) => value.clone(),
    }
}

/// A text that stays inside its cell.
fn shown(text: &str) -> String {
    let cut = match text.char_indices().nth(CELL_CHARS_MAX) {
        None => text.to_owned(),
        Some(_) => text.chars().take(CELL_CHARS_MAX - 3).chain("...".chars()).collect(),
    };
    cut.replace("\r\n", " ").replace(['\n', '\r'], " ").replace('|', "\\|")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::warehouse::Column;

    fn answer(cells: Vec<Cell>) -> Answer {
        let column = |index| Column {
            name: format!("C{index}"),
            type_name: "VARCHAR".to_owned(),
            nullable: true,
        };
        Answer {
            query_id: "q".to_owned(),
            columns: (0..cells.len()).map(column).collect(),
            rows: vec![cells],
            truncated: false,
            database: None,
            schema: None,
        }
    }

    #[test]
    fn cells_stay_inside_the_table() {
        let text = |text: &str| Cell::Text(text.to_owned());
        let table = table(&answer(vec![text("a|b"), text("x\r\ny\nz"), Cell::Null]));
        assert_eq!(table, "| C0 | C1 | C2 |\n| --- | --- | --- |\n| a\\|b | x y z | NULL |");
    }

    #[test]
    fn a_long_cell_is_cut_at_characters() {
        let exact = "é".repeat(200);
        assert_eq!(shown(&exact), exact);
        assert_eq!(shown(&"é".repeat(201)), format!("{}...", "é".repeat(197)));
    }

    #[test]
    fn numbers_keep_all_their_digits() {
        let number = |digits: &str| cell_json(&Cell::Number(digits.to_owned()));
        assert_eq!(number("-42"), json!(-42));
        assert_eq!(number("9007199254740993"), json!("9007199254740993"));
        assert_eq!(number("1.10"), json!("1.10"));
        assert_eq!(cell_json(&Cell::Float(f64::NAN)), json!("NaN"));
    }
}
