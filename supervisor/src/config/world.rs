//! Problems that the file does not have, but the machine that it is read on: shown at the keys
//! that they are about, as problems of the file are.

use std::collections::BTreeMap;

use super::file::{self, Node, Value, child_key};
use super::problem::{Place, Report};
use super::{Config, Problems, tree};

/// Where a key was written, by the names on the way to it, and what is wrong with it here.
pub type Found = (Vec<String>, String);

/// Where a value stands, of which a machine may lack something.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Stands {
    /// In the file, under this key.
    At(String, Place),
    /// Not there, or not there alone: in words, where it comes from.
    Elsewhere(String),
}

/// These problems of a configuration, each with the line that it is about; `None` without any.
#[must_use]
pub fn problems_at(config: &Config, found: &[Found]) -> Option<Problems> {
    if found.is_empty() {
        return None;
    }
    let mut report = Report::new(&config.file);
    if let Ok(text) = file::text(&config.file) {
        report.draw_from(&config.file, text);
    }
    for (names, words) in found {
        let key = full_key(names);
        match config.places.get(&key) {
            Some(Stands::At(written, place)) => report.add(written, *place, words.as_str()),
            Some(Stands::Elsewhere(origin)) => {
                report.add_without_place(&key, format!("{words}; it comes from {origin}"));
            }
            None => report.add_without_place(&key, words.as_str()),
        }
    }
    report.finish(None::<()>).err()
}

/// Where the directories and addresses stand that were given.
pub(super) fn places(root: &Node) -> BTreeMap<String, Stands> {
    let own = ["run_directory", "log_directory", "state_directory", "metrics"];
    let own = own.map(|name| vec!["supervisor".to_owned(), name.to_owned()]);
    let apps = match tree::find(root, &["apps".to_owned()]).map(|node| &node.value) {
        Some(Value::Table(apps)) => apps.keys().collect(),
        Some(_) | None => Vec::new(),
    };
    let listen = |app: &String| vec!["apps".to_owned(), app.clone(), "listen".to_owned()];
    let all = own.into_iter().chain(apps.into_iter().map(listen));
    all.filter_map(|names| {
        let node = tree::find(root, &names)?;
        let stands = match node.origin.in_words() {
            Some(origin) => Stands::Elsewhere(origin),
            None => Stands::At(node.key.clone(), node.place),
        };
        Some((full_key(&names), stands))
    })
    .collect()
}

fn full_key(names: &[String]) -> String {
    names.iter().fold(String::new(), |key, name| child_key(&key, name))
}
