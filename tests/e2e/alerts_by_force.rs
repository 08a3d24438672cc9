//! Alerts whose faults are of the machine: a disk that fills up, a supervisor that is held up.

use std::path::Path;
use std::process::Command;
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread::JoinHandle;
use std::time::Duration;

use nix::sys::signal::{Signal, kill};
use nix::sys::statvfs::statvfs;
use nix::unistd::Pid;

use crate::alerts::{tools, wait_for_alerts, wait_for_silence, watching, with_rules};
use crate::harness::{House, query, wait_for};

/// How long the supervisor is stopped, and how long it may run before it is stopped again.
const STOPPED: Duration = Duration::from_millis(1500);
const RUNNING: Duration = Duration::from_millis(500);

/// A small disk at this place until it is dropped; none where nobody here may mount one.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    fn at(place: &'a Path) -> Option<Disk<'a>> {
        let mount = ["-t", "tmpfs", "-o", "size=4m", "tmpfs"];
        #[expect(clippy::disallowed_methods, reason = "to mount is what makes a small disk")]
        let ended = Command::new("mount").args(mount).arg(place).output();
        ended.is_ok_and(|ended| ended.status.success()).then_some(Disk(place))
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        #[expect(clippy::disallowed_methods, reason = "what was mounted is let go of")]
        let ended = Command::new("umount").arg("--lazy").arg(self.0).status();
        assert!(ended.is_ok_and(|ended| ended.success()) || std::thread::panicking());
    }
}

fn share_used(directory: &Path) -> f64 {
    let disk = statvfs(directory).unwrap();
    1.0 - disk.blocks_available() as f64 / disk.blocks() as f64
}

#[test]
fn a_disk_that_fills_up_is_told_before_it_is_full() {
    let Some(tools) = tools("a_disk_that_fills_up_is_told_before_it_is_full") else { return };
    let directory = tempfile::tempdir().unwrap();
    let disk = Disk::at(directory.path());
    let text = query(1, "", "").replace("metrics = \"off\"", "metrics = \"127.0.0.1:0\"");
    let logs = format!("[supervisor]\nlog_directory = {:?}\n", directory.path());
    let house = House::new(&text.replace("[supervisor]\n", &logs));
    house.start();
    let rules = |text: &str| {
        assert!(text.contains("bytes > 0.85\n"), "{text}");
        match &disk {
            Some(_) => text.to_owned(),
            // The machine's own disk is not filled; it is held against less.
            None => {
                let less = share_used(directory.path()) - 0.02;
                text.replace("bytes > 0.85\n", &format!("bytes > {less}\n"))
            }
        }
    };
    let prometheus = with_rules(&house, &tools, rules);
    wait_for("a scrape", || prometheus.scrapes());
    if disk.is_none() {
        return wait_for_alerts(&prometheus, &["LogDiskFillsUp"]);
    }
    assert_eq!(prometheus.firing(), [""; 0], "nothing is wrong yet");
    let big = directory.path().join("big");
    std::fs::write(&big, vec![0; 3_700_000]).unwrap();
    assert!(share_used(directory.path()) > 0.85);
    wait_for_alerts(&prometheus, &["LogDiskFillsUp"]);
    std::fs::remove_file(&big).unwrap();
    wait_for_silence(&prometheus, &["LogDiskFillsUp"]);
}

/// Stops a process and lets it go on, again and again, until this is dropped.
struct Stutter {
    over: Option<mpsc::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Stutter {
    fn of(pid: u64) -> Stutter {
        let pid = Pid::from_raw(i32::try_from(pid).unwrap());
        let (over, wait) = mpsc::channel();
        let thread = std::thread::spawn(move || {
            let goes_on = |time| wait.recv_timeout(time) == Err(RecvTimeoutError::Timeout);
            let mut runs = true;
            while runs {
                kill(pid, Signal::SIGSTOP).unwrap();
                runs = goes_on(STOPPED);
                kill(pid, Signal::SIGCONT).unwrap();
                runs = runs && goes_on(RUNNING);
            }
        });
        Stutter { over: Some(over), thread: Some(thread) }
    }
}

impl Drop for Stutter {
    fn drop(&mut self) {
        drop(self.over.take());
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(matches!(ended, Some(Ok(()))) || std::thread::panicking());
    }
}

#[test]
fn a_supervisor_that_is_held_up_is_told() {
    let Some(tools) = tools("a_supervisor_that_is_held_up_is_told") else { return };
    // Its next deadline is never far, so that it is late for one whenever it is stopped.
    let beats =
        "[apps.query.health]\nheartbeat_interval = \"100ms\"\nheartbeat_timeout = \"200ms\"\n";
    let text = query(1, "", beats).replace("metrics = \"off\"", "metrics = \"127.0.0.1:0\"");
    let house = House::new(&text);
    house.start();
    let supervisor = house.status()["pid"].as_u64().unwrap();
    let prometheus = watching(&house, &tools);
    wait_for("a scrape", || prometheus.scrapes());
    assert_eq!(prometheus.firing(), [""; 0], "nothing is wrong yet");
    let stutter = Stutter::of(supervisor);
    wait_for_alerts(&prometheus, &["SupervisorSlow"]);
    drop(stutter);
    wait_for_silence(&prometheus, &["SupervisorSlow"]);
    assert_eq!(house.slots()[0]["restarts"], 0, "the worker is not blamed");
}
