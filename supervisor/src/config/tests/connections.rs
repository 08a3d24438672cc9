//! Further accounts, each under its name: read as the default one is, and told apart from it.

use mcp_protocol::settings::{SnowflakeLogin, SnowflakeSettings};

use super::snowflake::{ACCOUNT, query};
use super::{QUERY, Workplace};
use crate::config::{AppConfig, differences, effective, masked, rules, settings};
use crate::report::{effective_json, effective_toml};

const FINANCE: &str = "[apps.query.connections.finance]\naccount = \"ORG-FINANCE\"\nuser = \"F\"\n";

fn named<'a>(app: &'a AppConfig, name: &str) -> &'a SnowflakeSettings {
    &app.settings.as_ref().unwrap().connections[name]
}

fn password(account: &SnowflakeSettings) -> &str {
    match &account.login {
        SnowflakeLogin::Password { password } => password.expose(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn each_connection_is_read_as_the_default_one_is_and_shares_nothing_with_it() {
    let workplace = Workplace::new();
    workplace.file("finance", "of finance\n", 0o600);
    let home = workplace.path("home");
    let own = "[prod]\naccount = \"FROM-FILE\"\nuser = \"U\"\npassword = \"of the file\"\n";
    workplace.file("home/.snowflake/connections.toml", own, 0o600);
    let text = format!(
        "{QUERY}{ACCOUNT}password = \"of the default\"\nrole = \"R\"\n\
         {FINANCE}password_file = \"finance\"\nwarehouse = \"FINANCE_WH\"\n\
         [apps.query.connections.\"a.b\"]\nconnection = \"prod\"\n"
    );
    let variables = [
        ("HOME", home.as_str()),
        ("SNOWFLAKE_ROLE", "FROM_VARIABLE"),
        ("SNOWFLAKE_PASSWORD", "of a variable"),
    ];
    let app = query(&workplace.with(&text, "production", &variables).unwrap());
    let finance = named(&app, "finance");
    assert_eq!((finance.account.as_str(), password(finance)), ("ORG-FINANCE", "of finance"));
    assert_eq!((finance.role.as_deref(), finance.warehouse.as_deref()), (None, Some("FINANCE_WH")));
    let of_file = named(&app, "a.b");
    assert_eq!((of_file.account.as_str(), password(of_file)), ("FROM-FILE", "of the file"));
    let remarks = app.remarks.join("\n");
    for words in [
        "serves the Snowflake account ORG-ACCOUNT as MCP\n",
        "serves the Snowflake account ORG-FINANCE as F to calls that name the connection finance",
    ] {
        assert!(remarks.contains(words), "{remarks}");
    }
}

#[test]
fn a_connection_stands_beside_the_sample_account_too() {
    let workplace = Workplace::new();
    let app = workplace.query(&format!("{FINANCE}password = \"x\"\n"));
    assert!(app.remarks.join("").contains("serves the embedded sample account"));
    assert_eq!(named(&app, "finance").account, "ORG-FINANCE");
}

#[test]
fn what_is_wrong_with_one_is_told_by_its_own_key() {
    let workplace = Workplace::new();
    for (more, key, words) in [
        (FINANCE, "connections.finance.private_key_file", "any other way to log in"),
        (
            "[apps.query.connections.finance]\nuser = \"F\"\npassword = \"canary\"\n",
            "connections.finance.account",
            "is missing; write account = \"ORG-ACCOUNT\"",
        ),
        (
            "[apps.query.connections.default]\naccount = \"A\"\nuser = \"U\"\npassword = \"canary\"\n",
            "connections.default",
            "where none is named",
        ),
        (
            "[apps.query.connections]\nfinance = \"canary\"\n",
            "connections.finance",
            "a text is not a table; write [apps.query.connections.finance]",
        ),
        (
            "[apps.query.connections.finance]\npasword = \"canary\"\n",
            "connections.finance.pasword",
            "did you mean `password`?",
        ),
        (
            "[apps.query.connections.\"x y\"]\npassword = \"canary\"\n",
            "connections.\"x y\"",
            "is not a name",
        ),
    ] {
        let why = workplace.problems(format!("{QUERY}{more}"), None);
        assert!(why.contains(&format!("apps.query.{key}\n")) && why.contains(words), "{more}{why}");
        assert!(!why.contains("canary"), "{why}");
        assert!(!why.contains("SNOWFLAKE_"), "no variable sets a named connection: {why}");
    }
    let why = workplace.problems(
        format!("[apps.query]\nexec = \"./other\"\n{FINANCE}password = \"canary\"\n"),
        None,
    );
    assert!(why.contains("only mcp-worker has these settings"), "{why}");
}

#[test]
fn of_a_secret_and_its_file_the_environment_s_takes_the_place_of_either() {
    let workplace = Workplace::new();
    workplace.file("secret", "of staging", 0o600);
    let text = format!(
        "{QUERY}{FINANCE}password = \"of all\"\n\
         [environments.staging.apps.query.connections.finance]\npassword_file = \"secret\"\n"
    );
    let app = query(&workplace.with(&text, "staging", &[]).unwrap());
    assert_eq!(password(named(&app, "finance")), "of staging");
}

#[test]
fn another_secret_of_a_connection_rolls_the_workers_and_is_told_without_being_shown() {
    let workplace = Workplace::new();
    let in_file = format!("{FINANCE}password_file = \"secret\"\n");
    workplace.file("secret", "canary1", 0o600);
    let before = workplace.query(&in_file);
    assert_eq!(before.goal.fingerprint, workplace.query(&in_file).goal.fingerprint);
    workplace.file("secret", "canary2", 0o600);
    let after = workplace.query(&in_file);
    assert_ne!(before.goal.fingerprint, after.goal.fingerprint);
    let told = differences(&before, &after);
    assert_eq!(told, ["connections.finance.password_file: the content changed"]);
    let both = |word: &str| {
        let account = format!("{ACCOUNT}password = \"same\"\n");
        workplace.query(&format!("{account}{FINANCE}password = \"{word}\"\n"))
    };
    assert_eq!(
        differences(&both("canary1"), &both("canary2")),
        ["connections.finance.password changed"]
    );
}

#[test]
fn no_secret_of_a_connection_is_shown_by_anything_that_describes_it() {
    let workplace = Workplace::new();
    for written in [
        format!("{FINANCE}password = \"canary\"\n"),
        format!("{FINANCE}authenticator = \"oauth\"\ntoken = \"canary\"\n"),
        "connections.\"a.b\" = { account = \"A\", user = \"U\", password = \"canary\" }\n"
            .to_owned(),
        "connections.finance.account = \"A\"\nconnections.finance.user = \"U\"\n\
         connections.finance.password = \"canary\"\n"
            .to_owned(),
        "[apps.query.connections]\nf = { account = \"A\", user = \"U\", password = \"canary\" }\n"
            .to_owned(),
    ] {
        let app = workplace.query(&written);
        let path = workplace.directory.path().join("ecosystem.toml");
        let effective = effective(&path, Some("development"), &workplace.surroundings()).unwrap();
        let lines = masked(&std::fs::read_to_string(&path).unwrap());
        let lines: Vec<String> = lines.into_iter().map(|(line, _)| line).collect();
        let shown = format!(
            "{app:?} {:?} {:?} {:?} {} {} {}",
            rules(&app, std::time::Duration::ZERO),
            settings(&app),
            differences(&workplace.query(""), &app),
            effective_toml(&effective, true),
            effective_json(&effective),
            lines.join("\n"),
        );
        assert!(!shown.contains("canary"), "{written}: {shown}");
        assert!(shown.contains("(secret)"), "{shown}");
    }
}
