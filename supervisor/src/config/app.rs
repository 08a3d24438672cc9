//! From `[apps.NAME]` to what is meant by it.

use std::path::PathBuf;

use super::check::Around;
use super::file::child_key;
use super::health::{self, Health, ReadyBy};
use super::problem::Report;
use super::section::Section;
use super::{
    AppConfig, access, compare, fingerprint, hints, log_files, policy, process, program, restart,
    watch, worker,
};
use crate::machine::{AppGoal, AppName, Fingerprint, RestartWhen};

/// What each word for a policy means, in the order of the table of keys.
pub(super) const POLICIES: [RestartWhen; 3] =
    [RestartWhen::Always, RestartWhen::OnFailure, RestartWhen::Never];

/// Whose program it is: ours has a link and all settings, any other may have a link.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Program {
    Ours,
    Foreign,
}

/// An app; `None` when a problem that leaves no app was noted.
pub(super) fn read(
    section: Section<'_>,
    around: &Around<'_>,
    report: &mut Report,
) -> Option<AppConfig> {
    let Some((name, arguments)) = command(section) else {
        whoever_it_is(section, around, report);
        return None;
    };
    let kind = if program::is_our_name(&name) { Program::Ours } else { Program::Foreign };
    let health = health::read(section, kind, around, report);
    let goal = goal(section, &health, report);
    let mut remarks = Vec::new();
    let settings = match kind {
        Program::Ours => Some(Box::new(worker::settings(section, around, report, &mut remarks))),
        Program::Foreign => {
            worker::refuse(section, report);
            let linked = health.config.ready == ReadyBy::Link;
            linked.then(|| Box::new(worker::linked_settings(section, around)))
        }
    };
    let process = process::read(section, health.config.ready == ReadyBy::Link, report);
    let listen = section.address("listen");
    if kind == Program::Ours {
        listens(section, around, report);
    }
    if let (Program::Ours, Some(listen), Some(settings)) = (kind, listen, &settings) {
        access::refuse_open_door(section, (listen, settings), report, &mut remarks);
    }
    let found = program::find(&name, around.directory, around.surroundings)
        .map_err(|words| missing(section, around, ("exec", &words), report));
    let directory = working_directory(section, around, report)?;
    let watch = watch::read(section, &directory, report);
    let mut app = AppConfig {
        program: found.ok()?,
        arguments,
        working_directory: directory,
        variables: section.variables("env"),
        listen,
        goal,
        remarks: with_any_port(remarks, listen),
        settings,
        stop_signal: section.signal("stop_signal").unwrap_or(policy::STOP_SIGNAL),
        health: health.config,
        process,
        output: log_files::of_app(section.section("logs")),
        written: compare::written(section),
        time_table: restart::time_table(section.section("restart"), around),
        watch,
    };
    match fingerprint::of(&app) {
        Ok(fingerprint) => app.goal.fingerprint = fingerprint,
        Err(error) => {
            let words = format!("cannot be handed to a worker: {error}");
            report.add(&child_key("apps", around.app), section.nearest.place, words);
        }
    }
    Some(app)
}

/// The program and all its arguments; `None` when they cannot be read.
fn command(section: Section<'_>) -> Option<(String, Vec<String>)> {
    let (name, mut arguments) = match section.node("exec") {
        None => (policy::PROGRAM.to_owned(), Vec::new()),
        Some(_) => section.command("exec")?,
    };
    arguments.extend(section.texts("args"));
    Some((name, arguments))
}

/// The rules between values that hold for any program: which one it is cannot be read.
fn whoever_it_is(section: Section<'_>, around: &Around<'_>, report: &mut Report) {
    restart::policy(section.section("restart"), report);
    restart::rollout(section, report);
    process::read(section, false, report);
    if let Some(directory) = working_directory(section, around, report) {
        watch::read(section, &directory, report);
    }
}

fn working_directory(
    section: Section<'_>,
    around: &Around<'_>,
    report: &mut Report,
) -> Option<PathBuf> {
    program::directory(section.text("cwd").unwrap_or("."), around.directory)
        .map_err(|words| missing(section, around, ("cwd", &words), report))
        .ok()
}

/// Our own worker needs an address; one under a misspelt key is a problem already.
fn listens(section: Section<'_>, around: &Around<'_>, report: &mut Report) {
    let misspelt = || section.unknown().into_iter().any(|name| hints::means(name, "listen"));
    if section.node("listen").is_none() && !misspelt() {
        let words = "mcp-worker serves on an address; write one such as \"127.0.0.1:8000\"";
        missing(section, around, ("listen", words), report);
    }
}

/// Notes a problem with a key that may not have been written, unless it is blamed already.
fn missing(section: Section<'_>, around: &Around<'_>, what: (&str, &str), report: &mut Report) {
    let (name, words) = what;
    match section.node(name) {
        Some(node) if report.blames(&node.key) => {}
        Some(node) => report.add(&node.key, node.place, words),
        None => {
            let key = child_key(&child_key("apps", around.app), name);
            report.add(&key, section.nearest.place, words);
        }
    }
}

fn with_any_port(mut remarks: Vec<String>, listen: Option<std::net::SocketAddr>) -> Vec<String> {
    if listen.is_some_and(|address| address.port() == 0) {
        remarks.push("listens on a port that the system chooses anew at each start".to_owned());
    }
    remarks
}

fn goal(section: Section<'_>, found: &Health, report: &mut Report) -> AppGoal {
    let health = section.section("health");
    AppGoal {
        instances: section.count("instances").unwrap_or(policy::INSTANCES),
        fingerprint: Fingerprint(0),
        readiness: found.readiness,
        start_timeout: health.duration("start_timeout").unwrap_or(policy::START_TIMEOUT),
        heartbeat_timeout: found.heartbeat_timeout,
        drain_timeout: health.duration("drain_timeout").unwrap_or(policy::DRAIN_TIMEOUT),
        restart: restart::policy(section.section("restart"), report),
        rollout: restart::rollout(section, report),
        probe_failures_max: found.probe_failures_max,
        memory_bytes_max: restart::memory_bytes_max(section.section("restart")),
        max_age: restart::max_age(section.section("restart")),
        depends_on: section.texts("depends_on").iter().map(|name| AppName::new(name)).collect(),
    }
}
