//! The live screen of `monit`: what `status` and `logs` show, as it changes, and keys to act.
//!
//! `model` decides what is shown and what a key means, `screen` draws it; both are pure. `terminal`
//! borrows the terminal and gives it back whatever happens, `run` carries news between them. Nothing
//! here knows more of a supervisor than an operator could ask over the socket or read in its logs.

mod history;
mod intent;
mod list;
mod model;
mod paint;
mod run;
mod screen;
mod tail;
mod terminal;
#[cfg(test)]
mod tests;

pub use run::run;
pub use terminal::{MonitError, Terminal, width as terminal_width};
