//! The ways to log in, with what each needs: made once of the settings, used at every login.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{SnowflakeLogin, SnowflakeSettings};

use crate::warehouse::snowflake::browser::Kept;
use crate::warehouse::snowflake::key::KeyPair;
use crate::warehouse::snowflake::oauth::ClientCredentials;
use crate::warehouse::snowflake::platform::{Platform, Variables};

/// The longest token that is read from a file, in bytes.
const TOKEN_BYTES_MAX: u64 = 64 * 1024;

/// A way to log in.
pub(super) enum Method {
    KeyPair(KeyPair),
    Password(Secret),
    AccessToken(Secret),
    OAuth(Secret),
    ClientCredentials(ClientCredentials),
    MfaPasscode {
        password: Secret,
        passcode: Secret,
        /// What Snowflake gave in place of a further code.
        remembered: Mutex<Option<Secret>>,
    },
    WorkloadIdentity(PathBuf),
    CloudIdentity(Platform),
    /// With the place of what a person's login left, if there is one.
    ExternalBrowser(Option<Kept>),
}

impl Method {
    pub(super) fn of(
        settings: &SnowflakeSettings,
        variables: &Variables,
    ) -> Result<Method, String> {
        Ok(match &settings.login {
            SnowflakeLogin::KeyPair { private_key, passphrase } => {
                let passphrase = passphrase.as_ref().map(Secret::expose);
                let pair = KeyPair::open(private_key.expose(), passphrase);
                Method::KeyPair(pair.map_err(|why| why.to_string())?)
            }
            SnowflakeLogin::Password { password } => Method::Password(password.clone()),
            SnowflakeLogin::ProgrammaticAccessToken { token } => Method::AccessToken(token.clone()),
            SnowflakeLogin::OAuth { token } => Method::OAuth(token.clone()),
            SnowflakeLogin::OAuthClientCredentials {
                client_id,
                client_secret,
                token_url,
                scope,
            } => {
                let of_role = || settings.role.as_ref().map(|role| format!("session:role:{role}"));
                let scope = scope.clone().or_else(of_role);
                let client = ClientCredentials::new(client_id, client_secret, token_url, scope)?;
                Method::ClientCredentials(client)
            }
            SnowflakeLogin::MfaPasscode { password, passcode } => Method::MfaPasscode {
                password: password.clone(),
                passcode: passcode.clone(),
                remembered: Mutex::new(None),
            },
            SnowflakeLogin::WorkloadIdentity { token_file } => {
                Method::WorkloadIdentity(token_file.clone())
            }
            SnowflakeLogin::ExternalBrowser => Method::ExternalBrowser(None),
            SnowflakeLogin::CloudIdentity { platform, entra_resource } => Method::CloudIdentity(
                Platform::new(*platform, entra_resource.as_deref(), variables)?,
            ),
        })
    }

    /// Whether a user has to be written; else the token says who it is.
    pub(super) fn needs_user(&self) -> bool {
        match self {
            Method::KeyPair(_)
            | Method::Password(_)
            | Method::MfaPasscode { .. }
            | Method::ExternalBrowser(_) => true,
            Method::AccessToken(_)
            | Method::OAuth(_)
            | Method::ClientCredentials(_)
            | Method::WorkloadIdentity(_)
            | Method::CloudIdentity(_) => false,
        }
    }

    /// The word for it in the configuration.
    pub(super) fn word(&self) -> &'static str {
        match self {
            Method::KeyPair(_) => "key_pair",
            Method::Password(_) => "password",
            Method::AccessToken(_) => "programmatic_access_token",
            Method::OAuth(_) => "oauth",
            Method::ClientCredentials(_) => "oauth_client_credentials",
            Method::MfaPasscode { .. } => "mfa_passcode",
            Method::WorkloadIdentity(_) | Method::CloudIdentity(_) => "workload_identity",
            Method::ExternalBrowser(_) => "external_browser",
        }
    }
}

/// The token in a file.
pub(super) fn token_of(path: &Path) -> Result<Secret, String> {
    let mut text = String::new();
    let file = std::fs::File::open(path).map_err(|why| why.to_string())?;
    file.take(TOKEN_BYTES_MAX + 1).read_to_string(&mut text).map_err(|why| why.to_string())?;
    let text = Secret::new(text);
    let token = text.expose().trim();
    if token.is_empty() {
        return Err("the file is empty".to_owned());
    }
    if text.expose().len() as u64 > TOKEN_BYTES_MAX || token.contains(char::is_whitespace) {
        return Err("the file holds more than a token".to_owned());
    }
    Ok(Secret::new(token.to_owned()))
}
