//! The loop of the live screen: draw, wait for news, take them in. Whatever may take its time (the
//! supervisor, a disk, a person) is waited for in a thread of its own, so that a key always works.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::thread;
use std::time::Duration;

use mcp_protocol::control::Status;
use ratatui::crossterm::event::{self, Event, KeyEvent, KeyEventKind};

use super::intent::Intent;
use super::model::{Effect, Log, Message, Model};
use super::screen;
use super::tail::Tail;
use super::terminal::{MonitError, Terminal, end_by, watch_signals};
use crate::report::{Colour, with_causes};
use crate::runtime;

/// How often the supervisor is asked, and a log looked at.
const EVERY: Duration = Duration::from_secs(1);
/// How long an answer may take before the screen says that there is none.
const ANSWER_TIME: Duration = Duration::from_secs(3);

/// What the loop hears of.
enum News {
    /// A key was pressed.
    Key(KeyEvent),
    /// The terminal has another size, or has its focus back.
    Redraw,
    /// How everything is, or why that is not known.
    Picture(Box<Result<Status, String>>),
    /// The last lines of a log.
    Log(Log),
    /// What became of a wish.
    Outcome(Message),
    /// A signal came.
    Signal(i32),
    /// No more keys will come.
    KeysFailed(std::io::Error),
}

/// Shows the supervisor of this socket until a person leaves or a signal comes.
///
/// # Errors
/// When there is no terminal, or when it goes away.
pub fn run(socket: &Path, colour: Colour) -> Result<(), MonitError> {
    let (tell, news) = mpsc::channel();
    let signals = tell.clone();
    // Before the terminal is ours, so that there is no moment at which a signal leaves it behind.
    watch_signals(move |signal| drop(signals.send(News::Signal(signal))))?;
    let mut terminal = Terminal::enter()?;
    let look_now = watch_service(socket.to_owned(), tell.clone());
    let look_at = watch_log(tell.clone());
    watch_keys(tell.clone());
    let mut model = Model::default();
    let mut shown_log = None;
    loop {
        terminal.draw(|frame| screen::draw(frame, &model, colour))?;
        // We hold a sender ourselves, so this waits for ever.
        let Ok(first) = news.recv() else { return Ok(()) };
        for item in std::iter::once(first).chain(news.try_iter()) {
            match item {
                News::Key(key) => match model.press(key) {
                    Effect::None => {}
                    Effect::Ask(intent) => {
                        model.message = Some(Message::Info(format!("{} ...", intent.doing())));
                        carry_out(intent, socket.to_owned(), tell.clone());
                    }
                    Effect::Quit => return Ok(()),
                },
                News::Redraw => {}
                News::Picture(picture) => model.take_picture(*picture),
                News::Log(log) => model.take_log(log),
                News::Outcome(message) => {
                    model.message = Some(message);
                    let _ = look_now.send(());
                }
                News::Signal(signal) => {
                    drop(terminal);
                    end_by(signal);
                }
                News::KeysFailed(source) => {
                    return Err(MonitError::Terminal { operation: "read keys from", source });
                }
            }
        }
        let wanted = model.wanted_log();
        if shown_log != wanted {
            shown_log.clone_from(&wanted);
            let _ = look_at.send(wanted);
        }
    }
}

/// Asks every second, and when it is told to.
fn watch_service(socket: PathBuf, tell: Sender<News>) -> Sender<()> {
    let (look_now, told) = mpsc::channel();
    thread::spawn(move || {
        while heard(&told).is_some() {
            let picture =
                runtime::glance(&socket, ANSWER_TIME).map_err(|error| with_causes(&error));
            if tell.send(News::Picture(Box::new(picture))).is_err() {
                return;
            }
        }
    });
    let _ = look_now.send(());
    look_now
}

/// Looks every second whether the wanted log has news, and at once at another one.
fn watch_log(tell: Sender<News>) -> Sender<Option<PathBuf>> {
    let (look_at, told) = mpsc::channel::<Option<PathBuf>>();
    thread::spawn(move || {
        let mut tail: Option<Tail> = None;
        while let Some(wanted) = heard(&told) {
            if let Some(path) = wanted.into_iter().last() {
                tail = path.map(Tail::of);
            }
            if let Some(log) = tail.as_mut().and_then(Tail::news)
                && tell.send(News::Log(log)).is_err()
            {
                return;
            }
        }
    });
    look_at
}

/// Waits until a second is over or something is said; nothing more will be said after `None`.
fn heard<T>(told: &Receiver<T>) -> Option<Vec<T>> {
    match told.recv_timeout(EVERY) {
        Ok(first) => Some(std::iter::once(first).chain(told.try_iter()).collect()),
        Err(RecvTimeoutError::Timeout) => Some(Vec::new()),
        Err(RecvTimeoutError::Disconnected) => None,
    }
}

fn watch_keys(tell: Sender<News>) {
    thread::spawn(move || {
        loop {
            let news = match event::read() {
                Ok(Event::Key(key)) if key.kind == KeyEventKind::Release => continue,
                Ok(Event::Key(key)) => News::Key(key),
                Ok(Event::Resize(..) | Event::FocusGained) => News::Redraw,
                Ok(Event::FocusLost | Event::Mouse(_) | Event::Paste(_)) => continue,
                Err(error) => {
                    let _ = tell.send(News::KeysFailed(error));
                    return;
                }
            };
            if tell.send(news).is_err() {
                return;
            }
        }
    });
}

/// Asks the supervisor; it goes on with what it began also when we leave.
fn carry_out(intent: Intent, socket: PathBuf, tell: Sender<News>) {
    thread::spawn(move || {
        let message = match runtime::ask(&socket, &intent.request(), &mut |_| {}) {
            Ok(_) => Message::Info(intent.done()),
            Err(error) => Message::Failure(intent.failed(&with_causes(&error))),
        };
        let _ = tell.send(News::Outcome(message));
    });
}
