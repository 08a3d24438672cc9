//! A worker: serves the Model Context Protocol over HTTP from its own pool of warehouse sessions.
//!
//! The floor plan. Dependencies point down this list, never up.
//!
//! - [`cli`] the command line
//! - [`supervised`] a worker under a supervisor; [`stdio`] one for a desktop client
//! - [`settings`] what the process was born with
//! - [`lifecycle`] pure: booting, ready, draining, done
//! - [`link`] our end of the socket: hello, ready, heartbeat, drain
//! - [`http`] the door: inherited listener, limits, health
//! - [`access`] who calls, and what that caller may do
//! - [`mcp`] the server, its tools, and what a client may see of an answer
//! - [`sql`] classes of statements and the read-only gate; pure
//! - [`warehouse`] the one door to data, and the pool before it
//! - [`logs`], [`metrics`], [`clock`], `signals` what everyone may use
pub mod access;
pub mod cli;
pub mod clock;
pub mod http;
pub mod lifecycle;
pub mod link;
pub mod logs;
pub mod mcp;
pub mod metrics;
pub mod settings;
mod signals;
pub mod sql;
pub mod stdio;
pub mod supervised;
pub mod warehouse;
pub mod words;
