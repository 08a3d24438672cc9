//! The configuration file changes while the service runs: it is seen however it is written, only
//! what it changes is replaced, and a bad one changes nothing.
#![expect(clippy::disallowed_methods, reason = "tests measure and write in pieces")]

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::harness::{House, Load, fault_worker, wait_for, watched_query as query};
use crate::metrics::scrape;

/// A change must be in force so soon after its last byte was written.
const SEEN_WITHIN: Duration = Duration::from_secs(2);

/// What a refused configuration lacked is noticed so soon.
const TRIED_AGAIN_WITHIN: Duration = Duration::from_secs(6);

/// The fleet `query`, and an app that no change of it may touch.
fn text(answer_after_ms: u32) -> String {
    let query = query(2, &format!("--answer-after-ms {answer_after_ms}"), "");
    let idle = "[apps.still]\nready = \"10ms\"\nexec = [\"sleep\", \"1000\"]\n";
    format!("{query}{idle}").replace("FAULT_WORKER", &fault_worker().display().to_string())
}

fn generation(house: &House) -> u64 {
    house.status()["generation"].as_u64().unwrap()
}

/// Process ids of an app.
fn pids(house: &House, app: &str) -> Vec<u64> {
    let status = house.status();
    let mut apps = status["apps"].as_array().unwrap().iter();
    let slots = &apps.find(|one| one["name"] == app).unwrap()["slots"];
    slots.as_array().unwrap().iter().filter_map(|slot| slot["pid"].as_u64()).collect()
}

fn rolls_are_over(status: &serde_json::Value) -> bool {
    status["apps"].as_array().unwrap().iter().all(|app| {
        app["reload"] == "idle"
            && app["slots"].as_array().unwrap().iter().all(|slot| {
                slot["status"] == "online" && slot["leaving_pids"] == serde_json::json!([])
            })
    })
}

/// Lets so much time pass in which nothing may happen. What must not come cannot be waited for.
fn a_while(time: Duration) {
    let (_never, pause) = mpsc::channel::<()>();
    let _ = pause.recv_timeout(time);
}

fn renamed(file: &Path, text: &str) {
    let unfinished = file.with_file_name(".ecosystem.toml.Xa3k");
    fs::write(&unfinished, text).unwrap();
    fs::rename(&unfinished, file).unwrap();
}

/// As an editor saves: a backup, a new file, a rename.
fn by_an_editor(file: &Path, text: &str) {
    fs::write(file.with_file_name("4913"), "").unwrap();
    fs::remove_file(file.with_file_name("4913")).unwrap();
    let backup = file.with_file_name("ecosystem.toml~");
    fs::rename(file, &backup).unwrap();
    fs::write(file, text).unwrap();
    fs::remove_file(&backup).unwrap();
}

/// In pieces with pauses, the file held open: each half of it is a configuration of its own.
/// Says when the last piece was written; the file stays open for one more pause.
fn slowly(file: &Path, text: &str) -> Instant {
    let mut open = File::create(file).unwrap();
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let mut written = Instant::now();
    for lines in lines.chunks(lines.len().div_ceil(4)) {
        open.write_all(lines.concat().as_bytes()).unwrap();
        written = Instant::now();
        a_while(Duration::from_millis(900));
    }
    written
}

/// Says when a file was written that needs no time for it.
fn at_once(write: impl FnOnce()) -> impl FnOnce() -> Instant {
    || {
        write();
        Instant::now()
    }
}

/// As Kubernetes mounts a ConfigMap: the file is a link over `..data`, which is turned.
fn as_config_map(directory: &Path, round: u32) {
    let (name, text) = (format!("..2026_{round}"), text(round));
    fs::create_dir(directory.join(&name)).unwrap();
    fs::write(directory.join(&name).join("ecosystem.toml"), text).unwrap();
    symlink(&name, directory.join("..data_tmp")).unwrap();
    let old = fs::read_link(directory.join("..data")).ok();
    fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
    if let Some(old) = old {
        fs::remove_dir_all(directory.join(old)).unwrap();
    }
}

/// Changes the file under load and sees that it is in force in time, once, and that only `query`
/// was rolled. `write` says when the last byte was written.
fn is_seen(house: &House, load: &Load, how: &str, write: impl FnOnce() -> Instant) {
    let (before, idle) = (generation(house), pids(house, "still"));
    let answered = load.answered();
    wait_for("answers", || load.answered() > answered + 20);
    let old = pids(house, "query");
    let written = write();
    house.wait_until(&format!("the change that was written {how}"), |status| {
        status["generation"] != before
    });
    let took = written.elapsed();
    assert!(took < SEEN_WITHIN, "{how}: {took:?}\n{}", house.logs());
    house.wait_until("the end of the roll", rolls_are_over);
    let new = pids(house, "query");
    assert!(old.iter().all(|pid| !new.contains(pid)), "{how}: {old:?} and {new:?}");
    assert_eq!(pids(house, "still"), idle, "{how}: nobody else may be touched");
    // Another reading of the same burst would come now.
    a_while(SEEN_WITHIN);
    assert_eq!(generation(house), before + 1, "{how}\n{}", house.logs());
}

/// Sees in the metrics whether the file is refused, and how often each became of a reading.
fn is_counted(house: &House, rejected: u32, readings: [(&str, u32); 3]) {
    let metrics = scrape(house, "/metrics");
    let named = |name: &str| {
        let wanted = format!("supervisor_config_{name} ");
        metrics.lines().find_map(|line| line.strip_prefix(&wanted)?.parse().ok())
    };
    assert_eq!(named("rejected"), Some(rejected), "{metrics}");
    for (result, count) in readings {
        let name = format!("reloads_total{{result=\"{result}\"}}");
        assert_eq!(named(&name), Some(count), "{name}\n{metrics}");
    }
}

#[test]
fn a_change_is_seen_in_time_however_it_is_written_and_no_request_fails() {
    let text = |answer_after_ms| {
        text(answer_after_ms).replace("metrics = \"off\"", "metrics = \"127.0.0.1:0\"")
    };
    let house = House::new(&text(1));
    house.start();
    let file = house.path("ecosystem.toml");
    let load = Load::start(house.address(), 8);
    is_seen(&house, &load, "in place", at_once(|| fs::write(&file, text(2)).unwrap()));
    is_seen(&house, &load, "by an editor", at_once(|| by_an_editor(&file, &text(3))));
    is_seen(&house, &load, "by rsync", at_once(|| renamed(&file, &text(4))));
    is_seen(&house, &load, "slowly", || slowly(&file, &text(5)));
    // A bad file meanwhile changes nothing.
    let before = (generation(&house), pids(&house, "query"));
    fs::write(&file, text(6).replace("instances", "instancez")).unwrap();
    let status = house.wait_until("the refusal", |status| !status["config_problem"].is_null());
    assert!(status["config_refused_at_seconds"].as_f64().unwrap() > 1.7e9, "{status}");
    let shown = house.run(&["status"]).out;
    let line = shown.lines().find(|line| line.starts_with("ecosystem.toml changed at")).unwrap();
    assert!(line.contains(&format!("generation {} stays in force: ", before.0)), "{line}");
    assert!(line.contains("instancez: unknown key; did you mean `instances`?"), "{line}");
    assert_eq!((generation(&house), pids(&house, "query")), before);
    is_counted(&house, 1, [("accepted", 4), ("unchanged", 0), ("refused", 1)]);
    // What is in force, written again, clears it and rolls nobody.
    renamed(&file, &text(5));
    house.wait_until("the problem to go", |status| status["config_problem"].is_null());
    assert_eq!((generation(&house), pids(&house, "query")), before);
    is_counted(&house, 0, [("accepted", 4), ("unchanged", 0), ("refused", 1)]);
    let (answered, failures) = load.stop();
    assert!(failures.is_empty(), "{} of {answered} failed: {failures:?}", failures.len());
    let log = fs::read_to_string(house.path("logs/supervisor.log")).unwrap();
    assert_eq!(log.matches("configuration refused").count(), 1, "{log}");
}

#[test]
fn a_config_map_that_is_turned_is_seen_and_no_request_fails() {
    let house = House::new(&text(1));
    let mount = house.path("mount");
    fs::create_dir(&mount).unwrap();
    as_config_map(&mount, 1);
    let file = house.path("ecosystem.toml");
    fs::remove_file(&file).unwrap();
    symlink("..data/ecosystem.toml", mount.join("ecosystem.toml")).unwrap();
    symlink("mount/ecosystem.toml", &file).unwrap();
    house.start();
    let load = Load::start(house.address(), 8);
    for round in 2..4 {
        is_seen(&house, &load, "as a ConfigMap", at_once(|| as_config_map(&mount, round)));
    }
    let (answered, failures) = load.stop();
    assert!(failures.is_empty(), "{} of {answered} failed: {failures:?}", failures.len());
}

#[test]
fn half_of_a_file_stops_no_app() {
    let house = House::new(&text(1));
    house.start();
    let (query_before, idle) = (pids(&house, "query"), pids(&house, "still"));
    let whole = format!("{}# the end\n", text(1));
    let half = whole.find("[apps.still]").unwrap();
    let mut open = File::create(house.path("ecosystem.toml")).unwrap();
    open.write_all(&whole.as_bytes()[..half]).unwrap();
    open.flush().unwrap();
    // Far longer than any burst: it stays open.
    a_while(Duration::from_secs(4));
    assert_eq!((pids(&house, "query"), pids(&house, "still")), (query_before, idle.clone()));
    open.write_all(&whole.as_bytes()[half..]).unwrap();
    drop(open);
    let other = "written otherwise and means the same";
    wait_for("the whole file", || house.logs().contains(other));
    assert_eq!(pids(&house, "still"), idle);
    assert_eq!(generation(&house), 2, "an equal meaning is a generation and rolls nobody");
    // An app that is really gone is stopped.
    renamed(&house.path("ecosystem.toml"), &whole[..half]);
    house.wait_until("the app to go", |status| status["apps"].as_array().unwrap().len() == 1);
}

#[test]
fn unasked_nothing_is_read_where_that_is_switched_off() {
    let with_watch = |text: String, on: bool| {
        text.replace("metrics = \"off\"", &format!("metrics = \"off\"\nwatch = {on}"))
    };
    let house = House::new(&with_watch(text(1), false));
    house.start();
    let before = pids(&house, "query");
    house.write(&with_watch(text(2), false));
    a_while(SEEN_WITHIN + Duration::from_secs(1));
    assert_eq!((generation(&house), pids(&house, "query")), (1, before.clone()));
    let shown = || house.run(&["status"]).out.matches("(supervisor.watch = false)").count();
    assert_eq!(shown(), 1);
    // It can be switched on at run time, for it concerns the supervisor alone.
    house.write(&with_watch(text(2), true));
    assert_eq!(house.run(&["reload"]).code, Some(0));
    assert_eq!((generation(&house), shown()), (2, 0));
    house.write(&with_watch(text(3), true));
    house.wait_until("the change", |status| status["generation"] == 3 && rolls_are_over(status));
}

#[test]
fn a_file_that_comes_back_is_seen_and_one_that_goes_stops_nobody() {
    let house = House::new(&text(1));
    house.start();
    let before = pids(&house, "query");
    let file = house.path("ecosystem.toml");
    fs::remove_file(&file).unwrap();
    let problem = house.wait_until("the refusal", |status| !status["config_problem"].is_null());
    assert!(
        problem["config_problem"].as_str().unwrap().contains("there is no such file"),
        "{problem}"
    );
    assert_eq!(pids(&house, "query"), before);
    fs::write(&file, text(1)).unwrap();
    house.wait_until("the problem to go", |status| status["config_problem"].is_null());
    assert_eq!((generation(&house), pids(&house, "query")), (1, before));
}

#[test]
fn a_program_that_is_replaced_on_disk_is_no_change() {
    let program = "[apps.query]\nready = \"10ms\"\nexec = [\"./program\", \"1000\"]\n";
    let house = House::new(&format!("[supervisor]\nmetrics = \"off\"\n{program}"));
    fs::copy("/bin/sleep", house.path("program")).unwrap();
    house.start();
    let before = house.pids();
    fs::copy("/bin/sleep", house.path("program.new")).unwrap();
    fs::rename(house.path("program.new"), house.path("program")).unwrap();
    a_while(SEEN_WITHIN);
    assert_eq!((generation(&house), house.pids()), (1, before));
}

#[test]
fn a_limit_that_changed_is_told_to_the_running_workers() {
    let house = House::new("FAULT_WORKER");
    symlink(fault_worker(), house.path("mcp-worker")).unwrap();
    let text = |rows: u32| {
        let limits = format!("[apps.query.limits]\nmax_rows = {rows}\n");
        query(2, "", &limits).replace("[\"FAULT_WORKER\"", "[\"./mcp-worker\"")
    };
    house.write(&text(55));
    house.start();
    let before = (generation(&house), pids(&house, "query"));
    house.write(&text(77));
    let told = || {
        let files = fs::read_dir(house.path("logs")).unwrap().map(|file| file.unwrap().path());
        let texts = files.map(|file| fs::read_to_string(file).unwrap_or_default());
        texts.map(|text| text.matches("adjusted to 77 rows").count()).sum::<usize>()
    };
    house.wait_until("the change", |status| status["generation"] != before.0);
    wait_for("both workers to be told", || told() == 2);
    house.wait_until("that all is quiet", rolls_are_over);
    assert_eq!((generation(&house), pids(&house, "query")), (before.0 + 1, before.1));
    assert_eq!(told(), 2, "each is told once");
}

#[test]
fn a_change_that_running_workers_can_take_on_replaces_none_of_them() {
    let house = House::new("FAULT_WORKER");
    symlink(fault_worker(), house.path("mcp-worker")).unwrap();
    let text = |instances: u32, policy: &str, level: &str| {
        let tables = format!(
            "[apps.query.restart]\npolicy = \"{policy}\"\n[apps.query.logs]\nlevel = \"{level}\"\n"
        );
        query(instances, "", &tables).replace("[\"FAULT_WORKER\"", "[\"./mcp-worker\"")
    };
    house.write(&text(2, "always", "info"));
    house.start();
    let before = pids(&house, "query");
    house.write(&text(3, "on_failure", "debug"));
    house.wait_until("the change", |status| {
        status["generation"] == 2
            && status["apps"][0]["slots"].as_array().unwrap().len() == 3
            && rolls_are_over(status)
    });
    let told = || {
        let files = fs::read_dir(house.path("logs")).unwrap().map(|file| file.unwrap().path());
        let texts = files.map(|file| fs::read_to_string(file).unwrap_or_default());
        texts.map(|text| text.matches("log level Debug").count()).sum::<usize>()
    };
    wait_for("both workers to be told the level", || told() == 2);
    // The rule is in force, and whoever ran before runs on; only the third is new.
    let rules = house.run(&["describe", "query"]).out;
    assert!(rules.contains("after every end but a clean one"), "{rules}");
    let after = pids(&house, "query");
    assert_eq!((&after[..2], after.len()), (&before[..], 3), "{}", house.logs());
    assert_eq!(generation(&house), 2);
    assert_eq!(told(), 2, "the new one has it from its start");
}

#[test]
fn a_file_of_variables_that_comes_changes_or_is_wrong_is_seen() {
    let house = House::new(&query(1, "--answer-after-ms ${DELAY_MS:-1}", ""));
    house.start();
    fs::write(house.path(".env"), "DELAY_MS=2\n").unwrap();
    house.wait_until("the variable", |status| status["generation"] == 2 && rolls_are_over(status));
    let words = fs::read_to_string(format!("/proc/{}/cmdline", house.pids()[0])).unwrap();
    assert!(words.contains("--answer-after-ms\x002\0"), "{words:?}");
    fs::write(house.path(".env"), "DELAY_MS\n").unwrap();
    house.wait_until("the refusal", |status| !status["config_problem"].is_null());
    fs::write(house.path(".env"), "DELAY_MS=3\n").unwrap();
    house.wait_until("its end", |status| status["config_problem"].is_null());
    house.wait_until("the roll", |status| status["generation"] == 3 && rolls_are_over(status));
}

#[test]
fn a_refusal_is_over_when_what_it_named_comes_or_is_made_private() {
    let house = House::new("FAULT_WORKER");
    symlink(fault_worker(), house.path("mcp-worker")).unwrap();
    let before = query(1, "", "").replace("[\"FAULT_WORKER\"", "[\"./mcp-worker\"");
    house.write(&before);
    // The environment is chosen by a file, so that a new one has a part in the refusal.
    fs::write(house.path(".env"), "MCP_ENV=development\n").unwrap();
    house.start();
    let account = "[apps.query.snowflake]\naccount = \"ORG-ACCOUNT\"\nuser = \"MCP\"\n\
                   database = \"${DATABASE}\"\npassword_file = \"volume/password\"\n\
                   [environments.production.apps.query]\ninstances = 1\n";
    fs::write(house.path(".env"), "MCP_ENV=production\n").unwrap();
    house.write(&format!("{before}{account}"));
    let refused = |words: &str| {
        house.wait_until(words, |status| {
            let problem = status["config_problem"].as_str().unwrap_or_default();
            problem.contains(words)
        });
    };
    refused("the variable DATABASE is not set");
    fs::write(house.path(".env.production"), "DATABASE=D\n").unwrap();
    refused("password cannot be read");
    fs::create_dir(house.path("volume")).unwrap();
    let password = house.path("volume/password");
    fs::write(&password, "hush\n").unwrap();
    fs::set_permissions(&password, fs::Permissions::from_mode(0o644)).unwrap();
    refused("is open to others");
    assert_eq!(generation(&house), 1);
    fs::set_permissions(&password, fs::Permissions::from_mode(0o600)).unwrap();
    house.wait_until("the end of the refusal", |status| {
        status["generation"] == 2 && status["config_problem"].is_null()
    });
}

#[test]
fn a_refusal_is_over_when_the_machine_has_what_was_lacking() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let with =
        |more: &str| query(1, "", more).replace("metrics = \"off\"", "metrics = \"127.0.0.1:0\"");
    let house = House::new(&with(""));
    house.start();
    // What the file lacks now is no file of the configuration: nobody tells when it comes.
    let late = "[apps.late]\nready = \"10ms\"\nexec = [\"./late\", \"1000\"]\n";
    house.write(&with(late).replace("127.0.0.1:0\"\ninst", &format!("{address}\"\ninst")));
    let refused = |words: &str| {
        house.wait_until(words, |status| {
            status["config_problem"].as_str().unwrap_or_default().contains(words)
        })
    };
    let status = refused("there is no program");
    let told = || house.logs().matches("configuration refused").count();
    assert_eq!(told(), 1);
    // Meanwhile it is looked at again, more than once, and nothing is said of that.
    a_while(TRIED_AGAIN_WITHIN * 2);
    let later = house.status();
    assert_eq!(later["config_refused_at_seconds"], status["config_refused_at_seconds"]);
    assert_eq!(told(), 1, "{}", house.logs());
    is_counted(&house, 1, [("accepted", 0), ("unchanged", 0), ("refused", 1)]);
    symlink("/bin/sleep", house.path("late")).unwrap();
    refused(&format!("cannot listen on {address}"));
    assert_eq!(told(), 2, "another reason is news: {}", house.logs());
    assert_eq!(generation(&house), 1);
    drop(taken);
    house.wait_until("the end of the refusal", |status| {
        status["generation"] == 2 && status["config_problem"].is_null() && rolls_are_over(status)
    });
    wait_for("its place in the history", || {
        house.run(&["config", "history", "--json"]).out.matches("tried again").count() == 1
    });
    is_counted(&house, 0, [("accepted", 1), ("unchanged", 0), ("refused", 2)]);
}
