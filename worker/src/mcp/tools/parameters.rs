//! Values that a client gives for the `?` or `:name` of its statement, and their types.
//!
//! A value travels beside the statement and never becomes a part of its text.

use serde_json::{Map, Value};

use super::ToolError;
use crate::sql::values::{Places, places};
use crate::warehouse::Binding;

/// The most values of one statement.
const VALUES_MAX: usize = 1000;

/// A statement that takes its values at each `?`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bound {
    /// Its text.
    pub statement: String,
    /// Its values, in order.
    pub bindings: Vec<Binding>,
}

/// Puts values to their places: a list for `?`, an object for `:name`, none for neither.
///
/// # Errors
/// When a place has no value, or a value no place.
pub fn bind(statement: &str, parameters: Option<&Value>) -> Result<Bound, ToolError> {
    let bindings = match parameters {
        None | Some(Value::Null) => {
            return Ok(Bound { statement: statement.to_owned(), bindings: Vec::new() });
        }
        Some(Value::Array(values)) if values.is_empty() => return bind(statement, None),
        Some(Value::Object(values)) if values.is_empty() => return bind(statement, None),
        Some(Value::Array(values)) => in_order(statement, values)?,
        Some(Value::Object(values)) => by_name(statement, values)?,
        Some(Value::Bool(_) | Value::Number(_) | Value::String(_)) => {
            let words = "`parameters` is a list for `?`, or an object for `:name`";
            return Err(ToolError::Arguments(words.to_owned()));
        }
    };
    if bindings.bindings.len() > VALUES_MAX {
        let words = format!("`parameters` gives more than {VALUES_MAX} values");
        return Err(ToolError::Arguments(words));
    }
    Ok(bindings)
}

fn in_order(statement: &str, values: &[Value]) -> Result<Bound, ToolError> {
    let Places { names, .. } = places(statement);
    let count = names.iter().filter(|name| name.is_none()).count();
    if count != values.len() {
        let given = values.len();
        let words = format!("the statement has {count} `?`, and `parameters` has {given} values");
        return Err(ToolError::Arguments(words));
    }
    if let Some(name) = names.into_iter().flatten().next() {
        let words = format!("`:{name}` needs `parameters` as an object, not as a list");
        return Err(ToolError::Arguments(words));
    }
    let bindings = values.iter().map(binding).collect();
    Ok(Bound { statement: statement.to_owned(), bindings })
}

fn by_name(statement: &str, values: &Map<String, Value>) -> Result<Bound, ToolError> {
    let Places { statement, names } = places(statement);
    let mut bindings = Vec::with_capacity(names.len());
    for name in &names {
        let Some(name) = name else {
            let words = "`?` needs `parameters` as a list; write `:name` for an object";
            return Err(ToolError::Arguments(words.to_owned()));
        };
        let value = values.iter().find(|(given, _)| given.eq_ignore_ascii_case(name));
        let Some((_, value)) = value else {
            let words = format!("`parameters` has no value for `:{name}`");
            return Err(ToolError::Arguments(words));
        };
        bindings.push(binding(value));
    }
    let is_used =
        |given: &String| names.iter().flatten().any(|name| name.eq_ignore_ascii_case(given));
    if let Some(unused) = values.keys().find(|given| !is_used(given)) {
        let words = format!("the statement has no place `:{unused}`");
        return Err(ToolError::Arguments(words));
    }
    Ok(Bound { statement, bindings })
}

/// A value of JSON as a value of SQL. Lists and objects are text, for PARSE_JSON.
#[must_use]
pub fn binding(value: &Value) -> Binding {
    match value {
        Value::Null => Binding::Null,
        Value::Bool(value) => Binding::Boolean(*value),
        Value::Number(number) if number.is_f64() => Binding::Real(number.to_string()),
        Value::Number(number) => Binding::Fixed(number.to_string()),
        Value::String(text) => Binding::Text(text.clone()),
        Value::Array(_) | Value::Object(_) => Binding::Text(value.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn values_are_typed_as_json_types_them() {
        let values = json!([null, true, -7, 1.5, "it's", [1], {"a": 2}]);
        let bound = bind("select ?, ?, ?, ?, ?, ?, ?", Some(&values)).unwrap();
        let text = |text: &str| Binding::Text(text.to_owned());
        let expected = [
            Binding::Null,
            Binding::Boolean(true),
            Binding::Fixed("-7".to_owned()),
            Binding::Real("1.5".to_owned()),
            text("it's"),
            text("[1]"),
            text("{\"a\":2}"),
        ];
        assert_eq!(bound.bindings, expected);
    }

    #[test]
    fn a_name_may_stand_in_several_places_and_in_any_case() {
        let bound = bind("select :A, :b, :a", Some(&json!({ "a": 1, "B": "x" }))).unwrap();
        assert_eq!(bound.statement, "select ?, ?, ?");
        let one = || Binding::Fixed("1".to_owned());
        assert_eq!(bound.bindings, [one(), Binding::Text("x".to_owned()), one()]);
    }

    #[test]
    fn places_and_values_must_meet() {
        for (statement, parameters, words) in [
            ("select ?", json!([1, 2]), "has 1 `?`"),
            ("select 1", json!([1]), "has 0 `?`"),
            ("select ?", json!({ "a": 1 }), "as a list"),
            ("select :a", json!([1]), "has 0 `?`"),
            ("select :a", json!({ "b": 1 }), "no value for `:a`"),
            ("select :a", json!({ "a": 1, "b": 1 }), "no place `:b`"),
            ("select 1", json!("a"), "a list for `?`"),
        ] {
            let error = bind(statement, Some(&parameters)).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
        let empty = bind("select 1", Some(&json!([]))).unwrap();
        assert!(empty.bindings.is_empty());
    }
}
