//! From variables of an environment to keys of the file: what other servers call the same things.
//!
//! Pure: names and texts in, keys and values out. What is wrong with a value is found where every
//! value of a key is checked; here only two names that contradict each other are. Names of our own
//! that reach workers (`MCP_SUPERVISOR_…`) are never looked at, and an empty value is none.

use std::collections::BTreeMap;

use super::file::child_key;
use super::keys::is_secret;
use super::variable_table::{Form, Meaning, NAMES};

/// A value for a key of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Given {
    Text(String),
    Integer(i64),
    Texts(Vec<String>),
}

/// A variable that means a key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Override {
    /// Its name, as it was set.
    pub(super) variable: String,
    /// The full key, as in `apps.query.pool.min`.
    pub(super) key: String,
    pub(super) value: Given,
}

impl std::fmt::Debug for Override {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let shown: &dyn std::fmt::Debug =
            if is_secret(&self.key) { &mcp_protocol::secret::MASK } else { &self.value };
        write!(out, "{} = {shown:?} (from {})", self.key, self.variable)
    }
}

/// What is to be said of a variable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Note {
    pub(super) variable: String,
    pub(super) why: String,
}

/// What variables mean.
#[derive(Debug, Default)]
pub(super) struct Translation {
    pub(super) overrides: Vec<Override>,
    /// Variables that are known and change nothing.
    pub(super) notes: Vec<Note>,
    /// Variables that contradict each other.
    pub(super) problems: Vec<Note>,
}

/// An app that runs `mcp-worker`: its name, and its address so far.
#[derive(Debug, Clone, Copy)]
pub(super) struct Worker<'a> {
    pub(super) name: &'a str,
    pub(super) listen: Option<&'a str>,
}

/// The recommended variable for a key as seen from an app, as in `snowflake.account`.
pub(super) fn name_of(key: &str) -> Option<&'static str> {
    let means = |meaning: &Meaning| matches!(meaning, Meaning::Key(own, _) if *own == key);
    NAMES.iter().find(|(_, meaning)| means(meaning)).map(|(name, _)| *name)
}

/// True for a name that is in the table, with or without the prefix of an environment.
pub(super) fn is_known(variable: &str) -> bool {
    let known = |name: &str| NAMES.iter().any(|(known, _)| *known == name);
    known(variable) || variable.split_once('_').is_some_and(|(_, rest)| known(rest))
}

/// What the variables mean in an environment, for the apps that run `mcp-worker`.
///
/// A name with the environment's prefix (`PRODUCTION_SNOWFLAKE_ACCOUNT`) is stronger than the same
/// without. `metrics` is the address of the metrics so far.
pub(super) fn overrides(
    variables: &BTreeMap<String, String>,
    environment: &str,
    workers: &[Worker<'_>],
    metrics: Option<&str>,
) -> Translation {
    let mut reading = Reading { found: BTreeMap::new(), translation: Translation::default() };
    let prefixes = prefixes(environment);
    for (name, meaning) in NAMES {
        let prefixed = prefixes.iter().map(|prefix| (format!("{prefix}{name}"), Rank::Prefixed));
        for (variable, rank) in prefixed.chain([((*name).to_owned(), Rank::Plain)]) {
            let value = variables.get(&variable).map(|value| value.trim());
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                reading
                    .take(*meaning, Setting { variable, rank, value: Given::Text(value.into()) });
            }
        }
    }
    reading.finish(workers, metrics)
}

/// The prefixes of an environment, as they are in use.
fn prefixes(environment: &str) -> Vec<String> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let mut prefixes = match environment {
        "" => Vec::new(),
        environment => vec![format!("{}_", environment.chars().map(plain).collect::<String>())],
    };
    match environment {
        "production" => prefixes.push("PROD_".to_owned()),
        "development" => prefixes.push("DEV_".to_owned()),
        "staging" => prefixes.push("STAGE_".to_owned()),
        _other => {}
    }
    prefixes
}

/// How near a variable is to the environment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    Plain,
    Prefixed,
}

/// A variable and what it says.
struct Setting {
    variable: String,
    rank: Rank,
    value: Given,
}

/// What is known while variables are read; halves of an address have keys of their own.
struct Reading {
    found: BTreeMap<&'static str, Vec<Setting>>,
    translation: Translation,
}

const LISTEN_HOST: &str = "listen (host)";
const LISTEN_PORT: &str = "listen (port)";
const METRICS_PORT: &str = "metrics (port)";
const METRICS_SWITCH: &str = "metrics (switch)";

impl Reading {
    fn take(&mut self, meaning: Meaning, setting: Setting) {
        let Given::Text(text) = &setting.value else { return };
        let (key, value) = match meaning {
            Meaning::Elsewhere => return,
            Meaning::Nothing(why) => return self.note(setting.variable, why),
            Meaning::ListenHost => (LISTEN_HOST, Given::Text(host(text))),
            Meaning::ListenPort => (LISTEN_PORT, Given::Text(text.clone())),
            Meaning::MetricsPort => (METRICS_PORT, Given::Text(text.clone())),
            Meaning::MetricsSwitch => (METRICS_SWITCH, Given::Text(switch(text).to_owned())),
            // Of the two ways to give a key, what looks like a path is one.
            Meaning::Key(_, Form::PrivateKey) if is_path(text) => {
                ("snowflake.private_key_file", Given::Text(text.clone()))
            }
            Meaning::Key(_, Form::List) if text.split(',').any(|word| word.trim() == "*") => {
                let why = "any page on the web could use the service then; name the pages";
                return self.note(setting.variable, why);
            }
            Meaning::Key(key, form) => (key, converted(form, text)),
        };
        self.found.entry(key).or_default().push(Setting { value, ..setting });
    }

    fn note(&mut self, variable: String, why: &str) {
        self.translation.notes.push(Note { variable, why: why.to_owned() });
    }

    /// The strongest setting of a key; two of the same strength must say the same.
    fn strongest(&mut self, key: &str) -> Option<Setting> {
        let mut settings = self.found.remove(key)?;
        let rank = settings.iter().map(|setting| setting.rank).max()?;
        settings.retain(|setting| setting.rank == rank);
        let first = settings.remove(0);
        for other in settings.iter().filter(|other| other.value != first.value) {
            let said = |setting: &Setting| match (&setting.value, is_secret(key)) {
                (Given::Text(text), false) => format!("{} says {text}", setting.variable),
                (Given::Integer(number), _) => format!("{} says {number}", setting.variable),
                (Given::Text(_) | Given::Texts(_), _) => setting.variable.clone(),
            };
            self.translation.problems.push(Note {
                variable: first.variable.clone(),
                why: format!(
                    "{} and {} contradict each other; unset one of them",
                    said(&first),
                    said(other)
                ),
            });
        }
        Some(first)
    }

    fn finish(mut self, workers: &[Worker<'_>], metrics: Option<&str>) -> Translation {
        self.listen(workers);
        self.metrics(metrics);
        for key in self.found.keys().copied().collect::<Vec<_>>() {
            let Some(setting) = self.strongest(key) else { continue };
            for worker in workers {
                let (variable, value) = (setting.variable.clone(), setting.value.clone());
                let key = format!("{}.{key}", child_key("apps", worker.name));
                self.translation.overrides.push(Override { variable, key, value });
            }
        }
        self.translation
    }

    fn listen(&mut self, workers: &[Worker<'_>]) {
        let (host, port) = (self.strongest(LISTEN_HOST), self.strongest(LISTEN_PORT));
        let names: Vec<&str> =
            [&host, &port].into_iter().flatten().map(|one| one.variable.as_str()).collect();
        if names.is_empty() {
            return;
        }
        let variable = names.join(" and ");
        let [worker] = workers else {
            let words = format!(
                "an address is for one app, and {} run mcp-worker; write `listen` for each",
                workers.len()
            );
            return self.note(variable, &words);
        };
        let value = Given::Text(address(host.as_ref(), port.as_ref(), worker.listen, "8000"));
        let key = child_key(&child_key("apps", worker.name), "listen");
        self.translation.overrides.push(Override { variable, key, value });
    }

    fn metrics(&mut self, metrics: Option<&str>) {
        let (switch, port) = (self.strongest(METRICS_SWITCH), self.strongest(METRICS_PORT));
        let off = Given::Text("off".to_owned());
        let (variable, value) = match (switch, port) {
            (Some(switch), _) if switch.value == off => (switch.variable, off),
            (_, Some(port)) => {
                let so_far = metrics.filter(|metrics| *metrics != "off");
                let text = address(None, Some(&port), so_far, "8001");
                (port.variable, Given::Text(text))
            }
            (Some(_) | None, None) => return,
        };
        let key = "supervisor.metrics".to_owned();
        self.translation.overrides.push(Override { variable, key, value });
    }
}

/// An address from what is given of it, what it was so far, and a port if nobody says one.
fn address(
    host: Option<&Setting>,
    port: Option<&Setting>,
    so_far: Option<&str>,
    last: &str,
) -> String {
    let so_far = so_far.and_then(|address| address.rsplit_once(':'));
    let given = |setting: &Setting| match &setting.value {
        Given::Text(text) => text.clone(),
        Given::Integer(_) | Given::Texts(_) => String::new(),
    };
    let host = host.map(given).or(so_far.map(|(host, _)| host.to_owned()));
    let port = port.map(given).or(so_far.map(|(_, port)| port.to_owned()));
    let (host, port) = (host.as_deref().unwrap_or("127.0.0.1"), port.as_deref().unwrap_or(last));
    format!("{host}:{port}")
}

/// A host as an address has it.
fn host(text: &str) -> String {
    match text {
        "localhost" => "127.0.0.1".to_owned(),
        "*" => "0.0.0.0".to_owned(),
        v6 if v6.contains(':') && !v6.starts_with('[') => format!("[{v6}]"),
        other => other.to_owned(),
    }
}

fn switch(text: &str) -> &'static str {
    match text.to_ascii_lowercase().as_str() {
        "false" | "0" | "no" | "off" => "off",
        _other => "on",
    }
}

/// Whether the text of `SNOWFLAKE_PRIVATE_KEY` is where the key is, not the key.
fn is_path(text: &str) -> bool {
    let begins = ["/", "./", "../", "~/"].iter().any(|start| text.starts_with(start));
    let ends = [".pem", ".p8", ".key"].iter().any(|end| text.ends_with(end));
    !text.contains("-----BEGIN ") && !text.contains('\n') && (begins || ends) && text.len() < 1024
}

/// A text that has the wrong form is left as it is: the check of its key says what is wrong.
fn converted(form: Form, text: &str) -> Given {
    let as_it_is = || Given::Text(text.to_owned());
    match form {
        Form::Text | Form::PrivateKey => as_it_is(),
        Form::Choice => Given::Text(text.to_ascii_lowercase()),
        Form::Count => text.parse().map_or_else(|_| as_it_is(), Given::Integer),
        Form::Time(unit) => Given::Text(time(text, unit).unwrap_or_else(|| text.to_owned())),
        Form::Megabytes => match text.parse::<u64>() {
            Ok(number) => Given::Text(format!("{number}MB")),
            Err(_) => as_it_is(),
        },
        Form::List => {
            let words = text.split(',').map(str::trim).filter(|word| !word.is_empty());
            Given::Texts(words.map(str::to_owned).collect())
        }
        Form::Level => Given::Text(level(text)),
    }
}

/// `30` and `30.0` of minutes are `30m`; `2.5` of seconds are `2500ms`.
fn time(text: &str, unit: &str) -> Option<String> {
    if let Ok(number) = text.parse::<u64>() {
        return Some(format!("{number}{unit}"));
    }
    let number: f64 = text.parse().ok().filter(|number: &f64| (0.0..1e9).contains(number))?;
    if number.fract() == 0.0 {
        return Some(format!("{number:.0}{unit}"));
    }
    let milliseconds = match unit {
        "h" => 3_600_000.0,
        "m" => 60_000.0,
        _seconds => 1000.0,
    };
    Some(format!("{:.0}ms", (number * milliseconds).max(1.0)))
}

fn level(text: &str) -> String {
    let small = text.to_ascii_lowercase();
    match small.as_str() {
        "warning" => "warn".to_owned(),
        "critical" | "fatal" => "error".to_owned(),
        _other => small,
    }
}
