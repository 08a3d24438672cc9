//! Pictures for people: the table, progress lines, plans, client configurations. Text in, text
//! out; who prints it is `main`.

mod changes;
mod clients;
mod details;
mod history;
mod plan;
mod table;
mod words;

pub use changes::{changes, changes_json, reload_plan, reload_plan_json};
pub use clients::client_config;
pub use details::{description, description_json};
pub use history::{history, history_json, meaning_diff, text_diff};
pub use plan::{Plan, plan};
pub(crate) use table::note;
pub use table::{Colour, status_json, status_table};
pub use words::{Progress, last_output, pong, printable, unknown_app};
pub(crate) use words::{bytes, duration, phase};
