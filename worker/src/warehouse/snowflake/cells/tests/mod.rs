//! Answers as Snowflake sends them, built here and read back.

mod documentation;
mod hostile;
mod streams;
mod types;

use std::collections::HashMap;
use std::io::Write;
use std::time::Duration;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::writer::StreamWriter;
use arrow_schema::{Field, Schema};
use serde_json::{Value, json};

use super::{DecodeError, Decoder, Format, PartReader, RowType};
use crate::warehouse::collected::Collected;
use crate::warehouse::{Cell, Limits};

const ROWS_MAX: usize = 10_000;

fn collected(rows_max: usize) -> Collected {
    Collected::new(Limits { rows_max, bytes_max: 64 << 20, timeout: Duration::from_secs(1) })
}

/// A column `C` of this type; `more` holds what else Snowflake says about it.
fn row_type(kind: &str, more: Value) -> RowType {
    let mut described = json!({ "name": "C", "type": kind, "nullable": true });
    if let (Some(all), Value::Object(more)) = (described.as_object_mut(), more) {
        all.extend(more);
    }
    serde_json::from_value(described).unwrap()
}

/// A field of an Arrow schema with Snowflake's remarks in its metadata.
fn field(array: &ArrayRef, remarks: &[(&str, &str)]) -> Field {
    let owned = remarks.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
    let metadata: HashMap<String, String> = owned.collect();
    Field::new("C", array.data_type().clone(), true).with_metadata(metadata)
}

/// A stream of batches.
fn stream(field: &Field, batches: &[ArrayRef]) -> Vec<u8> {
    let schema = std::sync::Arc::new(Schema::new(vec![field.clone()]));
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, &schema).unwrap();
    for array in batches {
        let batch = RecordBatch::try_new(schema.clone(), vec![array.clone()]).unwrap();
        writer.write(&batch).unwrap();
    }
    writer.finish().unwrap();
    drop(writer);
    bytes
}

/// The rows of one part, read in pieces of this many bytes.
fn read(
    format: Format,
    columns: &[RowType],
    bytes: &[u8],
    piece: usize,
) -> Result<Vec<Vec<Cell>>, DecodeError> {
    let decoder = Decoder::new(columns, Some("Europe/Berlin"));
    let mut collected = collected(ROWS_MAX);
    let mut reader = PartReader::new(format, &decoder);
    for piece in bytes.chunks(piece) {
        if reader.feed(piece, &mut collected)?.is_break() {
            return Ok(collected.into_rows());
        }
    }
    let rows = reader.finish()?;
    assert_eq!(rows, collected.rows().len() as u64);
    Ok(collected.into_rows())
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    packed.write_all(bytes).unwrap();
    packed.finish().unwrap()
}

fn text(text: &str) -> Cell {
    Cell::Text(text.to_owned())
}

fn number(digits: &str) -> Cell {
    Cell::Number(digits.to_owned())
}
