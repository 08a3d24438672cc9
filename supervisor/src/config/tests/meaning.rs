//! What a good file means, and what is refused before a key is looked at.

use std::path::{Path, PathBuf};
use std::time::Duration;

use mcp_protocol::settings::{LogLevel, Settings, WarehouseSettings};

use super::{Config, PLAIN, QUERY, Surroundings, Workplace, load};
use crate::config::AppConfig;
use crate::machine::{AppName, Fingerprint, Readiness, Rollout};

fn app(config: &Config, name: &str) -> AppConfig {
    config.apps[&AppName::new(name)].clone()
}

#[test]
fn an_app_in_two_lines_has_the_documented_defaults() {
    let workplace = Workplace::new();
    let directory = workplace.directory.path();
    let config = workplace.load(QUERY, None).unwrap();
    assert_eq!(config.environment, "development");
    assert_eq!(config.file, directory.join("ecosystem.toml"));
    assert_eq!(config.supervisor.run_directory, directory.join("run"));
    assert_eq!(config.supervisor.metrics, Some("127.0.0.1:8001".parse().unwrap()));
    assert_eq!(config.socket(), directory.join("run/supervisor.sock"));
    let query = app(&config, "query");
    assert_eq!(query.program, directory.join("mcp-worker"));
    assert_eq!(query.working_directory, directory);
    assert_eq!(query.stop_signal, 15);
    assert_eq!(query.remarks, ["serves the embedded sample account, not Snowflake"]);
    assert_eq!(query.goal.instances, 1);
    assert_eq!(query.goal.readiness, Readiness::Told);
    assert_eq!(query.goal.heartbeat_timeout, Some(Duration::from_secs(15)));
    assert_eq!(
        query.goal.rollout,
        Rollout { max_surge: 1, max_unavailable: 0, pause_between: None }
    );
    let plain = workplace.load(PLAIN, Some("plain")).unwrap();
    let mut expected = Settings { environment: "plain".to_owned(), ..Settings::default() };
    expected.logs.directory = Some(directory.join("logs"));
    assert_eq!(app(&plain, "query").settings.as_deref(), Some(&expected));
    assert_eq!(config.desired(7).generation, 7);
}

#[test]
fn another_program_has_no_settings_no_heartbeat_and_is_replaced() {
    let workplace = Workplace::new();
    let text = "[apps.other]\nexec = [\"other\", \"-v\"]\nargs = [\"\", \"x y\"]\n";
    let other = app(&workplace.load(text, Some("production")).unwrap(), "other");
    assert_eq!(other.arguments, ["-v", "", "x y"]);
    assert_eq!(other.settings, None);
    assert_eq!(other.goal.readiness, Readiness::AliveFor(Duration::from_secs(2)));
    assert_eq!(other.goal.heartbeat_timeout, None);
    assert_eq!(
        other.goal.rollout,
        Rollout { max_surge: 0, max_unavailable: 1, pause_between: None }
    );
    assert!(other.remarks.is_empty());
    let linked = format!("{text}ready = \"link\"\nstop_signal = \"SIGQUIT\"\n");
    let linked = app(&workplace.load(linked, None).unwrap(), "other");
    assert_eq!(linked.goal.readiness, Readiness::Told);
    assert_eq!(linked.goal.heartbeat_timeout, Some(Duration::from_secs(15)));
    assert_eq!(linked.stop_signal, 3);
}

#[test]
fn an_environment_is_laid_over_the_base_key_by_key() {
    let workplace = Workplace::new();
    let text = format!(
        "{QUERY}args = [\"a\", \"b\"]\npool.max = 9\nenv = {{ A = \"1\", B = \"2\" }}\n\
         [environments.edge.supervisor]\nmetrics = \"off\"\n\
         [environments.edge.apps.query]\nargs = [\"c\"]\npool.min = 3\nenv.B = \"3\"\n\
         [environments.edge.apps.other]\nexec = \"other\"\n"
    );
    let base = workplace.load(&text, Some("staging")).unwrap();
    assert_eq!((base.apps.len(), base.supervisor.metrics.is_some()), (1, true));
    let edge = workplace.load(&text, Some("edge")).unwrap();
    assert_eq!((edge.apps.len(), edge.supervisor.metrics), (2, None));
    let query = app(&edge, "query");
    assert_eq!(query.arguments, ["c"]);
    let variables: Vec<_> = query.variables.iter().map(|(k, v)| format!("{k}={v}")).collect();
    assert_eq!(variables, ["A=1", "B=3"]);
    let settings = query.settings.unwrap();
    assert_eq!((settings.pool.min, settings.pool.max), (3, 9));
    assert_eq!(settings.environment, "edge");
}

#[test]
fn an_unknown_environment_is_refused_with_the_known_ones() {
    let workplace = Workplace::new();
    let text = format!("{QUERY}[environments.edge]\n");
    assert_eq!(
        workplace.problems(&text, Some("prodution")),
        "  environments.prodution: there is no such environment; did you mean \"production\"? \
         known are development, staging, production, edge"
    );
    assert_eq!(
        workplace.problems(&text, Some("x y")),
        "  environments.\"x y\": there is no such environment; known are development, staging, \
         production, edge"
    );
}

#[test]
fn production_serves_sample_data_only_when_told_to() {
    let workplace = Workplace::new();
    assert_eq!(
        workplace.problems(QUERY, Some("production")),
        "  DIR/ecosystem.toml:1:1: apps.query.warehouse\n      1 | [apps.query]\n        | ^\n    \
         production would serve the embedded sample \
         account, not your data; write account, user and private_key_file (or password_file, or \
         token_file) below [apps.query.snowflake], or set SNOWFLAKE_ACCOUNT, SNOWFLAKE_USER, \
         SNOWFLAKE_PRIVATE_KEY_PATH; if the sample account is meant, write \
         sample_account_in_production = true below [environments.production.apps.query.warehouse]"
    );
    let meant = "[environments.production.apps.query.warehouse]\n\
                 sample_account_in_production = true\nscale = 1\n";
    let config = workplace.load(format!("{QUERY}{meant}"), Some("production")).unwrap();
    let settings = app(&config, "query").settings.unwrap();
    assert_eq!(settings.warehouse, WarehouseSettings::Embedded { scale: 1.0 });
}

#[test]
fn directories_of_the_service_manager_are_used_unless_the_file_names_others() {
    let workplace = Workplace::new();
    let given = Surroundings {
        run_directory: Some("/run/mcp".into()),
        log_directory: Some("/var/log/mcp".into()),
        state_directory: Some("/var/lib/mcp".into()),
        ..workplace.surroundings()
    };
    let path = workplace.directory.path().join("ecosystem.toml");
    std::fs::write(&path, QUERY).unwrap();
    let config = load(&path, None, &given).unwrap();
    assert_eq!(config.supervisor.run_directory, Path::new("/run/mcp"));
    assert_eq!(config.supervisor.state_directory, Path::new("/var/lib/mcp"));
    let logs = app(&config, "query").settings.unwrap().logs;
    assert_eq!(logs.directory, Some(PathBuf::from("/var/log/mcp")));
    let text = format!("{QUERY}[supervisor]\nrun_directory = \"./here\"\nlog_directory = \"/l\"\n");
    std::fs::write(&path, text).unwrap();
    let config = load(&path, None, &given).unwrap();
    assert_eq!(config.supervisor.run_directory, workplace.directory.path().join("here"));
    assert_eq!(config.supervisor.log_directory, Path::new("/l"));
}

#[test]
fn a_program_beside_ours_comes_before_one_in_the_search_path() {
    let (ours, theirs) = (Workplace::new(), Workplace::new());
    let path = ours.directory.path().join("ecosystem.toml");
    std::fs::write(&path, "[apps.other]\nexec = \"other\"\n").unwrap();
    let both = Surroundings {
        search_path: vec!["/nowhere".into(), theirs.directory.path().to_owned()],
        ..ours.surroundings()
    };
    let found = |given: &Surroundings| app(&load(&path, None, given).unwrap(), "other").program;
    assert_eq!(found(&both), ours.directory.path().join("other"));
    std::fs::remove_file(ours.directory.path().join("other")).unwrap();
    assert_eq!(found(&both), theirs.directory.path().join("other"));
}

#[test]
fn a_byte_order_mark_and_windows_line_ends_are_accepted_and_do_not_move_places() {
    let workplace = Workplace::new();
    let text = format!("\u{FEFF}{QUERY}instances = 2\n").replace('\n', "\r\n");
    assert_eq!(app(&workplace.load(&text, None).unwrap(), "query").goal.instances, 2);
    let shown = workplace.problems(text.replace("= 2", "= 0"), None);
    assert!(shown.starts_with("  DIR/ecosystem.toml:3:13: apps.query.instances\n"), "{shown}");
    // Columns are counted in characters, not bytes.
    let shown = workplace.problems(format!("{QUERY}env = {{ A = \"äöü\", B = 1 }}\n"), None);
    assert!(shown.starts_with("  DIR/ecosystem.toml:3:24: apps.query.env.B\n"), "{shown}");
}

#[test]
fn what_is_no_text_is_refused_with_its_place() {
    let workplace = Workplace::new();
    assert_eq!(
        workplace.problems(b"[apps.query]\ncwd = \"\xFF\"\n", None),
        "  DIR/ecosystem.toml:2:8\n      2 | cwd = \"\u{FFFD}\"\n        |        ^\n    \
         bytes that are not UTF-8; save the file as UTF-8"
    );
    let shown = workplace.problems(b"a = 1\n\0\xFF", None);
    assert!(shown.starts_with("  DIR/ecosystem.toml:2:1\n"), "{shown}");
    assert!(shown.contains("    a NUL byte; "), "{shown}");
    let shown = workplace.problems(vec![b'#'; 1024 * 1024 + 1], None);
    assert!(shown.contains("longer than 1 MiB"), "{shown}");
    let directory = load(workplace.directory.path(), None, &workplace.surroundings());
    assert!(directory.unwrap_err().to_string().ends_with(": is not a regular file"));
    let missing = load(Path::new("/nowhere/ecosystem.toml"), None, &workplace.surroundings());
    assert_eq!(
        missing.unwrap_err().to_string(),
        "  /nowhere/ecosystem.toml: there is no such file; name another with --config, write one, or `mcp-supervisor init`"
    );
}

#[test]
fn depth_does_not_exhaust_the_stack() {
    let workplace = Workplace::new();
    for text in [
        format!("{}a = 1\n", "a.".repeat(400_000)),
        format!("{}a = 1\n", "a . ".repeat(200_000)),
        format!("{}a = 1\n", "\"a\" .\t'b'.".repeat(90_000)),
        format!("[{}a]\n", "a.".repeat(400_000)),
        format!("a = {}", "[".repeat(500_000)),
        format!("a = {}", "{a=".repeat(300_000)),
        format!("{}a = 1\n", "a.".repeat(100)),
        format!("{QUERY}env.A.{}a = 1\n", "a.".repeat(400)),
        // As deep as the parser lets it pass: long keys in each of many brackets.
        format!("a = {}1{}\n", format!("{{{}a = ", "a.".repeat(75)).repeat(75), "}".repeat(75)),
    ] {
        let problems = workplace.load(&text, None).unwrap_err();
        assert_eq!(problems.list().len(), 1, "{}", problems.list()[0].message);
    }
}

#[test]
fn a_very_long_line_is_read_in_one_pass() {
    let workplace = Workplace::new();
    let text = format!("{QUERY}args = [{}]\n", "'',".repeat(300_000));
    assert_eq!(app(&workplace.load(text, None).unwrap(), "query").arguments.len(), 300_000);
}

#[test]
fn the_fingerprint_changes_exactly_with_what_a_worker_learns_at_its_start() {
    let workplace = Workplace::new();
    let of = |lines: &str, environment: &str| -> Fingerprint {
        let config = workplace.load(format!("{QUERY}{lines}\n"), Some(environment));
        app(&config.unwrap_or_else(|why| panic!("{why}")), "query").goal.fingerprint
    };
    let base = of("", "staging");
    assert_eq!(base, of("", "staging"));
    for same in [
        "instances = 9",
        "ready = \"link\"",
        "restart = { policy = \"never\", max_restarts = 3, window = \"5s\" }",
        "rollout = { max_surge = 2, max_unavailable = 1, pause_between = \"5s\" }",
        "restart = { stop_exit_codes = [3], max_memory = \"1GB\", max_age = \"24h\" }",
        "restart = { at = \"0 4 * * *\", time_zone = \"Europe/Berlin\" }",
        "watch = [\"plain.txt\"]\nwatch_ignore = [\"*.tmp\"]\nwatch_delay = \"1s\"",
        "depends_on = [\"cache\"]\n[apps.cache]\nexec = \"other\"",
        "health = { start_timeout = \"9s\", heartbeat_timeout = \"14s\", drain_timeout = \"9s\" }",
        "logs = { max_size = \"1MB\", max_files = 2 }",
        "logs = { max_age = \"24h\", keep = \"720h\", compress = false, merge = true }",
        "user = \"inherit\"\ngroup = \"inherit\"\numask = \"inherit\"\nnice = \"inherit\"",
        "resources = { open_files = \"inherit\", core = \"inherit\" }",
        "[supervisor]\ncgroups = \"off\"",
        "exec = \"mcp-worker\"\nargs = []\ncwd = \".\"\nenv = {}",
        "logs.level = \"debug\"",
        "limits = { max_rows = 9, max_bytes = \"9MiB\", max_characters = 9000, statement_timeout = \"9s\" }",
        "pool = { min = 2, max = 10 }\nlimits.max_bytes = \"8192KiB\"\nhttp.request_timeout = \"300s\"",
        "[supervisor]\nlog_level = \"debug\"\nmetrics = \"off\"\nrun_directory = \"elsewhere\"",
        "[apps.other]\nexec = \"other\"",
    ] {
        assert_eq!(of(same, "staging"), base, "{same}");
    }
    let mut seen = vec![base, of("", "development")];
    for different in [
        "logs.merge = false",
        "exec = [\"./plain.d/../mcp-worker\"]",
        "args = [\"-v\"]",
        "args = [\"\"]",
        "cwd = \"plain.d\"",
        "env.A = \"1\"",
        "env.A = \"2\"",
        "stop_signal = \"SIGINT\"",
        "umask = \"077\"",
        "nice = 3",
        "resources.open_files = 99",
        "resources.processes = 99",
        "resources.open_files = \"unlimited\"",
        "health.heartbeat_interval = \"3s\"",
        "health.idle_grace = \"3s\"",
        "http.header_timeout = \"9s\"",
        "http.request_timeout = \"9s\"",
        "http.max_body = \"2MiB\"",
        "http.max_connections = 9",
        "mcp.allowed_hosts = [\"a\"]",
        "mcp.allowed_origins = [\"a\"]",
        "warehouse.scale = 0.02",
        "pool.min = 3",
        "pool.max = 5",
        "pool.acquire_timeout = \"9s\"",
        "pool.idle_timeout = \"9s\"",
        "pool.max_lifetime = \"9s\"",
        "pool.health_check_interval = \"9s\"",
        "[supervisor]\nlog_directory = \"elsewhere\"",
    ] {
        let fingerprint = of(different, "staging");
        assert!(!seen.contains(&fingerprint), "{different}");
        seen.push(fingerprint);
    }
    let moved = workplace.load("[apps.query]\nlisten = \"127.0.0.1:9000\"\n", Some("staging"));
    assert!(!seen.contains(&app(&moved.unwrap(), "query").goal.fingerprint));
}

#[test]
fn settings_that_fit_no_message_are_refused() {
    let workplace = Workplace::new();
    let far = workplace.directory.path().join(format!("{}/", "d".repeat(200)).repeat(15));
    std::fs::create_dir_all(&far).unwrap();
    let path = far.join("ecosystem.toml");
    let write = |bytes: usize| {
        let host = "h".repeat(bytes);
        let run = "[supervisor]\nrun_directory = \"/r\"\n";
        std::fs::write(&path, format!("{QUERY}mcp.allowed_hosts = [\"{host}\"]\n{run}")).unwrap();
        load(&path, None, &workplace.surroundings())
    };
    assert!(write(1_040_000).is_ok());
    let problems = write(1_048_000).unwrap_err();
    assert_eq!(problems.list()[0].key.as_deref(), Some("apps.query"));
    assert!(problems.list()[0].message.ends_with("bytes does not fit into a frame"));
}

#[test]
fn port_zero_is_the_system_s_choice_and_never_collides() {
    let workplace = Workplace::new();
    let text = "[apps.query]\nlisten = \"127.0.0.1:0\"\n[apps.more]\nlisten = \"127.0.0.1:0\"\n";
    let config = workplace.load(text, None).unwrap();
    assert!(app(&config, "query").remarks[1].contains("a port that the system chooses"));
}

#[test]
fn the_shipped_overlays_mean_what_they_say() {
    let workplace = Workplace::new();
    let text = include_str!("../../../../ecosystem.toml");
    for (environment, instances, level) in [
        ("development", 4, LogLevel::Debug),
        ("staging", 2, LogLevel::Info),
        ("production", 4, LogLevel::Warn),
    ] {
        let query = app(&workplace.load(text, Some(environment)).unwrap(), "query");
        assert_eq!(query.goal.instances, instances);
        assert_eq!(query.settings.unwrap().logs.level, level);
    }
}
