//! From `[apps.NAME]` to what is meant by it.

use std::path::Path;

use super::check::Around;
use super::file::child_key;
use super::problem::Report;
use super::section::Section;
use super::{
    AppConfig, OutputConfig, compare, fingerprint, policy, process, program, restart, watch, worker,
};
use crate::machine::{AppGoal, AppName, Fingerprint, Readiness, RestartWhen};

/// What each word for a policy means, in the order of the table of keys.
pub(super) const POLICIES: [RestartWhen; 3] =
    [RestartWhen::Always, RestartWhen::OnFailure, RestartWhen::Never];

/// Whose program it is: ours has a link and all settings, any other may have a link.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Program {
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
    let goal = goal(section, kind, report);
    let settings = match (kind, goal.readiness) {
        (Program::Ours, _) => Some(Box::new(worker::settings(section, around, report))),
        (Program::Foreign, readiness) => {
            worker::refuse(section, report);
            let linked = readiness == Readiness::Told;
            linked.then(|| Box::new(worker::linked_settings(section, around)))
        }
    };
    let process = process::read(section, goal.readiness == Readiness::Told, report);
    let listen = section.address("listen");
    if kind == Program::Ours && section.node("listen").is_none() {
        let words = "mcp-worker serves on an address; write one such as \"127.0.0.1:8000\"";
        missing(section, around, ("listen", words), report);
    }
    let found = program::find(&name, around.directory, around.surroundings)
        .map_err(|words| missing(section, around, ("exec", &words), report));
    let directory = program::directory(section.text("cwd").unwrap_or("."), around.directory)
        .map_err(|words| missing(section, around, ("cwd", &words), report));
    let directory = directory.ok()?;
    let watch = watch::read(section, &directory, report);
    let mut app = AppConfig {
        program: found.ok()?,
        arguments,
        working_directory: directory,
        variables: section.variables("env"),
        listen,
        goal,
        remarks: remarks(kind, listen),
        settings,
        stop_signal: section.signal("stop_signal").unwrap_or(policy::STOP_SIGNAL),
        process,
        output: output(section.section("logs")),
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

fn goal(section: Section<'_>, kind: Program, report: &mut Report) -> AppGoal {
    let health = section.section("health");
    let readiness = readiness(section, kind, report);
    AppGoal {
        instances: section.count("instances").unwrap_or(policy::INSTANCES),
        fingerprint: Fingerprint(0),
        readiness,
        start_timeout: health.duration("start_timeout").unwrap_or(policy::START_TIMEOUT),
        heartbeat_timeout: heartbeat_timeout(health, (readiness, kind), report),
        drain_timeout: health.duration("drain_timeout").unwrap_or(policy::DRAIN_TIMEOUT),
        restart: restart::policy(section.section("restart"), report),
        rollout: restart::rollout(section, report),
        probe_failures_max: policy::PROBE_FAILURES_MAX,
        memory_bytes_max: restart::memory_bytes_max(section.section("restart")),
        max_age: restart::max_age(section.section("restart")),
        depends_on: section.texts("depends_on").iter().map(|name| AppName::new(name)).collect(),
    }
}

fn readiness(section: Section<'_>, kind: Program, report: &mut Report) -> Readiness {
    match (section.readiness("ready"), kind) {
        (None, Program::Foreign) => Readiness::AliveFor(policy::ALIVE_FOR),
        (None | Some(None), Program::Ours) | (Some(None), Program::Foreign) => Readiness::Told,
        (Some(Some(alive_for)), Program::Foreign) => {
            let start = section.section("health").duration("start_timeout");
            let start = start.unwrap_or(policy::START_TIMEOUT);
            if let Some(node) = section.node("ready").filter(|_| alive_for >= start) {
                let words = format!(
                    "{alive_for:?} can never pass before health.start_timeout; use less than {start:?}"
                );
                report.add(&node.key, node.place, words);
            }
            Readiness::AliveFor(alive_for)
        }
        (Some(Some(_)), Program::Ours) => {
            if let Some(node) = section.node("ready") {
                let words = "mcp-worker says by itself when it is ready; write \"link\"";
                report.add(&node.key, node.place, words);
            }
            Readiness::Told
        }
    }
}

fn heartbeat_timeout(
    health: Section<'_>,
    (readiness, kind): (Readiness, Program),
    report: &mut Report,
) -> Option<std::time::Duration> {
    let refused: &[&str] = match (readiness, kind) {
        (Readiness::Told, Program::Ours) => &[],
        (Readiness::Told, Program::Foreign) => &["idle_grace"],
        (Readiness::AliveFor(_), Program::Ours | Program::Foreign) => {
            &["heartbeat_interval", "heartbeat_timeout", "idle_grace"]
        }
    };
    for node in refused.iter().filter_map(|name| health.node(name)) {
        let words = "only a worker with a link does this; remove this key";
        report.add(&node.key, node.place, words);
    }
    let Readiness::Told = readiness else { return None };
    let settings = mcp_protocol::settings::Settings::default();
    let interval = health.duration("heartbeat_interval").unwrap_or(settings.heartbeat_every);
    let timeout = health.duration("heartbeat_timeout").unwrap_or(policy::HEARTBEAT_TIMEOUT);
    let names = ["heartbeat_timeout", "heartbeat_interval"];
    let written = names.iter().filter_map(|name| health.node(name)).collect::<Vec<_>>();
    if let Some(node) = written.first().filter(|_| timeout < interval * 2)
        && !written.iter().any(|node| report.blames(&node.key))
    {
        let words = format!(
            "one late heartbeat would kill a healthy worker; let heartbeat_timeout ({timeout:?}) \
             be at least twice heartbeat_interval ({interval:?})"
        );
        report.add(&node.key, node.place, words);
    }
    Some(timeout)
}
