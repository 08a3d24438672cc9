//! What differs between two files, in their own words.

use super::super::{AppConfig, changes, differences, means_the_same, rules, settings};
use super::{QUERY, Workplace};
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
        "instances (default) → 6",
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
    let expected = [
        "[supervisor]",
        "apps.\"a.b\" is gone",
        "apps.c is new",
        "apps.query.instances (default) → 6",
    ];
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
    let text = format!("{QUERY}[environments.staging.apps.query]\ninstances = 3\n");
    let (base, staging) = (app(&workplace, &text, None), app(&workplace, &text, Some("staging")));
    assert_eq!(differences(&base, &staging), ["instances (default) → 3"]);
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
    let rules = rules(&app);
    let rule = |name: &str| rules.iter().find(|(one, _)| one == name).unwrap().1.clone();
    assert_eq!(rule("ready"), "once it has been alive for 1s");
    assert_eq!(rule("restart"), "never");
    assert_eq!(rule("stop"), "SIGINT, 30s to finish, then SIGKILL");
    assert!(rule("rollout").starts_with("the old worker leaves"), "{rules:?}");
    let settings = settings(&app);
    assert!(settings.contains(&("env.TOKEN".to_owned(), "(set)".to_owned())), "{settings:?}");
    assert!(!format!("{settings:?}").contains("secret"));
}
