//! The cost guard: a client that may scan so many bytes at once has its statement estimated first.
//!
//! The estimate is the warehouse's own (`EXPLAIN`): the bytes of the partitions that are left after
//! pruning. It costs no computing. What cannot be explained, such as SHOW or CALL, is not estimated
//! and passes.

use serde_json::Value;

use super::errand::Fate;
use super::results::Question;
use super::{Errand, ToolError};
use crate::mcp::answer::cell_text;
use crate::sql;
use crate::warehouse::pool::PoolError;
use crate::warehouse::{Answer, Context, WarehouseError};

/// What a statement would read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Estimate {
    /// Bytes of the partitions that are left after pruning.
    pub bytes: Option<u64>,
    /// Those partitions.
    pub partitions: Option<u64>,
    /// All partitions of the tables.
    pub partitions_total: Option<u64>,
}

/// Refuses a statement that would scan more than its caller may.
///
/// # Errors
/// When it would, or the warehouse gives no estimate of what it can explain.
pub async fn check(errand: &Errand<'_>, question: &Question<'_>) -> Result<(), ToolError> {
    let Some(bound) = errand.caller.grant.quota.bytes_scanned_max else { return Ok(()) };
    // What was run already scans nothing more.
    if matches!(errand.fate, Fate::Over(_)) || !sql::can_be_explained(question.statement) {
        return Ok(());
    }
    let explained = explain(errand, question.statement, &question.context).await;
    let estimate = match explained {
        Ok((estimate, _)) => estimate.bytes.unwrap_or(0),
        // Where nothing is explained in numbers, nothing is paid for either.
        Err(ToolError::Pool(PoolError::Warehouse(WarehouseError::Unsupported { .. }))) => 0,
        Err(error) => return Err(super::hints::helped(errand, &question.context, error).await),
    };
    if estimate <= bound {
        return Ok(());
    }
    Err(ToolError::TooMuch { estimate: in_words(estimate), bound: in_words(bound) })
}

/// The plan of a statement as JSON, and what it says about the whole.
///
/// # Errors
/// When the warehouse gives none.
pub async fn explain(
    errand: &Errand<'_>,
    statement: &str,
    context: &Context,
) -> Result<(Estimate, Answer), ToolError> {
    let answer = errand.ask(&format!("EXPLAIN USING JSON {statement}"), context).await?;
    let text = answer.rows.first().and_then(|row| row.first()).map(cell_text).unwrap_or_default();
    let plan: Value = serde_json::from_str(&text).unwrap_or_default();
    let number = |name: &str| plan.get("GlobalStats")?.get(name)?.as_u64();
    let estimate = Estimate {
        bytes: number("bytesAssigned"),
        partitions: number("partitionsAssigned"),
        partitions_total: number("partitionsTotal"),
    };
    Ok((estimate, answer))
}

/// Bytes for people.
#[must_use]
pub fn in_words(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["bytes", "KiB", "MiB", "GiB", "TiB", "PiB"];
    let unit = (bytes.max(1).ilog2() / 10) as usize;
    let unit = unit.min(UNITS.len() - 1);
    let whole = bytes >> (10 * unit);
    let tenth = ((bytes >> (10 * unit.saturating_sub(1))) & 1023) * 10 / 1024;
    match unit {
        0 => format!("{bytes} bytes"),
        _ => format!("{whole}.{tenth} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_are_told_in_units() {
        for (bytes, words) in [
            (0, "0 bytes"),
            (1023, "1023 bytes"),
            (1024, "1.0 KiB"),
            (1_610_612_736, "1.5 GiB"),
            (u64::MAX, "16383.9 PiB"),
        ] {
            assert_eq!(in_words(bytes), words);
        }
    }
}
