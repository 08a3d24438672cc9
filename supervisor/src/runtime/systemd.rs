//! What systemd is told: READY, RELOADING, STOPPING, WATCHDOG, STATUS. Silent without systemd.

use std::time::Duration;

use sd_notify::NotifyState;

/// Whether and how often systemd wants to hear from us.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Systemd {
    /// Half of the time after which systemd would think that we hang.
    pub(crate) watchdog_every: Option<Duration>,
}

impl Systemd {
    /// Reads what systemd set in our environment.
    pub(crate) fn find() -> Systemd {
        Systemd { watchdog_every: sd_notify::watchdog_enabled().map(|limit| limit / 2) }
    }

    /// Every worker serves.
    pub(crate) fn ready(self, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// A reload began; [`Systemd::ready`] ends it.
    pub(crate) fn reloading(self) {
        match NotifyState::monotonic_usec_now() {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    /// The service is ending.
    pub(crate) fn stopping(self) {
        tell(&[NotifyState::Stopping]);
    }

    /// The loop is alive.
    pub(crate) fn alive(self) {
        tell(&[NotifyState::Watchdog]);
    }
}

fn tell(state: &[NotifyState<'_>]) {
    // Without systemd there is nobody to tell; with it, nothing can be done about a failure.
    let _ = sd_notify::notify(state);
}
