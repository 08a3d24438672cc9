//! The identity of a worker: everything that it can only learn by being started anew.
//!
//! In it: program, arguments, directory, variables, listener, stop signal, user, group, umask,
//! nice, resource limits, whether its output is a file of its own, what it is handed to tell its
//! readiness and its life by, and all of our own worker's settings but those that it takes on while
//! it runs. Not in it: the generation, which would roll everything at each reload; and what the supervisor alone
//! acts on (instances, time limits, probes, restart and rollout policy, how much output is kept),
//! which changes without touching a worker.
//!
//! Secrets are in it too, so that a new one rolls the workers, but by a hash whose key is drawn
//! anew in each process: whoever sees the number cannot try passwords on it. So it is another one
//! in each life of the supervisor for an app with secrets; whoever lets numbers outlive a
//! supervisor hands the key over with them.
//!
//! The number of any other app must stay the same over releases, for it is compared with that of workers which an
//! earlier supervisor started. So it is FNV-1a over the encoded fields, not the standard library's
//! hash, which promises nothing.

use std::hash::{BuildHasher, RandomState};
use std::sync::OnceLock;

use mcp_protocol::frame::{self, FrameError};
use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{Settings, SnowflakeLogin, WarehouseSettings};

use super::{AppConfig, ReadyBy};
use crate::machine::Fingerprint;

/// The fingerprint of an app's workers; what its `goal` says about it is not looked at.
pub(super) fn of(app: &AppConfig) -> Result<Fingerprint, FrameError> {
    let settings = app.settings.as_ref().map(|settings| {
        let mut settings = settings.clone();
        settings.generation = 0;
        settings.adjust(Settings::default().adjustable());
        let mut secrets = match &mut settings.warehouse {
            WarehouseSettings::Embedded { .. } => Vec::new(),
            WarehouseSettings::Snowflake(account) => taken_out(&mut account.login),
        };
        for account in settings.connections.values_mut() {
            secrets.extend(taken_out(&mut account.login));
        }
        let headers = settings.logs.traces.iter_mut().flat_map(|to| to.headers.values_mut());
        secrets.extend(headers.map(|value| std::mem::replace(value, Secret::new(String::new()))));
        (settings, secrets)
    });
    let secrets: Option<Vec<u64>> = settings.as_ref().map(|(_, secrets)| hashes(secrets));
    let settings = settings.map(|(settings, _)| settings);
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
    let secrets = secrets.into_iter().flatten().flat_map(u64::to_le_bytes);
    // A process keeps the output that it was born with.
    let apart = (!app.output.merge).then_some(1);
    Ok(Fingerprint(fnv_1a(&bytes.into_iter().chain(secrets).chain(apart).collect::<Vec<u8>>())))
}

/// The secrets, with nothing left in their place.
fn taken_out(login: &mut SnowflakeLogin) -> Vec<Secret> {
    let take = |secret: &mut Secret| std::mem::replace(secret, Secret::new(String::new()));
    match login {
        SnowflakeLogin::KeyPair { private_key, passphrase } => {
            let passphrase = passphrase.as_mut().map(take);
            std::iter::once(take(private_key)).chain(passphrase).collect()
        }
        SnowflakeLogin::Password { password } => vec![take(password)],
        SnowflakeLogin::ProgrammaticAccessToken { token } | SnowflakeLogin::OAuth { token } => {
            vec![take(token)]
        }
        SnowflakeLogin::OAuthClientCredentials { client_secret, .. } => vec![take(client_secret)],
        SnowflakeLogin::MfaPasscode { password, passcode } => {
            vec![take(password), take(passcode)]
        }
        SnowflakeLogin::WorkloadIdentity { .. }
        | SnowflakeLogin::CloudIdentity { .. }
        | SnowflakeLogin::ExternalBrowser => Vec::new(),
    }
}

/// Numbers that differ where the secrets do, and tell nothing outside this process.
fn hashes(secrets: &[Secret]) -> Vec<u64> {
    static KEY: OnceLock<RandomState> = OnceLock::new();
    let key = KEY.get_or_init(RandomState::new);
    secrets.iter().map(|secret| key.hash_one(secret.expose())).collect()
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
