//! The last lines of one log file, read anew only when the file has changed.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::model::Log;
use crate::report::printable;

/// How much of the end of a file is looked at, whatever is in it: a screen shows no more.
const BYTES_MAX: u64 = 64 * 1024;

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
        Some(match last_lines(&path) {
            Ok(lines) => Log { path, lines, trouble: None },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Log { path, lines: Vec::new(), trouble: None }
            }
            Err(error) => {
                Log { path, lines: Vec::new(), trouble: Some(format!("cannot read it: {error}")) }
            }
        })
    }
}

fn last_lines(path: &Path) -> io::Result<Vec<String>> {
    let mut file = File::open(path)?;
    let start = file.metadata()?.len().saturating_sub(BYTES_MAX);
    file.seek(SeekFrom::Start(start))?;
    let mut bytes = Vec::new();
    file.take(BYTES_MAX).read_to_end(&mut bytes)?;
    let mut tail = bytes.as_slice();
    if start > 0 {
        // The first line is only the end of one, unless it is all there is.
        let line_end = tail.iter().position(|byte| *byte == b'\n');
        tail = line_end.map_or(tail, |at| &tail[at + 1..]);
    }
    let tail = tail.strip_suffix(b"\n").unwrap_or(tail);
    if tail.is_empty() {
        return Ok(Vec::new());
    }
    Ok(tail.split(|byte| *byte == b'\n').map(printable).collect())
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
        assert_eq!(tail.news().unwrap().lines, ["last"]);
        std::fs::write(&path, "y".repeat(200_000)).unwrap();
        assert_eq!(tail.news().unwrap().lines, ["y".repeat(65_536)]);
    }
}
