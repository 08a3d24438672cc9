//! What an MCP client meets: the server, its tools, prompts and resources, and what
//! it may see of an answer.

pub mod answer;
mod asker;
mod call;
mod complete;
pub mod configured;
pub mod edge;
mod lookup;
pub mod names;
mod news;
pub mod official;
mod prompts;
mod resources;
pub mod server;
pub mod tasks;
mod tool_call;
pub mod tools;
