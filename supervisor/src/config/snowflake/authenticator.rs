//! Ways to log in that a server can use, in our words and in Snowflake's, and why not the others.

use crate::config::file::Node;
use crate::config::keys::nearest;
use crate::config::value;

/// A way to log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Authenticator {
    KeyPair,
    Password,
    ProgrammaticAccessToken,
    OAuth,
    OAuthClientCredentials,
    MfaPasscode,
    WorkloadIdentity,
    ExternalBrowser,
}

/// What a way to log in needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential {
    PrivateKey,
    Password,
    Token,
    ClientSecret,
}

/// Each way in our word, and what Snowflake's own tools call it.
const WORDS: [(&str, &str, Authenticator); 8] = [
    ("key_pair", "snowflake_jwt", Authenticator::KeyPair),
    ("password", "snowflake", Authenticator::Password),
    (
        "programmatic_access_token",
        "programmatic_access_token",
        Authenticator::ProgrammaticAccessToken,
    ),
    ("oauth", "oauth", Authenticator::OAuth),
    ("oauth_client_credentials", "oauth_client_credentials", Authenticator::OAuthClientCredentials),
    ("mfa_passcode", "username_password_mfa", Authenticator::MfaPasscode),
    ("workload_identity", "workload_identity", Authenticator::WorkloadIdentity),
    ("external_browser", "externalbrowser", Authenticator::ExternalBrowser),
];

/// Other words for the same, as older tools have them.
const SYNONYMS: [(&str, Authenticator); 3] = [
    ("private_key", Authenticator::KeyPair),
    ("jwt", Authenticator::KeyPair),
    ("pat", Authenticator::ProgrammaticAccessToken),
];

const BROWSER: &str = "opens a browser for each login, and nobody sits before a server";
const ABSENT: &str = "is not available in this release";

/// Ways that are known and cannot be used, and why.
const REFUSED: [(&str, &str); 3] = [
    ("oauth_authorization_code", BROWSER),
    ("id_token", "is what external_browser keeps by itself"),
    ("okta", ABSENT),
];

impl Authenticator {
    /// The way that a word means, ours or Snowflake's, in any case.
    pub(super) fn parse(word: &str) -> Result<Authenticator, String> {
        let small = word.to_ascii_lowercase();
        let ours = WORDS.iter().find(|(ours, theirs, _)| small == *ours || small == *theirs);
        let other = || SYNONYMS.iter().find(|(other, _)| small == *other).map(|(_, way)| *way);
        if let Some(way) = ours.map(|(_, _, way)| *way).or_else(other) {
            return Ok(way);
        }
        let okta = small.starts_with("https://");
        let refused = if okta { "okta" } else { small.as_str() };
        if let Some((_, why)) = REFUSED.iter().find(|(known, _)| *known == refused) {
            return Err(format!(
                "{} {why}; write \"key_pair\" and give the user a key pair, or \
                 \"programmatic_access_token\" and a token",
                value::quoted(word)
            ));
        }
        let words: Vec<&str> = WORDS.iter().map(|(ours, ..)| *ours).collect();
        Err(match nearest(&small, words.iter().copied()) {
            Some(near) => format!("{} is unknown; did you mean \"{near}\"?", value::quoted(word)),
            None => {
                format!("{} is unknown; write one of {}", value::quoted(word), words.join(", "))
            }
        })
    }

    /// Our word for it.
    pub(super) fn word(self) -> &'static str {
        WORDS.iter().find(|(.., way)| *way == self).map_or("", |(ours, ..)| ours)
    }

    /// What it needs; a person at a browser needs nothing that is written.
    pub(super) fn credential(self) -> Option<Credential> {
        Some(match self {
            Authenticator::KeyPair => Credential::PrivateKey,
            Authenticator::Password | Authenticator::MfaPasscode => Credential::Password,
            Authenticator::ProgrammaticAccessToken
            | Authenticator::OAuth
            | Authenticator::WorkloadIdentity => Credential::Token,
            Authenticator::OAuthClientCredentials => Credential::ClientSecret,
            Authenticator::ExternalBrowser => return None,
        })
    }

    /// Whether its token says who logs in, so that no user has to be written.
    pub(super) fn names_user(self) -> bool {
        match self {
            Authenticator::KeyPair
            | Authenticator::Password
            | Authenticator::ProgrammaticAccessToken
            | Authenticator::MfaPasscode
            | Authenticator::ExternalBrowser => false,
            Authenticator::OAuth
            | Authenticator::OAuthClientCredentials
            | Authenticator::WorkloadIdentity => true,
        }
    }
}

impl Credential {
    /// The key that holds it.
    pub(super) fn key(self) -> &'static str {
        match self {
            Credential::PrivateKey => "private_key",
            Credential::Password => "password",
            Credential::Token => "token",
            Credential::ClientSecret => "oauth_client_secret",
        }
    }

    /// The key that names its file.
    pub(super) fn file_key(self) -> &'static str {
        match self {
            Credential::PrivateKey => "private_key_file",
            Credential::Password => "password_file",
            Credential::Token => "token_file",
            Credential::ClientSecret => "oauth_client_secret_file",
        }
    }

    /// What is missing, and what to write.
    pub(super) fn in_words(self) -> &'static str {
        match self {
            Credential::PrivateKey => "a private key; write private_key_file = \"rsa_key.p8\"",
            Credential::Password => "a password; write password_file = \"password\"",
            Credential::Token => "a token; write token_file = \"token\"",
            Credential::ClientSecret => {
                "a secret; write oauth_client_secret_file = \"oauth_client_secret\""
            }
        }
    }
}

/// What to say when it is not clear how to log in with what there is.
pub(super) fn ambiguous(there: &[Credential]) -> String {
    let token = "is missing, and a token may be of several kinds; write authenticator = \
                 \"programmatic_access_token\", \"oauth\" or \"workload_identity\"";
    if there == [Credential::Token] {
        return token.to_owned();
    }
    let names: Vec<&str> = there.iter().map(|one| one.key()).collect();
    format!(
        "is missing, and there is {} to log in with; write which is meant, such as \
         authenticator = \"key_pair\"",
        names.join(" and ")
    )
}

/// Every word that can be used, ours first.
pub(in crate::config) fn authenticators() -> Vec<&'static str> {
    let ours = WORDS.iter().map(|(ours, ..)| *ours);
    let theirs = WORDS.iter().map(|(_, theirs, _)| *theirs);
    let all = ours.chain(theirs).chain(SYNONYMS.iter().map(|(word, _)| *word));
    let mut words: Vec<&str> = Vec::new();
    for word in all {
        if !words.contains(&word) {
            words.push(word);
        }
    }
    words
}

/// Checks a written word.
pub(in crate::config) fn authenticator(node: &Node) -> Result<(), String> {
    Authenticator::parse(value::text(node)?).map(drop)
}
