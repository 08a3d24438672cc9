//! What the id of a session carries: who began it, with which client, under which version, until
//! when.
//!
//! A session is kept by its client alone, sealed: a worker that never heard of it serves it as well
//! as the one that began it. So nothing may enter it that changes, and nothing that only one worker
//! can use.

use std::fmt;
use std::sync::Arc;

use mcp_protocol::relay::{SESSION_LIFE, SessionTag};
use ring::digest;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::ring::{Purpose, Ring, random};
use crate::access::{Caller, Shown};

/// The longest id of a session, in bytes: what a header may well have.
const ID_BYTES_MAX: usize = 2048;
/// The longest name or version of a client that is kept, in characters.
const NAME_CHARS_MAX: usize = 64;
/// The first version whose clients expect a stream to begin with an event that has only an id.
const PRIMING_SINCE: &str = "2025-11-25";

/// A session, as it was begun.
#[derive(Debug, Clone, PartialEq)]
pub struct Session {
    /// By what it is named among workers and in the account's history.
    pub tag: SessionTag,
    /// The client that introduced itself.
    pub client: Client,
    principal: Principal,
    /// When it ends, in seconds since 1970.
    pub(super) expires: u64,
}

/// What a client said when it introduced itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Client {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// The version of the protocol that was agreed on.
    pub protocol: String,
    /// What it can do; nothing, where that did not fit into the session's id.
    pub capabilities: Map<String, Value>,
}

/// Whose something is: a hash of what the caller is known by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::mcp) struct Principal(pub(in crate::mcp) [u8; 16]);

/// Where the parts of an opened id end.
const TAG_END: usize = 16;
const PRINCIPAL_END: usize = TAG_END + 16;
const EXPIRES_END: usize = PRINCIPAL_END + 8;

impl Session {
    /// A new session and its id.
    #[must_use]
    pub fn begin(client: Client, caller: &Caller, (ring, now): (&Ring, u64)) -> (Session, String) {
        let mut session = Session {
            tag: SessionTag(random()),
            client: client.shortened(),
            principal: Principal::of(caller),
            expires: now.saturating_add(SESSION_LIFE.as_secs()),
        };
        let mut id = session.sealed(ring);
        for bulky in ["extensions", "experimental"] {
            if id.len() > ID_BYTES_MAX {
                session.client.capabilities.remove(bulky);
                id = session.sealed(ring);
            }
        }
        if id.len() > ID_BYTES_MAX {
            session.client.capabilities.clear();
            id = session.sealed(ring);
        }
        (session, id)
    }

    /// The session of this id, if it is a good one of this caller's.
    #[must_use]
    pub fn open(id: &str, caller: &Caller, (ring, now): (&Ring, u64)) -> Option<Session> {
        if id.len() > ID_BYTES_MAX {
            return None;
        }
        let content = ring.open(Purpose::Session, id)?;
        let (fixed, client) = content.split_at_checked(EXPIRES_END)?;
        let session = Session {
            tag: SessionTag(fixed[..TAG_END].try_into().ok()?),
            principal: Principal(fixed[TAG_END..PRINCIPAL_END].try_into().ok()?),
            expires: u64::from_be_bytes(fixed[PRINCIPAL_END..].try_into().ok()?),
            client: serde_json::from_slice(client).ok()?,
        };
        let good = session.expires > now && session.principal == Principal::of(caller);
        good.then_some(session)
    }

    /// Whether the client expects a stream to begin with an id by which it can be continued.
    #[must_use]
    pub fn is_primed(&self) -> bool {
        self.client.protocol.as_str() >= PRIMING_SINCE
    }

    fn sealed(&self, ring: &Ring) -> String {
        let mut content = Vec::with_capacity(256);
        content.extend_from_slice(&self.tag.0);
        content.extend_from_slice(&self.principal.0);
        content.extend_from_slice(&self.expires.to_be_bytes());
        serde_json::to_writer(&mut content, &self.client).expect("it is text throughout");
        ring.seal(Purpose::Session, &content)
    }
}

impl Client {
    fn shortened(mut self) -> Client {
        for text in [&mut self.name, &mut self.version, &mut self.protocol] {
            if text.chars().count() > NAME_CHARS_MAX {
                *text = text.chars().take(NAME_CHARS_MAX).collect();
            }
        }
        self
    }
}

impl fmt::Display for Client {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.name, self.version)
    }
}

impl Principal {
    pub(in crate::mcp) fn of(caller: &Caller) -> Principal {
        let name: Option<&Arc<str>> = caller.name.as_ref();
        // A client's keys come and go, and are all the client's; those who share a provider of
        // tokens are many people.
        let person = match &caller.shown {
            Shown::Token(subject) => Some(subject),
            Shown::Nothing | Shown::Key(_) | Shown::Certificate(_) => None,
        };
        let told: (Option<&str>, Option<&str>) =
            (name.map(AsRef::as_ref), person.map(AsRef::as_ref));
        let told = serde_json::to_vec(&told).expect("it is text throughout");
        let hash = digest::digest(&digest::SHA256, &told);
        let mut short = [0; 16];
        short.copy_from_slice(&hash.as_ref()[..16]);
        Principal(short)
    }
}

#[cfg(test)]
mod tests {
    use mcp_protocol::relay::{SealingKey, SealingKeys};
    use serde_json::json;

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn ring(byte: u8) -> Ring {
        let current = SealingKey::new(byte, &[byte; 32], 0);
        Ring::new(&SealingKeys { current, previous: None })
    }

    fn client(capabilities: Value) -> Client {
        let Value::Object(capabilities) = capabilities else { panic!("{capabilities}") };
        let text = str::to_owned;
        Client {
            name: text("desk"),
            version: text("1"),
            protocol: text("2025-11-25"),
            capabilities,
        }
    }

    fn called(name: &str) -> Caller {
        Caller { name: Some(name.into()), ..Caller::nobody() }
    }

    #[test]
    fn any_worker_with_the_key_opens_a_session_of_the_same_caller_until_it_expires() {
        let (session, id) =
            Session::begin(client(json!({ "roots": {} })), &called("a"), (&ring(1), NOW));
        let open =
            |id: &str, caller: &Caller, ring: &Ring, now| Session::open(id, caller, (ring, now));
        let last = NOW + SESSION_LIFE.as_secs() - 1;
        assert_eq!(open(&id, &called("a"), &ring(1), last), Some(session.clone()));
        assert_eq!(open(&id, &called("a"), &ring(1), last + 1), None, "expired");
        assert_eq!(open(&id, &called("a"), &ring(2), NOW), None, "another key");
        assert_eq!(open(&id[1..], &called("a"), &ring(1), NOW), None, "cut");
        assert_eq!(open("", &called("a"), &ring(1), NOW), None);
        for other in [called("b"), called(""), called("\0"), Caller::nobody()] {
            assert_eq!(open(&id, &other, &ring(1), NOW), None, "{other:?}");
        }
        assert!(session.is_primed());
    }

    #[test]
    fn a_session_is_its_persons_and_outlives_the_key_that_was_shown() {
        let showing = |shown: Shown| Caller { shown, ..called("a") };
        let key = |id: &str| showing(Shown::Key(id.into()));
        let token = |subject: &str| showing(Shown::Token(subject.into()));
        let opens = |begun: &Caller, used: &Caller| {
            let (_, id) = Session::begin(client(json!({})), begun, (&ring(1), NOW));
            Session::open(&id, used, (&ring(1), NOW)).is_some()
        };
        assert!(opens(&key("1"), &key("2")));
        assert!(opens(&token("eve"), &token("eve")));
        assert!(!opens(&token("eve"), &token("bob")) && !opens(&token("eve"), &key("1")));
    }

    #[test]
    fn an_anonymous_session_is_nobody_elses() {
        let (_, id) = Session::begin(client(json!({})), &Caller::nobody(), (&ring(1), NOW));
        assert!(Session::open(&id, &Caller::local(), (&ring(1), NOW)).is_some());
        assert!(Session::open(&id, &called("\0"), (&ring(1), NOW)).is_none());
    }

    #[test]
    fn an_id_stays_short_and_keeps_what_it_can() {
        let long = "é".repeat(5000);
        let begin = |capabilities: Value| {
            let client =
                Client { name: long.clone(), version: long.clone(), ..client(capabilities) };
            let (session, id) = Session::begin(client, &called("a"), (&ring(1), NOW));
            assert!(id.len() <= ID_BYTES_MAX, "{}", id.len());
            assert!(Session::open(&id, &called("a"), (&ring(1), NOW)) == Some(session.clone()));
            session.client.capabilities
        };
        let kept = begin(json!({ "roots": {}, "extensions": { "x": long } }));
        assert_eq!(Value::from(kept), json!({ "roots": {} }));
        assert!(begin(json!({ "roots": { "x": long } })).is_empty());
        let short = json!({ "roots": {}, "extensions": { "x": 1 } });
        assert_eq!(Value::from(begin(short.clone())), short);
    }
}
