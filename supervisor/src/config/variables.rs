//! Variables that stand for keys of the file, such as `SERVER_PORT`: one table of names.
//!
//! Whoever sets them and how strong that is, is for `layers` to say. A variable that could mean
//! several apps means none of them: that is a remark, never a guess.

/// What one place that variables come from says about keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Override {
    /// The variable.
    pub(super) variable: String,
    /// The key's path, as in `apps`, `query`, `listen`.
    pub(super) key_path: Vec<String>,
    /// The value, as a text; its key says what it means.
    pub(super) value: String,
}

/// An app of our own worker, as far as weaker layers tell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OurApp {
    pub(super) name: String,
    /// What is written as its address.
    pub(super) listen: Option<String>,
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

/// Levels under other names than ours.
const LEVELS: [(&str, &str); 4] =
    [("warning", "warn"), ("critical", "error"), ("fatal", "error"), ("notset", "trace")];
/// The address of an app that has none, when a variable names one half of it.
const ADDRESS: (&str, &str) = ("127.0.0.1", "8000");

/// What the variables of one place mean in an environment. `get` is asked for names of the table
/// only; `None` stands for one that is not set. `metrics` is what weaker layers say of the metrics'
/// address.
pub(super) fn overrides(
    get: &dyn Fn(&str) -> Option<String>,
    _environment: &str,
    apps: &[OurApp],
    _metrics: Option<&str>,
) -> Translation {
    let mut translation = Translation::default();
    let get = |name: &str| get(name).filter(|value| !value.is_empty());
    if let Some(level) = get("LOG_LEVEL") {
        let level = level.to_lowercase();
        let known = LEVELS.iter().find(|(theirs, _)| *theirs == level);
        let level = known.map_or(level.as_str(), |(_, ours)| ours);
        translation.add("LOG_LEVEL", &["supervisor", "log_level"], level);
        for app in apps {
            translation.add("LOG_LEVEL", &["apps", &app.name, "logs", "level"], level);
        }
    }
    let of_one_app: Vec<(&str, String)> = ["SERVER_WORKERS", "SERVER_HOST", "SERVER_PORT"]
        .into_iter()
        .filter_map(|name| Some((name, get(name).filter(|value| !is_from_a_cluster(value))?)))
        .collect();
    match apps {
        [] => {}
        [app] => translation.add_for(app, &of_one_app),
        several => {
            let names: Vec<&str> = several.iter().map(|app| app.name.as_str()).collect();
            let why = format!("it could mean {}; write it into the file", names.join(" or "));
            let note = |(name, _): &(&str, String)| Note {
                variable: (*name).to_owned(),
                why: why.clone(),
            };
            translation.notes.extend(of_one_app.iter().map(note));
        }
    }
    translation
}

impl Translation {
    fn add(&mut self, variable: &str, path: &[&str], value: &str) {
        self.overrides.push(Override {
            variable: variable.to_owned(),
            key_path: path.iter().map(|part| (*part).to_owned()).collect(),
            value: value.to_owned(),
        });
    }

    fn add_for(&mut self, app: &OurApp, variables: &[(&str, String)]) {
        let find = |wanted: &str| {
            variables.iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.clone())
        };
        if let Some(count) = find("SERVER_WORKERS") {
            self.add("SERVER_WORKERS", &["apps", &app.name, "instances"], &count);
        }
        let (host, port) = (find("SERVER_HOST"), find("SERVER_PORT"));
        let variable = if port.is_some() { "SERVER_PORT" } else { "SERVER_HOST" };
        if host.is_some() || port.is_some() {
            self.add(variable, &["apps", &app.name, "listen"], &address(app, host, port));
        }
    }
}

/// Clusters give programs variables such as `SERVER_PORT=tcp://10.0.0.1:80` for a service that is
/// called `server`.
fn is_from_a_cluster(value: &str) -> bool {
    value.starts_with("tcp://") || value.starts_with("udp://")
}

/// The address of which a variable names one half.
fn address(app: &OurApp, host: Option<String>, port: Option<String>) -> String {
    let written = app.listen.as_deref().and_then(|listen| listen.rsplit_once(':'));
    let (written_host, written_port) = written.unwrap_or(ADDRESS);
    let host = host.unwrap_or_else(|| written_host.to_owned());
    let port = port.unwrap_or_else(|| written_port.to_owned());
    match host.as_str() {
        "localhost" => format!("127.0.0.1:{port}"),
        plain if plain.contains(':') && !plain.starts_with('[') => format!("[{plain}]:{port}"),
        plain => format!("{plain}:{port}"),
    }
}
