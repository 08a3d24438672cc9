//! The last lines of log files, and new ones as they are written.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use notify::{RecursiveMode, Watcher};

/// How much is read from the end of a file to find its last lines.
const BLOCK_BYTES: u64 = 64 * 1024;
/// The most that is kept of a line without an end.
const LINE_BYTES_MAX: usize = 1024 * 1024;

/// One file that is followed.
#[derive(Debug)]
struct Followed {
    path: PathBuf,
    inode: u64,
    position: u64,
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
    let mut tail: Vec<u8> = Vec::new();
    while start > 0 && tail.iter().filter(|byte| **byte == b'\n').count() <= count {
        let length = start.min(BLOCK_BYTES);
        start -= length;
        let mut block = vec![0u8; usize::try_from(length).unwrap_or(0)];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut block)?;
        block.append(&mut tail);
        tail = block;
    }
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
) -> io::Result<()> {
    let (changes, changed) = std::sync::mpsc::channel();
    let mut watcher = notify::recommended_watcher(changes).map_err(io::Error::other)?;
    watcher.watch(directory, RecursiveMode::NonRecursive).map_err(io::Error::other)?;
    let mut files: Vec<Followed> =
        names.iter().map(|name| Followed::at_end(directory.join(name))).collect();
    loop {
        for (file, name) in files.iter_mut().zip(names) {
            for line in file.new_lines()? {
                show(name, &line)?;
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
        let about = std::fs::metadata(&path).ok();
        Followed {
            inode: about.as_ref().map_or(0, inode),
            position: about.as_ref().map_or(0, std::fs::Metadata::len),
            path,
            unfinished: Vec::new(),
        }
    }

    fn new_lines(&mut self) -> io::Result<Vec<Vec<u8>>> {
        let mut file = match File::open(&self.path) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error),
        };
        let about = file.metadata()?;
        // Rotated or truncated: begin again.
        if inode(&about) != self.inode || about.len() < self.position {
            self.inode = inode(&about);
            self.position = 0;
            self.unfinished.clear();
        }
        file.seek(SeekFrom::Start(self.position))?;
        let count = file.read_to_end(&mut self.unfinished)?;
        self.position += count as u64;
        let mut lines = Vec::new();
        while let Some(end) = self.unfinished.iter().position(|byte| *byte == b'\n') {
            let rest = self.unfinished.split_off(end + 1);
            let mut line = std::mem::replace(&mut self.unfinished, rest);
            line.pop();
            lines.push(line);
        }
        if self.unfinished.len() > LINE_BYTES_MAX {
            lines.push(std::mem::take(&mut self.unfinished));
        }
        Ok(lines)
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
        std::fs::rename(&path, directory.path().join("a.log.1")).unwrap();
        assert!(file.new_lines().unwrap().is_empty());
        std::fs::write(&path, "three\n").unwrap();
        assert_eq!(file.new_lines().unwrap(), [b"three".to_vec()]);
    }
}
