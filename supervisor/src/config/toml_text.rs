//! Names, keys and texts as a file has them: the one place that knows what TOML wants in quotes.
//!
//! What is written here is read as TOML as it was. That a `$` refers to a variable is no matter of
//! TOML: whoever writes a value sees to it.

use std::fmt::Write as _;

/// Whether a name of a key needs no quotes.
pub(super) fn is_bare(name: &str) -> bool {
    let bare = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    !name.is_empty() && name.chars().all(bare)
}

/// A name of a key.
pub(crate) fn name(name: &str) -> String {
    if is_bare(name) { name.to_owned() } else { quoted(name) }
}

/// A key as one writes it: `apps."a b".env`.
pub(crate) fn key(path: &[String]) -> String {
    path.iter().map(|part| name(part)).collect::<Vec<_>>().join(".")
}

/// A text on one line, in quotes.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = "\"".to_owned();
    for letter in text.chars() {
        match letter {
            '"' => quoted.push_str("\\\""),
            '\\' => quoted.push_str("\\\\"),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            control if control.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(control));
            }
            letter => quoted.push(letter),
        }
    }
    quoted.push('"');
    quoted
}

/// A list on one line, of values as they are written.
pub(crate) fn list(values: impl IntoIterator<Item = String>) -> String {
    format!("[{}]", values.into_iter().collect::<Vec<_>>().join(", "))
}
