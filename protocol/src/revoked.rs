//! Sessions that were ended, each remembered until it would have expired anyway.
//!
//! The supervisor and every worker keep one of these, so that they agree on what is forgotten:
//! what has expired, and, when there are too many, what would expire first. Pure: the time is an
//! argument, in seconds since 1970.

use std::collections::{BTreeSet, HashMap};

use crate::relay::{Revocation, SessionTag};

/// The most sessions that are remembered.
pub const REVOKED_MAX: usize = 100_000;

/// Sessions that were ended.
#[derive(Debug, Default)]
pub struct Revoked {
    until: HashMap<SessionTag, u64>,
    by_end: BTreeSet<(u64, SessionTag)>,
}

/// What became of a session that was to be remembered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entry {
    /// It is remembered from now on.
    New,
    /// It is remembered from now on, and another one had to be forgotten before its time.
    Crowded,
    /// It was remembered already, or has expired.
    Known,
}

impl Revoked {
    /// Remembers a session; `now` decides which others are forgotten.
    pub fn insert(&mut self, revocation: Revocation, now: u64) -> Entry {
        self.forget_expired(now);
        let Revocation { session, until } = revocation;
        if until <= now || self.until.contains_key(&session) {
            return Entry::Known;
        }
        self.until.insert(session, until);
        self.by_end.insert((until, session));
        if self.until.len() <= REVOKED_MAX {
            return Entry::New;
        }
        if let Some((_, first)) = self.by_end.pop_first() {
            self.until.remove(&first);
        }
        Entry::Crowded
    }

    /// Forgets what has expired.
    pub fn forget_expired(&mut self, now: u64) {
        while let Some((until, session)) = self.by_end.first().copied().filter(|one| one.0 <= now) {
            self.by_end.remove(&(until, session));
            self.until.remove(&session);
        }
    }

    /// Whether this session was ended.
    #[must_use]
    pub fn contains(&self, session: SessionTag) -> bool {
        self.until.contains_key(&session)
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.until.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.until.is_empty()
    }

    /// All of them; those that expire first come first.
    pub fn iter(&self) -> impl Iterator<Item = Revocation> {
        self.by_end.iter().map(|(until, session)| Revocation { session: *session, until: *until })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(number: u32, until: u64) -> Revocation {
        let mut session = SessionTag([0; 16]);
        session.0[..4].copy_from_slice(&number.to_be_bytes());
        Revocation { session, until }
    }

    #[test]
    fn a_session_is_remembered_until_it_would_have_expired() {
        let mut revoked = Revoked::default();
        assert_eq!(revoked.insert(ends(1, 100), 50), Entry::New);
        assert_eq!(revoked.insert(ends(1, 900), 50), Entry::Known);
        assert_eq!(revoked.insert(ends(2, 50), 50), Entry::Known);
        assert!(revoked.contains(ends(1, 0).session) && !revoked.contains(ends(2, 0).session));
        revoked.forget_expired(99);
        assert_eq!(revoked.len(), 1);
        revoked.forget_expired(100);
        assert!(revoked.is_empty() && revoked.iter().next().is_none());
    }

    #[test]
    fn when_there_are_too_many_what_expires_first_is_forgotten() {
        let mut revoked = Revoked::default();
        let most = u32::try_from(REVOKED_MAX).unwrap();
        for number in 0..most {
            assert_eq!(revoked.insert(ends(number, 1_000 + u64::from(number)), 0), Entry::New);
        }
        assert_eq!(revoked.insert(ends(most, 9_000_000), 0), Entry::Crowded);
        assert_eq!(revoked.len(), REVOKED_MAX);
        assert!(!revoked.contains(ends(0, 0).session) && revoked.contains(ends(most, 0).session));
        assert_eq!(revoked.iter().next(), Some(ends(1, 1_001)));
    }
}
