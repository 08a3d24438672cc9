//! The roads into a configuration: from other process managers and servers, or from nothing.
//!
//! Pure translation: what was written goes in, a [`Draft`] comes out, with a word about every key.
//! No file is opened here and no program started. Each origin has one file or folder; all write
//! through `document`.

mod document;
mod env;
mod fresh;
mod labs;
mod notes;
mod pm2;
mod supervisord;
mod units;
mod words;
mod written;

#[cfg(test)]
mod tests;

use std::path::{Component, Path, PathBuf};

use crate::machine::INSTANCES_MAX;

pub use env::env;
pub use fresh::{APP, Choice, Fresh, LISTEN, app_name, command, fresh, unread};
pub use labs::labs;
pub use pm2::{Syntax, pm2, syntax};
pub use supervisord::{Part, includes, supervisord};

/// A configuration that was written for somebody, and what became of what they had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// The new file.
    pub toml: String,
    /// Keys of the origin that became keys of the new file.
    pub translated: Vec<Note>,
    /// Keys of the origin without a counterpart, with the reason.
    pub dropped: Vec<Note>,
    /// Keys that the origin does not know either.
    pub unknown: Vec<Note>,
    /// What a person must look at.
    pub questions: Vec<Note>,
}

/// A word about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Note {
    /// The key.
    pub key: String,
    /// The word.
    pub words: String,
}

/// What a translation is told about the place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// Where the origin's relative paths start, absolute.
    pub base: PathBuf,
    /// Where the new file is to lie, absolute.
    pub home: PathBuf,
    /// How many processors this machine has.
    pub processors: u32,
}

/// Why nothing can be translated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Untranslatable(pub String);

impl Place {
    /// A path of the origin as the new file writes it: unchanged where both start at the same
    /// directory or a variable says where it starts, absolute where they do not.
    fn path(&self, written: &str) -> String {
        // Where a path begins that begins with a variable, is for the variable to say.
        match self.base == self.home || document::begins_with_variable(written) {
            true => written.to_owned(),
            false => lexical(&self.base.join(written)).display().to_string(),
        }
    }

    /// The directory of an app, which runs where its file lies when nothing says otherwise; `None`
    /// where that is so here as well.
    fn cwd(&self, written: Option<&str>) -> Option<String> {
        match written {
            Some(written) => Some(self.path(written)),
            None => (self.base != self.home).then(|| self.base.display().to_string()),
        }
    }
}

/// A path without `.` and without `..` where that can be told from the path alone.
fn lexical(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for part in path.components() {
        match part {
            Component::CurDir => {}
            Component::ParentDir if clean.file_name().is_some_and(|name| name != "..") => {
                clean.pop();
            }
            Component::ParentDir
            | Component::RootDir
            | Component::Prefix(_)
            | Component::Normal(_) => clean.push(part),
        }
    }
    clean
}

/// A name as an app or an environment may have it.
fn plain_name(wanted: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let name: String = wanted.chars().map(plain).take(64).collect();
    let name = name.trim_start_matches(['.', '-']);
    if name.is_empty() { "app".to_owned() } else { name.to_owned() }
}

/// The name, or the name with a number, that is not taken yet.
fn free_name(wanted: &str, taken: &[String]) -> String {
    let name = plain_name(wanted);
    let numbered = (2..).map(|number| {
        let tail = format!("-{number}");
        format!("{}{tail}", &name[..name.len().min(64 - tail.len())])
    });
    std::iter::once(name.clone())
        .chain(numbered)
        .find(|name| !taken.contains(name))
        .expect("there are more numbers than apps")
}

/// Whether a variable of this name is likely to hold a secret.
fn looks_secret(name: &str) -> bool {
    let name = name.to_uppercase();
    ["PASSWORD", "PASSWD", "PASSPHRASE", "SECRET", "TOKEN", "APIKEY", "API_KEY", "PRIVATE_KEY"]
        .iter()
        .any(|word| name.contains(word))
}

/// Whether the supervisor keeps this variable for itself.
fn is_ours(name: &str) -> bool {
    name.starts_with("MCP_SUPERVISOR_") || name.starts_with("LISTEN_")
}
