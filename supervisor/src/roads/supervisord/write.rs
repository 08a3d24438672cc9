//! A program of supervisord's as tables of the new file.

use super::keys::Whole;
use super::program::Program;
use crate::roads::document::{Document, Table, Value};
use crate::roads::notes::Notes;
use crate::roads::units::{duration, size};
use crate::roads::words::shell_words;
use crate::roads::{INSTANCES_MAX, Place, is_ours, looks_secret};

/// How long supervisord waits until a program counts as started, in seconds.
const STARTSECS: u64 = 1;
/// Our limit until a program must be ready, in seconds.
const START_TIMEOUT: u64 = 60;

pub(super) fn app(
    program: &Program,
    whole: &Whole,
    name: &str,
    place: &Place,
    (document, notes): (&mut Document, &mut Notes),
) {
    let table = document.table(&["apps", name]);
    if !program.borrowed.is_empty() {
        let names = program.borrowed.join(", ");
        let words = format!("{names} must be in the environment, or in .env beside the file");
        table.remark(&format!("{words}."));
        notes.question(format!("apps.{name}"), words);
    }
    exec(program, name, place, table, notes);
    let directory = program.directory.as_deref().or(whole.directory.as_deref());
    table.set_some("cwd", place.cwd(directory));
    if let Some(count) = program.numprocs.filter(|count| *count > 0) {
        table.set("instances", i64::from(count.min(INSTANCES_MAX)));
    }
    let startsecs = program.startsecs.unwrap_or(STARTSECS);
    table.set("ready", duration(startsecs.saturating_mul(1000)));
    table.set_some("stop_signal", program.stopsignal.clone());
    table.set_some("user", program.user.as_deref().map(account));
    table.set_some("umask", program.umask.clone());
    let env = document.table(&["apps", name, "env"]);
    for (variable, value) in &program.variables {
        let key = format!("apps.{name}.env.{variable}");
        if is_ours(variable) {
            notes.question(key, "is left out: the supervisor sets it itself");
            continue;
        }
        if looks_secret(variable) && !value.is_empty() {
            env.remark("A secret? Every process of the same user can read it.");
            notes
                .question(key, "looks like a secret, and stands in the new file as in the old one");
        }
        env.set(variable, value.as_str());
    }
    restart(program, document.table(&["apps", name, "restart"]));
    let health = document.table(&["apps", name, "health"]);
    if startsecs >= START_TIMEOUT {
        health.set("start_timeout", duration(startsecs.saturating_mul(2000)));
    }
    let drain = program.stopwaitsecs.map(|seconds| duration(seconds.saturating_mul(1000)));
    health.set_some("drain_timeout", drain);
    let logs = document.table(&["apps", name, "logs"]);
    logs.set_some("max_size", program.bytes_max.map(size));
    logs.set_some("max_files", program.backups);
}

fn exec(program: &Program, name: &str, place: &Place, table: &mut Table, notes: &mut Notes) {
    let command = program.command.as_deref().unwrap_or("./program");
    let words = shell_words(command).unwrap_or_else(|why| {
        notes.question(format!("apps.{name}.exec"), format!("{why} in `{command}`"));
        command.split_whitespace().map(str::to_owned).collect()
    });
    let mut words = words.into_iter();
    let program = words.next().unwrap_or_default();
    let program = if program.contains('/') { place.path(&program) } else { program };
    table.set("exec", std::iter::once(program).chain(words).collect::<Vec<String>>());
}

/// A user by name, or by number without quotes.
fn account(written: &str) -> Value {
    match written.parse::<i64>() {
        Ok(number) => Value::Number(number),
        Err(_) => Value::Text(written.to_owned()),
    }
}

fn restart(program: &Program, table: &mut Table) {
    let codes = program.exitcodes.clone().unwrap_or_else(|| vec![0]);
    let expected: Vec<i64> =
        codes.iter().copied().filter(|code| (1..=255).contains(code)).collect();
    let policy = match program.autorestart.as_deref() {
        Some("true") => "always",
        Some("false") => "never",
        // Its default: again unless it ended with one of the exit codes.
        Some(_) | None if codes.contains(&0) => "on_failure",
        Some(_) | None => "always",
    };
    if program.autorestart.is_none() {
        table.remark("supervisord's default: not again after an expected end.");
    }
    table.set("policy", policy);
    let unexpected_only = !matches!(program.autorestart.as_deref(), Some("true" | "false"));
    if unexpected_only && !expected.is_empty() {
        table.set("stop_exit_codes", expected);
    }
    table.set_some("max_restarts", program.startretries);
}
