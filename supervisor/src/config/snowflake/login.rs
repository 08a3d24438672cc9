//! What an account is logged in to with: which way, and the credentials that the way needs.
//!
//! Secrets are read by the parent; which ones belong together is known here. Nothing is tried out:
//! whether Snowflake lets anybody in, only a worker learns.

use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{CloudPlatform, SnowflakeLogin};

use super::authenticator::{self, Authenticator, Credential};
use super::{Account, Side, host, private_key, secret_file};
use crate::config::keys::PROVIDERS;
use crate::config::value;

/// The key that says who tells who a workload is, here and in Snowflake's own files.
pub(super) const PROVIDER: &str = "workload_identity_provider";
/// The key that says what Snowflake is called in Azure, likewise.
pub(super) const RESOURCE: &str = "workload_identity_entra_resource";
/// Each provider that is a cloud; the other one, `OIDC`, gives tokens in a file.
const CLOUDS: [(&str, CloudPlatform); 3] =
    [("AWS", CloudPlatform::Aws), ("AZURE", CloudPlatform::Azure), ("GCP", CloudPlatform::Gcp)];

impl Account<'_, '_> {
    /// The credentials that a way to log in needs.
    pub(super) fn login(&mut self, authenticator: Authenticator) -> Option<SnowflakeLogin> {
        match authenticator {
            Authenticator::KeyPair => {
                let key = self.credential(authenticator)?;
                self.key_pair(&key)
            }
            Authenticator::Password => {
                let password = self.credential(authenticator)?;
                Some(SnowflakeLogin::Password { password })
            }
            Authenticator::ProgrammaticAccessToken => {
                let token = self.credential(authenticator)?;
                Some(SnowflakeLogin::ProgrammaticAccessToken { token })
            }
            Authenticator::OAuth => {
                let token = self.credential(authenticator)?;
                Some(SnowflakeLogin::OAuth { token })
            }
            Authenticator::OAuthClientCredentials => self.client_credentials(authenticator),
            Authenticator::MfaPasscode => self.mfa_passcode(authenticator),
            Authenticator::WorkloadIdentity => self.workload_identity(),
            Authenticator::ExternalBrowser => self.external_browser(),
        }
    }

    /// The secret without which a way to log in is none.
    fn credential(&mut self, authenticator: Authenticator) -> Option<Secret> {
        let credential = authenticator.credential()?;
        let secret = self.secret(credential.key())?;
        if secret.is_none() {
            let words = format!(
                "is missing; authenticator = \"{}\" needs {}",
                authenticator.word(),
                credential.in_words()
            );
            self.missing(credential.file_key(), &words);
        }
        secret
    }

    fn client_credentials(&mut self, authenticator: Authenticator) -> Option<SnowflakeLogin> {
        let client_secret = self.credential(authenticator);
        let client_id = self.needed("oauth_client_id");
        let token_url = self.needed("oauth_token_url").and_then(|url| self.token_url(url));
        Some(SnowflakeLogin::OAuthClientCredentials {
            client_id: client_id?,
            client_secret: client_secret?,
            token_url: token_url?,
            scope: self.text("oauth_scope"),
        })
    }

    /// Where tokens are given: a secret is sent there.
    fn token_url(&mut self, url: String) -> Option<String> {
        let words = match url.split_once("://") {
            Some(("https", rest)) if host::of_address(rest).is_some() => return Some(url),
            Some(("http", rest)) if host::of_address(rest).is_some_and(host::is_loopback) => {
                return Some(url);
            }
            Some(("http", _)) => "would send the client's secret unencrypted",
            Some(_) | None => "is no address",
        };
        let words = format!("{words}; write it as in \"https://idp.example.com/oauth2/token\"");
        self.blame("oauth_token_url", words);
        None
    }

    fn mfa_passcode(&mut self, authenticator: Authenticator) -> Option<SnowflakeLogin> {
        let password = self.credential(authenticator);
        let passcode = self.secret("passcode")?;
        if passcode.is_none() {
            let words = "is missing; authenticator = \"mfa_passcode\" needs a code of the second \
                         factor; write passcode_file = \"passcode\"";
            self.missing("passcode_file", words);
        }
        let table = &self.table;
        self.remarks.push(format!(
            "{table}.passcode is good once, and for half a minute: a worker that is started later \
             is not let in; give the user a key pair"
        ));
        Some(SnowflakeLogin::MfaPasscode { password: password?, passcode: passcode? })
    }

    /// The platform replaces the token now and then, so its file is looked at here and read anew at
    /// each login. Who else may read it is the platform's affair.
    fn workload_identity(&mut self) -> Option<SnowflakeLogin> {
        let provider = self.text(PROVIDER).unwrap_or("OIDC".to_owned());
        if let Some((_, platform)) =
            CLOUDS.iter().find(|(word, _)| provider.eq_ignore_ascii_case(word))
        {
            return self.cloud_identity(*platform, &provider);
        }
        if !provider.eq_ignore_ascii_case("OIDC") {
            let words = format!(
                "says {PROVIDER} = {}, which is unknown; it is one of {}",
                value::quoted(&provider),
                PROVIDERS.join(", ")
            );
            self.blame("connection", words);
            return None;
        }
        if self.section.node("token").is_some() {
            let words = "would be out of date soon; write token_file, which is read at each login";
            self.blame("token", words.to_owned());
            return None;
        }
        let Some((name, from)) =
            self.found("token_file").map(|(name, from)| (name.to_owned(), from))
        else {
            let words = "is missing; authenticator = \"workload_identity\" needs the file in which \
                         the platform keeps its token; write token_file = \"token\"";
            self.missing("token_file", words);
            return None;
        };
        let (path, trust) = self.place(&name, from);
        match secret_file::read(&path, trust) {
            Ok(_) => Some(SnowflakeLogin::WorkloadIdentity { token_file: path }),
            Err(words) => {
                self.blame("token_file", words);
                None
            }
        }
    }

    /// The platform is asked by the worker, at each login: nothing more is needed here.
    fn cloud_identity(
        &mut self,
        platform: CloudPlatform,
        provider: &str,
    ) -> Option<SnowflakeLogin> {
        for key in ["token", "token_file"] {
            if self.section.node(key).is_some() {
                let words = format!(
                    "is not used: {PROVIDER} = \"{provider}\" asks the platform itself; remove it, \
                     or write {PROVIDER} = \"OIDC\""
                );
                self.blame(key, words);
                return None;
            }
        }
        Some(SnowflakeLogin::CloudIdentity { platform, entra_resource: self.text(RESOURCE) })
    }

    /// Nobody sits before a server, and what a person's login leaves ends within hours.
    fn external_browser(&mut self) -> Option<SnowflakeLogin> {
        if self.around.in_production() {
            let words = "needs a person at a browser every few hours, and nobody sits before a \
                         server in production; write \"key_pair\" and give the user a key pair";
            self.blame("authenticator", words.to_owned());
            return None;
        }
        let table = &self.table;
        self.remarks
            .push(format!("{table}: a person logs in at a browser, by `mcp-supervisor login`"));
        Some(SnowflakeLogin::ExternalBrowser)
    }

    /// What is written decides; then what the connection says; then what there is to log in with.
    pub(super) fn authenticator(&mut self) -> Option<Authenticator> {
        if let Some(word) = self.section.text("authenticator") {
            return Authenticator::parse(word).ok();
        }
        if self.section.node(PROVIDER).is_some() {
            return Some(Authenticator::WorkloadIdentity);
        }
        let written = self.credentials(Side::Written);
        let named = self.connection.as_ref().and_then(|one| one.text("authenticator"));
        let named = named.map(Authenticator::parse);
        match (written.as_slice(), named) {
            ([], Some(Ok(named))) => return Some(named),
            // A token may be of two kinds, which what is written does not tell.
            ([Credential::Token], Some(Ok(named)))
                if named.credential() == Some(Credential::Token) =>
            {
                return Some(named);
            }
            ([], Some(Err(words))) => {
                self.blame("connection", words);
                return None;
            }
            (_, Some(_) | None) => {}
        }
        let there = match written.is_empty() {
            true => self.credentials(Side::Connection),
            false => written,
        };
        match there.as_slice() {
            [Credential::PrivateKey] => Some(Authenticator::KeyPair),
            [Credential::Password] => Some(Authenticator::Password),
            [Credential::ClientSecret] => Some(Authenticator::OAuthClientCredentials),
            [] => {
                let words = "is missing, and so is any other way to log in; write \
                             private_key_file = \"rsa_key.p8\" (or password_file, or token_file \
                             and authenticator)";
                self.missing("private_key_file", words);
                None
            }
            several => {
                self.missing("authenticator", &authenticator::ambiguous(several));
                None
            }
        }
    }

    /// What there is to log in with.
    fn credentials(&self, from: Side) -> Vec<Credential> {
        let there = |key: &str| match from {
            Side::Written => self.section.node(key).is_some(),
            Side::Connection => {
                self.connection.as_ref().is_some_and(|named| named.text(key).is_some())
            }
        };
        let credentials = [
            Credential::PrivateKey,
            Credential::Password,
            Credential::Token,
            Credential::ClientSecret,
        ];
        credentials.into_iter().filter(|one| there(one.key()) || there(one.file_key())).collect()
    }

    fn key_pair(&mut self, text: &Secret) -> Option<SnowflakeLogin> {
        let (private_key, form) = match private_key::read(text) {
            Ok(read) => read,
            Err(words) => {
                let file = self.found("private_key").is_none();
                self.blame(if file { "private_key_file" } else { "private_key" }, words);
                return None;
            }
        };
        let passphrase = match form {
            private_key::Form::Plain => None,
            private_key::Form::Encrypted => self.secret("private_key_passphrase")?,
        };
        if form == private_key::Form::Encrypted && passphrase.is_none() {
            let words = "is missing, for the private key is encrypted; \
                         write private_key_passphrase_file = \"passphrase\"";
            self.missing("private_key_passphrase", words);
            return None;
        }
        Some(SnowflakeLogin::KeyPair { private_key, passphrase })
    }
}
