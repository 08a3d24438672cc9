//! AWS's signature of a request, version 4. Pure: bytes in, header out.
//!
//! Only what a request without a body needs. The signed request is not sent by us: whoever is
//! shown it sends it, and learns from AWS who signed.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use mcp_protocol::hexadecimal::hex;
use mcp_protocol::secret::Secret;
use ring::{digest, hmac};

const ALGORITHM: &str = "AWS4-HMAC-SHA256";

/// Who signs.
pub(super) struct Key<'a> {
    pub(super) id: &'a str,
    pub(super) secret: &'a Secret,
}

/// What is signed.
pub(super) struct Request<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    /// Names and values, escaped already.
    pub(super) query: &'a [(&'a str, &'a str)],
    /// By their names in small letters; `x-amz-date` among them.
    pub(super) headers: &'a BTreeMap<String, String>,
}

/// For what a signature is good.
pub(super) struct Scope<'a> {
    pub(super) region: &'a str,
    pub(super) service: &'a str,
}

/// The value of the header `Authorization`. `at` is the moment as `x-amz-date` says it.
pub(super) fn authorization(
    key: &Key<'_>,
    request: &Request<'_>,
    scope: &Scope<'_>,
    at: &str,
) -> String {
    let date = at.split('T').next().unwrap_or_default();
    let names: Vec<&str> = request.headers.keys().map(String::as_str).collect();
    let names = names.join(";");
    let within = format!("{date}/{}/{}/aws4_request", scope.region, scope.service);
    let whole =
        hex(digest::digest(&digest::SHA256, canonical(request, &names).as_bytes()).as_ref());
    let text = format!("{ALGORITHM}\n{at}\n{within}\n{whole}");
    let first = Secret::new(format!("AWS4{}", key.secret.expose()));
    let mut derived = hmac::sign(&hmac_key(first.expose().as_bytes()), date.as_bytes());
    for part in [scope.region, scope.service, "aws4_request"] {
        derived = hmac::sign(&hmac_key(derived.as_ref()), part.as_bytes());
    }
    let signature = hex(hmac::sign(&hmac_key(derived.as_ref()), text.as_bytes()).as_ref());
    format!(
        "{ALGORITHM} Credential={}/{within}, SignedHeaders={names}, Signature={signature}",
        key.id
    )
}

/// The request in the one form that both sides make of it.
fn canonical(request: &Request<'_>, names: &str) -> String {
    let mut query: Vec<String> =
        request.query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    query.sort_unstable();
    let mut headers = String::new();
    for (name, value) in request.headers {
        let _ = writeln!(headers, "{name}:{}", value.trim());
    }
    let nothing = hex(digest::digest(&digest::SHA256, b"").as_ref());
    let (method, path, query) = (request.method, request.path, query.join("&"));
    format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{nothing}")
}

fn hmac_key(bytes: &[u8]) -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Cases that AWS publishes for those who write this.
    #[test]
    fn signatures_are_those_of_the_published_cases() {
        let at = "20150830T123600Z";
        let headers = [("host", "example.amazonaws.com"), ("x-amz-date", at)];
        let headers: BTreeMap<String, String> =
            headers.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let secret = Secret::new("wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY".to_owned());
        let key = Key { id: "AKIDEXAMPLE", secret: &secret };
        let scope = Scope { region: "us-east-1", service: "service" };
        for (method, query, signature) in [
            ("GET", &[][..], "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
            ("POST", &[], "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
            (
                "GET",
                &[("Param2", "value2"), ("Param1", "value1")],
                "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            ),
        ] {
            let request = Request { method, path: "/", query, headers: &headers };
            let expected = format!(
                "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/service/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature={signature}"
            );
            assert_eq!(authorization(&key, &request, &scope, at), expected, "{method} {query:?}");
        }
    }
}
