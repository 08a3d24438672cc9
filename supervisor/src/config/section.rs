//! One table of the file: its shape checked against the table of keys, its values read by kind.
//!
//! The check walks everything that was written, the environments that were not chosen included,
//! and notes every problem. Reading comes after it and so stays silent: a value that cannot be
//! used is `None`, for its problem is noted already.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::time::Duration;

use jiff::tz::TimeZone;
use mcp_protocol::offered::Scalar;

use super::file::{Entry, Node, Value, child_key};
use super::hints;
use super::keys::{Key, Kind};
use super::offered::scalar;
use super::problem::Report;
use super::{address, health, off, process, snowflake, timetable, value, watch};

/// So many problems get a hint: to find one takes time, and nobody reads more.
const HINTS_MAX: usize = 200;

/// Checks a table and everything below it: names of keys, kinds and ranges of values.
pub(super) fn check(node: &Node, keys: &'static [Key], report: &mut Report) {
    let Some(entries) = table_of(node, "", keys, report) else { return };
    for (name, entry) in entries {
        match keys.iter().find(|key| key.name == name) {
            Some(key) => check_value(&entry.node, key, report),
            None => {
                let words = match report.count() < HINTS_MAX {
                    true => hints::unknown(name, &entry.node, keys),
                    false => "unknown key; remove it".to_owned(),
                };
                report.add(&entry.node.key, entry.place, words);
            }
        }
    }
}

fn table_of<'a>(
    node: &'a Node,
    members: &str,
    keys: &'static [Key],
    report: &mut Report,
) -> Option<&'a BTreeMap<String, Entry>> {
    let words = match &node.value {
        Value::Table(entries) => return Some(entries),
        Value::List(items) if items.iter().any(|item| matches!(item.value, Value::Table(_))) => {
            format!("is a list of tables; write [{}{members}], with single brackets", node.key)
        }
        other => match hints::key_for(other, &node.key, keys) {
            Some(hint) => format!("{} is not a table; {hint}", value::found(other)),
            None => {
                // What stands in place of variables or of a login may be one of them.
                let holds_secret = |key: &Key| matches!(key.kind, Kind::Secret);
                let secret = keys.is_empty() || keys.iter().any(holds_secret);
                let what = if secret { value::kind(other).to_owned() } else { value::found(other) };
                format!("{what} is not a table; write [{}{members}]", node.key)
            }
        },
    };
    report.add(&node.key, node.place, words);
    None
}

fn check_value(node: &Node, key: &'static Key, report: &mut Report) {
    let outcome = match &key.kind {
        Kind::Table(keys) => return check(node, keys, report),
        Kind::Named(keys) => return check_named(node, keys, report),
        Kind::Variables => return check_variables(node, report),
        Kind::Text => value::text(node).map(drop),
        Kind::Secret => value::secret(node),
        Kind::Command | Kind::Texts | Kind::Scalars | Kind::Patterns | Kind::ExitCodes
            if matches!(node.value, Value::List(_)) =>
        {
            return check_list(node, key, report);
        }
        Kind::Command => value::command(node).map(drop),
        Kind::Texts | Kind::Patterns => value::texts(node).map(drop),
        Kind::Scalar => scalar::scalar(node).map(drop),
        Kind::Scalars => scalar::scalars(node).map(drop),
        Kind::Boolean => value::boolean(node).map(drop),
        Kind::Count { min, max, what } => value::count(node, *min, *max, what).map(drop),
        Kind::Fraction { max, what } => value::fraction(node, *max, what).map(drop),
        Kind::Share => value::share(node).map(drop),
        Kind::Duration { min, max } => value::duration(node, min, max).map(drop),
        Kind::DurationOrOff { min, max } => off::duration(node, min, max).map(drop),
        Kind::Size { min, max } => value::size(node, min, max).map(drop),
        Kind::SizeOrOff { min, max } => off::size(node, min, max).map(drop),
        Kind::ExitCodes => value::exit_codes(node).map(drop),
        Kind::TimeTable => off::time_table(node).map(drop),
        Kind::TimeZone => value::text(node).and_then(timetable::zone).map(drop),
        Kind::Choice(words) => value::choice(node, words).map(drop),
        Kind::Authenticator => snowflake::authenticator(node),
        Kind::Address => address::address(node).map(drop),
        Kind::AddressOrOff => address::address_or_off(node).map(drop),
        Kind::Readiness => health::ready(node).map(drop),
        Kind::ProbeAddress => health::probe_address(node).map(drop),
        Kind::ProbePage => health::probe_page(node).map(drop),
        Kind::Signal => value::signal(node).map(drop),
        Kind::Account => process::account(node).map(drop),
        Kind::Umask => process::umask(node).map(drop),
        Kind::Nice => process::nice(node).map(drop),
        Kind::Limit(unit) => process::limit(node, *unit).map(drop),
    };
    match outcome {
        Ok(()) => {}
        Err(words) if has_remedy(&words) => report.add(&node.key, node.place, words),
        Err(fault) => {
            let words = format!("{fault}; write {} = {}", key.name, key.example);
            report.add(&node.key, node.place, words);
        }
    }
}

fn has_remedy(words: &str) -> bool {
    words.contains("; ") || words.ends_with('?')
}

/// Each entry of a list by itself, so that none hides another.
fn check_list(node: &Node, key: &'static Key, report: &mut Report) {
    let Value::List(items) = &node.value else { return };
    let before = report.count();
    for item in items {
        let outcome = match &key.kind {
            Kind::ExitCodes => value::exit_code(item).map(drop),
            Kind::Scalars => scalar::scalar(item).map(drop),
            Kind::Patterns => value::entry(item).and_then(watch::pattern).map(drop),
            _any_text => value::entry(item).map(drop),
        };
        if let Err(words) = outcome {
            let remedy = if has_remedy(&words) { "" } else { "; write another, or remove it" };
            report.add(&item.key, item.place, format!("{words}{remedy}"));
        }
    }
    if report.count() == before
        && matches!(key.kind, Kind::Command)
        && let Err(fault) = value::command(node)
    {
        let words = format!("{fault}; write {} = {}", key.name, key.example);
        report.add(&node.key, node.place, words);
    }
}

fn check_named(node: &Node, keys: &'static [Key], report: &mut Report) {
    let Some(entries) = table_of(node, ".NAME", keys, report) else { return };
    for (name, entry) in entries {
        let of_apps = node.key == "apps" || node.key.ends_with(".apps");
        if let Some(words) = hints::misplaced_in_apps(name, &entry.node.value).filter(|_| of_apps) {
            report.add(&entry.node.key, entry.place, words);
            continue;
        }
        if !is_name(name) {
            report.add(
                &entry.node.key,
                entry.place,
                "is not a name; use up to 64 letters, digits, `.`, `_` and `-`, \
                 and begin with a letter, a digit or `_`",
            );
        }
        check(&entry.node, keys, report);
    }
}

/// Names of apps become names of files and labels, so they are kept plain.
pub(crate) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-".contains(c);
    (1..=64).contains(&name.len()) && name.chars().all(plain) && !name.starts_with(['.', '-'])
}

fn check_variables(node: &Node, report: &mut Report) {
    let Some(entries) = table_of(node, "", &[], report) else { return };
    for (name, entry) in entries {
        if name.is_empty() || name.contains(['=', '\0']) {
            let words = "is not a name of a variable; it may not be empty nor contain `=` or NUL";
            report.add(&entry.node.key, entry.place, words);
        }
        if name.starts_with("MCP_SUPERVISOR_") || name.starts_with("LISTEN_") {
            let words = "is set by the supervisor itself; use another name";
            report.add(&entry.node.key, entry.place, words);
        }
        if let Err(words) = value::variable(&entry.node) {
            report.add(&entry.node.key, entry.node.place, words);
        }
    }
}

/// A table to read from, or the nearest table around it when it was not written.
#[derive(Clone, Copy)]
pub(super) struct Section<'a> {
    /// The table itself or the nearest one around it: where to point for something missing.
    pub(super) nearest: &'a Node,
    keys: &'static [Key],
    written: Option<&'a BTreeMap<String, Entry>>,
}

impl<'a> Section<'a> {
    pub(super) fn new(node: &'a Node, keys: &'static [Key]) -> Section<'a> {
        Section { nearest: node, keys, written: entries(node) }
    }

    /// The keys in it that mean nothing here.
    pub(super) fn unknown(&self) -> Vec<&'a str> {
        let names = self.written.into_iter().flatten().map(|(name, _)| name.as_str());
        names.filter(|name| self.keys.iter().all(|key| key.name != *name)).collect()
    }

    pub(super) fn is_table(&self) -> bool {
        self.written.is_some()
    }

    /// Every value that was written in it and below it, by its key as seen from here.
    pub(super) fn values(&self) -> Vec<(String, &'a Value)> {
        let mut values = Vec::new();
        for (name, entry) in self.written.into_iter().flatten() {
            walk(child_key("", name), &entry.node.value, &mut values);
        }
        values
    }

    /// What was written behind a key.
    pub(super) fn node(&self, name: &str) -> Option<&'a Node> {
        self.written?.get(name).map(|entry| &entry.node)
    }

    fn kind(&self, name: &str) -> &'static Kind {
        let key = self.keys.iter().find(|key| key.name == name);
        &key.expect("only keys of the table of keys are read").kind
    }

    /// A table below this one, or its members when they have names of the operator's choice.
    pub(super) fn section(&self, name: &str) -> Section<'a> {
        let keys = self.kind(name).members().unwrap_or(&[]);
        match self.node(name) {
            Some(node) => Section::new(node, keys),
            None => Section { nearest: self.nearest, keys, written: None },
        }
    }

    /// The tables below this one, under the names that the operator chose.
    pub(super) fn members(&self) -> Vec<(&'a str, Section<'a>)> {
        let entries = self.written.into_iter().flatten();
        entries.map(|(name, entry)| (name.as_str(), Section::new(&entry.node, self.keys))).collect()
    }

    pub(super) fn text(&self, name: &str) -> Option<&'a str> {
        value::text(self.node(name)?).ok()
    }

    pub(super) fn texts(&self, name: &str) -> Vec<String> {
        self.node(name).and_then(|node| value::texts(node).ok()).unwrap_or_default()
    }

    pub(super) fn scalar(&self, name: &str) -> Option<Scalar> {
        scalar::scalar(self.node(name)?).ok()
    }

    pub(super) fn scalars(&self, name: &str) -> Vec<Scalar> {
        self.node(name).and_then(|node| scalar::scalars(node).ok()).unwrap_or_default()
    }

    /// The texts of a list with where each was written; the list itself stands in for none.
    pub(super) fn entries(&self, name: &str) -> Vec<(String, &'a Node)> {
        let items = match self.node(name).map(|node| &node.value) {
            Some(Value::List(items)) => items.as_slice(),
            Some(_) | None => &[],
        };
        let text = |item: &'a Node| Some((value::entry(item).ok()?.to_owned(), item));
        items.iter().filter_map(text).collect()
    }

    pub(super) fn command(&self, name: &str) -> Option<(String, Vec<String>)> {
        value::command(self.node(name)?).ok()
    }

    pub(super) fn boolean(&self, name: &str) -> Option<bool> {
        value::boolean(self.node(name)?).ok()
    }

    pub(super) fn count(&self, name: &str) -> Option<u32> {
        let Kind::Count { min, max, what } = self.kind(name) else { return None };
        value::count(self.node(name)?, *min, *max, what).ok()
    }

    pub(super) fn fraction(&self, name: &str) -> Option<f64> {
        let Kind::Fraction { max, what } = self.kind(name) else { return None };
        value::fraction(self.node(name)?, *max, what).ok()
    }

    pub(super) fn share(&self, name: &str) -> Option<f64> {
        value::share(self.node(name)?).ok()
    }

    pub(super) fn duration(&self, name: &str) -> Option<Duration> {
        let Kind::Duration { min, max } = self.kind(name) else { return None };
        value::duration(self.node(name)?, min, max).ok()
    }

    pub(super) fn size(&self, name: &str) -> Option<u64> {
        let Kind::Size { min, max } = self.kind(name) else { return None };
        value::size(self.node(name)?, min, max).ok()
    }

    /// `None`: not written; `Some(None)`: "off".
    pub(super) fn duration_or_off(&self, name: &str) -> Option<Option<Duration>> {
        let Kind::DurationOrOff { min, max } = self.kind(name) else { return None };
        off::duration(self.node(name)?, min, max).ok()
    }

    /// `None`: not written; `Some(None)`: "off".
    pub(super) fn size_or_off(&self, name: &str) -> Option<Option<u64>> {
        let Kind::SizeOrOff { min, max } = self.kind(name) else { return None };
        off::size(self.node(name)?, min, max).ok()
    }

    pub(super) fn exit_codes(&self, name: &str) -> BTreeSet<i32> {
        self.node(name).and_then(|node| value::exit_codes(node).ok()).unwrap_or_default()
    }

    /// `None`: not written; `Some(None)`: "off".
    pub(super) fn time_table(&self, name: &str) -> Option<Option<&'a str>> {
        off::time_table(self.node(name)?).ok()
    }

    /// `None`: not written; `Some(None)`: the machine's own.
    pub(super) fn time_zone(&self, name: &str) -> Option<Option<TimeZone>> {
        timetable::zone(value::text(self.node(name)?).ok()?).ok()
    }

    pub(super) fn choice<T: Copy>(&self, name: &str, meanings: &[T]) -> Option<T> {
        let Kind::Choice(words) = self.kind(name) else { return None };
        value::choice(self.node(name)?, words).ok().and_then(|index| meanings.get(index).copied())
    }

    pub(super) fn address(&self, name: &str) -> Option<SocketAddr> {
        address::address(self.node(name)?).ok()
    }

    /// `None`: not written; `Some(None)`: "off".
    pub(super) fn address_or_off(&self, name: &str) -> Option<Option<SocketAddr>> {
        address::address_or_off(self.node(name)?).ok()
    }

    pub(super) fn ready(&self, name: &str) -> Option<health::Ready> {
        health::ready(self.node(name)?).ok()
    }

    pub(super) fn probe_address(&self, name: &str) -> Option<&'a str> {
        health::probe_address(self.node(name)?).ok()
    }

    pub(super) fn probe_page(&self, name: &str) -> Option<&'a str> {
        health::probe_page(self.node(name)?).ok()
    }

    pub(super) fn signal(&self, name: &str) -> Option<i32> {
        value::signal(self.node(name)?).ok()
    }

    pub(super) fn variables(&self, name: &str) -> BTreeMap<String, String> {
        let entries = self.node(name).and_then(entries).into_iter().flatten();
        entries
            .filter_map(|(name, entry)| {
                Some((name.clone(), value::variable(&entry.node).ok()?.to_owned()))
            })
            .collect()
    }
}

fn walk<'a>(key: String, value: &'a Value, into: &mut Vec<(String, &'a Value)>) {
    match value {
        Value::Table(entries) => {
            for (name, entry) in entries {
                walk(child_key(&key, name), &entry.node.value, into);
            }
        }
        single => into.push((key, single)),
    }
}

fn entries(node: &Node) -> Option<&BTreeMap<String, Entry>> {
    match &node.value {
        Value::Table(entries) => Some(entries),
        _other => None,
    }
}
