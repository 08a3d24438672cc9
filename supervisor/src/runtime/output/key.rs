//! What flows into one file, and what files and FIFOs are called.
//!
//! The files of an app are `APP.out.log` and `APP.err.log`; where each slot has files of its own,
//! `APP[SLOT].out.log` and `APP[SLOT].err.log`. Neither `[` nor `@` is in an app's name.

use std::fmt;

use crate::machine::{AppName, SlotId};

/// The two streams of a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stream {
    Output,
    Errors,
}

/// One stream of an app, or of a slot of it: what flows into one file.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Key {
    pub(super) app: AppName,
    /// None where the slots share a file.
    pub(super) slot: Option<u32>,
    pub(super) stream: Stream,
}

impl Stream {
    pub(super) fn ending(self) -> &'static str {
        match self {
            Stream::Output => "out",
            Stream::Errors => "err",
        }
    }

    fn log_file(self, owner: &str) -> String {
        format!("{owner}.{}.log", self.ending())
    }
}

impl Key {
    /// Of a slot, whose app may have one file for all.
    pub(super) fn new(slot: &SlotId, stream: Stream, merge: bool) -> Key {
        Key { app: slot.app.clone(), slot: (!merge).then_some(slot.index), stream }
    }

    /// The file's name.
    pub(super) fn log_file(&self) -> String {
        self.stream.log_file(&self.to_string())
    }

    /// The name of the FIFO that those who share the file share as well.
    pub(super) fn fifo(&self) -> String {
        format!("{self}.{}", self.stream.ending())
    }

    /// What the names of the FIFOs begin and end with that single runs have for themselves.
    pub(super) fn own_fifos(&self) -> (String, String) {
        (format!("{self}@"), format!(".{}", self.stream.ending()))
    }
}

/// Whose it is, as an operator says it.
impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.slot {
            Some(slot) => write!(out, "{}[{slot}]", self.app),
            None => write!(out, "{}", self.app),
        }
    }
}

/// The names of the files that the output and the errors of an app are kept in; or of a slot,
/// where each has its own, as in `query[2]`.
#[must_use]
pub fn log_files(owner: &str) -> [String; 2] {
    [Stream::Output, Stream::Errors].map(|stream| stream.log_file(owner))
}

/// The app whose output or errors, or those of a slot of it, are kept in a file of this name.
#[must_use]
pub fn app_of_log(file: &str) -> Option<&str> {
    let owner = owner_of_log(file)?;
    let slot = owner.strip_suffix(']').and_then(|rest| rest.rsplit_once('['));
    match slot {
        Some((app, slot)) => slot.parse::<u32>().is_ok().then_some(app),
        None => Some(owner),
    }
}

/// Whose output or errors are kept in a file of this name: an app's, or a slot's.
pub(super) fn owner_of_log(file: &str) -> Option<&str> {
    let endings = [Stream::Output, Stream::Errors].map(|stream| stream.log_file(""));
    endings.iter().find_map(|ending| file.strip_suffix(ending.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_its_app() {
        for stream in [Stream::Output, Stream::Errors] {
            for merge in [true, false] {
                let slot = SlotId { app: AppName::new("a-b.c"), index: 12 };
                let key = Key::new(&slot, stream, merge);
                assert_eq!(app_of_log(&key.log_file()), Some("a-b.c"), "{key}");
                assert!(log_files(&key.to_string()).contains(&key.log_file()));
            }
        }
        for stranger in ["supervisor.log", "a.out.log.1", "a[x].out.log", "a[1.out"] {
            assert_eq!(app_of_log(stranger), None, "{stranger}");
        }
    }
}
