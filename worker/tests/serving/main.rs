//! A worker's serving parts against a warehouse that does as it is told, and the real binary.

mod access;
mod admin;
mod around;
mod binary;
mod configured;
mod crossing;
mod door;
mod drain;
mod health;
mod logs;
mod mcp;
mod news;
mod official;
mod played;
mod pool;
mod proxies;
mod revoked;
mod runbook;
mod sessions;
#[path = "../../../tests/skip.rs"]
mod skipping;
mod streams;
mod supervised;
mod support;
mod tls;
mod tools;
mod websocket;
