//! What was written until now, of all logs together, in the order of time.
//!
//! Two passes: backwards, to find where the last lines begin, then onwards from there. So it costs
//! what is shown, not what there is, and memory for one line of each log.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap};
use std::io;
use std::path::Path;
use std::sync::Arc;

use nix::sys::resource::{Resource, getrlimit, setrlimit};

use super::part_file::PartFile;
use super::series::{Fore, Place, Series};
use super::source::{Kind, Part, Source, parts};
use super::wanted::Wanted;
use super::{Entry, Follower};

/// How often files may be renamed while they are opened until it is taken as it is.
const TRIES: u32 = 5;
/// How many lines of a log without times are shown where only a time was asked for.
pub(super) const TIMELESS_LINES: usize = 1000;

/// Why nothing more is shown.
#[derive(Debug, thiserror::Error)]
pub enum ShowError {
    /// The logs cannot be read.
    #[error("cannot read the logs")]
    Read(#[source] io::Error),
    /// Whoever looks cannot be shown more.
    #[error("cannot show a line")]
    Show(#[source] io::Error),
}

/// The logs of a directory as they were when they were opened.
#[derive(Debug)]
pub struct Past {
    series: Vec<Series>,
    wanted: Arc<Wanted>,
    /// What an operator should know: files that cannot be read, lines whose time is not known.
    pub notes: Vec<String>,
}

impl Past {
    /// Opens what may hold wanted lines.
    ///
    /// # Errors
    /// When the directory cannot be read.
    pub fn open(directory: &Path, wanted: &Wanted) -> Result<Past, ShowError> {
        more_files_may_be_open();
        let wanted = Arc::new(wanted.clone());
        let mut notes = Vec::new();
        let opened = open_all(directory, &wanted, &mut notes).map_err(ShowError::Read)?;
        let series = opened.into_iter().map(|(source, files)| Series::new(source, files, &wanted));
        Ok(Past { series: series.collect(), wanted, notes })
    }

    /// The logs that were found.
    pub fn sources(&self) -> impl Iterator<Item = &Source> {
        self.series.iter().map(|series| &*series.source)
    }

    /// Takes note of where each log ends, so that what is shown later begins there.
    ///
    /// # Errors
    /// When a log cannot be read.
    pub fn follower(&mut self, directory: &Path) -> Result<Follower, ShowError> {
        let mut follower = Follower::new(directory, &self.wanted);
        for series in &mut self.series {
            let source = Arc::clone(&series.source);
            if let Some((file, end)) = series.end_with_whole_line().map_err(ShowError::Read)? {
                follower.go_on(source, file, end);
            }
        }
        Ok(follower)
    }

    /// Shows the wanted lines, and tells how many there were.
    ///
    /// # Errors
    /// When a line cannot be shown.
    pub fn show(
        &mut self,
        show: &mut dyn FnMut(&Entry) -> io::Result<()>,
    ) -> Result<u64, ShowError> {
        let mut starts = Vec::new();
        for index in 0..self.series.len() {
            let trimmed = self.series[index].leave_out_what_is_too_young();
            self.noted(index, trimmed);
        }
        match self.wanted.lines {
            Some(count) => starts.extend(self.last(count)),
            None => {
                for index in 0..self.series.len() {
                    let start = self.start(index);
                    starts.extend(self.noted(index, start).flatten().map(|place| (index, place)));
                }
            }
        }
        self.show_from(&starts, show)
    }

    /// Where a log begins to be wanted, if all of it since then is.
    fn start(&mut self, index: usize) -> io::Result<Option<Place>> {
        let series = &mut self.series[index];
        if self.wanted.since.is_none() || series.has_times()? {
            return series.place_of_since();
        }
        let source = Arc::clone(&series.source);
        let mut back = series.backwards();
        let mut found = None;
        for number in 0..=TIMELESS_LINES {
            match back.next()? {
                Some(_) if number == TIMELESS_LINES => {
                    let file = &source.file;
                    self.notes.push(format!(
                        "the lines of {file} have no time: the last {TIMELESS_LINES} of it are shown, \
                         though some may be older; --lines N shows another number"
                    ));
                }
                Some(line) => found = Some(line.place),
                None => break,
            }
        }
        Ok(found)
    }

    /// Where each log begins to be among the last so many lines of all.
    fn last(&mut self, count: usize) -> BTreeMap<usize, Place> {
        let mut starts = BTreeMap::new();
        let (mut logs, mut heap, mut troubles) = (Vec::new(), BinaryHeap::new(), Vec::new());
        for (index, series) in self.series.iter_mut().enumerate() {
            let mut back = series.backwards();
            let first = if count == 0 { Ok(None) } else { back.next() };
            logs.push(back);
            match first {
                Ok(Some(found)) => heap.push((found.at, index, Next(found.place))),
                Ok(None) => {}
                Err(error) => troubles.push((index, error)),
            }
        }
        for _ in 0..count {
            let Some((_, index, Next(place))) = heap.pop() else { break };
            starts.insert(index, place);
            match logs[index].next() {
                Ok(Some(found)) => heap.push((found.at, index, Next(found.place))),
                Ok(None) => {}
                Err(error) => troubles.push((index, error)),
            }
        }
        drop(logs);
        for (index, error) in troubles {
            self.noted::<()>(index, Err(error));
        }
        starts
    }

    fn show_from(
        &mut self,
        starts: &[(usize, Place)],
        show: &mut dyn FnMut(&Entry) -> io::Result<()>,
    ) -> Result<u64, ShowError> {
        for (index, place) in starts {
            let known = self.series[*index].look_ahead(*place);
            self.noted(*index, known);
        }
        let notes = &mut self.notes;
        let mut logs: Vec<Fore<'_>> =
            starts.iter().map(|(index, place)| self.series[*index].onwards(*place)).collect();
        let mut heap = BinaryHeap::new();
        for (index, log) in logs.iter_mut().enumerate() {
            heap.extend(next_of(log, notes).map(|(at, entry)| Reverse((at, index, Next(entry)))));
        }
        let mut shown = 0;
        while let Some(Reverse((_, index, Next(mut entry)))) = heap.pop() {
            loop {
                show(&entry).map_err(ShowError::Show)?;
                shown += 1;
                let Some((at, next)) = next_of(&mut logs[index], notes) else { break };
                // The rest of a long line comes right behind its beginning.
                if next.begins {
                    heap.push(Reverse((at, index, Next(next))));
                    break;
                }
                entry = next;
            }
        }
        Ok(shown)
    }

    fn noted<T>(&mut self, index: usize, outcome: io::Result<T>) -> Option<T> {
        let file = &self.series[index].source.file;
        outcome.map_err(|error| self.notes.push(format!("cannot read {file}: {error}"))).ok()
    }
}

/// The next line of a log; what cannot be read is noted, and the next file of the log gone on with.
fn next_of(log: &mut Fore<'_>, notes: &mut Vec<String>) -> Option<(i128, Entry)> {
    loop {
        match log.next() {
            Ok(next) => return next,
            Err(error) => notes.push(format!("cannot read to the end of {error}")),
        }
    }
}

/// What travels with a place in the order and has none itself.
struct Next<T>(T);

impl<T> PartialEq for Next<T> {
    fn eq(&self, _: &Next<T>) -> bool {
        true
    }
}

impl<T> Eq for Next<T> {}

impl<T> PartialOrd for Next<T> {
    fn partial_cmp(&self, other: &Next<T>) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Next<T> {
    fn cmp(&self, _: &Next<T>) -> std::cmp::Ordering {
        std::cmp::Ordering::Equal
    }
}

/// The logs in a directory of which lines may be wanted.
pub(super) fn wanted_parts(
    directory: &Path,
    wanted: &Wanted,
) -> io::Result<BTreeMap<Source, Vec<Part>>> {
    let mut found = parts(directory)?;
    let of_slots: BTreeSet<(String, u32)> = found
        .keys()
        .filter_map(|source| match &source.kind {
            Kind::Output { app, slot: Some(slot), .. } => Some((app.clone(), *slot)),
            Kind::Output { slot: None, .. } | Kind::Supervisor | Kind::Worker(_) => None,
        })
        .collect();
    found.retain(|source, _| wanted.takes(source, &of_slots));
    Ok(found)
}

type Opened = BTreeMap<Source, Vec<PartFile>>;

/// Opens all files of one moment: while it is done, none may be renamed.
fn open_all(directory: &Path, wanted: &Wanted, notes: &mut Vec<String>) -> io::Result<Opened> {
    let mut tries = 0;
    loop {
        tries += 1;
        notes.clear();
        let found = wanted_parts(directory, wanted)?;
        let (mut opened, mut is_whole) = (Opened::new(), true);
        for (source, parts) in &found {
            let files = opened.entry(source.clone()).or_default();
            for part in parts {
                match PartFile::open(part.clone()) {
                    Ok(Some(file)) => files.push(file),
                    Ok(None) => is_whole = false,
                    Err(error) => {
                        notes.push(format!("cannot read `{}`: {error}", part.path.display()));
                    }
                }
            }
        }
        let names = |found: &BTreeMap<Source, Vec<Part>>| -> Vec<(u64, u32)> {
            found.values().flatten().map(|part| (part.inode, part.number)).collect()
        };
        let after = wanted_parts(directory, wanted)?;
        if tries == TRIES || (is_whole && names(&found) == names(&after)) {
            return Ok(opened);
        }
    }
}

/// A file is held open for each part of each log, so that it is still there when it is read.
fn more_files_may_be_open() {
    if let Ok((_, most)) = getrlimit(Resource::RLIMIT_NOFILE) {
        // With fewer, some logs are told as unreadable.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, most, most);
    }
}
