//! The table of other servers' names: each means a key of ours, in a form that its check accepts.

use std::collections::{BTreeMap, BTreeSet};

use super::super::keys::{FILE, Key, Kind};
use super::super::variable_table::{Meaning, NAMES};
use super::super::variables::{OurApp, Translation, name_of, overrides};
use super::{QUERY, Workplace, snowflake};

fn query() -> Vec<OurApp> {
    vec![OurApp { name: "query".to_owned(), listen: Some("127.0.0.1:8000".to_owned()) }]
}

fn taken(set: &[(&str, &str)], environment: &str, apps: &[OurApp]) -> Translation {
    let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    let variables: BTreeMap<String, String> = set.iter().map(owned).collect();
    overrides(&|name| variables.get(name).cloned(), environment, apps, Some("127.0.0.1:8001"))
}

/// What one variable means, as `key = value`.
fn meaning(variable: &str, value: &str) -> String {
    let translation = taken(&[(variable, value)], "development", &query());
    assert!(translation.problems.is_empty(), "{:?}", translation.problems);
    let shown = translation.overrides.iter();
    let shown = shown.map(|one| format!("{} = {}", one.key_path.join("."), one.value));
    shown.collect::<Vec<_>>().join("; ")
}

#[test]
fn each_family_means_the_same() {
    for (variable, value, expected) in [
        ("SNOWFLAKE_ACCOUNT", "ORG-A", "apps.query.snowflake.account = ORG-A"),
        ("SNOWFLAKE_AUTH_TYPE", "PRIVATE_KEY", "apps.query.snowflake.authenticator = private_key"),
        ("SNOWFLAKE_PRIVATE_KEY", "/k.pem", "apps.query.snowflake.private_key_file = /k.pem"),
        ("SNOWFLAKE_PRIVATE_KEY", "LS0tLS1", "apps.query.snowflake.private_key = LS0tLS1"),
        ("SNOWFLAKE_POOL_MIN_SIZE", "2", "apps.query.pool.min = 2"),
        ("CONNECTION_POOL_MAX_SIZE", "20", "apps.query.pool.max = 20"),
        ("SNOWFLAKE_MAX_INACTIVE_TIME", "30", "apps.query.pool.idle_timeout = 30m"),
        ("SNOWFLAKE_POOL_MAX_INACTIVE_MINUTES", "15", "apps.query.pool.idle_timeout = 15m"),
        ("SNOWFLAKE_HEALTH_CHECK_INTERVAL", "2", "apps.query.pool.health_check_interval = 2m"),
        ("SNOWFLAKE_CONN_REFRESH_HOURS", "8", "apps.query.pool.max_lifetime = 8h"),
        ("SNOWFLAKE_POOL_CONNECTION_TIMEOUT", "30.0", "apps.query.pool.acquire_timeout = 30s"),
        ("SNOWFLAKE_CONN_TIMEOUT", "2.5", "apps.query.pool.acquire_timeout = 2500ms"),
        ("SERVER_WORKERS", "4", "apps.query.instances = 4"),
        ("SERVER_HOST", "localhost", "apps.query.listen = 127.0.0.1:8000"),
        ("MCP_HTTP_PORT", "9000", "apps.query.listen = 127.0.0.1:9000"),
        ("MCP_SERVER_HOST", "::1", "apps.query.listen = [::1]:8000"),
        ("MCP_REQUEST_TIMEOUT", "300", "apps.query.http.request_timeout = 300s"),
        ("MCP_MAX_REQUEST_SIZE", "10", "apps.query.http.max_body = 10MB"),
        (
            "CORS_ORIGINS",
            "https://a, https://b",
            "apps.query.mcp.allowed_origins = https://a, https://b",
        ),
        ("MAX_MEMORY_MB", "1024", "apps.query.restart.max_memory = 1024MB"),
        ("QUERY_TIMEOUT_SECONDS", "60", "apps.query.limits.statement_timeout = 60s"),
        ("LOG_LEVEL", "WARNING", "supervisor.log_level = warn; apps.query.logs.level = warn"),
        ("LOG_LEVEL", "CRITICAL", "supervisor.log_level = error; apps.query.logs.level = error"),
        ("LOG_FILE_MAX_SIZE", "100", "apps.query.logs.max_size = 100MB"),
        ("METRICS_PORT", "9100", "supervisor.metrics = 127.0.0.1:9100"),
        ("ENABLE_METRICS", "false", "supervisor.metrics = off"),
        ("ENABLE_METRICS", "true", ""),
        ("SNOWFLAKE_ACCOUNT", "  ", ""),
        ("MCP_SUPERVISOR_SOCKET", "/x", ""),
        ("ENVIRONMENT", "production", ""),
        ("HOME", "/root", ""),
        ("SERVER_PORT", "tcp://10.0.0.1:80", ""),
        // What cannot be converted is left for the check of the key.
        ("SERVER_WORKERS", "four", "apps.query.instances = four"),
        ("QUERY_TIMEOUT_SECONDS", "1 minute", "apps.query.limits.statement_timeout = 1 minute"),
    ] {
        assert_eq!(meaning(variable, value), expected, "{variable}={value}");
    }
}

#[test]
fn a_prefix_counts_in_its_environment_and_is_stronger() {
    let set = [
        ("SNOWFLAKE_ACCOUNT", "PLAIN"),
        ("PRODUCTION_SNOWFLAKE_ACCOUNT", "P"),
        ("STAGING_SNOWFLAKE_ACCOUNT", "S"),
        ("EU_WEST_SNOWFLAKE_ACCOUNT", "E"),
    ];
    for (environment, variable, value) in [
        ("production", "PRODUCTION_SNOWFLAKE_ACCOUNT", "P"),
        ("staging", "STAGING_SNOWFLAKE_ACCOUNT", "S"),
        ("eu-west", "EU_WEST_SNOWFLAKE_ACCOUNT", "E"),
        ("development", "SNOWFLAKE_ACCOUNT", "PLAIN"),
    ] {
        let translation = taken(&set, environment, &query());
        assert!(translation.problems.is_empty());
        let [one] = translation.overrides.as_slice() else { panic!("{environment}") };
        assert_eq!((one.variable.as_str(), one.value.as_str()), (variable, value));
    }
    let short = taken(&[("PROD_SNOWFLAKE_ACCOUNT", "P")], "production", &query());
    assert_eq!(short.overrides[0].variable, "PROD_SNOWFLAKE_ACCOUNT");
}

#[test]
fn names_that_contradict_each_other_are_told_together_and_no_secret_with_them() {
    let problem = |set: &[(&str, &str)]| {
        let problems = taken(set, "production", &query()).problems;
        problems.into_iter().map(|note| note.why).collect::<String>()
    };
    assert_eq!(
        problem(&[("SERVER_PORT", "1"), ("MCP_HTTP_PORT", "2")]),
        "SERVER_PORT says 1 and MCP_HTTP_PORT says 2 contradict each other; unset one of them"
    );
    assert_eq!(problem(&[("SERVER_PORT", "1"), ("MCP_HTTP_PORT", "1")]), "");
    assert_eq!(problem(&[("SERVER_HOST", "localhost"), ("MCP_HTTP_HOST", "127.0.0.1")]), "");
    assert_eq!(
        problem(&[
            ("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE", "canary"),
            ("PRIVATE_KEY_PASSPHRASE", "canary2")
        ]),
        "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE and PRIVATE_KEY_PASSPHRASE contradict each other; unset \
         one of them"
    );
    let shown = format!("{:?}", taken(&[("SNOWFLAKE_PASSWORD", "canary")], "production", &query()));
    assert!(shown.contains("(secret)") && !shown.contains("canary"), "{shown}");
}

#[test]
fn every_worker_app_is_meant_and_an_address_only_when_there_is_one() {
    let app = |name: &str| OurApp { name: name.to_owned(), listen: None };
    let two = [app("a"), app("b")];
    let translation =
        taken(&[("POOL", "1"), ("MAX_CONNECTIONS", "9"), ("SERVER_PORT", "7")], "staging", &two);
    let keys: Vec<String> =
        translation.overrides.iter().map(|one| one.key_path.join(".")).collect();
    assert_eq!(keys, ["apps.a.http.max_connections", "apps.b.http.max_connections"]);
    assert_eq!(translation.notes[0].variable, "SERVER_PORT");
    assert!(translation.notes[0].why.contains("a or b"), "{:?}", translation.notes);
    let none = taken(&[("MAX_CONNECTIONS", "9"), ("SERVER_PORT", "7")], "staging", &[]);
    assert!(none.overrides.is_empty() && none.used.is_empty());
}

#[test]
fn what_changes_nothing_says_why() {
    for (variable, value, words) in [
        ("API_KEY", "canary", "keys of our own making"),
        ("PRODUCTION_API_KEY", "canary", "keys of our own making"),
        ("RATE_LIMIT_PER_MINUTE", "60", "no rate limits"),
        ("CORS_ORIGINS", "*", "name the pages"),
        ("ENABLE_QUERY_CACHE", "true", "not cached"),
    ] {
        let translation = taken(&[(variable, value)], "production", &query());
        assert!(translation.overrides.is_empty(), "{variable}");
        let [note] = translation.notes.as_slice() else { panic!("{variable}") };
        assert!(note.variable == variable && note.why.contains(words), "{note:?}");
        assert!(!note.why.contains("canary"), "{note:?}");
    }
}

/// The kinds of all keys of an app, by their path as seen from it.
fn kinds() -> BTreeMap<String, &'static Kind> {
    fn walk(keys: &'static [Key], parent: &str, into: &mut BTreeMap<String, &'static Kind>) {
        for key in keys {
            let path = format!("{parent}{}", key.name);
            match key.kind.members() {
                Some(members) => walk(members, &format!("{path}."), into),
                None => drop(into.insert(path, &key.kind)),
            }
        }
    }
    let app = FILE.iter().find(|key| key.name == "apps").and_then(|key| key.kind.members());
    let mut kinds = BTreeMap::new();
    walk(app.unwrap(), "", &mut kinds);
    kinds
}

#[test]
fn the_table_names_keys_that_exist_and_no_variable_twice() {
    let kinds = kinds();
    let mut names = BTreeSet::new();
    for (name, meaning) in NAMES {
        assert!(names.insert(name), "{name} is there twice");
        assert!(!name.starts_with("MCP_SUPERVISOR_"), "{name} is ours");
        if let Meaning::Key(key, _) = meaning {
            assert!(kinds.contains_key(*key), "{name}: there is no key {key}");
        }
    }
    assert!(names.len() > 140, "{}", names.len());
    for (key, kind) in kinds {
        // One variable cannot say which of several accounts it is about.
        if matches!(kind, Kind::Secret) && !key.starts_with("connections.") {
            assert!(name_of(&key).is_some(), "{key} has no variable");
        }
    }
}

#[test]
fn the_documentation_names_every_variable_that_means_a_key() {
    let documented = include_str!("../../../../docs/config.md");
    for (name, meaning) in NAMES {
        match meaning {
            Meaning::Elsewhere | Meaning::Nothing(_) => {}
            Meaning::Key(..)
            | Meaning::ListenHost
            | Meaning::ListenPort
            | Meaning::MetricsPort
            | Meaning::MetricsSwitch => {
                assert!(documented.contains(&format!("`{name}`")), "{name} is not documented");
            }
        }
    }
}

#[test]
fn variables_that_contradict_each_other_are_a_problem() {
    let workplace = Workplace::new();
    let variables = [("SERVER_PORT", "1"), ("MCP_HTTP_PORT", "2")];
    let why = workplace.with(QUERY, "development", &variables).unwrap_err();
    assert!(why.contains("SERVER_PORT says 1 and MCP_HTTP_PORT says 2"), "{why}");
    workplace.file(".env", "SERVER_PORT=1\nMCP_HTTP_PORT=2\nAPI_KEY=canary\n", 0o600);
    let why = workplace.with(QUERY, "development", &[]).unwrap_err();
    assert!(why.contains("DIR/.env:1:1\n    SERVER_PORT: SERVER_PORT says 1 and"), "{why}");
    workplace.file(".env", "SERVER_PORT=1\nAPI_KEY=canary\n", 0o600);
    let config = workplace.with(QUERY, "development", &variables[1..]).unwrap();
    assert_eq!(snowflake::query(&config).listen.unwrap().port(), 2, "the stronger place counts");
    let remarks = config.remarks.join("");
    assert!(
        remarks.contains("API_KEY in .env, line 2 is ignored: clients have keys of our own making"),
        "{remarks}"
    );
    assert!(!remarks.contains("canary"), "{remarks}");
}

#[test]
fn a_refusal_names_every_file_that_was_read_or_looked_for() {
    let workplace = Workplace::new();
    let text = format!("{QUERY}{}password_file = \"secret\"\n", snowflake::ACCOUNT);
    let problems = workplace.load(&text, Some("staging")).unwrap_err();
    let names: Vec<_> = problems.files().iter().map(|file| file.file_name().unwrap()).collect();
    assert_eq!(names, ["ecosystem.toml", ".env", ".env.staging", "secret"]);
    let problems = workplace.load("[", None).unwrap_err();
    assert_eq!(problems.files().len(), 1, "{:?}", problems.files());
}
