//! Dates and timestamps: parts of them, and arithmetic in units of a part.

use std::sync::Arc;

use chrono::{Datelike, Days, Months, NaiveDate, NaiveDateTime, TimeDelta, Timelike};
use datafusion::arrow::array::{
    Array, ArrayRef, Date32Array, Int64Array, StringArray, TimestampNanosecondArray,
};
use datafusion::arrow::datatypes::{DataType, TimeUnit};
use datafusion::common::{DataFusionError, Result, exec_err, plan_err};

use super::convert::timestamp_of_text;
use super::part::Part;
use super::scalar::{Call, Scalar, converted, integers, strings};

/// A TIMESTAMP_NTZ(9).
pub(crate) const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Nanosecond, None);

/// All functions of this file. A part is the first argument, a constant.
pub(crate) const DATES: &[Scalar] = &[
    Scalar { name: "sf_dateadd", arity: 3..=3, returns: dateadd_type, body: dateadd },
    Scalar { name: "sf_datediff", arity: 3..=3, returns: integer, body: datediff },
    Scalar { name: "sf_date_part", arity: 2..=2, returns: integer, body: date_part },
    Scalar { name: "sf_date_trunc", arity: 2..=2, returns: second_moment, body: date_trunc },
    Scalar { name: "sf_last_day", arity: 2..=2, returns: date, body: last_day },
    Scalar { name: "sf_add_months", arity: 2..=2, returns: first_moment, body: add_months },
    Scalar { name: "sf_months_between", arity: 2..=2, returns: months_type, body: months_between },
    Scalar { name: "sf_dayname", arity: 1..=1, returns: text, body: dayname },
    Scalar { name: "sf_monthname", arity: 1..=1, returns: text, body: monthname },
    Scalar { name: "sf_date_from_parts", arity: 3..=3, returns: date, body: date_from_parts },
];

fn integer(_: &Call) -> Result<DataType> {
    Ok(DataType::Int64)
}

fn date(_: &Call) -> Result<DataType> {
    Ok(DataType::Date32)
}

fn text(_: &Call) -> Result<DataType> {
    Ok(DataType::Utf8)
}

fn months_type(_: &Call) -> Result<DataType> {
    Ok(DataType::Float64)
}

/// DATE stays DATE; everything else becomes a timestamp.
fn moment_type(given: &DataType) -> Result<DataType> {
    match given {
        DataType::Date32 | DataType::Date64 => Ok(DataType::Date32),
        DataType::Timestamp(_, _)
        | DataType::Utf8
        | DataType::Utf8View
        | DataType::LargeUtf8
        | DataType::Null => Ok(TIMESTAMP),
        other => plan_err!("Invalid argument types: {other} is not a date or timestamp"),
    }
}

fn first_moment(call: &Call) -> Result<DataType> {
    moment_type(&call.data_type(0))
}

fn second_moment(call: &Call) -> Result<DataType> {
    moment_type(&call.data_type(1))
}

/// A DATE stays one unless a unit smaller than a day is added.
fn dateadd_type(call: &Call) -> Result<DataType> {
    let given = moment_type(&call.data_type(2))?;
    Ok(if given == DataType::Date32 && part_of(call)?.is_time() { TIMESTAMP } else { given })
}

fn part_of(call: &Call) -> Result<Part> {
    match call.text(0) {
        Some(word) => match Part::from_word(word) {
            Some(part) => Ok(part),
            None => plan_err!("{word} is not a recognized date or time part"),
        },
        None => plan_err!("the date or time part must be a constant"),
    }
}

/// An argument as moments.
pub(crate) fn moments(array: &ArrayRef) -> Result<Vec<Option<NaiveDateTime>>> {
    if array.data_type().is_string() {
        return strings(array)?
            .iter()
            .map(|text| text.map(timestamp_of_text).transpose())
            .collect::<Result<Vec<_>>>();
    }
    if *array.data_type() == DataType::Date32 {
        let Some(days) = array.as_any().downcast_ref::<Date32Array>() else {
            return exec_err!("not dates");
        };
        return Ok((0..days.len())
            .map(|row| if days.is_null(row) { None } else { days.value_as_datetime(row) })
            .collect());
    }
    let array = converted(array, &TIMESTAMP)?;
    match array.as_any().downcast_ref::<TimestampNanosecondArray>() {
        Some(stamps) => Ok((0..stamps.len())
            .map(|row| if stamps.is_null(row) { None } else { stamps.value_as_datetime(row) })
            .collect()),
        None => exec_err!("not timestamps"),
    }
}

/// Moments as an array of DATE or TIMESTAMP_NTZ.
pub(crate) fn moments_array(
    moments: Vec<Option<NaiveDateTime>>,
    returns: &DataType,
) -> Result<ArrayRef> {
    if *returns == DataType::Date32 {
        let days = moments.into_iter().map(|moment| moment.map(|at| days_of(at.date())));
        return Ok(Arc::new(days.collect::<Date32Array>()));
    }
    let mut nanos = Vec::with_capacity(moments.len());
    for moment in moments {
        nanos.push(match moment {
            None => None,
            Some(at) => match at.and_utc().timestamp_nanos_opt() {
                Some(value) => Some(value),
                None => return exec_err!("Timestamp '{at}' is out of range (1677 to 2262 here)"),
            },
        });
    }
    Ok(Arc::new(TimestampNanosecondArray::from(nanos)))
}

/// Days since 1970.
pub(crate) fn days_of(date: NaiveDate) -> i32 {
    date.num_days_from_ce() - 719_163
}

fn out_of_range() -> DataFusionError {
    DataFusionError::Execution("Date is out of range".to_owned())
}

fn dateadd(call: &Call, args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    let part = part_of(call)?;
    let (amounts, moments) = (integers(&args[1])?, moments(&args[2])?);
    let mut answer = Vec::with_capacity(moments.len());
    for (amount, moment) in amounts.iter().zip(moments) {
        answer.push(match (amount, moment) {
            (Some(amount), Some(moment)) => {
                Some(moved(moment, part, amount).ok_or_else(out_of_range)?)
            }
            (None, _) | (_, None) => None,
        });
    }
    moments_array(answer, returns)
}

/// A moment plus a number of parts.
pub(crate) fn moved(from: NaiveDateTime, part: Part, amount: i64) -> Option<NaiveDateTime> {
    if let Some(months) = part.months() {
        let months = u32::try_from(amount.unsigned_abs().checked_mul(months)?).ok()?;
        return if amount < 0 {
            from.checked_sub_months(Months::new(months))
        } else {
            from.checked_add_months(Months::new(months))
        };
    }
    if let Some(days) = part.days() {
        let days = Days::new(amount.unsigned_abs().checked_mul(days)?);
        return if amount < 0 { from.checked_sub_days(days) } else { from.checked_add_days(days) };
    }
    let nanos = i128::from(part.nanos()?).checked_mul(i128::from(amount))?;
    let seconds = i64::try_from(nanos.div_euclid(1_000_000_000)).ok()?;
    let rest = u32::try_from(nanos.rem_euclid(1_000_000_000)).ok()?;
    from.checked_add_signed(TimeDelta::new(seconds, rest)?)
}

fn datediff(call: &Call, args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let part = part_of(call)?;
    let (from, to) = (moments(&args[1])?, moments(&args[2])?);
    let mut answer = Vec::with_capacity(from.len());
    for (from, to) in from.into_iter().zip(to) {
        answer.push(match (from, to) {
            (Some(from), Some(to)) => Some(boundaries(part, from, to)?),
            (None, _) | (_, None) => None,
        });
    }
    Ok(Arc::new(Int64Array::from(answer)))
}

/// How many boundaries of a part lie between two moments.
pub(crate) fn boundaries(part: Part, from: NaiveDateTime, to: NaiveDateTime) -> Result<i64> {
    let count = |at: NaiveDateTime| -> Option<i64> {
        let days = i64::from(days_of(at.date()));
        Some(if let Some(months) = part.months() {
            let all = i64::from(at.year()) * 12 + i64::from(at.month0());
            all.div_euclid(i64::try_from(months).ok()?)
        } else if part == Part::Week {
            // 1970-01-05 was the first Monday.
            (days - 4).div_euclid(7)
        } else if part.days().is_some() {
            days
        } else {
            let unit = part.nanos()?;
            let nanos =
                i128::from(at.and_utc().timestamp()) * 1_000_000_000 + i128::from(at.nanosecond());
            i64::try_from(nanos.div_euclid(i128::from(unit))).ok()?
        })
    };
    match (count(from), count(to)) {
        (Some(from), Some(to)) => Ok(to - from),
        (None, _) | (_, None) => exec_err!("{part:?} is not a unit in which dates can differ"),
    }
}

fn date_part(call: &Call, args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let part = part_of(call)?;
    let values = moments(&args[1])?.into_iter().map(|moment| moment.map(|at| part.of(at)));
    Ok(Arc::new(values.collect::<Int64Array>()))
}

fn date_trunc(call: &Call, args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    let part = part_of(call)?;
    let mut answer = Vec::new();
    for moment in moments(&args[1])? {
        answer.push(match moment {
            Some(at) => Some(part.start(at).ok_or_else(out_of_range)?),
            None => None,
        });
    }
    moments_array(answer, returns)
}

fn last_day(call: &Call, args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    let part = part_of(call)?;
    let last = |at: NaiveDateTime| {
        moved(part.start(at)?, part, 1)?.date().pred_opt()?.and_hms_opt(0, 0, 0)
    };
    let mut answer = Vec::new();
    for moment in moments(&args[1])? {
        answer.push(match moment {
            Some(at) => Some(last(at).ok_or_else(out_of_range)?),
            None => None,
        });
    }
    moments_array(answer, returns)
}

/// The last day of a month stays the last day of a month.
fn add_months(_: &Call, args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    let (moments, amounts) = (moments(&args[0])?, integers(&args[1])?);
    let shifted = |at: NaiveDateTime, amount: i64| {
        let there = moved(at, Part::Month, amount)?;
        let was_last = at.date().succ_opt()?.day() == 1;
        if !was_last {
            return Some(there);
        }
        let next = moved(Part::Month.start(there)?, Part::Month, 1)?.date();
        there.with_day(next.pred_opt()?.day())
    };
    let mut answer = Vec::with_capacity(moments.len());
    for (moment, amount) in moments.into_iter().zip(amounts.iter()) {
        answer.push(match (moment, amount) {
            (Some(at), Some(amount)) => Some(shifted(at, amount).ok_or_else(out_of_range)?),
            (None, _) | (_, None) => None,
        });
    }
    moments_array(answer, returns)
}

/// Whole months where the days of the month agree, else thirty-firsts of a month.
fn months_between(_: &Call, args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let is_last = |at: NaiveDateTime| at.date().succ_opt().is_none_or(|next| next.day() == 1);
    let between = |left: NaiveDateTime, right: NaiveDateTime| {
        let months = f64::from((left.year() - right.year()) * 12) + f64::from(left.month())
            - f64::from(right.month());
        if left.day() == right.day() || (is_last(left) && is_last(right)) {
            return months;
        }
        let seconds = |at: NaiveDateTime| {
            f64::from(at.day()) * 86_400.0 + f64::from(at.num_seconds_from_midnight())
        };
        months + (seconds(left) - seconds(right)) / (31.0 * 86_400.0)
    };
    let values = moments(&args[0])?.into_iter().zip(moments(&args[1])?).map(|(left, right)| {
        let months = between(left?, right?);
        Some((months * 1e6).round() / 1e6)
    });
    Ok(Arc::new(values.collect::<datafusion::arrow::array::Float64Array>()))
}

fn dayname(_: &Call, args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    named(args, "%a")
}

fn monthname(_: &Call, args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    named(args, "%b")
}

fn named(args: &[ArrayRef], pattern: &str) -> Result<ArrayRef> {
    let names = moments(&args[0])?.into_iter().map(|at| Some(at?.format(pattern).to_string()));
    Ok(Arc::new(names.collect::<StringArray>()))
}

/// Months and days outside their range count on, as in Snowflake.
fn date_from_parts(_: &Call, args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    let (years, months, days) = (integers(&args[0])?, integers(&args[1])?, integers(&args[2])?);
    let built = |year: i64, month: i64, day: i64| {
        let start = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, 1, 1)?;
        let start = moved(start.and_hms_opt(0, 0, 0)?, Part::Month, month - 1)?;
        moved(start, Part::Day, day - 1)
    };
    let mut answer = Vec::with_capacity(years.len());
    for ((year, month), day) in years.iter().zip(months.iter()).zip(days.iter()) {
        answer.push(match (year, month, day) {
            (Some(year), Some(month), Some(day)) => {
                Some(built(year, month, day).ok_or_else(out_of_range)?)
            }
            (None, _, _) | (_, None, _) | (_, _, None) => None,
        });
    }
    moments_array(answer, returns)
}
