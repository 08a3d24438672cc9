//! Expressions that are no calls: operators and special forms that Snowflake spells otherwise,
//! and those that need what the account does not have.

use sqlparser::ast::{
    BinaryOperator, CastKind, CeilFloorKind, DateTimeField, Expr, TrimWhereField, UnaryOperator,
    Value,
};

use super::Scope;
use super::calls::{self, binary, call, part, string};
use super::types::{Misfit, cast};
use crate::warehouse::WarehouseError;
use crate::warehouse::embedded::failure::{compilation, unsupported};

/// Rewrites one expression whose parts have been rewritten already.
pub(super) fn rewrite(expr: &mut Expr, scope: Scope<'_>) -> Result<(), WarehouseError> {
    if let Some(what) = missing(expr) {
        return Err(unsupported(what));
    }
    let taken = std::mem::replace(expr, calls::null());
    *expr = match taken {
        Expr::Function(function) if is_ours(&function.name.to_string()) => Expr::Function(function),
        Expr::Function(function) => calls::rewrite(function, scope)?,
        // The one function of ours that the parser takes for a name when it has no brackets.
        Expr::Identifier(name) if name.quote_style.is_none() && name.value == "CURRENT_USER" => {
            calls::rewrite(calls::bare("CURRENT_USER", Vec::new()), scope)?
        }
        Expr::Cast { kind, expr, data_type, .. } => match kind {
            CastKind::Cast | CastKind::DoubleColon => cast(*expr, &data_type, Misfit::Error)?,
            CastKind::TryCast | CastKind::SafeCast => cast(*expr, &data_type, Misfit::Null)?,
        },
        Expr::Extract { field, expr, .. } => {
            let word = field.to_string();
            let named = string(word.trim_matches('\''));
            call("sf_date_part", vec![part(&named)?, *expr])
        }
        Expr::RLike { negated, expr, pattern, .. } => {
            negate(super::written::full_match(*expr, *pattern), negated)
        }
        Expr::Like { negated, any: true, expr, pattern, escape_char } => {
            any_like(*expr, *pattern, negated, |expr, pattern| Expr::Like {
                negated: false,
                any: false,
                expr: Box::new(expr),
                pattern: Box::new(pattern),
                escape_char: escape_char.clone(),
            })
        }
        Expr::ILike { negated, any: true, expr, pattern, escape_char } => {
            any_like(*expr, *pattern, negated, |expr, pattern| Expr::ILike {
                negated: false,
                any: false,
                expr: Box::new(expr),
                pattern: Box::new(pattern),
                escape_char: escape_char.clone(),
            })
        }
        other => special_form(other)?,
    };
    Ok(())
}

/// Functions that have a syntax of their own.
fn special_form(expr: Expr) -> Result<Expr, WarehouseError> {
    Ok(match expr {
        Expr::Ceil { expr, field } => rounded("sf_ceil", *expr, field)?,
        Expr::Floor { expr, field } => rounded("sf_floor", *expr, field)?,
        Expr::Position { expr, r#in } => call("sf_charindex", vec![*expr, *r#in]),
        Expr::Substring { expr, substring_from, substring_for, .. } => {
            let mut args = vec![*expr];
            args.push(substring_from.map_or_else(|| calls::integer(1), |from| *from));
            args.extend(substring_for.map(|length| *length));
            call("sf_substr", args)
        }
        Expr::Trim { trim_where, trim_what, expr, trim_characters } => {
            let name = match trim_where {
                Some(TrimWhereField::Leading) => "ltrim",
                Some(TrimWhereField::Trailing) => "rtrim",
                Some(TrimWhereField::Both) | None => "btrim",
            };
            let mut args = vec![*expr];
            args.extend(trim_what.map(|what| *what));
            args.extend(trim_characters.into_iter().flatten());
            call(name, args)
        }
        other => other,
    })
}

/// Our own functions appear only where the rewriting put them.
fn is_ours(name: &str) -> bool {
    // Names of statements are upper case by now, unless they were quoted.
    name.starts_with("sf_") || name == "random"
}

fn negate(expr: Expr, negated: bool) -> Expr {
    if negated {
        Expr::UnaryOp { op: UnaryOperator::Not, expr: Box::new(Expr::Nested(Box::new(expr))) }
    } else {
        expr
    }
}

fn any_like(expr: Expr, pattern: Expr, negated: bool, like: impl Fn(Expr, Expr) -> Expr) -> Expr {
    let patterns = match pattern {
        Expr::Tuple(patterns) => patterns,
        Expr::Nested(pattern) => vec![*pattern],
        other => vec![other],
    };
    let any = patterns
        .into_iter()
        .map(|pattern| like(expr.clone(), pattern))
        .reduce(|left, right| binary(left, BinaryOperator::Or, right));
    negate(any.unwrap_or_else(calls::null), negated)
}

fn rounded(name: &str, expr: Expr, field: CeilFloorKind) -> Result<Expr, WarehouseError> {
    match field {
        CeilFloorKind::DateTimeField(DateTimeField::NoDateTime) => Ok(call(name, vec![expr])),
        CeilFloorKind::Scale(scale) => Ok(call(name, vec![expr, Expr::Value(scale)])),
        CeilFloorKind::DateTimeField(other) => {
            Err(compilation(format!("CEIL and FLOOR do not round to {other}")))
        }
    }
}

/// What an expression needs that the account does not have.
fn missing(expr: &Expr) -> Option<String> {
    let semi = |what: &str| {
        Some(format!("{what}; semi-structured data (VARIANT, OBJECT, ARRAY) is missing"))
    };
    match expr {
        Expr::JsonAccess { .. } => semi("paths into a VARIANT"),
        Expr::CompoundFieldAccess { .. } => semi("[ ] behind a value"),
        Expr::Array(_) => semi("array constants"),
        Expr::Dictionary(_) | Expr::Map(_) | Expr::Struct { .. } => semi("object constants"),
        Expr::Lambda(_) => semi("lambda functions"),
        Expr::OuterJoin(_) => Some("(+) for an outer join; write LEFT JOIN".to_owned()),
        Expr::Prior(_) => Some("CONNECT BY and PRIOR".to_owned()),
        Expr::Collate { .. } => Some("COLLATE".to_owned()),
        Expr::AtTimeZone { .. } => Some("AT TIME ZONE; it knows UTC only".to_owned()),
        Expr::MatchAgainst { .. } => Some("MATCH … AGAINST".to_owned()),
        Expr::Value(value) => match &value.value {
            Value::Placeholder(name) => {
                Some(format!("bind variables and session variables, as in {name}"))
            }
            _ => None,
        },
        _ => None,
    }
}
