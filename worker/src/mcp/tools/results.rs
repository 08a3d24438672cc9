//! Answers that may be long: the first rows, how to go on, and where the whole can be read.
//!
//! An answer has at most as many rows as the configuration says (`limits.max_rows`), however many
//! calls it is read in; a call shows as many of them as it asked for and as fit. Later pages come
//! from the answer that the warehouse keeps, so they fit together; only a warehouse whose data never
//! change runs the statement again.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::credits::Cost;
use super::cursor::{Cursor, CursorError, fingerprint};
use super::errand::{Asking, Errand};
use super::{Link, ToolError};
use crate::mcp::answer::{self, Fit};
use crate::warehouse::{Answer, Binding, Context, Page, Run};

/// What the address of a result begins with; its cursor follows. The cursor is in the path, for
/// clients write what stands before it small.
pub const RESULT_URI: &str = "snowflake-result:///";
/// What such an address ends with for lines of JSON instead of comma-separated values.
const JSON_LINES: &str = ".jsonl";
/// The longest call that the address of a resource holds, in bytes.
const CALL_BYTES_MAX: usize = 16 * 1024;

/// A statement whose answer may be long.
#[derive(Debug, Clone)]
pub struct Question<'s> {
    /// Its text, with `?` for its values, which are in the context.
    pub statement: &'s str,
    /// Where it stands.
    pub context: Context,
    /// How much of it is wanted.
    pub asking: Asking,
}

/// The rows of a page, and how to go on.
#[derive(Debug)]
pub struct Results {
    /// The rows that are shown.
    pub answer: Answer,
    /// Rows before the first of them.
    pub offset: u64,
    /// What leads to the next ones.
    pub next_cursor: Option<String>,
    /// Where all rows can be read.
    pub link: Option<Link>,
    /// What the reader is told about what is missing, and what it cost.
    pub notes: Vec<String>,
    /// What the call cost, where its caller has a budget.
    pub cost: Option<Cost>,
}

/// What a cursor stands for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Call {
    statement: String,
    bindings: Vec<Binding>,
    connection: Option<String>,
    role: Option<String>,
    warehouse: Option<String>,
    database: Option<String>,
    schema: Option<String>,
}

/// In which form a resource is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    /// Comma-separated values with a line of names.
    Csv,
    /// An object a line.
    JsonLines,
}

/// A part of a result as a resource.
#[derive(Debug)]
pub struct Part {
    /// The rows.
    pub text: String,
    /// In which form.
    pub mime_type: &'static str,
    /// The address of the next part.
    pub next_uri: Option<String>,
    /// How many rows there are altogether, where that is known.
    pub total_rows: Option<u64>,
}

impl Results {
    /// The answer as structured content.
    #[must_use]
    pub fn structured(&self) -> Value {
        let mut page = answer::structured_page(&self.answer, self.next_cursor.as_deref());
        if let Some(cost) = &self.cost {
            page["credits"] = cost.structured();
        }
        page
    }

    /// The notes as the end of a text.
    #[must_use]
    pub fn ending(&self) -> String {
        self.notes.iter().map(|note| format!("\n\n{note}")).collect()
    }
}

/// Runs a statement, or goes on in its answer where a cursor says.
///
/// # Errors
/// When the cursor leads elsewhere, or the warehouse gives no answer.
pub async fn first_or_next(
    errand: &Errand<'_>,
    question: Question<'_>,
    cursor: Option<&str>,
) -> Result<Results, ToolError> {
    let call = Call::of(&question).text();
    let page = match cursor {
        None => None,
        Some(text) => {
            let cursor = errand.desk.cursors.open(text, errand.caller.name.as_deref())?;
            if cursor.fingerprint != fingerprint(&call) {
                return Err(CursorError::Elsewhere.into());
            }
            Some(Page { query_id: cursor.query_id, offset: cursor.offset, run: Run::Kept })
        }
    };
    let results = page_of(errand, question, page, &call).await?;
    Ok(Results { link: link(errand, &results, &call), ..results })
}

/// Reads a part of a result as a resource, by the rest of its address behind [`RESULT_URI`]: from
/// where its cursor says, as much as one answer may hold.
///
/// # Errors
/// When the cursor leads nowhere, its caller may no longer ask so, or the warehouse gives no answer.
pub async fn read(errand: &Errand<'_>, rest: &str) -> Result<Part, ToolError> {
    let (cursor, format) = match rest.strip_suffix(JSON_LINES) {
        Some(cursor) => (cursor, Format::JsonLines),
        None => (rest, Format::Csv),
    };
    let caller = errand.caller.name.as_deref();
    let cursor = errand.desk.cursors.open(cursor, caller)?;
    let text = cursor.call.ok_or(CursorError::Elsewhere)?;
    let call: Call = serde_json::from_str(&text).map_err(|_| CursorError::Unknown)?;
    let context = call.context();
    errand.may_name(&context)?;
    errand.judge(&call.statement, &context)?;
    let asking = Asking { rows_max: errand.rows_max(), timeout: errand.timeout(None)? };
    let question = Question { statement: &call.statement, context, asking };
    let page = Page { query_id: cursor.query_id, offset: cursor.offset, run: Run::Kept };
    let results = page_of(errand, question, Some(page), &text).await?;
    let next = results.next_cursor.as_deref().and_then(|next| {
        let next = errand.desk.cursors.open(next, caller).ok()?;
        let next = Cursor { call: Some(text.clone()), ..next };
        errand.desk.cursors.seal(&next, caller)
    });
    let (text, mime_type, ending) = match format {
        Format::Csv => (answer::csv(&results.answer), "text/csv", ""),
        Format::JsonLines => (answer::json_lines(&results.answer), "application/jsonl", JSON_LINES),
    };
    let next_uri = next.map(|cursor| format!("{RESULT_URI}{cursor}{ending}"));
    Ok(Part { text, mime_type, next_uri, total_rows: results.answer.total })
}

async fn page_of(
    errand: &Errand<'_>,
    question: Question<'_>,
    page: Option<Page>,
    call: &str,
) -> Result<Results, ToolError> {
    let Question { statement, context, asking } = question;
    let limits = errand.limits();
    let rows_kept = limits.rows_max as usize;
    let offset = page.as_ref().map_or(0, |page| page.offset);
    let kept_id = page.as_ref().map(|page| page.query_id.clone());
    let before = usize::try_from(offset).unwrap_or(usize::MAX);
    let rows_max = asking.rows_max.min(rows_kept.saturating_sub(before));
    let context = Context { rows_kept: Some(rows_kept), page, ..context };
    let mut answer = errand.run_own(statement, context, Asking { rows_max, ..asking }).await?;
    if answer.rows.is_empty() && answer.truncated && rows_max > 0 {
        return Err(ToolError::RowTooLarge { bytes_max: limits.bytes_max });
    }
    // The rows are those of the first execution, whatever has just been run to get at them.
    answer.query_id = kept_id.unwrap_or(answer.query_id);
    let fetched = answer.rows.len();
    let fit = answer::fit(&mut answer, limits.characters_max as usize);
    let reached = offset + answer.rows.len() as u64;
    let more = answer.truncated;
    let at_end = reached >= rows_kept as u64;
    let next_cursor = (more && !at_end).then(|| {
        let (query_id, fingerprint) = (answer.query_id.clone(), fingerprint(call));
        let cursor = Cursor { query_id, offset: reached, fingerprint, call: None };
        errand.desk.cursors.seal(&cursor, errand.caller.name.as_deref())
    });
    let next_cursor = next_cursor.flatten();
    let mut notes = Vec::new();
    if fit == Fit::Rows {
        let (shown, most) = (answer.rows.len(), limits.characters_max);
        notes.push(format!(
            "Cut after {shown} of {fetched} rows, so that the answer stays within {most} characters."
        ));
    }
    if fit == Fit::Cells {
        notes.push("Long cells were cut; ask for a part of them: SUBSTR(column, 1, 1000).".into());
    }
    if more {
        notes.push(how_to_go_on(&answer, next_cursor.as_deref(), rows_kept));
    }
    let cost = errand.cost();
    notes.extend(cost.as_ref().map(Cost::words));
    Ok(Results { answer, offset, next_cursor, link: None, notes, cost })
}

fn how_to_go_on(answer: &Answer, next_cursor: Option<&str>, rows_kept: usize) -> String {
    let there_are = match answer.total {
        Some(total) => format!("There are {total} rows altogether"),
        None => "There are more rows".to_owned(),
    };
    match next_cursor {
        Some(cursor) => format!(
            "{there_are}. For the next ones repeat this call with the same arguments and `cursor`: \
             \"{cursor}\"; or aggregate in the statement."
        ),
        None => format!(
            "{there_are}, and this server gives at most {rows_kept} of one answer: filter or \
             aggregate in the statement."
        ),
    }
}

/// Where the whole of an answer can be read that is shown only in part.
fn link(errand: &Errand<'_>, results: &Results, call: &str) -> Option<Link> {
    if results.next_cursor.is_none() || results.offset > 0 || call.len() > CALL_BYTES_MAX {
        return None;
    }
    let cursor = Cursor {
        query_id: results.answer.query_id.clone(),
        offset: 0,
        fingerprint: fingerprint(call),
        call: Some(call.to_owned()),
    };
    let cursor = errand.desk.cursors.seal(&cursor, errand.caller.name.as_deref())?;
    let rows = match results.answer.total {
        Some(total) => format!("all {total} rows"),
        None => format!("the first {} rows", errand.rows_max()),
    };
    Some(Link {
        uri: format!("{RESULT_URI}{cursor}"),
        name: format!("result {}", results.answer.query_id),
        description: format!("This answer as CSV, {rows}, part by part."),
        mime_type: "text/csv",
    })
}

impl Call {
    fn of(question: &Question<'_>) -> Call {
        let context = &question.context;
        Call {
            statement: question.statement.to_owned(),
            bindings: context.bindings.clone(),
            connection: context.connection.clone(),
            role: context.role.clone(),
            warehouse: context.warehouse.clone(),
            database: context.database.clone(),
            schema: context.schema.clone(),
        }
    }

    fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    fn context(&self) -> Context {
        Context {
            connection: self.connection.clone(),
            role: self.role.clone(),
            warehouse: self.warehouse.clone(),
            database: self.database.clone(),
            schema: self.schema.clone(),
            bindings: self.bindings.clone(),
            ..Context::default()
        }
    }
}
