//! Where an answer goes on: a text that a client hands back, and that only this server can make.
//!
//! It is sealed and bound to its caller, so nobody reads another's answers with it, changes
//! where it leads, or learns the names in it; any worker that has the keys opens it. A short one
//! for a model to repeat names no statement, only its fingerprint; a long one, for the address of
//! a resource, holds all that is needed to go on.

use std::borrow::Cow;
use std::sync::{Arc, Mutex, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_protocol::relay::SealingKeys;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::mcp::edge::ring::{Purpose, Ring};

/// The longest text that is looked at.
const CURSOR_CHARS_MAX: usize = 64 * 1024;
/// How much of a fingerprint is kept, in bytes: it guards against slips; the seal guards the rest.
const FINGERPRINT_BYTES: usize = 9;

/// Why a cursor does not lead on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CursorError {
    /// It is none of ours, or another client's, or of keys that are gone.
    #[error(
        "the cursor is not one that this server gave to this client, or it is too old; run the \
         query again without `cursor`"
    )]
    Unknown,
    /// It belongs to another call.
    #[error(
        "the cursor belongs to another query; repeat the call that gave it with the same \
         arguments, and add only `cursor`"
    )]
    Elsewhere,
}

/// Where an answer goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cursor {
    /// The warehouse's name for the execution.
    #[serde(rename = "q")]
    pub query_id: String,
    /// Rows before.
    #[serde(rename = "o")]
    pub offset: u64,
    /// Tells the call that it belongs to; see [`fingerprint`].
    #[serde(rename = "f")]
    pub fingerprint: String,
    /// The call itself, where the cursor stands alone.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub call: Option<String>,
}

/// What is sealed: a cursor and whose it is.
#[derive(Serialize, Deserialize)]
struct Sealed<'c> {
    #[serde(rename = "w")]
    whose: Option<Cow<'c, str>>,
    #[serde(flatten)]
    cursor: Cow<'c, Cursor>,
}

/// Seals and opens cursors, with the keys that all workers share as they are now.
pub struct Cursors {
    keys: watch::Receiver<SealingKeys>,
    /// The keys that were taken on last, ready for use.
    ring: Mutex<(SealingKeys, Arc<Ring>)>,
}

impl Cursors {
    /// With these keys and those that replace them. Without any, what this worker seals is opened
    /// by itself alone.
    #[must_use]
    pub fn new(keys: watch::Receiver<SealingKeys>) -> Cursors {
        let now = keys.borrow().clone();
        let ring = Arc::new(Ring::new(&now));
        Cursors { keys, ring: Mutex::new((now, ring)) }
    }

    /// The cursor as a text for this caller.
    #[must_use]
    pub fn seal(&self, cursor: &Cursor, caller: Option<&str>) -> Option<String> {
        let whose = caller.map(Cow::Borrowed);
        let content = serde_json::to_vec(&Sealed { whose, cursor: Cow::Borrowed(cursor) }).ok()?;
        Some(self.ring().seal(Purpose::Cursor, &content))
    }

    /// The cursor that a text is, when it was given to this caller.
    ///
    /// # Errors
    /// When it was not.
    pub fn open(&self, text: &str, caller: Option<&str>) -> Result<Cursor, CursorError> {
        if text.len() > CURSOR_CHARS_MAX {
            return Err(CursorError::Unknown);
        }
        let content = self.ring().open(Purpose::Cursor, text.trim());
        let content = content.ok_or(CursorError::Unknown)?;
        let sealed: Sealed<'_> =
            serde_json::from_slice(&content).map_err(|_| CursorError::Unknown)?;
        if sealed.whose.as_deref() != caller {
            return Err(CursorError::Unknown);
        }
        Ok(sealed.cursor.into_owned())
    }

    /// The keys as they are now.
    pub(in crate::mcp) fn ring(&self) -> Arc<Ring> {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let now = self.keys.borrow();
        if ring.0 != *now {
            *ring = (now.clone(), Arc::new(Ring::new(&now)));
        }
        Arc::clone(&ring.1)
    }
}

/// A few letters that tell one call from another.
#[must_use]
pub fn fingerprint(call: &str) -> String {
    let digest = digest(&SHA256, call.as_bytes());
    URL_SAFE_NO_PAD.encode(&digest.as_ref()[..FINGERPRINT_BYTES])
}

#[cfg(test)]
mod tests {
    use mcp_protocol::relay::SealingKey;

    use super::*;

    fn cursor() -> Cursor {
        Cursor {
            query_id: "01b2c3d4-0000-1111-2222-333344445555".to_owned(),
            offset: 1024,
            fingerprint: fingerprint("select 1"),
            call: None,
        }
    }

    fn cursors(current: u8, previous: Option<u8>) -> Cursors {
        let key = |byte: u8| SealingKey::new(byte, &[byte; 32], 0);
        let keys = SealingKeys { current: key(current), previous: previous.map(key) };
        Cursors::new(watch::channel(keys).1)
    }

    #[test]
    fn every_worker_with_the_keys_opens_it_for_its_caller_alone() {
        let text = cursors(7, None).seal(&cursor(), Some("desk")).unwrap();
        let rotated = cursors(8, Some(7));
        assert_eq!(rotated.open(&text, Some("desk")), Ok(cursor()));
        for caller in [None, Some("other"), Some("")] {
            assert_eq!(rotated.open(&text, caller), Err(CursorError::Unknown), "{caller:?}");
        }
        assert_eq!(cursors(8, None).open(&text, Some("desk")), Err(CursorError::Unknown));
    }

    #[test]
    fn keys_that_replace_others_are_taken_on() {
        let (tell, keys) = watch::channel(SealingKeys::default());
        let cursors_of_it = Cursors::new(keys);
        let own = cursors_of_it.seal(&cursor(), None).unwrap();
        assert_eq!(cursors_of_it.open(&own, None), Ok(cursor()));
        let key = SealingKey::new(9, &[9; 32], 0);
        tell.send_replace(SealingKeys { current: key, previous: None });
        let text = cursors_of_it.seal(&cursor(), None).unwrap();
        assert_eq!(cursors(9, None).open(&text, None), Ok(cursor()));
    }

    #[test]
    fn it_is_short_and_no_letter_of_it_can_be_changed() {
        let keys = cursors(7, None);
        let text = keys.seal(&cursor(), None).unwrap();
        assert!(text.len() < 180, "{} characters", text.len());
        assert_ne!(keys.seal(&cursor(), None).unwrap(), text, "no two are alike");
        for at in 0..text.len() {
            let letter = if &text[at..=at] == "A" { "B" } else { "A" };
            let changed = [&text[..at], letter, &text[at + 1..]].concat();
            assert_eq!(keys.open(&changed, None), Err(CursorError::Unknown), "at {at}");
        }
        for nonsense in ["", "x", "not a cursor", &"A".repeat(100_000)] {
            assert_eq!(keys.open(nonsense, None), Err(CursorError::Unknown));
        }
    }
}
