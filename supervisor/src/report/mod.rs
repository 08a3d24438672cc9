//! Pictures for people: the table, progress lines, plans, client configurations. Text in, text
//! out; who prints it is `main`.

mod clients;
mod plan;
mod table;
mod words;

pub use clients::client_config;
pub use plan::{Plan, plan};
pub(crate) use table::note;
pub use table::{Colour, status_json, status_table};
pub use words::{Progress, printable};
pub(crate) use words::{bytes, duration, phase};
