//! Which layer wins, what a variable becomes, and that a problem names where its value came from.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use mcp_protocol::settings::LogLevel;

use super::super::presets::PRESETS;
use super::super::{AppConfig, Config, Place, Problem, Problems, load, socket_of};
use super::{QUERY, Surroundings, Workplace};
use crate::machine::AppName;

/// Everything that one reading may be made of.
#[derive(Clone, Copy, Default)]
struct World<'a> {
    file: &'a str,
    /// `.env` files by name.
    files: &'a [(&'a str, &'a str)],
    process: &'a [(&'a str, &'a str)],
    set: &'a [&'a str],
    environment: Option<&'a str>,
}

impl World<'_> {
    fn surroundings(&self, workplace: &Workplace) -> Surroundings {
        for name in [".env", ".env.development", ".env.staging", ".env.production"] {
            let _ = fs::remove_file(workplace.directory.path().join(name));
        }
        for (name, text) in self.files {
            let path = workplace.directory.path().join(name);
            fs::write(&path, text).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        }
        let owned = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
        Surroundings {
            variables: self.process.iter().map(owned).collect(),
            set: self.set.iter().map(|one| (*one).to_owned()).collect(),
            ..workplace.surroundings()
        }
    }

    fn load(&self, workplace: &Workplace) -> Result<Config, Problems> {
        let path = workplace.directory.path().join("ecosystem.toml");
        let _ = fs::remove_file(&path);
        fs::write(&path, self.file).unwrap();
        load(&path, self.environment, &self.surroundings(workplace))
    }

    fn config(&self) -> Config {
        self.load(&Workplace::new()).unwrap_or_else(|why| panic!("{why}"))
    }

    fn query(&self) -> AppConfig {
        self.config().apps[&AppName::new("query")].clone()
    }

    fn problems(&self) -> String {
        let workplace = Workplace::new();
        let problems = self.load(&workplace).unwrap_err();
        let shown: Vec<String> = problems.list().iter().map(brief).collect();
        shown.join("\n").replace(workplace.directory.path().to_str().unwrap(), "DIR")
    }
}

/// A problem in one line, without the line of the file.
fn brief(problem: &Problem) -> String {
    let place = problem.place.map(|Place { line, column }| format!("line {line}, column {column}"));
    let from = problem.origin.as_ref().map(|origin| format!("from {origin}"));
    let about: Vec<String> = place.into_iter().chain(from).collect();
    match (&problem.key, problem.place) {
        (Some(key), _) if about.is_empty() => format!("  {key}: {}", problem.message),
        (Some(key), _) => format!("  {key} ({}): {}", about.join(", "), problem.message),
        (None, Some(Place { line, column })) => {
            format!("  {}:{line}:{column}: {}", problem.file.display(), problem.message)
        }
        (None, None) => format!("  {}: {}", problem.file.display(), problem.message),
    }
}

#[test]
fn the_stronger_layer_wins() {
    let text =
        format!("{QUERY}instances = 11\n[environments.staging.apps.query]\ninstances = 12\n");
    let files = [(".env.staging", "SERVER_WORKERS=14"), (".env", "SERVER_WORKERS=13")];
    let all = World {
        file: &text,
        files: &files,
        process: &[("SERVER_WORKERS", "15")],
        set: &["apps.query.instances=16"],
        environment: Some("staging"),
    };
    let instances = |world: World<'_>| world.query().goal.instances;
    assert_eq!(instances(all), 16);
    assert_eq!(instances(World { set: &[], ..all }), 15);
    assert_eq!(instances(World { set: &[], process: &[], ..all }), 14);
    assert_eq!(instances(World { set: &[], process: &[], files: &files[1..], ..all }), 13);
    let only_file = World { set: &[], process: &[], files: &[], ..all };
    assert_eq!(instances(only_file), 12);
    assert_eq!(instances(World { environment: Some("development"), ..only_file }), 11);
    assert_eq!(instances(World { file: QUERY, ..only_file }), 2, "the preset of staging");
    let plain = format!("{QUERY}[environments.plain]\n");
    let plain = World { file: &plain, environment: Some("plain"), ..only_file };
    assert_eq!(instances(plain), 1, "the default");
}

#[test]
fn each_preset_holds_where_nothing_is_written() {
    let meant = "warehouse.sample_account_in_production = true\n[apps.other]\nexec = \"other\"\n";
    for preset in &PRESETS {
        let file = format!("{QUERY}{meant}");
        let world =
            World { file: &file, environment: Some(preset.environment), ..World::default() };
        let config = world.config();
        let settings = world.query().settings.unwrap();
        assert_eq!(world.query().goal.instances, preset.instances);
        let pool = (settings.pool.min, settings.pool.max);
        assert_eq!(pool, (preset.pool_min, preset.pool_max), "{}", preset.environment);
        let level = match preset.environment {
            "development" => LogLevel::Debug,
            "staging" => LogLevel::Info,
            _ => LogLevel::Warn,
        };
        assert_eq!((config.supervisor.log_level, settings.logs.level), (level, level));
        assert_eq!(config.apps[&AppName::new("other")].goal.instances, 1, "not ours");
        let kind = preset.warehouse.map(|kind| format!("`\"{kind}\"` ")).unwrap_or_default();
        let row = format!(
            "| `{}` | `\"{}\"` | {} | {} | {} | {kind}|",
            preset.environment,
            preset.log_level,
            preset.instances,
            preset.pool_min,
            preset.pool_max
        );
        assert!(include_str!("../../../../docs/config.md").contains(&row), "{row}");
    }
}

#[test]
fn a_preset_gives_way_to_what_is_written_also_to_half_of_a_pair() {
    let base = format!("{QUERY}warehouse.sample_account_in_production = true\n");
    let pool = |lines: &str, environment| {
        let file = format!("{base}{lines}\n");
        let world = World { file: &file, environment: Some(environment), ..World::default() };
        let pool = world.query().settings.unwrap().pool;
        (pool.min, pool.max)
    };
    assert_eq!(pool("pool.max = 3", "production"), (3, 3));
    assert_eq!(pool("pool.min = 30", "production"), (30, 30));
    assert_eq!(pool("pool.min = 9", "development"), (9, 9));
    assert_eq!(pool("pool.max = 100", "development"), (1, 100));
    assert_eq!(pool("pool = { min = 0, max = 1 }", "production"), (0, 1));
    let file = format!("{base}logs.level = \"info\"\n[supervisor]\nlog_level = \"error\"\n");
    let world = World { file: &file, environment: Some("production"), ..World::default() };
    assert_eq!(world.config().supervisor.log_level, LogLevel::Error);
    assert_eq!(world.query().settings.unwrap().logs.level, LogLevel::Info);
}

#[test]
fn a_text_is_filled_with_variables_of_the_strongest_place() {
    let file = format!(
        "{QUERY}instances = \"${{COUNT:-3}}\"\nargs = [\"--at=${{PLACE}}\", \"$$\"]\n\
         env = {{ TOKEN = \"x${{TOKEN}}\" }}\nwarehouse.scale = \"${{SCALE:-0.5}}\"\n\
         health.drain_timeout = \"${{DRAIN:-7s}}\"\nmcp.allowed_hosts = \"${{HOSTS:-a.b, c}}\"\n"
    );
    let files = [(".env", "PLACE=base\nTOKEN='$ecret'"), (".env.staging", "PLACE=${HOST}/x")];
    let world = World {
        file: &file,
        files: &files,
        process: &[("HOST", "here"), ("COUNT", "5")],
        environment: Some("staging"),
        ..World::default()
    };
    let query = world.query();
    assert_eq!(query.goal.instances, 5);
    assert_eq!(query.arguments, ["--at=here/x", "$"]);
    assert_eq!(query.variables["TOKEN"], "x$ecret");
    assert_eq!(query.goal.drain_timeout.as_secs(), 7);
    assert_eq!(query.settings.unwrap().mcp.allowed_hosts, ["a.b", "c"]);
    let strong = World { process: &[("PLACE", "p"), ("EMPTY", "")], ..world };
    assert_eq!(strong.query().arguments[0], "--at=p");
    assert_eq!(strong.query().goal.instances, 3);
    assert_eq!(World { files: &files[..1], ..world }.query().arguments[0], "--at=base");
}

#[test]
fn a_variable_may_be_missing_where_nobody_needs_it() {
    let file = "[apps.query]\nlisten = \"${ADDRESS}\"\n\
         [environments.staging.apps.query]\nlisten = \"127.0.0.1:8000\"\n\
         [environments.production.apps.query]\nlisten = \"${PRODUCTION_ADDRESS}\"\n";
    let world = World { file, environment: Some("staging"), ..World::default() };
    assert_eq!(world.query().goal.instances, 2);
    assert_eq!(
        World { environment: Some("production"), ..world }.problems(),
        "  apps.query.warehouse (line 1, column 1): production would serve the embedded sample \
         account, not your data; write account, user and private_key_file (or password_file, or \
         token_file) below [apps.query.snowflake], or set SNOWFLAKE_ACCOUNT, SNOWFLAKE_USER, \
         SNOWFLAKE_PRIVATE_KEY_PATH; if the sample account is meant, write sample_account_in_production = true \
         below [environments.production.apps.query.warehouse]\n  \
         environments.production.apps.query.listen (line 6, column 10): the variable \
         PRODUCTION_ADDRESS is not set; set it, or write ${PRODUCTION_ADDRESS:-default} for a \
         default"
    );
    let set = World { set: &["apps.query.listen=127.0.0.1:9000"], environment: None, ..world };
    assert_eq!(set.query().listen.unwrap().port(), 9000);
}

/// The file, `.env`, the process's variables, `--set`, and what is shown.
type Refusal = (
    &'static str,
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
    &'static str,
);

const REFUSED: &[Refusal] = &[
    (
        "",
        "SERVER_PORT=http",
        &[],
        &[],
        "  apps.query.listen (from SERVER_PORT in .env, line 1): \"127.0.0.1:http\" is not an address; write an IP address and a port, such as \"127.0.0.1:8000\"",
    ),
    (
        "",
        "",
        &[("SERVER_WORKERS", "0")],
        &[],
        "  apps.query.instances (from SERVER_WORKERS in the environment): 0 is not a number of instances; use 1 or more",
    ),
    (
        "",
        "",
        &[],
        &["apps.query.instances=many"],
        "  apps.query.instances (from --set): the text \"many\" is not a number of instances; write instances = 1",
    ),
    (
        "instances = \"${N}\"\n",
        "\nN=x",
        &[],
        &[],
        "  apps.query.instances (line 3, column 13, from N in .env, line 2): the text \"x\" is not a number of instances; write instances = 1",
    ),
    (
        "instances = \"${N}\"\n",
        "",
        &[],
        &[],
        "  apps.query.instances (line 3, column 13): the variable N is not set; set it, or write ${N:-default} for a default",
    ),
    (
        "instances = \"${N:?ask Ann}\"\n",
        "",
        &[],
        &[],
        "  apps.query.instances (line 3, column 13): the variable N is not set; ask Ann",
    ),
    (
        "args = [\"${N\"]\n",
        "",
        &[],
        &[],
        "  apps.query.args (line 3, column 8): has a `${` without its `}`; close it, or write `$$` for a dollar",
    ),
    (
        "",
        "",
        &[],
        &["apps.qurey.instances=1"],
        "  apps.qurey.instances (from --set): there is no app `qurey`; did you mean `query`?",
    ),
    (
        "",
        "",
        &[],
        &["apps.query.instancez=1"],
        "  apps.query.instancez (from --set): unknown key `instancez`; did you mean `instances`?",
    ),
    (
        "",
        "",
        &[],
        &["apps.query.instances.x=1"],
        "  apps.query.instances.x (from --set): `instances` has no key `x`; leave it out",
    ),
    (
        "",
        "",
        &[],
        &["apps.query=1"],
        "  apps.query (from --set): is a table; set one of its keys, or write { key = value }",
    ),
    (
        "",
        "",
        &[],
        &["environments.x.apps.query.instances=1"],
        "  environments.x.apps.query.instances (from --set): sets nothing for one environment only; write the key without it, and choose the environment by --env",
    ),
    (
        "",
        "",
        &[],
        &["a b=1"],
        "  a b (from --set): is not a key; write it as in the file, such as apps.query.instances",
    ),
    (
        "",
        "",
        &[],
        &["x = 1\ny=1"],
        "  x (from --set): unknown key `x`; the keys here are supervisor, apps, environments",
    ),
    ("", "A=1\nB\n", &[], &[], "  DIR/.env:2:2: there is no `=` after the name; write KEY=VALUE"),
    (
        "",
        "A=${B}\nB=${C}\nC=${A}\n",
        &[],
        &[],
        "  DIR/.env:1:1: A → B → C → A is a circle, so none of them has a value; write one of them without another",
    ),
    (
        "",
        "A=${A}\nSERVER_PORT=${A}\n",
        &[],
        &[],
        "  DIR/.env:2:1: SERVER_PORT: the variable A is not set; set it, or write ${A:-default} for a default",
    ),
    (
        "",
        "ENVIRONMENT=prodution",
        &[],
        &[],
        "  environments.prodution: there is no such environment, which ENVIRONMENT in .env, line 1 asks for; did you mean \"production\"? known are development, staging, production; `--env NAME` or MCP_ENV choose another one",
    ),
    (
        "",
        "",
        &[("ENVIRONMENT", "qa-7")],
        &[],
        "  environments.qa-7: there is no such environment, which ENVIRONMENT in the environment asks for; known are development, staging, production; `--env NAME` or MCP_ENV choose another one",
    ),
    (
        "exec = \"${PROGRAM}\"\n",
        "PROGRAM=./nothing",
        &[],
        &[],
        "  apps.query.exec (line 3, column 8, from PROGRAM in .env, line 1): there is no program DIR/nothing",
    ),
];

#[test]
fn each_refusal_names_where_the_value_came_from() {
    for (lines, dot_env, process, set, expected) in REFUSED {
        let file = format!("{QUERY}{lines}");
        let files = [(".env", *dot_env)];
        let world = World { file: &file, files: &files, process, set, ..World::default() };
        assert_eq!(world.problems(), *expected, "{lines}{dot_env}{process:?}{set:?}");
    }
}

#[test]
fn words_about_a_secret_do_not_repeat_it() {
    let file = format!("{QUERY}env = {{ TOKEN = \"${{TOKEN}}\" }}\n");
    for text in ["TOKEN='canary", "TOKEN=\"canary\" canary", "TOKEN canary", "TOKEN=\"${canary!}\""]
    {
        let files = [(".env", text)];
        let said = World { file: &file, files: &files, ..World::default() }.problems();
        assert!(said.contains(".env:1:") && !said.contains("canary"), "{said}");
    }
}

#[test]
fn the_environment_is_chosen_by_the_option_then_the_variables() {
    let chosen = |asked, process: &[(&str, &str)], dot_env: &str| {
        let (file, files) = (format!("{QUERY}[environments.edge]\n"), [(".env", dot_env)]);
        World { file: &file, files: &files, process, environment: asked, ..World::default() }
            .config()
            .environment
    };
    let both = [("ENVIRONMENT", "edge"), ("MCP_ENV", "staging")];
    assert_eq!(chosen(Some("development"), &both, "MCP_ENV=edge"), "development");
    assert_eq!(chosen(None, &both, "MCP_ENV=edge"), "staging");
    assert_eq!(chosen(None, &both[..1], "MCP_ENV=staging"), "staging");
    assert_eq!(chosen(None, &both[..1], "ENVIRONMENT=staging"), "edge");
    assert_eq!(chosen(None, &[("MCP_ENV", "")], "export ENVIRONMENT=\"staging\""), "staging");
    assert_eq!(chosen(None, &[], ""), "development");
}

#[test]
fn the_file_of_an_environment_does_not_choose_it() {
    let files = [(".env.development", "MCP_ENV=staging\nENVIRONMENT=staging\n")];
    let world = World { file: QUERY, files: &files, ..World::default() };
    assert_eq!(world.config().environment, "development");
}

#[test]
fn the_name_of_an_environment_leads_to_no_other_directory() {
    let workplace = Workplace::new();
    fs::create_dir(workplace.directory.path().join(".env.x")).unwrap();
    fs::write(workplace.directory.path().join("other.txt"), "no variable").unwrap();
    let world = World { file: QUERY, environment: Some("x/../other.txt"), ..World::default() };
    let said = world.load(&workplace).unwrap_err().to_string();
    assert!(said.contains("there is no such environment"), "{said}");
    assert!(!said.contains("other.txt:1"), "{said}");
    let staging = World { environment: Some("staging"), ..world }.load(&workplace).unwrap();
    let names: Vec<_> = staging
        .sources
        .iter()
        .map(|path| path.strip_prefix(workplace.directory.path()).unwrap().display().to_string())
        .collect();
    assert_eq!(names, ["ecosystem.toml", ".env", ".env.staging"]);
}

#[test]
fn variables_of_the_server_mean_the_one_app_of_ours() {
    let address = |process: &[(&str, &str)], lines: &str| {
        let lines = format!("{lines}\nmcp.allow_anonymous_beyond_loopback = true");
        let file = format!("[apps.query]\n{lines}\n[apps.other]\nexec = \"other\"\n");
        let world = World { file: &file, process, ..World::default() };
        world.query().listen.unwrap().to_string()
    };
    let listen = "listen = \"10.0.0.1:7000\"";
    assert_eq!(address(&[("SERVER_PORT", "9")], listen), "10.0.0.1:9");
    assert_eq!(address(&[("SERVER_HOST", "0.0.0.0")], listen), "0.0.0.0:7000");
    assert_eq!(address(&[("SERVER_HOST", "localhost"), ("SERVER_PORT", "9")], ""), "127.0.0.1:9");
    assert_eq!(address(&[("SERVER_HOST", "::1")], ""), "[::1]:8000");
    assert_eq!(address(&[("SERVER_PORT", "tcp://10.0.0.1:80")], listen), "10.0.0.1:7000");
    assert_eq!(address(&[("SERVER_PORT", "")], listen), "10.0.0.1:7000");

    let two = format!("{QUERY}[apps.admin]\nlisten = \"127.0.0.1:8009\"\n");
    let process = [("SERVER_PORT", "9"), ("LOG_LEVEL", "WARNING")];
    let world = World { file: &two, process: &process, ..World::default() };
    let config = world.config();
    assert_eq!(world.query().listen.unwrap().port(), 8000);
    assert_eq!(
        config.remarks,
        [
            "SERVER_PORT in the environment is ignored: it could mean admin or query; write it into the \
          file"
        ]
    );
    assert_eq!(config.supervisor.log_level, LogLevel::Warn);
    assert_eq!(world.query().settings.unwrap().logs.level, LogLevel::Warn);
}

#[test]
fn variables_of_the_server_without_an_app_of_ours_are_remarked_on_in_a_file() {
    let text = "SERVER_PORT=9\nSERVER_WORKERS=2\nMAX_QUERY_LIMIT=7\nLOG_LEVEL=info\n\
                SNOWFLAKE_ROLE=R\n";
    let (files, process) = ([(".env", text)], [("SERVER_HOST", "0.0.0.0")]);
    let file = "[apps.other]\nexec = \"/bin/sh\"\nenv.ROLE = \"${SNOWFLAKE_ROLE}\"\n";
    let world = World { file, files: &files, process: &process, ..World::default() };
    let why = "is ignored: it is for mcp-worker, and no app here runs that";
    let mut expected = [("SERVER_PORT", 1), ("SERVER_WORKERS", 2), ("MAX_QUERY_LIMIT", 3)]
        .map(|(name, line)| format!("{name} in .env, line {line} {why}"));
    expected.sort();
    let mut remarks = world.config().remarks;
    remarks.sort();
    assert_eq!(remarks, expected);
}

#[test]
fn halves_of_an_address_may_come_from_two_places() {
    let files = [(".env", "SERVER_HOST=0.0.0.0")];
    let process = [("SERVER_PORT", "9")];
    let file = format!("{QUERY}mcp.allow_anonymous_beyond_loopback = true\n");
    let world = World { file: &file, files: &files, process: &process, ..World::default() };
    assert_eq!(world.query().listen.unwrap().to_string(), "0.0.0.0:9");
}

#[test]
fn what_is_set_is_read_as_its_key_wants_it() {
    let set = [
        "apps.query.instances = 3",
        "supervisor.log_level=error",
        "apps.query.args=[\"a\", \"b=c\"]",
        "apps.query.env.PORT=8080",
        "apps.query.env.TEXT=\"1\"",
        "apps.query.health.drain_timeout=9s",
        "apps.\"query\".listen=127.0.0.1:0",
        "apps.query.mcp.allowed_hosts=a,b",
        "apps.query.ready_line=${HOME}",
    ];
    let file = format!("{QUERY}ready = \"link\"\n");
    let world = World { file: &file, set: &set[..8], ..World::default() };
    let query = world.query();
    assert_eq!(query.goal.instances, 3);
    assert_eq!(world.config().supervisor.log_level, LogLevel::Error);
    assert_eq!(query.arguments, ["a", "b=c"]);
    assert_eq!((&*query.variables["PORT"], &*query.variables["TEXT"]), ("8080", "1"));
    assert_eq!(query.goal.drain_timeout.as_secs(), 9);
    assert_eq!(query.listen.unwrap().port(), 0);
    assert_eq!(query.settings.unwrap().mcp.allowed_hosts, ["a", "b"]);
    let literal =
        ["apps.query.env.A=${NONE} $$", "apps.query.instances=1", "apps.query.instances=2"];
    let query = World { set: &literal, ..world }.query();
    assert_eq!((&*query.variables["A"], query.goal.instances), ("${NONE} $$", 2));
}

#[test]
fn a_file_that_others_may_read_is_remarked_and_a_directory_of_that_name_is_nothing() {
    let workplace = Workplace::new();
    let world = World { file: QUERY, files: &[(".env", "A=1")], ..World::default() };
    assert!(world.load(&workplace).unwrap().remarks.is_empty());
    let path = workplace.directory.path().join(".env");
    let surroundings = world.surroundings(&workplace);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let file = workplace.directory.path().join("ecosystem.toml");
    let remarks = load(&file, None, &surroundings).unwrap().remarks;
    assert!(remarks[0].contains(".env") && remarks[0].contains("chmod 640"), "{remarks:?}");
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    assert!(load(&file, None, &surroundings).unwrap().remarks.is_empty());
}

#[test]
fn variables_that_multiply_are_cut_short() {
    let mut text = String::from("A0=0123456789\n");
    for index in 1..60 {
        let before = index - 1;
        text.push_str(&format!("A{index}=${{A{before}}}${{A{before}}}\n"));
    }
    text.push_str("SERVER_PORT=${A59}\n");
    let files = [(".env", text.as_str())];
    let said = World { file: QUERY, files: &files, ..World::default() }.problems();
    assert!(said.contains("SERVER_PORT: becomes longer than 64 KiB"), "{said}");
    let chain: String =
        (0..40_000).map(|index| format!("A{index}=${{A{}}}\n", index + 1)).collect();
    let files = [(".env", chain.as_str())];
    World { file: QUERY, files: &files, ..World::default() }.config();
}

#[test]
fn the_socket_is_where_all_layers_say() {
    let workplace = Workplace::new();
    let socket = |world: World<'_>, text: &str| {
        let path = workplace.directory.path().join("ecosystem.toml");
        let _ = fs::remove_file(&path);
        fs::write(&path, text).unwrap();
        let socket = socket_of(&path, world.environment, &world.surroundings(&workplace));
        socket.strip_prefix(workplace.directory.path()).unwrap().display().to_string()
    };
    let text = "[supervisor]\nrun_directory = \"${WHERE:-run}/x\"\n[apps.q\n";
    let files = [(".env", "WHERE=there")];
    let world = World { files: &files, ..World::default() };
    assert_eq!(socket(World::default(), text), "run/x/supervisor.sock");
    assert_eq!(socket(world, text), "there/x/supervisor.sock");
    let set = World { set: &["supervisor.run_directory=set"], ..world };
    assert_eq!(socket(set, text), "set/supervisor.sock");
    let text = format!("{QUERY}[environments.staging.supervisor]\nrun_directory = \"s\"\n");
    let chosen = World { process: &[("ENVIRONMENT", "staging")], ..world };
    assert_eq!(socket(chosen, &text), "s/supervisor.sock");
}
