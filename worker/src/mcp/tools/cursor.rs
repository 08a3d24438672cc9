//! Where an answer goes on: a text that a client hands back, and that only this server can make.
//!
//! It is sealed (AEAD) and bound to its caller, so nobody reads another's answers with it, changes
//! where it leads, or learns the names in it; any worker that has the keys opens it. A short one
//! for a model to repeat names no statement, only its fingerprint; a long one, for the address of
//! a resource, holds all that is needed to go on.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::aead::{Aad, CHACHA20_POLY1305, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::digest::{SHA256, digest};
use ring::hmac;
use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

/// The longest text that is looked at.
const CURSOR_CHARS_MAX: usize = 64 * 1024;
/// What a key is made for, so that it opens nothing else that the same secret protects.
const PURPOSE: &[u8] = b"mcp-worker result cursor 1";
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

/// The keys of all workers.
pub struct CursorKeys {
    /// The first one seals; each opens.
    keys: Vec<LessSafeKey>,
    random: SystemRandom,
}

impl CursorKeys {
    /// Keys made of secrets that all workers share, the newest first. A worker that has none opens
    /// only what it sealed itself.
    #[must_use]
    pub fn new(secrets: &[&[u8]]) -> CursorKeys {
        let random = SystemRandom::new();
        let key = |secret: &[u8]| {
            let made = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), PURPOSE);
            UnboundKey::new(&CHACHA20_POLY1305, made.as_ref()).ok().map(LessSafeKey::new)
        };
        let mut keys: Vec<LessSafeKey> = secrets.iter().filter_map(|secret| key(secret)).collect();
        if keys.is_empty() {
            let mut own = [0; 32];
            keys.extend(random.fill(&mut own).ok().and_then(|()| key(&own)));
        }
        CursorKeys { keys, random }
    }

    /// The cursor as a text for this caller; nothing when the system has no randomness.
    #[must_use]
    pub fn seal(&self, cursor: &Cursor, caller: Option<&str>) -> Option<String> {
        let mut nonce = [0; NONCE_LEN];
        self.random.fill(&mut nonce).ok()?;
        let mut sealed = serde_json::to_vec(cursor).ok()?;
        let key = self.keys.first()?;
        let with = (Nonce::assume_unique_for_key(nonce), Aad::from(bound_to(caller)));
        key.seal_in_place_append_tag(with.0, with.1, &mut sealed).ok()?;
        Some(URL_SAFE_NO_PAD.encode([nonce.as_slice(), &sealed].concat()))
    }

    /// The cursor that a text is, when it was given to this caller.
    ///
    /// # Errors
    /// When it was not.
    pub fn open(&self, text: &str, caller: Option<&str>) -> Result<Cursor, CursorError> {
        if text.len() > CURSOR_CHARS_MAX {
            return Err(CursorError::Unknown);
        }
        let bytes = URL_SAFE_NO_PAD.decode(text.trim()).map_err(|_| CursorError::Unknown)?;
        let (nonce, sealed) = bytes.split_first_chunk::<NONCE_LEN>().ok_or(CursorError::Unknown)?;
        let opened = self.keys.iter().find_map(|key| {
            let mut sealed = sealed.to_vec();
            let nonce = Nonce::assume_unique_for_key(*nonce);
            let opened = key.open_in_place(nonce, Aad::from(bound_to(caller)), &mut sealed);
            serde_json::from_slice(opened.ok()?).ok()
        });
        opened.ok_or(CursorError::Unknown)
    }
}

/// What a seal is bound to. A client that has proved no name is told apart from one of any name.
fn bound_to(caller: Option<&str>) -> Vec<u8> {
    match caller {
        None => vec![0],
        Some(name) => [&[1], name.as_bytes()].concat(),
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
    use super::*;

    fn cursor() -> Cursor {
        Cursor {
            query_id: "01b2c3d4-0000-1111-2222-333344445555".to_owned(),
            offset: 1024,
            fingerprint: fingerprint("select 1"),
            call: None,
        }
    }

    #[test]
    fn every_worker_with_the_keys_opens_it_for_its_caller_alone() {
        let (old, new) = ([7; 32], [8; 32]);
        let text = CursorKeys::new(&[&old]).seal(&cursor(), Some("desk")).unwrap();
        let rotated = CursorKeys::new(&[&new, &old]);
        assert_eq!(rotated.open(&text, Some("desk")), Ok(cursor()));
        for caller in [None, Some("other"), Some("")] {
            assert_eq!(rotated.open(&text, caller), Err(CursorError::Unknown), "{caller:?}");
        }
        assert_eq!(CursorKeys::new(&[&new]).open(&text, Some("desk")), Err(CursorError::Unknown));
        assert_eq!(CursorKeys::new(&[]).open(&text, Some("desk")), Err(CursorError::Unknown));
    }

    #[test]
    fn it_is_short_and_no_letter_of_it_can_be_changed() {
        let keys = CursorKeys::new(&[]);
        let text = keys.seal(&cursor(), None).unwrap();
        assert!(text.len() < 160, "{} characters", text.len());
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
