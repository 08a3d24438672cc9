//! A person logs in at the desk: for whom the worker's program is asked to, and when `start` asks by
//! itself.

use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use crate::harness::{House, terminal};

/// Accounts of which two are one, and one is not for a person.
const ACCOUNTS: &str = "[apps.query.snowflake]\naccount = \"ORG-ACCOUNT\"\nuser = \"ME\"\n\
    authenticator = \"external_browser\"\n\
    [apps.query.connections.same]\naccount = \"ORG-ACCOUNT\"\nuser = \"ME\"\nrole = \"R\"\n\
    authenticator = \"externalbrowser\"\n\
    [apps.query.connections.finance]\naccount = \"ORG-FINANCE\"\nuser = \"-me\"\n\
    authenticator = \"external_browser\"\nhost = \"finance.example.com\"\n\
    [apps.query.connections.other]\naccount = \"ORG-OTHER\"\nuser = \"SERVICE\"\n\
    password = \"canary\"\n";

/// A worker that notes how it is asked to log in, and fails where `fails` lies beside it.
fn house(accounts: &str) -> House {
    let house = House::new(&format!(
        "[supervisor]\nmetrics = \"off\"\n[apps.query]\nexec = [\"./mcp-worker\"]\n\
         listen = \"127.0.0.1:0\"\n{accounts}"
    ));
    let own = Path::new(env!("CARGO_BIN_EXE_mcp-supervisor"));
    let worker = own.parent().unwrap().join("examples/fault_worker");
    let program = format!(
        "#!/bin/sh\ncd \"$(dirname \"$0\")\"\nif [ \"$1\" = login ]; then\n  echo \"$*\" >> asked\n  \
         ! [ -e fails ]\n  exit\nfi\nexec {} \"$@\"\n",
        worker.display()
    );
    std::fs::File::create(house.path("mcp-worker")).unwrap().write_all(program.as_bytes()).unwrap();
    let mode = std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(house.path("mcp-worker"), mode).unwrap();
    house
}

/// How the worker was asked to log in since the last look.
fn asked(house: &House) -> Vec<String> {
    let text = std::fs::read_to_string(house.path("asked")).unwrap_or_default();
    let _ = std::fs::remove_file(house.path("asked"));
    text.lines().map(str::to_owned).collect()
}

#[test]
fn each_account_of_a_person_is_asked_for_once() {
    let house = house(ACCOUNTS);
    let said = house.run(&["login"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let run = house.path("run").display().to_string();
    let main = format!("login --account=ORG-ACCOUNT --user=ME --run-directory {run}");
    let finance = format!(
        "login --account=ORG-FINANCE --user=-me --host=finance.example.com --run-directory {run}"
    );
    assert_eq!(asked(&house), [main.clone(), finance.clone()]);
    let said = house.run(&["login", "query", "--connection", "finance", "--again", "--no-browser"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert_eq!(asked(&house), [format!("{finance} --again --no-browser")]);
    std::fs::write(house.path("fails"), "").unwrap();
    assert_eq!(house.run(&["login"]).code, Some(1));
    assert_eq!(asked(&house).len(), 2, "the other one is asked for all the same");

    let said = house.run(&["login", "qery"]);
    assert!(said.code == Some(2) && said.err.contains("query"), "{said:?}");
    let said = house.run(&["login", "--connection", "other"]);
    assert!(said.code == Some(2) && said.err.contains("external_browser"), "{said:?}");
    let check = house.run(&["check"]);
    assert!(check.out.contains("by `mcp-supervisor login`"), "{check:?}");
    let production = house.run(&["--env", "production", "check"]);
    assert_eq!(production.code, Some(78), "{production:?}");
    assert!(production.err.contains("nobody sits before a server"), "{production:?}");
}

#[test]
fn start_asks_a_person_at_a_terminal_and_nobody_else() {
    let house = house(ACCOUNTS);
    house.start();
    assert_eq!(asked(&house), [""; 0], "nobody sits there");
    assert_eq!(house.run(&["stop"]).code, Some(0));
    std::fs::write(house.path("fails"), "").unwrap();
    let (mut person, program) = terminal();
    let side = || Stdio::from(OwnedFd::from(program.try_clone().unwrap()));
    let status = house.command(&["start"]).stdin(side()).stdout(side()).stderr(side()).status();
    assert!(status.unwrap().success(), "{}", house.logs());
    assert_eq!(asked(&house).len(), 2);
    let mut seen = vec![0; 64 * 1024];
    let count = person.read(&mut seen).unwrap();
    let seen = String::from_utf8_lossy(&seen[..count]).into_owned();
    assert!(seen.contains("the workers are started all the same"), "{seen}");
    assert_eq!(house.pids().len(), 1);
}
