//! What somebody is told who is not let in: the status, the challenge of RFC 6750 and RFC 9728,
//! and an error that an MCP client can read. Nothing of what was shown is repeated.

use axum::body::Body;
use axum::response::IntoResponse;
use http::{HeaderValue, Response, StatusCode, header};
use serde_json::{Value, json};

use super::Shown;

/// JSON-RPC: the request is not what it should be.
const INVALID_REQUEST: i32 = -32600;
/// JSON-RPC, server's own range: try again.
const RETRY: i32 = -32000;

/// Why a request is not let in.
#[derive(Debug, Clone)]
pub struct Refusal {
    kind: Kind,
    words: String,
    shown: Shown,
    /// What a token would have to allow.
    scope: Option<String>,
    metadata_url: Option<String>,
}

/// What is the matter, as HTTP and RFC 6750 tell it apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// Nothing was shown.
    Nothing,
    /// It is shown in a way that cannot be read.
    Malformed,
    /// What was shown is not good.
    Invalid,
    /// It is good, but not for this.
    Insufficient,
    /// Nobody can tell at the moment.
    Unknown,
}

impl Kind {
    fn status(self) -> StatusCode {
        match self {
            Kind::Nothing | Kind::Invalid => StatusCode::UNAUTHORIZED,
            Kind::Malformed => StatusCode::BAD_REQUEST,
            Kind::Insufficient => StatusCode::FORBIDDEN,
            Kind::Unknown => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// RFC 6750, section 3.1; a request without anything is told no error.
    fn error(self) -> Option<&'static str> {
        match self {
            Kind::Nothing | Kind::Unknown => None,
            Kind::Malformed => Some("invalid_request"),
            Kind::Invalid => Some("invalid_token"),
            Kind::Insufficient => Some("insufficient_scope"),
        }
    }
}

impl Refusal {
    fn new(kind: Kind, words: impl Into<String>, shown: Shown) -> Refusal {
        Refusal { kind, words: words.into(), shown, scope: None, metadata_url: None }
    }

    pub(super) fn nothing_shown() -> Refusal {
        let words = "show who you are: Authorization: Bearer KEY";
        Refusal::new(Kind::Nothing, words, Shown::Nothing)
    }

    pub(super) fn malformed(words: &str) -> Refusal {
        Refusal::new(Kind::Malformed, words, Shown::Nothing)
    }

    pub(super) fn invalid(words: impl Into<String>, shown: Shown) -> Refusal {
        Refusal::new(Kind::Invalid, words, shown)
    }

    pub(super) fn insufficient(words: impl Into<String>, shown: Shown) -> Refusal {
        Refusal::new(Kind::Insufficient, words, shown)
    }

    /// It cannot be told now whether what was shown is good.
    pub(super) fn unknown(words: impl Into<String>) -> Refusal {
        Refusal::new(Kind::Unknown, words, Shown::Nothing)
    }

    pub(super) fn with_scope(self, scopes: &[String]) -> Refusal {
        Refusal { scope: Some(scopes.join(" ")), ..self }
    }

    pub(super) fn with_metadata(self, url: Option<&str>) -> Refusal {
        Refusal { metadata_url: url.map(str::to_owned), ..self }
    }

    /// Why, in words for the client.
    #[must_use]
    pub fn words(&self) -> &str {
        &self.words
    }

    /// Who it was, as far as that is sure.
    #[must_use]
    pub fn shown(&self) -> &Shown {
        &self.shown
    }

    /// The status of the answer.
    #[must_use]
    pub fn status(&self) -> StatusCode {
        self.kind.status()
    }

    /// The answer.
    #[must_use]
    pub fn response(&self) -> Response<Body> {
        let code = if self.kind == Kind::Unknown { RETRY } else { INVALID_REQUEST };
        let error = json!({ "code": code, "message": self.words });
        let body = json!({ "jsonrpc": "2.0", "id": Value::Null, "error": error });
        let mut response = (self.status(), axum::Json(body)).into_response();
        if self.kind != Kind::Unknown
            && let Ok(challenge) = HeaderValue::from_str(&self.challenge())
        {
            response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
        }
        response
    }

    fn challenge(&self) -> String {
        let mut challenge = "Bearer realm=\"mcp\"".to_owned();
        let mut add = |name: &str, value: &str| {
            // What may stand between quotes there; nothing of the client's is in it.
            let plain: String =
                value.chars().filter(|c| matches!(c, ' '..='~') && !"\"\\".contains(*c)).collect();
            challenge.push_str(&format!(", {name}=\"{plain}\""));
        };
        if let Some(error) = self.kind.error() {
            add("error", error);
            add("error_description", &self.words);
        }
        if let Some(scope) = &self.scope {
            add("scope", scope);
        }
        if let Some(url) = &self.metadata_url {
            add("resource_metadata", url);
        }
        challenge
    }
}
