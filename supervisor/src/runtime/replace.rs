//! A file is replaced as a whole, or stays as it was: nobody ever reads half of one.
//!
//! The new content is written beside it and flushed before it takes the name. Who may read the
//! file is the caller's to say; nothing here knows what is in it.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

/// Makes or replaces a file of our own, with these rights.
pub fn replace(file: &Path, content: &[u8], mode: u32) -> io::Result<()> {
    let mut unfinished = file.as_os_str().to_owned();
    unfinished.push(".new");
    let unfinished = PathBuf::from(unfinished);
    let new =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&unfinished)?;
    finish(&new, &unfinished, file, content)
}

/// Replaces somebody's file by one of the same owner and rights. A symbolic link stays, and what
/// it leads to is replaced.
///
/// # Errors
/// When it cannot be written; it is as it was then.
pub fn replace_in_kind(file: &Path, content: &[u8]) -> io::Result<()> {
    let file = file.canonicalize()?;
    let about = fs::metadata(&file)?;
    let mut name = OsString::from(".");
    name.push(file.file_name().unwrap_or_default());
    name.push(format!(".{}.new", std::process::id()));
    let unfinished = file.with_file_name(name);
    let new = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
    let replaced = (|| {
        let ours = new.metadata()?;
        if (ours.uid(), ours.gid()) != (about.uid(), about.gid()) {
            fchown(&new, Some(about.uid()), Some(about.gid()))?;
        }
        new.set_permissions(about.permissions())?;
        finish(&new, &unfinished, &file, content)
    })();
    if replaced.is_err() {
        let _ = fs::remove_file(&unfinished);
    }
    replaced
}

fn finish(mut new: &File, unfinished: &Path, file: &Path, content: &[u8]) -> io::Result<()> {
    new.write_all(content)?;
    new.sync_all()?;
    fs::rename(unfinished, file)?;
    // The new name itself must outlive a power cut.
    File::open(file.parent().unwrap_or(Path::new("/")))?.sync_all()
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
}
