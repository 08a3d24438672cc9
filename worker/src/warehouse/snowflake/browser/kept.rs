//! What a person's login left, for all workers of the machine: a token in a file of its own.
//!
//! The file is named after account, user and the place that gave the token, so that it is shown
//! nowhere else; nobody but its owner may read it. Beside it lies a lock: one person logs in at a
//! time, and whoever comes meanwhile is shown the page that is open already.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use mcp_protocol::hexadecimal::hex;
use mcp_protocol::secret::Secret;
use nix::fcntl::{Flock, FlockArg, OFlag};
use ring::digest;

use super::NotLoggedIn;
use crate::warehouse::snowflake::account::Endpoint;

/// The longest token that is read, in bytes.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;
/// How many bytes of a digest name a file.
const NAME_BYTES: usize = 8;

/// The place of one user's token.
#[derive(Debug, Clone)]
pub(in crate::warehouse::snowflake) struct Kept {
    /// Without an ending.
    path: PathBuf,
}

/// Whose turn it is to log in.
pub(super) enum Turn {
    Ours(Flock<File>),
    /// Somebody else's, at this page.
    Theirs(String),
}

impl Kept {
    pub(in crate::warehouse::snowflake) fn new(
        directory: &Path,
        endpoint: &Endpoint,
        user: &str,
    ) -> Kept {
        let parts = [endpoint.url("/").to_string(), endpoint.account.clone(), user.to_owned()];
        let parts = parts.map(|part| part.to_uppercase());
        let whole: String = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
        let digest = digest::digest(&digest::SHA256, whole.as_bytes());
        Kept { path: directory.join(hex(&digest.as_ref()[..NAME_BYTES])) }
    }

    fn file(&self, ending: &str) -> PathBuf {
        self.path.with_extension(ending)
    }

    /// The token, if somebody logged in. A file that others could have written or read is none.
    pub(in crate::warehouse::snowflake) fn token(&self) -> Option<Secret> {
        let path = self.file("token");
        let file = OpenOptions::new()
            .read(true)
            .custom_flags(OFlag::O_NOFOLLOW.bits())
            .open(&path)
            .ok()?;
        let metadata = file.metadata().ok()?;
        let is_private = metadata.uid() == nix::unistd::geteuid().as_raw()
            && metadata.mode() & 0o077 == 0
            && metadata.is_file();
        if !is_private {
            let file = path.display();
            tracing::warn!(%file, "a kept login is open to others and not used; log in again");
            return None;
        }
        let mut text = String::new();
        file.take(TOKEN_BYTES_MAX).read_to_string(&mut text).ok()?;
        Some(Secret::new(text)).filter(|token| !token.expose().is_empty())
    }

    /// Replaces the token at once, so that nobody reads half of one.
    pub(in crate::warehouse::snowflake) fn keep(&self, token: &Secret) -> Result<(), NotLoggedIn> {
        let path = self.file("token");
        let unwritten = |source| NotLoggedIn::Keep { file: path.clone(), source };
        self.make_directory().map_err(unwritten)?;
        let fresh = self.file(&format!("{}.new", uuid::Uuid::new_v4().simple()));
        let mut options = OpenOptions::new();
        let opened = options.write(true).create_new(true).mode(0o600).open(&fresh);
        let written = opened.and_then(|mut file| {
            file.write_all(token.expose().as_bytes())?;
            file.sync_data()
        });
        let kept = written.and_then(|()| fs::rename(&fresh, &path));
        if kept.is_err() {
            let _ = fs::remove_file(&fresh);
        }
        kept.map_err(unwritten)
    }

    /// Lets go of a token that is not good any more, unless there is another one by now.
    pub(in crate::warehouse::snowflake) fn forget(&self, token: &Secret) {
        if self.token().is_some_and(|kept| kept == *token) {
            let _ = fs::remove_file(self.file("token"));
        }
    }

    /// Takes the turn to log in, if nobody has it.
    pub(super) fn turn(&self) -> Result<Turn, NotLoggedIn> {
        let path = self.file("lock");
        let unusable = |source| NotLoggedIn::Keep { file: path.clone(), source };
        self.make_directory().map_err(unusable)?;
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let file = options.open(&path).map_err(unusable)?;
        Ok(match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut lock) => {
                let _ = lock.set_len(0);
                let _ = lock.rewind();
                Turn::Ours(lock)
            }
            Err((mut file, _)) => {
                let mut address = String::new();
                let _ = file.read_to_string(&mut address);
                let unknown = "a page that is not known yet".to_owned();
                Turn::Theirs(if address.is_empty() { unknown } else { address })
            }
        })
    }

    /// Tells those who come meanwhile which page is open.
    pub(super) fn tell(&self, lock: &mut File, address: &str) {
        if let Err(error) = lock.write_all(address.as_bytes()) {
            tracing::debug!(%error, "cannot tell which page is open");
        }
    }

    fn make_directory(&self) -> io::Result<()> {
        let directory = self.path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new().recursive(true).mode(0o700).create(directory)
    }
}
