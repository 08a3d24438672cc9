//! How a worker that serves comes to be replaced: somebody asked for it, or it is too large, too old
//! or out of date.
//!
//! Only marks are made here. When a marked worker leaves is its app's rollout's business.

use std::time::Duration;

use crate::machine::action::DrainCause;
use crate::machine::turn::Turn;
use crate::machine::words::span;
use crate::machine::worker::{Stage, Worker};

impl Worker {
    /// Marks it to be replaced as its app's rollout says, while it goes on serving.
    pub(super) fn retire(&mut self, why: String) {
        match self.stage {
            Stage::Ready { .. } => {
                self.retired.get_or_insert(why);
            }
            Stage::Starting { .. } | Stage::Draining { .. } | Stage::Killing { .. } => {}
        }
    }

    /// The same of one that is ready, for a reason of its own: nobody asked for it.
    pub(super) fn retire_unasked(&mut self, (cause, why): (DrainCause, String)) {
        if self.retired.is_none() {
            self.unasked = Some(why.clone());
            self.cause = cause;
        }
        self.retire(why);
    }

    /// Marks it to be replaced because of its age, once.
    pub(super) fn grow_old(&mut self, turn: &Turn) {
        let age = turn.now.since(self.since);
        if let Stage::Ready { old_at, .. } = &mut self.stage {
            *old_at = None;
        }
        let age = Duration::from_secs((age + Duration::from_millis(500)).as_secs());
        let why = format!("ready for {}, max_age is over", span(age));
        self.retire_unasked((DrainCause::Age, why));
    }
}
