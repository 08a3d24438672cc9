//! Starting: when all is well, and each way in which it is not.

use std::net::TcpListener;

use crate::harness::{House, get, query};

#[test]
fn start_returns_when_every_worker_is_ready_and_all_share_one_port() {
    let house = House::with_workers(3, "", "");
    let said = house.start();
    assert!(said.out.contains("query: 3 of 3 online"), "{said:?}");
    assert!(said.err.contains("query[2]"), "a progress line for each slot: {said:?}");
    let pids = house.pids();
    assert_eq!(pids.len(), 3);
    let answer = get(house.address()).unwrap();
    assert!(pids.contains(&answer.parse().unwrap()), "{answer} is none of {pids:?}");
}

#[test]
fn a_second_start_is_refused_and_says_who_runs() {
    let house = House::with_workers(1, "", "");
    house.start();
    let pid = house.status()["pid"].as_u64().unwrap();
    let said = house.run(&["start"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains(&format!("already runs as pid {pid}")), "{said:?}");
}

#[test]
fn a_taken_port_is_refused_and_says_by_whom() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let house = House::new(&query(1, "", "").replace("127.0.0.1:0", &address));
    let said = house.run(&["start"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains(&format!("cannot listen on {address} for app `query`")), "{said:?}");
    assert!(said.err.contains(&format!("pid {}", std::process::id())), "{said:?}");
    assert!(!house.path("run/supervisor.sock").exists());
}

#[test]
fn a_worker_that_cannot_serve_fails_the_start_with_its_own_words() {
    let house = House::with_workers(1, "--fail no-account-configured", "");
    let said = house.run(&["start"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("no-account-configured"), "{said:?}");
    assert!(said.err.contains("query[0]"), "{said:?}");
}

#[test]
fn a_hopeless_exit_is_final_at_once() {
    let house = House::with_workers(1, "--die-at-boot 78", "");
    let said = house.run(&["start"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("exit code 78 (configuration refused)"), "{said:?}");
    let slots = house.slots();
    assert_eq!(slots[0]["status"], "errored", "{slots:?}");
    assert_eq!(slots[0]["restarts"], 0, "{slots:?}");
}

#[test]
fn a_refused_file_starts_nothing_and_lists_every_problem() {
    let house = House::with_workers(0, "", "instancez = 3");
    for command in [&["start"][..], &["check"], &["start", "--foreground"]] {
        let said = house.run(command);
        assert_eq!(said.code, Some(78), "{command:?}: {said:?}");
        assert!(said.err.contains("apps.query.instances"), "{command:?}: {said:?}");
        assert!(said.err.contains("apps.query.instancez"), "{command:?}: {said:?}");
    }
    assert!(!house.path("run").exists(), "nothing may be made for a refused file");
}

#[test]
fn a_worker_inherits_its_streams_the_listener_its_lock_and_a_clean_environment() {
    let house = House::with_workers(1, "", "");
    let output = house.command(&["start"]).env("SNOWFLAKE_PASSWORD", "canary").output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let pid = house.pids()[0];
    let environ = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    assert!(!environ.contains("canary"), "{environ}");
    assert!(environ.contains(&format!("LISTEN_PID={pid}\0")), "{environ}");
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let mask = |name: &str| {
        let line = status.lines().find(|line| line.starts_with(name)).unwrap();
        // Real-time signals are left as they were.
        u64::from_str_radix(line.split('\t').nth(1).unwrap(), 16).unwrap() & 0x7FFF_FFFF
    };
    assert_eq!(mask("SigBlk"), 0, "{status}");
    // Rust's own start-up code ignores SIGPIPE again.
    assert_eq!(mask("SigIgn"), 1 << 12, "{status}");
    let mut inherited: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .flatten()
        .filter_map(|entry| std::fs::read_link(entry.path()).ok())
        .map(|target| target.display().to_string())
        .filter(|target| !target.starts_with("socket:") && !target.starts_with("pipe:"))
        .collect();
    inherited.sort();
    let run = house.path("run").display().to_string();
    let expected = [
        "/dev/null".to_owned(),
        format!("{run}/locks/query.0.1"),
        format!("{run}/query.err"),
        format!("{run}/query.out"),
    ];
    assert_eq!(inherited, expected);
}

#[test]
fn commands_without_a_supervisor_say_how_to_start_one() {
    let house = House::with_workers(1, "", "");
    for command in ["status", "stop", "reload", "restart"] {
        let said = house.run(&[command]);
        assert_eq!(said.code, Some(1), "{command}: {said:?}");
        assert!(said.err.contains("no supervisor runs here"), "{command}: {said:?}");
        assert!(said.err.contains("mcp-supervisor start"), "{command}: {said:?}");
    }
}

#[test]
fn a_program_that_cannot_be_executed_says_why() {
    let house = House::new("");
    let script = house.path("script.sh");
    std::fs::write(&script, "#!/no/such/interpreter\n").unwrap();
    make_executable(&script);
    house.write(
        "[supervisor]\nmetrics = \"off\"\n[apps.job]\nexec = [\"./script.sh\"]\nready = \"50ms\"\n",
    );
    let said = house.run(&["start"]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("script.sh"), "{said:?}");
    assert!(said.err.contains("interpreter"), "{said:?}");
}

#[test]
fn start_returns_even_if_its_stray_output_has_no_place() {
    let house = House::with_workers(1, "", "");
    std::fs::create_dir_all(house.path("logs/supervisor.stderr.log")).unwrap();
    house.start();
}

#[test]
fn a_worker_with_too_much_to_say_is_cut_short() {
    let words = "x".repeat(100_000);
    let house = House::with_workers(20, &format!("--fail {words}"), "");
    let said = house.run(&["start"]);
    assert_eq!(said.code, Some(1));
    assert!(said.err.contains("xxxx"), "the reason is told");
    assert_eq!(house.run(&["status"]).code, Some(0));
}

fn make_executable(path: &std::path::Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
}
