//! Values and types of the engine in Snowflake's words. Numbers keep all their digits.

use datafusion::arrow::array::{Array, ArrayRef, AsArray};
use datafusion::arrow::datatypes::{
    DataType, Date32Type, Float32Type, Float64Type, TimeUnit, TimestampNanosecondType,
};
use datafusion::arrow::util::display::{ArrayFormatter, FormatOptions};
use datafusion::common::Result;

use super::functions::number_text;
use crate::warehouse::Cell;

/// The name of a type in Snowflake's words.
pub(crate) fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean | DataType::Null => "BOOLEAN".to_owned(),
        DataType::Float16 | DataType::Float32 | DataType::Float64 => "FLOAT".to_owned(),
        DataType::Decimal128(precision, scale) => format!("NUMBER({precision},{scale})"),
        DataType::Date32 | DataType::Date64 => "DATE".to_owned(),
        DataType::Time32(_) | DataType::Time64(_) => "TIME(9)".to_owned(),
        DataType::Timestamp(_, None) => "TIMESTAMP_NTZ(9)".to_owned(),
        DataType::Timestamp(_, Some(_)) => "TIMESTAMP_LTZ(9)".to_owned(),
        DataType::Binary | DataType::BinaryView | DataType::LargeBinary => "BINARY".to_owned(),
        other if other.is_integer() => "NUMBER(38,0)".to_owned(),
        _ => "VARCHAR".to_owned(),
    }
}

/// One value.
pub(crate) fn cell(array: &ArrayRef, row: usize) -> Result<Cell> {
    if is_null(array, row) {
        return Ok(Cell::Null);
    }
    Ok(match array.data_type() {
        DataType::Boolean => Cell::Boolean(array.as_boolean().value(row)),
        DataType::Float64 => Cell::Float(array.as_primitive::<Float64Type>().value(row)),
        DataType::Float32 => Cell::Float(array.as_primitive::<Float32Type>().value(row).into()),
        other if other.is_integer() || matches!(other, DataType::Decimal128(_, _)) => {
            Cell::Number(written(array, row)?)
        }
        _ => match text(array, row)? {
            Some(text) => Cell::Text(text),
            None => Cell::Null,
        },
    })
}

/// An array of nothing but NULL keeps no list of its NULLs.
fn is_null(array: &ArrayRef, row: usize) -> bool {
    *array.data_type() == DataType::Null || array.is_null(row)
}

/// One value as text, as a conversion to VARCHAR gives it.
pub(crate) fn text(array: &ArrayRef, row: usize) -> Result<Option<String>> {
    if is_null(array, row) {
        return Ok(None);
    }
    Ok(Some(match array.data_type() {
        DataType::Utf8 => array.as_string::<i32>().value(row).to_owned(),
        DataType::Utf8View => array.as_string_view().value(row).to_owned(),
        DataType::Float64 => number_text(array.as_primitive::<Float64Type>().value(row)),
        DataType::Date32 => match array.as_primitive::<Date32Type>().value_as_date(row) {
            Some(date) => date.format("%Y-%m-%d").to_string(),
            None => written(array, row)?,
        },
        DataType::Timestamp(TimeUnit::Nanosecond, zone) => {
            let stamps = array.as_primitive::<TimestampNanosecondType>();
            let offset = if zone.is_some() { " +0000" } else { "" };
            match stamps.value_as_datetime(row) {
                Some(at) => format!("{}{offset}", at.format("%Y-%m-%d %H:%M:%S%.3f")),
                None => written(array, row)?,
            }
        }
        _ => written(array, row)?,
    }))
}

fn written(array: &ArrayRef, row: usize) -> Result<String> {
    let formatter = ArrayFormatter::try_new(array, &FormatOptions::default())?;
    Ok(formatter.value(row).try_to_string()?)
}
