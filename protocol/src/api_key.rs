//! The text of an API key: `mcps_ID_SECRET`, with a checksum at its end.
//!
//! One who finds it in a file knows by its beginning what it is. By the checksum a slip of the
//! finger is told from a key that nobody knows any more. Randomness and hashes are the caller's;
//! nothing here knows whose a key is.

use crate::secret::Secret;

/// What each key begins with.
pub const PREFIX: &str = "mcps_";
/// The random bytes of the public part.
pub const ID_BYTES: usize = 6;
/// The random bytes of the secret part.
pub const SECRET_BYTES: usize = 32;

/// The characters of the public part.
const ID_CHARS: usize = 10;
/// The characters of the secret part.
const SECRET_CHARS: usize = 52;
/// The characters of the checksum.
const SUM_CHARS: usize = 7;
const ALPHABET: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";

/// Why a text is no key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyFault {
    /// It does not begin as one.
    #[error("it does not begin with {PREFIX}")]
    Foreign,
    /// It begins as one, and its checksum is not that of the rest.
    #[error("it is not as it was made: a character is missing, doubled or another one")]
    Mistyped,
}

/// The public part of these random bytes.
#[must_use]
pub fn id(random: [u8; ID_BYTES]) -> String {
    letters(&random)
}

/// The whole key of this public part.
#[must_use]
pub fn text(id: &str, random: &[u8; SECRET_BYTES]) -> Secret {
    let mut text = format!("{PREFIX}{id}_{}", letters(random));
    let sum = letters(&sum(&text));
    text.push_str(&sum);
    Secret::new(text)
}

/// Whether a text begins as a key does.
#[must_use]
pub fn is_meant(text: &str) -> bool {
    text.starts_with(PREFIX)
}

/// The public part of a key, which is as it was made.
///
/// # Errors
/// When it is none, or was changed on the way.
pub fn id_of(text: &str) -> Result<&str, KeyFault> {
    let rest = text.strip_prefix(PREFIX).ok_or(KeyFault::Foreign)?;
    let plain = |part: &str| part.bytes().all(|byte| ALPHABET.contains(&byte));
    let (id, secret) = rest.split_once('_').ok_or(KeyFault::Mistyped)?;
    let whole = id.len() == ID_CHARS && secret.len() == SECRET_CHARS + SUM_CHARS;
    if !whole || !plain(id) || !plain(secret) {
        return Err(KeyFault::Mistyped);
    }
    let (body, said) = text.split_at(text.len() - SUM_CHARS);
    if letters(&sum(body)) == said { Ok(id) } else { Err(KeyFault::Mistyped) }
}

/// Whether this may be the public part of a key.
#[must_use]
pub fn is_id(text: &str) -> bool {
    text.len() == ID_CHARS && text.bytes().all(|byte| ALPHABET.contains(&byte))
}

/// Five bits a letter; the last one is filled with zeros.
fn letters(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut bits, mut count) = (0u32, 0);
    for byte in bytes {
        bits = bits << 8 | u32::from(*byte);
        count += 8;
        while count >= 5 {
            count -= 5;
            text.push(letter(bits >> count));
        }
    }
    if count > 0 {
        text.push(letter(bits << (5 - count)));
    }
    text
}

fn letter(bits: u32) -> char {
    char::from(ALPHABET[(bits & 31) as usize])
}

/// CRC-32 as in zip and PNG: it finds every slip of a few characters.
fn sum(text: &str) -> [u8; 4] {
    let mut sum = u32::MAX;
    for byte in text.bytes() {
        sum ^= u32::from(byte);
        for _ in 0..8 {
            sum = if sum & 1 == 1 { sum >> 1 ^ 0xEDB8_8320 } else { sum >> 1 };
        }
    }
    (!sum).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_published_one() {
        assert_eq!(u32::from_be_bytes(sum("123456789")), 0xCBF4_3926);
    }

    #[test]
    fn letters_are_those_of_the_published_alphabet() {
        assert_eq!(letters(b"foobar"), "mzxw6ytboi");
        assert_eq!(letters(b"f"), "my");
    }

    #[test]
    fn a_key_leads_to_its_public_part_and_any_slip_to_none() {
        let id = id([1, 2, 3, 250, 251, 252]);
        assert!(is_id(&id) && !is_id("mcps_abcde"));
        let key = text(&id, &[7; SECRET_BYTES]);
        let key = key.expose();
        assert_eq!(key.len(), 75);
        assert_eq!(id_of(key), Ok(id.as_str()));
        for at in 0..key.len() {
            let mut slip = key.as_bytes().to_vec();
            slip[at] = if slip[at] == b'q' { b'r' } else { b'q' };
            assert!(id_of(std::str::from_utf8(&slip).unwrap()).is_err(), "{at}");
            let (start, end) = key.split_at(at);
            assert!(id_of(&format!("{start}{}", &end[1..])).is_err(), "without {at}");
            assert!(id_of(&format!("{start}a{end}")).is_err(), "one more at {at}");
        }
        for foreign in ["", "mcp", "Bearer x", "eyJhbGciOiJub25lIn0.e30."] {
            assert_eq!(id_of(foreign), Err(KeyFault::Foreign), "{foreign}");
        }
        assert_eq!(id_of("mcps_é_é"), Err(KeyFault::Mistyped));
    }
}
