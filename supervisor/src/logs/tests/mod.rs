//! Directories of logs, as they are found on machines: in mixtures, rotated, damaged, written to.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mcp_protocol::control::Target;
use mcp_protocol::settings::LogLevel;
use regex::bytes::Regex;

use super::past::TIMELESS_LINES;
use super::{Audience, Entry, News, Past, Recent, Wanted};

const CHANNELS: [&str; 5] = ["supervisor", "application", "access", "out", "err"];
/// How long a line may take on a slow machine.
const PATIENCE: Duration = Duration::from_secs(30);

/// A directory with logs.
struct Logs(tempfile::TempDir);

impl Logs {
    fn new(files: &[(&str, &str)]) -> Logs {
        let logs = Logs(tempfile::tempdir().unwrap());
        files.iter().for_each(|(name, text)| logs.write(name, text));
        logs
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let bytes = match name.ends_with(".zst") {
            true => zstd::encode_all(text.as_bytes(), 1).unwrap(),
            false => text.as_bytes().to_vec(),
        };
        fs::write(self.path(name), bytes).unwrap();
    }

    /// Says when a file was written last.
    fn written(&self, name: &str, time: &str) {
        let time: Timestamp = time.parse().unwrap();
        let file = File::options().append(true).open(self.path(name)).unwrap();
        file.set_modified(time.into()).unwrap();
    }

    fn append(&self, name: &str, text: &str) {
        let mut file = File::options().append(true).create(true).open(self.path(name)).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    fn read(&self, wanted: &Wanted) -> Vec<String> {
        self.read_with_notes(wanted).0
    }

    fn read_with_notes(&self, wanted: &Wanted) -> (Vec<String>, Vec<String>) {
        let mut past = Past::open(self.0.path(), wanted).unwrap();
        let mut lines = Vec::new();
        let mut show = |entry: &Entry| {
            lines.push(String::from_utf8_lossy(&entry.line).into_owned());
            Ok(())
        };
        let shown = past.show(&mut show).unwrap();
        assert_eq!(shown, lines.len() as u64);
        (lines, past.notes)
    }
}

fn all() -> Wanted {
    Wanted {
        target: Target::All,
        channels: BTreeSet::from(CHANNELS),
        since: None,
        until: None,
        lines: None,
        level: None,
        grep: None,
        zone: TimeZone::UTC,
    }
}

fn last(count: usize) -> Wanted {
    Wanted { lines: Some(count), ..all() }
}

fn at(text: &str) -> Option<Timestamp> {
    Some(text.parse().unwrap())
}

fn json(second: u32, app: &str, slot: u32, level: &str, message: &str) -> String {
    format!(
        "{{\"timestamp\":\"2026-11-21T10:00:{second:02}.5Z\",\"level\":\"{level}\",\
         \"message\":\"{message}\",\"app\":\"{app}\",\"slot\":{slot}}}\n"
    )
}

fn messages(lines: &[String]) -> Vec<&str> {
    lines
        .iter()
        .map(|line| match line.find("\"message\":\"") {
            Some(begin) => line[begin + 11..].split('"').next().unwrap(),
            None => line.as_str(),
        })
        .collect()
}

/// Three logs over five files in a mixture of forms.
fn mixed() -> Logs {
    let own = |second: u32, words: &str| format!("2026-11-21T10:00:{second:02}Z  INFO {words}\n");
    let logs = Logs::new(&[
        (
            "application.log.2.zst",
            &(json(1, "query", 0, "info", "a") + &json(3, "query", 1, "warn", "b")),
        ),
        ("application.log.1", &json(5, "admin", 0, "error", "c")),
        (
            "application.log",
            &(json(9, "query", 1, "error", "d") + &json(12, "query", 0, "info", "e")),
        ),
        ("supervisor.log.1.zst", &own(2, "worker app=query slot=0 run=1")),
        ("supervisor.log", &(own(7, "worker app=admin slot=0 run=2") + &own(11, "accepted"))),
        ("web.out.log.1", "one\ntwo\n"),
        ("web.out.log", "three\nfour\n"),
    ]);
    for (name, time) in [
        ("application.log.2.zst", "2026-11-21T10:00:03.6Z"),
        ("application.log.1", "2026-11-21T10:00:05.6Z"),
        ("application.log", "2026-11-21T10:00:12.6Z"),
        ("supervisor.log.1.zst", "2026-11-21T10:00:02.1Z"),
        ("supervisor.log", "2026-11-21T10:00:11.1Z"),
        ("web.out.log.1", "2026-11-21T10:00:04Z"),
        ("web.out.log", "2026-11-21T10:00:10Z"),
    ] {
        logs.written(name, time);
    }
    logs
}

const ALL_IN_ORDER: [&str; 12] = [
    "a",
    "2026-11-21T10:00:02Z  INFO worker app=query slot=0 run=1",
    "b",
    "one",
    "two",
    "c",
    "2026-11-21T10:00:07Z  INFO worker app=admin slot=0 run=2",
    "d",
    "three",
    "four",
    "2026-11-21T10:00:11Z  INFO accepted",
    "e",
];

#[test]
fn logs_are_merged_by_time_over_rotated_and_compressed_files() {
    let logs = mixed();
    assert_eq!(messages(&logs.read(&all())), ALL_IN_ORDER);
    for count in 0..=13 {
        let wanted = &ALL_IN_ORDER[ALL_IN_ORDER.len().saturating_sub(count)..];
        assert_eq!(messages(&logs.read(&last(count))), wanted, "the last {count}");
    }
}

#[test]
fn lines_are_chosen_by_time_level_words_and_whose_they_are() {
    let logs = mixed();
    let since = Wanted { since: at("2026-11-21T10:00:05.5Z"), ..all() };
    assert_eq!(messages(&logs.read(&since)), ALL_IN_ORDER[5..]);
    let until = Wanted { until: at("2026-11-21T10:00:07Z"), ..all() };
    let lines = logs.read(&until);
    // Lines without a time may be of then, as far as anybody knows: their file was begun before.
    assert_eq!(messages(&lines), [&ALL_IN_ORDER[..7], &["three", "four"]].concat());
    let level = Wanted { level: Some(LogLevel::Warn), ..all() };
    assert_eq!(messages(&logs.read(&level)), ["b", "c", "d"]);
    let grep = Wanted { grep: Some(Regex::new("run=|^t").unwrap()), ..all() };
    assert_eq!(logs.read(&grep).len(), 4);
    let of = |target: Target| Wanted { target, ..all() };
    let app = Target::App("query".to_owned());
    let lines = logs.read(&of(app.clone()));
    assert_eq!(messages(&lines), ["a", ALL_IN_ORDER[1], "b", "d", "e"]);
    let slot = Target::Slot { app: "query".to_owned(), slot: 1 };
    assert_eq!(messages(&logs.read(&of(slot))), ["b", "d"]);
    let channel = Wanted { channels: BTreeSet::from(["out"]), ..last(3) };
    assert_eq!(logs.read(&channel), ["two", "three", "four"]);
    let last_of_app = Wanted { target: app, ..last(2) };
    assert_eq!(messages(&logs.read(&last_of_app)), ["d", "e"]);
}

#[test]
fn files_of_single_slots_are_preferred_to_those_of_the_app() {
    let logs = Logs::new(&[
        ("web.out.log", "of any\n"),
        ("web[1].out.log", "of one\n"),
        ("web[2].out.log", "of two\n"),
    ]);
    let slot = |slot| Wanted { target: Target::Slot { app: "web".to_owned(), slot }, ..all() };
    assert_eq!(logs.read(&slot(1)), ["of one"]);
    assert_eq!(logs.read(&slot(3)), ["of any"]);
    let app = Wanted { target: Target::App("web".to_owned()), ..all() };
    assert_eq!(logs.read(&app).len(), 3);
}

#[test]
fn a_trace_stays_with_its_line_in_time_and_level() {
    let logs = Logs::new(&[
        (
            "web.err.log",
            "2026-11-21 10:00:01 ERROR broken\n  at one\n  at two\n2026-11-21 10:00:03 INFO fine\n  more\n",
        ),
        ("application.log", &json(2, "query", 0, "warn", "between")),
    ]);
    let lines = logs.read(&all());
    assert_eq!(
        messages(&lines)[..4],
        ["2026-11-21 10:00:01 ERROR broken", "  at one", "  at two", "between"]
    );
    assert_eq!(messages(&logs.read(&last(3)))[0], "between");
    let errors = Wanted { level: Some(LogLevel::Error), ..all() };
    assert_eq!(logs.read(&errors)[1..], ["  at one", "  at two"]);
    let since = Wanted { since: at("2026-11-21T10:00:02Z"), ..all() };
    assert_eq!(logs.read(&since).len(), 3, "the trace is as old as its line");
}

#[test]
fn of_a_large_file_only_what_is_wanted_is_read() {
    let lines: String = (0..60_000u32)
        .map(|second| {
            let (hour, minute) = (second / 3600, second / 60 % 60);
            format!("2026-11-21T{hour:02}:{minute:02}:{:02}Z INFO line {second}\n", second % 60)
        })
        .collect();
    let logs = Logs::new(&[
        ("supervisor.log", &lines),
        ("supervisor.log.1.zst", &lines.replace("11-21", "11-20")),
    ]);
    let between =
        Wanted { since: at("2026-11-21T05:00:00Z"), until: at("2026-11-21T05:00:09Z"), ..all() };
    let wanted: Vec<String> =
        (0..10).map(|n| format!("2026-11-21T05:00:{n:02}Z INFO line {}", 18_000 + n)).collect();
    assert_eq!(logs.read(&between), wanted);
    assert_eq!(logs.read(&Wanted { lines: Some(3), ..between }), wanted[7..]);
    let early = Wanted { until: at("2026-11-20T00:00:01Z"), ..last(5) };
    assert_eq!(logs.read(&early).len(), 2);
}

#[test]
fn a_log_without_times_is_not_poured_out() {
    let text: String = (0..3000).map(|number| format!("line {number}\n")).collect();
    let logs = Logs::new(&[("web.out.log", &text)]);
    let wanted = Wanted { since: at("2000-01-01T00:00:00Z"), ..all() };
    let (lines, notes) = logs.read_with_notes(&wanted);
    assert_eq!(lines.len(), TIMELESS_LINES);
    assert_eq!(lines.last().unwrap(), "line 2999");
    assert!(notes[0].contains("web.out.log") && notes[0].contains("--lines"), "{notes:?}");
    logs.written("web.out.log", "1999-12-31T00:00:00Z");
    assert!(logs.read(&wanted).is_empty(), "it was written before");
}

#[test]
fn a_file_without_times_does_not_get_those_of_the_file_before() {
    let logs = Logs::new(&[
        ("web.out.log.1", "2026-11-21 10:00:01 INFO with a time\n"),
        ("web.out.log", "without one\n"),
        ("application.log", &json(30, "query", 0, "info", "between")),
    ]);
    logs.written("web.out.log.1", "2026-11-21T10:00:01Z");
    logs.written("web.out.log", "2026-11-21T10:00:40Z");
    let wanted = Wanted { since: at("2026-11-21T10:00:00Z"), ..all() };
    let lines = logs.read(&wanted);
    assert_eq!(messages(&lines)[1..], ["between", "without one"]);
    let later = Wanted { since: at("2026-11-21T10:00:20Z"), ..all() };
    assert_eq!(messages(&logs.read(&later)), ["between", "without one"]);
}

#[test]
fn what_is_damaged_or_forbidden_is_named_and_the_rest_is_read() {
    let logs = Logs::new(&[("web.out.log", "last\n")]);
    let text: String = (0..100_000).map(|number| format!("{number}\n")).collect();
    let mut packed = zstd::encode_all(text.as_bytes(), 1).unwrap();
    packed.truncate(packed.len() / 2);
    fs::write(logs.path("web.out.log.1.zst"), packed).unwrap();
    fs::write(logs.path("web.out.log.2.zst"), "this is not zstd").unwrap();
    fs::write(logs.path("web.err.log"), b"\x00\xff\xfe\x1b]0;x\x07\n\x80\n").unwrap();
    let (lines, notes) = logs.read_with_notes(&all());
    assert!(lines.len() > 1000, "{}", lines.len());
    assert!(lines.contains(&"last".to_owned()));
    assert_eq!(notes.len(), 2, "{notes:?}");
    assert!(notes.iter().any(|note| note.contains("web.out.log.2.zst")), "{notes:?}");
    assert_eq!(logs.read(&Wanted { channels: BTreeSet::from(["out"]), ..last(1) }), ["last"]);
}

#[test]
fn an_endless_line_takes_bounded_memory_and_stays_whole() {
    let long = vec![b'x'; 5 * 1024 * 1024];
    let logs = Logs::new(&[("other.out.log", "between\n")]);
    fs::write(logs.path("web.out.log"), [&long[..], b"\nend\n"].concat()).unwrap();
    let mut past = Past::open(logs.0.path(), &all()).unwrap();
    let mut found = Vec::new();
    past.show(&mut |entry| {
        assert!(entry.line.len() <= 1024 * 1024);
        found.push((entry.line.len(), entry.begins));
        Ok(())
    })
    .unwrap();
    let of_long: Vec<_> = found.iter().skip_while(|(length, _)| *length < 10).take(5).collect();
    assert!(of_long.iter().all(|(length, _)| *length == 1024 * 1024), "{found:?}");
    assert_eq!(of_long.iter().filter(|(_, begins)| *begins).count(), 1);
    assert_eq!(logs.read(&Wanted { target: Target::App("web".to_owned()), ..last(2) }).len(), 2);
}

#[test]
fn no_directory_and_no_logs_are_nothing() {
    let logs = Logs::new(&[]);
    assert!(logs.read(&all()).is_empty());
    let mut past = Past::open(Path::new("/nonexistent/logs"), &all()).unwrap();
    assert_eq!(past.show(&mut |_| Ok(())).unwrap(), 0);
    assert_eq!(past.sources().count(), 0);
}

/// Somebody who looks until they are told to go.
struct Watcher {
    lines: Sender<String>,
    leave: Receiver<()>,
}

impl Audience for Watcher {
    fn show(&mut self, entry: &Entry) -> io::Result<()> {
        let _ = self.lines.send(String::from_utf8_lossy(&entry.line).into_owned());
        Ok(())
    }

    fn pause(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn is_gone(&mut self, within: Duration) -> bool {
        self.leave.recv_timeout(within) != Err(RecvTimeoutError::Timeout)
    }
}

struct Following {
    lines: Receiver<String>,
    leave: Sender<()>,
    thread: JoinHandle<()>,
}

impl Following {
    fn of(logs: &Logs, wanted: &Wanted) -> Following {
        let (tell, lines) = channel();
        let (leave, told) = channel();
        let mut past = Past::open(logs.0.path(), wanted).unwrap();
        let follower = past.follower(logs.0.path()).unwrap();
        let mut watcher = Watcher { lines: tell, leave: told };
        let thread = std::thread::spawn(move || follower.run(&mut watcher).unwrap());
        Following { lines, leave, thread }
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(PATIENCE).expect("a line")
    }

    fn expect(&self, lines: &[&str]) {
        for line in lines {
            assert_eq!(self.next(), *line);
        }
    }

    fn end(self) {
        self.leave.send(()).unwrap();
        self.thread.join().unwrap();
        assert_eq!(self.lines.try_iter().next(), None, "nothing is told twice");
    }
}

#[test]
fn following_loses_and_doubles_nothing_over_rotations() {
    let logs = Logs::new(&[("web.out.log", "old\nhalf")]);
    let following = Following::of(&logs, &all());
    logs.append("web.out.log", " done\none\n");
    following.expect(&["half done", "one"]);
    // The unfinished line moves over, as the supervisor does it.
    logs.append("web.out.log", "two\nunfini");
    following.expect(&["two"]);
    fs::rename(logs.path("web.out.log"), logs.path("web.out.log.1")).unwrap();
    logs.append("web.out.log", "unfini");
    let old = File::options().write(true).open(logs.path("web.out.log.1")).unwrap();
    old.set_len(old.metadata().unwrap().len() - 6).unwrap();
    logs.append("web.out.log", "shed\nthree\n");
    following.expect(&["unfinished", "three"]);
    // Two rotations at once, and the first of the two is compressed.
    let mut older = fs::read(logs.path("web.out.log")).unwrap();
    older.extend_from_slice(b"four\n");
    logs.append("web.out.log", "four\n");
    fs::rename(logs.path("web.out.log.1"), logs.path("web.out.log.3")).unwrap();
    fs::rename(logs.path("web.out.log"), logs.path("web.out.log.2")).unwrap();
    logs.write("web.out.log.1.zst", "five\nsix\n");
    logs.append("web.out.log", "seven\n");
    following.expect(&["four", "five", "six", "seven"]);
    following.end();
}

#[test]
fn following_meets_files_that_are_emptied_removed_and_begun() {
    let logs = Logs::new(&[("web.out.log", "a longer line than the next one\n")]);
    let following = Following::of(&logs, &all());
    File::options().write(true).open(logs.path("web.out.log")).unwrap().set_len(0).unwrap();
    logs.append("web.out.log", "anew\n");
    following.expect(&["anew"]);
    fs::remove_file(logs.path("web.out.log")).unwrap();
    logs.append("new.err.log", "hello\n");
    following.expect(&["hello"]);
    logs.append("web.out.log", "again\n");
    following.expect(&["again"]);
    logs.append("stranger.txt", "not a log\n");
    logs.append("access.log", "first\n");
    following.expect(&["first"]);
    following.end();
}

#[test]
fn following_goes_on_behind_a_log_that_was_rotated_and_not_begun_yet() {
    let logs = Logs::new(&[("web.out.log.1", "one\n"), ("web.out.log.2.zst", "zero\n")]);
    let packed = Logs::new(&[("web.out.log.1.zst", "one\n")]);
    for logs in [logs, packed] {
        let following = Following::of(&logs, &all());
        logs.append("web.out.log", "two\n");
        following.expect(&["two"]);
        following.end();
    }
}

#[test]
fn what_arrives_together_is_put_in_order_and_filtered() {
    let logs = Logs::new(&[("application.log", ""), ("access.log", "")]);
    let wanted = Wanted { level: Some(LogLevel::Warn), ..all() };
    let following = Following::of(&logs, &wanted);
    logs.append("application.log", &json(1, "q", 0, "info", "hidden"));
    logs.append("access.log", &json(3, "q", 0, "warn", "third"));
    // Before anybody could have looked twice.
    logs.append("application.log", &json(2, "q", 0, "warn", "second"));
    let lines = [following.next(), following.next()];
    let mut found = messages(&lines);
    found.sort_unstable();
    assert_eq!(found, ["second", "third"]);
    following.end();
}

#[test]
fn a_directory_that_is_made_later_is_followed() {
    let logs = Logs::new(&[]);
    let place = logs.path("logs");
    let (tell, lines) = channel();
    let (leave, told) = channel();
    let follower = Past::open(&place, &all()).unwrap().follower(&place).unwrap();
    let mut watcher = Watcher { lines: tell, leave: told };
    let thread = std::thread::spawn(move || follower.run(&mut watcher).unwrap());
    fs::create_dir(&place).unwrap();
    fs::write(place.join("web.out.log"), "first\n").unwrap();
    assert_eq!(lines.recv_timeout(PATIENCE).unwrap(), "first");
    drop(leave);
    thread.join().unwrap();
}

fn look(recent: &mut Recent) -> (Vec<String>, u64) {
    let News { entries, skipped_bytes } = recent.look(|_| true, 1000);
    let text = |entry: &Entry| String::from_utf8(entry.line.clone()).unwrap();
    (entries.iter().map(text).collect(), skipped_bytes)
}

#[test]
fn whoever_looks_now_and_then_gets_the_end_of_a_flood_over_rotations() {
    let logs = Logs::new(&[]);
    let mut recent = Recent::of(logs.0.path(), &all());
    assert_eq!(look(&mut recent), (Vec::new(), 0));
    logs.append("web.out.log", "first\n");
    assert_eq!(look(&mut recent), (vec!["first".to_owned()], 0));
    let flood = |from: u32| (from..from + 50).map(|number| format!("line {number:04}\n"));
    let rename = |from: &str, to: &str| std::fs::rename(logs.path(from), logs.path(to)).unwrap();
    // 500 bytes each: in the file that is open, in two more, and in the one that is written to.
    logs.append("web.out.log", &flood(0).collect::<String>());
    rename("web.out.log", "web.out.log.2");
    logs.append("web.out.log", &flood(50).collect::<String>());
    rename("web.out.log", "web.out.log.1");
    logs.append("web.out.log", &flood(100).collect::<String>());
    let (lines, skipped) = look(&mut recent);
    assert_eq!((lines.len(), skipped), (100, 500));
    assert_eq!((lines[0].as_str(), lines[99].as_str()), ("line 0050", "line 0149"));
    // The bound is in the middle of a line, of a file that is left.
    logs.append(
        "web.out.log",
        &flood(150).chain(["a line of 14 b\n".to_owned()]).collect::<String>(),
    );
    rename("web.out.log", "web.out.log.1");
    logs.append("web.out.log", &flood(200).collect::<String>());
    let (lines, skipped) = look(&mut recent);
    assert_eq!((lines.len(), skipped), (99, 15));
    assert_eq!((lines[0].as_str(), lines[98].as_str()), ("line 0152", "line 0249"));
    // Compressed files are not unpacked for it.
    let packed = zstd::encode_all("packed\n".as_bytes(), 1).unwrap();
    for older in ["web.out.log.1", "web.out.log.2"] {
        std::fs::remove_file(logs.path(older)).unwrap();
    }
    rename("web.out.log", "web.out.log.3");
    std::fs::write(logs.path("web.out.log.2.zst"), &packed).unwrap();
    logs.append("web.out.log", "last\n");
    assert_eq!(look(&mut recent), (vec!["last".to_owned()], packed.len() as u64));
    let mut late = Recent::of(logs.0.path(), &all());
    assert_eq!(late.look(|source| source.file == "other.out.log", 1000).entries.len(), 0);
    assert_eq!(look(&mut late).0, ["last"], "of what was compressed nothing is shown");
}

#[test]
fn whoever_looks_now_and_then_holds_no_line_without_an_end() {
    let logs = Logs::new(&[("web.out.log", "begin\n")]);
    let mut recent = Recent::of(logs.0.path(), &all());
    look(&mut recent);
    let mut skipped = 0;
    for _ in 0..40 {
        logs.append("web.out.log", &"z".repeat(300));
        let (lines, more) = look(&mut recent);
        assert!(lines.is_empty());
        skipped += more;
    }
    assert_eq!(skipped, 40 * 300, "none of it is held");
    logs.append("web.out.log", "z\nnext\n");
    assert_eq!(look(&mut recent).0, ["next"]);
}

#[test]
fn the_rest_of_a_line_that_was_left_out_ends_with_its_file() {
    let logs = Logs::new(&[("web.out.log", "begin\n")]);
    let mut recent = Recent::of(logs.0.path(), &all());
    look(&mut recent);
    logs.append("web.out.log", &"z".repeat(1500));
    assert_eq!(look(&mut recent), (Vec::new(), 1500));
    std::fs::rename(logs.path("web.out.log"), logs.path("web.out.log.1")).unwrap();
    logs.append("web.out.log", "next\n");
    assert_eq!(look(&mut recent).0, ["next"]);
}
