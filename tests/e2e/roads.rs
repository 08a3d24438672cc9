//! Ways into a configuration: files of other programs, and a first file, tried on real ones.
#![expect(clippy::disallowed_methods, reason = "tests start programs")]

use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

use nix::pty::PtyMaster;

use crate::harness::{House, Said, alive, get, skip, terminal, wait_for};
use crate::servers::version;

const WEB: &str = r#"
import http.server, os, signal

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = os.environ["GREETING"].encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

signal.signal(signal.SIGINT, lambda *_: os._exit(0))
server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
print("port", server.server_port, flush=True)
server.serve_forever()
"#;
const TICK: &str = "echo \"tick $WORD $1\"\nexec sleep 1000\n";

/// Puts a file into a house.
fn put(house: &House, name: &str, text: &str) {
    std::fs::create_dir_all(house.path(name).parent().unwrap()).unwrap();
    std::fs::write(house.path(name), text).unwrap();
}

/// Imports a file of the house as its configuration.
fn import(house: &House, origin: &str, file: &str) -> Said {
    let (from, to) = (house.path(file), house.path("ecosystem.toml"));
    let (from, to) = (from.display().to_string(), to.display().to_string());
    let said = house.run(&["import", origin, &from, "--output", &to, "--force"]);
    if said.code == Some(0) {
        let mut file = OpenOptions::new().append(true).open(to).unwrap();
        file.write_all(b"\n[supervisor]\nmetrics = \"off\"\n").unwrap();
    }
    said
}

#[test]
fn an_imported_pm2_file_is_started_and_serves() {
    if version("python3").is_none_or(|version| version < (3, 8)) {
        return skip(
            "roads::an_imported_pm2_file_is_started_and_serves",
            "there is no python3 of 3.8 or newer",
        );
    }
    let house = House::new("");
    put(&house, "web/server.py", WEB);
    put(&house, "tick.sh", TICK);
    put(
        &house,
        "ecosystem.json",
        r#"{ "apps": [
            { "name": "web", "script": "server.py", "cwd": "web", "kill_timeout": 3000,
              "env": { "GREETING": "good day" }, "max_memory_restart": "200M" },
            { "name": "tick tock", "script": "./tick.sh", "interpreter": "sh", "args": "'two words'",
              "instances": 2, "env": { "WORD": "$HOME" }, "out_file": "x.log" }
        ] }"#,
    );
    let said = import(&house, "pm2", "ecosystem.json");
    assert_eq!(said.code, Some(0), "{said:?}");
    for words in ["web.kill_timeout", "drain_timeout = \"3s\"", "tick tock.out_file: logs are"] {
        assert!(said.err.contains(words), "{words}: {said:?}");
    }
    assert!(!said.err.contains("to be mended"), "{said:?}");
    house.start();
    let log =
        |name: &str| std::fs::read_to_string(house.path("logs").join(name)).unwrap_or_default();
    let mut port = None;
    wait_for("the port in the log", || {
        let line = log("web.out.log");
        port = line.strip_prefix("port ").and_then(|port| port.trim().parse::<u16>().ok());
        port.is_some()
    });
    let address = std::net::SocketAddr::from(([127, 0, 0, 1], port.unwrap()));
    assert_eq!(get(address).as_deref(), Ok("good day"));
    wait_for("both ticks", || {
        log("tick-tock.out.log").matches("tick $HOME two words").count() == 2
    });
}

#[test]
fn a_pm2_file_in_javascript_is_evaluated_by_node() {
    if version("node").is_none_or(|version| version < (18, 0)) {
        return skip(
            "roads::a_pm2_file_in_javascript_is_evaluated_by_node",
            "there is no node of 18 or newer",
        );
    }
    let house = House::new("");
    put(&house, "tick.sh", TICK);
    put(
        &house,
        "ecosystem.config.js",
        r#"console.log("noise"); process.stdout.write("more noise");
           const path = require("node:path");
           module.exports = { apps: ["one", "two"].map((name, index) => ({
             name, script: path.join(__dirname, "tick.sh"), interpreter: "sh",
             ignore_watch: [/tmp/], max_restarts: Infinity, args: [String(index)],
             cwd: process.cwd(), env: { GONE: undefined, CALLED: () => 1 },
           })) };"#,
    );
    let said = import(&house, "pm2", "ecosystem.config.js");
    assert_eq!(said.code, Some(0), "{said:?}");
    for what in [
        "one.max_restarts",
        "one.env.GONE, two.env.GONE: it has no value",
        "one.env.CALLED, two.env.CALLED: it is a function",
    ] {
        assert!(said.err.contains(what), "what JSON cannot say is told: {what}: {said:?}");
    }
    house.start();
    let log = house.path("logs/two.out.log");
    wait_for("the second app", || {
        std::fs::read_to_string(&log).is_ok_and(|text| text.contains("tick  1"))
    });
    put(&house, "a.mjs", "export default { apps: [{ name: 'm', script: 'a.sh' }] };");
    let said = house.run(&["import", "pm2", &house.path("a.mjs").display().to_string()]);
    assert!(said.out.contains("[apps.m]\n"), "{said:?}");
    put(&house, "bad.config.js", "throw new Error('no such colour');");
    let said = house.run(&["import", "pm2", &house.path("bad.config.js").display().to_string()]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("no such colour") && said.out.is_empty(), "{said:?}");
}

#[test]
fn a_program_that_fails_is_not_kept_up_by_whom_it_started() {
    let name = "roads::a_program_that_fails_is_not_kept_up_by_whom_it_started";
    if version("node").is_none_or(|version| version < (18, 0)) {
        return skip(name, "there is no node of 18 or newer");
    }
    let house = House::new("");
    let pid = house.path("pid");
    put(
        &house,
        "bad.config.js",
        &format!(
            "const options = {{ stdio: [\"ignore\", \"ignore\", \"inherit\"] }};\n\
             const child = require(\"child_process\").spawn(\"sleep\", [\"1000\"], options);\n\
             require(\"fs\").writeFileSync({pid:?}, String(child.pid));\n\
             throw new Error('no such colour');\n"
        ),
    );
    let mut command = house.command(&["import", "pm2"]);
    command.arg(house.path("bad.config.js")).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    wait_for("the refusal", || child.try_wait().unwrap().is_some());
    let said = Said::from(child.wait_with_output().unwrap());
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("no such colour"), "{said:?}");
    let pid = std::fs::read_to_string(pid).unwrap().parse().unwrap();
    wait_for("the end of whom it started", || !alive(pid));
}

#[test]
fn without_node_it_is_said_how_to_make_data_of_it() {
    let house = House::new("");
    put(&house, "ecosystem.config.cjs", "module.exports = {};");
    let file = house.path("ecosystem.config.cjs");
    let mut command = house.command(&["import", "pm2"]);
    let said = Said::from(command.arg(&file).env("PATH", "/nonexistent").output().unwrap());
    assert_eq!(said.code, Some(1), "{said:?}");
    for words in ["no node in PATH", "JSON.stringify", "pm2 save", "dump.pm2"] {
        assert!(said.err.contains(words), "{words}: {said:?}");
    }
}

#[test]
fn supervisord_is_followed_into_the_files_that_it_includes() {
    let house = House::new("");
    put(&house, "etc/supervisord.conf", "[include]\nfiles = conf.d/*.conf more/*\n");
    put(&house, "etc/conf.d/tick.conf", "[program:tick]\ncommand=sh %(here)s/tick.sh 'a b'\n");
    put(&house, "etc/conf.d/tick.sh", TICK);
    let said = import(&house, "supervisord", "etc/supervisord.conf");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(!said.err.contains("to be mended"), "{said:?}");
    assert!(said.err.contains("`more/*` is no file here"), "{said:?}");
    house.start();
    wait_for("its output", || house.logs().contains("tick  a b"));
}

#[test]
fn a_file_that_is_no_env_file_becomes_nothing() {
    let house = House::new("");
    put(&house, "labs.yaml", "other_services:\n  query_manager: true\n");
    let file = house.path("labs.yaml").display().to_string();
    let said = house.run(&["import", "env", &file]);
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.out.is_empty() && said.err.contains("NAME=VALUE"), "{said:?}");
}

#[test]
fn what_is_wrong_on_this_machine_is_said_and_the_file_is_written() {
    let house = House::new("");
    put(&house, "ecosystem.yaml", "apps:\n  - { name: a, script: ./gone, cwd: ./nowhere }\n");
    put(&house, "labs.yaml", "other_services: { query_manager: true }\n");
    let said = import(&house, "pm2", "ecosystem.yaml");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("to be mended\n"), "{said:?}");
    assert!(said.err.contains("/ecosystem.toml:6:8: apps.a.exec\n"), "{said:?}");
    assert!(said.err.contains("/ecosystem.toml:7:7: apps.a.cwd\n"), "{said:?}");
    let said = import(&house, "labs-yaml", "labs.yaml");
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("toolset `official`"), "{said:?}");
    let said = import(&house, "pm2", "labs.yaml");
    assert_eq!(said.code, Some(1), "{said:?}");
    assert!(said.err.contains("no app in it"), "{said:?}");
}

#[test]
fn init_takes_flags_keeps_what_is_there_and_leaves_nothing_behind() {
    let house = House::new("kept = true");
    let said = house.run(&["init"]);
    assert_eq!(said.code, Some(2), "{said:?}");
    assert!(said.err.contains("--force"), "{said:?}");
    assert_eq!(std::fs::read_to_string(house.path("ecosystem.toml")).unwrap(), "kept = true");

    let new = house.path("new.toml").display().to_string();
    let flags = ["init", "--output", &new, "--exec", "sh -c 'exec sleep 9'", "--instances", "3"];
    let said = house.run(&flags);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains(&format!("next: mcp-supervisor --config {new} check")), "{said:?}");
    let mode = std::fs::metadata(&new).unwrap().permissions().mode();
    assert_eq!(mode & 0o007, 0, "{mode:o}");
    let mut check = Command::new(env!("CARGO_BIN_EXE_mcp-supervisor"));
    let said = Said::from(check.args(["--config", &new, "check"]).output().unwrap());
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("sh: 3 x "), "{said:?}");
    assert_eq!(house.run(&flags).code, Some(2));

    // Without a flag and without a terminal: the sample account.
    let said = house.run(&["init", "--output", &new, "--force"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(std::fs::read_to_string(&new).unwrap().contains("exec = [\"mcp-worker\"]"));
    let names = std::fs::read_dir(house.path("")).unwrap().flatten();
    let mut names: Vec<_> = names.map(|entry| entry.file_name()).collect();
    names.sort();
    assert_eq!(names, ["ecosystem.toml", "new.toml"]);
}

#[test]
fn init_says_that_no_shell_reads_a_command() {
    let house = House::new("");
    let said = house.run(&["init", "--force", "--exec", "/bin/sleep 5 && echo hi | cat"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.err.contains("write sh -c '/bin/sleep 5 && echo hi | cat'"), "{said:?}");
}

/// `init` in front of a person who types these lines.
fn init_on_terminal(house: &House, answers: &str) -> (std::process::Child, PtyMaster) {
    let (mut person, program_side) = terminal();
    let stream = |file: &File| Stdio::from(file.try_clone().unwrap());
    let child = house
        .command(&["init", "--output"])
        .arg(house.path("new.toml"))
        .stdin(stream(&program_side))
        .stdout(stream(&program_side))
        .stderr(stream(&program_side))
        .spawn()
        .unwrap();
    person.write_all(answers.as_bytes()).unwrap();
    (child, person)
}

/// Reads what is shown until these words stand there.
fn read_until(person: &mut PtyMaster, words: &str) -> String {
    let mut seen = String::new();
    wait_for(words, || {
        let mut bytes = [0; 4096];
        // Nothing is there yet, or the program is gone.
        let count = person.read(&mut bytes).unwrap_or(0);
        seen.push_str(&String::from_utf8_lossy(&bytes[..count]));
        seen.contains(words)
    });
    seen
}

#[test]
fn init_asks_on_a_terminal_and_enter_takes_the_defaults() {
    let house = House::new("");
    let answers = "3\n2\nsh -c 'exec sleep 9'\n\nnowhere\n127.0.0.1:0\n\n";
    let (mut child, mut person) = init_on_terminal(&house, answers);
    let seen = read_until(&mut person, "start\r\n");
    assert!(child.wait().unwrap().success(), "{seen}");
    assert!(seen.contains("write 1 or 2") && seen.contains("an IP address and a port"), "{seen}");
    let text = std::fs::read_to_string(house.path("new.toml")).unwrap();
    for line in ["[apps.sh]", "listen = \"127.0.0.1:0\"", "instances = 1"] {
        assert!(text.contains(line), "{line}: {text}");
    }
}

#[test]
fn init_that_is_broken_off_leaves_nothing_behind() {
    let house = House::new("");
    let (mut child, mut person) = init_on_terminal(&house, "1\nquery\n");
    read_until(&mut person, "Where shall it serve?");
    // As Ctrl-C would, which is ignored by all that a shell without job control runs beside itself.
    crate::harness::signal("-TERM", child.id().into());
    assert!(!child.wait().unwrap().success());
    assert!(!house.path("new.toml").exists());
    // The end of the input, as Ctrl-D says it, is no answer either.
    let (mut child, mut person) = init_on_terminal(&house, "1\n\x04");
    read_until(&mut person, "nothing was written");
    assert_eq!(child.wait().unwrap().code(), Some(2));
    assert!(!house.path("new.toml").exists());
}

#[test]
fn bash_completes_what_stands_behind_a_command() {
    if version("bash").is_none_or(|version| version < (4, 0)) {
        let name = "roads::bash_completes_what_stands_behind_a_command";
        return skip(name, "there is no bash of 4.0 or newer");
    }
    let house = House::new("");
    put(&house, "completion", &house.run(&["completion", "bash"]).out);
    let completed = |line: &str| {
        let words: Vec<&str> = line.split(' ').collect();
        let script = format!(
            "shopt -s progcomp; . {}; COMP_WORDS=({line}); COMP_CWORD={}; \
             _mcp__supervisor mcp-supervisor '{}' '{}'; echo \"${{COMPREPLY[*]}}\"",
            house.path("completion").display(),
            words.len() - 1,
            words[words.len() - 1],
            words[words.len() - 2],
        );
        Said::from(Command::new("bash").args(["--norc", "-c", &script]).output().unwrap()).out
    };
    assert_eq!(completed("mcp-supervisor monit"), "monit\n");
    assert_eq!(completed("mcp-supervisor import supervis"), "supervisord\n");
    assert_eq!(completed("mcp-supervisor reload --dry"), "--dry-run\n");
    assert_eq!(completed("mcp-supervisor client-config --ap"), "--app\n");
}
