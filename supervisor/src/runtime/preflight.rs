//! What a configuration needs of this machine, looked at before anything is started: ports that
//! are free, directories that can be written. All that is missing is said at once.
//!
//! Nothing is kept: a port that is free now may be taken when it is bound, and is refused then.

use std::fs;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::path::Path;

use nix::unistd::{AccessFlags, access};

use crate::config::{Config, Found};
use crate::runtime::{listeners, port_owner};

/// All that this machine lacks; `running` is the supervisor of this configuration, if one runs.
#[must_use]
pub fn missing(config: &Config, running: Option<u32>) -> Vec<Found> {
    let mut missing = directories(config);
    // The service starts without it, and says that changes will not outlive it.
    missing.extend(directory("state_directory", &config.supervisor.state_directory));
    missing.extend(ports(config, running));
    missing
}

/// The directories without which nothing can start, and that cannot be made or written.
pub(crate) fn directories(config: &Config) -> Vec<Found> {
    let supervisor = &config.supervisor;
    [
        directory("run_directory", &supervisor.run_directory),
        directory("log_directory", &supervisor.log_directory),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn directory(key: &str, path: &Path) -> Option<Found> {
    Some((vec!["supervisor".to_owned(), key.to_owned()], unusable(path)?))
}

/// Why a directory cannot be written, or cannot be made.
fn unusable(path: &Path) -> Option<String> {
    let nearest = path.ancestors().find(|path| path.exists())?;
    let shown = nearest.display();
    let metadata = fs::metadata(nearest).ok()?;
    if !metadata.is_dir() {
        return Some(format!("{shown} is not a directory; write another path"));
    }
    if access(nearest, AccessFlags::W_OK | AccessFlags::X_OK).is_ok() {
        return None;
    }
    let user = nix::unistd::geteuid();
    Some(match nearest == path {
        true => {
            format!("{shown} cannot be written by user {user}; give it the right, or write another")
        }
        false => format!(
            "{} is not there and cannot be made: {shown} cannot be written by user {user}; make it, \
             or write another",
            path.display()
        ),
    })
}

/// The addresses that cannot be bound. Those that the running supervisor has, or the workers of
/// one that ended, are no obstacle: it goes on with them, and waits for those to leave.
pub(crate) fn ports(config: &Config, running: Option<u32>) -> Vec<Found> {
    let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let mut missing = Vec::new();
    for (app, wanted) in &config.apps {
        let Some(address) = wanted.listen else { continue };
        if let Some(why) = taken(address, config, running) {
            let words = format!("cannot listen on {address} for app `{app}`{why}");
            missing.push((names(&["apps", app.as_str(), "listen"]), words));
        }
    }
    if let Some(address) = config.supervisor.metrics
        && let Some(why) = taken(address, config, running)
    {
        let words = format!("cannot serve metrics on {address}{why}");
        missing.push((names(&["supervisor", "metrics"]), words));
    }
    missing
}

/// Why an address cannot be bound, and what to do; `None` when it can.
fn taken(address: SocketAddr, config: &Config, running: Option<u32>) -> Option<String> {
    let error = listeners::try_to_bind(address).err()?;
    if error.kind() == ErrorKind::AddrInUse {
        if port_owner::is_ours(address.port(), running, &config.supervisor.run_directory) {
            return None;
        }
        let owner = match port_owner::in_words(address) {
            nobody if nobody.is_empty() => ", which is in use by another user".to_owned(),
            owner => owner,
        };
        return Some(format!("{owner}; stop that program, or write another port"));
    }
    Some(match error.kind() {
        ErrorKind::PermissionDenied => {
            ": ports below 1024 are for root; write a higher one".to_owned()
        }
        ErrorKind::AddrNotAvailable => {
            ": this machine has no such address; write one of its own".to_owned()
        }
        _ => format!(": {error}; write another address"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_that_can_be_made_is_no_obstacle_and_one_below_a_file_is() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(unusable(directory.path()), None);
        assert_eq!(unusable(&directory.path().join("a/b")), None);
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        let words = unusable(&file.join("b")).unwrap();
        assert!(words.ends_with("file is not a directory; write another path"), "{words}");
    }
}
