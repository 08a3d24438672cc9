//! The variables of the process and of the `.env` files, as one: who is asked first, what they
//! refer to, and which files were looked for.
//!
//! The process's environment is asked first, then `.env.NAME`, then `.env`; both lie beside the
//! configuration file. A variable may refer to others; one that refers to itself means the next
//! one in that order, and a circle is a problem.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::interpolation::{Fault, Found, filled};
use super::origin::{Source, Variable};
use super::problem::{Place, Problem, Report};
use super::section::is_name;
use super::{dotenv, file};

/// The name of the file for all environments.
const FILE_NAME: &str = ".env";
/// The longest chain of variables that refer to each other.
const CHAIN_MAX: usize = 64;

/// A `.env` file that was read.
struct DotEnv {
    /// Its name, without the directory.
    name: String,
    path: PathBuf,
    assignments: BTreeMap<String, dotenv::Assignment>,
}

/// Everything that variables are taken from.
pub(super) struct Sources<'a> {
    process: &'a BTreeMap<String, String>,
    /// The strongest first.
    files: Vec<DotEnv>,
    /// The value of each variable of each file, or why it has none.
    values: Vec<BTreeMap<String, Result<String, String>>>,
    pub(super) remarks: Vec<String>,
}

/// One place that variables come from, for the layers that are laid over one by one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Layer {
    File(usize),
    Process,
}

impl<'a> Sources<'a> {
    /// The process's variables, and those of `.env` in a directory.
    pub(super) fn read(
        directory: &Path,
        process: &'a BTreeMap<String, String>,
        report: &mut Report,
    ) -> Sources<'a> {
        let (files, values, remarks) = (Vec::new(), Vec::new(), Vec::new());
        let mut sources = Sources { process, files, values, remarks };
        sources.add(directory, FILE_NAME, report);
        // Circles are reported when all files are there.
        drop(sources.resolve());
        sources
    }

    /// Reads `.env.NAME` as well.
    pub(super) fn add_environment(&mut self, directory: &Path, name: &str, report: &mut Report) {
        // Another name is refused elsewhere, and must not lead to a file outside the directory.
        if is_name(name) {
            self.add(directory, &format!("{FILE_NAME}.{name}"), report);
        }
        for problem in self.resolve() {
            report.add_of_file(problem);
        }
    }

    fn add(&mut self, directory: &Path, name: &str, report: &mut Report) {
        let path = directory.join(name);
        report.reads(&path);
        let Ok(metadata) = std::fs::metadata(&path) else { return };
        // Some tools keep a directory of this name; it holds no variables of ours.
        if metadata.is_dir() {
            return;
        }
        let text = match file::text(&path) {
            Ok(text) => text,
            Err(problems) => {
                for problem in problems.list() {
                    // The line itself may be a secret.
                    report.add_of_file(Problem { excerpt: None, ..problem.clone() });
                }
                return;
            }
        };
        if metadata.permissions().mode() & 0o007 != 0 {
            self.remarks.push(format!(
                "others may read {}, and variables are often secrets; `chmod 640` closes it",
                path.display()
            ));
        }
        let (assignments, faults) = dotenv::parse(&text);
        for (place, words) in faults {
            report.add_of_file(problem(&path, place, words));
        }
        // The last one of a name counts, as for a shell.
        let assignments = assignments.into_iter().map(|one| (one.name.clone(), one)).collect();
        self.files.insert(0, DotEnv { name: name.to_owned(), path, assignments });
    }

    /// Gives each variable of the files its value; returns the circles among them.
    fn resolve(&mut self) -> Vec<Problem> {
        let mut resolver = Resolver {
            process: self.process,
            files: &self.files,
            done: vec![BTreeMap::new(); self.files.len()],
            under_way: Vec::new(),
            circles: Vec::new(),
        };
        for (index, file) in self.files.iter().enumerate() {
            for name in file.assignments.keys() {
                let _ = resolver.value(index, name);
            }
        }
        let circles = resolver.circles;
        self.values = resolver.done;
        circles
    }

    /// A variable, whoever sets it.
    pub(super) fn find(&self, name: &str) -> Result<Option<Found>, String> {
        let files = (0..self.files.len()).map(Layer::File);
        for layer in std::iter::once(Layer::Process).chain(files) {
            if let Some(found) = self.find_in(layer, name) {
                return found.map(Some);
            }
        }
        Ok(None)
    }

    /// A variable as one of the places sets it.
    pub(super) fn find_in(&self, layer: Layer, name: &str) -> Option<Result<Found, String>> {
        let (value, source) = match layer {
            Layer::Process => (Ok(self.process.get(name)?.clone()), Source::Process),
            Layer::File(index) => {
                let (file, value) = (&self.files[index], self.values[index].get(name)?);
                let line = file.assignments.get(name)?.line;
                (value.clone(), Source::File { name: file.name.clone(), line })
            }
        };
        let variable = Variable { name: name.to_owned(), source };
        Some(value.map(|value| Found { value, variable }))
    }

    /// The places that variables come from, the weakest first.
    pub(super) fn layers(&self) -> Vec<Layer> {
        let files = (0..self.files.len()).rev().map(Layer::File);
        files.chain(std::iter::once(Layer::Process)).collect()
    }

    /// A problem with a variable of one place.
    pub(super) fn problem_of(&self, layer: Layer, name: &str, words: String) -> Problem {
        match layer {
            Layer::Process => Problem {
                file: PathBuf::new(),
                place: None,
                key: Some(name.to_owned()),
                origin: Some("the environment".to_owned()),
                message: words,
                excerpt: None,
            },
            Layer::File(index) => {
                let file = &self.files[index];
                let line = file.assignments.get(name).map_or(1, |one| one.line);
                problem(&file.path, Place { line, column: 1 }, format!("{name}: {words}"))
            }
        }
    }
}

fn problem(path: &Path, place: Place, message: String) -> Problem {
    let (file, place) = (path.to_owned(), Some(place));
    Problem { file, place, key: None, origin: None, message, excerpt: None }
}

/// Works out what the variables of the files mean, each once.
struct Resolver<'a> {
    process: &'a BTreeMap<String, String>,
    files: &'a [DotEnv],
    done: Vec<BTreeMap<String, Result<String, String>>>,
    /// Those that wait for others.
    under_way: Vec<(usize, String)>,
    circles: Vec<Problem>,
}

impl Resolver<'_> {
    fn value(&mut self, index: usize, name: &str) -> Result<String, String> {
        if let Some(value) = self.done[index].get(name) {
            return value.clone();
        }
        let own = (index, name.to_owned());
        if let Some(start) = self.under_way.iter().position(|one| *one == own) {
            return Err(self.circle(start));
        }
        if self.under_way.len() >= CHAIN_MAX {
            return Err(format!("{name} refers to others, and they to others, without an end"));
        }
        let files = self.files;
        let Some(assignment) = files[index].assignments.get(name) else {
            return Err(format!("the variable {name} is not set"));
        };
        self.under_way.push(own);
        let value = filled(&assignment.pieces, &mut |wanted| {
            let from = if wanted == name { index + 1 } else { 0 };
            self.find(wanted, from)
        });
        self.under_way.pop();
        let value = value.map(|(value, _)| value).map_err(|fault| match fault {
            Fault::Malformed(words) | Fault::Unset(words) => words,
        });
        self.done[index].insert(name.to_owned(), value.clone());
        value
    }

    /// A variable of the process, or of the files from one of them on.
    fn find(&mut self, name: &str, from: usize) -> Result<Option<Found>, String> {
        let found = |value: &str| Found {
            value: value.to_owned(),
            variable: Variable { name: name.to_owned(), source: Source::Process },
        };
        if let Some(value) = self.process.get(name) {
            return Ok(Some(found(value)));
        }
        for index in from..self.files.len() {
            if self.files[index].assignments.contains_key(name) {
                return self.value(index, name).map(|value| Some(found(&value)));
            }
        }
        Ok(None)
    }

    fn circle(&mut self, start: usize) -> String {
        let members = &self.under_way[start..];
        let mut names: Vec<&str> = members.iter().map(|(_, name)| name.as_str()).collect();
        names.extend(members.first().map(|(_, name)| name.as_str()));
        let words = format!("{} is a circle, so none of them has a value", names.join(" → "));
        if let Some((index, name)) = members.first() {
            let file = &self.files[*index];
            let line = file.assignments.get(name).map_or(1, |one| one.line);
            let message = format!("{words}; write one of them without another");
            self.circles.push(problem(&file.path, Place { line, column: 1 }, message));
        }
        words
    }
}
