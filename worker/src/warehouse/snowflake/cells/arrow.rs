//! Rows of an answer in Arrow: a stream of messages, each a schema or a batch of rows.
//!
//! Each message is gathered here, its lengths checked before they are believed, and handed whole to
//! Arrow's own decoder. A page of XML where an answer was expected looks like a message of two
//! gigabytes; it is refused at its fourth byte. What passes the checks and still makes the decoder
//! panic (it does on types it does not know) ends this part and nothing else.

use std::ops::ControlFlow;
use std::panic::{AssertUnwindSafe, catch_unwind};

use arrow_array::RecordBatch;
use arrow_buffer::Buffer;
use arrow_ipc::reader::StreamDecoder;
use arrow_ipc::{Message, MessageHeader, root_as_message};

use super::row_type::{Kind, Shape};
use super::{DecodeError, Decoder, PIECE_BYTES_MAX, columns};
use crate::warehouse::Cell;
use crate::warehouse::collected::Collected;

/// Begins each message but those of very old writers.
const MARKER: [u8; 4] = [0xff; 4];
/// The marker and the length of the header.
const PREFIX_BYTES: usize = 8;
/// The longest header: the schema of ten thousand columns takes half of it.
const HEADER_BYTES_MAX: usize = 16 << 20;

/// Reads the messages of one stream.
pub(super) struct ArrowReader<'a> {
    decoder: &'a Decoder,
    stream: StreamDecoder,
    /// Whether the decoder already has the marker of the next message; see [`ArrowReader::decode`].
    marked: bool,
    /// The message so far.
    message: Vec<u8>,
    stage: Stage,
    shapes: Option<Vec<Shape>>,
    rows: u64,
}

/// What of a message is being gathered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Prefix,
    /// Until the message has this many bytes.
    Header(usize),
    /// Until the message has this many bytes.
    Body(usize),
    /// The stream said that it ends; what follows is not looked at.
    Ended,
}

impl<'a> ArrowReader<'a> {
    pub(super) fn new(decoder: &'a Decoder) -> ArrowReader<'a> {
        ArrowReader {
            decoder,
            stream: StreamDecoder::new(),
            marked: false,
            message: Vec::new(),
            stage: Stage::Prefix,
            shapes: None,
            rows: 0,
        }
    }

    pub(super) fn feed(
        &mut self,
        mut bytes: &[u8],
        collected: &mut Collected,
    ) -> Result<ControlFlow<()>, DecodeError> {
        while !bytes.is_empty() {
            let target = match self.stage {
                // Four bytes tell whether the length is in them or follows them.
                Stage::Prefix if self.message.len() < 4 => 4,
                Stage::Prefix => PREFIX_BYTES,
                Stage::Header(target) | Stage::Body(target) => target,
                Stage::Ended => break,
            };
            let (taken, rest) = bytes.split_at(bytes.len().min(target - self.message.len()));
            self.message.extend_from_slice(taken);
            bytes = rest;
            if self.message.len() == target && self.advance(collected)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    pub(super) fn finish(self) -> Result<u64, DecodeError> {
        match self.stage {
            Stage::Ended => Ok(self.rows),
            Stage::Prefix if self.message.is_empty() => Ok(self.rows),
            Stage::Prefix | Stage::Header(_) => Err(DecodeError::Short { of: "a header" }),
            Stage::Body(_) => Err(DecodeError::Short { of: "a batch of rows" }),
        }
    }

    /// Goes on from what is complete.
    fn advance(&mut self, collected: &mut Collected) -> Result<ControlFlow<()>, DecodeError> {
        match self.stage {
            Stage::Prefix if self.message == MARKER => Ok(ControlFlow::Continue(())),
            Stage::Prefix => {
                if self.message.len() < PREFIX_BYTES {
                    self.message.splice(0..0, MARKER);
                }
                self.stage = header_stage(&self.message)?;
                Ok(ControlFlow::Continue(()))
            }
            Stage::Header(_) => {
                let body = checked_body(&self.message[PREFIX_BYTES..])?;
                if body == 0 {
                    return self.whole(collected);
                }
                self.stage = Stage::Body(self.message.len() + body);
                Ok(ControlFlow::Continue(()))
            }
            Stage::Body(_) => self.whole(collected),
            Stage::Ended => Ok(ControlFlow::Continue(())),
        }
    }

    /// The message is complete.
    fn whole(&mut self, collected: &mut Collected) -> Result<ControlFlow<()>, DecodeError> {
        self.stage = Stage::Prefix;
        let message = std::mem::take(&mut self.message);
        catch_unwind(AssertUnwindSafe(|| self.decode(message, collected)))
            .unwrap_or_else(|_| Err(malformed("it holds what no answer holds")))
    }

    /// Decodes a message and takes its rows.
    ///
    /// The decoder hands out a message without a body only when the next one begins. So each is
    /// followed by the marker of the next at once, and that one is handed on without its own.
    fn decode(
        &mut self,
        mut message: Vec<u8>,
        collected: &mut Collected,
    ) -> Result<ControlFlow<()>, DecodeError> {
        message.extend_from_slice(&MARKER);
        let mut buffer = Buffer::from_vec(message);
        if std::mem::replace(&mut self.marked, true) {
            buffer.advance(MARKER.len());
        }
        while !buffer.is_empty() {
            let batch = self.stream.decode(&mut buffer);
            let Some(batch) = batch.map_err(|error| malformed(error.to_string()))? else {
                continue;
            };
            if self.take(&batch, collected)?.is_break() {
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(ControlFlow::Continue(()))
    }

    fn take(
        &mut self,
        batch: &RecordBatch,
        collected: &mut Collected,
    ) -> Result<ControlFlow<()>, DecodeError> {
        let shapes = match &self.shapes {
            Some(shapes) => shapes,
            None => self.shapes.insert(self.decoder.shapes(batch)?),
        };
        for row in 0..batch.num_rows() {
            let mut cells = Vec::with_capacity(shapes.len());
            for ((array, shape), column) in
                batch.columns().iter().zip(shapes).zip(&self.decoder.columns)
            {
                let cell = columns::cell(shape, &self.decoder.zone, array, row)
                    .map_err(|what| DecodeError::Cell { column: column.name.clone(), what })?;
                cells.push(if shape.kind == Kind::Other { as_text(cell) } else { cell });
            }
            if !collected.add(cells) {
                return Ok(ControlFlow::Break(()));
            }
            self.rows += 1;
        }
        Ok(ControlFlow::Continue(()))
    }
}

impl Decoder {
    /// The shapes of a stream's columns.
    fn shapes(&self, batch: &RecordBatch) -> Result<Vec<Shape>, DecodeError> {
        let schema = batch.schema();
        let (expected, found) = (self.columns.len(), schema.fields().len());
        if expected != found {
            return Err(malformed(format!("it has {found} columns, not {expected}")));
        }
        let pairs = self.columns.iter().zip(schema.fields());
        Ok(pairs.map(|(column, field)| column.shape.in_field(field)).collect())
    }
}

/// A value of a type that came after us: text, whatever it lies in.
fn as_text(cell: Cell) -> Cell {
    match cell {
        Cell::Null | Cell::Text(_) => cell,
        Cell::Boolean(value) => Cell::Text(value.to_string()),
        Cell::Number(digits) => Cell::Text(digits),
        Cell::Float(value) => Cell::Text(value.to_string()),
        Cell::Json(value) => Cell::Text(value.to_string()),
    }
}

fn malformed(what: impl Into<String>) -> DecodeError {
    DecodeError::Malformed { format: "Arrow", what: what.into() }
}

/// What follows a prefix.
fn header_stage(prefix: &[u8]) -> Result<Stage, DecodeError> {
    let length = prefix[MARKER.len()..].try_into().map_or(0, u32::from_le_bytes);
    match usize::try_from(length) {
        Ok(0) => Ok(Stage::Ended),
        Ok(length) if length <= HEADER_BYTES_MAX => Ok(Stage::Header(PREFIX_BYTES + length)),
        Ok(_) | Err(_) => Err(malformed(format!(
            "it begins with a header of {length} bytes, more than {HEADER_BYTES_MAX}"
        ))),
    }
}

/// The length of the body that a header announces, once everything else in it is plausible.
fn checked_body(header: &[u8]) -> Result<usize, DecodeError> {
    let message = root_as_message(header).map_err(|_| malformed("a header is damaged"))?;
    let length = message.bodyLength();
    let body = usize::try_from(length).ok().filter(|length| *length <= PIECE_BYTES_MAX);
    let body = body.ok_or_else(|| {
        malformed(format!("a batch of {length} bytes, more than {PIECE_BYTES_MAX}"))
    })?;
    check_batch(&message, length)?;
    Ok(body)
}

/// Checks that what a batch points to lies in its body, and nothing in it twice.
fn check_batch(message: &Message<'_>, body: i64) -> Result<(), DecodeError> {
    let batch = match message.header_type() {
        MessageHeader::RecordBatch => message.header_as_record_batch(),
        MessageHeader::DictionaryBatch => {
            message.header_as_dictionary_batch().and_then(|dictionary| dictionary.data())
        }
        _ => return Ok(()),
    };
    let batch = batch.ok_or_else(|| malformed("a batch without its description"))?;
    if batch.compression().is_some() {
        return Err(malformed("its batches are compressed, which Snowflake's never are"));
    }
    let mut total = 0i64;
    for buffer in batch.buffers().into_iter().flatten() {
        let end = buffer.offset().checked_add(buffer.length());
        let inside = buffer.offset() >= 0 && buffer.length() >= 0;
        if !inside || end.is_none_or(|end| end > body) {
            return Err(malformed("a batch reaches beyond its end"));
        }
        total = total.saturating_add(buffer.length());
    }
    if total > body {
        return Err(malformed("a batch uses its bytes twice"));
    }
    for node in batch.nodes().into_iter().flatten() {
        if node.length() < 0 || !(0..=node.length()).contains(&node.null_count()) {
            return Err(malformed("a column has an impossible length"));
        }
    }
    if batch.length() < 0 {
        return Err(malformed("a batch has an impossible length"));
    }
    Ok(())
}
