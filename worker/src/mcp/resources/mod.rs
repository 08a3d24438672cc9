//! Resources: what is in the account, to be read as JSON and put before a model.
//!
//! Each is made when it is asked for; nothing is kept. What a caller may not name does not exist
//! for it.

mod address;
mod contents;

use mcp_protocol::hexadecimal::hex;
use rmcp::ErrorData;
use rmcp::model::{
    ListResourceTemplatesResult, ListResourcesResult, PaginatedRequestParams, ReadResourceResult,
    Resource, ResourceContents, ResourceTemplate,
};

use serde_json::json;

pub(super) use address::Address;

use super::lookup::{self, Rows};
use super::names::Name;
use super::tools::ToolError;
use super::tools::errand::Errand;
use super::tools::results::{self, RESULT_URI};
use crate::access::Caller;
use crate::warehouse::WarehouseError;
use crate::warehouse::pool::PoolError;

/// How many resources one page lists.
const PAGE: usize = 100;
/// What the resources are written in.
const MIME_TYPE: &str = "application/json";
/// The templates: address, name, description.
const TEMPLATES: [(&str, &str, &str); 3] = [
    ("snowflake://{database}", "database", "The schemas of a database."),
    ("snowflake://{database}/{schema}", "schema", "The tables and views of a schema."),
    (
        "snowflake://{database}/{schema}/{table}",
        "table",
        "The columns, their types and comments, and the definition of a table or view.",
    ),
];

/// Why a resource cannot be shown.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// There is none of this address, or not for this caller.
    Unknown(String),
    /// The warehouse gives no answer.
    Tool(ToolError),
}

impl From<ToolError> for Unreadable {
    fn from(error: ToolError) -> Unreadable {
        match error {
            ToolError::Pool(PoolError::Warehouse(WarehouseError::Statement { message })) => {
                Unreadable::Unknown(message)
            }
            error => Unreadable::Tool(error),
        }
    }
}

impl From<Unreadable> for ErrorData {
    fn from(error: Unreadable) -> ErrorData {
        match error {
            Unreadable::Unknown(why) => {
                let message = format!("{why}; resources/list and the templates say what there is");
                ErrorData::resource_not_found(message, None)
            }
            Unreadable::Tool(error) => ErrorData::internal_error(error.words(), None),
        }
    }
}

/// Whether this is the address of one of the templates.
pub(super) fn is_template(uri: &str) -> bool {
    TEMPLATES.iter().any(|(template, ..)| *template == uri)
}

/// The templates that a caller may use.
pub(super) fn templates(caller: &Caller) -> ListResourceTemplatesResult {
    let shown = TEMPLATES.iter().filter(|_| lookup::is_open_to(caller));
    let template = |(uri, name, description): &(&str, &str, &str)| {
        ResourceTemplate::new(*uri, *name).with_description(*description).with_mime_type(MIME_TYPE)
    };
    ListResourceTemplatesResult::with_all_items(shown.map(template).collect())
}

/// A page of what there is: the account itself, then its databases by name.
///
/// # Errors
/// When the cursor is none of ours, or the warehouse gives no answer.
pub(super) async fn list(
    errand: &Errand<'_>,
    request: Option<PaginatedRequestParams>,
) -> Result<ListResourcesResult, ErrorData> {
    if !lookup::is_open_to(errand.caller) {
        return Ok(ListResourcesResult::default());
    }
    let after = request.and_then(|request| request.cursor);
    let after = after.map(|cursor| read_cursor(&cursor)).transpose()?;
    let databases = Rows::databases(errand, "").await.map_err(Unreadable::from)?;
    let databases = databases.iter().map(|row| row.name()).collect();
    let (databases, next_cursor) = paged(databases, after.as_deref());
    let first = after.is_none().then(account);
    let listed = first.into_iter().chain(databases.into_iter().map(database)).collect();
    let mut page = ListResourcesResult::with_all_items(listed);
    page.next_cursor = next_cursor;
    Ok(page)
}

/// The names that a page shows, and where the next one begins.
fn paged(mut names: Vec<Name>, after: Option<&str>) -> (Vec<Name>, Option<String>) {
    names.sort_by(|one, other| one.as_str().cmp(other.as_str()));
    names.retain(|name| after.is_none_or(|after| name.as_str() > after));
    let has_more = names.len() > PAGE;
    names.truncate(PAGE);
    let next = names.last().filter(|_| has_more).map(cursor);
    (names, next)
}

/// What is at an address.
///
/// # Errors
/// When there is nothing, not for this caller, or the warehouse gives no answer.
pub(super) async fn read(errand: &Errand<'_>, uri: &str) -> Result<ReadResourceResult, ErrorData> {
    if let Some(rest) = uri.strip_prefix(RESULT_URI) {
        return result(errand, uri, rest).await;
    }
    let address = Address::parse(uri).map_err(|error| {
        Unreadable::Unknown(format!("`{uri}` is not the address of a resource: {error}"))
    })?;
    let caller = errand.caller;
    let seen = address.database().is_none_or(|database| lookup::allows(caller, database));
    if !lookup::is_open_to(caller) || !seen {
        let why = format!("there is no resource `{uri}`, or not for this client");
        return Err(Unreadable::Unknown(why).into());
    }
    let contents = contents::of(errand, &address).await?;
    let text = ResourceContents::text(contents.to_string(), uri).with_mime_type(MIME_TYPE);
    Ok(ReadResourceResult::new(vec![text]))
}

/// A part of a long answer, with the address of the next one beside it.
async fn result(
    errand: &Errand<'_>,
    uri: &str,
    rest: &str,
) -> Result<ReadResourceResult, ErrorData> {
    let part = results::read(errand, rest).await.map_err(|error| match error {
        error @ (ToolError::Cursor(_) | ToolError::Refused(_) | ToolError::NotGranted { .. }) => {
            ErrorData::resource_not_found(error.to_string(), None)
        }
        error => ErrorData::internal_error(error.words(), None),
    })?;
    let text = ResourceContents::text(part.text, uri).with_mime_type(part.mime_type);
    let mut result = ReadResourceResult::new(vec![text]);
    let more = json!({ "nextUri": part.next_uri, "totalRows": part.total_rows });
    result.meta = serde_json::from_value(more).ok();
    Ok(result)
}

fn account() -> Resource {
    Resource::new(Address::Account.to_string(), "account")
        .with_title("The account")
        .with_description("The databases that can be read.")
        .with_mime_type(MIME_TYPE)
}

fn database(name: Name) -> Resource {
    let title = name.to_string();
    Resource::new(Address::Database(name).to_string(), title.clone())
        .with_description(format!("The schemas of database {title}."))
        .with_mime_type(MIME_TYPE)
}

/// Where the next page begins: behind this database. Hexadecimal, so that nobody reads it as a name.
fn cursor(last: &Name) -> String {
    hex(last.as_str().as_bytes())
}

fn read_cursor(cursor: &str) -> Result<String, ErrorData> {
    let digits = cursor.as_bytes().chunks(2).map(|pair| {
        let pair = std::str::from_utf8(pair).ok().filter(|pair| pair.len() == 2)?;
        u8::from_str_radix(pair, 16).ok()
    });
    let bytes: Option<Vec<u8>> = digits.collect();
    let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
    text.ok_or_else(|| {
        ErrorData::invalid_params("the cursor is not one that resources/list gave", None)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_as_it_was_written() {
        let name = Name::parse("\"é b\"").unwrap();
        assert_eq!(read_cursor(&cursor(&name)).unwrap(), "é b");
        for wrong in ["x", "zz", "ff", "123"] {
            assert!(read_cursor(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn every_name_is_on_one_page() {
        let all: Vec<Name> = (0..250).rev().map(|n| Name::known(format!("D{n:03}"))).collect();
        let (mut seen, mut after) = (Vec::new(), None);
        loop {
            let (page, next) = paged(all.clone(), after.as_deref());
            seen.extend(page.into_iter().map(|name| name.to_string()));
            let Some(next) = next else { break };
            after = Some(read_cursor(&next).unwrap());
        }
        assert_eq!(seen, (0..250).map(|n| format!("D{n:03}")).collect::<Vec<_>>());
    }

    #[test]
    fn whoever_sees_no_tools_sees_no_templates() {
        assert_eq!(templates(&Caller::local()).resource_templates.len(), TEMPLATES.len());
        assert!(templates(&Caller::nobody()).resource_templates.is_empty());
    }
}
