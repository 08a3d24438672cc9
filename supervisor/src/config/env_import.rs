//! From a `.env` file of another server to a configuration that means the same.
//!
//! Pure: a text in, a file and a word about every variable out. No secret is copied: the new file
//! names its variable, which the `.env` file or the environment goes on to hold.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::dotenv;
use super::interpolation::{Otherwise, Piece, escaped};
use super::keys::{Kind, is_secret};
use super::toml_text::{self, quoted};
use super::variables::{OurApp, Override, Translation, overrides};
use super::{presets, tree};

/// The name of the app that is written.
const APP: &str = "query";
/// Where it listens when nothing says so.
const LISTEN: &str = "127.0.0.1:8000";

/// A configuration that was made, and what became of each variable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// The new file.
    pub toml: String,
    /// Variables that became keys, and which.
    pub translated: Vec<(String, String)>,
    /// Variables that were left out, and why.
    pub dropped: Vec<(String, String)>,
    /// What a person must look at: a variable or a line, and why.
    pub questions: Vec<(String, String)>,
}

/// Translates the text of a `.env` file.
#[must_use]
pub fn import_env(text: &str) -> Imported {
    let (variables, bad_lines) = parse(text);
    let get = |name: &str| variables.get(name).cloned();
    let app = [OurApp { name: APP.to_owned(), listen: None }];
    let base = overrides(&get, "", &app, None);
    let mut imported = Imported { questions: bad_lines, ..Imported::default() };
    let mut tables = Tables::default();
    tables.put("", &["apps", APP].map(str::to_owned), "listen", format!("\"{LISTEN}\""));
    imported.take("", &base, &mut tables);
    let mut used = base.used.clone();
    for environment in presets::environments() {
        let mut own = overrides(&get, environment, &app, None);
        own.overrides.retain(|one| !base.overrides.contains(one));
        own.notes.retain(|one| !base.notes.contains(one));
        own.problems.retain(|one| !base.problems.contains(one));
        used.append(&mut own.used);
        imported.take(&format!("environments.{environment}"), &own, &mut tables);
    }
    for (name, value) in &variables {
        let named = |list: &[(String, String)]| list.iter().any(|(known, _)| known == name);
        if named(&imported.translated) || named(&imported.dropped) {
            continue;
        }
        if used.contains(name) {
            let words = "part of another line here, or so anyway".to_owned();
            imported.translated.push((name.clone(), words));
            continue;
        }
        let why = match name.as_str() {
            "ENVIRONMENT" | "MCP_ENV" => format!("start with `mcp-supervisor start --env {value}`"),
            _ if value.is_empty() => "it is empty".to_owned(),
            _unknown => "it is no setting that is known".to_owned(),
        };
        imported.dropped.push((name.clone(), why));
    }
    imported.toml = tables.text();
    imported
}

impl Imported {
    /// Takes in what the variables mean, into the tables below this prefix.
    fn take(&mut self, prefix: &str, translation: &Translation, tables: &mut Tables) {
        for Override { variable, key_path, value } in &translation.overrides {
            let Some((name, table)) = key_path.split_last() else { continue };
            let key = key_path.join(".");
            let secret = is_secret(&key);
            let written = match tree::kind(key_path) {
                // What refers to a variable already goes on to do so.
                _ if secret && !is_reference(value) => quoted(&format!("${{{variable}}}")),
                Some(Kind::Count { .. }) if value.parse::<u32>().is_ok() => value.clone(),
                Some(Kind::Texts) => {
                    let words = value.split(',').map(str::trim).filter(|word| !word.is_empty());
                    toml_text::list(words.map(quoted))
                }
                Some(_) | None => quoted(value),
            };
            let full = if prefix.is_empty() { key } else { format!("{prefix}.{key}") };
            self.translated.push((variable.clone(), format!("{full} = {written}")));
            tables.put(prefix, table, name, written);
        }
        for note in &translation.notes {
            self.dropped.push((note.variable.clone(), note.why.clone()));
        }
        let problems = translation.problems.iter();
        self.questions.extend(problems.map(|one| (one.variable.clone(), one.why.clone())));
    }
}

/// Whether a text, as it is written in a configuration, is nothing but `${NAME}`.
fn is_reference(text: &str) -> bool {
    let inside = text.strip_prefix("${").and_then(|rest| rest.strip_suffix('}'));
    inside.is_some_and(|name| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'))
}

/// The tables of a file in the making, in the order in which they are written.
#[derive(Default)]
struct Tables(Vec<(String, BTreeMap<String, String>)>);

impl Tables {
    fn put(&mut self, prefix: &str, table: &[String], name: &str, value: String) {
        let path = table.join(".");
        let path = if prefix.is_empty() { path } else { format!("{prefix}.{path}") };
        let entry = match self.0.iter().position(|(known, _)| *known == path) {
            Some(index) => &mut self.0[index].1,
            None => {
                self.0.push((path, BTreeMap::new()));
                &mut self.0.last_mut().expect("one was pushed").1
            }
        };
        entry.insert(name.to_owned(), value);
    }

    fn text(&self) -> String {
        let mut text = "# Made by `mcp-supervisor import env`. Secrets are in variables: of the \
                        environment, or of `.env`\n# beside this file.\n"
            .to_owned();
        for (path, entries) in &self.0 {
            let _ = writeln!(text, "\n[{path}]");
            for (name, value) in entries {
                let _ = writeln!(text, "{name} = {value}");
            }
        }
        text
    }
}

/// The variables of a `.env` file, the last one of a name, and what is wrong with lines of it.
///
/// Values are as they are written in a configuration: `$$` is a dollar, `${NAME}` a reference.
fn parse(text: &str) -> (BTreeMap<String, String>, Vec<(String, String)>) {
    let (assignments, faults) = dotenv::parse(text);
    let variables = assignments.into_iter().map(|one| (one.name, written(&one.pieces)));
    let bad = faults.into_iter().map(|(place, words)| (format!("line {}", place.line), words));
    (variables.collect(), bad.collect())
}

/// A text as it is written in a configuration, with its references to variables.
fn written(pieces: &[Piece]) -> String {
    let one = |piece: &Piece| match piece {
        Piece::Literal(text) => escaped(text),
        Piece::Variable { name, otherwise: Otherwise::Refuse } => format!("${{{name}}}"),
        Piece::Variable { name, otherwise: Otherwise::Default(text) } => {
            format!("${{{name}:-{}}}", written(text))
        }
        Piece::Variable { name, otherwise: Otherwise::Message(text) } => {
            format!("${{{name}:?{text}}}")
        }
    };
    pieces.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PRODUCTION: &str = "\
# Production Environment Configuration
ENVIRONMENT=production
SNOWFLAKE_ACCOUNT=${PROD_SNOWFLAKE_ACCOUNT}
SNOWFLAKE_USER=MCP # who logs in
SNOWFLAKE_AUTH_TYPE=private_key
SNOWFLAKE_PRIVATE_KEY_PATH=\"/etc/snowflake-mcp/prod-private-key.pem\"
SNOWFLAKE_PRIVATE_KEY_PASSPHRASE=canary
STAGING_SNOWFLAKE_ROLE='STAGING ROLE'
SERVER_HOST=0.0.0.0
SERVER_PORT=8000
export SERVER_WORKERS=4
SERVER_RELOAD=false
LOG_LEVEL=INFO
API_KEY=canary
CORS_ORIGINS=https://app.example.com,https://admin.example.com
SNOWFLAKE_POOL_MAX_SIZE=20
SNOWFLAKE_POOL_MAX_INACTIVE_MINUTES=15
MAX_CONNECTIONS=
PID_FILE=/var/run/snowflake-mcp.pid
CANARY
MINE=canary
";

    #[test]
    fn each_variable_becomes_a_key_or_is_told_why_not() {
        let imported = import_env(PRODUCTION);
        assert_eq!(
            imported.toml.split_once("\n\n").unwrap().1,
            "[apps.query]
instances = 4
listen = \"0.0.0.0:8000\"

[supervisor]
log_level = \"info\"

[apps.query.logs]
level = \"info\"

[apps.query.mcp]
allowed_origins = [\"https://app.example.com\", \"https://admin.example.com\"]

[apps.query.pool]
idle_timeout = \"15m\"
max = 20

[apps.query.snowflake]
account = \"${PROD_SNOWFLAKE_ACCOUNT}\"
authenticator = \"private_key\"
private_key_file = \"/etc/snowflake-mcp/prod-private-key.pem\"
private_key_passphrase = \"${SNOWFLAKE_PRIVATE_KEY_PASSPHRASE}\"
user = \"MCP\"

[environments.staging.apps.query.snowflake]
role = \"STAGING ROLE\"
"
        );
        let why = |name: &str| {
            let found = imported.dropped.iter().find(|(known, _)| known == name);
            found.unwrap_or_else(|| panic!("{name} is not dropped")).1.clone()
        };
        assert!(why("API_KEY").contains("does not authenticate"));
        assert!(why("ENVIRONMENT").contains("--env production"));
        assert!(why("MAX_CONNECTIONS").contains("empty"));
        assert!(why("PID_FILE").contains("pid"));
        assert!(why("SERVER_RELOAD").contains("watch"));
        assert!(why("MINE").contains("known"));
        assert_eq!(
            imported.questions,
            [("line 20".to_owned(), "there is no `=` after the name; write KEY=VALUE".to_owned())]
        );
        let shown = format!("{imported:?}").to_lowercase();
        assert!(!shown.contains("canary"), "{shown}");
        let told = imported.translated.len() + imported.dropped.len();
        // LOG_LEVEL is told twice, for it means two keys.
        assert_eq!(told, 1 + parse(PRODUCTION).0.len(), "{imported:#?}");
    }

    #[test]
    fn contradictions_are_for_a_person_and_texts_are_quoted() {
        let imported = import_env("SERVER_PORT=1\nMCP_HTTP_PORT=2\nSNOWFLAKE_ROLE=a\\\"b$c\n");
        assert!(imported.questions[0].1.contains("SERVER_PORT says 1 and MCP_HTTP_PORT says 2"));
        assert!(imported.toml.contains(r#"role = "a\\\"b$$c""#), "{}", imported.toml);
    }

    #[test]
    fn what_is_literal_stays_so_and_references_go_on_to_refer() {
        for (line, expected) in [
            ("SNOWFLAKE_ROLE='a${b}'", r#"role = "a$${b}""#),
            ("SNOWFLAKE_ROLE='${b}'", r#"role = "$${b}""#),
            (r"SNOWFLAKE_ROLE=\${b}", r#"role = "$${b}""#),
            (r#"SNOWFLAKE_ROLE="\${b}""#, r#"role = "$${b}""#),
            (r#"SNOWFLAKE_ROLE="\$${b}""#, r#"role = "$$${b}""#),
            ("SNOWFLAKE_ROLE=a$$b", r#"role = "a$$$$b""#),
            ("SNOWFLAKE_ROLE=a${b}c", r#"role = "a${b}c""#),
            ("SNOWFLAKE_ROLE=${b:-x$$y}", r#"role = "${b:-x$$y}""#),
            ("SNOWFLAKE_ROLE=${b:-x${c:-$}}", r#"role = "${b:-x${c:-$$}}""#),
            ("SNOWFLAKE_ROLE=${b:?say}", r#"role = "${b:?say}""#),
            ("CORS_ORIGINS='http://${b},http://c'", r#"["http://$${b}", "http://c"]"#),
            // A secret is named and never copied, whatever its text looks like.
            (
                "SNOWFLAKE_PRIVATE_KEY_PASSPHRASE='${b}'",
                r#"private_key_passphrase = "${SNOWFLAKE_PRIVATE_KEY_PASSPHRASE}""#,
            ),
            ("SNOWFLAKE_PRIVATE_KEY_PASSPHRASE=${b}", r#"private_key_passphrase = "${b}""#),
        ] {
            let imported = import_env(&format!("{line}\n"));
            assert!(imported.toml.contains(expected), "{line}\n{}", imported.toml);
        }
    }
}
