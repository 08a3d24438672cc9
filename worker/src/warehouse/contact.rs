//! How the last contact with a warehouse went, for whoever asks whether it is well.
//!
//! Written by whatever talks with it anyway (a statement, a login, the check of an idle session),
//! so that to ask costs nothing and waits for nobody.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::WarehouseError;
use crate::clock::{Moment, unix_seconds};

/// What stands before the warehouse's own number of an error, in its words.
const CODE_BEGINS: &str = "Snowflake's code ";
/// The longest words of an error that are kept, in characters.
const WORDS_MAX: usize = 1_000;

/// The memory of the last contact.
#[derive(Debug, Default)]
pub(super) struct Contact(Mutex<Known>);

/// What is known of a warehouse without asking it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// When it answered last, in seconds since 1970.
    pub answered_at: Option<u64>,
    /// What went wrong last.
    pub trouble: Option<Trouble>,
    /// Whether that was after it answered last.
    pub is_troubled: bool,
    /// When a caller waited in vain for a session.
    pub exhausted_at: Option<Moment>,
}

/// What went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// When, in seconds since 1970.
    pub at: u64,
    /// Of which kind it was, in a word.
    pub kind: &'static str,
    /// The warehouse's own number for it.
    pub code: Option<String>,
    /// In words.
    pub words: String,
}

impl Contact {
    /// It answered.
    pub(super) fn answered(&self) {
        let mut known = self.lock();
        known.answered_at = Some(unix_seconds());
        known.is_troubled = false;
    }

    /// A statement or a login ended with this error. That the statement was wrong is an answer,
    /// too; that nobody wanted it any more tells nothing.
    pub(super) fn failed(&self, error: &WarehouseError) {
        let kind = match error {
            WarehouseError::Statement { .. }
            | WarehouseError::Service { .. }
            | WarehouseError::Unsupported { .. }
            | WarehouseError::Left { .. } => {
                return self.answered();
            }
            WarehouseError::TimedOut { .. } | WarehouseError::Cancelled => return,
            WarehouseError::Connect { .. } => "unreachable",
            WarehouseError::Refused { .. } => "refused",
            WarehouseError::Settings { .. } => "settings",
            WarehouseError::LoggedOut { .. } => "logged_out",
            WarehouseError::Interrupted { .. } => "interrupted",
        };
        let whole = error.to_string();
        let code = code_in(&whole);
        let words = whole.chars().take(WORDS_MAX).collect();
        let mut known = self.lock();
        known.trouble = Some(Trouble { at: unix_seconds(), kind, code, words });
        known.is_troubled = true;
    }

    /// A caller waited in vain.
    pub(super) fn exhausted(&self, now: Moment) {
        self.lock().exhausted_at = Some(now);
    }

    pub(super) fn known(&self) -> Known {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn code_in(words: &str) -> Option<String> {
    let (_, rest) = words.split_once(CODE_BEGINS)?;
    let code: String = rest.chars().take_while(char::is_ascii_alphanumeric).collect();
    (!code.is_empty()).then_some(code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_over_with_the_next_answer_and_stays_known() {
        let contact = Contact::default();
        assert_eq!(contact.known(), Known::default());
        let reason = "no route (Snowflake's code 390318)".to_owned();
        contact.failed(&WarehouseError::Connect { warehouse: "it".to_owned(), reason });
        let known = contact.known();
        assert!(known.is_troubled && known.answered_at.is_none());
        let trouble = known.trouble.unwrap();
        assert_eq!((trouble.kind, trouble.code.as_deref()), ("unreachable", Some("390318")));
        contact.failed(&WarehouseError::Cancelled);
        assert!(contact.known().is_troubled, "nobody asked it");
        contact.failed(&WarehouseError::Statement { message: "no such table".to_owned() });
        let known = contact.known();
        assert!(!known.is_troubled && known.answered_at.is_some() && known.trouble.is_some());
    }
}
