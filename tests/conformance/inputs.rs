//! Tools and a prompt that ask the client for input: each answer asks, or is the result.
//!
//! A state that went through the client is sealed, and one that was changed is refused.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde_json::{Map, Value, json};

use crate::content::said;

/// What the client sent along.
#[derive(Debug, Default)]
pub(crate) struct Given {
    /// Its answers, by the names of the questions.
    pub(crate) answers: BTreeMap<String, Value>,
    /// The state that it was handed.
    pub(crate) state: Option<String>,
    /// What it can do, as it says.
    pub(crate) capabilities: Value,
}

/// The state was changed on its way.
#[derive(Debug)]
pub(crate) struct Tampered;

/// What a tool says, when it is one that asks.
pub(crate) fn result(tool: &str, given: &Given) -> Result<Option<Value>, Tampered> {
    let state = match &given.state {
        Some(sealed) => Some(open(sealed).ok_or(Tampered)?),
        None => None,
    };
    let name = given.field("user_name", "name");
    Ok(Some(match tool {
        "test_input_required_result_elicitation" | "test_streaming_elicitation" => match name {
            Some(name) => said(&format!("Hello, {name}!")),
            None => asked(&[("user_name", elicited("What is your name?", "name", "string"))], None),
        },
        "test_input_required_result_sampling" => {
            match given.answers.get("capital_question").map(|answer| &answer["content"]["text"]) {
                Some(Value::String(text)) => said(text),
                _ => asked(
                    &[("capital_question", sampled("What is the capital of France?", 100))],
                    None,
                ),
            }
        }
        "test_input_required_result_list_roots" => match given.roots() {
            Some(roots) => said(&roots),
            None => asked(&[("client_roots", roots_asked())], None),
        },
        "test_input_required_result_request_state"
        | "test_input_required_result_tampered_state" => {
            let confirmed = given.answers.contains_key("confirm");
            match state.filter(|_| confirmed) {
                Some(_) => said("state-ok"),
                None => asked(
                    &[("confirm", elicited("Please confirm", "ok", "boolean"))],
                    Some("confirm"),
                ),
            }
        }
        "test_input_required_result_multiple_inputs" => several(given, state.as_deref()),
        "test_input_required_result_multi_round" => rounds(given, state.as_deref()),
        "test_input_required_result_capabilities" => possible(given),
        _ => return Ok(None),
    }))
}

/// What the prompt that asks says.
pub(crate) fn prompt(given: &Given) -> Value {
    match given.field("user_context", "context") {
        Some(context) => json!({ "messages": [
            { "role": "user", "content": { "type": "text", "text": format!("Context: {context}") } },
        ] }),
        None => {
            let question = elicited("What context should the prompt use?", "context", "string");
            asked(&[("user_context", question)], None)
        }
    }
}

fn several(given: &Given, state: Option<&str>) -> Value {
    let name = given.field("user_name", "name");
    let complete = given.answers.contains_key("greeting") && given.roots().is_some();
    match (name, state) {
        (Some(name), Some("several")) if complete => said(&format!("{name} has answered")),
        _ => {
            let questions = [
                ("user_name", elicited("What is your name?", "name", "string")),
                ("greeting", sampled("Generate a greeting", 50)),
                ("client_roots", roots_asked()),
            ];
            asked(&questions, Some("several"))
        }
    }
}

fn rounds(given: &Given, state: Option<&str>) -> Value {
    match (state, given.field("step1", "name"), given.field("step2", "color")) {
        (Some("round 2"), _, Some(color)) => said(&format!("The color is {color}")),
        (Some("round 1"), Some(_), _) => {
            let question = elicited("Step 2: What is your favorite color?", "color", "string");
            asked(&[("step2", question)], Some("round 2"))
        }
        _ => {
            let question = elicited("Step 1: What is your name?", "name", "string");
            asked(&[("step1", question)], Some("round 1"))
        }
    }
}

/// Asks only for what the client can do.
fn possible(given: &Given) -> Value {
    let mut questions = Vec::new();
    if !given.capabilities["elicitation"].is_null() {
        questions.push(("user_name", elicited("What is your name?", "name", "string")));
    }
    if !given.capabilities["sampling"].is_null() {
        questions.push(("greeting", sampled("Generate a greeting", 50)));
    }
    if questions.is_empty() { said("nothing can be asked") } else { asked(&questions, None) }
}

impl Given {
    /// A field of the form that the client filled in, if it did.
    fn field(&self, question: &str, field: &str) -> Option<&str> {
        let answer = self.answers.get(question).filter(|answer| answer["action"] == "accept")?;
        answer["content"][field].as_str()
    }

    fn roots(&self) -> Option<String> {
        let roots = self.answers.get("client_roots")?["roots"].as_array()?;
        Some(roots.iter().filter_map(|root| root["uri"].as_str()).collect::<Vec<_>>().join(", "))
    }
}

fn asked(questions: &[(&str, Value)], state: Option<&str>) -> Value {
    let requests: Map<String, Value> =
        questions.iter().map(|(name, question)| ((*name).to_owned(), question.clone())).collect();
    let mut result = json!({ "resultType": "input_required", "inputRequests": requests });
    if let Some(state) = state {
        result["requestState"] = json!(seal(state));
    }
    result
}

fn elicited(message: &str, field: &str, kind: &str) -> Value {
    json!({ "method": "elicitation/create", "params": {
        "message": message,
        "requestedSchema": {
            "type": "object",
            "properties": { field: { "type": kind } },
            "required": [field],
        },
    } })
}

fn sampled(text: &str, tokens: u32) -> Value {
    json!({ "method": "sampling/createMessage", "params": {
        "messages": [{ "role": "user", "content": { "type": "text", "text": text } }],
        "maxTokens": tokens,
    } })
}

fn roots_asked() -> Value {
    json!({ "method": "roots/list", "params": {} })
}

fn key() -> hmac::Key {
    hmac::Key::new(hmac::HMAC_SHA256, b"a key for tests, and nothing else")
}

fn seal(state: &str) -> String {
    let tag = hmac::sign(&key(), state.as_bytes());
    format!("{}.{}", URL_SAFE_NO_PAD.encode(state), URL_SAFE_NO_PAD.encode(tag))
}

fn open(sealed: &str) -> Option<String> {
    let (state, tag) = sealed.split_once('.')?;
    let (state, tag) = (URL_SAFE_NO_PAD.decode(state).ok()?, URL_SAFE_NO_PAD.decode(tag).ok()?);
    hmac::verify(&key(), &state, &tag).ok()?;
    String::from_utf8(state).ok()
}
