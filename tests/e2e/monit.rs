//! The live screen on a real pseudo terminal: what it shows, what its keys do, and above all that
//! the terminal is as it was afterwards, however it ends.
#![expect(clippy::disallowed_methods, reason = "tests start programs")]

use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::pty::PtyMaster;
use nix::sys::termios::{Termios, tcgetattr};

use crate::harness::{House, alive, signal, terminal, wait_for};

const COLUMNS: u16 = 100;
const LINES: u16 = 30;
/// Set for a run of ourselves that is to panic while it shows the screen.
const PANICS: &str = "MONIT_TEST_PANICS";

/// A pseudo terminal, and what a person in front of it sees.
struct Terminal {
    person: PtyMaster,
    program_side: File,
    before: Termios,
    seen: vt100::Parser,
}

/// A program that does not outlive a test that fails.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Terminal {
    fn new() -> Terminal {
        let (person, program_side) = terminal();
        let before = tcgetattr(&program_side).unwrap();
        let seen = vt100::Parser::new(LINES, COLUMNS, 0);
        let terminal = Terminal { person, program_side, before, seen };
        terminal.resize(COLUMNS, LINES);
        terminal
    }

    fn resize(&self, columns: u16, lines: u16) {
        let mut command = Command::new("stty");
        command.args(["cols", &columns.to_string(), "rows", &lines.to_string()]);
        assert!(command.stdin(self.side()).status().unwrap().success());
    }

    fn side(&self) -> Stdio {
        Stdio::from(OwnedFd::from(self.program_side.try_clone().unwrap()))
    }

    /// Starts a program as if this were its only terminal, so that it is told of a hang-up.
    fn start(&self, command: &Command) -> Program {
        let mut with_terminal = Command::new("setsid");
        with_terminal.arg("--ctty").arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            with_terminal.env(name, value.unwrap_or_default());
        }
        with_terminal.env("TERM", "xterm-256color").current_dir("/");
        with_terminal.stdin(self.side()).stdout(self.side()).stderr(self.side());
        Program(with_terminal.spawn().unwrap())
    }

    /// True when a program that writes has to wait.
    fn is_full(&self) -> bool {
        let mut side = [PollFd::new(self.program_side.as_fd(), PollFlags::POLLOUT)];
        poll(&mut side, PollTimeout::ZERO).unwrap() == 0
    }

    fn press(&mut self, keys: &str) {
        self.person.write_all(keys.as_bytes()).unwrap();
    }

    /// What stands on the screen now.
    fn look(&mut self) -> String {
        let mut bytes = [0u8; 4096];
        loop {
            match self.person.read(&mut bytes) {
                Ok(count @ 1..) => self.seen.process(&bytes[..count]),
                Ok(0) => break,
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) => panic!("cannot read the terminal: {error}"),
            }
        }
        self.seen.screen().contents()
    }

    fn wait_for(&mut self, words: &str) -> String {
        let mut seen = String::new();
        let waited = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            wait_for(words, || {
                seen = self.look();
                seen.contains(words)
            });
        }));
        assert!(waited.is_ok(), "waited in vain for {words:?} on\n{seen}");
        seen
    }

    /// The terminal must be as it was before the program came.
    fn assert_given_back(&mut self) {
        self.look();
        let screen = self.seen.screen();
        assert!(!screen.alternate_screen(), "the alternate screen was not left");
        assert!(!screen.hide_cursor(), "the cursor is hidden");
        self.assert_mode_given_back();
    }

    fn assert_mode_given_back(&self) {
        assert_eq!(tcgetattr(&self.program_side).unwrap(), self.before, "the mode is another");
    }
}

fn monit(house: &House, terminal: &Terminal) -> Program {
    terminal.start(&house.command(&["monit"]))
}

fn ended(program: &mut Program) -> ExitStatus {
    let mut status = None;
    wait_for("the end of monit", || {
        status = program.0.try_wait().unwrap();
        status.is_some()
    });
    status.unwrap()
}

#[test]
fn the_screen_shows_the_house_and_its_keys_change_it() {
    let house = House::with_workers(2, "--print-lines 3", "");
    house.start();
    let before = house.pids();
    let mut terminal = Terminal::new();
    let mut monit = monit(&house, &terminal);
    let seen = terminal.wait_for("query[1]");
    for words in ["query[0]", "online", "2/2 online", &before[0].to_string(), "generation 1"] {
        assert!(seen.contains(words), "{words} in\n{seen}");
    }
    assert!(terminal.seen.screen().alternate_screen());
    assert!(terminal.seen.screen().hide_cursor());
    assert_ne!(tcgetattr(&terminal.program_side).unwrap(), terminal.before, "raw mode");
    terminal.wait_for("line 2");
    terminal.press("r");
    terminal.wait_for("query was reloaded");
    let after = house.pids();
    assert!(before.iter().all(|pid| !after.contains(pid)), "{before:?} and {after:?}");
    terminal.wait_for(&after[1].to_string());
    // A restart asks first, and `no` leaves everything as it is.
    terminal.press("R");
    terminal.wait_for("restart query, all at once? clients notice (y/n)");
    terminal.press("n");
    terminal.wait_for("q quit");
    assert_eq!(house.pids(), after);
    terminal.press("Ry");
    terminal.wait_for("query was restarted");
    assert!(house.pids().iter().all(|pid| !after.contains(pid)));
    terminal.resize(60, 12);
    wait_for("the smaller screen", || {
        terminal.seen.screen_mut().set_size(12, 60);
        let seen = terminal.look();
        seen.contains("query[1]") && !seen.contains("restarts")
    });
    terminal.press("q");
    assert!(ended(&mut monit).success());
    terminal.assert_given_back();
}

#[test]
fn keys_stop_one_slot_and_start_it_again_and_the_other_is_left_alone() {
    let house = House::with_workers(2, "", "");
    house.start();
    let before = house.pids();
    let states = |house: &House| -> Vec<String> {
        house.slots().iter().map(|slot| slot["status"].as_str().unwrap().to_owned()).collect()
    };
    let mut terminal = Terminal::new();
    let mut monit = monit(&house, &terminal);
    terminal.wait_for("query[1]");
    // From the app down to its second slot.
    terminal.press("jjs");
    terminal.wait_for("stop query[1] until it is started again? (y/n)");
    assert_eq!(states(&house), ["online", "online"], "nobody said yes");
    terminal.press("y");
    terminal.wait_for("query[1] was stopped");
    assert_eq!(states(&house), ["online", "stopped"]);
    assert!(!alive(before[1]));
    terminal.wait_for("1/2 online");
    // The app's line tells what differs from the file.
    terminal.press("k");
    terminal.press("k");
    terminal.wait_for("changed: query[1] stopped by an operator");
    terminal.press("jjS");
    terminal.wait_for("query[1] was started");
    assert_eq!(states(&house), ["online", "online"]);
    assert_eq!(house.pids()[0], before[0]);
    terminal.press("q");
    assert!(ended(&mut monit).success());
    terminal.assert_given_back();
}

#[test]
fn a_signal_ends_the_screen_and_gives_the_terminal_back() {
    let house = House::with_workers(1, "", "");
    house.start();
    for (name, number) in [("-TERM", 15), ("-INT", 2), ("-HUP", 1)] {
        let mut terminal = Terminal::new();
        let mut monit = monit(&house, &terminal);
        terminal.wait_for("query[0]");
        signal(name, monit.0.id().into());
        assert_eq!(ended(&mut monit).signal(), Some(number), "{name}");
        terminal.assert_given_back();
    }
}

#[test]
fn a_terminal_that_takes_no_bytes_gets_its_mode_back_after_a_signal() {
    let house = House::with_workers(1, "", "");
    house.start();
    let mut terminal = Terminal::new();
    let mut monit = monit(&house, &terminal);
    terminal.wait_for("query[0]");
    // Nobody reads any more. The help is opened and closed until the terminal takes nothing.
    let mut full = 0;
    wait_for("a full terminal", || {
        terminal.press("?");
        full = if terminal.is_full() { full + 1 } else { 0 };
        full == 50
    });
    signal("-TERM", monit.0.id().into());
    assert_eq!(ended(&mut monit).signal(), Some(15));
    terminal.assert_mode_given_back();
    terminal.look();
    assert!(terminal.seen.screen().alternate_screen(), "it was not full: the test tests nothing");
}

#[test]
fn a_hang_up_ends_the_screen() {
    let house = House::with_workers(1, "", "");
    house.start();
    let mut terminal = Terminal::new();
    let mut monit = monit(&house, &terminal);
    terminal.wait_for("query[0]");
    drop(terminal);
    assert!(!ended(&mut monit).success());
}

#[test]
fn a_panic_gives_the_terminal_back() {
    if std::env::var_os(PANICS).is_some() {
        let _terminal = mcp_supervisor::monit::Terminal::enter().unwrap();
        let _ = std::thread::spawn(|| panic!("out of cheese")).join();
        unreachable!("a panic of any thread ends the process");
    }
    let mut terminal = Terminal::new();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "monit::a_panic_gives_the_terminal_back", "--nocapture"]);
    let mut child = terminal.start(command.env(PANICS, "1"));
    assert_eq!(ended(&mut child).code(), Some(101));
    terminal.assert_given_back();
    let seen = terminal.look();
    assert!(seen.contains("out of cheese"), "the panic is told after the screen:\n{seen}");
}

#[test]
fn the_screen_outlives_the_supervisor_and_says_so() {
    let house = House::with_workers(1, "", "");
    house.start();
    let mut terminal = Terminal::new();
    let mut monit = monit(&house, &terminal);
    terminal.wait_for("query[0]");
    assert_eq!(house.run(&["stop"]).code, Some(0));
    let seen = terminal.wait_for("no supervisor runs here");
    assert!(seen.contains("query[0]"), "the last picture stays:\n{seen}");
    house.start();
    let pid = house.pids()[0].to_string();
    wait_for("the new supervisor", || {
        let seen = terminal.look();
        seen.contains(&pid) && !seen.contains("no supervisor runs here")
    });
    // The whole service is stopped from the screen.
    terminal.press("X");
    terminal.wait_for("stop the whole service");
    terminal.press("y");
    terminal.wait_for("no supervisor runs here");
    assert!(!alive(pid.parse().unwrap()));
    terminal.press("\u{3}");
    assert!(ended(&mut monit).success());
    terminal.assert_given_back();
}

#[test]
fn a_supervisor_that_hangs_is_told_and_the_keys_work() {
    let house = House::with_workers(1, "", "");
    house.start();
    let supervisor = house.status()["pid"].as_u64().unwrap();
    let mut terminal = Terminal::new();
    let mut monit = monit(&house, &terminal);
    terminal.wait_for("query[0]");
    signal("-STOP", supervisor);
    terminal.press("?");
    terminal.wait_for("new workers before old");
    terminal.press("?");
    terminal.wait_for("the supervisor did not answer");
    signal("-CONT", supervisor);
    wait_for("an answer", || !terminal.look().contains("the supervisor did not answer"));
    terminal.press("q");
    assert!(ended(&mut monit).success());
    terminal.assert_given_back();
}

#[test]
fn without_a_terminal_there_is_no_screen() {
    let house = House::with_workers(1, "", "");
    let said = house.run(&["monit"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("monit needs a terminal, and standard input is none"), "{said:?}");
    assert_eq!(said.out, "");
    let terminal = Terminal::new();
    let mut command = house.command(&["dash"]);
    let child =
        command.stdin(terminal.side()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
    let mut dash = Program(child.unwrap());
    assert_eq!(ended(&mut dash).code(), Some(2));
    let mut words = String::new();
    dash.0.stderr.take().unwrap().read_to_string(&mut words).unwrap();
    assert!(words.contains("standard output is none"), "{words}");
}
