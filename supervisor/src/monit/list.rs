//! The list of apps and slots: which columns a width has room for, and their cells.

use mcp_protocol::control::{AppStatus, SlotPhase, SlotStatus};
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::model::{Model, Row};
use super::paint::Paint;
use super::screen::{mark, put};
use crate::report::{self, bytes, duration, note, printable, state};

/// A column of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Column {
    Name,
    State,
    Pid,
    Uptime,
    Restarts,
    Memory,
    Cpu,
    Note,
}

/// As they stand side by side.
const ORDER: [Column; 8] = [
    Column::Name,
    Column::State,
    Column::Pid,
    Column::Uptime,
    Column::Restarts,
    Column::Memory,
    Column::Cpu,
    Column::Note,
];
/// As they are kept when the screen gets narrow: the first ones longest.
const WORTH: [Column; 8] = [
    Column::Name,
    Column::State,
    Column::Memory,
    Column::Cpu,
    Column::Pid,
    Column::Uptime,
    Column::Restarts,
    Column::Note,
];
const NAME_WIDTHS: std::ops::RangeInclusive<usize> = 8..=24;
const NOTE_WIDTH_MIN: u16 = 14;

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Column::Name => "slot",
            Column::State => "status",
            Column::Pid => "pid",
            Column::Uptime => "uptime",
            Column::Restarts => "restarts",
            Column::Memory => "memory",
            Column::Cpu => "cpu",
            Column::Note => "note",
        }
    }

    fn width(self, name: u16) -> u16 {
        match self {
            Column::Name => name,
            Column::State => 15,
            Column::Pid | Column::Uptime => 7,
            Column::Restarts => 8,
            Column::Memory => 9,
            Column::Cpu => 6,
            Column::Note => NOTE_WIDTH_MIN,
        }
    }

    /// Numbers end under each other.
    fn to_the_right(self) -> bool {
        match self {
            Column::Pid | Column::Uptime | Column::Restarts | Column::Memory | Column::Cpu => true,
            Column::Name | Column::State | Column::Note => false,
        }
    }
}

/// Draws the headings and as many rows as fit, the selected one among them.
pub(super) fn draw(buffer: &mut Buffer, area: Rect, model: &Model, paint: Paint) {
    let rows = model.rows();
    let longest = rows.iter().map(|row| row.title().chars().count() + 2).max().unwrap_or(0);
    let name = longest.clamp(*NAME_WIDTHS.start(), *NAME_WIDTHS.end());
    let columns = columns(area.width, u16::try_from(name).unwrap_or(u16::MAX));
    let line = |at: u16| Rect { y: area.y + at, height: 1, ..area };
    if area.height == 0 {
        return;
    }
    draw_cells(buffer, line(0), &columns, |column| (column.heading().to_owned(), paint.dim()));
    if rows.is_empty() && area.height > 1 {
        put(buffer, line(1), "nothing to show", paint.dim());
    }
    let selected = model.selected_at();
    let shown = usize::from(area.height - 1);
    // The selected row stands in the middle, as far as the ends of the list allow.
    let first = selected.saturating_sub(shown / 2).min(rows.len().saturating_sub(shown));
    for (at, row) in (1..area.height).zip(&rows[first..]) {
        draw_cells(buffer, line(at), &columns, |column| cell(*row, column, paint));
        if first + usize::from(at) - 1 == selected {
            mark(buffer, line(at));
        }
    }
}

/// The columns that fit and their widths; the note takes what is left.
fn columns(width: u16, name: u16) -> Vec<(Column, u16)> {
    let mut left = width;
    let mut kept = Vec::new();
    for column in WORTH {
        let needed = column.width(name) + u16::from(!kept.is_empty());
        if needed > left && !kept.is_empty() {
            break;
        }
        left = left.saturating_sub(needed);
        kept.push(column);
    }
    ORDER
        .into_iter()
        .filter(|column| kept.contains(column))
        .map(|column| (column, column.width(name) + if column == Column::Note { left } else { 0 }))
        .collect()
}

fn draw_cells(
    buffer: &mut Buffer,
    line: Rect,
    columns: &[(Column, u16)],
    mut cell: impl FnMut(Column) -> (String, Style),
) {
    let mut x = line.x;
    for (column, width) in columns {
        let (words, style) = cell(*column);
        let place = Rect { x, width: *width, ..line };
        let wide = usize::from(*width);
        let words = if column.to_the_right() { format!("{words:>wide$}") } else { words };
        put(buffer, place.intersection(line), &words, style);
        x = x.saturating_add(width + 1);
    }
}

fn cell(row: Row<'_>, column: Column, paint: Paint) -> (String, Style) {
    let cpu = || row.cpu().map_or_else(dash, |cpu| format!("{cpu:.1}%"));
    match (row, column) {
        (_, Column::Cpu) => (cpu(), paint.plain()),
        (Row::App(app), column) => (app_cell(app, column), paint.strong()),
        (Row::Slot(_, slot), Column::Name) => {
            (format!("  {}", row.title()), paint.phase(slot.phase))
        }
        (Row::Slot(_, slot), Column::State) => (state(slot).to_owned(), paint.phase(slot.phase)),
        (Row::Slot(_, slot), column) => (slot_cell(slot, column), paint.plain()),
    }
}

fn app_cell(app: &AppStatus, column: Column) -> String {
    let count = |phase| app.slots.iter().filter(|slot| slot.phase == phase).count();
    match column {
        Column::Name => app.name.clone(),
        Column::State => format!("{}/{} online", count(SlotPhase::Ready), app.slots.len()),
        Column::Restarts => app.slots.iter().map(|slot| slot.restarts).sum::<u64>().to_string(),
        Column::Memory => {
            let known = app.slots.iter().filter_map(|slot| slot.rss_bytes);
            known.reduce(|one, two| one + two).map_or_else(dash, bytes)
        }
        Column::Note => app_notes(app).join("; "),
        Column::Pid | Column::Uptime | Column::Cpu => String::new(),
    }
}

/// What an operator should know of an app, and where it listens.
pub(super) fn app_notes(app: &AppStatus) -> Vec<String> {
    let place = app.listen.iter().map(|place| printable(format!("listens on {place}").as_bytes()));
    report::app_notes(app).into_iter().chain(place).collect()
}

fn slot_cell(slot: &SlotStatus, column: Column) -> String {
    match column {
        Column::Pid => slot.pid.map_or_else(dash, |pid| pid.to_string()),
        Column::Uptime if slot.phase == SlotPhase::Ready => duration(slot.for_time),
        Column::Uptime => dash(),
        Column::Restarts => slot.restarts.to_string(),
        Column::Memory => slot.rss_bytes.map_or_else(dash, bytes),
        Column::Note => note(slot),
        Column::Name | Column::State | Column::Cpu => String::new(),
    }
}

fn dash() -> String {
    "-".to_owned()
}
