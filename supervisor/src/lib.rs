//! The supervisor: one small program that keeps a fleet of workers alive behind one port.
//!
//! The floor plan; `docs/architecture.md` says which room may know which.
//!
//! - [`cli`] what a person may type, and nothing about how it is done
//! - [`config`] from `ecosystem.toml` to what is meant, or every problem at once
//! - [`logs`] log files as operators read them: merged by time, over rotations, and followed
//! - [`monit`] the live screen: a model, its drawing, and the terminal under it
//! - [`report`] pictures for people: tables, JSON, progress lines, client configurations
//! - [`roads`] from other programs' configurations, or from nothing, to one of ours; pure
//! - [`runtime`] the workshop: everything with a side effect
//! - [`machine`] the study: everything that decides; pure

pub mod cli;
pub mod config;
pub mod logs;
pub mod machine;
pub mod monit;
pub mod report;
pub mod roads;
pub mod runtime;
