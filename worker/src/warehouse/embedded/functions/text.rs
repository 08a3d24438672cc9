//! Text functions whose meaning in Snowflake is not the engine's own.

use std::sync::Arc;

use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int64Array, StringArray};
use datafusion::arrow::compute::kernels::regexp::regexp_match;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::{Result, exec_err};

use super::scalar::{Call, Scalar, integers, strings};

/// All functions of this file.
pub(crate) const TEXTS: &[Scalar] = &[
    Scalar { name: "sf_substr", arity: 2..=3, returns: varchar, body: substr },
    Scalar { name: "sf_charindex", arity: 2..=3, returns: integer, body: charindex },
    Scalar { name: "sf_regexp_substr", arity: 2..=2, returns: varchar, body: regexp_substr },
    Scalar { name: "sf_fit", arity: 2..=2, returns: varchar, body: fit },
    Scalar { name: "sf_split_part", arity: 3..=3, returns: varchar, body: split_part },
];

fn varchar(_: &Call) -> Result<DataType> {
    Ok(DataType::Utf8)
}

fn integer(_: &Call) -> Result<DataType> {
    Ok(DataType::Int64)
}

/// A negative start counts from the end; 0 is as 1.
fn substr(_: &Call, args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let (texts, starts) = (strings(&args[0])?, integers(&args[1])?);
    let lengths = args.get(2).map(integers).transpose()?;
    let mut answer = Vec::with_capacity(texts.len());
    for (row, (text, start)) in texts.iter().zip(starts.iter()).enumerate() {
        let length = match &lengths {
            Some(lengths) if lengths.is_null(row) => None,
            Some(lengths) => Some(lengths.value(row).max(0)),
            None => Some(i64::MAX),
        };
        answer.push(match (text, start, length) {
            (Some(text), Some(start), Some(length)) => Some(slice(text, start, length)),
            (None, _, _) | (_, None, _) | (_, _, None) => None,
        });
    }
    Ok(Arc::new(StringArray::from(answer)))
}

fn slice(text: &str, start: i64, length: i64) -> String {
    let count = i64::try_from(text.chars().count()).unwrap_or(i64::MAX);
    let skip = match start {
        0 => 0,
        start if start > 0 => start - 1,
        start if count + start < 0 => return String::new(),
        start => count + start,
    };
    let skip = usize::try_from(skip).unwrap_or(usize::MAX);
    text.chars().skip(skip).take(usize::try_from(length).unwrap_or(usize::MAX)).collect()
}

/// Where a text first occurs in another, counted from 1; 0 when it does not.
fn charindex(_: &Call, args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let (wanted, texts) = (strings(&args[0])?, strings(&args[1])?);
    let starts = match args.get(2) {
        Some(starts) => integers(starts)?,
        None => Int64Array::from(vec![1; texts.len()]),
    };
    let found =
        wanted.iter().zip(texts.iter()).zip(starts.iter()).map(|((wanted, text), start)| {
            let (wanted, text) = (wanted?, text?);
            let skip = usize::try_from(start?.max(1) - 1).ok()?;
            let from = text.char_indices().nth(skip).map_or(text.len(), |(at, _)| at);
            Some(match text[from..].find(wanted) {
                Some(at) => i64::try_from(text[..from + at].chars().count() + 1).ok()?,
                None => 0,
            })
        });
    Ok(Arc::new(found.collect::<Int64Array>()))
}

/// The first match of a pattern; NULL when there is none.
fn regexp_substr(_: &Call, args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let texts = strings(&args[0])?;
    // The whole match is the first group.
    let patterns = strings(&args[1])?;
    let patterns: StringArray =
        patterns.iter().map(|pattern| pattern.map(|pattern| format!("({pattern})"))).collect();
    let matches = regexp_match(&texts, &patterns, None)?;
    let matches = matches.as_list::<i32>();
    let answer = (0..matches.len()).map(|row| {
        if matches.is_null(row) {
            return None;
        }
        let groups = matches.value(row);
        let groups = groups.as_string_opt::<i32>()?;
        (!groups.is_empty() && groups.is_valid(0)).then(|| groups.value(0).to_owned())
    });
    Ok(Arc::new(answer.collect::<StringArray>()))
}

/// Part 0 is as part 1; negative parts count from the end.
fn split_part(_: &Call, args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let (texts, marks, parts) = (strings(&args[0])?, strings(&args[1])?, integers(&args[2])?);
    let answer = texts.iter().zip(marks.iter()).zip(parts.iter()).map(|((text, mark), part)| {
        let (text, mark, part) = (text?, mark?, part?);
        let pieces: Vec<&str> =
            if mark.is_empty() { vec![text] } else { text.split(mark).collect() };
        let back = usize::try_from(part.unsigned_abs()).ok()?;
        let at = match part {
            0 => Some(0),
            part if part > 0 => Some(back - 1),
            _ => pieces.len().checked_sub(back),
        };
        Some(at.and_then(|at| pieces.get(at)).copied().unwrap_or("").to_owned())
    });
    Ok(Arc::new(answer.collect::<StringArray>()))
}

/// A text in a VARCHAR of a length: what is longer is an error, as in Snowflake.
fn fit(_: &Call, args: &[ArrayRef], _: &DataType) -> Result<ArrayRef> {
    let (texts, lengths) = (strings(&args[0])?, integers(&args[1])?);
    for (text, length) in texts.iter().zip(lengths.iter()) {
        let (Some(text), Some(length)) = (text, length) else { continue };
        if i64::try_from(text.chars().count()).is_ok_and(|count| count > length) {
            return exec_err!("String '{text}' is too long and would be truncated");
        }
    }
    Ok(Arc::new(texts))
}
