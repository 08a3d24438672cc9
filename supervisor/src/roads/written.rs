//! What stands in a file of the origin: a tree of values, its keys in the order of the file.
//!
//! JSON and YAML both become this. What a key means is decided by those who read it.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The one key of the table that stands for a function of an evaluated file.
const FUNCTION: &str = "[a function]";

const NOT_CALLED: &str = "it is a function, and nothing calls one here";

/// A value as it was written.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Written {
    Nothing,
    Truth(bool),
    Integer(i64),
    Float(f64),
    Text(String),
    List(Vec<Written>),
    Table(Vec<(String, Written)>),
}

impl Written {
    pub(super) fn from_json(text: &str) -> Result<Written, String> {
        serde_json::from_str(text).map_err(|error| error.to_string())
    }

    pub(super) fn from_yaml(text: &str) -> Result<Written, String> {
        // PM2 and Python's readers of today take `no` and `off` for texts, as YAML 1.2 does.
        let options = serde_saphyr::options! { strict_booleans: true };
        serde_saphyr::from_str_with_options(text, options).map_err(|error| error.to_string())
    }

    /// A single value as text: `3000` and `"3000"` are the same to a variable.
    pub(super) fn as_text(&self) -> Option<String> {
        match self {
            Written::Nothing => None,
            Written::Truth(truth) => Some(truth.to_string()),
            Written::Integer(number) => Some(number.to_string()),
            Written::Float(number) => Some(number.to_string()),
            Written::Text(text) => Some(text.clone()),
            Written::List(_) | Written::Table(_) => None,
        }
    }

    /// Why it is no single value; `None` for one that [`Written::as_text`] knows.
    pub(super) fn why_no_text(&self) -> Option<&'static str> {
        match self {
            Written::Nothing => Some("it has no value: null or undefined"),
            Written::List(_) => Some("it is a list where one text is wanted"),
            Written::Table(_) if self.is_function() => Some(NOT_CALLED),
            Written::Table(_) => Some("it is a table where one text is wanted"),
            Written::Truth(_) | Written::Integer(_) | Written::Float(_) | Written::Text(_) => None,
        }
    }

    /// Whether it stands for a function of an evaluated file.
    pub(super) fn is_function(&self) -> bool {
        self.get(FUNCTION).is_some()
    }

    /// A whole number, whether or not it stands in quotes.
    pub(super) fn as_integer(&self) -> Option<i64> {
        match self {
            Written::Integer(number) => Some(*number),
            Written::Text(text) => text.trim().parse().ok(),
            // Larger ones would not be a number of anything here.
            #[expect(clippy::cast_possible_truncation, reason = "checked to be whole and small")]
            Written::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => {
                Some(*number as i64)
            }
            Written::Float(_)
            | Written::Nothing
            | Written::Truth(_)
            | Written::List(_)
            | Written::Table(_) => None,
        }
    }

    /// Whether it is as good as absent: JavaScript people write `false` and `null` for "no".
    pub(super) fn is_off(&self) -> bool {
        match self {
            Written::Nothing | Written::Truth(false) => true,
            Written::Text(text) => text.is_empty() || text == "false",
            Written::Truth(true)
            | Written::Integer(_)
            | Written::Float(_)
            | Written::List(_)
            | Written::Table(_) => false,
        }
    }

    /// The keys of a table with their values.
    pub(super) fn as_table(&self) -> Option<&[(String, Written)]> {
        if let Written::Table(entries) = self { Some(entries) } else { None }
    }

    pub(super) fn get(&self, name: &str) -> Option<&Written> {
        self.as_table()?.iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    /// The members of a list; a single value is a list of one, nothing an empty one.
    pub(super) fn items(&self) -> &[Written] {
        match self {
            Written::Nothing => &[],
            Written::List(items) => items,
            Written::Truth(_)
            | Written::Integer(_)
            | Written::Float(_)
            | Written::Text(_)
            | Written::Table(_) => std::slice::from_ref(self),
        }
    }

    /// Its members as texts.
    pub(super) fn texts(&self) -> Vec<String> {
        self.items().iter().filter_map(Written::as_text).collect()
    }
}

impl<'de> Deserialize<'de> for Written {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Written, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Written;

    fn expecting(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Written, E> {
        Ok(Written::Nothing)
    }

    fn visit_none<E: Error>(self) -> Result<Written, E> {
        Ok(Written::Nothing)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Written, D::Error> {
        Written::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Written, E> {
        Ok(Written::Truth(truth))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Written, E> {
        Ok(Written::Integer(number))
    }

    #[expect(clippy::cast_precision_loss, reason = "no key of ours takes so large a number")]
    fn visit_u64<E: Error>(self, number: u64) -> Result<Written, E> {
        Ok(i64::try_from(number).map_or(Written::Float(number as f64), Written::Integer))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Written, E> {
        Ok(Written::Float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Written, E> {
        Ok(Written::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Written, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Written::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Written, A::Error> {
        let mut table = Vec::new();
        while let Some((key, value)) = entries.next_entry::<String, Written>()? {
            table.push((key, value));
        }
        Ok(Written::Table(table))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_and_yaml_become_the_same_in_the_order_of_the_file() {
        let json =
            r#"{"zone": 1, "apps": [{"name": "no", "watch": false, "cwd": null, "n": 1.5}]}"#;
        let yaml = "zone: 1\napps:\n  - name: no\n    watch: false\n    cwd: ~\n    n: 1.5\n";
        let value = Written::from_json(json).unwrap();
        assert_eq!(value, Written::from_yaml(yaml).unwrap());
        let Written::Table(entries) = &value else { panic!("{value:?}") };
        assert_eq!(entries[0].0, "zone");
        assert_eq!(value.get("apps").unwrap().items()[0].get("n"), Some(&Written::Float(1.5)));
    }

    #[test]
    fn yaml_has_anchors_and_merges_but_no_bombs() {
        let shared = "base: &base\n  cwd: /srv\napp:\n  <<: *base\n  name: a\n";
        let app = Written::from_yaml(shared).unwrap().get("app").cloned().unwrap();
        assert_eq!(app.get("cwd").and_then(Written::as_text).as_deref(), Some("/srv"));
        let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
        for level in 1..12 {
            let before = format!("*a{}, ", level - 1).repeat(9);
            bomb.push_str(&format!("a{level}: &a{level} [{}]\n", before.trim_end_matches(", ")));
        }
        assert!(Written::from_yaml(&bomb).is_err());
        assert!(Written::from_yaml("a: [").is_err());
    }

    #[test]
    fn numbers_in_quotes_are_numbers_where_a_number_is_asked_for() {
        assert_eq!(Written::Text("4000".to_owned()).as_integer(), Some(4000));
        assert_eq!(Written::Float(2.0).as_integer(), Some(2));
        assert_eq!(Written::Float(2.5).as_integer(), None);
        assert_eq!(Written::Integer(8000).as_text().as_deref(), Some("8000"));
    }
}
