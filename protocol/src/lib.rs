//! What crosses a socket between the supervisor, its workers and its operators.
//!
//! One socket, one conversation opener. Whoever connects speaks first and says which versions it
//! can speak and who it is ([`handshake::Hello`]); the supervisor answers with the version that is
//! spoken from then on, or with a refusal in words. After that a worker exchanges [`message`]s, an
//! operator sends one [`control::Request`] and reads [`control::Response`]s until the last one.
//!
//! Everything travels in [`frame`]s: a little-endian `u32` length, then a bincode body, never more
//! than [`frame::FRAME_BYTES_MAX`]. There is no socket, no clock and no async in this crate: bytes
//! in, messages out, so that every line of it can be tested with a slice.
//!
//! Beside the socket they share the logs: [`logs`] names the files, [`log_line`] is the form of a line,
//! and [`redact`] keeps secrets out of it; and [`health`], from when on something is ill.
//!
//! Golden bytes of every message lie in `tests/golden/`: a change of the wire is seen there first.

pub mod access;
pub mod admin;
pub mod api_key;
pub mod control;
pub mod door_settings;
pub mod env;
pub mod frame;
pub mod handshake;
pub mod health;
pub mod hexadecimal;
pub mod log_line;
pub mod log_settings;
pub mod logs;
pub mod measure;
pub mod message;
pub mod network;
pub mod offered;
pub mod redact;
pub mod relay;
pub mod revoked;
pub mod secret;
pub mod settings;
