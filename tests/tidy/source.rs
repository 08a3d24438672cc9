//! A file as the rules see it: as written, and with comments and texts blanked.

/// One rule that one line does not keep.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Breach {
    pub(super) path: String,
    pub(super) line: usize,
    pub(super) rule: &'static str,
    pub(super) remedy: String,
}

/// One file: as written, and with comments and texts blanked.
pub(super) struct Source {
    pub(super) path: String,
    pub(super) text: String,
    pub(super) code: String,
}

impl Source {
    pub(super) fn new(path: &str, text: &str) -> Source {
        Source { path: path.to_owned(), text: text.to_owned(), code: blank(text) }
    }

    pub(super) fn is_test(&self) -> bool {
        ["tests/", "benches/"]
            .iter()
            .any(|room| self.path.starts_with(room) || self.path.contains(&format!("/{room}")))
    }

    pub(super) fn breach(
        &self,
        line: usize,
        rule: &'static str,
        remedy: impl Into<String>,
    ) -> Breach {
        Breach { path: self.path.clone(), line, rule, remedy: remedy.into() }
    }

    /// Breaches for each line of code in which the test finds something.
    pub(super) fn lines_with(
        &self,
        rule: &'static str,
        found: impl Fn(&str) -> Option<String>,
    ) -> Vec<Breach> {
        let lines = self.code.lines().enumerate();
        lines.filter_map(|(n, line)| Some(self.breach(n + 1, rule, found(line)?))).collect()
    }
}

/// Blanks comments, texts and character literals, and keeps every line break.
pub(super) fn blank(text: &str) -> String {
    let bytes = text.as_bytes();
    let mut out = bytes.to_vec();
    let mut at = 0;
    while at < bytes.len() {
        let end = match literal_end(bytes, at) {
            Some(end) => end.min(bytes.len()),
            None => {
                at += 1;
                continue;
            }
        };
        out[at..end].iter_mut().filter(|byte| **byte != b'\n').for_each(|byte| *byte = b' ');
        at = end;
    }
    String::from_utf8(out).expect("whole literals are blanked")
}

/// Where the comment or literal that begins at an index ends, if one begins there.
fn literal_end(bytes: &[u8], at: usize) -> Option<usize> {
    let rest = &bytes[at..];
    let find = |needle: &[u8]| rest.windows(needle.len()).position(|window| window == needle);
    if rest.starts_with(b"//") {
        return Some(at + find(b"\n").unwrap_or(rest.len()));
    }
    if rest.starts_with(b"/*") {
        return Some(at + find(b"*/").map_or(rest.len(), |end| end + 2));
    }
    let after_word = at > 0 && (bytes[at - 1].is_ascii_alphanumeric() || bytes[at - 1] == b'_');
    if rest[0] == b'r' && (!after_word || bytes[at - 1] == b'b') {
        let hashes = rest[1..].iter().take_while(|byte| **byte == b'#').count();
        if rest.get(1 + hashes) == Some(&b'"') {
            let close = [b"\"".as_slice(), &vec![b'#'; hashes]].concat();
            let body = &rest[2 + hashes..];
            let end = body.windows(close.len()).position(|window| window == close);
            return Some(at + 2 + hashes + end.map_or(body.len(), |end| end + close.len()));
        }
    }
    match rest[0] {
        b'"' => quote_end(rest, b'"').map(|end| at + end),
        b'\'' if rest.get(1) == Some(&b'\\') => quote_end(rest, b'\'').map(|end| at + end),
        // A lifetime has no second quote behind its first character.
        b'\'' => {
            let width = std::str::from_utf8(&rest[1..rest.len().min(5)])
                .or_else(|error| std::str::from_utf8(&rest[1..=error.valid_up_to()]))
                .ok()
                .and_then(|text| text.chars().next())
                .map_or(1, char::len_utf8);
            (rest.get(1 + width) == Some(&b'\'')).then_some(at + 2 + width)
        }
        _ => None,
    }
}

fn quote_end(rest: &[u8], quote: u8) -> Option<usize> {
    let mut at = 1;
    while at < rest.len() {
        match rest[at] {
            b'\\' => at += 2,
            byte if byte == quote => return Some(at + 1),
            _ => at += 1,
        }
    }
    Some(rest.len())
}

/// Whether a line of code has a word as a whole word.
pub(super) fn has_word(line: &str, word: &str) -> bool {
    let part = |c: char| c.is_alphanumeric() || c == '_';
    line.match_indices(word)
        .any(|(at, _)| !line[..at].ends_with(part) && !line[at + word.len()..].starts_with(part))
}
