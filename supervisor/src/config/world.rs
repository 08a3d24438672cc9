//! Problems that the file does not have, but the machine that it is read on: shown at the keys
//! that they are about, as problems of the file are.

use super::environment::Chosen;
use super::file::{self, Node, Value, child_key};
use super::problem::{Place, Report};
use super::{Config, Problems, environment};

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
        match root.as_ref().and_then(|root| written(root, names)) {
            Some((key, place)) => report.add(key, place, words.as_str()),
            None => report.add_without_place(&key, words.as_str()),
        }
    }
    report.finish(None::<()>).err()
}

/// The key under which a value was written, and where.
fn written<'a>(root: &'a Node, names: &[String]) -> Option<(&'a str, Place)> {
    let node = names.iter().try_fold(root, |node, name| match &node.value {
        Value::Table(entries) => entries.get(name).map(|entry| &entry.node),
        _single => None,
    })?;
    Some((&node.key, node.place))
}
