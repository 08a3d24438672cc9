//! A worker: serves the Model Context Protocol over HTTP from its own pool of warehouse sessions.
//!
//! The floor plan. Dependencies point down this list, never up.
//!
//! - [`settings`] what the supervisor handed us; the environment of the process
//! - [`lifecycle`] pure: booting, ready, draining, done
//! - [`link`] our end of the socket: hello, ready, heartbeat, drain
//! - [`http`] the door: inherited listener, limits, health
//! - [`mcp`] the server, its tools, and what a client may see of an answer
//! - [`sql`] classes of statements and the read-only gate; pure
//! - [`warehouse`] the one door to data, and the pool before it
pub mod sql;
pub mod warehouse;
