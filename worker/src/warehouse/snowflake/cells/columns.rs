//! Values of Arrow arrays as cells.
//!
//! Snowflake packs a column into the smallest integers that hold it and says in the column's
//! description what they mean, so both decide: the array how a value lies there, the shape what it
//! is. An array of a kind that Snowflake never sends for a column is still read as what it is.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, Date32Type, Date64Type, Decimal128Type, Float32Type, Float64Type, Int8Type,
    Int16Type, Int32Type, Int64Type, Time32MillisecondType, Time32SecondType,
    Time64MicrosecondType, Time64NanosecondType, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType, UInt8Type, UInt16Type,
    UInt32Type, UInt64Type,
};
use arrow_array::{Array, StructArray};
use arrow_schema::{DataType, Field, TimeUnit};
use jiff::tz::TimeZone;

use super::row_type::{Kind, Shape};
use super::time::{self, Places};
use super::{Flaw, nested, number, variant, words};
use crate::warehouse::Cell;

impl Shape {
    /// The shape with what the Arrow field says itself, which is nearer to the values.
    pub(super) fn in_field(&self, field: &Field) -> Shape {
        let scale = field.metadata().get("scale").and_then(|scale| scale.parse().ok());
        Shape { scale: scale.or(self.scale), ..self.clone() }
    }

    /// The shape of a field that the answer's columns do not describe.
    pub(super) fn of_field(field: &Field) -> Shape {
        let kind = match field.metadata().get("logicalType") {
            Some(word) => Kind::of(word),
            None if field.data_type().is_integer() => Kind::Fixed,
            None => Kind::Other,
        };
        Shape { kind, scale: None, fields: Vec::new() }.in_field(field)
    }
}

/// One value as a cell.
pub(super) fn cell(
    shape: &Shape,
    zone: &TimeZone,
    array: &dyn Array,
    row: usize,
) -> Result<Cell, Flaw> {
    if array.is_null(row) || *array.data_type() == DataType::Null {
        return Ok(Cell::Null);
    }
    if let Some(units) = integer(array, row) {
        return of_integer(shape, zone, units);
    }
    match array.data_type() {
        DataType::Boolean => Ok(Cell::Boolean(array.as_boolean().value(row))),
        DataType::Float64 => Ok(Cell::Float(array.as_primitive::<Float64Type>().value(row))),
        DataType::Float32 => {
            Ok(Cell::Float(single(array.as_primitive::<Float32Type>().value(row))))
        }
        DataType::Decimal128(_, scale) => {
            let units = array.as_primitive::<Decimal128Type>().value(row);
            of_decimal(shape, units, i64::from(*scale))
        }
        DataType::Utf8 => text(shape, zone, array.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => text(shape, zone, array.as_string::<i64>().value(row)),
        DataType::Utf8View => text(shape, zone, array.as_string_view().value(row)),
        DataType::Binary => Ok(bytes(array.as_binary::<i32>().value(row))),
        DataType::LargeBinary => Ok(bytes(array.as_binary::<i64>().value(row))),
        DataType::BinaryView => Ok(bytes(array.as_binary_view().value(row))),
        DataType::FixedSizeBinary(_) => Ok(bytes(array.as_fixed_size_binary().value(row))),
        DataType::Date32 => {
            Ok(Cell::Text(time::date(array.as_primitive::<Date32Type>().value(row).into())))
        }
        DataType::Date64 => {
            let millis = array.as_primitive::<Date64Type>().value(row);
            Ok(Cell::Text(time::date(millis.div_euclid(86_400_000))))
        }
        DataType::Time32(unit) | DataType::Time64(unit) => {
            Ok(Cell::Text(time::time(clock(array, row, *unit), Places::NANOS)?))
        }
        DataType::Timestamp(unit, offset) => {
            let nanos = clock(array, row, *unit);
            Ok(Cell::Text(match (shape.kind, offset) {
                (Kind::TimestampLtz, _) | (_, Some(_)) => {
                    time::timestamp_in(nanos, Places::NANOS, zone)?
                }
                (_, None) => time::timestamp(nanos, Places::NANOS)?,
            }))
        }
        DataType::Struct(_) => of_struct(shape, zone, array, row),
        DataType::List(_)
        | DataType::LargeList(_)
        | DataType::FixedSizeList(_, _)
        | DataType::Map(_, _) => document(shape, zone, array, row),
        _ => Ok(Cell::Text(format!("{:?}", array.slice(row, 1)))),
    }
}

/// A value of an integer array.
pub(super) fn integer(array: &dyn Array, row: usize) -> Option<i128> {
    Some(match array.data_type() {
        DataType::Int8 => value::<Int8Type>(array, row).into(),
        DataType::Int16 => value::<Int16Type>(array, row).into(),
        DataType::Int32 => value::<Int32Type>(array, row).into(),
        DataType::Int64 => value::<Int64Type>(array, row).into(),
        DataType::UInt8 => value::<UInt8Type>(array, row).into(),
        DataType::UInt16 => value::<UInt16Type>(array, row).into(),
        DataType::UInt32 => value::<UInt32Type>(array, row).into(),
        DataType::UInt64 => value::<UInt64Type>(array, row).into(),
        _ => return None,
    })
}

fn value<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> T::Native {
    array.as_primitive::<T>().value(row)
}

/// An integer, as what the column means by it.
fn of_integer(shape: &Shape, zone: &TimeZone, units: i128) -> Result<Cell, Flaw> {
    let moment = || Places::of(shape.scale).and_then(|places| Ok((places.nanos(units)?, places)));
    Ok(match shape.kind {
        Kind::Fixed => Cell::Number(number::scaled(units, shape.scale.unwrap_or(0))?),
        Kind::Real | Kind::Decfloat => Cell::Number(units.to_string()),
        Kind::Boolean => Cell::Boolean(units != 0),
        Kind::Date => {
            let days = i64::try_from(units).map_err(|_| "a day out of all bounds".to_owned())?;
            Cell::Text(time::date(days))
        }
        Kind::Time => {
            let (nanos, places) = moment()?;
            Cell::Text(time::time(nanos, places)?)
        }
        Kind::TimestampNtz => {
            let (nanos, places) = moment()?;
            Cell::Text(time::timestamp(nanos, places)?)
        }
        Kind::TimestampLtz => {
            let (nanos, places) = moment()?;
            Cell::Text(time::timestamp_in(nanos, places, zone)?)
        }
        Kind::TimestampTz => return Err("a moment without its offset".to_owned()),
        Kind::YearMonth => Cell::Text(time::year_month(units, shape.scale)),
        Kind::DayTime => Cell::Text(time::day_time(units)),
        Kind::Document => variant::cell(units.to_string()),
        Kind::Text | Kind::Binary | Kind::Other => Cell::Text(units.to_string()),
    })
}

fn of_decimal(shape: &Shape, units: i128, scale: i64) -> Result<Cell, Flaw> {
    Ok(match shape.kind {
        Kind::DayTime => Cell::Text(time::day_time(units)),
        _ => Cell::Number(number::scaled(units, shape.scale.unwrap_or(scale))?),
    })
}

/// A single-precision number as the double with the same shortest decimal: 0.1, not 0.1000000015.
fn single(value: f32) -> f64 {
    value.to_string().parse().unwrap_or_else(|_| f64::from(value))
}

fn text(shape: &Shape, zone: &TimeZone, text: &str) -> Result<Cell, Flaw> {
    words::cell(shape, zone, text.to_owned())
}

fn bytes(bytes: &[u8]) -> Cell {
    use std::fmt::Write;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        // Writing into a String cannot fail.
        let _ = write!(text, "{byte:02X}");
    }
    Cell::Text(text)
}

/// Nanoseconds out of an array of times or timestamps.
fn clock(array: &dyn Array, row: usize, unit: TimeUnit) -> i128 {
    let time = matches!(array.data_type(), DataType::Time32(_) | DataType::Time64(_));
    let (count, nanos): (i128, i128) = match (unit, time) {
        (TimeUnit::Second, true) => (value::<Time32SecondType>(array, row).into(), 1_000_000_000),
        (TimeUnit::Second, false) => {
            (value::<TimestampSecondType>(array, row).into(), 1_000_000_000)
        }
        (TimeUnit::Millisecond, true) => {
            (value::<Time32MillisecondType>(array, row).into(), 1_000_000)
        }
        (TimeUnit::Millisecond, false) => {
            (value::<TimestampMillisecondType>(array, row).into(), 1_000_000)
        }
        (TimeUnit::Microsecond, true) => (value::<Time64MicrosecondType>(array, row).into(), 1_000),
        (TimeUnit::Microsecond, false) => {
            (value::<TimestampMicrosecondType>(array, row).into(), 1_000)
        }
        (TimeUnit::Nanosecond, true) => (value::<Time64NanosecondType>(array, row).into(), 1),
        (TimeUnit::Nanosecond, false) => (value::<TimestampNanosecondType>(array, row).into(), 1),
    };
    count * nanos
}

/// A struct: a timestamp in pieces, a DECFLOAT in pieces, or a structured OBJECT.
fn of_struct(shape: &Shape, zone: &TimeZone, array: &dyn Array, row: usize) -> Result<Cell, Flaw> {
    let pieces = Pieces { array: array.as_struct(), row };
    match shape.kind {
        Kind::Decfloat if pieces.is_null("significand") => Ok(Cell::Null),
        Kind::TimestampNtz | Kind::TimestampLtz | Kind::TimestampTz if pieces.is_null("epoch") => {
            Ok(Cell::Null)
        }
        Kind::Decfloat => {
            let significand = number::significand(pieces.bytes("significand")?)?;
            let exponent = pieces.integer("exponent")?;
            Ok(Cell::Number(number::Decimal::of(significand, exponent).text()))
        }
        Kind::TimestampNtz => {
            Ok(Cell::Text(time::timestamp(pieces.nanos(shape)?, Places::of(shape.scale)?)?))
        }
        Kind::TimestampLtz => {
            let nanos = pieces.nanos(shape)?;
            Ok(Cell::Text(time::timestamp_in(nanos, Places::of(shape.scale)?, zone)?))
        }
        Kind::TimestampTz => {
            let minutes = time::offset_minutes(pieces.integer("timezone")?)?;
            let nanos = pieces.nanos(shape)?;
            Ok(Cell::Text(time::timestamp_at(nanos, Places::of(shape.scale)?, minutes)?))
        }
        _ => document(shape, zone, array, row),
    }
}

/// A value that lies in several fields.
struct Pieces<'a> {
    array: &'a StructArray,
    row: usize,
}

impl<'a> Pieces<'a> {
    /// Whether a piece is NULL: imitations of Snowflake say so there, and not of the whole.
    fn is_null(&self, name: &str) -> bool {
        self.array.column_by_name(name).is_some_and(|field| field.is_null(self.row))
    }

    fn field(&self, name: &str) -> Result<&'a dyn Array, Flaw> {
        let field = self.array.column_by_name(name).filter(|field| field.is_valid(self.row));
        field.map(AsRef::as_ref).ok_or_else(|| format!("a value without its `{name}`"))
    }

    fn integer(&self, name: &str) -> Result<i64, Flaw> {
        integer(self.field(name)?, self.row)
            .and_then(|value| i64::try_from(value).ok())
            .ok_or_else(|| format!("a value whose `{name}` is no whole number"))
    }

    fn bytes(&self, name: &str) -> Result<&'a [u8], Flaw> {
        let field = self.field(name)?;
        let bytes = field.as_binary_opt::<i32>().map(|bytes| bytes.value(self.row));
        bytes.ok_or_else(|| format!("a value whose `{name}` is not binary"))
    }

    /// Seconds and nanoseconds; or, without a fraction, units of the column's last place.
    fn nanos(&self, shape: &Shape) -> Result<i128, Flaw> {
        let epoch = i128::from(self.integer("epoch")?);
        if self.array.column_by_name("fraction").is_none() {
            return Places::of(shape.scale)?.nanos(epoch);
        }
        Ok(epoch * time::NANOS_PER_SECOND + i128::from(self.integer("fraction")?))
    }
}

/// A value with values inside, as a document.
fn document(shape: &Shape, zone: &TimeZone, array: &dyn Array, row: usize) -> Result<Cell, Flaw> {
    let mut json = String::new();
    nested::write(shape, zone, (array, row), &mut json)?;
    Ok(variant::cell(json))
}
