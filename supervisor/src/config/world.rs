//! Problems that the file does not have, but the machine that it is read on: shown at the keys
//! that they are about, as problems of the file are.

use std::collections::BTreeMap;

use super::environment::Chosen;
use super::file::{self, Node, Value, child_key};
use super::problem::{Place, Report};
use super::{Config, Problems, environment, tree};

/// Where a key was written, by the names on the way to it, and what is wrong with it here.
pub type Found = (Vec<String>, String);

/// These problems of a configuration, each with the line that it is about; `None` without any.
#[must_use]
pub fn problems_at(config: &Config, found: &[Found]) -> Option<Problems> {
    if found.is_empty() {
        return None;
    }
    let mut report = Report::new(&config.file);
    let root = file::read(&config.file).ok().map(|reading| {
        report.draw_from(&config.file, reading.text);
        let chosen = Chosen { name: config.environment.clone(), by: None };
        environment::overlay(&reading.root, &chosen, &mut Report::new(&config.file))
    });
    for (names, words) in found {
        let key = names.iter().fold(String::new(), |key, name| child_key(&key, name));
        match (config.elsewhere.get(&key), root.as_ref().and_then(|root| written(root, names))) {
            (Some(origin), _) => {
                report.add_without_place(&key, format!("{words}; it comes from {origin}"));
            }
            (None, Some((key, place))) => report.add(key, place, words.as_str()),
            (None, None) => report.add_without_place(&key, words.as_str()),
        }
    }
    report.finish(None::<()>).err()
}

/// Where those values come from, of which a machine may lack something, if it is not the file alone.
pub(super) fn elsewhere(root: &Node) -> BTreeMap<String, String> {
    let own = ["run_directory", "log_directory", "state_directory", "metrics"];
    let own = own.map(|name| vec!["supervisor".to_owned(), name.to_owned()]);
    let apps = match tree::find(root, &["apps".to_owned()]).map(|node| &node.value) {
        Some(Value::Table(apps)) => apps.keys().collect(),
        Some(_) | None => Vec::new(),
    };
    let listen = |app: &String| vec!["apps".to_owned(), app.clone(), "listen".to_owned()];
    let all = own.into_iter().chain(apps.into_iter().map(listen));
    all.filter_map(|names| {
        let origin = tree::find(root, &names)?.origin.in_words()?;
        Some((names.iter().fold(String::new(), |key, name| child_key(&key, name)), origin))
    })
    .collect()
}

/// The key under which a value was written, and where.
fn written<'a>(root: &'a Node, names: &[String]) -> Option<(&'a str, Place)> {
    let node = names.iter().try_fold(root, |node, name| match &node.value {
        Value::Table(entries) => entries.get(name).map(|entry| &entry.node),
        _single => None,
    })?;
    Some((&node.key, node.place))
}
