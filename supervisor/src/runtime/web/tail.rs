//! New lines of log files, as much of them as a page can show.
//!
//! Looked at while somebody looks, bounded for every look: a program that floods its log fills
//! neither our memory nor a browser's. What was left out is counted. The files themselves have
//! everything.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use serde_json::{Value, json};

use crate::report::printable;

/// How much of a file is read at one look.
const LOOK_BYTES_MAX: u64 = 64 * 1024;
/// How much of a file is shown to whoever comes.
const FIRST_BYTES_MAX: u64 = 16 * 1024;
/// How many lines one look tells.
const LINES_MAX: usize = 400;
/// How much of a line is shown, in characters.
const LETTERS_MAX: usize = 4_000;

/// The files, each read up to where it was looked at last.
#[derive(Debug, Default)]
pub(super) struct Tail {
    files: BTreeMap<String, Place>,
    began: bool,
}

/// How far a file was read.
#[derive(Debug)]
struct Place {
    file: File,
    inode: u64,
    at: u64,
    /// The beginning of a line whose end was not there yet.
    begun: Vec<u8>,
    /// The file begins in the middle of a line for us.
    in_line: bool,
}

/// What one look found.
#[derive(Debug, Default)]
pub(super) struct Batch {
    lines: Vec<Line>,
    /// Bytes that were not read, and lines that are not told.
    skipped_bytes: u64,
    skipped_lines: usize,
}

/// One line, harmless for a screen.
#[derive(Debug)]
struct Line {
    file: String,
    /// When it was written, as it says itself; as the line before it in its file, if it does not.
    at: String,
    level: Option<&'static str>,
    text: String,
}

impl Tail {
    /// The lines that came since the last look; at the first, the last ones there are.
    pub(super) fn read(&mut self, directory: &Path, names: &[String]) -> Batch {
        let first = !std::mem::replace(&mut self.began, true);
        self.files.retain(|name, _| names.contains(name));
        let mut batch = Batch::default();
        for name in names {
            // What cannot be read now may be readable at the next look; the page shows the others.
            let _ = self.read_one(directory, name, first, &mut batch);
        }
        batch.lines.sort_by(|one, other| one.at.cmp(&other.at));
        let more = batch.lines.len().saturating_sub(LINES_MAX);
        batch.lines.drain(..more);
        batch.skipped_lines = if first { 0 } else { more };
        if first {
            batch.skipped_bytes = 0;
        }
        batch
    }

    fn read_one(
        &mut self,
        directory: &Path,
        name: &str,
        first: bool,
        batch: &mut Batch,
    ) -> io::Result<()> {
        let path = directory.join(name);
        let inode = std::fs::metadata(&path).map(|about| about.ino());
        if let Some(known) = self.files.get_mut(name) {
            known.read_on(name, LOOK_BYTES_MAX, batch)?;
            if inode.is_err() || inode.is_ok_and(|inode| inode == known.inode) {
                return Ok(());
            }
        } else {
            inode?;
        }
        let Some(mut opened) = Place::open(&path)? else { return Ok(()) };
        let most = if first { FIRST_BYTES_MAX } else { LOOK_BYTES_MAX };
        opened.read_on(name, most, batch)?;
        self.files.insert(name.to_owned(), opened);
        Ok(())
    }
}

impl Place {
    fn open(path: &Path) -> io::Result<Option<Place>> {
        let flags = libc::O_NOFOLLOW | libc::O_NONBLOCK;
        let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
        let about = file.metadata()?;
        let place = Place { file, inode: about.ino(), at: 0, begun: Vec::new(), in_line: false };
        Ok(about.is_file().then_some(place))
    }

    /// Reads to the end of the file, at most so much of it.
    fn read_on(&mut self, name: &str, most: u64, batch: &mut Batch) -> io::Result<()> {
        let end = self.file.metadata()?.len();
        if end < self.at {
            // Truncated: it begins again.
            self.at = 0;
            self.begun.clear();
            self.in_line = false;
        }
        let from = self.at.max(end.saturating_sub(most));
        if from > self.at {
            batch.skipped_bytes += from - self.at;
            self.begun.clear();
            self.in_line = true;
        }
        self.file.seek(SeekFrom::Start(from))?;
        let mut bytes = std::mem::take(&mut self.begun);
        let held = bytes.len() as u64;
        (&self.file).take(end - from).read_to_end(&mut bytes)?;
        self.at = from + bytes.len() as u64 - held;
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = bytes.split_off(whole);
        if rest.len() as u64 > most {
            // A line without an end: its beginning is as good as any part of it.
            batch.skipped_bytes += rest.len() as u64;
            self.in_line = true;
        } else {
            self.begun = rest;
        }
        let mut lines = bytes.split_inclusive(|byte| *byte == b'\n');
        if self.in_line && whole > 0 {
            lines.next();
            self.in_line = false;
        }
        let mut at = String::new();
        for line in lines {
            let line = Line::of(name, line.strip_suffix(b"\n").unwrap_or(line), &at);
            at.clone_from(&line.at);
            batch.lines.push(line);
        }
        Ok(())
    }
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.skipped_bytes == 0
    }

    pub(super) fn json(&self) -> Value {
        let lines: Vec<Value> = self
            .lines
            .iter()
            .map(|line| {
                json!({
                    "file": line.file, "level": line.level, "text": line.text,
                })
            })
            .collect();
        json!({
            "lines": lines, "skipped_lines": self.skipped_lines,
            "skipped_bytes": self.skipped_bytes,
        })
    }
}

impl Line {
    fn of(file: &str, line: &[u8], before: &str) -> Line {
        let mut text = printable(line);
        if let Some((cut, _)) = text.char_indices().nth(LETTERS_MAX) {
            text.truncate(cut);
            text.push('…');
        }
        let said = serde_json::from_slice::<Value>(line).ok().filter(Value::is_object);
        let word = |key: &str| said.as_ref().and_then(|said| said[key].as_str());
        let (at, level) = match &said {
            Some(_) => (word("timestamp"), word("level").and_then(level)),
            None => plain(&text),
        };
        let at = at.filter(|at| is_time(at)).unwrap_or(before).to_owned();
        Line { file: file.to_owned(), at, level, text }
    }
}

/// What a line that is not JSON says of itself: a time first, and a level near its beginning.
fn plain(text: &str) -> (Option<&str>, Option<&'static str>) {
    let mut words = text.split([' ', '\t', '[', ']', ':', '|']).filter(|word| !word.is_empty());
    let at = text.split(' ').next();
    (
        at,
        words
            .by_ref()
            .take(8)
            .find_map(|word| (word == word.to_uppercase()).then(|| level(word))?),
    )
}

fn is_time(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() >= 19 && bytes[4] == b'-' && bytes[10] == b'T' && bytes[13] == b':'
}

/// One of five words for what programs call their levels.
fn level(word: &str) -> Option<&'static str> {
    Some(match word.to_ascii_lowercase().as_str() {
        "error" | "err" | "fatal" | "critical" | "panic" | "emerg" | "alert" => "error",
        "warn" | "warning" => "warn",
        "info" | "notice" => "info",
        "debug" => "debug",
        "trace" => "trace",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn texts(batch: &Batch) -> Vec<&str> {
        batch.lines.iter().map(|line| line.text.as_str()).collect()
    }

    struct Logs {
        directory: tempfile::TempDir,
        tail: Tail,
    }

    impl Logs {
        fn new() -> Logs {
            Logs { directory: tempfile::tempdir().unwrap(), tail: Tail::default() }
        }

        fn append(&self, name: &str, text: &str) {
            let path = self.directory.path().join(name);
            let file = File::options().append(true).create(true).open(path);
            file.unwrap().write_all(text.as_bytes()).unwrap();
        }

        fn look(&mut self) -> Batch {
            let names = ["a.out.log".to_owned(), "b.out.log".to_owned()];
            self.tail.read(self.directory.path(), &names)
        }
    }

    #[test]
    fn lines_are_told_once_and_whole() {
        let mut logs = Logs::new();
        assert!(logs.look().is_empty());
        logs.append("a.out.log", "one\ntw");
        assert_eq!(texts(&logs.look()), ["one"]);
        logs.append("a.out.log", "o\n");
        assert_eq!(texts(&logs.look()), ["two"]);
        assert!(logs.look().is_empty());
    }

    #[test]
    fn a_rotated_and_a_truncated_file_go_on() {
        let mut logs = Logs::new();
        logs.append("a.out.log", "old\n");
        logs.look();
        let path = logs.directory.path().join("a.out.log");
        logs.append("a.out.log", "last\n");
        std::fs::rename(&path, logs.directory.path().join("a.out.log.1")).unwrap();
        logs.append("a.out.log", "first\n");
        assert_eq!(texts(&logs.look()), ["last", "first"]);
        File::create(&path).unwrap();
        logs.look();
        logs.append("a.out.log", "again\n");
        assert_eq!(texts(&logs.look()), ["again"]);
    }

    #[test]
    fn a_flood_is_cut_and_counted() {
        let mut logs = Logs::new();
        logs.append("a.out.log", "begin\n");
        logs.look();
        let line = format!("{}\n", "x".repeat(999));
        logs.append("a.out.log", &line.repeat(1_000));
        logs.append("a.out.log", "end\n");
        let batch = logs.look();
        assert_eq!(batch.skipped_bytes, 1_000_004 - LOOK_BYTES_MAX);
        assert_eq!(texts(&batch).last(), Some(&"end"));
        assert!(batch.lines.iter().all(|line| line.text.len() == 999 || line.text == "end"));
        logs.append("a.out.log", &"y\n".repeat(1_000));
        let batch = logs.look();
        assert_eq!((batch.lines.len(), batch.skipped_lines), (LINES_MAX, 600));
    }

    #[test]
    fn a_line_without_an_end_takes_no_memory() {
        let mut logs = Logs::new();
        logs.append("a.out.log", "begin\n");
        logs.look();
        for _ in 0..40 {
            logs.append("a.out.log", &"z".repeat(10_000));
            assert!(logs.look().lines.is_empty());
            assert!(logs.tail.files["a.out.log"].begun.len() as u64 <= LOOK_BYTES_MAX);
        }
        logs.append("a.out.log", "z\nnext\n");
        assert_eq!(texts(&logs.look()), ["next"]);
    }

    #[test]
    fn lines_of_several_files_come_in_the_order_of_their_times() {
        let mut logs = Logs::new();
        let time = |second: u32, words: &str| format!("2026-11-21T10:00:{second:02}Z {words}\n");
        logs.append("a.out.log", &time(1, " INFO one"));
        logs.append("a.out.log", &time(3, "ERROR three"));
        logs.append("a.out.log", "  and why\n");
        let json = r#"{"timestamp":"2026-11-21T10:00:02Z","level":"WARN","message":"two"}"#;
        logs.append("b.out.log", &format!("{json}\n"));
        let batch = logs.look();
        let levels: Vec<_> = batch.lines.iter().map(|line| line.level).collect();
        assert_eq!(levels, [Some("info"), Some("warn"), Some("error"), None]);
        assert_eq!(batch.lines[3].text, "  and why");
    }

    #[test]
    fn hostile_bytes_are_made_visible_and_long_lines_cut() {
        let mut logs = Logs::new();
        logs.append("a.out.log", "\u{1b}[2J<script>\n");
        logs.append("a.out.log", &format!("{}\n", "é".repeat(5_000)));
        let batch = logs.look();
        assert_eq!(batch.lines[0].text, "\\u{1b}[2J<script>");
        assert_eq!(batch.lines[1].text.chars().count(), LETTERS_MAX + 1);
    }
}
