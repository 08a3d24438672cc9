//! Output that cannot be written, as operators are told: in the log when it begins and ends, and in
//! `status` for as long as it lasts. There, too, files that are to be rotated and wait.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;

use super::Key;
use super::channel::Channel;
use super::log_file::LogFile;
use crate::machine::AppName;

/// What is shared with whoever asks.
#[derive(Debug, Clone, Default)]
pub(super) struct Board(Arc<Mutex<Shown>>);

#[derive(Debug, Default)]
struct Shown {
    /// What is being dropped, by stream.
    troubles: BTreeMap<Key, Trouble>,
    waiting: BTreeSet<Waiting>,
}

/// A file that an operator wants rotated, in the middle of whose last line its program rests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Waiting {
    pub(crate) app: AppName,
    file: String,
}

impl Waiting {
    pub(super) fn of(key: &Key) -> Waiting {
        Waiting { app: key.app.clone(), file: key.log_file() }
    }

    /// As an operator is told.
    pub(crate) fn words(&self) -> String {
        format!("{} will be rotated when its last line ends", self.file)
    }
}

/// Why a stream cannot be written, and how much of it was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trouble {
    why: Errno,
    bytes: u64,
}

impl Board {
    /// Takes in how it stands.
    pub(super) fn show(&self, channels: &[Channel], files: &BTreeMap<Key, LogFile>) {
        let mut now: BTreeMap<Key, Trouble> = BTreeMap::new();
        for (channel, gap) in channels.iter().filter_map(|one| Some((one, one.gap()?))) {
            let trouble =
                now.entry(channel.key.clone()).or_insert(Trouble { why: gap.why, bytes: 0 });
            trouble.bytes += gap.bytes;
        }
        let waiting = files.iter().filter(|(_, file)| file.is_waiting());
        let waiting = waiting.map(|(key, _)| Waiting::of(key)).collect();
        let mut board = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        board.waiting = waiting;
        let shown = &mut board.troubles;
        if *shown == now {
            return;
        }
        for (key, Trouble { why, .. }) in now.iter().filter(|(key, _)| !shown.contains_key(*key)) {
            tracing::error!(
                app = %key.app, file = key.log_file(), why = why.desc(),
                "output cannot be written; it is dropped and counted"
            );
        }
        for (key, Trouble { bytes, .. }) in shown.iter().filter(|(key, _)| !now.contains_key(*key))
        {
            tracing::info!(
                app = %key.app, file = key.log_file(), dropped_bytes = bytes,
                "output is written again"
            );
        }
        *shown = now;
    }

    /// What an operator should know of an app's output.
    pub(super) fn words(&self, app: &AppName) -> Vec<String> {
        let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let of_app = shown.troubles.iter().filter(|(key, _)| key.app == *app);
        let words = |(key, trouble): (&Key, &Trouble)| {
            format!(
                "{} cannot be written ({}): {} bytes of output were dropped until now",
                key.log_file(),
                trouble.why.desc(),
                trouble.bytes
            )
        };
        let waiting = shown.waiting.iter().filter(|one| one.app == *app).map(Waiting::words);
        of_app.map(words).chain(waiting).collect()
    }
}
