//! The worker's connection to Snowflake against a server of our own that fails as it is told.
//!
//! `server/` is that server and knows nothing of the worker; `server_itself` and `server_faults`
//! show by a plain `client` that it does what it says. `house` puts a pool of the worker's own
//! sessions before it, and all other files ask that pool.

mod client;
#[allow(dead_code, reason = "it can do more than each of its users needs")]
mod server;

mod server_faults;
mod server_itself;

mod house;

mod admin;
mod answers;
mod back;
mod browser;
mod connections;
mod cortex;
mod course;
mod credentials;
mod credits;
mod door;
mod ending;
mod history;
mod isolation;
mod killed;
mod living;
mod logins;
mod matrix;
mod once;
mod pages;
#[path = "../../worker/tests/serving/played.rs"]
#[allow(dead_code, reason = "it is shared with the tests of the door")]
mod played;
mod proxy;
mod reads;
mod roles;
mod secrets;
mod services;
mod tasks;
