//! The configurations that were in force are kept, compared, and put back.
#![expect(clippy::disallowed_methods, reason = "tests start programs")]

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::process::Command;
use std::sync::mpsc;
use std::thread;

use serde_json::Value;

use crate::harness::{House, PATIENCE, Said, get, signal, wait_for, watched_query as query};

fn text(answer_after_ms: u32) -> String {
    query(1, &format!("--answer-after-ms {answer_after_ms}"), "")
}

fn in_force(house: &House, generation: u64) {
    house.wait_until(&format!("generation {generation}"), |status| {
        let app = &status["apps"][0];
        status["generation"] == generation
            && app["reload"] == "idle"
            && app["slots"][0]["status"] == "online"
            && app["slots"][0]["leaving_pids"] == serde_json::json!([])
    });
}

/// What is kept, as soon as so many are: the supervisor does not wait for the disk.
fn history(house: &House, count: usize) -> Vec<Value> {
    let mut last = Vec::new();
    wait_for(&format!("{count} configurations"), || {
        let said = house.run(&["config", "history", "--json"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        last = serde_json::from_str(&said.out).unwrap();
        last.len() == count
    });
    last
}

fn of<'a>(history: &'a [Value], key: &str) -> Vec<&'a Value> {
    history.iter().map(|one| &one[key]).collect()
}

fn done(house: &House, words: &[&str]) -> Said {
    let said = house.run(words);
    assert_eq!(said.code, Some(0), "{words:?}: {said:?}\n{}", house.logs());
    said
}

fn file(house: &House) -> String {
    fs::read_to_string(house.path("ecosystem.toml")).unwrap()
}

#[test]
fn every_configuration_is_kept_and_one_can_be_put_back() {
    let house = House::new(&text(1));
    let first = file(&house);
    house.start();
    house.write(&text(2));
    in_force(&house, 2);
    let second = file(&house);
    house.write(&text(3));
    signal("-HUP", house.status()["pid"].as_u64().unwrap());
    in_force(&house, 3);
    let kept = history(&house, 3);
    assert_eq!(of(&kept, "why"), ["start", "file changed", "SIGHUP"]);
    assert_eq!(of(&kept, "in_force"), [false, false, true]);
    let change = kept[1]["changes"][0].as_str().unwrap();
    assert!(change.starts_with("apps.query.exec ["), "{change}");
    let table = done(&house, &["config", "history"]).out;
    assert!(table.lines().any(|line| line.starts_with("*  3 ")), "{table}");

    let said = done(&house, &["config", "diff"]).out;
    assert!(said.contains("are the same text") && said.contains("nobody"), "{said}");
    let said = done(&house, &["config", "diff", "1", "2"]).out;
    assert!(said.contains("--- configuration 1\n+++ configuration 2\n"), "{said}");
    assert!(said.contains("query: its workers would be replaced\n"), "{said}");

    // What is taken out of the way is lost in no case, not even a text that was never in force.
    let broken = second.replace("instances", "instancez");
    fs::write(house.path("ecosystem.toml"), &broken).unwrap();
    fs::set_permissions(house.path("ecosystem.toml"), fs::Permissions::from_mode(0o640)).unwrap();
    let said = done(&house, &["config", "diff"]).out;
    assert!(said.contains("would be refused today"), "{said}");
    let said = done(&house, &["config", "rollback", "2"]);
    assert!(said.err.contains("rolled back to configuration 2; generation 4"), "{said:?}");
    assert_eq!(file(&house), second);
    assert_eq!(fs::metadata(house.path("ecosystem.toml")).unwrap().mode() & 0o777, 0o640);
    in_force(&house, 4);
    assert_eq!(history(&house, 4)[3]["why"], "rollback to 2");
    let replaced = said.err.lines().find_map(|line| line.split(" is kept as ").nth(1)).unwrap();
    assert_eq!(fs::read_to_string(replaced).unwrap(), broken);
    assert!(done(&house, &["config", "history"]).err.contains(replaced));

    // The numbers go on over the supervisor's end, and all but its part works without it.
    done(&house, &["stop"]);
    house.start();
    in_force(&house, 4);
    done(&house, &["stop"]);
    let said = done(&house, &["config", "rollback", "1"]);
    assert!(said.err.contains("`start` takes it in"), "{said:?}");
    assert_eq!(file(&house), first);
    house.start();
    in_force(&house, 5);
    assert_eq!(history(&house, 5)[4]["why"], "start");
}

#[test]
fn after_a_refused_or_lost_file_a_rollback_brings_back_what_is_in_force() {
    let house = House::new(&text(1));
    house.start();
    house.write(&text(2));
    house.wait_until("the second one", |status| status["generation"] == 2);
    let pids = house.pids();
    house.write("nonsense = 1\n");
    house.wait_until("the refusal", |status| !status["config_problem"].is_null());
    done(&house, &["config", "rollback"]);
    assert!(file(&house).contains("\"2\""), "{}", file(&house));
    house.wait_until("the problem to go", |status| status["config_problem"].is_null());
    fs::remove_file(house.path("ecosystem.toml")).unwrap();
    done(&house, &["config", "rollback"]);
    assert!(file(&house).contains("\"2\""), "{}", file(&house));
    assert_eq!(house.pids(), pids, "nobody was touched");
}

#[test]
fn a_rollback_that_cannot_be_done_changes_nothing() {
    let program = "[apps.old]\nready = \"10ms\"\nexec = [\"./program\", \"1000\"]\n";
    let house = House::new(&format!("{}{program}", text(1)));
    fs::copy("/bin/sleep", house.path("program")).unwrap();
    house.start();
    house.write(&text(2));
    house.wait_until("the change", |status| status["apps"].as_array().unwrap().len() == 1);
    history(&house, 2);
    // What the file says now is not kept, and may be left behind by nobody.
    house.write(&format!("{}instancez = 3\n", text(2)));
    house.wait_until("the refusal", |status| !status["config_problem"].is_null());
    let before = file(&house);
    let refused = |words: &[&str], code: i32, why: &str| {
        let said = house.run(words);
        assert_eq!(said.code, Some(code), "{said:?}");
        assert!(said.err.contains(why), "{said:?}");
        assert_eq!(file(&house), before);
        assert_eq!(house.status()["generation"], 2);
        assert_eq!(fs::read_dir(house.path("state/config")).unwrap().count(), 4, "{said:?}");
    };
    refused(&["config", "rollback", "9"], 2, "those from 1 to 2 are");
    // It would not pass `check` today.
    fs::remove_file(house.path("program")).unwrap();
    refused(&["config", "rollback", "1"], 78, "apps.old.exec");
    // A place where no file can be made beside it, as in a ConfigMap; root may write elsewhere.
    fs::copy("/bin/sleep", house.path("program")).unwrap();
    let long = house.path(&"x".repeat(250));
    fs::rename(house.path("ecosystem.toml"), &long).unwrap();
    symlink(&long, house.path("ecosystem.toml")).unwrap();
    refused(&["config", "rollback", "1"], 1, "nothing was changed");
}

#[test]
fn a_damaged_history_hinders_nobody() {
    let house = House::new(&text(1));
    fs::create_dir_all(house.path("state/config")).unwrap();
    fs::write(house.path("state/config/00000006.json"), "{\"version\": 1,").unwrap();
    fs::write(house.path("state/config/00000005.json"), [0xFF, 0, 7]).unwrap();
    house.start();
    in_force(&house, 7);
    assert!(house.logs().contains("left out of the history"), "{}", house.logs());
    assert_eq!(of(&history(&house, 1), "number"), [7]);
    let said = done(&house, &["config", "history"]);
    assert!(said.err.contains("warning: cannot use"), "{said:?}");
}

#[test]
fn a_history_that_cannot_be_written_hinders_nobody() {
    let house = House::new(&text(1));
    // A file in the place of the directory: nobody can write below it, root included.
    fs::write(house.path("state"), "").unwrap();
    house.start();
    house.write(&text(2));
    in_force(&house, 2);
    assert!(house.logs().contains("`config rollback` will not know it"), "{}", house.logs());
}

#[test]
fn the_old_address_is_served_until_the_roll_is_over() {
    let text = query(2, "--answer-after-ms 2", "");
    let house = House::new(&text);
    house.start();
    let old = house.address();
    let new = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    // Each client asks until it is not answered, and says so at once.
    let (tell, told) = mpsc::channel();
    for _ in 0..6 {
        let tell = tell.clone();
        thread::spawn(move || {
            let mut answered = 0u32;
            let why = loop {
                match get(old) {
                    Ok(_) => answered += 1,
                    Err(why) => break why,
                }
            };
            let _ = tell.send((answered, why));
        });
    }
    house.write(&text.replace("127.0.0.1:0", &new.to_string()));
    let first = told.recv_timeout(PATIENCE).unwrap();
    // Nobody went without an answer before everybody had moved.
    let status = house.status();
    let slots = status["apps"][0]["slots"].as_array().unwrap();
    let moved =
        slots.iter().all(|slot| slot["status"] == "online" && slot["successor_run"].is_null());
    assert!(moved && status["generation"] == 2, "{first:?}: {status}");
    assert_eq!(house.address(), new);
    assert!(get(new).is_ok());
    let others = (1..6).map(|_| told.recv_timeout(PATIENCE).unwrap());
    for (answered, why) in std::iter::once(first).chain(others) {
        // Nobody who was let in goes without an answer, not even who waited when it was given up.
        assert!(answered > 10 && why.contains("Connection refused"), "{answered}: {why}");
    }
}

#[test]
fn a_rollback_that_the_supervisor_cannot_take_in_is_undone() {
    let text = text(1);
    let house = House::new(&text.replacen("metrics", "cgroups = \"off\"\nmetrics", 1));
    house.start();
    history(&house, 1);
    done(&house, &["stop"]);
    house.write(&text);
    house.start();
    in_force(&house, 2);
    let before = file(&house);
    let said = house.run(&["config", "rollback", "1"]);
    assert_eq!(said.code, Some(78), "{said:?}");
    assert!(said.err.contains("differs in cgroups"), "{said:?}");
    assert_eq!(file(&house), before);
    house.wait_until("the problem to go", |status| status["config_problem"].is_null());
    in_force(&house, 2);
}

#[test]
fn a_rollback_is_judged_by_the_supervisor_that_has_the_variables() {
    let with =
        |n: u32| format!("{}env = {{ GREETING = \"${{E2E_ONLY_THE_SERVICE_HAS}}\" }}\n", text(n));
    let house = House::new(&with(1));
    let first = file(&house);
    let mut start = house.command(&["start"]);
    let said = Said::from(start.env("E2E_ONLY_THE_SERVICE_HAS", "it").output().unwrap());
    assert_eq!(said.code, Some(0), "{said:?}\n{}", house.logs());
    house.write(&with(2));
    in_force(&house, 2);
    history(&house, 2);
    // This command's own reading is no judgement.
    let said = house.run(&["check"]);
    assert_eq!(said.code, Some(78), "{said:?}");
    let said = done(&house, &["config", "diff", "1"]);
    assert!(said.err.contains("`reload --dry-run` asks the running supervisor"), "{said:?}");
    done(&house, &["reload", "--dry-run"]);
    let said = done(&house, &["config", "rollback"]);
    assert!(said.err.contains("rolled back to configuration 1; generation 3"), "{said:?}");
    assert_eq!(file(&house), first);
    // Without a supervisor there is nobody else to ask.
    done(&house, &["stop"]);
    let said = house.run(&["config", "rollback", "2"]);
    assert_eq!(said.code, Some(78), "{said:?}");
    assert!(said.err.contains("E2E_ONLY_THE_SERVICE_HAS"), "{said:?}");
    assert_eq!(file(&house), first);
}

#[test]
fn a_configuration_of_another_file_is_never_put_back() {
    let house = House::new(&text(1));
    house.start();
    house.write(&text(2));
    in_force(&house, 2);
    history(&house, 2);
    let own = house.path("ecosystem.toml");
    let other = house.path("other.toml");
    let unrelated = file(&house).replace("[apps.query]", "[apps.other]");
    fs::write(&other, &unrelated).unwrap();
    let of_other = |words: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-supervisor"));
        Said::from(command.arg("--config").arg(&other).args(words).output().unwrap())
    };
    // The supervisor that listens there serves another file.
    let said = of_other(&["config", "rollback", "1"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    let words = format!("serves {}, not {}", own.display(), other.display());
    assert!(said.err.contains(&words), "{said:?}");
    assert_eq!(fs::read_to_string(&other).unwrap(), unrelated);
    let said = of_other(&["config", "history", "--json"]);
    assert_eq!((said.code, said.out.trim()), (Some(0), "[]"), "{said:?}");
    assert!(said.err.contains(&words), "{said:?}");
    // By another name it is the same file.
    symlink(&own, house.path("link.toml")).unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_mcp-supervisor"));
    command.arg("--config").arg(house.path("link.toml")).args(["config", "history", "--json"]);
    let said = Said::from(command.output().unwrap());
    assert!(said.out.contains("\"in_force\": true"), "{said:?}");

    // Both keep theirs in one place.
    done(&house, &["stop"]);
    let said = of_other(&["start"]);
    assert_eq!(said.code, Some(0), "{said:?}\n{}", house.logs());
    done(&house, &["stop"]);
    let before = file(&house);
    for words in [&["config", "rollback", "3"][..], &["config", "diff", "3"]] {
        let said = house.run(words);
        assert_eq!(said.code, Some(2), "{said:?}");
        let words = format!("configuration 3 is of {}", other.display());
        assert!(said.err.contains(&words), "{said:?}");
    }
    assert_eq!(file(&house), before);
    assert_eq!(of(&history(&house, 2), "number"), [1, 2]);
    let said = done(&house, &["config", "history"]);
    assert!(said.err.contains(&format!("left out: configurations of {}", other.display())));
    let said = of_other(&["config", "rollback"]);
    assert!(said.err.contains("nothing is kept from before configuration 3"), "{said:?}");
}

#[test]
fn who_takes_something_back_hears_of_nobody_else() {
    let broken = "[apps.broken]\nready = \"1s\"\nexec = [\"sh\", \"-c\", \"exit 78\"]\n";
    let with = |n| format!("{}{broken}", text(n));
    let house = House::new(&with(1));
    let said = house.run(&["start"]);
    assert!(said.err.contains("broken[0]"), "{said:?}");
    house.write(&with(2));
    house.wait_until("the second one", |status| status["generation"] == 2);
    history(&house, 2);
    let said = done(&house, &["config", "rollback"]);
    assert!(!said.err.contains("broken"), "{said:?}");
    done(&house, &["scale", "query", "2"]);
    for target in ["all", "query", "broken"] {
        let said = done(&house, &["forget", target]);
        assert!(!said.err.contains("broken[0]"), "{said:?}");
    }
    // What a rollback itself breaks is told.
    house.write(&text(3));
    house.wait_until("an end of it", |status| status["apps"].as_array().unwrap().len() == 1);
    let kept = history(&house, 4);
    let to = kept[2]["number"].to_string();
    let said = house.run(&["config", "rollback", &to]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("broken[0]: exit code 78"), "{said:?}");
}
