//! AWS's token service: keys of a role for a token or for the keys of another.
//!
//! It is reached as anything on the Internet is, through a proxy if there is one. Its answers are
//! XML; the few texts that are needed are taken out of it.

use std::collections::BTreeMap;

use mcp_protocol::secret::Secret;
use reqwest::{RequestBuilder, Url};

use super::account::is_loopback;
use super::aws::{Credentials, moment};
use super::profile::Role;
use super::sigv4::{self, Key, Request, Scope};
use super::{ANSWER_BYTES_MAX, Platform, wire};

/// The version of the service's interface.
const VERSION: &str = "2011-06-15";
/// What we are called in AWS's own log, where nothing else is written.
const SESSION: &str = "mcp-supervisor";
/// The longest words of the service that are quoted, in characters.
const QUOTED_CHARS_MAX: usize = 300;

/// Asks for the keys of a role, with a token of somebody whom AWS believes.
pub(super) async fn with_web_identity(
    platform: &Platform,
    region: &str,
    role: &Role,
    token: &Secret,
) -> Result<Credentials, String> {
    let form = [
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", VERSION),
        ("RoleArn", &role.arn),
        ("RoleSessionName", role.session.as_deref().unwrap_or(SESSION)),
        ("WebIdentityToken", token.expose()),
    ];
    let request = platform.sts.post(address(platform, region)?).form(&form);
    given(&role.arn, request).await
}

/// Asks for the keys of a role, with those that we have.
pub(super) async fn with_keys(
    platform: &Platform,
    region: &str,
    role: &Role,
    own: &Credentials,
    now_unix: u64,
) -> Result<Credentials, String> {
    let mut url = address(platform, region)?;
    let session = role.session.as_deref().unwrap_or(SESSION);
    let mut query = vec![
        ("Action", "AssumeRole".to_owned()),
        ("RoleArn", escaped(&role.arn)),
        ("RoleSessionName", escaped(session)),
        ("Version", VERSION.to_owned()),
    ];
    query.extend(role.external_id.as_ref().map(|id| ("ExternalId", escaped(id))));
    let query: Vec<(&str, &str)> =
        query.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let written: Vec<String> =
        query.iter().map(|(name, value)| format!("{name}={value}")).collect();
    url.set_query(Some(&written.join("&")));
    let host = url.host_str().unwrap_or_default();
    let host = url.port().map_or(host.to_owned(), |port| format!("{host}:{port}"));
    let at = moment(now_unix);
    let mut headers =
        BTreeMap::from([("host".to_owned(), host), ("x-amz-date".to_owned(), at.clone())]);
    if let Some(session) = &own.session {
        headers.insert("x-amz-security-token".to_owned(), session.expose().to_owned());
    }
    let key = Key { id: &own.id, secret: &own.secret };
    let request = Request { method: "GET", path: url.path(), query: &query, headers: &headers };
    let authorization =
        sigv4::authorization(&key, &request, &Scope { region, service: "sts" }, &at);
    headers.remove("host");
    let mut request = platform.sts.get(url).header("authorization", authorization);
    for (name, value) in &headers {
        request = request.header(name, value);
    }
    given(&role.arn, request).await
}

/// Where the service is, or where its stand-in is said to be.
fn address(platform: &Platform, region: &str) -> Result<Url, String> {
    let own = platform.variable("AWS_ENDPOINT_URL_STS").map(Secret::expose);
    let written = own.map_or(format!("https://{}", host(region)), str::to_owned);
    let url = Url::parse(&written).map_err(|why| format!("AWS_ENDPOINT_URL_STS: {why}"))?;
    let near = url.host_str().is_some_and(is_loopback);
    match url.scheme() == "https" || (url.scheme() == "http" && near) {
        true => Ok(url),
        false => Err("AWS_ENDPOINT_URL_STS would send keys unencrypted; write https://".to_owned()),
    }
}

/// The service's name in a region.
pub(super) fn host(region: &str) -> String {
    let domain = if region.starts_with("cn-") { "amazonaws.com.cn" } else { "amazonaws.com" };
    format!("sts.{region}.{domain}")
}

async fn given(role: &str, request: RequestBuilder) -> Result<Credentials, String> {
    let failed = |why: String| format!("AWS does not give the role {role}: {why}");
    let response = request.send().await.map_err(wire::in_words).map_err(failed)?;
    let status = response.status();
    let body = wire::whole(response, ANSWER_BYTES_MAX).await;
    let body = body.map_err(|trouble| failed(trouble.words().to_owned()))?;
    let text = Secret::new(String::from_utf8_lossy(&body).into_owned());
    let found = |name: &str| between(text.expose(), name).map(str::to_owned);
    if !status.is_success() {
        let said = found("Code").zip(found("Message"));
        let said = said.map_or(status.to_string(), |(code, words)| format!("{code}: {words}"));
        let said: String = said.chars().take(QUOTED_CHARS_MAX).collect();
        return Err(failed(format!("{said}; look at the role's trust policy")));
    }
    match (found("AccessKeyId"), found("SecretAccessKey")) {
        (Some(id), Some(secret)) => Ok(Credentials {
            id,
            secret: Secret::new(secret),
            session: found("SessionToken").map(Secret::new),
        }),
        _ => Err(failed("its answer holds no keys".to_owned())),
    }
}

fn between<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = text.split_once(&format!("<{name}>"))?;
    let (inside, _) = rest.split_once(&format!("</{name}>"))?;
    Some(inside.trim()).filter(|inside| !inside.is_empty())
}

/// As AWS escapes: all but letters, digits, `-`, `.`, `_` and `~`.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_roles_are_escaped_and_texts_are_found() {
        assert_eq!(escaped("arn:aws:iam::1:role/R+x"), "arn%3Aaws%3Aiam%3A%3A1%3Arole%2FR%2Bx");
        assert_eq!(between("<a><Code> x </Code></a>", "Code"), Some("x"));
        assert_eq!(between("<Code></Code>", "Code"), None);
        assert_eq!(host("cn-north-1"), "sts.cn-north-1.amazonaws.com.cn");
    }
}
