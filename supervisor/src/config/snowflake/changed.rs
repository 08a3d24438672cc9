//! Which secrets differ between two readings of an app, by the key that names them.

use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{SnowflakeLogin, WarehouseSettings};

use super::TABLE;
use crate::config::AppConfig;

/// What to say of each secret that is another one; never the secret.
pub(in crate::config) fn changed_secrets(old: &AppConfig, new: &AppConfig) -> Vec<String> {
    let (old, before) = (secrets(old), old);
    let differs = |(key, secret): &(&'static str, Secret)| {
        old.iter().any(|(other, before)| other == key && before != secret)
    };
    let changed = secrets(new).into_iter().filter(differs);
    changed.filter_map(|(key, _)| words(key, before, new)).collect()
}

fn words(key: &str, old: &AppConfig, new: &AppConfig) -> Option<String> {
    let literal = format!("{TABLE}.{key}");
    let file = format!("{TABLE}.{key}_file");
    let written = |app: &AppConfig, key: &str| app.written.get(key).cloned();
    if written(new, &file).is_some() {
        // Another file is told with its name already.
        let same = written(old, &file) == written(new, &file);
        return same.then(|| format!("{file}: the content changed"));
    }
    Some(match written(new, &literal) {
        Some(_) => format!("{literal} changed"),
        None => format!("{TABLE}.connection: the {} changed", key.replace('_', " ")),
    })
}

fn secrets(app: &AppConfig) -> Vec<(&'static str, Secret)> {
    let Some(settings) = &app.settings else { return Vec::new() };
    let WarehouseSettings::Snowflake(account) = &settings.warehouse else { return Vec::new() };
    match account.login.clone() {
        SnowflakeLogin::KeyPair { private_key, passphrase } => {
            let passphrase = passphrase.map(|secret| ("private_key_passphrase", secret));
            std::iter::once(("private_key", private_key)).chain(passphrase).collect()
        }
        SnowflakeLogin::Password { password } => vec![("password", password)],
        SnowflakeLogin::ProgrammaticAccessToken { token } | SnowflakeLogin::OAuth { token } => {
            vec![("token", token)]
        }
        SnowflakeLogin::OAuthClientCredentials { client_secret, .. } => {
            vec![("oauth_client_secret", client_secret)]
        }
        SnowflakeLogin::MfaPasscode { password, passcode } => {
            vec![("password", password), ("passcode", passcode)]
        }
        // Its token is the platform's and not read here.
        SnowflakeLogin::WorkloadIdentity { .. } => Vec::new(),
    }
}
