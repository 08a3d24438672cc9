//! What AWS lets a workload say of itself: a request to its token service, signed and not sent.
//!
//! Keys are looked for where AWS's own tools look: in the variables, by a web identity (EKS), in the
//! profiles of AWS's files, at the container's endpoint (ECS, EKS), at the machine's (IMDSv2). They
//! are asked for anew at each login, for they expire.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp_protocol::secret::Secret;
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::profile::{Origin, Profiles, Role, Way};
use super::sigv4::{self, Key, Request, Scope};
use super::{AUDIENCE, Platform, parsed, sts};

/// Where a container of ECS finds what a relative address means.
const CONTAINER: &str = "http://169.254.170.2";
/// How long the machine's endpoint remembers that it was asked properly, in seconds.
const TICKET_S: &str = "60";

/// What signs.
pub(super) struct Credentials {
    pub(super) id: String,
    pub(super) secret: Secret,
    pub(super) session: Option<Secret>,
}

/// The signed request in base64, to be shown to Snowflake.
pub(super) async fn attestation(platform: &Platform, now_unix: u64) -> Result<Secret, String> {
    let way = Profiles::read(platform)?;
    let way = way.way(platform.variable("AWS_PROFILE").map(Secret::expose))?;
    let written = way.as_ref().and_then(|way| way.region.clone());
    let region = region(platform, written).await?;
    let credentials = credentials(platform, way, &region, now_unix).await?;
    Ok(signed(&credentials, &region, &moment(now_unix)))
}

fn signed(credentials: &Credentials, region: &str, at: &str) -> Secret {
    let host = sts::host(region);
    let query = [("Action", "GetCallerIdentity"), ("Version", "2011-06-15")];
    let mut headers = BTreeMap::from([
        ("host".to_owned(), host.clone()),
        ("x-amz-date".to_owned(), at.to_owned()),
        ("x-snowflake-audience".to_owned(), AUDIENCE.to_owned()),
    ]);
    if let Some(session) = &credentials.session {
        headers.insert("x-amz-security-token".to_owned(), session.expose().to_owned());
    }
    let key = Key { id: &credentials.id, secret: &credentials.secret };
    let request = Request { method: "POST", path: "/", query: &query, headers: &headers };
    let scope = Scope { region, service: "sts" };
    let authorization = sigv4::authorization(&key, &request, &scope, at);
    headers.insert("authorization".to_owned(), authorization);
    let url = format!("https://{host}/?Action=GetCallerIdentity&Version=2011-06-15");
    let shown = json!({ "url": url, "method": "POST", "headers": headers });
    Secret::new(STANDARD.encode(shown.to_string()))
}

/// The moment as AWS writes it.
pub(super) fn moment(now_unix: u64) -> String {
    let at = i64::try_from(now_unix).ok().and_then(|s| jiff::Timestamp::from_second(s).ok());
    at.unwrap_or_default().strftime("%Y%m%dT%H%M%SZ").to_string()
}

async fn credentials(
    platform: &Platform,
    way: Option<Way>,
    region: &str,
    now_unix: u64,
) -> Result<Credentials, String> {
    if let Some(own) = in_variables(platform) {
        return Ok(own);
    }
    let text = |name| platform.variable(name).map(Secret::expose);
    let by_web = text("AWS_WEB_IDENTITY_TOKEN_FILE").zip(text("AWS_ROLE_ARN"));
    if let Some((file, arn)) = by_web {
        let session = text("AWS_ROLE_SESSION_NAME").map(str::to_owned);
        let role = Role { arn: arn.to_owned(), session, external_id: None };
        return sts::with_web_identity(platform, region, &role, &token(file)?).await;
    }
    let Some(Way { origin, roles, .. }) = way else {
        return match container(platform)? {
            Some(url) => in_container(platform, &url).await,
            None => machine(platform).await,
        };
    };
    let mut own = of_origin(platform, origin, region).await?;
    for role in &roles {
        own = sts::with_keys(platform, region, role, &own, now_unix).await?;
    }
    Ok(own)
}

/// The first keys of a profile.
async fn of_origin(
    platform: &Platform,
    origin: Origin,
    region: &str,
) -> Result<Credentials, String> {
    match origin {
        Origin::Keys { id, secret, session } => Ok(Credentials { id, secret, session }),
        Origin::WebIdentity { role, token_file } => {
            let token = token(&token_file.display().to_string())?;
            sts::with_web_identity(platform, region, &role, &token).await
        }
        Origin::Variables => in_variables(platform).ok_or_else(|| {
            "there are no keys in AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY; set them in the \
             app's env"
                .to_owned()
        }),
        Origin::Container => match container(platform)? {
            Some(url) => in_container(platform, &url).await,
            None => Err("there is no container's endpoint; set AWS_CONTAINER_CREDENTIALS_\
                         RELATIVE_URI in the app's env"
                .to_owned()),
        },
        Origin::Machine => machine(platform).await,
    }
}

fn in_variables(platform: &Platform) -> Option<Credentials> {
    Some(Credentials {
        id: platform.variable("AWS_ACCESS_KEY_ID")?.expose().to_owned(),
        secret: platform.variable("AWS_SECRET_ACCESS_KEY")?.clone(),
        session: platform.variable("AWS_SESSION_TOKEN").cloned(),
    })
}

/// The token of a web identity, which its giver replaces now and then.
fn token(file: &str) -> Result<Secret, String> {
    let text = std::fs::read_to_string(file).map_err(|why| format!("cannot read {file}: {why}"))?;
    let text = Secret::new(text);
    Ok(Secret::new(text.expose().trim().to_owned()))
}

fn read(answer: &Value) -> Result<Credentials, String> {
    let text =
        |name: &str| answer[name].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    match (text("AccessKeyId"), text("SecretAccessKey")) {
        (Some(id), Some(secret)) => Ok(Credentials {
            id,
            secret: Secret::new(secret),
            session: text("Token").map(Secret::new),
        }),
        _ => Err("AWS's endpoint gave no keys; give the workload a role".to_owned()),
    }
}

/// The address at which a container is given its keys; `None` outside of one.
fn container(platform: &Platform) -> Result<Option<String>, String> {
    let text = |name| platform.variable(name).map(Secret::expose);
    if let Some(url) = text("AWS_CONTAINER_CREDENTIALS_FULL_URI") {
        return super::nearby(url).map(|()| Some(url.to_owned()));
    }
    Ok(text("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI").map(|path| format!("{CONTAINER}{path}")))
}

async fn in_container(platform: &Platform, url: &str) -> Result<Credentials, String> {
    read(&parsed(&platform.get(url, container_headers(platform)?).await?)?)
}

/// What a container shows there; the file is replaced now and then.
fn container_headers(platform: &Platform) -> Result<HeaderMap, String> {
    let token = match platform.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => Some(token(file.expose())?),
        None => platform.variable("AWS_CONTAINER_AUTHORIZATION_TOKEN").cloned(),
    };
    let mut headers = HeaderMap::new();
    if let Some(token) = token {
        let value = HeaderValue::from_str(token.expose().trim());
        let mut value = value.map_err(|_| "the container's token is no header".to_owned())?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Ok(headers)
}

/// The keys of the machine's role.
async fn machine(platform: &Platform) -> Result<Credentials, String> {
    let base = &platform.places.aws;
    let headers = ticket(platform).await?;
    let roles = format!("{base}/latest/meta-data/iam/security-credentials/");
    let role = platform.get(&roles, headers.clone()).await?;
    let role = String::from_utf8_lossy(&role).trim().to_owned();
    let plain = |c: char| c.is_ascii_alphanumeric() || "+=,.@_-".contains(c);
    if role.is_empty() || !role.chars().all(plain) {
        return Err("the machine has no role; give it one".to_owned());
    }
    read(&parsed(&platform.get(&format!("{roles}{role}"), headers).await?)?)
}

/// Without a ticket, a page that a browser was led to could ask the endpoint as well.
async fn ticket(platform: &Platform) -> Result<HeaderMap, String> {
    let url = format!("{}/latest/api/token", platform.places.aws);
    let lifetime = HeaderValue::from_static(TICKET_S);
    let request = platform.http.put(url).header("X-aws-ec2-metadata-token-ttl-seconds", lifetime);
    let ticket = platform.answer(request).await?;
    let mut value = HeaderValue::from_bytes(&ticket)
        .map_err(|_| "AWS's endpoint gave a ticket that is no header".to_owned())?;
    value.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert("X-aws-ec2-metadata-token", value);
    Ok(headers)
}

/// What the variables say, else the profile, else the machine.
async fn region(platform: &Platform, of_profile: Option<String>) -> Result<String, String> {
    let written = platform.variable("AWS_REGION").or(platform.variable("AWS_DEFAULT_REGION"));
    let written = written.map(|region| region.expose().to_owned());
    let region = match written.or(of_profile) {
        Some(region) => region,
        None => {
            let url = format!("{}/latest/meta-data/placement/region", platform.places.aws);
            let region = platform.get(&url, ticket(platform).await?).await?;
            String::from_utf8_lossy(&region).trim().to_owned()
        }
    };
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    match !region.is_empty() && region.chars().all(plain) {
        true => Ok(region),
        false => Err("AWS's region is not known; set AWS_REGION in the app's env".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(region: &str, session: Option<&str>) -> Value {
        let credentials = Credentials {
            id: "AKIDEXAMPLE".to_owned(),
            secret: Secret::new("canary".to_owned()),
            session: session.map(|text| Secret::new(text.to_owned())),
        };
        let shown = signed(&credentials, region, &moment(1_440_938_160));
        serde_json::from_slice(&STANDARD.decode(shown.expose()).unwrap()).unwrap()
    }

    #[test]
    fn a_request_is_shown_whole_with_its_signature_and_without_its_key() {
        let request = shown("eu-central-1", Some("session"));
        assert_eq!(request["method"], "POST");
        let url =
            "https://sts.eu-central-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15";
        assert_eq!(request["url"], url);
        let headers = &request["headers"];
        assert_eq!(headers["host"], "sts.eu-central-1.amazonaws.com");
        assert_eq!(headers["x-amz-date"], "20150830T123600Z");
        assert_eq!(headers["x-snowflake-audience"], "snowflakecomputing.com");
        assert_eq!(headers["x-amz-security-token"], "session");
        let authorization = headers["authorization"].as_str().unwrap();
        let expected = "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-central-1/sts/aws4_request, \
             SignedHeaders=host;x-amz-date;x-amz-security-token;x-snowflake-audience, Signature=";
        assert!(authorization.starts_with(expected), "{authorization}");
        assert!(!request.to_string().contains("canary"));
        assert!(shown("cn-north-1", None)["url"].as_str().unwrap().contains(".amazonaws.com.cn/"));
    }
}
