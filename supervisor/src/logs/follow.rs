//! What is written from now on, of all logs together.
//!
//! Every file is read to its end before its successor is begun, so a rotation loses nothing and
//! doubles nothing. inotify tells when to look; where it tells nothing (a file system over the
//! network), every half second is looked all the same. What arrives within a tenth of a second is
//! put in the order of its times.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use jiff::Timestamp;
use notify::{RecursiveMode, Watcher};

use super::Entry;
use super::lines::{LINE_BYTES_MAX, Line, Onwards};
use super::part_file::PartFile;
use super::past::wanted_parts;
use super::record::{Carry, Piece, Record};
use super::source::{Part, Source};
use super::wanted::{Wanted, Written};
use crate::runtime::since_epoch;

/// How often is looked where nothing tells that something was written.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Lines that arrive within this time are put in order.
const TOGETHER: Duration = Duration::from_millis(100);
/// How much of all logs is read in one go, and of each at least.
const TURN_BYTES: usize = 16 * 1024 * 1024;
const BLOCK_BYTES: usize = 64 * 1024;

/// Why following ends.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// The files cannot be read.
    #[error("cannot follow the files")]
    Read(#[source] io::Error),
    /// The lines cannot be shown.
    #[error("cannot show a line")]
    Show(#[source] io::Error),
}

/// Whoever is shown lines as they come.
pub trait Audience {
    /// Is shown a line.
    ///
    /// # Errors
    /// When it cannot be shown.
    fn show(&mut self, entry: &Entry) -> io::Result<()>;

    /// Has been shown all there is for now.
    ///
    /// # Errors
    /// When it cannot be shown.
    fn pause(&mut self) -> io::Result<()>;

    /// Waits for so long, or until nobody looks any more; whether that is so.
    fn is_gone(&mut self, within: Duration) -> bool;
}

/// Logs from a moment on.
#[derive(Debug)]
pub struct Follower {
    directory: PathBuf,
    wanted: Arc<Wanted>,
    logs: BTreeMap<Arc<Source>, Followed>,
}

/// One log that is followed. Its file stays open, so that what was written before a rotation is
/// read to its end.
#[derive(Debug, Default)]
struct Followed {
    file: Option<Arc<File>>,
    /// How the rest of it is read.
    rest: Rest,
    /// A line whose end is not written yet.
    unfinished: Vec<u8>,
    in_line: bool,
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

impl Follower {
    pub(super) fn new(directory: &Path, wanted: &Arc<Wanted>) -> Follower {
        // What is written later is later than any bound that could be meant.
        Follower {
            directory: directory.to_owned(),
            wanted: Arc::clone(wanted),
            logs: BTreeMap::new(),
        }
    }

    /// A log is read on from this place.
    pub(super) fn go_on(&mut self, source: Arc<Source>, file: &PartFile, at: u64) {
        // Of a compressed file all was seen: only its successors count.
        let rest = if file.part.packed { Rest::None } else { Rest::From(at) };
        self.logs.insert(source, Followed { file: Some(file.file()), rest, ..Followed::default() });
    }

    /// Shows lines as they are written, until nobody looks any more.
    ///
    /// # Errors
    /// When the files cannot be read, or a line cannot be shown.
    pub fn run(mut self, audience: &mut dyn Audience) -> Result<(), FollowError> {
        // Many changes at once are one: the files are read to their ends anyway.
        let (changes, changed) = sync_channel(1);
        let tell = move |event: notify::Result<notify::Event>| {
            // To look is no change: our own looking would wake us for ever.
            if event.is_ok_and(|event| !event.kind.is_access()) {
                let _ = changes.try_send(());
            }
        };
        // Without a watcher we look by ourselves.
        let mut watcher = notify::recommended_watcher(tell).ok();
        let mut is_watched = false;
        loop {
            if let Some(watcher) = watcher.as_mut().filter(|_| !is_watched) {
                // The directory may not be there yet.
                is_watched = watcher.watch(&self.directory, RecursiveMode::NonRecursive).is_ok();
            }
            while self.look(audience)? {}
            audience.pause().map_err(FollowError::Show)?;
            wait(&changed);
            if audience.is_gone(TOGETHER) {
                return Ok(());
            }
            let _ = changed.try_recv();
        }
    }

    /// Shows what is new; true when there may be more.
    fn look(&mut self, audience: &mut dyn Audience) -> Result<bool, FollowError> {
        let found = wanted_parts(&self.directory, &self.wanted).map_err(FollowError::Read)?;
        for source in found.keys() {
            if !self.logs.contains_key(source) {
                self.logs.insert(Arc::new(source.clone()), Followed::default());
            }
        }
        let arrived =
            Timestamp::try_from(std::time::UNIX_EPOCH + since_epoch()).unwrap_or_default();
        let share = (TURN_BYTES / self.logs.len().max(1)).max(BLOCK_BYTES);
        let mut entries = Vec::new();
        let mut is_more = false;
        for (index, (source, log)) in self.logs.iter_mut().enumerate() {
            let parts = found.get(source).map(Vec::as_slice).unwrap_or_default();
            let mut lines = Vec::new();
            is_more |= log.read_on(parts, share, &mut lines).map_err(FollowError::Read)?;
            let mut at = i128::MIN;
            for line in lines {
                let Some(entry) = log.judge(line, (source, &self.wanted), arrived) else {
                    continue;
                };
                at = at.max(entry.time.unwrap_or(arrived).as_nanosecond());
                entries.push((at, index, entry));
            }
        }
        entries.sort_by_key(|(at, index, _)| (*at, *index));
        for (_, _, entry) in &entries {
            audience.show(entry).map_err(FollowError::Show)?;
        }
        Ok(is_more)
    }
}

/// Waits for a change, at most until it is time to look anyway.
fn wait(changed: &Receiver<()>) {
    if let Err(RecvTimeoutError::Disconnected) = changed.recv_timeout(LOOK_EVERY) {
        // Nobody watches for us: the whole time is waited out.
        let (_nobody, never) = std::sync::mpsc::channel::<()>();
        let _ = never.recv_timeout(LOOK_EVERY);
    }
}

impl Followed {
    /// Reads so much of what was written since; true when there may be more. Of a rotated log, the
    /// files that came after the one that is open are read one after the other.
    fn read_on(
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
            self.in_line = false;
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
                    self.in_line = false;
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

    fn judge(
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
