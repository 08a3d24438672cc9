//! Who speaks first, and which version both sides can speak, or why none.
//!
//! `Hello` never changes its shape: a supervisor of any age can read it and answer in words.
//! A release understands its own version and the one before, so that an old worker survives an
//! upgrade of the supervisor and a new worker survives its rollback.

use serde::{Deserialize, Serialize};

/// The newest version of the conversation that this release speaks.
pub const NEWEST: u16 = 1;
/// The oldest version that this release still understands.
pub const OLDEST: u16 = 1;

/// The first frame on a connection, from whoever connected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The oldest version that the peer understands.
    pub oldest: u16,
    /// The newest version that the peer speaks.
    pub newest: u16,
    /// Who is connecting.
    pub peer: Peer,
}

/// Who is at the other end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Peer {
    /// A worker. What it says is compared with the credentials of its process.
    Worker {
        /// Its app.
        app: String,
        /// Its slot.
        slot: u32,
        /// Its run.
        run: u64,
    },
    /// A person or a script with the command line.
    Operator,
}

/// The supervisor's answer to [`Hello`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Welcome {
    /// This version is spoken from now on.
    Speak {
        /// The version.
        version: u16,
    },
    /// No conversation, and why, in words for a person.
    Refused {
        /// The reason and the remedy.
        reason: String,
    },
}

impl Hello {
    /// What this release says of itself.
    #[must_use]
    pub fn new(peer: Peer) -> Hello {
        Hello { oldest: OLDEST, newest: NEWEST, peer }
    }
}

/// The newest version that both sides know, or a refusal that says which side is too old.
#[must_use]
pub fn negotiate(hello: &Hello) -> Welcome {
    let version = hello.newest.min(NEWEST);
    if version >= hello.oldest.max(OLDEST) {
        return Welcome::Speak { version };
    }
    let (ours, theirs) = (span(OLDEST, NEWEST), span(hello.oldest, hello.newest));
    let remedy = if hello.newest < OLDEST {
        "install the same release as the supervisor's"
    } else {
        "upgrade the supervisor"
    };
    Welcome::Refused {
        reason: format!(
            "the supervisor speaks {ours} of the protocol, the peer {theirs}; {remedy}"
        ),
    }
}

fn span(oldest: u16, newest: u16) -> String {
    if oldest == newest {
        format!("version {newest}")
    } else {
        format!("versions {oldest} to {newest}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hello(oldest: u16, newest: u16) -> Hello {
        Hello { oldest, newest, peer: Peer::Operator }
    }

    #[test]
    fn the_newest_common_version_is_spoken() {
        assert_eq!(negotiate(&hello(NEWEST, NEWEST)), Welcome::Speak { version: NEWEST });
        assert_eq!(negotiate(&hello(OLDEST, NEWEST + 1)), Welcome::Speak { version: NEWEST });
        assert_eq!(negotiate(&hello(0, OLDEST)), Welcome::Speak { version: OLDEST });
    }

    #[test]
    fn a_refusal_says_which_side_to_upgrade() {
        let Welcome::Refused { reason } = negotiate(&hello(NEWEST + 1, NEWEST + 2)) else {
            panic!("a newer peer with nothing in common was welcomed")
        };
        assert!(reason.ends_with("upgrade the supervisor"), "{reason}");
        let Welcome::Refused { reason } = negotiate(&hello(0, OLDEST - 1)) else {
            panic!("an older peer with nothing in common was welcomed")
        };
        assert!(reason.ends_with("same release as the supervisor's"), "{reason}");
    }
}
