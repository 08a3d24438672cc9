//! What Snowflake answers, as rows of cells, exactly: no digit and no moment changes on the way.
//!
//! An answer comes in parts (one inside it, the others as chunks elsewhere) and in one of two
//! formats. A [`Decoder`] knows the columns, a [`PartReader`] reads one part as its bytes arrive,
//! so that an answer of any size takes the memory of one record batch. What arrives is not
//! trusted: a length is checked before it is believed. No network, clock or file enters here.
//!
//! - `row_type` columns as Snowflake describes them, and their types in its words
//! - `part` a part's bytes, perhaps compressed; `arrow` and `json` rows out of them
//! - `columns` values of Arrow, `words` values of JSON, `nested` values inside values
//! - `number`, `time`, `variant` how each is written

mod arrow;
mod columns;
mod json;
mod nested;
mod number;
mod part;
mod row_type;
mod time;
mod variant;
mod words;

#[cfg(test)]
mod tests;

use jiff::tz::{TimeZone, TimeZoneDatabase};

pub(crate) use json::take_json_rows;
pub(crate) use part::{Format, PartReader};
pub(crate) use row_type::RowType;

use row_type::Shape;

/// The most bytes that one record batch, or one row of JSON, may take: more than the largest
/// VARCHAR (128 MiB), and than any batch that Snowflake makes.
const PIECE_BYTES_MAX: usize = 256 << 20;

/// Knows the columns of an answer and turns values into cells.
#[derive(Debug)]
pub(crate) struct Decoder {
    columns: Vec<Column>,
    zone: TimeZone,
}

/// A column: its name for errors, its shape for values.
#[derive(Debug)]
struct Column {
    name: String,
    shape: Shape,
}

impl Decoder {
    /// For an answer with these columns. Local timestamps are shown in `time_zone`, the IANA name
    /// in the session parameter TIMEZONE; in UTC when it is absent or unknown.
    pub(crate) fn new(row_types: &[RowType], time_zone: Option<&str>) -> Decoder {
        let zone = time_zone
            .and_then(|name| TimeZoneDatabase::bundled().get(name).ok())
            .unwrap_or(TimeZone::UTC);
        let columns = row_types
            .iter()
            .map(|row_type| Column { name: row_type.name.clone(), shape: Shape::of(row_type) })
            .collect();
        Decoder { columns, zone }
    }
}

/// Why a part of an answer cannot be read.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DecodeError {
    /// A value is not what its column's type says.
    #[error("cannot read column `{column}` of the answer: {what}")]
    Cell {
        /// Its name.
        column: String,
        /// What was wrong with it; never the value itself.
        what: String,
    },
    /// The bytes are not in the format that the answer announced.
    #[error("cannot read the answer as {format}: {what}")]
    Malformed {
        /// The format.
        format: &'static str,
        /// What was wrong with them.
        what: String,
    },
    /// The bytes end before the part does.
    #[error("a part of the answer ends in the middle of {of}")]
    Short {
        /// What was being read.
        of: &'static str,
    },
}

/// What is wrong with a value, without its column.
type Flaw = String;
