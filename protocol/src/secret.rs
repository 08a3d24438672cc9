//! A text that nobody may see: passwords, tokens, private keys.
//!
//! It can be compared, sent over the socket and, where it is used, exposed by a word that a
//! reviewer can look for. It cannot be printed: both ways of printing it give a mask, so that no
//! log, status, plan or error can hold one by accident. Its memory is overwritten when it is
//! dropped; buffers that it passes through on the way (a socket's, a parser's) are not.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::Zeroizing;

/// What is shown in place of a secret.
pub const MASK: &str = "(secret)";

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(Zeroizing<String>);

impl Secret {
    /// Takes a text in.
    #[must_use]
    pub fn new(text: String) -> Secret {
        Secret(Zeroizing::new(text))
    }

    /// The text itself, for the one who logs in with it.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(MASK)
    }
}

impl fmt::Display for Secret {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(MASK)
    }
}

impl Serialize for Secret {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.expose())
    }
}

impl<'de> Deserialize<'de> for Secret {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
        String::deserialize(deserializer).map(Secret::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_masked_however_it_is_printed() {
        let secret = Secret::new("canary".to_owned());
        let shown = format!("{secret} {secret:?} {:#?}", Some(&secret));
        assert!(shown.contains(MASK) && !shown.contains("canary"), "{shown}");
        assert_eq!(secret.expose(), "canary");
    }
}
