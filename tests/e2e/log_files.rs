//! What becomes of log files: rotation at full speed, compression, a full disk, orders of operators.
#![expect(clippy::disallowed_methods, reason = "a test mounts a disk, and times are promised")]

use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use mcp_protocol::control::{Request, Target};
use mcp_supervisor::runtime::ask;

use crate::harness::{House, alive, signal, skip, wait_for};
use crate::metrics::scrape;

/// The length of a line of the printer, its end included.
const LINE_BYTES: usize = 100;

/// An app whose program prints, as `PRINTER` is told.
fn printer(arguments: &str, logs: &str) -> String {
    format!(
        "[supervisor]\nmetrics = \"off\"\nwatch = false\n[apps.loud]\nready = \"10ms\"\n\
         exec = [\"PRINTER\", {arguments}]\n[apps.loud.logs]\n{logs}\n"
    )
}

/// The files of a series with their numbers, oldest first; the one that is written to has number 0.
/// Of one that is there compressed and plain the plain one counts.
fn series(house: &House, name: &str) -> Vec<(u32, PathBuf)> {
    let entries = std::fs::read_dir(house.path("logs")).unwrap().flatten();
    let mut files: Vec<(u32, PathBuf)> = entries
        .filter_map(|entry| {
            let file = entry.file_name().into_string().unwrap();
            let rest = file.strip_prefix(name)?.trim_end_matches(".zst").trim_start_matches('.');
            Some((if rest.is_empty() { 0 } else { rest.parse().ok()? }, entry.path()))
        })
        .collect();
    files.sort_by_key(|(number, path)| (std::cmp::Reverse(*number), path.clone()));
    files.dedup_by_key(|(number, _)| *number);
    files
}

/// What is in a file, compressed or not.
fn content(path: &Path) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut file = File::open(path).unwrap();
    match path.extension().is_some_and(|ending| ending == "zst") {
        true => zstd::stream::copy_decode(file, &mut bytes).unwrap(),
        false => drop(file.read_to_end(&mut bytes).unwrap()),
    }
    bytes
}

/// The number of a line of the printer; none when it is not whole.
fn number(line: &[u8]) -> Option<u64> {
    let (digits, rest) = line.split_at_checked(10)?;
    let whole = line.len() == LINE_BYTES && rest == [b" ", &[b'x'; 88][..], b"\n"].concat();
    std::str::from_utf8(digits).ok()?.parse().ok().filter(|_| whole)
}

#[test]
fn a_flood_over_rotations_and_compression_is_kept_whole() {
    let logs = "max_size = \"1MB\"\nmax_files = 200";
    let house = House::new(&printer("\"1000000\", \"report\"", logs));
    house.start();
    wait_for("the end of the flood", || house.path("report").exists());
    let is_compressed = |path: &PathBuf| path.extension().is_some_and(|ending| ending == "zst");
    // As much again, while older files are compressed, for as long as that takes here.
    std::fs::remove_file(house.path("report")).unwrap();
    // The last file is full, too, and is rotated then, or would be before the next line.
    wait_for("the last file, and some that are compressed", || {
        let files = series(&house, "loud.out.log");
        let is_full =
            |path: &PathBuf| std::fs::metadata(path).is_ok_and(|it| it.len() == 1_000_000);
        let is_whole = files.len() == 201 || (files.len() == 200 && is_full(&files[199].1));
        is_whole && files.iter().filter(|(_, path)| is_compressed(path)).count() > 2
    });
    assert_eq!(house.run(&["stop"]).code, Some(0));

    let mut expected = 0;
    let files = series(&house, "loud.out.log");
    for (_, path) in &files {
        let bytes = content(path);
        assert!(bytes.len() <= 1_000_000 + LINE_BYTES, "{}: {}", path.display(), bytes.len());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            assert_eq!(number(line), Some(expected), "in {}", path.display());
            expected += 1;
        }
    }
    assert_eq!(expected, 2_000_000);
    assert!(
        files.iter().take_while(|(number, _)| *number > 1).any(|(_, path)| is_compressed(path))
    );
    assert!(!is_compressed(&files[files.len() - 2].1), "the newest rotated file stays plain");
}

#[test]
fn a_kill_amid_rotations_leaves_each_line_in_one_file() {
    let logs = "max_size = \"200KB\"\nmax_files = 1000";
    let house = House::new(&printer("\"1500000\"", logs));
    house.start();
    let supervisor = house.status()["pid"].as_u64().unwrap();
    wait_for("rotations", || series(&house, "loud.out.log").len() > 30);
    signal("-KILL", supervisor);
    wait_for("the end of the supervisor", || !alive(supervisor));
    let files = series(&house, "loud.out.log");
    let mut expected = 0;
    for (_, path) in &files {
        let bytes = content(path);
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            // We may have been killed in the middle of the very last line.
            if line.ends_with(b"\n") || path != &files[files.len() - 1].1 {
                assert_eq!(number(line), Some(expected), "in {}", path.display());
                expected += 1;
            }
        }
    }
    assert!(expected > 50_000, "{expected} lines");
    // Its program is ended as well.
    assert_eq!(house.run(&["stop"]).code, Some(0));
}

#[test]
fn what_is_written_rotated_and_compressed_is_counted_by_app_and_channel() {
    let logs = "max_size = \"1MB\"\nmax_files = 20";
    let text = printer("\"50000\", \"report\"", logs).replace("\"off\"", "\"127.0.0.1:0\"");
    let house = House::new(&text);
    house.start();
    wait_for("the end of the flood", || house.path("report").exists());
    let told = |name: &str, app: &str, channel: &str| -> f64 {
        let begin = format!("{name}{{app=\"{app}\",channel=\"{channel}\"}} ");
        let text = scrape(&house, "/metrics");
        let number = text.lines().find_map(|line| line.strip_prefix(&begin));
        number.unwrap_or_else(|| panic!("no {begin}")).parse().unwrap()
    };
    wait_for("all of it", || told("supervisor_log_bytes_total", "loud", "out") == 5_000_000.0);
    let rotations = || told("supervisor_log_rotations_total", "loud", "out");
    // A file is begun anew with the next line, or when it is full.
    assert!((4.0..=5.0).contains(&rotations()), "{}", rotations());
    let before = rotations();
    let own_before = told("supervisor_log_rotations_total", "", "supervisor");
    assert_eq!(house.run(&["rotate-logs"]).code, Some(0));
    let left = series(&house, "loud.out.log").len() - 1;
    assert_eq!(rotations(), left as f64, "{before}");
    wait_for("the supervisor's own", || {
        told("supervisor_log_rotations_total", "", "supervisor") == own_before + 1.0
    });
    assert!(told("supervisor_log_bytes_total", "", "supervisor") > 0.0);
    // All but the newest rotated one.
    let compressed = (left as f64 - 1.0) * 1_000_000.0;
    wait_for("the compression", || {
        told("supervisor_log_compressed_bytes_total", "loud", "out") >= compressed
    });
    let small = told("supervisor_log_compressed_files_bytes_total", "loud", "out");
    assert!(small > 0.0 && small < compressed / 10.0, "{small}");
    assert_eq!(told("supervisor_log_lost_bytes_total", "loud", "out"), 0.0);
    assert_eq!(told("supervisor_log_bytes_total", "loud", "err"), 0.0);
}

#[test]
fn whoever_rotates_is_told_what_waits_for_the_end_of_its_line() {
    let text = "[supervisor]\nmetrics = \"off\"\nwatch = false\n[apps.slow]\nready = \"10ms\"\n\
                exec = [\"sh\", \"-c\", \"printf begun; while ! [ -e go ]; do sleep 0.02; done; \
                echo ended; echo next; exec sleep 1000\"]\n";
    let house = House::new(text);
    house.start();
    let log = |ending: &str| {
        std::fs::read_to_string(house.path(&format!("logs/slow.out.log{ending}")))
            .unwrap_or_default()
    };
    wait_for("the beginning of its line", || log("") == "begun");
    let words = "slow: slow.out.log will be rotated when its last line ends";
    let said = house.run(&["rotate-logs", "slow"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains(words) || said.out.contains(words), "{said:?}");
    let remarks = |status: &serde_json::Value| status["apps"][0]["remarks"].to_string();
    let waits = |status: &serde_json::Value| remarks(status).contains("slow.out.log will be");
    house.wait_until("the remark", |status| waits(status));
    std::fs::write(house.path("go"), "").unwrap();
    wait_for("the rotation", || log(".1") == "begunended\n" && log("") == "next\n");
    house.wait_until("the remark to go", |status| !waits(status));
}

/// A small file system that is gone with its owner.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(at: PathBuf, bytes: u64) -> Option<SmallDisk> {
        std::fs::create_dir_all(&at).unwrap();
        let options = format!("size={bytes}");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "none"]).arg(&at);
        mount.output().is_ok_and(|said| said.status.success()).then_some(SmallDisk(at))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

#[test]
fn a_full_disk_holds_nobody_and_what_is_lost_is_counted() {
    let house = House::new(&printer("\"200000\", \"report\"", "max_size = \"1GB\""));
    let Some(disk) = SmallDisk::mount(house.path("logs"), 8_000_000) else {
        return skip(
            "a_full_disk_holds_nobody_and_what_is_lost_is_counted",
            "needs the right to mount a file system",
        );
    };
    let ballast = house.path("logs/ballast");
    std::fs::write(&ballast, vec![0; 4_000_000]).unwrap();
    house.start();
    wait_for("the end of the flood", || house.path("report").exists());
    let waited: u64 = std::fs::read_to_string(house.path("report")).unwrap().parse().unwrap();
    assert!(waited <= 1000, "a write took {waited} ms");
    let remark = |status: &serde_json::Value| status["apps"][0]["remarks"].to_string();
    let status = house.wait_until("the remark", |status| {
        remark(status).contains("loud.out.log cannot be written (No space left on device)")
    });
    assert!(status["dropped_total"].as_u64().unwrap() > 10_000_000, "{status}");
    let log = house.path("logs/loud.out.log");
    let full = content(&log).len();

    let begun = Instant::now();
    std::fs::remove_file(&ballast).unwrap();
    wait_for("the mark", || content(&log).len() > full);
    let resumed = begun.elapsed();
    assert!(resumed <= Duration::from_secs(1), "resumed after {resumed:?}");
    let status = house.wait_until("the remark to go", |status| !remark(status).contains("cannot"));
    let dropped = status["dropped_total"].as_u64().unwrap();

    // What follows is complete, until the disk is full again.
    std::fs::remove_file(house.path("report")).unwrap();
    wait_for("new lines", || content(&log).len() > full + 1_000_000);
    let bytes = content(&log);
    let mark = format!(
        "[mcp-supervisor: {dropped} bytes of output were dropped here, the disk refused them]\n"
    );
    let text = String::from_utf8(bytes).unwrap();
    let (before, after) = text.split_once(&mark).unwrap_or_else(|| panic!("no {mark}"));
    let whole = before.rfind('\n').map_or(0, |at| at + 1);
    let lines = before.split_inclusive('\n').filter_map(|line| number(line.as_bytes()));
    let kept: Vec<u64> = lines.collect();
    assert!(kept.iter().copied().eq(0..kept.len() as u64), "what was written is whole");
    // The one line in which the disk was full is cut, and ended.
    let cut = before.len() - kept.len() * LINE_BYTES;
    let cut = cut.saturating_sub(1) as u64;
    assert_eq!(whole, before.len(), "the mark is a line of its own");
    assert_eq!(kept.len() as u64 * LINE_BYTES as u64 + cut + dropped, 200_000 * LINE_BYTES as u64);
    let next = after.split_inclusive('\n').next().unwrap();
    assert_eq!(number(next.as_bytes()), Some(200_000), "{next}");
    assert_eq!(house.run(&["stop"]).code, Some(0));
    drop(disk);
}

#[test]
fn what_a_full_disk_lost_before_a_kill_is_marked_by_the_next_supervisor() {
    let house = House::new(&printer("\"200000\", \"report\"", "max_size = \"1GB\""));
    let Some(disk) = SmallDisk::mount(house.path("logs"), 8_000_000) else {
        return skip(
            "what_a_full_disk_lost_before_a_kill_is_marked_by_the_next_supervisor",
            "needs the right to mount a file system",
        );
    };
    let ballast = house.path("logs/ballast");
    std::fs::write(&ballast, vec![0; 4_000_000]).unwrap();
    house.start();
    wait_for("the end of the flood", || house.path("report").exists());
    let kept = house.path("run/loud.out.lost");
    wait_for("what is kept of it", || kept.exists());
    let supervisor = house.status()["pid"].as_u64().unwrap();
    signal("-KILL", supervisor);
    wait_for("the end of the supervisor", || !alive(supervisor));
    std::fs::remove_file(&ballast).unwrap();
    house.start();
    let log = house.path("logs/loud.out.log");
    wait_for("the mark", || !kept.exists());
    // Its program is started anew and prints the same again.
    let marked = || -> Option<(String, String)> {
        let text = String::from_utf8(content(&log)).unwrap();
        let (before, after) = text.split_once("[mcp-supervisor: ")?;
        after.contains("\n0000000000 x").then(|| (before.to_owned(), after.to_owned()))
    };
    wait_for("new lines", || marked().is_some());
    let (before, after) = marked().unwrap();
    let (dropped, after) = after.split_once(" bytes of output were dropped here").unwrap();
    let dropped: usize = dropped.parse().unwrap_or_else(|_| panic!("not to the byte: {dropped}"));
    let whole = before.lines().filter(|line| line.len() == LINE_BYTES - 1).count() * LINE_BYTES;
    let cut = (before.len() - whole).saturating_sub(1);
    let after = after.split_once('\n').unwrap().1;
    let between = after.find("0000000000 x").unwrap();
    assert_eq!(
        whole + cut + dropped + between,
        200_000 * LINE_BYTES,
        "every byte is accounted for"
    );
    assert_eq!(house.run(&["stop"]).code, Some(0));
    drop(disk);
}

#[test]
fn a_workers_file_is_rotated_and_left_plain_while_somebody_writes_to_it() {
    let more = "[apps.query.health]\nheartbeat_interval = \"10ms\"\n\
                [apps.query.logs]\nmax_size = \"1KB\"\n";
    let house = House::with_workers(1, "", more);
    house.start();
    let log = house.path("logs/application.log");
    let rotated = |ending: &str| house.path(&format!("logs/application.log.{ending}"));
    let open = || File::options().append(true).create(true).open(&log).unwrap();
    let mut slow = open();
    let line = |number: u32| format!("{number} {}\n", "x".repeat(1100));
    slow.write_all(line(1).as_bytes()).unwrap();
    wait_for("the first rotation", || rotated("1").exists());
    // Another worker has opened the new file; this one is late.
    open().write_all(line(2).as_bytes()).unwrap();
    wait_for("the second rotation", || rotated("2").exists());
    slow.write_all(b"late\n").unwrap();
    open().write_all(line(3).as_bytes()).unwrap();
    wait_for("the compression of what nobody has open", || rotated("2.zst").exists());
    assert_eq!(content(&rotated("3")), (line(1) + "late\n").as_bytes());
    assert_eq!(content(&rotated("2.zst")), line(2).as_bytes());
    drop(slow);
    wait_for("the compression of the late one's", || rotated("3.zst").exists());
    wait_for("the plain one to go", || !rotated("3").exists());
    assert_eq!(content(&rotated("3.zst")), (line(1) + "late\n").as_bytes());
    assert_eq!(content(&rotated("1")), line(3).as_bytes());
}

#[test]
fn operators_rotate_and_empty_files() {
    let house = House::with_workers(1, "--print-lines 3", "[apps.query.logs]\nmerge = false\n");
    house.start();
    let socket = house.path("run/supervisor.sock");
    let ask = |request: &Request| ask(&socket, request, &mut |_| {});
    let place = |name: &str| house.path(&format!("logs/{name}"));
    let length = |name: &str| place(name).metadata().map_or(0, |about| about.len());
    wait_for("its lines", || length("query[0].out.log") == 21);
    for channel in ["application.log", "audit.log"] {
        std::fs::write(place(channel), "a line\n").unwrap();
    }
    let app = Some(Target::App("query".to_owned()));
    ask(&Request::RotateLogs { target: app.clone() }).unwrap();
    assert_eq!(length("query[0].out.log.1"), 21);
    assert_eq!((length("query[0].out.log"), length("application.log")), (0, 7));
    ask(&Request::RotateLogs { target: None }).unwrap();
    assert_eq!(length("application.log.1"), 7);
    assert!(!place("query[0].out.log.2").exists(), "there was nothing to rotate");
    wait_for("the supervisor's own", || length("supervisor.log.1") > 0);

    for channel in ["application.log", "audit.log"] {
        std::fs::write(place(channel), "a line\n").unwrap();
    }
    ask(&Request::FlushLogs { target: None }).unwrap();
    assert_eq!((length("application.log"), length("audit.log")), (0, 7));
    assert_eq!(length("query[0].out.log.1"), 21, "what was rotated stays");
    let error = ask(&Request::FlushLogs { target: Some(Target::App("nobody".to_owned())) });
    assert!(error.unwrap_err().to_string().contains("nobody"));
    std::fs::write(place("gone.err.log"), "a line\n").unwrap();
    ask(&Request::FlushLogs { target: Some(Target::App("gone".to_owned())) }).unwrap();
    assert_eq!(length("gone.err.log"), 0);
}

#[test]
fn a_stream_takes_little_memory() {
    let apps = 10;
    let app = |number: u32| {
        format!(
            "[apps.loud{number}]\nready = \"10ms\"\nexec = [\"PRINTER\", \"50000\", \"report{number}\"]\n\
             [apps.loud{number}.logs]\nmax_size = \"1MB\"\n"
        )
    };
    let calm = "[supervisor]\nmetrics = \"off\"\nwatch = false\n[apps.calm]\nexec = [\"sleep\", \"1000\"]\n\
                ready = \"10ms\"\n";
    let house = House::new(calm);
    house.start();
    let resident = || {
        let pid = house.status()["pid"].as_u64().unwrap();
        let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
    };
    let before = resident();
    house.write(&(calm.to_owned() + &(0..apps).map(app).collect::<String>()));
    assert_eq!(house.run(&["reload"]).code, Some(0));
    wait_for("the end of the flood", || {
        (0..apps).all(|number| house.path(&format!("report{number}")).exists())
    });
    let streams = 2 * u64::from(apps);
    let each = resident().saturating_sub(before) / streams;
    assert!(each <= 1_000_000, "{each} bytes for each of {streams} streams, compression included");
}
