//! Which clients came lately: the sessions that this worker saw, and how much they sent.
//!
//! A session belongs to no worker and is kept nowhere; this is a memory of who was here, bounded,
//! for people who look. What a client asked is not in it.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use mcp_protocol::admin::{ROWS_MAX, SessionSeen};
use mcp_protocol::relay::SessionTag;

use crate::clock::unix_seconds;

/// So many are remembered; of more the one that was here longest ago is forgotten.
const REMEMBERED_MAX: usize = 1_000;
/// The longest name of a program that is kept, in characters.
const NAME_CHARS_MAX: usize = 130;

/// Who came lately.
#[derive(Debug, Default)]
pub struct Visitors(Mutex<HashMap<Who, Seen>>);

/// Who sends a message.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Visit {
    /// Its session; none for clients of the protocol without sessions.
    pub session: Option<SessionTag>,
    /// Its name in the configuration.
    pub client: Option<String>,
    /// What it introduced itself as.
    pub program: Option<String>,
    /// The version of the protocol.
    pub protocol: String,
}

/// By what visitors are told apart.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Who {
    Session(SessionTag),
    Program(Option<String>, Option<String>, String),
}

#[derive(Debug)]
struct Seen {
    visit: Visit,
    first: u64,
    last: u64,
    messages: u64,
}

impl Visitors {
    /// Somebody sends a message.
    pub fn note(&self, visit: Visit) {
        let shortened = |text: &String| text.chars().take(NAME_CHARS_MAX).collect::<String>();
        let program = visit.program.as_ref().map(shortened);
        let visit = Visit { program, protocol: shortened(&visit.protocol), ..visit };
        let who = match visit.session {
            Some(tag) => Who::Session(tag),
            None => {
                Who::Program(visit.client.clone(), visit.program.clone(), visit.protocol.clone())
            }
        };
        let now = unix_seconds();
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() >= REMEMBERED_MAX
            && !all.contains_key(&who)
            && let Some(oldest) = all.iter().min_by_key(|(_, seen)| seen.last)
        {
            let oldest = oldest.0.clone();
            all.remove(&oldest);
        }
        let seen = all.entry(who).or_insert(Seen { visit, first: now, last: now, messages: 0 });
        seen.last = now;
        seen.messages += 1;
    }

    /// Those who came last, the last one first.
    #[must_use]
    pub fn list(&self) -> Vec<SessionSeen> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let told = |seen: &Seen| SessionSeen {
            tag: seen.visit.session.map(|tag| tag.to_string()),
            client: seen.visit.client.clone(),
            program: seen.visit.program.clone(),
            protocol: seen.visit.protocol.clone(),
            first_seen: seen.first,
            last_seen: seen.last,
            messages: seen.messages,
        };
        let mut list: Vec<SessionSeen> = all.values().map(told).collect();
        drop(all);
        list.sort_by_key(|seen| std::cmp::Reverse(seen.last_seen));
        list.truncate(ROWS_MAX);
        list
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn visit(session: Option<u16>, program: &str) -> Visit {
        let tag = |number: u16| {
            let mut tag = [0; 16];
            tag[..2].copy_from_slice(&number.to_be_bytes());
            SessionTag(tag)
        };
        let (session, program) = (session.map(tag), Some(program.to_owned()));
        Visit { session, client: None, program, protocol: "2025-11-25".to_owned() }
    }

    #[test]
    fn a_session_is_one_visitor_and_programs_without_one_are_told_apart_by_name() {
        let visitors = Visitors::default();
        for one in [visit(Some(1), "a 1"), visit(Some(1), "a 1"), visit(None, "b 1")] {
            visitors.note(one);
        }
        visitors.note(visit(None, "b 2"));
        visitors.note(visit(None, "b 2"));
        let mut messages: Vec<_> = visitors
            .list()
            .into_iter()
            .map(|seen| (seen.program.unwrap_or_default(), seen.messages))
            .collect();
        messages.sort();
        let expected = [("a 1", 2), ("b 1", 1), ("b 2", 2)];
        assert_eq!(messages, expected.map(|(name, count)| (name.to_owned(), count)));
    }

    #[test]
    fn what_is_remembered_and_told_is_bounded() {
        let visitors = Visitors::default();
        for number in 0..3_000 {
            visitors.note(visit(Some(number), &"x".repeat(5_000)));
        }
        assert_eq!(visitors.0.lock().unwrap().len(), REMEMBERED_MAX);
        let list = visitors.list();
        assert_eq!(list.len(), ROWS_MAX);
        assert!(list.iter().all(|seen| seen.program.as_ref().is_some_and(|it| it.len() <= 130)));
    }
}
