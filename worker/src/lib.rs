//! A worker: serves the Model Context Protocol over HTTP from its own pool of warehouse sessions.
//!
//! The floor plan. Dependencies point down this list, never up.
//!
//! - [`cli`] the command line
//! - [`supervised`] a worker under a supervisor; [`stdio`] one for a desktop client
//! - [`settings`] what the process was born with
//! - [`ending`] why a worker ended otherwise than it should
//! - [`lifecycle`] pure: booting, ready, draining, done
//! - [`link`] our end of the socket: hello, ready, heartbeat, drain
//! - [`bus`] what the workers of an app tell each other over it
//! - [`http`] the door: inherited listener, limits, health
//! - [`access`] who calls, and what that caller may do
//! - [`admin`] what an administrator may have all workers of the app do
//! - [`quota`] how much clients may ask of all workers together
//! - [`mcp`] the server, its tools, and what a client may see of an answer
//! - [`sql`] classes of statements and the read-only gate; pure; [`sql_check`] asks it by hand
//! - [`warehouse`] the one door to data, and the pool before it
//! - [`logs`], [`audit`], [`metrics`], [`tallies`], [`clock`], [`passage`], `traces` what everyone may
//!   use
pub mod access;
pub mod admin;
pub mod audit;
pub mod bus;
pub mod cli;
pub mod clock;
pub mod ending;
mod heartbeat;
pub mod http;
pub mod lifecycle;
pub mod link;
pub mod logs;
pub mod mcp;
pub mod metrics;
pub mod passage;
pub mod quota;
pub mod settings;
mod signals;
pub mod sql;
pub mod sql_check;
pub mod stdio;
pub mod supervised;
pub mod tallies;
mod traces;
pub mod warehouse;
pub mod words;
