//! One log that is followed: read on over rotations, compression, and what others do with its files.
//!
//! How much is read at once is said by whoever follows; in what order lines of several logs are
//! shown is its business as well.

use std::fs::File;
use std::io::{self, BufRead};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::sync::Arc;

use jiff::Timestamp;

use super::Entry;
use super::lines::{LINE_BYTES_MAX, Line, Onwards};
use super::part_file::PartFile;
use super::record::{Carry, Piece, Record};
use super::source::{Part, Source};
use super::wanted::{Wanted, Written};

const BLOCK_BYTES: usize = 64 * 1024;

/// One log that is followed. Its file stays open, so that what was written before a rotation is
/// read to its end.
#[derive(Debug, Default)]
pub(super) struct Followed {
    file: Option<Arc<File>>,
    /// How the rest of it is read.
    rest: Rest,
    /// A line whose end is not written yet.
    unfinished: Vec<u8>,
    in_line: bool,
    /// What comes next is the rest of a line that was left out.
    torn: bool,
    /// So much of such rests came without an end.
    unseen_bytes: u64,
    carry: Carry,
}

/// The rest of a file.
#[derive(Debug, Default)]
enum Rest {
    /// It was compressed, and has been read.
    #[default]
    None,
    /// From this place on, for as long as something is written to it.
    From(u64),
    /// It was compressed before it was read.
    Packed(Onwards),
}

impl Followed {
    /// From this place of a file on; of a compressed one all was seen, and only its successors count.
    pub(super) fn from(file: &PartFile, at: u64) -> Followed {
        let rest = if file.part.packed { Rest::None } else { Rest::From(at) };
        Followed { file: Some(file.file()), rest, ..Followed::default() }
    }

    /// Leaves out all but the last so many bytes of what was not read yet, and tells how many that
    /// were; compressed files are left out, and count as long as they lie there.
    pub(super) fn leave_out(&mut self, parts: &[Part], bytes_max: u64) -> io::Result<u64> {
        let endless = self.unfinished.len() as u64;
        if endless > bytes_max {
            // A line without an end: its beginning is as good as any part of it.
            self.unfinished = Vec::new();
            self.torn = true;
            return Ok(endless + self.leave_out(parts, bytes_max)?);
        }
        let later = if self.is_in_place(parts)? { Vec::new() } else { self.successors(parts)? };
        let unread = match (&self.rest, &self.file) {
            (Rest::From(at), Some(file)) => file.metadata()?.len().saturating_sub(*at),
            (Rest::From(_) | Rest::None | Rest::Packed(_), _) => 0,
        };
        let mut room = bytes_max;
        for (index, part) in later.iter().enumerate().rev() {
            if !part.packed && part.bytes <= room {
                room -= part.bytes;
                continue;
            }
            let kept = if part.packed { 0 } else { room };
            let before: u64 = later[..=index].iter().map(|part| part.bytes).sum();
            return self
                .begin_in(part, kept)
                .map(|begun| if begun { unread + before - kept } else { 0 });
        }
        let left_out = unread.saturating_sub(room);
        if let (Rest::From(at), Some(file), 1..) = (&mut self.rest, &self.file, left_out) {
            *at += left_out;
            self.torn = !is_behind_a_line(file, *at);
            self.unfinished.clear();
            self.in_line = false;
        }
        Ok(left_out)
    }

    /// What was read since this was asked last, and left out all the same.
    pub(super) fn unseen_bytes(&mut self) -> u64 {
        std::mem::take(&mut self.unseen_bytes)
    }

    /// Begins with the last so many bytes of a file; false when it was just given another name.
    fn begin_in(&mut self, part: &Part, kept: u64) -> io::Result<bool> {
        let Some(file) = PartFile::open(part.clone())? else { return Ok(false) };
        let at = part.bytes - kept;
        *self = Followed { carry: self.carry, ..Followed::from(&file, at) };
        self.torn = !part.packed && !is_behind_a_line(&file.file(), at);
        Ok(true)
    }

    /// Reads so much of what was written since; true when there may be more. Of a rotated log, the
    /// files that came after the one that is open are read one after the other.
    pub(super) fn read_on(
        &mut self,
        parts: &[Part],
        mut budget: usize,
        lines: &mut Vec<Line>,
    ) -> io::Result<bool> {
        let is_in_place = self.is_in_place(parts)?;
        self.read(is_in_place, &mut budget, lines)?;
        if budget == 0 || is_in_place {
            return Ok(budget == 0);
        }
        for part in self.successors(parts)? {
            let Some(file) = PartFile::open(part.clone())? else { return Ok(true) };
            if !self.moves_on(&file, lines)? {
                return Ok(false);
            }
            self.rest = match part.packed {
                true => Rest::Packed(Onwards::new(file.reader(0)?)),
                false => Rest::From(0),
            };
            self.file = Some(file.file());
            self.read(part.number == 0, &mut budget, lines)?;
            if budget == 0 {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Ends the line that the last file left open, unless the next file begins with all of it;
    /// false while that cannot be told, because the next file is still empty.
    fn moves_on(&mut self, next: &PartFile, lines: &mut Vec<Line>) -> io::Result<bool> {
        let mut begun = std::mem::take(&mut self.unfinished);
        if begun.is_empty() {
            (self.in_line, self.torn) = (false, false);
            return Ok(true);
        }
        let mut reader = next.reader(0)?;
        let ready = reader.fill_buf()?;
        if ready.is_empty() {
            self.unfinished = begun;
            return Ok(false);
        }
        let shared = ready.len().min(begun.len());
        if ready[..shared] != begun[..shared] {
            self.unfinished.append(&mut begun);
            self.finish(true, lines);
        }
        self.in_line = false;
        Ok(true)
    }

    /// True when the log's name still leads to the file that is open.
    fn is_in_place(&self, parts: &[Part]) -> io::Result<bool> {
        let Some(file) = &self.file else { return Ok(false) };
        // Where it was renamed or removed, whoever writes may not have begun another one yet.
        let written_to = parts.iter().find(|part| part.number == 0);
        Ok(written_to.map(|part| part.inode) == Some(file.metadata()?.ino()))
    }

    /// The files that were begun after the one that is open.
    fn successors(&self, parts: &[Part]) -> io::Result<Vec<Part>> {
        let Some(file) = &self.file else { return Ok(parts.to_vec()) };
        let about = file.metadata()?;
        if let Some(ours) = parts.iter().position(|part| part.inode == about.ino()) {
            return Ok(parts[ours + 1..].to_vec());
        }
        // Removed, or compressed, which keeps the time of the last write.
        let modified = i128::from(about.mtime()) * 1_000_000_000 + i128::from(about.mtime_nsec());
        let younger = |part: &&Part| part.modified > modified || part.number == 0;
        Ok(parts.iter().filter(younger).cloned().collect())
    }

    fn read(
        &mut self,
        is_in_place: bool,
        budget: &mut usize,
        lines: &mut Vec<Line>,
    ) -> io::Result<()> {
        let Some(file) = self.file.clone() else { return Ok(()) };
        match &mut self.rest {
            Rest::None => return Ok(()),
            Rest::Packed(rest) => {
                while let Some(line) = rest.next()? {
                    *budget = budget.saturating_sub(line.bytes.len() + 1);
                    lines.push(line);
                    if *budget == 0 {
                        return Ok(());
                    }
                }
                self.rest = Rest::None;
                return Ok(());
            }
            Rest::From(at) => {
                let length = file.metadata()?.len();
                if *at > length {
                    // Emptied: it is begun anew. A file that was rotated away was only cut off where
                    // its unfinished line began, which is in the next one.
                    *at = if is_in_place { 0 } else { length };
                    (self.in_line, self.torn) = (false, false);
                    if is_in_place {
                        self.unfinished.clear();
                    }
                }
            }
        }
        let mut block = vec![0; BLOCK_BYTES];
        while *budget > 0
            && let Rest::From(at) = &mut self.rest
        {
            let length = block.len().min(*budget);
            let read = file.read_at(&mut block[..length], *at)?;
            if read == 0 {
                return Ok(());
            }
            *budget -= read;
            *at += read as u64;
            self.take(&block[..read], lines);
        }
        Ok(())
    }

    fn take(&mut self, mut bytes: &[u8], lines: &mut Vec<Line>) {
        if self.torn {
            let Some(end) = bytes.iter().position(|byte| *byte == b'\n') else {
                self.unseen_bytes += bytes.len() as u64;
                return;
            };
            bytes = &bytes[end + 1..];
            self.torn = false;
        }
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.unfinished.extend_from_slice(&bytes[..end]);
            bytes = &bytes[end + 1..];
            self.finish(true, lines);
        }
        self.unfinished.extend_from_slice(bytes);
        if self.unfinished.len() >= LINE_BYTES_MAX {
            self.finish(false, lines);
        }
    }

    fn finish(&mut self, ends: bool, lines: &mut Vec<Line>) {
        let bytes = std::mem::take(&mut self.unfinished);
        lines.push(Line { bytes, begins: !self.in_line, ends, more: !ends });
        self.in_line = !ends;
    }

    pub(super) fn judge(
        &mut self,
        line: Line,
        (source, wanted): (&Arc<Source>, &Wanted),
        arrived: Timestamp,
    ) -> Option<Entry> {
        let record = Record::of(&line.bytes, source, &wanted.zone);
        let piece = Piece { bytes: &line.bytes, begins: line.begins };
        let mut settled = self.carry.settle(&record, piece, source);
        settled.time = Some(settled.time.filter(|_| piece.goes_on()).unwrap_or(arrived));
        settled.time = record.time.or(settled.time);
        let written = Written::At(settled.time.unwrap_or(arrived));
        let is_wanted = wanted.admits((source, &line.bytes), &record, settled, written);
        is_wanted.then(|| Entry::new(source, line, record, settled))
    }
}

/// Whether a line begins at this place of a file.
fn is_behind_a_line(file: &File, at: u64) -> bool {
    let mut last = [0];
    at.checked_sub(1).is_none_or(|at| file.read_exact_at(&mut last, at).is_ok() && last == *b"\n")
}
