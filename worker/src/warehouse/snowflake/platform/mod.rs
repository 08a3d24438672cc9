//! A workload that shows who it is by what its platform says of it: AWS, Azure, Google Cloud.
//!
//! The platform is asked at an address that only its own machines and containers reach; through no
//! proxy, and nowhere else, but for roles of AWS, which its token service gives. What it gives is good for minutes, so it is asked for at each login.
//! What is sent for it follows Snowflake's own drivers for Python and Go.

mod aws;
mod profile;
mod sigv4;
mod sts;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::time::Duration;

use mcp_protocol::secret::Secret;
use mcp_protocol::settings::CloudPlatform;
use reqwest::header::{HeaderMap, HeaderValue};
use reqwest::{Client, RequestBuilder, Url};
use serde_json::Value;

use super::account::{self, is_loopback};
use super::wire;

/// The variables of its own process in which a platform tells where and as whom it may be asked.
pub const VARIABLES: [&str; 22] = [
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_PROFILE",
    "AWS_CONFIG_FILE",
    "AWS_SHARED_CREDENTIALS_FILE",
    "AWS_ENDPOINT_URL_STS",
    "HOME",
    "GCE_METADATA_HOST",
    "IDENTITY_ENDPOINT",
    "IDENTITY_HEADER",
    "MANAGED_IDENTITY_CLIENT_ID",
];

/// The values of [`VARIABLES`] that are set.
pub type Variables = BTreeMap<&'static str, Secret>;

/// For whom an identity is shown.
const AUDIENCE: &str = "snowflakecomputing.com";
/// What Snowflake is called in Azure, unless an account has a name of its own for it.
const ENTRA_RESOURCE: &str = "api://fd3f753b-eed3-462c-b6a7-a4b5bb650aad";
/// Where a machine asks for what is known of it, on all three platforms.
const MACHINE: &str = "http://169.254.169.254";
/// How long an answer may take: the address is the machine's own, or not there at all.
const LIMIT: Duration = Duration::from_secs(3);
/// How long AWS's token service may take.
const STS_LIMIT: Duration = Duration::from_secs(10);
/// The longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// One platform, and how it is asked.
pub(super) struct Platform {
    cloud: CloudPlatform,
    entra_resource: String,
    variables: Variables,
    places: Places,
    http: Client,
    /// For AWS's token service, which is on the Internet.
    sts: Client,
}

/// Where each platform is asked.
struct Places {
    aws: String,
    google: String,
    azure: Azure,
}

/// Azure has two doors, which are asked in two ways.
enum Azure {
    Machine,
    /// That of App Service, Functions and Container Apps, and what is shown there.
    Service {
        endpoint: String,
        header: Secret,
    },
}

impl Platform {
    /// Nothing is asked yet; what is wrong, and the remedy, in words.
    pub(super) fn new(
        cloud: CloudPlatform,
        entra_resource: Option<&str>,
        variables: &Variables,
    ) -> Result<Platform, String> {
        let http = Client::builder()
            .no_proxy()
            .timeout(LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| format!("cannot prepare HTTP: {error}"))?;
        let sts = Client::builder()
            .timeout(STS_LIMIT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| format!("cannot prepare HTTPS: {error}"))?;
        Ok(Platform {
            cloud,
            entra_resource: entra_resource.unwrap_or(ENTRA_RESOURCE).to_owned(),
            variables: variables.clone(),
            places: Places::of(variables)?,
            http,
            sts,
        })
    }

    /// Snowflake's word for the platform.
    pub(super) fn word(&self) -> &'static str {
        match self.cloud {
            CloudPlatform::Aws => "AWS",
            CloudPlatform::Azure => "AZURE",
            CloudPlatform::Gcp => "GCP",
        }
    }

    /// What shows who we are.
    pub(super) async fn attestation(&self, now_unix: u64) -> Result<Secret, String> {
        let shown = match self.cloud {
            CloudPlatform::Aws => aws::attestation(self, now_unix).await,
            CloudPlatform::Azure => self.of_azure().await,
            CloudPlatform::Gcp => self.of_google().await,
        };
        let word = self.word();
        shown.map_err(|why| format!("{word} says nothing of this workload: {why}"))
    }

    async fn of_azure(&self) -> Result<Secret, String> {
        let (endpoint, version, name, value) = match &self.places.azure {
            Azure::Machine => {
                let endpoint = format!("{MACHINE}/metadata/identity/oauth2/token");
                (endpoint, "2018-02-01", "Metadata", "True")
            }
            Azure::Service { endpoint, header } => {
                (endpoint.clone(), "2019-08-01", "X-IDENTITY-HEADER", header.expose())
            }
        };
        let mut url = Url::parse(&endpoint).map_err(|why| format!("{endpoint}: {why}"))?;
        url.query_pairs_mut()
            .append_pair("api-version", version)
            .append_pair("resource", &self.entra_resource);
        if let Some(client) = self.variable("MANAGED_IDENTITY_CLIENT_ID") {
            url.query_pairs_mut().append_pair("client_id", client.expose());
        }
        let answer = parsed(&self.get(url.as_str(), header(name, value)?).await?)?;
        token(answer["access_token"].as_str())
    }

    async fn of_google(&self) -> Result<Secret, String> {
        let path = "computeMetadata/v1/instance/service-accounts/default/identity";
        let url = format!("{}/{path}?audience={AUDIENCE}", self.places.google);
        let answer = self.get(&url, header("Metadata-Flavor", "Google")?).await?;
        token(std::str::from_utf8(&answer).ok())
    }

    fn variable(&self, name: &str) -> Option<&Secret> {
        self.variables.get(name)
    }

    async fn get(&self, url: &str, headers: HeaderMap) -> Result<Vec<u8>, String> {
        self.answer(self.http.get(url).headers(headers)).await
    }

    async fn answer(&self, request: RequestBuilder) -> Result<Vec<u8>, String> {
        let response = request.send().await.map_err(wire::in_words)?;
        let status = response.status();
        if !status.is_success() {
            return Err(format!("its endpoint answered {status}; give the workload an identity"));
        }
        let body = wire::whole(response, ANSWER_BYTES_MAX).await;
        body.map_err(|trouble| trouble.words().to_owned())
    }
}

impl Places {
    fn of(variables: &Variables) -> Result<Places, String> {
        let text = |name| variables.get(name).map(Secret::expose);
        let checked = |name, url: String| match nearby(&url) {
            Ok(()) => Ok(url.trim_end_matches('/').to_owned()),
            Err(why) => Err(format!("{name}: {why}")),
        };
        let aws = text("AWS_EC2_METADATA_SERVICE_ENDPOINT").unwrap_or(MACHINE).to_owned();
        let google = text("GCE_METADATA_HOST");
        let google = google.map_or(MACHINE.to_owned(), |host| format!("http://{host}"));
        let azure = match (text("IDENTITY_ENDPOINT"), variables.get("IDENTITY_HEADER")) {
            (Some(endpoint), Some(header)) => Azure::Service {
                endpoint: checked("IDENTITY_ENDPOINT", endpoint.to_owned())?,
                header: header.clone(),
            },
            (Some(_) | None, _) => Azure::Machine,
        };
        Ok(Places {
            aws: checked("AWS_EC2_METADATA_SERVICE_ENDPOINT", aws)?,
            google: checked("GCE_METADATA_HOST", google)?,
            azure,
        })
    }
}

/// Only what lies in this machine or is its platform's own is believed to be a platform.
fn nearby(url: &str) -> Result<(), String> {
    let parsed = Url::parse(url).map_err(|why| format!("`{url}` is no address ({why})"))?;
    let host = parsed.host_str().unwrap_or_default();
    let address = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>().ok();
    let of_platform = match address {
        Some(IpAddr::V4(address)) => address.is_link_local(),
        // Where AWS's IPv6 endpoints are.
        Some(IpAddr::V6(address)) => address.segments()[..2] == [0xfd00, 0x0ec2],
        None => host == "metadata.google.internal",
    };
    match parsed.scheme() == "http" && (of_platform || is_loopback(host)) {
        true => Ok(()),
        false => {
            Err(format!("`{url}` is no place of a platform; write http:// and its own address"))
        }
    }
}

fn header(name: &'static str, value: &str) -> Result<HeaderMap, String> {
    let value = HeaderValue::from_str(value);
    let mut value = value.map_err(|_| format!("the value for {name} is no header"))?;
    value.set_sensitive(true);
    let mut headers = HeaderMap::new();
    headers.insert(name, value);
    Ok(headers)
}

fn parsed(body: &[u8]) -> Result<Value, String> {
    // Its words could hold a piece of the answer.
    serde_json::from_slice(body).map_err(|_| "its endpoint's answer is no JSON".to_owned())
}

/// A token in three parts; its claims are Snowflake's to check.
fn token(text: Option<&str>) -> Result<Secret, String> {
    let text = text.unwrap_or_default().trim();
    match text.split('.').count() == 3 && !text.contains(char::is_whitespace) {
        true => Ok(Secret::new(text.to_owned())),
        false => {
            Err("its endpoint's answer holds no token; give the workload an identity".to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_platform_s_own_places_and_this_machine_are_asked() {
        for url in [
            "http://169.254.169.254",
            "http://169.254.170.23/v1/credentials",
            "http://127.0.0.1:4141/MSI/token",
            "http://localhost:42356/msi/token",
            "http://[fd00:ec2::254]",
            "http://metadata.google.internal",
        ] {
            assert_eq!(nearby(url), Ok(()), "{url}");
        }
        for url in [
            "http://10.0.0.1/",
            "https://169.254.169.254",
            "http://evil.example",
            "http://[fd00::1]/",
            "file:///etc/passwd",
            "",
        ] {
            assert!(nearby(url).is_err(), "{url}");
        }
        let variables = [("GCE_METADATA_HOST", Secret::new("evil.example".to_owned()))];
        let why = Platform::new(CloudPlatform::Gcp, None, &variables.into()).err().unwrap();
        assert!(why.starts_with("GCE_METADATA_HOST: "), "{why}");
    }

    #[test]
    fn what_is_no_token_is_not_shown() {
        assert!(token(Some("a.b.c\n")).is_ok());
        for text in [None, Some(""), Some("<html>"), Some("a.b c.d"), Some("a.b")] {
            assert!(token(text).is_err(), "{text:?}");
        }
    }
}
