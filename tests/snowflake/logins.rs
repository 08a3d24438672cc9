//! Ways to log in, against a server that looks at what they send: the right request on the wire,
//! a refusal tried once, and what is renewed.

use std::fs;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use mcp_protocol::secret::Secret;
use mcp_protocol::settings::{CloudPlatform, SnowflakeLogin, SnowflakeSettings};
use mcp_worker::clock::Clock;
use mcp_worker::warehouse::pool::{Pool, PoolError};
use mcp_worker::warehouse::snowflake::platform::Variables;
use mcp_worker::warehouse::snowflake::{House as Surroundings, SnowflakeWarehouse};
use mcp_worker::warehouse::{Context, Warehouse};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

use crate::house::{TIMEOUT, limits, pool_settings, settings};
use crate::server::faults::{Endpoint, Fault};
use crate::server::record::Seen;
use crate::server::sessions::Refusal;
use crate::server::{Config, Judge, Server};

/// A server, and a pool that logs in there in some way.
pub(crate) struct House {
    server: Server,
    pool: Pool,
    _directory: TempDir,
}

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

impl House {
    fn new(judge: Judge, login: SnowflakeLogin) -> House {
        House::with(judge, login, Variables::new())
    }

    /// One whose process was told something by its platform.
    fn with(judge: Judge, login: SnowflakeLogin, variables: Variables) -> House {
        let server = Server::with(Config { judge: Some(judge), ..Config::default() });
        let settings = SnowflakeSettings { login, ..settings(&server.url(), "") };
        let directory = tempfile::tempdir().expect("a directory can be made");
        let clock = Clock::start();
        let (worker, refusals) = ("query[0]".to_owned(), Some(directory.path().to_owned()));
        let surroundings = Surroundings { worker, refusals, kept_logins: None, clock, variables };
        let warehouse = SnowflakeWarehouse::open(&settings, &surroundings);
        let warehouse: Arc<dyn Warehouse> = Arc::new(warehouse.expect("they can be used"));
        let pool = Pool::new(warehouse, &pool_settings(4), clock);
        House { server, pool, _directory: directory }
    }

    pub(crate) async fn ask(&self, statement: &str) -> Result<(), PoolError> {
        let (cancel, limits) = (CancellationToken::new(), limits(TIMEOUT));
        self.pool.query(statement, &Context::default(), &limits, &cancel).await.map(drop)
    }

    /// Four at once, so that there are four sessions.
    async fn ask_four(&self) {
        let all = (0..4).map(|_| self.ask("SELECT SLEEP(0.2)"));
        for result in futures::future::join_all(all).await {
            result.expect("it is let in");
        }
    }

    /// What was sent with each login.
    pub(crate) fn logins(&self) -> Vec<Value> {
        self.server.look(|seen| seen.logins.iter().map(|login| login.data.clone()).collect())
    }

    /// Ten calls are refused in these words, for one login.
    async fn assert_refused_once(&self, words: &str) {
        let before = self.logins().len();
        for _ in 0..10 {
            let error = self.ask("SELECT 1").await.expect_err("nobody is let in");
            assert!(matches!(error, PoolError::Refused { .. }), "{error:?}");
            assert!(error.to_string().contains(words), "{error}");
            assert!(!error.to_string().contains("canary"), "{error}");
        }
        assert_eq!(self.logins().len(), before + 1);
    }
}

/// Takes the code once, and the token that it gave for it ever after.
fn by_passcode(data: &Value, seen: &Seen) -> Result<Option<&'static str>, Refusal> {
    let was_used = seen.logins.iter().any(|login| login.data["PASSCODE"] == "123456");
    let by_code = data["PASSCODE"] == "123456" && data["EXT_AUTHN_DUO_METHOD"] == "passcode";
    let by_token = data["TOKEN"] == "canary-mfa-token" && data["PASSCODE"].is_null();
    let right = data["AUTHENTICATOR"] == "USERNAME_PASSWORD_MFA"
        && data["PASSWORD"] == "canary-password"
        && data["SESSION_PARAMETERS"]["CLIENT_REQUEST_MFA_TOKEN"] == true;
    match right && (by_token || (by_code && !was_used)) {
        true => Ok(Some("canary-mfa-token")),
        false => Err(Refusal { code: "394507", message: "Authentication failed." }),
    }
}

fn passcode(code: &str) -> SnowflakeLogin {
    SnowflakeLogin::MfaPasscode { password: secret("canary-password"), passcode: secret(code) }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_code_is_sent_once_and_what_was_given_for_it_lets_the_other_sessions_in() {
    let house = House::new(by_passcode, passcode("123456"));
    house.ask_four().await;
    let logins = house.logins();
    assert!(logins.len() >= 4, "{}", logins.len());
    let with_code = logins.iter().filter(|data| data["PASSCODE"] == "123456").count();
    assert_eq!(with_code, 1, "a code is good once");
    // And again when the sessions have ended.
    house.server.forget_sessions();
    house.ask("SELECT 1").await.expect("the token still lets us in");
    let wrong = House::new(by_passcode, passcode("654321"));
    wrong.assert_refused_once("write a new one as snowflake.passcode").await;
}

/// A giver of tokens that counts them, and the address to ask it at.
struct Giver {
    given: Arc<Mutex<u32>>,
    address: String,
}

impl Giver {
    async fn open(answers: bool) -> Giver {
        let given = Arc::new(Mutex::new(0));
        let routes =
            Router::new().route("/token", post(give)).with_state((Arc::clone(&given), answers));
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = format!("http://{}/token", listener.local_addr().expect("an address"));
        tokio::spawn(async move { axum::serve(listener, routes).await });
        Giver { given, address }
    }

    fn login(&self) -> SnowflakeLogin {
        SnowflakeLogin::OAuthClientCredentials {
            client_id: "mcp".to_owned(),
            client_secret: secret("canary-secret"),
            token_url: self.address.clone(),
            scope: Some("session:role:READER".to_owned()),
        }
    }

    fn given(&self) -> u32 {
        *self.given.lock().expect("nobody panicked")
    }
}

async fn give(
    State((given, answers)): State<(Arc<Mutex<u32>>, bool)>,
) -> (http::StatusCode, String) {
    if !answers {
        return (http::StatusCode::UNAUTHORIZED, json!({"error": "invalid_client"}).to_string());
    }
    let mut given = given.lock().expect("nobody panicked");
    *given += 1;
    let answer = json!({"access_token": format!("canary-access-{given}"), "expires_in": 3600});
    (http::StatusCode::OK, answer.to_string())
}

fn by_oauth(data: &Value, _seen: &Seen) -> Result<Option<&'static str>, Refusal> {
    let token = data["TOKEN"].as_str().unwrap_or_default();
    let marked = data["CLIENT_ENVIRONMENT"]["OAUTH_TYPE"] == "OAUTH_CLIENT_CREDENTIALS";
    match data["AUTHENTICATOR"] == "OAUTH" && token.starts_with("canary-access-") && marked {
        true => Ok(None),
        false => Err(Refusal { code: "390303", message: "Invalid OAuth access token." }),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn access_tokens_are_obtained_once_for_all_sessions_and_anew_when_one_has_expired() {
    let giver = Giver::open(true).await;
    let house = House::new(by_oauth, giver.login());
    house.ask_four().await;
    assert_eq!(giver.given(), 1, "all sessions share a token");
    assert!(house.logins().iter().all(|data| data["TOKEN"] == "canary-access-1"));
    // Snowflake says earlier than the giver that its time is over.
    let message = "OAuth access token expired.";
    house.server.fail(Endpoint::Login, 1, Fault::Refused { code: "390318", message });
    house.server.forget_sessions();
    let clock = Clock::start();
    let until = clock.now() + crate::house::PATIENCE;
    while let Err(error) = house.ask("SELECT 1").await {
        assert!(!matches!(error, PoolError::Refused { .. }), "{error}");
        assert!(clock.now() < until, "{error}");
    }
    assert_eq!(giver.given(), 2);
    let last = house.logins().pop().expect("there was a login");
    assert_eq!(last["TOKEN"], "canary-access-2");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_access_token_is_no_login_and_a_refused_one_is_tried_once() {
    let giver = Giver::open(false).await;
    let house = House::new(by_oauth, giver.login());
    let error = house.ask("SELECT 1").await.expect_err("there is no token");
    assert!(matches!(error, PoolError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("snowflake.oauth_client_id"), "{error}");
    assert!(house.logins().is_empty(), "nothing was sent to Snowflake");

    let giver = Giver::open(true).await;
    let house = House::new(
        |_, _| Err(Refusal { code: "390303", message: "Invalid OAuth access token." }),
        giver.login(),
    );
    house.assert_refused_once("SYSTEM$VERIFY_EXTERNAL_OAUTH_TOKEN").await;
    assert_eq!(giver.given(), 1);
}

fn by_workload(data: &Value, _seen: &Seen) -> Result<Option<&'static str>, Refusal> {
    let token = data["TOKEN"].as_str().unwrap_or_default();
    let right = data["AUTHENTICATOR"] == "WORKLOAD_IDENTITY" && data["PROVIDER"] == "OIDC";
    match right && token.starts_with("canary-platform-") {
        true => Ok(None),
        false => Err(Refusal { code: "394000", message: "Workload identity is not known." }),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_platform_s_token_is_read_anew_at_each_login() {
    let directory = tempfile::tempdir().expect("a directory can be made");
    let token_file = directory.path().join("token");
    let put = |token: &str| fs::write(&token_file, token).expect("the file is written");
    put("canary-platform-1\n");
    let login = SnowflakeLogin::WorkloadIdentity { token_file: token_file.clone() };
    let house = House::new(by_workload, login.clone());
    house.ask("SELECT 1").await.expect("it is let in");
    put("canary-platform-2\n");
    house.server.forget_sessions();
    house.ask("SELECT 1").await.expect("the new token lets us in");
    let tokens: Vec<Value> = house.logins().iter().map(|data| data["TOKEN"].clone()).collect();
    assert_eq!(tokens.first(), Some(&json!("canary-platform-1")));
    assert_eq!(tokens.last(), Some(&json!("canary-platform-2")));

    put("of somebody else");
    let house = House::new(by_workload, login);
    let error = house.ask("SELECT 1").await.expect_err("that is more than a token");
    assert!(error.to_string().contains("more than a token"), "{error}");
    assert!(house.logins().is_empty());
    put("other");
    let clock = Clock::start();
    let until = clock.now() + crate::house::PATIENCE;
    while house.logins().is_empty() {
        let error = house.ask("SELECT 1").await.expect_err("nobody is let in");
        assert!(clock.now() < until, "{error}");
    }
    let error = house.ask("SELECT 1").await.expect_err("nobody is let in");
    assert!(matches!(error, PoolError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("Workload identity is not known"), "{error}");
    assert_eq!(house.logins().len(), 1);
}

/// What a cloud's endpoint was asked, as `GET /path?query` and a form behind it, and its headers.
#[derive(Clone, Default)]
pub(crate) struct Cloud {
    asked: Arc<Mutex<Vec<(String, http::HeaderMap)>>>,
}

impl Cloud {
    /// An endpoint of AWS, Azure and Google Cloud in one; gives its address, without `http://`.
    pub(crate) async fn open() -> (Cloud, String) {
        let cloud = Cloud::default();
        let routes = Router::new().fallback(metadata).with_state(cloud.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("an address").to_string();
        tokio::spawn(async move { axum::serve(listener, routes).await });
        (cloud, address)
    }

    /// The first request whose path begins so.
    pub(crate) fn asked(&self, begin: &str) -> (String, http::HeaderMap) {
        let asked = self.asked.lock().expect("nobody panicked");
        asked.iter().find(|(line, _)| line.starts_with(begin)).cloned().expect("it was asked")
    }
}

async fn metadata(
    State(cloud): State<Cloud>,
    method: http::Method,
    address: http::Uri,
    headers: http::HeaderMap,
    form: String,
) -> (http::StatusCode, String) {
    let line = format!("{method} {address}{form}");
    cloud.asked.lock().expect("nobody panicked").push((line.clone(), headers.clone()));
    let has = |name: &str, value: &str| headers.get(name).is_some_and(|found| found == value);
    let ticket = has("x-aws-ec2-metadata-token", "canary-ticket");
    let keys = json!({
        "Code": "Success", "AccessKeyId": "AKIDROLE", "SecretAccessKey": "canary-aws-secret",
        "Token": "canary-aws-session", "Expiration": "2030-01-01T00:00:00Z",
    });
    let answer = match (method.as_str(), address.path()) {
        ("PUT", "/latest/api/token") => "canary-ticket".to_owned(),
        ("GET", "/latest/meta-data/iam/security-credentials/") if ticket => "the-role".to_owned(),
        ("GET", "/latest/meta-data/iam/security-credentials/the-role") if ticket => {
            keys.to_string()
        }
        ("GET", "/latest/meta-data/placement/region") if ticket => "eu-west-1".to_owned(),
        ("GET", "/container") if has("authorization", "canary-container") => keys.to_string(),
        ("GET", "/computeMetadata/v1/instance/service-accounts/default/identity")
            if has("metadata-flavor", "Google") =>
        {
            "canary.google.jwt".to_owned()
        }
        ("GET", "/msi/token") if has("x-identity-header", "canary-header") => {
            json!({"access_token": "canary.azure.jwt", "expires_in": "3599"}).to_string()
        }
        (_, "/") => return role(&line, &headers),
        _ => return (http::StatusCode::FORBIDDEN, "canary".to_owned()),
    };
    (http::StatusCode::OK, answer)
}

/// AWS's token service: gives each role keys that are named after it and after who asked.
fn role(line: &str, headers: &http::HeaderMap) -> (http::StatusCode, String) {
    let by_token = line.contains("WebIdentityToken=canary.web.token");
    let signature = headers.get("authorization").and_then(|value| value.to_str().ok());
    let signer = signature.and_then(|text| text.split("Credential=").nth(1)?.split('/').next());
    let who = if by_token { Some("WEB") } else { signer };
    let role = line.split("role%2F").nth(1).and_then(|rest| rest.split('&').next());
    let (Some(who), Some(role)) = (who, role.filter(|role| *role != "Forbidden")) else {
        let error = "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>\
                     <Message>not for you</Message></Error></ErrorResponse>";
        return (http::StatusCode::FORBIDDEN, error.to_owned());
    };
    let keys = format!(
        "<R><Credentials><AccessKeyId>{who}+{role}</AccessKeyId><SecretAccessKey>canary-of-role\
         </SecretAccessKey><SessionToken>canary-session-of-{role}</SessionToken></Credentials></R>"
    );
    (http::StatusCode::OK, keys)
}

/// Lets in whoever shows something of a cloud.
fn by_cloud(data: &Value, _seen: &Seen) -> Result<Option<&'static str>, Refusal> {
    let cloud = ["AWS", "AZURE", "GCP"].iter().any(|word| data["PROVIDER"] == *word);
    match data["AUTHENTICATOR"] == "WORKLOAD_IDENTITY" && cloud {
        true => Ok(None),
        false => Err(Refusal { code: "394000", message: "Workload identity is not known." }),
    }
}

pub(crate) fn of_cloud(platform: CloudPlatform, variables: &[(&'static str, &str)]) -> House {
    let login = SnowflakeLogin::CloudIdentity { platform, entra_resource: None };
    let variables = variables.iter().map(|(name, value)| (*name, secret(value))).collect();
    House::with(by_cloud, login, variables)
}

/// The request to AWS that was shown to Snowflake.
pub(crate) fn shown_to_snowflake(data: &Value) -> Value {
    let shown = STANDARD.decode(data["TOKEN"].as_str().expect("a text")).expect("base64");
    serde_json::from_slice(&shown).expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_machine_of_aws_shows_a_request_that_its_role_signed() {
    let (cloud, address) = Cloud::open().await;
    let endpoint = format!("http://{address}/");
    let variables = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.as_str())];
    let house = of_cloud(CloudPlatform::Aws, &variables);
    house.ask("SELECT 1").await.expect("it is let in");
    let data = house.logins().remove(0);
    assert_eq!(data["PROVIDER"], "AWS");
    let request = shown_to_snowflake(&data);
    let url = "https://sts.eu-west-1.amazonaws.com/?Action=GetCallerIdentity&Version=2011-06-15";
    assert_eq!((&request["url"], &request["method"]), (&json!(url), &json!("POST")));
    assert_eq!(request["headers"]["x-amz-security-token"], "canary-aws-session");
    let signature = request["headers"]["authorization"].as_str().expect("a signature");
    assert!(signature.contains("Credential=AKIDROLE/"), "{signature}");
    assert!(!request.to_string().contains("canary-aws-secret"));
    let (_, headers) = cloud.asked("PUT /latest/api/token");
    assert_eq!(headers["x-aws-ec2-metadata-token-ttl-seconds"], "60");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_container_s_keys_and_those_in_variables_come_before_the_machine_s() {
    let (_cloud, address) = Cloud::open().await;
    let endpoint = format!("http://{address}");
    let container = format!("{endpoint}/container");
    let directory = tempfile::tempdir().expect("a directory can be made");
    let file = directory.path().join("token");
    fs::write(&file, "canary-container\n").expect("the file is written");
    let mut variables = vec![
        ("AWS_EC2_METADATA_SERVICE_ENDPOINT", endpoint.as_str()),
        ("AWS_CONTAINER_CREDENTIALS_FULL_URI", container.as_str()),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", file.to_str().expect("text")),
        ("AWS_REGION", "cn-north-1"),
    ];
    let signed_by = async |variables: &[(&'static str, &str)]| {
        let house = of_cloud(CloudPlatform::Aws, variables);
        house.ask("SELECT 1").await.expect("it is let in");
        shown_to_snowflake(&house.logins()[0])
    };
    let request = signed_by(&variables).await;
    assert!(request["headers"]["authorization"].to_string().contains("Credential=AKIDROLE/"));
    assert_eq!(request["headers"]["host"], "sts.cn-north-1.amazonaws.com.cn");
    variables.push(("AWS_ACCESS_KEY_ID", "AKIDOWN"));
    variables.push(("AWS_SECRET_ACCESS_KEY", "canary-own"));
    let request = signed_by(&variables).await;
    assert!(request["headers"]["authorization"].to_string().contains("Credential=AKIDOWN/"));
    assert!(request["headers"]["x-amz-security-token"].is_null());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn azure_and_google_are_asked_for_a_token_for_snowflake() {
    let (cloud, address) = Cloud::open().await;
    let house = of_cloud(CloudPlatform::Gcp, &[("GCE_METADATA_HOST", &address)]);
    house.ask("SELECT 1").await.expect("it is let in");
    let data = house.logins().remove(0);
    assert_eq!((&data["PROVIDER"], &data["TOKEN"]), (&json!("GCP"), &json!("canary.google.jwt")));
    let (line, _) = cloud.asked("GET /computeMetadata");
    assert!(line.ends_with("/identity?audience=snowflakecomputing.com"), "{line}");

    let endpoint = format!("http://{address}/msi/token");
    let variables = [
        ("IDENTITY_ENDPOINT", endpoint.as_str()),
        ("IDENTITY_HEADER", "canary-header"),
        ("MANAGED_IDENTITY_CLIENT_ID", "one"),
    ];
    let house = of_cloud(CloudPlatform::Azure, &variables);
    house.ask("SELECT 1").await.expect("it is let in");
    let data = house.logins().remove(0);
    assert_eq!((&data["PROVIDER"], &data["TOKEN"]), (&json!("AZURE"), &json!("canary.azure.jwt")));
    let (line, _) = cloud.asked("GET /msi/token");
    let query = "?api-version=2019-08-01&resource=api%3A%2F%2Ffd3f753b-eed3-462c-b6a7-a4b5bb650aad\
                 &client_id=one";
    assert!(line.ends_with(query), "{line}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workload_without_an_identity_is_told_so_and_nothing_is_sent_to_snowflake() {
    let (_cloud, address) = Cloud::open().await;
    let endpoint = format!("http://{address}/elsewhere");
    for (platform, name) in [
        (CloudPlatform::Aws, "AWS_EC2_METADATA_SERVICE_ENDPOINT"),
        (CloudPlatform::Azure, "IDENTITY_ENDPOINT"),
    ] {
        let house = of_cloud(platform, &[(name, &endpoint), ("IDENTITY_HEADER", "wrong")]);
        let error = house.ask("SELECT 1").await.expect_err("nobody knows it");
        assert!(matches!(error, PoolError::Open { .. }), "{error:?}");
        let words = error.to_string();
        assert!(words.contains("says nothing of this workload"), "{words}");
        assert!(words.contains("403") && words.contains("give the workload"), "{words}");
        assert!(!words.contains("canary"), "{words}");
        assert!(house.logins().is_empty());
    }
}
