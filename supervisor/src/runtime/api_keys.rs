//! API keys of clients: made, revoked and rotated in `api-keys.json` by whoever types it, and
//! written down in `audit.log`.
//!
//! A key itself passes through here once, on its way to the one who asked for it; the file has its
//! hash. The file is replaced as a whole, by one writer at a time, and belongs to whoever owns the
//! directory, so that root can make a key for a service with a user of its own.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_protocol::api_key;
use mcp_protocol::control::Target;
use mcp_protocol::logs::Channel;
use mcp_protocol::secret::Secret;
use nix::fcntl::{Flock, FlockArg};
use ring::digest;
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::{Value, json};

use crate::config::{KEY_FILE_NAME, StoredKey, parse_keys, render_keys};
use crate::runtime::clock::{in_time, pause, since_epoch};
use crate::runtime::operator::{AskError, block_on, describe};
use crate::runtime::replace::make_private_file;

/// Who calls what, and who made keys for whom.
pub const AUDIT_LOG: &str = Channel::Audit.file();
/// How long a running supervisor may take to take a change in.
const TAKEN_IN_WITHIN: Duration = Duration::from_secs(6);
/// How often to look whether it did.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Keys that ended or were revoked so long ago are forgotten, in seconds.
const FORGOTTEN_AFTER_S: u64 = 90 * 24 * 60 * 60;

/// Why there is no answer about keys.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// The file or its directory cannot be used.
    #[error("cannot {operation} `{}`", path.display())]
    File {
        /// What failed.
        operation: &'static str,
        /// What it failed with.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not what it should be.
    #[error("cannot use `{}`: {why}; put a copy of it back, or remove it and make keys anew", path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// There is no such key.
    #[error("there is no key {id}; `mcp-supervisor client key list` shows those there are")]
    Unknown {
        /// What was asked for.
        id: String,
    },
    /// It has been revoked already, or has ended.
    #[error("key {id} {how} already")]
    Over {
        /// The key.
        id: String,
        /// What became of it.
        how: &'static str,
    },
    /// The system gives no random numbers.
    #[error("the system gives no random numbers, so no key can be made")]
    Random,
}

/// The keys that were made; none when there is no file.
///
/// # Errors
/// When the file cannot be read, or is not what it should be.
pub fn stored_keys(state_directory: &Path) -> Result<Vec<StoredKey>, KeyError> {
    let path = state_directory.join(KEY_FILE_NAME);
    let mut text = String::new();
    let read = File::open(&path).and_then(|mut file| file.read_to_string(&mut text));
    match read {
        Ok(_) => parse_keys(&text).map_err(|why| KeyError::Foreign { path, why }),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(KeyError::File { operation: "read", path, source }),
    }
}

/// Makes a key for a client.
///
/// # Errors
/// See [`KeyError`].
pub fn create_key(
    state_directory: &Path,
    client: &str,
    (name, lifetime): (Option<String>, Option<Duration>),
) -> Result<(StoredKey, Secret), KeyError> {
    change(state_directory, |keys| {
        let (key, secret) = fresh(keys, client, name)?;
        let key = StoredKey { expires_at: lifetime.map(after_now), ..key };
        keys.push(key.clone());
        Ok((key, secret))
    })
}

/// Revokes a key.
///
/// # Errors
/// See [`KeyError`].
pub fn revoke_key(state_directory: &Path, id: &str) -> Result<StoredKey, KeyError> {
    change(state_directory, |keys| {
        let key = living(keys, id)?;
        key.revoked_at = Some(now());
        Ok(key.clone())
    })
}

/// Makes another key for the client of this one, which ends after a grace; the old one comes
/// first.
///
/// # Errors
/// See [`KeyError`].
pub fn rotate_key(
    state_directory: &Path,
    id: &str,
    (grace, lifetime): (Duration, Option<Duration>),
) -> Result<(StoredKey, StoredKey, Secret), KeyError> {
    change(state_directory, |keys| {
        let old = living(keys, id)?;
        let planned = old.expires_at.map(|end| end.saturating_sub(old.created_at));
        let lifetime = lifetime.or(planned.map(Duration::from_secs));
        let end = after_now(grace);
        old.expires_at = Some(old.expires_at.map_or(end, |planned| planned.min(end)));
        let old = old.clone();
        let (key, secret) = fresh(keys, &old.client, old.name.clone())?;
        let key = StoredKey { expires_at: lifetime.map(after_now), ..key };
        keys.push(key.clone());
        Ok((old, key, secret))
    })
}

/// What a running supervisor is to know of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// That it is there.
    Known,
    /// Nothing any more.
    Unknown,
}

/// Waits until a running supervisor knows of a key what is wanted; `false` when it does not come to
/// it in time.
///
/// # Errors
/// When it cannot be asked.
pub fn taken_in(socket: &Path, id: &str, wanted: Wanted) -> Result<bool, AskError> {
    let deadline = in_time(TAKEN_IN_WITHIN);
    loop {
        let apps = describe(socket, Target::All)?;
        let mut rules = apps.iter().flat_map(|app| &app.rules);
        let is_known = rules.any(|(_, words)| words.contains(id));
        if is_known == (wanted == Wanted::Known) {
            return Ok(true);
        }
        if in_time(Duration::ZERO) > deadline {
            return Ok(false);
        }
        block_on(async {
            pause(LOOK_EVERY).await;
            Ok(())
        })?;
    }
}

/// Writes down what somebody did to a key.
///
/// # Errors
/// When the file cannot be written.
pub fn note_key_event(log_directory: &Path, event: &str, key: &StoredKey) -> Result<(), KeyError> {
    note_event(
        log_directory,
        json!({
            "event": event, "outcome": "ok", "client": key.client,
            "shown": format!("key {}", key.id), "by_uid": nix::unistd::getuid().as_raw(),
        }),
    )
}

/// Writes down what somebody did, with the time of now.
pub(crate) fn note_event(log_directory: &Path, event: Value) -> Result<(), KeyError> {
    let path = log_directory.join(AUDIT_LOG);
    let time = jiff::Timestamp::try_from(std::time::UNIX_EPOCH + since_epoch()).unwrap_or_default();
    let mut line = json!({ "timestamp": time.strftime("%Y-%m-%dT%H:%M:%S.%6fZ").to_string() });
    if let (Some(line), Value::Object(event)) = (line.as_object_mut(), event) {
        line.extend(event);
    }
    append(log_directory, &path, &format!("{line}\n")).map_err(|source| KeyError::File {
        operation: "write",
        path,
        source,
    })
}

fn append(directory: &Path, path: &Path, line: &str) -> io::Result<()> {
    make_directory(directory)?;
    let is_new = !path.exists();
    let mut options = OpenOptions::new();
    options.create(true).append(true).mode(0o640).custom_flags(libc::O_NOFOLLOW);
    let mut file = options.open(path)?;
    if is_new {
        given_to_owner_of(directory, &file)?;
    }
    file.write_all(line.as_bytes())
}

/// Changes the keys, one command at a time; nothing is written when the change fails.
fn change<T>(
    state_directory: &Path,
    change: impl FnOnce(&mut Vec<StoredKey>) -> Result<T, KeyError>,
) -> Result<T, KeyError> {
    let failed = |operation, path: &Path| {
        let path = path.to_owned();
        move |source| KeyError::File { operation, path, source }
    };
    make_directory(state_directory).map_err(failed("make", state_directory))?;
    let directory = File::open(state_directory).map_err(failed("open", state_directory))?;
    let _one = Flock::lock(directory, FlockArg::LockExclusive)
        .map_err(|(_, errno)| failed("lock", state_directory)(errno.into()))?;
    let mut keys = stored_keys(state_directory)?;
    let outcome = change(&mut keys)?;
    let over = |key: &StoredKey| key.revoked_at.or(key.expires_at);
    let long_ago = now().saturating_sub(FORGOTTEN_AFTER_S);
    keys.retain(|key| over(key).is_none_or(|end| end > long_ago));
    let path = state_directory.join(KEY_FILE_NAME);
    make_private_file(&path, &render_keys(&keys)).map_err(failed("write", &path))?;
    Ok(outcome)
}

fn make_directory(directory: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o750).create(directory)
}

/// Lets a file belong to whoever owns the directory, if we may.
fn given_to_owner_of(directory: &Path, file: &File) -> io::Result<()> {
    let (about, ours) = (fs::metadata(directory)?, file.metadata()?);
    if about.uid() == ours.uid() {
        return Ok(());
    }
    fchown(file, Some(about.uid()), Some(about.gid()))
}

/// A key that can still be shown.
fn living<'k>(keys: &'k mut [StoredKey], id: &str) -> Result<&'k mut StoredKey, KeyError> {
    let found = keys.iter_mut().find(|key| key.id == id);
    let key = found.ok_or_else(|| KeyError::Unknown { id: id.to_owned() })?;
    let over = |how| KeyError::Over { id: id.to_owned(), how };
    if key.revoked_at.is_some() {
        return Err(over("was revoked"));
    }
    if key.expires_at.is_some_and(|end| end <= now()) {
        return Err(over("has ended"));
    }
    Ok(key)
}

fn fresh(
    keys: &[StoredKey],
    client: &str,
    name: Option<String>,
) -> Result<(StoredKey, Secret), KeyError> {
    let random = SystemRandom::new();
    let (mut id, mut secret) = ([0; api_key::ID_BYTES], [0; api_key::SECRET_BYTES]);
    let id = loop {
        random.fill(&mut id).map_err(|_| KeyError::Random)?;
        let id = api_key::id(id);
        if keys.iter().all(|key| key.id != id) {
            break id;
        }
    };
    random.fill(&mut secret).map_err(|_| KeyError::Random)?;
    let text = api_key::text(&id, &secret);
    secret.fill(0);
    let mut sha256 = [0; 32];
    let sum = digest::digest(&digest::SHA256, text.expose().as_bytes());
    sha256.copy_from_slice(sum.as_ref());
    let key = StoredKey {
        id,
        client: client.to_owned(),
        name,
        sha256,
        created_at: now(),
        expires_at: None,
        revoked_at: None,
    };
    Ok((key, text))
}

fn now() -> u64 {
    since_epoch().as_secs()
}

fn after_now(time: Duration) -> u64 {
    since_epoch().saturating_add(time).as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_key_is_made_revoked_and_rotated_and_only_its_hash_is_kept() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().join("state");
        assert_eq!(stored_keys(&state).unwrap(), []);
        let hour = Duration::from_secs(3600);
        let named = (Some("laptop".to_owned()), Some(hour));
        let (key, secret) = create_key(&state, "assistant", named).unwrap();
        assert_eq!(api_key::id_of(secret.expose()), Ok(key.id.as_str()));
        let sum = digest::digest(&digest::SHA256, secret.expose().as_bytes());
        assert_eq!(sum.as_ref(), key.sha256);
        let file = state.join(KEY_FILE_NAME);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!fs::read_to_string(&file).unwrap().contains(&secret.expose()[20..40]));
        let (old, new, other) = rotate_key(&state, &key.id, (Duration::ZERO, None)).unwrap();
        assert!(old.expires_at.unwrap() <= now());
        assert_eq!((new.name.as_deref(), new.client.as_str()), (Some("laptop"), "assistant"));
        assert!(new.expires_at.unwrap() >= now() + 3590, "as long as the old one was to be");
        assert_ne!(secret.expose(), other.expose());
        let said = revoke_key(&state, &old.id).unwrap_err().to_string();
        assert!(said.contains("has ended already"), "{said}");
        assert!(revoke_key(&state, &new.id).unwrap().revoked_at.is_some());
        let said = revoke_key(&state, &new.id).unwrap_err().to_string();
        assert!(said.contains("was revoked already"), "{said}");
        assert!(matches!(revoke_key(&state, "abc"), Err(KeyError::Unknown { .. })));
        assert_eq!(stored_keys(&state).unwrap().len(), 2);
        assert_eq!(fs::read_dir(&state).unwrap().count(), 1, "something is left");
    }

    #[test]
    fn commands_at_the_same_time_take_turns() {
        let directory = tempfile::tempdir().unwrap();
        let state = directory.path().to_owned();
        let make = || create_key(&state, "assistant", (None, None)).map(|(key, _)| key.id);
        let made: Vec<String> = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..4).map(|_| scope.spawn(|| [make().unwrap(), make().unwrap()])).collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
        });
        let kept = stored_keys(&state).unwrap();
        assert_eq!(kept.len(), 8);
        assert!(made.iter().all(|id| kept.iter().any(|key| key.id == *id)));
    }

    #[test]
    fn a_file_that_is_not_ours_is_left_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join(KEY_FILE_NAME);
        fs::write(&file, "{}").unwrap();
        let said = create_key(directory.path(), "a", (None, None)).unwrap_err().to_string();
        assert!(said.contains("put a copy of it back"), "{said}");
        assert_eq!(fs::read_to_string(&file).unwrap(), "{}");
    }

    #[test]
    fn what_was_done_is_written_down_line_by_line() {
        let directory = tempfile::tempdir().unwrap();
        let logs = directory.path().join("logs");
        let (key, secret) = create_key(directory.path(), "assistant", (None, None)).unwrap();
        note_key_event(&logs, "key_created", &key).unwrap();
        note_key_event(&logs, "key_revoked", &key).unwrap();
        let text = fs::read_to_string(logs.join(AUDIT_LOG)).unwrap();
        assert_eq!(text.lines().count(), 2);
        let line: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(
            (line["event"].as_str(), line["client"].as_str()),
            (Some("key_created"), Some("assistant"))
        );
        assert!(!text.contains(&secret.expose()[16..]));
    }
}
