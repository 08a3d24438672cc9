//! Finds the program and the directory that an app names, or says where was looked.

use std::path::{Path, PathBuf};

use nix::unistd::{AccessFlags, access};

use super::file::Node;
use super::{Surroundings, policy, syntax, value};

/// The most places that are named in one problem.
const PLACES_SHOWN: usize = 6;

/// Whether what is written as `exec` starts our own worker.
pub(super) fn is_ours(exec: Option<&Node>) -> bool {
    let command = exec.and_then(|node| value::command(node).ok());
    command.is_none_or(|(name, _)| is_our_name(&name))
}

/// Whether a program of this name is our own worker.
pub(super) fn is_our_name(name: &str) -> bool {
    Path::new(name).file_name().is_some_and(|file| file == policy::PROGRAM)
}

/// The program that a name means, absolute.
///
/// A bare name is looked for beside our own executable first, so that an unpacked release works
/// without being installed; a name with a slash is a path from the configuration's directory.
pub(super) fn find(
    name: &str,
    directory: &Path,
    surroundings: &Surroundings,
) -> Result<PathBuf, String> {
    let missing = |words: String| syntax::unmeant_escapes(name).unwrap_or(words);
    if name.contains('/') {
        let path = absolute(directory, Path::new(name));
        return match state(&path) {
            State::Executable => Ok(path),
            State::NotExecutable => Err(not_executable(&path)),
            State::Directory => Err(format!("{} is a directory, not a program", path.display())),
            State::Absent => Err(missing(format!("there is no program {}", path.display()))),
        };
    }
    let own = std::iter::once(&surroundings.program_directory);
    let places: Vec<&PathBuf> = own.chain(&surroundings.search_path).collect();
    let mut refused = None;
    for place in &places {
        let path = absolute(directory, &place.join(name));
        match state(&path) {
            State::Executable => return Ok(path),
            State::NotExecutable => refused = refused.or(Some(path)),
            State::Directory | State::Absent => {}
        }
    }
    match refused {
        Some(path) => Err(not_executable(&path)),
        None => Err(missing(format!(
            "the program \"{name}\" is in none of {}; install it there, or write its path",
            shown(&places)
        ))),
    }
}

fn shown(places: &[&PathBuf]) -> String {
    let names: Vec<_> =
        places.iter().take(PLACES_SHOWN).map(|place| place.display().to_string()).collect();
    match places.len().saturating_sub(PLACES_SHOWN) {
        0 => names.join(", "),
        more => format!("{} and {more} more of PATH", names.join(", ")),
    }
}

fn not_executable(path: &Path) -> String {
    let path = path.display();
    format!("{path} may not be executed by this user; try `chmod +x {path}`")
}

enum State {
    Executable,
    NotExecutable,
    Directory,
    Absent,
}

fn state(path: &Path) -> State {
    match std::fs::metadata(path) {
        Ok(metadata) if metadata.is_dir() => State::Directory,
        Ok(_) if access(path, AccessFlags::X_OK).is_ok() => State::Executable,
        Ok(_) => State::NotExecutable,
        Err(_) => State::Absent,
    }
}

/// A directory that must be there, absolute.
pub(super) fn directory(name: &str, base: &Path) -> Result<PathBuf, String> {
    let path = absolute(base, Path::new(name));
    match std::fs::metadata(&path) {
        Ok(metadata) if metadata.is_dir() => Ok(path),
        Ok(_) => Err(format!("{} is not a directory", path.display())),
        Err(error) => Err(syntax::unmeant_escapes(name).unwrap_or_else(|| {
            format!("the directory {} cannot be used: {error}", path.display())
        })),
    }
}

/// A path as seen from a directory, absolute, without `.` in it.
pub(super) fn absolute(base: &Path, path: &Path) -> PathBuf {
    base.join(path).components().collect()
}
