//! Documents (VARIANT and what is like it): JSON where every number survives it, else its text.
//!
//! A JSON number is read as a double by nearly everyone, us included. A document in which a number
//! would come out changed (an identifier beyond 2^53, a decimal of 38 digits), or which is not JSON
//! at all (`undefined` and `NaN` occur in arrays), is handed on as the text that Snowflake wrote.

use serde_json::{Map, Number, Value};

use super::number::Decimal;
use crate::warehouse::Cell;

/// The deepest nesting that is taken apart.
const DEPTH_MAX: usize = 100;

/// A document as a cell.
pub(super) fn cell(text: String) -> Cell {
    match parsed(&text) {
        Some(value) => Cell::Json(value),
        None => Cell::Text(text),
    }
}

fn parsed(text: &str) -> Option<Value> {
    let mut reader = Reader { rest: text };
    let value = reader.value(0)?;
    reader.space();
    reader.rest.is_empty().then_some(value)
}

/// What is left of the text. Each step takes from its front, or gives nothing.
struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start_matches([' ', '\t', '\r', '\n']);
    }

    fn take(&mut self, expected: &str) -> bool {
        match self.rest.strip_prefix(expected) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn value(&mut self, depth: usize) -> Option<Value> {
        self.space();
        match self.rest.as_bytes().first()? {
            b'{' if depth < DEPTH_MAX => self.object(depth + 1),
            b'[' if depth < DEPTH_MAX => self.array(depth + 1),
            b'"' => self.string().map(Value::String),
            b't' => self.take("true").then_some(Value::Bool(true)),
            b'f' => self.take("false").then_some(Value::Bool(false)),
            b'n' => self.take("null").then_some(Value::Null),
            _ => self.number(),
        }
    }

    fn object(&mut self, depth: usize) -> Option<Value> {
        let mut fields = Map::new();
        self.take("{");
        self.space();
        if self.take("}") {
            return Some(Value::Object(fields));
        }
        loop {
            self.space();
            let name = self.string()?;
            self.space();
            if !self.take(":") {
                return None;
            }
            let value = self.value(depth)?;
            // A name that comes twice would lose a value.
            if fields.insert(name, value).is_some() {
                return None;
            }
            self.space();
            if self.take("}") {
                return Some(Value::Object(fields));
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<Value> {
        let mut elements = Vec::new();
        self.take("[");
        self.space();
        if self.take("]") {
            return Some(Value::Array(elements));
        }
        loop {
            elements.push(self.value(depth)?);
            self.space();
            if self.take("]") {
                return Some(Value::Array(elements));
            }
            if !self.take(",") {
                return None;
            }
        }
    }

    fn string(&mut self) -> Option<String> {
        if !self.rest.starts_with('"') {
            return None;
        }
        let mut escaped = false;
        let end = self.rest.bytes().skip(1).position(|byte| {
            let closes = byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            closes
        })?;
        let (string, rest) = self.rest.split_at(end + 2);
        self.rest = rest;
        serde_json::from_str(string).ok()
    }

    fn number(&mut self) -> Option<Value> {
        let part =
            |byte: u8| byte.is_ascii_digit() || matches!(byte, b'+' | b'-' | b'.' | b'e' | b'E');
        let end = self.rest.bytes().position(|byte| !part(byte)).unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        exact(text).map(Value::Number)
    }
}

/// A number that comes out of a double as it went in.
fn exact(text: &str) -> Option<Number> {
    // It must be one by the grammar of JSON; this parser of it does not round as exactly as ours.
    serde_json::from_str::<Number>(text).ok()?;
    let double: f64 = text.parse().ok()?;
    if Decimal::parse(&format!("{double:e}"))? != Decimal::parse(text)? {
        return None;
    }
    match text.parse::<i64>() {
        Ok(integer) => Some(Number::from(integer)),
        Err(_) => Number::from_f64(double),
    }
}
