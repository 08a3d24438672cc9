//! What programs print, and how operators read it.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::harness::{House, wait_for};

#[test]
fn a_burst_of_output_is_kept_whole_over_rotations() {
    let rotation = "[apps.query.logs]\nmax_size = \"1KB\"\nmax_files = 1000\n\
                    compress = false";
    let house = House::with_workers(1, "--print-lines 5000", rotation);
    house.start();
    assert_eq!(house.run(&["stop"]).code, Some(0));
    let mut files: Vec<(u32, std::path::PathBuf)> = std::fs::read_dir(house.path("logs"))
        .unwrap()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().unwrap().to_str().unwrap().starts_with("query.out.log"))
        .map(|path| (path.extension().unwrap().to_str().unwrap().parse().unwrap_or(0), path))
        .collect();
    files.sort_by_key(|(number, _)| std::cmp::Reverse(*number));
    let text: String =
        files.iter().map(|(_, path)| std::fs::read_to_string(path).unwrap()).collect();
    let expected: String = (0..5000).map(|number| format!("line {number}\n")).collect();
    assert!(
        text == expected,
        "{} of {} bytes in {} files",
        text.len(),
        expected.len(),
        files.len()
    );
}

#[test]
fn an_app_that_is_gone_leaves_no_fifo() {
    let brief = "[apps.brief]\nexec = [\"sleep\", \"1000\"]\nready = \"20ms\"\n";
    let house = House::with_workers(1, "", brief);
    house.start();
    let fifos = ["run/brief.out", "run/brief.err"].map(|name| house.path(name));
    assert!(fifos.iter().all(|fifo| fifo.exists()));
    house.write(&crate::harness::query(1, "", ""));
    let said = house.run(&["reload"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    wait_for("the FIFOs to go", || !fifos.iter().any(|fifo| fifo.exists()));
    assert!(house.path("run/query.out").exists());
}

#[test]
fn logs_of_an_app_that_is_gone_can_be_read() {
    let brief = "[apps.brief]\nexec = [\"sh\", \"-c\", \"echo here; exec sleep 1000\"]\n\
                 ready = \"20ms\"\n";
    let house = House::with_workers(1, "", brief);
    house.start();
    wait_for("its line", || house.run(&["logs", "brief"]).out.contains("here"));
    house.write(&crate::harness::query(1, "", ""));
    assert_eq!(house.run(&["reload"]).code, Some(0));
    wait_for("the app to go", || !house.run(&["status"]).out.contains("brief"));
    let said = house.run(&["logs", "brief"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("brief out  | here"), "{said:?}");
    assert!(said.err.contains("there is no app brief any more"), "{said:?}");
}

#[test]
fn logs_shows_the_last_lines_of_each_log_and_follows() {
    let house = House::with_workers(1, "--print-lines 100", "");
    house.start();
    let last = "query out | line 98\nquery out | line 99\n";
    let out = ["logs", "query", "--channel", "out", "--lines"];
    // What a program printed a moment ago is on its way to the file.
    wait_for(last, || {
        let said = house.run(&[&out[..], &["2"]].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out == last
    });
    // The supervisor's own lines are on their way as well, a moment before or after the program's.
    wait_for("the supervisor's own lines", || {
        let said = house.run(&["logs", "--lines", "200"]);
        said.out.contains("supervisor | 20") && said.out.contains("phase=\"ready\"")
    });
    assert_eq!(house.run(&["logs", "nobody"]).code, Some(2));

    let mut follower = house
        .command(&[&out[..], &["1", "--follow"]].concat())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "query out | line 99");
    assert_eq!(house.run(&["restart"]).code, Some(0));
    assert_eq!(lines.next().unwrap().unwrap(), "query out | line 0");
    follower.kill().unwrap();
    follower.wait().unwrap();
}

/// A program that prints a number a hundred times a second.
const TICKER: &str = "[supervisor]\nmetrics = \"off\"\n[apps.tick]\nready = \"10ms\"\n\
     exec = [\"sh\", \"-c\", \"while :; do i=$((i+1)); echo tick $i; sleep 0.01; done\"]\n\
     [apps.tick.logs]\nmax_size = \"1KB\"\nmax_files = 3\ncompress = false\n";

#[test]
fn a_removed_or_emptied_log_begins_anew_and_keeps_its_past() {
    let house = House::new(TICKER);
    house.start();
    let log = house.path("logs/tick.out.log");
    let rotated = |number: u32| house.path(&format!("logs/tick.out.log.{number}"));
    wait_for("three rotations", || rotated(3).exists());
    // And not amid another one.
    wait_for("a file that is not due soon", || {
        std::fs::metadata(&log).is_ok_and(|about| (100..500).contains(&about.len()))
    });
    std::fs::remove_file(&log).unwrap();
    wait_for("the file to be made anew", || log.exists());
    assert!((1..=3).all(|number| rotated(number).exists()), "the past is gone");
    std::fs::File::options().write(true).open(&log).unwrap().set_len(0).unwrap();
    wait_for("new lines", || std::fs::metadata(&log).is_ok_and(|about| about.len() > 50));
    let text = std::fs::read(&log).unwrap();
    assert!(!text.contains(&0), "a hole: {text:?}");
}

#[test]
fn a_program_without_line_ends_does_not_hold_up_the_others() {
    let loud = "[apps.loud]\nready = \"10ms\"\n\
         exec = [\"sh\", \"-c\", \"exec cat /dev/zero\"]\n[apps.loud.logs]\n\
         max_size = \"1MB\"\nmax_files = 1\n";
    let house = House::new(&format!("{TICKER}{loud}"));
    house.start();
    let log = house.path("logs/loud.out.log.1");
    wait_for("a rotation in the middle of a line", || log.exists());
    let tick = house.path("logs/tick.out.log.3");
    wait_for("the other program's third rotation", || tick.exists());
}

#[test]
fn after_usr1_renamed_logs_are_left_alone() {
    let house = House::with_workers(1, "", "");
    house.start();
    let log = house.path("logs/supervisor.log");
    std::fs::rename(&log, house.path("logs/moved.log")).unwrap();
    crate::harness::signal("-USR1", house.status()["pid"].as_u64().unwrap());
    wait_for("the new file", || {
        house.run(&["reload"]);
        log.exists()
    });
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let house = House::with_workers(1, "--print-lines 1000", "");
    house.start();
    let mut child = house
        .command(&["logs", "--lines", "100000"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let status = child.wait().unwrap();
    assert!(status.success(), "{status}");
}

#[test]
fn one_line_a_transition_names_app_slot_run_pid_and_phase() {
    let house = House::with_workers(1, "", "");
    house.start();
    let pid = house.pids()[0];
    wait_for("the line", || {
        let log = std::fs::read_to_string(house.path("logs/supervisor.log")).unwrap();
        log.lines().any(|line| {
            line.contains("app=query slot=0 run=1")
                && line.contains(&format!("pid={pid}"))
                && line.contains("phase=\"ready\"")
        })
    });
}

/// A program that says something with a level and a time every hundredth of a second, in a slot of
/// which it does not know.
const TALKER: &str = "[supervisor]\nmetrics = \"off\"\n[apps.talk]\nready = \"10ms\"\n\
     exec = [\"sh\", \"-c\", \"while :; do i=$((i+1)); \
     echo $(date -u +%Y-%m-%dT%H:%M:%S.%NZ) WARN talk $i; sleep 0.01; done\"]\n\
     [apps.talk.logs]\nmax_size = \"1KB\"\nmax_files = 200\n";

#[test]
fn following_sees_each_line_once_over_rotations_and_a_restart_of_the_supervisor() {
    let house = House::new(TALKER);
    house.start();
    let arguments = ["logs", "talk", "--channel", "out", "--lines", "0", "--follow", "--raw"];
    let mut follower = house.command(&arguments).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut next = || {
        let line = lines.next().unwrap().unwrap();
        line.rsplit(' ').next().unwrap().parse::<u64>().unwrap()
    };
    let first = next();
    for number in first + 1..first + 200 {
        assert_eq!(next(), number, "a line is lost or doubled");
    }
    let is_there = |ending: &str| house.path(&format!("logs/talk.out.log.3{ending}")).exists();
    wait_for("a rotation, compressed or not yet", || is_there("") || is_there(".zst"));
    assert_eq!(house.run(&["stop"]).code, Some(0));
    house.start();
    let mut before = next();
    while before != 1 {
        let number = next();
        assert!(number == before + 1 || number == 1, "{number} after {before}");
        before = number;
    }
    follower.kill().unwrap();
    follower.wait().unwrap();
}

#[test]
fn what_somebody_looks_for_is_found_in_all_logs_together() {
    let house = House::with_workers(2, "--print-lines 3", "");
    house.start();
    let lines = |arguments: &[&str]| -> Vec<serde_json::Value> {
        let said = house.run(&[&["logs", "--json"], arguments].concat());
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    wait_for("both workers' lines", || lines(&["--grep", "^line 2$", "--since", "1h"]).len() == 2);
    wait_for("the line of slot 1", || {
        let found = lines(&["query:1", "--channel", "supervisor", "--since", "today"]);
        found.iter().any(|line| line["line"].as_str().unwrap().contains("phase=\"ready\""))
            && found.iter().all(|line| line["slot"] == 1 && line["app"] == "query")
    });
    let all = lines(&["--lines", "1000"]);
    let times: Vec<&str> = all.iter().filter_map(|line| line["timestamp"].as_str()).collect();
    assert!(times.is_sorted(), "{times:?}");
    assert!(lines(&["--level", "error"]).iter().all(|line| line["level"] == "error"));
    assert!(lines(&["--until", "1h", "--channel", "supervisor"]).is_empty());
    let said = house.run(&["logs", "--grep", "nobody says this"]);
    assert!(said.err.contains("no line of") && said.code == Some(0), "{said:?}");
}

#[test]
fn what_cannot_be_looked_for_is_refused_with_a_way_out() {
    let house = House::with_workers(1, "", "");
    for (option, value, words) in [
        ("--grep", "a(b", "\\("),
        ("--since", "noon", "today"),
        ("--until", "tomorrow", "10m"),
        ("--level", "loud", "warn"),
        ("--channel", "acess", "access"),
    ] {
        let said = house.run(&["logs", option, value]);
        assert_eq!(said.code, Some(2), "{said:?}");
        assert!(said.err.contains(words), "{option} {value}: {said:?}");
    }
    let said = house.run(&["logs", "--since", "10m", "--until", "1h"]);
    assert!(said.code == Some(2) && said.err.contains("nothing is between"), "{said:?}");
    let said = house.run(&["logs"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let place = house.path("logs").display().to_string();
    assert!(said.err.contains("no logs in") && said.err.contains(&place), "{said:?}");
}

#[test]
fn a_reader_that_leaves_ends_following_at_once() {
    let house = House::with_workers(1, "", "");
    house.start();
    let mut child = house
        .command(&["logs", "--follow"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut String::new()).unwrap();
    drop(out);
    // Nothing more is written, and it leaves all the same.
    assert!(child.wait().unwrap().success());
}

#[test]
fn logs_are_emptied_rotated_and_opened_anew_when_somebody_says_so() {
    let house = House::new(TICKER);
    house.start();
    let log = house.path("logs/tick.out.log");
    let own = house.path("logs/supervisor.log");
    wait_for("a line", || std::fs::metadata(&log).is_ok_and(|about| about.len() > 0));
    let said = house.run(&["rotate-logs"]);
    assert!(said.code == Some(0) && said.err.contains("rotated the logs of all"), "{said:?}");
    wait_for("the supervisor's own file", || house.path("logs/supervisor.log.1").exists());
    let old = std::fs::metadata(&own).unwrap().len();
    let said = house.run(&["flush", "tick"]);
    assert!(said.code == Some(0) && said.err.contains("emptied the logs of tick"), "{said:?}");
    assert!(std::fs::metadata(&own).unwrap().len() >= old, "that of another was emptied");
    std::fs::rename(&log, house.path("logs/mine")).unwrap();
    assert_eq!(house.run(&["reloadLogs"]).code, Some(0));
    wait_for("a new file", || std::fs::metadata(&log).is_ok_and(|about| about.len() > 0));
    let mine = std::fs::metadata(house.path("logs/mine")).unwrap().len();
    wait_for("more lines", || std::fs::metadata(&log).is_ok_and(|about| about.len() > 50));
    assert_eq!(std::fs::metadata(house.path("logs/mine")).unwrap().len(), mine);
    for command in ["flush", "rotate-logs"] {
        let said = house.run(&[command, "tock"]);
        assert!(said.code == Some(2) && said.err.contains("did you mean `tick`"), "{said:?}");
    }
}

#[test]
fn the_supervisors_own_log_is_json_when_asked_and_read_in_both_forms() {
    let text = crate::harness::query(1, "", "");
    let house = House::new(&text);
    house.start();
    assert_eq!(house.run(&["stop"]).code, Some(0));
    let log = || std::fs::read_to_string(house.path("logs/supervisor.log")).unwrap();
    let in_words = log().lines().count();
    assert!(!log().contains('{'), "{}", log());

    house.write(&text.replace("[supervisor]", "[supervisor]\nlog_format = \"json\""));
    house.start();
    assert_eq!(house.run(&["restart", "query"]).code, Some(0));
    let pid = house.pids()[0];
    assert_eq!(house.run(&["stop"]).code, Some(0));
    let text = log();
    let (mut moved, mut last) = (0, None);
    for line in text.lines().skip(in_words) {
        let said: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|error| {
            panic!("{error}: {line}");
        });
        let word = |key: &str| said[key].as_str().unwrap_or_else(|| panic!("no {key}: {line}"));
        let time: jiff::Timestamp = word("timestamp").parse().unwrap();
        assert!(time.as_second() > 1_700_000_000, "{line}");
        assert!(["error", "warn", "info", "debug", "trace"].contains(&word("level")), "{line}");
        assert!(!word("message").is_empty() && !word("logger").is_empty(), "{line}");
        if said["app"] == "query" && said["phase"] == "ready" {
            assert_eq!((said["slot"].as_u64(), said["run"].is_u64()), (Some(0), true), "{line}");
            last = said["pid"].as_u64();
            moved += 1;
        }
    }
    assert_eq!((moved, last), (2, Some(pid)), "the pid is that of whom the line is about: {text}");

    // The command reads both forms alike.
    let read = |more: &[&str]| -> Vec<serde_json::Value> {
        let arguments = [&["logs", "--channel", "supervisor", "-n", "10000", "--json"], more];
        let said = house.run(&arguments.concat());
        assert_eq!(said.code, Some(0), "{said:?}");
        said.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = read(&[]);
    assert_eq!(all.len(), text.lines().count());
    for line in &all {
        assert!(line["timestamp"].is_string() && line["level"].is_string(), "{line}");
    }
    let of_query = read(&["query"]);
    let ready = |line: &&serde_json::Value| {
        let words = line["line"].as_str().unwrap();
        words.contains("phase=\"ready\"") || words.contains("\"phase\":\"ready\"")
    };
    assert_eq!(of_query.iter().filter(ready).count(), moved + 1, "{of_query:?}");
    assert!(of_query.iter().all(|line| line["app"] == "query"), "{of_query:?}");
    let shown = house.run(&["logs", "query", "--channel", "supervisor"]).out;
    assert!(!shown.contains('{') && shown.contains("INFO"), "{shown}");
}
