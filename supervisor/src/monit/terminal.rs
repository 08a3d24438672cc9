//! The terminal, borrowed: raw mode and the alternate screen, and the way back from them.
//!
//! An operator whose shell no longer echoes is worse off than one without a screen. So the way back
//! is taken at every end there is: a normal one, an error, a panic of any thread, a signal, and a
//! terminal that takes no bytes any more. What is shown is no matter of this file.

use std::fs::File;
use std::io::{self, IsTerminal, Write};
use std::os::fd::AsFd;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::Duration;

use ratatui::Frame;
use ratatui::backend::CrosstermBackend;
use ratatui::crossterm::{cursor, execute, style, terminal};
use signal_hook::consts::{SIGHUP, SIGINT, SIGQUIT, SIGTERM};
use signal_hook::iterator::Signals;

/// How long the loop may take to give the terminal back after a signal.
const PARTING_TIME: Duration = Duration::from_secs(1);

/// True while the terminal is ours.
static BORROWED: AtomicBool = AtomicBool::new(false);

/// Why the screen cannot be shown.
#[derive(Debug, thiserror::Error)]
pub enum MonitError {
    /// There is nobody to look, or to press keys.
    #[error(
        "monit needs a terminal, and {stream} is none; `mcp-supervisor status` and `logs` print to anything"
    )]
    NoTerminal {
        /// What is no terminal.
        stream: &'static str,
    },
    /// The terminal went away or refuses.
    #[error("cannot {operation} the terminal")]
    Terminal {
        /// What was tried.
        operation: &'static str,
        /// Why not.
        #[source]
        source: io::Error,
    },
}

/// The terminal while it is ours; it is given back when this is dropped.
pub struct Terminal {
    screen: ratatui::Terminal<CrosstermBackend<Sink>>,
}

/// Collects a picture and writes it in one go. What was not written is forgotten, never written
/// late: it would appear in the operator's shell.
struct Sink {
    bytes: Vec<u8>,
    terminal: File,
}

impl Terminal {
    /// Borrows the terminal. From here on a panic of any thread gives it back and ends the process.
    ///
    /// # Errors
    /// When there is none, or when it refuses.
    pub fn enter() -> Result<Terminal, MonitError> {
        if !io::stdin().is_terminal() {
            return Err(MonitError::NoTerminal { stream: "standard input" });
        }
        if !io::stdout().is_terminal() {
            return Err(MonitError::NoTerminal { stream: "standard output" });
        }
        let failed = |source| MonitError::Terminal { operation: "take over", source };
        let mut sink = Sink { bytes: Vec::new(), terminal: standard_output().map_err(failed)? };
        give_back_on_panic();
        BORROWED.store(true, Ordering::SeqCst);
        let entered = terminal::enable_raw_mode()
            .and_then(|()| execute!(sink, terminal::EnterAlternateScreen, cursor::Hide))
            .and_then(|()| ratatui::Terminal::new(CrosstermBackend::new(sink)));
        match entered {
            Ok(screen) => Ok(Terminal { screen }),
            Err(error) => {
                give_back();
                Err(failed(error))
            }
        }
    }

    /// Shows a picture; only what changed is written.
    pub(super) fn draw(&mut self, picture: impl FnOnce(&mut Frame<'_>)) -> Result<(), MonitError> {
        let drawn = self.screen.draw(picture);
        drawn.map(drop).map_err(|source| MonitError::Terminal { operation: "draw on", source })
    }
}

impl std::fmt::Debug for Terminal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Terminal").finish_non_exhaustive()
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        give_back();
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.bytes.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        let written = self.terminal.write_all(&self.bytes);
        self.bytes.clear();
        written
    }
}

/// Tells once of a signal that ends us. When nobody then ends us with [`end_by`] in time, because
/// the terminal takes no bytes, its mode at least is given back, which needs none.
pub(super) fn watch_signals(tell: impl FnOnce(i32) + Send + 'static) -> Result<(), MonitError> {
    let mut signals = Signals::new([SIGTERM, SIGINT, SIGHUP, SIGQUIT])
        .map_err(|source| MonitError::Terminal { operation: "watch for signals on", source })?;
    std::thread::spawn(move || {
        let Some(signal) = signals.forever().next() else { return };
        tell(signal);
        let (_never, wait) = mpsc::channel::<()>();
        let _ = wait.recv_timeout(PARTING_TIME);
        let _ = terminal::disable_raw_mode();
        end_by(signal);
    });
    Ok(())
}

/// Ends the process as the signal would have, so that who sent it sees that it was heard.
pub(super) fn end_by(signal: i32) -> ! {
    let _ = signal_hook::low_level::emulate_default_handler(signal);
    std::process::exit(128 + signal);
}

fn give_back_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        give_back();
        report(panic);
        // A screen of which one thread is dead would look alive.
        std::process::exit(101);
    }));
}

/// Does nothing when the terminal is not ours. It takes no lock that a drawing thread may hold.
fn give_back() {
    if !BORROWED.swap(false, Ordering::SeqCst) {
        return;
    }
    // First what cannot block. Where all this fails there is no terminal left to mind.
    let _ = terminal::disable_raw_mode();
    let mut bytes = Vec::new();
    let _ = execute!(bytes, style::ResetColor, terminal::LeaveAlternateScreen, cursor::Show);
    let _ = standard_output().and_then(|mut terminal| terminal.write_all(&bytes));
}

/// Standard output without the standard library's lock and buffer.
fn standard_output() -> io::Result<File> {
    Ok(File::from(io::stdout().as_fd().try_clone_to_owned()?))
}

/// How many characters fit into a line of the terminal, if it tells.
#[must_use]
pub fn width() -> Option<usize> {
    let (columns, _lines) = terminal::size().ok()?;
    (columns > 0).then_some(usize::from(columns))
}
