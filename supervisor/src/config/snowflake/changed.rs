//! Which secrets differ between two readings of an app, by the key that names them.

use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{SnowflakeLogin, WarehouseSettings};

use super::Whose;
use crate::config::AppConfig;

/// What to say of each secret that is another one; never the secret.
pub(in crate::config) fn changed_secrets(old: &AppConfig, new: &AppConfig) -> Vec<String> {
    let (old, before) = (secrets(old), old);
    let differs = |found: &Found| {
        let same_key = |other: &&Found| other.table == found.table && other.key == found.key;
        old.iter().find(same_key).is_some_and(|other| other.secret != found.secret)
    };
    let changed = secrets(new).into_iter().filter(differs);
    changed.filter_map(|found| words(&found, before, new)).collect()
}

/// A secret, and where it belongs.
struct Found {
    /// The key of the account's table as seen from the app.
    table: String,
    key: &'static str,
    secret: Secret,
}

fn words(found: &Found, old: &AppConfig, new: &AppConfig) -> Option<String> {
    let Found { table, key, .. } = found;
    let literal = format!("{table}.{key}");
    let file = format!("{table}.{key}_file");
    let written = |app: &AppConfig, key: &str| app.written.get(key).cloned();
    if written(new, &file).is_some() {
        // Another file is told with its name already.
        let same = written(old, &file) == written(new, &file);
        return same.then(|| format!("{file}: the content changed"));
    }
    Some(match written(new, &literal) {
        Some(_) => format!("{literal} changed"),
        None => format!("{table}.connection: the {} changed", key.replace('_', " ")),
    })
}

fn secrets(app: &AppConfig) -> Vec<Found> {
    let Some(settings) = &app.settings else { return Vec::new() };
    let default = match &settings.warehouse {
        WarehouseSettings::Embedded { .. } => None,
        WarehouseSettings::Snowflake(account) => Some((Whose::Default, &**account)),
    };
    let named = settings.connections.iter().map(|(name, account)| (Whose::Named(name), account));
    let found = default.into_iter().chain(named).flat_map(|(whose, account)| {
        let table = whose.table();
        let of = move |(key, secret)| Found { table: table.clone(), key, secret };
        of_login(account.login.clone()).into_iter().map(of)
    });
    found.collect()
}

fn of_login(login: SnowflakeLogin) -> Vec<(&'static str, Secret)> {
    match login {
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
        // Its token is the platform's, or a person's, and not read here.
        SnowflakeLogin::WorkloadIdentity { .. }
        | SnowflakeLogin::CloudIdentity { .. }
        | SnowflakeLogin::ExternalBrowser => Vec::new(),
    }
}
