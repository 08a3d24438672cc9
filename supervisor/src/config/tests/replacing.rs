//! What is meant by the keys that have workers replaced, and in which order apps come and go.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::Duration;

use super::{QUERY, Workplace};
use crate::config::AppConfig;
use crate::machine::{AppName, Rollout};

fn query(workplace: &Workplace, more: &str) -> AppConfig {
    let config =
        workplace.load(format!("{QUERY}{more}"), None).unwrap_or_else(|why| panic!("{why}"));
    config.apps[&AppName::new("query")].clone()
}

#[test]
fn nothing_replaces_workers_unless_it_is_written() {
    let query = query(&Workplace::new(), "");
    assert_eq!((query.time_table, query.watch), (None, None));
    assert_eq!((query.goal.memory_bytes_max, query.goal.max_age), (None, None));
    assert!(query.goal.depends_on.is_empty() && query.goal.restart.stop_exit_codes.is_empty());
}

#[test]
fn limits_of_a_worker_reach_the_machine() {
    let workplace = Workplace::new();
    let query = query(
        &workplace,
        "depends_on = [\"cache\"]\nrestart.stop_exit_codes = [0, 3, 3]\n\
         restart.max_memory = \"500MB\"\nrestart.max_age = \"8760h\"\n\
         [apps.cache]\nexec = \"other\"\n",
    );
    assert_eq!(query.goal.depends_on, BTreeSet::from([AppName::new("cache")]));
    assert_eq!(query.goal.restart.stop_exit_codes, BTreeSet::from([0, 3]));
    assert_eq!(query.goal.memory_bytes_max, Some(500_000_000));
    assert_eq!(query.goal.max_age, Some(Duration::from_secs(8760 * 3600)));
}

#[test]
fn an_environment_may_turn_a_limit_off() {
    let workplace = Workplace::new();
    let text = format!(
        "{QUERY}restart = {{ max_memory = \"1GB\", max_age = \"1h\", at = \"@daily\" }}\n\
         rollout.pause_between = \"5s\"\nwatch = [\"plain.d\"]\n\
         [environments.quiet.apps.query]\nwatch = []\nrollout.pause_between = \"off\"\n\
         restart = {{ max_memory = \"off\", max_age = \"off\", at = \"off\" }}\n"
    );
    let query = |environment| {
        let config = workplace.load(&text, Some(environment)).unwrap();
        config.apps[&AppName::new("query")].clone()
    };
    let loud = query("staging");
    assert!(loud.time_table.is_some() && loud.watch.is_some() && loud.goal.max_age.is_some());
    assert_eq!(loud.goal.rollout.pause_between, Some(Duration::from_secs(5)));
    let quiet = query("quiet");
    assert_eq!((quiet.time_table, quiet.watch), (None, None));
    assert_eq!((quiet.goal.memory_bytes_max, quiet.goal.max_age), (None, None));
    assert_eq!(quiet.goal.rollout.pause_between, None);
}

#[test]
fn surge_and_unavailable_go_together_behind_a_shared_listener() {
    let workplace = Workplace::new();
    let rollout = |more| {
        let Rollout { max_surge, max_unavailable, .. } = query(&workplace, more).goal.rollout;
        (max_surge, max_unavailable)
    };
    assert_eq!(rollout(""), (1, 0));
    assert_eq!(rollout("rollout.max_unavailable = 2"), (1, 2));
    assert_eq!(rollout("rollout = { max_surge = 0, max_unavailable = 1 }"), (0, 1));
    assert_eq!(rollout("rollout = { max_surge = 3, max_unavailable = 2 }"), (3, 2));
}

#[test]
fn a_time_table_is_in_the_zone_that_is_written_else_in_the_machine_s() {
    let workplace = Workplace::new();
    let zone = |more: &str, machine: Option<&str>| {
        let path = workplace.directory.path().join("zones.toml");
        std::fs::write(&path, format!("{QUERY}restart.at = \"0 4 * * *\"\n{more}")).unwrap();
        let mut surroundings = workplace.surroundings();
        surroundings.time_zone = machine.map(|name| jiff::tz::TimeZone::get(name).unwrap());
        let config = super::load(&path, None, &surroundings).unwrap();
        let table = config.apps[&AppName::new("query")].time_table.clone().unwrap();
        assert_eq!(table.expression(), "0 4 * * *");
        table.zone().to_owned()
    };
    assert_eq!(zone("", None), "UTC");
    assert_eq!(zone("", Some("Asia/Tokyo")), "Asia/Tokyo");
    assert_eq!(zone("restart.time_zone = \"local\"", Some("Asia/Tokyo")), "Asia/Tokyo");
    assert_eq!(zone("restart.time_zone = \"Europe/Berlin\"", Some("Asia/Tokyo")), "Europe/Berlin");
}

#[test]
fn watched_paths_begin_at_the_app_s_directory() {
    let workplace = Workplace::new();
    let inside = workplace.directory.path().join("plain.d/src");
    std::fs::create_dir(&inside).unwrap();
    let more =
        "cwd = \"plain.d\"\nwatch = [\"src\", \"../plain.txt\"]\nwatch_ignore = [\"src/out\"]";
    let watch = query(&workplace, more).watch.unwrap();
    assert_eq!(watch.delay, Duration::from_millis(500));
    assert_eq!(watch.paths[0].path, inside);
    assert_eq!(watch.paths[1].written, "../plain.txt");
    assert!(watch.ignores(&watch.paths[0], Path::new("out/a")));
    assert!(!watch.ignores(&watch.paths[0], Path::new("in/a")));
}
