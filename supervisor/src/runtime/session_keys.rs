//! The keys that clients' session ids are sealed with: `session-keys` in the state directory.
//!
//! Any worker of the house opens what any other sealed, before and after a restart, so the keys
//! outlive everybody: they are in a file that nobody else may read, and are in it before anybody
//! seals with them. A key that is too old gets a successor and opens for as long again what it
//! sealed. A file that cannot be trusted is put aside and said aloud; sessions end with it.

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_protocol::relay::{KEY_LIFE, SealingKey, SealingKeys};
use serde::{Deserialize, Serialize};
use tokio::sync::mpsc;

use crate::runtime::clock::{pause, since_epoch};
use crate::runtime::news::News;
use crate::runtime::state;

/// The name of the file in the state directory.
pub(crate) const FILE_NAME: &str = "session-keys";
/// The form of the file that is written and understood.
const VERSION: u32 = 1;
/// A longer file is not ours.
const FILE_BYTES_MAX: u64 = 64 * 1024;
/// How often at least it is asked whether a key is too old: a machine that slept, or whose clock
/// was set, shows it no sooner.
const LOOK_EVERY: Duration = Duration::from_secs(60 * 60);
/// A key that was made later than this from now was made by another clock.
const CLOCK_SLACK: Duration = Duration::from_secs(24 * 60 * 60);

/// The file's form. Foreign keys mean a foreign file.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    /// Of the keys, so that a flipped bit does not end every session without a word.
    checksum: String,
    keys: SealingKeys,
}

/// The keys of an earlier supervisor, or new ones. Says aloud what is wrong with the file.
pub(crate) fn open(directory: &Path) -> io::Result<SealingKeys> {
    let file = directory.join(FILE_NAME);
    match read(&file) {
        Ok(Some(keys)) => return Ok(keys),
        Ok(None) => {}
        Err(why) => {
            let place = state::put_aside(&file);
            tracing::error!(
                "cannot use `{}`: {why}; {place}. New keys are made, so the sessions of all \
                 clients end: they have to begin new ones",
                file.display()
            );
        }
    }
    let keys = SealingKeys { current: new_key(1)?, previous: None };
    if let Err(error) = write(&file, &keys) {
        tracing::error!(
            "cannot write `{}`: {error}; the sessions of all clients end when the supervisor does",
            file.display()
        );
    }
    Ok(keys)
}

/// Gives keys that are too old a successor, for ever, and tells the loop.
pub(crate) async fn renew(directory: PathBuf, mut keys: SealingKeys, inbox: mpsc::Sender<News>) {
    let file = directory.join(FILE_NAME);
    loop {
        let now = since_epoch();
        let due_in = Duration::from_secs(keys.current.made_at) + KEY_LIFE;
        let due_in = due_in.saturating_sub(now).max(Duration::from_secs(1));
        let Some(next) = next(&keys, now.as_secs()) else {
            pause(due_in.min(LOOK_EVERY)).await;
            continue;
        };
        match keep(&file, next).await {
            Ok(next) => {
                tracing::info!(key = next.current.id, "session ids are sealed with a new key");
                keys = next;
                if inbox.send(News::KeysRenewed(keys.clone())).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::error!(
                    "cannot write `{}`: {error}; session ids are sealed with the old key until it \
                     can be written: make room, or mend the rights of supervisor.state_directory",
                    file.display()
                );
                pause(LOOK_EVERY).await;
            }
        }
    }
}

async fn keep(file: &Path, keys: io::Result<SealingKeys>) -> io::Result<SealingKeys> {
    let (file, keys) = (file.to_owned(), keys?);
    let writing = tokio::task::spawn_blocking(move || write(&file, &keys).map(|()| keys));
    writing.await.map_err(io::Error::other)?
}

/// The keys that come after these, when it is time: a new one, and the last one to open with. A
/// key from the future, where the clock was set back, counts from now on.
fn next(keys: &SealingKeys, now: u64) -> Option<io::Result<SealingKeys>> {
    let current = &keys.current;
    if current.made_at > now + CLOCK_SLACK.as_secs() {
        let current = SealingKey { made_at: now, ..current.clone() };
        return Some(Ok(SealingKeys { current, previous: keys.previous.clone() }));
    }
    if now.saturating_sub(current.made_at) < KEY_LIFE.as_secs() {
        return None;
    }
    // 0 is the number of no key.
    let id = current.id.checked_add(1).unwrap_or(1);
    let next = new_key(id).map(|key| SealingKey { made_at: now, ..key });
    Some(next.map(|new| SealingKeys { current: new, previous: Some(current.clone()) }))
}

fn new_key(id: u8) -> io::Result<SealingKey> {
    let mut bytes = [0; 32];
    File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    let key = SealingKey::new(id, &bytes, since_epoch().as_secs());
    Ok(key)
}

/// The keys in the file; none when there is no file.
fn read(file: &Path) -> Result<Option<SealingKeys>, String> {
    let opened = match File::open(file) {
        Ok(opened) => opened,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.to_string()),
    };
    let about = opened.metadata().map_err(|error| error.to_string())?;
    let mode = about.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(format!("others may have read it (mode {mode:04o}, and 0600 is needed)"));
    }
    let own = nix::unistd::geteuid().as_raw();
    if about.uid() != own && about.uid() != 0 {
        return Err(format!("it belongs to user {}, not to user {own}", about.uid()));
    }
    let mut text = String::new();
    opened.take(FILE_BYTES_MAX).read_to_string(&mut text).map_err(|error| error.to_string())?;
    // What serde says may repeat what stands in the file.
    let damaged = || "it was damaged, or changed by hand".to_owned();
    let document: Document = serde_json::from_str(&text).map_err(|_| damaged())?;
    if document.version != VERSION {
        return Err(format!("its version is {}, and {VERSION} is understood", document.version));
    }
    let keys = document.keys;
    let whole = std::iter::once(&keys.current).chain(&keys.previous);
    let whole = whole.into_iter().all(|key| key.bytes().is_some());
    if !whole || checksum(&keys).map_err(|_| damaged())? != document.checksum {
        return Err(damaged());
    }
    Ok(Some(keys))
}

fn write(file: &Path, keys: &SealingKeys) -> io::Result<()> {
    let checksum = checksum(keys).map_err(io::Error::other)?;
    let document = Document { version: VERSION, checksum, keys: keys.clone() };
    let mut text = serde_json::to_vec_pretty(&document).map_err(io::Error::other)?;
    text.push(b'\n');
    state::keep(file, &text, 0o600)
}

fn checksum(keys: &SealingKeys) -> Result<String, serde_json::Error> {
    Ok(format!("{:016x}", crate::config::fnv_1a(&serde_json::to_vec(keys)?)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    const NOW: u64 = 1_800_000_000;
    const DAY: u64 = 24 * 60 * 60;

    fn keys() -> SealingKeys {
        let key = |id: u8, made_at| SealingKey::new(id, &[id; 32], made_at);
        SealingKeys { current: key(2, NOW), previous: Some(key(1, NOW - 31 * DAY)) }
    }

    #[test]
    fn the_keys_of_the_first_start_come_back_and_nobody_else_may_read_them() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("deep/state");
        let first = open(&state).unwrap();
        assert_eq!(open(&state).unwrap(), first);
        assert_ne!(open(directory.path()).unwrap().current.secret, first.current.secret);
        let mode = fs::metadata(state.join(FILE_NAME)).unwrap().mode() & 0o777;
        assert_eq!(mode, 0o600);
    }

    #[test]
    fn a_key_is_replaced_after_its_life_and_opens_for_as_long_again() {
        let keys = keys();
        let life = KEY_LIFE.as_secs();
        assert!(next(&keys, NOW).is_none() && next(&keys, NOW + life - 1).is_none());
        let after = next(&keys, NOW + life).unwrap().unwrap();
        assert_eq!(after.previous.as_ref(), Some(&keys.current));
        assert_eq!((after.current.id, after.current.made_at), (3, NOW + life));
        assert!(next(&after, NOW + 2 * life - 1).is_none());
        let last = SealingKey { id: 255, ..keys.current };
        let wrapped = next(&SealingKeys { current: last, previous: None }, NOW + life);
        assert_eq!(wrapped.unwrap().unwrap().current.id, 1, "0 is no key");
    }

    #[test]
    fn a_key_from_the_future_is_no_younger_than_now() {
        let keys = keys();
        assert!(next(&keys, NOW - DAY).is_none(), "clocks are set by seconds all the time");
        let dated = next(&keys, NOW - 2 * DAY).unwrap().unwrap();
        assert_eq!(dated.current.made_at, NOW - 2 * DAY);
        assert_eq!(dated.current.secret, keys.current.secret);
        assert_eq!(dated.previous, keys.previous);
    }

    #[test]
    fn a_damaged_file_is_refused_without_a_word_of_what_is_in_it() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE_NAME);
        write(&file, &keys()).unwrap();
        let whole = fs::read(&file).unwrap();
        let holds = |bytes: &[u8]| {
            fs::write(&file, bytes).unwrap();
            match read(&file) {
                Ok(read) => assert_eq!(read, Some(keys())),
                Err(why) => assert!(!why.contains(keys().current.secret.expose()), "{why}"),
            }
        };
        (0..whole.len()).for_each(|length| holds(&whole[..length]));
        for bit in 0..whole.len() * 8 {
            let mut flipped = whole.clone();
            flipped[bit / 8] ^= 1 << (bit % 8);
            holds(&flipped);
        }
    }

    #[test]
    fn a_file_that_cannot_be_trusted_is_put_aside() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(FILE_NAME);
        let aside = directory.path().join("session-keys.broken");
        let first = open(directory.path()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).unwrap();
        assert!(read(&file).unwrap_err().contains("mode 0640"));
        let second = open(directory.path()).unwrap();
        assert_ne!(first.current.secret, second.current.secret);
        assert!(aside.exists());
        fs::write(&file, "{}").unwrap();
        let third = open(directory.path()).unwrap();
        assert_ne!(second.current.secret, third.current.secret);
        assert_eq!(open(directory.path()).unwrap(), third);
    }

    #[tokio::test]
    async fn a_key_that_is_too_old_is_in_the_file_before_the_loop_hears_of_its_successor() {
        let directory = tempfile::tempdir().unwrap();
        let mut old = keys();
        old.current.made_at = since_epoch().as_secs() - KEY_LIFE.as_secs();
        let (inbox, mut news) = mpsc::channel(1);
        let renewing = tokio::spawn(renew(directory.path().to_owned(), old.clone(), inbox));
        let Some(News::KeysRenewed(renewed)) = news.recv().await else {
            panic!("the loop is told")
        };
        assert_eq!(renewed.previous, Some(old.current));
        assert_eq!(read(&directory.path().join(FILE_NAME)), Ok(Some(renewed)));
        renewing.abort();
    }
}
