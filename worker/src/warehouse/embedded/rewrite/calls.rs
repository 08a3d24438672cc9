//! Calls of functions: looked up in the one table, counted, and answered by what it says. Also
//! the few builders that every rewriting uses.

use sqlparser::ast::helpers::attached_token::AttachedToken;
use sqlparser::ast::{
    BinaryOperator, CaseWhen, DataType, Expr, Function, FunctionArg, FunctionArgExpr,
    FunctionArgumentList, FunctionArguments, Ident, ObjectName, Value,
};

use super::{Scope, types};
use crate::warehouse::WarehouseError;
use crate::warehouse::embedded::failure::{compilation, nearest, unsupported};
use crate::warehouse::embedded::functions::Part;
use crate::warehouse::embedded::functions::table::{Fact, How, Known, TABLE, find};

/// One call, taken apart.
pub(crate) struct Invocation {
    /// The name as the table has it.
    pub(crate) name: &'static str,
    /// The whole call, for what stands around the arguments: OVER, FILTER, DISTINCT.
    pub(crate) function: Function,
    /// The arguments; `*` is among them as a wildcard.
    pub(crate) args: Vec<Expr>,
}

/// A number as it stands.
pub(super) fn number(digits: &str) -> Expr {
    Expr::Value(Value::Number(digits.to_owned(), false).with_empty_span())
}

/// A small whole number.
pub(super) fn integer(value: u32) -> Expr {
    number(&value.to_string())
}

/// A text.
pub(super) fn string(text: &str) -> Expr {
    Expr::Value(Value::SingleQuotedString(text.to_owned()).with_empty_span())
}

/// NULL.
pub(super) fn null() -> Expr {
    Expr::Value(Value::Null.with_empty_span())
}

/// An operator between two expressions.
pub(super) fn binary(left: Expr, op: BinaryOperator, right: Expr) -> Expr {
    let (left, right) = (Box::new(Expr::Nested(left.into())), Box::new(Expr::Nested(right.into())));
    Expr::Nested(Box::new(Expr::BinaryOp { left, op, right }))
}

/// `CASE WHEN … THEN … ELSE … END`.
pub(super) fn case(whens: Vec<(Expr, Expr)>, otherwise: Option<Expr>) -> Expr {
    Expr::Case {
        case_token: AttachedToken::empty(),
        end_token: AttachedToken::empty(),
        operand: None,
        conditions: whens
            .into_iter()
            .map(|(condition, result)| CaseWhen { condition, result })
            .collect(),
        else_result: otherwise.map(Box::new),
    }
}

/// A list of arguments.
pub(super) fn arguments(args: Vec<Expr>) -> FunctionArguments {
    let args = args
        .into_iter()
        .map(|arg| {
            FunctionArg::Unnamed(match arg {
                Expr::Wildcard(_) => FunctionArgExpr::Wildcard,
                arg => FunctionArgExpr::Expr(arg),
            })
        })
        .collect();
    FunctionArguments::List(FunctionArgumentList {
        duplicate_treatment: None,
        args,
        clauses: Vec::new(),
    })
}

/// A call of one of the engine's functions or of ours.
pub(super) fn call(name: &str, args: Vec<Expr>) -> Expr {
    Expr::Function(bare(name, args))
}

/// The same, before it is an expression.
pub(super) fn bare(name: &str, args: Vec<Expr>) -> Function {
    Function {
        name: ObjectName::from(Ident::new(name)),
        uses_odbc_syntax: false,
        parameters: FunctionArguments::None,
        args: arguments(args),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    }
}

/// A value in binary floating point.
pub(super) fn double(expr: Expr) -> Expr {
    types::plain_cast(expr, DataType::Double(sqlparser::ast::ExactNumberInfo::None))
}

impl Invocation {
    /// The same call under another name with other arguments; what stands around them stays.
    pub(crate) fn renamed(self, name: &str, args: Vec<Expr>) -> Expr {
        let mut function = self.function;
        function.name = ObjectName::from(Ident::new(name));
        let kept = match &function.args {
            FunctionArguments::List(list) => Some((list.duplicate_treatment, list.clauses.clone())),
            FunctionArguments::None | FunctionArguments::Subquery(_) => None,
        };
        function.args = arguments(args);
        if let (FunctionArguments::List(list), Some((treatment, clauses))) =
            (&mut function.args, kept)
        {
            list.duplicate_treatment = treatment;
            list.clauses = clauses;
        }
        Expr::Function(function)
    }

    /// The arguments, as many as the table promises.
    pub(crate) fn taken<const N: usize>(&mut self) -> Result<[Expr; N], WarehouseError> {
        std::mem::take(&mut self.args)
            .try_into()
            .map_err(|_| compilation(format!("wrong number of arguments for {}", self.name)))
    }
}

/// Answers a call by what the table says of its name.
pub(super) fn rewrite(function: Function, scope: Scope<'_>) -> Result<Expr, WarehouseError> {
    let name = name_of(&function)?;
    let Some(known) = find(&name) else { return Err(unknown(&name)) };
    let args = args_of(&function)?;
    check_arity(known, args.len())?;
    let mut invocation = Invocation { name: known.name, function, args };
    match known.how {
        How::Engine(name) => {
            let args = std::mem::take(&mut invocation.args);
            Ok(invocation.renamed(name, args))
        }
        How::Float(name) => {
            let args = std::mem::take(&mut invocation.args).into_iter().map(double).collect();
            Ok(invocation.renamed(name, args))
        }
        How::Ours(name) => Ok(call(name, invocation.args)),
        How::Part(name) => {
            invocation.args[0] = part(&invocation.args[0])?;
            Ok(call(name, invocation.args))
        }
        How::ImpliedPart(name) => {
            invocation.args.insert(0, string(known.name));
            Ok(call(name, invocation.args))
        }
        How::Written(write) => write(invocation, scope),
        How::Fact(fact) => Ok(string(&said(fact, scope))),
    }
}

fn said(fact: Fact, scope: Scope<'_>) -> String {
    match fact {
        Fact::Account => "EMBEDDED".to_owned(),
        Fact::Organization => "SAMPLE".to_owned(),
        Fact::User => "MCP".to_owned(),
        Fact::Role => "PUBLIC".to_owned(),
        Fact::Warehouse => "EMBEDDED_WH".to_owned(),
        Fact::Database => scope.place.database.clone(),
        Fact::Schema => scope.place.schema.clone(),
        Fact::Version => format!("{}-embedded", env!("CARGO_PKG_VERSION")),
        Fact::Session => "1".to_owned(),
        Fact::Region => "EMBEDDED".to_owned(),
        Fact::Client => concat!("mcp-worker ", env!("CARGO_PKG_VERSION")).to_owned(),
    }
}

fn name_of(function: &Function) -> Result<String, WarehouseError> {
    match function.name.0.as_slice() {
        [part] => match part.as_ident() {
            Some(ident) => Ok(ident.value.to_uppercase()),
            None => Err(unsupported("functions whose name is computed")),
        },
        _ => Err(unsupported(format!(
            "the function {}; it has no functions in schemas, such as SNOWFLAKE.CORTEX",
            function.name
        ))),
    }
}

fn unknown(name: &str) -> WarehouseError {
    let near = nearest(name, TABLE.iter().map(|known| known.name))
        .map_or_else(String::new, |near| format!("; did you mean {near}?"));
    unsupported(format!("the function {name} is not known to it{near}"))
}

fn args_of(function: &Function) -> Result<Vec<Expr>, WarehouseError> {
    match &function.args {
        FunctionArguments::None => Ok(Vec::new()),
        FunctionArguments::Subquery(query) => Ok(vec![Expr::Subquery(query.clone())]),
        FunctionArguments::List(list) => list
            .args
            .iter()
            .map(|arg| match arg {
                FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr.clone()),
                FunctionArg::Unnamed(FunctionArgExpr::Wildcard) => {
                    Ok(Expr::Wildcard(AttachedToken::empty()))
                }
                FunctionArg::Unnamed(FunctionArgExpr::QualifiedWildcard(_)) => {
                    Ok(Expr::Wildcard(AttachedToken::empty()))
                }
                FunctionArg::Unnamed(FunctionArgExpr::WildcardWithOptions(_))
                | FunctionArg::Named { .. }
                | FunctionArg::ExprNamed { .. } => {
                    Err(unsupported(format!("arguments by name, as in {}", function.name)))
                }
            })
            .collect(),
    }
}

fn check_arity(known: &Known, given: usize) -> Result<(), WarehouseError> {
    let (least, most) = (*known.arity.start(), *known.arity.end());
    if given < least {
        return Err(compilation(format!(
            "not enough arguments for function [{}], expected {least}, got {given}",
            known.name
        )));
    }
    if given > most {
        return Err(compilation(format!(
            "too many arguments for function [{}] expected {most}, got {given}",
            known.name
        )));
    }
    Ok(())
}

/// A date part as a constant: it may be written as a word or as a text.
pub(super) fn part(expr: &Expr) -> Result<Expr, WarehouseError> {
    let word = match expr {
        Expr::Identifier(ident) => ident.value.clone(),
        other => text_of(other).unwrap_or_default(),
    };
    match Part::from_word(&word) {
        Some(_) => Ok(string(&word.to_lowercase())),
        None => Err(compilation(format!("'{expr}' is not a recognized date or time part"))),
    }
}

/// A constant text.
pub(super) fn text_of(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        Expr::Nested(inner) => text_of(inner),
        _ => None,
    }
}
