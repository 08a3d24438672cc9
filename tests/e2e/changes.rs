//! What operators changed at run time outlives the supervisor, until it is forgotten.

use crate::harness::{House, alive, query, signal, wait_for};

/// The fleet `query` and a quiet program.
fn house() -> House {
    let idle = "[apps.idle]\nready = \"10ms\"\nexec = [\"sleep\", \"1000\"]\n";
    House::new(&format!("{}{idle}", query(2, "", "")))
}

fn done(house: &House, words: &[&str]) -> String {
    let said = house.run(words);
    assert_eq!(said.code, Some(0), "{words:?}: {said:?}\n{}", house.logs());
    said.out
}

/// How many processes each app has.
fn counts(house: &House) -> Vec<(String, usize)> {
    let status = house.status();
    let apps = status["apps"].as_array().unwrap().iter();
    apps.map(|app| {
        let slots = app["slots"].as_array().unwrap();
        let running = slots.iter().filter(|slot| slot["status"] == "online").count();
        (app["name"].as_str().unwrap().to_owned(), running)
    })
    .collect()
}

fn expected(idle: usize, query: usize) -> Vec<(String, usize)> {
    vec![("idle".to_owned(), idle), ("query".to_owned(), query)]
}

/// Kills the supervisor; what cannot notice its end is ended with it.
fn crash(house: &House) {
    let status = house.status();
    let supervisor = status["pid"].as_u64().unwrap();
    let apps = status["apps"].as_array().unwrap().clone();
    signal("-KILL", supervisor);
    for slot in apps.iter().flat_map(|app| app["slots"].as_array().unwrap()) {
        let Some(pid) = slot["pid"].as_u64() else { continue };
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(i32::try_from(pid).unwrap()),
            nix::sys::signal::Signal::SIGKILL,
        );
    }
    wait_for("the supervisor's end", || !alive(supervisor));
}

#[test]
fn changes_hold_after_the_supervisor_was_killed_and_end_when_they_are_forgotten() {
    let house = house();
    house.start();
    assert!(!house.path("state/changes.json").exists(), "nothing is to be kept yet");
    done(&house, &["scale", "query", "+1"]);
    done(&house, &["stop", "idle"]);
    crash(&house);
    house.start();
    assert_eq!(counts(&house), expected(0, 3));
    let status = done(&house, &["status"]);
    assert!(status.contains("3 instances; the file says 2"), "{status}");
    assert!(status.contains("stopped by an operator (`start idle` undoes it)"), "{status}");
    let saved = done(&house, &["save"]);
    let file = house.path("state/changes.json").display().to_string();
    assert!(saved.contains(&file) && saved.contains("[apps.query]\n  instances = 3"), "{saved}");

    done(&house, &["forget", "all"]);
    assert_eq!(counts(&house), expected(1, 2));
    assert!(done(&house, &["save"]).starts_with("nothing was changed"));
    done(&house, &["stop"]);
    house.start();
    assert_eq!(counts(&house), expected(1, 2));
}

#[test]
fn a_broken_file_is_put_aside_and_said_aloud() {
    let house = house();
    std::fs::create_dir(house.path("state")).unwrap();
    std::fs::write(house.path("state/changes.json"), "{\"version\": 1, \"apps\"").unwrap();
    house.start();
    assert_eq!(counts(&house), expected(1, 2));
    assert!(house.path("state/changes.json.broken").exists());
    let file = house.path("state/changes.json").display().to_string();
    let log = std::fs::read_to_string(house.path("logs/supervisor.log")).unwrap();
    let warned = |line: &str| line.contains("WARN") && line.contains(&file);
    assert!(log.lines().any(warned), "{log}");
    assert!(done(&house, &["status"]).contains(&file));
    // The next change takes its place.
    done(&house, &["scale", "query", "1"]);
    assert!(std::fs::read_to_string(file).unwrap().contains("\"instances\": 1"));
}

#[test]
fn a_change_of_an_app_that_is_gone_waits_until_it_is_forgotten() {
    let house = house();
    house.start();
    done(&house, &["stop", "idle"]);
    house.write(&query(2, "", ""));
    done(&house, &["reload"]);
    let status = done(&house, &["status"]);
    assert!(status.contains("idle: was changed at run time"), "{status}");
    done(&house, &["forget", "idle"]);
    assert!(!done(&house, &["status"]).contains("idle"));
}

#[test]
fn a_change_that_cannot_be_kept_is_done_and_said_to_be_unsafe() {
    let house = house();
    // A file in the place of the directory: nobody can write below it, root included.
    std::fs::write(house.path("state"), "").unwrap();
    house.start();
    let said = house.run(&["scale", "query", "3"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("it was done, but"), "{said:?}");
    assert!(said.err.contains("changes.json"), "{said:?}");
    assert_eq!(counts(&house), expected(1, 3));
}
