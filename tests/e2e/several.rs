//! Commands for several targets, and what `status` and `describe` tell of a slot's past.

use serde_json::Value;

use crate::harness::{House, Said, alive, query};

fn said(house: &House, words: &[&str], code: i32) -> Said {
    let said = house.run(words);
    assert_eq!(said.code, Some(code), "{words:?}: {said:?}\n{}", house.logs());
    said
}

/// The first slot of an app.
fn slot(status: &Value, app: &str) -> Value {
    let apps = status["apps"].as_array().unwrap();
    apps.iter().find(|one| one["name"] == app).unwrap()["slots"][0].clone()
}

fn pid(house: &House, app: &str) -> Option<u64> {
    slot(&house.status(), app)["pid"].as_u64()
}

/// Three sleepers of which `web` depends on `db`.
const SLEEPERS: &str = "[supervisor]\nmetrics = \"off\"\n\
     [apps.db]\nready = \"10ms\"\nexec = [\"sleep\", \"1000\"]\n\
     [apps.web]\nready = \"10ms\"\nexec = [\"sleep\", \"1000\"]\ndepends_on = [\"db\"]\n\
     [apps.ear]\nready = \"10ms\"\nexec = [\"sleep\", \"1000\"]\ninstances = 2\n";

#[test]
fn what_only_a_start_heeds_is_refused_and_a_variable_for_others_hinders_nobody() {
    let house = House::with_workers(1, "", "");
    house.start();
    let before = house.pids();
    let said = house.run(&["--env", "production", "reload"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("in the environment development, and not in production"), "{said:?}");
    let said = house.run(&["--set", "apps.query.instances=3", "reload"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("keeps what it was started with"), "{said:?}");
    assert_eq!(house.pids(), before);
    let said = Said::from(house.command(&["status"]).env("ENVIRONMENT", "foo").output().unwrap());
    assert_eq!(said.code, Some(0), "{said:?}");
    house.write(&query(1, "", "").replace("metrics = \"off\"", "metrics = \"127.0.0.1:0\""));
    let said = house.run(&["check", "--json"]);
    assert_eq!(said.code, Some(78), "{said:?}");
    let told: serde_json::Value = serde_json::from_str(&said.out).unwrap();
    let words = told["problems"][0]["message"].as_str().unwrap();
    assert!(words.contains("cannot change while it runs"), "{told}");
}

#[test]
fn several_targets_are_served_in_order_and_all_are_tried() {
    let house = House::new(SLEEPERS);
    house.start();
    let stopped = said(&house, &["stop", "web", "nosuch", "ear[1]"], 2);
    let at =
        |words: &str| stopped.err.find(words).unwrap_or_else(|| panic!("{words}: {stopped:?}"));
    assert!(at("stopped web") < at("no app `nosuch`"), "{stopped:?}");
    assert!(at("no app `nosuch`") < at("stopped ear[1]"), "{stopped:?}");
    assert_eq!(pid(&house, "web"), None);
    said(&house, &["start", "web", "ear"], 0);
    let pids = said(&house, &["pid", "web", "db"], 0).out;
    let expected = [pid(&house, "web"), pid(&house, "db")].map(Option::unwrap);
    assert_eq!(pids, format!("{}\n{}\n", expected[0], expected[1]));
    let described = said(&house, &["describe", "web", "db", "--json"], 0).out;
    let described: Value = serde_json::from_str(&described).unwrap();
    assert_eq!((&described[0]["name"], &described[1]["name"]), (&"web".into(), &"db".into()));
    said(&house, &["delete", "web", "ear"], 0);
    said(&house, &["forget", "web", "ear"], 0);
    assert!(pid(&house, "web").is_some_and(alive));
}

#[test]
fn a_reload_of_several_reads_the_file_once() {
    let house = House::new(SLEEPERS);
    house.start();
    let before = [pid(&house, "db"), pid(&house, "ear"), pid(&house, "web")];
    said(&house, &["reload", "nosuch", "db", "ear"], 2);
    let after = [pid(&house, "db"), pid(&house, "ear"), pid(&house, "web")];
    assert!(before[0] != after[0] && before[1] != after[1] && before[2] == after[2]);
    let log = std::fs::read_to_string(house.path("logs/supervisor.log")).unwrap();
    assert_eq!(log.matches("configuration in force").count(), 2, "start and reload: {log}");
    house.write("[apps.db\n");
    let refused = said(&house, &["reload", "db", "ear"], 78);
    assert_eq!(refused.err.matches("was refused").count(), 1, "{refused:?}");
}

#[test]
fn whoever_goes_on_without_an_app_is_named_when_that_is_stopped() {
    let house = House::new(SLEEPERS);
    house.start();
    let words = "warning: `web` depends on `db` and goes on without it";
    assert!(said(&house, &["stop", "db"], 0).err.contains(words));
    said(&house, &["start", "db"], 0);
    assert!(!said(&house, &["stop", "ear"], 0).err.contains("warning"));
    assert!(!said(&house, &["stop", "db", "web"], 0).err.contains("warning"), "both were meant");
    said(&house, &["start", "all"], 0);
    assert!(said(&house, &["delete", "db"], 0).err.contains(words));
}

#[test]
fn a_command_that_fails_says_that_its_change_is_kept() {
    let text = "[supervisor]\nmetrics = \"off\"\n[apps.one]\nready = \"1s\"\nexec = [\"sh\", \
                \"-c\", \"[ $MCP_SUPERVISOR_SLOT = 0 ] || exit 78; exec sleep 1000\"]\n";
    let house = House::new(text);
    house.start();
    let failed = said(&house, &["scale", "one", "2"], 1);
    assert!(failed.err.contains("; the change is kept (`forget one` takes it back)"), "{failed:?}");
    said(&house, &["forget", "one"], 0);
    assert!(!said(&house, &["scale", "one", "1000"], 1).err.contains("is kept"));
}

#[test]
fn logs_of_all_and_of_a_slot_are_theirs() {
    let house = House::new(SLEEPERS);
    house.start();
    assert!(said(&house, &["logs", "all"], 0).out.contains("supervisor | "));
    let of_slot = said(&house, &["logs", "ear[1]"], 0);
    assert!(of_slot.out.contains("app=ear slot=1 "), "{of_slot:?}");
    assert!(!of_slot.out.contains("slot=0 "), "{of_slot:?}");
}

/// Programs that end, or are not well, each in its own way.
const PASTS: &str = "[supervisor]\nmetrics = \"off\"\n\
     [apps.job]\nexec = [\"sh\", \"-c\", \"exit 3\"]\nrestart.stop_exit_codes = [3]\n\
     [apps.once]\nexec = [\"true\"]\nrestart.policy = \"on_failure\"\n\
     [apps.idle]\nready = \"10ms\"\nexec = [\"sleep\", \"1000\"]\n\
     [apps.busy]\nexec = [\"sh\", \"-c\", \"while :; do :; done\"]\nready = \"10ms\"\n\
     restart.policy = \"never\"\nresources.cpu_time = \"1s\"\n\
     [apps.sick]\nready = \"10ms\"\nexec = [\"sleep\", \"1000\"]\nwatch = [\"code\"]\n\
     [apps.sick.health.probe]\ncommand = [\"test\", \"-e\", \"well\"]\ninterval = \"100ms\"\n\
     failures = 1000\n";

#[test]
fn a_slot_tells_what_became_of_it_and_why() {
    let house = House::new(PASTS);
    std::fs::write(house.path("code"), "1").unwrap();
    house.start();
    said(&house, &["stop", "idle"], 0);
    let status = house.wait_until("failing probes and an end by the limit", |status| {
        let failures = slot(status, "sick")["failing_probe"]["failures"].as_u64();
        failures.is_some_and(|count| count >= 2) && slot(status, "busy")["status"] == "finished"
    });
    let told =
        |app: &str| (slot(&status, app)["status"].clone(), slot(&status, app)["finished"].clone());
    assert_eq!(told("job"), ("finished".into(), "exit_code".into()));
    assert_eq!(told("once"), ("finished".into(), "policy".into()));
    assert_eq!(told("idle"), ("stopped".into(), Value::Null));
    let shown = said(&house, &["status"], 0).out;
    for words in [
        "exit code 3, one of its stop_exit_codes; `start` runs it again",
        "exit code 0, and its restart policy leaves it at that; `start` runs it again",
        "stopped by an operator",
        "of 1000 probes failed: `",
        "killed by SIGKILL, perhaps its cpu_time limit",
        "job: 0 of 1 online, 1 finished",
    ] {
        assert!(shown.contains(words), "{words}: {shown}");
    }

    std::fs::write(house.path("well"), "").unwrap();
    house.wait_until("a good probe", |status| slot(status, "sick")["failing_probe"].is_null());
    assert!(slot(&house.status(), "sick")["replaced_unasked"].is_null());
    std::fs::write(house.path("code"), "2").unwrap();
    house.wait_until("a replacement that nobody asked for", |status| {
        let replaced = &slot(status, "sick")["replaced_unasked"];
        replaced["times"] == 1
            && replaced["last_why"].as_str().is_some_and(|why| why.contains("code"))
    });
    let described = said(&house, &["describe", "sick"], 0).out;
    let words = "replaced     1 time without being asked to, the last time ";
    assert!(described.contains(words), "{described}");
    said(&house, &["reset", "sick"], 0);
    assert!(slot(&house.status(), "sick")["replaced_unasked"].is_null());
}
