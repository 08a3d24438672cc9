//! That no word about a bad file, and no line of it that is shown, repeats a secret.

use super::Workplace;
use crate::config::masked;

/// Stands for each secret below.
const CANARY: &str = "canary";

fn pem(quote: &str) -> String {
    let line = "CANARYcanary0123456789canaryCANARY";
    let body = format!("{line}\n").repeat(8);
    format!(
        "private_key = {quote}-----BEGIN PRIVATE KEY-----\n{body}canary=\n\
         canary==\n-----END PRIVATE KEY-----{quote}"
    )
}

#[test]
fn no_problem_repeats_a_secret() {
    let workplace = Workplace::new();
    for (header, lines) in [
        ("snowflake", "password = canary"),
        ("snowflake", "password = canary;"),
        ("snowflake", "password = \"canary\"\npassword = canary"),
        ("snowflake", "password: canary"),
        ("snowflake", "password = 5canary"),
        ("snowflake", "password = [\"canary\"]"),
        ("snowflake", "password = [\n\"canary\",\n\"a=canary\",\n]"),
        ("snowflake", "password = \"x${canary }\""),
        ("snowflake", "password = \"${X!canary}\""),
        ("snowflake", "pasword = \"canary\""),
        ("snowflake", "passwd = \"canary\""),
        ("snowflake", "pwd = \"canary\""),
        ("snowflake", "tokn = \"canary\""),
        ("snowflake", "pass = canary"),
        ("snowflake", "x = canary"),
        ("snowflake", "x = { y = [\n\"canary\",\n] }"),
        ("snowflake", "canary"),
        ("snowflake", "password = \"\"\"\nx\ncanary = canary \\q\n\"\"\""),
        ("snowflake", &pem("\"")),
        ("snowflake", &pem("\"\"\"").replace("BEGIN", "BEGIN \\q")),
        ("snowflake", &pem("")),
        ("snowflake", &pem("").replacen(" = ", " ", 1)),
        ("snowflake", &pem("").replacen(" = ", "\n", 1)),
        ("http", &pem("").replacen("private_key = ", "x\n", 1)),
        ("http", &pem("\"").replacen("private_key = ", "x ", 1)),
        ("health", &pem("\"").replace("private_key", "x")),
        ("env", "API_KEY = canary"),
        ("env", "A = 1canary"),
        ("env", "A = canary\nA = canary"),
        ("env", "A = [\"canary\"]"),
        ("env", "A.B = \"canary\""),
        ("health", "pasword = \"canary\""),
        ("health", "api_key = canary"),
    ] {
        let text = format!("[apps.query]\nexec = \"./other\"\n[apps.query.{header}]\n{lines}\n");
        let shown = workplace.problems(&text, None);
        assert!(!shown.to_lowercase().contains(CANARY), "{text}\n{shown}");
        assert!(shown.contains("DIR/ecosystem.toml:"), "{text}\n{shown}");
    }
    for lines in [
        "env = \"canary\"",
        "env = canary",
        "env = 12canary",
        "snowflake = \"canary\"",
        "snowflake = { pasword = \"canary\" }",
        "snowflake = {\n  tokn = \"canary\",\n}",
        "snowflake.pasword = \"canary\"",
        "env = {\n  DB_PIN = [\"canary\"],\n  B = 1,\n}",
        "env = {\n  DB_PIN = canary,\n}",
        "env = {\n  A = \"x\",\n  canary\n",
        "env.A = \"${canary!}\"",
        "args = [\n  \"--token\",\n  canary,\n]",
    ] {
        let text = format!("[apps.query]\nexec = \"./other\"\n{lines}\n");
        let shown = workplace.problems(&text, None);
        assert!(!shown.to_lowercase().contains(CANARY), "{text}\n{shown}");
    }
}

#[test]
fn lines_are_cut_where_a_secret_may_begin_and_the_others_are_whole() {
    let text = "\
# of ours
[apps.query]
exec = \"./other\"  # {
args = [
  \"-v\",
]
env = {
  DB_PIN = 12345,
}
health.ready = \"link\"
[apps.query.snowflake] # canary
account = \"ORG\"
role = \"READER\"
pasword = \"canary\"
private_key = '''
canary = 1
'''
user = \"MCP\"
[apps.snowflake]
exec = \"./other\"
[environments.edge.apps.snowflake.snowflake]
x = \"canary\"
";
    let expected = "\
# of ours
[apps.query]
exec = \"./other\"  # {
args = [
  \"-v\",
]
env = …
  DB_PIN = …
}
health.ready = \"link\"
[apps.query.snowflake] …
account = \"ORG\"
role = \"READER\"
pasword = …
private_key = …
…
…
user = \"MCP\"
[apps.snowflake]
exec = \"./other\"
[environments.edge.apps.snowflake.snowflake]
x = …
";
    let lines: Vec<String> = masked(text).into_iter().map(|(line, _)| line).collect();
    assert_eq!(lines.join("\n"), expected);
}

#[test]
fn brackets_without_an_end_are_read_in_time() {
    for piece in ["[", "{", "a={", "a=[\n", "\"", "'''", "a.", "x=\"\"\"\n"] {
        let lines = masked(&piece.repeat(200_000));
        assert!(!lines.is_empty(), "{piece}");
    }
}
