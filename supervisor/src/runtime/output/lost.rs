//! What the disk refused and what became of it, kept over the end of the supervisor: beside a FIFO,
//! in `FIFO.lost`, for as long as it is not told in the log.
//!
//! The file is written before and after each read that throws something away. So whoever comes after
//! a kill knows to the byte how much is missing, or to one read where it came in the middle of one.
//! It takes room where the FIFOs are, not where the logs are; without any there it is not kept.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use nix::errno::Errno;

/// What the disk refused for too long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    /// Why it did.
    pub(super) why: Errno,
    /// So many bytes were dropped.
    pub(super) bytes: u64,
    /// And at most so many more, because we were ended in the middle of it.
    pub(super) perhaps: u64,
    /// The last of them was no line end: the rest of that line is dropped as well.
    pub(super) in_line: bool,
}

/// The file beside a FIFO.
#[derive(Debug)]
pub(super) struct Lost {
    path: PathBuf,
    file: Option<File>,
}

impl Gap {
    /// Nothing yet.
    pub(super) fn new(why: Errno) -> Gap {
        Gap { why, bytes: 0, perhaps: 0, in_line: false }
    }

    /// The line that tells it in the log.
    pub(super) fn words(self) -> String {
        let more = match self.perhaps {
            0 => String::new(),
            perhaps => format!(" to {}", self.bytes + perhaps),
        };
        format!(
            "[mcp-supervisor: {}{more} bytes of output were dropped here, the disk refused them]\n",
            self.bytes
        )
    }

    /// Of one length, so that it is written over without taking more room.
    pub(super) fn kept(self) -> String {
        let Gap { why, bytes, perhaps, in_line } = self;
        format!("{:>10} {bytes:>20} {perhaps:>20} {}\n", why as i32, u8::from(in_line))
    }

    fn read(text: &str) -> Option<Gap> {
        let mut numbers = text.split_ascii_whitespace().map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        let why = Errno::from_raw(i32::try_from(next()?).ok()?);
        Some(Gap { why, bytes: next()?, perhaps: next()?, in_line: next()? == 1 })
    }
}

impl Lost {
    pub(super) fn beside(fifo: &Path) -> Lost {
        let mut path = fifo.as_os_str().to_owned();
        path.push(".lost");
        Lost { path: path.into(), file: None }
    }

    /// What an earlier supervisor dropped and could not tell any more.
    pub(super) fn earlier(&mut self) -> Option<Gap> {
        let mut options = OpenOptions::new();
        let file = options.read(true).write(true).custom_flags(libc::O_NOFOLLOW).open(&self.path);
        self.file = file.ok();
        Gap::read(&fs::read_to_string(&self.path).ok()?)
    }

    /// Keeps it.
    pub(super) fn keep(&mut self, gap: Gap) {
        if self.file.is_none() {
            let mut options = OpenOptions::new();
            options.write(true).create(true).mode(0o600).custom_flags(libc::O_NOFOLLOW);
            self.file = options.truncate(false).open(&self.path).ok();
        }
        if let Some(file) = &self.file {
            let _ = file.write_all_at(gap.kept().as_bytes(), 0);
        }
    }

    /// It is told in the log.
    pub(super) fn forget(&mut self) {
        if self.file.take().is_some() {
            let _ = fs::remove_file(&self.path);
        }
    }

    /// Whether there is something that is not told.
    pub(super) fn is_there(&self) -> bool {
        self.path.exists()
    }
}
