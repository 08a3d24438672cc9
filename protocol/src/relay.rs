//! What the workers of one app tell each other through the supervisor, and the keys that they share.
//!
//! A client's session belongs to no worker: its id is sealed with a key that all workers of the
//! house have, and whatever one worker learns that another must know (a call was cancelled, a
//! session ended, a statement runs) goes over their links. A session travels here as a
//! [`SessionTag`], never as its id: whoever reads a message cannot use the session.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::hexadecimal::{hex, unhex};
use crate::secret::Secret;

/// How long a sealed session id is good for, from the moment when it was sealed.
pub const SESSION_LIFE: Duration = Duration::from_secs(30 * DAY);
/// A key this old is replaced by a new one, and opens what it sealed for as long again.
///
/// So what was sealed in the last moment of a key can be opened for a day longer than it is good
/// for; that day is for workers that hear of the new key late.
pub const KEY_LIFE: Duration = Duration::from_secs(31 * DAY);
/// The longest id of a request that is told to other workers, in bytes of JSON text.
pub const REQUEST_BYTES_MAX: usize = 1024;
/// The most revocations in one message, so that it fits into a frame.
pub const REVOCATIONS_MAX: usize = 20_000;

const DAY: u64 = 24 * 60 * 60;

/// A hash that names a session without giving it away.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionTag(pub [u8; 16]);

/// What one worker tells all others of its app.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Circular {
    /// The client wants no answer to this request any more.
    Cancel {
        /// Whose request.
        session: SessionTag,
        /// The request's JSON-RPC id, as JSON text.
        request: String,
    },
    /// The client ended this session; nobody may use it again.
    Revoke {
        /// The session.
        session: SessionTag,
        /// When it would have expired, in seconds since 1970: nobody has to remember it longer.
        until: u64,
    },
    /// The client came back to another worker, which has taken the statement up: whoever began it
    /// is to let it run and wait for it no longer.
    TakenUp {
        /// Whose request.
        session: SessionTag,
        /// The request's JSON-RPC id, as JSON text.
        request: String,
        /// Which run of it, for a client may use an id again.
        serial: u64,
    },
}

/// A session that was ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Revocation {
    /// The session.
    pub session: SessionTag,
    /// When it would have expired, in seconds since 1970.
    pub until: u64,
}

/// The keys that session ids are sealed with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealingKeys {
    /// Seals, and opens.
    pub current: SealingKey,
    /// Only opens what it sealed before its time was over.
    pub previous: Option<SealingKey>,
}

/// One of them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealingKey {
    /// Its number, which stands in what it sealed.
    pub id: u8,
    /// 32 random bytes as 64 hexadecimal digits. Empty where nobody hands keys out: a worker
    /// without a supervisor makes its own then, for its own life.
    pub secret: Secret,
    /// When it was made, in seconds since 1970.
    pub made_at: u64,
}

/// A statement that runs at the warehouse for a client's request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statement {
    /// Whose request.
    pub session: SessionTag,
    /// The request's JSON-RPC id, as JSON text.
    pub request: String,
    /// The client that asked, as it is called in the configuration.
    pub principal: Option<String>,
    /// The connection over which it runs; the app's own without one.
    pub connection: Option<String>,
    /// What the warehouse calls it.
    pub query_id: String,
    /// Whether it only reads: then nothing is lost when it is asked again.
    pub reads: bool,
}

impl SealingKey {
    /// A key of these bytes.
    #[must_use]
    pub fn new(id: u8, bytes: &[u8; 32], made_at: u64) -> SealingKey {
        SealingKey { id, secret: Secret::new(hex(bytes)), made_at }
    }

    /// The bytes; `None` when the secret is empty or no key.
    #[must_use]
    pub fn bytes(&self) -> Option<Zeroizing<[u8; 32]>> {
        let mut bytes = Zeroizing::new([0; 32]);
        unhex(self.secret.expose(), bytes.as_mut_slice()).then_some(bytes)
    }
}

impl Default for SealingKeys {
    /// No keys: whoever gets these makes its own.
    fn default() -> SealingKeys {
        let none = SealingKey { id: 0, secret: Secret::new(String::new()), made_at: 0 };
        SealingKeys { current: none, previous: None }
    }
}

impl Circular {
    /// Whether it is short enough to be passed on.
    #[must_use]
    pub fn is_passable(&self) -> bool {
        match self {
            Circular::Cancel { request, .. } | Circular::TakenUp { request, .. } => {
                request.len() <= REQUEST_BYTES_MAX
            }
            Circular::Revoke { .. } => true,
        }
    }
}

impl Statement {
    /// Whether it is short enough to be kept.
    #[must_use]
    pub fn is_passable(&self) -> bool {
        let names = [&self.principal, &self.connection];
        let short = |text: &String| text.len() <= REQUEST_BYTES_MAX;
        names.into_iter().flatten().chain([&self.request, &self.query_id]).all(short)
    }
}

impl fmt::Display for SessionTag {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&hex(&self.0))
    }
}

impl FromStr for SessionTag {
    type Err = String;

    fn from_str(text: &str) -> Result<SessionTag, String> {
        let mut tag = SessionTag([0; 16]);
        if unhex(text, &mut tag.0) { Ok(tag) } else { Err("32 hexadecimal digits".to_owned()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame;
    use crate::message::ToWorker;

    #[test]
    fn a_key_comes_back_from_its_digits_and_is_never_shown() {
        let bytes: [u8; 32] = std::array::from_fn(|index| u8::try_from(index * 7).unwrap());
        let key = SealingKey::new(3, &bytes, 7);
        assert_eq!(*key.bytes().unwrap(), bytes);
        let shown = format!("{key:?}");
        assert!(!shown.contains(key.secret.expose()), "{shown}");
        assert_eq!(SealingKeys::default().current.bytes(), None);
        for wrong in ["", "00", &"0".repeat(63), &"0".repeat(65), &"g".repeat(64), &"é".repeat(64)]
        {
            let key = SealingKey { secret: Secret::new(wrong.to_owned()), ..key.clone() };
            assert_eq!(key.bytes(), None, "{wrong}");
        }
    }

    #[test]
    fn a_tag_comes_back_from_its_digits() {
        let tag = SessionTag(std::array::from_fn(|index| u8::try_from(index * 17).unwrap()));
        assert_eq!(tag.to_string(), "00112233445566778899aabbccddeeff");
        assert_eq!(tag.to_string().parse(), Ok(tag));
        assert!("0011".parse::<SessionTag>().is_err());
    }

    #[test]
    fn what_a_key_sealed_last_can_be_opened_for_as_long_as_it_is_good() {
        assert!(KEY_LIFE > SESSION_LIFE);
    }

    #[test]
    fn the_most_revocations_fit_into_a_frame() {
        let revocation = Revocation { session: SessionTag([255; 16]), until: u64::MAX };
        let message = ToWorker::Revoked(vec![revocation; REVOCATIONS_MAX]);
        assert!(frame::encode(&message).is_ok());
    }
}
