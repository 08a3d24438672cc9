//! The table of keys as a JSON Schema, so that an editor can complete and check the file.
//!
//! The descriptions are those of `docs/config.md`, which has each key once. Draft 7 is named, and
//! only what Draft 4 has as well is used: editors' TOML plugins know little more. Rules between
//! values cannot be said here; `check` knows them.

use serde_json::{Map, Value, json};

use super::keys::{APP, FILE, Key, Kind, SUPERVISOR};
use super::process::Unit;
use super::snowflake;
use super::value::SIGNALS;

const DOCUMENTED: &str = include_str!("../../../docs/config.md");

/// A whole number above zero and a unit.
const DURATION: &str = "0*[1-9][0-9]*(ms|s|m|h)";
/// A whole number and a unit.
const SIZE: &str = "[0-9]+(B|KB|MB|GB|TB|KiB|MiB|GiB|TiB)";
/// A host and a port.
const ADDRESS: &str = "[^ ]+:[0-9]{1,5}";
/// A text with a variable in it.
const VARIABLE: &str = ".*\\$\\{.+";
/// What an app or an environment may be called.
const NAME: &str = "^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$";

/// The JSON Schema of the configuration file.
#[must_use]
pub fn schema() -> Value {
    let mut schema = table(FILE, "");
    schema["$schema"] = json!("http://json-schema.org/draft-07/schema#");
    schema["title"] = json!("ecosystem.toml, the configuration of mcp-supervisor");
    schema["definitions"] =
        json!({ "app": table(APP, "apps.NAME."), "supervisor": table(SUPERVISOR, "supervisor.") });
    schema
}

/// A table with these keys; `path` is what stands before each, as in `apps.NAME.`.
fn table(keys: &'static [Key], path: &str) -> Value {
    let properties: Map<String, Value> = keys
        .iter()
        .map(|key| (key.name.to_owned(), described(key, &format!("{path}{}", key.name))))
        .collect();
    json!({ "type": "object", "properties": properties, "additionalProperties": false })
}

/// What may stand behind a key, with its words and its default.
fn described(key: &'static Key, path: &str) -> Value {
    let mut schema = match (&key.kind, key.name) {
        (_, "supervisor") => return json!({ "$ref": "#/definitions/supervisor" }),
        (Kind::Named(_), "apps") => named(&json!({ "$ref": "#/definitions/app" })),
        (Kind::Named(keys), snowflake::CONNECTIONS) => named(&table(keys, "apps.NAME.snowflake.")),
        (Kind::Named(keys), _) => named(&table(keys, &format!("{path}.NAME."))),
        (Kind::Table(keys), _) => table(keys, &format!("{path}.")),
        (kind, _) => value(kind),
    };
    if let Some(about) = about(path) {
        if let Some(default) = as_json(key.example).filter(|_| !about.contains("o default")) {
            schema["default"] = default;
        }
        schema["description"] = json!(about);
    }
    schema
}

fn named(member: &Value) -> Value {
    json!({ "type": "object", "patternProperties": { NAME: member }, "additionalProperties": false })
}

/// A text of this form, or with a variable in it, of which nobody knows what it will be.
fn string(pattern: &str) -> Value {
    json!({ "type": "string", "pattern": format!("^({pattern}|{VARIABLE})$") })
}

/// What is no text may be a text that is one variable.
fn or_variable(schema: &Value) -> Value {
    json!({ "anyOf": [schema, { "type": "string", "pattern": format!("^{VARIABLE}$") }] })
}

fn integer(min: i64, max: i64) -> Value {
    json!({ "type": "integer", "minimum": min, "maximum": max })
}

fn scalar() -> Value {
    let kinds = ["string", "number", "boolean"].map(|kind| json!({ "type": kind }));
    json!({ "anyOf": kinds })
}

fn list(item: Value) -> Value {
    json!({ "type": "array", "items": item })
}

/// Values of their own kind, or one of a few words.
fn or_words(schema: Value, words: &[&str]) -> Value {
    let mut ways = vec![json!({ "enum": words }), schema];
    if ways[1]["type"] != "string" {
        ways.push(json!({ "type": "string", "pattern": format!("^{VARIABLE}$") }));
    }
    json!({ "anyOf": ways })
}

fn value(kind: &Kind) -> Value {
    let schema = single(kind);
    let is_text = schema["type"] == "string" || schema["type"] == "object";
    if is_text || schema.get("anyOf").is_some() { schema } else { or_variable(&schema) }
}

fn single(kind: &Kind) -> Value {
    match kind {
        Kind::Table(keys) | Kind::Named(keys) => table(keys, ""),
        Kind::Variables => {
            json!({ "type": "object", "additionalProperties": { "type": "string" } })
        }
        Kind::Text | Kind::TimeTable | Kind::TimeZone => {
            json!({ "type": "string", "minLength": 1 })
        }
        Kind::Command => {
            let words = json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 });
            json!({ "anyOf": [string("[^ \\t]+"), words] })
        }
        Kind::Texts | Kind::Patterns => list(json!({ "type": "string" })),
        Kind::Scalar => scalar(),
        Kind::Scalars => list(scalar()),
        Kind::Boolean => json!({ "type": "boolean" }),
        Kind::Count { min, max, .. } => integer(i64::from(*min), i64::from(*max)),
        Kind::Fraction { max, .. } => json!({ "type": "number", "minimum": 0, "maximum": max }),
        Kind::Share => json!({ "type": "number", "minimum": 0, "maximum": 1 }),
        Kind::Duration { .. } => string(DURATION),
        Kind::DurationOrOff { .. } => or_words(string(DURATION), &["off"]),
        Kind::Size { .. } => string(SIZE),
        Kind::SizeOrOff { .. } => or_words(string(SIZE), &["off"]),
        Kind::ExitCodes => list(integer(0, 255)),
        Kind::Choice(words) => json!({ "enum": words }),
        Kind::Secret => json!({ "type": "string", "minLength": 1 }),
        Kind::Authenticator => json!({ "enum": snowflake::authenticators() }),
        Kind::Address => string(ADDRESS),
        Kind::AddressOrOff => or_words(string(ADDRESS), &["off"]),
        Kind::Readiness => {
            or_words(string(DURATION), &["link", "notify", "descriptor", "probe", "output"])
        }
        Kind::ProbeAddress => string("[^ ]+:[^ ]+"),
        Kind::ProbePage => string("http://[^ ]+"),
        Kind::Signal => {
            let names: Vec<&str> = SIGNALS.iter().map(|(name, _)| *name).collect();
            json!({ "enum": names })
        }
        Kind::Account => {
            // A name, or a variable, which is one to this schema.
            json!({ "anyOf": [{ "type": "string", "minLength": 1 }, integer(0, 4_294_967_294)] })
        }
        Kind::Umask => or_words(string("0*[0-7]{1,3}"), &["inherit"]),
        Kind::Nice => or_words(integer(-20, 19), &["inherit"]),
        Kind::Limit(unit) => {
            let schema = match unit {
                Unit::Number => integer(1, 1 << 30),
                Unit::Bytes => string(SIZE),
                Unit::Time => string(DURATION),
            };
            or_words(schema, &["unlimited", "inherit"])
        }
    }
}

/// What the documentation says of a key, without links.
fn about(path: &str) -> Option<String> {
    let row = format!("| `{path}` |");
    let line = DOCUMENTED.lines().find(|line| line.starts_with(&row))?;
    let words = line.trim_end_matches(['|', ' ']).split(" | ").nth(2)?;
    let mut plain = String::new();
    let mut rest = words;
    while let Some((before, link)) = rest.split_once('[') {
        let Some((name, target)) = link.split_once("](") else { break };
        let Some((_, behind)) = target.split_once(')') else { break };
        plain.push_str(before);
        plain.push_str(name);
        rest = behind;
    }
    Some((plain + rest).replace('`', ""))
}

/// A value of TOML as one of JSON.
fn as_json(value: &str) -> Option<Value> {
    let table: toml::Table = format!("value = {value}").parse().ok()?;
    serde_json::to_value(table.get("value")?).ok()
}
