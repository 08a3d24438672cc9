//! Log files: how one is opened, and rotation by size: `x.log` becomes `x.log.1`, which becomes
//! `x.log.2`, and so on.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::config::OutputConfig;

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

/// Moves every file of the series one step on and forgets the oldest.
///
/// After this the file itself does not exist; whoever writes opens it anew.
pub(crate) fn rotate(file: &Path, files_max: u32) -> io::Result<()> {
    if !file.try_exists()? {
        // Somebody removed it: there is nothing to keep, and the older ones stay.
        return Ok(());
    }
    let _ = fs::remove_file(numbered(file, files_max));
    for number in (1..files_max).rev() {
        let from = numbered(file, number);
        if from.exists() {
            fs::rename(from, numbered(file, number + 1))?;
        }
    }
    if files_max == 0 { fs::remove_file(file) } else { fs::rename(file, numbered(file, 1)) }
}

/// True when the file has grown beyond what is allowed.
pub(crate) fn is_due(file: &Path, policy: OutputConfig) -> bool {
    fs::metadata(file).is_ok_and(|about| about.len() > policy.bytes_max)
}

/// Rotates those of these files that have grown too long; whether there was one.
pub(crate) fn rotate_those_due(files: &[PathBuf], policy: OutputConfig) -> bool {
    let is_rotated =
        |file: &&PathBuf| is_due(file, policy) && rotate(file, policy.files_max).is_ok();
    files.iter().filter(is_rotated).count() > 0
}

fn numbered(file: &Path, number: u32) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(format!(".{number}"));
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
        assert_eq!(fs::read_to_string(numbered(&file, 1)).unwrap(), "fourth");
        assert_eq!(fs::read_to_string(numbered(&file, 2)).unwrap(), "third");
        assert!(!numbered(&file, 3).exists());
        rotate(&file, 2).unwrap();
        assert!(numbered(&file, 1).exists(), "a file that is not there moves nothing");
    }
}
