//! Installs the official clients into the target directory, once.
#![expect(clippy::disallowed_methods, reason = "package managers are programs of their own")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The versions that the tests speak with.
const PYTHON_CLIENT: &str = "mcp==2.3.0";
const TYPESCRIPT_CLIENT: &str = "@modelcontextprotocol/sdk@1.32.2";
/// The package of the same project that speaks the newest protocol, too.
const NEWER_CLIENT: &str = "@modelcontextprotocol/client@2.4.0";
/// The emulator speaks with a version of Snowflake's own client that it can take apart.
const FAKESNOW: [&str; 2] = ["fakesnow[server]==0.12.1", "snowflake-connector-python==4.8.1"];
/// The TypeScript client needs Node 22; the package of that name carries it.
const NODE: &str = "node@22";

/// Where the clients and their scripts are.
pub(crate) fn directory() -> PathBuf {
    let own = Path::new(env!("CARGO_BIN_EXE_mcp-supervisor"));
    own.parent().unwrap().join("mcp-clients")
}

/// A Python that has the official client, or why there is none.
pub(crate) fn python() -> Result<PathBuf, String> {
    put("client.py", include_str!("client.py"))?;
    put("calling.py", include_str!("calling.py"))?;
    environment("python", &[PYTHON_CLIENT])
}

/// A Node that has the official client, or why there is none.
pub(crate) fn node() -> Result<PathBuf, String> {
    let directory = directory();
    put("client.mjs", include_str!("client.mjs"))?;
    put("calling.mjs", include_str!("calling.mjs"))?;
    put("package.json", r#"{ "private": true }"#)?;
    once(&directory.join("both-typescript-installed"), || {
        let install = ["install", "--no-audit", "--no-fund", "--silent", "--prefix"];
        let packages = [text(&directory), TYPESCRIPT_CLIENT, NEWER_CLIENT, NODE];
        run("npm", &[&install[..], &packages].concat())
    })?;
    Ok(directory.join("node_modules/.bin/node"))
}

/// A Python that has the emulator of Snowflake, or why there is none.
pub(crate) fn fakesnow() -> Result<PathBuf, String> {
    put("fakesnow_server.py", include_str!("fakesnow_server.py"))?;
    environment("fakesnow", &FAKESNOW)
}

/// A Python of its own with these packages.
fn environment(name: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let venv = directory().join(name);
    let python = venv.join("bin/python");
    once(&venv.join(packages.join("+")), || {
        run("python3", &["-m", "venv", text(&venv)])?;
        let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"];
        run(text(&python), &[&install[..], packages].concat())
    })?;
    Ok(python)
}

/// Does something unless this mark says that it was done.
fn once(mark: &Path, install: impl Fn() -> Result<(), String>) -> Result<(), String> {
    if mark.exists() {
        return Ok(());
    }
    install()?;
    fs::write(mark, "").map_err(|error| format!("cannot write {}: {error}", mark.display()))
}

fn put(name: &str, content: &str) -> Result<(), String> {
    let directory = directory();
    fs::create_dir_all(&directory)
        .and_then(|()| fs::write(directory.join(name), content))
        .map_err(|error| format!("cannot write {name}: {error}"))
}

fn run(program: &str, arguments: &[&str]) -> Result<(), String> {
    let output = Command::new(program)
        .args(arguments)
        .output()
        .map_err(|error| format!("{program} cannot be run: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    let errors = String::from_utf8_lossy(&output.stderr);
    Err(format!("{program} {} failed: {errors}", arguments.join(" ")))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
