//! Secrets reach workers over their socket and nobody else: no output, file or process shows one.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;

use crate::harness::{House, Said, alive, skip};

const CANARY: &str = "canary-in-a-secret";

/// A house whose one app is taken for our own worker and is handed an account at Snowflake.
fn house(secrets: &str) -> House {
    let house = House::new(&configuration(secrets));
    std::os::unix::fs::symlink(fault_worker(), house.path("mcp-worker")).unwrap();
    house
}

fn fault_worker() -> std::path::PathBuf {
    let own = Path::new(env!("CARGO_BIN_EXE_mcp-supervisor"));
    own.parent().unwrap().join("examples/fault_worker")
}

fn configuration(secrets: &str) -> String {
    format!(
        "[supervisor]\nmetrics = \"off\"\nlog_level = \"trace\"\n[apps.query]\n\
         exec = [\"./mcp-worker\"]\nlisten = \"127.0.0.1:0\"\nlogs.level = \"trace\"\n\
         [apps.query.snowflake]\naccount = \"ORG-ACCOUNT\"\nuser = \"MCP\"\n{secrets}\n"
    )
}

fn write_private(house: &House, name: &str, text: &str) {
    std::fs::write(house.path(name), text).unwrap();
    std::fs::set_permissions(house.path(name), std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn hide(what: &str, said: &Said) {
    assert!(!said.out.contains(CANARY) && !said.err.contains(CANARY), "{what}: {said:?}");
}

/// Everything below a directory that is not the configuration or the secret itself.
fn files(directory: &Path, into: &mut Vec<(String, Vec<u8>)>) {
    for entry in std::fs::read_dir(directory).unwrap().flatten() {
        let (path, kind) = (entry.path(), entry.file_type().unwrap());
        if kind.is_dir() {
            files(&path, into);
        } else if kind.is_file() {
            into.push((path.display().to_string(), std::fs::read(&path).unwrap()));
        }
    }
}

#[test]
fn a_secret_reaches_the_worker_and_no_output_file_or_environment() {
    let house = house("password_file = \"password\"");
    write_private(&house, "password", CANARY);
    for command in [&["check"][..], &["check", "--json"], &["start"]] {
        let said = house.run(command);
        assert_eq!(said.code, Some(0), "{command:?}: {said:?}\n{}", house.logs());
        hide(&format!("{command:?}"), &said);
    }
    let before = house.pids();
    for command in [
        &["status"][..],
        &["status", "--json"],
        &["describe", "query"],
        &["describe", "query", "--json"],
        &["env", "query"],
        &["logs"],
        &["save"],
    ] {
        hide(&format!("{command:?}"), &house.run(command));
    }
    write_private(&house, "password", &format!("{CANARY}-2"));
    let plan = house.run(&["reload", "--dry-run"]);
    assert!(plan.out.contains("snowflake.password_file: the content changed"), "{plan:?}");
    hide("the plan", &plan);
    let said = house.run(&["reload"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    hide("reload", &said);
    let after = house.pids();
    assert_ne!(before, after, "a new secret is a new worker");
    assert!(!before.iter().any(|pid| alive(*pid)));

    let pid = house.status()["pid"].as_u64().unwrap();
    for pid in after.into_iter().chain([pid]) {
        for file in ["environ", "cmdline"] {
            let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap();
            assert!(!String::from_utf8_lossy(&bytes).contains(CANARY), "{file} of {pid}");
        }
    }
    let mut all = Vec::new();
    for directory in ["run", "logs", "state"].map(|name| house.path(name)) {
        if directory.is_dir() {
            files(&directory, &mut all);
        }
    }
    assert!(all.len() >= 2, "{}", all.len());
    let key = sealing_key(&house);
    for (name, bytes) in all {
        let text = String::from_utf8_lossy(&bytes);
        assert!(!text.contains(CANARY), "{name}");
        assert!(!text.contains(&key) || name.ends_with("state/session-keys"), "{name}");
    }
    for command in [&["status", "--json"][..], &["describe", "query", "--json"], &["logs"]] {
        let said = house.run(command);
        assert!(!said.out.contains(&key) && !said.err.contains(&key), "{command:?}: {said:?}");
    }
}

/// What session ids are sealed with, which nobody configured.
fn sealing_key(house: &House) -> String {
    let text = std::fs::read(house.path("state/session-keys")).unwrap();
    let keys: serde_json::Value = serde_json::from_slice(&text).unwrap();
    keys["keys"]["current"]["secret"].as_str().unwrap().to_owned()
}

#[test]
fn a_secret_in_the_configuration_itself_is_not_shown_either() {
    let secret = |more: &str| format!("password = \"{CANARY}{more}\"");
    let house = house(&secret(""));
    house.start();
    house.write(&configuration(&secret("-2")));
    let plan = house.run(&["reload", "--dry-run"]);
    assert!(plan.out.contains("snowflake.password changed"), "{plan:?}");
    hide("the plan", &plan);
    let described = house.run(&["describe", "query"]);
    assert!(described.out.contains("snowflake.password = (secret)"), "{described:?}");
    hide("describe", &described);
    let status = house.run(&["status"]);
    assert!(status.out.contains("is a secret, and"), "others may read the file: {status:?}");
    hide("status", &status);
    assert!(!house.logs().contains(CANARY));
}

#[test]
fn a_refused_file_does_not_show_the_secrets_in_it() {
    for secrets in [
        "password = \"canary-in-a-secret",
        "password = \"canary-in-a-secret\"\npool = 1",
        "private_key = \"canary-in-a-secret\"",
        "private_key = \"\"\"\ncanary-in-a-secret \\q\n",
        "token = \"canary-in-a-secret\"",
        "password = \"canary-in-a-secret\"\npassword_file = \"password\"",
        "private_key_passphrase = [\"canary-in-a-secret\"]",
        "password = canary-in-a-secret",
        "pasword = \"canary-in-a-secret\"",
        "tokn = \"canary-in-a-secret\"",
        "private_key = \"-----BEGIN PRIVATE KEY-----\ncanary-in-a-secret\n-----END PRIVATE KEY-----\"",
        "[apps.query.env]\nAPI_KEY = canary-in-a-secret",
        "[apps.other]\nenv = {\n DB_PIN = [\"canary-in-a-secret\"],\n}",
    ] {
        let house = house(secrets);
        for command in [&["check"][..], &["start"]] {
            let said = house.run(command);
            assert_eq!(said.code, Some(78), "{secrets}: {said:?}");
            hide(secrets, &said);
        }
    }
}

#[test]
fn what_differs_between_configurations_is_told_without_their_secrets() {
    let secret = |more: &str| format!("password = \"{CANARY}{more}\"");
    let house = house(&secret(""));
    house.start();
    house.write(&configuration(&secret("-2")));
    let said = house.run(&["config", "diff"]);
    assert!(
        said.out.contains("\n-password = …") && said.out.contains("\n+password = …"),
        "{said:?}"
    );
    hide("the difference", &said);
    // A bad file does not bring secrets to those who look at what runs.
    house.write(&configuration(&format!("pasword = {CANARY}\npool = \"{CANARY}")));
    for command in [&["reload"][..], &["reload", "--dry-run"], &["status"], &["config", "diff"]] {
        hide(&format!("{command:?}"), &house.run(command));
    }
    assert!(!house.logs().contains(CANARY));
}

#[test]
fn variables_of_another_server_are_translated_without_their_secrets() {
    let house = House::new("");
    let text = format!(
        "SNOWFLAKE_ACCOUNT=ORG-A\nSNOWFLAKE_USER=MCP\nSNOWFLAKE_PASSWORD={CANARY}\n\
         SERVER_PORT=9000\nAPI_KEY={CANARY}\n"
    );
    std::fs::write(house.path(".env.old"), text).unwrap();
    let file = house.path(".env.old").display().to_string();
    let said = house.run(&["import", "env", &file]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("listen = \"127.0.0.1:9000\""), "{said:?}");
    assert!(said.out.contains("password = \"${SNOWFLAKE_PASSWORD}\""), "{said:?}");
    assert!(
        said.err.contains("API_KEY") && said.err.contains("keys of our own making"),
        "{said:?}"
    );
    hide("import", &said);
    house.write(&said.out.replace("[apps.query]", "[apps.query]\nexec = [\"./mcp-worker\"]"));
    std::os::unix::fs::symlink(fault_worker(), house.path("mcp-worker")).unwrap();
    let said = house.command(&["check"]).env("SNOWFLAKE_PASSWORD", CANARY).output().unwrap();
    assert!(said.status.success(), "{said:?}");
}

#[test]
fn root_checks_the_file_of_a_service_whose_user_owns_the_secret() {
    if !nix::unistd::geteuid().is_root() {
        return skip("root_checks_the_file_of_a_service_whose_user_owns_the_secret", "needs root");
    }
    let house = house("password_file = \"password\"");
    write_private(&house, "password", CANARY);
    chown(house.path("password"), Some(54_321), Some(54_321)).unwrap();
    let check = || house.run(&["--env", "production", "check"]);
    let said = check();
    assert_eq!(said.code, Some(0), "{said:?}");
    let open = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(house.path("password"), open).unwrap();
    let said = check();
    assert_eq!(said.code, Some(78), "{said:?}");
    assert!(said.err.contains("is open to others (mode 0640)"), "{said:?}");
}
