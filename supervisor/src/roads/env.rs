//! From a `.env` file of another server to a draft that means the same.
//!
//! What the variables mean is known to `config`, which reads them at every start as well.

use super::document::{Document, Value, path};
use super::fresh::{APP, LISTEN};
use super::notes::Notes;
use super::{Draft, Untranslatable};
use crate::config::{EnvMeaning, MeantValue, meant_by_env};

const HEAD: &str = "Made by `mcp-supervisor import env`. Secrets are in variables: of the environment, or of `.env`\n\
    beside this file.";

/// Translates the text of a `.env` file.
///
/// # Errors
/// When it sets no variable.
pub fn env(text: &str) -> Result<Draft, Untranslatable> {
    let EnvMeaning { keys, held, dropped, questions } = meant_by_env(text, APP);
    if keys.is_empty() && held.is_empty() && dropped.is_empty() {
        let words = "no line of it is NAME=VALUE, as those of a .env file";
        return Err(Untranslatable(words.to_owned()));
    }
    let mut notes = Notes::default();
    let mut settings = vec![(path(&["apps", APP, "listen"]), Value::from(LISTEN))];
    for key in keys {
        notes.translated(key.variable, vec![key.path.clone()]);
        settings.push((key.path, written(key.value)));
    }
    held.into_iter().for_each(|(name, words)| notes.holds(name, words));
    dropped.into_iter().for_each(|(name, words)| notes.dropped(name, words));
    questions.into_iter().for_each(|(name, words)| notes.question(name, words));
    let mut document = Document::default();
    document.head(HEAD);
    for (path, _) in &settings {
        set(&mut document, path, None);
    }
    // Tables in the order in which they were met, their keys in that of the alphabet.
    settings.sort_by(|(one, _), (other, _)| one.last().cmp(&other.last()));
    for (path, value) in settings {
        set(&mut document, &path, Some(value));
    }
    Ok(notes.finish(&document))
}

/// Sets a key, or only makes its table.
fn set(document: &mut Document, path: &[String], value: Option<Value>) {
    let names: Vec<&str> = path.iter().map(String::as_str).collect();
    if let Some((name, table)) = names.split_last() {
        document.table(table).set_some(name, value);
    }
}

fn written(value: MeantValue) -> Value {
    match value {
        MeantValue::Number(number) => Value::Number(number.into()),
        MeantValue::Text(text) => Value::Written(text),
        MeantValue::Texts(texts) => Value::AllWritten(texts),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::roads::Note;

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
        let imported = env(PRODUCTION).unwrap();
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
            let found = imported.dropped.iter().find(|note| note.key == name);
            found.unwrap_or_else(|| panic!("{name} is not dropped")).words.clone()
        };
        assert!(why("API_KEY").contains("keys of our own making"));
        assert!(why("ENVIRONMENT").contains("--env production"));
        assert!(why("MAX_CONNECTIONS").contains("empty"));
        assert!(why("PID_FILE").contains("pid"));
        assert!(why("SERVER_RELOAD").contains("watch"));
        assert!(why("MINE").contains("known"));
        let words = "there is no `=` after the name; write KEY=VALUE".to_owned();
        assert_eq!(imported.questions, [Note { key: "line 20".to_owned(), words }]);
        let shown = format!("{imported:?}").to_lowercase();
        assert!(!shown.contains("canary"), "{shown}");
        let told = imported.translated.len() + imported.dropped.len();
        // LOG_LEVEL is told twice, for it means two keys.
        let variables = PRODUCTION.lines().filter(|line| line.contains('=')).count();
        assert_eq!(told, 1 + variables, "{imported:#?}");
    }

    #[test]
    fn contradictions_are_for_a_person_and_texts_are_quoted() {
        let imported = env("SERVER_PORT=1\nMCP_HTTP_PORT=2\nSNOWFLAKE_ROLE=a\\\"b$c\n").unwrap();
        assert!(
            imported.questions[0].words.contains("SERVER_PORT says 1 and MCP_HTTP_PORT says 2")
        );
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
            // TOML has no number that begins with 0.
            ("SERVER_WORKERS=04", "instances = 4\n"),
        ] {
            let imported = env(&format!("{line}\n")).unwrap();
            assert!(imported.toml.contains(expected), "{line}\n{}", imported.toml);
        }
    }
}
