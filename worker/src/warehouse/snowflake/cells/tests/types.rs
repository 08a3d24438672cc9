//! Each type in both formats: the same value, exactly.

use std::sync::Arc;

use arrow_array::types::Float32Type;
use arrow_array::{
    Array, ArrayRef, BinaryArray, BooleanArray, Date32Array, Decimal128Array, FixedSizeListArray,
    Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, ListArray, MapArray, StringArray,
    StructArray,
};
use arrow_buffer::{NullBuffer, OffsetBuffer};
use arrow_schema::{DataType, Field, Fields};
use serde_json::json;

use super::*;
use crate::mcp::answer::cell_text;
use crate::warehouse::snowflake::cells::{take_json_rows, time};

/// A value in both formats must be read as this; `array` holds the value and a NULL.
#[track_caller]
fn both(column: &RowType, sent: &str, array: ArrayRef, expected: &Cell) {
    let rows = vec![vec![expected.clone()], vec![Cell::Null]];
    let json = format!("[{}],[null]", Value::from(sent));
    let read_json = read(Format::Json, std::slice::from_ref(column), json.as_bytes(), 5);
    assert_eq!(read_json.as_ref(), Ok(&rows), "JSON {sent}");
    let scale = column.scale.map(|scale| scale.to_string()).unwrap_or_default();
    let remarks = [("logicalType", column.kind.as_str()), ("scale", scale.as_str())];
    let with_remarks = stream(&field(&array, &remarks), std::slice::from_ref(&array));
    let bare = stream(&field(&array, &[]), std::slice::from_ref(&array));
    for bytes in [with_remarks, bare] {
        let read_arrow = read(Format::Arrow, std::slice::from_ref(column), &bytes, 64);
        assert_eq!(read_arrow.as_ref(), Ok(&rows), "Arrow {sent}");
    }
}

fn structure(fields: Vec<(&str, ArrayRef)>) -> ArrayRef {
    let described: Fields = fields
        .iter()
        .map(|(name, array)| Field::new(*name, array.data_type().clone(), true))
        .collect();
    let arrays = fields.into_iter().map(|(_, array)| array).collect();
    Arc::new(StructArray::new(described, arrays, Some(NullBuffer::from(vec![true, false]))))
}

fn longs(value: i64) -> ArrayRef {
    Arc::new(Int64Array::from(vec![Some(value), None]))
}

fn ints(value: i32) -> ArrayRef {
    Arc::new(Int32Array::from(vec![Some(value), None]))
}

fn strings(value: &str) -> ArrayRef {
    Arc::new(StringArray::from(vec![Some(value), None]))
}

fn moment(epoch: i64, fraction: i32) -> ArrayRef {
    structure(vec![("epoch", longs(epoch)), ("fraction", ints(fraction))])
}

#[test]
fn numbers_of_any_scale_keep_their_digits() {
    let column = |scale: i64| row_type("fixed", json!({ "precision": 38, "scale": scale }));
    let eight: ArrayRef = Arc::new(Int8Array::from(vec![Some(-128), None]));
    both(&column(0), "-128", eight.clone(), &number("-128"));
    both(&column(3), "-0.128", eight, &number("-0.128"));
    let sixteen: ArrayRef = Arc::new(Int16Array::from(vec![Some(150), None]));
    both(&column(2), "1.50", sixteen, &number("1.50"));
    both(&column(5), "0.00001", ints(1), &number("0.00001"));
    both(&column(0), "9223372036854775807", longs(i64::MAX), &number("9223372036854775807"));
    for (digits, scale, expected) in [
        ("99999999999999999999999999999999999999", 0, "99999999999999999999999999999999999999"),
        ("-99999999999999999999999999999999999999", 37, "-9.9999999999999999999999999999999999999"),
        ("12345678901234567890123456789012345678", 10, "1234567890123456789012345678.9012345678"),
        ("1", 37, "0.0000000000000000000000000000000000001"),
        ("0", 2, "0.00"),
    ] {
        let units = vec![Some(digits.parse().unwrap()), None];
        let array = Decimal128Array::from(units).with_precision_and_scale(38, scale).unwrap();
        both(&column(scale.into()), expected, Arc::new(array), &number(expected));
    }
}

#[test]
fn doubles_are_doubles() {
    for (sent, value) in [
        ("0.1", 0.1),
        ("-1.7976931348623157e+308", f64::MIN),
        ("5e-324", 5e-324),
        ("inf", f64::INFINITY),
        ("-inf", f64::NEG_INFINITY),
    ] {
        let array: ArrayRef = Arc::new(Float64Array::from(vec![Some(value), None]));
        both(&row_type("real", json!({})), sent, array, &Cell::Float(value));
    }
    let column = [row_type("real", json!({}))];
    let rows = read(Format::Json, &column, b"[\"NaN\"]", 9).unwrap();
    assert!(matches!(rows[0][0], Cell::Float(value) if value.is_nan()));
}

#[test]
fn decimals_with_an_exponent_of_their_own() {
    let column = row_type("decfloat", json!({ "precision": 38 }));
    for (significand, exponent, sent, expected) in [
        (0i128, 0i16, "0", "0"),
        (-15, -1, "-1.5", "-1.5"),
        (1, 2, "100", "100"),
        (123, -5, "0.00123", "0.00123"),
        (1, -7, "1e-7", "0.0000001"),
        (-987_654_321, -258, "-9.87654321e-250", "-9.87654321e-250"),
        (1, 16_384, "1E+16384", "1e16384"),
        (
            12_345_678_901_234_567_890_123_456_789_012_345_678,
            0,
            "12345678901234567890123456789012345678",
            "12345678901234567890123456789012345678",
        ),
        (
            -99_999_999_999_999_999_999_999_999_999_999_999_999,
            -38,
            "-0.99999999999999999999999999999999999999",
            "-0.99999999999999999999999999999999999999",
        ),
    ] {
        // As short as it can be: a signed integer without bytes that only repeat the sign.
        let bytes = significand.to_be_bytes();
        let fits = |kept: &usize| {
            let shift = 8 * u32::try_from(16 - kept).unwrap();
            (significand << shift) >> shift == significand
        };
        let kept = (1..=16).find(fits).unwrap();
        let significands = BinaryArray::from(vec![Some(&bytes[16 - kept..]), None]);
        let array = structure(vec![
            ("exponent", Arc::new(Int16Array::from(vec![Some(exponent), None]))),
            ("significand", Arc::new(significands)),
        ]);
        both(&column, sent, array, &number(expected));
    }
}

#[test]
fn truth_text_and_bytes() {
    let array: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None]));
    both(&row_type("boolean", json!({})), "1", array.clone(), &Cell::Boolean(true));
    both(&row_type("boolean", json!({})), "TRUE", array, &Cell::Boolean(true));
    let column = row_type("text", json!({ "length": 16, "byteLength": 64 }));
    both(
        &column,
        "naïve \u{1f9ca}\n\"x\"",
        strings("naïve \u{1f9ca}\n\"x\""),
        &text("naïve \u{1f9ca}\n\"x\""),
    );
    both(&column, "", strings(""), &text(""));
    let array: ArrayRef = Arc::new(BinaryArray::from(vec![Some(&[0xc0u8, 0x0f, 0xee][..]), None]));
    both(&row_type("binary", json!({ "length": 8 })), "c00fee", array, &text("C00FEE"));
    let column = row_type("period_of_time", json!({ "scale": 3 }));
    both(&column, "12.5", strings("12.5"), &text("12.5"));
    both(&column, "7", longs(7), &text("7"));
    let array: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None]));
    both(&column, "true", array, &text("true"));
}

#[test]
fn every_day_is_written_as_the_calendar_has_it() {
    let first = jiff::civil::date(1, 1, 1);
    let epoch = jiff::civil::date(1970, 1, 1);
    let mut days = i64::from(epoch.until(first).unwrap().get_days());
    let mut date = first;
    while date.year() < 9999 || date.month() < 12 || date.day() < 31 {
        assert_eq!(time::date(days), date.to_string());
        days += 1;
        date = date.tomorrow().unwrap();
    }
    assert_eq!(time::date(days), "9999-12-31");
    assert_eq!(time::date(-719_529), "-0001-12-31");
    assert_eq!(time::date(2_932_897), "10000-01-01");
    let array: ArrayRef = Arc::new(Date32Array::from(vec![Some(-1), None]));
    both(&row_type("date", json!({})), "-1", array, &text("1969-12-31"));
    assert!(!time::date(i64::MAX).is_empty() && !time::date(i64::MIN).is_empty());
}

#[test]
fn times_of_any_scale() {
    let column = |scale: i64| row_type("time", json!({ "scale": scale }));
    both(&column(0), "47045", ints(47_045), &text("13:04:05"));
    both(&column(9), "47045.000000000", longs(47_045_000_000_000), &text("13:04:05"));
    both(&column(9), "47045.250000000", longs(47_045_250_000_000), &text("13:04:05.250"));
    both(&column(2), "47045.25", ints(4_704_525), &text("13:04:05.25"));
    both(&column(9), "86399.999999999", longs(86_399_999_999_999), &text("23:59:59.999999999"));
    both(&column(6), "0.000001", longs(1), &text("00:00:00.000001"));
}

#[test]
fn moments_on_no_clock() {
    let column = |scale: i64| row_type("timestamp_ntz", json!({ "scale": scale }));
    let at = |shown: &str| text(shown);
    both(&column(0), "0", longs(0), &at("1970-01-01 00:00:00.000"));
    both(&column(3), "-0.001", longs(-1), &at("1969-12-31 23:59:59.999"));
    both(
        &column(9),
        "1709211845.250000000",
        moment(1_709_211_845, 250_000_000),
        &at("2024-02-29 13:04:05.250"),
    );
    both(
        &column(9),
        "1709211845.000000001",
        moment(1_709_211_845, 1),
        &at("2024-02-29 13:04:05.000000001"),
    );
    both(
        &column(6),
        "1709211845.250001",
        longs(1_709_211_845_250_001),
        &at("2024-02-29 13:04:05.250001"),
    );
    both(
        &column(9),
        "-62135596800.000000000",
        moment(-62_135_596_800, 0),
        &at("0001-01-01 00:00:00.000"),
    );
    both(
        &column(9),
        "253402300799.999999999",
        moment(253_402_300_799, 999_999_999),
        &at("9999-12-31 23:59:59.999999999"),
    );
    // Whether the fraction counts up from the second before or down from that after.
    both(&column(9), "-1.500000000", moment(-2, 500_000_000), &at("1969-12-31 23:59:58.500"));
    both(&column(9), "-1.500000000", moment(-1, -500_000_000), &at("1969-12-31 23:59:58.500"));
}

#[test]
fn moments_where_the_session_is() {
    // Read in Berlin: winter, summer, and the odd seconds of 1880, rounded to a minute in both.
    let column = |scale: i64| row_type("timestamp_ltz", json!({ "scale": scale }));
    both(
        &column(9),
        "1709211845.000000000",
        moment(1_709_211_845, 0),
        &text("2024-02-29 14:04:05.000 +0100"),
    );
    both(
        &column(3),
        "1719835445.120",
        longs(1_719_835_445_120),
        &text("2024-07-01 14:04:05.120 +0200"),
    );
    both(&column(0), "-2840140800", longs(-2_840_140_800), &text("1880-01-01 00:53:00.000 +0053"));
    both(
        &column(0),
        "253402300799",
        longs(253_402_300_799),
        &text("10000-01-01 00:59:59.000 +0100"),
    );
    for zone in [None, Some("Mars/Olympus_Mons"), Some("UTC")] {
        let columns = [column(0)];
        let decoder = Decoder::new(&columns, zone);
        let mut collected = collected(1);
        let mut reader = PartReader::new(Format::Json, &decoder);
        assert!(reader.feed(b"[\"0\"]", &mut collected).unwrap().is_continue());
        assert_eq!(collected.rows(), [[text("1970-01-01 00:00:00.000 +0000")]]);
    }
}

#[test]
fn an_offset_of_odd_seconds_is_rounded_and_the_time_with_it() {
    // 9:18:59 in Tokyo until 1887, also before all moments that a table of time zones knows.
    let columns = [row_type("timestamp_ltz", json!({ "scale": 0 }))];
    let decoder = Decoder::new(&columns, Some("Asia/Tokyo"));
    let mut collected = collected(9);
    let rowset = json!([["-2840140800"], ["-400000000000"]]);
    assert!(take_json_rows(&rowset, &decoder, &mut collected).unwrap().is_continue());
    let shown: Vec<String> = collected.rows().iter().map(|row| cell_text(&row[0])).collect();
    assert_eq!(shown, ["1880-01-01 09:19:00.000 +0919", "-10706-07-03 18:12:20.000 +0919"]);
}

#[test]
fn a_moment_without_its_seconds_is_null() {
    let (epoch, zone) = (longs(0), Arc::new(Int32Array::from(vec![1440, 1440])) as ArrayRef);
    let fields = [("epoch", &epoch), ("timezone", &zone)];
    let described =
        fields.map(|(name, array)| Field::new(name, array.data_type().clone(), true)).to_vec();
    let array: ArrayRef = Arc::new(StructArray::new(described.into(), vec![epoch, zone], None));
    let column = row_type("timestamp_tz", json!({ "scale": 0 }));
    both(&column, "0 1440", array, &text("1970-01-01 00:00:00.000 +0000"));
}

#[test]
fn moments_with_their_own_offset() {
    let column = |scale: i64| row_type("timestamp_tz", json!({ "scale": scale }));
    let two =
        |epoch: i64, zone: i32| structure(vec![("epoch", longs(epoch)), ("timezone", ints(zone))]);
    let three = |epoch: i64, fraction: i32, zone: i32| {
        structure(vec![
            ("epoch", longs(epoch)),
            ("fraction", ints(fraction)),
            ("timezone", ints(zone)),
        ])
    };
    both(
        &column(0),
        "1709211845 1440",
        two(1_709_211_845, 1440),
        &text("2024-02-29 13:04:05.000 +0000"),
    );
    both(
        &column(3),
        "1709211845.500 1770",
        two(1_709_211_845_500, 1770),
        &text("2024-02-29 18:34:05.500 +0530"),
    );
    both(
        &column(9),
        "1709211845.500000001 960",
        three(1_709_211_845, 500_000_001, 960),
        &text("2024-02-29 05:04:05.500000001 -0800"),
    );
    both(
        &column(9),
        "-0.000000001 1410",
        three(-1, 999_999_999, 1410),
        &text("1969-12-31 23:29:59.999999999 -0030"),
    );
    let columns = [column(0)];
    for wrong in ["1709211845", "1 99999", "1 x", "x 1440", "", " "] {
        let json = format!("[{}]", Value::from(wrong));
        assert!(read(Format::Json, &columns, json.as_bytes(), 9).is_err(), "{wrong}");
    }
}

#[test]
fn intervals() {
    let months = |scale: i64| row_type("interval_year_month", json!({ "scale": scale }));
    both(&months(0), "-15", longs(-15), &text("-1-03"));
    both(&months(1), "24", ints(24), &text("+2"));
    both(&months(2), "999999999", longs(999_999_999), &text("+999999999"));
    let days = row_type("interval_day_time", json!({ "scale": 9 }));
    both(&days, "93784567000000", longs(93_784_567_000_000), &text("+1 02:03:04.567"));
    let longest = 86_399_999_999_999_999_999_999i128;
    let array = Decimal128Array::from(vec![Some(-longest), None]);
    both(&days, &(-longest).to_string(), Arc::new(array), &text("-999999999 23:59:59.999999999"));
}

#[test]
fn documents_in_which_every_number_survives_are_json() {
    let column = row_type("variant", json!({}));
    for (sent, value) in [
        (
            "{\n  \"a\": [1, 2.50, null],\n  \"b\": \"x\\u00e9\\\"\"\n}",
            json!({ "a": [1, 2.5, null], "b": "xé\"" }),
        ),
        ("1.234500000000000e+02", json!(123.45)),
        ("3.141592653589793", json!(std::f64::consts::PI)),
        ("9007199254740991", json!(9_007_199_254_740_991i64)),
        ("-0.1", json!(-0.1)),
        ("\"text\"", json!("text")),
        ("null", Value::Null),
        ("true", json!(true)),
        ("[]", json!([])),
    ] {
        both(&column, sent, strings(sent), &Cell::Json(value));
    }
    let deep = "[".repeat(5_000) + &"]".repeat(5_000);
    for sent in [
        "{\"id\":9007199254740993}",
        "[0.12345678901234567890123456789012345678]",
        "[12345678901234567890123456789012345678]",
        "[1e400]",
        "[1,undefined,3]",
        "[NaN]",
        "[-Infinity]",
        "007",
        "[.5]",
        "{\"a\":1,\"a\":2}",
        "{\"a\":1} x",
        "",
        "\"",
        deep.as_str(),
    ] {
        both(&column, sent, strings(sent), &text(sent));
    }
}

#[test]
fn vectors_and_places() {
    let column =
        row_type("vector", json!({ "vectorDimension": 3, "fields": [{ "type": "real" }] }));
    let floats = [Some(vec![Some(0.1), Some(-2.5), Some(3.0)]), None];
    let array = FixedSizeListArray::from_iter_primitive::<Float32Type, _, _>(floats, 3);
    both(&column, "[0.1,-2.500000,3.0]", Arc::new(array), &Cell::Json(json!([0.1, -2.5, 3.0])));
    let geography = row_type("object", json!({ "extTypeName": "GEOGRAPHY" }));
    let point = "{ \"coordinates\": [-122.35, 37.55], \"type\": \"Point\" }";
    let expected = Cell::Json(json!({ "coordinates": [-122.35, 37.55], "type": "Point" }));
    both(&geography, point, strings(point), &expected);
    let written = row_type("text", json!({ "extTypeName": "GEOMETRY" }));
    both(&written, "POINT(1 2)", strings("POINT(1 2)"), &text("POINT(1 2)"));
}

#[test]
fn structured_values_from_arrow_are_the_documents_that_json_sends() {
    let list = ListArray::new(
        Arc::new(Field::new("element", DataType::Int64, true)),
        OffsetBuffer::new(vec![0, 2, 2].into()),
        longs(150),
        Some(NullBuffer::from(vec![true, false])),
    );
    let column = row_type("array", json!({ "fields": [{ "type": "fixed", "scale": 1 }] }));
    both(&column, "[15.0, null]", Arc::new(list), &Cell::Json(json!([15.0, null])));

    let object = row_type(
        "object",
        json!({ "fields": [
        { "name": "when", "type": "date" }, { "name": "raw", "type": "binary" },
        { "name": "at", "type": "timestamp_ntz", "scale": 9 }, { "name": "any", "type": "variant" },
    ] }),
    );
    let array = structure(vec![
        ("when", Arc::new(Date32Array::from(vec![Some(0), None]))),
        ("raw", Arc::new(BinaryArray::from(vec![Some(&[0xabu8][..]), None]))),
        ("at", moment(0, 0)),
        ("any", strings("{\"x\":1}")),
    ]);
    let sent = r#"{"when":"1970-01-01","raw":"AB","at":"1970-01-01 00:00:00.000","any":{"x":1}}"#;
    both(&object, sent, array, &Cell::Json(serde_json::from_str(sent).unwrap()));

    // An identifier that no double holds makes text of all that is around it.
    let object = row_type("object", json!({ "fields": [{ "name": "any", "type": "variant" }] }));
    let sent = r#"{"any":{"id":9007199254740993}}"#;
    let array = structure(vec![("any", strings("{\"id\":9007199254740993}"))]);
    both(&object, sent, array, &text(sent));

    let entries = StructArray::from(vec![
        (Arc::new(Field::new("key", DataType::Int64, false)), numbers(&[7, 8])),
        (Arc::new(Field::new("value", DataType::Int64, true)), numbers(&[1, i64::MAX])),
    ]);
    let entry = Arc::new(Field::new("entries", entries.data_type().clone(), false));
    let nulls = Some(NullBuffer::from(vec![true, false]));
    let offsets = OffsetBuffer::new(vec![0, 2, 2].into());
    let map = MapArray::new(entry, offsets, entries, nulls, false);
    let column = row_type("map", json!({ "fields": [{ "type": "fixed" }, { "type": "fixed" }] }));
    let sent = format!("{{\"7\":1,\"8\":{}}}", i64::MAX);
    both(&column, &sent, Arc::new(map), &text(&sent));
}

fn numbers(values: &[i64]) -> ArrayRef {
    Arc::new(Int64Array::from(values.to_vec()))
}

#[test]
fn types_have_snowflakes_names() {
    let inside = json!([{ "type": "text", "length": 5 }, { "name": "n", "type": "fixed", "nullable": false, "precision": 9, "scale": 0 }]);
    for (kind, more, name) in [
        ("fixed", json!({ "precision": 10, "scale": 2, "length": null }), "NUMBER(10,2)"),
        ("fixed", json!({}), "NUMBER(38,0)"),
        ("text", json!({}), "VARCHAR"),
        ("timestamp_tz", json!({ "scale": 0, "precision": 0 }), "TIMESTAMP_TZ(0)"),
        ("array", json!({}), "ARRAY"),
        ("array", json!({ "fields": [] }), "ARRAY"),
        (
            "vector",
            json!({ "vectorDimension": 256, "fields": [{ "type": "fixed" }] }),
            "VECTOR(INT, 256)",
        ),
        ("object", json!({ "fields": inside }), "OBJECT(VARCHAR(5), n NUMBER(9,0) NOT NULL)"),
        ("object", json!({ "extTypeName": "geography" }), "GEOGRAPHY"),
        ("interval_year_month", json!({ "scale": 2 }), "INTERVAL MONTH"),
        ("uuid", json!({}), "UUID"),
    ] {
        let column = row_type(kind, more).column();
        assert_eq!((column.type_name.as_str(), column.name.as_str()), (name, "C"));
        assert!(column.nullable);
    }
}
