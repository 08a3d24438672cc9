//! What became of each key of the origin, collected while it is translated.

use super::document::Document;
use super::{Draft, Note};
use crate::config::toml_text;

/// Each key of the origin goes into exactly one of the first three.
#[derive(Debug, Default)]
pub(super) struct Notes {
    translated: Vec<(String, Became)>,
    dropped: Vec<Note>,
    unknown: Vec<Note>,
    questions: Vec<Note>,
}

/// What a key became: keys, whose values are told at the end, or what holds anyway.
#[derive(Debug)]
enum Became {
    Keys(Vec<Vec<String>>),
    Words(String),
}

impl Notes {
    /// This key became those.
    pub(super) fn translated(&mut self, key: impl Into<String>, into: Vec<Vec<String>>) {
        self.translated.push((key.into(), Became::Keys(into)));
    }

    /// What this key asks for holds without a key.
    pub(super) fn holds(&mut self, key: impl Into<String>, words: impl Into<String>) {
        self.translated.push((key.into(), Became::Words(words.into())));
    }

    /// This key has no counterpart, or needs none.
    pub(super) fn dropped(&mut self, key: impl Into<String>, reason: impl Into<String>) {
        self.dropped.push(Note { key: key.into(), words: reason.into() });
    }

    /// This key is none of the origin's either.
    pub(super) fn unknown(&mut self, key: impl Into<String>, words: impl Into<String>) {
        self.unknown.push(Note { key: key.into(), words: words.into() });
    }

    /// Something that a person must look at, by the key of the new file or of the old one.
    pub(super) fn question(&mut self, key: impl Into<String>, words: impl Into<String>) {
        self.questions.push(Note { key: key.into(), words: words.into() });
    }

    /// The draft, with the values that the document has now.
    pub(super) fn finish(self, document: &Document) -> Draft {
        let translated = self.translated.into_iter().map(|(key, into)| {
            let words = match into {
                Became::Words(words) => words,
                Became::Keys(keys) => {
                    let words = keys.iter().map(|path| in_words(document, path));
                    words.collect::<Vec<_>>().join(", ")
                }
            };
            Note { key, words }
        });
        Draft {
            toml: document.text(),
            translated: translated.collect(),
            dropped: self.dropped,
            unknown: self.unknown,
            questions: self.questions,
        }
    }
}

/// A key with its value; never the value of a variable, which may be a secret.
fn in_words(document: &Document, path: &[String]) -> String {
    let key = toml_text::key(path);
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    match document.value(path) {
        _ if path.iter().any(|name| name == "env") => key,
        Some(value) => format!("{key} = {value}"),
        None if document.has(&names) => key,
        None => format!("{key}: the default"),
    }
}
