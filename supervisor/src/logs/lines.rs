//! Bytes as lines, from their beginning and from their end, in bounded memory.
//!
//! A line that is longer than [`LINE_BYTES_MAX`] comes in parts of that size.

use std::io::{self, BufRead};

use super::part_file::PartFile;

/// The most of a line that is in memory at once.
pub(super) const LINE_BYTES_MAX: usize = 1024 * 1024;

/// A line without its end, or a part of one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Line {
    pub(super) bytes: Vec<u8>,
    /// Whether a line begins with it.
    pub(super) begins: bool,
    /// Whether the line's end was there.
    pub(super) ends: bool,
    /// Whether it was cut because it is too long: the rest follows.
    pub(super) more: bool,
}

/// Lines from a place on.
pub(super) struct Onwards {
    reader: Box<dyn BufRead + Send>,
    in_line: bool,
}

impl std::fmt::Debug for Onwards {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Onwards").field("in_line", &self.in_line).finish_non_exhaustive()
    }
}

impl Onwards {
    pub(super) fn new(reader: Box<dyn BufRead + Send>) -> Onwards {
        Onwards { reader, in_line: false }
    }

    /// The next line; none at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line>> {
        let mut line = Line { begins: !self.in_line, ..Line::default() };
        loop {
            let ready = match self.reader.fill_buf() {
                Ok(ready) => ready,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(error),
            };
            let is_full = line.bytes.len() == LINE_BYTES_MAX;
            if ready.is_empty() || (is_full && ready[0] != b'\n') {
                let is_any = !line.bytes.is_empty();
                self.in_line = !ready.is_empty();
                line.more = self.in_line;
                return Ok(is_any.then_some(line));
            }
            let room = LINE_BYTES_MAX - line.bytes.len();
            let looked_at = &ready[..ready.len().min(room.max(1))];
            let end = looked_at.iter().position(|byte| *byte == b'\n');
            let taken = end.unwrap_or(looked_at.len());
            line.bytes.extend_from_slice(&looked_at[..taken]);
            line.ends = end.is_some();
            self.reader.consume(taken + usize::from(line.ends));
            if line.ends {
                self.in_line = false;
                return Ok(Some(line));
            }
        }
    }
}

/// Lines from a place backwards.
#[derive(Debug)]
pub(super) struct Backwards {
    /// Where `held` begins.
    start: u64,
    held: Vec<u8>,
    /// Whether `held` ends where a long line was cut.
    is_cut: bool,
}

impl Backwards {
    /// From this place on, which is the end of a line or of the file.
    pub(super) fn new(end: u64) -> Backwards {
        Backwards { start: end, held: Vec::new(), is_cut: false }
    }

    /// The line before, and where it begins; none at the beginning of the file.
    pub(super) fn next(&mut self, file: &mut PartFile) -> io::Result<Option<(u64, Line)>> {
        // The end of the line itself does not count.
        let mut searched = 0;
        loop {
            let body = self.held.strip_suffix(b"\n").unwrap_or(&self.held).len();
            let unseen = &self.held[..body.saturating_sub(searched)];
            let begin = unseen.iter().rposition(|byte| *byte == b'\n').map(|end| end + 1);
            if body - begin.unwrap_or(0) > LINE_BYTES_MAX {
                return Ok(Some(self.split(body - LINE_BYTES_MAX, false)));
            }
            if let Some(begin) = begin {
                return Ok(Some(self.split(begin, true)));
            }
            searched = body;
            let block = file.before(self.start)?;
            if block.is_empty() {
                let is_any = !self.held.is_empty();
                return Ok(is_any.then(|| self.split(0, true)));
            }
            self.start -= block.len() as u64;
            let mut held = block;
            held.append(&mut self.held);
            self.held = held;
        }
    }

    fn split(&mut self, at: usize, begins: bool) -> (u64, Line) {
        let mut bytes = self.held.split_off(at);
        let ends = bytes.last() == Some(&b'\n');
        bytes.truncate(bytes.len() - usize::from(ends));
        let more = std::mem::replace(&mut self.is_cut, !begins);
        (self.start + at as u64, Line { bytes, begins, ends, more })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::logs::source::parts;

    fn file_of(bytes: &[u8], packed: bool) -> (tempfile::TempDir, PartFile) {
        let directory = tempfile::tempdir().unwrap();
        let name = if packed { "web.out.log.1.zst" } else { "web.out.log" };
        let bytes = if packed { zstd::encode_all(bytes, 1).unwrap() } else { bytes.to_vec() };
        std::fs::write(directory.path().join(name), bytes).unwrap();
        let part = parts(directory.path()).unwrap().into_values().next().unwrap().remove(0);
        let file = PartFile::open(part).unwrap().unwrap();
        (directory, file)
    }

    fn backwards(file: &mut PartFile) -> Vec<(u64, Line)> {
        let mut lines = Backwards::new(file.length().unwrap());
        std::iter::from_fn(|| lines.next(file).unwrap()).collect()
    }

    fn onwards(file: &PartFile, start: u64) -> Vec<Line> {
        let mut lines = Onwards::new(file.reader(start).unwrap());
        std::iter::from_fn(|| lines.next().unwrap()).collect()
    }

    #[test]
    fn both_directions_give_the_same_lines_plain_and_packed() {
        let text: String =
            (0..40_000).map(|number| format!("{number} {}\n", "x".repeat(number % 71))).collect();
        for text in [text.as_str(), "", "\n", "\n\n", "a", "a\nb", "\na\n\n"] {
            for packed in [false, true] {
                let (_directory, mut file) = file_of(text.as_bytes(), packed);
                let wanted: Vec<&str> = text.split_terminator('\n').collect();
                let found = onwards(&file, 0);
                let mut back = backwards(&mut file);
                back.reverse();
                for (start, line) in back.iter().rev().take(3) {
                    assert_eq!(onwards(&file, *start)[0], *line);
                }
                let back: Vec<Line> = back.into_iter().map(|(_, line)| line).collect();
                assert_eq!(found, back, "{packed}");
                let found: Vec<&[u8]> = found.iter().map(|line| &line.bytes[..]).collect();
                let wanted: Vec<&[u8]> = wanted.iter().map(|line| line.as_bytes()).collect();
                assert_eq!(found, wanted, "{packed}");
            }
        }
    }

    #[test]
    fn an_endless_line_comes_in_parts() {
        let size = 3 * LINE_BYTES_MAX + 10;
        let text = [b"first\n".as_slice(), &vec![b'x'; size], b"\nlast\n"].concat();
        let (_directory, mut file) = file_of(&text, false);
        let lengths = |lines: &[Line]| -> Vec<(usize, bool, bool)> {
            lines.iter().map(|line| (line.bytes.len(), line.begins, line.ends)).collect()
        };
        let long = LINE_BYTES_MAX;
        assert_eq!(
            lengths(&onwards(&file, 0)),
            [
                (5, true, true),
                (long, true, false),
                (long, false, false),
                (long, false, false),
                (10, false, true),
                (4, true, true)
            ]
        );
        let back: Vec<Line> = backwards(&mut file).into_iter().map(|(_, line)| line).collect();
        assert_eq!(
            lengths(&back),
            [
                (4, true, true),
                (long, false, true),
                (long, false, false),
                (long, false, false),
                (10, true, false),
                (5, true, true)
            ]
        );
    }

    #[test]
    fn a_large_packed_file_is_read_from_its_end() {
        let text: String =
            (0..2_600_000).map(|number| format!("line number {number:08}\n")).collect();
        let (_directory, mut file) = file_of(text.as_bytes(), true);
        let mut lines = Backwards::new(file.length().unwrap());
        let mut number = 2_600_000;
        while let Some((start, line)) = lines.next(&mut file).unwrap() {
            number -= 1;
            assert_eq!(start, number * 21);
            assert_eq!(line.bytes, format!("line number {number:08}").as_bytes());
        }
        assert_eq!(number, 0);
    }

    #[test]
    fn of_a_damaged_file_what_comes_before_the_damage_is_read() {
        let directory = tempfile::tempdir().unwrap();
        let text: String = (0..100_000).map(|number| format!("{number}\n")).collect();
        let mut bytes = zstd::encode_all(text.as_bytes(), 1).unwrap();
        bytes.truncate(bytes.len() / 2);
        std::fs::write(directory.path().join("web.out.log.1.zst"), bytes).unwrap();
        let part = parts(directory.path()).unwrap().into_values().next().unwrap().remove(0);
        let mut file = PartFile::open(part).unwrap().unwrap();
        let lines = backwards(&mut file);
        assert_eq!(lines.last().unwrap().1.bytes, b"0");
        assert!(lines.len() > 1000, "{}", lines.len());
    }
}
