//! One part of an answer as its bytes arrive: unpacked where it is compressed, handed to its format.

use std::io::Write;
use std::ops::ControlFlow;

use flate2::write::MultiGzDecoder;

use super::arrow::ArrowReader;
use super::json::JsonReader;
use super::{DecodeError, Decoder};
use crate::warehouse::collected::Collected;

/// No part of either format begins with this byte; one that is compressed does.
const GZIP: u8 = 0x1f;
/// How much compressed data is unpacked at once; it becomes a thousand times as much at most.
const PACKED_BYTES: usize = 4 << 10;

/// How the rows of an answer are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// A stream of Arrow record batches.
    Arrow,
    /// Rows of JSON with commas between them, without brackets around them all.
    Json,
}

/// Reads one part of an answer (the inline one or a chunk) as its bytes arrive.
pub(crate) struct PartReader<'a> {
    wrapping: Wrapping,
    rows: Rows<'a>,
}

enum Wrapping {
    /// Nothing arrived yet.
    Unknown,
    Plain,
    /// Compressed, whatever the headers of the answer said; boxed because it is large.
    Gzip(Box<MultiGzDecoder<Vec<u8>>>),
}

enum Rows<'a> {
    Arrow(ArrowReader<'a>),
    Json(JsonReader<'a>),
}

impl<'a> PartReader<'a> {
    /// For one part.
    pub(crate) fn new(format: Format, decoder: &'a Decoder) -> PartReader<'a> {
        let rows = match format {
            Format::Arrow => Rows::Arrow(ArrowReader::new(decoder)),
            Format::Json => Rows::Json(JsonReader::new(decoder)),
        };
        PartReader { wrapping: Wrapping::Unknown, rows }
    }

    /// Takes more bytes in; complete rows go to `collected`. Break: it is full, nothing more is
    /// needed.
    ///
    /// # Errors
    /// When the bytes are not what the answer announced; the part's rows are then not to be kept.
    pub(crate) fn feed(
        &mut self,
        bytes: &[u8],
        collected: &mut Collected,
    ) -> Result<ControlFlow<()>, DecodeError> {
        if let (Wrapping::Unknown, Some(first)) = (&self.wrapping, bytes.first()) {
            self.wrapping = match *first {
                GZIP => Wrapping::Gzip(Box::new(MultiGzDecoder::new(Vec::new()))),
                _ => Wrapping::Plain,
            };
        }
        match &mut self.wrapping {
            Wrapping::Unknown => Ok(ControlFlow::Continue(())),
            Wrapping::Plain => self.rows.feed(bytes, collected),
            Wrapping::Gzip(packed) => {
                for bytes in bytes.chunks(PACKED_BYTES) {
                    packed.write_all(bytes).and_then(|()| packed.flush()).map_err(|_| {
                        DecodeError::Malformed { format: "gzip", what: "it is damaged".to_owned() }
                    })?;
                    let unpacked = std::mem::take(packed.get_mut());
                    if self.rows.feed(&unpacked, collected)?.is_break() {
                        return Ok(ControlFlow::Break(()));
                    }
                }
                Ok(ControlFlow::Continue(()))
            }
        }
    }

    /// Reads a part that is there whole.
    ///
    /// # Errors
    /// As the two that it is made of.
    pub(crate) fn whole(
        mut self,
        bytes: &[u8],
        collected: &mut Collected,
    ) -> Result<ControlFlow<()>, DecodeError> {
        let flow = self.feed(bytes, collected)?;
        if flow.is_continue() {
            self.finish()?;
        }
        Ok(flow)
    }

    /// All bytes were fed. Gives the number of rows that were collected.
    ///
    /// # Errors
    /// When the part ends in the middle.
    pub(crate) fn finish(self) -> Result<u64, DecodeError> {
        let rows = self.rows.finish()?;
        if let Wrapping::Gzip(packed) = self.wrapping {
            packed.finish().map_err(|_| DecodeError::Short { of: "its compressed data" })?;
        }
        Ok(rows)
    }
}

impl Rows<'_> {
    fn feed(
        &mut self,
        bytes: &[u8],
        collected: &mut Collected,
    ) -> Result<ControlFlow<()>, DecodeError> {
        match self {
            Rows::Arrow(reader) => reader.feed(bytes, collected),
            Rows::Json(reader) => reader.feed(bytes, collected),
        }
    }

    fn finish(self) -> Result<u64, DecodeError> {
        match self {
            Rows::Arrow(reader) => reader.finish(),
            Rows::Json(reader) => reader.finish(),
        }
    }
}
