//! From variables of an environment to keys of the file: what other servers call the same things.
//!
//! Pure: names and texts in, keys and values out. What is wrong with a value is found where every
//! value of a key is checked; here only two names that contradict each other are. Names of our own
//! that reach workers (`MCP_SUPERVISOR_…`) are never looked at, and an empty value is none.

use std::collections::BTreeMap;

use mcp_protocol::secret::MASK;

use super::keys::is_secret;
use super::presets;
use super::variable_table::{Form, Meaning, NAMES};

/// A variable that means a key.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Override {
    /// Its name, as it was set.
    pub(super) variable: String,
    /// The key's path, as in `apps`, `query`, `pool`, `min`.
    pub(super) key_path: Vec<String>,
    /// The value, as a text; its key says what it means.
    pub(super) value: String,
}

impl std::fmt::Debug for Override {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let key = self.key_path.join(".");
        let shown = if is_secret(&key) { MASK } else { &self.value };
        write!(out, "{key} = {shown} (from {})", self.variable)
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
    /// Variables of which account was taken.
    pub(super) used: Vec<String>,
}

/// An app of our own worker, as far as weaker layers tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OurApp {
    pub(super) name: String,
    /// What is written as its address.
    pub(super) listen: Option<String>,
}

/// The recommended variable for a key as seen from an app, as in `snowflake.account`.
pub(super) fn name_of(key: &str) -> Option<&'static str> {
    let means = |meaning: &Meaning| matches!(meaning, Meaning::Key(own, _) if *own == key);
    NAMES.iter().find(|(_, meaning)| means(meaning)).map(|(name, _)| *name)
}

/// What the variables of one place mean in an environment. `get` is asked for names of the table
/// only; `None` stands for one that is not set.
///
/// A name with the environment's prefix (`PRODUCTION_SNOWFLAKE_ACCOUNT`) is stronger than the same
/// without. `metrics` is what weaker layers say of the metrics' address.
pub(super) fn overrides(
    get: &dyn Fn(&str) -> Option<String>,
    environment: &str,
    apps: &[OurApp],
    metrics: Option<&str>,
) -> Translation {
    let mut reading = Reading { found: BTreeMap::new(), translation: Translation::default() };
    let prefixes = prefixes(environment);
    for (name, meaning) in NAMES {
        let prefixed = prefixes.iter().map(|prefix| (format!("{prefix}{name}"), Rank::Prefixed));
        for (variable, rank) in prefixed.chain([((*name).to_owned(), Rank::Plain)]) {
            let value = get(&variable).map(|value| value.trim().to_owned());
            if let Some(value) = value.filter(|value| !value.is_empty()) {
                reading.take(*meaning, Setting { variable, rank, value });
            }
        }
    }
    reading.finish(apps, metrics)
}

/// The prefixes of an environment, as they are in use.
fn prefixes(environment: &str) -> Vec<String> {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' };
    let mut prefixes = match environment {
        "" => Vec::new(),
        environment => vec![format!("{}_", environment.chars().map(plain).collect::<String>())],
    };
    prefixes.extend(presets::of(environment).map(|preset| format!("{}_", preset.short)));
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
    value: String,
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
/// Means the supervisor's own log lines as well.
const LEVEL: &str = "logs.level";

impl Reading {
    fn take(&mut self, meaning: Meaning, setting: Setting) {
        let text = setting.value.as_str();
        let (key, value) = match meaning {
            Meaning::Elsewhere => return,
            Meaning::Nothing(why) => return self.note(setting.variable, why),
            Meaning::ListenHost => (LISTEN_HOST, host(text)),
            Meaning::ListenPort | Meaning::MetricsPort if is_of_a_cluster(text) => return,
            Meaning::ListenPort => (LISTEN_PORT, text.to_owned()),
            Meaning::MetricsPort => (METRICS_PORT, text.to_owned()),
            Meaning::MetricsSwitch => (METRICS_SWITCH, switch(text).to_owned()),
            // Of the two ways to give a key, what looks like a path is one.
            Meaning::Key(_, Form::PrivateKey) if is_path(text) => {
                ("snowflake.private_key_file", text.to_owned())
            }
            Meaning::Key(_, Form::List) if text.split(',').any(|word| word.trim() == "*") => {
                let why = "any page on the web could use the service then; name the pages";
                self.translation.used.push(setting.variable.clone());
                return self.note(setting.variable, why);
            }
            Meaning::Key(key, form) => (key, converted(form, text)),
        };
        self.translation.used.push(setting.variable.clone());
        self.found.entry(key).or_default().push(Setting { value, ..setting });
    }

    fn note(&mut self, variable: String, why: &str) {
        self.translation.notes.push(Note { variable, why: why.to_owned() });
    }

    fn add(&mut self, variable: &str, key_path: &[&str], value: &str) {
        let key_path = key_path.iter().map(|part| (*part).to_owned()).collect();
        let (variable, value) = (variable.to_owned(), value.to_owned());
        self.translation.overrides.push(Override { variable, key_path, value });
    }

    /// The strongest setting of a key; two of the same strength must say the same.
    fn strongest(&mut self, key: &str) -> Option<Setting> {
        let mut settings = self.found.remove(key)?;
        let rank = settings.iter().map(|setting| setting.rank).max()?;
        settings.retain(|setting| setting.rank == rank);
        let first = settings.remove(0);
        for other in settings.iter().filter(|other| other.value != first.value) {
            let said = |setting: &Setting| match is_secret(key) {
                true => setting.variable.clone(),
                false => format!("{} says {}", setting.variable, setting.value),
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

    fn finish(mut self, apps: &[OurApp], metrics: Option<&str>) -> Translation {
        self.listen(apps);
        self.metrics(metrics);
        for key in self.found.keys().copied().collect::<Vec<_>>() {
            if apps.is_empty() && key != LEVEL {
                self.for_nobody(key);
                continue;
            }
            let Some(Setting { variable, value, .. }) = self.strongest(key) else { continue };
            if key == LEVEL {
                self.add(&variable, &["supervisor", "log_level"], &value);
            }
            for app in apps {
                let path: Vec<&str> =
                    ["apps", &app.name].into_iter().chain(key.split('.')).collect();
                self.add(&variable, &path, &value);
            }
        }
        self.translation
    }

    /// Says of the variables of a key that there is no app that they could mean.
    fn for_nobody(&mut self, key: &str) {
        for Setting { variable, .. } in self.found.remove(key).unwrap_or_default() {
            self.translation.used.retain(|used| *used != variable);
            self.note(variable, "it is for mcp-worker, and no app here runs that");
        }
    }

    fn listen(&mut self, apps: &[OurApp]) {
        if apps.is_empty() {
            self.for_nobody(LISTEN_HOST);
            return self.for_nobody(LISTEN_PORT);
        }
        let (host, port) = (self.strongest(LISTEN_HOST), self.strongest(LISTEN_PORT));
        let Some(one) = port.as_ref().or(host.as_ref()) else { return };
        let variable = one.variable.clone();
        match apps {
            [] => {}
            [app] => {
                let address = address(host.as_ref(), port.as_ref(), app.listen.as_deref(), "8000");
                self.add(&variable, &["apps", &app.name, "listen"], &address);
            }
            several => {
                let names: Vec<&str> = several.iter().map(|app| app.name.as_str()).collect();
                let names = names.join(" or ");
                self.note(variable, &format!("it could mean {names}; write it into the file"));
            }
        }
    }

    fn metrics(&mut self, metrics: Option<&str>) {
        let (switch, port) = (self.strongest(METRICS_SWITCH), self.strongest(METRICS_PORT));
        let path = ["supervisor", "metrics"];
        match (switch, port) {
            (Some(switch), _) if switch.value == "off" => self.add(&switch.variable, &path, "off"),
            (_, Some(port)) => {
                let so_far = metrics.filter(|metrics| *metrics != "off");
                let address = address(None, Some(&port), so_far, "8001");
                self.add(&port.variable, &path, &address);
            }
            (Some(_) | None, None) => {}
        }
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
    let given = |setting: &Setting| setting.value.clone();
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

/// Clusters give programs variables such as `SERVER_PORT=tcp://10.0.0.1:80` for a service that is
/// called `server`.
fn is_of_a_cluster(text: &str) -> bool {
    text.starts_with("tcp://") || text.starts_with("udp://")
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
fn converted(form: Form, text: &str) -> String {
    match form {
        Form::Text | Form::PrivateKey | Form::Count | Form::List => text.to_owned(),
        Form::Choice => text.to_ascii_lowercase(),
        Form::Time(unit) => time(text, unit).unwrap_or_else(|| text.to_owned()),
        Form::Megabytes if text.parse::<u64>().is_ok() => format!("{text}MB"),
        Form::Megabytes => text.to_owned(),
        Form::Level => level(text),
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
