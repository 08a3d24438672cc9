//! Values inside values (structured ARRAY, OBJECT and MAP, VECTOR) as the text of a document.
//!
//! They become text first, so that one place decides whether a document is exact: `variant`.

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef};
use arrow_schema::{DataType, Field};
use jiff::tz::TimeZone;
use serde_json::Value;

use super::row_type::{Kind, Shape};
use super::{Flaw, columns};
use crate::warehouse::Cell;

/// Appends the value of an array at a row.
pub(super) fn write(
    shape: &Shape,
    zone: &TimeZone,
    (array, row): (&dyn Array, usize),
    json: &mut String,
) -> Result<(), Flaw> {
    if array.is_null(row) {
        json.push_str("null");
        return Ok(());
    }
    match array.data_type() {
        DataType::List(field) => {
            write_list(shape, zone, (field, array.as_list::<i32>().value(row)), json)
        }
        DataType::LargeList(field) => {
            write_list(shape, zone, (field, array.as_list::<i64>().value(row)), json)
        }
        DataType::FixedSizeList(field, _) => {
            write_list(shape, zone, (field, array.as_fixed_size_list().value(row)), json)
        }
        DataType::Map(_, _) => write_map(shape, zone, (array, row), json),
        DataType::Struct(fields) if !is_value(shape) => {
            let array = array.as_struct();
            json.push('{');
            for (index, (field, column)) in fields.iter().zip(array.columns()).enumerate() {
                write_key(index, field.name(), json);
                write(&inside(shape, index, field), zone, (column, row), json)?;
            }
            json.push('}');
            Ok(())
        }
        _ => {
            match columns::cell(shape, zone, array, row)? {
                // A document that is not exact makes that around it text as well.
                Cell::Text(document) if shape.kind == Kind::Document => json.push_str(&document),
                cell => write_cell(&cell, json),
            }
            Ok(())
        }
    }
}

/// Whether a struct is one value in pieces, not a document.
fn is_value(shape: &Shape) -> bool {
    matches!(
        shape.kind,
        Kind::Decfloat | Kind::TimestampNtz | Kind::TimestampLtz | Kind::TimestampTz
    )
}

fn inside(shape: &Shape, index: usize, field: &Field) -> Shape {
    match shape.fields.get(index) {
        Some(described) => described.in_field(field),
        None => Shape::of_field(field),
    }
}

fn write_list(
    shape: &Shape,
    zone: &TimeZone,
    (field, elements): (&Field, ArrayRef),
    json: &mut String,
) -> Result<(), Flaw> {
    let element = inside(shape, 0, field);
    json.push('[');
    for index in 0..elements.len() {
        if index > 0 {
            json.push(',');
        }
        write(&element, zone, (&elements, index), json)?;
    }
    json.push(']');
    Ok(())
}

fn write_map(
    shape: &Shape,
    zone: &TimeZone,
    (array, row): (&dyn Array, usize),
    json: &mut String,
) -> Result<(), Flaw> {
    let map = array.as_map();
    let (key_field, value_field) = map.entries_fields();
    let (key, value) = (inside(shape, 0, key_field), inside(shape, 1, value_field));
    let entries = map.value(row);
    json.push('{');
    for index in 0..entries.len() {
        let name = match columns::cell(&key, zone, entries.column(0), index)? {
            Cell::Text(text) | Cell::Number(text) => text,
            Cell::Null | Cell::Boolean(_) | Cell::Float(_) | Cell::Json(_) => {
                return Err("a map with a key that is neither text nor number".to_owned());
            }
        };
        write_key(index, &name, json);
        write(&value, zone, (entries.column(1), index), json)?;
    }
    json.push('}');
    Ok(())
}

fn write_key(index: usize, name: &str, json: &mut String) {
    if index > 0 {
        json.push(',');
    }
    json.push_str(&Value::from(name).to_string());
    json.push(':');
}

fn write_cell(cell: &Cell, json: &mut String) {
    match cell {
        Cell::Null => json.push_str("null"),
        Cell::Boolean(value) => json.push_str(if *value { "true" } else { "false" }),
        Cell::Number(digits) => json.push_str(digits),
        Cell::Float(value) if value.is_finite() => json.push_str(&Value::from(*value).to_string()),
        // No JSON: the document stays text, and says so.
        Cell::Float(value) => json.push_str(&value.to_string()),
        Cell::Text(text) => json.push_str(&Value::from(text.as_str()).to_string()),
        Cell::Json(value) => json.push_str(&value.to_string()),
    }
}
