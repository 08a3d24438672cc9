//! Who may try to log in: a refused credential is tried once, by all workers of the machine together.
//!
//! A few refused logins lock a user out. So what Snowflake refused is remembered in a file that is
//! named after the credentials, where every worker and every restart looks first; it is forgotten
//! when the credentials change, for then the name does. What was refused is not always the
//! credentials: a role or a warehouse that is not there is forgotten when another one is written. The first login is made by one worker while
//! the others wait; once it went well, the others may log in side by side for a while.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nix::fcntl::{Flock, FlockArg};

use crate::clock::{Clock, Moment};
use crate::warehouse::WarehouseError;

/// For so long after a login went well others may be made side by side.
const TRUSTED_FOR: Duration = Duration::from_secs(60);
/// How long one look whether another worker is done takes.
const TURN_SLICE: Duration = Duration::from_millis(20);
/// How long another worker's login is waited for.
const TURN_LIMIT: Duration = Duration::from_secs(60);
/// How the file begins of credentials that were refused; the place, if it was that which was not
/// to be had, and the reason follow.
const REFUSED: &str = "refused";

/// What was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Blame {
    /// Who logs in, or what for it was shown.
    Credentials,
    /// The role, warehouse, database or schema that was asked for.
    Place,
}

/// The directory beside the supervisor's socket where refused credentials are remembered.
pub const REFUSALS: &str = "refused-logins";

/// Forgets that these credentials were refused.
pub(super) fn forgive(directory: &Path, version: &str) {
    let _ = fs::remove_file(directory.join(version));
}

/// The way in of one account's credentials.
#[derive(Clone)]
pub(super) struct Gate {
    warehouse: String,
    /// A short text for the role, warehouse, database and schema that are asked for.
    place: String,
    /// Where it is remembered; in this worker alone without one.
    file: Option<PathBuf>,
    clock: Clock,
    known: Arc<Mutex<Known>>,
    /// One at a time, where they are not known to be good.
    turn: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Debug, Clone)]
enum Known {
    Nothing,
    LetIn {
        at: Moment,
    },
    /// Noted: in the file too, whose removal asks for another try.
    Refused {
        reason: String,
        blame: Blame,
        noted: bool,
    },
}

/// One login that may be tried; to be told how it ended.
pub(super) struct Attempt {
    gate: Gate,
    _turn: Option<tokio::sync::OwnedMutexGuard<()>>,
    lock: Option<Flock<File>>,
}

impl Gate {
    pub(super) fn new(
        warehouse: String,
        directory: Option<&Path>,
        (version, place): (&str, String),
        clock: Clock,
    ) -> Gate {
        let file = directory.map(|directory| directory.join(version));
        let known = Arc::new(Mutex::new(Known::Nothing));
        Gate { warehouse, place, file, clock, known, turn: Arc::default() }
    }

    /// Waits for the turn to log in.
    ///
    /// # Errors
    /// When these credentials were refused before; nothing is sent then.
    pub(super) async fn enter(&self) -> Result<Attempt, WarehouseError> {
        if self.is_trusted()? {
            return Ok(Attempt { gate: self.clone(), _turn: None, lock: None });
        }
        let turn = Arc::clone(&self.turn).lock_owned().await;
        if self.is_trusted()? {
            return Ok(Attempt { gate: self.clone(), _turn: None, lock: None });
        }
        let mut lock = self.locked().await?;
        if let Some(lock) = lock.as_mut()
            && let Some((reason, blame)) = refusal_in(lock, &self.place)
        {
            self.know(Known::Refused { reason, blame, noted: true });
            self.is_trusted()?;
        }
        Ok(Attempt { gate: self.clone(), _turn: Some(turn), lock })
    }

    fn is_trusted(&self) -> Result<bool, WarehouseError> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).clone();
        match known {
            Known::Nothing => Ok(false),
            Known::LetIn { at } => Ok(self.clock.now().since(at) < TRUSTED_FOR),
            Known::Refused { noted: true, .. }
                if self.file.as_ref().is_none_or(|it| !it.exists()) =>
            {
                self.know(Known::Nothing);
                Ok(false)
            }
            Known::Refused { reason, blame, .. } => Err(self.refused(&reason, blame)),
        }
    }

    fn know(&self, known: Known) {
        *self.known.lock().unwrap_or_else(PoisonError::into_inner) = known;
    }

    /// Lets these credentials be tried once more, by whichever worker comes first.
    pub(super) fn forget(&self) {
        if let Some(file) = &self.file
            && let Err(error) = fs::remove_file(file)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            tracing::warn!(file = %file.display(), %error, "cannot forget refused credentials");
            return;
        }
        self.know(Known::Nothing);
    }

    /// The file, held by us alone. Without a place to keep it each worker is on its own.
    async fn locked(&self) -> Result<Option<Flock<File>>, WarehouseError> {
        let Some(path) = &self.file else { return Ok(None) };
        let until = self.clock.now() + TURN_LIMIT;
        let mut file = match open(path) {
            Ok(file) => file,
            Err(error) => {
                let file = path.display();
                tracing::warn!(%file, %error, "cannot remember refused credentials for all workers");
                return Ok(None);
            }
        };
        loop {
            file = match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => return Ok(Some(lock)),
                Err((file, _)) => file,
            };
            if self.clock.now() > until {
                let reason = format!("another worker's login takes longer than {TURN_LIMIT:?}");
                return Err(WarehouseError::Connect { warehouse: self.warehouse.clone(), reason });
            }
            self.clock.until(self.clock.now() + TURN_SLICE).await;
        }
    }

    /// What is told of a refusal, the first time and ever after.
    pub(super) fn refused(&self, reason: &str, blame: Blame) -> WarehouseError {
        let or_removed = match &self.file {
            Some(file) => format!(" or {} is removed", file.display()),
            None => String::new(),
        };
        let reason = match blame {
            Blame::Credentials => format!(
                "{reason}. So as not to lock the user it is not tried again until the credentials \
                 change{or_removed}"
            ),
            Blame::Place => {
                format!("{reason}. It is not tried again until another one is written{or_removed}")
            }
        };
        WarehouseError::Refused { warehouse: self.warehouse.clone(), reason }
    }
}

impl Attempt {
    /// Remembers how it went, for all who come after.
    pub(super) async fn ended(mut self, error: Option<(&WarehouseError, Blame)>) {
        let refused = match error {
            None => None,
            Some((WarehouseError::Refused { reason, .. }, blame)) => Some((reason.clone(), blame)),
            // Nothing was said about the credentials.
            Some(_) => return,
        };
        let place = &self.gate.place;
        let note = refused.as_ref().map_or(String::new(), |(reason, blame)| match blame {
            Blame::Credentials => format!("{REFUSED}: {reason}"),
            Blame::Place => format!("{REFUSED} {place}: {reason}"),
        });
        // At once for this worker, whoever holds the file.
        let known = |refused: &Option<(String, Blame)>, noted| match refused.clone() {
            None => Known::LetIn { at: self.gate.clock.now() },
            Some((reason, blame)) => Known::Refused { reason, blame, noted },
        };
        self.gate.know(known(&refused, false));
        if self.lock.is_none() && refused.is_some() {
            self.lock = self.gate.locked().await.ok().flatten();
        }
        let Some(lock) = self.lock.as_mut() else { return };
        match write(lock, &note) {
            Ok(()) => self.gate.know(known(&refused, true)),
            Err(error) => tracing::warn!(%error, "cannot remember how a login ended"),
        }
    }
}

fn open(path: &Path) -> std::io::Result<File> {
    if let Some(directory) = path.parent() {
        fs::create_dir_all(directory)?;
    }
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

fn refusal_in(file: &mut File, place: &str) -> Option<(String, Blame)> {
    let mut text = String::new();
    file.rewind().ok()?;
    file.read_to_string(&mut text).ok()?;
    let (head, reason) = text.split_once(": ")?;
    match head.strip_prefix(REFUSED)?.trim_start() {
        "" => Some((reason.to_owned(), Blame::Credentials)),
        refused if refused == place => Some((reason.to_owned(), Blame::Place)),
        _another => None,
    }
}

fn write(file: &mut File, note: &str) -> std::io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    file.write_all(note.as_bytes())?;
    file.sync_data()
}
