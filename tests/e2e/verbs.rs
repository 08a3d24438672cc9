//! What an operator types about single apps and slots, with real processes; wrong targets too.

use serde_json::Value;

use crate::harness::{House, Said, alive, query, signal, wait_for};

/// The fleet `query`, and a program that prints when it is sent SIGUSR1.
fn house(instances: u32) -> House {
    let listener = "[apps.ear]\nready = \"10ms\"\nenv = { TZ = \"UTC\" }\nexec = [\"sh\", \"-c\", \
         \"trap 'echo heard you' USR1; echo listening; while :; do sleep 0.05; done\"]\n";
    House::new(&format!("{}{listener}", query(instances, "", "")))
}

fn done(house: &House, words: &[&str]) -> Said {
    let said = house.run(words);
    assert_eq!(said.code, Some(0), "{words:?}: {said:?}\n{}", house.logs());
    said
}

fn refused(house: &House, words: &[&str], code: i32, why: &str) {
    let said = house.run(words);
    assert_eq!(said.code, Some(code), "{words:?}: {said:?}");
    assert!(said.err.contains(why), "{words:?}: {said:?}");
}

/// The slots of an app.
fn slots(house: &House, app: &str) -> Vec<Value> {
    let status = house.status();
    let apps = status["apps"].as_array().unwrap();
    let app = apps.iter().find(|one| one["name"] == app);
    app.map_or(Vec::new(), |app| app["slots"].as_array().unwrap().clone())
}

/// The phase of every slot, and the pid where there is a process.
fn pids(house: &House, app: &str) -> Vec<Option<u64>> {
    slots(house, app).iter().map(|slot| slot["pid"].as_u64()).collect()
}

#[test]
fn one_slot_is_stopped_started_restarted_and_reloaded_and_the_others_stay() {
    let house = house(3);
    house.start();
    let first = pids(&house, "query");
    let said = done(&house, &["stop", "query[1]"]);
    assert!(said.err.contains("stopped query[1]"), "{said:?}");
    assert!(!said.err.contains("query[0]"), "only what changes is progress: {said:?}");
    assert_eq!(pids(&house, "query"), [first[0], None, first[2]]);
    assert!(!alive(first[1].unwrap()));
    let shown = done(&house, &["status"]).out;
    assert!(shown.contains("query[1] stopped by an operator (`start query` undoes it)"), "{shown}");

    done(&house, &["start", "query:1"]);
    let second = pids(&house, "query");
    assert_eq!((second[0], second[2]), (first[0], first[2]));
    assert!(second[1].is_some() && second[1] != first[1]);
    assert!(!done(&house, &["status"]).out.contains("by an operator"));

    done(&house, &["restart", "query[2]"]);
    let third = pids(&house, "query");
    assert_eq!((third[0], third[1]), (second[0], second[1]));
    assert!(third[2].is_some() && third[2] != second[2]);

    done(&house, &["reload", "query[0]"]);
    let fourth = pids(&house, "query");
    assert_eq!((fourth[1], fourth[2]), (third[1], third[2]));
    assert!(fourth[0].is_some() && fourth[0] != third[0]);
}

#[test]
fn apps_are_stopped_and_started_and_the_supervisor_stays() {
    let house = house(2);
    house.start();
    let ear = pids(&house, "ear");
    done(&house, &["stop", "query"]);
    assert_eq!(pids(&house, "query"), [None, None]);
    assert_eq!(pids(&house, "ear"), ear, "the other app is untouched");
    refused(&house, &["pid", "query"], 1, "query has no process");
    refused(&house, &["signal", "HUP", "query"], 1, "no process runs there");
    done(&house, &["stop", "all"]);
    assert!(done(&house, &["ping"]).out.starts_with("pong: pid "));
    refused(&house, &["pid"], 1, "has no process");
    // A reload of the file does not start what an operator stopped.
    done(&house, &["reload"]);
    assert_eq!(pids(&house, "query"), [None, None]);
    done(&house, &["start", "all"]);
    let running = pids(&house, "query").len() + pids(&house, "ear").len();
    assert_eq!(done(&house, &["pid"]).out.lines().count(), running);
}

#[test]
fn an_app_is_scaled_up_and_down_and_the_difference_is_shown() {
    let house = house(2);
    house.start();
    let first = pids(&house, "query");
    let said = done(&house, &["scale", "query", "+2"]);
    assert!(said.err.contains("4 instances; the file says 2"), "{said:?}");
    let second = pids(&house, "query");
    assert_eq!(second[..2], first[..]);
    assert!(second.len() == 4 && second.iter().all(Option::is_some), "{second:?}");
    done(&house, &["scale", "query", "-1"]);
    assert_eq!(pids(&house, "query"), second[..3]);
    let shown = done(&house, &["status"]).out;
    assert!(shown.contains("changed: 3 instances; the file says 2 (`forget query` undoes it)"));
    done(&house, &["scale", "query", "2"]);
    assert!(!done(&house, &["status"]).out.contains("the file says"));
    refused(&house, &["scale", "query", "1000"], 1, "256 at most");
    refused(&house, &["scale", "quary", "2"], 2, "did you mean `query`?");
}

#[test]
fn a_deleted_app_is_out_of_the_picture_until_it_is_started() {
    let house = house(2);
    house.start();
    done(&house, &["delete", "ear"]);
    assert!(slots(&house, "ear").is_empty());
    let shown = done(&house, &["status"]).out;
    assert!(shown.contains("ear: deleted by an operator (`start ear` undoes it)"), "{shown}");
    refused(&house, &["stop", "ear"], 1, "`start` brings a deleted one back");
    refused(&house, &["describe", "ear"], 1, "`start ear` brings it back");
    refused(&house, &["del", "query[0]"], 1, "a single slot cannot be deleted");
    done(&house, &["start", "ear"]);
    assert_eq!(slots(&house, "ear")[0]["status"], "online");
}

#[test]
fn reset_forgets_deaths_and_starts_who_gave_up() {
    let text = format!("{}[apps.query.restart]\nmax_restarts = 0\n", query(1, "", ""));
    let house = House::new(&text);
    house.start();
    signal("-KILL", house.pids()[0]);
    house.wait_until("the slot to give up", |status| {
        status["apps"][0]["slots"][0]["status"] == "errored"
    });
    done(&house, &["reset", "query"]);
    let status = house
        .wait_until("a worker again", |status| status["apps"][0]["slots"][0]["status"] == "online");
    assert_eq!(status["apps"][0]["slots"][0]["restarts"], 0, "{status}");
}

#[test]
fn a_signal_reaches_the_process() {
    let house = house(1);
    house.start();
    let log = house.path("logs/ear.out.log");
    let heard = || std::fs::read_to_string(&log).unwrap_or_default();
    // A shell that has not set its trap yet would die of the signal.
    wait_for("the trap", || heard().contains("listening"));
    done(&house, &["sendSignal", "sigusr1", "ear"]);
    wait_for("an answer to the signal", || heard().contains("heard you"));
    refused(&house, &["signal", "USR3", "ear"], 2, "did you mean USR1?");
    refused(&house, &["signal", "USR1", "eer"], 2, "did you mean `ear`?");
    refused(&house, &["signal", "USR1", "ear[3]"], 2, "there is no slot ear[3]");
}

#[test]
fn process_ids_environments_and_descriptions_are_shown() {
    let house = house(2);
    house.start();
    let ids: Vec<u64> = pids(&house, "query").into_iter().flatten().collect();
    let printed = done(&house, &["pid", "query"]).out;
    assert_eq!(printed, format!("{}\n{}\n", ids[0], ids[1]));
    assert_eq!(done(&house, &["pid", "query[1]"]).out, format!("{}\n", ids[1]));
    refused(&house, &["pid", "quarry"], 2, "did you mean `query`?");
    refused(
        &house,
        &["pid", "query[7]"],
        2,
        "no slot query[7]; its slots are query[0] to query[1]",
    );

    let environment = done(&house, &["env", "ear"]).out;
    assert!(environment.lines().any(|line| line == "TZ=UTC"), "{environment}");
    assert!(environment.contains("MCP_SUPERVISOR_SLOT=0\n"), "{environment}");
    refused(&house, &["env", "all"], 2, "name an app");

    let text = done(&house, &["show", "ear"]).out;
    for words in ["ear: 1 of 1 online", "command      /", "env.TZ = (set)", "(PSS)", "threads: "] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let log = house.path("logs/ear.out.log").display().to_string();
    assert!(text.contains(&log) && text.contains("\n    listening\n"), "{text}");
    let json = done(&house, &["describe", "query[1]", "--json"]).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    let slots = json[0]["slots"].as_array().unwrap();
    assert_eq!((slots.len(), &slots[0]["slot"]), (1, &Value::from(1)));
    for number in ["pss_bytes", "rss_bytes", "threads", "open_descriptors"] {
        assert!(slots[0][number].as_u64().is_some_and(|count| count > 0), "{number}: {json}");
    }
    assert_eq!(json[0]["instances_in_file"], 2);
    refused(&house, &["describe", "query[9]"], 2, "there is no slot query[9]");
    refused(&house, &["info", "quer"], 2, "did you mean `query`?");
}

#[test]
fn without_a_supervisor_every_verb_says_how_to_start_one() {
    let house = house(1);
    for words in [
        &["ping"][..],
        &["pid"],
        &["save"],
        &["describe", "query"],
        &["start", "query"],
        &["stop", "query"],
        &["scale", "query", "+1"],
        &["reload", "--dry-run"],
    ] {
        refused(&house, words, 1, "`mcp-supervisor start` starts one");
    }
}

#[test]
fn a_dry_run_says_what_a_reload_does_and_touches_nothing() {
    let house = house(2);
    house.start();
    let before = house.status();
    let changed = format!(
        "{}[apps.query.env]\nTZ = \"CET\"\n[apps.new]\nready = \"10ms\"\nexec = [\"sleep\", \"1000\"]\n",
        query(3, "", "")
    );
    house.write(&changed);
    let plan = done(&house, &["reload", "--dry-run", "query"]).out;
    for words in [
        "nothing was changed",
        "query: instances 2 → 3",
        "differs: env.TZ\n",
        "differs: instances 2 → 3",
        "replaced: query[0], query[1] (new before old, 1 at a time, in this order)",
        "started: query[2]",
        "new: new in the file",
        "ear: not in the file any more",
        "stopped: ear[0]",
    ] {
        assert!(plan.contains(words), "{words}: {plan}");
    }
    assert!(!plan.contains("CET"), "{plan}");
    let json = done(&house, &["reload", "--dry-run", "--json", "query"]).out;
    let json: Value = serde_json::from_str(&json).unwrap();
    let query_plan = json.as_array().unwrap().iter().find(|app| app["name"] == "query").unwrap();
    assert_eq!(query_plan["replaced"], serde_json::json!([0, 1]), "{json}");
    let after = house.status();
    assert_eq!(after["generation"], before["generation"]);
    let ids = |status: &Value, app: usize| status["apps"][app]["slots"][0]["pid"].clone();
    assert_eq!((ids(&after, 0), ids(&after, 1)), (ids(&before, 0), ids(&before, 1)));

    house.write(&query(2, "", "instancez = 3"));
    refused(&house, &["reload", "--dry-run"], 78, "instancez");
    assert!(house.status()["config_problem"].is_null(), "a dry run leaves no trace");
    house.write(&changed);
    refused(&house, &["reload", "--dry-run", "quer"], 2, "did you mean `query`?");
    done(&house, &["reload", "query"]);
    assert_eq!(pids(&house, "query").len(), 3);
    assert!(slots(&house, "ear").is_empty() && slots(&house, "new").len() == 1);
}

/// A program that says why it dies, and dies at once, next to one that is well.
const DYING: &str = "[supervisor]\nmetrics = \"off\"\n\
     [apps.well]\nready = \"10ms\"\nexec = [\"sleep\", \"1000\"]\n\
     [apps.ill]\nready = \"5s\"\nexec = [\"sh\", \"-c\", \
     \"echo trying; echo the reason of run $MCP_SUPERVISOR_RUN >&2; exit 78\"]\n";

#[test]
fn the_last_words_of_a_program_that_dies_are_always_in_its_log_and_in_the_error() {
    let house = House::new(DYING);
    let said = house.run(&["start"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("the last lines of its output:\n    the reason"), "{said:?}");
    let log = house.path("logs/ill.err.log");
    for turn in 2..=40 {
        let said = house.run(&["restart", "ill"]);
        assert_eq!(said.code, Some(1), "{said:?}");
        let lines: Vec<String> =
            std::fs::read_to_string(&log).unwrap().lines().map(str::to_owned).collect();
        assert_eq!(lines.len(), turn, "a last word is missing: {lines:?}");
        let last = lines.last().unwrap();
        assert!(said.err.ends_with(&format!("    {last}\n")), "{last}: {said:?}");
    }
}

#[test]
fn a_roll_that_stops_says_why_in_the_programs_own_words_also_in_the_log() {
    let well = DYING.replace("; exit 78", "; exec sleep 1000").replace("\"5s\"", "\"10ms\"");
    let house = House::new(&well);
    house.start();
    house.write(DYING);
    let said = house.run(&["reload", "ill"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("    the reason of run "), "{said:?}");
    wait_for("the line in the log", || {
        let log = std::fs::read_to_string(house.path("logs/supervisor.log")).unwrap();
        log.lines().any(|line| line.contains("roll stopped") && line.contains("the reason of run"))
    });
}
