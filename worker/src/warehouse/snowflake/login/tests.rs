//! What is sent to log in, way by way, and that no secret is anywhere else.

use std::path::PathBuf;
use std::sync::Mutex;

use mcp_protocol::settings::SnowflakeLogin;

use super::key::KeyPair;
use super::*;

const NOW: u64 = 1_700_000_000;
const KEY: &str = include_str!("../../../../tests/data/keys/plain.test-only.p8");
const FINGERPRINT: &str = include_str!("../../../../tests/data/keys/fingerprint.txt");

fn secret(text: &str) -> Secret {
    Secret::new(text.to_owned())
}

fn settings(login: SnowflakeLogin) -> SnowflakeSettings {
    let text = |text: &str| Some(text.to_owned());
    SnowflakeSettings {
        account: "xy12345.us-east-1".to_owned(),
        user: text("Mcp"),
        role: text("READER"),
        warehouse: text("WH"),
        database: None,
        schema: text("S"),
        host: None,
        login,
    }
}

fn of(settings: &SnowflakeSettings) -> Login {
    let endpoint = Endpoint::of(settings).unwrap();
    Login::new(settings, &endpoint, &Variables::new()).unwrap_or_else(|why| panic!("{why}"))
}

fn login(login: SnowflakeLogin) -> Login {
    of(&settings(login))
}

async fn data(login: &Login) -> Value {
    login.data(&reqwest::Client::new(), NOW).await.unwrap_or_else(|why| panic!("{why}"))
}

/// What every login has and this one besides.
fn expected(more: Value) -> Value {
    let mut whole = json!({
        "CLIENT_APP_ID": "Go",
        "CLIENT_APP_VERSION": "2.1.0",
        "SVN_REVISION": "",
        "ACCOUNT_NAME": "xy12345",
        "LOGIN_NAME": "Mcp",
        "CLIENT_ENVIRONMENT": {
            "APPLICATION": "mcp-supervisor",
            "OS": std::env::consts::OS,
            "ISA": std::env::consts::ARCH,
        },
        "SESSION_PARAMETERS": {
            "CLIENT_SESSION_KEEP_ALIVE": false,
            "CLIENT_VALIDATE_DEFAULT_PARAMETERS": true,
            "GO_QUERY_RESULT_FORMAT": "ARROW",
            "GEOGRAPHY_OUTPUT_FORMAT": "GeoJSON",
            "GEOMETRY_OUTPUT_FORMAT": "GeoJSON",
            "MULTI_STATEMENT_COUNT": 1,
        },
    });
    let Value::Object(more) = more else { panic!("{more}") };
    for (name, value) in more {
        whole[name] = value;
    }
    whole
}

fn every_way() -> Vec<SnowflakeLogin> {
    vec![
        SnowflakeLogin::KeyPair { private_key: secret(KEY), passphrase: Some(secret("canary")) },
        SnowflakeLogin::Password { password: secret("canary") },
        SnowflakeLogin::ProgrammaticAccessToken { token: secret("canary") },
        SnowflakeLogin::OAuth { token: secret("canary") },
        SnowflakeLogin::OAuthClientCredentials {
            client_id: "id".to_owned(),
            client_secret: secret("canary"),
            token_url: "https://idp.example.com".to_owned(),
            scope: None,
        },
        SnowflakeLogin::MfaPasscode { password: secret("canary"), passcode: secret("canary2") },
        SnowflakeLogin::WorkloadIdentity { token_file: PathBuf::from("/nowhere") },
        SnowflakeLogin::ExternalBrowser,
    ]
}

#[tokio::test]
async fn each_way_to_log_in_says_what_snowflake_s_drivers_say() {
    let password = login(SnowflakeLogin::Password { password: secret("p") });
    assert_eq!(data(&password).await, expected(json!({ "PASSWORD": "p" })));
    let token = login(SnowflakeLogin::ProgrammaticAccessToken { token: secret("t") });
    let more = json!({ "AUTHENTICATOR": "PROGRAMMATIC_ACCESS_TOKEN", "TOKEN": "t" });
    assert_eq!(data(&token).await, expected(more));
    let oauth = login(SnowflakeLogin::OAuth { token: secret("t") });
    let more = json!({ "AUTHENTICATOR": "OAUTH", "TOKEN": "t" });
    assert_eq!(data(&oauth).await, expected(more));

    let pair = login(SnowflakeLogin::KeyPair { private_key: secret(KEY), passphrase: None });
    let sent = data(&pair).await;
    let token = KeyPair::open(KEY, None).unwrap().token("XY12345", "MCP", NOW);
    assert_eq!(sent, expected(json!({ "AUTHENTICATOR": "SNOWFLAKE_JWT", "TOKEN": token })));
}

#[tokio::test]
async fn a_token_that_names_its_user_needs_none_beside_it() {
    let mut settings = settings(SnowflakeLogin::OAuth { token: secret("t") });
    settings.user = None;
    let sent = data(&of(&settings)).await;
    assert_eq!(sent.get("LOGIN_NAME"), None);
    settings.login = SnowflakeLogin::Password { password: secret("p") };
    let endpoint = Endpoint::of(&settings).unwrap();
    let why = Login::new(&settings, &endpoint, &Variables::new()).unwrap_err();
    assert!(why.contains("snowflake.user is missing"), "{why}");
}

#[tokio::test]
async fn a_code_is_sent_once_and_then_what_snowflake_gave_for_it() {
    let login =
        login(SnowflakeLogin::MfaPasscode { password: secret("p"), passcode: secret("123456") });
    let mut with_code = expected(json!({
        "AUTHENTICATOR": "USERNAME_PASSWORD_MFA",
        "PASSWORD": "p",
        "EXT_AUTHN_DUO_METHOD": "passcode",
        "PASSCODE": "123456",
    }));
    with_code["SESSION_PARAMETERS"]["CLIENT_REQUEST_MFA_TOKEN"] = json!(true);
    assert_eq!(data(&login).await, with_code);
    login.welcomed(&json!({ "token": "t", "mfaToken": "remembered" }));
    let mut with_token = expected(json!({
        "AUTHENTICATOR": "USERNAME_PASSWORD_MFA",
        "PASSWORD": "p",
        "TOKEN": "remembered",
    }));
    with_token["SESSION_PARAMETERS"]["CLIENT_REQUEST_MFA_TOKEN"] = json!(true);
    assert_eq!(data(&login).await, with_token);
    login.welcomed(&json!({ "mfaToken": "" }));
    assert_eq!(data(&login).await, with_token, "nothing new was given");
    login.failed("390127", "refused", None, NOW);
    assert_eq!(data(&login).await, with_code, "what is refused is forgotten");
}

#[tokio::test]
async fn client_credentials_become_a_token_before_the_login() {
    use axum::routing::post;
    let answer = r#"{"access_token": "granted", "expires_in": 600}"#;
    let asked = std::sync::Arc::new(Mutex::new(Vec::new()));
    let kept = std::sync::Arc::clone(&asked);
    let routes = axum::Router::new().route(
        "/token",
        post(move |body: String| async move {
            kept.lock().unwrap().push(body);
            answer
        }),
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let token_url = format!("http://{}/token", listener.local_addr().unwrap());
    tokio::spawn(async move { axum::serve(listener, routes).await });
    let login = login(SnowflakeLogin::OAuthClientCredentials {
        client_id: "id".to_owned(),
        client_secret: secret("s"),
        token_url,
        scope: None,
    });
    let mut whole = expected(json!({ "AUTHENTICATOR": "OAUTH", "TOKEN": "granted" }));
    whole["CLIENT_ENVIRONMENT"]["OAUTH_TYPE"] = json!("OAUTH_CLIENT_CREDENTIALS");
    assert_eq!(data(&login).await, whole);
    assert_eq!(data(&login).await, whole);
    let bodies = || asked.lock().unwrap().clone();
    assert_eq!(bodies(), ["grant_type=client_credentials&scope=session%3Arole%3AREADER"]);
    // A token that Snowflake calls expired is asked for anew by the next login.
    let why = login.failed("390318", "OAuth access token expired", None, NOW);
    assert!(matches!(why, WarehouseError::Connect { .. }), "{why:?}");
    data(&login).await;
    assert_eq!(bodies().len(), 2);
    let why = login.failed("390303", "Invalid OAuth access token", None, NOW);
    assert!(matches!(why, WarehouseError::Refused { .. }), "{why:?}");
}

#[tokio::test]
async fn a_workload_s_token_is_read_at_each_login() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("token");
    let login = login(SnowflakeLogin::WorkloadIdentity { token_file: file.clone() });
    let sent = |token: &str| {
        expected(json!({
            "AUTHENTICATOR": "WORKLOAD_IDENTITY",
            "PROVIDER": "OIDC",
            "TOKEN": token,
        }))
    };
    for token in ["first", "second"] {
        std::fs::write(&file, format!("{token}\n")).unwrap();
        assert_eq!(data(&login).await, sent(token));
    }
    for (content, words) in [
        (Some(""), "is empty"),
        (Some("canary canary"), "more than a token"),
        (None, "No such file"),
    ] {
        std::fs::remove_file(&file).unwrap();
        if let Some(content) = content {
            std::fs::write(&file, content).unwrap();
        }
        let why = login.data(&reqwest::Client::new(), NOW).await.unwrap_err();
        assert!(matches!(why, WarehouseError::Connect { .. }), "{why:?}");
        let said = format!("{why} {why:?}");
        assert!(said.contains(words) && said.contains("snowflake.token_file"), "{said}");
        assert!(!said.contains("canary"), "{said}");
        std::fs::write(&file, "").unwrap();
    }
}

#[test]
fn the_names_of_a_session_are_in_the_address() {
    let login = login(SnowflakeLogin::OAuth { token: secret("t") });
    let text = |name, value: &str| (name, value.to_owned());
    let expected = [text("schemaName", "S"), text("warehouse", "WH"), text("roleName", "READER")];
    assert_eq!(login.query(), expected);
}

#[test]
fn a_key_that_snowflake_does_not_know_is_told_with_its_fingerprint() {
    let login = login(SnowflakeLogin::KeyPair { private_key: secret(KEY), passphrase: None });
    let why = login.failed("390144", "JWT token is invalid.", Some(NOW), NOW);
    let WarehouseError::Refused { warehouse, reason } = why else { panic!("{why:?}") };
    assert_eq!(warehouse, "the Snowflake account xy12345");
    assert!(reason.contains(&format!("this key is SHA256:{}", FINGERPRINT.trim())), "{reason}");
    assert!(reason.contains("logged in as XY12345.MCP"), "{reason}");
    let why = login.failed("390101", "User access disabled.", Some(NOW), NOW).to_string();
    assert!(!why.contains("SHA256"), "{why}");
}

#[tokio::test]
async fn what_a_person_s_login_left_is_sent_replaced_and_let_go() {
    let directory = tempfile::tempdir().unwrap();
    let settings = settings(SnowflakeLogin::ExternalBrowser);
    let kept = |user: &str, host: &str| {
        let host = Some(host.to_owned());
        let endpoint = Endpoint::of(&SnowflakeSettings { host, ..settings.clone() }).unwrap();
        Kept::new(directory.path(), &endpoint, user)
    };
    let own = kept("Mcp", "a.example.com");
    let login = of(&settings).with_kept(Some(own.clone()));
    let why = login.data(&reqwest::Client::new(), NOW).await.unwrap_err();
    assert!(matches!(why, WarehouseError::LoggedOut { .. }), "{why:?}");
    own.keep(&secret("one")).unwrap();
    let sent = data(&login).await;
    assert_eq!((&sent["AUTHENTICATOR"], &sent["TOKEN"]), (&json!("ID_TOKEN"), &json!("one")));
    assert_eq!(sent["SESSION_PARAMETERS"]["CLIENT_STORE_TEMPORARY_CREDENTIAL"], true);
    // Another user's, and another place's, is another one; the case of letters is not.
    assert_eq!(kept("Other", "a.example.com").token(), None);
    assert_eq!(kept("Mcp", "b.example.com").token(), None);
    assert_eq!(kept("MCP", "A.example.com").token(), Some(secret("one")));
    login.welcomed(&json!({ "idToken": "two" }));
    assert_eq!(data(&login).await["TOKEN"], "two");
    // A refusal of the one before says nothing about this one.
    let refused = |code: &str| Reply { code: code.to_owned(), ..Reply::default() };
    let why = login.refused(&refused("390195"), &sent, NOW);
    assert!(matches!(why, WarehouseError::LoggedOut { .. }), "{why:?}");
    assert_eq!(own.token(), Some(secret("two")));
    let sent = data(&login).await;
    let why = login.refused(&refused("390189"), &sent, NOW);
    assert!(matches!(why, WarehouseError::Refused { .. }), "{why:?}");
    assert_eq!(own.token(), Some(secret("two")));
    let _ = login.refused(&refused("390110"), &sent, NOW);
    assert_eq!(own.token(), None);
}

#[test]
fn another_credential_has_another_version_and_the_same_one_the_same() {
    let mut versions = std::collections::BTreeSet::new();
    for way in every_way() {
        let version = login(way.clone()).credential_version();
        assert_eq!(version.len(), 12, "{version}");
        assert_eq!(version, login(way).credential_version());
        assert!(versions.insert(version), "two ways have one version");
    }
    let password = |password: &str, user: &str| {
        let mut settings = settings(SnowflakeLogin::Password { password: secret(password) });
        settings.user = Some(user.to_owned());
        of(&settings).credential_version()
    };
    assert!(versions.insert(password("other", "Mcp")));
    assert!(versions.insert(password("canary", "Other")));
    assert_eq!(password("other", "Mcp"), password("other", "Mcp"));
}

#[test]
fn no_login_shows_its_secrets() {
    for way in every_way() {
        let login = login(way);
        let why = login.failed("390100", "Incorrect username or password", None, NOW);
        let shown = format!("{login:?} {why:?} {why} {}", login.credential_version());
        assert!(!shown.contains("canary") && !shown.contains("MII"), "{shown}");
    }
}

#[test]
fn a_key_that_cannot_be_opened_is_told_when_the_login_is_made() {
    let way = SnowflakeLogin::KeyPair { private_key: secret("canary"), passphrase: None };
    let settings = settings(way);
    let endpoint = Endpoint::of(&settings).unwrap();
    let why = Login::new(&settings, &endpoint, &Variables::new()).unwrap_err();
    assert!(why.contains("no private key") && !why.contains("canary"), "{why}");
}
