//! `--set KEY=VALUE`: a value of the configuration from the command line, over everything else.
//!
//! The key is written as in the file, the value as in TOML, or as a plain text. Nothing in it is
//! filled: a shell has done that already.

use std::collections::BTreeMap;
use std::path::Path;

use super::file::{self, Node, Value};
use super::from_text;
use super::keys::{FILE, Key, Kind, nearest};
use super::origin::Origin;
use super::problem::{Problem, Report};
use super::tree;

/// What the operator wrote, shown as the place of a problem.
const OPTION: &str = "--set";

/// Lays every `KEY=VALUE` over the tree, in their order.
pub(super) fn apply(root: &mut Node, settings: &[String], report: &mut Report) {
    for setting in settings {
        if let Err(words) = set(root, setting) {
            let key = setting.split('=').next().unwrap_or_default().trim();
            let key = key.escape_debug().to_string();
            report.add_of_file(Problem {
                file: Path::new(OPTION).to_owned(),
                place: None,
                key: Some(key),
                origin: Some(OPTION.to_owned()),
                message: words,
                excerpt: None,
            });
        }
    }
}

fn set(root: &mut Node, setting: &str) -> Result<(), String> {
    let (key, text) = split(setting).ok_or("there is no `=`; write KEY=VALUE")?;
    let path = path(key)?;
    refuse_unknown(root, &path)?;
    let kind = tree::kind(&path).ok_or("is no key that can be set; `check` lists what is wrong")?;
    tree::set(root, &path, value(text, kind)?, &Origin::CommandLine);
    Ok(())
}

/// The key and the value: at the first `=` that is in no quotes.
fn split(setting: &str) -> Option<(&str, &str)> {
    let mut quote = None;
    let at = setting.char_indices().find_map(|(at, c)| {
        match (quote, c) {
            (None, '=') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (_, _) => {}
        }
        None
    })?;
    Some((setting[..at].trim(), setting[at + 1..].trim()))
}

/// The parts of a key as TOML reads it: `apps."my.app".instances`.
fn path(key: &str) -> Result<Vec<String>, String> {
    let wrong = || "is not a key; write it as in the file, such as apps.query.instances".to_owned();
    let mut node = file::parse(&format!("{key} = 0")).ok_or_else(wrong)?;
    let mut path = Vec::new();
    while let Value::Table(entries) = node.value {
        let mut entries = entries.into_iter();
        let (name, entry) = entries.next().ok_or_else(wrong)?;
        if entries.next().is_some() || key.contains('\n') {
            return Err(wrong());
        }
        path.push(name);
        node = entry.node;
    }
    Ok(path)
}

/// Unknown keys, and apps that there are not: `--set` changes what is, it does not add to it.
fn refuse_unknown(root: &Node, path: &[String]) -> Result<(), String> {
    let mut keys = FILE;
    let mut rest = path.iter();
    let mut before: Vec<String> = Vec::new();
    while let Some(name) = rest.next() {
        if before.is_empty() && name == "environments" {
            let words = "sets nothing for one environment only; write the key without it, and \
                         choose the environment by --env";
            return Err(words.to_owned());
        }
        let known = keys.iter().find(|key| key.name == name);
        let kind = &known.ok_or_else(|| unknown(name, keys))?.kind;
        before.push(name.clone());
        match kind {
            Kind::Table(below) => keys = below,
            Kind::Named(below) => {
                let Some(member) = rest.next() else { break };
                refuse_unknown_member(root, &before, member)?;
                before.push(member.clone());
                keys = below;
            }
            Kind::Variables => break,
            _single => match rest.next() {
                Some(more) => return Err(format!("`{name}` has no key `{more}`; leave it out")),
                None => break,
            },
        }
    }
    Ok(())
}

fn unknown(name: &str, keys: &[Key]) -> String {
    match nearest(name, keys.iter().map(|key| key.name)) {
        Some(key) => format!("unknown key `{name}`; did you mean `{key}`?"),
        None => {
            let known: Vec<_> = keys.iter().map(|key| key.name).collect();
            format!("unknown key `{name}`; the keys here are {}", known.join(", "))
        }
    }
}

fn refuse_unknown_member(root: &Node, path: &[String], name: &str) -> Result<(), String> {
    let none = BTreeMap::new();
    let members = match tree::find(root, path).map(|node| &node.value) {
        Some(Value::Table(entries)) => entries,
        Some(_) | None => &none,
    };
    if members.contains_key(name) {
        return Ok(());
    }
    let known = members.keys().map(String::as_str);
    let what = path.last().map_or("entry", |table| table.strip_suffix('s').unwrap_or(table));
    match nearest(name, known.clone()) {
        Some(other) => Err(format!("there is no {what} `{name}`; did you mean `{other}`?")),
        None => {
            let known: Vec<&str> = known.collect();
            Err(format!("there is no {what} `{name}`; there are {}", known.join(", ")))
        }
    }
}

/// The value as the key wants it.
fn value(text: &str, kind: &Kind) -> Result<Value, String> {
    let written = file::parse(&format!("value = {text}")).and_then(|node| match node.value {
        Value::Table(mut entries) if entries.len() == 1 => entries.remove("value"),
        _other => None,
    });
    match written.map(|entry| entry.node.value) {
        Some(written @ (Value::Text(_) | Value::List(_) | Value::Table(_))) => Ok(written),
        Some(_) | None => match kind {
            Kind::Table(_) | Kind::Named(_) | Kind::Variables => {
                Err("is a table; set one of its keys, or write { key = value }".to_owned())
            }
            single => Ok(from_text::read(text, single)),
        },
    }
}
