//! Lays the chosen environment over the base: tables merge key by key, other values replace.
//!
//! Each value keeps the place and the key under which it was written, so that a problem of the
//! merged whole still points at the line to mend.

use super::file::{Entry, Node, Value};
use super::keys::{self, nearest};
use super::problem::Report;

/// The environment when none was asked for.
pub(super) const DEFAULT: &str = "development";
/// Names that are known even when the file says nothing about them.
const FAMILIAR: [&str; 3] = ["development", "staging", "production"];

/// The file as it is meant in one environment; the tree keeps its `environments` table.
pub(super) fn overlay(root: &Node, chosen: &str, report: &mut Report) -> Node {
    let mut merged = root.clone();
    match member(root, "environments").and_then(|all| member(all, chosen)) {
        Some(environment) => merge(&mut merged, environment),
        None if FAMILIAR.contains(&chosen) => {}
        None => report.add_without_place(
            &super::file::child_key("environments", chosen),
            unknown(root, chosen),
        ),
    }
    merged
}

fn unknown(root: &Node, chosen: &str) -> String {
    let written = match member(root, "environments").map(|all| &all.value) {
        Some(Value::Table(entries)) => entries.keys().map(String::as_str).collect(),
        Some(_) | None => Vec::new(),
    };
    let mut known = FAMILIAR.to_vec();
    known.extend(written.into_iter().filter(|name| !FAMILIAR.contains(name)));
    match nearest(chosen, known.iter().copied()) {
        Some(name) => format!(
            "there is no such environment; did you mean \"{name}\"? known are {}",
            known.join(", ")
        ),
        None => format!("there is no such environment; known are {}", known.join(", ")),
    }
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
