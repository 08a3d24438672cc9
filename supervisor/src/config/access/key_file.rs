//! `api-keys.json` in the state directory: which keys there are, and whose. No key is in it, only
//! what tells whether one is right.
//!
//! It is written by `mcp-supervisor client key` alone, and read with the configuration, so that a
//! change is seen and judged like any other of its files. Who writes is the caller's to say.

use std::path::Path;

use mcp_protocol::api_key;
use serde::{Deserialize, Serialize};

use crate::config::problem::{Problem, Report};
use crate::config::section::is_name;
use crate::config::snowflake::exposed;

/// The file's name in the state directory.
pub const FILE_NAME: &str = "api-keys.json";
/// The form of the file that is written and understood.
const VERSION: u32 = 1;
/// A longer file is not ours; a key takes about 250 bytes.
const FILE_BYTES_MAX: u64 = 8 * 1024 * 1024;

/// A key that was made.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoredKey {
    /// Its public part.
    pub id: String,
    /// Whose it is: a client of this name, in every app that has one.
    pub client: String,
    /// What it is for, in the operator's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// SHA-256 of the whole key.
    #[serde(with = "hexadecimal")]
    pub sha256: [u8; 32],
    /// When it was made, in seconds since 1970.
    pub created_at: u64,
    /// When it ends, in seconds since 1970; never without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<u64>,
    /// When it was revoked, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub revoked_at: Option<u64>,
}

/// The file's form. Foreign keys mean a foreign file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    version: u32,
    keys: Vec<StoredKey>,
}

/// The keys in a file's text.
///
/// # Errors
/// In words, when it is not what this release writes.
pub fn parse_keys(text: &str) -> Result<Vec<StoredKey>, String> {
    let document: Document = serde_json::from_str(text).map_err(|error| error.to_string())?;
    if document.version != VERSION {
        return Err(format!("its version is {}, and {VERSION} is understood", document.version));
    }
    let mut seen = std::collections::BTreeSet::new();
    for key in &document.keys {
        if !api_key::is_id(&key.id) || !is_name(&key.client) {
            return Err("it has an entry that is no key of a client".to_owned());
        }
        if !seen.insert(&key.id) {
            return Err(format!("key {} is in it twice", key.id));
        }
    }
    Ok(document.keys)
}

/// The text of a file with these keys.
#[must_use]
pub fn render_keys(keys: &[StoredKey]) -> Vec<u8> {
    let document = Document { version: VERSION, keys: keys.to_vec() };
    let mut text = serde_json::to_vec_pretty(&document).expect("texts and numbers become JSON");
    text.push(b'\n');
    text
}

/// The keys in this state directory; none when no file is there. What is wrong with it is noted.
pub(in crate::config) fn read(state_directory: &Path, report: &mut Report) -> Vec<StoredKey> {
    let path = state_directory.join(FILE_NAME);
    report.reads(&path);
    in_force(state_directory).unwrap_or_else(|message| {
        let (place, key, origin, excerpt) = (None, None, None, None);
        report.add_of_file(Problem { file: path, place, key, origin, message, excerpt });
        Vec::new()
    })
}

/// The same; in words, what is wrong with the file.
pub(in crate::config) fn in_force(state_directory: &Path) -> Result<Vec<StoredKey>, String> {
    let path = state_directory.join(FILE_NAME);
    let Some(text) = text(&path)? else { return Ok(Vec::new()) };
    match exposed(&path) {
        Some(words) => Err(words),
        None => parse_keys(&text).map_err(|why| {
            format!("cannot be used: {why}; put a copy of it back, or remove it and make keys anew")
        }),
    }
}

fn text(path: &Path) -> Result<Option<String>, String> {
    let about = match std::fs::metadata(path) {
        Ok(about) => about,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(format!("cannot be read: {error}; mend that")),
    };
    if !about.is_file() || about.len() > FILE_BYTES_MAX {
        return Err("is no file of keys; remove it and make keys anew".to_owned());
    }
    let text = std::fs::read_to_string(path);
    text.map(Some).map_err(|error| format!("cannot be read: {error}; mend that"))
}

/// 32 bytes as 64 digits.
mod hexadecimal {
    use mcp_protocol::hexadecimal::{hex, unhex};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(
        bytes: &[u8; 32],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&hex(bytes))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<[u8; 32], D::Error> {
        let text = String::deserialize(deserializer)?;
        let mut bytes = [0; 32];
        if unhex(&text, &mut bytes) {
            return Ok(bytes);
        }
        Err(D::Error::custom("a hash has 64 hexadecimal digits"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_and_anything_else_refused() {
        let key = StoredKey {
            id: api_key::id([1; 6]),
            client: "assistant".to_owned(),
            name: Some("laptop".to_owned()),
            sha256: [0xAB; 32],
            created_at: 1_700_000_000,
            expires_at: Some(1_800_000_000),
            revoked_at: None,
        };
        let text = String::from_utf8(render_keys(std::slice::from_ref(&key))).unwrap();
        assert_eq!(parse_keys(&text), Ok(vec![key.clone()]));
        let twice = String::from_utf8(render_keys(&[key.clone(), key.clone()])).unwrap();
        assert!(parse_keys(&twice).unwrap_err().contains("twice"));
        for (from, to, why) in [
            ("\"version\": 1", "\"version\": 2", "version is 2"),
            ("abab", "abax", "64 hexadecimal digits"),
            ("abab", "ab", "64 hexadecimal digits"),
            ("\"assistant\"", "\"a/b\"", "no key of a client"),
            ("\"name\"", "\"nam\"", "unknown field"),
        ] {
            let said = parse_keys(&text.replacen(from, to, 1)).unwrap_err();
            assert!(said.contains(why), "{said}");
        }
        for length in 0..text.trim_end().len() {
            assert!(parse_keys(&text[..length]).is_err(), "{length}");
        }
    }
}
