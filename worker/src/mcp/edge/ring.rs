//! Seals what a client keeps for us, so that any worker with the keys can open it.
//!
//! A sealed text is base64url of the key's number, a random nonce, and what AES-256-GCM made of the
//! content: nobody can read, change or make one without a key. What is sealed for one purpose opens
//! for no other. What the content means is not known here.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mcp_protocol::relay::{SealingKey, SealingKeys};
use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::hkdf::{HKDF_SHA256, Salt};
use ring::rand::{SecureRandom, SystemRandom};

/// What something is sealed for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// The id of a session.
    Session,
    /// The id of an event, by which a stream can be continued.
    Event,
    /// Where a long answer goes on.
    Cursor,
    /// The name of a task.
    Task,
}

/// The keys, ready for use.
#[derive(Debug)]
pub struct Ring {
    current: Key,
    previous: Option<Key>,
}

/// One key, by purpose, so that what is sealed for one cannot be taken for another.
#[derive(Debug)]
struct Key {
    id: u8,
    session: LessSafeKey,
    event: LessSafeKey,
    cursor: LessSafeKey,
    task: LessSafeKey,
}

impl Ring {
    /// The keys of these settings; random ones, good for this process, where there are none.
    #[must_use]
    pub fn new(keys: &SealingKeys) -> Ring {
        match Key::of(&keys.current) {
            Some(current) => Ring { current, previous: keys.previous.as_ref().and_then(Key::of) },
            None => Ring { current: Key::new(0, &random::<32>()), previous: None },
        }
    }

    /// Seals with the current key.
    #[must_use]
    pub fn seal(&self, purpose: Purpose, content: &[u8]) -> String {
        let nonce = random::<NONCE_LEN>();
        let mut sealed = Vec::with_capacity(1 + NONCE_LEN + content.len() + AES_256_GCM.tag_len());
        sealed.push(self.current.id);
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(content);
        let (head, body) = sealed.split_at_mut(1 + NONCE_LEN);
        let nonce = Nonce::assume_unique_for_key(nonce);
        let key = self.current.of_purpose(purpose);
        let tag = key
            .seal_in_place_separate_tag(nonce, Aad::from(&head[..1]), body)
            .expect("a content of a few kilobytes is not too long");
        sealed.extend_from_slice(tag.as_ref());
        URL_SAFE_NO_PAD.encode(sealed)
    }

    /// The content; `None` when no key of ours sealed it for this purpose.
    #[must_use]
    pub fn open(&self, purpose: Purpose, sealed: &str) -> Option<Vec<u8>> {
        let mut sealed = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (head, body) = sealed.split_at_mut_checked(1 + NONCE_LEN)?;
        let (id, nonce) = (&head[..1], &head[1..]);
        let mut keys = [Some(&self.current), self.previous.as_ref()].into_iter().flatten();
        let key = keys.find(|key| key.id == id[0])?.of_purpose(purpose);
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        Some(key.open_in_place(nonce, Aad::from(id), body).ok()?.to_vec())
    }
}

impl Key {
    fn of(key: &SealingKey) -> Option<Key> {
        let secret = key.bytes()?;
        Some(Key::new(key.id, &secret))
    }

    fn new(id: u8, secret: &[u8; 32]) -> Key {
        let secret = Salt::new(HKDF_SHA256, b"mcp-worker").extract(secret);
        let derived = |purpose: &[u8]| {
            let purpose = [purpose];
            let key = secret.expand(&purpose, &AES_256_GCM).expect("one key is not too long");
            LessSafeKey::new(UnboundKey::from(key))
        };
        let (session, event) = (derived(b"session"), derived(b"event"));
        Key { id, session, event, cursor: derived(b"cursor"), task: derived(b"task") }
    }

    fn of_purpose(&self, purpose: Purpose) -> &LessSafeKey {
        match purpose {
            Purpose::Session => &self.session,
            Purpose::Event => &self.event,
            Purpose::Cursor => &self.cursor,
            Purpose::Task => &self.task,
        }
    }
}

/// Bytes that nobody can guess.
pub(super) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the system always has random bytes");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(id: u8, byte: u8) -> SealingKey {
        SealingKey::new(id, &[byte; 32], 0)
    }

    fn ring(current: SealingKey, previous: Option<SealingKey>) -> Ring {
        Ring::new(&SealingKeys { current, previous })
    }

    #[test]
    fn whoever_has_the_key_opens_what_was_sealed() {
        let sealed = ring(key(1, 1), None).seal(Purpose::Session, b"content");
        assert!(sealed.bytes().all(|byte| byte.is_ascii_graphic()), "{sealed}");
        let opened = ring(key(1, 1), None).open(Purpose::Session, &sealed);
        assert_eq!(opened.as_deref(), Some(b"content".as_slice()));
        let rolled = ring(key(2, 2), Some(key(1, 1)));
        assert_eq!(rolled.open(Purpose::Session, &sealed), opened);
        let random = Ring::new(&SealingKeys::default());
        let own = random.seal(Purpose::Session, b"");
        assert_eq!(random.open(Purpose::Session, &own).as_deref(), Some(b"".as_slice()));
    }

    #[test]
    fn nobody_else_does_and_nothing_else_opens() {
        let home = ring(key(1, 1), None);
        let sealed = home.seal(Purpose::Session, b"content");
        assert_eq!(home.open(Purpose::Event, &sealed), None, "another purpose");
        for other in [
            ring(key(1, 2), None),
            ring(key(2, 1), None),
            ring(key(3, 3), Some(key(2, 2))),
            Ring::new(&SealingKeys::default()),
        ] {
            assert_eq!(other.open(Purpose::Session, &sealed), None);
        }
        for length in 0..sealed.len() {
            assert_eq!(home.open(Purpose::Session, &sealed[..length]), None, "{length}");
        }
        let bytes = URL_SAFE_NO_PAD.decode(&sealed).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut forged = bytes.clone();
            forged[bit / 8] ^= 1 << (bit % 8);
            let forged = URL_SAFE_NO_PAD.encode(forged);
            assert_eq!(home.open(Purpose::Session, &forged), None, "bit {bit}");
        }
    }

    #[test]
    fn the_same_content_is_never_sealed_the_same_way() {
        let ring = ring(key(1, 1), None);
        assert_ne!(ring.seal(Purpose::Event, b"x"), ring.seal(Purpose::Event, b"x"));
    }
}
