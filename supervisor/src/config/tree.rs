//! Single values of the tree, found and set by the path of their keys.

use std::collections::BTreeMap;

use super::file::{Entry, Node, Value, child_key};
use super::keys::{FILE, Kind};
use super::origin::Origin;

/// What stands at a path of keys.
pub(super) fn find<'a>(root: &'a Node, path: &[String]) -> Option<&'a Node> {
    path.iter().try_fold(root, |node, name| match &node.value {
        Value::Table(entries) => entries.get(name).map(|entry| &entry.node),
        _other => None,
    })
}

/// Lays a value over the tree, with the tables around it that are not there yet. Where something
/// that is no table stands in the way, nothing is done: that is a problem already.
pub(super) fn set(root: &mut Node, path: &[String], value: Value, origin: &Origin) {
    let (mut node, mut key) = (root, String::new());
    for name in path {
        key = child_key(&key, name);
        let place = node.place;
        let Value::Table(entries) = &mut node.value else { return };
        let absent = || {
            let value = Value::Table(BTreeMap::new());
            Entry { place, node: Node { place, key: key.clone(), value, origin: origin.clone() } }
        };
        node = &mut entries.entry(name.clone()).or_insert_with(absent).node;
    }
    *node = Node { place: node.place, key, value, origin: origin.clone() };
}

/// The kind of the key at a path, and `None` for one that is unknown.
pub(super) fn kind(path: &[String]) -> Option<&'static Kind> {
    let (first, rest) = path.split_first()?;
    let mut kind = &FILE.iter().find(|key| key.name == first)?.kind;
    let mut rest = rest.iter();
    while let Some(name) = rest.next() {
        kind = match kind {
            Kind::Table(keys) => &keys.iter().find(|key| key.name == name)?.kind,
            Kind::Named(keys) => match rest.next() {
                Some(name) => &keys.iter().find(|key| key.name == name)?.kind,
                None => return Some(kind),
            },
            Kind::Variables => return rest.next().is_none().then_some(&Kind::Text),
            _single => return None,
        };
    }
    Some(kind)
}
