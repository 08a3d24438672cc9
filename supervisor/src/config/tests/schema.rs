//! The JSON Schema against the shipped file, against wrong values, and against the table of keys.

use serde_json::Value;

use super::super::schema::schema;
use super::keys::everything_enabled;

/// Whether a value is what a schema says. Only what our schema uses is known here; anything else
/// fails the test.
fn fits(value: &Value, schema: &Value, root: &Value) -> Result<(), String> {
    let rules = schema.as_object().ok_or("a schema is an object")?;
    for (rule, said) in rules {
        let fine = match rule.as_str() {
            "$schema" | "title" | "description" | "default" | "definitions" => true,
            "$ref" => {
                let path = said.as_str().and_then(|path| path.strip_prefix('#')).unwrap();
                fits(value, root.pointer(path).ok_or("a reference leads somewhere")?, root)?;
                true
            }
            "type" => match said.as_str().unwrap() {
                "object" => value.is_object(),
                "array" => value.is_array(),
                "string" => value.is_string(),
                "boolean" => value.is_boolean(),
                "integer" => value.is_i64(),
                "number" => value.is_number(),
                other => return Err(format!("type {other}?")),
            },
            "enum" => said.as_array().unwrap().contains(value),
            "minimum" => value.as_f64().is_none_or(|number| number >= said.as_f64().unwrap()),
            "maximum" => value.as_f64().is_none_or(|number| number <= said.as_f64().unwrap()),
            "minLength" => value.as_str().is_none_or(|text| !text.is_empty()),
            "minItems" => value.as_array().is_none_or(|items| !items.is_empty()),
            "pattern" => value.as_str().is_none_or(|text| matches(said, text)),
            "anyOf" => said.as_array().unwrap().iter().any(|one| fits(value, one, root).is_ok()),
            "items" => {
                let items = value.as_array().into_iter().flatten();
                items.map(|item| fits(item, said, root)).collect::<Result<Vec<_>, _>>()?;
                true
            }
            "properties" | "patternProperties" | "additionalProperties" => true,
            other => return Err(format!("{other}?")),
        };
        if !fine {
            return Err(format!("{value} is not {rule} {said}"));
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let known = schema["properties"].get(name);
        let patterns = schema["patternProperties"].as_object();
        let of_pattern = || {
            let mut all = patterns.into_iter().flatten();
            all.find(|(pattern, _)| matches(&Value::from(pattern.as_str()), name))
        };
        match known.or_else(|| of_pattern().map(|(_, schema)| schema)) {
            Some(schema) => fits(member, schema, root).map_err(|why| format!("{name}: {why}"))?,
            None => match schema.get("additionalProperties") {
                Some(Value::Bool(false)) => return Err(format!("{name} is unknown")),
                Some(schema) => fits(member, schema, root)?,
                None => {}
            },
        }
    }
    Ok(())
}

fn matches(pattern: &Value, text: &str) -> bool {
    regex_lite::Regex::new(pattern.as_str().unwrap()).unwrap().is_match(text)
}

fn judge(text: &str) -> Result<(), String> {
    let table: toml::Table = text.parse().unwrap_or_else(|why| panic!("{why}\n{text}"));
    let schema = schema();
    fits(&serde_json::to_value(table).unwrap(), &schema, &schema)
}

#[test]
fn the_shipped_file_fits_the_schema() {
    judge(super::keys::SHIPPED).unwrap();
    judge(&everything_enabled()).unwrap();
}

#[test]
fn a_variable_may_stand_for_any_value() {
    judge(
        "apps.query = { instances = \"${N:-4}\", listen = \"127.0.0.1:${PORT}\", nice = \"${NICE}\",\n\
         restart = { policy = \"${POLICY}\", max_memory = \"${M}\" }, stop_signal = \"${S}\",\n\
         mcp = { allowed_hosts = \"${HOSTS}\" }, warehouse = { kind = \"${KIND}\", scale = \"${X}\" } }",
    )
    .unwrap();
}

#[test]
fn wrong_values_do_not_fit() {
    for (text, why) in [
        ("app.query.listen = \"127.0.0.1:8000\"", "app is unknown"),
        ("apps.query.instnces = 1", "instnces is unknown"),
        ("apps.\"my app\".args = []", "my app is unknown"),
        ("apps.query.instances = 0", "anyOf"),
        ("apps.query.instances = 257", "anyOf"),
        ("apps.query.instances = \"4\"", "anyOf"),
        ("apps.query.health.drain_timeout = \"10\"", "pattern"),
        ("apps.query.health.drain_timeout = \"0s\"", "pattern"),
        ("apps.query.logs.max_size = \"50mb\"", "pattern"),
        ("apps.query.restart.policy = \"on-failure\"", "anyOf"),
        ("apps.query.restart.max_memory = false", "anyOf"),
        ("apps.query.stop_signal = \"TERM\"", "anyOf"),
        ("apps.query.listen = 8000", "type"),
        ("apps.query.exec = \"mcp-worker -v\"", "anyOf"),
        ("apps.query.env.N = 3", "type"),
        ("apps.query.umask = 27", "anyOf"),
        ("apps.query.warehouse.sample_account_in_production = \"yes\"", "anyOf"),
        ("environments.production.apps.query.pool.min = -1", "anyOf"),
        ("environments.production.environments.x.apps = {}", "environments is unknown"),
        ("supervisor.metrics = 8001", "anyOf"),
    ] {
        let said = judge(text).unwrap_err();
        assert!(said.contains(why), "{text}: {said}");
    }
}

#[test]
fn every_key_has_words_and_its_default_if_it_has_one() {
    fn bare(schema: &Value, path: &str, into: &mut Vec<String>) {
        for (name, key) in schema["properties"].as_object().into_iter().flatten() {
            let table = key["properties"].is_object() || key["patternProperties"].is_object();
            if !table && key.get("$ref").is_none() && key.get("description").is_none() {
                into.push(format!("{path}{name}"));
            }
            bare(key, &format!("{path}{name}."), into);
        }
    }
    let schema = schema();
    let mut without = Vec::new();
    bare(&schema["definitions"]["app"], "apps.NAME.", &mut without);
    bare(&schema["definitions"]["supervisor"], "supervisor.", &mut without);
    assert!(without.is_empty(), "{without:?}");
    let app = &schema["definitions"]["app"]["properties"];
    assert_eq!(app["instances"]["default"], 1);
    assert_eq!(app["exec"]["default"], serde_json::json!(["mcp-worker"]));
    assert_eq!(app["restart"]["properties"]["backoff_max"]["default"], "15s");
    assert!(app["listen"].get("default").is_none(), "{}", app["listen"]);
    let about = app["depends_on"]["description"].as_str().unwrap();
    assert!(about.contains("see lifecycle.md.") && !about.contains('['), "{about}");
}
