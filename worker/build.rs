//! Finds the function around each line that logs, which the compiler does not tell.
//!
//! A table is written that the room of the logs looks in; a line that is not in it is logged
//! without its function. Nothing else is generated.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

/// How a call that logs begins.
const LOGS: [&str; 5] =
    ["tracing::error!", "tracing::warn!", "tracing::info!", "tracing::debug!", "tracing::trace!"];

#[expect(clippy::disallowed_methods, reason = "so cargo tells where the result belongs")]
fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=src");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = Vec::new();
    find(&root.join("src"), &mut files)?;
    files.sort();
    let mut table = String::from("&[\n");
    for file in files {
        let text = fs::read_to_string(&file)?;
        let name = file.strip_prefix(root).unwrap_or(&file).display().to_string();
        for (line, function) in functions(&text) {
            // Writing into a text cannot fail.
            let _ = writeln!(table, "    ({name:?}, {line}, {function:?}),");
        }
    }
    table.push_str("]\n");
    let directory = env::var("OUT_DIR").map_err(io::Error::other)?;
    fs::write(Path::new(&directory).join("functions.rs"), table)
}

/// The sources below a directory.
fn find(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            find(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// The lines that log, counted from 1, each with the name of the function around it.
fn functions(text: &str) -> Vec<(usize, String)> {
    let lines: Vec<&str> = text.lines().collect();
    let logging = |line: &&str| LOGS.iter().any(|call| line.contains(call));
    let found = lines.iter().enumerate().filter(|(_, line)| logging(line));
    let named = found.filter_map(|(at, line)| {
        let indent = indentation(line);
        // As `rustfmt` lays it out, the function around is the nearest that is less indented.
        let around = lines[..at].iter().rev().filter(|above| indentation(above) < indent);
        Some((at + 1, around.into_iter().find_map(|above| name(above))?))
    });
    named.collect()
}

fn indentation(line: &str) -> usize {
    line.len() - line.trim_start().len()
}

/// The name of the function that a line begins.
fn name(line: &str) -> Option<String> {
    let (before, after) = line.trim_start().split_once("fn ")?;
    let only_words = before.chars().all(|c| c.is_ascii_lowercase() || " ()_:".contains(c));
    let end = after.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
    (only_words && end > 0).then(|| after[..end].to_owned())
}
