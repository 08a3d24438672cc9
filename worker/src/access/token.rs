//! Whether an access token is good: a JWT that our issuer signed for us, and that holds now.
//!
//! Only signatures of public keys are taken. `none` is none, and with a shared secret whoever can
//! check a token could also make one: an issuer's public key would do as that secret.

use std::sync::Arc;

use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation, decode, decode_header};
use serde_json::{Map, Value};

use super::provider::Provider;

/// The longest token that is looked at, in bytes.
const TOKEN_BYTES_MAX: usize = 16 * 1024;
/// By how much the issuer's clock may differ from ours, in seconds.
const LEEWAY_S: u64 = 30;
/// What is taken.
const ALGORITHMS: [Algorithm; 9] = [
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// What a good token says.
#[derive(Debug)]
pub(super) struct Claims {
    pub(super) subject: String,
    pub(super) scopes: Vec<String>,
}

/// Why a token is not taken.
#[derive(Debug)]
pub(super) enum Fault {
    /// It is not good, and why.
    Invalid(&'static str),
    /// The issuer's keys are not at hand, and why.
    NoKeys(String),
}

/// Checks a token.
pub(super) async fn check(text: &str, provider: &Arc<Provider>) -> Result<Claims, Fault> {
    if text.len() > TOKEN_BYTES_MAX {
        return Err(Fault::Invalid("the token is too long"));
    }
    let header = decode_header(text);
    let header = header.map_err(|_| Fault::Invalid("this is neither a key nor a signed token"))?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(Fault::Invalid("the token is not signed with a private key"));
    }
    let keys = provider.keys(header.kid.as_deref(), header.alg).await.map_err(Fault::NoKeys)?;
    let mut fault = Fault::Invalid("the token is signed with a key that its issuer does not have");
    let validation = validation(header.alg, provider);
    for key in keys {
        match decode::<Map<String, Value>>(text, &key, &validation) {
            Ok(token) => return claims(&token.claims, provider),
            Err(error) => fault = Fault::Invalid(words(error.kind())),
        }
    }
    Err(fault)
}

fn validation(algorithm: Algorithm, provider: &Provider) -> Validation {
    let settings = provider.settings();
    let mut validation = Validation::new(algorithm);
    validation.leeway = LEEWAY_S;
    validation.validate_nbf = true;
    validation.set_issuer(&[&settings.issuer]);
    validation.set_audience(&settings.audiences);
    validation.set_required_spec_claims(&["exp", "iss", "aud"]);
    validation
}

fn claims(claims: &Map<String, Value>, provider: &Provider) -> Result<Claims, Fault> {
    // The library also takes a list with our issuer in it, which the standard does not know.
    if claims.get("iss").and_then(Value::as_str) != Some(&provider.settings().issuer) {
        return Err(Fault::Invalid("the token is of another issuer"));
    }
    // A time that is no number would count as none.
    if claims.get("nbf").is_some_and(|from| !from.is_number()) {
        return Err(Fault::Invalid("the token says no time from which on it holds"));
    }
    let subject = claims.get(&provider.settings().subject_claim).and_then(Value::as_str);
    let subject = subject.filter(|subject| !subject.is_empty());
    let subject = subject.ok_or(Fault::Invalid("the token does not say whose it is"))?;
    let words = |claim: &str| match claims.get(claim) {
        Some(Value::String(text)) => text.split(' ').map(str::to_owned).collect(),
        Some(Value::Array(list)) => {
            list.iter().filter_map(Value::as_str).map(str::to_owned).collect()
        }
        Some(_) | None => Vec::new(),
    };
    // `scope` by the standard, `scp` by two large issuers.
    let scopes: Vec<String> = words("scope").into_iter().chain(words("scp")).collect();
    Ok(Claims { subject: subject.to_owned(), scopes })
}

fn words(kind: &ErrorKind) -> &'static str {
    match kind {
        ErrorKind::ExpiredSignature => "the token has expired",
        ErrorKind::ImmatureSignature => "the token does not hold yet",
        ErrorKind::InvalidIssuer => "the token is of another issuer",
        ErrorKind::InvalidAudience => "the token is meant for somebody else",
        ErrorKind::InvalidSignature => "the token's signature is wrong",
        ErrorKind::MissingRequiredClaim(_) => {
            "the token does not say who gave it, whom it is meant for, and until when"
        }
        _ => "the token cannot be read",
    }
}
