//! One app of a PM2 file: every option read into what is meant, none twice.

use super::Entries;
use super::dump::is_of_the_shell;
use super::keys::{Fate, KEYS};
use crate::roads::document::path;
use crate::roads::notes::Notes;
use crate::roads::written::Written;
use crate::roads::{is_ours, plain_name};

/// Where the options come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Dialect {
    /// Somebody wrote them.
    Ecosystem,
    /// PM2 wrote them, among much else.
    Dump,
}

/// How many instances.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Instances {
    Count(u32),
    /// As many as there are processors, less so many.
    Processors {
        less: u32,
    },
}

/// What an app's options mean; `None` where PM2's default holds.
#[derive(Debug, Default)]
pub(super) struct App {
    /// What the app is called in the report.
    pub(super) label: String,
    pub(super) name: Option<String>,
    pub(super) script: Option<String>,
    pub(super) args: Vec<String>,
    pub(super) interpreter: Option<String>,
    pub(super) interpreter_args: Vec<String>,
    pub(super) source_maps: bool,
    pub(super) cwd: Option<String>,
    pub(super) instances: Option<Instances>,
    /// Whether a mode was written, and whether it is node's cluster.
    pub(super) cluster: Option<bool>,
    pub(super) env: Vec<(String, String)>,
    pub(super) environments: Vec<(String, Vec<(String, String)>)>,
    pub(super) watch: Vec<String>,
    pub(super) watch_ignore: Vec<String>,
    pub(super) watch_delay_ms: Option<u64>,
    pub(super) memory_bytes_max: Option<u64>,
    pub(super) cron: Option<String>,
    pub(super) autorestart: Option<bool>,
    pub(super) stop_exit_codes: Vec<i64>,
    pub(super) max_restarts: Option<i64>,
    pub(super) min_uptime_ms: Option<u64>,
    pub(super) restart_delay_ms: Option<u64>,
    pub(super) backoff_ms: Option<u64>,
    pub(super) kill_timeout_ms: Option<u64>,
    pub(super) user: Option<Written>,
    pub(super) group: Option<Written>,
    pub(super) wait_ready: bool,
    /// Options and the keys that they became, below the app's table.
    pub(super) became: Vec<(String, Vec<Vec<String>>)>,
}

/// Reads one option: the keys below the app that it becomes, or why it becomes none.
pub(super) type Take = fn(&mut App, &Written) -> Result<&'static [&'static str], String>;

impl App {
    /// Reads all options; what is not taken is noted at once.
    pub(super) fn read(
        entries: &Entries,
        index: usize,
        dialect: Dialect,
        notes: &mut Notes,
    ) -> App {
        let name = entries.iter().find(|(key, _)| key == "name").and_then(|(_, it)| it.as_text());
        let label = name.unwrap_or_else(|| format!("apps[{index}]"));
        let mut app = App { label, ..App::default() };
        for (key, value) in entries {
            let full = format!("{}.{key}", app.label);
            if let Some(name) = key.strip_prefix("env_") {
                app.environment(name, value, &full, notes);
                continue;
            }
            if key == "env" {
                app.variables(value, &full, notes);
                continue;
            }
            let fate = KEYS.iter().find(|(names, _)| names.contains(&key.as_str()));
            match fate.map(|(_, fate)| fate) {
                Some(Fate::Taken(_)) if is_no_option(value) => {
                    notes.dropped(full, value.why_no_text().unwrap_or_default());
                }
                Some(Fate::Taken(take)) => match take(&mut app, value) {
                    Ok(into) => {
                        let into = into.iter().map(|key| path(&key.split('.').collect::<Vec<_>>()));
                        app.became.push((key.clone(), into.collect()));
                        left_out(value, &full, notes);
                    }
                    Err(reason) => notes.dropped(full, reason),
                },
                Some(Fate::Dropped(reason)) => notes.dropped(full, *reason),
                Some(Fate::Asked(reason)) => {
                    notes.dropped(&full, *reason);
                    if !value.is_off() {
                        notes.question(full, *reason);
                    }
                }
                Some(Fate::Missed(reason)) => {
                    notes.dropped(&full, *reason);
                    if value.is_off() {
                        notes.question(full, *reason);
                    }
                }
                None if dialect == Dialect::Dump => {
                    notes.dropped(full, "PM2's own notes about the process");
                }
                None => notes.unknown(full, "PM2 does not know it either"),
            }
        }
        if app.backoff_ms.is_some() && app.restart_delay_ms.take().is_some() {
            app.became.retain(|(key, _)| key != "restart_delay");
            let words = "exp_backoff_restart_delay takes its place, in PM2 too";
            notes.dropped(format!("{}.restart_delay", app.label), words);
        }
        app.keep_variables(dialect, notes);
        app.ask(notes);
        app
    }

    /// What PM2 would call it.
    pub(super) fn wanted_name(&self) -> String {
        let script = self.script.as_deref().unwrap_or_default();
        let file = script.rsplit('/').next().unwrap_or_default();
        let stem = file.rfind('.').filter(|dot| *dot > 0).map_or(file, |dot| &file[..dot]);
        self.name.clone().unwrap_or_else(|| plain_name(stem))
    }

    fn variables(&mut self, value: &Written, full: &str, notes: &mut Notes) {
        if let Some(variables) = kept(value, full, notes) {
            self.env.extend(variables);
            self.became.push(("env".to_owned(), vec![path(&["env"])]));
        }
    }

    fn environment(&mut self, name: &str, value: &Written, full: &str, notes: &mut Notes) {
        if plain_name(name) != name {
            notes.dropped(full, "names of environments have letters, digits, `.`, `_` and `-`");
            return;
        }
        if name == "development" {
            let words = "development is the environment here when none is chosen, so these \
                         variables hold then too";
            notes.question(full, words);
        }
        let Some(variables) = kept(value, full, notes) else { return };
        self.environments.push((name.to_owned(), variables));
        self.became.push((format!("env_{name}"), vec![path(&["environments", name])]));
    }

    /// Variables that cannot or need not be kept.
    fn keep_variables(&mut self, dialect: Dialect, notes: &mut Notes) {
        let label = self.label.clone();
        let mut keep = |table: &str, variables: &mut Vec<(String, String)>| {
            variables.retain(|(name, _)| {
                let reason = match name {
                    name if is_ours(name) => "the supervisor sets it itself",
                    name if dialect == Dialect::Dump && is_of_the_shell(name) => {
                        "it came from the shell in which pm2 was typed"
                    }
                    _ => return true,
                };
                notes.dropped(format!("{label}.{table}.{name}"), reason);
                false
            });
        };
        keep("env", &mut self.env);
        for (name, variables) in &mut self.environments {
            keep(&format!("env_{name}"), variables);
        }
    }

    /// What a person must look at, beyond single options.
    fn ask(&self, notes: &mut Notes) {
        if self.script.is_none() {
            let words = "no script is named; write the program behind `exec`";
            notes.question(format!("{}.script", self.label), words);
        }
        if self.wait_ready {
            let words = "process.send is not there without PM2, and a program that calls it unasked \
                         fails; let it print a line, and take `ready` and `ready_line` into use";
            notes.question(format!("{}.wait_ready", self.label), words);
        }
    }
}

/// Whether no option has such a value; lists are for the options themselves.
fn is_no_option(value: &Written) -> bool {
    value.why_no_text().is_some() && !matches!(value, Written::List(_))
}

/// Names each member of a list that is no text, and so not in the new file.
fn left_out(value: &Written, full: &str, notes: &mut Notes) {
    for (index, member) in value.items().iter().enumerate() {
        if let Some(reason) = member.why_no_text() {
            notes.dropped(format!("{full}[{index}]"), reason);
        }
    }
}

/// Variables and their values; what is no single value is noted. `None`, with a note, when there
/// are values and none is left.
fn kept(value: &Written, full: &str, notes: &mut Notes) -> Option<Vec<(String, String)>> {
    let Written::Table(entries) = value else {
        notes.dropped(full, "it is no table of variables");
        return None;
    };
    if value.is_function() {
        notes.dropped(full, value.why_no_text().unwrap_or_default());
        return None;
    }
    let mut variables = Vec::new();
    for (name, value) in entries {
        match (value.as_text(), value.why_no_text()) {
            (Some(text), _) => variables.push((name.clone(), text)),
            (None, reason) => notes.dropped(format!("{full}.{name}"), reason.unwrap_or_default()),
        }
    }
    if variables.is_empty() && !entries.is_empty() {
        notes.dropped(full, "none of its variables has a value to keep");
        return None;
    }
    Some(variables)
}
