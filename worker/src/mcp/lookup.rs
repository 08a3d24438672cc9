//! What of the account a caller may look at, and short questions about it, for everything that is
//! not a tool: resources and completions.
//!
//! The names that are asked for are quoted, the lists that come back hold only what the caller may
//! name.

use super::names::Name;
use super::tools::ToolError;
use super::tools::errand::Errand;
use crate::access::Caller;
use crate::mcp::answer::cell_text;
use crate::warehouse::{Answer, Cell, Context};

/// Where the answers to SHOW have the name when their columns are not labelled.
const NAME_POSITION: usize = 1;

/// Whether the caller is shown anything of the account besides answers to its own statements.
#[must_use]
pub(super) fn is_open_to(caller: &Caller) -> bool {
    caller.sees("core") || caller.sees("catalog")
}

/// Whether the caller may look into this database.
#[must_use]
pub(super) fn allows(caller: &Caller, database: &Name) -> bool {
    caller.grant.databases.allows(database.as_str())
}

/// The rows of a list that the account gave, with their cells by the names of the columns.
pub(super) struct Rows {
    answer: Answer,
}

/// One of [`Rows`].
#[derive(Clone, Copy)]
pub(super) struct Row<'a> {
    answer: &'a Answer,
    cells: &'a [Cell],
}

impl Rows {
    /// The answer to a statement of ours.
    ///
    /// # Errors
    /// When the warehouse gives none.
    pub(super) async fn ask(errand: &Errand<'_>, statement: &str) -> Result<Rows, ToolError> {
        Ok(Rows { answer: errand.ask(statement, &Context::default()).await? })
    }

    /// The databases that the caller may see, in their order.
    ///
    /// # Errors
    /// When the warehouse gives no answer.
    pub(super) async fn databases(errand: &Errand<'_>, which: &str) -> Result<Rows, ToolError> {
        let mut rows = Rows::ask(errand, &format!("SHOW DATABASES{which}")).await?;
        let caller = errand.caller;
        let at = rows.position("name").unwrap_or(NAME_POSITION);
        rows.answer.rows.retain(|cells| {
            let name = cells.get(at).map(cell_text).unwrap_or_default();
            allows(caller, &Name::known(name))
        });
        Ok(rows)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Row<'_>> {
        self.answer.rows.iter().map(|cells| Row { answer: &self.answer, cells })
    }

    /// Whether there were more rows than are collected.
    pub(super) fn truncated(&self) -> bool {
        self.answer.truncated
    }

    /// What the account calls the execution.
    pub(super) fn query_id(&self) -> &str {
        &self.answer.query_id
    }

    fn position(&self, column: &str) -> Option<usize> {
        super::tools::position(&self.answer, column)
    }
}

impl Row<'_> {
    /// The cell of a column; empty when it is NULL or there is no such column.
    pub(super) fn text(&self, column: &str) -> String {
        let at = super::tools::position(self.answer, column);
        match at.and_then(|at| self.cells.get(at)) {
            None | Some(Cell::Null) => String::new(),
            Some(cell) => cell_text(cell),
        }
    }

    /// The name of what the row is about.
    pub(super) fn name(&self) -> Name {
        let at = super::tools::position(self.answer, "name").unwrap_or(NAME_POSITION);
        Name::known(self.cells.get(at).map(cell_text).unwrap_or_default())
    }
}
