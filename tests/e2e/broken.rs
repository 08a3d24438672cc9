//! What operators are told when something is broken: the file, the supervisor, their own words.

use serde_json::Value;

use crate::harness::{House, Said, alive, signal, wait_for};

/// Two programs that know nothing of a supervisor.
const PLAIN: &str = "[supervisor]\nmetrics = \"off\"\n\
     [apps.ear]\nready = \"10ms\"\nexec = [\"sh\", \"-c\", \"echo hello; exec sleep 1000\"]\n\
     [apps.web]\nready = \"10ms\"\nexec = [\"sleep\", \"1000\"]\n";
const BROKEN: &str = "[apps.web\nx = ";

fn said(house: &House, words: &[&str], code: i32) -> Said {
    let said = house.run(words);
    assert_eq!(said.code, Some(code), "{words:?}: {said:?}\n{}", house.logs());
    said
}

/// Kills the supervisor; its programs run on.
fn murder(house: &House) {
    signal("-KILL", house.status()["pid"].as_u64().unwrap());
    // A process that was killed lets go of its files an instant later than it is seen to be gone.
    let lock = house.path("run/supervisor.lock");
    wait_for("the supervisor's end", || std::fs::File::open(&lock).unwrap().try_lock().is_ok());
}

#[test]
fn a_broken_file_hides_neither_the_logs_nor_the_way_to_stop() {
    let house = House::new(PLAIN);
    house.start();
    wait_for("the output in the log", || house.logs().contains("hello"));
    house.write(BROKEN);
    let refused = said(&house, &["check", "--json"], 78);
    assert_eq!(refused.err, "", "all of it is JSON");
    let problems: Value = serde_json::from_str(&refused.out).unwrap();
    let problem = &problems["problems"][0];
    assert_eq!((&problems["ok"], &problem["line"]), (&Value::Bool(false), &Value::from(1)));
    assert!(problem["file"].as_str().unwrap().ends_with("/ecosystem.toml"), "{problems}");
    assert!(problem["column"].is_u64() && problem["key"].is_null(), "{problems}");
    assert!(problem["message"].as_str().unwrap().contains("closing bracket"), "{problems}");

    said(&house, &["reload"], 78);
    assert!(house.status()["config_problem"].is_string());
    assert!(said(&house, &["stop"], 0).err.contains("stopped (pid"));
    let shown = said(&house, &["logs", "ear"], 0);
    assert!(shown.out.contains("ear out    | hello\n"), "{shown:?}");
    assert!(shown.out.lines().all(|line| line.contains("ear")), "only what is its: {shown:?}");
    let words = "cannot be used (`check` says why); this is what lies in ";
    assert!(shown.err.contains(words) && shown.err.lines().count() == 1, "{shown:?}");
    assert!(said(&house, &["logs", "eer"], 2).err.contains("did you mean `ear`?"));

    house.write(PLAIN);
    let fine: Value = serde_json::from_str(&said(&house, &["check", "--json"], 0).out).unwrap();
    assert_eq!((&fine["ok"], &fine["problems"]), (&Value::Bool(true), &serde_json::json!([])));
}

#[test]
fn programs_that_outlived_their_supervisor_are_named_and_ended_by_stop() {
    let house = House::new(PLAIN);
    house.start();
    let status = house.status();
    let pid = |app: usize| status["apps"][app]["slots"][0]["pid"].as_u64().unwrap();
    let (ear, web) = (pid(0), pid(1));
    murder(&house);
    let words =
        format!("programs of an earlier one run on: ear[0] (pid {ear}), web[0] (pid {web})");
    for command in [&["status"][..], &["stop", "web"], &["ping"], &["monit"]] {
        let said = house.run(command);
        assert_ne!(said.code, Some(0), "{said:?}");
        assert!(command == ["monit"] || said.err.contains(&words), "{command:?}: {said:?}");
    }
    assert!(alive(ear) && alive(web), "nobody was touched");
    let ended = said(&house, &["stop"], 0);
    assert!(ended.err.contains(&format!("ear[0] (pid {ear})")), "{ended:?}");
    assert!(!alive(ear) && !alive(web), "{ended:?}");
    let nobody = said(&house, &["stop"], 1);
    assert!(nobody.err.contains("`mcp-supervisor start` starts one"), "{nobody:?}");
}

#[test]
fn without_a_file_every_command_says_where_it_was_looked_for() {
    let house = House::new(PLAIN);
    std::fs::remove_file(house.path("ecosystem.toml")).unwrap();
    let file = house.path("ecosystem.toml").display().to_string();
    for (words, code) in [
        (&["check"][..], 78),
        (&["start"], 78),
        (&["logs"], 78),
        (&["status"], 1),
        (&["stop"], 1),
        (&["stop", "web"], 1),
    ] {
        let said = said(&house, words, code);
        assert!(said.err.contains(&file), "{words:?}: {said:?}");
        assert!(said.err.contains("write one, or `mcp-supervisor init`"), "{words:?}: {said:?}");
    }
}

#[test]
fn an_environment_that_does_not_exist_is_refused_by_every_command() {
    let house = House::new(&format!("{PLAIN}[environments.night.apps.web]\nnice = 1\n"));
    house.start();
    for words in [&["status"][..], &["stop", "web"], &["logs"], &["check"], &["ping"]] {
        let mut words = words.to_vec();
        words.extend(["--env", "nihgt"]);
        let said = said(&house, &words, 78);
        assert!(said.err.contains("did you mean \"night\"?"), "{words:?}: {said:?}");
    }
    said(&house, &["ping", "--env", "night"], 0);
    house.write(BROKEN);
    said(&house, &["ping", "--env", "nihgt"], 0);
}

#[test]
fn nobody_of_that_name_is_a_slip_whatever_the_command_and_changes_nothing() {
    let house = House::new(PLAIN);
    house.start();
    for command in ["start", "stop", "restart", "reload", "delete", "reset", "forget", "describe"] {
        let nobody = said(&house, &[command, "wep"], 2);
        assert!(nobody.err.contains("did you mean `web`?"), "{command}: {nobody:?}");
        let nowhere = said(&house, &[command, "web[3]"], 2);
        let words = "there is no slot web[3]; its only slot is web[0]";
        assert!(nowhere.err.contains(words), "{command}: {nowhere:?}");
    }
    for words in [&["pid", "wep"][..], &["env", "wep"], &["logs", "wep"], &["scale", "wep", "2"]] {
        assert!(said(&house, words, 2).err.contains("did you mean `web`?"), "{words:?}");
    }
    let status = house.status();
    assert!(status["config_problem"].is_null(), "the file is not to blame: {status}");
    assert_eq!(status["generation"], 1);
}
