//! Clients and their keys: made, revoked and rotated by commands, with and without a running
//! supervisor, taken in by running workers without a roll, and never shown again.

use std::os::unix::fs::PermissionsExt;

use crate::harness::{House, Said, fault_worker, wait_for};

/// An app that is taken for our own worker, with a client.
fn house(supervisor: &str, clients: &str) -> House {
    let house = House::new(&format!(
        "[supervisor]\nmetrics = \"off\"\n{supervisor}\n[apps.query]\nexec = [\"./mcp-worker\"]\n\
         listen = \"127.0.0.1:0\"\n{clients}\n"
    ));
    std::os::unix::fs::symlink(fault_worker(), house.path("mcp-worker")).unwrap();
    house
}

const ASSISTANT: &str = "[apps.query.clients.assistant]\nlevel = \"write\"\n";

fn well(said: Said) -> Said {
    assert_eq!(said.code, Some(0), "{said:?}");
    said
}

/// The public part of a key that a command printed, and nothing else.
fn id(said: &Said) -> String {
    let key = said.out.strip_suffix('\n').unwrap();
    assert!(!key.contains(char::is_whitespace), "{said:?}");
    mcp_protocol::api_key::id_of(key).unwrap_or_else(|why| panic!("{why}: {said:?}")).to_owned()
}

fn worker_output(house: &House) -> String {
    std::fs::read_to_string(house.path("logs/query.out.log")).unwrap_or_default()
}

#[test]
fn keys_are_kept_without_a_supervisor_and_shown_once() {
    let house = house("", ASSISTANT);
    let made = well(house.run(&["client", "key", "create", "assistant", "--name", "laptop"]));
    let id = id(&made);
    assert!(made.err.contains("the next one to start takes it in"), "{made:?}");
    let file = house.path("state/api-keys.json");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let listed = well(house.run(&["client", "key", "list"]));
    assert!(listed.out.contains(&id) && listed.out.contains("laptop"), "{listed:?}");
    let listed = well(house.run(&["client", "list"]));
    assert!(listed.out.contains("assistant") && listed.out.contains("1 key"), "{listed:?}");
    let json =
        well(house.run(&["client", "key", "create", "assistant", "--expires", "1h", "--json"]));
    let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
    assert!(json["key"].as_str().unwrap().starts_with("mcps_"), "{json}");
    assert!(json["expires_at_seconds"].is_u64(), "{json}");
    for (command, code, words) in [
        (&["client", "key", "create", "asistant"][..], 2, "did you mean `assistant`?"),
        (&["client", "key", "create", "nobody"], 2, "[apps.NAME.clients.nobody]"),
        (&["client", "key", "revoke", "aaaaaaaaaa"], 2, "there is no key aaaaaaaaaa"),
    ] {
        let said = house.run(command);
        assert_eq!(said.code, Some(code), "{said:?}");
        assert!(said.err.contains(words) && said.out.is_empty(), "{said:?}");
    }
    well(house.run(&["client", "key", "revoke", &id]));
    let again = house.run(&["client", "key", "revoke", &id]);
    assert_eq!(again.code, Some(2), "{again:?}");
    // A client that the file does not name any more has dead keys.
    house.write("[apps.query]\nexec = [\"./mcp-worker\"]\nlisten = \"127.0.0.1:0\"\n");
    let listed = well(house.run(&["client", "list"]));
    assert!(listed.out.contains("is dead: the file names no client assistant"), "{listed:?}");
    // A key can be revoked though the file cannot be used.
    let other = json["id"].as_str().unwrap();
    house.write("[apps.query\n");
    well(house.run(&["client", "key", "revoke", other]));
    let audit = std::fs::read_to_string(house.path("logs/audit.log")).unwrap();
    let events: Vec<String> = audit
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .map(|line| {
            format!("{} {}", line["event"].as_str().unwrap(), line["shown"].as_str().unwrap())
        })
        .collect();
    let expected = [
        format!("key_created key {id}"),
        format!("key_created key {other}"),
        format!("key_revoked key {id}"),
        format!("key_revoked key {other}"),
    ];
    assert_eq!(events, expected);
}

#[test]
fn running_workers_take_keys_in_without_a_roll() {
    let house = house("", ASSISTANT);
    house.start();
    let before = house.pids();
    let made = well(house.run(&["client", "key", "create", "assistant"]));
    let first = id(&made);
    assert!(made.err.contains("has taken it in and told its workers"), "{made:?}");
    wait_for("the worker knows", || worker_output(&house).contains(&format!("lets in: {first}")));
    let rotated = well(house.run(&["client", "key", "rotate", &first, "--grace", "1h"]));
    let second = id(&rotated);
    wait_for("the worker knows both", || {
        let last = worker_output(&house);
        let last = last.lines().rfind(|line| line.starts_with("now lets in")).unwrap_or_default();
        last.contains(&first) && last.contains(&second)
    });
    well(house.run(&["client", "key", "revoke", &first]));
    wait_for("the worker has forgotten the first", || {
        let last = worker_output(&house);
        let last = last.lines().rfind(|line| line.starts_with("now lets in")).unwrap_or_default();
        last == format!("now lets in: {second}")
    });
    assert_eq!(house.pids(), before, "nobody is replaced");
    let described = well(house.run(&["describe", "query"]));
    assert!(described.out.contains(&format!("assistant (write, key {second})")), "{described:?}");
    let history = well(house.run(&["config", "history"]));
    assert!(history.out.contains(&format!("key {second} is new")), "{history:?}");
}

#[test]
fn a_key_is_revoked_though_the_configuration_on_disk_is_refused() {
    let house = house("", ASSISTANT);
    house.start();
    let before = house.pids();
    let first = id(&well(house.run(&["client", "key", "create", "assistant"])));
    let second = id(&well(house.run(&["client", "key", "create", "assistant"])));
    let last_told = || {
        let output = worker_output(&house);
        let last = output.lines().rfind(|line| line.starts_with("now lets in"));
        last.unwrap_or_default().to_owned()
    };
    let file = house.path("ecosystem.toml");
    let good = std::fs::read_to_string(&file).unwrap();
    // What else it says is not in force, and neither is what it leaves out.
    let broken = good.replace("level = \"write\"", "level = \"read\"") + "nonsense = 1\n";
    std::fs::write(&file, broken).unwrap();
    wait_for("it is refused", || house.run(&["status"]).out.contains("nonsense"));
    let revoked = well(house.run(&["client", "key", "revoke", &first]));
    assert!(revoked.err.contains("has taken it in and told its workers"), "{revoked:?}");
    wait_for("the worker has forgotten it", || last_told() == format!("now lets in: {second}"));
    let rotated = well(house.run(&["client", "key", "rotate", &second, "--grace", "1h"]));
    let third = id(&rotated);
    wait_for("the worker knows the new one", || last_told().contains(&third));
    let described = well(house.run(&["describe", "query"]));
    assert!(described.out.contains("assistant (write, keys "), "{described:?}");
    assert!(house.run(&["status"]).out.contains("nonsense"), "the file is refused as before");
    // A worker that starts meanwhile knows it no more either.
    well(house.run(&["restart", "query"]));
    wait_for("a new worker serves", || house.pids() != before);
    wait_for("it was told", || !last_told().is_empty());
    assert!(!last_told().contains(&first), "{}", last_told());
    std::fs::write(&file, good).unwrap();
    wait_for("it is mended", || !house.run(&["status"]).out.contains("nonsense"));
    assert!(!last_told().contains(&first), "{}", last_told());
}

#[test]
fn what_a_client_may_do_changes_in_running_workers() {
    let house = house("", ASSISTANT);
    house.start();
    let made = well(house.run(&["client", "key", "create", "assistant"]));
    let (id, before) = (id(&made), house.pids());
    let text = std::fs::read_to_string(house.path("ecosystem.toml")).unwrap();
    std::fs::write(house.path("ecosystem.toml"), text.replace("\"write\"", "\"read\"")).unwrap();
    wait_for("the change is in force", || {
        let described = house.run(&["describe", "query"]);
        described.out.contains(&format!("assistant (read, key {id})"))
    });
    assert_eq!(house.pids(), before, "nobody is replaced");
}

#[test]
fn a_command_says_so_when_nobody_watches_the_file_of_keys() {
    let house = house("watch = false", ASSISTANT);
    house.start();
    let made = house.run(&["client", "key", "create", "assistant"]);
    assert_eq!(made.code, Some(1), "{made:?}");
    assert!(made.err.contains("has not taken it in"), "{made:?}");
    let id = id(&made);
    well(house.run(&["reload"]));
    let described = well(house.run(&["describe", "query"]));
    assert!(described.out.contains(&id), "{described:?}");
}

#[test]
fn a_key_is_nowhere_but_where_it_was_printed() {
    let house = house("log_level = \"trace\"", ASSISTANT);
    house.start();
    let made = well(house.run(&["client", "key", "create", "assistant"]));
    let (id, key) = (id(&made), made.out.trim_end().to_owned());
    let secret = &key[16..];
    assert!(!made.err.contains(secret), "{made:?}");
    wait_for("the worker knows", || worker_output(&house).contains(&id));
    for command in [
        &["client", "list"][..],
        &["client", "list", "--json"],
        &["client", "key", "list"],
        &["client", "key", "list", "--json"],
        &["describe", "query"],
        &["status", "--json"],
        &["config", "show"],
        &["config", "history", "--json"],
        &["logs"],
    ] {
        let said = well(house.run(command));
        assert!(!said.out.contains(secret) && !said.err.contains(secret), "{command:?}: {said:?}");
    }
    let mut directories = vec![house.path("")];
    let mut files = 0;
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory).unwrap().flatten() {
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                directories.push(entry.path());
            } else if kind.is_file() {
                files += 1;
                let text = std::fs::read(entry.path()).unwrap();
                let text = String::from_utf8_lossy(&text);
                assert!(!text.contains(secret), "{}", entry.path().display());
            }
        }
    }
    assert!(files >= 4, "{files}");
}

#[test]
fn a_door_that_others_can_reach_is_refused_until_it_asks_who_they_are() {
    let house = house("", "");
    let text = std::fs::read_to_string(house.path("ecosystem.toml")).unwrap();
    let open = text.replace("127.0.0.1:0", "0.0.0.0:0");
    house.write(&open);
    let said = house.run(&["check"]);
    assert_eq!(said.code, Some(78), "{said:?}");
    assert!(said.err.contains("could ask without showing who it is"), "{said:?}");
    house.write(&format!("{open}{ASSISTANT}"));
    let said = well(house.run(&["check"]));
    assert!(said.out.contains("client assistant has no key"), "{said:?}");
    house.write(&format!("{open}mcp.allow_anonymous_beyond_loopback = true\n"));
    let said = well(house.run(&["check"]));
    assert!(said.out.contains("may ask without showing who it is"), "{said:?}");
}
