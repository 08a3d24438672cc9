//! The live screen, drawn from the model. Pure: the same model gives the same cells. Whatever a
//! worker wrote is made printable in `put`, the one door for words.

use mcp_protocol::control::{SlotStatus, Status};
use ratatui::Frame;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};
use ratatui::text::Line;
use ratatui::widgets::{Clear, Sparkline, Widget};

use super::list;
use super::model::{Message, Mode, Model, Row, Stream};
use super::paint::Paint;
use crate::report::{Colour, bytes, duration, note, printable};

/// The fewest lines of a body that has more than the list.
const BODY_WITH_DETAILS: u16 = 12;
/// The fewest lines of what is left for list and log together, to show a log.
const REST_WITH_LOG: u16 = 8;
/// The lines of a log that the list leaves.
const LOG_LINES: u16 = 5;
/// The most lines that a message or a problem may take.
const WORDS_LINES_MAX: usize = 4;

/// The most remarks on the whole that are shown; `status` has them all.
const REMARKS_MAX: usize = 3;
/// How many lines of a body allow for one line of notes on the selected row.
const BODY_A_NOTE: u16 = 5;

const KEYS: &str =
    "q quit  ? help  Tab log  / find  r reload  R restart  s stop  S start  +- scale";
const HELP: [&str; 20] = [
    "up, down, j, k   move; Page Up, Page Down, Home, End too",
    "Tab              the next log of the selected app",
    "/ or f           show only what has this in its name; Esc shows all",
    "",
    "Keys that act on the selected line, a whole app or a single slot:",
    "r                reload: new workers before old, nobody notices",
    "R                restart: stop, then start; asks first",
    "s                stop until it is started again; asks first",
    "S                start what was stopped or gave up",
    "z                reset: forgive deaths, try at once what waits or gave up",
    "+, -             one worker of the app more or fewer; - asks first",
    "",
    "X                stop the whole service; asks first",
    "?                this help; any key closes it",
    "q, Esc, Ctrl-C   leave; the service goes on",
    "",
    "cpu is in per cent of one processor. Sparklines end with the newest",
    "second and reach up to the highest value they show.",
    "Logs are those of the whole app; `application` is the log of all",
    "workers of ours.",
];

/// Draws everything.
pub(super) fn draw(frame: &mut Frame<'_>, model: &Model, colour: Colour) {
    let paint = Paint(colour);
    let mut page = Page { rest: frame.area() };
    let buffer = frame.buffer_mut();
    let head = model.picture.as_ref().map_or("mcp-supervisor".to_owned(), head);
    put(buffer, page.top(1), &head, paint.strong());
    for (words, style) in problems(model, paint).into_iter().chain(remarks(model, paint)) {
        put(buffer, page.top(1), &words, style);
    }
    if page.rest.height > 1 {
        draw_footer(buffer, page.bottom(1), model, paint);
    }
    if let Some((words, style)) = message(model, paint) {
        let lines: Vec<&str> = words.lines().take(WORDS_LINES_MAX).collect();
        for line in lines.iter().rev() {
            put(buffer, page.bottom(1), line, style);
        }
    }
    draw_body(buffer, page, model, paint);
    if model.mode == Mode::Help {
        draw_help(buffer, paint);
    }
}

/// What is not drawn on yet.
#[derive(Debug, Clone, Copy)]
struct Page {
    rest: Rect,
}

impl Page {
    fn top(&mut self, height: u16) -> Rect {
        let part = Rect { height: height.min(self.rest.height), ..self.rest };
        self.rest.y += part.height;
        self.rest.height -= part.height;
        part
    }

    fn bottom(&mut self, height: u16) -> Rect {
        let height = height.min(self.rest.height);
        self.rest.height -= height;
        Rect { y: self.rest.y + self.rest.height, height, ..self.rest }
    }
}

fn draw_body(buffer: &mut Buffer, mut page: Page, model: &Model, paint: Paint) {
    let details = match model.selected() {
        Some(row) if page.rest.height >= BODY_WITH_DETAILS => Some(row),
        Some(_) | None => None,
    };
    let notes = details.map_or(Vec::new(), |row| notes(row, page.rest));
    let series = details.map_or(Vec::new(), |row| series(model, row));
    let details_height = details.map_or(0, |_| height(1 + notes.len() + series.len()));
    let rest = page.rest.height.saturating_sub(details_height);
    let with_log = details.is_some() && rest >= REST_WITH_LOG;
    let list_max = if with_log { rest - LOG_LINES } else { rest };
    let list_height = height(1 + model.rows().len().max(1)).min(list_max);
    list::draw(buffer, page.top(list_height), model, paint);
    if let Some(row) = details {
        rule(buffer, page.top(1), &[(row.title(), paint.strong())], paint);
        for line in &notes {
            put(buffer, page.top(1), line, paint.plain());
        }
        for one in &series {
            draw_series(buffer, page.top(1), one, paint);
        }
    }
    if with_log {
        draw_log(buffer, page.rest, model, paint);
    }
}

fn height(lines: usize) -> u16 {
    u16::try_from(lines).unwrap_or(u16::MAX)
}

fn head(status: &Status) -> String {
    format!(
        "mcp-supervisor {}  pid {}  environment {}  up {}  generation {}",
        status.version,
        status.pid,
        status.environment,
        duration(status.uptime),
        status.generation,
    )
}

/// What is wrong with the whole, one line each.
fn problems(model: &Model, paint: Paint) -> Vec<(String, Style)> {
    let mut problems = Vec::new();
    if let Some(why) = &model.trouble {
        let seen = if model.picture.is_some() { "; below is the last that was seen" } else { "" };
        problems.push(format!("{} (asked again every second){seen}", one_line(why)));
    }
    if let Some(status) = &model.picture {
        if status.stopping {
            problems.push("STOPPING: workers finish what they have".to_owned());
        }
        if let Some(why) = &status.config_problem {
            let generation = status.generation;
            let why = one_line(why);
            problems.push(format!("file refused, generation {generation} in force: {why}"));
        }
        if status.dropped_total > 0 {
            let lost = status.dropped_total;
            problems.push(format!("{lost} lines or bytes of logs were lost: is the disk full?"));
        }
    }
    problems.into_iter().map(|words| (words, paint.alarm())).collect()
}

/// What is worth knowing of the whole.
fn remarks(model: &Model, paint: Paint) -> Vec<(String, Style)> {
    let all = model.picture.as_ref().map_or(&[][..], |status| &status.remarks);
    let mut shown: Vec<String> =
        all.iter().take(REMARKS_MAX).map(|remark| format!("note: {}", one_line(remark))).collect();
    if let Some(last) = shown.last_mut().filter(|_| all.len() > REMARKS_MAX) {
        let more = all.len() + 1 - REMARKS_MAX;
        *last = format!("note: {more} more remarks; `mcp-supervisor status` has them all");
    }
    shown.into_iter().map(|words| (words, paint.strong())).collect()
}

fn one_line(words: &str) -> String {
    words.lines().map(str::trim).collect::<Vec<_>>().join("; ")
}

fn message(model: &Model, paint: Paint) -> Option<(&str, Style)> {
    match model.message.as_ref()? {
        Message::Info(words) => Some((words, paint.strong())),
        Message::Failure(words) => Some((words, paint.alarm())),
    }
}

fn draw_footer(buffer: &mut Buffer, area: Rect, model: &Model, paint: Paint) {
    match &model.mode {
        Mode::Confirm(intent) => {
            put(buffer, area, &intent.question().unwrap_or_default(), paint.chosen());
        }
        Mode::Filter => {
            let words = format!("filter: {}_   Enter keeps it, Esc shows all", model.filter);
            put(buffer, area, &words, paint.chosen());
        }
        Mode::Browse | Mode::Help if !model.filter.is_empty() => {
            put(buffer, area, &format!("filter: {}  (Esc)  {KEYS}", model.filter), paint.dim());
        }
        Mode::Browse | Mode::Help => put(buffer, area, KEYS, paint.dim()),
    }
}

/// Why the selected row is as it is, folded to the width; what has no room ends in an ellipsis.
fn notes(row: Row<'_>, body: Rect) -> Vec<String> {
    let words = match row {
        Row::App(app) => list::app_notes(app),
        Row::Slot(_, slot) => slot_notes(slot),
    };
    let letters: Vec<char> = words.join("; ").chars().collect();
    let width = usize::from(body.width.max(1));
    let lines_max = usize::from(body.height / BODY_A_NOTE);
    let lines = letters.chunks(width).map(|line| line.iter().collect());
    let mut lines: Vec<String> = lines.take(lines_max).collect();
    if let Some(last) = lines.last_mut().filter(|_| letters.len() > width * lines_max) {
        last.pop();
        last.push('…');
    }
    lines
}

fn slot_notes(slot: &SlotStatus) -> Vec<String> {
    let threads = slot.threads.map(|count| format!("{count} thread{}", plural(count)));
    [Some(note(slot)).filter(|words| !words.is_empty()), threads].into_iter().flatten().collect()
}

fn plural(count: u32) -> &'static str {
    if count == 1 { "" } else { "s" }
}

/// A sparkline with its words.
struct Series {
    label: &'static str,
    now: String,
    peak: String,
    values: Vec<u64>,
}

fn series(model: &Model, row: Row<'_>) -> Vec<Series> {
    let Some(history) = model.history(row) else { return Vec::new() };
    let tenths = |value: u64| format!("{}.{}", value / 10, value % 10);
    let per_cent = move |value| format!("{}%", tenths(value));
    let a_second = move |value| format!("{}/s", tenths(value));
    let all: [(&str, _, &dyn Fn(u64) -> String); 3] = [
        ("memory", &history.memory, &bytes),
        ("cpu", &history.cpu, &per_cent),
        ("requests", &history.requests, &a_second),
    ];
    all.into_iter()
        .filter_map(|(label, values, words)| {
            let now = words(*values.back()?);
            let peak = format!("up to {}", words(values.iter().copied().max()?));
            Some(Series { label, now, peak, values: values.iter().copied().collect() })
        })
        .collect()
}

fn draw_series(buffer: &mut Buffer, area: Rect, series: &Series, paint: Paint) {
    let words = format!("{:<9}{:>10}  ", series.label, series.now);
    put(buffer, area, &words, paint.plain());
    let (left, right) = (height(words.len()), height(series.peak.len() + 1));
    let Some(width) = area.width.checked_sub(left + right).filter(|width| *width > 0) else {
        return;
    };
    let place = Rect { x: area.x + left, width, ..area };
    let first = series.values.len().saturating_sub(usize::from(width));
    Sparkline::default().data(&series.values[first..]).style(paint.line()).render(place, buffer);
    let place = Rect { x: place.x + width + 1, width: right - 1, ..area };
    put(buffer, place, &series.peak, paint.dim());
}

fn draw_log(buffer: &mut Buffer, area: Rect, model: &Model, paint: Paint) {
    let mut page = Page { rest: area };
    let names = model.streams().into_iter().map(|stream| {
        let style = if stream == model.stream { paint.chosen() } else { paint.dim() };
        (stream_name(stream).to_owned(), style)
    });
    let path = model.log.path.display().to_string();
    let parts: Vec<(String, Style)> = names.chain([(path, paint.dim())]).collect();
    rule(buffer, page.top(1), &parts, paint);
    if let Some(why) = &model.log.trouble {
        put(buffer, page.top(1), why, paint.alarm());
        return;
    }
    let skipped = model.log.lines.len().saturating_sub(usize::from(page.rest.height));
    for line in &model.log.lines[skipped..] {
        put(buffer, page.top(1), line, paint.plain());
    }
}

fn stream_name(stream: Stream) -> &'static str {
    match stream {
        Stream::Out => "out",
        Stream::Err => "err",
        Stream::Application => "application",
    }
}

/// A line across with words on it.
fn rule(buffer: &mut Buffer, area: Rect, parts: &[(String, Style)], paint: Paint) {
    put(buffer, area, &"─".repeat(usize::from(area.width)), paint.dim());
    let mut x = 2;
    for (words, style) in parts.iter().filter(|(words, _)| !words.is_empty()) {
        let Some(width) = area.width.checked_sub(x).filter(|width| *width > 0) else { return };
        let words = format!(" {words} ");
        put(buffer, Rect { x: area.x + x, width, ..area }, &words, *style);
        x = x.saturating_add(height(words.chars().count() + 1));
    }
}

fn draw_help(buffer: &mut Buffer, paint: Paint) {
    let whole = buffer.area;
    let (width, lines) = (72.min(whole.width), height(HELP.len() + 2).min(whole.height));
    let place = Rect {
        x: whole.x + (whole.width - width) / 2,
        y: whole.y + (whole.height - lines) / 2,
        width,
        height: lines,
    };
    Clear.render(place, buffer);
    let mut page = Page { rest: place };
    rule(buffer, page.top(1), &[("keys".to_owned(), paint.strong())], paint);
    for line in HELP {
        put(buffer, page.top(1), line, paint.plain());
    }
    rule(buffer, page.top(1), &[], paint);
}

/// Words at a place, cut at its end, whatever they hold: the one door for words to the screen.
pub(super) fn put(buffer: &mut Buffer, area: Rect, words: &str, style: Style) {
    let area = area.intersection(buffer.area);
    if !area.is_empty() {
        let words = printable(words.as_bytes()).replace('\t', "    ");
        buffer.set_line(area.x, area.y, &Line::styled(words, style), area.width);
    }
}

/// Marks a whole line.
pub(super) fn mark(buffer: &mut Buffer, area: Rect) {
    buffer.set_style(area.intersection(buffer.area), Style::new().add_modifier(Modifier::REVERSED));
}
