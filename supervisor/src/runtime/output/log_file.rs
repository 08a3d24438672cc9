//! A log file that is written at its end by `splice`, and rotated between two lines.
//!
//! A file that is due is rotated when its last line has ended. So that this comes soon, what waits
//! in the FIFO is moved up to its next line end and not further. Nothing that is in a file is ever
//! moved to another one: ended at any point, we leave each line in one file, once.

use std::fs::{File, OpenOptions};
use std::io::{self, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use nix::fcntl::{SpliceFFlags, splice};

use super::lost::Gap;
use super::window::Window;
use super::{CHUNK_BYTES, LINE_BYTES_MAX};
use crate::config::OutputConfig;
use crate::runtime::rotation::{self, Count, Tidy, open_plain};

/// A log file that is written at its end and rotated between two lines.
pub(super) struct LogFile {
    path: PathBuf,
    file: File,
    end: i64,
    policy: OutputConfig,
    tidy: Tidy,
    count: Arc<Count>,
    /// Somebody wants it rotated, whatever its size.
    asked: bool,
    /// How much was written since it became due.
    overrun: usize,
}

impl LogFile {
    pub(super) fn open(path: PathBuf, policy: OutputConfig, tidy: Tidy) -> io::Result<LogFile> {
        let (file, end) = at_its_end(&path)?;
        let count = tidy.count(&path);
        tidy.series(&path, policy);
        Ok(LogFile { path, file, end, policy, tidy, count, asked: false, overrun: 0 })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn set_policy(&mut self, policy: OutputConfig) {
        self.policy = policy;
        self.tidy.series(&self.path, policy);
    }

    pub(super) fn reopen(&mut self) -> io::Result<()> {
        (self.file, self.end) = at_its_end(&self.path)?;
        (self.asked, self.overrun) = (false, 0);
        Ok(())
    }

    /// Moves what is there, up to a chunk; a file that is due is rotated as soon as a line ends.
    pub(super) fn take_from(&mut self, fifo: &OwnedFd, window: &mut Window) -> nix::Result<usize> {
        self.make_room();
        let left = self.policy.bytes_max.saturating_sub(self.end.cast_unsigned());
        let bytes = match self.is_due() {
            true if self.is_in_line() => window.first_line(fifo)?,
            // It could not be rotated; the next chunk tries again.
            true => CHUNK_BYTES,
            false => usize::try_from(left).unwrap_or(CHUNK_BYTES).clamp(1, CHUNK_BYTES),
        };
        self.splice_from(fifo, bytes)
    }

    /// Moves up to so many bytes; whoever calls this has made room before.
    pub(super) fn splice_from(&mut self, fifo: &OwnedFd, bytes_max: usize) -> nix::Result<usize> {
        if bytes_max == 0 {
            return Ok(0);
        }
        let is_due = self.is_due();
        let flags = SpliceFFlags::SPLICE_F_MOVE | SpliceFFlags::SPLICE_F_NONBLOCK;
        let moved = splice(fifo, None, &self.file, Some(&mut self.end), bytes_max, flags)?;
        if is_due {
            self.overrun += moved;
        }
        self.count.written_bytes.add(moved as u64);
        Ok(moved)
    }

    /// Follows what others did with the file, and rotates it if it is due and a line has ended, or
    /// does not end. A rotation that fails leaves everything where it is.
    pub(super) fn make_room(&mut self) {
        self.look_around();
        if self.is_due() && (self.overrun > LINE_BYTES_MAX || !self.is_in_line()) {
            let _ = self.rotate();
        }
    }

    /// Rotates the file whatever its size; false when that waits for the end of its last line.
    pub(super) fn rotate_when_asked(&mut self) -> io::Result<bool> {
        self.look_around();
        if self.end == 0 {
            return Ok(true);
        }
        if self.is_in_line() {
            self.asked = true;
            return Ok(false);
        }
        self.rotate().map(|()| true)
    }

    /// Whether somebody wants it rotated, and that waits for the end of its last line.
    pub(super) fn is_waiting(&self) -> bool {
        self.asked
    }

    /// Forgets what is in the file.
    pub(super) fn empty(&mut self) -> io::Result<()> {
        self.look_around();
        self.file.set_len(0)?;
        self.look_around();
        self.asked = false;
        Ok(())
    }

    /// What is done with it, for the metrics.
    pub(super) fn count(&self) -> &Arc<Count> {
        &self.count
    }

    /// Whether its age matters.
    pub(super) fn has_age(&self) -> bool {
        self.policy.age_max.is_some()
    }

    /// How long until it is rotated for its age.
    pub(super) fn due_in(&self) -> Option<Duration> {
        let age_max = self.policy.age_max.filter(|_| self.end > 0)?;
        let about = self.file.metadata().ok()?;
        Some(age_max.saturating_sub(rotation::age(&about)))
    }

    fn is_due(&self) -> bool {
        self.asked
            || self.end.cast_unsigned() >= self.policy.bytes_max
            || self.due_in() == Some(Duration::ZERO)
    }

    /// Begins a new file.
    fn rotate(&mut self) -> io::Result<()> {
        if self.is_in_place() {
            self.tidy.rotate(&self.path, self.policy)?;
        }
        self.reopen()
    }

    /// Somebody removed the file: a new one takes its place. Somebody emptied it: go on at its
    /// end, not behind a hole.
    fn look_around(&mut self) {
        let Ok(about) = self.file.metadata() else { return };
        if about.nlink() == 0 && self.reopen().is_ok() {
            return;
        }
        self.end = self.end.min(about.len().cast_signed());
    }

    /// False when somebody renamed or removed the file under us.
    fn is_in_place(&self) -> bool {
        let ours = self.file.metadata().map(|about| about.ino());
        let named = std::fs::metadata(&self.path).map(|about| about.ino());
        matches!((ours, named), (Ok(ours), Ok(named)) if ours == named)
    }

    /// Tells in the file what is missing there.
    pub(super) fn mark_gap(&mut self, gap: Gap) -> io::Result<()> {
        self.look_around();
        let end = if self.is_in_line() { "\n" } else { "" };
        self.append(format!("{end}{}", gap.words()).as_bytes())
    }

    /// Whether this was written to it last.
    pub(super) fn ends_with(&self, words: &[u8]) -> bool {
        let mut last = vec![0; words.len()];
        let at = self.end.cast_unsigned().checked_sub(words.len() as u64);
        at.is_some_and(|at| self.file.read_exact_at(&mut last, at).is_ok()) && last == words
    }

    /// Whether the last that was written is the beginning of a line.
    pub(super) fn is_in_line(&self) -> bool {
        let mut last = [0];
        let at = self.end.cast_unsigned().checked_sub(1);
        at.is_some_and(|at| self.file.read_exact_at(&mut last, at).is_ok()) && last != *b"\n"
    }

    /// Ends a line that its program did not end.
    pub(super) fn end_line(&mut self) -> io::Result<()> {
        self.look_around();
        self.append(b"\n")
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.end.cast_unsigned())?;
        self.end += i64::try_from(bytes.len()).unwrap_or(0);
        self.count.written_bytes.add(bytes.len() as u64);
        Ok(())
    }
}

/// Not opened for appending: splice does not go there. The position is ours alone.
fn at_its_end(path: &Path) -> io::Result<(File, i64)> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false);
    let mut file = open_plain(&mut options, path)?;
    let end = file.seek(SeekFrom::End(0))?.cast_signed();
    Ok((file, end))
}

#[cfg(test)]
impl LogFile {
    /// A file that is open for reading only refuses like a full disk does.
    pub(super) fn refuse_all(&mut self) {
        self.file = File::open(&self.path).unwrap();
    }
}
