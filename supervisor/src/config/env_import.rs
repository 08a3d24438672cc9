//! What the variables of a `.env` file of another server mean, key by key.
//!
//! Pure: a text in, keys and a word about every variable out; the file is written by others. No
//! secret is copied: its key names the variable, which the `.env` file or the environment goes on
//! to hold.

use std::collections::BTreeMap;

use super::dotenv;
use super::interpolation::{Otherwise, Piece, escaped};
use super::keys::{Kind, is_secret};
use super::variables::{OurApp, Override, Translation, overrides};
use super::{presets, tree};

/// What the variables of a file mean, and what becomes of each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct EnvMeaning {
    /// Keys, in the order of their tables.
    pub(crate) keys: Vec<MeantKey>,
    /// Variables that need no key of their own, and why.
    pub(crate) held: Vec<(String, String)>,
    /// Variables that were left out, and why.
    pub(crate) dropped: Vec<(String, String)>,
    /// What a person must look at: a variable or a line, and why.
    pub(crate) questions: Vec<(String, String)>,
}

/// A key that a variable means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MeantKey {
    pub(crate) variable: String,
    pub(crate) path: Vec<String>,
    pub(crate) value: MeantValue,
}

/// Its value; texts are as they are written in a configuration, with their references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum MeantValue {
    Number(u32),
    Text(String),
    Texts(Vec<String>),
}

/// What the text of a `.env` file means for the app of this name.
pub(crate) fn meant_by_env(text: &str, app: &str) -> EnvMeaning {
    let (variables, bad_lines) = parse(text);
    let get = |name: &str| variables.get(name).cloned();
    let app = [OurApp { name: app.to_owned(), listen: None }];
    let base = overrides(&get, "", &app, None);
    let mut meaning = EnvMeaning { questions: bad_lines, ..EnvMeaning::default() };
    meaning.take(&[], &base);
    let mut used = base.used.clone();
    for environment in presets::environments() {
        let mut own = overrides(&get, environment, &app, None);
        own.overrides.retain(|one| !base.overrides.contains(one));
        own.notes.retain(|one| !base.notes.contains(one));
        own.problems.retain(|one| !base.problems.contains(one));
        used.append(&mut own.used);
        meaning.take(&["environments", environment], &own);
    }
    for (name, value) in &variables {
        let is_key = meaning.keys.iter().any(|key| key.variable == *name);
        if is_key || meaning.dropped.iter().any(|(known, _)| known == name) {
            continue;
        }
        if used.contains(name) {
            let words = "part of another line here, or so anyway".to_owned();
            meaning.held.push((name.clone(), words));
            continue;
        }
        let why = match name.as_str() {
            "ENVIRONMENT" | "MCP_ENV" => format!("start with `mcp-supervisor start --env {value}`"),
            _ if value.is_empty() => "it is empty".to_owned(),
            _unknown => "it is no setting that is known".to_owned(),
        };
        meaning.dropped.push((name.clone(), why));
    }
    meaning
}

impl EnvMeaning {
    /// Takes in what the variables mean, in the tables below this one.
    fn take(&mut self, below: &[&str], translation: &Translation) {
        for Override { variable, key_path, value } in &translation.overrides {
            let secret = is_secret(&key_path.join("."));
            let value = match (tree::kind(key_path), value.parse()) {
                // What refers to a variable already goes on to do so.
                _ if secret && !is_reference(value) => MeantValue::Text(format!("${{{variable}}}")),
                (Some(Kind::Count { .. }), Ok(number)) => MeantValue::Number(number),
                (Some(Kind::Texts), _) => {
                    let words = value.split(',').map(str::trim).filter(|word| !word.is_empty());
                    MeantValue::Texts(words.map(str::to_owned).collect())
                }
                (Some(_) | None, _) => MeantValue::Text(value.clone()),
            };
            let path = below.iter().map(|name| (*name).to_owned()).chain(key_path.iter().cloned());
            self.keys.push(MeantKey { variable: variable.clone(), path: path.collect(), value });
        }
        for note in &translation.notes {
            self.dropped.push((note.variable.clone(), note.why.clone()));
        }
        let problems = translation.problems.iter();
        self.questions.extend(problems.map(|one| (one.variable.clone(), one.why.clone())));
    }
}

/// Whether a text, as it is written in a configuration, is nothing but `${NAME}`.
fn is_reference(text: &str) -> bool {
    let inside = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    inside.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// The variables of a `.env` file, the last one of a name, and what is wrong with lines of it.
///
/// Values are as they are written in a configuration: `$$` is a dollar, `${NAME}` a reference.
fn parse(text: &str) -> (BTreeMap<String, String>, Vec<(String, String)>) {
    let (assignments, faults) = dotenv::parse(text);
    let variables = assignments.into_iter().map(|one| (one.name, written(&one.pieces)));
    let bad = faults.into_iter().map(|(place, words)| (format!("line {}", place.line), words));
    (variables.collect(), bad.collect())
}

/// A text as it is written in a configuration, with its references to variables.
fn written(pieces: &[Piece]) -> String {
    let one = |piece: &Piece| match piece {
        Piece::Literal(text) => escaped(text),
        Piece::Variable { name, otherwise: Otherwise::Refuse } => format!("${{{name}}}"),
        Piece::Variable { name, otherwise: Otherwise::Default(text) } => {
            format!("${{{name}:-{}}}", written(text))
        }
        Piece::Variable { name, otherwise: Otherwise::Message(text) } => {
            format!("${{{name}:?{text}}}")
        }
    };
    pieces.iter().map(one).collect()
}
