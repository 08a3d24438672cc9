//! Who logs in at Snowflake, and what is said for it.
//!
//! What is sent is made anew for each login, for what proves who we are expires. Field names are
//! those of Snowflake's own drivers. Secrets leave here in what is sent and nowhere else.

mod method;

use std::num::NonZeroU32;
use std::path::Path;
use std::sync::{OnceLock, PoisonError};

use mcp_protocol::hexadecimal::hex;
use mcp_protocol::secret::Secret;
use mcp_protocol::settings::SnowflakeSettings;
use ring::{digest, pbkdf2};
use serde_json::{Map, Value, json};

use self::method::{Method, token_of};
use super::account::Endpoint;
use super::browser::Kept;
use super::failure;
use super::key;
use super::platform::{Platform, Variables};
use super::wire::Reply;
use crate::warehouse::WarehouseError;

/// What we are called by what a session can show.
const APPLICATION: &str = "mcp-supervisor";
/// Whose protocol we speak. Snowflake decides by this name whether answers come as Arrow, so it
/// stays one whose answers do.
const CLIENT: &str = "Go";
/// A version of that driver; older ones are turned away one day.
const CLIENT_VERSION: &str = "2.1.0";
/// The parameter that asks for a token that can be kept.
const KEPT: &str = "CLIENT_STORE_TEMPORARY_CREDENTIAL";
/// What a person has to do.
const AT_THE_DESK: &str = "run `mcp-supervisor login`, which opens a browser";
/// How many bytes of a digest tell places apart.
const PLACE_BYTES: usize = 6;
/// How much work a guess at a credential costs whoever sees its version.
const VERSION_ROUNDS: NonZeroU32 = NonZeroU32::new(100_000).expect("not zero");

/// Who logs in and how.
pub(crate) struct Login {
    warehouse: String,
    account: String,
    user: Option<String>,
    method: Method,
    query: Vec<(&'static str, String)>,
    version: OnceLock<String>,
}

impl std::fmt::Debug for Login {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let user = self.user.as_deref().unwrap_or("the user of its token");
        write!(out, "Login({user} at {} by {})", self.account, self.method.word())
    }
}

impl Login {
    /// Opens the key, if there is one; what is wrong, and the remedy, in words.
    pub(crate) fn new(
        settings: &SnowflakeSettings,
        endpoint: &Endpoint,
        variables: &Variables,
    ) -> Result<Login, String> {
        let method = Method::of(settings, variables)?;
        if method.needs_user() && settings.user.is_none() {
            return Err("snowflake.user is missing; write who logs in".to_owned());
        }
        let query = [
            ("databaseName", &settings.database),
            ("schemaName", &settings.schema),
            ("warehouse", &settings.warehouse),
            ("roleName", &settings.role),
        ];
        let query = query.into_iter().filter_map(|(name, value)| Some((name, value.clone()?)));
        Ok(Login {
            warehouse: format!("the Snowflake account {}", endpoint.account),
            account: endpoint.account.clone(),
            user: settings.user.clone(),
            method,
            query: query.collect(),
            version: OnceLock::new(),
        })
    }

    /// With the place where a person's login is kept.
    pub(crate) fn with_kept(self, kept: Option<Kept>) -> Login {
        let method = match self.method {
            Method::ExternalBrowser(_) => Method::ExternalBrowser(kept),
            other => other,
        };
        Login { method, ..self }
    }

    /// What is sent as `data` of a login request. Asks for a token first where one is needed.
    pub(crate) async fn data(
        &self,
        http: &reqwest::Client,
        now_unix: u64,
    ) -> Result<Value, WarehouseError> {
        let mut data = self.common();
        let mut put = |name: &str, value: &str| data.insert(name.to_owned(), json!(value));
        if let Some(user) = &self.user {
            put("LOGIN_NAME", user);
        }
        match &self.method {
            Method::KeyPair(pair) => {
                put("AUTHENTICATOR", "SNOWFLAKE_JWT");
                let user = self.user();
                put("TOKEN", &pair.token(&self.account, user, now_unix));
            }
            Method::Password(password) => {
                put("PASSWORD", password.expose());
            }
            Method::AccessToken(token) => {
                put("AUTHENTICATOR", "PROGRAMMATIC_ACCESS_TOKEN");
                put("TOKEN", token.expose());
            }
            Method::OAuth(token) => {
                put("AUTHENTICATOR", "OAUTH");
                put("TOKEN", token.expose());
            }
            Method::ClientCredentials(client) => {
                put("AUTHENTICATOR", "OAUTH");
                put("TOKEN", client.token(http, now_unix).await?.expose());
                data["CLIENT_ENVIRONMENT"]["OAUTH_TYPE"] = json!("OAUTH_CLIENT_CREDENTIALS");
            }
            Method::MfaPasscode { password, passcode, remembered } => {
                put("AUTHENTICATOR", "USERNAME_PASSWORD_MFA");
                put("PASSWORD", password.expose());
                match &*remembered.lock().unwrap_or_else(PoisonError::into_inner) {
                    Some(token) => {
                        put("TOKEN", token.expose());
                    }
                    None => {
                        put("EXT_AUTHN_DUO_METHOD", "passcode");
                        put("PASSCODE", passcode.expose());
                    }
                }
                data["SESSION_PARAMETERS"]["CLIENT_REQUEST_MFA_TOKEN"] = json!(true);
            }
            Method::WorkloadIdentity(file) => {
                put("AUTHENTICATOR", "WORKLOAD_IDENTITY");
                put("PROVIDER", "OIDC");
                put("TOKEN", self.token_in(file).await?.expose());
            }
            Method::CloudIdentity(platform) => {
                put("AUTHENTICATOR", "WORKLOAD_IDENTITY");
                put("PROVIDER", platform.word());
                put("TOKEN", self.attested(platform, now_unix).await?.expose());
            }
            Method::ExternalBrowser(kept) => self.put_kept(kept.as_ref(), &mut data)?,
        }
        Ok(Value::Object(data))
    }

    /// Who logs in; empty where a token says it.
    pub(crate) fn user(&self) -> &str {
        self.user.as_deref().unwrap_or_default()
    }

    /// What a person's login left.
    fn put_kept(
        &self,
        kept: Option<&Kept>,
        data: &mut Map<String, Value>,
    ) -> Result<(), WarehouseError> {
        let token = kept.and_then(Kept::token).ok_or_else(|| self.logged_out(None))?;
        data.insert("AUTHENTICATOR".to_owned(), json!("ID_TOKEN"));
        data.insert("TOKEN".to_owned(), json!(token.expose()));
        data["SESSION_PARAMETERS"][KEPT] = json!(true);
        Ok(())
    }

    /// What is sent while a person logs in at a browser, to which what the step needs is added.
    pub(crate) fn at_browser(&self) -> Map<String, Value> {
        let mut data = self.common();
        data.insert("LOGIN_NAME".to_owned(), json!(self.user));
        data.insert("AUTHENTICATOR".to_owned(), json!("EXTERNALBROWSER"));
        data["SESSION_PARAMETERS"][KEPT] = json!(true);
        data
    }

    /// What is sent in the address of a login request.
    pub(crate) fn query(&self) -> Vec<(&'static str, String)> {
        self.query.clone()
    }

    /// A short text for the role, warehouse, database and schema that are asked for.
    pub(crate) fn place(&self) -> String {
        let parts = self.query.iter().map(|(name, value)| format!("{name}{}:{value}", value.len()));
        let whole: String = parts.collect();
        hex(&digest::digest(&digest::SHA256, whole.as_bytes()).as_ref()[..PLACE_BYTES])
    }

    /// A short text that another credential would change, the same in every worker and at every
    /// start. It is made slowly, so that nobody finds a password by it.
    pub(crate) fn credential_version(&self) -> String {
        self.version.get_or_init(|| self.made_version()).clone()
    }

    /// Takes the `data` of an answer that let us in: it may hold what saves a further code, or a
    /// person from coming back.
    pub(crate) fn welcomed(&self, data: &Value) {
        let given = |name: &str| {
            let text = data[name].as_str().filter(|token| !token.is_empty());
            text.map(|text| Secret::new(text.to_owned()))
        };
        match &self.method {
            Method::MfaPasscode { remembered, .. } => {
                if let Some(token) = given("mfaToken") {
                    *remembered.lock().unwrap_or_else(PoisonError::into_inner) = Some(token);
                }
            }
            Method::ExternalBrowser(Some(kept)) => {
                let fresh = given("idToken").filter(|token| kept.token().as_ref() != Some(token));
                if let Some(Err(error)) = fresh.map(|token| kept.keep(&token)) {
                    tracing::warn!(%error, "a new token of a person's login is not kept");
                }
            }
            Method::KeyPair(_)
            | Method::Password(_)
            | Method::AccessToken(_)
            | Method::OAuth(_)
            | Method::ClientCredentials(_)
            | Method::WorkloadIdentity(_)
            | Method::CloudIdentity(_)
            | Method::ExternalBrowser(None) => {}
        }
    }

    /// Takes the answer that did not let us in, and what had been sent.
    pub(crate) fn refused(&self, reply: &Reply, sent: &Value, now_unix: u64) -> WarehouseError {
        let Reply { code, message, date, .. } = reply;
        if let (Method::ExternalBrowser(Some(kept)), Some(token), true) =
            (&self.method, sent["TOKEN"].as_str(), failure::is_about_id_token(code))
        {
            kept.forget(&Secret::new(token.to_owned()));
        }
        self.failed(code, message, *date, now_unix)
    }

    /// Takes an error answer: [`failure::of_login`] with what is known here of who logs in. What
    /// was not accepted and can be had anew is let go.
    pub(crate) fn failed(
        &self,
        code: &str,
        message: &str,
        server_date_unix: Option<u64>,
        now_unix: u64,
    ) -> WarehouseError {
        let error = failure::of_login(&self.warehouse, code, message, server_date_unix, now_unix);
        match (&self.method, error) {
            (Method::KeyPair(pair), WarehouseError::Refused { warehouse, reason })
                if failure::is_about_key(code) =>
            {
                let user = self.user();
                let subject = key::subject(&self.account, user);
                let fingerprint = pair.fingerprint();
                let reason =
                    format!("{reason}; this key is {fingerprint}, and it logged in as {subject}");
                WarehouseError::Refused { warehouse, reason }
            }
            (Method::ClientCredentials(client), WarehouseError::Refused { warehouse, reason }) => {
                client.forget();
                match failure::is_token_expired(code) {
                    // The next login brings a new one.
                    true => WarehouseError::Connect { warehouse, reason },
                    false => WarehouseError::Refused { warehouse, reason },
                }
            }
            (Method::ExternalBrowser(_), WarehouseError::Refused { reason, .. })
                if failure::is_about_id_token(code) =>
            {
                self.logged_out(Some(&reason))
            }
            (Method::MfaPasscode { remembered, .. }, error) => {
                *remembered.lock().unwrap_or_else(PoisonError::into_inner) = None;
                error
            }
            (_, error) => error,
        }
    }

    fn logged_out(&self, why: Option<&str>) -> WarehouseError {
        let why = why.map_or(String::new(), |why| format!(" any more: {why}"));
        let user = self.user();
        let reason = format!("{user} is not logged in there{why}; {AT_THE_DESK}");
        WarehouseError::LoggedOut { warehouse: self.warehouse.clone(), reason }
    }

    /// What every login has. Answers as Arrow hold dates, times, numbers and binary as such, so no
    /// output format of the session changes them but that of geography and geometry, which is
    /// text. The time zone is left as the user has it.
    fn common(&self) -> Map<String, Value> {
        let data = json!({
            "CLIENT_APP_ID": CLIENT,
            "CLIENT_APP_VERSION": CLIENT_VERSION,
            "SVN_REVISION": "",
            "ACCOUNT_NAME": self.account,
            "CLIENT_ENVIRONMENT": {
                "APPLICATION": APPLICATION,
                "OS": std::env::consts::OS,
                "ISA": std::env::consts::ARCH,
            },
            "SESSION_PARAMETERS": {
                // Sessions are kept alive by the one who needs them.
                "CLIENT_SESSION_KEEP_ALIVE": false,
                // A database or warehouse that is not there fails the login, not a statement later.
                "CLIENT_VALIDATE_DEFAULT_PARAMETERS": true,
                "GO_QUERY_RESULT_FORMAT": "ARROW",
                "GEOGRAPHY_OUTPUT_FORMAT": "GeoJSON",
                "GEOMETRY_OUTPUT_FORMAT": "GeoJSON",
                // Whatever the account says, one request is one statement.
                "MULTI_STATEMENT_COUNT": 1,
            },
        });
        match data {
            Value::Object(data) => data,
            _other => unreachable!("written as an object above"),
        }
    }

    async fn attested(&self, platform: &Platform, now_unix: u64) -> Result<Secret, WarehouseError> {
        let shown = platform.attestation(now_unix).await;
        let warehouse = self.warehouse.clone();
        shown.map_err(|reason| WarehouseError::Connect { warehouse, reason })
    }

    async fn token_in(&self, file: &Path) -> Result<Secret, WarehouseError> {
        let path = file.to_owned();
        let read = tokio::task::spawn_blocking(move || token_of(&path)).await;
        let read = read.unwrap_or_else(|_| Err("nobody read it".to_owned()));
        read.map_err(|why| WarehouseError::Connect {
            warehouse: self.warehouse.clone(),
            reason: format!(
                "no token in {}: {why}; check snowflake.token_file and who may read it",
                file.display()
            ),
        })
    }

    fn made_version(&self) -> String {
        let user = self.user();
        let fingerprint;
        let mut parts = vec![self.method.word(), self.account.as_str(), user];
        match &self.method {
            Method::KeyPair(pair) => {
                fingerprint = pair.fingerprint();
                parts.push(&fingerprint);
            }
            Method::Password(secret) | Method::AccessToken(secret) | Method::OAuth(secret) => {
                parts.push(secret.expose());
            }
            Method::ClientCredentials(client) => parts.extend(client.parts()),
            Method::MfaPasscode { password, passcode, .. } => {
                parts.extend([password.expose(), passcode.expose()]);
            }
            // The token changes by itself; where it is does not.
            Method::WorkloadIdentity(file) => parts.push(file.to_str().unwrap_or_default()),
            Method::CloudIdentity(platform) => parts.push(platform.word()),
            // So is a person's, and whose it is stands above.
            Method::ExternalBrowser(_) => {}
        }
        let whole: String = parts.iter().map(|part| format!("{}:{part}", part.len())).collect();
        let whole = Secret::new(whole);
        let mut hash = [0; 6];
        let algorithm = pbkdf2::PBKDF2_HMAC_SHA256;
        let salt = format!("{APPLICATION} {}", key::subject(&self.account, user));
        let secret = whole.expose().as_bytes();
        pbkdf2::derive(algorithm, VERSION_ROUNDS, salt.as_bytes(), secret, &mut hash);
        hex(&hash)
    }
}

#[cfg(test)]
mod tests;
