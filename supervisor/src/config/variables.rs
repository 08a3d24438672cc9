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

/// Overrides, and remarks about variables that were left out.
pub(super) type Overrides = (Vec<Override>, Vec<String>);

/// Levels under other names than ours.
const LEVELS: [(&str, &str); 4] =
    [("warning", "warn"), ("critical", "error"), ("fatal", "error"), ("notset", "trace")];
/// The address of an app that has none, when a variable names one half of it.
const ADDRESS: (&str, &str) = ("127.0.0.1", "8000");

/// What the variables of one place say. `get` is asked for those that are in the table only;
/// `None` stands for one that is not set, or set to nothing.
pub(super) fn overrides(get: &dyn Fn(&str) -> Option<String>, apps: &[OurApp]) -> Overrides {
    let (mut overrides, mut remarks) = (Vec::new(), Vec::new());
    let mut add = |variable: &str, path: &[&str], value: &str| {
        overrides.push(Override {
            variable: variable.to_owned(),
            key_path: path.iter().map(|part| (*part).to_owned()).collect(),
            value: value.to_owned(),
        });
    };
    if let Some(level) = get("LOG_LEVEL") {
        let level = level.to_lowercase();
        let known = LEVELS.iter().find(|(theirs, _)| *theirs == level);
        let level = known.map_or(level.as_str(), |(_, ours)| ours);
        add("LOG_LEVEL", &["supervisor", "log_level"], level);
        for app in apps {
            add("LOG_LEVEL", &["apps", &app.name, "logs", "level"], level);
        }
    }
    let of_one_app: Vec<&str> = ["SERVER_WORKERS", "SERVER_HOST", "SERVER_PORT"]
        .into_iter()
        .filter(|name| get(name).is_some_and(|value| !is_from_a_cluster(&value)))
        .collect();
    match (apps, &of_one_app[..]) {
        (_, []) | ([], _) => {}
        ([app], _) => {
            if let Some(count) = get("SERVER_WORKERS") {
                add("SERVER_WORKERS", &["apps", &app.name, "instances"], &count);
            }
            let half = |name| of_one_app.contains(&name).then(|| get(name)).flatten();
            let (host, port) = (half("SERVER_HOST"), half("SERVER_PORT"));
            let variable = if port.is_some() { "SERVER_PORT" } else { "SERVER_HOST" };
            if host.is_some() || port.is_some() {
                let address = address(app, host, port);
                add(variable, &["apps", &app.name, "listen"], &address);
            }
        }
        (several, _) => {
            let names: Vec<&str> = several.iter().map(|app| app.name.as_str()).collect();
            remarks.extend(of_one_app.iter().map(|variable| {
                format!(
                    "{variable} is ignored, for it could mean {}; write it into the file",
                    names.join(" or ")
                )
            }));
        }
    }
    (overrides, remarks)
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
