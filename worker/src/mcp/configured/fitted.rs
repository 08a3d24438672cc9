//! An answer of a service that fits into a message: of a long one the end is left out, and said.

use serde_json::{Map, Value, json};

use crate::mcp::tools::Reply;

/// The text and the data of an answer, each with at most so many characters. Of results as many
/// are kept as fit; of anything else only the text is.
#[must_use]
pub(super) fn fitted(text: String, structured: Value, characters_max: usize) -> Reply {
    let length = |value: &Value| value.to_string().chars().count();
    if length(&structured) <= characters_max && text.chars().count() <= characters_max {
        return Reply::new(text, structured);
    }
    let mut text: String = text.chars().take(characters_max).collect();
    let structured = match structured {
        whole if length(&whole) <= characters_max => whole,
        Value::Object(mut object) => match object.remove("results") {
            Some(Value::Array(results)) if length(&json!(object)) < characters_max / 2 => {
                some_of(results, object, characters_max)
            }
            Some(_) | None => json!({ "text": text, "truncated": true }),
        },
        _other => json!({ "text": text, "truncated": true }),
    };
    text.push_str(&format!(
        "\n\nCut, so that the answer stays within {characters_max} characters: ask for fewer results \
         or columns, or for a shorter answer."
    ));
    Reply::new(text, structured)
}

/// As many results as there is room for beside the rest.
fn some_of(results: Vec<Value>, mut rest: Map<String, Value>, characters_max: usize) -> Value {
    let mut room = characters_max - Value::Object(rest.clone()).to_string().chars().count();
    let kept = results.into_iter().take_while(|result| {
        let length = result.to_string().chars().count() + 1;
        let fits = length <= room;
        room = room.saturating_sub(length);
        fits
    });
    rest.insert("results".to_owned(), kept.collect());
    rest.insert("truncated".to_owned(), json!(true));
    Value::Object(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_fits_is_passed_on_and_of_the_rest_what_fits() {
        let answer = |count: usize| {
            let results: Vec<Value> = (0..count).map(|n| json!({ "TEXT": n })).collect();
            json!({ "results": results, "request_id": "r" })
        };
        let whole = fitted("short".to_owned(), answer(3), 1000);
        assert_eq!((whole.text.as_str(), &whole.structured), ("short", &answer(3)));
        let cut = fitted("x".repeat(5000), answer(5000), 1000);
        assert!(cut.text.chars().count() < 1200 && cut.text.contains("Cut, so that"));
        let kept = cut.structured["results"].as_array().expect("results").len();
        assert!((50..=100).contains(&kept), "{kept}");
        assert_eq!(cut.structured["truncated"], true);
        assert_eq!(cut.structured["request_id"], "r");
        assert!(cut.structured.to_string().len() <= 1050);
        let spoken = fitted("y".repeat(5000), json!({ "message": "y".repeat(5000) }), 1000);
        assert_eq!(spoken.structured["text"].as_str().map(str::len), Some(1000));
        assert_eq!(spoken.structured["truncated"], true);
    }
}
