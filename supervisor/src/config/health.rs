//! How a worker is found to be ready, and then to be well: `ready`, `ready_line`, `[health]`.
//!
//! The machine is told that a run is ready, alive or unwell; by which of many ways that is found
//! out is data for the runtime, and is read here.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::app::Program;
use super::check::Around;
use super::file::{Node, Value};
use super::keys::{WAIT_MAX, WAIT_MIN};
use super::problem::Report;
use super::section::Section;
use super::value::{self, quoted};
use super::{address, policy, program};
use crate::machine::Readiness;

/// The ways of a probe; exactly one is written.
const WAYS: [&str; 3] = ["tcp", "http", "command"];
/// The port of an address of the web that names none.
const HTTP_PORT: u16 = 80;

/// `ready` as it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ready {
    Link,
    Notification,
    Descriptor,
    Probe,
    Output,
    AliveFor(Duration),
}

/// The words for ways of being ready, as one writes them.
const READY_WORDS: [(&str, Ready); 5] = [
    ("link", Ready::Link),
    ("notify", Ready::Notification),
    ("descriptor", Ready::Descriptor),
    ("probe", Ready::Probe),
    ("output", Ready::Output),
];

/// How a worker is found to be ready and well.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HealthConfig {
    /// Who says that it is ready.
    pub ready: ReadyBy,
    /// How often at least a program without a link says `WATCHDOG=1`.
    pub watchdog: Option<Duration>,
    /// How it is asked whether it is well.
    pub probe: Option<ProbeConfig>,
}

/// Who says that a worker is ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReadyBy {
    /// Nobody: it has been alive for long enough.
    Age,
    /// The worker, over its link.
    Link,
    /// The program, by `READY=1` to its notification socket.
    Notification,
    /// The program, by a line to a descriptor that it inherits.
    Descriptor,
    /// The probe that first finds it well.
    Probe,
    /// The first line of its output that contains this text.
    Line(String),
}

impl ReadyBy {
    /// The text of the line of output that says so.
    #[must_use]
    pub fn line(&self) -> Option<&str> {
        match self {
            ReadyBy::Line(text) => Some(text),
            ReadyBy::Age
            | ReadyBy::Link
            | ReadyBy::Notification
            | ReadyBy::Descriptor
            | ReadyBy::Probe => None,
        }
    }
}

/// `[apps.NAME.health.probe]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProbeConfig {
    /// What is tried; texts in it are filled for each run.
    pub target: ProbeTarget,
    /// The pause between two tries while it serves.
    pub interval: Duration,
    /// How long one try may take.
    pub timeout: Duration,
    /// The pause between two tries until the first success.
    pub start_interval: Duration,
}

/// What a probe tries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProbeTarget {
    /// An address takes a connection.
    Tcp(String),
    /// A page answers with a status from 200 to 399.
    Http(String),
    /// A program ends with 0.
    Command {
        /// The program, absolute.
        program: PathBuf,
        /// Its arguments.
        arguments: Vec<String>,
    },
}

/// All that `ready` and `[health]` say, for the runtime and for the machine.
pub(super) struct Health {
    pub(super) config: HealthConfig,
    pub(super) readiness: Readiness,
    pub(super) heartbeat_timeout: Option<Duration>,
    pub(super) probe_failures_max: u32,
}

/// A text of a probe as it is meant for one run: `{slot}` and `{pid}` become numbers.
pub(crate) fn filled(text: &str, slot: u32, pid: i32) -> String {
    text.replace("{slot}", &slot.to_string()).replace("{pid}", &pid.to_string())
}

/// The address and the path of a page, or what is wrong with its address.
pub(crate) fn page(url: &str) -> Result<(SocketAddr, String), String> {
    let Some(rest) = url.strip_prefix("http://") else {
        return Err(match url.starts_with("https://") {
            true => format!(
                "{} is encrypted, and a probe is not; write an http:// address, or probe by `command`",
                quoted(url)
            ),
            false => format!(
                "{} is no address of a page; write one such as \"http://127.0.0.1:9000/healthz\"",
                quoted(url)
            ),
        });
    };
    let (host, path) = match rest.find('/') {
        Some(at) => rest.split_at(at),
        None => (rest, "/"),
    };
    if !path.bytes().all(|byte| byte.is_ascii_graphic()) {
        let words = "has a character that no address has; write it as %20, for a space";
        return Err(format!("{} {words}", quoted(url)));
    }
    let address = host.parse().or_else(|_| host.parse().map(|ip| SocketAddr::new(ip, HTTP_PORT)));
    address.map(|address| (address, path.to_owned())).map_err(|_| {
        format!("{} is no IP address; write one such as \"127.0.0.1:9000\"", quoted(host))
    })
}

/// One word, or how long a program must have been alive.
pub(super) fn ready(node: &Node) -> Result<Ready, String> {
    let Value::Text(text) = &node.value else {
        return value::duration(node, WAIT_MIN, WAIT_MAX).map(Ready::AliveFor);
    };
    if let Some((_, ready)) = READY_WORDS.iter().find(|(word, _)| word == text) {
        return Ok(*ready);
    }
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return value::duration(node, WAIT_MIN, WAIT_MAX).map(Ready::AliveFor);
    }
    let words = READY_WORDS.map(|(word, _)| word);
    if let Some(word) = super::keys::nearest(text, words.into_iter()) {
        return Err(format!("{} is unknown; did you mean \"{word}\"?", quoted(text)));
    }
    let words = words.map(|word| format!("\"{word}\"")).join(", ");
    Err(format!(
        "{} is unknown; write {words}, or how long a program must have been alive, such as \"2s\"",
        quoted(text)
    ))
}

/// The address of a probe, which may hold `{slot}`.
pub(super) fn probe_address(node: &Node) -> Result<&str, String> {
    let text = value::text(node)?;
    let filled = Value::Text(filled(text, 0, 1));
    address::address(&Node { value: filled, ..node.clone() }).map(|_| text)
}

/// The page of a probe, which may hold `{slot}` and `{pid}`.
pub(super) fn probe_page(node: &Node) -> Result<&str, String> {
    let text = value::text(node)?;
    page(&filled(text, 0, 1)).map(|_| text)
}

/// Reads all of it, and sees to the rules between its values.
pub(super) fn read(
    app: Section<'_>,
    program: Program,
    around: &Around<'_>,
    report: &mut Report,
) -> Health {
    let health = app.section("health");
    let (ready, readiness) = ready_by(app, program, report);
    let probe = match health.node("probe") {
        Some(_) => probe(app, around, report),
        None => None,
    };
    let watchdog = health.duration("watchdog_timeout");
    refuse_what_nobody_does(health, (&ready, program), report);
    let heartbeat_timeout = match ready {
        ReadyBy::Link => Some(heartbeat_timeout(health, report)),
        ReadyBy::Age
        | ReadyBy::Notification
        | ReadyBy::Descriptor
        | ReadyBy::Probe
        | ReadyBy::Line(_) => watchdog,
    };
    let failures = health.section("probe").count("failures");
    Health {
        config: HealthConfig { ready, watchdog, probe },
        readiness,
        heartbeat_timeout,
        probe_failures_max: failures.unwrap_or(policy::PROBE_FAILURES_MAX),
    }
}

fn ready_by(app: Section<'_>, program: Program, report: &mut Report) -> (ReadyBy, Readiness) {
    let mut refuse = |key: &str, words: &str| {
        if let Some(node) = app.node(key) {
            report.add(&node.key, node.place, words);
        }
    };
    let written = match (app.ready("ready"), program) {
        (Some(Ready::Link) | None, Program::Ours) => Ready::Link,
        (Some(_), Program::Ours) => {
            refuse("ready", "mcp-worker says by itself when it is ready; write \"link\"");
            Ready::Link
        }
        (Some(ready), Program::Foreign) => ready,
        (None, Program::Foreign) => Ready::AliveFor(policy::ALIVE_FOR),
    };
    let line = app.text("ready_line");
    if written != Ready::Output {
        let words = "is looked for with ready = \"output\" only; write that, or remove this key";
        refuse("ready_line", words);
    }
    let told = match written {
        Ready::AliveFor(time) => {
            let start = app.section("health").duration("start_timeout");
            let start = start.unwrap_or(policy::START_TIMEOUT);
            if time >= start {
                let words = format!(
                    "{time:?} can never pass before health.start_timeout; use less than {start:?}"
                );
                refuse("ready", &words);
            }
            return (ReadyBy::Age, Readiness::AliveFor(time));
        }
        Ready::Link => ReadyBy::Link,
        Ready::Notification => ReadyBy::Notification,
        Ready::Descriptor => ReadyBy::Descriptor,
        Ready::Probe => {
            if app.section("health").node("probe").is_none() {
                let words = "there is no probe; write a table such as [apps.NAME.health.probe] \
                             with tcp, http or command";
                refuse("ready", words);
            }
            ReadyBy::Probe
        }
        Ready::Output => {
            if app.node("ready_line").is_none() {
                let words = "there is no line to look for; write ready_line = \"listening on\", \
                             or what else the program prints once it serves";
                refuse("ready", words);
            }
            ReadyBy::Line(line.unwrap_or_default().to_owned())
        }
    };
    (told, Readiness::Told)
}

/// Keys of others: of programs with a link, of those without, of our own worker.
fn refuse_what_nobody_does(
    health: Section<'_>,
    (ready, program): (&ReadyBy, Program),
    report: &mut Report,
) {
    const LINK: &str = "only a worker with a link does this; remove this key";
    const HEARTBEATS: &str =
        "a worker with a link says by its heartbeats that it is well; remove this";
    let linked = *ready == ReadyBy::Link;
    let mut refuse = |keys: &[&str], words: &str| {
        for node in keys.iter().filter_map(|key| health.node(key)) {
            report.add(&node.key, node.place, words);
        }
    };
    match (linked, program) {
        (true, Program::Ours) => refuse(&["watchdog_timeout", "probe"], HEARTBEATS),
        (true, Program::Foreign) => {
            refuse(&["watchdog_timeout", "probe"], HEARTBEATS);
            refuse(&["idle_grace"], LINK);
        }
        (false, Program::Ours | Program::Foreign) => {
            refuse(&["heartbeat_interval", "heartbeat_timeout", "idle_grace"], LINK);
            if health.node("probe").is_some() {
                // A sign of life of either kind would make up for a failure of the other.
                let words = "a program with a probe needs no watchdog; remove this or the probe";
                refuse(&["watchdog_timeout"], words);
            }
        }
    }
}

fn heartbeat_timeout(health: Section<'_>, report: &mut Report) -> Duration {
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
    timeout
}

fn probe(app: Section<'_>, around: &Around<'_>, report: &mut Report) -> Option<ProbeConfig> {
    let probe = app.section("health").section("probe");
    let written: Vec<&Node> = WAYS.iter().filter_map(|way| probe.node(way)).collect();
    match written[..] {
        [] => {
            let words = "says nowhere what to try; write one of tcp, http and command";
            report.add(&probe.nearest.key, probe.nearest.place, words);
        }
        [node] => refuse_bad_target(app, node, report),
        [_, second, ..] => {
            let words = "a probe has one way; keep one of tcp, http and command";
            report.add(&second.key, second.place, words);
        }
    }
    let tcp = || probe.probe_address("tcp").map(|text| ProbeTarget::Tcp(text.to_owned()));
    let http = || probe.probe_page("http").map(|text| ProbeTarget::Http(text.to_owned()));
    let target = tcp().or_else(http).or_else(|| command(probe, around, report))?;
    Some(ProbeConfig {
        target,
        interval: probe.duration("interval").unwrap_or(policy::PROBE_INTERVAL),
        timeout: probe.duration("timeout").unwrap_or(policy::PROBE_TIMEOUT),
        start_interval: probe.duration("start_interval").unwrap_or(policy::PROBE_START_INTERVAL),
    })
}

fn command(probe: Section<'_>, around: &Around<'_>, report: &mut Report) -> Option<ProbeTarget> {
    let (name, arguments) = probe.command("command")?;
    match program::find(&name, around.directory, around.surroundings) {
        Ok(program) => Some(ProbeTarget::Command { program, arguments }),
        Err(words) => {
            let node = probe.node("command")?;
            report.add(&node.key, node.place, words);
            None
        }
    }
}

/// An address that is good for the first slot may be none for the last one, or the shared one.
fn refuse_bad_target(app: Section<'_>, node: &Node, report: &mut Report) {
    let Value::Text(text) = &node.value else { return };
    if report.blames(&node.key) || node.key.ends_with(".command") {
        return;
    }
    let address = |slot: u32| -> Result<SocketAddr, String> {
        let text = filled(text, slot, 1);
        match text.parse() {
            Ok(address) => Ok(address),
            Err(_) => page(&text).map(|(address, _)| address),
        }
    };
    let last = app.count("instances").unwrap_or(policy::INSTANCES) - 1;
    if address(last).is_err() {
        let words = format!(
            "is {} for slot {last}, which is no address; choose lower ports, or fewer instances",
            quoted(&filled(text, last, 1))
        );
        report.add(&node.key, node.place, words);
    }
    if let Some(listen) = app.address("listen").filter(|listen| listen.port() != 0)
        && address(0) == Ok(listen)
    {
        let words = "is the address that all workers share, so any of them may answer; probe one \
                     of the worker's own, by {slot}, or by `command`";
        report.add(&node.key, node.place, words);
    }
}
