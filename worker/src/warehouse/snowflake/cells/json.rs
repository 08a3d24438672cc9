//! Rows of an answer in JSON: arrays of texts and nulls.
//!
//! Chunks are rows with commas between them and no brackets around them all, so no reader of whole
//! documents fits: where a row ends is found byte by byte, and each is parsed by itself.

use std::ops::ControlFlow;

use serde_json::Value;

use super::row_type::Kind;
use super::{DecodeError, Decoder, Flaw, PIECE_BYTES_MAX, words};
use crate::warehouse::Cell;
use crate::warehouse::collected::Collected;

/// Takes the rows of a JSON answer's inline `rowset`: an array of arrays of texts or nulls.
///
/// # Errors
/// When it is anything else, or a value is not of its column's type.
pub(crate) fn take_json_rows(
    rowset: &Value,
    decoder: &Decoder,
    collected: &mut Collected,
) -> Result<ControlFlow<()>, DecodeError> {
    let rows = match rowset {
        Value::Null => return Ok(ControlFlow::Continue(())),
        Value::Array(rows) => rows,
        _ => return Err(malformed("the rows are not an array")),
    };
    for row in rows {
        let Value::Array(values) = row else {
            return Err(malformed("a row is not an array"));
        };
        if !collected.add(decoder.row(values.clone())?) {
            return Ok(ControlFlow::Break(()));
        }
    }
    Ok(ControlFlow::Continue(()))
}

fn malformed(what: impl Into<String>) -> DecodeError {
    DecodeError::Malformed { format: "JSON", what: what.into() }
}

impl Decoder {
    fn row(&self, values: Vec<Value>) -> Result<Vec<Cell>, DecodeError> {
        let (expected, found) = (self.columns.len(), values.len());
        if expected != found {
            return Err(malformed(format!("a row has {found} values for {expected} columns")));
        }
        let cells = self.columns.iter().zip(values).map(|(column, value)| {
            let cell = match value {
                Value::Null => Ok(Cell::Null),
                Value::String(text) => words::cell(&column.shape, &self.zone, text),
                Value::Bool(_) | Value::Number(_) => {
                    words::cell(&column.shape, &self.zone, value.to_string())
                }
                Value::Array(_) | Value::Object(_) if column.shape.kind == Kind::Document => {
                    Ok(Cell::Json(value))
                }
                Value::Array(_) | Value::Object(_) => Err(Flaw::from("a document, not a text")),
            };
            cell.map_err(|what| DecodeError::Cell { column: column.name.clone(), what })
        });
        cells.collect()
    }
}

/// Splits a chunk into rows.
pub(super) struct JsonReader<'a> {
    decoder: &'a Decoder,
    /// The row so far, where it began in earlier bytes.
    row: Vec<u8>,
    place: Place,
    rows: u64,
}

/// Where between or in the rows the next byte is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    /// Before the first row.
    First,
    /// After a row: a comma or nothing.
    AfterRow,
    /// After a comma: a row.
    AfterComma,
    /// In a row, inside this many brackets.
    Row { depth: u32 },
    /// In a text of that row.
    Text { depth: u32 },
    /// In a text, after a backslash.
    Escape { depth: u32 },
}

impl Place {
    /// The place after `byte`; nothing where it cannot be.
    fn after(self, byte: u8) -> Option<Place> {
        Some(match (self, byte) {
            (Place::First | Place::AfterComma, b'[') => Place::Row { depth: 1 },
            (Place::AfterRow, b',') => Place::AfterComma,
            (Place::First | Place::AfterRow | Place::AfterComma, b' ' | b'\t' | b'\r' | b'\n') => {
                self
            }
            (Place::First | Place::AfterRow | Place::AfterComma, _) => return None,
            (Place::Row { depth }, b'"') => Place::Text { depth },
            (Place::Row { depth }, b'[') => Place::Row { depth: depth.checked_add(1)? },
            (Place::Row { depth: 1 }, b']') => Place::AfterRow,
            (Place::Row { depth }, b']') => Place::Row { depth: depth - 1 },
            (Place::Text { depth }, b'"') => Place::Row { depth },
            (Place::Text { depth }, b'\\') => Place::Escape { depth },
            (Place::Escape { depth }, _) => Place::Text { depth },
            (Place::Row { .. } | Place::Text { .. }, _) => self,
        })
    }

    fn in_row(self) -> bool {
        matches!(self, Place::Row { .. } | Place::Text { .. } | Place::Escape { .. })
    }
}

impl<'a> JsonReader<'a> {
    pub(super) fn new(decoder: &'a Decoder) -> JsonReader<'a> {
        JsonReader { decoder, row: Vec::new(), place: Place::First, rows: 0 }
    }

    pub(super) fn feed(
        &mut self,
        bytes: &[u8],
        collected: &mut Collected,
    ) -> Result<ControlFlow<()>, DecodeError> {
        let mut begin = 0;
        for (index, byte) in bytes.iter().enumerate() {
            let was_in_row = self.place.in_row();
            self.place = self.place.after(*byte).ok_or_else(|| {
                malformed(format!("there is no row after row {}, but something else", self.rows))
            })?;
            if !was_in_row && self.place.in_row() {
                begin = index;
            }
            if was_in_row && !self.place.in_row() {
                if self.take_row(&bytes[begin..=index], collected)?.is_break() {
                    return Ok(ControlFlow::Break(()));
                }
                begin = index + 1;
            }
        }
        if self.place.in_row() {
            self.keep(&bytes[begin..])?;
        }
        Ok(ControlFlow::Continue(()))
    }

    pub(super) fn finish(self) -> Result<u64, DecodeError> {
        match self.place {
            Place::First | Place::AfterRow => Ok(self.rows),
            Place::AfterComma | Place::Row { .. } | Place::Text { .. } | Place::Escape { .. } => {
                Err(DecodeError::Short { of: "a row" })
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) -> Result<(), DecodeError> {
        if self.row.len() + bytes.len() > PIECE_BYTES_MAX {
            return Err(malformed(format!("a row takes more than {PIECE_BYTES_MAX} bytes")));
        }
        self.row.extend_from_slice(bytes);
        Ok(())
    }

    /// Parses a row whose last bytes are these.
    fn take_row(
        &mut self,
        last: &[u8],
        collected: &mut Collected,
    ) -> Result<ControlFlow<()>, DecodeError> {
        let parsed = if self.row.is_empty() {
            serde_json::from_slice::<Vec<Value>>(last)
        } else {
            self.keep(last)?;
            serde_json::from_slice(&std::mem::take(&mut self.row))
        };
        let values =
            parsed.map_err(|error| malformed(format!("row {}: {error}", self.rows + 1)))?;
        if !collected.add(self.decoder.row(values)?) {
            return Ok(ControlFlow::Break(()));
        }
        self.rows += 1;
        Ok(ControlFlow::Continue(()))
    }
}
