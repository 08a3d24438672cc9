//! Where the supervisor of a file listens, even when the file has become unusable since.
//!
//! An operator who asks for the status while the file is half written must be answered. So this
//! takes what can be read, and the default for the rest; it reports nothing.

use std::path::{Path, PathBuf};

use super::problem::Report;
use super::program::absolute;
use super::{SOCKET_NAME, Surroundings, file, layers, policy, tree, value};

/// The socket of the supervisor that was started with this file and environment.
#[must_use]
pub fn socket_of(path: &Path, environment: Option<&str>, surroundings: &Surroundings) -> PathBuf {
    let file = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let directory = file.parent().unwrap_or(Path::new("/"));
    let written = file::read_what_can_be(&file);
    let mut nobody = Report::new(&file);
    let root = layers::lay(&written, directory, environment, surroundings, &mut nobody).root;
    let key = ["supervisor".to_owned(), "run_directory".to_owned()];
    let written = tree::find(&root, &key).and_then(|node| value::text(node).ok());
    let run_directory = match (written, &surroundings.run_directory) {
        (Some(written), _) => Path::new(written),
        (None, Some(given)) => given,
        (None, None) => Path::new(policy::RUN_DIRECTORY),
    };
    absolute(directory, run_directory).join(SOCKET_NAME)
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
    }
}
