//! What systemd is told, and the unit that asks for it.

use std::os::unix::net::UnixDatagram;
use std::process::{Command, Stdio};
use std::sync::mpsc;

use crate::harness::{House, PATIENCE, signal, skip};

#[test]
fn ready_reloading_watchdog_and_stopping_are_sent() {
    let house = House::with_workers(2, "", "");
    let path = house.path("notify.sock");
    let socket = UnixDatagram::bind(&path).unwrap();
    socket.set_read_timeout(Some(PATIENCE)).unwrap();
    let (heard, said) = mpsc::channel();
    std::thread::spawn(move || {
        let mut bytes = [0u8; 4096];
        while let Ok(count) = socket.recv(&mut bytes) {
            let text = String::from_utf8_lossy(&bytes[..count]).into_owned();
            if heard.send(text).is_err() {
                return;
            }
        }
    });
    let wait_for_word = |word: &str| {
        let mut before = Vec::new();
        loop {
            match said.recv_timeout(PATIENCE) {
                Ok(text) if text.lines().any(|line| line == word) => return,
                Ok(text) => before.push(text),
                Err(_) => panic!("{word} was not sent, but {before:?}\n{}", house.logs()),
            }
        }
    };
    let mut child = house
        .command(&["start", "--foreground"])
        .env("NOTIFY_SOCKET", &path)
        .env("WATCHDOG_USEC", "400000")
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    wait_for_word("READY=1");
    wait_for_word("WATCHDOG=1");
    wait_for_word("WATCHDOG=1");
    let pid = house.pids()[0];
    let environ = std::fs::read_to_string(format!("/proc/{pid}/environ")).unwrap();
    assert!(!environ.contains("NOTIFY_SOCKET"), "workers must not speak for us: {environ}");
    signal("-HUP", u64::from(child.id()));
    wait_for_word("RELOADING=1");
    wait_for_word("READY=1");
    signal("-TERM", u64::from(child.id()));
    wait_for_word("STOPPING=1");
    assert!(child.wait().unwrap().success());
}

#[test]
fn the_unit_is_sound_and_exposes_little() {
    let unit = concat!(env!("CARGO_MANIFEST_DIR"), "/../deploy/systemd/mcp-supervisor.service");
    #[expect(clippy::disallowed_methods, reason = "a tool of the operating system")]
    let analyze = |arguments: &[&str]| Command::new("systemd-analyze").args(arguments).output();
    let output = match analyze(&["verify", unit]) {
        Ok(output) => output,
        Err(error) => {
            let why = format!("cannot run systemd-analyze: {error}");
            return skip("the_unit_is_sound_and_exposes_little", &why);
        }
    };
    let words = String::from_utf8_lossy(&output.stderr);
    // The program is installed on the target, not here; everything else must be in order.
    let faults: Vec<&str> = words
        .lines()
        .filter(|line| line.contains("mcp-supervisor.service"))
        .filter(|line| !line.contains("is not executable: No such file or directory"))
        .collect();
    assert!(faults.is_empty(), "{faults:?}");
    let output = analyze(&["security", "--offline=yes", "--threshold=15", unit]).unwrap();
    let words = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "more exposed than 1.5: {}", words.lines().last().unwrap());
}
