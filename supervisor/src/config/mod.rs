//! From `ecosystem.toml` to what is meant: [`Config`], or every problem of the file at once.
//!
//! Four steps: `file` reads what was written and where; `layers` lays everything over it that may
//! say otherwise (environments, variables, `--set`) or something where nothing is said (presets);
//! `section` holds every value against the table in `keys`; `check`, `app` and `worker` turn it
//! into what is meant and see to the rules between values. Defaults of a worker's settings are
//! taken from the protocol crate, the supervisor's own are in `policy`.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use mcp_protocol::log_line::LogFormat;
use mcp_protocol::settings::{LogLevel, Settings};

use crate::machine::{AppGoal, AppName, Desired};

mod access;
mod address;
mod app;
mod check;
mod command_line;
mod compare;
mod door;
mod dotenv;
mod effective;
mod env_import;
mod environment;
mod excerpt;
mod file;
mod fingerprint;
mod from_text;
mod health;
mod hints;
mod interpolation;
mod keys;
mod layers;
mod locate;
mod log_files;
mod mask;
mod off;
mod offered;
mod order;
mod origin;
mod policy;
mod presets;
mod problem;
mod process;
mod program;
pub(crate) mod ranges;
mod restart;
mod rules;
mod schema;
mod section;
mod snowflake;
mod sources;
mod syntax;
mod timetable;
pub(crate) mod toml_text;
mod tree;
pub(crate) mod units;
mod value;
mod variable_table;
mod variables;
mod watch;
mod worker;
mod worker_logs;
mod world;

#[cfg(test)]
mod tests;

pub(crate) use access::with_keys_of_now;
pub use access::{KEY_FILE_NAME, StoredKey, parse_keys, render_keys};
pub use compare::{changed_apps, changes, differences, means_the_same};
pub use effective::{Effective, Setting, Table};
pub(crate) use env_import::{EnvMeaning, MeantValue, meant_by_env};
pub(crate) use fingerprint::fnv_1a;
pub use health::{HealthConfig, ProbeConfig, ProbeTarget, ReadyBy};
pub(crate) use health::{filled, page};
pub use interpolation::escaped;
pub(crate) use keys::nearest;
pub use locate::{check_environment, logs_of, socket_of, state_directory_of};
pub use log_files::OutputConfig;
pub use mask::masked;
pub use problem::{Place, Problem, Problems};
pub use process::{Account, Credentials, ProcessConfig, Resource, ResourceLimit};
pub(crate) use rules::{rollout, ways};
pub use rules::{rules, settings};
pub use schema::schema;
pub(crate) use section::is_name;
pub use timetable::TimeTable;
pub use watch::{WatchConfig, WatchedPath};
pub use world::{Found, problems_at};

/// What the file is read against: the little of the world that it may refer to.
///
/// The binary fills it in, so that nothing in here reads the process's environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Surroundings {
    /// Where our own executable lies; programs without a slash are looked for here first.
    pub program_directory: PathBuf,
    /// Where they are looked for next: the directories of `PATH`.
    pub search_path: Vec<PathBuf>,
    /// `RUNTIME_DIRECTORY`, when the service manager made one.
    pub run_directory: Option<PathBuf>,
    /// `LOGS_DIRECTORY`, when the service manager made one.
    pub log_directory: Option<PathBuf>,
    /// `STATE_DIRECTORY`, when the service manager made one.
    pub state_directory: Option<PathBuf>,
    /// The machine's time zone; UTC when it has none.
    pub time_zone: Option<jiff::tz::TimeZone>,
    /// The process's environment. Secrets are among it.
    pub variables: BTreeMap<String, String>,
    /// Every `KEY=VALUE` of `--set`, in their order.
    pub set: Vec<String>,
}

impl Surroundings {
    /// A variable that is set and not empty.
    fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }
}

/// Reads a configuration file as it is meant in an environment (`None`: the one that a variable
/// names, else "development").
///
/// # Errors
/// Every problem of the file at once, in its order; of a text that is not TOML what can be relied on.
pub fn load(
    path: &Path,
    environment: Option<&str>,
    surroundings: &Surroundings,
) -> Result<Config, Problems> {
    read(path, environment, surroundings).map(|(config, _)| config)
}

/// The same, key by key, each with where it came from; what is written nowhere has its default.
///
/// # Errors
/// As of [`load`].
pub fn effective(
    path: &Path,
    environment: Option<&str>,
    surroundings: &Surroundings,
) -> Result<Effective, Problems> {
    let (config, laid) = read(path, environment, surroundings)?;
    Ok(effective::effective(&config, &laid, surroundings))
}

fn read(
    path: &Path,
    environment: Option<&str>,
    surroundings: &Surroundings,
) -> Result<(Config, layers::Laid), Problems> {
    // Only fails for an empty path, which cannot be read either.
    let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    understand(&file, file::read(&file)?, environment, surroundings)
}

/// Reads a text as [`load`] would read it from that file; the file need not be there.
///
/// # Errors
/// As [`load`].
pub fn load_text(
    text: &str,
    path: &Path,
    environment: Option<&str>,
    surroundings: &Surroundings,
) -> Result<Config, Problems> {
    let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let reading = file::read_text(&file, text.to_owned())?;
    understand(&file, reading, environment, surroundings).map(|(config, _)| config)
}

/// What was written in a file, with everything else that has a say.
fn understand(
    file: &Path,
    reading: file::Reading,
    environment: Option<&str>,
    surroundings: &Surroundings,
) -> Result<(Config, layers::Laid), Problems> {
    let file::Reading { root, text, faults } = reading;
    let directory = file.parent().unwrap_or(Path::new("/"));
    let mut report = problem::Report::new(file);
    report.draw_from(file, text);
    if !faults.is_empty() {
        // What stands in other lines is known; what is missing or goes together is not.
        layers::check_alone(&root, directory, environment, surroundings, &mut report);
        report.add_faults(faults);
        return report.finish(None);
    }
    let laid = layers::lay(&root, directory, environment, surroundings, &mut report);
    let environment = &laid.environment.name;
    let whole = check::whole(&laid.root, environment, directory, surroundings, &mut report);
    let config = whole.map(|(supervisor, apps)| Config {
        file: file.to_owned(),
        environment: environment.clone(),
        sources: report.sources(),
        remarks: laid.remarks.clone(),
        places: world::places(&laid.root),
        supervisor,
        apps,
    });
    report.finish(config).map(|config| (config, laid))
}

/// The name of the socket in the run directory.
const SOCKET_NAME: &str = "supervisor.sock";

/// A whole configuration, checked: what is meant.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file that it was read from, absolute.
    pub file: PathBuf,
    /// The environment's name.
    pub environment: String,
    /// Every file that was read for it, or would be if it were there, absolute; `file` is the first.
    pub sources: Vec<PathBuf>,
    /// What an operator should be reminded of.
    pub remarks: Vec<String>,
    /// Where addresses and directories stand, by their keys.
    pub(crate) places: BTreeMap<String, world::Stands>,
    /// The supervisor's own part.
    pub supervisor: SupervisorConfig,
    /// The apps, by name.
    pub apps: BTreeMap<AppName, AppConfig>,
}

/// `[supervisor]`.
#[derive(Debug, Clone, PartialEq)]
pub struct SupervisorConfig {
    /// Where the sockets are, absolute.
    pub run_directory: PathBuf,
    /// Where the log files are, absolute.
    pub log_directory: PathBuf,
    /// Where what outlives the supervisor is kept, absolute.
    pub state_directory: PathBuf,
    /// The least severe level that the supervisor logs.
    pub log_level: LogLevel,
    /// How it writes its log.
    pub log_format: LogFormat,
    /// Where `/metrics` is served.
    pub metrics: Option<SocketAddr>,
    /// Whether the dashboard is served there.
    pub dashboard: Dashboard,
    /// Whether each run has a cgroup of its own.
    pub cgroups: Cgroups,
    /// Whether changed files are read without being asked.
    pub watch: bool,
    /// Whether its own log goes to systemd's journal as well.
    pub journal: bool,
    /// How much is kept of its own log.
    pub logs: OutputConfig,
}

/// `supervisor.dashboard`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dashboard {
    /// At a loopback address only: it shows logs.
    Auto,
    /// To whoever reaches the address.
    On,
    /// Nowhere.
    Off,
}

/// `supervisor.cgroups`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cgroups {
    /// Where they can be used.
    Auto,
    /// Never.
    Off,
}

/// `[apps.NAME]`.
#[derive(Debug, Clone, PartialEq)]
pub struct AppConfig {
    /// The program, absolute.
    pub program: PathBuf,
    /// Its arguments, without its own name.
    pub arguments: Vec<String>,
    /// Where it runs, absolute.
    pub working_directory: PathBuf,
    /// Variables that are set for it, besides the few that every program needs.
    pub variables: BTreeMap<String, String>,
    /// The address that the supervisor binds for it; without one it binds its own.
    pub listen: Option<SocketAddr>,
    /// What the machine is told.
    pub goal: AppGoal,
    /// What our own worker is told; `None` for any other program.
    pub settings: Option<Box<Settings>>,
    /// The signal that asks it to leave, when it has no link.
    pub stop_signal: i32,
    /// How it is found to be ready and well.
    pub health: HealthConfig,
    /// As whom it runs, and what it may use.
    pub process: ProcessConfig,
    /// How much of its output is kept.
    pub output: OutputConfig,
    /// When its workers are replaced by the clock.
    pub time_table: Option<TimeTable>,
    /// Files whose change replaces its workers.
    pub watch: Option<WatchConfig>,
    /// What an operator should be reminded of, such as "serves the embedded sample account".
    pub remarks: Vec<String>,
    /// What was written, key by key, as in `restart.policy`; environments are laid over already.
    pub written: BTreeMap<String, String>,
}

impl Config {
    /// The machine's part of the configuration.
    #[must_use]
    pub fn desired(&self, generation: u64) -> Desired {
        let apps = self.apps.iter().map(|(name, app)| (name.clone(), app.goal.clone())).collect();
        Desired { generation, apps }
    }

    /// The socket for workers and operators.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.supervisor.socket()
    }
}

impl SupervisorConfig {
    fn socket(&self) -> PathBuf {
        self.run_directory.join(SOCKET_NAME)
    }
}
