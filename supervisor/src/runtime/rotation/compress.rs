//! One rotated file becomes a compressed one, and is never lost on the way.
//!
//! The compressed file is whole and on the disk before it has its name, and the plain one goes
//! only after that: whenever we end in between, the plain one is still there and holds.
//!
//! A worker goes on writing to a renamed file until it opens the new one. So a file is left alone
//! while anybody has it open for writing, before and after it was read. The kernel knows: it gives
//! a lease for reading only when nobody has.

#![expect(unsafe_code, reason = "leases of files have no safe wrapper")]

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{MetadataExt, PermissionsExt, fchown};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::{COMPRESSED, Count, UNFINISHED, hold_names, numbered, open_plain, remove, with_ending};
use crate::runtime::clock::since_epoch;

/// How hard it is tried. More takes more memory and time, for little.
const LEVEL: i32 = 3;
/// How much is read at once.
const BLOCK_BYTES: usize = 128 * 1024;
/// Where the kernel cannot tell who writes, a file that was left alone for so long is finished.
const QUIET: Duration = Duration::from_secs(60);
/// `F_SETSIG`, which the libc crate does not name everywhere.
const SET_SIGNAL: i32 = 10;

/// What became of a file.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is compressed, or not there any more.
    Done,
    /// Somebody may still write to it.
    Held,
    /// We are to end.
    Stopped,
}

/// Compresses a rotated file of a series, whatever its number is by then.
pub(super) fn compress(
    series: &Path,
    plain: &Path,
    stop: &AtomicBool,
    count: &Count,
) -> io::Result<Outcome> {
    let source = match open_plain(OpenOptions::new().read(true), plain) {
        Ok(source) => source,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Outcome::Done),
        Err(error) => return Err(error),
    };
    if !is_finished(&source)? {
        return Ok(Outcome::Held);
    }
    let part = with_ending(series, UNFINISHED);
    let outcome = written(&source, &part, stop).and_then(|outcome| match outcome {
        Outcome::Done => publish(series, &source, &part, count),
        Outcome::Held | Outcome::Stopped => Ok(outcome),
    });
    // It has another name when all went well.
    remove(&part)?;
    outcome
}

/// Writes the compressed file, and waits until the disk has it.
fn written(mut source: &File, part: &Path, stop: &AtomicBool) -> io::Result<Outcome> {
    let about = source.metadata()?;
    remove(part)?;
    let mut options = OpenOptions::new();
    let file = open_plain(options.write(true).create_new(true), part)?;
    file.set_permissions(fs::Permissions::from_mode(about.permissions().mode() & 0o666))?;
    // Whose a worker's log is matters to whoever may read it; without rights it is ours already.
    let _ = fchown(&file, Some(about.uid()), Some(about.gid()));
    let mut encoder = zstd::stream::write::Encoder::new(&file, LEVEL)?;
    encoder.include_checksum(true)?;
    let mut block = vec![0u8; BLOCK_BYTES];
    let mut length = 0;
    loop {
        if stop.load(Ordering::Relaxed) {
            return Ok(Outcome::Stopped);
        }
        let count = source.read(&mut block)?;
        if count == 0 {
            break;
        }
        encoder.write_all(&block[..count])?;
        length += count as u64;
    }
    encoder.finish()?;
    file.set_modified(about.modified()?)?;
    file.sync_all()?;
    let is_whole = is_finished(source)? && source.metadata()?.len() == length;
    Ok(if is_whole { Outcome::Done } else { Outcome::Held })
}

/// Puts the compressed file in the place of the plain one.
fn publish(series: &Path, source: &File, part: &Path, count: &Count) -> io::Result<Outcome> {
    let about = source.metadata()?;
    let packed_bytes = fs::metadata(part)?.len();
    {
        let _names = hold_names();
        let Some(number) = number_of(series, &about)? else { return Ok(Outcome::Done) };
        fs::rename(part, numbered(series, number, COMPRESSED))?;
    }
    // Its name must outlast a power cut before the plain file goes.
    File::open(series.parent().unwrap_or(Path::new(".")))?.sync_all()?;
    let _names = hold_names();
    // The series may have moved on meanwhile, and then the plain file alone.
    if let Some(number) = number_of(series, &about)?
        && numbered(series, number, COMPRESSED).exists()
    {
        remove(&numbered(series, number, ""))?;
        count.packed_from_bytes.add(about.len());
        count.packed_to_bytes.add(packed_bytes);
        return Ok(Outcome::Done);
    }
    Ok(Outcome::Held)
}

/// The number that a plain file has now.
fn number_of(series: &Path, about: &Metadata) -> io::Result<Option<u32>> {
    let is_it = |path: &Path| {
        fs::symlink_metadata(path)
            .is_ok_and(|named| (named.dev(), named.ino()) == (about.dev(), about.ino()))
    };
    let rotated = super::rotated(series)?;
    Ok(rotated.iter().find(|one| !one.compressed && is_it(&one.path)).map(|one| one.number))
}

/// Whether nobody can write to a file any more who has it open.
fn is_finished(file: &File) -> io::Result<bool> {
    if let Some(has_writers) = has_writers(file) {
        return Ok(!has_writers);
    }
    let written = file.metadata()?.modified()?;
    let written = written.duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Ok(since_epoch().saturating_sub(written) >= QUIET)
}

/// Whether anybody has a file open for writing; none where the kernel cannot tell.
fn has_writers(file: &File) -> Option<bool> {
    let number = file.as_raw_fd();
    // SAFETY: calls on an open descriptor, with numbers alone. Whoever opens the file for writing
    // while we have the lease breaks it, and we are told by a signal: SIGURG, which is ignored
    // unless one asks for it. The lease is given back at once.
    unsafe {
        libc::fcntl(number, SET_SIGNAL, libc::SIGURG);
        if libc::fcntl(number, libc::F_SETLEASE, libc::F_RDLCK) == 0 {
            libc::fcntl(number, libc::F_SETLEASE, libc::F_UNLCK);
            return Some(false);
        }
    }
    (io::Error::last_os_error().raw_os_error() == Some(libc::EAGAIN)).then_some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    static GO: AtomicBool = AtomicBool::new(false);

    #[test]
    fn a_file_is_compressed_once_nobody_writes_to_it_any_more() {
        let directory = tempfile::tempdir().unwrap();
        let series = directory.path().join("a.log");
        let plain = numbered(&series, 2, "");
        let mut writer = File::create(&plain).unwrap();
        let text: String = (0..50_000).map(|number| format!("line {number}\n")).collect();
        writer.write_all(text.as_bytes()).unwrap();
        assert_eq!(compress(&series, &plain, &GO, &Count::default()).unwrap(), Outcome::Held);
        assert!(plain.exists());
        writer.write_all(b"the last one\n").unwrap();
        let reader = File::open(&plain).unwrap();
        reader.set_permissions(fs::Permissions::from_mode(0o604)).unwrap();
        let stamp = reader.metadata().unwrap().modified().unwrap();
        drop(writer);
        assert_eq!(compress(&series, &plain, &GO, &Count::default()).unwrap(), Outcome::Done);
        let compressed = numbered(&series, 2, COMPRESSED);
        let file = File::open(&compressed).unwrap();
        assert_eq!(file.metadata().unwrap().modified().unwrap(), stamp, "its age is kept");
        assert!(file.metadata().unwrap().len() < text.len() as u64 / 3);
        let said = String::from_utf8(zstd::decode_all(file).unwrap()).unwrap();
        assert!(said == text + "the last one\n");
        let mode = fs::metadata(&compressed).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o604, "who may read it stays");
        let whole = fs::read(&compressed).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 50) {
            let mut damaged = whole.clone();
            damaged[at] ^= 1;
            let read = zstd::decode_all(&damaged[..]);
            assert!(read.is_err() || read.is_ok_and(|read| read == said.as_bytes()), "{at}");
        }
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing else is left");
    }

    #[test]
    fn one_that_is_stopped_or_moved_leaves_the_plain_file() {
        let directory = tempfile::tempdir().unwrap();
        let series = directory.path().join("a.log");
        let plain = numbered(&series, 2, "");
        fs::write(&plain, "line\n").unwrap();
        let stop = AtomicBool::new(true);
        assert_eq!(compress(&series, &plain, &stop, &Count::default()).unwrap(), Outcome::Stopped);
        let files = || {
            let entries = fs::read_dir(directory.path()).unwrap().flatten();
            let mut names: Vec<_> = entries.map(|one| one.file_name()).collect();
            names.sort();
            names
        };
        assert_eq!(files(), ["a.log.2"]);
        // The series moves on between the two looks at it.
        let source = File::open(&plain).unwrap();
        let part = with_ending(&series, UNFINISHED);
        assert_eq!(written(&source, &part, &GO).unwrap(), Outcome::Done);
        fs::rename(&plain, numbered(&series, 5, "")).unwrap();
        assert_eq!(publish(&series, &source, &part, &Count::default()).unwrap(), Outcome::Done);
        assert_eq!(files(), ["a.log.5.zst"]);
    }
}
