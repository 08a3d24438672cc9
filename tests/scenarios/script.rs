//! From a line of a story to an event.
//!
//! `config query=2@7 surge=1 | mail=1@3 replace=1` wants two workers of kind 7 for `query`. What
//! is not said is as in [`goal`].

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use mcp_supervisor::machine::DrainCause;
use mcp_supervisor::machine::{
    AppGoal, AppName, Changes, Command, Desired, Event, Exit, Fingerprint, Presence, Readiness,
    RequestId, RestartPolicy, RestartWhen, Rollout, RunId, Scale, Scope, SlotId, Urgency,
};

/// What a line asks for.
pub(crate) enum Line {
    /// An event for the machine.
    Event(Box<Event>),
    /// The picture.
    Status,
    /// The seed of the machine; before everything else.
    Seed(u64),
    /// The clock leaps to the next line: no deadline before it passes in time.
    Leap,
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
        "leap" => return Ok(Some((at, Line::Leap))),
        "seed" => return Ok(Some((at, Line::Seed(rest.parse().map_err(|_| wrong())?)))),
        "tick" => Event::Tick,
        "config" => Event::Configured(desired(rest)?),
        "unchanged" => Event::ConfigUnchanged { generation: u64::from(number(rest)?) },
        "rejected" => Event::ConfigRejected { problem: rest.to_owned() },
        "ready" => Event::Ready { run: run(rest)? },
        "beat" => Event::Heartbeat { run: run(rest)? },
        "probe-failed" => spoken(rest, |run, why| Event::ProbeFailed { run, why })?,
        "measured" => {
            let (who, bytes) = rest.split_once(' ').ok_or_else(wrong)?;
            Event::Measured { run: run(who)?, memory_bytes: u64::from(number(bytes)?) }
        }
        "refresh" => {
            let (app, why) = rest.split_once(' ').ok_or_else(wrong)?;
            let cause = DrainCause::Watch;
            Event::Refresh { app: AppName::new(app), cause, why: why.to_owned() }
        }
        "remembered" => Event::Remembered(changes(rest)?),
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
    let wrong = || format!("`{text}` is no command");
    let words: Vec<&str> = text.split_whitespace().collect();
    Ok(match words[..] {
        ["settle"] => Command::Settle,
        ["settle", ref apps @ ..] => {
            Command::SettleApps(apps.iter().map(|app| AppName::new(app)).collect())
        }
        ["shutdown"] => Command::Shutdown,
        ["scale", app, to] => Command::Scale { app: AppName::new(app), to: scale(to)? },
        ["signal", signal, name] => {
            Command::Signal { scope: scope(name)?, number: signal.parse().map_err(|_| wrong())? }
        }
        [verb, name] => {
            let scope = scope(name)?;
            match verb {
                "reload" => Command::Reload(scope),
                "restart" => Command::Restart(scope),
                "start" => Command::Start(scope),
                "stop" => Command::Stop(scope),
                "delete" => Command::Delete(scope),
                "reset" => Command::Reset(scope),
                "forget" => Command::Forget(scope),
                _ => return Err(wrong()),
            }
        }
        _ => return Err(wrong()),
    })
}

fn scope(name: &str) -> Result<Scope, String> {
    Ok(match name.strip_suffix(']').and_then(|name| name.split_once('[')) {
        Some((app, index)) => Scope::Slot(SlotId { app: AppName::new(app), index: number(index)? }),
        None if name == "all" => Scope::All,
        None => Scope::App(AppName::new(name)),
    })
}

fn scale(text: &str) -> Result<Scale, String> {
    Ok(match (text.strip_prefix('+'), text.strip_prefix('-')) {
        (Some(more), _) => Scale::More(number(more)?),
        (None, Some(fewer)) => Scale::Fewer(number(fewer)?),
        (None, None) => Scale::To(number(text)?),
    })
}

/// `query=4 mail=stopped job=deleted query[1]=stopped`
fn changes(text: &str) -> Result<Changes, String> {
    let mut changes = Changes::new();
    for word in text.split_whitespace() {
        let (name, wish) = word.split_once('=').ok_or_else(|| format!("`{word}`?"))?;
        let (app, slot) = match scope(name)? {
            Scope::Slot(slot) => (slot.app, Some(slot.index)),
            Scope::App(app) => (app, None),
            Scope::All => return Err(format!("`{word}` names no app")),
        };
        let change = changes.entry(app).or_default();
        match (slot, wish) {
            (Some(index), "stopped") => drop(change.stopped_slots.insert(index)),
            (None, "stopped") => change.presence = Presence::Stopped,
            (None, "deleted") => change.presence = Presence::Deleted,
            (None, count) => change.instances = Some(number(count)?),
            (Some(_), _) => return Err(format!("`{word}`?")),
        }
    }
    Ok(changes)
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
pub(crate) fn goal(instances: u32, kind: u64) -> AppGoal {
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
        "backoff" => goal.restart.backoff_max = duration(value)?,
        "window" => goal.restart.window = duration(value)?,
        "memory" => goal.memory_bytes_max = Some(u64::from(number(value)?)),
        "age" => goal.max_age = Some(duration(value)?),
        "pause" => goal.rollout.pause_between = Some(duration(value)?),
        "unavailable" => goal.rollout.max_unavailable = number(value)?,
        "probes" => goal.probe_failures_max = number(value)?,
        "after" => goal.depends_on = value.split(',').map(AppName::new).collect(),
        "done" => {
            let codes = value.split(',').map(|code| code.parse());
            goal.restart.stop_exit_codes =
                codes.collect::<Result<_, _>>().map_err(|_| format!("`{value}`?"))?;
        }
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
    if let Some(ns) = text.strip_suffix("ns") {
        let ns = ns.parse().map_err(|_| format!("`{ns}` is no number"))?;
        return Ok(Duration::from_nanos(ns));
    }
    let seconds = text.strip_suffix('s').ok_or_else(|| format!("`{text}` has no unit"))?;
    Ok(Duration::from_secs(u64::from(number(seconds)?)))
}
