//! Who had what done by commands, as a line of the audit log each.
//!
//! What clients have done at a worker's door is written down by that worker.

use std::path::Path;

use mcp_protocol::admin::{Gathered, Outcome, Wish};
use serde_json::{Value, json};

use crate::runtime::api_keys::note_event;

/// An operator, as the kernel knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct By {
    pub(crate) pid: i32,
    pub(crate) uid: u32,
}

/// A line to be written.
#[derive(Debug)]
pub(crate) struct Note(Value);

impl Note {
    /// What became of a wish.
    pub(crate) fn of(wish: &Wish, by: &By, gathered: &[Gathered]) -> Note {
        let parts = gathered.iter().flat_map(|one| &one.parts);
        let is_missing =
            |outcome: &Option<Outcome>| matches!(outcome, None | Some(Outcome::Refused(_)));
        let (mut all, mut missing) = (0, 0);
        for part in parts {
            all += 1;
            missing += u32::from(is_missing(&part.outcome));
        }
        let outcome = match missing {
            0 => "ok",
            some if some == all => "error",
            _some => "partly",
        };
        let apps: Vec<&str> = gathered.iter().map(|one| one.app.as_str()).collect();
        let mut line = json!({
            "event": "admin", "action": wish.name(), "outcome": outcome, "apps": apps,
            "by_uid": by.uid, "by_pid": by.pid,
        });
        if let Some(reason) = wish.detail() {
            line["reason"] = reason.into();
        }
        Note(line)
    }

    /// Writes it down. That it cannot be is said in the log.
    pub(crate) fn write(self, log_directory: &Path) {
        if let Err(error) = note_event(log_directory, self.0) {
            tracing::error!(%error, "an administrator's wish is not in the audit log");
        }
    }
}
