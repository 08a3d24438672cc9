//! From the merged tree to what is meant: the supervisor's part, and what only the whole shows.
//!
//! Single values were checked by `section` already. Here are the rules between values: orders,
//! addresses that collide, paths that are too long.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::file::{Node, child_key};
use super::keys::FILE;
use super::problem::Report;
use super::program::absolute;
use super::section::Section;
use super::worker::LEVELS;
use super::{
    AppConfig, Cgroups, Dashboard, StoredKey, SupervisorConfig, Surroundings, access, app,
    log_files, order, policy,
};
use crate::machine::AppName;

/// The longest path of a Unix socket, in bytes.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// The environment in which more is asked of a configuration.
const PRODUCTION: &str = "production";

/// What an app's part is read against.
pub(super) struct Around<'a> {
    pub(super) app: &'a str,
    pub(super) environment: &'a str,
    /// Where the configuration file lies: relative paths start here.
    pub(super) directory: &'a Path,
    pub(super) log_directory: &'a Path,
    /// The keys of clients that were made.
    pub(super) keys: &'a [StoredKey],
    pub(super) surroundings: &'a Surroundings,
}

impl Around<'_> {
    /// Whether sample data would be mistaken for real data here.
    pub(super) fn in_production(&self) -> bool {
        self.environment == PRODUCTION
    }
}

/// The supervisor's part and the apps; `None` when a problem was noted.
pub(super) fn whole(
    root: &Node,
    environment: &str,
    directory: &Path,
    surroundings: &Surroundings,
    report: &mut Report,
) -> Option<(SupervisorConfig, BTreeMap<AppName, AppConfig>)> {
    let file = Section::new(root, FILE);
    let supervisor = supervisor(file.section("supervisor"), directory, surroundings, report);
    let members = file.section("apps").members();
    let apps = file.section("apps").nearest;
    if members.is_empty() && !report.blames("apps") && file.unknown().is_empty() {
        report.add("apps", apps.place, "there is no app; write a table such as [apps.query]");
    }
    refuse_shared_addresses(file, supervisor.metrics, report);
    order::check(file, environment, report);
    let clients = members.iter().any(|(_, app)| app.node(access::CLIENTS).is_some());
    let keys = match clients {
        true => access::stored_keys(&supervisor.state_directory, report),
        false => Vec::new(),
    };
    let apps: Vec<_> = members
        .into_iter()
        .filter(|(_, section)| section.is_table())
        .map(|(name, section)| {
            let log_directory = &supervisor.log_directory;
            let keys = &keys;
            let around =
                Around { app: name, environment, directory, log_directory, keys, surroundings };
            Some((AppName::new(name), app::read(section, &around, report)?))
        })
        .collect();
    Some((supervisor, apps.into_iter().collect::<Option<_>>()?))
}

fn supervisor(
    section: Section<'_>,
    directory: &Path,
    surroundings: &Surroundings,
    report: &mut Report,
) -> SupervisorConfig {
    let path = |key: &str, given: &Option<PathBuf>, default: &str| match section.text(key) {
        Some(written) => absolute(directory, Path::new(written)),
        None => absolute(directory, given.as_deref().unwrap_or(Path::new(default))),
    };
    let run_directory = path("run_directory", &surroundings.run_directory, policy::RUN_DIRECTORY);
    let supervisor = SupervisorConfig {
        log_directory: path("log_directory", &surroundings.log_directory, policy::LOG_DIRECTORY),
        state_directory: path(
            "state_directory",
            &surroundings.state_directory,
            policy::STATE_DIRECTORY,
        ),
        log_level: section.choice("log_level", &LEVELS).unwrap_or(policy::LOG_LEVEL),
        metrics: section.address_or_off("metrics").unwrap_or(Some(policy::METRICS)),
        dashboard: section
            .choice("dashboard", &[Dashboard::Auto, Dashboard::On, Dashboard::Off])
            .unwrap_or(Dashboard::Auto),
        cgroups: section.choice("cgroups", &[Cgroups::Auto, Cgroups::Off]).unwrap_or(Cgroups::Auto),
        watch: section.boolean("watch").unwrap_or(true),
        journal: section.boolean("journal").unwrap_or(false),
        logs: log_files::read(section.section("logs")),
        run_directory,
    };
    let socket = supervisor.socket();
    let bytes = socket.as_os_str().len();
    if bytes > SOCKET_PATH_BYTES_MAX {
        let node = section.node("run_directory").unwrap_or(section.nearest);
        report.add(
            "supervisor.run_directory",
            node.place,
            format!(
                "the socket {} would have a path of {bytes} bytes, and the system allows \
                 {SOCKET_PATH_BYTES_MAX}; write a shorter directory",
                socket.display()
            ),
        );
    }
    supervisor
}

/// Notes a problem when what must not be larger is: `min` and `max`, by name and value.
pub(super) fn not_above<T: PartialOrd + Debug>(
    section: Section<'_>,
    small: (&str, T),
    large: (&str, T),
    report: &mut Report,
) {
    let nodes = [section.node(small.0), section.node(large.0)];
    if small.1 <= large.1 || nodes.iter().flatten().any(|node| report.blames(&node.key)) {
        return;
    }
    // Whichever was written is to blame; a default is not.
    if let Some(node) = nodes[0] {
        let words =
            format!("{:?} is more than {} ({:?}); use {2:?} or less", small.1, large.0, large.1);
        report.add(&node.key, node.place, words);
    } else if let Some(node) = nodes[1] {
        let words =
            format!("{:?} is less than {} ({:?}); use {2:?} or more", large.1, small.0, small.1);
        report.add(&node.key, node.place, words);
    }
}

fn refuse_shared_addresses(file: Section<'_>, metrics: Option<SocketAddr>, report: &mut Report) {
    let of_metrics = metrics.map(|address| (address, "supervisor.metrics".to_owned()));
    let mut taken: Vec<(SocketAddr, String)> = of_metrics.into_iter().collect();
    for (name, app) in file.section("apps").members() {
        let (Some(address), Some(node)) = (app.address("listen"), app.node("listen")) else {
            continue;
        };
        match taken.iter().find(|(other, _)| collide(address, *other)) {
            Some((other, owner)) => {
                let words =
                    format!("cannot be {address}, for {owner} is {other}; use another port");
                report.add(&node.key, node.place, words);
            }
            None => taken.push((address, child_key(&child_key("apps", name), "listen"))),
        }
    }
}

/// Whether one address cannot be bound while the other is.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    let open = one.ip().is_unspecified() || other.ip().is_unspecified();
    one.port() != 0 && one.port() == other.port() && (open || one.ip() == other.ip())
}
