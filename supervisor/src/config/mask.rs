//! Which lines of a text may hold a secret, and how much of such a line may be shown.
//!
//! The text may be broken, so this follows names, brackets and quotes line by line and knows no
//! meaning. What it cannot tell apart it takes for a secret; it never shows more for being sure.

use super::keys;
use super::snowflake;

/// A name or a line with one of these in it may hold a secret.
const SECRETIVE: [&str; 11] = [
    "env",
    "headers",
    "pass",
    "pwd",
    "secret",
    "token",
    "credential",
    "private_key",
    "api_key",
    "apikey",
    "-----begin",
];
/// Longer names are not taken for names: a line of a key in PEM has 64 characters.
const NAME_MAX: usize = 60;
/// The deepest brackets that are followed; behind deeper ones nothing is shown.
const DEPTH_MAX: usize = 64;

/// How much of a line may be shown.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Shown {
    Whole,
    /// So many bytes: a key and its `=`, or the name of a table.
    UpTo(usize),
    Nothing,
}

/// How much may be shown of each line.
pub(super) fn of_lines(text: &str) -> Vec<Shown> {
    let mut reader = Reader { header: Vec::new(), brackets: Vec::new(), open: None };
    text.split('\n').map(|line| reader.line(line)).collect()
}

/// The lines of a text, each with `…` in place of what may be a secret, and whether it has one.
#[must_use]
pub fn masked(text: &str) -> Vec<(String, bool)> {
    let lines = text.split('\n').zip(of_lines(text));
    lines
        .map(|(line, shown)| match shown {
            Shown::Whole => (line.to_owned(), false),
            Shown::UpTo(end) => (format!("{} …", &line[..end]), true),
            Shown::Nothing => ("…".to_owned(), true),
        })
        .collect()
}

/// What a line begins inside of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Open {
    /// A text of several lines, in three of these.
    Text(char),
    /// A text whose closing quote is missing in its line.
    Quote(char),
    /// A key in PEM, in whatever quotes.
    Pem,
    /// Brackets too deep to follow.
    Depth,
}

/// An open bracket, and the names that lead to it.
struct Bracket {
    list: bool,
    path: Vec<String>,
    secret: bool,
}

struct Reader {
    header: Vec<String>,
    brackets: Vec<Bracket>,
    open: Option<Open>,
}

impl Reader {
    fn line(&mut self, line: &str) -> Shown {
        if self.begins_table(line) {
            return self.table(line);
        }
        let key = key(line);
        let mut path = self.around().to_vec();
        path.extend(key.map(names).unwrap_or_default());
        let inside = self.open.is_some();
        let within = self.brackets.last().is_some_and(|bracket| bracket.secret);
        let secret = inside || within || secretive(&path, key, line);
        let listed = self.brackets.last().is_some_and(|bracket| bracket.list);
        self.follow(line, secret);
        if secret && let Some(bracket) = self.brackets.last_mut().filter(|bracket| bracket.list) {
            bracket.secret = true;
        }
        let lower = line.to_lowercase();
        if self.open.is_none() && lower.contains("-----begin") && !lower.contains("-----end") {
            self.open = Some(Open::Pem);
        }
        let empty = line.chars().all(|c| c.is_whitespace() || "]},".contains(c));
        if (empty && !inside) || !secret {
            return Shown::Whole;
        }
        match line.find('=') {
            Some(at) if key.is_some() && !inside && !listed => Shown::UpTo(at + 1),
            Some(_) | None => Shown::Nothing,
        }
    }

    /// The names of the table or the bracket that a line lies in.
    fn around(&self) -> &[String] {
        self.brackets.last().map_or(&self.header, |bracket| &bracket.path)
    }

    /// Whether a line names a table. After a bracket or a quote that is not closed only the names
    /// of our own tables are taken for one.
    fn begins_table(&self, line: &str) -> bool {
        let Some(name) = line.trim_start().strip_prefix('[') else { return false };
        let ours = |name: &str| keys::FILE.iter().any(|key| name.starts_with(key.name));
        match self.open {
            Some(Open::Text(_)) => false,
            None if self.brackets.is_empty() => true,
            Some(_) | None => ours(name.trim_start_matches('[').trim_start()),
        }
    }

    fn table(&mut self, line: &str) -> Shown {
        (self.brackets, self.open) = (Vec::new(), None);
        let (name, rest) = line.split_once(']').unwrap_or((line, ""));
        self.header = names(name.trim_start().trim_start_matches('['));
        let secret = has_word(&line.to_lowercase()) || in_account(&self.header).is_some();
        if !secret || (line.contains(']') && rest.chars().all(|c| c.is_whitespace() || c == ']')) {
            return Shown::Whole;
        }
        if line.contains(']') { Shown::UpTo(name.len() + 1) } else { Shown::Nothing }
    }

    /// Goes through a line for what it opens and closes.
    fn follow(&mut self, line: &str, secret: bool) {
        let (mut rest, mut before, mut written) = (line, None, "");
        while let Some(c) = rest.chars().next() {
            if let Some(open) = self.open {
                match closed(open, rest) {
                    Some(behind) => (self.open, rest, before) = (None, behind, Some('"')),
                    None => return,
                }
                continue;
            }
            let begins = before.is_none_or(|before| "=,[{.".contains(before));
            let behind = &rest[c.len_utf8()..];
            match c {
                '#' => return,
                '"' | '\'' if begins => {
                    let three = behind.strip_prefix(c).and_then(|two| two.strip_prefix(c));
                    if let Some(after) = three {
                        (self.open, rest) = (Some(Open::Text(c)), after);
                    } else if let Some(after) = behind_quote(behind, c, 1) {
                        (rest, before) = (after, Some(c));
                    } else {
                        self.open = secret.then_some(Open::Quote(c));
                        return;
                    }
                    continue;
                }
                '[' | '{' if begins => self.push(c == '[', written, secret),
                ']' | '}' if ends(behind) => drop(self.brackets.pop()),
                _other => {}
            }
            match c {
                '=' => written = name_before(line, line.len() - rest.len()),
                ',' | '{' => written = "",
                _other => {}
            }
            before = Some(c).filter(|c| !c.is_whitespace()).or(before);
            rest = behind;
        }
    }

    fn push(&mut self, list: bool, written: &str, secret: bool) {
        if self.brackets.len() >= DEPTH_MAX {
            self.open = Some(Open::Depth);
            return;
        }
        let within = self.brackets.last().is_some_and(|bracket| bracket.secret);
        let mut path = self.around().to_vec();
        path.extend(names(written));
        let named = path.iter().any(|name| has_word(name));
        self.brackets.push(Bracket { list, path, secret: within || named || (list && secret) });
    }
}

/// What stands behind the end of what a line begins inside of; `None` when it goes on.
fn closed(open: Open, rest: &str) -> Option<&str> {
    match open {
        Open::Text(quote) => behind_quote(rest, quote, 3),
        // What follows in the line cannot be told from the text itself.
        Open::Quote(quote) => rest.contains(quote).then_some(""),
        Open::Pem => rest.to_lowercase().contains("-----end").then_some(""),
        Open::Depth => None,
    }
}

/// What stands behind so many closing quotes.
fn behind_quote(text: &str, quote: char, count: usize) -> Option<&str> {
    let (mut run, mut escaped) = (0, false);
    for (at, c) in text.char_indices() {
        if run >= count && c != quote {
            return Some(&text[at..]);
        }
        run = if c == quote && !escaped { run + 1 } else { 0 };
        if run == count && count == 1 {
            return Some(&text[at + 1..]);
        }
        escaped = quote == '"' && c == '\\' && !escaped;
    }
    (run >= count).then_some("")
}

/// Whether a bracket closes before this; one within a text that lacks its quotes does not.
fn ends(behind: &str) -> bool {
    behind.trim_start().chars().next().is_none_or(|next| "#,]}".contains(next))
}

/// The name before the `=` at this byte.
fn name_before(line: &str, at: usize) -> &str {
    let start = line[..at].rfind([',', '{']).map_or(0, |before| before + 1);
    let name = line[start..at].trim();
    if name.len() > NAME_MAX { "" } else { name }
}

/// The key that a line, or what is commented out in it, begins with.
fn key(line: &str) -> Option<&str> {
    let (written, value) = line.split_once('=')?;
    let key = written.trim_start_matches(['#', ' ', '\t']).trim_end();
    let plain = |c: char| c.is_alphanumeric() || "_-.\"'".contains(c);
    // The end of a text in base64 has such marks as well.
    let padding =
        value.starts_with('=') || (value.trim().is_empty() && !written.ends_with([' ', '\t']));
    let named = (1..=NAME_MAX).contains(&key.len()) && key.chars().all(plain);
    (named && !padding).then_some(key)
}

/// The names in a key with dots, in small letters.
fn names(key: &str) -> Vec<String> {
    let around = |c: char| c.is_whitespace() || "\"'".contains(c);
    let names = key.split('.').map(|name| name.trim_matches(around).to_lowercase());
    names.filter(|name| !name.is_empty()).collect()
}

fn has_word(text: &str) -> bool {
    // Names a part of the file, and is no `env`.
    let text = text.replace("environments", "");
    SECRETIVE.iter().any(|word| text.contains(word))
}

/// Where the path leads into an account at Snowflake: the names below it.
fn in_account(path: &[String]) -> Option<&[String]> {
    let named = |at: usize, name: &str| path[at] == name && (at == 0 || path[at - 1] != "apps");
    (0..path.len()).find_map(|at| match () {
        () if named(at, snowflake::TABLE) => Some(&path[at + 1..]),
        () if named(at, snowflake::CONNECTIONS) => Some(path.get(at + 2..).unwrap_or_default()),
        () => None,
    })
}

/// Whether a line at this path may hold a secret.
fn secretive(path: &[String], key: Option<&str>, line: &str) -> bool {
    let lower = line.to_lowercase();
    match in_account(path) {
        Some([name]) if keys::is_plain_of_account(name) => has_word(&lower),
        Some(_) => true,
        None => {
            let misspelt = |key: &str| names(key).pop().is_some_and(|name| is_like_secret(&name));
            has_word(&lower) || path.iter().any(|name| has_word(name)) || key.is_some_and(misspelt)
        }
    }
}

/// Whether a name is a secret's with a slip of the finger.
fn is_like_secret(name: &str) -> bool {
    !keys::is_of_app(name) && keys::nearest(name, keys::secret_names()).is_some()
}
