//! Where the supervisor of a file listens and logs, even when the file has become unusable since.
//!
//! An operator who asks for the status while the file is half written must be answered. So this
//! takes what can be read, and the default for the rest; it reports nothing but an environment
//! that does not exist, for which nothing could be taken.

use std::path::{Path, PathBuf};

use super::problem::{Problems, Report};
use super::program::absolute;
use super::sources::Sources;
use super::{SOCKET_NAME, Surroundings, environment, file, layers, policy, tree, value};

/// The socket of the supervisor that was started with this file and environment.
#[must_use]
pub fn socket_of(path: &Path, environment: Option<&str>, surroundings: &Surroundings) -> PathBuf {
    let given = (surroundings.run_directory.as_deref(), policy::RUN_DIRECTORY);
    directory((path, environment, surroundings), "run_directory", given).join(SOCKET_NAME)
}

/// The directory of the log files of that supervisor.
#[must_use]
pub fn logs_of(path: &Path, environment: Option<&str>, surroundings: &Surroundings) -> PathBuf {
    let given = (surroundings.log_directory.as_deref(), policy::LOG_DIRECTORY);
    directory((path, environment, surroundings), "log_directory", given)
}

/// The state directory of that supervisor.
#[must_use]
pub fn state_directory_of(
    path: &Path,
    environment: Option<&str>,
    surroundings: &Surroundings,
) -> PathBuf {
    let given = (surroundings.state_directory.as_deref(), policy::STATE_DIRECTORY);
    directory((path, environment, surroundings), "state_directory", given)
}

/// Refuses an environment that neither the file defines nor everyone knows.
///
/// # Errors
/// That environment, with those that there are. A file that cannot be read says nothing of it.
pub fn check_environment(
    path: &Path,
    asked: Option<&str>,
    surroundings: &Surroundings,
) -> Result<(), Problems> {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let Ok(file::Reading { root, faults, .. }) = file::read(&path) else { return Ok(()) };
    if !faults.is_empty() {
        return Ok(());
    }
    let directory = path.parent().unwrap_or(Path::new("/"));
    let sources = Sources::read(directory, &surroundings.variables, &mut Report::new(&path));
    let mut report = Report::new(&path);
    environment::overlay(&root, &environment::choose(asked, &sources), &mut report);
    report.finish(Some(()))
}

/// A directory of `[supervisor]`: as written, else as the service manager gave it, else the usual.
fn directory(
    (path, environment, surroundings): (&Path, Option<&str>, &Surroundings),
    key: &str,
    (given, usual): (Option<&Path>, &str),
) -> PathBuf {
    let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let directory = file.parent().unwrap_or(Path::new("/"));
    let written = file::read_what_can_be(&file);
    let mut nobody = Report::new(&file);
    let root = layers::lay(&written, directory, environment, surroundings, &mut nobody).root;
    let key = ["supervisor".to_owned(), key.to_owned()];
    let written = tree::find(&root, &key).and_then(|node| value::text(node).ok());
    absolute(directory, written.map(Path::new).or(given).unwrap_or(Path::new(usual)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_broken_file_still_leads_to_its_supervisor() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ecosystem.toml");
        let surroundings = Surroundings {
            program_directory: PathBuf::from("/"),
            search_path: Vec::new(),
            run_directory: None,
            log_directory: None,
            state_directory: None,
            time_zone: None,
            ..Surroundings::default()
        };
        let socket = |text: &str, environment: Option<&str>| {
            std::fs::write(&file, text).unwrap();
            let socket = socket_of(&file, environment, &surroundings);
            socket.strip_prefix(directory.path()).unwrap().display().to_string()
        };
        assert_eq!(socket("", None), "run/supervisor.sock");
        let base = "[supervisor]\nrun_directory = \"here\"\n";
        assert_eq!(socket(base, None), "here/supervisor.sock");
        assert_eq!(socket(&format!("{base}[apps.x\ninstances = "), None), "here/supervisor.sock");
        let overlaid = format!("{base}[environments.staging.supervisor]\nrun_directory = \"s\"");
        assert_eq!(socket(&overlaid, Some("staging")), "s/supervisor.sock");
        assert_eq!(socket(&overlaid, None), "here/supervisor.sock");
        let logs = |text: &str| {
            std::fs::write(&file, text).unwrap();
            let logs = logs_of(&file, None, &surroundings);
            logs.strip_prefix(directory.path()).unwrap().display().to_string()
        };
        assert_eq!(logs("[apps.x\ninstances = "), "logs");
        assert_eq!(logs("[supervisor]\nlog_directory = \"said\"\n[apps.x\n"), "said");
        let given = Surroundings { state_directory: Some("/var/lib/x".into()), ..surroundings };
        let state = |text: &str| {
            std::fs::write(&file, text).unwrap();
            state_directory_of(&file, None, &given)
        };
        assert_eq!(state("[supervisor"), Path::new("/var/lib/x"));
        assert_eq!(state("[supervisor]\nstate_directory = \"s\"\n[ap"), directory.path().join("s"));
    }

    #[test]
    fn an_environment_that_nobody_knows_is_refused_unless_the_file_cannot_be_read() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("ecosystem.toml");
        let check = |text: &str, environment: Option<&str>| {
            std::fs::write(&file, text).unwrap();
            check_environment(&file, environment, &Surroundings::default())
                .map_err(|problems| problems.to_string())
        };
        let text = "[environments.night.apps.x]\ninstances = 2\n";
        assert_eq!(check(text, None), Ok(()));
        assert_eq!(check(text, Some("night")), Ok(()));
        assert_eq!(check("", Some("production")), Ok(()));
        let refused = check(text, Some("nigth")).unwrap_err();
        assert!(refused.contains("did you mean \"night\"?"), "{refused}");
        assert_eq!(check("[environments", Some("nigth")), Ok(()), "nobody can tell");
    }
}
