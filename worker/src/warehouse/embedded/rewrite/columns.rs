//! The names of columns: Snowflake names a column without an alias by its text, allows a name
//! twice, and lets an alias be used beside its definition.

use std::collections::HashMap;
use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr, Statement, VisitMut, VisitorMut,
};
use sqlparser::dialect::SnowflakeDialect;
use sqlparser::parser::Parser;

use super::relations::{is_wildcard, quoted};

/// Separates a name that occurs twice from its number, which no reader sees.
const HIDDEN: char = '\u{0}';

/// A column's name as a reader sees it.
pub(crate) fn heading(name: &str) -> &str {
    name.split(HIDDEN).next().unwrap_or(name)
}

/// A query for all columns of nothing yet.
pub(super) fn everything() -> Query {
    let parsed = Parser::new(&SnowflakeDialect {})
        .try_with_sql("SELECT * FROM T")
        .and_then(|mut parser| parser.parse_query());
    *parsed.expect("the text above is a query")
}

/// Gives the outermost columns without an alias the text of the statement as their name.
pub(super) fn name_outermost(query: &mut Query, headings: &[String]) {
    let Some(select) = outermost(query.body.as_mut()) else { return };
    let texts = (headings.len() == select.projection.len()).then_some(headings);
    name_unnamed(select, texts);
    let mut seen: HashMap<String, usize> = HashMap::new();
    let wild = select.projection.iter().any(is_wildcard);
    for item in &mut select.projection {
        let Some(name) = name_of(item) else { continue };
        let count = seen.entry(name.value.clone()).or_default();
        *count += 1;
        // Beside a wildcard any column may come twice.
        if *count > 1 || (wild && matches!(item, SelectItem::UnnamedExpr(_))) {
            let alias = quoted(&format!("{}{HIDDEN}{count}", name.value));
            rename(item, alias);
        }
    }
}

fn outermost(body: &mut SetExpr) -> Option<&mut Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::Query(query) => outermost(query.body.as_mut()),
        SetExpr::SetOperation { left, .. } => outermost(left.as_mut()),
        SetExpr::Values(_)
        | SetExpr::Insert(_)
        | SetExpr::Update(_)
        | SetExpr::Delete(_)
        | SetExpr::Merge(_)
        | SetExpr::Table(_) => None,
    }
}

fn name_of(item: &SelectItem) -> Option<Ident> {
    match item {
        SelectItem::UnnamedExpr(Expr::Identifier(name)) => Some(name.clone()),
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => parts.last().cloned(),
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.clone()),
        SelectItem::UnnamedExpr(_)
        | SelectItem::ExprWithAliases { .. }
        | SelectItem::QualifiedWildcard(_, _)
        | SelectItem::Wildcard(_) => None,
    }
}

fn rename(item: &mut SelectItem, alias: Ident) {
    let expr = match item {
        SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => expr.clone(),
        SelectItem::ExprWithAliases { .. }
        | SelectItem::QualifiedWildcard(_, _)
        | SelectItem::Wildcard(_) => return,
    };
    *item = SelectItem::ExprWithAlias { expr, alias };
}

/// Names the columns of any SELECT, so that rewriting their expressions does not rename them.
pub(super) fn name_all(select: &mut Select) {
    name_unnamed(select, None);
}

fn name_unnamed(select: &mut Select, headings: Option<&[String]>) {
    for (at, item) in select.projection.iter_mut().enumerate() {
        let SelectItem::UnnamedExpr(expr) = item else { continue };
        if matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_)) {
            continue;
        }
        let text = match headings.and_then(|headings| headings.get(at)) {
            Some(text) => text.clone(),
            None => expr.to_string().to_uppercase(),
        };
        rename(item, quoted(&text));
    }
}

/// The SELECTs that define an alias and use it elsewhere.
struct Uses<'a> {
    alias: &'a str,
    /// Which SELECT of them is to be changed; none to count only.
    target: Option<usize>,
    count: usize,
}

impl VisitorMut for Uses<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let defined = select.projection.iter().position(|item| {
            matches!(item, SelectItem::ExprWithAlias { alias, .. } if alias.value == self.alias)
        });
        let Some(defined) = defined else { return ControlFlow::Continue(()) };
        let SelectItem::ExprWithAlias { expr, .. } = select.projection[defined].clone() else {
            return ControlFlow::Continue(());
        };
        if mentions(&expr, self.alias) {
            return ControlFlow::Continue(());
        }
        self.count += 1;
        if self.target == Some(self.count) {
            let mut inline = Inline { alias: self.alias, with: Expr::Nested(Box::new(expr)) };
            for (at, item) in select.projection.iter_mut().enumerate() {
                if at != defined {
                    let _: ControlFlow<()> = item.visit(&mut inline);
                }
            }
            let _: ControlFlow<()> = select.selection.visit(&mut inline);
            let _: ControlFlow<()> = select.having.visit(&mut inline);
            let _: ControlFlow<()> = select.qualify.visit(&mut inline);
            if let GroupByExpr::Expressions(exprs, _) = &mut select.group_by {
                let _: ControlFlow<()> = exprs.visit(&mut inline);
            }
        }
        ControlFlow::Continue(())
    }
}

/// Puts an expression where an alias stands.
struct Inline<'a> {
    alias: &'a str,
    with: Expr,
}

impl VisitorMut for Inline<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if matches!(expr, Expr::Identifier(name) if name.value == self.alias) {
            *expr = self.with.clone();
        }
        ControlFlow::Continue(())
    }
}

/// Stops at an identifier of that name.
struct Mention<'a>(&'a str);

impl VisitorMut for Mention<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Identifier(name) if name.value == self.0 => ControlFlow::Break(()),
            _ => ControlFlow::Continue(()),
        }
    }
}

fn mentions(expr: &Expr, alias: &str) -> bool {
    expr.clone().visit(&mut Mention(alias)).is_break()
}

/// All statements that differ from this one in that one SELECT has the definition of an alias
/// where the alias was used. Which of them plans is the one that was meant.
pub(crate) fn inline_alias(statement: &Statement, alias: &str) -> Vec<Statement> {
    let mut uses = Uses { alias, target: None, count: 0 };
    let _: ControlFlow<()> = statement.clone().visit(&mut uses);
    let mut statements = Vec::new();
    for target in 1..=uses.count {
        let mut changed = statement.clone();
        let _: ControlFlow<()> = changed.visit(&mut Uses { alias, target: Some(target), count: 0 });
        if changed != *statement {
            statements.push(changed);
        }
    }
    statements
}
