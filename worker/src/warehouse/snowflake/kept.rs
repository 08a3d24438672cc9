//! An answer that a statement gave before, which the server keeps for a day: asked for by its name,
//! and in the form in which the library gives others. Nothing is run for it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use snowflake_api::{JsonResult, RawQueryResult};
use uuid::Uuid;

use super::connection::Connection;
use super::statement::{Effect, Found, Inline, Statement, Unanswered};
use crate::warehouse::Page;
use crate::warehouse::course::Course;

/// The whole answer that a page is of: what was found, and the rows that came at once.
pub(super) async fn kept(
    connection: &Connection,
    page: &Page,
    course: Course,
) -> Result<(Found, RawQueryResult), Unanswered> {
    let request_id = Uuid::new_v4();
    let statement = Statement { connection, request_id, effect: Effect::Reads, course };
    let (found, Inline { rowset, rowset_base64 }) = statement.kept(&page.query_id).await?;
    let raw = match (rowset, rowset_base64) {
        (Some(value), _) => RawQueryResult::Json(JsonResult { value, schema: Vec::new() }),
        (None, Some(packed)) if !packed.is_empty() => {
            let unpacked = STANDARD.decode(packed).map_err(|error| {
                connection.unreachable(&format!("the answer cannot be read: {error}"))
            })?;
            RawQueryResult::Bytes(vec![unpacked.into()])
        }
        (None, _) => RawQueryResult::Empty,
    };
    Ok((found, raw))
}
