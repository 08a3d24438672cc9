//! What became of variables that were translated: for a person, on standard error.

use crate::config::Imported;

use super::words::printable;

/// The words about a translation; `origin` is the name of what was translated.
#[must_use]
pub fn imported(imported: &Imported, origin: &str) -> String {
    let Imported { toml: _, translated, dropped, questions } = imported;
    let mut text =
        format!("{origin}: {} translated, {} left out\n", translated.len(), dropped.len());
    let width = |list: &[(String, String)]| list.iter().map(|(name, _)| name.len()).max();
    let width = width(translated).max(width(dropped)).unwrap_or(0).min(40);
    for (title, list) in [("translated", translated), ("left out", dropped)] {
        if !list.is_empty() {
            text.push_str(&format!("\n{title}\n"));
        }
        for (name, words) in list {
            text.push_str(&format!("  {name:<width$}  {words}\n"));
        }
    }
    if !questions.is_empty() {
        text.push_str("\nlook at\n");
    }
    for question in questions {
        text.push_str(&format!("  {question}\n"));
    }
    // What was translated may hold anything, and a terminal obeys some of it.
    text.lines().map(|line| format!("{}\n", printable(line.as_bytes()))).collect()
}
