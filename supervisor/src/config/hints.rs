//! What was probably meant by a key that means nothing where it stands: a slip of the finger, a
//! key of another table, or the word that another supervisor has for it.

use super::file::{Node, Value};
use super::keys::{APP, Key, Kind, SUPERVISOR, nearest, squashed};

/// What another supervisor's word stands for here.
#[derive(Clone, Copy)]
enum Here {
    /// A key, as seen from the app or from the file.
    Key(&'static str),
    /// Nothing that has one key.
    Words(&'static str),
}

use Here::{Key as K, Words as W};

const NO_NAME: Here = W("the name of an app stands in its table; write [apps.NAME]");
const NO_FILES: Here =
    W("each app has NAME.out.log and NAME.err.log; write `log_directory` in [supervisor]");
const ALWAYS_SO: Here = W("all whom a program started end with it always; remove this key");

/// Words of PM2, supervisord, systemd and others for what an app has, without separators.
const FOREIGN: [(&str, Here); 92] = [
    ("script", K("exec")),
    ("command", K("exec")),
    ("cmd", K("exec")),
    ("execstart", K("exec")),
    ("program", K("exec")),
    ("binary", K("exec")),
    ("interpreter", K("exec")),
    ("interpreterargs", K("exec")),
    ("nodeargs", K("exec")),
    ("arguments", K("args")),
    ("argv", K("args")),
    ("name", NO_NAME),
    ("processname", NO_NAME),
    ("directory", K("cwd")),
    ("workingdirectory", K("cwd")),
    ("workingdir", K("cwd")),
    ("workdir", K("cwd")),
    ("chdir", K("cwd")),
    ("port", K("listen")),
    ("ports", K("listen")),
    ("host", K("listen")),
    ("bind", K("listen")),
    ("address", K("listen")),
    ("socket", K("listen")),
    ("listenstream", K("listen")),
    ("numprocs", K("instances")),
    ("replicas", K("instances")),
    ("workers", K("instances")),
    ("scale", K("instances")),
    ("concurrency", K("instances")),
    ("execmode", W("workers of an app share its `listen` always; write `instances` alone")),
    ("instancevar", W("a worker finds its number in MCP_SUPERVISOR_SLOT; remove this key")),
    ("environment", K("env")),
    ("environmentvariables", K("env")),
    ("variables", K("env")),
    ("vars", K("env")),
    ("autorestart", K("restart.policy")),
    ("restartpolicy", K("restart.policy")),
    ("autostart", W("every app of the file is started; `stop APP` is remembered instead")),
    ("maxmemoryrestart", K("restart.max_memory")),
    ("memorylimit", K("restart.max_memory")),
    ("memorymax", K("restart.max_memory")),
    ("maxrestarts", K("restart.max_restarts")),
    ("startretries", K("restart.max_restarts")),
    ("retries", K("restart.max_restarts")),
    ("startlimitburst", K("restart.max_restarts")),
    ("startlimitinterval", K("restart.window")),
    ("startlimitintervalsec", K("restart.window")),
    ("restartdelay", K("restart.backoff_min")),
    ("restartsec", K("restart.backoff_min")),
    ("backoff", K("restart.backoff_min")),
    ("expbackoffrestartdelay", K("restart.backoff_min")),
    ("minuptime", K("restart.stable_after")),
    ("cronrestart", K("restart.at")),
    ("cron", K("restart.at")),
    ("schedule", K("restart.at")),
    ("timezone", K("restart.time_zone")),
    ("exitcodes", K("restart.stop_exit_codes")),
    ("successexitstatus", K("restart.stop_exit_codes")),
    ("runtimemaxsec", K("restart.max_age")),
    ("killtimeout", K("health.drain_timeout")),
    ("stopwaitsecs", K("health.drain_timeout")),
    ("timeoutstopsec", K("health.drain_timeout")),
    ("stoptimeout", K("health.drain_timeout")),
    ("graceperiod", K("health.drain_timeout")),
    ("stopgraceperiod", K("health.drain_timeout")),
    ("gracefultimeout", K("health.drain_timeout")),
    ("shutdowntimeout", K("health.drain_timeout")),
    ("listentimeout", K("health.start_timeout")),
    ("timeoutstartsec", K("health.start_timeout")),
    ("readytimeout", K("health.start_timeout")),
    ("healthcheck", K("health.probe")),
    ("watchdogsec", K("health.watchdog_timeout")),
    ("waitready", K("ready")),
    ("startsecs", K("ready")),
    ("killsignal", K("stop_signal")),
    ("signal", K("stop_signal")),
    ("killasgroup", ALWAYS_SO),
    ("stopasgroup", ALWAYS_SO),
    ("treekill", ALWAYS_SO),
    ("ignorewatch", K("watch_ignore")),
    ("uid", K("user")),
    ("gid", K("group")),
    ("priority", K("depends_on")),
    ("after", K("depends_on")),
    ("requires", K("depends_on")),
    ("outfile", NO_FILES),
    ("errorfile", NO_FILES),
    ("errfile", NO_FILES),
    ("logfile", NO_FILES),
    ("stdoutlogfile", NO_FILES),
    ("stderrlogfile", NO_FILES),
];

/// Words for parts of an app's tables, and for the supervisor's own.
const FOREIGN_PARTS: [(&str, Here); 16] = [
    ("loglevel", K("logs.level")),
    ("maxlogsize", K("logs.max_size")),
    ("maxsize", K("logs.max_size")),
    ("stdoutlogfilemaxbytes", K("logs.max_size")),
    ("stdoutlogfilebackups", K("logs.max_files")),
    ("retain", K("logs.max_files")),
    ("maxdays", K("logs.keep")),
    ("mergelogs", K("logs.merge")),
    ("combinelogs", K("logs.merge")),
    ("limitnofile", K("resources.open_files")),
    ("maxopenfiles", K("resources.open_files")),
    ("limitnproc", K("resources.processes")),
    ("limitcore", K("resources.core")),
    ("rollingupdate", K("rollout")),
    ("processes", W("did you mean `instances` or `resources.processes`?")),
    ("metrics", W("did you mean `metrics` in [supervisor]?")),
];

const FOREIGN_SUPERVISOR: [(&str, &str); 9] = [
    ("logfile", "log_directory"),
    ("logdir", "log_directory"),
    ("rundir", "run_directory"),
    ("pidfile", "run_directory"),
    ("socket", "run_directory"),
    ("statedir", "state_directory"),
    ("datadir", "state_directory"),
    ("loglevel", "log_level"),
    ("prometheus", "metrics"),
];

/// What to write in place of a key that means nothing in its table.
pub(super) fn unknown(name: &str, node: &Node, keys: &'static [Key]) -> String {
    let has = |name| names(keys).any(|known| known == name);
    let meant = if has("apps") {
        in_file(name, node, keys)
    } else if has("run_directory") {
        in_supervisor(name)
    } else if has("exec") {
        in_app(name)
    } else {
        in_part(name, keys)
    };
    match meant {
        Some(words) => format!("unknown key; {words}"),
        None => {
            let known: Vec<_> = keys.iter().map(|key| key.name).collect();
            format!("unknown key; the keys here are {}", known.join(", "))
        }
    }
}

/// Whether an unknown key of an app was probably meant to be this one.
pub(super) fn means(name: &str, key: &str) -> bool {
    in_app(name).is_some_and(|words| words == did_you_mean(key))
}

/// What stands where an app's name belongs, when it is a key of an app.
pub(super) fn misplaced_in_apps(name: &str, value: &Value) -> Option<String> {
    let known = APP.iter().any(|key| key.name == name) || foreign(name).is_some();
    let single = !matches!(value, Value::Table(_));
    (known && single).then(|| {
        format!("`{name}` belongs to one app; write it below a table such as [apps.query]")
    })
}

/// A single value where a table belongs, when it is what one of the table's keys takes.
pub(super) fn key_for(value: &Value, table: &str, keys: &'static [Key]) -> Option<String> {
    let Value::Text(text) = value else { return None };
    let key = keys.iter().find(|key| match &key.kind {
        Kind::Choice(words) => words.contains(&text.as_str()),
        _other => false,
    })?;
    let table = table.rsplit('.').next().unwrap_or(table);
    Some(format!("did you mean {table}.{} = \"{text}\"?", key.name))
}

fn did_you_mean(key: &str) -> String {
    format!("did you mean `{key}`?")
}

fn names(keys: &'static [Key]) -> impl Iterator<Item = &'static str> {
    keys.iter().map(|key| key.name)
}

fn in_file(name: &str, node: &Node, keys: &'static [Key]) -> Option<String> {
    let guess = nearest(name, names(keys));
    if let Value::Table(entries) = &node.value {
        let apps = entries.values().all(|entry| matches!(entry.node.value, Value::Table(_)));
        if let (Some("apps"), true, Some(app)) = (guess, apps, entries.keys().next()) {
            return Some(format!("did you mean [apps.{app}]?"));
        }
        let part = |entry: &String| names(APP).any(|known| known == entry);
        if guess.is_none() && entries.keys().any(part) {
            return Some(format!("did you mean [apps.{name}]?"));
        }
    }
    if let Some(key) = guess {
        return Some(did_you_mean(key));
    }
    if let Some(key) = nearest(name, names(SUPERVISOR)) {
        return Some(did_you_mean(&format!("supervisor.{key}")));
    }
    match foreign(name) {
        Some(K(key)) => return Some(format!("did you mean `{key}` in [apps.NAME]?")),
        Some(W(words)) => return Some(words.to_owned()),
        None => {}
    }
    let leaf = same(name, &leaves(APP, "")).into_iter().next()?;
    Some(format!("did you mean `{leaf}` in [apps.NAME]?"))
}

fn in_supervisor(name: &str) -> Option<String> {
    let squashed = squashed(name);
    if let Some((_, key)) = FOREIGN_SUPERVISOR.iter().find(|(word, _)| *word == squashed) {
        return Some(did_you_mean(key));
    }
    if let Some(key) = nearest(name, names(SUPERVISOR)) {
        return Some(did_you_mean(key));
    }
    let leaf = same(name, &leaves(APP, "")).into_iter().next()?;
    Some(format!("did you mean `{leaf}` in [apps.NAME]?"))
}

fn in_app(name: &str) -> Option<String> {
    match foreign(name) {
        Some(K(key)) => return Some(did_you_mean(key)),
        Some(W(words)) => return Some(words.to_owned()),
        None => {}
    }
    let all = leaves(APP, "");
    let exact = same(name, &all);
    if !exact.is_empty() {
        let exact: Vec<String> = exact.iter().map(|path| format!("`{path}`")).collect();
        return Some(format!("did you mean {}?", exact.join(" or ")));
    }
    if let Some(key) = nearest(name, names(APP)) {
        return Some(did_you_mean(key));
    }
    let near = nearest(name, all.iter().map(|path| last(path)))?;
    same(near, &all).first().map(|path| did_you_mean(path))
}

fn in_part(name: &str, keys: &'static [Key]) -> Option<String> {
    if let Some(key) = names(keys).find(|key| squashed(key) == squashed(name)) {
        return Some(did_you_mean(key));
    }
    let all = leaves(APP, "");
    if let Some(path) = same(name, &all).first() {
        return Some(format!("did you mean `{}` in [{}]?", last(path), table_of(path)));
    }
    if let Some(key) = nearest(name, names(keys)) {
        return Some(did_you_mean(key));
    }
    match foreign(name)? {
        K(path) => Some(format!("did you mean `{}` in [{}]?", last(path), table_of(path))),
        W(words) => Some(words.to_owned()),
    }
}

fn foreign(name: &str) -> Option<Here> {
    let name = squashed(name);
    FOREIGN.iter().chain(&FOREIGN_PARTS).find(|(word, _)| *word == name).map(|(_, here)| *here)
}

/// The keys of an app's tables, as in `health.probe.tcp`, those of the app itself among them.
fn leaves(keys: &'static [Key], parent: &str) -> Vec<String> {
    let mut paths = Vec::new();
    for key in keys {
        let path = format!("{parent}{}", key.name);
        if let Kind::Table(below) = key.kind {
            paths.extend(leaves(below, &format!("{path}.")));
        }
        paths.push(path);
    }
    paths
}

/// The paths that end with a name.
fn same(name: &str, paths: &[String]) -> Vec<String> {
    let name = squashed(name);
    paths.iter().filter(|path| squashed(last(path)) == name).cloned().collect()
}

fn last(path: &str) -> &str {
    path.rsplit('.').next().unwrap_or(path)
}

/// The table of a path that begins at an app.
fn table_of(path: &str) -> String {
    match path.rsplit_once('.') {
        Some((table, _)) => format!("apps.NAME.{table}"),
        None => "apps.NAME".to_owned(),
    }
}
