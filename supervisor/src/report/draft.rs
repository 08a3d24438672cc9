//! What became of a configuration that was translated: for a person, on standard error.

use crate::roads::{Draft, Note};

use super::printable;

/// The words about a draft; `origin` is the name of what was translated.
#[must_use]
pub fn draft(draft: &Draft, origin: &str) -> String {
    let counts = [
        (draft.translated.len(), "translated"),
        (draft.dropped.len(), "left out"),
        (draft.unknown.len(), "unknown"),
    ];
    let counts: Vec<String> =
        counts.iter().map(|(count, what)| format!("{count} {what}")).collect();
    let mut text = format!("{origin}: keys: {}\n", counts.join(", "));
    if !draft.translated.is_empty() {
        text.push_str("\ntranslated\n");
        let width = draft.translated.iter().map(|note| note.key.chars().count()).max();
        let width = width.unwrap_or(0).min(40);
        for Note { key, words } in &draft.translated {
            text.push_str(&format!("  {key:<width$}  -> {words}\n"));
        }
    }
    for (title, notes) in [
        ("left out", &draft.dropped),
        ("unknown, left out", &draft.unknown),
        ("look at", &draft.questions),
    ] {
        if notes.is_empty() {
            continue;
        }
        text.push_str(&format!("\n{title}\n"));
        for (words, keys) in by_words(notes) {
            text.push_str(&format!("  {}: {words}\n", keys.join(", ")));
        }
    }
    // What was translated may hold anything, and a terminal obeys some of it.
    text.lines().map(|line| format!("{}\n", printable(line.as_bytes()))).collect()
}

/// Keys with the same words together, in the order of the first of them.
fn by_words(notes: &[Note]) -> Vec<(&str, Vec<&str>)> {
    let mut groups: Vec<(&str, Vec<&str>)> = Vec::new();
    for note in notes {
        match groups.iter_mut().find(|(words, _)| *words == note.words) {
            Some((_, keys)) => keys.push(&note.key),
            None => groups.push((&note.words, vec![&note.key])),
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(key: &str, words: &str) -> Note {
        Note { key: key.to_owned(), words: words.to_owned() }
    }

    #[test]
    fn reasons_are_told_once_and_nothing_reaches_the_terminal_raw() {
        let told = draft(
            &Draft {
                toml: String::new(),
                translated: vec![note("web.script", "apps.web.exec = [\"a\"]")],
                dropped: vec![note("a.log", "kept"), note("a.uid", "no"), note("b.log", "kept")],
                unknown: vec![note("web.\u{1b}[31m", "nobody knows it")],
                questions: Vec::new(),
            },
            "file",
        );
        assert!(told.starts_with("file: keys: 1 translated, 3 left out, 1 unknown\n"), "{told}");
        assert!(told.contains("\n  a.log, b.log: kept\n  a.uid: no\n"), "{told}");
        assert!(!told.contains('\u{1b}') && !told.contains("look at"), "{told}");
    }
}
