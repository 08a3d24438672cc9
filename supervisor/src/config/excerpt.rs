//! The lines of a text: where an offset lies, and one line with a mark below a place.
//!
//! What is shown ends up in terminals and logs, so a line that may hold a secret is cut where its
//! value begins, and no character of a line can command a terminal.

use std::cell::{Cell, OnceCell};

use super::mask::{self, Shown};
use super::problem::Place;

/// The longest part of a line that is shown, in characters, on each side of the place.
const REACH: usize = 50;

/// A text and where its lines begin.
pub(super) struct Lines<'a> {
    text: &'a str,
    starts: Vec<usize>,
    /// The last place that was asked for, with its offset: places are asked for nearly in order,
    /// and counting a long line's characters from its start each time would take for ever.
    last: Cell<(usize, Place)>,
    /// How much of each line may be shown.
    shown: OnceCell<Vec<Shown>>,
}

impl<'a> Lines<'a> {
    pub(super) fn of(text: &'a str) -> Lines<'a> {
        let after_newlines = text.match_indices('\n').map(|(offset, _)| offset + 1);
        let starts = std::iter::once(0).chain(after_newlines).collect();
        let last = Cell::new((0, Place { line: 1, column: 1 }));
        Lines { text, starts, last, shown: OnceCell::new() }
    }

    /// Where an offset lies.
    pub(super) fn place(&self, offset: usize) -> Place {
        let offset = self.text.floor_char_boundary(offset);
        let line = self.starts.partition_point(|start| *start <= offset);
        let (last_offset, last) = self.last.get();
        let (start, column) = match last.line == line && last_offset <= offset {
            true => (last_offset, last.column),
            false => (self.starts[line - 1], 1),
        };
        let place = Place { line, column: column + self.text[start..offset].chars().count() };
        self.last.set((offset, place));
        place
    }

    /// The line with this number, from 1; empty when there is none.
    pub(super) fn line(&self, number: usize) -> &'a str {
        let start = number.checked_sub(1).and_then(|index| self.starts.get(index));
        start.and_then(|start| self.text[*start..].lines().next()).unwrap_or_default()
    }

    /// The line of a place with a mark below the place; `None` when it may not be shown.
    pub(super) fn excerpt(&self, place: Place) -> Option<String> {
        let line = self.line(place.line);
        let (line, column) = match self.shown(place.line) {
            Shown::Whole => (line.to_owned(), place.column),
            Shown::UpTo(end) => {
                let shown = format!("{} …", line.get(..end)?);
                let column = place.column.min(shown.chars().count());
                (shown, column)
            }
            Shown::Nothing => return None,
        };
        let skipped = column.saturating_sub(REACH);
        let shown: String = line
            .chars()
            .skip(skipped)
            .take(2 * REACH)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        let number = place.line.to_string();
        let margin = " ".repeat(number.len());
        let indent = " ".repeat(column - 1 - skipped);
        Some(format!("      {number} | {}\n      {margin} | {indent}^", shown.trim_end()))
    }

    /// Whether a line may hold a secret.
    pub(super) fn may_be_secret(&self, number: usize) -> bool {
        self.shown(number) != Shown::Whole
    }

    fn shown(&self, number: usize) -> Shown {
        let shown = self.shown.get_or_init(|| mask::of_lines(self.text));
        let index = number.checked_sub(1);
        index.and_then(|index| shown.get(index)).copied().unwrap_or(Shown::Whole)
    }
}
