//! Whole files of each origin with the file and the words that they become beside them.
//!
//! `UPDATE=1 cargo test -p mcp-supervisor --lib roads::` writes what is expected anew; read the
//! difference before you keep it.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::written::Written;
use super::*;
use crate::config::{self, Surroundings};
use crate::report;

/// Where the files of an origin lie.
fn folder(origin: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("src/roads/tests").join(origin)
}

fn text(origin: &str, name: &str) -> String {
    std::fs::read_to_string(folder(origin).join(name)).unwrap()
}

fn place() -> Place {
    Place { base: "/srv/app".into(), home: "/srv/app".into(), processors: 8 }
}

/// The keys whose values name what is not on this machine; and production wants to be told that
/// sample data is meant.
const OF_THE_MACHINE: [&str; 6] = [".exec", ".cwd", ".watch", ".user", ".group", ".warehouse"];

/// Compares with what is expected, and reads the new file as `check` does.
#[expect(clippy::disallowed_methods, reason = "a person asks for new expectations")]
fn hold(origin: &str, name: &str, draft: &Draft) {
    let stem = name.split('.').next().unwrap();
    let words = report::draft(draft, name);
    for (ending, found) in [("toml", &draft.toml), ("txt", &words)] {
        let path = folder(origin).join(format!("{stem}.expected.{ending}"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&path, found).unwrap();
        }
        let expected = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(*found, expected, "{} (UPDATE=1 writes it anew)", path.display());
    }
    assert_fine(&draft.toml);
}

/// Only what is not on this machine may be wrong with a new file, in each of its environments.
fn assert_fine(toml: &str) {
    let file = Path::new("/srv/app/ecosystem.toml");
    for environment in ["development", "production"] {
        let loaded = config::load_text(toml, file, Some(environment), &Surroundings::default());
        let Err(problems) = loaded else { continue };
        for problem in problems.list() {
            let key = problem.key.as_deref().unwrap_or_default();
            let elsewhere = OF_THE_MACHINE.iter().any(|of_machine| key.ends_with(of_machine))
                || problem.message.contains("is not set");
            assert!(elsewhere, "{environment}: {problem}\n{toml}");
        }
    }
}

/// How often each key is told of as translated, left out or unknown.
fn fates(draft: &Draft) -> BTreeMap<&str, usize> {
    let mut fates = BTreeMap::new();
    for note in draft.translated.iter().chain(&draft.dropped).chain(&draft.unknown) {
        *fates.entry(note.key.as_str()).or_insert(0) += 1;
    }
    fates
}

fn assert_each_once(draft: &Draft, keys: &[String]) {
    let fates = fates(draft);
    assert!(fates.values().all(|count| *count == 1), "{fates:?}");
    for key in keys {
        assert!(fates.contains_key(key.as_str()), "{key} is forgotten: {fates:?}");
    }
}

#[test]
fn pm2_files_become_these() {
    for (name, syntax) in [
        ("origin.json", Syntax::Data),
        ("everything.yaml", Syntax::Data),
        ("single.yaml", Syntax::Data),
        ("dump.pm2.json", Syntax::Dump),
    ] {
        hold("pm2", name, &pm2(&text("pm2", name), syntax, &place()).unwrap());
    }
}

#[test]
fn each_option_of_pm2_has_one_fate() {
    for name in ["origin.json", "everything.yaml"] {
        let root = Written::from_yaml(&text("pm2", name)).unwrap();
        let mut keys = Vec::new();
        for (index, app) in root.get("apps").unwrap().items().iter().enumerate() {
            let label = app.get("name").and_then(Written::as_text);
            // Two apps of one name cannot be told apart in the report.
            let label = label.unwrap_or_else(|| format!("apps[{index}]"));
            let Written::Table(entries) = app else { panic!("{app:?}") };
            keys.extend(entries.iter().map(|(key, _)| format!("{label}.{key}")));
        }
        let draft = pm2(&text("pm2", name), Syntax::Data, &place()).unwrap();
        let mut fates = fates(&draft);
        fates.retain(|key, _| !key.starts_with("api gateway."));
        assert!(fates.values().all(|count| *count == 1), "{fates:?}");
        let told = draft.translated.iter().chain(&draft.dropped).chain(&draft.unknown);
        let told: Vec<&str> = told.map(|note| note.key.as_str()).collect();
        assert!(keys.iter().all(|key| told.contains(&key.as_str())), "{keys:?}\n{told:?}");
    }
}

fn supervisord_parts() -> Vec<Part> {
    let more = "[program:extra]\ncommand=%(here)s/extra --user %(ENV_USER)s\n";
    vec![
        Part { path: "/etc/supervisord.conf".into(), text: text("supervisord", "main.conf") },
        Part { path: "/etc/conf.d/extra.conf".into(), text: more.to_owned() },
    ]
}

#[test]
fn a_file_of_supervisord_becomes_this_and_each_key_has_one_fate() {
    let parts = supervisord_parts();
    assert_eq!(includes(&parts[0]).unwrap(), ["conf.d/*.conf", "/etc/more/*.ini"]);
    let draft = supervisord(&parts, &place()).unwrap();
    hold("supervisord", "main.conf", &draft);
    let mut keys = Vec::new();
    let mut section = String::new();
    for line in parts.iter().flat_map(|part| part.text.lines()) {
        match line.split_once(']') {
            Some((name, _)) if line.starts_with('[') => section = name[1..].to_owned(),
            _ if line.starts_with([' ', ';']) || line.is_empty() => {}
            _ => {
                let key = line.split('=').next().unwrap().trim().to_lowercase();
                keys.push(format!("{section}.{key}"));
            }
        }
    }
    assert!(keys.len() > 50, "{keys:?}");
    assert_each_once(&draft, &keys);
}

#[test]
fn a_file_of_the_labs_server_becomes_this_and_each_key_has_one_fate() {
    let draft = labs(&text("labs", "services.yaml")).unwrap();
    hold("labs", "services.yaml", &draft);
    let keys = [
        "agent_services.sales",
        "search_services.docs_search",
        "analyst_services.orders",
        "other_services.query_manager",
        "other_services.time_manager",
        "colour",
        "sql_statement_permissions.Command",
        "sql_statement_permissions.Sing",
    ];
    assert_each_once(&draft, &keys.map(str::to_owned));
}

#[test]
fn texts_arrive_at_the_program_as_they_were() {
    let odd = "$5 ${HOME} $$ %(x)s {slot} \"q\" \\ 'a' \n\t end";
    let json = serde_json::json!({
        "apps": [{ "name": "a", "script": "/bin/sh", "args": [odd], "env": { "ODD": odd } }]
    });
    let draft = pm2(&json.to_string(), Syntax::JavaScript, &place()).unwrap();
    let home = std::env::temp_dir().join("ecosystem.toml");
    let config = config::load_text(&draft.toml, &home, None, &Surroundings::default()).unwrap();
    let app = config.apps.values().next().unwrap();
    assert_eq!(app.variables["ODD"], odd);
    assert_eq!(app.arguments.last().map(String::as_str), Some(odd));
}

#[test]
fn paths_are_kept_where_the_new_file_lies_beside_the_old_one_and_absolute_elsewhere() {
    let file = r#"{"apps": [
        {"name": "a", "script": "bin/run", "interpreter": "none", "cwd": "./a/../b"},
        {"name": "c", "script": "c.py"},
        {"name": "d", "script": "./d.py", "interpreter": "none"}
    ]}"#;
    let elsewhere = Place { home: "/etc/mcp".into(), ..place() };
    let toml = |place: &Place| -> toml::Table {
        pm2(file, Syntax::Data, place).unwrap().toml.parse().unwrap()
    };
    let (beside, away) = (toml(&place()), toml(&elsewhere));
    let exec = |table: &toml::Table, app: &str| {
        table["apps"][app]["exec"].as_array().unwrap()[0].as_str().unwrap().to_owned()
    };
    assert_eq!(exec(&beside, "a"), "b/bin/run");
    assert_eq!(beside["apps"]["a"]["cwd"].as_str(), Some("./a/../b"));
    assert_eq!(exec(&away, "a"), "/srv/app/b/bin/run");
    assert_eq!((exec(&beside, "c"), exec(&beside, "d")), ("python3".into(), "./d.py".into()));
    assert_eq!(away["apps"]["a"]["cwd"].as_str(), Some("/srv/app/b"));
    assert_eq!(away["apps"]["c"]["cwd"].as_str(), Some("/srv/app"));
    assert!(beside["apps"]["c"].get("cwd").is_none());
}

#[test]
fn what_is_no_file_of_the_origin_is_refused_in_words() {
    let refused = |text: &str| pm2(text, Syntax::Data, &place()).unwrap_err().0;
    assert!(refused("{}").contains("{ apps: [ { name, script } ] }"));
    assert!(refused("[1, 2]").contains("no app"));
    assert!(refused("a: [").contains("cannot be read"));
    assert!(pm2("nonsense", Syntax::Dump, &place()).is_err());
    let part = |text: &str| vec![Part { path: "/a.conf".into(), text: text.to_owned() }];
    let refused = |text: &str| supervisord(&part(text), &place()).unwrap_err().0;
    assert!(refused("[supervisord]\nuser=root\n").contains("no [program:NAME]"));
    assert_eq!(refused("x"), "/a.conf cannot be read: line 1 stands before the first section");
    assert!(labs("a: 1\n").unwrap_err().0.contains("sql_statement_permissions"));
    assert!(labs("- 1\n").is_err() && labs("{").is_err());
}

#[test]
fn a_file_is_known_by_its_name() {
    for (name, expected) in [
        ("ecosystem.config.js", Some(Syntax::JavaScript)),
        ("a.config.cjs", Some(Syntax::JavaScript)),
        ("a.mjs", Some(Syntax::JavaScript)),
        ("pm2.json", Some(Syntax::Data)),
        ("pm2.yml", Some(Syntax::Data)),
        ("dump.pm2", Some(Syntax::Dump)),
        ("dump.pm2.bak", Some(Syntax::Dump)),
        ("ecosystem.config.ts", None),
        ("ecosystem", None),
    ] {
        assert_eq!(syntax(name), expected, "{name}");
    }
}

#[test]
fn a_fresh_file_is_fine_in_every_form() {
    let sample = Fresh {
        app: "query".to_owned(),
        choice: Choice::Sample,
        listen: None,
        instances: 2,
        environment: None,
    };
    let program = Fresh {
        app: "site".to_owned(),
        choice: Choice::Program(command("python3 'my server.py'").unwrap()),
        environment: Some("staging".to_owned()),
        ..sample.clone()
    };
    let listening = Fresh { listen: Some("127.0.0.1:0".to_owned()), ..program.clone() };
    let production = Fresh { environment: Some("production".to_owned()), ..sample.clone() };
    for wanted in [sample, program, listening, production] {
        let text = fresh(&wanted);
        assert_fine(&text);
        // Whoever takes the examples into use has a valid file as well, but for what comes later.
        let table: toml::Table = text.parse().unwrap();
        assert_eq!(table["apps"][&wanted.app]["instances"].as_integer(), Some(2));
        assert!(text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }
    assert!(command("").is_err() && command("'a").is_err() && app_name("-x").is_err());
}

#[test]
fn a_fresh_file_for_an_account_never_serves_sample_data_and_says_what_is_missing() {
    let wanted = Fresh {
        app: "query".to_owned(),
        choice: Choice::Snowflake("ACME-PROD1".to_owned()),
        listen: None,
        instances: 2,
        environment: Some("production".to_owned()),
    };
    let text = fresh(&wanted);
    assert!(!text.contains("sample") && !text.contains("embedded"), "{text}");
    let file = Path::new("/srv/app/ecosystem.toml");
    let missing = |text: &str, environment| {
        let problems =
            config::load_text(text, file, Some(environment), &Surroundings::default()).unwrap_err();
        let keys = problems.list().iter().filter_map(|problem| problem.key.clone());
        let of_table = keys.filter(|key| key.contains("snowflake") || key.contains("warehouse"));
        of_table.map(|key| key.replace("apps.query.snowflake.", "")).collect::<Vec<_>>()
    };
    for environment in ["development", "production"] {
        assert_eq!(missing(&text, environment), ["private_key_file", "user"], "{text}");
        // The examples, taken into use, lack nothing but the key's file.
        let filled = text.replace("# user =", "user =").replace("# role =", "role =");
        let filled = filled.replace("# private_key_file =", "private_key_file =");
        assert_eq!(missing(&filled, environment), ["private_key_file"], "{filled}");
    }
}

#[test]
fn what_only_a_shell_understands_is_said() {
    let said = |line: &str| unread(line, &command(line).unwrap());
    let words = said("/bin/sleep 5 && echo 'hi' | cat").unwrap();
    assert!(words.contains("`&&`, `|`"), "{words}");
    assert!(words.ends_with(r"sh -c '/bin/sleep 5 && echo '\''hi'\'' | cat'"), "{words}");
    for line in ["a > b", "a; b", "a $HOME", "a *.txt", "a 2>&1"] {
        assert!(said(line).is_some(), "{line}");
    }
    for line in ["sh -c 'a && b | c; d'", "grep '|' file", "a --url http://b/?c=1&d=2", "a b"] {
        assert_eq!(said(line), None, "{line}");
    }
}

#[test]
fn a_path_of_supervisord_that_begins_with_a_variable_is_not_made_absolute() {
    let text = "[program:a]\ncommand=%(ENV_FOO)s/bin/x\ndirectory=%(ENV_FOO)s/srv\n\
                [program:b]\ncommand=./x/%(ENV_FOO)s\n";
    let parts = [Part { path: "/etc/supervisord.conf".into(), text: text.to_owned() }];
    let away = Place { home: "/etc/mcp".into(), ..place() };
    let toml = supervisord(&parts, &away).unwrap().toml;
    for line in
        ["exec = [\"${FOO}/bin/x\"]", "cwd = \"${FOO}/srv\"", "exec = [\"/srv/app/x/${FOO}\"]"]
    {
        assert!(toml.contains(line), "{line}: {toml}");
    }
}

#[test]
fn values_of_pm2_that_cannot_be_kept_are_named_with_the_reason() {
    let file = r#"{"apps": [
        {"name": "a", "script": "a.sh", "cwd": null, "instances": {"[a function]": null},
         "args": ["x", null],
         "env": {"N": null, "O": {"a": 1}, "L": [1], "F": {"[a function]": null}, "K": 1},
         "env_production": {"U": null}}
    ]}"#;
    let draft = pm2(file, Syntax::JavaScript, &place()).unwrap();
    let dropped: Vec<_> = draft.dropped.iter().map(|note| note.key.as_str()).collect();
    assert_eq!(
        dropped,
        [
            "a.cwd",
            "a.instances",
            "a.args[1]",
            "a.env.N",
            "a.env.O",
            "a.env.L",
            "a.env.F",
            "a.env_production.U",
            "a.env_production",
        ]
    );
    let why = |key: &str| {
        let note = draft.dropped.iter().find(|note| note.key == key).unwrap();
        note.words.as_str()
    };
    assert!(why("a.env.N").contains("null or undefined"));
    assert!(why("a.env.O").contains("a table"));
    assert!(why("a.env.F").contains("a function") && why("a.instances").contains("a function"));
    assert!(!draft.toml.contains("function") && draft.toml.contains("K = \"1\""));
    assert!(draft.translated.iter().all(|note| note.key != "a.env_production"));
}
