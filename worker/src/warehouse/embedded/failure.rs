//! Errors of the embedded account, in Snowflake's words where Snowflake has words for them, and
//! with the nearest name that exists where a name was wrong.

use datafusion::arrow::error::ArrowError;
use datafusion::common::{DataFusionError, SchemaError};

use crate::warehouse::WarehouseError;

/// What the embedded warehouse calls itself.
pub(crate) const NAME: &str = "the embedded sample account";

/// How far a name may be from what was written to be offered instead.
const LIKENESS_MIN: f64 = 0.8;

/// Something that a Snowflake account can do and the embedded one cannot.
pub(crate) fn unsupported(what: impl Into<String>) -> WarehouseError {
    WarehouseError::Unsupported { warehouse: NAME.to_owned(), what: what.into() }
}

/// A statement that does not compile, for a reason without a code of its own.
pub(crate) fn compilation(reason: impl AsRef<str>) -> WarehouseError {
    statement("001003 (42000)", &format!("SQL compilation error: {}", reason.as_ref()))
}

/// A name of a database, schema, table or view that is not there.
pub(crate) fn no_object(kind: &str, name: &str, nearest: Option<String>) -> WarehouseError {
    let hint = nearest.map_or_else(String::new, |near| format!(" Did you mean {near}?"));
    statement(
        "002003 (42S02)",
        &format!("SQL compilation error: {kind} '{name}' does not exist or not authorized.{hint}"),
    )
}

fn statement(code: &str, message: &str) -> WarehouseError {
    WarehouseError::Statement { message: format!("{code}: {message}") }
}

/// The name most like the one that was written, when one is like it.
pub(crate) fn nearest<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let written = written.to_uppercase();
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(&written, &name.to_uppercase()), name))
        .filter(|(likeness, _)| *likeness >= LIKENESS_MIN)
        .max_by(|left, right| left.0.total_cmp(&right.0))
        .map(|(_, name)| name)
}

/// The column that could not be found, if that is what went wrong.
pub(crate) fn missing_column(error: &DataFusionError) -> Option<&str> {
    match error.find_root() {
        DataFusionError::SchemaError(schema, _) => match schema.as_ref() {
            SchemaError::FieldNotFound { field, .. } => {
                field.relation.is_none().then_some(field.name.as_str())
            }
            SchemaError::AmbiguousReference { .. }
            | SchemaError::DuplicateQualifiedField { .. }
            | SchemaError::DuplicateUnqualifiedField { .. } => None,
        },
        DataFusionError::Diagnostic(_, inner) => missing_column(inner),
        _ => None,
    }
}

/// An error of the engine, said as Snowflake would.
pub(crate) fn of_engine(error: &DataFusionError) -> WarehouseError {
    match error.find_root() {
        DataFusionError::Diagnostic(_, inner) => of_engine(inner),
        DataFusionError::SchemaError(schema, _) => of_schema(schema),
        DataFusionError::NotImplemented(what) => unsupported(one_line(what)),
        DataFusionError::ResourcesExhausted(_) => statement(
            "000603 (57014)",
            "the statement needs more memory than the embedded sample account gives one \
             statement; aggregate or filter earlier, or join less",
        ),
        DataFusionError::Execution(reason) => of_execution(reason),
        DataFusionError::ArrowError(arrow, _) => of_arrow(arrow),
        DataFusionError::SQL(parser, _) => compilation(one_line(&parser.to_string())),
        DataFusionError::Plan(reason) => of_plan(reason),
        other => statement("000002 (0A000)", &one_line(&other.strip_backtrace())),
    }
}

/// The codes of what can go wrong with values, by how the message goes.
const VALUE_CODES: &[(&str, &str)] = &[
    ("Division by zero", "100051 (22012)"),
    ("Numeric value '", "100038 (22018)"),
    ("Boolean value '", "100037 (22018)"),
    ("Date '", "100040 (22007)"),
    ("Timestamp '", "100035 (22007)"),
    ("Can't parse '", "100096 (22007)"),
    ("String '", "100078 (22000)"),
    ("Number out of representable range", "100039 (22003)"),
    ("Numeric overflow", "100039 (22003)"),
];

fn of_execution(reason: &str) -> WarehouseError {
    let reason = one_line(reason);
    let known = VALUE_CODES.iter().find(|(start, _)| reason.starts_with(start));
    statement(known.map_or("100000 (22000)", |(_, code)| code), &reason)
}

fn of_plan(reason: &str) -> WarehouseError {
    let reason = one_line(reason);
    match reason.strip_prefix("Invalid function '") {
        Some(rest) => {
            let name = rest.split('\'').next().unwrap_or(rest).to_uppercase();
            unsupported(format!("the function {name} is not known to it"))
        }
        None => compilation(reason),
    }
}

fn of_arrow(error: &ArrowError) -> WarehouseError {
    match error {
        ArrowError::DivideByZero => of_execution("Division by zero"),
        ArrowError::ArithmeticOverflow(reason) => statement(
            "100039 (22003)",
            &format!("Numeric value is out of range: {}", one_line(reason)),
        ),
        ArrowError::CastError(reason) => statement("100038 (22018)", &one_line(reason)),
        ArrowError::ExternalError(inner) => match inner.downcast_ref::<DataFusionError>() {
            Some(inner) => of_engine(inner),
            None => statement("100000 (22000)", &one_line(&inner.to_string())),
        },
        other => statement("100000 (22000)", &one_line(&other.to_string())),
    }
}

fn of_schema(error: &SchemaError) -> WarehouseError {
    match error {
        SchemaError::FieldNotFound { field, valid_fields } => {
            let near = nearest(&field.name, valid_fields.iter().map(|known| known.name.as_str()));
            let hint = near.map_or_else(String::new, |near| format!(". Did you mean {near}?"));
            let name = match &field.relation {
                Some(relation) => format!("{}.{}", relation.table(), field.name),
                None => field.name.clone(),
            };
            statement(
                "000904 (42000)",
                &format!("SQL compilation error: invalid identifier '{name}'{hint}"),
            )
        }
        SchemaError::AmbiguousReference { field } => statement(
            "002028 (42601)",
            &format!("SQL compilation error: ambiguous column name '{}'", field.name),
        ),
        SchemaError::DuplicateQualifiedField { name, .. }
        | SchemaError::DuplicateUnqualifiedField { name } => statement(
            "002022 (42601)",
            &format!("SQL compilation error: duplicate column name '{name}'"),
        ),
    }
}

fn one_line(text: &str) -> String {
    let first = text.split("\n\nbacktrace:").next().unwrap_or(text);
    first.split_whitespace().collect::<Vec<_>>().join(" ")
}
