//! The last lines of one log, for whoever shows no more than that.

use std::io;
use std::path::Path;
use std::sync::Arc;

use jiff::tz::TimeZone;

use super::Entry;
use super::lines::{Backwards, Line};
use super::part_file::PartFile;
use super::record::{Carry, Piece, Record};
use super::source::{Source, parts};

/// The most that is read of them.
const BYTES_MAX: usize = 4 * 1024 * 1024;

/// The last so many lines of a log, those of its rotated files included; none when there is no such
/// log. A line that is very long comes in parts, and what is too much is left out.
///
/// # Errors
/// When a file cannot be read.
pub fn last_lines(log: &Path, count: usize) -> io::Result<Vec<Vec<u8>>> {
    Ok(read_back(log, count)?.into_iter().map(|line| line.bytes).collect())
}

/// The same, with what is known of each line.
///
/// # Errors
/// When a file cannot be read.
pub fn last_entries(log: &Path, count: usize) -> io::Result<Vec<Entry>> {
    let source = log.file_name().and_then(|name| Source::of(name.to_str()?));
    let Some(source) = source.map(Arc::new) else { return Ok(Vec::new()) };
    let zone = TimeZone::system();
    let mut carry = Carry::default();
    let lines = read_back(log, count)?.into_iter().map(|line| {
        let record = Record::of(&line.bytes, &source, &zone);
        let piece = Piece { bytes: &line.bytes, begins: line.begins };
        let settled = carry.settle(&record, piece, &source);
        Entry::new(&source, line, record, settled)
    });
    Ok(lines.collect())
}

fn read_back(log: &Path, count: usize) -> io::Result<Vec<Line>> {
    let (Some(directory), Some(name)) = (log.parent(), log.file_name()) else {
        return Ok(Vec::new());
    };
    let found = parts(directory)?;
    let parts = found.into_iter().find(|(source, _)| name == source.file.as_str());
    let (mut lines, mut bytes) = (Vec::new(), 0);
    for part in parts.into_iter().flat_map(|(_, parts)| parts).rev() {
        if lines.len() >= count || bytes > BYTES_MAX {
            break;
        }
        // One that is renamed at this moment is not waited for.
        let Some(mut file) = PartFile::open(part)? else { continue };
        let mut back = Backwards::new(file.length()?);
        while lines.len() < count
            && bytes <= BYTES_MAX
            && let Some((_, line)) = back.next(&mut file)?
        {
            bytes += line.bytes.len();
            lines.push(line);
        }
    }
    lines.reverse();
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::io::Write;

    #[test]
    fn the_last_lines_are_found_over_rotations_without_reading_everything() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.out.log");
        assert!(last_lines(&path, 3).unwrap().is_empty());
        let mut file = fs::File::create(&path).unwrap();
        for number in 0..50_000 {
            writeln!(file, "line {number}").unwrap();
        }
        write!(file, "unfinished").unwrap();
        let lines = last_lines(&path, 3).unwrap();
        assert_eq!(lines, [b"line 49998".to_vec(), b"line 49999".to_vec(), b"unfinished".to_vec()]);
        fs::write(&path, "last\n").unwrap();
        fs::write(directory.path().join("a.out.log.1"), "before\n").unwrap();
        let packed = zstd::encode_all("first\nsecond\n".as_bytes(), 1).unwrap();
        fs::write(directory.path().join("a.out.log.2.zst"), packed).unwrap();
        let lines = last_lines(&path, 3).unwrap();
        assert_eq!(lines, [b"second".to_vec(), b"before".to_vec(), b"last".to_vec()]);
    }
}
