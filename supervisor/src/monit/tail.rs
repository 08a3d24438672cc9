//! The last lines of one log file, read anew only when the file has changed.

use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use jiff::tz::TimeZone;

use super::model::Log;
use crate::logs::{Entry, last_entries};
use crate::report::{Colour, LogForm, LogLines, Page, Surface};

/// So many lines are looked at, and so much of each: a screen shows no more.
const LINES_MAX: usize = 500;
const LINE_CHARS_MAX: usize = 1000;

/// A file, and what it looked like at the last look.
#[derive(Debug, Default)]
pub(super) struct Tail {
    path: PathBuf,
    seen: Option<State>,
}

/// Changes whenever something was written, rotated or removed.
type State = Result<(u64, u64, i64, i64), io::ErrorKind>;

impl Tail {
    pub(super) fn of(path: PathBuf) -> Tail {
        Tail { path, seen: None }
    }

    /// The last lines, if they are not those of the last look.
    pub(super) fn news(&mut self) -> Option<Log> {
        let about = std::fs::metadata(&self.path);
        let state = about
            .map_err(|error| error.kind())
            .map(|about| (about.ino(), about.len(), about.mtime(), about.mtime_nsec()));
        if self.seen.replace(state) == Some(state) {
            return None;
        }
        let path = self.path.clone();
        Some(match last_entries(&path, LINES_MAX) {
            Ok(entries) => Log { path, lines: words(&entries), trouble: None },
            Err(error) => {
                Log { path, lines: Vec::new(), trouble: Some(format!("cannot read it: {error}")) }
            }
        })
    }
}

/// The lines as `logs` shows them.
fn words(entries: &[Entry]) -> Vec<String> {
    let page = Page { colour: Colour::Plain, width: None };
    let log = LogLines::new(LogForm::Words, Surface::Terminal, page, TimeZone::system());
    let lines = entries.iter().flat_map(|entry| log.body(entry));
    lines.map(|line| line.chars().take(LINE_CHARS_MAX).collect()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_printable_bounded_and_read_once() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.out.log");
        let mut tail = Tail::of(path.clone());
        assert_eq!(tail.news().unwrap().lines, Vec::<String>::new());
        assert_eq!(tail.news(), None, "a file that is not there is told once");
        std::fs::write(&path, "one\n\x1b[2Jtwo\tx").unwrap();
        assert_eq!(tail.news().unwrap().lines, ["one", "\\u{1b}[2Jtwo\tx"]);
        assert_eq!(tail.news(), None);
        std::fs::write(&path, format!("{}\nlast\n", "x".repeat(200_000))).unwrap();
        assert_eq!(tail.news().unwrap().lines, ["x".repeat(LINE_CHARS_MAX), "last".to_owned()]);
        std::fs::write(&path, "short\n".repeat(2 * LINES_MAX)).unwrap();
        assert_eq!(tail.news().unwrap().lines, vec!["short"; LINES_MAX]);
    }

    #[test]
    fn what_workers_write_is_shown_in_words() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("application.log");
        std::fs::write(&path, "{\"level\":\"warn\",\"message\":\"slow\",\"rows\":3}\n").unwrap();
        assert_eq!(Tail::of(path).news().unwrap().lines, ["WARN  slow rows=3"]);
    }
}
