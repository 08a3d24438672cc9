//! Which files are watched for an app: `watch`, `watch_ignore`, `watch_delay`.
//!
//! What is never a change of the program is listed here; how changes are noticed is not.

use std::path::{Path, PathBuf};
use std::time::Duration;

use glob::{MatchOptions, Pattern};

use super::policy;
use super::problem::Report;
use super::program::absolute;
use super::section::Section;
use super::value::quoted;

/// Never looked at: what version control, editors and interpreters write beside a program.
const IGNORED: [&str; 13] = [
    ".git",
    ".hg",
    ".svn",
    "node_modules",
    "__pycache__",
    "*.pyc",
    "*.swp",
    "*.swx",
    "*~",
    ".#*",
    "#*#",
    "4913",
    ".DS_Store",
];
const OPTIONS: MatchOptions = MatchOptions {
    case_sensitive: true,
    require_literal_separator: true,
    require_literal_leading_dot: false,
};

/// `watch` and what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WatchConfig {
    /// What is watched.
    pub paths: Vec<WatchedPath>,
    /// Workers are replaced when nothing has changed for so long.
    pub delay: Duration,
    /// Patterns of names, and of paths from `start`.
    ignored: Vec<Pattern>,
    start: PathBuf,
}

/// A file or directory that is watched.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchedPath {
    /// As it was written.
    pub written: String,
    /// Absolute, with its symbolic links as they are.
    pub path: PathBuf,
}

impl WatchConfig {
    /// Whether what lies at a path from a watched directory is no change. A directory that is
    /// ignored is ignored with all that is in it.
    #[must_use]
    pub fn ignores(&self, watched: &WatchedPath, below: &Path) -> bool {
        let from_start = watched.path.join(below);
        let from_start = from_start.strip_prefix(&self.start).unwrap_or(below);
        let named = |pattern: &Pattern| {
            let matches = |name: &std::ffi::OsStr| pattern.matches(&name.to_string_lossy());
            below.iter().any(matches)
        };
        let placed = |pattern: &Pattern| {
            from_start.ancestors().any(|path| pattern.matches_path_with(path, OPTIONS))
        };
        self.ignored.iter().any(|pattern| match pattern.as_str().contains('/') {
            true => placed(pattern),
            false => named(pattern),
        })
    }
}

/// A pattern of `watch_ignore`, or what is wrong with it.
pub(super) fn pattern(text: &str) -> Result<Pattern, String> {
    let plain = text.strip_prefix("./").unwrap_or(text).trim_end_matches('/');
    if plain.is_empty() {
        return Err("an empty pattern ignores nothing; remove it".to_owned());
    }
    if plain.contains(['{', '}']) {
        return Err(format!(
            "{} has braces; write one entry for each of the words in them",
            quoted(text)
        ));
    }
    Pattern::new(plain).map_err(|error| {
        format!("{} is not a pattern: {}; write one such as \"*.tmp\"", quoted(text), error.msg)
    })
}

/// What is to be watched; `None` for nothing.
pub(super) fn read(
    section: Section<'_>,
    directory: &Path,
    report: &mut Report,
) -> Option<WatchConfig> {
    let mut paths = Vec::new();
    for (written, node) in section.entries("watch") {
        let path = absolute(directory, Path::new(&written));
        if !path.exists() {
            let words = format!(
                "there is no {} in {}; write paths from the app's cwd",
                quoted(&written),
                directory.display()
            );
            report.add(&node.key, node.place, words);
        }
        paths.push(WatchedPath { written, path });
    }
    let written = section.texts("watch_ignore");
    let ignored = IGNORED.into_iter().chain(written.iter().map(String::as_str));
    let watch = WatchConfig {
        paths,
        delay: section.duration("watch_delay").unwrap_or(policy::WATCH_DELAY),
        ignored: ignored.filter_map(|text| pattern(text).ok()).collect(),
        start: directory.to_owned(),
    };
    (!watch.paths.is_empty()).then_some(watch)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(patterns: &[&str]) -> WatchConfig {
        let ignored = IGNORED.iter().chain(patterns).map(|text| pattern(text).unwrap()).collect();
        let start = PathBuf::from("/app");
        WatchConfig { paths: Vec::new(), delay: Duration::ZERO, ignored, start }
    }

    #[test]
    fn patterns_with_a_slash_are_paths_and_others_are_names() {
        let src = WatchedPath { written: "src".to_owned(), path: PathBuf::from("/app/src") };
        let ignored =
            |patterns: &[&str], path: &str| watch(patterns).ignores(&src, Path::new(path));
        for path in [".git/index", "deep/.git/HEAD", ".app.py.swp", "app.py~", "4913", "a/#b#"] {
            assert!(ignored(&[], path), "{path}");
        }
        for path in ["app.py", "a/b.rs", ".env", ".gitignore", "..data"] {
            assert!(!ignored(&[], path), "{path}");
        }
        assert!(ignored(&["*.tmp"], "a/b.tmp") && ignored(&["**/*.tmp"], "a/b.tmp"));
        assert!(ignored(&["cache/"], "cache/deep/file"));
        assert!(ignored(&["src/gen"], "gen/a.rs"), "everything in an ignored directory");
        assert!(ignored(&["./src/*.rs"], "a.rs") && !ignored(&["src/*.rs"], "b/a.rs"));
        assert!(ignored(&["src/**/out"], "b/c/out/a"));
        assert!(!ignored(&["gen/a.rs"], "gen/a.rs"), "a path begins at the app's cwd");
        assert!(pattern("*.{js,ts}").unwrap_err().contains("one entry for each"));
        assert!(pattern("a[").unwrap_err().contains("is not a pattern"));
    }
}
