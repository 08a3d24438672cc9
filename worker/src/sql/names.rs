//! Names of objects in a statement, and in its texts, as the account knows them.
//!
//! Without quotes a name folds to upper case; in double quotes it stays, and `""` is a quote.

use super::lexer::Token;

/// One name as the account knows it.
pub(super) fn folded(token: &Token<'_>) -> String {
    let name = token.name().unwrap_or_default();
    if token.text.starts_with('"') { name.replace("\"\"", "\"") } else { name.to_ascii_uppercase() }
}

/// The parts of a name that is a whole text, with its quotes; none when it cannot be seen.
pub(super) fn of_text(text: &str) -> Option<Vec<String>> {
    let single = text.strip_prefix('\'').and_then(|text| text.strip_suffix('\''));
    let content = match single {
        Some(content) if content.contains(['\\', '\'']) => return None,
        Some(content) => content,
        None => text.strip_prefix("$$").and_then(|text| text.strip_suffix("$$"))?,
    };
    let parts = leading(content);
    (!parts.is_empty()).then_some(parts)
}

/// The parts of the name with which a text begins, up to what cannot be in one.
pub(super) fn leading(text: &str) -> Vec<String> {
    let mut parts = Vec::new();
    let mut rest = text.trim_start();
    loop {
        let Some((part, behind)) = part(rest) else { return parts };
        parts.push(part);
        match behind.trim_start().strip_prefix('.') {
            Some(next) => rest = next.trim_start(),
            None => return parts,
        }
        // `db..table` leaves the schema out.
        if let Some(next) = rest.strip_prefix('.') {
            parts.push(String::new());
            rest = next.trim_start();
        }
    }
}

fn part(text: &str) -> Option<(String, &str)> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut from = 0;
        while let Some(offset) = quoted[from..].find('"') {
            let at = from + offset;
            if !quoted[at + 1..].starts_with('"') {
                return Some((quoted[..at].replace("\"\"", "\""), &quoted[at + 1..]));
            }
            from = at + 2;
        }
        return None;
    }
    // The stage of a table is `%table`, that of a user `~`.
    let is_part = |c: char| c.is_alphanumeric() || matches!(c, '_' | '$' | '%' | '~');
    let length = text.find(|c: char| !is_part(c)).unwrap_or(text.len());
    let (name, behind) = text.split_at(length);
    let begins = name.chars().next().is_some_and(|c| !c.is_ascii_digit());
    begins.then(|| (name.to_ascii_uppercase(), behind))
}
