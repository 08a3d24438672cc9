//! Which log files there are: by name, each with its older parts.
//!
//! `NAME` is written to; `NAME.1` is older, `NAME.2` older still; each of them may be compressed
//! (`NAME.2.zst`), in any mixture. What has another name is no log of ours.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use mcp_protocol::logs::Channel;

use crate::runtime::{SUPERVISOR_LOG, log_files};

/// The ending of a compressed file.
pub(super) const PACKED: &str = ".zst";

/// One log: a file and what it was called before it was rotated.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// What is in it.
    pub kind: Kind,
    /// The name of the file that is written to.
    pub file: String,
}

/// What is in a log.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// What the supervisor does.
    Supervisor,
    /// What all workers write, of one channel.
    Worker(Channel),
    /// What the programs of an app print.
    Output {
        /// The app.
        app: String,
        /// The slot, where each has a file of its own.
        slot: Option<u32>,
        /// Which of the two streams.
        stream: Stream,
    },
}

/// The two streams of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stream {
    /// Standard output.
    Output,
    /// Standard error.
    Errors,
}

impl Source {
    /// The log whose file is written to under this name.
    #[must_use]
    pub fn of(file: &str) -> Option<Source> {
        let channel = || Channel::ALL.into_iter().find(|channel| channel.file() == file);
        let kind = if file == SUPERVISOR_LOG {
            Kind::Supervisor
        } else if let Some(channel) = channel() {
            Kind::Worker(channel)
        } else {
            let [output, errors] = log_files("");
            let owner_of = |ending: &str| file.strip_suffix(ending).filter(|one| !one.is_empty());
            let (owner, stream) = match (owner_of(&output), owner_of(&errors)) {
                (Some(owner), _) => (owner, Stream::Output),
                (None, owner) => (owner?, Stream::Errors),
            };
            let (app, slot) = match owner.strip_suffix(']').and_then(|rest| rest.split_once('[')) {
                Some((app, slot)) => (app, Some(slot.parse().ok()?)),
                None => (owner, None),
            };
            Kind::Output { app: app.to_owned(), slot, stream }
        };
        Some(Source { kind, file: file.to_owned() })
    }

    /// The app whose programs print to it.
    #[must_use]
    pub fn app(&self) -> Option<&str> {
        match &self.kind {
            Kind::Output { app, .. } => Some(app),
            Kind::Supervisor | Kind::Worker(_) => None,
        }
    }

    /// What kind of lines it holds, in one word: `supervisor`, `access`, `out`.
    #[must_use]
    pub fn channel(&self) -> &'static str {
        match &self.kind {
            Kind::Supervisor => "supervisor",
            Kind::Worker(channel) => channel.name(),
            Kind::Output { stream: Stream::Output, .. } => "out",
            Kind::Output { stream: Stream::Errors, .. } => "err",
        }
    }
}

/// One file of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    /// 0 for the one that is written to; the larger, the older.
    pub(super) number: u32,
    pub(super) packed: bool,
    pub(super) inode: u64,
    /// As it lies on the disk.
    pub(super) bytes: u64,
    /// When it was last written to, in nanoseconds since 1970.
    pub(super) modified: i128,
}

/// The logs in a directory, and the parts of each, the oldest first. None where there is no such
/// directory.
pub(super) fn parts(directory: &Path) -> io::Result<BTreeMap<Source, Vec<Part>>> {
    let mut found: BTreeMap<Source, Vec<Part>> = BTreeMap::new();
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(found),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        let name = entry.file_name();
        let Some((source, number, packed)) = name.to_str().and_then(meant) else { continue };
        // It may have been rotated away since, and a log is never what a link leads to.
        let Ok(about) = entry.metadata() else { continue };
        if !about.is_file() {
            continue;
        }
        let modified = i128::from(about.mtime()) * 1_000_000_000 + i128::from(about.mtime_nsec());
        let part = Part {
            path: entry.path(),
            number,
            packed,
            inode: about.ino(),
            bytes: about.len(),
            modified,
        };
        found.entry(source).or_default().push(part);
    }
    for parts in found.values_mut() {
        // Of a file that is just being compressed there are two: the plain one is whole.
        parts.sort_by_key(|part| (std::cmp::Reverse(part.number), part.packed));
        parts.dedup_by_key(|part| part.number);
    }
    Ok(found)
}

/// The log that a file is a part of, its number, and whether it is compressed.
fn meant(name: &str) -> Option<(Source, u32, bool)> {
    let (rest, packed) = match name.strip_suffix(PACKED) {
        Some(rest) => (rest, true),
        None => (name, false),
    };
    if let Some((base, number)) = rest.rsplit_once('.')
        && let Some(number) = plain_number(number)
    {
        return Some((Source::of(base)?, number, packed));
    }
    (!packed).then(|| Source::of(rest)).flatten().map(|source| (source, 0, false))
}

fn plain_number(text: &str) -> Option<u32> {
    let plain = text.bytes().all(|byte| byte.is_ascii_digit()) && !text.starts_with('0');
    text.parse().ok().filter(|_| plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_is_known_by_its_name() {
        let output = |app: &str, slot, stream| Kind::Output { app: app.to_owned(), slot, stream };
        for (file, kind) in [
            ("supervisor.log", Kind::Supervisor),
            ("access.log", Kind::Worker(Channel::Access)),
            ("web.out.log", output("web", None, Stream::Output)),
            ("a.b.err.log", output("a.b", None, Stream::Errors)),
            ("web[2].err.log", output("web", Some(2), Stream::Errors)),
        ] {
            assert_eq!(Source::of(file).map(|source| source.kind), Some(kind), "{file}");
        }
        for file in ["", "web.log", ".out.log", "web[x].out.log", "application.log.1", "notes"] {
            assert_eq!(Source::of(file), None, "{file}");
        }
    }

    #[test]
    fn parts_are_told_oldest_first_in_any_mixture() {
        let directory = tempfile::tempdir().unwrap();
        for name in [
            "web.out.log",
            "web.out.log.1",
            "web.out.log.1.zst",
            "web.out.log.2.zst",
            "web.out.log.10",
            "web.out.log.11.zst",
            "web.out.log.zst",
            "web.out.log.01",
            "web.out.log.3.tmp",
            "stranger.txt",
            "application.log.1",
        ] {
            fs::write(directory.path().join(name), "").unwrap();
        }
        std::os::unix::fs::symlink("/etc/passwd", directory.path().join("link.out.log")).unwrap();
        let found = parts(directory.path()).unwrap();
        let names: Vec<&str> = found.keys().map(|source| source.file.as_str()).collect();
        assert_eq!(names, ["application.log", "web.out.log"]);
        let of_web = &found[&Source::of("web.out.log").unwrap()];
        let parts: Vec<(u32, bool)> =
            of_web.iter().map(|part| (part.number, part.packed)).collect();
        assert_eq!(parts, [(11, true), (10, false), (2, true), (1, false), (0, false)]);
        assert!(super::parts(&directory.path().join("nowhere")).unwrap().is_empty());
    }
}
