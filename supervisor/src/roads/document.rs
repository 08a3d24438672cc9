//! A TOML file in the making: tables in order, keys with remarks above them.

use std::fmt::Write as _;

use crate::config::escaped;
use crate::config::toml_text::{key, list, name, quoted};

/// A file: remarks at its head, then tables.
#[derive(Debug, Default)]
pub(super) struct Document {
    head: Vec<String>,
    tables: Vec<Table>,
}

/// `[a.b]` and what stands below it.
#[derive(Debug)]
pub(super) struct Table {
    path: Vec<String>,
    lines: Vec<Line>,
}

#[derive(Debug)]
enum Line {
    Remark(String),
    Entry {
        name: String,
        value: Value,
    },
    /// A key that is not in use, for a person to take into use.
    Suggestion {
        name: String,
        value: Value,
    },
}

/// What may be written behind a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(String),
    Number(i64),
    Truth(bool),
    Texts(Vec<String>),
    Numbers(Vec<i64>),
    /// A text that was written for a configuration, with its references to variables.
    Written(String),
    AllWritten(Vec<String>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Value {
        Value::Text(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Value {
        Value::Text(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Value {
        Value::Number(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Value {
        Value::Truth(truth)
    }
}

impl From<Vec<String>> for Value {
    fn from(texts: Vec<String>) -> Value {
        Value::Texts(texts)
    }
}

impl From<Vec<i64>> for Value {
    fn from(numbers: Vec<i64>) -> Value {
        Value::Numbers(numbers)
    }
}

/// What stands around the name of a variable until it is written; nobody's text has these.
const REFERENCE: [char; 2] = ['\u{f8fe}', '\u{f8ff}'];

/// A variable of the environment, for use within a text.
pub(super) fn variable(name: &str) -> String {
    let [begin, end] = REFERENCE;
    format!("{begin}{name}{end}")
}

/// Whether a text begins with a variable of the environment.
pub(super) fn begins_with_variable(text: &str) -> bool {
    text.starts_with(REFERENCE[0])
}

/// A key as a list of names.
pub(super) fn path(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

impl Document {
    /// A remark above everything.
    pub(super) fn head(&mut self, text: &str) {
        self.head.push(text.to_owned());
    }

    /// The table of this name; made at the end when it is not there.
    pub(super) fn table(&mut self, names: &[&str]) -> &mut Table {
        let path = path(names);
        let index = self.tables.iter().position(|table| table.path == path);
        let index = index.unwrap_or_else(|| {
            self.tables.push(Table { path, lines: Vec::new() });
            self.tables.len() - 1
        });
        &mut self.tables[index]
    }

    /// Puts the tables of another document behind these.
    pub(super) fn append(&mut self, mut other: Document) {
        self.tables.append(&mut other.tables);
    }

    /// Whether anything stands in such a table.
    pub(super) fn has(&self, names: &[&str]) -> bool {
        let path = path(names);
        self.tables.iter().any(|table| table.path == path && !table.lines.is_empty())
    }

    /// The value of a key, as it is written.
    pub(super) fn value(&self, path: &[String]) -> Option<String> {
        let (name, parent) = path.split_last()?;
        let table = self.tables.iter().find(|table| table.path == parent)?;
        table.lines.iter().find_map(|line| match line {
            Line::Entry { name: known, value } if known == name => Some(literal(value)),
            Line::Entry { .. } | Line::Suggestion { .. } | Line::Remark(_) => None,
        })
    }

    /// The file, environments at its end. Tables without a line are left out.
    pub(super) fn text(&self) -> String {
        let mut text = String::new();
        for remark in &self.head {
            push_remark(&mut text, remark);
        }
        let of_environments = |table: &&Table| table.path[0] == "environments";
        let first = self.tables.iter().filter(|table| !of_environments(table));
        let tables = first.chain(self.tables.iter().filter(of_environments));
        for table in tables.filter(|table| !table.lines.is_empty()) {
            if !text.is_empty() {
                text.push('\n');
            }
            let in_use = table.lines.iter().any(|line| matches!(line, Line::Entry { .. }));
            let mark = if in_use || table.path.len() == 2 { "" } else { "# " };
            let _ = writeln!(text, "{mark}[{}]", key(&table.path));
            for line in &table.lines {
                match line {
                    Line::Remark(remark) => push_remark(&mut text, remark),
                    Line::Entry { name: own, value } => {
                        let _ = writeln!(text, "{} = {}", name(own), literal(value));
                    }
                    Line::Suggestion { name: own, value } => {
                        let _ = writeln!(text, "# {} = {}", name(own), literal(value));
                    }
                }
            }
        }
        text
    }
}

impl Table {
    pub(super) fn set(&mut self, name: &str, value: impl Into<Value>) {
        let value = value.into();
        let known = self.lines.iter_mut().find_map(|line| match line {
            Line::Entry { name: known, value } if known == name => Some(value),
            Line::Entry { .. } | Line::Suggestion { .. } | Line::Remark(_) => None,
        });
        match known {
            Some(known) => *known = value,
            None => {
                // What is in use is no suggestion any more.
                let suggested = self.lines.iter().position(|line| {
                    matches!(line, Line::Suggestion { name: known, value: one }
                        if known == name && *one == value)
                });
                let entry = Line::Entry { name: name.to_owned(), value };
                match suggested {
                    Some(index) => self.lines[index] = entry,
                    None => self.lines.push(entry),
                }
            }
        }
    }

    pub(super) fn set_some(&mut self, name: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.set(name, value);
        }
    }

    pub(super) fn remark(&mut self, text: &str) {
        self.lines.push(Line::Remark(text.to_owned()));
    }

    pub(super) fn suggest(&mut self, name: &str, value: impl Into<Value>) {
        self.lines.push(Line::Suggestion { name: name.to_owned(), value: value.into() });
    }
}

/// The longest line of a remark, in characters, its mark included.
const REMARK_WIDTH: usize = 100;

fn push_remark(text: &mut String, remark: &str) {
    for line in remark.lines() {
        let mut width = 0;
        for word in line.split_whitespace() {
            let length = word.chars().count() + 1;
            if width == 0 || width + length > REMARK_WIDTH {
                text.push_str(if width == 0 { "#" } else { "\n#" });
                width = 1;
            }
            text.push(' ');
            text.extend(word.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }));
            width += length;
        }
        text.push_str(if width == 0 { "#\n" } else { "\n" });
    }
}

fn literal(value: &Value) -> String {
    match value {
        Value::Text(text) => text_literal(text),
        Value::Number(number) => number.to_string(),
        Value::Truth(truth) => truth.to_string(),
        Value::Texts(texts) => list(texts.iter().map(|text| text_literal(text))),
        Value::Written(text) => quoted(text),
        Value::AllWritten(texts) => list(texts.iter().map(|text| quoted(text))),
        Value::Numbers(numbers) => list(numbers.iter().map(ToString::to_string)),
    }
}

/// A value on one line, whatever is in it; only in values are variables replaced.
fn text_literal(text: &str) -> String {
    let [begin, end] = REFERENCE;
    quoted(&escaped(text).replace(begin, "${").replace(end, "}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_comes_back_as_it_was() {
        let mut texts: Vec<String> =
            (0..=0x2100).filter_map(char::from_u32).map(String::from).collect();
        texts.push("a \"b\" 'c' \\ $x ${y} {z} \n\r\t # [x] = é 漢 🦀".to_owned());
        for text in texts {
            let mut document = Document::default();
            document.table(&["apps", &text]).set(&text, text.as_str());
            let table: toml::Table = document.text().parse().unwrap();
            let written = escaped(&text);
            assert_eq!(table["apps"][&text][&text].as_str(), Some(written.as_str()));
        }
    }

    #[test]
    fn what_is_not_in_use_is_commented_out_and_remarks_are_wrapped() {
        let mut document = Document::default();
        document.head("One.\n\nTwo.");
        let app = document.table(&["apps", "web"]);
        app.remark(&"word ".repeat(30));
        app.suggest("listen", "127.0.0.1:3000");
        document.table(&["apps", "web", "health", "probe"]).suggest("http", "http://x/");
        document.table(&["apps", "web", "env"]);
        let text = document.text();
        assert!(text.starts_with("# One.\n#\n# Two.\n\n[apps.web]\n# word"), "{text}");
        assert!(
            text.contains("# listen = \"127.0.0.1:3000\"\n\n# [apps.web.health.probe]\n# http")
        );
        assert!(!text.contains("env"));
        assert!(text.lines().all(|line| line.len() <= REMARK_WIDTH), "{text}");
    }
}
