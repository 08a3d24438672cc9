//! What a statement carries so that the account's history tells who asked: its query tag.

use serde_json::{Map, Value};

use crate::warehouse::Origin;

/// The longest part, in characters; Snowflake takes 2,000 for all.
const PART_CHARS_MAX: usize = 200;

/// Who asks, and through whom.
pub(super) struct QueryTag<'a> {
    pub(super) worker: &'a str,
    pub(super) origin: &'a Origin,
}

impl QueryTag<'_> {
    /// JSON, with what is known.
    pub(super) fn text(&self) -> String {
        let Origin { client, session, request, tool, traceparent, caller, reason } = self.origin;
        let parts = [
            ("client", client.as_deref()),
            ("session", session.as_deref()),
            ("request", request.as_deref()),
            ("tool", tool.as_deref()),
            ("worker", Some(self.worker)),
            ("version", Some(env!("CARGO_PKG_VERSION"))),
            ("traceparent", traceparent.as_deref()),
            ("caller", caller.as_deref()),
            ("reason", reason.as_deref()),
        ];
        let known = parts
            .into_iter()
            .filter_map(|(name, part)| Some((name.to_owned(), Value::String(cut(part?)))));
        Value::Object(known.collect::<Map<_, _>>()).to_string()
    }
}

/// As much of a text as its place in the tag has room for, once it is written as JSON.
fn cut(text: &str) -> String {
    let mut left = PART_CHARS_MAX;
    let fits = |c: &char| {
        let written = match c {
            '"' | '\\' => 2,
            c if c.is_control() => 6,
            _ => 1,
        };
        let fits = written <= left;
        left = left.saturating_sub(written);
        fits
    };
    text.chars().take_while(fits).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_says_what_is_known_and_stays_within_what_snowflake_takes() {
        let origin = Origin { tool: Some("execute_query".to_owned()), ..Origin::default() };
        let tag = QueryTag { worker: "query[0]", origin: &origin };
        let read: Value = serde_json::from_str(&tag.text()).unwrap();
        assert_eq!(read["tool"], "execute_query");
        assert_eq!(read["worker"], "query[0]");
        assert!(read["version"].is_string() && read.get("client").is_none(), "{read}");

        let long = || Some("x".repeat(5000));
        let origin = Origin {
            client: long(),
            session: long(),
            request: long(),
            tool: long(),
            traceparent: long(),
            caller: Some("\"".repeat(5000)),
            reason: Some("\u{1}".repeat(5000)),
        };
        let text = QueryTag { worker: "query[0]", origin: &origin }.text();
        assert!(text.chars().count() < 2000, "{}", text.len());
        assert!(serde_json::from_str::<Value>(&text).is_ok());
    }
}
