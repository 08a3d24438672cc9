//! New lines of log files, as much of them as a page can show.
//!
//! Looked at while somebody looks, bounded for every look: a program that floods its log fills
//! neither our memory nor a browser's. What was left out is counted. The files themselves have
//! everything.

use std::path::Path;

use jiff::tz::TimeZone;
use mcp_protocol::control::Target;
use mcp_protocol::logs::Channel;
use serde_json::{Value, json};

use crate::logs::{Entry, News, Recent, Wanted};
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
pub(super) struct Tail(Option<Recent>);

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
    level: &'static str,
    text: String,
}

impl Tail {
    /// The lines that came since the last look; at the first, the last ones there are.
    pub(super) fn read(&mut self, directory: &Path, names: &[String]) -> Batch {
        let is_first = self.0.is_none();
        let bytes_max = if is_first { FIRST_BYTES_MAX } else { LOOK_BYTES_MAX };
        let recent = self.0.get_or_insert_with(|| Recent::of(directory, &wanted()));
        let News { mut entries, skipped_bytes } =
            recent.look(|source| names.contains(&source.file), bytes_max);
        let skipped_lines = entries.len().saturating_sub(LINES_MAX);
        entries.drain(..skipped_lines);
        let lines = entries.iter().map(Line::of).collect();
        match is_first {
            true => Batch { lines, ..Batch::default() },
            false => Batch { lines, skipped_bytes, skipped_lines },
        }
    }
}

/// All lines: which logs are shown is said at each look.
fn wanted() -> Wanted {
    let of_workers = Channel::ALL.into_iter().map(Channel::name);
    Wanted {
        target: Target::All,
        channels: of_workers.chain(["supervisor", "out", "err"]).collect(),
        since: None,
        until: None,
        lines: None,
        level: None,
        grep: None,
        zone: TimeZone::system(),
    }
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.lines.is_empty() && self.skipped_bytes == 0
    }

    pub(super) fn json(&self) -> Value {
        let line =
            |line: &Line| json!({ "file": line.file, "level": line.level, "text": line.text });
        let lines: Vec<Value> = self.lines.iter().map(line).collect();
        json!({
            "lines": lines, "skipped_lines": self.skipped_lines,
            "skipped_bytes": self.skipped_bytes,
        })
    }
}

impl Line {
    fn of(entry: &Entry) -> Line {
        let mut text = printable(&entry.line);
        if let Some((cut, _)) = text.char_indices().nth(LETTERS_MAX) {
            text.truncate(cut);
            text.push('…');
        }
        Line { file: entry.source.file.clone(), level: entry.level.name(), text }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;
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
        assert_eq!(levels, ["info", "warn", "error", "error"]);
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
