//! What an MCP client meets: the server, its tools, and what it may see of an answer.

pub mod answer;
pub mod edge;
pub mod names;
pub mod server;
pub mod tools;
