//! Log files: how one is opened, and their series: `x.log` becomes `x.log.1`, which becomes
//! `x.log.2`, and so on; older ones are compressed to `x.log.2.zst` by the keeper.
//!
//! Whoever writes decides when its file is rotated, for it alone knows where a line ends. What
//! becomes of the older files is the keeper's business, in a thread of its own. No line's content
//! is looked at here.

mod compress;
mod counts;
mod keeper;

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use crate::config::OutputConfig;
use crate::runtime::clock::since_epoch;
pub(crate) use counts::{Count, Counts};
pub(crate) use keeper::{Keeper, Tidy};

/// What the name of a compressed file ends with.
const COMPRESSED: &str = ".zst";
/// What a file is called while it is being compressed.
const UNFINISHED: &str = ".zst.part";

/// Files of a series are given other names by one thread at a time: the one that rotates it, or
/// the keeper.
static NAMES: Mutex<()> = Mutex::new(());

/// A rotated file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Rotated {
    /// The newest has number 1.
    pub(crate) number: u32,
    pub(crate) path: PathBuf,
    pub(crate) compressed: bool,
}

/// Opens a log that its group may read; never what a link of its name leads to.
pub(crate) fn open_plain(options: &mut OpenOptions, file: &Path) -> io::Result<File> {
    let opened = options.mode(0o640).custom_flags(libc::O_NOFOLLOW).open(file);
    opened.map_err(|error| match error.raw_os_error() {
        Some(libc::ELOOP) => io::Error::other(format!(
            "`{}` is a symbolic link, and a log is written to a file of its own; remove it",
            file.display()
        )),
        _ => error,
    })
}

/// Moves every file of the series one step on; where no number is free the oldest goes.
///
/// After this the file itself does not exist; whoever writes opens it anew. One that failed
/// halfway can be tried again: what was moved already is not moved once more. False when there was
/// no file.
fn rotate(file: &Path, files_max: u32) -> io::Result<bool> {
    let _names = hold_names();
    if !file.try_exists()? {
        // Somebody removed it: there is nothing to keep, and the older ones stay.
        return Ok(false);
    }
    let is_free = |number: &u32| {
        !numbered(file, *number, "").exists() && !numbered(file, *number, COMPRESSED).exists()
    };
    let free = (1..files_max).find(is_free).unwrap_or(files_max.max(1));
    for number in (1..free).rev() {
        step(file, number)?;
    }
    fs::rename(file, numbered(file, 1, ""))?;
    Ok(true)
}

/// Moves one file of a series on, over what has the next number.
fn step(file: &Path, number: u32) -> io::Result<()> {
    let next = |ending| numbered(file, number + 1, ending);
    let (plain, compressed) = (numbered(file, number, ""), numbered(file, number, COMPRESSED));
    if plain.exists() {
        // Where both are there the compressed one was not finished with: the plain one holds.
        remove(&compressed)?;
        remove(&next(COMPRESSED))?;
        return fs::rename(plain, next(""));
    }
    fs::rename(compressed, next(COMPRESSED))?;
    remove(&next(""))
}

/// The rotated files of a series, newest first. Where a file is there plain and compressed, only
/// the plain one counts.
pub(crate) fn rotated(file: &Path) -> io::Result<Vec<Rotated>> {
    let name = file.file_name().unwrap_or_default();
    let mut found = Vec::new();
    for entry in fs::read_dir(file.parent().unwrap_or(Path::new(".")))? {
        let path = entry?.path();
        if let Some((number, compressed)) = path.file_name().and_then(|one| part_of(name, one)) {
            found.push(Rotated { number, path, compressed });
        }
    }
    found.sort_unstable_by_key(|one| (one.number, one.compressed));
    found.dedup_by_key(|one| one.number);
    Ok(found)
}

/// The number of a rotated file, and whether it is compressed, by its name.
fn part_of(series: &OsStr, name: &OsStr) -> Option<(u32, bool)> {
    let rest = name.to_str()?.strip_prefix(series.to_str()?)?.strip_prefix('.')?;
    let (number, compressed) = match rest.strip_suffix(COMPRESSED) {
        Some(number) => (number, true),
        None => (rest, false),
    };
    let plain = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
    Some((number.parse().ok().filter(|_| plain)?, compressed))
}

/// True when the file has grown beyond what is allowed, or is too old.
pub(crate) fn is_due(file: &Path, policy: OutputConfig) -> bool {
    fs::metadata(file).is_ok_and(|about| {
        about.len() > policy.bytes_max || (about.len() > 0 && is_too_old(&about, policy))
    })
}

/// True when a file was begun so long ago that another one takes its place.
pub(crate) fn is_too_old(about: &Metadata, policy: OutputConfig) -> bool {
    policy.age_max.is_some_and(|age_max| age(about) >= age_max)
}

/// How long ago a file was begun; where the file system does not know, how long ago it was
/// written to.
pub(crate) fn age(about: &Metadata) -> Duration {
    let begun = about.created().or_else(|_| about.modified());
    let begun = begun.ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    begun.map_or(Duration::ZERO, |begun| since_epoch().saturating_sub(begun))
}

fn hold_names() -> MutexGuard<'static, ()> {
    // Nothing is half done that a panic could have left behind: names are in the file system.
    NAMES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn remove(file: &Path) -> io::Result<()> {
    match fs::remove_file(file) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn numbered(file: &Path, number: u32, ending: &str) -> PathBuf {
    with_ending(file, &format!(".{number}{ending}"))
}

fn with_ending(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_series_moves_on_and_the_oldest_goes() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.log");
        for content in ["first", "second", "third", "fourth"] {
            fs::write(&file, content).unwrap();
            rotate(&file, 2).unwrap();
        }
        assert!(!file.exists());
        assert_eq!(fs::read_to_string(numbered(&file, 1, "")).unwrap(), "fourth");
        assert_eq!(fs::read_to_string(numbered(&file, 2, "")).unwrap(), "third");
        assert!(!numbered(&file, 3, "").exists());
        assert!(!rotate(&file, 2).unwrap());
        assert!(numbered(&file, 1, "").exists(), "a file that is not there moves nothing");
    }

    #[test]
    fn compressed_and_plain_ones_are_one_series() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.log");
        let write = |ending: &str, content: &str| {
            fs::write(with_ending(&file, ending), content).unwrap();
        };
        for (ending, content) in
            [("", "0"), (".1", "1"), (".2.zst", "2"), (".3", "3"), (".3.zst", "half of 3")]
        {
            write(ending, content);
        }
        for stranger in [".zst.part", ".old", ".01", ".x.1", ".+1", ".2.gz"] {
            write(stranger, "not of the series");
        }
        rotate(&file, 4).unwrap();
        let held = |rotated: &Rotated| {
            (rotated.number, rotated.compressed, fs::read_to_string(&rotated.path).unwrap())
        };
        let series = |file| rotated(file).unwrap().iter().map(held).collect::<Vec<_>>();
        let expected = [(1, false, "0"), (2, false, "1"), (3, true, "2"), (4, false, "3")];
        let expected = expected.map(|(number, zst, text)| (number, zst, text.to_owned()));
        assert_eq!(series(&file), expected);
        // The oldest goes, also where it is of the other kind than what takes its place.
        write("", "new");
        rotate(&file, 4).unwrap();
        assert_eq!(series(&file).last().unwrap(), &(4, true, "2".to_owned()));
        assert!(!numbered(&file, 4, "").exists());
    }

    #[test]
    fn a_plain_file_takes_the_place_of_a_compressed_one() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.log");
        for (ending, content) in [("", "0"), (".1", "1"), (".2.zst", "2")] {
            fs::write(with_ending(&file, ending), content).unwrap();
        }
        rotate(&file, 2).unwrap();
        assert_eq!(fs::read_to_string(numbered(&file, 2, "")).unwrap(), "1");
        assert!(!numbered(&file, 2, COMPRESSED).exists());
    }

    #[test]
    fn a_gap_is_filled_before_anything_is_given_up() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.log");
        for (ending, content) in [("", "0"), (".1", "1"), (".3", "3")] {
            fs::write(with_ending(&file, ending), content).unwrap();
        }
        rotate(&file, 3).unwrap();
        for (number, content) in [(1, "0"), (2, "1"), (3, "3")] {
            assert_eq!(fs::read_to_string(numbered(&file, number, "")).unwrap(), content);
        }
    }

    #[test]
    fn a_file_is_due_by_its_size_or_its_age_unless_it_is_empty() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("a.log");
        let policy = OutputConfig { bytes_max: 3, ..OutputConfig::default() };
        let old = OutputConfig { age_max: Some(Duration::ZERO), ..policy };
        assert!(!is_due(&file, old), "it is not there");
        fs::write(&file, "").unwrap();
        assert!(!is_due(&file, old), "it is empty");
        fs::write(&file, "abc").unwrap();
        assert!(!is_due(&file, policy) && is_due(&file, old));
        assert!(!is_due(&file, OutputConfig { age_max: Some(Duration::from_hours(1)), ..policy }));
        fs::write(&file, "abcd").unwrap();
        assert!(is_due(&file, policy));
    }
}
