//! Tools for what runs, what ran, and on which warehouses.

mod cancel_query;
mod history;
mod list_warehouses;
mod query_history;
mod query_status;

use super::Entry;

/// All of them.
pub(super) const ENTRIES: [Entry; 4] =
    [query_status::ENTRY, cancel_query::ENTRY, query_history::ENTRY, list_warehouses::ENTRY];
