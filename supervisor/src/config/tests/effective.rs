//! What is in force, shown as a file: it means the same when it is read, and shows no secret.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::super::{effective, load};
use super::{QUERY, Surroundings, Workplace};
use crate::report::{effective_json, effective_toml};

/// Apps of every sort.
const SORTS: &str = "[supervisor]\nmetrics = \"off\"\n\
     [apps.query]\nlisten = \"127.0.0.1:8000\"\nargs = [\"a $$ ${HOME:-x}\", \"\\\"\\\\\\n\\u007f\"]\n\
     warehouse = { scale = 0.0000001, sample_account_in_production = true }\npool.max = 3\n\
     restart.stop_exit_codes = [0, 3]\n\
     [apps.own]\nexec = [\"other\"]\n\
     [apps.\"shared.one\"]\nexec = \"other\"\nlisten = \"127.0.0.1:8002\"\nready = \"notify\"\n\
     health.watchdog_timeout = \"3s\"\nuser = \"inherit\"\n\
     [apps.linked]\nexec = \"other\"\nready = \"link\"\nhealth.heartbeat_timeout = \"20s\"\n\
     [apps.probed]\nexec = \"other\"\nready = \"probe\"\nwatch = [\"plain.txt\"]\n\
     health.probe.tcp = \"127.0.0.1:900{slot}\"\n[environments.edge]\n";

fn shown(workplace: &Workplace, environment: &str, origins: bool, given: &Surroundings) -> String {
    let path = workplace.directory.path().join("ecosystem.toml");
    let effective =
        effective(&path, Some(environment), given).unwrap_or_else(|why| panic!("{why}"));
    effective_toml(&effective, origins)
}

#[test]
fn what_is_shown_means_the_same_when_it_is_read() {
    let shipped = include_str!("../../../../ecosystem.toml");
    for (file, environments) in [
        (SORTS, &["development", "staging", "production", "edge"][..]),
        (shipped, &["development", "production"]),
    ] {
        for environment in environments {
            let workplace = Workplace::new();
            let path = workplace.directory.path().join("ecosystem.toml");
            let given =
                Surroundings { run_directory: Some("/run/mcp".into()), ..workplace.surroundings() };
            let read = || {
                let config = load(&path, Some(environment), &given);
                let mut config = config.unwrap_or_else(|why| panic!("{environment}\n{why}"));
                config.apps.values_mut().for_each(|app| app.written.clear());
                config.places.clear();
                config
            };
            fs::write(&path, file).unwrap();
            let (meant, first) = (read(), shown(&workplace, environment, false, &given));
            for origins in [true, false] {
                let text = shown(&workplace, environment, origins, &given);
                fs::write(&path, &text).unwrap();
                assert_eq!(read(), meant, "{text}");
                assert_eq!(shown(&workplace, environment, false, &given), first);
            }
        }
    }
}

#[test]
fn each_value_says_where_it_came_from() {
    let workplace = Workplace::new();
    let path = workplace.directory.path().join("ecosystem.toml");
    let file = format!("{QUERY}args = [\"${{A}}\"]\nenv = {{ TOKEN = \"canary\" }}\n");
    fs::write(&path, file).unwrap();
    fs::write(workplace.directory.path().join(".env"), "\nA=x\nSERVER_PORT=9\n").unwrap();
    let given = Surroundings {
        variables: [("LOG_LEVEL".to_owned(), "ERROR".to_owned())].into(),
        set: vec!["apps.query.pool.max=9".to_owned()],
        log_directory: Some("/var/log/mcp".into()),
        ..workplace.surroundings()
    };
    let text = shown(&workplace, "staging", true, &given);
    let lines: Vec<String> =
        text.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
    for expected in [
        "log_level = \"error\" # from LOG_LEVEL in the environment",
        "log_directory = \"/var/log/mcp\" # from LOGS_DIRECTORY in the environment",
        "run_directory = \"run\" # from the default",
        "listen = \"127.0.0.1:9\" # from SERVER_PORT in .env, line 3",
        "args = [\"x\"] # from ecosystem.toml, line 3, with A in .env, line 2",
        "instances = 2 # from the preset of staging",
        "max = 9 # from --set",
        "min = 2 # from the preset of staging",
        "acquire_timeout = \"30s\" # from the default",
        "# TOKEN = \"***\" # hidden, from ecosystem.toml, line 4",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected} is not in\n{text}");
    }
    assert!(lines[0].ends_with("ecosystem.toml in the environment staging, chosen by --env"));
    let effective = effective(&path, None, &given).unwrap();
    let json = effective_json(&effective);
    assert_eq!(json["configuration"]["apps"]["query"]["pool"]["max"], 9);
    assert_eq!(json["origins"]["apps.query.pool.max"], "--set");
    assert_eq!(json["configuration"]["apps"]["query"]["env"]["TOKEN"], "***");
    assert_eq!(json["sources"].as_array().unwrap().len(), 3);
    assert!(!format!("{json}{text}").contains("canary"));
}

#[test]
fn what_is_hidden_is_no_value_when_it_is_read_again() {
    let workplace = Workplace::new();
    let path = workplace.directory.path().join("ecosystem.toml");
    let write = |text: &str| {
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    };
    let bare = format!(
        "{QUERY}snowflake = {{ account = \"ORG-ACCOUNT\", user = \"MCP\", \
         authenticator = \"password\" }}\n"
    );
    let file = format!("{bare}env = {{ TOKEN = \"canary\", \"a b\\n\" = \"canary\" }}\n");
    let mut given = workplace.surroundings();
    given.variables = [("SNOWFLAKE_PASSWORD".to_owned(), "canary".to_owned())].into();
    for origins in [true, false] {
        write(&file);
        let text = shown(&workplace, "development", origins, &given);
        assert!(!text.contains("canary"), "{text}");
        for hidden in ["# TOKEN = \"***\"", "# \"a b\\n\" = \"***\"", "# password = \"***\""] {
            assert!(text.lines().any(|line| line.starts_with(hidden)), "{hidden}\n{text}");
        }
        let lines: Vec<&str> = text.lines().filter(|line| line.contains("***")).collect();
        assert!(lines.iter().all(|line| line.starts_with('#')), "{lines:?}");
        // The password comes from its variable again; those of the program are left out.
        let read = |text: &str| {
            write(text);
            let config = load(&path, Some("development"), &given);
            let mut config = config.unwrap_or_else(|why| panic!("{why}\n{text}"));
            config.apps.values_mut().for_each(|app| app.written.clear());
            config.places.clear();
            config
        };
        assert_eq!(read(&text), read(&bare), "{text}");
    }
    // One that only the file held is missed, not replaced by three asterisks.
    write(&file.replace("\"password\" }", "\"password\", password = \"canary\" }"));
    let nothing = workplace.surroundings();
    write(&shown(&workplace, "development", false, &nothing));
    let why = load(&path, Some("development"), &nothing).unwrap_err().to_string();
    assert!(why.contains("password"), "{why}");
}
