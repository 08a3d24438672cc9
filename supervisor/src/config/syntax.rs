//! What is not TOML: the faults that the parser found, in words that say what to write.
//!
//! The parser goes on after a fault. Where a fault stays within its line the rest can be relied
//! on, so that all such faults are shown at once and the other lines are checked as well. After a
//! bracket that is not closed everything would be guesswork: such a fault is the last one shown.

use std::collections::BTreeSet;
use std::path::Path;

use super::excerpt::Lines;
use super::problem::Problem;
use super::value::quoted;

/// The most faults that are shown at once.
const FAULTS_MAX: usize = 5;

/// No longer text is written out as it should be.
const SUGGESTED_MAX: usize = 80;

/// What the faults of a text mean for the rest of it.
pub(super) enum Faults {
    /// Nothing of the text can be relied on.
    Fatal(Vec<Problem>),
    /// The other lines can; empty when there is no fault at all.
    Harmless(Vec<Problem>),
}

/// What the parser says of a line that is nothing but a key.
const BARE_KEY: &str = "key with no value";

/// How far a fault reaches.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    Line,
    Rest,
}

/// What the parser says, and how far it reaches; of several in one line the first here is shown.
/// What is not listed reaches far.
const KNOWN: [(&str, Reach); 17] = [
    (BARE_KEY, Reach::Line),
    ("unclosed", Reach::Rest),
    ("missing comma", Reach::Rest),
    ("unexpected leading zero", Reach::Line),
    ("string values must be quoted", Reach::Line),
    ("duplicate key", Reach::Line),
    ("invalid float", Reach::Line),
    ("invalid integer", Reach::Line),
    ("invalid datetime", Reach::Line),
    ("invalid mantissa", Reach::Line),
    ("invalid boolean", Reach::Line),
    ("invalid basic string, expected `\"`", Reach::Line),
    ("invalid literal string, expected `'`", Reach::Line),
    ("missing escaped value", Reach::Line),
    ("too few unicode value digits", Reach::Line),
    ("invalid value", Reach::Line),
    ("unexpected key or value, expected newline", Reach::Line),
];

struct Fault<'a> {
    offset: usize,
    line: usize,
    message: String,
    /// What the parser points at.
    piece: &'a str,
    /// Its index in the list of what is known.
    known: usize,
}

impl Fault<'_> {
    fn reach(&self) -> Reach {
        KNOWN.get(self.known).map_or(Reach::Rest, |(_, reach)| *reach)
    }
}

/// The faults of a text, in its order, one for each line.
pub(super) fn faults(path: &Path, text: &str, found: &[toml::de::Error]) -> Faults {
    let lines = Lines::of(text);
    let mut faults: Vec<Fault<'_>> = found.iter().map(|one| read(one, text, &lines)).collect();
    faults.sort_by_key(|fault| (fault.line, fault.known, fault.offset));
    faults.dedup_by_key(|fault| fault.line);
    let last = faults.iter().position(|fault| fault.reach() == Reach::Rest);
    let shown = last.map_or(faults.len(), |last| last + 1).min(FAULTS_MAX);
    let problems: Vec<Problem> = faults[..shown]
        .iter()
        .map(|one| fault(path, &lines, one.offset, &words(one, &lines)))
        .collect();
    if last.is_some() { Faults::Fatal(problems) } else { Faults::Harmless(problems) }
}

/// The text with spaces in place of each line that is a key without a value, and of its faults
/// those that are about such lines. `None`, and all faults, when there is no such line, or when
/// lines may be the rest of a text, and a secret with it: after another fault, one after the
/// other, with a quote, or where secrets stand.
pub(super) fn without_bare_keys(text: &str, found: &mut Vec<toml::de::Error>) -> Option<String> {
    let lines = Lines::of(text);
    let line = |fault: &toml::de::Error| {
        lines.place(fault.span().map_or(text.len(), |span| span.start)).line
    };
    let is_bare = |fault: &&toml::de::Error| fault.message().starts_with(BARE_KEY);
    let bare: BTreeSet<usize> = found.iter().filter(is_bare).map(line).collect();
    let other = found.iter().filter(|fault| !is_bare(fault)).map(line).min();
    let may_go_on = |number: &usize| {
        lines.may_be_secret(*number)
            || lines.line(*number).contains(['"', '\''])
            || bare.contains(&(number + 1))
            || other.is_some_and(|other| other <= *number)
    };
    if bare.is_empty() || bare.iter().any(may_go_on) {
        return None;
    }
    found.retain(|fault| is_bare(&fault));
    let blank = |(index, line): (usize, &str)| match bare.contains(&(index + 1)) {
        true => line.bytes().map(|byte| if byte == b'\n' { '\n' } else { ' ' }).collect(),
        false => line.to_owned(),
    };
    Some(text.split_inclusive('\n').enumerate().map(blank).collect())
}

/// The problem of a text that cannot be read at this offset.
pub(super) fn fault(path: &Path, lines: &Lines<'_>, offset: usize, message: &str) -> Problem {
    let place = lines.place(offset);
    Problem {
        file: path.to_owned(),
        origin: None,
        place: Some(place),
        key: None,
        message: message.to_owned(),
        excerpt: lines.excerpt(place),
    }
}

fn read<'a>(found: &toml::de::Error, text: &'a str, lines: &Lines<'_>) -> Fault<'a> {
    let span = found.span().unwrap_or(text.len()..text.len());
    let message = found.message().replace('\n', "; ");
    let known = KNOWN.iter().position(|(words, _)| message.starts_with(words));
    Fault {
        offset: span.start,
        line: lines.place(span.start).line,
        piece: text.get(span).unwrap_or_default(),
        known: known.unwrap_or(KNOWN.len()),
        message,
    }
}

/// What to write; no piece of a line that may hold a secret is in it.
fn words(fault: &Fault<'_>, lines: &Lines<'_>) -> String {
    let (message, piece, line) = (fault.message.as_str(), fault.piece, lines.line(fault.line));
    let secret = lines.may_be_secret(fault.line);
    let known = |words: &str| message.starts_with(words);
    if known(BARE_KEY) {
        return without_value(line);
    }
    if known("string values") {
        return unquoted(piece, secret);
    }
    if ["float", "integer", "datetime", "mantissa", "boolean"]
        .iter()
        .any(|kind| known(&format!("invalid {kind}")))
    {
        let (_, value) = line.split_once('=').unwrap_or(("", piece));
        return unquoted(value.split('#').next().unwrap_or_default().trim(), secret);
    }
    if known("unexpected leading zero") {
        return "a number has no zero before it; remove it, or write the text in quotes".to_owned();
    }
    if known("duplicate key") && secret {
        return "a key is written twice; keep one of the two".to_owned();
    }
    if known("duplicate key") {
        return format!("`{}` is written twice; keep one of the two", piece.escape_debug());
    }
    if known("invalid basic string, expected `\"`") {
        return "the text has no closing quote; write `\"` behind it".to_owned();
    }
    if known("invalid literal string, expected `'`") {
        return "the text has no closing quote; write `'` behind it".to_owned();
    }
    if ["missing escaped value", "too few unicode value digits", "invalid value"]
        .iter()
        .any(|words| known(words))
    {
        let text = quoted_around(line, lines.place(fault.offset).column);
        return misread_escape(text.filter(|_| !secret));
    }
    if known("unexpected key or value, expected newline") {
        return "only a comment may follow a value; put the whole value in quotes, or begin a new \
                line"
            .to_owned();
    }
    if known("unclosed table") {
        return "the name of the table has no closing bracket; write `]` behind it".to_owned();
    }
    if known("unclosed") || known("missing comma") {
        return "a list or a table in braces is not closed before this, or lacks a comma; write \
                `]`, `}` or `,`"
            .to_owned();
    }
    if line.trim_start().starts_with('{') {
        return "this looks like JSON; write TOML, such as [apps.query]".to_owned();
    }
    format!("{message}; see https://toml.io for how TOML is written")
}

/// What to write where a backslash was not meant to begin an escape; the text is as it was written.
fn misread_escape(text: Option<&str>) -> String {
    let remedy = match text {
        Some(text) if text.contains('\'') => format!("\"{}\"", text.replace('\\', "\\\\")),
        Some(text) => format!("'{text}' or \"{}\"", text.replace('\\', "\\\\")),
        None => "two of them, or put the text in single quotes".to_owned(),
    };
    format!("a backslash begins an escape such as \\n; write {remedy}")
}

/// The text in double quotes around the character of this number, from 1, as it was written;
/// `None` when it cannot be told where it ends, or when it is long.
fn quoted_around(line: &str, column: usize) -> Option<&str> {
    let (at, _) = line.char_indices().nth(column.checked_sub(1)?)?;
    let start = line[..at].rfind('"')? + 1;
    let text = &line[start..start + line[start..].find('"')?];
    let is_whole = !line[..start - 1].ends_with('\\') && !text.ends_with('\\');
    let is_short = text.len() <= SUGGESTED_MAX && !text.contains(char::is_control);
    (is_whole && is_short).then_some(text)
}

/// What to write in place of a path that is not there, if escapes in it may not have been meant:
/// no path that anybody wants has a backspace or the end of a line in it.
pub(super) fn unmeant_escapes(path: &str) -> Option<String> {
    let written = |c: char| match c {
        '\u{8}' => "\\b".to_owned(),
        '\t' => "\\t".to_owned(),
        '\n' => "\\n".to_owned(),
        '\u{c}' => "\\f".to_owned(),
        '\r' => "\\r".to_owned(),
        '\u{1b}' => "\\e".to_owned(),
        other => other.to_string(),
    };
    let text: String = path.chars().map(written).collect();
    let is_short = text.len() <= SUGGESTED_MAX && !text.contains(char::is_control);
    (text != path).then(|| misread_escape(Some(text.as_str()).filter(|_| is_short)))
}

fn without_value(line: &str) -> String {
    let line = line.trim_start();
    if line.starts_with(';') || line.starts_with("//") {
        return "a comment begins with `#`; write that".to_owned();
    }
    if line.starts_with('{') {
        return "this looks like JSON; write TOML, such as [apps.query]".to_owned();
    }
    if line.contains(':') && !line.contains('=') {
        return "a key and its value are joined by `=`; write that in place of `:`".to_owned();
    }
    "there is no `=` behind the key; write `=` and a value".to_owned()
}

/// A value that is neither a number nor true, false or a text in quotes.
fn unquoted(piece: &str, secret: bool) -> String {
    let word = piece.trim_end_matches([';', ',']).trim();
    match word.to_lowercase().as_str() {
        "" => "there is no value; write one behind the `=`, or remove the line".to_owned(),
        _ if secret => "a text stands in quotes; write `\"` before and behind it".to_owned(),
        "yes" | "on" | "true" => format!("write true, or the text in quotes; {word} is neither"),
        "no" | "false" => format!("write false, or the text in quotes; {word} is neither"),
        _ if word != piece.trim() && is_number(word) => {
            format!("a value ends with its line; write {word}")
        }
        _ => format!("a text stands in quotes; write {}", quoted(word)),
    }
}

fn is_number(word: &str) -> bool {
    !word.is_empty() && word.chars().all(|c| c.is_ascii_digit())
}
