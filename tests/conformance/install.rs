//! Installs the official suite into the target directory, once.
#![expect(clippy::disallowed_methods, reason = "the package manager is a program of its own")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The suite; its tag `latest` is older, and has no sets of requirements.
const SUITE: &str = "@modelcontextprotocol/conformance@0.2.0-alpha.12";
/// The suite needs Node 22; the package of that name carries it.
const NODE: &str = "node@22";

/// The suite, and what it runs on.
pub(crate) struct Suite {
    pub(crate) node: PathBuf,
    pub(crate) program: PathBuf,
}

impl Suite {
    /// Where the suite says which scenarios a revision of the protocol requires.
    pub(crate) fn requirements(&self, revision: &str) -> PathBuf {
        let package = self.program.parent().and_then(Path::parent).expect("it lies in a package");
        package.join("requirements").join(format!("{revision}.yaml"))
    }
}

/// The suite, or why there is none. Two tests that want it at once install it one after the other.
pub(crate) fn suite() -> Result<Suite, String> {
    static TURN: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _turn = TURN.lock();
    let own = Path::new(env!("CARGO_BIN_EXE_mcp-worker"));
    let directory = own.parent().expect("a program lies in a directory").join("mcp-conformance");
    let modules = directory.join("node_modules");
    let suite = Suite {
        node: modules.join(".bin/node"),
        program: modules.join("@modelcontextprotocol/conformance/dist/index.js"),
    };
    let mark = directory.join(SUITE.rsplit('@').next().expect("a version"));
    if mark.exists() {
        return Ok(suite);
    }
    fs::create_dir_all(&directory)
        .and_then(|()| fs::write(directory.join("package.json"), r#"{ "private": true }"#))
        .map_err(|error| format!("cannot write {}: {error}", directory.display()))?;
    let output = Command::new("npm")
        .args(["install", "--no-audit", "--no-fund", "--silent", SUITE, NODE, "--prefix"])
        .arg(&directory)
        .output()
        .map_err(|error| format!("npm cannot be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("npm failed: {}", String::from_utf8_lossy(&output.stderr)));
    }
    fs::write(&mark, "").map_err(|error| format!("cannot write {}: {error}", mark.display()))?;
    Ok(suite)
}
