//! What is refused and in which words, what is meant, and that nothing makes the reading panic.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use tempfile::TempDir;

use super::{Config, Problems, Surroundings, load};

mod compare;
mod effective;
mod health;
mod keys;
mod layers;
mod meaning;
mod mutations;
mod replacing;

/// A directory with two programs, a file and a directory, to check configurations in.
struct Workplace {
    directory: TempDir,
}

impl Workplace {
    fn new() -> Workplace {
        let directory = tempfile::tempdir().unwrap();
        for program in ["mcp-worker", "other"] {
            let path = directory.path().join(program);
            fs::write(&path, "#!/bin/sh\n").unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        fs::write(directory.path().join("plain.txt"), "").unwrap();
        fs::create_dir(directory.path().join("plain.d")).unwrap();
        Workplace { directory }
    }

    fn surroundings(&self) -> Surroundings {
        Surroundings {
            program_directory: self.directory.path().to_owned(),
            search_path: vec!["/nowhere/bin".into()],
            run_directory: None,
            log_directory: None,
            state_directory: None,
            time_zone: None,
            ..Surroundings::default()
        }
    }

    fn load(&self, text: impl AsRef<[u8]>, environment: Option<&str>) -> Result<Config, Problems> {
        let path = self.directory.path().join("ecosystem.toml");
        // A new file each time: some file systems flush a file that is cut and written again.
        let _ = fs::remove_file(&path);
        fs::write(&path, text).unwrap();
        load(&path, environment, &self.surroundings())
    }

    /// What is shown for a bad file, with the directory's name replaced.
    fn problems(&self, text: impl AsRef<[u8]>, environment: Option<&str>) -> String {
        let shown = self.load(text, environment).unwrap_err().to_string();
        shown.replace(self.directory.path().to_str().unwrap(), "DIR")
    }
}

/// A whole app in two lines.
const QUERY: &str = "[apps.query]\nlisten = \"127.0.0.1:8000\"\n";

/// The same, with an environment that has no preset.
const PLAIN: &str = "[apps.query]\nlisten = \"127.0.0.1:8000\"\n[environments.plain]\n";

/// Cases in `problems.txt` and `replacing.txt`: `##### title`, the file, `-----`, what is shown.
#[test]
fn each_bad_file_is_refused_in_these_words() {
    let workplace = Workplace::new();
    let cases = [include_str!("problems.txt"), include_str!("replacing.txt")];
    let cases: Vec<_> = cases.iter().flat_map(|file| file.split("##### ").skip(1)).collect();
    assert!(cases.len() >= 40);
    for case in &cases {
        let (title, rest) = case.split_once('\n').unwrap();
        let (text, expected) = rest.split_once("-----\n").unwrap();
        assert_eq!(workplace.problems(text, None), expected.trim_end(), "{title}");
    }
}
