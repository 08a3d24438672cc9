//! A log file that is written at its end by `splice`, and rotated between two lines.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use nix::fcntl::{SpliceFFlags, splice};

use super::LINE_BYTES_MAX;
use crate::config::OutputConfig;
use crate::runtime::rotation::{self, open_plain};

/// A log file that is written at its end and rotated between two lines.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    end: i64,
    pub(super) policy: OutputConfig,
}

impl LogFile {
    pub(super) fn open(path: PathBuf, policy: OutputConfig) -> io::Result<LogFile> {
        // Not for appending: splice does not go there. The position is ours alone.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = open_plain(&mut options, &path)?;
        let end = file.seek(SeekFrom::End(0))?.cast_signed();
        Ok(LogFile { path, file, end, policy })
    }

    pub(super) fn reopen(&mut self) -> io::Result<()> {
        *self = LogFile::open(self.path.clone(), self.policy)?;
        Ok(())
    }

    /// Moves up to so many bytes; a file that grew too large is rotated then.
    pub(super) fn splice_from(&mut self, fifo: &OwnedFd, bytes_max: usize) -> nix::Result<usize> {
        self.follow_truncation();
        let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
        let moved = splice(fifo, None, &self.file, Some(&mut self.end), bytes_max, flags)?;
        if self.end.cast_unsigned() > self.policy.bytes_max {
            // A rotation that fails leaves everything where it is; the next chunk tries again.
            let _ = self.rotate();
        }
        Ok(moved)
    }

    /// Begins a new file between two lines: the unfinished one moves over.
    fn rotate(&mut self) -> io::Result<()> {
        if !self.is_in_place() {
            return self.reopen();
        }
        let tail = self.unfinished_line()?;
        rotation::rotate(&self.path, self.policy.files_max)?;
        let old = std::mem::replace(self, LogFile::open(self.path.clone(), self.policy)?);
        self.file.write_all_at(&tail, 0)?;
        self.end = i64::try_from(tail.len()).unwrap_or(0);
        old.file.set_len(old.end.cast_unsigned() - tail.len() as u64)
    }

    /// What stands after the last line's end. Nothing when the line is too long to be kept whole,
    /// such as a progress bar's: then the file is cut in its middle.
    fn unfinished_line(&self) -> io::Result<Vec<u8>> {
        let end = self.end.cast_unsigned();
        let length = end.min(LINE_BYTES_MAX as u64);
        let mut block = vec![0u8; usize::try_from(length).unwrap_or(0)];
        self.file.read_exact_at(&mut block, end - length)?;
        let line_end = block.iter().rposition(|byte| *byte == b'\n');
        Ok(line_end.map_or_else(Vec::new, |at| block.split_off(at + 1)))
    }

    /// Somebody emptied the file: go on at its end, not behind a hole.
    fn follow_truncation(&mut self) {
        if let Ok(about) = self.file.metadata() {
            self.end = self.end.min(about.len().cast_signed());
        }
    }

    /// False when somebody renamed or removed the file under us.
    fn is_in_place(&self) -> bool {
        let ours = self.file.metadata().map(|about| about.ino());
        let named = std::fs::metadata(&self.path).map(|about| about.ino());
        matches!((ours, named), (Ok(ours), Ok(named)) if ours == named)
    }

    pub(super) fn mark_gap(&mut self, bytes: u64) -> io::Result<()> {
        self.follow_truncation();
        let line = format!(
            "\n[mcp-supervisor: {bytes} bytes of output were dropped here, the disk refused them]\n"
        );
        self.append(line.as_bytes())
    }

    /// Whether the last that was written is the beginning of a line.
    pub(super) fn is_in_line(&mut self) -> bool {
        self.follow_truncation();
        let mut last = [0];
        let at = self.end.cast_unsigned().checked_sub(1);
        at.is_some_and(|at| self.file.read_exact_at(&mut last, at).is_ok()) && last != *b"\n"
    }

    /// Ends a line that its program did not end.
    pub(super) fn end_line(&mut self) -> io::Result<()> {
        self.follow_truncation();
        self.append(b"\n")
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.end.cast_unsigned())?;
        self.end += i64::try_from(bytes.len()).unwrap_or(0);
        Ok(())
    }
}

#[cfg(test)]
impl LogFile {
    /// A file that is open for reading only refuses like a full disk does.
    pub(super) fn refuse_all(&mut self) {
        self.file = File::open(&self.path).unwrap();
    }
}
