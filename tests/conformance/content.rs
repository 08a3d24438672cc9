//! What the suite's tools, prompts and resources are and say, as data.

use serde_json::{Value, json};

/// A picture of one red point.
const PNG: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==";
/// A sound of no length.
const WAV: &str = "UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA=";

/// The tools without arguments, in the order in which they are listed.
const TOOLS: [(&str, &str); 21] = [
    ("test_simple_text", "Says a text"),
    ("test_image_content", "Shows a picture"),
    ("test_audio_content", "Plays a sound"),
    ("test_embedded_resource", "Carries a resource"),
    ("test_multiple_content_types", "Carries content of several types"),
    ("test_error_handling", "Fails"),
    ("test_tool_with_logging", "Sends log messages"),
    ("test_tool_with_progress", "Tells how far it is"),
    ("test_logging_tool", "Sends log messages to those who want them"),
    ("test_missing_capability", "Needs a client that can sample"),
    ("test_streaming_elicitation", "Asks for a name"),
    ("test_input_required_result_elicitation", "Asks for a name"),
    ("test_input_required_result_sampling", "Asks the client's model"),
    ("test_input_required_result_list_roots", "Asks for roots"),
    ("test_input_required_result_request_state", "Hands out a state"),
    ("test_input_required_result_multiple_inputs", "Asks for several things at once"),
    ("test_input_required_result_multi_round", "Asks twice"),
    ("test_input_required_result_tampered_state", "Hands out a state and looks at it closely"),
    ("test_input_required_result_capabilities", "Asks for what the client can do only"),
    ("test_headers", "Has an argument that is said in a header, too"),
    ("json_schema_2020_12_tool", "Has a schema with everything"),
];

/// The definitions of all tools.
pub(crate) fn tools() -> Vec<Value> {
    let tool = |(name, description): (&str, &str)| {
        let schema = match name {
            "json_schema_2020_12_tool" => full_schema(),
            "test_headers" => json!({
                "type": "object",
                "properties": { "region": { "type": "string", "x-mcp-header": "Region" } },
            }),
            _ => json!({ "type": "object", "properties": {} }),
        };
        json!({ "name": name, "description": description, "inputSchema": schema })
    };
    TOOLS.into_iter().map(tool).collect()
}

/// Keywords of JSON Schema 2020-12 that must reach the client as they are.
fn full_schema() -> Value {
    json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": { "street": { "type": "string" }, "city": { "type": "string" } },
            },
        },
        "properties": {
            "name": { "type": "string" },
            "address": { "$ref": "#/$defs/address" },
            "contactMethod": { "type": "string", "enum": ["phone", "email"] },
            "phone": { "type": "string" },
            "email": { "type": "string" },
        },
        "allOf": [{ "anyOf": [{ "required": ["phone"] }, { "required": ["email"] }] }],
        "if": { "properties": { "contactMethod": { "const": "phone" } }, "required": ["contactMethod"] },
        "then": { "required": ["phone"] },
        "else": { "required": ["email"] },
        "additionalProperties": false,
    })
}

/// A text as the content of a tool's result.
pub(crate) fn said(text: &str) -> Value {
    json!({ "content": [text_of(text)] })
}

/// The results of the tools that only say something.
pub(crate) fn result(tool: &str) -> Option<Value> {
    let embedded = json!({ "type": "resource", "resource": {
        "uri": "test://embedded-resource",
        "mimeType": "text/plain",
        "text": "This is an embedded resource content.",
    } });
    let mixed = json!({ "type": "resource", "resource": {
        "uri": "test://mixed-content-resource",
        "mimeType": "application/json",
        "text": "{\"test\":\"data\",\"value\":123}",
    } });
    Some(match tool {
        "test_simple_text" => said("This is a simple text response for testing."),
        "test_image_content" => json!({ "content": [picture()] }),
        "test_audio_content" => {
            json!({ "content": [{ "type": "audio", "data": WAV, "mimeType": "audio/wav" }] })
        }
        "test_embedded_resource" => json!({ "content": [embedded] }),
        "test_multiple_content_types" => {
            json!({ "content": [text_of("Multiple content types test:"), picture(), mixed] })
        }
        "test_error_handling" => {
            let text = "This tool intentionally returns an error for testing";
            json!({ "isError": true, "content": [text_of(text)] })
        }
        "json_schema_2020_12_tool" | "test_headers" => said("done"),
        _ => return None,
    })
}

/// The definitions of all prompts.
pub(crate) fn prompts() -> Vec<Value> {
    let argument =
        |name: &str| json!({ "name": name, "description": "an argument", "required": true });
    let prompt = |name: &str, arguments: &[Value]| json!({ "name": name, "description": "For tests", "arguments": arguments });
    vec![
        prompt("test_simple_prompt", &[]),
        prompt("test_prompt_with_arguments", &[argument("arg1"), argument("arg2")]),
        prompt("test_prompt_with_embedded_resource", &[argument("resourceUri")]),
        prompt("test_prompt_with_image", &[]),
        prompt("test_input_required_result_prompt", &[]),
    ]
}

/// What a prompt says to these arguments.
pub(crate) fn prompt(name: &str, arguments: &Value) -> Option<Value> {
    let given = |name: &str| arguments[name].as_str().unwrap_or_default().to_owned();
    let user = |content: Value| json!({ "role": "user", "content": content });
    let messages = match name {
        "test_simple_prompt" => vec![user(text_of("This is a simple prompt for testing."))],
        "test_prompt_with_arguments" => {
            let (first, second) = (given("arg1"), given("arg2"));
            let text = format!("Prompt with arguments: arg1='{first}', arg2='{second}'");
            vec![user(text_of(&text))]
        }
        "test_prompt_with_embedded_resource" => {
            let resource = json!({ "type": "resource", "resource": {
                "uri": given("resourceUri"),
                "mimeType": "text/plain",
                "text": "Embedded resource content for testing.",
            } });
            vec![user(resource), user(text_of("Please process the embedded resource above."))]
        }
        "test_prompt_with_image" => {
            vec![user(picture()), user(text_of("Please analyze the image above."))]
        }
        _ => return None,
    };
    Some(json!({ "messages": messages }))
}

/// The resources that are listed.
pub(crate) fn resources() -> Vec<Value> {
    let resource = |uri: &str, mime_type: &str| json!({ "uri": uri, "name": uri, "description": "For tests", "mimeType": mime_type });
    vec![
        resource("test://static-text", "text/plain"),
        resource("test://static-binary", "image/png"),
    ]
}

/// What a resource holds.
pub(crate) fn resource(uri: &str) -> Option<Value> {
    let id = uri.strip_prefix("test://template/").and_then(|rest| rest.strip_suffix("/data"));
    let contents = match (uri, id) {
        ("test://static-text", _) => json!({
            "uri": uri,
            "mimeType": "text/plain",
            "text": "This is the content of the static text resource.",
        }),
        ("test://static-binary", _) => json!({ "uri": uri, "mimeType": "image/png", "blob": PNG }),
        (_, Some(id)) => {
            let data =
                json!({ "id": id, "templateTest": true, "data": format!("Data for ID: {id}") });
            json!({ "uri": uri, "mimeType": "application/json", "text": data.to_string() })
        }
        _ => return None,
    };
    Some(json!({ "contents": [contents] }))
}

/// The template of resources.
pub(crate) fn template() -> Value {
    json!({
        "uriTemplate": "test://template/{id}/data",
        "name": "template",
        "description": "For tests",
        "mimeType": "application/json",
    })
}

fn text_of(text: &str) -> Value {
    json!({ "type": "text", "text": text })
}

fn picture() -> Value {
    json!({ "type": "image", "data": PNG, "mimeType": "image/png" })
}
