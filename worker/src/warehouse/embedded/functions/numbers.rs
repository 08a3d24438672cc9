//! Arithmetic as Snowflake does it: exact, rounded half away from zero, never wrapped around.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, Decimal128Array, Float64Array, Int64Array};
use datafusion::arrow::datatypes::{DataType, i256};
use datafusion::common::{Result, exec_err, plan_err};

use super::scalar::{Call, Scalar, converted, floats, integers};

/// The digits that a NUMBER can have.
pub(crate) const DIGITS_MAX: u8 = 38;

/// All functions of this file.
pub(crate) const NUMBERS: &[Scalar] = &[
    Scalar { name: "sf_div", arity: 2..=2, returns: div_type, body: div_strict },
    Scalar { name: "sf_div0", arity: 2..=2, returns: div_type, body: div_zero },
    Scalar { name: "sf_add", arity: 2..=2, returns: int_type, body: add },
    Scalar { name: "sf_sub", arity: 2..=2, returns: int_type, body: sub },
    Scalar { name: "sf_mul", arity: 2..=2, returns: int_type, body: mul },
    Scalar { name: "sf_exact", arity: 1..=1, returns: exact_type, body: to_return_type },
    Scalar { name: "sf_wide", arity: 1..=1, returns: wide_type, body: to_return_type },
    Scalar { name: "sf_round", arity: 1..=2, returns: rescaled_type, body: round },
    Scalar { name: "sf_trunc", arity: 1..=2, returns: rescaled_type, body: trunc },
    Scalar { name: "sf_floor", arity: 1..=2, returns: rescaled_type, body: floor },
    Scalar { name: "sf_ceil", arity: 1..=2, returns: rescaled_type, body: ceil },
];

/// Precision and scale of an exact number; nothing for any other type.
pub(crate) fn exact(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Decimal128(precision, scale) => Some((*precision, *scale)),
        DataType::Null => Some((1, 0)),
        other if other.is_integer() => Some((19, 0)),
        _ => None,
    }
}

fn int_type(_: &Call) -> Result<DataType> {
    Ok(DataType::Int64)
}

fn exact_type(call: &Call) -> Result<DataType> {
    let given = call.data_type(0);
    Ok(if given.is_integer() { DataType::Decimal128(DIGITS_MAX, 0) } else { given })
}

/// Three digits more behind the point, for the middle between two neighbours.
fn wide_type(call: &Call) -> Result<DataType> {
    Ok(match exact(&call.data_type(0)) {
        Some((_, scale)) => DataType::Decimal128(DIGITS_MAX, (scale + 3).min(37)),
        None => DataType::Float64,
    })
}

fn to_return_type(_: &Call, args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    converted(&args[0], returns)
}

/// Snowflake's rule: six digits more behind the point, up to twelve.
fn div_type(call: &Call) -> Result<DataType> {
    match (exact(&call.data_type(0)), exact(&call.data_type(1))) {
        (Some((_, scale)), Some(_)) => {
            Ok(DataType::Decimal128(DIGITS_MAX, scale.max((scale + 6).min(12))))
        }
        _ => Ok(DataType::Float64),
    }
}

/// What a division by zero gives.
#[derive(Clone, Copy)]
enum ByZero {
    Error,
    Zero,
}

fn div_strict(_: &Call, args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    div(args, returns, ByZero::Error)
}

fn div_zero(_: &Call, args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    div(args, returns, ByZero::Zero)
}

fn div(args: &[ArrayRef], returns: &DataType, by_zero: ByZero) -> Result<ArrayRef> {
    let DataType::Decimal128(_, scale) = returns else {
        return div_floats(args, by_zero);
    };
    let (left, right) = (decimals(&args[0])?, decimals(&args[1])?);
    let shift = i32::from(*scale) - i32::from(left.scale()) + i32::from(right.scale());
    let factor = i256::from_i128(10).wrapping_pow(u32::try_from(shift.max(0)).unwrap_or(0));
    let mut answer = Vec::with_capacity(left.len());
    for (dividend, divisor) in left.iter().zip(right.iter()) {
        answer.push(match (dividend, divisor, by_zero) {
            (None, _, _) | (_, None, _) => None,
            (Some(_), Some(0), ByZero::Error) => return exec_err!("Division by zero"),
            (Some(_), Some(0), ByZero::Zero) => Some(0),
            (Some(dividend), Some(divisor), _) => {
                Some(divide(i256::from_i128(dividend), factor, i256::from_i128(divisor))?)
            }
        });
    }
    Ok(Arc::new(Decimal128Array::from(answer).with_precision_and_scale(DIGITS_MAX, *scale)?))
}

/// `dividend * factor / divisor`, rounded half away from zero.
fn divide(dividend: i256, factor: i256, divisor: i256) -> Result<i128> {
    let Some(numerator) = dividend.checked_mul(factor) else {
        return exec_err!("Number out of representable range");
    };
    let quotient = numerator.wrapping_div(divisor);
    let rest = numerator.wrapping_rem(divisor).wrapping_abs();
    let twice = rest.wrapping_add(rest);
    let away = if numerator.is_negative() == divisor.is_negative() { 1 } else { -1 };
    let rounded = if twice >= divisor.wrapping_abs() {
        quotient.wrapping_add(i256::from_i128(away))
    } else {
        quotient
    };
    match rounded.to_i128() {
        Some(number) => Ok(number),
        None => exec_err!("Number out of representable range"),
    }
}

fn div_floats(args: &[ArrayRef], by_zero: ByZero) -> Result<ArrayRef> {
    let (left, right) = (floats(&args[0])?, floats(&args[1])?);
    let mut answer = Vec::with_capacity(left.len());
    for (dividend, divisor) in left.iter().zip(right.iter()) {
        answer.push(match (dividend, divisor) {
            (None, _) | (_, None) => None,
            (Some(_), Some(0.0)) => match by_zero {
                ByZero::Error => return exec_err!("Division by zero"),
                ByZero::Zero => Some(0.0),
            },
            (Some(dividend), Some(divisor)) => Some(dividend / divisor),
        });
    }
    Ok(Arc::new(Float64Array::from(answer)))
}

/// An exact argument as decimals.
pub(crate) fn decimals(array: &ArrayRef) -> Result<Decimal128Array> {
    let array = match array.data_type() {
        DataType::Decimal128(_, _) => Arc::clone(array),
        _ => converted(array, &DataType::Decimal128(DIGITS_MAX, 0))?,
    };
    match array.as_any().downcast_ref::<Decimal128Array>() {
        Some(decimals) => Ok(decimals.clone()),
        None => exec_err!("not an exact number: {}", array.data_type()),
    }
}

fn add(_: &Call, args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    checked(args, i64::checked_add)
}

fn sub(_: &Call, args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    checked(args, i64::checked_sub)
}

fn mul(_: &Call, args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    checked(args, i64::checked_mul)
}

fn checked(args: &[ArrayRef], compute: fn(i64, i64) -> Option<i64>) -> Result<ArrayRef> {
    let (left, right) = (integers(&args[0])?, integers(&args[1])?);
    let mut answer = Vec::with_capacity(left.len());
    for (left, right) in left.iter().zip(right.iter()) {
        let value = match (left, right) {
            (Some(left), Some(right)) => match compute(left, right) {
                Some(value) => Some(value),
                None => {
                    return exec_err!(
                        "Numeric overflow at 19 digits; cast an operand to NUMBER(38,0) first"
                    );
                }
            },
            (None, _) | (_, None) => None,
        };
        answer.push(value);
    }
    Ok(Arc::new(Int64Array::from(answer)))
}

/// Which neighbour a number goes to when digits are taken away.
#[derive(Clone, Copy)]
enum Towards {
    Nearest,
    Zero,
    Down,
    Up,
}

fn rescaled_type(call: &Call) -> Result<DataType> {
    let digits = if call.types.len() < 2 { Some(0) } else { call.integer(1) };
    match call.data_type(0) {
        DataType::Decimal128(_, scale) => {
            let wanted = digits.map_or(i64::from(scale), |d| d.clamp(0, i64::from(scale)));
            Ok(DataType::Decimal128(DIGITS_MAX, i8::try_from(wanted).unwrap_or(scale)))
        }
        other if other.is_integer() => Ok(DataType::Int64),
        DataType::Null => Ok(DataType::Int64),
        DataType::Float32 | DataType::Float64 => Ok(DataType::Float64),
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => Ok(DataType::Float64),
        other => plan_err!("Invalid argument types for rounding: {other}"),
    }
}

fn round(_: &Call, args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    rescale(args, returns, Towards::Nearest)
}

fn trunc(_: &Call, args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    rescale(args, returns, Towards::Zero)
}

fn floor(_: &Call, args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    rescale(args, returns, Towards::Down)
}

fn ceil(_: &Call, args: &[ArrayRef], returns: &DataType) -> Result<ArrayRef> {
    rescale(args, returns, Towards::Up)
}

fn rescale(args: &[ArrayRef], returns: &DataType, towards: Towards) -> Result<ArrayRef> {
    let digits = match args.get(1) {
        Some(digits) => integers(digits)?,
        None => Int64Array::from(vec![0; args[0].len()]),
    };
    match returns {
        DataType::Float64 => {
            let values = floats(&args[0])?;
            let rounded = values.iter().zip(digits.iter()).map(|(value, digits)| {
                Some(float_to(value?, i32::try_from(digits?).unwrap_or(0), towards))
            });
            Ok(Arc::new(rounded.collect::<Float64Array>()))
        }
        _ => {
            let values = decimals(&args[0])?;
            let scale = i64::from(values.scale());
            let rounded = values
                .iter()
                .zip(digits.iter())
                .map(|(value, digits)| Some(decimal_to(value?, scale - digits?, towards)));
            let rounded = rounded.collect::<Decimal128Array>();
            let rounded: ArrayRef =
                Arc::new(rounded.with_precision_and_scale(DIGITS_MAX, values.scale())?);
            converted(&rounded, returns)
        }
    }
}

fn float_to(value: f64, digits: i32, towards: Towards) -> f64 {
    let factor = 10f64.powi(digits);
    let scaled = value * factor;
    let moved = match towards {
        Towards::Nearest => scaled.round(),
        Towards::Zero => scaled.trunc(),
        Towards::Down => scaled.floor(),
        Towards::Up => scaled.ceil(),
    };
    if moved.is_finite() { moved / factor } else { value }
}

/// Clears the last `cut` digits of a number.
fn decimal_to(value: i128, cut: i64, towards: Towards) -> i128 {
    if cut <= 0 {
        return value;
    }
    let Some(unit) = u32::try_from(cut).ok().and_then(|cut| 10i128.checked_pow(cut)) else {
        return 0;
    };
    let down = value.div_euclid(unit) * unit;
    let rest = value - down;
    let up = if rest == 0 { down } else { down + unit };
    match towards {
        Towards::Down => down,
        Towards::Up => up,
        Towards::Zero if value < 0 => up,
        Towards::Zero => down,
        Towards::Nearest if rest * 2 > unit => up,
        Towards::Nearest if rest * 2 < unit => down,
        Towards::Nearest if value < 0 => down,
        Towards::Nearest => up,
    }
}
