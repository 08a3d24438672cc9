//! What is refused and in which words, what is meant, and that nothing makes the reading panic.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use tempfile::TempDir;

use super::{Config, Problems, Surroundings, load};

mod access;
mod compare;
mod connections;
mod door;
mod effective;
mod health;
mod keys;
mod layers;
mod meaning;
mod mutations;
mod replacing;
mod schema;
mod secrets;
mod snowflake;
mod typos;
mod variables;

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

/// Cases in these files: `##### title`, the file, `-----`, what is shown. `UPDATE=1` writes what
/// is shown anew.
const CASES: [&str; 3] = ["problems.txt", "replacing.txt", "snowflake.txt"];

#[test]
fn each_bad_file_is_refused_in_these_words() {
    let workplace = Workplace::new();
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/config/tests");
    let mut count = 0;
    let mut wrong = Vec::new();
    for name in CASES {
        let path = directory.join(name);
        let cases = fs::read_to_string(&path).unwrap();
        let mut shown = String::new();
        for case in cases.split("##### ").skip(1) {
            let (title, rest) = case.split_once('\n').unwrap();
            let (text, expected) = rest.split_once("-----\n").unwrap();
            let words = workplace.problems(text, None);
            if words != expected.trim_end() {
                wrong.push(format!("{title}\n{words}\n  instead of\n{expected}"));
            }
            shown.push_str(&format!("##### {title}\n{text}-----\n{words}\n"));
            count += 1;
        }
        if update() {
            fs::write(&path, shown).unwrap();
        }
    }
    assert!(count >= 40);
    assert!(wrong.is_empty() || update(), "UPDATE=1 rewrites them:\n{}", wrong.join("\n"));
}

#[expect(clippy::disallowed_methods, reason = "a switch for whoever runs the test")]
fn update() -> bool {
    std::env::var_os("UPDATE").is_some()
}
