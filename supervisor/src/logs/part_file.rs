//! One file of a log, open: read in blocks from its end, or on from any place, plain or compressed.
//!
//! It stays what it was when it was opened: what is written to it later is not seen here, and its
//! name may go to another file meanwhile. Never is more of it in memory than a window.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::sync::Arc;

use super::source::Part;

/// How much of a plain file is read in one go.
const BLOCK_BYTES: usize = 64 * 1024;
/// How much of a compressed file is kept unpacked, so that reading it from its end unpacks it few
/// times.
const WINDOW_BYTES: usize = 16 * 1024 * 1024;

/// A file of a log.
#[derive(Debug)]
pub(super) struct PartFile {
    pub(super) part: Part,
    file: Arc<File>,
    /// Its length; of a compressed file, as it lies on the disk.
    bytes: u64,
    /// What was unpacked last.
    window: Option<Window>,
}

/// A piece of an unpacked file.
#[derive(Debug)]
struct Window {
    start: u64,
    bytes: Vec<u8>,
}

impl PartFile {
    /// Opens it, if its name still leads to what was found under it.
    pub(super) fn open(part: Part) -> io::Result<Option<PartFile>> {
        let opened = File::options().read(true).custom_flags(libc::O_NOFOLLOW).open(&part.path);
        let file = match opened {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let about = file.metadata()?;
        let is_it = about.ino() == part.inode;
        let bytes = about.len();
        Ok(is_it.then(|| PartFile { part, file: Arc::new(file), bytes, window: None }))
    }

    /// How much there is to read, unpacked.
    pub(super) fn length(&mut self) -> io::Result<u64> {
        if !self.part.packed {
            return Ok(self.bytes);
        }
        let window = self.window_up_to(u64::MAX)?;
        Ok(window.start + window.bytes.len() as u64)
    }

    /// Some of what lies right before this place; nothing at the beginning.
    pub(super) fn before(&mut self, end: u64) -> io::Result<Vec<u8>> {
        let length = usize::try_from(end.min(BLOCK_BYTES as u64)).unwrap_or(0);
        let start = end - length as u64;
        if !self.part.packed {
            let mut block = vec![0; length];
            let read = read_up_to(&self.file, &mut block, start)?;
            block.truncate(read);
            return Ok(block);
        }
        let covers = |window: &Window| {
            window.start <= start && end <= window.start + window.bytes.len() as u64
        };
        let window = match self.window.as_ref().is_some_and(covers) {
            true => self.window.get_or_insert(Window { start: 0, bytes: Vec::new() }),
            false => self.window_up_to(end)?,
        };
        let from = usize::try_from(start.saturating_sub(window.start)).unwrap_or(0);
        let to = usize::try_from(end.saturating_sub(window.start)).unwrap_or(0);
        Ok(window.bytes.get(from..to.min(window.bytes.len())).unwrap_or_default().to_vec())
    }

    /// A piece of it that costs little: the end of a plain file, the beginning of a compressed one.
    pub(super) fn sample(&mut self) -> io::Result<Vec<u8>> {
        if !self.part.packed {
            return self.before(self.bytes);
        }
        let mut block = Vec::new();
        // What is damaged is told when it is read.
        let _ = self.reader(0)?.take(BLOCK_BYTES as u64).read_to_end(&mut block);
        Ok(block)
    }

    /// All from this place on.
    pub(super) fn reader(&self, start: u64) -> io::Result<Box<dyn BufRead + Send>> {
        let at = if self.part.packed { 0 } else { start };
        let plain = At { file: Arc::clone(&self.file), at, end: self.bytes };
        if !self.part.packed {
            return Ok(Box::new(BufReader::with_capacity(BLOCK_BYTES, plain)));
        }
        let mut reader = BufReader::new(zstd::stream::read::Decoder::new(plain)?);
        io::copy(&mut (&mut reader).take(start), &mut io::sink())?;
        Ok(Box::new(reader))
    }

    /// How long it is, if lines can be read from its middle; else nothing.
    pub(super) fn plain_length(&self) -> u64 {
        if self.part.packed { 0 } else { self.bytes }
    }

    /// From now on it ends here, if it is a plain one.
    pub(super) fn end_at(&mut self, end: u64) {
        self.bytes = self.bytes.min(if self.part.packed { u64::MAX } else { end });
    }

    /// The open file itself.
    pub(super) fn file(&self) -> Arc<File> {
        Arc::clone(&self.file)
    }

    /// Unpacks it and keeps the end of what comes before this place.
    fn window_up_to(&mut self, end: u64) -> io::Result<&Window> {
        let mut reader = self.reader(0)?.take(end);
        let mut window = Window { start: 0, bytes: Vec::new() };
        let mut block = vec![0; BLOCK_BYTES];
        // What comes before a damage is worth reading; the damage itself is told by `reader`.
        while let Ok(read @ 1..) = reader.read(&mut block) {
            window.bytes.extend_from_slice(&block[..read]);
            if window.bytes.len() > 2 * WINDOW_BYTES {
                window.forget_all_but(WINDOW_BYTES);
            }
        }
        Ok(self.window.insert(window))
    }
}

impl Window {
    fn forget_all_but(&mut self, kept: usize) {
        let forgotten = self.bytes.len() - kept;
        self.bytes.drain(..forgotten);
        self.start += forgotten as u64;
    }
}

fn read_up_to(file: &File, block: &mut [u8], start: u64) -> io::Result<usize> {
    let mut read = 0;
    while read < block.len() {
        match file.read_at(&mut block[read..], start + read as u64) {
            Ok(0) => break,
            Ok(count) => read += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(read)
}

/// A file, read from a place to a place, without moving anybody else's.
struct At {
    file: Arc<File>,
    at: u64,
    end: u64,
}

impl Read for At {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let length = into.len().min(left);
        let read = self.file.read_at(&mut into[..length], self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}
