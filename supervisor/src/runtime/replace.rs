//! A file is made or replaced as a whole, or stays as it was: nobody ever reads half of one.
//!
//! The new content is written beside it, under a name that nobody else has, and flushed before it
//! takes the name. Who may read the file is the caller's to say; nothing here knows what is in it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// What becomes of a file that has the name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and that is an error.
    Kept,
    /// It goes, and a symbolic link with it.
    Replaced,
}

/// Makes a file of our own with these rights, which the umask may narrow.
///
/// # Errors
/// When it cannot be written, or is there and to be kept; what is there is as it was then.
pub fn make_file(file: &Path, content: &[u8], mode: u32, existing: Existing) -> io::Result<()> {
    write(file, content, existing, mode, |_| Ok(()))
}

/// Makes or replaces a file that only its owner may read, who is that of the directory.
///
/// # Errors
/// When it cannot be written; what is there is as it was then.
pub(crate) fn make_private_file(file: &Path, content: &[u8]) -> io::Result<()> {
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    let about = fs::metadata(directory.unwrap_or(Path::new(".")))?;
    write(file, content, Existing::Replaced, 0o600, |new| {
        if new.metadata()?.uid() == about.uid() {
            return Ok(());
        }
        fchown(new, Some(about.uid()), Some(about.gid()))
    })
}

/// Replaces somebody's file by one of the same owner and rights. A symbolic link stays, and what
/// it leads to is replaced.
///
/// # Errors
/// When it cannot be written; it is as it was then.
pub fn replace_in_kind(file: &Path, content: &[u8]) -> io::Result<()> {
    let file = file.canonicalize()?;
    let about = fs::metadata(&file)?;
    write(&file, content, Existing::Replaced, 0o600, |new| {
        let ours = new.metadata()?;
        if (ours.uid(), ours.gid()) != (about.uid(), about.gid()) {
            fchown(new, Some(about.uid()), Some(about.gid()))?;
        }
        new.set_permissions(about.permissions())
    })
}

/// `prepare` is called for the new file before anything is in it.
fn write(
    file: &Path,
    content: &[u8],
    existing: Existing,
    mode: u32,
    prepare: impl FnOnce(&File) -> io::Result<()>,
) -> io::Result<()> {
    let (unfinished, mut new) = beside(file, mode)?;
    let finished = prepare(&new)
        .and_then(|()| new.write_all(content))
        .and_then(|()| new.sync_all())
        .and_then(|()| take_name(&unfinished, file, existing));
    if finished.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    finished?;
    // The new name itself must outlive a power cut.
    let directory = file.parent().filter(|parent| !parent.as_os_str().is_empty());
    match File::open(directory.unwrap_or(Path::new(".")))?.sync_all() {
        // Some file systems cannot be asked that of a directory.
        Err(error) if error.kind() == ErrorKind::InvalidInput => Ok(()),
        synced => synced,
    }
}

/// An empty file in the same directory. What a writer that was killed left there is passed over,
/// for the next process may well have its number.
fn beside(file: &Path, mode: u32) -> io::Result<(PathBuf, File)> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true).mode(mode);
    let mut attempt = 0u32;
    loop {
        let mut name = OsString::from(".");
        name.push(file.file_name().unwrap_or_default());
        name.push(format!(".{}-{attempt}.new", std::process::id()));
        let unfinished = file.with_file_name(name);
        match options.open(&unfinished) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => attempt += 1,
            opened => return opened.map(|new| (unfinished, new)),
        }
    }
}

fn take_name(unfinished: &Path, file: &Path, existing: Existing) -> io::Result<()> {
    match existing {
        Existing::Replaced => fs::rename(unfinished, file),
        // Unlike a rename, a link never takes the place of what is there.
        Existing::Kept => match fs::hard_link(unfinished, file) {
            Ok(()) => {
                let _ = fs::remove_file(unfinished);
                Ok(())
            }
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Err(error),
            // Some file systems have no links.
            Err(_) => fs::rename(unfinished, file),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{PermissionsExt, symlink};

    #[test]
    fn a_replaced_file_keeps_its_rights_and_the_links_to_it() {
        let directory = tempfile::tempdir().unwrap();
        let (file, link) = (directory.path().join("real"), directory.path().join("link"));
        fs::write(&file, "old").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o604)).unwrap();
        symlink("real", &link).unwrap();
        replace_in_kind(&link, b"new").unwrap();
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&file).unwrap(), "new");
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777, 0o604);
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2, "something is left");
        assert!(replace_in_kind(&directory.path().join("absent"), b"").is_err());
    }

    #[test]
    fn a_file_that_is_there_is_kept_or_replaced_and_nothing_is_left_beside_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        make_file(&file, b"one", 0o640, Existing::Kept).unwrap();
        assert_eq!(fs::metadata(&file).unwrap().mode() & 0o777 & !0o640, 0);
        let refused = make_file(&file, b"two", 0o640, Existing::Kept).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::AlreadyExists);
        assert_eq!(fs::read_to_string(&file).unwrap(), "one");
        // Left by one that was killed and had our number.
        let (left, _) = beside(&file, 0o600).unwrap();
        make_file(&file, b"three", 0o600, Existing::Replaced).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "three");
        fs::remove_file(left).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "something is left");
        assert!(make_file(&directory.path().join("no/file"), b"", 0o600, Existing::Kept).is_err());
    }
}
