//! Bodies that are no answers: refused early, never a panic, never much memory.

use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, StringArray};
use serde_json::json;

use super::*;

const XML: &[u8] = b"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>AccessDenied</Code>\
    <Message>Request has expired</Message></Error>";

fn columns() -> [RowType; 1] {
    [row_type("text", json!({}))]
}

fn refused(format: Format, bytes: &[u8], piece: usize) -> String {
    read(format, &columns(), bytes, piece).unwrap_err().to_string()
}

#[test]
fn a_page_is_refused_at_its_first_bytes() {
    let decoder = Decoder::new(&columns(), None);
    for (format, bytes) in [
        (Format::Arrow, XML),
        (Format::Arrow, b"{\"message\":\"no\"}"),
        (Format::Json, XML),
        (Format::Json, b"{\"message\":\"no\"}"),
    ] {
        let mut reader = PartReader::new(format, &decoder);
        let refused = reader.feed(&bytes[..8], &mut collected(1));
        assert!(matches!(refused, Err(DecodeError::Malformed { .. })), "{format:?}: {refused:?}");
    }
    assert!(refused(Format::Arrow, XML, 1).contains("begins with a header of"));
}

/// How long the body of a stream's second message is; the first is the schema and has none.
fn body_of_second(bytes: &[u8]) -> i64 {
    let length = |at: usize| u32::from_le_bytes(bytes[at + 4..at + 8].try_into().unwrap()) as usize;
    let second = 8 + length(0);
    let header = &bytes[second + 8..second + 8 + length(second)];
    arrow_ipc::root_as_message(header).unwrap().bodyLength()
}

#[test]
fn a_length_is_not_believed() {
    let mut header = vec![0xff; 4];
    header.extend((17u32 << 20).to_le_bytes());
    assert!(refused(Format::Arrow, &header, 3).contains("more than 16777216"));
    let texts: ArrayRef = Arc::new(StringArray::from(vec!["x".repeat(70_000)]));
    let bytes = stream(&field(&texts, &[]), &[texts]);
    let body = body_of_second(&bytes);
    let found: Vec<usize> =
        (0..bytes.len() - 8).filter(|at| bytes[*at..at + 8] == body.to_le_bytes()).collect();
    assert_eq!(found.len(), 1, "where the length of the body is");
    for lie in [u64::MAX, 1 << 40, (256 << 20) + 1] {
        let mut bytes = bytes.clone();
        bytes[found[0]..found[0] + 8].copy_from_slice(&lie.to_le_bytes());
        assert!(refused(Format::Arrow, &bytes, 1000).contains("more than 268435456"));
    }
    let mut bytes = bytes;
    bytes[found[0]..found[0] + 8].copy_from_slice(&8u64.to_le_bytes());
    assert!(refused(Format::Arrow, &bytes, 1000).contains("reaches beyond its end"));
}

#[test]
fn what_expands_a_thousandfold_is_refused_as_it_comes() {
    let packed = gzip(&vec![b' '; 64 << 20]);
    assert!(packed.len() < 100_000);
    assert!(read(Format::Json, &columns(), &packed, packed.len()).unwrap().is_empty());
    let packed = gzip(&vec![b'a'; 64 << 20]);
    assert!(refused(Format::Json, &packed, packed.len()).contains("no row after row 0"));
    assert!(refused(Format::Json, &packed[..9], 9).contains("compressed data"));
    let mut damaged = gzip(b"[\"a\"]");
    damaged[12] ^= 0x55;
    assert!(read(Format::Json, &columns(), &damaged, 1).is_err());
}

#[test]
fn rows_that_are_no_rows_are_refused() {
    for bytes in [
        "[\"a\"] [\"b\"]",
        "[\"a\"],,[\"b\"]",
        "[\"a\"],",
        "[[\"a\"]]",
        "[\"a\", \"b\"]",
        "[]",
        "[{}]",
        "[\"a]",
        "[nul]",
        "null",
        "]",
    ] {
        assert!(read(Format::Json, &columns(), bytes.as_bytes(), 3).is_err(), "{bytes}");
    }
    let deep = [b'['; 100_000];
    assert!(read(Format::Json, &columns(), &deep, 1000).is_err());
}

/// Numbers that look random and are the same each time.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, most: usize) -> usize {
        usize::try_from(self.next() % most as u64).unwrap()
    }

    fn byte(&mut self) -> u8 {
        self.next().to_le_bytes()[3]
    }
}

#[test]
fn noise_is_never_more_than_an_error() {
    let mut noise = Noise(0x5eed);
    for round in 0..2_000 {
        let length = noise.below(300);
        let mut bytes: Vec<u8> = (0..length).map(|_| noise.byte()).collect();
        match round % 4 {
            0 => bytes.splice(0..0, [0xff, 0xff, 0xff, 0xff, 0x40, 0, 0, 0]).for_each(drop),
            1 => bytes.splice(0..0, [0x1f, 0x8b, 8, 0]).for_each(drop),
            2 => bytes.splice(0..0, *b"[\"").for_each(drop),
            _ => {}
        }
        for format in [Format::Arrow, Format::Json] {
            let _ = read(format, &columns(), &bytes, 1 + noise.below(50));
        }
    }
}

#[test]
fn a_damaged_answer_is_never_more_than_an_error() {
    let mut noise = Noise(0xdada);
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("a"), None, Some("bcd")]));
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(1), None, Some(-5)]));
    for array in [texts, numbers] {
        let bytes = stream(&field(&array, &[("scale", "2")]), &[array.clone(), array]);
        for kind in ["text", "fixed", "timestamp_ltz"] {
            let columns = [row_type(kind, json!({ "scale": 3 }))];
            for _ in 0..500 {
                let mut damaged = bytes.clone();
                for _ in 0..=noise.below(4) {
                    let at = noise.below(damaged.len());
                    damaged[at] = noise.byte();
                }
                let _ = read(Format::Arrow, &columns, &damaged, 100);
            }
        }
    }
}

#[test]
fn the_column_and_not_the_value_is_named() {
    let columns = [row_type("fixed", json!({ "scale": 2 }))];
    let wrong = read(Format::Json, &columns, b"[\"secret\"]", 100).unwrap_err();
    assert_eq!(wrong.to_string(), "cannot read column `C` of the answer: not a number");
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1]));
    let bytes = stream(&field(&numbers, &[("scale", "-3")]), &[numbers]);
    let wrong = read(Format::Arrow, &columns, &bytes, 100).unwrap_err();
    assert!(wrong.to_string().contains("`C` of the answer: a number with -3 digits"), "{wrong}");
    let wrong = read(Format::Arrow, &[], &bytes, 100).unwrap_err();
    assert!(wrong.to_string().contains("it has 1 columns, not 0"), "{wrong}");
}
