//! The memory that all workers of an app share: a file beside the supervisor's socket.
//!
//! It is an array of numbers and nothing else, each changed by compare-and-swap alone, so there is
//! no lock that a dying worker could keep and no record that could be half written. The version is
//! part of the file's name: workers of two versions share nothing instead of misreading each other.
//! A file that is not exactly as we make it is replaced.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering::Acquire, Ordering::Relaxed, Ordering::Release};

use memmap2::MmapRaw;
use nix::fcntl::{Flock, FlockArg};
use nix::libc;
use uuid::Uuid;

use super::table::{WORDS, head};

/// The layout of the numbers; a change of it raises this, and `table` says what it is.
const VERSION: u64 = 1;
/// What a file of ours begins with.
const MAGIC: u64 = u64::from_le_bytes(*b"mcpquota");
const BYTES: usize = WORDS * size_of::<u64>();
/// How often another process may replace the file while we open it.
const TRIES: usize = 5;

/// The numbers, shared with other processes or not.
#[derive(Debug)]
pub(super) enum Memory {
    Shared(MmapRaw),
    Own(Box<[AtomicU64]>),
}

impl Memory {
    /// Numbers of this process alone.
    pub(super) fn own() -> Memory {
        let words: Box<[AtomicU64]> = (0..WORDS).map(|_| AtomicU64::new(0)).collect();
        words[head::SEED].store(random(), Relaxed);
        Memory::Own(words)
    }

    /// The numbers of all workers of this app; made by whoever comes first. Blocks while another
    /// one makes them.
    pub(super) fn shared(directory: &Path, app: &str) -> io::Result<Memory> {
        DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        let path = directory.join(format!("{app}.v{VERSION}"));
        for _ in 0..TRIES {
            if let Some(memory) = Memory::open(&path)? {
                return Ok(memory);
            }
        }
        Err(io::Error::other(format!("{} is replaced again and again", path.display())))
    }

    /// `None` when the file was replaced under our hands, by us or another.
    fn open(path: &PathBuf) -> io::Result<Option<Memory>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .custom_flags(libc::O_NOFOLLOW | libc::O_CLOEXEC | libc::O_NONBLOCK)
            .open(path)?;
        // Only for the opening; a process that dies lets go of it.
        let file = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, errno)| errno)?;
        let about = file.metadata()?;
        if std::fs::metadata(path).map(|at| at.ino()).ok() != Some(about.ino()) {
            return Ok(None);
        }
        let own = nix::unistd::geteuid().as_raw();
        if !about.is_file() || about.uid() != own || about.mode() & 0o077 != 0 {
            let why = format!("{} is not a file that only user {own} can open", path.display());
            return Err(io::Error::new(io::ErrorKind::PermissionDenied, why));
        }
        if about.len() == 0 {
            make_room(&file)?;
        } else if about.len() != BYTES as u64 {
            std::fs::remove_file(path)?;
            return Ok(None);
        }
        let memory = Memory::Shared(MmapRaw::map_raw(&*file)?);
        if !memory.begin() {
            std::fs::remove_file(path)?;
            return Ok(None);
        }
        Ok(Some(memory))
    }

    /// Makes fresh numbers ready, and those of an earlier boot; false when they are not ours.
    fn begin(&self) -> bool {
        let words = self.words();
        let boot = boot();
        match words[head::MAGIC].load(Acquire) {
            0 => words[head::SEED].store(random(), Relaxed),
            MAGIC if words[head::BOOT].load(Relaxed) == boot => return true,
            // The clock began anew, and everybody who held a place is gone; days go on.
            MAGIC => super::table::forget_moments(words),
            _other => return false,
        }
        words[head::BOOT].store(boot, Relaxed);
        words[head::MAGIC].store(MAGIC, Release);
        true
    }

    /// All the numbers.
    pub(super) fn words(&self) -> &[AtomicU64] {
        match self {
            Memory::Own(words) => words,
            Memory::Shared(map) => {
                debug_assert_eq!(map.len(), BYTES);
                // SAFETY: the mapping is `BYTES` long (the file had that length when it was mapped)
                // and lives as long as `self`; it begins at a page, so it is aligned; any bits are
                // an AtomicU64; everybody who maps the file reads and writes it as such. Only its
                // owner could cut the file off, and we never do: it is removed, not truncated.
                #[expect(unsafe_code, reason = "mapped memory is known by its address alone")]
                unsafe {
                    std::slice::from_raw_parts(map.as_mut_ptr().cast::<AtomicU64>(), WORDS)
                }
            }
        }
    }
}

/// Gives the file its length, and blocks of the disk to go with it: a full disk is an error here,
/// not a signal later.
fn make_room(file: &File) -> io::Result<()> {
    let length = libc::off_t::try_from(BYTES).map_err(io::Error::other)?;
    let made = nix::fcntl::posix_fallocate(file, 0, length).map_err(io::Error::from);
    if made.is_err() {
        file.set_len(0)?;
    }
    made
}

/// Which boot of the machine this is; 0 when the kernel does not say.
fn boot() -> u64 {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    Uuid::parse_str(text.trim()).map_or(0, |boot| boot.as_u64_pair().0)
}

fn random() -> u64 {
    Uuid::new_v4().as_u64_pair().0
}
