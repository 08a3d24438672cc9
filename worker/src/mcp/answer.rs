//! An answer of the warehouse as a client sees it: a table for the reader, JSON for the program,
//! lines for a file; and how much of it one message may hold.

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

/// What was left out of an answer so that it fits into a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fit {
    /// Nothing.
    Whole,
    /// Rows at its end.
    Rows,
    /// All rows but the first, and the ends of long cells of that one.
    Cells,
}

/// Cuts an answer so that neither its table nor its JSON has more than so many characters.
pub fn fit(answer: &mut Answer, characters_max: usize) -> Fit {
    let names: usize =
        answer.columns.iter().map(|column| shown(&column.name).chars().count()).sum();
    let mut table = names + 12 * answer.columns.len();
    let mut data = 0;
    let mut fits = |row: &Vec<Cell>| {
        for cell in row {
            table += shown(&cell_text(cell)).chars().count() + 3;
            data += cell_json(cell).to_string().chars().count() + 1;
        }
        table += 2;
        data += 2;
        table <= characters_max && data <= characters_max
    };
    let rows = answer.rows.iter().take_while(|row| fits(row)).count();
    if rows == answer.rows.len() {
        return Fit::Whole;
    }
    answer.truncated = true;
    if rows > 0 {
        answer.rows.truncate(rows);
        return Fit::Rows;
    }
    answer.rows.truncate(1);
    let each = characters_max / answer.columns.len().max(1);
    for cell in answer.rows.iter_mut().flatten() {
        cut(cell, each);
    }
    Fit::Cells
}

/// Cuts a cell that is longer than so many characters.
fn cut(cell: &mut Cell, characters_max: usize) {
    let text = match cell {
        Cell::Text(text) => std::mem::take(text),
        Cell::Json(value) if value.to_string().chars().count() > characters_max => {
            value.to_string()
        }
        Cell::Null | Cell::Boolean(_) | Cell::Number(_) | Cell::Float(_) | Cell::Json(_) => return,
    };
    *cell = Cell::Text(match text.char_indices().nth(characters_max) {
        None => text,
        Some((end, _)) => format!("{}...", &text[..end]),
    });
}

/// The rows as comma-separated values, with the names first. NULL is an empty field, an empty text
/// is one in quotes.
#[must_use]
pub fn csv(answer: &Answer) -> String {
    let line = |fields: Vec<String>| fields.join(",") + "\r\n";
    let names = answer.columns.iter().map(|column| csv_field(&column.name)).collect();
    let rows = answer.rows.iter().map(|row| {
        let field = |cell: &Cell| match cell {
            Cell::Null => String::new(),
            Cell::Boolean(_) | Cell::Number(_) | Cell::Float(_) | Cell::Text(_) | Cell::Json(_) => {
                csv_field(&cell_text(cell))
            }
        };
        line(row.iter().map(field).collect())
    });
    std::iter::once(line(names)).chain(rows).collect()
}

fn csv_field(text: &str) -> String {
    if text.is_empty() || text.contains([',', '"', '\r', '\n']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

/// The rows as objects, one a line; a list instead where two columns have one name.
#[must_use]
pub fn json_lines(answer: &Answer) -> String {
    objects(answer).map(|line| format!("{line}\n")).collect()
}

/// The rows as objects; a list instead where two columns have one name.
pub fn objects(answer: &Answer) -> impl Iterator<Item = Value> {
    let names: Vec<&str> = answer.columns.iter().map(|column| column.name.as_str()).collect();
    let is_distinct = names.iter().enumerate().all(|(at, name)| !names[..at].contains(name));
    answer.rows.iter().map(move |row| {
        let cells = row.iter().map(cell_json);
        if is_distinct {
            Value::Object(names.iter().map(|name| (*name).to_owned()).zip(cells).collect())
        } else {
            cells.collect()
        }
    })
}

/// The answer as structured content.
#[must_use]
pub fn structured(answer: &Answer) -> Value {
    structured_page(answer, None)
}

/// The same with what leads to the next rows.
#[must_use]
pub fn structured_page(answer: &Answer, next_cursor: Option<&str>) -> Value {
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
        "total_rows": answer.total,
        "truncated": answer.truncated,
        "next_cursor": next_cursor,
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
                        "type": { "type": "string" },
                        "nullable": { "type": "boolean" }
                    },
                    "required": ["name", "type", "nullable"]
                }
            },
            "rows": {
                "type": "array",
                "description": "Cells in the order of columns; decimals and integers beyond 2^53 are strings.",
                "items": { "type": "array" }
            },
            "row_count": { "type": "integer" },
            "total_rows": { "type": ["integer", "null"] },
            "truncated": { "type": "boolean" },
            "next_cursor": { "type": ["string", "null"] }
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
            bytes: cells.iter().map(Cell::weight).sum(),
            rows: vec![cells],
            truncated: false,
            total: None,
            is_kept: false,
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

    fn rows_of(texts: &[&str]) -> Answer {
        let mut answer = answer(vec![Cell::Null]);
        answer.rows = texts.iter().map(|text| vec![Cell::Text((*text).to_owned())]).collect();
        answer
    }

    #[test]
    fn an_answer_is_cut_between_rows_and_says_so() {
        let long = "x".repeat(100);
        let mut few = rows_of(&[&long, &long]);
        assert_eq!(fit(&mut few, 1000), Fit::Whole);
        assert!(!few.truncated);
        let mut many = rows_of(&[long.as_str(); 20]);
        assert_eq!(fit(&mut many, 1000), Fit::Rows);
        assert!(many.truncated && many.rows.len() > 5, "{} rows", many.rows.len());
        assert!(table(&many).len() <= 1000);
        assert!(structured(&many)["rows"].to_string().len() <= 1000);
    }

    #[test]
    fn a_row_that_is_too_long_alone_is_shown_with_its_cells_cut() {
        let mut answer = rows_of(&[&"é".repeat(5000), "next"]);
        assert_eq!(fit(&mut answer, 1000), Fit::Cells);
        assert!(answer.truncated);
        assert_eq!(answer.rows, [[Cell::Text(format!("{}...", "é".repeat(1000)))]]);
    }

    #[test]
    fn rows_become_lines_that_programs_read() {
        let text = |text: &str| Cell::Text(text.to_owned());
        let mut found = answer(vec![text("a,\"b\""), Cell::Null, text(""), Cell::Boolean(true)]);
        assert_eq!(csv(&found), "C0,C1,C2,C3\r\n\"a,\"\"b\"\"\",,\"\",true\r\n");
        let line = "{\"C0\":\"a,\\\"b\\\"\",\"C1\":null,\"C2\":\"\",\"C3\":true}\n";
        assert_eq!(json_lines(&found), line);
        found.columns[1].name = "C0".to_owned();
        assert_eq!(json_lines(&found), "[\"a,\\\"b\\\"\",null,\"\",true]\n");
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
