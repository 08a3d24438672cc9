//! The configuration in force, as a file and as JSON.

use serde_json::{Map, Value, json};

use crate::config::toml_text::{key, list, name, quoted};
use crate::config::{Effective, Setting, escaped};

/// What is shown in place of a value that is shown to nobody.
const HIDDEN: &str = "***";

/// A file that means the same as all that has a say; with origins as comments, if wanted.
///
/// What is hidden stands in it as a comment: as a line of the file, it would hand `***` to programs.
#[must_use]
pub fn effective_toml(effective: &Effective, origins: bool) -> String {
    let by = effective.chosen_by.as_ref().map(|by| format!(", chosen by {by}")).unwrap_or_default();
    let mut text = comment(&format!(
        "{} in the environment {}{by}",
        effective.file.display(),
        effective.environment
    ));
    if effective.tables.iter().flat_map(|table| &table.settings).any(|one| one.value.is_none()) {
        let words = format!(
            "Lines with \"{HIDDEN}\" are comments, for their values are hidden: put in what no \
             variable gives."
        );
        text.push_str(&comment(&words));
    }
    for table in &effective.tables {
        text.push_str(&format!("\n[{}]\n", key(&table.path)));
        table.settings.iter().for_each(|one| text.push_str(&line(one, origins)));
    }
    if effective.must_be_written {
        text.push_str(&format!("\n[environments.{}]\n", name(&effective.environment)));
    }
    text
}

fn line(setting: &Setting, origins: bool) -> String {
    let (line, hidden) = match &setting.value {
        Some(value) => (format!("{} = {}", name(&setting.name), toml(value)), None),
        None => {
            let line = format!("# {} = {}", name(&setting.name), quoted(HIDDEN));
            (line, Some("hidden".to_owned()))
        }
    };
    let from = origins.then(|| format!("from {}", setting.origin));
    let words: Vec<String> = hidden.into_iter().chain(from).collect();
    match words.is_empty() {
        true => format!("{line}\n"),
        false => format!("{line:<36} {}", comment(&words.join(", "))),
    }
}

/// A comment on a line of its own or at the end of one; names of files may hold anything.
fn comment(words: &str) -> String {
    format!("# {}\n", words.replace(|c: char| c.is_control(), "?"))
}

fn toml(value: &Value) -> String {
    match value {
        Value::String(words) => quoted(&escaped(words)),
        Value::Array(items) => list(items.iter().map(toml)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// The same for programs: the tree of values, and each key's origin.
#[must_use]
pub fn effective_json(effective: &Effective) -> Value {
    // A table that is not there yet becomes one when something is put into it.
    let mut tree = Value::Null;
    let mut origins = Map::new();
    for table in &effective.tables {
        for one in &table.settings {
            let names = table.path.iter().chain([&one.name]);
            let place = names.fold(&mut tree, |place, name| &mut place[name.as_str()]);
            *place = one.value.clone().unwrap_or_else(|| Value::from(HIDDEN));
            let full = format!("{}.{}", key(&table.path), name(&one.name));
            origins.insert(full, Value::from(one.origin.clone()));
        }
    }
    json!({
        "config_file": effective.file, "environment": effective.environment,
        "chosen_by": effective.chosen_by, "sources": effective.sources,
        "configuration": tree, "origins": origins,
    })
}
