//! Names under which a worker finds its socket, its place and its listeners.
//!
//! Only addresses and numbers travel here, never a secret: the environment of a process can be
//! read by everyone who runs as the same user. Secrets are part of [`crate::settings::Settings`].

/// Path of the supervisor's socket; the worker connects and says [`crate::handshake::Hello`].
pub const SOCKET: &str = "MCP_SUPERVISOR_SOCKET";
/// The app that the worker belongs to.
pub const APP: &str = "MCP_SUPERVISOR_APP";
/// The slot's number inside the app, from 0.
pub const SLOT: &str = "MCP_SUPERVISOR_SLOT";
/// The run: one execution of a worker, never used again.
pub const RUN: &str = "MCP_SUPERVISOR_RUN";

/// How many listeners were inherited, from descriptor 3 on (the socket-activation convention).
pub const LISTEN_FDS: &str = "LISTEN_FDS";
/// The process for which the listeners are meant; anyone else must leave them alone.
pub const LISTEN_PID: &str = "LISTEN_PID";
/// Names of the listeners, separated by colons.
pub const LISTEN_FDNAMES: &str = "LISTEN_FDNAMES";
/// The first inherited descriptor of the convention.
pub const LISTEN_FDS_START: i32 = 3;

/// Path of the socket to which a program may send `READY=1` and the like (the convention of
/// systemd), where its app asks for that.
pub const NOTIFY_SOCKET: &str = "NOTIFY_SOCKET";
/// How often at least the program must send `WATCHDOG=1`, in microseconds.
pub const WATCHDOG_USEC: &str = "WATCHDOG_USEC";
/// The process that is meant by it.
pub const WATCHDOG_PID: &str = "WATCHDOG_PID";
/// The descriptor to which the program writes a line once it is ready (the convention of s6),
/// where its app asks for that.
pub const NOTIFY_FD: &str = "NOTIFY_FD";
