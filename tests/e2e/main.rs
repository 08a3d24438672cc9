//! Real processes: what the simulation cannot know, because the kernel decides it.
//!
//! Each test has a house of its own: a temporary directory with a configuration, a supervisor and
//! workers that misbehave on request. Nothing sleeps: every wait has a condition and a deadline.
//! A house checks when it is torn down that no process and no socket is left.
#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admin;
mod alerts;
mod alerts_by_force;
mod birth;
mod boot;
mod broken;
mod browser;
mod changes;
mod check;
mod clients;
mod config_changes;
mod config_history;
mod crash;
mod cycles;
mod dashboard;
mod harness;
mod log_files;
mod login;
mod logs;
mod metrics;
mod monit;
mod order;
mod prometheus;
mod readiness;
mod refresh;
mod relay;
mod reload;
mod roads;
mod secrets;
mod servers;
mod several;
mod sources;
mod stop;
mod systemd;
mod tools;
mod tree;
mod verbs;
mod web;
