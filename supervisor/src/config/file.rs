//! Reads what was written and where: a tree of values, each with its place, its full key and its
//! origin.
//!
//! Nothing is interpreted here. A text that is not TOML stops here, unless its faults leave the
//! rest of it readable; `syntax` knows which do.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::excerpt::Lines;
use super::origin::Origin;
use super::problem::{Place, Problem, Problems};
use super::syntax::{self, Faults};
use super::toml_text::is_bare;

/// The longest file that is read, in bytes.
const FILE_BYTES_MAX: usize = 1024 * 1024;
/// The deepest nesting that any key of ours needs, with room to spare. The parser has limits of its
/// own, for one key and for brackets, but the two multiply.
const DEPTH_MAX: usize = 32;

/// A value, where it was written, and its full key.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    /// Where it stands in the configuration file; of a value from elsewhere, where the table does
    /// that it belongs to.
    pub(super) place: Place,
    pub(super) key: String,
    pub(super) value: Value,
    pub(super) origin: Origin,
}

/// What was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    Text(String),
    Integer(i64),
    /// A whole number beyond 64 bits, as it was written.
    HugeInteger(String),
    Float(f64),
    Boolean(bool),
    Date(String),
    List(Vec<Node>),
    Table(BTreeMap<String, Entry>),
}

/// A key of a table and its value.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Entry {
    /// Where the key was written.
    pub(super) place: Place,
    pub(super) node: Node,
}

/// A key as it stands in a path: quoted when it would be read as something else without.
pub(super) fn child_key(parent: &str, name: &str) -> String {
    let name = match is_bare(name) {
        true => name.to_owned(),
        false => format!("\"{}\"", name.escape_debug()),
    };
    match parent {
        "" => name,
        parent => format!("{parent}.{name}"),
    }
}

/// What was read of a file.
pub(super) struct Reading {
    /// The tree; its root is a table. Where there are faults, without what they made unreadable.
    pub(super) root: Node,
    /// The text that places refer to.
    pub(super) text: String,
    /// What is not TOML.
    pub(super) faults: Vec<Problem>,
}

/// Reads a file into a tree, or says why nothing of it can be relied on.
pub(super) fn read(path: &Path) -> Result<Reading, Problems> {
    read_text(path, text(path)?)
}

/// Reads a text into a tree, as if it stood in this file.
pub(super) fn read_text(path: &Path, text: String) -> Result<Reading, Problems> {
    let (root, faults) = recovered(&text, |table, faults| {
        let faults = match syntax::faults(path, &text, faults) {
            Faults::Fatal(problems) => return Err(Problems::of(problems)),
            Faults::Harmless(problems) => problems,
        };
        let document = Document { path, lines: Lines::of(&text) };
        let place = Place { line: 1, column: 1 };
        Ok((document.table(place, String::new(), table, 0)?, faults))
    })?;
    Ok(Reading { root, text, faults })
}

/// Hands over what the parser makes of a text, and its faults. It takes no line in after one that
/// is a key without a value, so that such lines are left out for it.
fn recovered<T>(text: &str, take: impl FnOnce(&DeTable<'_>, &[toml::de::Error]) -> T) -> T {
    let (table, mut faults) = DeTable::parse_recoverable(text);
    match syntax::without_bare_keys(text, &mut faults) {
        Some(readable) => {
            let (table, others) = DeTable::parse_recoverable(&readable);
            faults.extend(others);
            take(table.get_ref(), &faults)
        }
        None => take(table.get_ref(), &faults),
    }
}

/// What can be read of a file that may be broken; an empty table when that is nothing.
pub(super) fn read_what_can_be(path: &Path) -> Node {
    let text = text(path).unwrap_or_default();
    let place = Place { line: 1, column: 1 };
    let document = Document { path, lines: Lines::of(&text) };
    let tree = recovered(&text, |table, _faults| document.table(place, String::new(), table, 0));
    let empty = || Value::Table(BTreeMap::new());
    tree.unwrap_or_else(|_| Node {
        place,
        key: String::new(),
        value: empty(),
        origin: Origin::File,
    })
}

/// What a few words of TOML mean; `None` when they are not TOML.
pub(super) fn parse(text: &str) -> Option<Node> {
    let table = DeTable::parse(text).ok()?;
    let place = Place { line: 1, column: 1 };
    let document = Document { path: Path::new(""), lines: Lines::of(text) };
    document.table(place, String::new(), table.get_ref(), 0).ok()
}

/// The file's text, without a byte order mark.
pub(super) fn text(path: &Path) -> Result<String, Problems> {
    let unreadable = |message: String| {
        let file = path.to_owned();
        Problems::from(Problem {
            file,
            place: None,
            key: None,
            origin: None,
            message,
            excerpt: None,
        })
    };
    let mut bytes = Vec::new();
    // Opening a FIFO would wait for a writer, and a reload with it.
    if std::fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(unreadable("is not a regular file".to_owned()));
    }
    std::fs::File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut bytes))
        .map_err(|error| unreadable(cannot_read(&error)))?;
    if bytes.len() > FILE_BYTES_MAX {
        return Err(unreadable("is longer than 1 MiB; no configuration is".to_owned()));
    }
    let bytes = bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&bytes);
    let (text, broken) = match std::str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(error) => (String::from_utf8_lossy(bytes).into_owned(), Some(error.valid_up_to())),
    };
    let fault = |at, words| Err(syntax::fault(path, &Lines::of(&text), at, words).into());
    match (text.find('\0'), broken) {
        (Some(nul), broken) if broken.is_none_or(|at| nul < at) => {
            fault(nul, "a NUL byte; is this a text file?")
        }
        (_, Some(at)) => fault(at, "bytes that are not UTF-8; save the file as UTF-8"),
        (_, None) => Ok(text),
    }
}

fn cannot_read(error: &std::io::Error) -> String {
    match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file; name another with --config, \
                                         write one, or `mcp-supervisor init`"
            .to_owned(),
        _ => format!("cannot be read: {error}"),
    }
}

/// A text, and which file it is.
struct Document<'a> {
    path: &'a Path,
    lines: Lines<'a>,
}

impl Document<'_> {
    fn table(
        &self,
        place: Place,
        key: String,
        table: &DeTable<'_>,
        depth: usize,
    ) -> Result<Node, Problems> {
        if depth > DEPTH_MAX {
            let message = "is nested too deeply; no key of a configuration is".to_owned();
            let (file, place) = (self.path.to_owned(), Some(place));
            let problem = Problem { file, place, key: None, origin: None, message, excerpt: None };
            return Err(problem.into());
        }
        let mut entries = BTreeMap::new();
        for (name, value) in table {
            let place = self.lines.place(name.span().start);
            let node = self.node(child_key(&key, name.get_ref()), value, depth + 1)?;
            entries.insert(name.get_ref().clone().into_owned(), Entry { place, node });
        }
        Ok(Node { place, key, value: Value::Table(entries), origin: Origin::File })
    }

    fn node(
        &self,
        key: String,
        value: &Spanned<DeValue<'_>>,
        depth: usize,
    ) -> Result<Node, Problems> {
        let place = self.lines.place(value.span().start);
        let value = match value.get_ref() {
            DeValue::String(text) => Value::Text(text.clone().into_owned()),
            DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
                .map_or_else(|_| Value::HugeInteger(number.to_string()), Value::Integer),
            // The parser checked the spelling; one beyond the range is infinite here.
            DeValue::Float(number) => Value::Float(number.as_str().parse().unwrap_or(f64::NAN)),
            DeValue::Boolean(truth) => Value::Boolean(*truth),
            DeValue::Datetime(date) => Value::Date(date.to_string()),
            DeValue::Array(items) => {
                let items = items.iter().enumerate();
                let nodes = items
                    .map(|(index, item)| self.node(format!("{key}[{index}]"), item, depth + 1));
                Value::List(nodes.collect::<Result<_, _>>()?)
            }
            DeValue::Table(table) => return self.table(place, key, table, depth),
        };
        Ok(Node { place, key, value, origin: Origin::File })
    }
}
