//! The table in docs/snowflake-types.md: each example in it is decoded and compared.

use std::fs;
use std::path::Path;

use serde_json::json;

use super::*;
use crate::mcp::answer::{cell_text, structured};
use crate::warehouse::Answer;

/// How Snowflake describes a column of the type that the documentation names.
fn described(name: &str) -> RowType {
    let (word, inside) = match name.split_once('(') {
        Some((word, inside)) => (word, inside.trim_end_matches(')')),
        None => (name, ""),
    };
    let size: Option<i64> = inside.split(',').next_back().and_then(|size| size.trim().parse().ok());
    let element = json!([{ "type": "text", "length": 16 }, { "type": "fixed" }]);
    match word {
        "NUMBER" => {
            let precision: i64 = inside.split(',').next().unwrap().parse().unwrap();
            row_type("fixed", json!({ "precision": precision, "scale": size }))
        }
        "FLOAT" => row_type("real", json!({})),
        "VARCHAR" => row_type("text", json!({ "length": size })),
        "BINARY" => row_type("binary", json!({ "length": size })),
        "VECTOR" => {
            row_type("vector", json!({ "vectorDimension": size, "fields": [{ "type": "real" }] }))
        }
        "MAP" => row_type("map", json!({ "fields": element })),
        "GEOGRAPHY" => row_type("object", json!({ "extTypeName": "GEOGRAPHY" })),
        "GEOMETRY" => row_type("text", json!({ "extTypeName": "GEOMETRY" })),
        "INTERVAL YEAR TO MONTH" => row_type("interval_year_month", json!({ "scale": 0 })),
        "INTERVAL DAY TO SECOND" => row_type("interval_day_time", json!({ "scale": 9 })),
        other => row_type(&other.to_lowercase(), json!({ "scale": size })),
    }
}

/// What stands in backquotes in each cell of a line of the table.
fn examples(line: &str) -> Option<Vec<String>> {
    let quoted = |cell: &str| {
        let (begin, end) = (cell.find('`')?, cell.rfind('`')?);
        cell.get(begin + 1..end).map(str::to_owned)
    };
    line.trim_matches('|').split('|').take(4).map(quoted).collect()
}

#[test]
fn the_examples_in_the_documentation_are_true() {
    let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/snowflake-types.md");
    let page = fs::read_to_string(page).unwrap();
    let mut types = std::collections::BTreeSet::new();
    for line in page.lines().filter(|line| line.starts_with("| `")) {
        let examples = examples(line).unwrap_or_else(|| panic!("{line}: a cell without example"));
        let [name, sent, shown, written] = &examples[..] else {
            panic!("{line}: not four examples");
        };
        let column = described(name);
        assert_eq!(column.column().type_name, *name);
        let json = match sent.as_str() {
            "NULL" => "[null]".to_owned(),
            sent => format!("[{}]", Value::from(sent)),
        };
        let rows = read(Format::Json, std::slice::from_ref(&column), json.as_bytes(), 100).unwrap();
        assert_eq!(cell_text(&rows[0][0]), *written, "{line}");
        let answer = Answer {
            query_id: String::new(),
            columns: vec![column.column()],
            bytes: rows.iter().flatten().map(Cell::weight).sum(),
            rows,
            truncated: false,
            total: None,
            is_kept: false,
            database: None,
            schema: None,
        };
        assert_eq!(structured(&answer)["rows"][0][0].to_string(), *shown, "{line}");
        types.insert(name.split('(').next().unwrap().to_owned());
    }
    let all = [
        "ARRAY",
        "BINARY",
        "BOOLEAN",
        "DATE",
        "DECFLOAT",
        "FILE",
        "FLOAT",
        "GEOGRAPHY",
        "GEOMETRY",
        "INTERVAL DAY TO SECOND",
        "INTERVAL YEAR TO MONTH",
        "MAP",
        "NUMBER",
        "OBJECT",
        "TIME",
        "TIMESTAMP_LTZ",
        "TIMESTAMP_NTZ",
        "TIMESTAMP_TZ",
        "UUID",
        "VARCHAR",
        "VARIANT",
        "VECTOR",
    ];
    assert!(types.iter().eq(all), "{types:?}");
}
