//! Values that came as text: all of an answer in JSON, documents and texts of one in Arrow.

use jiff::tz::TimeZone;

use super::number::{self, Decimal};
use super::row_type::{Kind, Shape};
use super::time::{self, Places};
use super::{Flaw, variant};
use crate::warehouse::Cell;

/// A value as a cell.
pub(super) fn cell(shape: &Shape, zone: &TimeZone, text: String) -> Result<Cell, Flaw> {
    Ok(match shape.kind {
        Kind::Text | Kind::Other => Cell::Text(text),
        Kind::Document => variant::cell(text),
        Kind::Fixed => Cell::Number(fixed(text)?),
        Kind::Decfloat => {
            let decimal = Decimal::parse(&text).ok_or_else(|| "not a number".to_owned())?;
            Cell::Number(decimal.text())
        }
        Kind::Real => Cell::Float(text.parse().map_err(|_| "not a number".to_owned())?),
        Kind::Boolean => Cell::Boolean(boolean(&text)?),
        Kind::Binary => Cell::Text(hexadecimal(&text)?),
        Kind::Date => Cell::Text(time::date(integer(&text)?)),
        Kind::Time => Cell::Text(time::time(time::seconds(&text)?, Places::of(shape.scale)?)?),
        Kind::TimestampNtz => {
            Cell::Text(time::timestamp(time::seconds(&text)?, Places::of(shape.scale)?)?)
        }
        Kind::TimestampLtz => {
            let nanos = time::seconds(&text)?;
            Cell::Text(time::timestamp_in(nanos, Places::of(shape.scale)?, zone)?)
        }
        Kind::TimestampTz => {
            let (seconds, offset) =
                text.split_once(' ').ok_or_else(|| "a moment without its offset".to_owned())?;
            let minutes = time::offset_minutes(integer(offset)?)?;
            let nanos = time::seconds(seconds)?;
            Cell::Text(time::timestamp_at(nanos, Places::of(shape.scale)?, minutes)?)
        }
        Kind::YearMonth => Cell::Text(time::year_month(integer(&text)?.into(), shape.scale)),
        Kind::DayTime => {
            let nanos = text.parse().map_err(|_| "not a whole number".to_owned())?;
            Cell::Text(time::day_time(nanos))
        }
    })
}

/// A NUMBER stays as Snowflake wrote it, with the zeros that its scale has.
fn fixed(text: String) -> Result<String, Flaw> {
    if number::is_plain(&text) {
        return Ok(text);
    }
    let decimal = Decimal::parse(&text).ok_or_else(|| "not a number".to_owned())?;
    Ok(decimal.text())
}

fn integer(text: &str) -> Result<i64, Flaw> {
    text.parse().map_err(|_| "not a whole number".to_owned())
}

fn boolean(text: &str) -> Result<bool, Flaw> {
    match text {
        "1" => Ok(true),
        "0" => Ok(false),
        word if word.eq_ignore_ascii_case("true") => Ok(true),
        word if word.eq_ignore_ascii_case("false") => Ok(false),
        _ => Err("neither true nor false".to_owned()),
    }
}

fn hexadecimal(text: &str) -> Result<String, Flaw> {
    if text.len().is_multiple_of(2) && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        Ok(text.to_ascii_uppercase())
    } else {
        Err("not hexadecimal".to_owned())
    }
}
