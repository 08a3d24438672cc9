//! What is meant by an account at Snowflake, from where its secrets come, and that none is shown.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mcp_protocol::settings::{CloudPlatform, SnowflakeLogin, SnowflakeSettings, WarehouseSettings};

use super::{QUERY, Workplace, load};
use crate::config::{AppConfig, Config, differences, rules, settings};
use crate::machine::AppName;
use crate::roads;

/// An account with everything but what to log in with.
pub(super) const ACCOUNT: &str =
    "[apps.query.snowflake]\naccount = \"ORG-ACCOUNT\"\nuser = \"MCP\"\n";
/// A key in the right clothes; what is in them nobody looks at before the login.
const KEY_LINE: &str = "MIIcanarycanarycanarycanarycanarycanarycanarycanarycanarycanaryca";

fn pem(label: &str) -> String {
    format!("-----BEGIN {label}-----\n{KEY_LINE}AAA\n-----END {label}-----\n")
}

impl Workplace {
    pub(super) fn file(&self, name: &str, text: &str, mode: u32) {
        let path = self.directory.path().join(name);
        let _ = fs::remove_file(&path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).unwrap();
        }
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    pub(super) fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Reads a configuration that only we may read, with these variables set.
    pub(super) fn with(
        &self,
        text: &str,
        environment: &str,
        variables: &[(&str, &str)],
    ) -> Result<Config, String> {
        self.file("ecosystem.toml", text, 0o600);
        let mut surroundings = self.surroundings();
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        surroundings.variables = variables.iter().map(owned).collect();
        let path = self.directory.path().join("ecosystem.toml");
        load(&path, Some(environment), &surroundings)
            .map_err(|why| why.to_string().replace(&self.path(""), "DIR/"))
    }

    pub(super) fn query(&self, more: &str) -> AppConfig {
        let text = format!("{QUERY}{more}");
        query(&self.with(&text, "development", &[]).unwrap_or_else(|why| panic!("{why}")))
    }
}

pub(super) fn query(config: &Config) -> AppConfig {
    config.apps[&AppName::new("query")].clone()
}

fn account(app: &AppConfig) -> SnowflakeSettings {
    match &app.settings.as_ref().unwrap().warehouse {
        WarehouseSettings::Snowflake(account) => (**account).clone(),
        WarehouseSettings::Embedded { .. } => panic!("the sample account is served"),
    }
}

#[test]
fn an_account_is_read_whole_and_its_secret_from_a_file() {
    let workplace = Workplace::new();
    workplace.file("key.p8", &pem("PRIVATE KEY"), 0o600);
    let app = workplace.query(&format!(
        "{ACCOUNT}private_key_file = \"key.p8\"\nrole = \"R\"\nwarehouse = \"W\"\n\
         database = \"D\"\nschema = \"S\"\nhost = \"localhost:8085\"\n"
    ));
    let found = account(&app);
    assert_eq!((found.account.as_str(), found.user.as_deref()), ("ORG-ACCOUNT", Some("MCP")));
    let texts = [found.role, found.warehouse, found.database, found.schema, found.host];
    let texts: Vec<String> = texts.into_iter().flatten().collect();
    assert_eq!(texts, ["R", "W", "D", "S", "localhost:8085"]);
    let SnowflakeLogin::KeyPair { private_key, passphrase: None } = found.login else {
        panic!("a key means a key pair");
    };
    assert_eq!(private_key.expose(), pem("PRIVATE KEY").trim_end());
    let [served] = app.remarks.as_slice() else { panic!("{:?}", app.remarks) };
    assert_eq!(served, "serves the Snowflake account ORG-ACCOUNT as MCP");
}

#[test]
fn each_way_to_log_in_has_our_word_and_snowflake_s() {
    let workplace = Workplace::new();
    workplace.file("secret", "hush\n", 0o400);
    let login = |more: &str| account(&workplace.query(&format!("{ACCOUNT}{more}"))).login;
    for words in ["", "authenticator = \"password\"\n", "authenticator = \"SNOWFLAKE\"\n"] {
        let SnowflakeLogin::Password { password } =
            login(&format!("{words}password_file = \"secret\"\n"))
        else {
            panic!("{words}");
        };
        assert_eq!(password.expose(), "hush");
    }
    for word in ["programmatic_access_token", "PROGRAMMATIC_ACCESS_TOKEN"] {
        let found = login(&format!("authenticator = \"{word}\"\ntoken_file = \"secret\"\n"));
        assert!(matches!(found, SnowflakeLogin::ProgrammaticAccessToken { .. }), "{found:?}");
    }
    let found = login("authenticator = \"oauth\"\ntoken = \"t\"\npassword = \"unused\"\n");
    assert!(matches!(found, SnowflakeLogin::OAuth { .. }), "{found:?}");
    workplace.file("key.p8", &pem("ENCRYPTED PRIVATE KEY"), 0o600);
    let encrypted = "authenticator = \"snowflake_jwt\"\nprivate_key_file = \"key.p8\"\n";
    let found = login(&format!("{encrypted}private_key_passphrase_file = \"secret\"\n"));
    let SnowflakeLogin::KeyPair { passphrase: Some(passphrase), .. } = found else {
        panic!("{found:?}");
    };
    assert_eq!(passphrase.expose(), "hush");
    let why = workplace.with(&format!("{QUERY}{ACCOUNT}{encrypted}"), "development", &[]);
    let why = why.unwrap_err();
    assert!(why.contains("snowflake.private_key_passphrase\n"), "{why}");
    assert!(why.contains("or set SNOWFLAKE_PRIVATE_KEY_PASSPHRASE"), "{why}");
}

#[test]
fn an_oauth_token_needs_no_user_and_an_address_is_taken_for_its_account() {
    let workplace = Workplace::new();
    let text = "[apps.query.snowflake]\naccount = \"https://org-acct.snowflakecomputing.com/x\"\n\
                authenticator = \"oauth\"\ntoken = \"t\"\n";
    let found = account(&workplace.query(text));
    assert_eq!((found.account.as_str(), found.user), ("org-acct", None));
}

#[test]
fn a_workload_of_a_cloud_needs_its_provider_and_no_secret() {
    let workplace = Workplace::new();
    let account_alone = "[apps.query.snowflake]\naccount = \"A\"\n";
    for (provider, expected) in
        [("AWS", CloudPlatform::Aws), ("AZURE", CloudPlatform::Azure), ("GCP", CloudPlatform::Gcp)]
    {
        let more = format!("workload_identity_provider = \"{provider}\"\n");
        let found = account(&workplace.query(&format!("{account_alone}{more}")));
        let SnowflakeLogin::CloudIdentity { platform, entra_resource } = found.login else {
            panic!("{provider}");
        };
        assert_eq!((found.user, platform, entra_resource), (None, expected, None));
    }
    let more = "authenticator = \"WORKLOAD_IDENTITY\"\nworkload_identity_provider = \"AZURE\"\n\
                workload_identity_entra_resource = \"api://own\"\n";
    let login = account(&workplace.query(&format!("{account_alone}{more}"))).login;
    assert!(format!("{login:?}").contains("api://own"), "{login:?}");
    for (more, key, words) in [
        ("workload_identity_provider = \"AWS\"\ntoken_file = \"t\"\n", "token_file", "is not used"),
        ("workload_identity_provider = \"OIDC\"\n", "token_file", "is missing"),
        ("workload_identity_provider = \"aws\"\n", "workload_identity_provider", "\"AWS\""),
    ] {
        let why = workplace.problems(format!("{QUERY}{account_alone}{more}"), None);
        let key = format!("apps.query.snowflake.{key}\n");
        assert!(why.contains(&key) && why.contains(words), "{more}{why}");
    }
}

#[test]
fn a_person_at_a_browser_needs_a_user_and_no_production() {
    let workplace = Workplace::new();
    for word in ["external_browser", "externalbrowser", "EXTERNALBROWSER"] {
        let app = workplace.query(&format!("{ACCOUNT}authenticator = \"{word}\"\n"));
        let found = account(&app);
        assert!(matches!(found.login, SnowflakeLogin::ExternalBrowser), "{found:?}");
        assert_eq!(found.user.as_deref(), Some("MCP"));
        let remarks = app.remarks.join("");
        assert!(remarks.contains("`mcp-supervisor login`"), "{remarks}");
    }
    let way = "authenticator = \"external_browser\"\n";
    let text = format!("{QUERY}{ACCOUNT}{way}");
    let why = workplace.with(&text, "production", &[]).unwrap_err();
    assert!(why.contains("apps.query.snowflake.authenticator"), "{why}");
    assert!(why.contains("nobody sits before a server in production"), "{why}");
    let nobody = format!("{QUERY}[apps.query.snowflake]\naccount = \"A\"\n{way}");
    let why = workplace.problems(nobody, None);
    assert!(why.contains("apps.query.snowflake.user") && why.contains("is missing"), "{why}");
}

/// What a worker needs to obtain tokens itself, but for the secret.
const CLIENT: &str = "oauth_client_id = \"mcp\"\n\
                      oauth_token_url = \"https://idp.example.com/token\"\n";

#[test]
fn a_worker_that_obtains_its_tokens_gets_all_it_needs_and_no_user() {
    let workplace = Workplace::new();
    workplace.file("secret", "hush\n", 0o600);
    let account_alone = "[apps.query.snowflake]\naccount = \"A\"\n";
    for more in [
        "oauth_client_secret_file = \"secret\"\n",
        "authenticator = \"OAUTH_CLIENT_CREDENTIALS\"\noauth_client_secret = \"hush\"\n",
    ] {
        let found = account(&workplace.query(&format!("{account_alone}{CLIENT}{more}")));
        assert_eq!(found.user, None);
        let SnowflakeLogin::OAuthClientCredentials { client_id, client_secret, token_url, scope } =
            found.login
        else {
            panic!("{more}");
        };
        assert_eq!((client_id.as_str(), client_secret.expose()), ("mcp", "hush"));
        assert_eq!((token_url.as_str(), scope), ("https://idp.example.com/token", None));
    }
    let near = CLIENT.replace("https://idp.example.com", "http://127.0.0.1:8080");
    let scoped = "oauth_client_secret = \"hush\"\noauth_scope = \"s\"\n";
    let found = account(&workplace.query(&format!("{account_alone}{near}{scoped}")));
    let SnowflakeLogin::OAuthClientCredentials { scope, .. } = found.login else {
        panic!("{:?}", found.login);
    };
    assert_eq!(scope.as_deref(), Some("s"));
}

#[test]
fn a_platform_s_token_stays_in_its_file_whoever_may_read_that() {
    let workplace = Workplace::new();
    let text = |more: &str| {
        format!(
            "[apps.query.snowflake]\naccount = \"A\"\nauthenticator = \"workload_identity\"\n{more}"
        )
    };
    let in_file = text("token_file = \"token\"\n");
    workplace.file("token", "canary1", 0o644);
    let config = workplace.with(&format!("{QUERY}{in_file}"), "production", &[]).unwrap();
    let before = query(&config);
    let SnowflakeLogin::WorkloadIdentity { token_file } = account(&before).login else {
        panic!("{before:?}");
    };
    assert_eq!(token_file, workplace.directory.path().join("token"));
    assert!(!config.sources.contains(&token_file), "a new token would roll the workers");
    workplace.file("token", "canary2", 0o644);
    let after = workplace.query(&in_file);
    assert_eq!(workplace.query(&in_file).goal.fingerprint, after.goal.fingerprint);
    assert!(differences(&before, &after).iter().all(|told| !told.contains("token")));
    assert!(!format!("{config:?}").contains("canary"));
}

#[test]
fn a_code_comes_with_its_password_and_a_word_of_warning() {
    let workplace = Workplace::new();
    workplace.file("code", "123456\n", 0o600);
    let app = workplace.query(&format!(
        "{ACCOUNT}authenticator = \"username_password_mfa\"\npassword = \"p\"\n\
         passcode_file = \"code\"\n"
    ));
    let SnowflakeLogin::MfaPasscode { password, passcode } = account(&app).login else {
        panic!("{app:?}");
    };
    assert_eq!((password.expose(), passcode.expose()), ("p", "123456"));
    let remarks = app.remarks.join("");
    assert!(remarks.contains("passcode is good once"), "{remarks}");
}

#[test]
fn a_host_may_be_unencrypted_within_this_machine_alone() {
    let workplace = Workplace::new();
    let host = |host: &str| {
        let text = format!("{QUERY}{ACCOUNT}password = \"p\"\nhost = \"{host}\"\n");
        let config = workplace.with(&text, "production", &[])?;
        Ok::<_, String>(account(&query(&config)).host.unwrap())
    };
    for good in ["h", "h:443", "http://127.0.0.1:8085", "http://localhost", "http://[::1]:8085"] {
        assert_eq!(host(good).as_deref(), Ok(good));
    }
    for (bad, words) in [
        ("http://10.0.0.1:8085", "unencrypted to another machine"),
        ("http://localhost.example.com", "unencrypted to another machine"),
        ("https://127.0.0.1:8085", "no name to connect to"),
        ("[::1]:8085", "no name to connect to"),
        ("h:x", "no name to connect to"),
        ("http://127.0.0.1:99999", "no name to connect to"),
        ("a/b", "no name to connect to"),
    ] {
        let why = host(bad).unwrap_err();
        assert!(why.contains("apps.query.snowflake.host") && why.contains(words), "{bad}: {why}");
    }
}

#[test]
fn an_account_in_china_keeps_the_address_that_it_was_written_as() {
    let workplace = Workplace::new();
    let read = |account_text: &str| {
        let text = ACCOUNT.replace("ORG-ACCOUNT", account_text);
        let found = account(&workplace.query(&format!("{text}password = \"p\"\n")));
        (found.account, found.host)
    };
    let host = Some("org-acct.snowflakecomputing.cn".to_owned());
    assert_eq!(read("https://Org-Acct.snowflakecomputing.cn/x"), ("Org-Acct".to_owned(), host));
    assert_eq!(read("org-acct.snowflakecomputing.com"), ("org-acct".to_owned(), None));
}

#[test]
fn a_key_that_travelled_in_a_variable_gets_its_lines_back() {
    let workplace = Workplace::new();
    let whole = pem("PRIVATE KEY");
    let encoded = "LS0tLS1CRUdJTiBQUklWQVRFIEtFWS0tLS0tCk1JSWNhbmFyeWNhbmFyeWNhbmFyeWNhbmFyeWNhbmFyeWNhbmFyeWNhbmFyeWNhbmFyeWNhbmFyeWNhbmFyeWNhQUFBCi0tLS0tRU5EIFBSSVZBVEUgS0VZLS0tLS0K";
    for (text, expected) in [
        (whole.replace('\n', "\\\\n"), whole.clone()),
        (encoded.to_owned(), whole.clone()),
        (format!("{KEY_LINE}AAA"), whole.trim_end().to_owned()),
    ] {
        let app = workplace.query(&format!("{ACCOUNT}private_key = \"{text}\"\n"));
        let SnowflakeLogin::KeyPair { private_key, .. } = account(&app).login else {
            panic!("a key means a key pair");
        };
        assert_eq!(private_key.expose(), expected);
    }
}

#[test]
fn the_kind_is_what_is_written_and_else_what_the_table_says() {
    let workplace = Workplace::new();
    let kind = |more: &str| {
        let settings = workplace.query(more).settings.unwrap();
        matches!(settings.warehouse, WarehouseSettings::Snowflake(_))
    };
    let complete = format!("{ACCOUNT}password = \"canary\"\n");
    assert!(kind(&complete));
    assert!(!kind(&format!("warehouse.kind = \"embedded\"\n{complete}")));
    assert!(!kind(""), "nothing is said of an account");
    assert!(!kind("snowflake.role = \"R\"\n"), "nobody is said to log in");
    let remarks = workplace.query("").remarks;
    assert_eq!(remarks, ["serves the embedded sample account, not Snowflake"]);
    let remarks = workplace.query(&complete).remarks.join("");
    assert!(remarks.contains("serves the Snowflake account ORG-ACCOUNT as MCP"), "{remarks}");
    assert!(!remarks.contains("sample"), "{remarks}");
}

#[test]
fn production_with_an_account_needs_no_word_about_the_sample() {
    let workplace = Workplace::new();
    let text = format!("{QUERY}{ACCOUNT}password = \"canary\"\n");
    assert!(workplace.with(&text, "production", &[]).is_ok());
    let embedded = format!("{QUERY}warehouse.kind = \"embedded\"\n{ACCOUNT}password = \"x\"\n");
    let why = workplace.with(&embedded, "production", &[]).unwrap_err();
    assert!(why.contains("remove this kind"), "{why}");
}

#[test]
fn a_file_that_others_may_read_is_refused_in_production_and_remarked_on_elsewhere() {
    let workplace = Workplace::new();
    let text = format!("{QUERY}{ACCOUNT}password_file = \"secret\"\n");
    for (mode, private) in
        [(0o600, true), (0o400, true), (0o640, false), (0o604, false), (0o620, false)]
    {
        workplace.file("secret", "canary", mode);
        let at_home = workplace.with(&text, "development", &[]).unwrap();
        let shown = query(&at_home).remarks.join("");
        let outside = workplace.with(&text, "production", &[]);
        if private {
            assert!(!shown.contains("open") && outside.is_ok(), "{mode:o}: {shown} {outside:?}");
        } else {
            let why = outside.unwrap_err();
            let words = format!("is open to others (mode {mode:04o}); run `chmod 600");
            assert!(why.contains(&words) && why.contains("snowflake.password_file"), "{why}");
            assert!(shown.contains(&words), "{shown}");
        }
    }
}

#[test]
fn a_secret_in_a_file_that_others_may_read_is_remarked_on() {
    let workplace = Workplace::new();
    let text = format!("{QUERY}{ACCOUNT}password = \"canary\"\n");
    workplace.file("ecosystem.toml", &text, 0o644);
    let path = workplace.directory.path().join("ecosystem.toml");
    let config = load(&path, None, &workplace.surroundings()).unwrap();
    let remarks = query(&config).remarks.join("");
    assert!(remarks.contains("apps.query.snowflake.password is a secret"), "{remarks}");
    assert!(remarks.contains("chmod 600") && remarks.contains("password_file"), "{remarks}");
}

#[test]
fn a_bare_name_is_looked_for_among_systemd_s_credentials() {
    let workplace = Workplace::new();
    // The service manager's files show the mode of their access list.
    workplace.file("credentials/password", "from systemd\n", 0o440);
    workplace.file("password", "from the directory\n", 0o600);
    let directory = workplace.path("credentials");
    let variables = [("CREDENTIALS_DIRECTORY", directory.as_str())];
    let password = |name: &str, variables: &[(&str, &str)]| {
        let text = format!("{QUERY}{ACCOUNT}password_file = \"{name}\"\n");
        let config = workplace.with(&text, "production", variables).unwrap();
        match account(&query(&config)).login {
            SnowflakeLogin::Password { password } => password.expose().to_owned(),
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(password("password", &variables), "from systemd");
    assert_eq!(password("./password", &variables), "from the directory");
    assert_eq!(password("password", &[]), "from the directory");
    let home = workplace.path("");
    assert_eq!(password("~/password", &[("HOME", &home)]), "from the directory");
}

#[test]
fn a_connection_of_snowflake_s_own_files_fills_in_what_is_not_written() {
    let workplace = Workplace::new();
    let home = workplace.path("home");
    let variables = [("HOME", home.as_str())];
    let read = |more: &str, variables: &[(&str, &str)]| {
        let text = format!("{QUERY}[apps.query.snowflake]\nconnection = \"prod\"\n{more}");
        let config = workplace.with(&text, "production", variables)?;
        Ok::<_, String>(account(&query(&config)))
    };
    let config = "[connections.prod]\naccount = \"FROM-CONFIG\"\nuser = \"U\"\n\
                  authenticator = \"SNOWFLAKE_JWT\"\nprivate_key_path = \"key.p8\"\nport = 443\n\
                  host = \"h\"\nodd = [1]\n";
    workplace.file("home/.config/snowflake/config.toml", config, 0o600);
    workplace.file("home/.config/snowflake/key.p8", &pem("PRIVATE KEY"), 0o600);
    let found = read("role = \"R\"\nuser = \"MINE\"\n", &variables).unwrap();
    assert_eq!((found.account.as_str(), found.user.as_deref()), ("FROM-CONFIG", Some("MINE")));
    assert_eq!((found.role.as_deref(), found.host.as_deref()), (Some("R"), Some("h:443")));
    assert!(matches!(found.login, SnowflakeLogin::KeyPair { .. }));
    // A written secret is stronger than the connection's way to log in.
    let found = read("password = \"p\"\n", &variables).unwrap();
    assert!(matches!(found.login, SnowflakeLogin::Password { .. }));

    let client = "[connections.prod]\naccount = \"A\"\nauthenticator = \"OAUTH_CLIENT_CREDENTIALS\"\n\
                  oauth_client_id = \"id\"\noauth_client_secret = \"canary\"\noauth_scope = \"s\"\n\
                  oauth_token_request_url = \"https://idp.example.com/t\"\n";
    workplace.file("home/.config/snowflake/config.toml", client, 0o600);
    let found = read("", &variables).unwrap();
    let SnowflakeLogin::OAuthClientCredentials { token_url, scope, .. } = found.login else {
        panic!("{found:?}");
    };
    assert_eq!((token_url.as_str(), scope.as_deref()), ("https://idp.example.com/t", Some("s")));

    // `~/.snowflake` is looked at first, and connections.toml replaces what config.toml says.
    workplace.file("home/.snowflake/config.toml", config, 0o600);
    let own = "[prod]\naccount = \"OWN\"\nuser = \"U\"\npassword = \"canary\"\n";
    workplace.file("home/.snowflake/connections.toml", own, 0o600);
    assert_eq!(read("", &variables).unwrap().account, "OWN");
    let other = workplace.path("elsewhere");
    workplace.file("elsewhere/connections.toml", &own.replace("OWN", "NAMED"), 0o600);
    let named = [variables[0], ("SNOWFLAKE_HOME", other.as_str())];
    assert_eq!(read("", &named).unwrap().account, "NAMED");

    for (text, mode, words) in [
        (format!("{own}#{}", "x".repeat(1024 * 1024)), 0o600, "is longer than 1 MiB"),
        (own.replace("[prod]", "[pord]"), 0o600, "did you mean \"pord\"?"),
        (own.to_owned(), 0o620, "can be changed by others (mode 0620)"),
        (own.to_owned(), 0o644, "is open to others (mode 0644)"),
        (own.replace("\"canary\"", "\"canary"), 0o600, "is not TOML (line 4)"),
        (
            own.replace("password", "authenticator = \"oauth_authorization_code\"\nx"),
            0o600,
            "a browser",
        ),
        (
            own.replace(
                "password",
                "workload_identity_provider = \"ORACLE\"\nauthenticator = \"WORKLOAD_IDENTITY\"\nx",
            ),
            0o600,
            "one of OIDC, AWS, AZURE, GCP",
        ),
    ] {
        workplace.file("home/.snowflake/connections.toml", &text, mode);
        let why = read("", &variables).unwrap_err();
        assert!(why.contains(words) && !why.contains("canary"), "{words}: {why}");
        assert!(why.contains("apps.query.snowflake.connection"), "{why}");
    }
}

#[test]
fn of_a_secret_and_its_file_the_environment_s_takes_the_place_of_either() {
    let workplace = Workplace::new();
    workplace.file("secret", "of staging", 0o600);
    let text = format!(
        "{QUERY}{ACCOUNT}password = \"of all\"\n\
         [environments.staging.apps.query.snowflake]\npassword_file = \"secret\"\n"
    );
    let config = workplace.with(&text, "staging", &[]).unwrap();
    let SnowflakeLogin::Password { password } = account(&query(&config)).login else {
        panic!("a password is a password");
    };
    assert_eq!(password.expose(), "of staging");
}

#[test]
fn another_secret_rolls_the_workers_and_is_told_without_being_shown() {
    let workplace = Workplace::new();
    let in_file = format!("{ACCOUNT}password_file = \"secret\"\n");
    workplace.file("secret", "canary1", 0o600);
    let before = workplace.query(&in_file);
    assert_eq!(before.goal.fingerprint, workplace.query(&in_file).goal.fingerprint);
    workplace.file("secret", "canary2", 0o600);
    let after = workplace.query(&in_file);
    assert_ne!(before.goal.fingerprint, after.goal.fingerprint);
    let told = differences(&before, &after);
    assert_eq!(told, ["snowflake.password_file: the content changed"]);
    let literal = |word: &str| workplace.query(&format!("{ACCOUNT}password = \"{word}\"\n"));
    assert_eq!(
        differences(&literal("canary1"), &literal("canary2")),
        ["snowflake.password changed"]
    );
}

#[test]
fn no_secret_is_shown_by_anything_that_describes_an_app() {
    let workplace = Workplace::new();
    workplace.file("key.p8", &pem("ENCRYPTED PRIVATE KEY"), 0o644);
    for secrets in [
        "password = \"canary\"\n",
        "authenticator = \"oauth\"\ntoken = \"canary\"\n",
        "authenticator = \"programmatic_access_token\"\ntoken = \"canary\"\n",
        "private_key_file = \"key.p8\"\nprivate_key_passphrase = \"canary\"\n",
        &format!("private_key = \"{KEY_LINE}AAA\"\n"),
        &format!("{CLIENT}oauth_client_secret = \"canary\"\n"),
        "authenticator = \"mfa_passcode\"\npassword = \"canary\"\npasscode = \"canary\"\n",
    ] {
        let app = workplace.query(&format!("{ACCOUNT}{secrets}"));
        let other = workplace.query("");
        let shown = format!(
            "{app:?} {:?} {:?} {:?}",
            rules(&app, std::time::Duration::ZERO),
            settings(&app),
            differences(&other, &app)
        );
        assert!(!shown.contains("canary"), "{secrets}: {shown}");
        assert!(shown.contains("(secret)"), "{shown}");
    }
}

#[test]
fn what_is_imported_from_variables_can_be_loaded_and_means_the_same() {
    let workplace = Workplace::new();
    workplace.file("key.p8", &pem("PRIVATE KEY"), 0o600);
    let imported = roads::env(
        "SNOWFLAKE_ACCOUNT=ORG-A.snowflakecomputing.com\nSNOWFLAKE_USER=U\n\
         SNOWFLAKE_AUTH_TYPE=private_key\nSNOWFLAKE_PRIVATE_KEY_PATH=./key.p8\n\
         SNOWFLAKE_POOL_MIN_SIZE=5\nSNOWFLAKE_POOL_MAX_SIZE=20\nSNOWFLAKE_CONN_TIMEOUT=30.0\n\
         MCP_HTTP_HOST=localhost\nMCP_HTTP_PORT=9000\nSERVER_WORKERS=3\nMETRICS_PORT=9100\n\
         CORS_ORIGINS=https://a.example, https://b.example\nLOG_LEVEL=WARNING\n\
         MCP_MAX_REQUEST_SIZE=10\nLOG_FILE_BACKUP_COUNT=5\nMAX_MEMORY_MB=512\n\
         PRODUCTION_SNOWFLAKE_ROLE=READER\n",
    )
    .unwrap();
    let config = workplace.with(&imported.toml, "production", &[]).unwrap();
    assert_eq!(config.supervisor.metrics, Some("127.0.0.1:9100".parse().unwrap()));
    let app = query(&config);
    assert_eq!(app.listen, Some("127.0.0.1:9000".parse().unwrap()));
    assert_eq!((app.goal.instances, app.goal.memory_bytes_max), (3, Some(512_000_000)));
    assert_eq!(app.output.files_max, 5);
    let found = account(&app);
    assert_eq!((found.account.as_str(), found.role.as_deref()), ("ORG-A", Some("READER")));
    assert!(matches!(found.login, SnowflakeLogin::KeyPair { .. }));
    let settings = app.settings.unwrap();
    assert_eq!((settings.pool.min, settings.pool.max), (5, 20));
    assert_eq!(settings.http.body_bytes_max, 10_000_000);
    assert_eq!(settings.mcp.allowed_origins, ["https://a.example", "https://b.example"]);
}

#[test]
fn variables_alone_make_an_account() {
    let workplace = Workplace::new();
    workplace.file("key.p8", &pem("PRIVATE KEY"), 0o600);
    let variables = [
        ("SNOWFLAKE_ACCOUNT", "ORG-A"),
        ("PRODUCTION_SNOWFLAKE_ACCOUNT", "ORG-P"),
        ("SNOWFLAKE_USER", "U"),
        ("SNOWFLAKE_PRIVATE_KEY", "./key.p8"),
        ("API_KEY", "canary"),
    ];
    for (environment, expected) in [("development", "ORG-A"), ("production", "ORG-P")] {
        let config = workplace.with(QUERY, environment, &variables).unwrap();
        let found = account(&query(&config));
        assert_eq!((found.account.as_str(), found.user.as_deref()), (expected, Some("U")));
        assert!(matches!(found.login, SnowflakeLogin::KeyPair { .. }));
        assert!(config.remarks.is_empty(), "what has no effect is common: {:?}", config.remarks);
        assert!(config.sources.contains(&workplace.directory.path().join("key.p8")));
    }
    let why = workplace.with(QUERY, "production", &variables[..2]).unwrap_err();
    assert!(why.contains("ecosystem.toml:1:1: apps.query.snowflake.user\n"), "{why}");
    assert!(why.contains("or set SNOWFLAKE_USER"), "{why}");
}

#[test]
fn a_variable_s_secret_takes_the_place_of_a_written_file_and_is_never_shown() {
    let workplace = Workplace::new();
    let text = format!("{QUERY}{ACCOUNT}password_file = \"nowhere\"\n");
    let config = workplace.with(&text, "production", &[("SNOWFLAKE_PASSWORD", "canary")]).unwrap();
    let app = query(&config);
    let SnowflakeLogin::Password { password } = account(&app).login else { panic!("{app:?}") };
    assert_eq!(password.expose(), "canary");
    assert!(!format!("{app:?}{:?}", app.remarks).contains("canary"));
    let text = format!("{QUERY}{ACCOUNT}password = \"${{HUSH}}\"\n");
    let config = workplace.with(&text, "production", &[("HUSH", "canary")]).unwrap();
    assert!(!format!("{config:?}").contains("canary"));
    let why = workplace.with(&text, "production", &[("HUSH", "")]).unwrap_err();
    assert!(why.contains("snowflake.password"), "{why}");
}
