//! The services beside SQL: Cortex Search, Cortex Analyst and Cortex Agents, in the shapes of their
//! REST interface.
//!
//! What they answer follows from what they are asked and from their names: a name with `MISSING`,
//! `FORBIDDEN` or `BUSY` in it is refused in that way. A Cortex Agent streams unless it is told not
//! to. Any other path tells what it was asked.

use serde_json::{Value, json};

use super::State;
use super::http::{Body, Reply, Request};
use super::record::Asked;

/// Answers a request of a session that is known by its token.
pub(crate) fn answer(state: &State, request: &Request) -> Reply {
    let (session, role, warehouse) = {
        let mut sessions = state.sessions();
        match sessions.of_token(request.token(), state.clock.now()) {
            Ok(session) => (session.id, session.role.clone(), session.warehouse.clone()),
            Err(refusal) => {
                let mut reply = Reply::json(refusal.json());
                reply.status = 401;
                return reply;
            }
        }
    };
    let body = request.json();
    let accept = request.header("accept").unwrap_or_default().to_owned();
    let path = request.path.clone();
    let asked = Asked { session, path: path.clone(), body: body.clone(), role, warehouse, accept };
    state.note(|seen| seen.asked.push(asked));
    if let Some(reply) = refused(&path) {
        return reply;
    }
    let parts: Vec<&str> = path.split('/').skip(3).collect();
    match parts.as_slice() {
        ["databases", _, "schemas", _, "cortex-search-services", _] => search(&body),
        ["databases", _, "schemas", _, "agents", _] => agent(&body),
        ["cortex", "analyst", "message"] => analyst(&body),
        _ => Reply::json(json!({ "path": path, "asked": body })),
    }
}

fn refused(path: &str) -> Option<Reply> {
    let (status, code, words) = [
        ("MISSING", 404, "390404", "it does not exist or is not authorized"),
        ("FORBIDDEN", 403, "390403", "insufficient privileges to operate on the service"),
        ("BUSY", 429, "390429", "too many requests"),
    ]
    .into_iter()
    .find_map(|(name, status, code, words)| path.contains(name).then_some((status, code, words)))?;
    let mut reply = Reply::json(json!({ "code": code, "message": words, "request_id": "r-1" }));
    reply.status = status;
    if status == 429 {
        reply.headers.push(("Retry-After", "30".to_owned()));
    }
    Some(reply)
}

/// As many results as were asked for; a query `LONG n` finds texts of n characters.
fn search(body: &Value) -> Reply {
    let limit = body["limit"].as_u64().unwrap_or(10);
    let query = body["query"].as_str().unwrap_or_default();
    let length = query.strip_prefix("LONG ").and_then(|length| length.parse().ok());
    let text = length.map_or_else(|| query.to_owned(), |length| "x".repeat(length));
    let results: Vec<Value> = (0..limit)
        .map(|number| {
            json!({ "TEXT": text, "NUMBER": number.to_string(),
                    "@scores": { "cosine_similarity": 0.5, "text_match": 0.1 } })
        })
        .collect();
    Reply::json(json!({ "results": results, "request_id": "r-2" }))
}

/// What was said last.
fn said(body: &Value) -> &str {
    body["messages"][0]["content"][0]["text"].as_str().unwrap_or_default()
}

/// A question that begins with `sql:` is answered by that statement, another by suggestions.
fn analyst(body: &Value) -> Reply {
    let statement = said(body).strip_prefix("sql:");
    let rest = match statement {
        Some(statement) => json!({ "type": "sql", "statement": statement.trim(),
                                   "confidence": { "verified_query_used": null } }),
        None => json!({ "type": "suggestions", "suggestions": ["How many orders are there?"] }),
    };
    let content = json!([{ "type": "text", "text": "This is how I understand it." }, rest]);
    Reply::json(json!({
        "message": { "role": "analyst", "content": content },
        "request_id": "r-3", "warnings": [], "semantic_model_selection": null,
        "response_metadata": { "model_names": ["some-model"], "cortex_search_retrieval": {} }
    }))
}

/// What was said, said back; what begins with `fail` fails on the way.
fn agent(body: &Value) -> Reply {
    let text = format!("You said: {}", said(body));
    let whole = json!({ "role": "assistant", "content": [
        { "type": "thinking", "thinking": { "text": "I say it back." } },
        { "type": "text", "text": text }
    ] });
    if body["stream"] == json!(false) {
        return Reply::json(whole);
    }
    let event = |name: &str, data: Value| format!("event: {name}\ndata: {data}\n\n").into_bytes();
    let mut pieces = vec![
        event("response.status", json!({ "status": "planning", "message": "Planning" })),
        event("response.text.delta", json!({ "content_index": 0, "text": "You " })),
    ];
    if said(body).starts_with("fail") {
        let error = json!({ "code": "399504", "message": "a tool failed", "request_id": "r-4" });
        pieces.push(event("error", error));
    } else if !said(body).starts_with("vanish") {
        pieces.push(event("response.text", json!({ "content_index": 0, "text": text })));
        pieces.push(event("response", whole));
    }
    let headers = vec![("Content-Type", "text/event-stream".to_owned())];
    Reply { status: 200, headers, body: Body::Stream(Box::new(pieces.into_iter())) }
}
