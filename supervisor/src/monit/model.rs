//! What the live screen knows and what a key means. Pure: pictures, log lines and keys come in,
//! wishes go out; nothing here touches a terminal, a socket or a file.

use std::path::PathBuf;

use mcp_protocol::control::{AppStatus, SlotStatus, Status, Target};
use ratatui::crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::history::{History, Past, slot_name};
use super::intent::Intent;
use crate::runtime::{WORKER_LOG, log_files};

/// How far Page Up and Page Down go.
const PAGE: usize = 10;
/// The longest text to filter by.
const FILTER_MAX: usize = 40;

/// Everything that is drawn.
#[derive(Debug, Default)]
pub(super) struct Model {
    /// The last picture, if there ever was one.
    pub(super) picture: Option<Status>,
    /// Why there was no newer one.
    pub(super) trouble: Option<String>,
    /// What the keys do.
    pub(super) mode: Mode,
    /// Only rows with this in their name are shown.
    pub(super) filter: String,
    /// Which log is shown.
    pub(super) stream: Stream,
    /// The last lines of that log.
    pub(super) log: Log,
    /// What became of the last wish.
    pub(super) message: Option<Message>,
    past: Past,
    selected: Option<RowName>,
}

/// What the keys do.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) enum Mode {
    /// Move and act.
    #[default]
    Browse,
    /// Type a part of a name.
    Filter,
    /// Say yes or no.
    Confirm(Intent),
    /// Read what the keys do.
    Help,
}

/// One of the logs of the selected app.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) enum Stream {
    /// What its programs print.
    #[default]
    Out,
    /// What its programs print as errors.
    Err,
    /// The workers' own log.
    Application,
}

/// The last lines of a log file, or why there are none.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Log {
    /// The file.
    pub(super) path: PathBuf,
    /// Oldest first, printable.
    pub(super) lines: Vec<String>,
    /// Why it cannot be read.
    pub(super) trouble: Option<String>,
}

/// One line for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Message {
    /// Something goes on or went well.
    Info(String),
    /// Something came to nothing.
    Failure(String),
}

/// An app by name, and a slot of it by number.
pub(super) type RowName = (String, Option<u32>);

/// One line of the list.
#[derive(Debug, Clone, Copy)]
pub(super) enum Row<'a> {
    /// An app.
    App(&'a AppStatus),
    /// A slot of it.
    Slot(&'a AppStatus, &'a SlotStatus),
}

/// What a key asks of the world.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// Nothing beyond the screen.
    None,
    /// Carry this out.
    Ask(Intent),
    /// Leave.
    Quit,
}

impl<'a> Row<'a> {
    pub(super) fn app(self) -> &'a AppStatus {
        match self {
            Row::App(app) | Row::Slot(app, _) => app,
        }
    }

    fn name(self) -> RowName {
        match self {
            Row::App(app) => (app.name.clone(), None),
            Row::Slot(app, slot) => (app.name.clone(), Some(slot.index)),
        }
    }

    /// Whom a key acts on.
    fn target(self) -> Target {
        match self {
            Row::App(app) => Target::App(app.name.clone()),
            Row::Slot(app, slot) => Target::Slot { app: app.name.clone(), slot: slot.index },
        }
    }

    /// Per cent of one processor; of an app, the sum.
    pub(super) fn cpu(self) -> Option<f32> {
        match self {
            Row::Slot(_, slot) => slot.cpu_percent,
            Row::App(app) => {
                let known = app.slots.iter().filter_map(|slot| slot.cpu_percent);
                known.reduce(|one, two| one + two)
            }
        }
    }

    /// What it is called on the screen.
    pub(super) fn title(self) -> String {
        match self {
            Row::App(app) => app.name.clone(),
            Row::Slot(app, slot) => slot_name(&app.name, slot.index),
        }
    }
}

impl Model {
    /// A new picture, or why there is none. The last one stays: it is better than nothing.
    pub(super) fn take_picture(&mut self, picture: Result<Status, String>) {
        match picture {
            Ok(status) => {
                self.past.take(&status);
                self.picture = Some(status);
                self.trouble = None;
            }
            Err(why) => self.trouble = Some(why),
        }
        self.keep_selection();
    }

    /// New lines of a log, if it is still the one that is wanted.
    pub(super) fn take_log(&mut self, log: Log) {
        if self.wanted_log().as_ref() == Some(&log.path) {
            self.log = log;
        }
    }

    /// The lines on this screen that pass the filter.
    pub(super) fn rows(&self) -> Vec<Row<'_>> {
        let mut rows = Vec::new();
        for app in self.picture.iter().flat_map(|picture| &picture.apps) {
            let slots: Vec<Row<'_>> = app
                .slots
                .iter()
                .map(|slot| Row::Slot(app, slot))
                .filter(|row| row.title().contains(&self.filter))
                .collect();
            if !slots.is_empty() || app.name.contains(&self.filter) {
                rows.push(Row::App(app));
                rows.extend(slots);
            }
        }
        rows
    }

    /// The selected line's number among the rows. A slot that is gone leaves its app selected, so
    /// that the next key does not act on another app.
    pub(super) fn selected_at(&self) -> usize {
        let rows = self.rows();
        let place = |wanted: &RowName| rows.iter().position(|row| row.name() == *wanted);
        let wanted = self.selected.as_ref();
        let at = wanted.and_then(|(app, slot)| {
            place(&(app.clone(), *slot)).or_else(|| place(&(app.clone(), None)))
        });
        at.unwrap_or(0)
    }

    /// The selected line.
    pub(super) fn selected(&self) -> Option<Row<'_>> {
        self.rows().get(self.selected_at()).copied()
    }

    /// The recent past of a line.
    pub(super) fn history(&self, row: Row<'_>) -> Option<&History> {
        self.past.of(&row.title())
    }

    /// The logs that the selected app has.
    pub(super) fn streams(&self) -> Vec<Stream> {
        let mut streams = vec![Stream::Out, Stream::Err];
        let counts =
            |row: Row<'_>| row.app().slots.iter().any(|slot| slot.requests_total.is_some());
        // Only workers that speak our protocol count requests, and they have a log of their own.
        if self.selected().is_some_and(counts) || self.stream == Stream::Application {
            streams.push(Stream::Application);
        }
        streams
    }

    /// The log file that is to be shown.
    pub(super) fn wanted_log(&self) -> Option<PathBuf> {
        let [output, errors] = log_files(&self.selected()?.app().name);
        let name = match self.stream {
            Stream::Out => output,
            Stream::Err => errors,
            Stream::Application => WORKER_LOG.to_owned(),
        };
        Some(self.picture.as_ref()?.log_directory.join(name))
    }

    /// What a key means now.
    pub(super) fn press(&mut self, key: KeyEvent) -> Effect {
        if key.modifiers.contains(KeyModifiers::CONTROL) {
            return if key.code == KeyCode::Char('c') { Effect::Quit } else { Effect::None };
        }
        match std::mem::take(&mut self.mode) {
            Mode::Browse => self.browse(key.code),
            Mode::Filter => {
                self.type_filter(key.code);
                Effect::None
            }
            Mode::Confirm(intent) => match key.code {
                KeyCode::Char('y' | 'Y') => Effect::Ask(intent),
                KeyCode::Char('n' | 'N' | 'q') | KeyCode::Esc => Effect::None,
                _ => {
                    self.mode = Mode::Confirm(intent);
                    Effect::None
                }
            },
            // Any key closes the help.
            Mode::Help => Effect::None,
        }
    }

    fn browse(&mut self, key: KeyCode) -> Effect {
        self.message = None;
        match key {
            KeyCode::Char('q') => return Effect::Quit,
            KeyCode::Esc if self.filter.is_empty() => return Effect::Quit,
            KeyCode::Esc => self.filter.clear(),
            KeyCode::Up | KeyCode::Char('k') => self.select(self.selected_at().saturating_sub(1)),
            KeyCode::Down | KeyCode::Char('j') => self.select(self.selected_at() + 1),
            KeyCode::PageUp => self.select(self.selected_at().saturating_sub(PAGE)),
            KeyCode::PageDown => self.select(self.selected_at() + PAGE),
            KeyCode::Home => self.select(0),
            KeyCode::End => self.select(usize::MAX),
            KeyCode::Tab => self.next_stream(),
            KeyCode::Char('/' | 'f') => self.mode = Mode::Filter,
            KeyCode::Char('?' | 'h') => self.mode = Mode::Help,
            KeyCode::Char('X') => return self.ask(Intent::Shutdown),
            KeyCode::Char(letter) => return self.act(letter),
            _ => {}
        }
        Effect::None
    }

    fn type_filter(&mut self, key: KeyCode) {
        self.mode = Mode::Filter;
        match key {
            KeyCode::Enter => self.mode = Mode::Browse,
            KeyCode::Esc => {
                self.filter.clear();
                self.mode = Mode::Browse;
            }
            KeyCode::Backspace => drop(self.filter.pop()),
            KeyCode::Char(letter) if self.filter.len() < FILTER_MAX && !letter.is_control() => {
                self.filter.push(letter);
            }
            _ => {}
        }
        self.keep_selection();
    }

    /// What a letter wishes for the selected line.
    fn act(&mut self, letter: char) -> Effect {
        let of: fn(Row<'_>) -> Intent = match letter {
            'r' => |row| Intent::Reload(row.target()),
            'R' => |row| Intent::Restart(row.target()),
            's' => |row| Intent::Stop(row.target()),
            'S' => |row| Intent::Start(row.target()),
            'z' => |row| Intent::Reset(row.target()),
            '+' => |row| Intent::Grow { app: row.app().name.clone() },
            '-' => |row| Intent::Shrink { app: row.app().name.clone() },
            _ => return Effect::None,
        };
        match self.selected().map(of) {
            Some(intent) => self.ask(intent),
            None => {
                self.message = Some(Message::Failure("nothing is selected".to_owned()));
                Effect::None
            }
        }
    }

    /// Dangerous wishes are asked about first.
    fn ask(&mut self, intent: Intent) -> Effect {
        if intent.question().is_none() {
            return Effect::Ask(intent);
        }
        self.mode = Mode::Confirm(intent);
        Effect::None
    }

    fn select(&mut self, at: usize) {
        let rows = self.rows();
        let name = rows.get(at).or(rows.last()).map(|row| row.name());
        self.selected = name;
        self.forget_other_log();
    }

    fn next_stream(&mut self) {
        let streams = self.streams();
        let at = streams.iter().position(|stream| *stream == self.stream).unwrap_or(0);
        self.stream = streams.get(at + 1).copied().unwrap_or_default();
        self.forget_other_log();
    }

    /// What was selected stays selected; when it is gone, its place is taken by the first.
    fn keep_selection(&mut self) {
        self.select(self.selected_at());
    }

    fn forget_other_log(&mut self) {
        if self.wanted_log().is_none_or(|path| path != self.log.path) {
            self.log = Log::default();
        }
    }
}
