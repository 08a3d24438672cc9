//! One function for each option of PM2 that is read: the key that it becomes, or why it becomes none.

use super::app::{App, Instances};
use crate::config::ranges;
use crate::roads::units::{count, with_unit};
use crate::roads::words::pm2_words;
use crate::roads::written::Written;

type Into = Result<&'static [&'static str], String>;

const OFF: &str = "it is switched off";

fn text(value: &Written) -> Result<String, String> {
    value.as_text().filter(|text| !text.is_empty()).ok_or_else(|| "it is no text".to_owned())
}

/// Milliseconds: a number, or a text such as "10s".
fn time(value: &Written) -> Result<u64, String> {
    const UNITS: [(&str, u64); 5] =
        [("", 1), ("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    amount(value, &UNITS).ok_or_else(|| "it is no time".to_owned())
}

/// A number, or a text of one with a unit behind it.
fn amount(value: &Written, units: &[(&str, u64)]) -> Option<u64> {
    let text = value.as_integer().map(|number| number.to_string()).or_else(|| value.as_text());
    with_unit(&text?, units)
}

fn some_time(value: &Written) -> Result<u64, String> {
    time(value).and_then(|ms| if ms == 0 { Err(OFF.to_owned()) } else { Ok(ms) })
}

fn words(value: &Written) -> Vec<String> {
    match value {
        Written::Text(text) => pm2_words(text),
        Written::Nothing
        | Written::Truth(_)
        | Written::Integer(_)
        | Written::Float(_)
        | Written::List(_)
        | Written::Table(_) => value.texts(),
    }
}

pub(super) fn name(app: &mut App, value: &Written) -> Into {
    app.name = Some(text(value)?);
    Ok(&[""])
}

pub(super) fn script(app: &mut App, value: &Written) -> Into {
    app.script = Some(text(value)?);
    Ok(&["exec"])
}

pub(super) fn args(app: &mut App, value: &Written) -> Into {
    app.args = words(value);
    if app.args.is_empty() { Err("it is empty".to_owned()) } else { Ok(&["args"]) }
}

pub(super) fn interpreter(app: &mut App, value: &Written) -> Into {
    app.interpreter = Some(text(value)?);
    Ok(&["exec"])
}

pub(super) fn interpreter_args(app: &mut App, value: &Written) -> Into {
    app.interpreter_args = words(value);
    let empty = app.interpreter_args.is_empty();
    if empty { Err("it is empty".to_owned()) } else { Ok(&["exec"]) }
}

pub(super) fn source_maps(app: &mut App, value: &Written) -> Into {
    app.source_maps = !value.is_off();
    if app.source_maps { Ok(&["exec"]) } else { Err(OFF.to_owned()) }
}

pub(super) fn cwd(app: &mut App, value: &Written) -> Into {
    app.cwd = Some(text(value)?);
    Ok(&["cwd"])
}

pub(super) fn instances(app: &mut App, value: &Written) -> Into {
    app.instances = Some(match (value.as_text().as_deref(), value.as_integer()) {
        (Some("max"), _) | (_, Some(0)) => Instances::Processors { less: 0 },
        (_, Some(count)) if count > 0 => Instances::Count(u32::try_from(count).unwrap_or(u32::MAX)),
        (_, Some(less)) => {
            Instances::Processors { less: u32::try_from(less.unsigned_abs()).unwrap_or(u32::MAX) }
        }
        _ => return Err("it is no number of instances".to_owned()),
    });
    Ok(&["instances"])
}

pub(super) fn exec_mode(app: &mut App, value: &Written) -> Into {
    app.cluster = Some(text(value)?.starts_with("cluster"));
    match app.cluster {
        Some(true) => Ok(&["instances"]),
        Some(false) | None => Err("every worker is a process of its own anyway".to_owned()),
    }
}

pub(super) fn port(app: &mut App, value: &Written) -> Into {
    app.env.push(("PORT".to_owned(), text(value)?));
    Ok(&["env.PORT"])
}

pub(super) fn watch(app: &mut App, value: &Written) -> Into {
    if value.is_off() {
        return Err(OFF.to_owned());
    }
    app.watch = match value {
        Written::Truth(true) => vec![".".to_owned()],
        Written::Nothing
        | Written::Truth(false)
        | Written::Integer(_)
        | Written::Float(_)
        | Written::Text(_)
        | Written::List(_)
        | Written::Table(_) => value.texts(),
    };
    if app.watch == ["true"] {
        app.watch = vec![".".to_owned()];
    }
    Ok(&["watch"])
}

pub(super) fn ignore_watch(app: &mut App, value: &Written) -> Into {
    app.watch_ignore = value.texts();
    Ok(&["watch_ignore"])
}

pub(super) fn watch_delay(app: &mut App, value: &Written) -> Into {
    app.watch_delay_ms = Some(some_time(value)?);
    Ok(&["watch_delay"])
}

pub(super) fn max_memory(app: &mut App, value: &Written) -> Into {
    const UNITS: [(&str, u64); 7] = [
        ("", 1),
        ("k", 1 << 10),
        ("kb", 1 << 10),
        ("m", 1 << 20),
        ("mb", 1 << 20),
        ("g", 1 << 30),
        ("gb", 1 << 30),
    ];
    let bytes = amount(value, &UNITS).ok_or_else(|| "it is no size".to_owned())?;
    let accepted = ranges::sizes("restart.max_memory");
    if !accepted.bytes.contains(&bytes) {
        return Err(format!("it is not between {} and {}", accepted.min, accepted.max));
    }
    app.memory_bytes_max = Some(bytes);
    Ok(&["restart.max_memory"])
}

pub(super) fn cron(app: &mut App, value: &Written) -> Into {
    if value.is_off() || value.as_integer() == Some(0) {
        return Err(OFF.to_owned());
    }
    match value.texts().as_slice() {
        [one] => app.cron = Some(one.clone()),
        _ => return Err("there is one expression for an app; write one that means all".into()),
    }
    Ok(&["restart.at"])
}

pub(super) fn autorestart(app: &mut App, value: &Written) -> Into {
    app.autorestart = Some(!value.is_off());
    Ok(&["restart.policy"])
}

pub(super) fn stop_exit_codes(app: &mut App, value: &Written) -> Into {
    let codes: Vec<i64> = value.items().iter().filter_map(Written::as_integer).collect();
    app.stop_exit_codes = codes.into_iter().filter(|code| (0..=255).contains(code)).collect();
    let none = app.stop_exit_codes.is_empty();
    if none { Err("it names no exit code".to_owned()) } else { Ok(&["restart.stop_exit_codes"]) }
}

pub(super) fn max_restarts(app: &mut App, value: &Written) -> Into {
    let wanted = value.as_integer().ok_or_else(|| "it is no number".to_owned())?;
    app.max_restarts = Some(count("restart.max_restarts", wanted));
    Ok(&["restart.max_restarts"])
}

pub(super) fn min_uptime(app: &mut App, value: &Written) -> Into {
    app.min_uptime_ms = Some(some_time(value)?);
    Ok(&["restart.stable_after"])
}

pub(super) fn restart_delay(app: &mut App, value: &Written) -> Into {
    app.restart_delay_ms = Some(some_time(value)?);
    Ok(&["restart.backoff_min", "restart.backoff_max"])
}

pub(super) fn backoff(app: &mut App, value: &Written) -> Into {
    app.backoff_ms = Some(some_time(value)?);
    Ok(&["restart.backoff_min", "restart.backoff_max"])
}

pub(super) fn kill_timeout(app: &mut App, value: &Written) -> Into {
    app.kill_timeout_ms = Some(some_time(value)?);
    Ok(&["health.drain_timeout"])
}

pub(super) fn user(app: &mut App, value: &Written) -> Into {
    text(value)?;
    app.user = Some(value.clone());
    Ok(&["user"])
}

pub(super) fn group(app: &mut App, value: &Written) -> Into {
    text(value)?;
    app.group = Some(value.clone());
    Ok(&["group"])
}

pub(super) fn wait_ready(app: &mut App, value: &Written) -> Into {
    app.wait_ready = !value.is_off();
    match app.wait_ready {
        true => Err("nobody hears process.send('ready') here; see `ready`".to_owned()),
        false => Err(OFF.to_owned()),
    }
}
