//! Answers of any size, made on the fly: `SELECT ROWS 1000000 CHUNKS 20 WIDTH 100`.
//!
//! Row n is the number n and a text that begins with it, so that an order that went wrong, a row
//! that is missing and a row that came twice are seen. Nothing is kept: a part is made when it is
//! asked for, a few thousand rows at a time.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::ops::Range;
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{DataType, Field, Schema};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::answers::Column;
use super::http::Pieces;

const BATCH_ROWS: u64 = 4096;
/// The most rows that come with an answer that has chunks.
const INLINE_ROWS_MAX: u64 = 1000;

/// An answer of made rows, in one inline part and some chunks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Made {
    pub(crate) rows: u64,
    pub(crate) chunks: u64,
    /// Bytes of each text.
    pub(crate) width: usize,
    pub(crate) arrow: bool,
}

impl Made {
    /// Reads `ROWS 10 CHUNKS 2 WIDTH 5`, or the same as a call: `ROWS(10, 2, 5)`.
    pub(crate) fn parse(words: &[&str]) -> Option<Made> {
        let arrow = match *words.first()? {
            "ROWS" => true,
            "JSONROWS" => false,
            _ => return None,
        };
        let rows = words.get(1)?.parse().ok()?;
        let named = |name: &str| words.iter().position(|word| *word == name).map(|at| at + 1);
        let a_call = named("CHUNKS").or(named("WIDTH")).is_none();
        let number = |name: &str, place: usize| {
            let at = if a_call { Some(place) } else { named(name) };
            at.and_then(|at| words.get(at)).and_then(|word| word.parse::<u64>().ok())
        };
        let chunks = number("CHUNKS", 2).unwrap_or(0);
        let width = number("WIDTH", 3).and_then(|width| usize::try_from(width).ok());
        Some(Made { rows, chunks, width: width.unwrap_or(10), arrow })
    }

    pub(crate) fn columns(&self) -> Vec<Column> {
        vec![Column::fixed("N", 38, 0), Column::text("S", self.width)]
    }

    /// Which rows are in a part. The inline one is number 0, and short if there are others.
    fn part(&self, index: u64) -> Range<u64> {
        if self.chunks == 0 {
            return 0..self.rows;
        }
        let inline = (self.rows / (self.chunks + 1)).min(INLINE_ROWS_MAX);
        let rest = self.rows - inline;
        match index.checked_sub(1) {
            None => 0..inline,
            Some(index) => {
                let end = inline + rest * (index + 1) / self.chunks;
                (inline + rest * index / self.chunks)..end
            }
        }
    }

    /// The inline part, as its key and value.
    pub(crate) fn inline(&self) -> (&'static str, Value) {
        let part = self.part(0);
        if self.arrow {
            let bytes: Vec<u8> = arrow_pieces(part, self.width).flatten().collect();
            ("rowsetBase64", Value::from(STANDARD.encode(bytes)))
        } else {
            let width = self.width;
            let row = |n: u64| json!([n.to_string(), text(n, width)]);
            ("rowset", part.map(row).collect())
        }
    }

    /// The list of chunks for an answer.
    pub(crate) fn listed(&self, base: &str, query_id: &str) -> Value {
        let entry = |index: u64| {
            let part = self.part(index);
            let count = part.end - part.start;
            let bytes = count * (self.width as u64 + 8);
            json!({
                "url": format!("{base}/chunks/{query_id}/{index}?X-Amz-Expires=21599&X-Amz-Signature=canary-signature"),
                "rowCount": count, "uncompressedSize": bytes, "compressedSize": bytes / 3
            })
        };
        (1..=self.chunks).map(entry).collect()
    }

    /// The bytes of a chunk, and how many they are when that is small.
    pub(crate) fn chunk(&self, index: u64) -> Option<(Pieces, bool)> {
        if index == 0 || index > self.chunks {
            return None;
        }
        let part = self.part(index);
        let small = (part.end - part.start) * (self.width as u64 + 8) < 4 * 1024 * 1024;
        let pieces: Pieces = if self.arrow {
            Box::new(arrow_pieces(part, self.width))
        } else {
            Box::new(json_pieces(part, self.width))
        };
        Some((pieces, small))
    }
}

/// What a client must send to get a chunk.
pub(crate) fn chunk_headers() -> Value {
    json!({
        "x-amz-server-side-encryption-customer-algorithm": "AES256",
        "x-amz-server-side-encryption-customer-key": CHUNK_KEY,
        "x-amz-server-side-encryption-customer-key-md5": "ByrEgrMhjgAEMRr1QA/nGg==",
    })
}

pub(crate) const CHUNK_KEY: &str = "c25vd2ZsYWtlIGNodW5rIGtleSBvZiB0ZXN0cyAwMDE=";

fn text(n: u64, width: usize) -> String {
    let mut text = format!("{n} ");
    while text.len() < width {
        text.push('x');
    }
    text.truncate(width.max(1));
    text
}

fn arrow_schema(width: usize) -> Arc<Schema> {
    let columns = [Column::fixed("N", 38, 0), Column::text("S", width)];
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}

/// A column as Arrow has it; what Snowflake means is in the metadata.
fn field(column: &Column) -> Field {
    let kind = if column.kind == "fixed" { DataType::Int64 } else { DataType::Utf8 };
    let metadata = HashMap::from([
        ("logicalType".to_owned(), column.kind.to_uppercase()),
        ("precision".to_owned(), column.precision.unwrap_or(0).to_string()),
        ("scale".to_owned(), column.scale.unwrap_or(0).to_string()),
        ("charLength".to_owned(), column.length.unwrap_or(0).to_string()),
        ("byteLength".to_owned(), column.length.map_or(0, |length| length * 4).to_string()),
        ("finalType".to_owned(), "T".to_owned()),
    ]);
    Field::new(&column.name, kind, true).with_metadata(metadata)
}

fn arrow_pieces(part: Range<u64>, width: usize) -> impl Iterator<Item = Vec<u8>> + Send {
    let schema = arrow_schema(width);
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).ok();
    let mut next = part.start;
    std::iter::from_fn(move || {
        let mut open = writer.take()?;
        if next >= part.end {
            open.finish().expect("memory takes all bytes");
        } else {
            let end = part.end.min(next + BATCH_ROWS);
            let numbers = (next..end).map(|n| i64::try_from(n).unwrap_or(0));
            let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(numbers));
            let texts = (next..end).map(|n| text(n, width));
            let texts: ArrayRef = Arc::new(StringArray::from_iter_values(texts));
            let batch = RecordBatch::try_new(Arc::clone(&schema), vec![numbers, texts]);
            open.write(&batch.expect("both columns are of one length")).expect("memory takes all");
            next = end;
            let piece = std::mem::take(open.get_mut());
            writer = Some(open);
            return Some(piece);
        }
        Some(std::mem::take(open.get_mut()))
    })
}

/// Rows with commas between them, and no brackets around them: so they lie in the storage.
fn json_pieces(part: Range<u64>, width: usize) -> impl Iterator<Item = Vec<u8>> + Send {
    let mut next = part.start;
    std::iter::from_fn(move || {
        if next >= part.end {
            return None;
        }
        let end = part.end.min(next + BATCH_ROWS);
        let mut piece = String::new();
        for n in next..end {
            let comma = if n > part.start { "," } else { "" };
            let _ = write!(piece, "{comma}[\"{n}\",\"{}\"]", text(n, width));
        }
        next = end;
        Some(piece.into_bytes())
    })
}

/// A few rows of texts as an Arrow stream.
pub(crate) fn small_arrow(columns: &[Column], rows: &[Vec<Option<String>>]) -> String {
    let schema = Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()));
    let cells = |at: usize| rows.iter().map(move |row| row.get(at).cloned().flatten());
    let array = |(at, column): (usize, &Column)| -> ArrayRef {
        if column.kind == "fixed" {
            let number = |cell: Option<String>| cell.and_then(|cell| cell.parse::<i64>().ok());
            Arc::new(cells(at).map(number).collect::<Int64Array>())
        } else {
            Arc::new(cells(at).collect::<StringArray>())
        }
    };
    let arrays: Vec<ArrayRef> = columns.iter().enumerate().map(array).collect();
    let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).expect("columns are even");
    let mut writer = StreamWriter::try_new(Vec::new(), &schema).expect("memory takes all bytes");
    writer.write(&batch).expect("memory takes all bytes");
    STANDARD.encode(writer.into_inner().expect("memory takes all bytes"))
}
