//! Parts in pieces of any size, compressed or not, whole or broken off.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, NullArray, StringArray};
use serde_json::json;

use super::*;
use crate::warehouse::snowflake::cells::take_json_rows;

const PIECES: [usize; 4] = [1, 7, 1000, usize::MAX];

fn numbers(range: std::ops::Range<i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(range))
}

/// Three batches of a column NUMBER(10,2): 0.00 to 2.99.
fn arrow_part() -> (RowType, Vec<u8>) {
    let batches = [numbers(0..100), numbers(100..200), numbers(200..300)];
    let field = field(&batches[0], &[("logicalType", "FIXED"), ("scale", "2")]);
    (row_type("fixed", json!({ "precision": 10, "scale": 2 })), stream(&field, &batches))
}

fn json_part() -> (RowType, Vec<u8>) {
    let rows: Vec<String> =
        (0..300).map(|row| format!("[ \"{}.{:02}\" ]", row / 100, row % 100)).collect();
    (row_type("fixed", json!({ "precision": 10, "scale": 2 })), rows.join(",\n").into_bytes())
}

fn expected() -> Vec<Vec<Cell>> {
    (0..300).map(|row| vec![number(&format!("{}.{:02}", row / 100, row % 100))]).collect()
}

#[test]
fn rows_do_not_depend_on_the_pieces_they_arrive_in() {
    for (format, (column, bytes)) in [(Format::Arrow, arrow_part()), (Format::Json, json_part())] {
        for piece in PIECES {
            let rows = read(format, std::slice::from_ref(&column), &bytes, piece.min(bytes.len()));
            assert_eq!(rows, Ok(expected()), "{format:?} in pieces of {piece}");
        }
    }
}

#[test]
fn a_part_is_unpacked_without_a_word_about_it() {
    for (format, (column, bytes)) in [(Format::Arrow, arrow_part()), (Format::Json, json_part())] {
        let packed = gzip(&bytes);
        for piece in PIECES {
            let rows =
                read(format, std::slice::from_ref(&column), &packed, piece.min(packed.len()));
            assert_eq!(rows, Ok(expected()), "{format:?} in pieces of {piece}");
        }
    }
}

#[test]
fn a_part_that_breaks_off_is_an_error_wherever_it_does() {
    let (column, bytes) = arrow_part();
    let columns = [column];
    let decoder = Decoder::new(&columns, None);
    let mut whole = 0;
    for end in 0..bytes.len() {
        let mut collected = collected(ROWS_MAX);
        let mut reader = PartReader::new(Format::Arrow, &decoder);
        assert!(reader.feed(&bytes[..end], &mut collected).unwrap().is_continue());
        match reader.finish() {
            // Between two messages nobody can tell; the number of rows does.
            Ok(rows) => {
                assert_eq!(rows % 100, 0);
                whole += 1;
            }
            Err(error) => assert!(matches!(error, DecodeError::Short { .. }), "{error}"),
        }
    }
    assert_eq!(whole, 5, "at the begin, after the schema, after each of three batches");
    let (column, bytes) = json_part();
    let cut = read(Format::Json, std::slice::from_ref(&column), &bytes[..bytes.len() - 1], 7);
    assert_eq!(cut, Err(DecodeError::Short { of: "a row" }));
    let packed = gzip(&bytes);
    let cut = read(Format::Json, &[column], &packed[..packed.len() - 3], 7);
    assert_eq!(cut, Err(DecodeError::Short { of: "its compressed data" }));
}

#[test]
fn a_part_that_broke_off_can_be_read_again() {
    let (column, bytes) = arrow_part();
    let columns = [column];
    let decoder = Decoder::new(&columns, None);
    let mut collected = collected(ROWS_MAX);
    let mark = collected.mark();
    let mut first = PartReader::new(Format::Arrow, &decoder);
    assert!(first.feed(&bytes[..bytes.len() - 600], &mut collected).unwrap().is_continue());
    assert_eq!(collected.rows().len(), 200, "complete batches are there at once");
    assert!(first.finish().is_err());
    collected.truncate_to(mark);
    let mut second = PartReader::new(Format::Arrow, &decoder);
    assert!(second.feed(&bytes, &mut collected).unwrap().is_continue());
    assert_eq!(second.finish(), Ok(300));
    assert_eq!(collected.into_rows(), expected());
}

#[test]
fn collecting_stops_in_the_middle_of_a_batch() {
    for (format, (column, bytes)) in [(Format::Arrow, arrow_part()), (Format::Json, json_part())] {
        let columns = [column];
        let decoder = Decoder::new(&columns, None);
        let mut collected = collected(150);
        let mut reader = PartReader::new(format, &decoder);
        assert!(reader.feed(&bytes, &mut collected).unwrap().is_break());
        assert!(collected.truncated());
        assert_eq!(collected.into_rows(), expected()[..150]);
    }
}

#[test]
fn batches_without_a_body_count() {
    let nulls: ArrayRef = Arc::new(NullArray::new(3));
    let bytes = stream(&field(&nulls, &[]), &[nulls.clone(), nulls]);
    let rows = read(Format::Arrow, &[row_type("text", json!({}))], &bytes, 1);
    assert_eq!(rows, Ok(vec![vec![Cell::Null]; 6]));
    let messages = bytes.len() - 8;
    let unended = read(Format::Arrow, &[row_type("text", json!({}))], &bytes[..messages], 1000);
    assert_eq!(unended, Ok(vec![vec![Cell::Null]; 6]), "the end was not announced");
}

#[test]
fn messages_of_old_writers_are_read() {
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["a", "b"]));
    let schema = Arc::new(Schema::new(vec![field(&texts, &[])]));
    let options =
        arrow_ipc::writer::IpcWriteOptions::try_new(8, true, arrow_ipc::MetadataVersion::V4);
    let mut bytes = Vec::new();
    let mut writer =
        StreamWriter::try_new_with_options(&mut bytes, &schema, options.unwrap()).unwrap();
    writer.write(&RecordBatch::try_new(schema.clone(), vec![texts]).unwrap()).unwrap();
    writer.finish().unwrap();
    drop(writer);
    assert_ne!(bytes[..4], [0xff; 4], "it has a marker after all");
    for piece in PIECES {
        let piece = piece.min(bytes.len());
        let rows = read(Format::Arrow, &[row_type("text", json!({}))], &bytes, piece);
        assert_eq!(rows, Ok(vec![vec![text("a")], vec![text("b")]]));
    }
}

#[test]
fn an_empty_part_has_no_rows() {
    let columns = [row_type("text", json!({}))];
    for format in [Format::Arrow, Format::Json] {
        assert_eq!(read(format, &columns, b"", 1), Ok(vec![]));
    }
    assert_eq!(read(Format::Json, &columns, b" \r\n\t", 1), Ok(vec![]));
}

#[test]
fn texts_may_hold_what_separates_rows() {
    let bytes = r#"["],[", "\"],[\"", "\\"] , ["[[", "\u00e9\n", null]"#.as_bytes();
    let columns = [0, 1, 2].map(|_| row_type("text", json!({})));
    let expected = vec![
        vec![text("],["), text("\"],[\""), text("\\")],
        vec![text("[["), text("é\n"), Cell::Null],
    ];
    for piece in PIECES {
        assert_eq!(
            read(Format::Json, &columns, bytes, piece.min(bytes.len())),
            Ok(expected.clone())
        );
    }
}

#[test]
fn the_inline_rows_of_json_are_read_too() {
    let columns = [row_type("fixed", json!({ "scale": 0 })), row_type("boolean", json!({}))];
    let decoder = Decoder::new(&columns, None);
    let mut collected = collected(2);
    let rowset = json!([["1", "true"], [null, false], [3, "0"]]);
    assert!(take_json_rows(&rowset, &decoder, &mut collected).unwrap().is_break());
    let expected = [vec![number("1"), Cell::Boolean(true)], vec![Cell::Null, Cell::Boolean(false)]];
    assert_eq!(collected.rows(), expected);
    assert!(take_json_rows(&json!(null), &decoder, &mut collected).unwrap().is_continue());
    for wrong in [json!({}), json!([1]), json!([["1"]])] {
        assert!(take_json_rows(&wrong, &decoder, &mut collected).is_err(), "{wrong}");
    }
}
