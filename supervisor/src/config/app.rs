//! From `[apps.NAME]` to what is meant by it.

use std::collections::BTreeSet;
use std::path::Path;

use super::check::{Around, not_above};
use super::file::child_key;
use super::health::{self, Health, ReadyBy};
use super::problem::Report;
use super::section::Section;
use super::{AppConfig, OutputConfig, fingerprint, policy, program, worker};
use crate::machine::{AppGoal, Fingerprint, RestartPolicy, RestartWhen, Rollout};

/// What each word for a policy means, in the order of the table of keys.
const POLICIES: [RestartWhen; 3] =
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
    let (name, mut arguments) =
        section.command("exec").unwrap_or_else(|| (policy::PROGRAM.to_owned(), Vec::new()));
    arguments.extend(section.texts("args"));
    let kind = match Path::new(&name).file_name() {
        Some(file) if file == policy::PROGRAM => Program::Ours,
        Some(_) | None => Program::Foreign,
    };
    let health = health::read(section, kind, around, report);
    let goal = goal(section, &health, report);
    let settings = match kind {
        Program::Ours => Some(Box::new(worker::settings(section, around, report))),
        Program::Foreign => {
            worker::refuse(section, report);
            let linked = health.config.ready == ReadyBy::Link;
            linked.then(|| Box::new(worker::linked_settings(section, around)))
        }
    };
    let listen = section.address("listen");
    if kind == Program::Ours && section.node("listen").is_none() {
        let words = "mcp-worker serves on an address; write one such as \"127.0.0.1:8000\"";
        missing(section, around, ("listen", words), report);
    }
    let found = program::find(&name, around.directory, around.surroundings)
        .map_err(|words| missing(section, around, ("exec", &words), report));
    let directory = program::directory(section.text("cwd").unwrap_or("."), around.directory)
        .map_err(|words| missing(section, around, ("cwd", &words), report));
    let mut app = AppConfig {
        program: found.ok()?,
        arguments,
        working_directory: directory.ok()?,
        variables: section.variables("env"),
        listen,
        goal,
        remarks: remarks(kind, listen),
        settings,
        stop_signal: section.signal("stop_signal").unwrap_or(policy::STOP_SIGNAL),
        health: health.config,
        output: output(section.section("logs")),
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

fn remarks(kind: Program, listen: Option<std::net::SocketAddr>) -> Vec<String> {
    let sample = "serves the embedded sample account, not Snowflake";
    let any_port = "listens on a port that the system chooses anew at each start";
    let sample = (kind == Program::Ours).then(|| sample.to_owned());
    let any_port = listen.filter(|address| address.port() == 0).map(|_| any_port.to_owned());
    sample.into_iter().chain(any_port).collect()
}

fn output(logs: Section<'_>) -> OutputConfig {
    OutputConfig {
        bytes_max: logs.size("max_size").unwrap_or(policy::OUTPUT.bytes_max),
        files_max: logs.count("max_files").unwrap_or(policy::OUTPUT.files_max),
    }
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
        restart: restart(section.section("restart"), report),
        rollout: rollout(section, report),
        probe_failures_max: found.probe_failures_max,
        memory_bytes_max: None,
        max_age: None,
        depends_on: BTreeSet::new(),
    }
}

fn restart(restart: Section<'_>, report: &mut Report) -> RestartPolicy {
    let default = policy::RESTART;
    let policy = RestartPolicy {
        when: restart.choice("policy", &POLICIES).unwrap_or(default.when),
        backoff_min: restart.duration("backoff_min").unwrap_or(default.backoff_min),
        backoff_max: restart.duration("backoff_max").unwrap_or(default.backoff_max),
        stable_after: restart.duration("stable_after").unwrap_or(default.stable_after),
        max_restarts: restart.count("max_restarts").unwrap_or(default.max_restarts),
        window: restart.duration("window").unwrap_or(default.window),
        stop_exit_codes: default.stop_exit_codes,
    };
    let (min, max) = (policy.backoff_min, policy.backoff_max);
    not_above(restart, ("backoff_min", min), ("backoff_max", max), report);
    policy
}

fn rollout(section: Section<'_>, report: &mut Report) -> Rollout {
    let rollout = section.section("rollout");
    let surge = rollout.count("max_surge");
    let unavailable = rollout.count("max_unavailable");
    let mut refuse = |name: &str, words: &str| {
        if let Some(node) = rollout.node(name) {
            report.add(&node.key, node.place, words);
        }
    };
    if section.node("listen").is_some() {
        if surge == Some(0) {
            let words = "0 leaves no room for a new worker beside the old one; use 1 or more";
            refuse("max_surge", words);
        }
        if unavailable.is_some_and(|count| count > 0) {
            let words = "workers behind `listen` are replaced without a gap; \
                         write 0, or remove this key";
            refuse("max_unavailable", words);
        }
        let max_surge = surge.unwrap_or(policy::MAX_SURGE);
        return Rollout { max_surge, max_unavailable: 0, pause_between: None };
    }
    if surge.is_some_and(|count| count > 0) {
        let words = "a program that binds its own port cannot run twice; write 0, or remove \
                     this key, or give the app a `listen`";
        refuse("max_surge", words);
    }
    if unavailable == Some(0) {
        let words = "without `listen` the old worker leaves before the new one starts; \
                     use 1 or more";
        refuse("max_unavailable", words);
    }
    let max_unavailable = unavailable.unwrap_or(policy::MAX_UNAVAILABLE);
    Rollout { max_surge: 0, max_unavailable, pause_between: None }
}
