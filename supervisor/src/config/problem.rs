//! What is wrong with a configuration, in the operator's words, and where.
//!
//! All problems of a file are collected before any is shown, so that one look at the list is
//! enough to mend it. The caller prints the line above (which file) and the hint below.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};

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
    /// The line of the file that cannot be read, with a mark below the place.
    pub excerpt: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let from = self.origin.as_ref().map(|origin| format!("from {origin}"));
        match (&self.key, self.place) {
            (Some(key), Some(Place { line, column })) => {
                let from = from.map(|from| format!(", {from}")).unwrap_or_default();
                write!(out, "  {key} (line {line}, column {column}{from}): {}", self.message)?;
            }
            (Some(key), None) => {
                let from = from.map(|from| format!(" ({from})")).unwrap_or_default();
                write!(out, "  {key}{from}: {}", self.message)?;
            }
            (None, Some(Place { line, column })) => {
                write!(out, "  {}:{line}:{column}: {}", self.file.display(), self.message)?;
            }
            (None, None) => write!(out, "  {}: {}", self.file.display(), self.message)?,
        }
        match &self.excerpt {
            Some(excerpt) => write!(out, "\n{excerpt}"),
            None => Ok(()),
        }
    }
}

/// Every problem of a configuration; never empty. Displayed as one line each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problems {
    list: Vec<Problem>,
}

impl Problems {
    /// The problems, in the order of the file.
    #[must_use]
    pub fn list(&self) -> &[Problem] {
        &self.list
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.list.iter().enumerate() {
            if index > 0 {
                writeln!(out)?;
            }
            problem.fmt(out)?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}

impl From<Problem> for Problems {
    fn from(problem: Problem) -> Problems {
        Problems { list: vec![problem] }
    }
}

/// Collects problems while a file is checked.
pub(super) struct Report {
    file: PathBuf,
    list: Vec<Problem>,
    /// Where values came from, by their keys, if not from the file alone.
    origins: BTreeMap<String, Origin>,
    /// Keys about which all is said already.
    settled: BTreeSet<String>,
}

impl Report {
    pub(super) fn new(file: &Path) -> Report {
        let (origins, settled) = (BTreeMap::new(), BTreeSet::new());
        Report { file: file.to_owned(), list: Vec::new(), origins, settled }
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

    /// Whether nothing was noted so far.
    pub(super) fn is_empty(&self) -> bool {
        self.list.is_empty()
    }

    /// Whether a problem with this very key was noted.
    pub(super) fn blames(&self, key: &str) -> bool {
        self.list.iter().any(|problem| problem.key.as_deref() == Some(key))
    }

    /// The value when nothing was noted, and all that was noted otherwise.
    pub(super) fn finish<T>(mut self, value: Option<T>) -> Result<T, Problems> {
        self.list.sort_by(|one, other| (one.place, &one.key).cmp(&(other.place, &other.key)));
        self.list.dedup();
        match value {
            Some(value) if self.list.is_empty() => Ok(value),
            Some(_) | None => Err(Problems { list: self.list }),
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
