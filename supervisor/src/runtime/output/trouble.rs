//! Output that cannot be written, as operators are told: in the log when it begins and ends, and in
//! `status` for as long as it lasts.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use nix::errno::Errno;

use super::Key;
use super::channel::Channel;
use crate::machine::AppName;

/// What is being dropped, by stream; shared with whoever asks.
#[derive(Debug, Clone, Default)]
pub(super) struct Board(Arc<Mutex<BTreeMap<Key, Trouble>>>);

/// Why a stream cannot be written, and how much of it was dropped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Trouble {
    why: Errno,
    bytes: u64,
}

impl Board {
    /// Takes in how it stands.
    pub(super) fn show(&self, channels: &[Channel]) {
        let mut now: BTreeMap<Key, Trouble> = BTreeMap::new();
        for (channel, gap) in channels.iter().filter_map(|one| Some((one, one.gap()?))) {
            let trouble =
                now.entry(channel.key.clone()).or_insert(Trouble { why: gap.why, bytes: 0 });
            trouble.bytes += gap.bytes;
        }
        let mut shown = self.0.lock().unwrap_or_else(PoisonError::into_inner);
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
        let of_app = shown.iter().filter(|(key, _)| key.app == *app);
        let words = |(key, trouble): (&Key, &Trouble)| {
            format!(
                "{} cannot be written ({}): {} bytes of output were dropped until now",
                key.log_file(),
                trouble.why.desc(),
                trouble.bytes
            )
        };
        of_app.map(words).collect()
    }
}
