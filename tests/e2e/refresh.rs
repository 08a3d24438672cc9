//! Workers that are replaced without anybody asking: files, the clock, memory.
#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for conditions")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::harness::{GET, House, Load, Said, query, send, skip, wait_for};

/// A house whose one worker is replaced when `src` changes.
fn watching(paths: &str, delay: &str, more: &str) -> House {
    let more = format!("watch = [{paths}]\nwatch_delay = \"{delay}\"\n{more}");
    let house = House::with_workers(1, "", &more);
    fs::create_dir_all(house.path("src/deep")).unwrap();
    fs::write(house.path("src/app.py"), "one").unwrap();
    house
}

fn rolls(house: &House) -> usize {
    let log = fs::read_to_string(house.path("logs/supervisor.log")).unwrap();
    log.matches("roll began").count()
}

/// Makes a change and waits until the worker was replaced because of `why`.
fn replaces(house: &House, why: &str, change: impl FnOnce(&Path)) {
    let (before, rolls_before) = (house.pids(), rolls(house));
    change(&house.path("src"));
    house.wait_until(&format!("a new worker because {why}"), |status| {
        let app = &status["apps"][0];
        let slot = &app["slots"][0];
        app["reload"] == "idle" && slot["phase"] == "ready" && slot["pid"] != before[0]
    });
    let log = fs::read_to_string(house.path("logs/supervisor.log")).unwrap();
    let last = log.lines().rfind(|line| line.contains("roll began")).unwrap();
    assert!(last.contains(why), "{why} is not in {last}");
    assert_eq!(rolls(house), rolls_before + 1, "{log}");
}

#[test]
fn a_change_of_a_file_replaces_the_workers_however_it_is_made() {
    let house = watching("\"src\"", "200ms", "");
    house.start();
    replaces(&house, "src/app.py changed", |src| fs::write(src.join("app.py"), "two").unwrap());
    replaces(&house, "src/app.py changed", |src| {
        // As an editor does it.
        fs::write(src.join(".app.py.swp"), "").unwrap();
        fs::write(src.join("app.py~"), "three").unwrap();
        fs::rename(src.join("app.py~"), src.join("app.py")).unwrap();
        fs::remove_file(src.join(".app.py.swp")).unwrap();
    });
    replaces(&house, "src/deep/new.py changed", |src| {
        fs::write(src.join("deep/new.py"), "").unwrap();
    });
    replaces(&house, "src/more changed", |src| fs::create_dir(src.join("more")).unwrap());
    replaces(&house, "src/more/inner.py changed", |src| {
        fs::write(src.join("more/inner.py"), "").unwrap();
    });
    replaces(&house, "src/deep", |src| fs::remove_dir_all(src.join("deep")).unwrap());
    replaces(&house, "src/app.py changed", |src| {
        // As `touch` does it.
        let now = std::time::SystemTime::now();
        let file = fs::File::options().append(true).open(src.join("app.py")).unwrap();
        file.set_times(fs::FileTimes::new().set_accessed(now).set_modified(now)).unwrap();
    });
}

#[test]
fn a_file_that_is_replaced_is_watched_on() {
    let house = watching("\"src/app.py\"", "200ms", "");
    house.start();
    for content in ["two", "three"] {
        replaces(&house, "src/app.py changed", |src| {
            fs::write(src.join("other"), content).unwrap();
            fs::rename(src.join("other"), src.join("app.py")).unwrap();
        });
    }
    replaces(&house, "src/app.py changed", |src| fs::remove_file(src.join("app.py")).unwrap());
    replaces(&house, "src/app.py changed", |src| fs::write(src.join("app.py"), "four").unwrap());
}

#[test]
fn a_link_that_is_turned_is_a_change_and_what_it_leads_to_then_is_watched() {
    let house = watching("\"src/current/app.py\", \"src/config\"", "200ms", "");
    let release = |src: &Path, number: u32| {
        let directory = src.join(format!("releases/{number}"));
        fs::create_dir_all(&directory).unwrap();
        fs::write(directory.join("app.py"), number.to_string()).unwrap();
    };
    let turn = |src: &Path, target: &str, name: &str| {
        symlink(target, src.join("new_link")).unwrap();
        fs::rename(src.join("new_link"), src.join(name)).unwrap();
    };
    let src = house.path("src");
    release(&src, 1);
    symlink("releases/1", src.join("current")).unwrap();
    // As Kubernetes mounts a ConfigMap.
    fs::create_dir_all(src.join("config/..2026_1")).unwrap();
    fs::write(src.join("config/..2026_1/app.toml"), "1").unwrap();
    symlink("..2026_1", src.join("config/..data")).unwrap();
    symlink("..data/app.toml", src.join("config/app.toml")).unwrap();
    house.start();
    release(&src, 2);
    replaces(&house, "src/current/app.py changed", |src| turn(src, "releases/2", "current"));
    replaces(&house, "src/current/app.py changed", |src| {
        fs::write(src.join("releases/2/app.py"), "patched").unwrap();
    });
    replaces(&house, "src/config/", |src| {
        fs::create_dir(src.join("config/..2026_2")).unwrap();
        fs::write(src.join("config/..2026_2/app.toml"), "2").unwrap();
        symlink("..2026_2", src.join("config/..data_tmp")).unwrap();
        fs::rename(src.join("config/..data_tmp"), src.join("config/..data")).unwrap();
        fs::remove_dir_all(src.join("config/..2026_1")).unwrap();
    });
}

#[test]
fn a_burst_is_one_roll_and_what_is_ignored_is_none() {
    let house = watching("\".\"", "1500ms", "watch_ignore = [\"*.tmp\", \"src/gen\"]");
    fs::create_dir_all(house.path("src/.git")).unwrap();
    fs::create_dir_all(house.path("src/gen")).unwrap();
    house.start();
    let before = house.pids();
    replaces(&house, "src/burst0.py changed", |src| {
        for number in 0..20 {
            fs::write(src.join(format!("burst{number}.py")), "x").unwrap();
            // Asking takes much less than the delay; a roll would take no longer than a few times.
            assert_eq!(house.pids(), before, "replaced in the middle of a burst");
        }
    });
    // Our own logs and sockets lie in the watched directory too.
    for ignored in ["a.tmp", "deep/b.tmp", "gen/c.py", ".git/index", "app.py~", ".app.py.swp"] {
        fs::write(house.path("src").join(ignored), "x").unwrap();
    }
    // Events come in order: had one of those counted, this would not be the reason.
    replaces(&house, "src/seen.py changed", |src| fs::write(src.join("seen.py"), "").unwrap());
    assert_eq!(rolls(&house), 2, "{}", house.logs());
}

#[test]
fn changes_that_do_not_end_are_not_waited_for_for_ever() {
    let house = watching("\"src\"", "200ms", "");
    house.start();
    let before = house.pids();
    let mut number = 0;
    // Written more often than the delay until the worker was replaced all the same.
    wait_for("a new worker during constant change", || {
        number += 1;
        fs::write(house.path("src/app.py"), number.to_string()).unwrap();
        house.pids() != before
    });
}

#[test]
fn watching_begins_and_ends_with_a_reload() {
    let house = House::with_workers(1, "", "");
    fs::create_dir(house.path("src")).unwrap();
    house.start();
    let said = house.run(&["check"]);
    assert!(!said.out.contains("replaced when"), "{said:?}");
    let watch = "watch = [\"src\"]\nwatch_delay = \"50ms\"";
    house.write(&query(1, "", watch));
    assert_eq!(house.run(&["reload"]).code, Some(0));
    let said = house.run(&["check"]);
    assert!(said.out.contains("replaced when these change: src"), "{said:?}");
    house.wait_until("an idle roll", |status| status["apps"][0]["reload"] == "idle");
    let before = house.pids();
    let mut number = 0;
    wait_for("a new worker", || {
        // The thread that watches is on its way while we write.
        number += 1;
        fs::write(house.path("src/app.py"), number.to_string()).unwrap();
        house.pids() != before
    });
    house.write(&query(1, "", ""));
    assert_eq!(house.run(&["reload"]).code, Some(0));
    house.write(&query(1, "", "watch = [\"scr\"]"));
    let said = house.run(&["reload"]);
    assert_eq!(said.code, Some(78), "{said:?}");
    assert!(said.err.contains("there is no \"scr\" in "), "{said:?}");
}

#[test]
fn an_app_runs_on_unwatched_when_the_kernel_listens_to_no_more() {
    let house = watching("\"src\"", "200ms", "");
    for number in 0..20 {
        fs::create_dir(house.path(&format!("src/directory{number}"))).unwrap();
    }
    // A user namespace has a limit of its own.
    let script = "echo 5 > /proc/sys/user/max_inotify_watches && exec \"$@\"";
    let inside = |arguments: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "sh", "-c", script, "sh"]);
        command.args(arguments).stdin(Stdio::null()).output()
    };
    if !inside(&["true"]).is_ok_and(|output| output.status.success()) {
        return skip(
            "an_app_runs_on_unwatched_when_the_kernel_listens_to_no_more",
            "no user namespace can be made here",
        );
    }
    let config = house.path("ecosystem.toml");
    let supervisor = env!("CARGO_BIN_EXE_mcp-supervisor");
    let start = [supervisor, "--config", config.to_str().unwrap(), "start"];
    let said = Said::from(inside(&start).unwrap());
    assert_eq!(said.code, Some(0), "{said:?}\n{}", house.logs());
    let status = house.status();
    let remarks = status["apps"][0]["remarks"].to_string();
    assert!(remarks.contains("changes of its files are not noticed"), "{status}");
    assert!(remarks.contains("fs.inotify.max_user_watches"), "{status}");
    assert!(house.logs().contains("WARN"), "{}", house.logs());
}

#[test]
fn a_time_table_replaces_the_workers_again_and_again() {
    let more = "restart.at = \"* * * * * *\"\nrestart.time_zone = \"Europe/Berlin\"";
    let house = House::with_workers(2, "", more);
    let said = house.run(&["check"]);
    assert!(said.out.contains("replaced at \"* * * * * *\" in Europe/Berlin, next: "), "{said:?}");
    assert_eq!(said.out.matches(" CE").count(), 3, "{said:?}");
    house.start();
    let mut seen = house.pids();
    for _ in 0..2 {
        let before = seen.clone();
        house.wait_until("two new workers", |status| {
            let slots = status["apps"][0]["slots"].as_array().unwrap();
            slots.iter().all(|slot| slot["pid"].as_u64().is_some_and(|pid| !before.contains(&pid)))
        });
        seen.extend(house.pids());
    }
    let logs = house.logs();
    assert!(logs.contains("time table `* * * * * *`"), "{logs}");
    house.write(&query(2, "", "restart.at = \"0 4 29 2 *\""));
    assert_eq!(house.run(&["reload"]).code, Some(0));
    house.wait_until("an idle roll", |status| status["apps"][0]["reload"] == "idle");
}

#[test]
fn a_worker_that_takes_too_much_memory_is_replaced_and_no_request_fails() {
    let more = "restart.max_memory = \"40MB\"\nrestart.stable_after = \"100ms\"";
    let house = House::with_workers(2, "--answer-after-ms 2", more);
    house.start();
    let (address, before) = (house.address(), house.pids());
    let load = Load::start(address, 4);
    let hoarder: u64 =
        send(address, &GET.replace("GET / ", "GET /hoard ")).unwrap().parse().unwrap();
    assert!(before.contains(&hoarder));
    house.wait_until("the hoarder's successor", |status| {
        let slots = status["apps"][0]["slots"].as_array().unwrap();
        slots.iter().all(|slot| {
            slot["phase"] == "ready"
                && slot["pid"] != hoarder
                && slot["leaving_pids"] == serde_json::json!([])
        })
    });
    let (answered, failures) = load.stop();
    assert!(answered > 0 && failures.is_empty(), "{answered} and {failures:?}");
    let other = before.iter().find(|pid| **pid != hoarder).unwrap();
    assert!(house.pids().contains(other), "only the hoarder is replaced\n{}", house.logs());
    assert!(house.slots().iter().all(|slot| slot["restarts"] == 0), "{:?}", house.slots());
    assert!(house.logs().contains("max_memory"), "{}", house.logs());
}

#[test]
fn a_limit_below_what_every_worker_needs_is_no_tight_loop() {
    let more = "restart.max_memory = \"1MB\"\nrestart.stable_after = \"3s\"";
    let house = House::with_workers(1, "", more);
    house.start();
    let first = house.pids();
    let began = Instant::now();
    house.wait_until("a second worker", |status| {
        status["apps"][0]["slots"][0]["pid"].as_u64().is_some_and(|pid| pid != first[0])
    });
    assert!(began.elapsed() > Duration::from_secs(2), "{:?}\n{}", began.elapsed(), house.logs());
    let second = house.pids();
    let began = Instant::now();
    house.wait_until("a third worker", |status| {
        status["apps"][0]["slots"][0]["pid"].as_u64().is_some_and(|pid| pid != second[0])
    });
    assert!(began.elapsed() > Duration::from_secs(2), "{:?}\n{}", began.elapsed(), house.logs());
}
