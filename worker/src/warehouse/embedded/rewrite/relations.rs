//! Tables, views and what else can stand behind FROM; and the clauses around it.

use sqlparser::ast::{
    BinaryOperator, Expr, Ident, LimitClause, ObjectName, ObjectNamePart, OrderBy, OrderByExpr,
    OrderByKind, OrderByOptions, Query, Select, SelectItem, SetExpr, TableAlias,
    TableAliasColumnDef, TableFactor, TableSample, TableSampleKind, TableSampleUnit, TopQuantity,
};

use super::calls::{call, integer, number};
use super::{Scope, columns};
use crate::warehouse::WarehouseError;
use crate::warehouse::embedded::account::DATABASE;
use crate::warehouse::embedded::failure::{compilation, unsupported};

/// TOP is a LIMIT; what a query can do only at a real account is refused.
pub(super) fn query(query: &mut Query) -> Result<(), WarehouseError> {
    if !query.pipe_operators.is_empty() {
        return Err(unsupported("pipe operators"));
    }
    if !query.locks.is_empty() {
        return Err(unsupported("FOR UPDATE; nothing here can be written"));
    }
    if let Some(fetch) = query.fetch.take() {
        if fetch.percent || fetch.with_ties {
            return Err(unsupported("FETCH with PERCENT or WITH TIES"));
        }
        limit(query, fetch.quantity.unwrap_or_else(|| integer(1)));
    }
    if let SetExpr::Select(select) = query.body.as_mut()
        && let Some(top) = select.top.take()
    {
        if top.percent || top.with_ties {
            return Err(unsupported("TOP with PERCENT or WITH TIES"));
        }
        let rows = match top.quantity {
            Some(TopQuantity::Expr(rows)) => rows,
            Some(TopQuantity::Constant(rows)) => number(&rows.to_string()),
            None => return Err(compilation("TOP without a number of rows")),
        };
        limit(query, rows);
    }
    Ok(())
}

fn limit(query: &mut Query, rows: Expr) {
    match &mut query.limit_clause {
        Some(LimitClause::LimitOffset { limit, .. }) => *limit = Some(rows),
        Some(LimitClause::OffsetCommaLimit { limit, .. }) => *limit = rows,
        None => {
            query.limit_clause = Some(LimitClause::LimitOffset {
                limit: Some(rows),
                offset: None,
                limit_by: Vec::new(),
            });
        }
    }
}

/// Names the columns of a SELECT; refuses the clauses that the engine does not have.
pub(super) fn select(select: &mut Select) -> Result<(), WarehouseError> {
    if !select.connect_by.is_empty() {
        return Err(unsupported("CONNECT BY; a recursive common table expression does the same"));
    }
    if select.into.is_some() {
        return Err(unsupported("SELECT INTO; nothing here can be written"));
    }
    if select.top.is_some() {
        return Err(unsupported("TOP inside a set operation; use LIMIT around it"));
    }
    columns::name_all(select);
    Ok(())
}

/// Refuses what is no table, view or subquery.
pub(super) fn check_factor(factor: &TableFactor) -> Result<(), WarehouseError> {
    match factor {
        TableFactor::Table { args: Some(_), name, .. } => Err(table_function(&name.to_string())),
        TableFactor::Table { version: Some(_), .. } => {
            Err(unsupported("time travel (AT, BEFORE); its data has no history"))
        }
        TableFactor::Table { json_path: Some(_), .. } => Err(unsupported("semi-structured paths")),
        TableFactor::Table { name, .. } if name.to_string().starts_with('@') => {
            Err(unsupported("stages; it has no files"))
        }
        TableFactor::Table { .. }
        | TableFactor::Derived { .. }
        | TableFactor::NestedJoin { .. } => Ok(()),
        TableFactor::TableFunction { expr, .. } => Err(table_function(&expr.to_string())),
        TableFactor::Function { name, .. } => Err(table_function(&name.to_string())),
        TableFactor::Pivot { .. } => {
            Err(unsupported("PIVOT; SUM(IFF(…)) for each value does the same"))
        }
        TableFactor::Unpivot { .. } => Err(unsupported("UNPIVOT; UNION ALL does the same")),
        TableFactor::MatchRecognize { .. } => Err(unsupported("MATCH_RECOGNIZE")),
        TableFactor::SemanticView { .. } => Err(unsupported("semantic views")),
        TableFactor::UNNEST { .. }
        | TableFactor::JsonTable { .. }
        | TableFactor::OpenJsonTable { .. }
        | TableFactor::XmlTable { .. } => Err(unsupported("semi-structured data")),
    }
}

fn table_function(text: &str) -> WarehouseError {
    let name = text.split('(').next().unwrap_or(text).trim();
    unsupported(format!(
        "the table function {name}; semi-structured data, generators and results of earlier \
         statements are missing"
    ))
}

/// Gives VALUES Snowflake's column names, and draws samples.
pub(super) fn settle_factor(factor: &mut TableFactor) -> Result<(), WarehouseError> {
    if let TableFactor::Derived { subquery, alias, .. } = factor
        && let SetExpr::Values(values) = subquery.body.as_ref()
    {
        let count = values.rows.first().map_or(0, |row| row.content.len());
        let alias = alias.get_or_insert_with(|| named("VALUES"));
        if alias.columns.is_empty() {
            alias.columns = (1..=count)
                .map(|at| TableAliasColumnDef {
                    name: quoted(&format!("COLUMN{at}")),
                    data_type: None,
                })
                .collect();
        }
    }
    let sample = match factor {
        TableFactor::Table { sample, .. } | TableFactor::Derived { sample, .. } => sample.take(),
        _ => None,
    };
    match sample {
        Some(
            TableSampleKind::BeforeTableAlias(sample) | TableSampleKind::AfterTableAlias(sample),
        ) => draw(factor, &sample),
        None => Ok(()),
    }
}

/// Puts a subquery that keeps some rows around a table.
fn draw(factor: &mut TableFactor, sample: &TableSample) -> Result<(), WarehouseError> {
    let Some(quantity) = &sample.quantity else {
        return Err(unsupported("SAMPLE without a number"));
    };
    let alias = match factor {
        TableFactor::Table { name, alias, .. } => {
            let last = name.0.last().and_then(ObjectNamePart::as_ident).cloned();
            alias.take().or_else(|| last.map(|last| named(&last.value)))
        }
        TableFactor::Derived { alias, .. } => alias.take(),
        _ => None,
    };
    let rows = matches!(quantity.unit, Some(TableSampleUnit::Rows));
    let draw = call("random", Vec::new());
    let mut around = columns::everything();
    if let SetExpr::Select(select) = around.body.as_mut() {
        select.from =
            vec![sqlparser::ast::TableWithJoins { relation: factor.clone(), joins: Vec::new() }];
        select.selection = (!rows).then(|| Expr::BinaryOp {
            left: Box::new(draw.clone()),
            op: BinaryOperator::Lt,
            right: Box::new(call(
                "sf_div",
                vec![call("sf_to_double", vec![quantity.value.clone()]), integer(100)],
            )),
        });
    }
    if rows {
        around.order_by = Some(OrderBy {
            kind: OrderByKind::Expressions(vec![OrderByExpr {
                expr: draw,
                options: OrderByOptions { asc: None, nulls_first: None },
                with_fill: None,
            }]),
            interpolate: None,
        });
        limit(&mut around, quantity.value.clone());
    }
    *factor =
        TableFactor::Derived { lateral: false, subquery: Box::new(around), alias, sample: None };
    Ok(())
}

/// A table's alias.
fn named(name: &str) -> TableAlias {
    TableAlias { explicit: true, name: quoted(name), columns: Vec::new(), at: None }
}

/// A name that is taken as it stands.
pub(super) fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// Writes a table's name out in full.
pub(super) fn resolve(name: &mut ObjectName, scope: Scope<'_>) -> Result<(), WarehouseError> {
    let mut parts = Vec::with_capacity(3);
    for part in &name.0 {
        match part.as_ident() {
            // `database..table` means the schema PUBLIC.
            Some(ident) if ident.value.is_empty() => parts.push("PUBLIC".to_owned()),
            Some(ident) => parts.push(ident.value.clone()),
            None => return Err(unsupported("names that are computed (IDENTIFIER, TABLE)")),
        }
    }
    let relation = scope.account.relation(&parts, scope.place)?;
    *name =
        ObjectName::from(vec![quoted(DATABASE), quoted(relation.schema), quoted(&relation.name)]);
    Ok(())
}

/// True for `*` in any form.
pub(super) fn is_wildcard(item: &SelectItem) -> bool {
    match item {
        SelectItem::Wildcard(_) | SelectItem::QualifiedWildcard(_, _) => true,
        SelectItem::UnnamedExpr(_)
        | SelectItem::ExprWithAlias { .. }
        | SelectItem::ExprWithAliases { .. } => false,
    }
}
