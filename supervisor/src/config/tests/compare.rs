//! What differs between two files, in their own words.

use std::time::Duration;

use super::super::{AppConfig, changes, differences, means_the_same, rules, settings};
use super::{PLAIN, QUERY, Workplace};
use crate::machine::AppName;

fn app(workplace: &Workplace, text: &str, environment: Option<&str>) -> AppConfig {
    let config = workplace.load(text, environment).unwrap_or_else(|why| panic!("{why}"));
    config.apps[&AppName::new("query")].clone()
}

#[test]
fn each_key_that_differs_is_named_as_in_the_file() {
    let workplace = Workplace::new();
    let old = app(&workplace, QUERY, None);
    assert!(differences(&old, &old).is_empty());
    let new = format!(
        "{QUERY}instances = 6\nargs = [\"--x\", \"1\"]\nenv = {{ TZ = \"UTC\", A = \"secret\" }}\n\
         [apps.query.restart]\nbackoff_min = \"1s\"\n"
    );
    let new = app(&workplace, &new, None);
    let expected = [
        "args (default) → [\"--x\", \"1\"]",
        "env.A",
        "env.TZ",
        "instances 1 → 6",
        "restart.backoff_min (default) → \"1s\"",
    ];
    assert_eq!(differences(&old, &new), expected);
}

#[test]
fn what_a_whole_file_changes_is_said_app_by_app() {
    let workplace = Workplace::new();
    let read = |text: &str| workplace.load(text, None).unwrap_or_else(|why| panic!("{why}"));
    let other = "[apps.\"a.b\"]\nexec = \"other\"\n";
    let old = read(&format!("{QUERY}{other}"));
    let new = "[supervisor]\nwatch = false\n[apps.c]\nexec = \"other\"\n";
    let new = read(&format!("{new}{QUERY}instances = 6\n"));
    let expected =
        ["[supervisor]", "apps.\"a.b\" is gone", "apps.c is new", "apps.query.instances 1 → 6"];
    assert_eq!(changes(&old, &new), expected);
    assert!(!means_the_same(&old, &new));
    let spelled = read(&format!("# a remark\n{QUERY}instances = 1\n{other}"));
    assert!(means_the_same(&old, &spelled) && changes(&old, &spelled).is_empty());
}

#[test]
fn another_spelling_of_the_same_is_no_difference() {
    let workplace = Workplace::new();
    let wait = |wait: &str| {
        let text = format!("{QUERY}[apps.query.restart]\nbackoff_min = \"{wait}\"\n");
        app(&workplace, &text, None)
    };
    assert!(differences(&wait("1s"), &wait("1000ms")).is_empty());
    assert!(differences(&wait("100ms"), &app(&workplace, QUERY, None)).is_empty());
    let stated = "restart.backoff_min \"1s\" → \"2s\"";
    assert_eq!(differences(&wait("1s"), &wait("2s")), [stated]);
}

#[test]
fn what_an_environment_lays_over_the_rest_is_compared_under_the_same_key() {
    let workplace = Workplace::new();
    let text = format!("{PLAIN}[environments.edge.apps.query]\ninstances = 3\n");
    let (base, edge) =
        (app(&workplace, &text, Some("plain")), app(&workplace, &text, Some("edge")));
    assert_eq!(differences(&base, &edge), ["instances (default) → 3"]);
}

#[test]
fn a_program_that_is_found_elsewhere_is_a_difference() {
    let workplace = Workplace::new();
    let old = app(&workplace, QUERY, None);
    let new = AppConfig { program: "/opt/mcp-worker".into(), ..old.clone() };
    let differences = differences(&old, &new);
    assert!(differences[0].starts_with("exec means another program: "), "{differences:?}");
}

#[test]
fn rules_are_in_words_and_no_variable_is_shown() {
    let workplace = Workplace::new();
    let text = "[apps.query]\nexec = [\"other\"]\nready = \"1s\"\nstop_signal = \"SIGINT\"\n\
                env = { TOKEN = \"secret\" }\n[apps.query.restart]\npolicy = \"never\"\n";
    let app = app(&workplace, text, None);
    let rules = rules(&app, Duration::ZERO);
    let rule = |name: &str| rules.iter().find(|(one, _)| one == name).unwrap().1.clone();
    assert_eq!(rule("ready"), "once it has been alive for 1 second");
    assert_eq!(rule("restart"), "never");
    assert_eq!(rule("stop"), "SIGINT, 30 seconds to finish, then SIGKILL");
    assert!(rule("rollout").starts_with("old before new"), "{rules:?}");
    let settings = settings(&app);
    assert!(settings.contains(&("env.TOKEN".to_owned(), "(set)".to_owned())), "{settings:?}");
    assert!(!format!("{settings:?}").contains("secret"));
}

/// One rule of an app with these lines.
fn rule(lines: &str, name: &str) -> String {
    let workplace = Workplace::new();
    let head = "[apps.web]\nexec = [\"other\"]\ndepends_on = [\"a\", \"b\"]\n";
    let others = "[apps.a]\nexec = [\"other\"]\n[apps.b]\nexec = [\"other\"]\n";
    let text = format!("{head}{lines}\n{others}");
    let config = workplace.load(text, None).unwrap_or_else(|why| panic!("{lines}: {why}"));
    let app = &config.apps[&AppName::new("web")];
    let now = Duration::from_secs(1_000_000_000);
    let rules = rules(app, now);
    rules.into_iter().find(|(one, _)| one == name).map(|(_, words)| words).unwrap_or_default()
}

#[test]
fn every_way_of_readiness_says_what_it_waits_for() {
    let probe = "ready = \"probe\"\nhealth.probe = ";
    for (lines, words) in [
        (
            "ready = \"link\"",
            "once it says so over its link; killed when that takes longer than 1 minute",
        ),
        ("ready = \"notify\"", "once it sends READY=1 to its NOTIFY_SOCKET; killed when"),
        (
            "ready = \"descriptor\"",
            "once it writes a line to its descriptor NOTIFY_FD; killed when",
        ),
        (
            "ready = \"output\"\nready_line = \"up\"",
            "once it prints a line with `up` in it; killed",
        ),
        (
            "ready = \"90s\"\nhealth.start_timeout = \"2m\"",
            "once it has been alive for 1 minute 30 seconds",
        ),
        (
            &format!("{probe}{{ tcp = \"127.0.0.1:900{{slot}}\" }}"),
            "once 127.0.0.1:900{slot} takes a connection, tried every 250 milliseconds; killed",
        ),
        (
            &format!("{probe}{{ http = \"http://127.0.0.1:9000/up\" }}"),
            "once http://127.0.0.1:9000/up answers with a status from 200 to 399, tried",
        ),
    ] {
        let said = rule(lines, "ready");
        assert!(said.starts_with(words), "{lines}: {said}");
    }
    let said = rule(&format!("{probe}{{ command = [\"other\", \"-x\"] }}"), "ready");
    assert!(said.contains("/other -x` ends with 0, tried"), "{said}");
    let said = rule("health.probe = { tcp = \"127.0.0.1:9000\", interval = \"1s\" }", "health");
    assert!(said.starts_with("every second it is tried"), "{said}");
    let said = rule(&format!("{probe}{{ tcp = \"127.0.0.1:9000\" }}"), "health");
    let words = "every 10 seconds it is tried whether 127.0.0.1:9000 takes a connection, for 2 \
                 seconds at most; killed after 3 failures in a row";
    assert_eq!(said, words);
}

#[test]
fn rules_name_everything_that_was_written_in_units_of_people() {
    for (lines, name, words) in [
        ("", "depends_on", "started once a and b are ready"),
        ("", "process", ""),
        ("umask = \"027\"\nnice = 5", "process", "umask 027, nice 5"),
        ("group = \"inherit\"", "process", ""),
        (
            "resources = { open_files = 64, address_space = \"2GB\", cpu_time = \"1m\", core = \"unlimited\" }",
            "resources",
            "open_files 64, address_space 2 GB, core unlimited, cpu_time 1 minute",
        ),
        (
            "logs = { max_size = \"1500KB\", max_files = 1 }",
            "logs",
            "rotated at 1.5 MB, 1 old file is kept",
        ),
        (
            "logs = { max_age = \"24h\", keep = \"720h\", merge = false }",
            "logs",
            "rotated at 50 MB or when 24 hours old, 10 old files are kept for 720 hours, compressed, \
             a file for each slot",
        ),
        (
            "restart = { max_memory = \"512MB\" }",
            "memory",
            "replaced when it takes more than 512 MB",
        ),
        (
            "restart = { max_age = \"24h\" }",
            "max_age",
            "replaced once it has been ready for 24 hours",
        ),
        (
            "restart = { at = \"0 4 * * *\", time_zone = \"UTC\" }",
            "at",
            "replaced at \"0 4 * * *\" in UTC, next 2001-09-09 04:00:00 UTC",
        ),
        (
            "watch = [\"plain.txt\", \"plain.d\"]",
            "watch",
            "replaced when plain.txt or plain.d change, once nothing changed for 500 milliseconds",
        ),
        (
            "restart = { stop_exit_codes = [3], max_restarts = 1 }",
            "restart",
            "after every end, but not after exit code 3; waits 100 milliseconds, then longer up \
             to 15 seconds, from the start again once ready for 10 seconds; gives up after more \
             than 1 death in 1 minute",
        ),
    ] {
        assert_eq!(rule(lines, name), words, "{lines}");
    }
}
