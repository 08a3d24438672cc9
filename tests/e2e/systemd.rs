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

/// Runs a journal of its own, out of everybody's way, and what is said to it meanwhile; prints its
/// entries. `$1` is our program, `$2` its configuration, `$3` another one that is to be refused.
const WITH_JOURNAL: &str = r#"
set -e
mount -t tmpfs none /run
mount -t tmpfs none /var/log
mkdir -p /run/systemd/journald.conf.d /run/systemd/journal
printf '[Journal]\nStorage=volatile\nAudit=keep\nReadKMsg=no\nRateLimitBurst=0\n' \
    >/run/systemd/journald.conf.d/test.conf
/usr/lib/systemd/systemd-journald 2>/dev/null &
trap "kill $!; wait $! || true" EXIT
for turn in $(seq 600); do
    [ -S /run/systemd/journal/socket ] && break
    sleep 0.05
done
"$1" --config "$2" start >&2
cp "$3" "$2"
"$1" --config "$2" reload >/dev/null 2>&1 || true
"$1" --config "$2" stop >&2
journalctl --sync 2>/dev/null
journalctl --directory=/run/log/journal --identifier=mcp-supervisor --output=json --all
echo
journalctl --directory=/run/log/journal --identifier=mcp-supervisor --output=json \
    APP=query PHASE=ready
"#;

#[test]
fn a_real_journal_takes_entries_of_many_lines_and_finds_them_by_their_fields() {
    const NAME: &str = "a_real_journal_takes_entries_of_many_lines_and_finds_them_by_their_fields";
    if !std::path::Path::new("/usr/lib/systemd/systemd-journald").exists() {
        return skip(NAME, "systemd's journal is not installed");
    }
    #[expect(clippy::disallowed_methods, reason = "a tool of the operating system")]
    let unshare = || {
        let mut unshare = Command::new("unshare");
        unshare.args(["--mount", "--propagation", "private"]);
        unshare
    };
    if !unshare().arg("true").output().is_ok_and(|said| said.status.success()) {
        return skip(NAME, "needs the right to mount file systems");
    }
    let text =
        crate::harness::query(1, "", "").replace("[supervisor]", "[supervisor]\njournal = true");
    let house = House::new(&text);
    let nonsense: String = (0..20).map(|number| format!("nonsense{number:04} = 1\n")).collect();
    let refused = text.replace("[supervisor]", &format!("[supervisor]\n{nonsense}"));
    std::fs::write(house.path("refused.toml"), refused).unwrap();
    let output = unshare()
        .args(["sh", "-c", WITH_JOURNAL, "sh", env!("CARGO_BIN_EXE_mcp-supervisor")])
        .args([house.path("ecosystem.toml"), house.path("refused.toml")])
        .output()
        .unwrap();
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{words}\n{}", house.logs());
    let told = String::from_utf8(output.stdout).unwrap();
    let (all, ready) = told.split_once("\n\n").unwrap_or_else(|| panic!("{told}"));
    let entries = |text: &str| -> Vec<serde_json::Value> {
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    let all = entries(all);
    // What stands in the file stands in the journal.
    let log = std::fs::read_to_string(house.path("logs/supervisor.log")).unwrap();
    let written = log.lines().filter(|line| line.starts_with("20")).count();
    assert_eq!(all.len(), written, "{log}");
    let refusal = all.iter().find(|entry| entry["PROBLEM"].is_string());
    let refusal = refusal.unwrap_or_else(|| panic!("no refusal among {}", all.len()));
    let problem = refusal["PROBLEM"].as_str().unwrap();
    assert!(problem.lines().count() > 20, "{problem}");
    assert!(problem.contains("nonsense0000") && problem.contains("nonsense0019"));
    assert_eq!(refusal["PRIORITY"], "3");
    let ready = entries(ready);
    assert_eq!(ready.len(), 1, "{ready:?}");
    assert_eq!((&ready[0]["SLOT"], &ready[0]["PRIORITY"]), (&"0".into(), &"6".into()));
    let message = ready[0]["MESSAGE"].as_str().unwrap();
    assert!(message.starts_with("worker moved app=query slot=0 run="), "{message}");
}
