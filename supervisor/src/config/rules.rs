//! The rules that an app lives under, in words: what `describe` shows of them.

use std::time::Duration;

use super::AppConfig;
use super::compare::is_variable;
use crate::machine::{AppGoal, Readiness, RestartWhen, Rollout};

/// Each rule: what it is about, as the table of the file is called, and what it says.
#[must_use]
pub fn rules(app: &AppConfig) -> Vec<(String, String)> {
    let goal = &app.goal;
    let mut rules = vec![
        ("ready", ready(goal)),
        ("health", health(goal)),
        ("restart", restart(goal)),
        ("stop", stop(app)),
        ("rollout", rollout(goal.rollout)),
        (
            "logs",
            format!(
                "rotated at {} bytes, {} old files are kept",
                app.output.bytes_max, app.output.files_max
            ),
        ),
    ];
    if let Some(bytes) = goal.memory_bytes_max {
        rules.push(("memory", format!("replaced when it takes more than {bytes} bytes")));
    }
    if let Some(age) = goal.max_age {
        rules.push(("max_age", format!("replaced once it has been ready for {age:?}")));
    }
    if !goal.depends_on.is_empty() {
        let names: Vec<&str> =
            goal.depends_on.iter().map(crate::machine::AppName::as_str).collect();
        rules.push(("depends_on", format!("started once {} are ready", names.join(", "))));
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

fn ready(goal: &AppGoal) -> String {
    match goal.readiness {
        Readiness::Told => format!("when it says so; killed after {:?}", goal.start_timeout),
        Readiness::AliveFor(time) => format!("once it has been alive for {time:?}"),
    }
}

fn health(goal: &AppGoal) -> String {
    match goal.heartbeat_timeout {
        Some(time) => format!("killed when it was not heard of for {time:?}"),
        None => "nothing is expected of it but to be alive".to_owned(),
    }
}

fn restart(goal: &AppGoal) -> String {
    let policy = &goal.restart;
    let when = match policy.when {
        RestartWhen::Always => "after every end",
        RestartWhen::OnFailure => "after every end but a clean one",
        RestartWhen::Never => return "never".to_owned(),
    };
    format!(
        "{when}; waits {:?}, then longer up to {:?}, from the start again once ready for {:?}; \
         gives up after more than {} deaths in {:?}",
        policy.backoff_min,
        policy.backoff_max,
        policy.stable_after,
        policy.max_restarts,
        policy.window
    )
}

fn stop(app: &AppConfig) -> String {
    let signal = nix::sys::signal::Signal::try_from(app.stop_signal)
        .map_or_else(|_| app.stop_signal.to_string(), |signal| signal.as_str().to_owned());
    let asked = if app.settings.is_some() { "asked over its link" } else { signal.as_str() };
    format!("{asked}, {:?} to finish, then SIGKILL", app.goal.drain_timeout)
}

/// How workers are replaced.
pub(crate) fn rollout(rollout: Rollout) -> String {
    let Rollout { max_surge, max_unavailable, pause_between } = rollout;
    let pause = pause_between.map_or(String::new(), |pause: Duration| {
        format!("; each is watched for {pause:?} before the next")
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollout_is_told_in_one_way() {
        let pause_between = Some(Duration::from_secs(5));
        let one = Rollout { max_surge: 0, max_unavailable: 2, pause_between };
        let said = "old before new, 2 at a time; each is watched for 5s before the next";
        assert_eq!(rollout(one), said);
        let both = "new before old, 1 at a time and old before new, 2 at a time";
        assert_eq!(rollout(Rollout { max_surge: 1, pause_between: None, ..one }), both);
    }
}
