//! Functions that are answered by another expression. Each takes the call and gives what it
//! means; the engine sees only the meaning.

use sqlparser::ast::{
    BinaryOperator, DuplicateTreatment, Expr, Function, FunctionArgumentClause, FunctionArguments,
    OrderByExpr, OrderByOptions, WindowFrame, WindowFrameBound, WindowFrameUnits, WindowType,
};

use super::Scope;
use super::calls::{
    Invocation, bare, binary, call, case, double, integer, null, number, part, string, text_of,
};
use crate::warehouse::WarehouseError;
use crate::warehouse::embedded::ddl;
use crate::warehouse::embedded::failure::{compilation, unsupported};

/// Gives what a call means.
pub(crate) type Written = fn(Invocation, Scope<'_>) -> Result<Expr, WarehouseError>;

type Meaning = Result<Expr, WarehouseError>;

fn is_null(expr: Expr) -> Expr {
    Expr::IsNull(Box::new(Expr::Nested(Box::new(expr))))
}

fn same(left: Expr, right: Expr) -> Expr {
    let (left, right) = (Expr::Nested(Box::new(left)), Expr::Nested(Box::new(right)));
    Expr::Nested(Box::new(Expr::IsNotDistinctFrom(Box::new(left), Box::new(right))))
}

fn any_null(args: &[Expr]) -> Option<Expr> {
    let nulls = args.iter().cloned().map(is_null);
    nulls.reduce(|left, right| binary(left, BinaryOperator::Or, right))
}

/// NULL when any argument is, else the expression.
fn strict(args: &[Expr], expr: Expr) -> Expr {
    match any_null(args) {
        Some(condition) => case(vec![(condition, null())], Some(expr)),
        None => expr,
    }
}

pub(crate) fn iff(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let [condition, then, otherwise] = given.taken()?;
    Ok(case(vec![(condition, then)], Some(otherwise)))
}

pub(crate) fn nvl2(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let [value, then, otherwise] = given.taken()?;
    Ok(case(vec![(is_null(value), otherwise)], Some(then)))
}

pub(crate) fn zeroifnull(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let [value] = given.taken()?;
    Ok(call("coalesce", vec![value, integer(0)]))
}

pub(crate) fn nullifzero(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let [value] = given.taken()?;
    Ok(case(vec![(binary(value.clone(), BinaryOperator::Eq, integer(0)), null())], Some(value)))
}

pub(crate) fn equal_null(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let [left, right] = given.taken()?;
    Ok(same(left, right))
}

pub(crate) fn decode(given: Invocation, _: Scope<'_>) -> Meaning {
    let mut args = given.args.into_iter();
    let value = args.next().unwrap_or_else(null);
    let mut whens = Vec::new();
    let mut otherwise = None;
    while let Some(search) = args.next() {
        match args.next() {
            Some(result) => whens.push((same(value.clone(), search), result)),
            None => otherwise = Some(search),
        }
    }
    Ok(case(whens, otherwise))
}

pub(crate) fn extreme(given: Invocation, _: Scope<'_>) -> Meaning {
    let name = given.name.to_lowercase();
    Ok(strict(&given.args, call(&name, given.args.clone())))
}

pub(crate) fn div0null(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let [dividend, divisor] = given.taken()?;
    Ok(call("sf_div0", vec![dividend, call("coalesce", vec![divisor, integer(0)])]))
}

pub(crate) fn modulo(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let [left, right] = given.taken()?;
    Ok(binary(left, BinaryOperator::Modulo, right))
}

/// A whole number out of all of 64 bits; a seed is accepted and not used.
pub(crate) fn random(_: Invocation, _: Scope<'_>) -> Meaning {
    let spread = binary(
        binary(call("random", Vec::new()), BinaryOperator::Minus, double(number("0.5"))),
        BinaryOperator::Multiply,
        double(number("18446744073709549568")),
    );
    Ok(call("sf_to_decimal", vec![spread, integer(19), integer(0)]))
}

pub(crate) fn sign(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let [value] = given.taken()?;
    let when = |op: BinaryOperator| binary(value.clone(), op, integer(0));
    Ok(case(
        vec![
            (when(BinaryOperator::Gt), integer(1)),
            (when(BinaryOperator::Lt), number("-1")),
            (when(BinaryOperator::Eq), integer(0)),
        ],
        None,
    ))
}

pub(crate) fn square(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let [value] = given.taken()?;
    Ok(call("power", vec![double(value), double(integer(2))]))
}

/// TRUNC cuts numbers by digits and dates by parts.
pub(crate) fn trunc(given: Invocation, _: Scope<'_>) -> Meaning {
    match given.args.get(1).and_then(text_of) {
        Some(word) => Ok(call("sf_date_trunc", vec![part(&string(&word))?, given.args[0].clone()])),
        None => Ok(call("sf_trunc", given.args)),
    }
}

pub(crate) fn concat(given: Invocation, _: Scope<'_>) -> Meaning {
    let texts = given.args.into_iter().map(|arg| call("sf_to_varchar", vec![arg]));
    let joined = texts.reduce(|left, right| binary(left, BinaryOperator::StringConcat, right));
    Ok(joined.unwrap_or_else(null))
}

pub(crate) fn concat_ws(given: Invocation, _: Scope<'_>) -> Meaning {
    let texts: Vec<Expr> =
        given.args.into_iter().map(|arg| call("sf_to_varchar", vec![arg])).collect();
    Ok(strict(&texts, call("concat_ws", texts.clone())))
}

pub(crate) fn length(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let [text] = given.taken()?;
    Ok(call("character_length", vec![call("sf_to_varchar", vec![text])]))
}

pub(crate) fn replace(given: Invocation, _: Scope<'_>) -> Meaning {
    let mut args = given.args;
    args.resize_with(3, || string(""));
    Ok(call("replace", args))
}

/// The pattern must match the whole text.
pub(super) fn full_match(text: Expr, pattern: Expr) -> Expr {
    let opened = binary(string("^(?:"), BinaryOperator::StringConcat, pattern);
    let whole = binary(opened, BinaryOperator::StringConcat, string(")$"));
    call("regexp_like", vec![text, whole])
}

pub(crate) fn regexp_like(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let [text, pattern] = given.taken()?;
    Ok(full_match(text, pattern))
}

pub(crate) fn regexp_replace(given: Invocation, _: Scope<'_>) -> Meaning {
    let mut args = given.args;
    args.resize_with(3, || string(""));
    args.push(string("g"));
    Ok(call("regexp_replace", args))
}

pub(crate) fn now(_: Invocation, _: Scope<'_>) -> Meaning {
    Ok(call("now", Vec::new()))
}

pub(crate) fn sysdate(_: Invocation, _: Scope<'_>) -> Meaning {
    Ok(call("sf_to_timestamp", vec![call("now", Vec::new())]))
}

pub(crate) fn last_day(given: Invocation, _: Scope<'_>) -> Meaning {
    let unit = match given.args.get(1) {
        Some(unit) => part(unit)?,
        None => string("month"),
    };
    Ok(call("sf_last_day", vec![unit, given.args[0].clone()]))
}

pub(crate) fn to_number(given: Invocation, _: Scope<'_>) -> Meaning {
    decimal("sf_to_decimal", given)
}

pub(crate) fn try_to_number(given: Invocation, _: Scope<'_>) -> Meaning {
    decimal("sf_try_to_decimal", given)
}

fn decimal(name: &str, given: Invocation) -> Meaning {
    if given.args.get(1).is_some_and(|second| text_of(second).is_some()) {
        return Err(unsupported(format!("a format for {}; REPLACE first", given.name)));
    }
    let mut args = given.args.into_iter();
    let value = args.next().unwrap_or_else(null);
    let precision = args.next().unwrap_or_else(|| integer(38));
    let scale = args.next().unwrap_or_else(|| integer(0));
    Ok(call(name, vec![value, precision, scale]))
}

/// Sums of whole numbers are NUMBER(38,0): they cannot wrap around.
pub(crate) fn sum(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let [value] = given.taken()?;
    Ok(given.renamed("sum", vec![call("sf_exact", vec![value])]))
}

/// A sum divided by a count, so that the average of exact numbers is exact.
pub(crate) fn avg(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let [value] = given.taken()?;
    let sum = Invocation { name: "SUM", function: given.function.clone(), args: Vec::new() };
    let sum = sum.renamed("sum", vec![call("sf_exact", vec![value.clone()])]);
    Ok(call("sf_div", vec![sum, given.renamed("count", vec![value])]))
}

pub(crate) fn count_if(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let [condition] = given.taken()?;
    Ok(given.renamed("count", vec![case(vec![(condition, integer(1))], None)]))
}

pub(crate) fn count_distinct(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let [value] = given.taken()?;
    if let FunctionArguments::List(list) = &mut given.function.args {
        list.duplicate_treatment = Some(DuplicateTreatment::Distinct);
    }
    Ok(given.renamed("count", vec![value]))
}

pub(crate) fn median(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let [value] = given.taken()?;
    Ok(given.renamed("median", vec![call("sf_wide", vec![value])]))
}

pub(crate) fn approx_percentile(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let [value, share] = given.taken()?;
    given.function.within_group = vec![order(double(value), Direction::Up)];
    Ok(given.renamed("percentile_cont", vec![share]))
}

/// Which end of an order comes first. NULL comes last.
#[derive(Clone, Copy)]
enum Direction {
    Up,
    Down,
}

fn order(expr: Expr, direction: Direction) -> OrderByExpr {
    let asc = match direction {
        Direction::Up => true,
        Direction::Down => false,
    };
    OrderByExpr {
        expr,
        options: OrderByOptions { asc: Some(asc), nulls_first: Some(false) },
        with_fill: None,
    }
}

pub(crate) fn min_by(given: Invocation, _: Scope<'_>) -> Meaning {
    first_by(given, Direction::Up)
}

pub(crate) fn max_by(given: Invocation, _: Scope<'_>) -> Meaning {
    first_by(given, Direction::Down)
}

fn first_by(mut given: Invocation, direction: Direction) -> Meaning {
    let [value, key] = given.taken()?;
    if given.function.over.is_some() {
        return Err(unsupported(format!(
            "{} with OVER; FIRST_VALUE with ORDER BY does the same",
            given.name
        )));
    }
    given.function.args = FunctionArguments::List(with_order(vec![order(key, direction)]));
    Ok(given.renamed("first_value", vec![value]))
}

fn with_order(order: Vec<OrderByExpr>) -> sqlparser::ast::FunctionArgumentList {
    sqlparser::ast::FunctionArgumentList {
        duplicate_treatment: None,
        args: Vec::new(),
        clauses: vec![FunctionArgumentClause::OrderBy(order)],
    }
}

/// No rows give an empty text, as in Snowflake.
pub(crate) fn listagg(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let mut args = std::mem::take(&mut given.args).into_iter();
    let value = call("sf_to_varchar", vec![args.next().unwrap_or_else(null)]);
    let delimiter = args.next().unwrap_or_else(|| string(""));
    let distinct = match &given.function.args {
        FunctionArguments::List(list) => list.duplicate_treatment,
        FunctionArguments::None | FunctionArguments::Subquery(_) => None,
    };
    let mut order = std::mem::take(&mut given.function.within_group);
    if distinct == Some(DuplicateTreatment::Distinct) {
        // The engine orders distinct values only by the very expression that it collects.
        for by in &mut order {
            by.expr = call("sf_to_varchar", vec![by.expr.clone()]);
        }
    }
    let mut list = with_order(order);
    list.clauses.retain(
        |clause| !matches!(clause, FunctionArgumentClause::OrderBy(order) if order.is_empty()),
    );
    list.duplicate_treatment = distinct;
    given.function.args = FunctionArguments::List(list);
    let joined = given.renamed("string_agg", vec![value, delimiter]);
    Ok(call("coalesce", vec![joined, string("")]))
}

/// Snowflake looks at the whole partition where no frame is given.
pub(crate) fn framed(mut given: Invocation, _: Scope<'_>) -> Meaning {
    match &mut given.function.over {
        Some(WindowType::WindowSpec(spec)) => {
            spec.window_frame.get_or_insert(WindowFrame {
                units: WindowFrameUnits::Rows,
                start_bound: WindowFrameBound::Preceding(None),
                end_bound: Some(WindowFrameBound::Following(None)),
            });
        }
        Some(WindowType::NamedWindow(_)) => {}
        None => return Err(compilation(format!("missing OVER clause for {}", given.name))),
    }
    let args = std::mem::take(&mut given.args);
    let name = given.name.to_lowercase();
    Ok(given.renamed(&name, args))
}

pub(crate) fn ratio_to_report(mut given: Invocation, _: Scope<'_>) -> Meaning {
    let [value] = given.taken()?;
    let total = Function {
        over: given.function.over,
        ..bare("sum", vec![call("sf_exact", vec![value.clone()])])
    };
    Ok(call("sf_div", vec![value, Expr::Function(total)]))
}

pub(crate) fn get_ddl(given: Invocation, scope: Scope<'_>) -> Meaning {
    match (text_of(&given.args[0]), text_of(&given.args[1])) {
        (Some(kind), Some(name)) => Ok(string(&ddl::get(scope, &kind, &name)?)),
        (None, _) | (_, None) => Err(compilation("GET_DDL takes constant texts")),
    }
}
