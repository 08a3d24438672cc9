//! Where the supervisor of a file listens, even when the file has become unusable since.
//!
//! An operator who asks for the status while the file is half written must be answered. So this
//! takes what can be read, and the default for the rest; it reports nothing.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::{SOCKET_NAME, Surroundings, environment, policy};

/// The socket of the supervisor that was started with this file and environment.
#[must_use]
pub fn socket_of(path: &Path, environment: Option<&str>, surroundings: &Surroundings) -> PathBuf {
    let given = surroundings.run_directory.as_deref();
    directory(path, environment, ("run_directory", given.unwrap_or(policy::RUN_DIRECTORY.as_ref())))
        .join(SOCKET_NAME)
}

/// The state directory of the supervisor that was started with this file and environment.
#[must_use]
pub fn state_directory_of(
    path: &Path,
    environment: Option<&str>,
    surroundings: &Surroundings,
) -> PathBuf {
    let given = surroundings.state_directory.as_deref();
    let default = given.unwrap_or(policy::STATE_DIRECTORY.as_ref());
    directory(path, environment, ("state_directory", default))
}

/// What the file says of a directory, else the default.
fn directory(path: &Path, environment: Option<&str>, (key, default): (&str, &Path)) -> PathBuf {
    let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let text = std::fs::read_to_string(&file).unwrap_or_default();
    let (table, _faults) = DeTable::parse_recoverable(&text);
    let chosen = environment.unwrap_or(environment::DEFAULT);
    let written = member(table.get_ref(), &["environments", chosen, "supervisor", key])
        .or_else(|| member(table.get_ref(), &["supervisor", key]));
    let directory = written.map_or_else(|| default.to_owned(), PathBuf::from);
    file.parent().unwrap_or(Path::new("/")).join(directory)
}

fn member(table: &DeTable<'_>, path: &[&str]) -> Option<String> {
    let (name, rest) = path.split_first()?;
    match table.get(*name)?.get_ref() {
        DeValue::Table(inner) => member(inner, rest),
        DeValue::String(text) if rest.is_empty() => Some(text.to_string()),
        _ => None,
    }
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
        let given = Surroundings { state_directory: Some("/var/lib/x".into()), ..surroundings };
        let state = |text: &str| {
            std::fs::write(&file, text).unwrap();
            state_directory_of(&file, None, &given)
        };
        assert_eq!(state("[supervisor"), Path::new("/var/lib/x"));
        assert_eq!(state("[supervisor]\nstate_directory = \"s\"\n[ap"), directory.path().join("s"));
    }
}
