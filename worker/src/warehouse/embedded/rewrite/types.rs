//! Casts: Snowflake's type words, and the conversion that each means.

use sqlparser::ast::{CastKind, CharacterLength, DataType, ExactNumberInfo, Expr};

use super::calls::{call, integer};
use crate::warehouse::WarehouseError;
use crate::warehouse::embedded::failure::{compilation, unsupported};

/// What a value that does not fit gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Misfit {
    /// The end of the statement.
    Error,
    /// NULL.
    Null,
}

/// A cast of the engine, to a type that it has itself.
pub(super) fn plain_cast(expr: Expr, data_type: DataType) -> Expr {
    Expr::Cast { kind: CastKind::Cast, expr: Box::new(expr), data_type, array: false, format: None }
}

/// A conversion to one of Snowflake's types.
pub(super) fn cast(
    expr: Expr,
    data_type: &DataType,
    misfit: Misfit,
) -> Result<Expr, WarehouseError> {
    let by = |strict: &str, lenient: &str| match misfit {
        Misfit::Error => strict.to_owned(),
        Misfit::Null => lenient.to_owned(),
    };
    if let Some((precision, scale)) = exact(data_type)? {
        let name = by("sf_to_decimal", "sf_try_to_decimal");
        return Ok(call(&name, vec![expr, integer(precision), integer(scale)]));
    }
    match data_type {
        DataType::Float(_)
        | DataType::Float4
        | DataType::Float8
        | DataType::Real
        | DataType::Double(_)
        | DataType::DoublePrecision => {
            Ok(call(&by("sf_to_double", "sf_try_to_double"), vec![expr]))
        }
        DataType::Date => Ok(call(&by("sf_to_date", "sf_try_to_date"), vec![expr])),
        DataType::Datetime(_)
        | DataType::TimestampNtz(_)
        | DataType::Timestamp(_, sqlparser::ast::TimezoneInfo::None)
        | DataType::Timestamp(_, sqlparser::ast::TimezoneInfo::WithoutTimeZone) => {
            Ok(call(&by("sf_to_timestamp", "sf_try_to_timestamp"), vec![expr]))
        }
        DataType::Boolean | DataType::Bool => {
            Ok(call(&by("sf_to_boolean", "sf_try_to_boolean"), vec![expr]))
        }
        DataType::Varchar(length)
        | DataType::Char(length)
        | DataType::Character(length)
        | DataType::CharVarying(length)
        | DataType::CharacterVarying(length)
        | DataType::Nvarchar(length) => Ok(text(expr, characters(length.as_ref()))),
        DataType::Text | DataType::String(None) => Ok(text(expr, None)),
        DataType::String(Some(length)) => Ok(text(expr, u32::try_from(*length).ok())),
        other => Err(unsupported(format!("the type {other}"))),
    }
}

fn text(expr: Expr, length: Option<u32>) -> Expr {
    let text = call("sf_to_varchar", vec![expr]);
    match length {
        Some(length) => call("sf_fit", vec![text, integer(length)]),
        None => text,
    }
}

fn characters(length: Option<&CharacterLength>) -> Option<u32> {
    match length {
        Some(CharacterLength::IntegerLength { length, .. }) => u32::try_from(*length).ok(),
        Some(CharacterLength::Max) | None => None,
    }
}

/// Precision and scale of an exact type; whole numbers are NUMBER(38,0).
fn exact(data_type: &DataType) -> Result<Option<(u32, u32)>, WarehouseError> {
    let of = |precision: i128, scale: i128| match (u32::try_from(precision), u32::try_from(scale)) {
        (Ok(precision @ 1..=38), Ok(scale)) if scale <= precision.min(37) => {
            Ok(Some((precision, scale)))
        }
        _ => Err(compilation(format!("invalid type NUMBER({precision},{scale})"))),
    };
    match data_type {
        DataType::Numeric(info) | DataType::Decimal(info) | DataType::Dec(info) => match info {
            ExactNumberInfo::None => Ok(Some((38, 0))),
            ExactNumberInfo::Precision(precision) => of(i128::from(*precision), 0),
            ExactNumberInfo::PrecisionAndScale(precision, scale) => {
                of(i128::from(*precision), i128::from(*scale))
            }
        },
        DataType::Int(_)
        | DataType::Integer(_)
        | DataType::BigInt(_)
        | DataType::SmallInt(_)
        | DataType::TinyInt(_) => Ok(Some((38, 0))),
        DataType::Custom(name, modifiers) => {
            let word = name.to_string().to_uppercase();
            match (word.as_str(), modifiers.as_slice()) {
                ("BYTEINT", []) | ("NUMBER", []) => Ok(Some((38, 0))),
                ("NUMBER", [precision]) => of(precision.parse().unwrap_or(0), 0),
                ("NUMBER", [precision, scale]) => {
                    of(precision.parse().unwrap_or(0), scale.trim().parse().unwrap_or(-1))
                }
                _ => Ok(None),
            }
        }
        _ => Ok(None),
    }
}
