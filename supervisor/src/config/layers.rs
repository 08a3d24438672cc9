//! One configuration of many layers. The order, strongest first: `--set`, the process's
//! environment, `.env.NAME`, `.env`, the chosen environment's part of the file, the rest of the
//! file, the preset of the environment; what none of them says has a default in the code.
//!
//! Each value knows its layer. Texts of the file are filled with variables once it is known which
//! of them count, so that a variable that nobody needs may be missing.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::path::Path;

use super::environment::{self, Chosen};
use super::file::{Node, Value};
use super::interpolation::{self, Fault, Leave};
use super::keys::FILE;
use super::origin::Origin;
use super::problem::Report;
use super::sources::{Layer, Sources};
use super::variables::{Note, OurApp, Override, Translation, overrides};
use super::{Surroundings, command_line, from_text, presets, section, tree};

/// All layers as one.
pub(super) struct Laid {
    /// The file as it is meant, and its `environments` table as it was written.
    pub(super) root: Node,
    pub(super) environment: Chosen,
    pub(super) remarks: Vec<String>,
}

/// Lays everything over the file, and checks every value on the way.
pub(super) fn lay(
    written: &Node,
    directory: &Path,
    asked: Option<&str>,
    surroundings: &Surroundings,
    report: &mut Report,
) -> Laid {
    let mut sources = Sources::read(directory, &surroundings.variables, report);
    let environment = environment::choose(asked, &sources);
    sources.add_environment(directory, &environment.name, report);
    check_all_that_was_written(written, &sources, report);

    let mut root = environment::overlay(written, &environment, report);
    let environments = take_environments(&mut root);
    let mut filled_in = BTreeSet::new();
    let unfilled = interpolation::fill(&mut root, Leave::AsWritten, &mut |name| {
        filled_in.insert(name.to_owned());
        sources.find(name)
    });
    let mut remarks = Vec::new();
    for layer in sources.layers() {
        let around = (&sources, environment.name.as_str(), &filled_in);
        remarks.extend(lay_variables(&mut root, layer, around, report));
    }
    command_line::apply(&mut root, &surroundings.set, report);
    presets::fill(&mut root, &environment.name);

    report.know_origins(&root);
    for one in unfilled.iter().filter(|one| still_there(&root, &one.key)) {
        report.settle(&one.key, one.place, one.fault.words());
    }
    section::check(&root, FILE, report);
    put_environments(&mut root, environments);
    remarks.extend(sources.remarks);
    Laid { root, environment, remarks }
}

/// Checks what was written of a file of which the rest cannot be read: each value for itself.
pub(super) fn check_alone(
    written: &Node,
    directory: &Path,
    asked: Option<&str>,
    surroundings: &Surroundings,
    report: &mut Report,
) {
    let mut sources = Sources::read(directory, &surroundings.variables, report);
    let environment = environment::choose(asked, &sources);
    sources.add_environment(directory, &environment.name, report);
    check_all_that_was_written(written, &sources, report);
}

/// Checks the file as a whole, the environments that were not chosen included. What needs a
/// variable that is missing is left out: it may well be set where it is needed.
fn check_all_that_was_written(written: &Node, sources: &Sources<'_>, report: &mut Report) {
    let mut known = written.clone();
    let unfilled = interpolation::fill(&mut known, Leave::Out, &mut |name| sources.find(name));
    report.know_origins(&known);
    for one in &unfilled {
        match &one.fault {
            Fault::Malformed(words) => report.settle(&one.key, one.place, words),
            Fault::Unset(_) => {}
        }
    }
    section::check(&known, FILE, report);
}

/// Lays the keys over the tree that the variables of one place stand for. What texts of the file
/// were filled with has an effect there, whatever else it means.
fn lay_variables(
    root: &mut Node,
    layer: Layer,
    (sources, environment, filled_in): (&Sources<'_>, &str, &BTreeSet<String>),
    report: &mut Report,
) -> Vec<String> {
    let text = |path: &[&str]| {
        let path: Vec<String> = path.iter().map(|part| (*part).to_owned()).collect();
        match tree::find(root, &path).map(|node| &node.value) {
            Some(Value::Text(text)) => Some(text.clone()),
            Some(_) | None => None,
        }
    };
    let app = |name: String| OurApp { listen: text(&["apps", &name, "listen"]), name };
    let apps: Vec<OurApp> = presets::our_apps(root).into_iter().map(app).collect();
    let metrics = text(&["supervisor", "metrics"]);
    let problems = RefCell::new(Vec::new());
    let get = |name: &str| match sources.find_in(layer, name)? {
        Ok(found) => Some(found.value),
        Err(words) => {
            problems.borrow_mut().push(sources.problem_of(layer, name, words));
            None
        }
    };
    let mut translation = overrides(&get, environment, &apps, metrics.as_deref());
    translation.notes.retain(|note| !filled_in.contains(&note.variable));
    let contradictions = translation.problems.iter();
    let contradictions =
        contradictions.map(|note| sources.problem_of(layer, &note.variable, note.why.clone()));
    for problem in problems.into_inner().into_iter().chain(contradictions) {
        report.add_of_file(problem);
    }
    let remarks = remarks(layer, sources, &translation);
    for Override { variable, key_path, value } in translation.overrides {
        let Some(Ok(found)) = sources.find_in(layer, &variable) else { continue };
        let Some(kind) = tree::kind(&key_path) else { continue };
        let value = from_text::read(&value, kind);
        tree::set(root, &key_path, value, &Origin::Variable(found.variable));
    }
    remarks
}

/// What is to be said of variables without effect. The process's environment may hold anything
/// under a common name, so only those of it are told that would have an effect.
fn remarks(layer: Layer, sources: &Sources<'_>, translation: &Translation) -> Vec<String> {
    let told = |variable: &String| match layer {
        Layer::File(_) => true,
        Layer::Process => translation.used.contains(variable),
    };
    let notes = translation.notes.iter().filter(|note| told(&note.variable));
    let ignored = |Note { variable, why }: &Note| match sources.find_in(layer, variable) {
        Some(Ok(found)) => format!("{} is ignored: {why}", found.variable.in_words()),
        Some(Err(_)) | None => format!("{variable} is ignored: {why}"),
    };
    notes.map(ignored).collect()
}

/// Whether the value of the file with this key is the one that counts.
fn still_there(node: &Node, key: &str) -> bool {
    match &node.value {
        Value::Table(entries) => entries.values().any(|entry| still_there(&entry.node, key)),
        _other => node.key == key && node.origin.is_in_file(),
    }
}

/// The table of environments is not part of what is meant; it stays for words about it.
fn take_environments(root: &mut Node) -> Option<super::file::Entry> {
    let Value::Table(entries) = &mut root.value else { return None };
    entries.remove("environments")
}

fn put_environments(root: &mut Node, environments: Option<super::file::Entry>) {
    if let (Value::Table(entries), Some(environments)) = (&mut root.value, environments) {
        entries.insert("environments".to_owned(), environments);
    }
}
