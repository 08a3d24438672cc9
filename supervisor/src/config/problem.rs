//! What is wrong with a configuration, in the operator's words, and where.
//!
//! All problems of a file are collected before any is shown, so that one look at the list is
//! enough to mend it. The caller prints the line above (which file) and the hint below.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

use super::excerpt::Lines;
use super::file::{Node, Value};
use super::origin::Origin;

/// A place in a file, counted from 1 as editors do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The line.
    pub line: usize,
    /// The character in that line.
    pub column: usize,
}

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The file that is meant.
    pub file: PathBuf,
    /// Where in the file; none when the file could not be read at all.
    pub place: Option<Place>,
    /// The key, as in `apps.query.instances`; none when the text is not even TOML.
    pub key: Option<String>,
    /// Where the value came from when it is not only the place in the file, as in `SERVER_PORT in
    /// .env.production, line 3`.
    pub origin: Option<String>,
    /// What is wrong and what to write.
    pub message: String,
    /// The line of the file with a mark below the place; none where the line may hold a secret.
    pub excerpt: Option<String>,
}

impl fmt::Display for Problem {
    /// Where and which key, the line with a mark, what to write; one line when there is no place.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let file = self.file.display();
        let from = self.origin.as_ref().map(|origin| format!(" (from {origin})"));
        let from = from.unwrap_or_default();
        match (&self.key, self.place) {
            (Some(key), Some(Place { line, column })) => {
                writeln!(out, "  {file}:{line}:{column}: {key}{from}")?;
            }
            (None, Some(Place { line, column })) => writeln!(out, "  {file}:{line}:{column}")?,
            (Some(key), None) => return write!(out, "  {key}{from}: {}", self.message),
            (None, None) => return write!(out, "  {file}: {}", self.message),
        }
        if let Some(excerpt) = &self.excerpt {
            writeln!(out, "{excerpt}")?;
        }
        write!(out, "    {}", self.message)
    }
}

/// The most problems that are shown, and drawn with their lines: more would not be read.
const SHOWN_MAX: usize = 50;

/// Every problem of a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
    files: Vec<PathBuf>,
}

impl Problems {
    /// The problems, in the order of the file.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }

    /// Every file that was read or looked for until then: a change of one may mend it.
    #[must_use]
    pub fn files(&self) -> &[PathBuf] {
        &self.files
    }

    /// Problems that were found elsewhere; at least one.
    pub(super) fn of(list: Vec<Problem>) -> Problems {
        let files: BTreeSet<_> = list.iter().map(|problem| problem.file.clone()).collect();
        Problems { list, files: files.into_iter().collect() }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().take(SHOWN_MAX).enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            problem.fmt(out)?;
        }
        match self.list.len().saturating_sub(SHOWN_MAX) {
            0 => Ok(()),
            more => write!(out, "\n  and {more} more; mend these first"),
        }
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems::of(vec![problem])
    }
}

/// Collects problems while a file is checked.
pub(super) struct Report {
    file: PathBuf,
    /// The texts of files that were read, to draw lines from.
    texts: BTreeMap<PathBuf, String>,
    list: Vec<Problem>,
    /// Where values came from, by their keys, if not from the file alone.
    origins: BTreeMap<String, Origin>,
    /// Keys about which all is said already.
    settled: BTreeSet<String>,
    /// Files besides the configuration file that it refers to.
    others: Vec<PathBuf>,
}

impl Report {
    pub(super) fn new(file: &Path) -> Report {
        let (texts, origins, settled) = (BTreeMap::new(), BTreeMap::new(), BTreeSet::new());
        Report {
            file: file.to_owned(),
            texts,
            list: Vec::new(),
            origins,
            settled,
            others: Vec::new(),
        }
    }

    /// Keeps the text of a file, so that problems with a place in it are shown with their line.
    pub(super) fn draw_from(&mut self, file: &Path, text: String) {
        self.texts.insert(file.to_owned(), text);
    }

    /// Notes what is not TOML. Nothing else is said of the same lines: it would follow from that.
    pub(super) fn add_faults(&mut self, faults: Vec<Problem>) {
        let line = |problem: &Problem| problem.place.map(|place| place.line);
        let faulty: BTreeSet<_> = faults.iter().map(line).collect();
        self.list.retain(|problem| problem.file != self.file || !faulty.contains(&line(problem)));
        self.list.extend(faults);
    }

    /// Notes a problem with what was written at a place. If the value did not come from the file,
    /// its origin is named instead.
    pub(super) fn add(&mut self, key: &str, place: Place, message: impl Into<String>) {
        self.push(key, Some(place), message.into());
    }

    /// Notes a problem with what was asked for, which no line of the file is to blame for.
    pub(super) fn add_without_place(&mut self, key: &str, message: impl Into<String>) {
        self.push(key, None, message.into());
    }

    /// Notes a problem with a value, and nothing more about its key: the rest would follow from it.
    pub(super) fn settle(&mut self, key: &str, place: Place, message: &str) {
        self.add(key, place, message);
        self.settled.insert(key.to_owned());
    }

    /// Notes a problem with another file.
    pub(super) fn add_of_file(&mut self, problem: Problem) {
        self.list.push(problem);
    }

    /// From here on, problems are with values of this tree.
    pub(super) fn know_origins(&mut self, root: &Node) {
        self.origins.clear();
        collect(root, &mut self.origins);
    }

    fn push(&mut self, key: &str, place: Option<Place>, message: String) {
        if self.settled.contains(key) {
            return;
        }
        let origin = self.origins.get(key);
        let place = place.filter(|_| origin.is_none_or(Origin::is_in_file));
        let origin = origin.and_then(Origin::in_words);
        let (file, key) = (self.file.clone(), Some(key.to_owned()));
        self.list.push(Problem { file, place, key, origin, message, excerpt: None });
    }

    /// How many were noted so far.
    pub(super) fn count(&self) -> usize {
        self.list.len()
    }

    /// Whether a problem with this very key was noted.
    pub(super) fn blames(&self, key: &str) -> bool {
        self.list.iter().any(|problem| problem.key.as_deref() == Some(key))
    }

    /// Whether a problem with this key or one below it was noted.
    pub(super) fn blames_within(&self, table: &str) -> bool {
        let within = |key: &str| {
            key.strip_prefix(table).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        self.list.iter().filter_map(|problem| problem.key.as_deref()).any(within)
    }

    /// Notes a file that is read besides the configuration file, or would be if it were there.
    pub(super) fn reads(&mut self, file: &Path) {
        if !self.others.iter().any(|other| other == file) {
            self.others.push(file.to_owned());
        }
    }

    /// The configuration file, then what [`Report::reads`] noted, in that order.
    pub(super) fn sources(&self) -> Vec<PathBuf> {
        std::iter::once(&self.file).chain(&self.others).cloned().collect()
    }

    /// The configuration file.
    pub(super) fn file(&self) -> &Path {
        &self.file
    }

    /// The value when nothing was noted, and all that was noted otherwise.
    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<T, Problems> {
        self.list.sort_by(|one, other| (one.place, &one.key).cmp(&(other.place, &other.key)));
        self.list.dedup();
        for (file, text) in &self.texts {
            let lines = Lines::of(text);
            for problem in self.list.iter_mut().take(SHOWN_MAX) {
                if problem.file == *file && problem.excerpt.is_none() {
                    problem.excerpt = problem.place.and_then(|place| lines.excerpt(place));
                }
            }
        }
        match value {
            Some(value) if self.list.is_empty() => Ok(value),
            Some(_) | None => Err(Problems { files: self.sources(), list: self.list }),
        }
    }
}

fn collect(node: &Node, into: &mut BTreeMap<String, Origin>) {
    if node.origin != Origin::File {
        into.insert(node.key.clone(), node.origin.clone());
    }
    if let Value::Table(entries) = &node.value {
        entries.values().for_each(|entry| collect(&entry.node, into));
    }
}
