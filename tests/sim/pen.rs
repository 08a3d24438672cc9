//! Writes what came in as lines of a story: the other direction of `script.rs`.

use std::fmt::{Display, Write as _};
use std::time::Duration;

use mcp_supervisor::machine::{
    AppGoal, Changes, Command, Desired, Event, Exit, Presence, Readiness, RestartWhen, Scale,
    Scope, Urgency,
};

use crate::script;
use crate::stage::{Clock, Step};

/// A schedule as a story without answers, for a machine of this seed.
pub(crate) fn story(seed: u64, steps: &[Step]) -> String {
    let mut text = String::new();
    if seed != 1 {
        let _ = writeln!(text, "0ms     seed {seed}");
    }
    for step in steps {
        let at = time(step.at.since_start());
        if step.clock == Clock::Leaps {
            let _ = writeln!(text, "{at:<7} leap");
        }
        let _ = writeln!(text, "{at:<7} {}", event(&step.event));
    }
    text
}

fn event(event: &Event) -> String {
    match event {
        Event::Tick => "tick".to_owned(),
        Event::Configured(desired) => format!("config {}", self::desired(desired)),
        Event::ConfigUnchanged { generation } => format!("unchanged {generation}"),
        Event::ConfigRejected { problem } => format!("rejected {problem}"),
        Event::SpawnFailed { run, why } => format!("spawn-failed {run} {why}"),
        Event::Ready { run } => format!("ready {run}"),
        Event::BootFailed { run, why } => format!("boot-failed {run} {why}"),
        Event::Heartbeat { run } => format!("beat {run}"),
        Event::ProbeFailed { run, why } => format!("probe-failed {run} {why}"),
        Event::Measured { run, memory_bytes } => format!("measured {run} {memory_bytes}"),
        Event::Refresh { app, why, cause: _ } => format!("refresh {app} {why}"),
        Event::Remembered(changes) => format!("remembered{}", self::changes(changes)),
        Event::Exited { run, exit: Exit::Code(code) } => format!("exited {run} code {code}"),
        Event::Exited { run, exit: Exit::Signal(number) | Exit::CpuTime(number) } => {
            format!("exited {run} signal {number}")
        }
        Event::Asked { request, command } => {
            format!("ask {} {}", request.0, self::command(command))
        }
        Event::Shutdown(Urgency::Now) => "shutdown now".to_owned(),
        Event::Shutdown(Urgency::Drain) => "shutdown".to_owned(),
    }
}

fn command(command: &Command) -> String {
    match command {
        Command::Settle => "settle".to_owned(),
        Command::SettleApps(apps) => {
            let names: Vec<String> = apps.iter().map(|app| format!(" {app}")).collect();
            format!("settle{}", names.concat())
        }
        Command::Shutdown => "shutdown".to_owned(),
        Command::Reload(scope) => format!("reload {}", self::scope(scope)),
        Command::Restart(scope) => format!("restart {}", self::scope(scope)),
        Command::Start(scope) => format!("start {}", self::scope(scope)),
        Command::Stop(scope) => format!("stop {}", self::scope(scope)),
        Command::Delete(scope) => format!("delete {}", self::scope(scope)),
        Command::Reset(scope) => format!("reset {}", self::scope(scope)),
        Command::Forget(scope) => format!("forget {}", self::scope(scope)),
        Command::Scale { app, to: Scale::To(count) } => format!("scale {app} {count}"),
        Command::Scale { app, to: Scale::More(count) } => format!("scale {app} +{count}"),
        Command::Scale { app, to: Scale::Fewer(count) } => format!("scale {app} -{count}"),
        Command::Signal { scope, number } => format!("signal {number} {}", self::scope(scope)),
    }
}

fn scope(scope: &Scope) -> String {
    match scope {
        Scope::All => "all".to_owned(),
        Scope::App(name) => name.to_string(),
        Scope::Slot(slot) => slot.to_string(),
    }
}

fn changes(changes: &Changes) -> String {
    let mut text = String::new();
    for (app, change) in changes {
        match change.presence {
            Presence::Wanted => {}
            Presence::Stopped => drop(write!(text, " {app}=stopped")),
            Presence::Deleted => drop(write!(text, " {app}=deleted")),
        }
        if let Some(count) = change.instances {
            let _ = write!(text, " {app}={count}");
        }
        for index in &change.stopped_slots {
            let _ = write!(text, " {app}[{index}]=stopped");
        }
    }
    text
}

fn desired(desired: &Desired) -> String {
    let app = |(name, goal): (&dyn Display, &AppGoal)| {
        let mut text = format!("{name}={}@{}", goal.instances, goal.fingerprint.0);
        settings(goal, &mut text);
        text
    };
    let apps = desired.apps.iter().map(|(name, goal)| app((name, goal)));
    apps.collect::<Vec<_>>().join(" | ")
}

/// What a goal says otherwise than a story does by itself.
fn settings(goal: &AppGoal, text: &mut String) {
    let plain = script::goal(goal.instances, goal.fingerprint.0);
    let mut say = |differs: bool, key: &str, value: String| {
        if differs {
            let _ = write!(text, " {key}={value}");
        }
    };
    if let Readiness::AliveFor(alive) = goal.readiness {
        say(true, "alive", time(alive));
    }
    let times = [
        ("start", Some(plain.start_timeout), Some(goal.start_timeout)),
        ("heartbeat", plain.heartbeat_timeout, goal.heartbeat_timeout),
        ("drain", Some(plain.drain_timeout), Some(goal.drain_timeout)),
        ("backoff", Some(plain.restart.backoff_max), Some(goal.restart.backoff_max)),
        ("stable", Some(plain.restart.stable_after), Some(goal.restart.stable_after)),
        ("window", Some(plain.restart.window), Some(goal.restart.window)),
        ("age", plain.max_age, goal.max_age),
        ("pause", plain.rollout.pause_between, goal.rollout.pause_between),
    ];
    for (key, usual, wanted) in times {
        say(usual != wanted, key, wanted.map(time).unwrap_or_default());
    }
    let (rollout, usual) = (goal.rollout, plain.rollout);
    let unavailable = usual.max_unavailable != rollout.max_unavailable;
    say(usual.max_surge != rollout.max_surge, "surge", rollout.max_surge.to_string());
    say(unavailable, "unavailable", rollout.max_unavailable.to_string());
    let (max, probes) = (goal.restart.max_restarts, goal.probe_failures_max);
    say(max != plain.restart.max_restarts, "max", max.to_string());
    say(probes != plain.probe_failures_max, "probes", probes.to_string());
    let memory = goal.memory_bytes_max;
    say(memory.is_some(), "memory", memory.unwrap_or_default().to_string());
    say(goal.restart.when != plain.restart.when, "when", when(goal.restart.when).to_owned());
    let codes: Vec<String> = goal.restart.stop_exit_codes.iter().map(i32::to_string).collect();
    say(!codes.is_empty(), "done", codes.join(","));
    let apps: Vec<&str> = goal.depends_on.iter().map(|app| app.as_str()).collect();
    say(!apps.is_empty(), "after", apps.join(","));
}

fn when(when: RestartWhen) -> &'static str {
    match when {
        RestartWhen::Always => "always",
        RestartWhen::OnFailure => "on-failure",
        RestartWhen::Never => "never",
    }
}

fn time(time: Duration) -> String {
    match (time.subsec_nanos(), time.subsec_nanos() % 1_000_000) {
        (0, _) if !time.is_zero() => format!("{}s", time.as_secs()),
        (_, 0) => format!("{}ms", time.as_millis()),
        (_, _) => format!("{}ns", time.as_nanos()),
    }
}
