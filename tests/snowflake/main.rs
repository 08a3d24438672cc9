//! The worker's connection to Snowflake against a server of our own that fails as it is told.
//!
//! `server/` is the server and knows nothing of the worker; `server_itself` and `server_faults`
//! show that it does what it says.

mod client;
mod reads;
#[allow(dead_code, reason = "it can do more than each of its users needs")]
mod server;
mod server_faults;
mod server_itself;
