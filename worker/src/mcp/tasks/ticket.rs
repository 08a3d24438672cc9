//! The name of a task, which is all there is of it: a sealed text that only this server can make.
//!
//! It says what the warehouse calls the statement, through which connection, whose it is, which call
//! it was, and until when. Any worker that has the keys opens it, for its caller alone. It travels in
//! a header, so it stays short: a call that does not fit becomes no task.

use std::time::Duration;

use rmcp::model::{CallToolRequestParams, JsonObject};
use serde::{Deserialize, Serialize};

use crate::access::Caller;
use crate::mcp::edge::resume::{packed, unpacked};
use crate::mcp::edge::ring::{Purpose, Ring};
use crate::mcp::edge::session::Principal;

/// How long a task can be asked for: Snowflake keeps an answer for a day.
pub const TASK_LIFE: Duration = Duration::from_secs(24 * 60 * 60);
/// The longest name that is looked at, in characters.
const NAME_CHARS_MAX: usize = 8 * 1024;

/// What a task's name says.
#[derive(Debug, Clone, PartialEq)]
pub struct Ticket {
    /// What the warehouse calls the statement.
    pub query_id: String,
    /// The connection; the default one without.
    pub connection: Option<String>,
    /// When it was made, in seconds since 1970.
    pub created: u64,
    /// The call that it answers.
    pub called: Called,
}

/// A call of a tool, short enough to be in a name.
#[derive(Debug, Clone, PartialEq)]
pub struct Called {
    tool: String,
    arguments: Option<JsonObject>,
    packed: Vec<u8>,
}

#[derive(Serialize, Deserialize)]
struct Message {
    #[serde(rename = "t")]
    tool: String,
    #[serde(rename = "a")]
    arguments: Option<JsonObject>,
}

/// What stands in a name before the call.
#[derive(Serialize, Deserialize)]
struct Head {
    #[serde(rename = "q")]
    query_id: String,
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    connection: Option<String>,
    #[serde(rename = "d")]
    created: u64,
}

impl Called {
    /// A call; none when it is too long.
    #[must_use]
    pub fn of(request: &CallToolRequestParams) -> Option<Called> {
        let (tool, arguments) = (request.name.to_string(), request.arguments.clone());
        let message = Message { tool, arguments };
        let packed = packed(&serde_json::to_vec(&message).ok()?);
        let Message { tool, arguments } = message;
        (!packed.is_empty()).then_some(Called { tool, arguments, packed })
    }

    fn opened(packed: &[u8]) -> Option<Called> {
        let Message { tool, arguments } = serde_json::from_slice(&unpacked(packed)?).ok()?;
        Some(Called { tool, arguments, packed: packed.to_vec() })
    }

    /// The call again.
    #[must_use]
    pub fn request(&self) -> CallToolRequestParams {
        let mut request = CallToolRequestParams::new(self.tool.clone());
        request.arguments.clone_from(&self.arguments);
        request
    }
}

impl Ticket {
    /// The task of a statement that was left at this moment, in seconds since 1970.
    #[must_use]
    pub fn new(query_id: String, connection: Option<String>, called: Called, now: u64) -> Ticket {
        Ticket { query_id, connection, created: now, called }
    }

    /// Its name, for this caller.
    #[must_use]
    pub fn sealed(&self, caller: &Caller, ring: &Ring) -> String {
        let Ticket { query_id, connection, created, called } = self;
        let (query_id, connection) = (query_id.clone(), connection.clone());
        let head = Head { query_id, connection, created: *created };
        let head = serde_json::to_vec(&head).expect("it is text throughout");
        let length = u16::try_from(head.len()).expect("names at a warehouse are short");
        let mut content = Principal::of(caller).0.to_vec();
        content.extend_from_slice(&length.to_be_bytes());
        content.extend_from_slice(&head);
        content.extend_from_slice(&called.packed);
        ring.seal(Purpose::Task, &content)
    }

    /// What a name says, if it is this caller's and its time is not over.
    #[must_use]
    pub fn open(text: &str, caller: &Caller, (ring, now): (&Ring, u64)) -> Option<Ticket> {
        if text.len() > NAME_CHARS_MAX {
            return None;
        }
        let content = ring.open(Purpose::Task, text)?;
        let (whose, content) = content.split_first_chunk()?;
        let (length, content) = content.split_first_chunk()?;
        let (head, call) = content.split_at_checked(u16::from_be_bytes(*length).into())?;
        if Principal(*whose) != Principal::of(caller) {
            return None;
        }
        let Head { query_id, connection, created } = serde_json::from_slice(head).ok()?;
        let ticket = Ticket { query_id, connection, created, called: Called::opened(call)? };
        (ticket.age(now) < TASK_LIFE).then_some(ticket)
    }

    /// How old it is.
    #[must_use]
    pub fn age(&self, now: u64) -> Duration {
        Duration::from_secs(now.saturating_sub(self.created))
    }
}

#[cfg(test)]
mod tests {
    use mcp_protocol::relay::{SealingKey, SealingKeys};
    use ring::rand::{SecureRandom, SystemRandom};
    use serde_json::{Value, json};

    use super::*;

    const NOW: u64 = 1_800_000_000;

    fn keys(current: u8, previous: Option<u8>) -> Ring {
        let key = |byte: u8| SealingKey::new(byte, &[byte; 32], 0);
        Ring::new(&SealingKeys { current: key(current), previous: previous.map(key) })
    }

    fn request(query: &str) -> CallToolRequestParams {
        let mut request = CallToolRequestParams::new("execute_query");
        let Value::Object(arguments) = json!({ "query": query, "limit": 7 }) else { panic!() };
        request.arguments = Some(arguments);
        request
    }

    fn ticket() -> Ticket {
        let called = Called::of(&request("select 1")).unwrap();
        Ticket::new("01b2-c3".to_owned(), Some("finance".to_owned()), called, NOW)
    }

    fn called(name: &str) -> Caller {
        Caller { name: Some(name.into()), ..Caller::nobody() }
    }

    #[test]
    fn a_name_opens_for_its_caller_alone_with_a_newer_key_and_within_a_day() {
        let name = ticket().sealed(&called("a"), &keys(1, None));
        let open =
            |caller: &str, ring: &Ring, now| Ticket::open(&name, &called(caller), (ring, now));
        let last = NOW + TASK_LIFE.as_secs() - 1;
        assert_eq!(open("a", &keys(2, Some(1)), last), Some(ticket()));
        assert_eq!(open("a", &keys(1, None), last + 1), None, "its time is over");
        assert_eq!(open("a", &keys(2, None), NOW), None, "the key is gone");
        assert_eq!(open("b", &keys(1, None), NOW), None, "another's");
        assert_eq!(Ticket::open(&name, &Caller::nobody(), (&keys(1, None), NOW)), None);
        assert_eq!(keys(1, None).open(Purpose::Cursor, &name), None, "it is no cursor");
        for nonsense in ["", "x", &name[1..], &"A".repeat(100_000)] {
            assert_eq!(Ticket::open(nonsense, &called("a"), (&keys(1, None), NOW)), None);
        }
    }

    #[test]
    fn a_call_comes_back_as_it_was_and_one_that_is_too_long_for_a_header_does_not_go() {
        let name = ticket().sealed(&called("a"), &keys(1, None));
        let back = Ticket::open(&name, &called("a"), (&keys(1, None), NOW)).unwrap();
        assert_eq!(back.called.request(), request("select 1"));
        let mut noise = [0; 4096];
        SystemRandom::new().fill(&mut noise).unwrap();
        let noise = mcp_protocol::hexadecimal::hex(&noise);
        assert_eq!(Called::of(&request(&noise)), None);
        let long = Called::of(&request(&"select 1 union all ".repeat(1000))).unwrap();
        let long = Ticket::new("01b2".to_owned(), None, long, NOW);
        assert!(long.sealed(&called("a"), &keys(1, None)).len() < 4000);
    }
}
