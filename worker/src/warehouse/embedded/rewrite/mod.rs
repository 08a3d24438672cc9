//! From a Snowflake statement to one that the engine plans: every name in full, every function
//! by what answers it, every construct either said in the engine's words or refused by name.

mod calls;
mod columns;
mod expressions;
mod relations;
mod types;
pub(crate) mod written;

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, ObjectName, Query, Select, Statement, TableFactor, VisitMut, VisitorMut,
};

use super::account::{Account, Place};
use super::failure::compilation;
use crate::warehouse::WarehouseError;

pub(crate) use columns::{heading, inline_alias};

/// What the rewriting knows beside the statement.
#[derive(Clone, Copy)]
pub(crate) struct Scope<'a> {
    /// The account's directory.
    pub(crate) account: &'a Account,
    /// Where unqualified names are looked up.
    pub(crate) place: &'a Place,
}

/// A query whose common table expressions come into sight one after the other.
struct Frame {
    names: Vec<String>,
    recursive: bool,
    seen: usize,
}

struct Rewriting<'a> {
    scope: Scope<'a>,
    frames: Vec<Frame>,
    depth: usize,
}

/// How deep an expression may be. The engine's planning takes time that grows with the square
/// of the depth, and cannot be interrupted.
const DEPTH_MAX: usize = 300;

/// Rewrites a query in place.
///
/// # Errors
/// When it uses something that the account does not have.
pub(crate) fn rewrite(
    statement: &mut Statement,
    headings: &[String],
    scope: Scope<'_>,
) -> Result<(), WarehouseError> {
    if let Statement::Query(query) = statement {
        columns::name_outermost(query, headings);
    }
    let mut rewriting = Rewriting { scope, frames: Vec::new(), depth: 0 };
    match statement.visit(&mut rewriting) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(error) => Err(error),
    }
}

fn flow(result: Result<(), WarehouseError>) -> ControlFlow<WarehouseError> {
    match result {
        Ok(()) => ControlFlow::Continue(()),
        Err(error) => ControlFlow::Break(error),
    }
}

impl Rewriting<'_> {
    fn is_common(&self, name: &str) -> bool {
        self.frames.iter().any(|frame| {
            let visible = if frame.recursive { frame.names.len() } else { frame.seen };
            frame.names.iter().take(visible).any(|known| known == name)
        })
    }
}

impl VisitorMut for Rewriting<'_> {
    type Break = WarehouseError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<WarehouseError> {
        let (names, recursive) = match &query.with {
            Some(with) => (
                with.cte_tables.iter().map(|cte| cte.alias.name.value.clone()).collect(),
                with.recursive,
            ),
            None => (Vec::new(), false),
        };
        self.frames.push(Frame { names, recursive, seen: 0 });
        flow(relations::query(query))
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<WarehouseError> {
        self.frames.pop();
        if let Some(outer) = self.frames.last_mut() {
            // The first queries inside a query are its common table expressions, in order.
            outer.seen = (outer.seen + 1).min(outer.names.len());
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<WarehouseError> {
        flow(relations::select(select))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<WarehouseError> {
        flow(relations::check_factor(factor))
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<WarehouseError> {
        flow(relations::settle_factor(factor))
    }

    fn pre_visit_relation(&mut self, name: &mut ObjectName) -> ControlFlow<WarehouseError> {
        if let [part] = name.0.as_slice()
            && part.as_ident().is_some_and(|ident| self.is_common(&ident.value))
        {
            return ControlFlow::Continue(());
        }
        flow(relations::resolve(name, self.scope))
    }

    fn pre_visit_expr(&mut self, _: &mut Expr) -> ControlFlow<WarehouseError> {
        self.depth += 1;
        if self.depth > DEPTH_MAX {
            return ControlFlow::Break(compilation(format!(
                "an expression is nested deeper than {DEPTH_MAX} levels; use IN for a long chain"
            )));
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<WarehouseError> {
        self.depth -= 1;
        flow(expressions::rewrite(expr, self.scope))
    }
}
