//! The values of a declared tool's parameters: what a caller is told of them, and what it may give.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use mcp_protocol::offered::{Need, Parameter, ParameterKind, Scalar};
use rmcp::model::JsonObject;
use serde_json::{Map, Value, json};

/// The schema of the parameters, and which of them must be given.
pub(super) fn schema(parameters: &[Parameter]) -> (Value, Vec<&str>) {
    let properties: Map<String, Value> =
        parameters.iter().map(|one| (one.name.clone(), property(one))).collect();
    let required = parameters.iter().filter(|one| one.need == Need::Required);
    (Value::Object(properties), required.map(|one| one.name.as_str()).collect())
}

fn property(parameter: &Parameter) -> Value {
    let mut property = match parameter.kind {
        ParameterKind::String => json!({ "type": "string" }),
        ParameterKind::Integer => json!({ "type": "integer" }),
        ParameterKind::Number => json!({ "type": "number" }),
        ParameterKind::Boolean => json!({ "type": "boolean" }),
        ParameterKind::Date => {
            json!({ "type": "string", "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}$" })
        }
        ParameterKind::Timestamp => json!({ "type": "string" }),
    };
    let words = match (&parameter.description, hint(parameter.kind)) {
        (Some(words), Some(hint)) => Some(format!("{words} {hint}")),
        (Some(words), None) => Some(words.clone()),
        (None, hint) => hint.map(str::to_owned),
    };
    if let Some(words) = words {
        property["description"] = json!(words);
    }
    if !parameter.allowed.is_empty() {
        property["enum"] = parameter.allowed.iter().map(value).collect();
    }
    if let Need::Default(default) = &parameter.need {
        property["default"] = value(default);
    }
    property
}

fn hint(kind: ParameterKind) -> Option<&'static str> {
    match kind {
        ParameterKind::Date => Some("As in 2026-01-31."),
        ParameterKind::Timestamp => Some("As in 2026-01-31T12:00:00."),
        ParameterKind::String
        | ParameterKind::Integer
        | ParameterKind::Number
        | ParameterKind::Boolean => None,
    }
}

/// The values of a call by their parameters' names, each of them there; NULL for what was left out.
///
/// # Errors
/// In words for the caller, when one is missing, unknown or not what it must be.
pub(super) fn given(
    parameters: &[Parameter],
    mut arguments: JsonObject,
) -> Result<Map<String, Value>, String> {
    let mut values = Map::new();
    for parameter in parameters {
        let name = &parameter.name;
        let given = arguments.remove(name).filter(|value| !value.is_null());
        let value = match (given, &parameter.need) {
            (Some(value), _) => checked(parameter, value)?,
            (None, Need::Default(default)) => value(default),
            (None, Need::Optional) => Value::Null,
            (None, Need::Required) => return Err(format!("`{name}` is missing")),
        };
        values.insert(name.clone(), value);
    }
    match arguments.keys().next() {
        Some(unknown) => Err(format!("there is no parameter `{unknown}`")),
        None => Ok(values),
    }
}

fn checked(parameter: &Parameter, given: Value) -> Result<Value, String> {
    let name = &parameter.name;
    if !is_of(parameter.kind, &given) {
        return Err(format!("`{name}` must be {}", what(parameter.kind)));
    }
    let allowed: Vec<Value> = parameter.allowed.iter().map(value).collect();
    let is_same = |allowed: &&Value| match (allowed.as_f64(), given.as_f64()) {
        (Some(allowed), Some(given)) => allowed == given,
        (None | Some(_), None | Some(_)) => **allowed == given,
    };
    if allowed.is_empty() || allowed.iter().any(|one| is_same(&one)) {
        return Ok(given);
    }
    let list: Vec<String> = allowed.iter().map(Value::to_string).collect();
    Err(format!("`{name}` must be one of {}", list.join(", ")))
}

fn is_of(kind: ParameterKind, given: &Value) -> bool {
    match kind {
        ParameterKind::String => given.is_string(),
        ParameterKind::Integer => given.is_i64() || given.is_u64(),
        ParameterKind::Number => given.is_number(),
        ParameterKind::Boolean => given.is_boolean(),
        ParameterKind::Date => given.as_str().is_some_and(|text| text.parse::<Date>().is_ok()),
        ParameterKind::Timestamp => given.as_str().is_some_and(|text| {
            text.parse::<DateTime>().is_ok() || text.parse::<Timestamp>().is_ok()
        }),
    }
}

fn what(kind: ParameterKind) -> &'static str {
    match kind {
        ParameterKind::String => "a text",
        ParameterKind::Integer => "a whole number",
        ParameterKind::Number => "a number",
        ParameterKind::Boolean => "true or false",
        ParameterKind::Date => "a date such as \"2026-01-31\"",
        ParameterKind::Timestamp => "a time such as \"2026-01-31T12:00:00\"",
    }
}

fn value(scalar: &Scalar) -> Value {
    match scalar {
        Scalar::Text(text) => json!(text),
        Scalar::Integer(number) => json!(number),
        Scalar::Number(number) => json!(number),
        Scalar::Boolean(truth) => json!(truth),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, kind: ParameterKind, need: Need, allowed: &[Scalar]) -> Parameter {
        Parameter {
            name: name.to_owned(),
            kind,
            description: None,
            need,
            allowed: allowed.to_vec(),
        }
    }

    fn given_as(parameters: &[Parameter], arguments: Value) -> Result<Value, String> {
        let arguments = arguments.as_object().cloned().unwrap_or_default();
        given(parameters, arguments).map(Value::Object)
    }

    #[test]
    fn every_parameter_gets_a_value_or_the_caller_is_told() {
        let text = |text: &str| Scalar::Text(text.to_owned());
        let parameters = [
            parameter("a", ParameterKind::Integer, Need::Required, &[]),
            parameter(
                "b",
                ParameterKind::String,
                Need::Default(text("EU")),
                &[text("EU"), text("US")],
            ),
            parameter("c", ParameterKind::Date, Need::Optional, &[]),
        ];
        let all = json!({ "a": 1, "b": "US", "c": "2026-01-31" });
        assert_eq!(given_as(&parameters, all.clone()), Ok(all));
        let few = given_as(&parameters, json!({ "a": 1, "c": null }));
        assert_eq!(few, Ok(json!({ "a": 1, "b": "EU", "c": null })));
        for (arguments, words) in [
            (json!({}), "`a` is missing"),
            (json!({ "a": "1" }), "`a` must be a whole number"),
            (json!({ "a": 1.5 }), "`a` must be a whole number"),
            (json!({ "a": 1, "b": "EZ" }), "must be one of \"EU\", \"US\""),
            (json!({ "a": 1, "c": "31.1.2026" }), "a date such as"),
            (json!({ "a": 1, "d": 1 }), "no parameter `d`"),
        ] {
            let error = given_as(&parameters, arguments).unwrap_err();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn numbers_are_compared_as_numbers_and_times_are_times() {
        let number = parameter("n", ParameterKind::Number, Need::Required, &[Scalar::Integer(2)]);
        assert!(given_as(&[number], json!({ "n": 2.0 })).is_ok());
        let time = [parameter("t", ParameterKind::Timestamp, Need::Required, &[])];
        for right in ["2026-01-31T12:00:00", "2026-01-31 12:00:00.5", "2026-01-31T12:00:00Z"] {
            assert!(given_as(&time, json!({ "t": right })).is_ok(), "{right}");
        }
        assert!(given_as(&time, json!({ "t": "noon" })).is_err());
    }

    #[test]
    fn the_schema_says_what_may_be_given() {
        let text = |text: &str| Scalar::Text(text.to_owned());
        let region =
            parameter("r", ParameterKind::String, Need::Default(text("EU")), &[text("EU")]);
        let day = parameter("d", ParameterKind::Date, Need::Required, &[]);
        let parameters = [region, day];
        let (properties, required) = schema(&parameters);
        assert_eq!(required, ["d"]);
        assert_eq!(properties["r"], json!({ "type": "string", "enum": ["EU"], "default": "EU" }));
        assert!(properties["d"]["pattern"].is_string() && properties["d"].get("format").is_none());
    }
}
