//! From a line of a story to an event.
//!
//! `config query=2@7 surge=1 | mail=1@3 replace=1` wants two workers of kind 7 for `query`. What
//! is not said is as in [`goal`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mcp_supervisor::machine::{
    AppGoal, AppName, Command, Desired, Event, Exit, Fingerprint, Readiness, RequestId,
    RestartPolicy, RestartWhen, Rollout, RunId, Scope, Urgency,
};

/// What a line asks for.
pub(crate) enum Line {
    /// An event for the machine.
    Event(Box<Event>),
    /// The picture.
    Status,
}

/// Reads a line; nothing for a comment or an empty one.
pub(crate) fn line(text: &str) -> Result<Option<(Duration, Line)>, String> {
    let text = text.trim();
    if text.is_empty() || text.starts_with('#') {
        return Ok(None);
    }
    let wrong = || format!("cannot read `{text}`");
    let (at, rest) = text.split_once(' ').ok_or_else(wrong)?;
    let at = duration(at)?;
    let (verb, rest) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
    let rest = rest.trim();
    let event = match verb {
        "status" => return Ok(Some((at, Line::Status))),
        "tick" => Event::Tick,
        "config" => Event::Configured(desired(rest)?),
        "rejected" => Event::ConfigRejected { problem: rest.to_owned() },
        "ready" => Event::Ready { run: run(rest)? },
        "beat" => Event::Heartbeat { run: run(rest)? },
        "spawn-failed" => spoken(rest, |run, why| Event::SpawnFailed { run, why })?,
        "boot-failed" => spoken(rest, |run, why| Event::BootFailed { run, why })?,
        "exited" => {
            let (who, how) = rest.split_once(' ').ok_or_else(wrong)?;
            Event::Exited { run: run(who)?, exit: exit(how)? }
        }
        "ask" => {
            let (number, command) = rest.split_once(' ').ok_or_else(wrong)?;
            let request = RequestId(number.parse().map_err(|_| wrong())?);
            Event::Asked { request, command: self::command(command)? }
        }
        "shutdown" if rest == "now" => Event::Shutdown(Urgency::Now),
        "shutdown" => Event::Shutdown(Urgency::Drain),
        _ => return Err(wrong()),
    };
    Ok(Some((at, Line::Event(Box::new(event)))))
}

fn spoken(rest: &str, event: impl Fn(RunId, String) -> Event) -> Result<Event, String> {
    let (who, why) = rest.split_once(' ').ok_or_else(|| format!("`{rest}` has no reason"))?;
    Ok(event(run(who)?, why.to_owned()))
}

fn command(text: &str) -> Result<Command, String> {
    let scope = |name: &str| match name {
        "all" => Scope::All,
        name => Scope::App(AppName::new(name)),
    };
    match text.split_once(' ') {
        Some(("reload", name)) => Ok(Command::Reload(scope(name))),
        Some(("restart", name)) => Ok(Command::Restart(scope(name))),
        None if text == "settle" => Ok(Command::Settle),
        None if text == "shutdown" => Ok(Command::Shutdown),
        Some(_) | None => Err(format!("`{text}` is no command")),
    }
}

fn desired(text: &str) -> Result<Desired, String> {
    let mut apps = BTreeMap::new();
    for app in text.split('|').map(str::trim).filter(|app| !app.is_empty()) {
        let mut words = app.split_whitespace();
        let head = words.next().unwrap_or_default();
        let (name, wish) = head.split_once('=').ok_or_else(|| format!("`{head}` is no app"))?;
        let (instances, kind) = wish.split_once('@').ok_or_else(|| format!("`{head}`: no kind"))?;
        let mut goal = goal(number(instances)?, u64::from(number(kind)?));
        for word in words {
            let (key, value) = word.split_once('=').ok_or_else(|| format!("`{word}`?"))?;
            set(&mut goal, key, value)?;
        }
        apps.insert(AppName::new(name), goal);
    }
    Ok(Desired { generation: 1, apps })
}

/// What is wanted where a story does not say otherwise.
fn goal(instances: u32, kind: u64) -> AppGoal {
    AppGoal {
        instances,
        fingerprint: Fingerprint(kind),
        readiness: Readiness::Told,
        start_timeout: Duration::from_secs(10),
        heartbeat_timeout: None,
        drain_timeout: Duration::from_secs(5),
        restart: RestartPolicy {
            when: RestartWhen::Always,
            backoff_min: Duration::from_millis(100),
            backoff_max: Duration::from_secs(5),
            stable_after: Duration::from_secs(10),
            max_restarts: 3,
            window: Duration::from_secs(60),
            stop_exit_codes: BTreeSet::new(),
        },
        rollout: Rollout { max_surge: 1, max_unavailable: 0, pause_between: None },
        probe_failures_max: 3,
        memory_bytes_max: None,
        max_age: None,
        depends_on: BTreeSet::new(),
    }
}

fn set(goal: &mut AppGoal, key: &str, value: &str) -> Result<(), String> {
    match key {
        "alive" => goal.readiness = Readiness::AliveFor(duration(value)?),
        "start" => goal.start_timeout = duration(value)?,
        "heartbeat" => goal.heartbeat_timeout = Some(duration(value)?),
        "drain" => goal.drain_timeout = duration(value)?,
        "stable" => goal.restart.stable_after = duration(value)?,
        "max" => goal.restart.max_restarts = number(value)?,
        "surge" => goal.rollout.max_surge = number(value)?,
        "replace" => {
            goal.rollout =
                Rollout { max_surge: 0, max_unavailable: number(value)?, pause_between: None };
        }
        "when" => {
            goal.restart.when = match value {
                "always" => RestartWhen::Always,
                "on-failure" => RestartWhen::OnFailure,
                "never" => RestartWhen::Never,
                _ => return Err(format!("`{value}` is no restart rule")),
            }
        }
        _ => return Err(format!("`{key}` is no setting")),
    }
    Ok(())
}

fn exit(text: &str) -> Result<Exit, String> {
    let wrong = || format!("`{text}` is no exit");
    let (kind, value) = text.split_once(' ').ok_or_else(wrong)?;
    let value = value.parse().map_err(|_| wrong())?;
    match kind {
        "code" => Ok(Exit::Code(value)),
        "signal" => Ok(Exit::Signal(value)),
        _ => Err(wrong()),
    }
}

fn run(text: &str) -> Result<RunId, String> {
    let digits = text.strip_prefix("run-").ok_or_else(|| format!("`{text}` is no run"))?;
    Ok(RunId(u64::from(number(digits)?)))
}

fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| format!("`{text}` is no number"))
}

fn duration(text: &str) -> Result<Duration, String> {
    if let Some(ms) = text.strip_suffix("ms") {
        return Ok(Duration::from_millis(u64::from(number(ms)?)));
    }
    let seconds = text.strip_suffix('s').ok_or_else(|| format!("`{text}` has no unit"))?;
    Ok(Duration::from_secs(u64::from(number(seconds)?)))
}
