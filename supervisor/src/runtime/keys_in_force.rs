//! Keys of clients, taken into the configuration in force while the one on disk is not.
//!
//! That a key was revoked does not wait for a file to be mended, so the file of keys is read by
//! itself then. Nothing else of the disk counts: neither who is a client nor what one may do. The
//! history keeps configurations and not this; `audit.log` has what became of each key.

use std::sync::Arc;

use crate::config;
use crate::runtime::configuration::{Cause, changes};
use crate::runtime::hands::Hands;

impl Hands {
    /// Lets the keys that there are now count in the configuration in force, and nothing else.
    pub(crate) fn take_keys_in(&mut self, cause: Cause) {
        let config = match config::with_keys_of_now(&self.config) {
            Ok(config) => config,
            Err(why) => {
                // Tried again every few seconds, and said once.
                if cause != Cause::TriedAgain {
                    let file = self.config.supervisor.state_directory.join(config::KEY_FILE_NAME);
                    tracing::warn!(file = %file.display(), why, "no keys were taken in");
                }
                return;
            }
        };
        let changes = changes(&self.config, &config);
        if changes.is_empty() {
            return;
        }
        tracing::info!(
            changes = changes.join("; "),
            "keys of clients changed and hold, though the configuration on disk is not in force"
        );
        self.config = Arc::new(config);
        self.adjust_workers();
    }
}
