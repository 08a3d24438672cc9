//! Pictures for people: the table, progress lines, plans, client configurations. Text in, text
//! out; who prints it is `main`.

mod admin;
mod changes;
mod client_keys;
mod clients;
mod details;
mod draft;
mod effective;
mod history;
mod log_lines;
mod order;
mod page;
mod plan;
mod table;
mod words;

pub use admin::told;
pub use changes::{changes, changes_json, reload_plan, reload_plan_json};
pub use client_keys::{ClientOf, clients, clients_json, key_json, keys, keys_json};
pub use clients::{Entrance, client_config};
pub use details::{description, description_json};
pub use draft::draft;
pub use effective::{effective_json, effective_toml};
pub use history::{history, history_json, meaning_diff, text_diff};
pub use log_lines::{LogForm, LogLines, Surface};
pub use order::left_alone;
pub use page::{Colour, Page};
pub use plan::{Plan, Running, plan, problems_json, refusal_json};
pub(crate) use table::{app_notes, note};
pub use table::{status_json, status_table};
pub use words::{
    Progress, last_output, moment, pong, printable, unknown_app, unknown_client, unknown_slot,
    with_causes,
};
pub(crate) use words::{bytes, duration, state};
