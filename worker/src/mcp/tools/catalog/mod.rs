//! Tools that look at what an account holds.

mod describe_object;
mod explain_query;
mod kinds;
mod list_schemas;
mod list_tables;
mod sample_rows;
mod search_objects;

use super::Entry;

/// Those that every assistant needs.
pub(super) const CORE: [Entry; 3] =
    [search_objects::ENTRY, describe_object::ENTRY, explain_query::ENTRY];

/// Those for looking around.
pub(super) const CATALOG: [Entry; 3] =
    [list_schemas::ENTRY, list_tables::ENTRY, sample_rows::ENTRY];
