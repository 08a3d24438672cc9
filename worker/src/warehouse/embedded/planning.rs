//! From a query's text to the engine's plan.

use datafusion::common::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::sql::parser::Statement as EngineStatement;
use sqlparser::ast::Statement;
use sqlparser::tokenizer::{Token, TokenWithSpan};

use super::account::{Account, Place};
use super::failure::{compilation, missing_column, of_engine, unsupported};
use super::parse::{headings, statement, tokens};
use super::rewrite::{Scope, inline_alias, rewrite};
use crate::warehouse::WarehouseError;

/// How many ways to read the aliases of one statement are tried.
const READINGS_MAX: usize = 40;

/// Words that begin a statement which changes something or reaches outside.
const OTHER_STATEMENTS: &[&str] = &[
    "ALTER", "BEGIN", "CALL", "COMMENT", "COMMIT", "COPY", "CREATE", "DECLARE", "DELETE", "DROP",
    "EXECUTE", "GET", "GRANT", "INSERT", "LIST", "LS", "MERGE", "PUT", "REMOVE", "REVOKE", "RM",
    "ROLLBACK", "SET", "START", "TRUNCATE", "UNDROP", "UNSET", "UPDATE",
];

/// The plan of a query.
///
/// # Errors
/// When it is no query, does not compile, or needs what the account does not have.
pub(crate) async fn plan(
    text: &str,
    state: &SessionState,
    account: &Account,
    place: &Place,
) -> Result<LogicalPlan, WarehouseError> {
    let tokens = tokens(text)?;
    plan_tokens(&tokens, state, account, place).await
}

/// The plan of a query that has been cut into tokens.
///
/// # Errors
/// See [`plan`].
pub(crate) async fn plan_tokens(
    tokens: &[TokenWithSpan],
    state: &SessionState,
    account: &Account,
    place: &Place,
) -> Result<LogicalPlan, WarehouseError> {
    refuse_other(tokens)?;
    let parsed = statement(tokens)?;
    if !matches!(parsed, Statement::Query(_)) {
        return Err(other_statement(&first_word(tokens)));
    }
    let headings = headings(tokens);
    let scope = Scope { account, place };
    let mut readings = vec![parsed];
    let mut first_error = None;
    for _ in 0..READINGS_MAX {
        let Some(reading) = readings.pop() else { break };
        let mut rewritten = reading.clone();
        rewrite(&mut rewritten, &headings, scope)?;
        match state.statement_to_plan(EngineStatement::Statement(Box::new(rewritten))).await {
            Ok(plan) => return Ok(plan),
            Err(error) => {
                readings.extend(other_readings(&reading, &error));
                first_error.get_or_insert_with(|| of_engine(&error));
            }
        }
    }
    Err(first_error.unwrap_or_else(|| compilation("the statement has no plan")))
}

/// Where a name was no column, it may have been an alias beside its definition.
fn other_readings(reading: &Statement, error: &DataFusionError) -> Vec<Statement> {
    match missing_column(error) {
        Some(name) => inline_alias(reading, name),
        None => Vec::new(),
    }
}

fn first_word(tokens: &[TokenWithSpan]) -> String {
    let first = tokens.iter().find(|token| !matches!(token.token, Token::Whitespace(_)));
    first.map_or_else(String::new, |token| token.token.to_string().to_uppercase())
}

fn refuse_other(tokens: &[TokenWithSpan]) -> Result<(), WarehouseError> {
    let word = first_word(tokens);
    if OTHER_STATEMENTS.contains(&word.as_str()) {
        return Err(other_statement(&word));
    }
    Ok(())
}

fn other_statement(word: &str) -> WarehouseError {
    unsupported(format!(
        "{word} statements; it is read-only and answers SELECT, SHOW, DESCRIBE, EXPLAIN and USE"
    ))
}
