//! Rows of an answer, up to the limits of its statement: what keeps a large answer small.
//!
//! Every warehouse collects into this. It knows rows and their weight, never where they come from.

use super::{Cell, Limits};

/// Rows up to the limits.
#[derive(Debug)]
pub(crate) struct Collected {
    /// Rows to leave out before the first.
    skip: u64,
    rows: Vec<Vec<Cell>>,
    bytes: usize,
    truncated: bool,
    limits: Limits,
}

/// What was collected at some moment; see [`Collected::mark`].
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mark {
    skip: u64,
    rows: usize,
    bytes: usize,
    truncated: bool,
}

impl Collected {
    /// Nothing yet.
    #[cfg(test)]
    pub(crate) fn new(limits: Limits) -> Collected {
        Collected::behind(0, limits)
    }

    /// Nothing yet, and the first rows that come are left out.
    pub(crate) fn behind(skip: u64, limits: Limits) -> Collected {
        Collected { skip, rows: Vec::new(), bytes: 0, truncated: false, limits }
    }

    /// Leaves out so many rows at once, if none of them is wanted.
    pub(crate) fn passes_over(&mut self, rows: u64) -> bool {
        let passes = rows <= self.skip && self.skip > 0;
        if passes {
            self.skip -= rows;
        }
        passes
    }

    /// Adds a row; false when it did not fit, and no other will.
    pub(crate) fn add(&mut self, row: Vec<Cell>) -> bool {
        if self.skip > 0 {
            self.skip -= 1;
            return true;
        }
        let bytes = self.bytes + row.iter().map(Cell::weight).sum::<usize>();
        if self.truncated
            || self.rows.len() >= self.limits.rows_max
            || bytes > self.limits.bytes_max
        {
            self.truncated = true;
            return false;
        }
        self.bytes = bytes;
        self.rows.push(row);
        true
    }

    /// The rows so far.
    #[cfg(test)]
    pub(crate) fn rows(&self) -> &[Vec<Cell>] {
        &self.rows
    }

    /// The rows.
    pub(crate) fn into_rows(self) -> Vec<Vec<Cell>> {
        self.rows
    }

    /// About how many bytes the rows take.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// True when a row was refused: there is more than the limits allow.
    pub(crate) fn truncated(&self) -> bool {
        self.truncated
    }

    /// True when no further row can be taken, whether or not there is one.
    pub(crate) fn is_full(&self) -> bool {
        self.truncated || self.rows.len() >= self.limits.rows_max
    }

    /// There are more rows than these, which nobody needs to fetch any more.
    pub(crate) fn leave_the_rest(&mut self) {
        self.truncated = true;
    }

    /// Where a part of the answer begins, for [`Collected::truncate_to`].
    pub(crate) fn mark(&self) -> Mark {
        let Collected { skip, bytes, truncated, .. } = *self;
        Mark { skip, rows: self.rows.len(), bytes, truncated }
    }

    /// Forgets what came after the mark, so that a part which broke off can be read again.
    pub(crate) fn truncate_to(&mut self, mark: Mark) {
        self.skip = mark.skip;
        self.rows.truncate(mark.rows);
        self.bytes = mark.bytes;
        self.truncated = mark.truncated;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn limits(rows_max: usize, bytes_max: usize) -> Limits {
        Limits { rows_max, bytes_max, timeout: Duration::from_secs(1) }
    }

    fn row(text: &str) -> Vec<Cell> {
        vec![Cell::Text(text.to_owned())]
    }

    #[test]
    fn the_row_after_the_last_that_fits_tells_that_there_are_more() {
        let mut collected = Collected::new(limits(2, 100));
        assert!(collected.add(row("a")) && collected.add(row("b")));
        assert!(collected.is_full() && !collected.truncated());
        assert!(!collected.add(row("c")));
        assert!(collected.truncated());
        assert_eq!(collected.into_rows(), [row("a"), row("b")]);
    }

    #[test]
    fn rows_before_a_page_are_left_out_one_by_one_or_by_the_part() {
        let mut collected = Collected::behind(3, limits(2, 100));
        assert!(!collected.passes_over(4), "one of the four is wanted");
        assert!(collected.passes_over(2));
        let mark = collected.mark();
        assert!(collected.add(row("a")) && collected.add(row("b")));
        collected.truncate_to(mark);
        assert!(collected.add(row("a")) && collected.add(row("c")));
        assert!(!collected.passes_over(0), "nothing is left out any more");
        assert_eq!(collected.into_rows(), [row("c")]);
    }

    #[test]
    fn no_row_follows_one_that_was_too_heavy() {
        let mut collected = Collected::new(limits(10, 3));
        assert!(collected.add(row("ab")));
        assert!(!collected.add(row("cd")));
        assert!(!collected.add(row("e")), "a gap in the middle of the rows");
        assert_eq!(collected.rows().len(), 1);
    }

    #[test]
    fn a_part_can_be_read_again_from_its_mark() {
        let mut collected = Collected::new(limits(10, 5));
        assert!(collected.add(row("ab")));
        let mark = collected.mark();
        assert!(collected.add(row("cd")) && !collected.add(row("ef")));
        collected.truncate_to(mark);
        assert!(!collected.truncated() && !collected.is_full());
        assert_eq!(collected.rows(), [row("ab")]);
        assert!(collected.add(row("cde")), "the bytes of forgotten rows still count");
        collected.leave_the_rest();
        assert!(collected.truncated() && !collected.add(row("")));
    }
}
