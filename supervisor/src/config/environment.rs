//! Which environment is meant, and its part of the file laid over the base: tables merge key by
//! key, other values replace.
//!
//! Each value keeps the place and the key under which it was written, so that a problem of the
//! merged whole still points at the line to mend.

use super::file::{Entry, Node, Value};
use super::interpolation::Found;
use super::keys::{self, nearest};
use super::presets;
use super::problem::Report;
use super::sources::{Layer, Sources};

/// The environment when none was asked for.
const DEFAULT: &str = "development";
/// Variables that choose one, the strongest first. Many machines set the last one for purposes of
/// their own.
const VARIABLES: [&str; 2] = ["MCP_ENV", "ENVIRONMENT"];

/// The chosen environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Chosen {
    pub(super) name: String,
    /// What chose it, as in `--env` or `ENVIRONMENT in .env, line 1`; `None` when nothing did.
    pub(super) by: Option<String>,
}

/// What was asked for, else what a variable says, else the default. A variable that is set to
/// nothing says nothing.
pub(super) fn choose(asked: Option<&str>, sources: &Sources<'_>) -> Chosen {
    if let Some(name) = asked {
        return Chosen { name: name.to_owned(), by: Some("--env".to_owned()) };
    }
    let given = VARIABLES.iter().find_map(|name| {
        let mut layers = sources.layers().into_iter().rev();
        let found = |layer: Layer| sources.find_in(layer, name)?.ok();
        layers.find_map(|layer| found(layer).filter(|found| !found.value.is_empty()))
    });
    match given {
        Some(Found { value, variable }) => Chosen { name: value, by: Some(variable.in_words()) },
        None => Chosen { name: DEFAULT.to_owned(), by: None },
    }
}

/// The file as it is meant in one environment; the tree keeps its `environments` table.
pub(super) fn overlay(root: &Node, chosen: &Chosen, report: &mut Report) -> Node {
    let mut merged = root.clone();
    match member(root, "environments").and_then(|all| member(all, &chosen.name)) {
        Some(environment) => merge(&mut merged, environment),
        None if presets::of(&chosen.name).is_some() => {}
        None => report.add_without_place(
            &super::file::child_key("environments", &chosen.name),
            unknown(root, chosen),
        ),
    }
    merged
}

fn unknown(root: &Node, chosen: &Chosen) -> String {
    let written = match member(root, "environments").map(|all| &all.value) {
        Some(Value::Table(entries)) => entries.keys().map(String::as_str).collect(),
        Some(_) | None => Vec::new(),
    };
    let mut known: Vec<&str> = presets::environments().collect();
    known.extend(written.into_iter().filter(|name| presets::of(name).is_none()));
    let (by, remedy) = match chosen.by.as_deref() {
        None | Some("--env") => (String::new(), ""),
        Some(by) => {
            (format!(", which {by} asks for"), "; `--env NAME` or MCP_ENV choose another one")
        }
    };
    let guess = nearest(&chosen.name, known.iter().copied());
    let guess = guess.map(|name| format!("; did you mean \"{name}\"?")).unwrap_or_default();
    let known = known.join(", ");
    let separator = if guess.is_empty() { ";" } else { "" };
    format!("there is no such environment{by}{guess}{separator} known are {known}{remedy}")
}

fn member<'a>(node: &'a Node, name: &str) -> Option<&'a Node> {
    let Value::Table(entries) = &node.value else { return None };
    entries.get(name).map(|entry| &entry.node)
}

fn merge(base: &mut Node, over: &Node) {
    let (Value::Table(into), Value::Table(from)) = (&mut base.value, &over.value) else {
        *base = over.clone();
        return;
    };
    for (name, entry) in from {
        // Of a secret and its file, the stronger layer takes the place of either.
        if let Some(rival) = keys::rival(&base.key, name)
            && !from.contains_key(&rival)
        {
            into.remove(&rival);
        }
        match into.get_mut(name) {
            Some(Entry { node, .. }) => merge(node, &entry.node),
            None => drop(into.insert(name.clone(), entry.clone())),
        }
    }
}
