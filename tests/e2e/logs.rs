//! What programs print, and how operators read it.

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use crate::harness::{House, wait_for};

#[test]
fn a_burst_of_output_is_kept_whole_over_rotations() {
    let rotation = "[apps.query.logs]\nmax_size = \"1KB\"\nmax_files = 1000";
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
fn logs_shows_the_last_lines_of_each_log_and_follows() {
    let house = House::with_workers(1, "--print-lines 100", "");
    house.start();
    let said = house.run(&["logs", "query", "--lines", "2"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(said.out, "query.out.log | line 98\nquery.out.log | line 99\n");
    let said = house.run(&["logs"]);
    assert!(said.out.contains("supervisor.log"), "{said:?}");
    assert!(said.out.contains("phase=\"ready\""), "{said:?}");
    assert_eq!(house.run(&["logs", "nobody"]).code, Some(2));

    let mut follower = house
        .command(&["logs", "query", "--lines", "1", "--follow"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "query.out.log | line 99");
    assert_eq!(house.run(&["restart"]).code, Some(0));
    assert_eq!(lines.next().unwrap().unwrap(), "query.out.log | line 0");
    follower.kill().unwrap();
    follower.wait().unwrap();
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
