//! The table of keys against the shipped file, the documentation and slips of the finger.

use std::collections::BTreeSet;
use std::path::Path;

use super::super::file::{Node, Value, read};
use super::super::keys::{FILE, Key, Kind};
use super::{Config, QUERY, Workplace};
use crate::machine::Rng;

pub(super) const SHIPPED: &str = include_str!("../../../../ecosystem.toml");
const DOCUMENTED: &str = include_str!("../../../../docs/config.md");

/// The shipped file with every key that is commented out taken into use.
pub(super) fn everything_enabled() -> String {
    let key_or_table = |rest: &str| {
        let name = rest.split([' ', '=']).next().unwrap_or_default();
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
        rest.starts_with("[apps.")
            || (!name.is_empty()
                && name.chars().all(plain)
                && rest[name.len()..].starts_with(" = "))
    };
    SHIPPED
        .lines()
        .map(|line| match line.strip_prefix("# ") {
            Some(rest) if key_or_table(rest) => format!("{rest}\n"),
            Some(_) | None => format!("{line}\n"),
        })
        .collect()
}

/// The paths of all keys, as in `apps.NAME.pool.min`.
fn paths(keys: &'static [Key], parent: &str, into: &mut BTreeSet<String>) {
    for key in keys {
        let path = format!("{parent}{}", key.name);
        match key.kind {
            Kind::Table(keys) => paths(keys, &format!("{path}."), into),
            Kind::Named(_) if key.name == "environments" => {}
            // Its members have the keys of another table.
            Kind::Named(_) if key.name == "connections" => {
                into.insert(format!("{path}.NAME"));
            }
            Kind::Named(keys) => paths(keys, &format!("{path}.NAME."), into),
            _ => drop(into.insert(path)),
        }
    }
}

fn known() -> BTreeSet<String> {
    let mut known = BTreeSet::new();
    paths(FILE, "", &mut known);
    known
}

/// The paths of keys that the shipped file shows as an example only: they are not for its app.
fn examples() -> BTreeSet<String> {
    let mut table = "apps.NAME".to_owned();
    let mut examples = BTreeSet::new();
    for line in SHIPPED.lines() {
        let header = line.trim_start_matches(['#', ' ']).strip_prefix("[apps.query");
        if let Some((rest, _)) = header.and_then(|rest| rest.split_once(']')) {
            table = format!("apps.NAME{rest}").replace(".clients.assistant", ".clients.NAME");
        }
        if let Some((name, _)) = line.strip_prefix("#   ").and_then(|rest| rest.split_once(" = ")) {
            examples.insert(format!("{table}.{name}"));
        }
    }
    examples
}

fn written(node: &Node, into: &mut BTreeSet<String>) {
    match &node.value {
        Value::Table(entries) if !node.key.ends_with(".env") => {
            entries.values().for_each(|entry| written(&entry.node, into));
        }
        _ => drop(into.insert(node.key.replace("apps.query", "apps.NAME"))),
    }
}

fn defaults(config: &Config) -> Config {
    let mut config = config.clone();
    for app in config.apps.values_mut() {
        app.variables.clear();
        app.written.clear();
        app.goal.fingerprint = crate::machine::Fingerprint(0);
    }
    config.places.clear();
    config
}

#[test]
fn the_shipped_file_is_valid_in_every_environment() {
    let workplace = Workplace::new();
    for environment in [None, Some("development"), Some("staging"), Some("production")] {
        let config = workplace.load(SHIPPED, environment).unwrap_or_else(|why| panic!("{why}"));
        assert_eq!(config.apps.len(), 1);
    }
    assert!(SHIPPED.lines().count() <= 300);
}

#[test]
fn the_shipped_file_names_every_key_with_its_default() {
    let workplace = Workplace::new();
    let path = workplace.directory.path().join("all.toml");
    std::fs::write(&path, everything_enabled()).unwrap();
    let root = read(&path).unwrap_or_else(|why| panic!("{why}")).root;
    let mut names = BTreeSet::new();
    written(&root, &mut names);
    names.retain(|name| !name.starts_with("environments."));
    let examples = examples();
    assert!(examples.len() >= 9, "{examples:?}");
    names.extend(examples);
    assert_eq!(names, known());
    // Without the presets of a familiar environment.
    let load = |text: &str| {
        let text = format!("{text}\n[environments.plain]\n");
        workplace.load(text, Some("plain")).unwrap_or_else(|why| panic!("{why}"))
    };
    let (all, short) = (load(&everything_enabled()), load(SHIPPED));
    assert_eq!(defaults(&all), defaults(&short));
}

#[test]
fn the_documentation_names_every_key_and_no_other() {
    let (_, rows) = DOCUMENTED.split_once("\n## Every key\n").unwrap();
    let documented: BTreeSet<String> = rows
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once('`'))
        .map(|(key, _)| key.to_owned())
        .collect();
    assert_eq!(documented, known());
}

#[test]
fn the_examples_in_the_table_of_keys_are_documented_as_defaults() {
    fn check(keys: &'static [Key], parent: &str) {
        for key in keys {
            let path = format!("{parent}{}", key.name);
            match key.kind {
                Kind::Table(keys) => check(keys, &format!("{path}.")),
                Kind::Named(_) if ["environments", "connections"].contains(&key.name) => {}
                Kind::Named(keys) => check(keys, &format!("{path}.NAME.")),
                Kind::Variables => {}
                _ => {
                    let row = format!("| `{path}` | `{}` |", key.example);
                    assert!(DOCUMENTED.contains(&row), "no row begins with {row}");
                }
            }
        }
    }
    check(FILE, "");
}

/// Single edits of a word: a letter left out, doubled, changed, or swapped with the next.
fn slips(word: &str, rng: &mut Rng) -> Vec<String> {
    let letters: Vec<char> = word.chars().collect();
    let mut slips = Vec::new();
    for index in 0..letters.len() {
        let mut edit = |change: &mut dyn FnMut(&mut Vec<char>)| {
            let mut letters = letters.clone();
            change(&mut letters);
            slips.push(letters.into_iter().collect::<String>());
        };
        let letter = char::from(b'a' + u8::try_from(rng.below(26)).unwrap());
        edit(&mut |letters| {
            letters.remove(index);
        });
        edit(&mut |letters| letters.insert(index, letters[index]));
        edit(&mut |letters| letters[index] = letter);
        edit(&mut |letters| letters.insert(index, letter));
        if index + 1 < letters.len() {
            edit(&mut |letters| letters.swap(index, index + 1));
        }
    }
    slips.retain(|slip| slip != word && !slip.is_empty());
    slips
}

#[test]
fn slips_of_the_finger_are_refused_and_nearly_always_understood() {
    fn try_all(keys: &'static [Key], table: &str, tally: &mut (u32, u32), workplace: &Workplace) {
        for key in keys {
            let mut rng = Rng::new(7);
            for slip in slips(key.name, &mut rng) {
                if keys.iter().any(|key| key.name == slip) {
                    continue;
                }
                let header = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
                let text = match table {
                    "apps.query" => format!("{QUERY}\"{slip}\" = 1\n"),
                    "" => format!("\"{slip}\" = 1\n{QUERY}"),
                    _ => format!("{QUERY}{header}\"{slip}\" = 1\n"),
                };
                let shown = workplace.problems(text, None);
                assert!(shown.contains("unknown key"), "{table} {slip}: {shown}");
                tally.0 += 1;
                tally.1 += u32::from(shown.contains(&format!("did you mean `{}`?", key.name)));
            }
            let below = match (table, key.kind.members()) {
                (_, Some(_)) if key.name == "environments" => continue,
                ("", Some(keys)) if key.name == "apps" => ("apps.query".to_owned(), keys),
                ("", Some(keys)) => (key.name.to_owned(), keys),
                (table, Some(keys)) if matches!(key.kind, Kind::Named(_)) => {
                    (format!("{table}.{}.other", key.name), keys)
                }
                (table, Some(keys)) => (format!("{table}.{}", key.name), keys),
                (_, None) => continue,
            };
            try_all(below.1, &below.0, tally, workplace);
        }
    }
    let mut tally = (0, 0);
    try_all(FILE, "", &mut tally, &Workplace::new());
    let (refused, understood) = tally;
    assert!(refused >= 60, "{refused}");
    assert!(understood * 100 >= refused * 90, "{understood} of {refused} understood");
}

#[test]
fn every_wrong_type_is_refused() {
    fn try_all(keys: &'static [Key], table: &str, tally: &mut u32, workplace: &Workplace) {
        for key in keys {
            let path = format!("{table}{}", key.name);
            if let Some(keys) = key.kind.members() {
                let name = if matches!(key.kind, Kind::Named(_)) { "other." } else { "" };
                try_all(keys, &format!("{path}.{name}"), tally, workplace);
                continue;
            }
            let wrong = ["-7", "[[1]]", "2026-01-01", "{ odd = { odd = 1 } }"];
            for value in wrong {
                // A niceness may well be below zero.
                let value =
                    if matches!(key.kind, Kind::Nice) && value == "-7" { "-21" } else { value };
                let text = format!("apps.query.{path} = {value}\n");
                let shown = workplace.problems(&text, None);
                assert!(shown.contains(&format!("apps.query.{path}")), "{text}{shown}");
                assert!(shown.contains("; "), "{text}{shown}");
                *tally += 1;
            }
        }
    }
    let Some(Key { kind: Kind::Named(app), .. }) = FILE.iter().find(|key| key.name == "apps")
    else {
        panic!("apps is a table");
    };
    let mut tally = 0;
    try_all(app, "", &mut tally, &Workplace::new());
    assert!(tally > 100, "{tally}");
    assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("../ecosystem.toml").exists());
}
