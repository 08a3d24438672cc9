//! One log over all of its files: its lines with their place in time, backwards and onwards.
//!
//! The lines of a log keep the order in which they were written. A line without a time has that of
//! the line before it; where a file has no times at all, its lines count as written when the file
//! was written last.

use std::io;
use std::sync::Arc;

use jiff::Timestamp;

use super::Entry;
use super::lines::{Backwards, Line, Onwards};
use super::part_file::PartFile;
use super::record::{Carry, Piece, Record, Settled};
use super::source::Source;
use super::stamp;
use super::wanted::{Wanted, Written};

/// So far is looked back for a line with a time.
const GROUP_LINES_MAX: usize = 1000;
const GROUP_BYTES_MAX: usize = 1024 * 1024;
/// Where two places are so near to each other, what is between them is read.
const NEAR_BYTES: u64 = 64 * 1024;
/// Writers of one log may be so far apart.
const DISORDER_NANOS: i128 = 5_000_000_000;

/// A log and its open files, the oldest first.
#[derive(Debug)]
pub(super) struct Series {
    pub(super) source: Arc<Source>,
    files: Vec<LogPart>,
    wanted: Arc<Wanted>,
}

#[derive(Debug)]
struct LogPart {
    file: PartFile,
    /// Nothing in it was written before, in nanoseconds since 1970.
    written_after: i128,
    /// Whether its lines begin with times; not known until somebody asks.
    has_times: Option<bool>,
}

/// A place in a log, and what the lines before it left for those after it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    file: usize,
    offset: u64,
    carry: Carry,
}

impl Series {
    /// Files that cannot hold what is wanted are left out.
    pub(super) fn new(source: Source, files: Vec<PartFile>, wanted: &Arc<Wanted>) -> Series {
        let mut written_after = i128::MIN;
        let mut parts = Vec::new();
        for file in files {
            let modified = file.part.modified;
            parts.push(LogPart { file, written_after, has_times: None });
            written_after = modified;
        }
        if let Some(since) = wanted.since {
            parts.retain(|part| part.file.part.modified >= since.as_nanosecond());
        }
        Series { source: Arc::new(source), files: parts, wanted: Arc::clone(wanted) }
    }

    /// Whether the lines that were written last begin with times.
    pub(super) fn has_times(&mut self) -> io::Result<bool> {
        let last = self.files.len().checked_sub(1);
        last.map_or(Ok(false), |last| self.file_has_times(last))
    }

    /// The file that is written to and where its last line ends; the rest is left to whoever follows.
    pub(super) fn end_with_whole_line(&mut self) -> io::Result<Option<(&PartFile, u64)>> {
        let Some(LogPart { file, .. }) = self.files.last_mut() else { return Ok(None) };
        let mut end = file.length()?;
        if !file.part.packed
            && let Some((start, line)) = Backwards::new(end).next(file)?
            && !line.ends
            && line.begins
        {
            end = start;
            file.end_at(end);
        }
        Ok(Some((file, end)))
    }

    /// The first place that may hold what is wanted, if nothing but its time counts.
    pub(super) fn place_of_since(&mut self) -> io::Result<Option<Place>> {
        if self.files.is_empty() {
            return Ok(None);
        }
        let mut offset = 0;
        if let Some(since) = self.wanted.since
            && self.file_has_times(0)?
        {
            offset = self.around(0, since.as_nanosecond() - DISORDER_NANOS)?.0;
        }
        Ok(Some(Place { file: 0, offset, carry: Carry::default() }))
    }

    /// Does not look at what is certainly too young.
    pub(super) fn leave_out_what_is_too_young(&mut self) -> io::Result<()> {
        let Some(until) = self.wanted.until else { return Ok(()) };
        let too_young = until.as_nanosecond() + DISORDER_NANOS;
        while let Some(last) = self.files.len().checked_sub(1) {
            if !self.file_has_times(last)? {
                break;
            }
            let file = &self.files[last].file;
            let first = self.first_time(file, 0, NEAR_BYTES)?;
            if first.is_none_or(|(_, time)| time.as_nanosecond() <= too_young) {
                let end = self.around(last, too_young)?.1;
                self.files[last].file.end_at(end);
                break;
            }
            self.files.pop();
        }
        Ok(())
    }

    /// Finds out what reading onwards from there needs to know.
    pub(super) fn look_ahead(&mut self, from: Place) -> io::Result<()> {
        (from.file..self.files.len()).try_for_each(|index| self.file_has_times(index).map(drop))
    }

    pub(super) fn onwards(&self, from: Place) -> Fore<'_> {
        Fore { series: self, file: from.file, begun: None, from, carry: from.carry, at: i128::MIN }
    }

    pub(super) fn backwards(&mut self) -> Back<'_> {
        let file = self.files.len();
        Back { series: self, file, lines: None, ready: Vec::new(), at: i128::MAX, is_over: false }
    }

    fn file_has_times(&mut self, index: usize) -> io::Result<bool> {
        let part = &mut self.files[index];
        if let Some(known) = part.has_times {
            return Ok(known);
        }
        let block = part.file.sample()?;
        let mut lines = block.split(|byte| *byte == b'\n');
        let known = lines.any(|line| own_time(line, &self.source, &self.wanted).is_some());
        part.has_times = Some(known);
        Ok(known)
    }

    /// Two beginnings of lines in a plain file: all before the first are not younger than this time,
    /// all from the second on are.
    fn around(&self, index: usize, nanos: i128) -> io::Result<(u64, u64)> {
        let file = &self.files[index].file;
        let (mut low, mut high) = (0, file.plain_length());
        while high.saturating_sub(low) > NEAR_BYTES {
            let middle = low + (high - low) / 2;
            match self.first_time(file, middle, high)? {
                Some((place, time)) if time.as_nanosecond() <= nanos => low = place,
                Some(_younger) => high = middle,
                None => break,
            }
        }
        let end = if high == file.plain_length() { u64::MAX } else { high + NEAR_BYTES };
        Ok((low, end))
    }

    /// The first line with a time that begins between these places.
    fn first_time(
        &self,
        file: &PartFile,
        from: u64,
        to: u64,
    ) -> io::Result<Option<(u64, Timestamp)>> {
        let mut lines = Onwards::new(file.reader(from)?);
        let mut place = from;
        // The first one may be the end of a line.
        let mut may_be_torn = from > 0;
        while place < to.min(from + NEAR_BYTES) {
            let Some(line) = lines.next()? else { break };
            if !std::mem::take(&mut may_be_torn)
                && let Some(time) = own_time(&line.bytes, &self.source, &self.wanted)
            {
                return Ok(Some((place, time)));
            }
            place += line.bytes.len() as u64 + u64::from(line.ends);
        }
        Ok(None)
    }

    fn judge(&self, file: usize, record: &Record, settled: Settled, line: &Line) -> (i128, bool) {
        let part = &self.files[file];
        let modified = part.file.part.modified;
        let written = match settled.time {
            Some(time) => Written::At(time),
            None => Written::Between(part.written_after, modified),
        };
        let at = settled.time.map_or(modified, Timestamp::as_nanosecond);
        (at, self.wanted.admits((&self.source, &line.bytes), record, settled, written))
    }
}

fn own_time(line: &[u8], source: &Source, wanted: &Wanted) -> Option<Timestamp> {
    match line.first() {
        Some(b'{') => Record::of(line, source, &wanted.zone).time,
        _ => stamp::leading(line, &wanted.zone).map(|(time, _)| time),
    }
}

/// A log from its end.
pub(super) struct Back<'a> {
    series: &'a mut Series,
    file: usize,
    lines: Option<Backwards>,
    /// Lines whose time is known, the youngest last.
    ready: Vec<Found>,
    at: i128,
    is_over: bool,
}

/// A line that is wanted.
#[derive(Debug, Clone, Copy)]
pub(super) struct Found {
    /// Where it stands among those of other logs, in nanoseconds since 1970.
    pub(super) at: i128,
    pub(super) place: Place,
}

impl Back<'_> {
    /// The wanted line before.
    pub(super) fn next(&mut self) -> io::Result<Option<Found>> {
        while self.ready.is_empty() && !self.is_over {
            self.look_back()?;
        }
        Ok(self.ready.pop())
    }

    /// Reads back to a line that says when it was written, or does not belong to the one before it.
    fn look_back(&mut self) -> io::Result<()> {
        let mut group = Vec::new();
        let mut bytes = 0;
        while group.len() < GROUP_LINES_MAX && bytes < GROUP_BYTES_MAX {
            let Some((file, offset, line)) = self.line_before()? else {
                self.is_over = true;
                break;
            };
            let record = Record::of(&line.bytes, &self.series.source, &self.series.wanted.zone);
            let piece = Piece { bytes: &line.bytes, begins: line.begins };
            let stands_alone = match self.series.file_has_times(file)? {
                true => record.time.is_some(),
                false => !piece.goes_on(),
            };
            bytes += line.bytes.len();
            group.push((file, offset, line, record));
            if stands_alone {
                break;
            }
        }
        self.judge_all(group);
        Ok(())
    }

    fn judge_all(&mut self, group: Vec<(usize, u64, Line, Record)>) {
        let mut carry = Carry::default();
        let mut judged = Vec::with_capacity(group.len());
        for (file, offset, line, record) in group.into_iter().rev() {
            let place = Place { file, offset, carry };
            let piece = Piece { bytes: &line.bytes, begins: line.begins };
            let settled = carry.settle(&record, piece, &self.series.source);
            let (at, is_wanted) = self.series.judge(file, &record, settled, &line);
            judged.push((Found { at, place }, is_wanted));
        }
        // No line stands behind a younger one of its own log.
        for (found, _) in judged.iter_mut().rev() {
            self.at = self.at.min(found.at);
            found.at = self.at;
        }
        let too_old = self.series.wanted.since.map(|since| since.as_nanosecond() - DISORDER_NANOS);
        self.is_over |= too_old.is_some_and(|too_old| self.at < too_old);
        self.ready = judged.into_iter().filter(|(_, wanted)| *wanted).map(|(one, _)| one).collect();
    }

    fn line_before(&mut self) -> io::Result<Option<(usize, u64, Line)>> {
        loop {
            if let Some(lines) = &mut self.lines {
                let file = &mut self.series.files[self.file].file;
                if let Some((offset, line)) = lines.next(file)? {
                    return Ok(Some((self.file, offset, line)));
                }
            }
            let Some(before) = self.file.checked_sub(1) else { return Ok(None) };
            self.file = before;
            let end = self.series.files[before].file.length()?;
            self.lines = Some(Backwards::new(end));
        }
    }
}

/// A log from a place on.
pub(super) struct Fore<'a> {
    series: &'a Series,
    file: usize,
    begun: Option<Onwards>,
    from: Place,
    carry: Carry,
    at: i128,
}

impl Fore<'_> {
    /// The next wanted line, and where it stands among those of other logs.
    pub(super) fn next(&mut self) -> io::Result<Option<(i128, Entry)>> {
        while let Some(line) = self.line()? {
            let series = self.series;
            let record = Record::of(&line.bytes, &series.source, &series.wanted.zone);
            let piece = Piece { bytes: &line.bytes, begins: line.begins };
            let settled = self.carry.settle(&record, piece, &series.source);
            let (at, is_wanted) = series.judge(self.file, &record, settled, &line);
            self.at = self.at.max(at);
            if is_wanted {
                return Ok(Some((self.at, Entry::new(&series.source, line, record, settled))));
            }
        }
        Ok(None)
    }

    /// The next line of this file or of the one after it. A file that cannot be read on is left.
    fn line(&mut self) -> io::Result<Option<Line>> {
        loop {
            let Some(part) = self.series.files.get(self.file) else { return Ok(None) };
            if self.begun.is_none() {
                let offset = if self.file == self.from.file { self.from.offset } else { 0 };
                if part.has_times == Some(false) {
                    self.carry.time = None;
                }
                self.begun = Some(Onwards::new(part.file.reader(offset)?));
            }
            let read = self.begun.as_mut().map_or(Ok(None), Onwards::next);
            match read {
                Ok(Some(line)) => return Ok(Some(line)),
                Ok(None) => self.leave_file(),
                Err(error) => {
                    let words = format!("`{}`: {error}", part.file.part.path.display());
                    self.leave_file();
                    return Err(io::Error::new(error.kind(), words));
                }
            }
        }
    }

    fn leave_file(&mut self) {
        self.begun = None;
        self.file += 1;
    }
}
