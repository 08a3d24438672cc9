//! Whole trees: everyone whom a program started dies with it, and nobody runs twice.
//!
//! Each test of a tree runs with cgroups and without, for both ways must keep the same promise.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::harness::{House, alive, processes_of, signal, skip, wait_for};

/// `supervisor.cgroups`: where this machine has none, both ways walk.
const WAYS: [&str; 2] = ["auto", "off"];

/// A house with one app `query` that is not ours: the fault worker without a link.
fn unlinked(cgroups: &str, faults: &str, more: &str) -> House {
    let arguments: Vec<String> =
        faults.split_whitespace().map(|argument| format!(", {argument:?}")).collect();
    House::new(&format!(
        "[supervisor]\nmetrics = \"off\"\ncgroups = \"{cgroups}\"\n\n[apps.query]\n\
         exec = [\"FAULT_WORKER\", \"--unlinked\"{}]\nready = \"20ms\"\n{more}\n",
        arguments.concat()
    ))
}

/// The file to which an escaped process of this house writes who it is.
fn escape_file() -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("escaped");
    (directory, file)
}

fn pid_in(file: &Path) -> u64 {
    wait_for("the escape", || file.exists());
    std::fs::read_to_string(file).unwrap().trim().parse().unwrap()
}

/// The cgroup of cgroup v2 that a process is in.
pub(crate) fn cgroup_of(pid: u64) -> Option<PathBuf> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
    let path = text.lines().find_map(|line| line.strip_prefix("0::"))?.to_owned();
    let mounts = std::fs::read_to_string("/proc/self/mountinfo").ok()?;
    let mount = mounts.lines().find(|line| line.contains(" - cgroup2 "))?;
    Some(Path::new(mount.split(' ').nth(4)?).join(path.trim_start_matches('/')))
}

#[expect(clippy::disallowed_methods, reason = "how long a stop takes is what is promised")]
fn now() -> Instant {
    Instant::now()
}

fn stopped(house: &House) -> Duration {
    let began = now();
    let said = house.run(&["stop"]);
    assert_eq!(said.code, Some(0), "{said:?}\n{}", house.logs());
    began.elapsed()
}

#[test]
fn an_escaped_process_is_gone_when_stop_returns() {
    for way in WAYS {
        let (_directory, file) = escape_file();
        let faults = format!("--grandchild --escape {}", file.display());
        let house = unlinked(way, &faults, "[apps.query.health]\ndrain_timeout = \"2s\"");
        house.start();
        let (main, escaped) = (house.pids()[0], pid_in(&file));
        assert!(alive(escaped), "{way}");
        let took = stopped(&house);
        assert!(!alive(main) && !alive(escaped), "{way}: {}", house.logs());
        assert!(took < Duration::from_secs(3), "{way}: {took:?} is not within the grace + 1 s");
        assert_eq!(processes_of(&house.path("run/supervisor.sock")), Vec::<i32>::new(), "{way}");
    }
}

#[test]
fn those_whom_a_dead_program_left_are_killed_before_it_is_started_again() {
    for way in WAYS {
        let (_directory, file) = escape_file();
        let faults = format!("--grandchild --escape {}", file.display());
        let house = unlinked(way, &faults, "");
        house.start();
        let (main, escaped) = (house.pids()[0], pid_in(&file));
        std::fs::remove_file(&file).unwrap();
        signal("-KILL", main);
        house.wait_until("the replacement", |status| {
            status["apps"][0]["slots"][0]["pid"].as_u64().is_some_and(|pid| pid != main)
        });
        assert!(!alive(escaped), "{way}: {}", house.logs());
        wait_for("the second escape", || file.exists());
        stopped(&house);
        assert!(!alive(escaped) && !alive(pid_in(&file)), "{way}: {}", house.logs());
    }
}

/// How much later than asked for this machine wakes anybody: what no program can promise away.
struct Lateness {
    over: std::sync::mpsc::Sender<()>,
    thread: std::thread::JoinHandle<Duration>,
}

impl Lateness {
    fn watch() -> Lateness {
        let (over, ended) = std::sync::mpsc::channel::<()>();
        let wait = Duration::from_millis(5);
        let thread = std::thread::spawn(move || {
            let mut longest = Duration::ZERO;
            loop {
                let began = now();
                if ended.recv_timeout(wait) != Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                    return longest;
                }
                longest = longest.max(began.elapsed().saturating_sub(wait));
            }
        });
        Lateness { over, thread }
    }

    fn longest(self) -> Duration {
        drop(self.over);
        self.thread.join().unwrap()
    }
}

/// When the supervisor wrote that a run is in this phase, since midnight.
fn written_at(house: &House, phase: &str) -> Duration {
    let log = std::fs::read_to_string(house.path("logs/supervisor.log")).unwrap();
    let line = log.lines().find(|line| line.contains(&format!("phase=\"{phase}\""))).unwrap();
    let time = line.split(['T', 'Z']).nth(1).unwrap();
    let parts: Vec<f64> = time.split(':').map(|part| part.parse().unwrap()).collect();
    Duration::from_secs_f64((parts[0] * 60.0 + parts[1]) * 60.0 + parts[2])
}

#[test]
fn a_program_that_ignores_its_stop_signal_is_killed_at_its_grace() {
    for way in WAYS {
        let health = "[apps.query.health]\ndrain_timeout = \"700ms\"";
        let house = unlinked(way, "--ignore-drain --grandchild", health);
        house.start();
        house.wait_until("the fault", |_| house.logs().contains("unlinked and running"));
        let pid = house.pids()[0];
        let lateness = Lateness::watch();
        stopped(&house);
        assert!(!alive(pid), "{way}");
        let took = written_at(&house, "killing") - written_at(&house, "draining");
        let (early, late) = (Duration::from_millis(600), Duration::from_millis(800));
        let late = late + lateness.longest();
        assert!((early..late).contains(&took), "{way}: killed after {took:?}");
        assert!(house.logs().contains("still there after 700ms"), "{}", house.logs());
    }
}

#[test]
fn each_run_has_a_cgroup_and_none_is_left() {
    let house = unlinked("auto", "", "instances = 2");
    house.start();
    let (pids, supervisor) = (house.pids(), house.status()["pid"].as_u64().unwrap());
    let own = cgroup_of(supervisor).expect("Linux has cgroups");
    let cgroups: Vec<PathBuf> = pids.iter().filter_map(|pid| cgroup_of(*pid)).collect();
    if cgroups[0] == own {
        stopped(&house);
        return skip("each_run_has_a_cgroup_and_none_is_left", "cgroup v2 is not writable");
    }
    let home = cgroups[0].parent().unwrap();
    assert_eq!(home.parent(), Some(own.as_path()));
    assert_eq!(cgroups[1].parent(), Some(home));
    assert_ne!(cgroups[0], cgroups[1]);
    // As a program does that keeps its own children apart.
    std::fs::create_dir_all(cgroups[0].join("of-its-own/deeper")).unwrap();
    signal("-KILL", pids[0]);
    house.wait_until("the replacement", |status| {
        status["apps"][0]["slots"][0]["pid"].as_u64().is_some_and(|pid| pid != pids[0])
    });
    assert!(!cgroups[0].exists(), "the dead run's cgroup is removed at once");
    stopped(&house);
    assert!(!home.exists(), "{} is left behind", home.display());
}

#[test]
fn an_escaped_process_dies_too_where_no_process_can_be_born_into_a_cgroup() {
    let name = "an_escaped_process_dies_too_where_no_process_can_be_born_into_a_cgroup";
    let (_directory, file) = escape_file();
    let house = unlinked("auto", &format!("--grandchild --escape {}", file.display()), "");
    house.start();
    let own = cgroup_of(house.status()["pid"].as_u64().unwrap()).expect("Linux has cgroups");
    let first = cgroup_of(house.pids()[0]).unwrap();
    let home = first.parent().unwrap();
    let said = house.run(&["stop", "query"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    wait_for("the first escape's end", || !alive(pid_in(&file)));
    std::fs::remove_file(&file).unwrap();
    // Nobody can be born into the cgroups of one whose threads are spread.
    if first == own || std::fs::write(home.join("cgroup.type"), "threaded").is_err() {
        return skip(name, "cgroup v2 is not writable");
    }
    let said = house.run(&["start", "query"]);
    assert_eq!(said.code, Some(0), "{said:?}\n{}", house.logs());
    assert!(house.logs().contains("can be born into a cgroup of ours"), "{}", house.logs());
    let escaped = pid_in(&file);
    assert_eq!(cgroup_of(escaped).as_deref(), Some(own.as_path()));
    stopped(&house);
    assert!(!alive(escaped), "{}", house.logs());
    assert!(!home.exists(), "{} is left behind", home.display());
}

#[test]
fn without_cgroups_orphans_are_reaped_and_ours_keep_their_exit() {
    let more = "[apps.tidy]\nexec = [\"sh\", \"-c\", \"(sleep 0.01 &) ; exec sleep 1000\"]\n\
                ready = \"20ms\"\n[apps.brief]\nexec = [\"sh\", \"-c\", \"(setsid sleep 1000 &) ; sleep 0.05 ; exit 3\"]\n\
                ready = \"1s\"\n[apps.brief.restart]\nbackoff_min = \"10ms\"\n\
                backoff_max = \"10ms\"\nmax_restarts = 5";
    let house = unlinked("off", "", more);
    house.run(&["start"]);
    let status = house
        .wait_until("giving up", |status| status["apps"][0]["slots"][0]["status"] == "errored");
    let slot = &status["apps"][0]["slots"][0];
    assert_eq!(slot["last_exit"], "exit code 3", "{slot}");
    let supervisor = status["pid"].as_u64().unwrap();
    wait_for("every orphan to be reaped", || zombies_of(supervisor).is_empty());
}

/// Children of a process that ended and were not reaped.
pub(crate) fn zombies_of(parent: u64) -> Vec<u64> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let stat = |pid: u64| std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    let is_one = |pid: &u64| {
        let stat = stat(*pid);
        let mut fields = stat.rsplit(')').next().unwrap_or("").split_whitespace();
        let (state, of) = (fields.next(), fields.next());
        state == Some("Z") && of == Some(parent.to_string().as_str())
    };
    pids.filter(is_one).collect()
}

/// Kills the supervisor of a house, and waits until the last of its threads has gone.
fn murder(house: &House) {
    signal("-KILL", house.status()["pid"].as_u64().unwrap());
    let lock = house.path("run/supervisor.lock");
    wait_for("its end", || std::fs::File::open(&lock).unwrap().try_lock().is_ok());
}

/// Kills the supervisor of a house and starts another; what the log says then.
fn after_a_murder(house: &House) -> String {
    murder(house);
    house.start();
    house.logs()
}

#[test]
fn after_the_supervisor_was_killed_no_program_runs_twice() {
    for way in WAYS {
        let (_directory, file) = escape_file();
        let diary = file.with_extension("diary");
        let faults = format!("--alone {} --escape {}", diary.display(), file.display());
        let house = unlinked(way, &faults, "");
        house.start();
        let (main, escaped) = (house.pids()[0], pid_in(&file));
        std::fs::remove_file(&file).unwrap();
        let logs = after_a_murder(&house);
        assert!(!alive(main) && !alive(escaped), "{way}: {logs}");
        assert!(logs.contains("asking a program of an earlier supervisor to leave"), "{logs}");
        // "Alive for 20 ms" may be over before a program has written anything.
        let written = || std::fs::read_to_string(&diary).unwrap();
        wait_for("the second one to write", || written().lines().count() > 1);
        let diary = written();
        let words: Vec<&str> = diary.lines().filter_map(|line| line.split(' ').next()).collect();
        assert_eq!(words, ["runs", "runs"], "{way}");
    }
}

#[test]
fn a_survivor_that_ignores_its_stop_signal_is_killed_at_its_grace() {
    for way in WAYS {
        let health = "[apps.query.health]\ndrain_timeout = \"300ms\"";
        let house = unlinked(way, "--ignore-drain --grandchild", health);
        house.start();
        house.wait_until("the fault", |_| house.logs().contains("unlinked and running"));
        let main = house.pids()[0];
        let logs = after_a_murder(&house);
        assert!(!alive(main), "{way}: {logs}");
        assert!(logs.contains("killing what is left"), "{way}: {logs}");
    }
}

#[test]
fn a_supervisor_that_waits_for_survivors_outlives_requests_by_signal() {
    let health = "[apps.query.health]\ndrain_timeout = \"1500ms\"";
    let house = unlinked("off", "--ignore-drain", health);
    house.start();
    house.wait_until("the fault", |_| house.logs().contains("unlinked and running"));
    let main = house.pids()[0];
    murder(&house);
    let (quiet, silent) = (std::process::Stdio::null(), std::process::Stdio::null());
    let mut next = house.command(&["start"]).stdout(quiet).stderr(silent).spawn().unwrap();
    let waits = || house.logs().contains("asking a program of an earlier supervisor to leave");
    wait_for("the next one to wait", waits);
    let note = std::fs::read_to_string(house.path("run/supervisor.lock")).unwrap();
    let supervisor: u64 = note.trim().parse().unwrap();
    signal("-HUP", supervisor);
    signal("-USR1", supervisor);
    assert!(next.wait().unwrap().success(), "{}", house.logs());
    assert_eq!(house.status()["pid"].as_u64(), Some(supervisor));
    assert!(!alive(main), "{}", house.logs());
}

#[test]
fn a_program_cannot_choose_whom_the_next_supervisor_kills() {
    let (directory, _) = escape_file();
    let fake = directory.path().join("cgroup.kill");
    std::fs::write(&fake, "").unwrap();
    let more = "[apps.query.health]\ndrain_timeout = \"300ms\"\n[apps.liar]\nready = \"10ms\"\n\
                exec = [\"bash\", \"-c\", \"echo pid=1 >&63 || echo refused; exec sleep 1000\"]\n";
    let house = unlinked("off", "--ignore-drain", more);
    house.start();
    house.wait_until("the fault", |_| house.logs().contains("unlinked and running"));
    house.wait_until("the attempt", |_| house.logs().contains("refused"));
    murder(&house);
    // As if the program had been allowed to.
    for lock in std::fs::read_dir(house.path("run/locks")).unwrap().flatten() {
        let note = std::fs::read_to_string(lock.path()).unwrap();
        assert!(!note.contains("pid=1\n"), "{note}");
        let cgroup = directory.path().display();
        std::fs::write(lock.path(), format!("{note}cgroup={cgroup}\n")).unwrap();
    }
    house.start();
    assert_eq!(std::fs::read_to_string(&fake).unwrap(), "", "{}", house.logs());
}

#[test]
fn a_survivor_that_closed_its_lock_is_known_by_its_process_id() {
    let house = unlinked("off", "--drop-lock", "");
    house.start();
    let main = house.pids()[0];
    wait_for("the lock to be closed", || !Path::new(&format!("/proc/{main}/fd/63")).exists());
    let logs = after_a_murder(&house);
    assert!(!alive(main), "{logs}");
    assert!(!logs.contains("killing what is left"), "asking was enough: {logs}");
}

#[test]
fn no_supervisor_starts_inside_a_program_of_an_earlier_one() {
    for (way, begun) in [("auto", "sh"), ("off", "sh"), ("auto", "setsid sh"), ("off", "setsid sh")]
    {
        let directory = tempfile::tempdir().unwrap();
        let place = |name: &str| directory.path().join(name);
        let house = House::new(&format!(
            "[supervisor]\nmetrics = \"off\"\ncgroups = \"{way}\"\n[apps.query]\nready = \"10ms\"\n\
             exec = [\"sh\", \"-c\", \"({begun} {} &) ; exec sleep 1000\"]\n",
            place("script").display()
        ));
        let (go, said) = (place("go"), place("said"));
        let script = format!(
            "while [ ! -e {} ]; do sleep 0.02; done\n{} --config {} start >{said}.new 2>&1\n\
             echo code $? >>{said}.new\nmv {said}.new {said}\nexec sleep 1000\n",
            go.display(),
            env!("CARGO_BIN_EXE_mcp-supervisor"),
            house.path("ecosystem.toml").display(),
            said = said.display(),
        );
        std::fs::write(place("script"), script).unwrap();
        house.start();
        let main = house.pids()[0];
        murder(&house);
        std::fs::write(&go, "").unwrap();
        wait_for("the start from inside", || said.exists());
        let said = std::fs::read_to_string(&said).unwrap();
        let why = "cannot start from inside `query[0]`, a program of an earlier supervisor; start or \
                   stop the service from elsewhere";
        assert!(said.contains(why) && !said.contains("code 0"), "{way} {begun}: {said}");
        assert!(alive(main), "{way} {begun}: nobody was asked to leave: {}", house.logs());
        std::fs::remove_file(&go).unwrap();
        house.start();
        assert!(!alive(main), "{way} {begun}: {}", house.logs());
    }
}

#[test]
fn what_a_dead_supervisor_left_is_cleared_away() {
    let house = unlinked("auto", "", "");
    house.start();
    let main = house.pids()[0];
    let supervisor = house.status()["pid"].as_u64().unwrap();
    let (cgroup, own) = (cgroup_of(main), cgroup_of(supervisor));
    murder(&house);
    signal("-KILL", main);
    wait_for("the program's end", || !alive(main));
    house.start();
    assert!(!house.logs().contains("earlier supervisor"), "{}", house.logs());
    let locks: Vec<_> = std::fs::read_dir(house.path("run/locks")).unwrap().flatten().collect();
    assert_eq!(locks.len(), 1, "{locks:?}");
    assert!(cgroup == own || cgroup.is_some_and(|path| !path.exists()));
}
