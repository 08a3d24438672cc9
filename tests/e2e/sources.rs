//! Where a configuration comes from: files of variables, the environment, the command line.

use std::os::unix::fs::symlink;

use crate::harness::{House, query};

/// A house whose app `query` is called as our own worker is, so that presets hold for it.
fn house() -> House {
    let configuration = query(1, "--answer-after-ms ${DELAY_MS:?say}", "")
        .replace("[\"FAULT_WORKER\"", "[\"./mcp-worker\"")
        .replace("instances = 1\n", "")
        .replace("listen = \"127.0.0.1:0\"\n", "listen = \"127.0.0.1:1\"\n");
    let meant = "[environments.production.apps.query]\n\
                 warehouse.sample_account_in_production = true\n";
    let house = House::new("FAULT_WORKER");
    let worker = std::fs::read_to_string(house.path("ecosystem.toml")).unwrap();
    symlink(worker, house.path("mcp-worker")).unwrap();
    house.write(&format!("{configuration}{meant}"));
    std::fs::write(
        house.path(".env.production"),
        "# The address is the system's to choose.\nexport SERVER_PORT=0\nDELAY_MS=\"${BASE}1\"\n",
    )
    .unwrap();
    std::fs::write(house.path(".env"), "BASE=\nSERVER_PORT=99999\n").unwrap();
    house
}

#[test]
fn production_starts_with_its_file_of_variables_its_preset_and_what_is_set() {
    let house = house();
    let wanted = ["--env", "production", "--set", "supervisor.cgroups=off"];
    let with = |command: &[&'static str]| [&wanted[..], command].concat();
    let said = house.run(&with(&["config", "show", "--origin"]));
    assert_eq!(said.code, Some(0), "{said:?}");
    let lines: Vec<String> = said
        .out
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect();
    for expected in [
        "listen = \"127.0.0.1:0\" # from SERVER_PORT in .env.production, line 2",
        "instances = 4 # from the preset of production",
        "log_level = \"warn\" # from the preset of production",
        "cgroups = \"off\" # from --set",
        "sample_account_in_production = true # from ecosystem.toml, line 11",
    ] {
        assert!(lines.iter().any(|line| line == expected), "{expected}\n{}", said.out);
    }

    let said = house.run(&with(&["start"]));
    assert_eq!(said.code, Some(0), "{said:?}\n{}", house.logs());
    assert!(said.out.contains("query: 4 of 4 online"), "{said:?}");
    let pid = house.pids()[0];
    let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(words.contains("--answer-after-ms\x001\0"), "{words:?}");
    let log = std::fs::read_to_string(house.path("logs/supervisor.log")).unwrap();
    assert!(log.contains("configuration in force"), "seen at every level: {log}");
    assert!(!log.contains("phase="), "warnings only: {log}");

    // Who forgets to name the environment is told that the one that runs is another.
    let first = |said: &crate::harness::Said| said.out.lines().next().unwrap().to_owned();
    std::fs::write(house.path(".env"), "BASE=\nSERVER_PORT=0\nDELAY_MS=1\n").unwrap();
    let said = house.run(&["config", "show"]);
    let running = house.status()["pid"].as_u64().unwrap();
    let note = "is in the environment production, not development";
    assert_eq!(first(&said), format!("# the supervisor that runs (pid {running}) {note}"));
    let said = house.run(&with(&["config", "show"]));
    assert!(first(&said).ends_with("in the environment production, chosen by --env"), "{said:?}");

    // What was set holds for the supervisor's whole life, a reload included.
    let supervisor = house.status()["pid"].as_u64().unwrap();
    let words = std::fs::read_to_string(format!("/proc/{supervisor}/cmdline")).unwrap();
    assert!(words.contains("--set\0supervisor.cgroups=off\0"), "{words:?}");
    std::fs::write(house.path(".env"), "BASE=2\n").unwrap();
    let said = house.run(&["--env", "production", "reload"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    let pid = house.pids()[0];
    let words = std::fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap();
    assert!(words.contains("--answer-after-ms\x0021\0"), "{words:?}");
}

#[test]
fn a_refusal_names_the_variable_and_the_line_that_are_to_blame() {
    let house = house();
    let said = house.run(&["check"]);
    assert_eq!(said.code, Some(78), "{said:?}");
    let expected = "apps.query.listen (from SERVER_PORT in .env, line 2)";
    assert!(said.err.contains(expected), "{said:?}");
    assert!(said.err.contains("the variable DELAY_MS is not set; say"), "{said:?}");
    let with = house.command(&["check"]).env("ENVIRONMENT", "prodution").output().unwrap();
    let words = String::from_utf8(with.stderr).unwrap();
    assert!(words.contains("which ENVIRONMENT in the environment asks for"), "{words}");
}

#[test]
fn a_file_made_of_what_is_shown_hands_no_asterisks_to_a_program() {
    let house = House::new(&query(1, "", "env = { TOKEN = \"canary\" }"));
    let said = house.run(&["config", "show"]);
    assert_eq!(said.code, Some(0), "{said:?}");
    assert!(said.out.contains("# TOKEN = \"***\"") && !said.out.contains("canary"), "{said:?}");
    house.write(&said.out);
    house.start();
    let environ = std::fs::read(format!("/proc/{}/environ", house.pids()[0])).unwrap();
    let environ = String::from_utf8(environ).unwrap();
    assert!(!environ.contains("***") && !environ.contains("TOKEN"), "{environ}");
}
