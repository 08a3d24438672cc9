//! Any bytes as a configuration file: always an answer, never a panic.
//!
//! A refusal points somewhere, and can be shown on a terminal; what is accepted is accepted again,
//! means the same then, and can be handed to the machine.

#![no_main]

use std::path::PathBuf;
use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use mcp_supervisor::config::{Surroundings, load};

/// The file that is written and read each time, in a directory of this process.
fn file() -> &'static PathBuf {
    static FILE: OnceLock<PathBuf> = OnceLock::new();
    FILE.get_or_init(|| {
        let directory = std::env::temp_dir().join(format!("mcp-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&directory).expect("a directory can be made");
        directory.join("ecosystem.toml")
    })
}

fuzz_target!(|bytes: &[u8]| {
    let file = file();
    std::fs::write(file, bytes).expect("the file can be written");
    let surroundings = Surroundings {
        // Programs that are there, so that more is accepted.
        program_directory: PathBuf::from("/bin"),
        search_path: vec![PathBuf::from("/usr/bin")],
        ..Surroundings::default()
    };
    match load(file, None, &surroundings) {
        Ok(config) => {
            let again = load(file, None, &surroundings);
            assert_eq!(again.ok().as_ref(), Some(&config));
            let desired = config.desired(1);
            assert_eq!(desired.apps.len(), config.apps.len());
        }
        Err(problems) => {
            assert!(!problems.list().is_empty());
            for problem in problems.list() {
                let unreadable = bytes.len() > 1024 * 1024;
                assert!(problem.place.is_some() || problem.key.is_some() || unreadable);
                assert!(!problem.message.is_empty());
            }
            let shown = problems.to_string();
            assert!(!shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
        }
    }
});
