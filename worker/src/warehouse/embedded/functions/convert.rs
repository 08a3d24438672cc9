//! Conversions between types, in Snowflake's formats and with its messages.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, NaiveDateTime, NaiveTime};
use datafusion::arrow::array::{
    Array, ArrayRef, BooleanArray, Decimal128Array, Float64Array, StringArray,
};
use datafusion::arrow::compute::{CastOptions, cast_with_options};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{DataFusionError, Result, exec_err};

use super::dates::{TIMESTAMP, moments, moments_array};
use super::format::{number_of_text, parse_moment, write_moment, write_number};
use super::numbers::{DIGITS_MAX, exact};
use super::scalar::{Call, Scalar, converted, strings};

/// All functions of this file. `try` ones give NULL where the others fail.
pub(crate) const CONVERSIONS: &[Scalar] = &[
    Scalar { name: "sf_to_date", arity: 1..=2, returns: date, body: to_moment },
    Scalar { name: "sf_try_to_date", arity: 1..=2, returns: date, body: try_to_moment },
    Scalar { name: "sf_to_timestamp", arity: 1..=2, returns: timestamp, body: to_moment },
    Scalar { name: "sf_try_to_timestamp", arity: 1..=2, returns: timestamp, body: try_to_moment },
    Scalar { name: "sf_to_varchar", arity: 1..=2, returns: varchar, body: to_varchar },
    Scalar { name: "sf_to_decimal", arity: 3..=3, returns: decimal, body: to_decimal },
    Scalar { name: "sf_try_to_decimal", arity: 3..=3, returns: decimal, body: try_to_decimal },
    Scalar { name: "sf_to_double", arity: 1..=1, returns: double, body: to_double },
    Scalar { name: "sf_try_to_double", arity: 1..=1, returns: double, body: try_to_double },
    Scalar { name: "sf_to_boolean", arity: 1..=1, returns: boolean, body: to_boolean },
    Scalar { name: "sf_try_to_boolean", arity: 1..=1, returns: boolean, body: try_to_boolean },
];

fn date(_: &Call) -> Result<DataType> {
    Ok(DataType::Date32)
}

fn timestamp(_: &Call) -> Result<DataType> {
    Ok(TIMESTAMP)
}

fn varchar(_: &Call) -> Result<DataType> {
    Ok(DataType::Utf8)
}

fn double(_: &Call) -> Result<DataType> {
    Ok(DataType::Float64)
}

fn boolean(_: &Call) -> Result<DataType> {
    Ok(DataType::Boolean)
}

fn decimal(call: &Call) -> Result<DataType> {
    let precision = call.integer(1).unwrap_or(38).clamp(1, 38);
    let scale = call.integer(2).unwrap_or(0).clamp(0, 37);
    Ok(DataType::Decimal128(
        u8::try_from(precision).unwrap_or(DIGITS_MAX),
        i8::try_from(scale).unwrap_or(0),
    ))
}

/// What a value that does not fit gives.
#[derive(Clone, Copy)]
enum Misfit {
    Error,
    Null,
}

impl Misfit {
    fn settle<T>(self, value: Result<T>) -> Result<Option<T>> {
        match (self, value) {
            (_, Ok(value)) => Ok(Some(value)),
            (Misfit::Error, Err(error)) => Err(error),
            (Misfit::Null, Err(_)) => Ok(None),
        }
    }
}

fn to_moment(_: &Call, args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    moments_as(args, returns, Misfit::Error)
}

fn try_to_moment(_: &Call, args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    moments_as(args, returns, Misfit::Null)
}

fn moments_as(args: &[ArrayRef], returns: &DataType, misfit: Misfit) -> Result<ArrayRef> {
    let given = &args[0];
    if exact(given.data_type()).is_some() && *given.data_type() != DataType::Null {
        let texts = strings(given)?;
        let read = texts.iter().map(|text| match text {
            Some(text) => misfit.settle(moment_of_epoch(text)),
            None => Ok(None),
        });
        return moments_array(read.collect::<Result<Vec<_>>>()?, returns);
    }
    if !given.data_type().is_string() {
        return moments_array(moments(given)?, returns);
    }
    let texts = strings(given)?;
    let formats = args.get(1).map(strings).transpose()?;
    let mut answer = Vec::with_capacity(texts.len());
    for (row, text) in texts.iter().enumerate() {
        let format = formats.as_ref().filter(|formats| formats.is_valid(row));
        let read = text.map(|text| match format {
            Some(formats) if !formats.value(row).eq_ignore_ascii_case("auto") => {
                parse_moment(text, formats.value(row))
            }
            Some(_) | None if *returns == DataType::Date32 => date_of_text(text),
            Some(_) | None => timestamp_of_text(text),
        });
        answer.push(match read {
            Some(read) => misfit.settle(read)?,
            None => None,
        });
    }
    moments_array(answer, returns)
}

/// Seconds, milliseconds, microseconds or nanoseconds since 1970, told apart by their size.
fn moment_of_epoch(text: &str) -> Result<NaiveDateTime> {
    let Ok(number) = text.split('.').next().unwrap_or(text).parse::<i64>() else {
        return exec_err!("Timestamp '{text}' is not recognized");
    };
    let nanos = match number.unsigned_abs() {
        0..31_536_000_000 => number.checked_mul(1_000_000_000),
        31_536_000_000..31_536_000_000_000 => number.checked_mul(1_000_000),
        31_536_000_000_000..31_536_000_000_000_000 => number.checked_mul(1_000),
        31_536_000_000_000_000.. => Some(number),
    };
    match nanos {
        Some(nanos) => Ok(DateTime::from_timestamp_nanos(nanos).naive_utc()),
        None => exec_err!("Timestamp '{text}' is not recognized"),
    }
}

/// A DATE written in one of the forms that Snowflake recognises by itself.
fn date_of_text(text: &str) -> Result<NaiveDateTime> {
    match timestamp_of_text(text) {
        Ok(moment) => Ok(moment.date().and_time(NaiveTime::MIN)),
        Err(_) => exec_err!("Date '{text}' is not recognized"),
    }
}

/// A timestamp written in one of the forms that Snowflake recognises by itself.
pub(crate) fn timestamp_of_text(text: &str) -> Result<NaiveDateTime> {
    let trimmed = text.trim();
    let dates = ["%Y-%m-%d", "%m/%d/%Y", "%d-%b-%Y"];
    // The T of OCT is no separator: only a T behind a digit is.
    let separator = trimmed.char_indices().zip(trimmed.chars().skip(1)).find_map(|(at, next)| {
        let behind_digit = next == 'T' && at.1.is_ascii_digit();
        (behind_digit || next == ' ').then_some(at.0 + at.1.len_utf8())
    });
    let (day, clock) = match separator {
        Some(at) => (&trimmed[..at], trimmed[at + 1..].trim()),
        None => (trimmed, ""),
    };
    let day = dates.iter().find_map(|form| NaiveDate::parse_from_str(day, form).ok());
    let (clock, offset) = split_offset(clock);
    let clock = match clock {
        "" => Some(NaiveTime::MIN),
        clock => ["%H:%M:%S%.f", "%H:%M", "%H"]
            .iter()
            .find_map(|form| NaiveTime::parse_from_str(clock, form).ok()),
    };
    match (day, clock, offset) {
        (Some(day), Some(clock), Some(_)) => Ok(day.and_time(clock)),
        _ if !trimmed.is_empty() && trimmed.bytes().all(|byte| byte.is_ascii_digit()) => {
            moment_of_epoch(trimmed)
        }
        _ => exec_err!("Timestamp '{text}' is not recognized"),
    }
}

/// Takes `Z` or `+01:00` off the end; nothing when it is not an offset.
fn split_offset(clock: &str) -> (&str, Option<&str>) {
    match clock.find(['Z', '+', '-']) {
        None => (clock, Some("")),
        Some(at) => {
            let offset = &clock[at..];
            let is_offset = offset == "Z"
                || offset[1..].bytes().all(|byte| byte.is_ascii_digit() || byte == b':');
            (clock[..at].trim_end(), is_offset.then_some(offset))
        }
    }
}

fn to_varchar(_: &Call, args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let given = &args[0];
    let formats = args.get(1).map(strings).transpose()?;
    let format = |row: usize| {
        formats.as_ref().filter(|formats| formats.is_valid(row)).map(|formats| formats.value(row))
    };
    let temporal = matches!(given.data_type(), DataType::Date32 | DataType::Timestamp(_, _));
    if temporal && formats.is_some() {
        let moments = moments(given)?;
        let mut answer = Vec::with_capacity(moments.len());
        for (row, moment) in moments.into_iter().enumerate() {
            answer.push(match (moment, format(row)) {
                (Some(moment), Some(format)) => Some(write_moment(moment, format)?),
                (None, _) | (_, None) => None,
            });
        }
        return Ok(Arc::new(StringArray::from(answer)));
    }
    let mut answer = Vec::with_capacity(given.len());
    for row in 0..given.len() {
        let plain = crate::warehouse::embedded::cells::text(given, row)?;
        answer.push(match (plain, format(row)) {
            (Some(plain), Some(format)) => Some(write_number(&plain, format)?),
            (plain, None) => plain,
            (None, Some(_)) => None,
        });
    }
    Ok(Arc::new(StringArray::from(answer)))
}

fn to_decimal(_: &Call, args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    decimals_as(&args[0], returns, Misfit::Error)
}

fn try_to_decimal(_: &Call, args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    decimals_as(&args[0], returns, Misfit::Null)
}

fn decimals_as(given: &ArrayRef, returns: &DataType, misfit: Misfit) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = returns else {
        return exec_err!("not a NUMBER type: {returns}");
    };
    if given.data_type().is_string() {
        let mut answer = Vec::with_capacity(given.len());
        for text in strings(given)?.iter() {
            answer.push(match text {
                Some(text) => misfit.settle(number_of_text(text, *precision, *scale))?,
                None => None,
            });
        }
        let array = Decimal128Array::from(answer);
        return Ok(Arc::new(array.with_precision_and_scale(*precision, *scale)?));
    }
    let safe = matches!(misfit, Misfit::Null);
    let options = CastOptions { safe, ..CastOptions::default() };
    cast_with_options(given, returns, &options).map_err(|_| {
        DataFusionError::Execution(format!(
            "Number out of representable range: type NUMBER({precision},{scale})"
        ))
    })
}

fn to_double(_: &Call, args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    doubles(&args[0], Misfit::Error)
}

fn try_to_double(_: &Call, args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    doubles(&args[0], Misfit::Null)
}

fn doubles(given: &ArrayRef, misfit: Misfit) -> Result<ArrayRef> {
    if !given.data_type().is_string() {
        return converted(given, &DataType::Float64);
    }
    let mut answer = Vec::with_capacity(given.len());
    for text in strings(given)?.iter() {
        answer.push(match text {
            Some(text) => misfit.settle(match text.trim().parse::<f64>() {
                Ok(number) => Ok(number),
                Err(_) => exec_err!("Numeric value '{text}' is not recognized"),
            })?,
            None => None,
        });
    }
    Ok(Arc::new(Float64Array::from(answer)))
}

fn to_boolean(_: &Call, args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    truths(&args[0], Misfit::Error)
}

fn try_to_boolean(_: &Call, args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    truths(&args[0], Misfit::Null)
}

fn truths(given: &ArrayRef, misfit: Misfit) -> Result<ArrayRef> {
    if !given.data_type().is_string() {
        return converted(given, &DataType::Boolean);
    }
    let mut answer = Vec::with_capacity(given.len());
    for text in strings(given)?.iter() {
        answer.push(match text {
            Some(text) => misfit.settle(truth_of_text(text))?,
            None => None,
        });
    }
    Ok(Arc::new(BooleanArray::from(answer)))
}

fn truth_of_text(text: &str) -> Result<bool> {
    match text.trim().to_ascii_lowercase().as_str() {
        "true" | "t" | "yes" | "y" | "on" | "1" => Ok(true),
        "false" | "f" | "no" | "n" | "off" | "0" => Ok(false),
        _ => exec_err!("Boolean value '{text}' is not recognized"),
    }
}
