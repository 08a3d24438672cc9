//! The rules that an app lives under, in words: what `describe` shows of them.
//!
//! Each says what is so, defaults included, for somebody who has not read the file. Lengths of
//! time and sizes are words here, never the form in which the program keeps them.

use std::time::Duration;

use super::access;
use super::compare::is_variable;
use super::process::Resource;
use super::{AppConfig, ProbeConfig, ProbeTarget, ReadyBy, ResourceLimit, TimeTable, WatchConfig};
use crate::machine::words::{counted, size, span};
use crate::machine::{AppGoal, AppName, Readiness, RestartWhen, Rollout};

/// Each rule: what it is about, as the table of the file is called, and what it says. `now` is the
/// time since 1970.
#[must_use]
pub fn rules(app: &AppConfig, now: Duration) -> Vec<(String, String)> {
    let goal = &app.goal;
    let mut rules = vec![
        ("ready", ready(app)),
        ("health", health(app)),
        ("restart", restart(goal)),
        ("stop", stop(app)),
        ("rollout", rollout(goal.rollout)),
        ("logs", logs(app)),
    ];
    if let Some(bytes) = goal.memory_bytes_max {
        rules.push(("memory", format!("replaced when it takes more than {}", size(bytes))));
    }
    if let Some(age) = goal.max_age {
        rules.push(("max_age", format!("replaced once it has been ready for {}", span(age))));
    }
    if let Some(words) = app.settings.as_ref().and_then(|settings| access::rule(&settings.access)) {
        rules.push(("clients", words));
    }
    if let Some(table) = &app.time_table {
        rules.push(("at", time_table(table, now)));
    }
    if let Some(watch) = &app.watch {
        rules.push(("watch", watched(watch)));
    }
    if !goal.depends_on.is_empty() {
        let names: Vec<&str> = goal.depends_on.iter().map(AppName::as_str).collect();
        let are = if names.len() == 1 { "is" } else { "are" };
        rules.push(("depends_on", format!("started once {} {are} ready", listed(&names, "and"))));
    }
    let process = process(app);
    if !process.is_empty() {
        rules.push(("process", process.join(", ")));
    }
    if !app.process.limits.is_empty() {
        let limits: Vec<String> = app.process.limits.iter().map(limit).collect();
        rules.push(("resources", limits.join(", ")));
    }
    rules.into_iter().map(|(name, words)| (name.to_owned(), words)).collect()
}

/// What was written of an app, without the values of variables.
#[must_use]
pub fn settings(app: &AppConfig) -> Vec<(String, String)> {
    let hidden = || "(set)".to_owned();
    app.written
        .iter()
        .map(|(key, value)| (key.clone(), if is_variable(key) { hidden() } else { value.clone() }))
        .collect()
}

/// Names as one says them: `a`, `a and b`, `a, b and c`.
fn listed<T: AsRef<str>>(names: &[T], last: &str) -> String {
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    match names.split_last() {
        Some((end, [])) => (*end).to_owned(),
        Some((end, rest)) => format!("{} {last} {end}", rest.join(", ")),
        None => String::new(),
    }
}

fn ready(app: &AppConfig) -> String {
    let event = match (&app.health.ready, app.goal.readiness) {
        (_, Readiness::AliveFor(time)) => {
            return format!("once it has been alive for {}", span(time));
        }
        (ReadyBy::Age, Readiness::Told) => "once it has been alive for a while".to_owned(),
        (ReadyBy::Link, Readiness::Told) => "once it says so over its link".to_owned(),
        (ReadyBy::Notification, Readiness::Told) => {
            "once it sends READY=1 to its NOTIFY_SOCKET".to_owned()
        }
        (ReadyBy::Descriptor, Readiness::Told) => {
            "once it writes a line to its descriptor NOTIFY_FD".to_owned()
        }
        (ReadyBy::Line(text), Readiness::Told) => {
            format!("once it prints a line with `{text}` in it")
        }
        (ReadyBy::Probe, Readiness::Told) => match &app.health.probe {
            Some(probe) => {
                format!("once {}, tried {}", success(&probe.target), every(probe.start_interval))
            }
            None => "once a probe finds it well".to_owned(),
        },
    };
    format!("{event}; killed when that takes longer than {}", span(app.goal.start_timeout))
}

/// `every second`, `every 2 seconds`.
fn every(time: Duration) -> String {
    let words = span(time);
    let one = words.strip_prefix("1 ").filter(|unit| !unit.contains(' '));
    format!("every {}", one.unwrap_or(&words))
}

/// What a probe waits for.
fn success(target: &ProbeTarget) -> String {
    match target {
        ProbeTarget::Tcp(address) => format!("{address} takes a connection"),
        ProbeTarget::Http(page) => format!("{page} answers with a status from 200 to 399"),
        ProbeTarget::Command { program, arguments } => {
            let program = program.display().to_string();
            let words: Vec<&str> =
                std::iter::once(&program).chain(arguments).map(String::as_str).collect();
            format!("`{}` ends with 0", words.join(" "))
        }
    }
}

fn health(app: &AppConfig) -> String {
    if let Some(probe) = &app.health.probe {
        return probed(probe, app.goal.probe_failures_max);
    }
    match (app.goal.heartbeat_timeout, app.health.watchdog) {
        (_, Some(time)) => {
            format!("killed when it sends no WATCHDOG=1 to its NOTIFY_SOCKET for {}", span(time))
        }
        (Some(time), None) => format!("killed when it was not heard of for {}", span(time)),
        (None, None) => "nothing is expected of it but to be alive".to_owned(),
    }
}

fn probed(probe: &ProbeConfig, failures_max: u32) -> String {
    let killed = match failures_max {
        0 | 1 => "killed when one fails".to_owned(),
        count => format!("killed after {count} failures in a row"),
    };
    format!(
        "{} it is tried whether {}, for {} at most; {killed}",
        every(probe.interval),
        success(&probe.target),
        span(probe.timeout)
    )
}

fn restart(goal: &AppGoal) -> String {
    let policy = &goal.restart;
    let codes: Vec<String> = policy.stop_exit_codes.iter().map(ToString::to_string).collect();
    let but = match codes.len() {
        0 => String::new(),
        1 => format!(", but not after exit code {}", codes[0]),
        _ => format!(", but not after the exit codes {}", listed(&codes, "and")),
    };
    let when = match policy.when {
        RestartWhen::Always => "after every end",
        RestartWhen::OnFailure => "after every end but a clean one",
        RestartWhen::Never => return "never".to_owned(),
    };
    let deaths = counted(u64::from(policy.max_restarts), "death");
    format!(
        "{when}{but}; waits {}, then longer up to {}, from the start again once ready for {}; \
         gives up after more than {deaths} in {}",
        span(policy.backoff_min),
        span(policy.backoff_max),
        span(policy.stable_after),
        span(policy.window)
    )
}

fn stop(app: &AppConfig) -> String {
    let signal = nix::sys::signal::Signal::try_from(app.stop_signal)
        .map_or_else(|_| app.stop_signal.to_string(), |signal| signal.as_str().to_owned());
    let asked = if app.settings.is_some() { "asked over its link" } else { signal.as_str() };
    format!("{asked}, {} to finish, then SIGKILL", span(app.goal.drain_timeout))
}

/// How workers are replaced.
pub(crate) fn rollout(rollout: Rollout) -> String {
    let Rollout { max_surge, max_unavailable, pause_between } = rollout;
    let pause = pause_between.map_or(String::new(), |pause: Duration| {
        format!("; each is watched for {} before the next", span(pause))
    });
    format!("{}{pause}", ways(max_surge, max_unavailable))
}

/// In which ways workers are replaced, and how many at a time.
pub(crate) fn ways(max_surge: u32, max_unavailable: u32) -> String {
    let ways = [("new before old", max_surge), ("old before new", max_unavailable)];
    let ways = ways.iter().filter(|(_, count)| *count > 0);
    let ways: Vec<String> = ways.map(|(way, count)| format!("{way}, {count} at a time")).collect();
    ways.join(" and ")
}

fn logs(app: &AppConfig) -> String {
    let output = app.output;
    let age = output.age_max.map_or(String::new(), |age| format!(" or when {} old", span(age)));
    let kept = match output.files_max {
        1 => "1 old file is kept".to_owned(),
        count => format!("{count} old files are kept"),
    };
    let time = output.keep.map_or(String::new(), |keep| format!(" for {}", span(keep)));
    // The newest is never compressed.
    let compressed = if output.compress && output.files_max > 1 { ", compressed" } else { "" };
    let apart = if output.merge { "" } else { ", a file for each slot" };
    format!("rotated at {}{age}, {kept}{time}{compressed}{apart}", size(output.bytes_max))
}

fn time_table(table: &TimeTable, now: Duration) -> String {
    let next = table.next_after(now).map(|time| table.in_words(time));
    let next = next.map_or_else(|| "never again".to_owned(), |time| format!("next {time}"));
    format!("replaced at \"{}\" in {}, {next}", table.expression(), table.zone())
}

fn watched(watch: &WatchConfig) -> String {
    let paths: Vec<&str> = watch.paths.iter().map(|path| path.written.as_str()).collect();
    let changes = if paths.len() == 1 { "changes" } else { "change" };
    format!(
        "replaced when {} {changes}, once nothing changed for {}",
        listed(&paths, "or"),
        span(watch.delay)
    )
}

/// As whom it runs, where that is not as the supervisor does.
fn process(app: &AppConfig) -> Vec<String> {
    let process = &app.process;
    let mut words = Vec::new();
    words.extend(process.account.as_ref().map(|account| format!("user {}", account.name)));
    let group = app.written.get("group").map(|group| group.trim_matches('"'));
    let group = group.filter(|group| *group != "inherit");
    words.extend(group.map(|group| format!("group {group}")));
    words.extend(process.umask.map(|mask| format!("umask {mask:03o}")));
    words.extend(process.nice.map(|nice| format!("nice {nice}")));
    words
}

fn limit(limit: &ResourceLimit) -> String {
    let ResourceLimit { resource, max } = *limit;
    let amount = match resource {
        _ if max == u64::MAX => "unlimited".to_owned(),
        Resource::OpenFiles | Resource::Processes => max.to_string(),
        Resource::CpuTime => span(Duration::from_secs(max)),
        Resource::AddressSpace
        | Resource::Core
        | Resource::FileSize
        | Resource::Stack
        | Resource::LockedMemory => size(max),
    };
    format!("{} {amount}", resource.key())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_is_told_in_one_way() {
        let pause_between = Some(Duration::from_secs(5));
        let one = Rollout { max_surge: 0, max_unavailable: 2, pause_between };
        let said = "old before new, 2 at a time; each is watched for 5 seconds before the next";
        assert_eq!(rollout(one), said);
        let both = "new before old, 1 at a time and old before new, 2 at a time";
        assert_eq!(rollout(Rollout { max_surge: 1, pause_between: None, ..one }), both);
    }
}
