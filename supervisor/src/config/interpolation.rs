//! `${VAR}` in texts: what may be written, and what becomes of it.
//!
//! `${VAR}` is the variable's value, `${VAR:-default}` another text when it is not set or empty,
//! `${VAR:?message}` a refusal with that message, and `$$` a dollar. A dollar before anything else
//! is a dollar. Whose variables these are is for `lookup` to say; nothing is read here.

use super::file::{Node, Value};
use super::from_text;
use super::keys::{FILE, Key, Kind};
use super::origin::{Origin, Variable};
use super::problem::Place;

/// The deepest nesting of defaults in defaults.
const DEPTH_MAX: usize = 8;
/// The longest text that may come of one, in bytes: defaults and variables multiply.
const TEXT_BYTES_MAX: usize = 64 * 1024;

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Piece {
    Literal(String),
    Variable { name: String, otherwise: Otherwise },
}

/// What takes the place of a variable that is not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Otherwise {
    /// Nothing: it must be set.
    Refuse,
    /// This, also when it is set to nothing.
    Default(Vec<Piece>),
    /// Nothing, and the operator is told this; also when it is set to nothing.
    Message(String),
}

/// How far the brace that closes a `${` is looked for. Bounded, for a file may have many without.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Within {
    /// To the end of the text.
    Text,
    /// To the end of the line.
    Line,
    /// Over line ends, until a `"` closes the value; always to the end of the line.
    Quotes,
}

/// Why a text cannot be filled.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Fault {
    /// It is wrong wherever it is read.
    Malformed(String),
    /// A variable is missing here.
    Unset(String),
}

impl Fault {
    pub(super) fn words(&self) -> &str {
        match self {
            Fault::Malformed(words) | Fault::Unset(words) => words,
        }
    }
}

/// A variable's value, and who set it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) value: String,
    pub(super) variable: Variable,
}

/// Finds the value of a variable; an error is why it has none although it is written.
pub(super) type Lookup<'a> = dyn FnMut(&str) -> Result<Option<Found>, String> + 'a;

/// The parts of a text of the configuration file.
pub(super) fn pieces(text: &str) -> Result<Vec<Piece>, String> {
    pieces_at(text, 0)
}

fn pieces_at(text: &str, depth: usize) -> Result<Vec<Piece>, String> {
    let mut pieces = Vec::new();
    let mut literal = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        literal.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some(after) = rest.strip_prefix("$$") {
            literal.push('$');
            rest = after;
        } else if rest.starts_with("${") {
            pieces.push(Piece::Literal(std::mem::take(&mut literal)));
            let (piece, length) = placeholder(rest, depth, Within::Text)?;
            pieces.push(piece);
            rest = &rest[length..];
        } else {
            literal.push('$');
            rest = &rest[1..];
        }
    }
    literal.push_str(rest);
    pieces.push(Piece::Literal(literal));
    pieces.retain(|piece| *piece != Piece::Literal(String::new()));
    Ok(pieces)
}

/// The part at the beginning of a text that begins with `${`, and its length in bytes.
pub(super) fn placeholder(
    text: &str,
    depth: usize,
    within: Within,
) -> Result<(Piece, usize), String> {
    if depth > DEPTH_MAX {
        return Err("has defaults in defaults, too deep; write it with fewer".to_owned());
    }
    let Some(end) = closing_brace(text, within) else {
        return Err("has a `${` without its `}`; close it, or write `$$` for a dollar".to_owned());
    };
    let inner = &text[2..end];
    let name_end = inner.find(|c: char| !is_name_character(c)).unwrap_or(inner.len());
    let (name, rest) = inner.split_at(name_end);
    if !is_name(name) {
        // What stands between the braces may be a piece of a secret.
        return Err(
            "has a `${…}` that names no variable; write ${NAME}, or `$$` for a dollar".to_owned()
        );
    }
    let otherwise = if rest.is_empty() {
        Otherwise::Refuse
    } else if let Some(default) = rest.strip_prefix(":-") {
        Otherwise::Default(pieces_at(default, depth + 1)?)
    } else if let Some(message) = rest.strip_prefix(":?") {
        Otherwise::Message(message.to_owned())
    } else {
        return Err(
            "has a `${…}` with more than a name in it; after the name may stand :-default \
                    or :?message"
                .to_owned(),
        );
    };
    Ok((Piece::Variable { name: name.to_owned(), otherwise }, end + 1))
}

/// Where the brace that opens a text is closed again.
fn closing_brace(text: &str, within: Within) -> Option<usize> {
    let bytes = text.as_bytes();
    let (mut at, mut open) = (2, 1);
    let (mut line_ended, mut quoted) = (false, false);
    while at < bytes.len() {
        match &bytes[at..] {
            [b'$', b'$', ..] => at += 1,
            [b'$', b'{', ..] => {
                open += 1;
                at += 1;
            }
            [b'}', ..] => {
                open -= 1;
                if open == 0 {
                    return Some(at);
                }
            }
            [b'\\', b'"', ..] => at += 1,
            [b'"', ..] => quoted = true,
            [b'\n', ..] => line_ended = true,
            _other => {}
        }
        let over = match within {
            Within::Text => false,
            Within::Line => line_ended,
            Within::Quotes => line_ended && quoted,
        };
        if over {
            return None;
        }
        at += 1;
    }
    None
}

fn is_name_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Whether this can be a variable's name.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.chars().all(is_name_character)
        && !text.starts_with(|c: char| c.is_ascii_digit())
}

/// The text that comes of its parts, and the variables in it.
pub(super) fn filled(
    pieces: &[Piece],
    lookup: &mut Lookup<'_>,
) -> Result<(String, Vec<Variable>), Fault> {
    let (mut text, mut variables) = (String::new(), Vec::new());
    for piece in pieces {
        match piece {
            Piece::Literal(literal) => text.push_str(literal),
            Piece::Variable { name, otherwise } => {
                let found = lookup(name).map_err(Fault::Unset)?;
                let empty = found.as_ref().is_none_or(|found| found.value.is_empty());
                match (found, otherwise) {
                    (_, Otherwise::Default(default)) if empty => {
                        let (default, used) = filled(default, lookup)?;
                        text.push_str(&default);
                        variables.extend(used);
                    }
                    (_, Otherwise::Message(message)) if empty => {
                        return Err(Fault::Unset(missing(name, message)));
                    }
                    (None, _) => return Err(Fault::Unset(missing(name, ""))),
                    (Some(found), _) => {
                        text.push_str(&found.value);
                        variables.push(found.variable);
                    }
                }
            }
        }
        if text.len() > TEXT_BYTES_MAX {
            let words = "becomes longer than 64 KiB; no text of a configuration is";
            return Err(Fault::Malformed(words.to_owned()));
        }
    }
    Ok((text, variables))
}

fn missing(name: &str, message: &str) -> String {
    match message {
        "" => format!(
            "the variable {name} is not set; set it, or write ${{{name}:-default}} for a default"
        ),
        message => format!("the variable {name} is not set; {}", message.escape_debug()),
    }
}

/// A value that could not be filled: its key, where it stands, and why.
pub(super) struct Unfilled {
    pub(super) key: String,
    pub(super) place: Place,
    pub(super) fault: Fault,
}

/// What is done with a value that cannot be filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// It stays as it was written.
    AsWritten,
    /// It is taken out.
    Out,
}

/// Fills every text of the file below a node, and says what could not be filled.
pub(super) fn fill(root: &mut Node, leave: Leave, lookup: &mut Lookup<'_>) -> Vec<Unfilled> {
    let mut unfilled = Vec::new();
    fill_table(root, Members::Keys(FILE), leave, lookup, &mut unfilled);
    unfilled
}

/// What the members of a table are.
#[derive(Clone, Copy)]
enum Members {
    Keys(&'static [Key]),
    Tables(&'static [Key]),
    Texts,
}

fn fill_table(
    table: &mut Node,
    members: Members,
    leave: Leave,
    lookup: &mut Lookup<'_>,
    unfilled: &mut Vec<Unfilled>,
) {
    let Value::Table(entries) = &mut table.value else { return };
    entries.retain(|name, entry| {
        let kind = match members {
            Members::Keys(keys) => keys.iter().find(|key| key.name == name).map(|key| &key.kind),
            Members::Tables(_) | Members::Texts => None,
        };
        let below = match (members, kind) {
            (Members::Tables(keys), _) => Some(Members::Keys(keys)),
            (_, Some(Kind::Table(keys))) => Some(Members::Keys(keys)),
            (_, Some(Kind::Named(keys))) => Some(Members::Tables(keys)),
            (_, Some(Kind::Variables)) => Some(Members::Texts),
            (_, Some(_)) => None,
            (_, None) => Some(Members::Texts),
        };
        if let (Value::Table(_), Some(below)) = (&entry.node.value, below) {
            fill_table(&mut entry.node, below, leave, lookup, unfilled);
            return true;
        }
        match fill_value(&mut entry.node, kind.unwrap_or(&Kind::Text), lookup) {
            Ok(()) => true,
            Err(fault) => {
                let (key, place) = (entry.node.key.clone(), entry.node.place);
                unfilled.push(Unfilled { key, place, fault });
                leave == Leave::AsWritten
            }
        }
    });
}

/// Fills a text, or the texts of a list. A text that is one `${…}` becomes what its key wants.
fn fill_value(node: &mut Node, kind: &Kind, lookup: &mut Lookup<'_>) -> Result<(), Fault> {
    match &mut node.value {
        Value::Text(text) if text.contains('$') => {
            let pieces = pieces(text).map_err(Fault::Malformed)?;
            let whole = matches!(pieces[..], [Piece::Variable { .. }]);
            let (text, variables) = filled(&pieces, lookup)?;
            node.value = if whole { from_text::read(&text, kind) } else { Value::Text(text) };
            node.origin = Origin::Filled(variables);
        }
        Value::List(items) => {
            let kind = from_text::of_members(kind);
            let mut used = Vec::new();
            for item in items {
                fill_value(item, kind, lookup)?;
                if let Origin::Filled(variables) = &item.origin {
                    used.extend(variables.iter().cloned());
                }
            }
            if !used.is_empty() {
                node.origin = Origin::Filled(used);
            }
        }
        Value::Text(_)
        | Value::Integer(_)
        | Value::HugeInteger(_)
        | Value::Float(_)
        | Value::Boolean(_)
        | Value::Date(_)
        | Value::Table(_) => {}
    }
    Ok(())
}

/// A text as it has to be written in the file so that nothing in it is filled.
#[must_use]
pub fn escaped(text: &str) -> String {
    text.replace('$', "$$")
}

#[cfg(test)]
mod tests {
    use super::super::origin::Source;
    use super::*;

    fn outcome(text: &str) -> Result<String, String> {
        let mut lookup = |name: &str| {
            let value = match name {
                "HOST" => "db.example",
                "EMPTY" => "",
                "DOLLAR" => "${HOST}",
                "BROKEN" => return Err("A → A is a circle".to_owned()),
                _ => return Ok(None),
            };
            let variable = Variable { name: name.to_owned(), source: Source::Process };
            Ok(Some(Found { value: value.to_owned(), variable }))
        };
        let pieces = pieces(text)?;
        filled(&pieces, &mut lookup).map(|(text, _)| text).map_err(|fault| fault.words().to_owned())
    }

    #[test]
    fn variables_defaults_and_dollars() {
        for (text, expected) in [
            ("plain", "plain"),
            ("${HOST}", "db.example"),
            ("https://${HOST}:443/", "https://db.example:443/"),
            ("${HOST}${HOST}", "db.exampledb.example"),
            ("[${EMPTY}]", "[]"),
            ("${NONE:-4}", "4"),
            ("${EMPTY:-4}", "4"),
            ("${NONE:-}", ""),
            ("${NONE:-a:-b}", "a:-b"),
            ("${NONE:-${OTHER:-${HOST}}}!", "db.example!"),
            ("${NONE:-$$}", "$"),
            ("${HOST:?set it}", "db.example"),
            ("$$", "$"),
            ("$${HOST}", "${HOST}"),
            ("$$$$", "$$"),
            ("$HOST costs 5$", "$HOST costs 5$"),
            ("${DOLLAR}", "${HOST}"),
            ("ä${HOST}ö", "ädb.exampleö"),
        ] {
            assert_eq!(outcome(text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_filled_says_what_to_do() {
        for (text, words) in [
            ("${NONE}", "the variable NONE is not set; set it, or write ${NONE:-default}"),
            ("${NONE:?ask Ann}", "the variable NONE is not set; ask Ann"),
            ("${EMPTY:?ask Ann}", "the variable EMPTY is not set; ask Ann"),
            ("${BROKEN}", "is a circle"),
            ("${HOST", "without its `}`"),
            ("${NONE:-${HOST}", "without its `}`"),
            ("${}", "names no variable"),
            ("${1A}", "names no variable"),
            ("${A B}", "after the name may stand"),
            ("${HOST-x}", "after the name may stand"),
        ] {
            let said = outcome(text).unwrap_err();
            assert!(said.contains(words), "{text}: {said}");
        }
    }

    #[test]
    fn a_deep_nest_of_defaults_is_refused() {
        let deep = format!("{}x{}", "${NONE:-".repeat(5000), "}".repeat(5000));
        assert!(outcome(&deep).unwrap_err().contains("too deep"));
    }

    #[test]
    fn an_escaped_text_stays_itself() {
        for text in ["$$ ${HOST} $", "plain", "$${"] {
            assert_eq!(outcome(&escaped(text)).as_deref(), Ok(text));
        }
    }
}
