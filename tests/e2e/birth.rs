//! What a program is born with, and what can go wrong before it runs: each mishap has a state and
//! words of its own in `status`.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::harness::{House, alive, signal, skip, wait_for};

/// A house with one app `job` that is not ours, which is tried again and again.
fn job(program: &str, more: &str) -> House {
    House::new(&configuration(program, more))
}

fn configuration(program: &str, more: &str) -> String {
    format!(
        "[supervisor]\nmetrics = \"off\"\n\n[apps.job]\nexec = {program}\nready = \"20ms\"\n\
         {more}\n[apps.job.restart]\nbackoff_min = \"10ms\"\nbackoff_max = \"20ms\"\n\
         max_restarts = 10000\n"
    )
}

/// Whether tests run as root, who alone can start programs as somebody else.
fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A user that nobody else has, this test run excepted.
fn stranger(number: u32) -> u32 {
    1_000_000 + std::process::id() * 8 + number
}

fn slot(status: &Value) -> &Value {
    &status["apps"][0]["slots"][0]
}

/// The process in the slot, once it is a `sleep`: "alive for 20 ms" may be over before.
fn begun(house: &House) -> u64 {
    let status = house.wait_until("a program that runs", |status| {
        slot(status)["pid"].as_u64().is_some_and(|pid| {
            let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
            words.is_ok_and(|words| words.contains("sleep\0"))
        })
    });
    slot(&status)["pid"].as_u64().unwrap()
}

/// What the slot says when its program cannot be started any more.
fn why_after_death(house: &House) -> String {
    signal("-KILL", begun(house));
    let status = house.wait_until("a failed birth", |status| {
        slot(status)["status"] == "waiting restart"
            && slot(status)["why"].as_str().is_some_and(|why| why.starts_with("cannot"))
    });
    slot(&status)["why"].as_str().unwrap().to_owned()
}

fn script(house: &House, name: &str, text: &str) -> std::path::PathBuf {
    let path = house.path(name);
    // A new file each time: one that runs cannot be written.
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, text).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

#[test]
fn a_program_that_went_away_or_changed_says_so_and_runs_again_when_it_is_mended() {
    let house = House::new("");
    let good = "#!/bin/sh\nexec sleep 1000\n";
    let path = script(&house, "job.sh", good);
    house.write(&configuration("[\"./job.sh\"]", ""));
    house.start();
    begun(&house);

    std::fs::remove_file(&path).unwrap();
    let why = why_after_death(&house);
    assert!(why.contains("job.sh") && why.contains("does not exist"), "{why}");
    script(&house, "job.sh", good);
    begun(&house);

    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let why = why_after_death(&house);
    assert!(why.contains("job.sh") && why.contains("Permission denied"), "{why}");
    script(&house, "job.sh", good);
    begun(&house);

    script(&house, "job.sh", "#!/no/such/interpreter\n");
    let why = why_after_death(&house);
    assert!(why.contains("job.sh") && why.contains("interpreter in its first line"), "{why}");
    script(&house, "job.sh", "no program at all\n");
    house.wait_until("other words", |status| {
        slot(status)["why"].as_str().is_some_and(|why| why.contains("neither a binary nor"))
    });
}

#[test]
fn a_directory_that_went_away_says_so() {
    let house = House::new("");
    std::fs::create_dir(house.path("place")).unwrap();
    house.write(&configuration("[\"sleep\", \"1000\"]", "cwd = \"place\""));
    house.start();
    begun(&house);
    std::fs::remove_dir(house.path("place")).unwrap();
    let why = why_after_death(&house);
    let place = house.path("place");
    assert_eq!(
        why,
        format!("cannot enter `{}`: No such file or directory (os error 2)", place.display())
    );
}

#[test]
fn a_program_is_born_with_the_attributes_of_its_app() {
    let user = stranger(0);
    let as_whom = match is_root() {
        true => format!("user = {user}\ngroup = {user}\n"),
        false => String::new(),
    };
    let more = format!(
        "cwd = \"/\"\numask = \"027\"\nnice = 7\n{as_whom}[apps.job.resources]\n\
         open_files = 123\ncore = \"0B\"\ncpu_time = \"1h\"\nstack = \"4MiB\"\n"
    );
    let words = "echo plain; echo again > /dev/stdout; exec sleep 1000";
    let house = job(&format!("[\"sh\", \"-c\", \"{words}\"]"), &more);
    house.start();
    let pid = begun(&house);
    let of = |name: &str| std::fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
    let status = of("status");
    assert!(status.contains("Umask:\t0027"), "{status}");
    assert_eq!(of("stat").rsplit(')').next().unwrap().split(' ').nth(17), Some("7"));
    let limits = of("limits");
    let limit = |name: &str| {
        let line = limits.lines().find(|line| line.starts_with(name)).unwrap();
        line[name.len()..].split_whitespace().take(2).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(limit("Max open files"), "123 123");
    assert_eq!(limit("Max core file size"), "0 0");
    assert_eq!(limit("Max cpu time"), "3600 3600");
    assert_eq!(limit("Max stack size"), "4194304 4194304");
    if is_root() {
        assert!(status.contains(&format!("Uid:\t{user}\t{user}\t{user}\t{user}")), "{status}");
        assert!(status.contains(&format!("Gid:\t{user}\t{user}\t{user}\t{user}")), "{status}");
        assert!(status.contains(&format!("Groups:\t{user} \n")), "{status}");
        let environ = of("environ");
        assert!(environ.contains("HOME=/\0"), "{environ}");
        assert!(environ.contains(&format!("LOGNAME={user}\0")), "{environ}");
    }
    wait_for("its output", || {
        let log = std::fs::read_to_string(house.path("logs/job.out.log")).unwrap_or_default();
        log.contains("plain\nagain\n")
    });
}

#[test]
fn a_named_user_has_its_groups_its_home_and_its_name() {
    if !is_root() {
        return skip("a_named_user_has_its_groups_its_home_and_its_name", "needs root");
    }
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let house = job("[\"sleep\", \"1000\"]", "cwd = \"/\"\nuser = \"nobody\"");
    house.start();
    let pid = begun(&house);
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    assert!(status.contains(&format!("Uid:\t{}\t", nobody.uid)), "{status}");
    assert!(status.contains(&format!("Gid:\t{}\t", nobody.gid)), "{status}");
    assert!(status.contains(&format!("Groups:\t{} \n", nobody.gid)), "{status}");
    let environ = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    assert!(environ.contains("USER=nobody\0"), "{environ}");
    assert!(environ.contains(&format!("HOME={}\0", nobody.dir.display())), "{environ}");
}

#[test]
fn what_the_programs_user_may_not_enter_is_told_with_its_name() {
    if !is_root() {
        return skip("what_the_programs_user_may_not_enter_is_told_with_its_name", "needs root");
    }
    let house = job("[\"sleep\", \"1000\"]", "cwd = \"private\"\nuser = \"nobody\"");
    let private = std::fs::Permissions::from_mode(0o700);
    std::fs::create_dir(house.path("private")).unwrap();
    std::fs::set_permissions(house.path("private"), private).unwrap();
    house.run(&["start"]);
    house.wait_until("the reason", |status| {
        slot(status)["why"]
            .as_str()
            .is_some_and(|why| why.contains("as user `nobody`: Permission denied"))
    });
}

#[test]
fn a_user_whom_an_app_had_before_does_not_keep_its_output() {
    if !is_root() {
        return skip("a_user_whom_an_app_had_before_does_not_keep_its_output", "needs root");
    }
    let (first, second) = (stranger(3), stranger(4));
    let sleep = "[\"sleep\", \"1000\"]";
    let of = |user: u32| format!("cwd = \"/\"\nuser = {user}\ngroup = {user}\n");
    let house = job(sleep, &of(first));
    house.start();
    let owners = || {
        let about = |name: &str| std::fs::metadata(house.path(name)).unwrap();
        ["run/job.out", "run/job.err"].map(about).map(|about| (about.uid(), about.gid()))
    };
    assert_eq!(owners(), [(first, first); 2]);
    for (more, owner) in [(of(second), second), ("cwd = \"/\"".to_owned(), 0)] {
        house.write(&configuration(sleep, &more));
        let said = house.run(&["reload"]);
        assert_eq!(said.code, Some(0), "{said:?}");
        assert_eq!(owners(), [(owner, owner); 2]);
    }
}

#[test]
fn a_user_with_too_many_processes_says_so() {
    if !is_root() {
        return skip("a_user_with_too_many_processes_says_so", "needs root");
    }
    let user = stranger(1);
    let more = format!(
        "cwd = \"/\"\ninstances = 4\nuser = {user}\ngroup = {user}\nresources.processes = 1"
    );
    let house = job("[\"sleep\", \"1000\"]", &more);
    house.run(&["start"]);
    // Who comes first has a place; the kernel is generous by one.
    house.wait_until("some of them", |status| {
        let slots = status["apps"][0]["slots"].as_array().unwrap();
        let refused = |slot: &Value| {
            slot["why"].as_str().is_some_and(|why| why.contains("as resources.processes allows"))
        };
        slots.iter().any(|slot| slot["status"] == "online") && slots.iter().any(refused)
    });
}

/// Ends a supervisor that runs as somebody else.
struct Foreground(std::process::Child);

impl Drop for Foreground {
    fn drop(&mut self) {
        let _ = nix::sys::signal::kill(
            nix::unistd::Pid::from_raw(self.0.id().cast_signed()),
            nix::sys::signal::Signal::SIGTERM,
        );
        let _ = self.0.wait();
    }
}

#[test]
fn a_system_that_has_no_more_processes_says_so_and_what_runs_goes_on() {
    if !is_root() {
        let name = "a_system_that_has_no_more_processes_says_so_and_what_runs_goes_on";
        return skip(name, "needs root to become a user with few processes");
    }
    let user = stranger(2);
    let house = job("[\"sleep\", \"1000\"]", "instances = 20");
    // The program may lie where that user cannot go. Another process copies it: what we write
    // ourselves is busy for as long as a child of another test has our descriptors.
    let program = house.path("mcp-supervisor");
    #[expect(clippy::disallowed_methods, reason = "a tool of the operating system")]
    let copied = Command::new("cp")
        .args([Path::new(env!("CARGO_BIN_EXE_mcp-supervisor")), &program])
        .status();
    assert!(copied.unwrap().success());
    let directory = program.parent().unwrap();
    for path in [directory, &program, &house.path("ecosystem.toml")] {
        chown(path, Some(user), Some(user)).unwrap();
    }
    #[expect(clippy::disallowed_methods, reason = "a shell sets the limit before the start")]
    let child = Command::new("sh")
        .args(["-c", "ulimit -u 12 2>&- || ulimit -p 12; exec ./mcp-supervisor start --foreground"])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .uid(user)
        .gid(user)
        .spawn()
        .unwrap();
    let supervisor = Foreground(child);
    wait_for("the socket", || house.path("run/supervisor.sock").exists());
    let words = |status: &Value, word: &str| {
        let slots = status["apps"][0]["slots"].as_array().unwrap();
        slots.iter().filter(|slot| slot["why"].as_str().is_some_and(|it| it.contains(word))).count()
    };
    let status = house.wait_until("refusals", |status| {
        words(status, "cannot start a process: there are as many processes") > 0
            && slot(status)["status"] == "online"
    });
    let first = slot(&status)["pid"].as_u64().unwrap();
    assert!(alive(first));
    drop(supervisor);
    assert!(!alive(first));
    assert!(!house.path("run/supervisor.sock").exists());
}

#[test]
fn a_flood_of_output_holds_nobody_up() {
    let house = House::new(
        "[supervisor]\nmetrics = \"off\"\n[apps.calm]\nexec = [\"sleep\", \"1000\"]\n\
         ready = \"20ms\"\n[apps.flood]\nexec = [\"FAULT_WORKER\", \"--flood\"]\n\
         ready = \"20ms\"\n[apps.flood.logs]\nmax_size = \"1MB\"\nmax_files = 2\n\
         compress = false\n",
    );
    house.start();
    let log = house.path("logs/flood.out.log.2");
    wait_for("two rotations", || log.exists());
    let calm = slot(&house.status())["pid"].as_u64().unwrap();
    signal("-KILL", calm);
    house.wait_until("the replacement", |status| {
        slot(status)["status"] == "online" && slot(status)["pid"] != calm
    });
    let said = house.run(&["stop"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let files = std::fs::read_dir(house.path("logs")).unwrap().flatten();
    let bytes = |path: &Path| path.metadata().map_or(0, |about| about.len());
    let flood = files
        .map(|entry| entry.path())
        .filter(|path| path.display().to_string().contains("flood.out"));
    let total: u64 = flood.map(|path| bytes(&path)).sum();
    assert!(total < 8_000_000, "{total} bytes are kept");
}
