//! The identity of a worker: everything that it can only learn by being started anew.
//!
//! In it: program, arguments, directory, variables, listener, stop signal, user, group, umask,
//! nice, resource limits, what it is handed to tell its readiness and its life by, and all of our
//! own worker's settings but those that it takes on while it runs. Not in it: the generation, which would roll everything at each reload; and what the supervisor alone
//! acts on (instances, time limits, probes, restart and rollout policy, how much output is kept),
//! which changes without touching a worker.
//!
//! The number must stay the same over releases, for it is compared with that of workers which an
//! earlier supervisor started. So it is FNV-1a over the encoded fields, not the standard library's
//! hash, which promises nothing.

use mcp_protocol::frame::{self, FrameError};
use mcp_protocol::settings::Settings;

use super::{AppConfig, ReadyBy};
use crate::machine::Fingerprint;

/// The fingerprint of an app's workers; what its `goal` says about it is not looked at.
pub(super) fn of(app: &AppConfig) -> Result<Fingerprint, FrameError> {
    let settings = app.settings.as_ref().map(|settings| {
        let mut settings = settings.clone();
        settings.generation = 0;
        settings.adjust(Settings::default().adjustable());
        settings
    });
    let bytes = frame::encode(&(
        &app.program,
        &app.arguments,
        &app.working_directory,
        &app.variables,
        &app.listen,
        app.stop_signal,
        &app.process,
        handed(&app.health.ready),
        &app.health.watchdog,
        &settings,
    ))?;
    Ok(Fingerprint(fnv_1a(&bytes)))
}

/// A number for what a program is given, to say by it that it is ready.
fn handed(ready: &ReadyBy) -> u8 {
    match ready {
        ReadyBy::Age | ReadyBy::Link | ReadyBy::Probe => 0,
        ReadyBy::Notification => 1,
        ReadyBy::Descriptor => 2,
        ReadyBy::Line(_) => 3,
    }
}

pub(crate) fn fnv_1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01B3)
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_hash_is_the_published_one() {
        assert_eq!(super::fnv_1a(b""), 0xCBF2_9CE4_8422_2325);
        assert_eq!(super::fnv_1a(b"foobar"), 0x8594_4171_F739_67E8);
    }
}
