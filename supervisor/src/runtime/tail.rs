//! The last lines of log files, and new ones as they are written.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use notify::{RecursiveMode, Watcher};

/// How much is read from the end of a file to find its last lines.
const BLOCK_BYTES: u64 = 64 * 1024;
/// The most that is kept of a line without an end.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// Why following ends.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The files cannot be watched or read.
    #[error("cannot follow the files")]
    Watch(#[source] io::Error),
    /// Nobody looks any more, or the lines cannot be shown.
    #[error("cannot show a line")]
    Show(#[source] io::Error),
}

/// One file that is followed. It stays open, so that what was written before a rotation is read to
/// its end.
#[derive(Debug)]
struct Followed {
    path: PathBuf,
    file: Option<File>,
    unfinished: Vec<u8>,
}

/// The last `count` lines of a file; none when there is no such file.
///
/// # Errors
/// When the file cannot be read.
pub fn last_lines(path: &Path, count: usize) -> io::Result<Vec<Vec<u8>>> {
    let mut file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut start = file.metadata()?.len();
    let (mut blocks, mut line_ends) = (VecDeque::new(), 0);
    while start > 0 && line_ends <= count {
        let length = start.min(BLOCK_BYTES);
        start -= length;
        let mut block = vec![0u8; usize::try_from(length).unwrap_or(0)];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut block)?;
        line_ends += block.iter().filter(|byte| **byte == b'\n').count();
        blocks.push_front(block);
    }
    let tail: Vec<u8> = blocks.into_iter().flatten().collect();
    let tail = tail.strip_suffix(b"\n").unwrap_or(&tail);
    if tail.is_empty() {
        return Ok(Vec::new());
    }
    let lines: Vec<Vec<u8>> = tail.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
    let skipped = lines.len().saturating_sub(count);
    Ok(lines.into_iter().skip(skipped).collect())
}

/// Calls `show` for every line that is written to one of the files from now on, until it says
/// that nobody looks any more. Files may be rotated, removed and made anew meanwhile.
///
/// # Errors
/// When the directory cannot be watched.
pub fn follow(
    directory: &Path,
    names: &[String],
    show: &mut dyn FnMut(&str, &[u8]) -> io::Result<()>,
) -> Result<(), FollowError> {
    let (changes, changed) = std::sync::mpsc::channel();
    let watch = |error| FollowError::Watch(io::Error::other(error));
    let mut watcher = notify::recommended_watcher(changes).map_err(watch)?;
    watcher.watch(directory, RecursiveMode::NonRecursive).map_err(watch)?;
    let mut files: Vec<Followed> =
        names.iter().map(|name| Followed::at_end(directory.join(name))).collect();
    loop {
        for (file, name) in files.iter_mut().zip(names) {
            for line in file.new_lines().map_err(FollowError::Watch)? {
                show(name, &line).map_err(FollowError::Show)?;
            }
        }
        // Many changes at once are one: the files are read to their ends anyway.
        if changed.recv().is_err() {
            return Ok(());
        }
        while changed.try_recv().is_ok() {}
    }
}

impl Followed {
    fn at_end(path: PathBuf) -> Followed {
        let mut file = File::open(&path).ok();
        if let Some(file) = &mut file {
            // What cannot be sought is read from where it stands.
            let _ = file.seek(SeekFrom::End(0));
        }
        Followed { path, file, unfinished: Vec::new() }
    }

    fn new_lines(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut lines = Vec::new();
        self.read_on(&mut lines)?;
        if !self.is_in_place()? {
            // The old file was read to its end; its successor begins at its beginning.
            self.file = match File::open(&self.path) {
                Ok(file) => Some(file),
                Err(error) if error.kind() == io::ErrorKind::NotFound => None,
                Err(error) => return Err(error),
            };
            self.unfinished.clear();
            self.read_on(&mut lines)?;
        }
        Ok(lines)
    }

    /// False when the name leads to another file, or to none.
    fn is_in_place(&self) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        match std::fs::metadata(&self.path) {
            Ok(named) => Ok(inode(&named) == inode(&file.metadata()?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(true),
            Err(error) => Err(error),
        }
    }

    fn read_on(&mut self, lines: &mut Vec<Vec<u8>>) -> io::Result<()> {
        let Some(file) = &mut self.file else { return Ok(()) };
        // Truncated: begin again.
        if file.stream_position()? > file.metadata()?.len() {
            file.seek(SeekFrom::Start(0))?;
            self.unfinished.clear();
        }
        file.read_to_end(&mut self.unfinished)?;
        let whole = self.unfinished.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let rest = self.unfinished.split_off(whole);
        let whole = std::mem::replace(&mut self.unfinished, rest);
        lines.extend(
            whole
                .split_inclusive(|byte| *byte == b'\n')
                .map(|line| line.strip_suffix(b"\n").unwrap_or(line).to_vec()),
        );
        if self.unfinished.len() > LINE_BYTES_MAX {
            lines.push(std::mem::take(&mut self.unfinished));
        }
        Ok(())
    }
}

fn inode(about: &std::fs::Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::ino(about)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    #[test]
    fn the_last_lines_are_found_without_reading_everything() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        assert!(last_lines(&path, 3).unwrap().is_empty());
        let mut file = File::create(&path).unwrap();
        for number in 0..50_000 {
            writeln!(file, "line {number}").unwrap();
        }
        write!(file, "unfinished").unwrap();
        let lines = last_lines(&path, 3).unwrap();
        assert_eq!(lines, [b"line 49998".to_vec(), b"line 49999".to_vec(), b"unfinished".to_vec()]);
    }

    #[test]
    fn following_survives_a_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("a.log");
        std::fs::write(&path, "old\n").unwrap();
        let mut file = Followed::at_end(path.clone());
        let mut writer = File::options().append(true).open(&path).unwrap();
        writer.write_all(b"one\ntw").unwrap();
        assert_eq!(file.new_lines().unwrap(), [b"one".to_vec()]);
        writer.write_all(b"o\n").unwrap();
        assert_eq!(file.new_lines().unwrap(), [b"two".to_vec()]);
        writer.write_all(b"before the rotation\n").unwrap();
        std::fs::rename(&path, directory.path().join("a.log.1")).unwrap();
        assert_eq!(file.new_lines().unwrap(), [b"before the rotation".to_vec()]);
        std::fs::write(&path, "three\n").unwrap();
        assert_eq!(file.new_lines().unwrap(), [b"three".to_vec()]);
    }
}
