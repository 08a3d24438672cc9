//! Who gives access tokens for this service: the document of RFC 9728, by which a client that has
//! none finds its way to one.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use http::StatusCode;
use mcp_protocol::access::AccessSettings;
use serde_json::{Value, json};
use tokio::sync::watch;

use super::Reception;

const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

/// The document, at its place and at that for the path of the service.
pub fn router(reception: &Reception) -> Router {
    Router::new()
        .route(WELL_KNOWN, get(document))
        .route(&format!("{WELL_KNOWN}/{{*path}}"), get(document))
        .with_state(reception.access.clone())
}

/// Where the document of this resource is: what is well known stands before its path.
pub(super) fn url(resource: &str) -> String {
    let scheme_end = resource.find("://").map_or(0, |at| at + 3);
    let path_at = resource[scheme_end..].find('/').map_or(resource.len(), |at| scheme_end + at);
    let (origin, path) = resource.split_at(path_at);
    format!("{origin}{WELL_KNOWN}{}", path.trim_end_matches('/'))
}

async fn document(
    State(access): State<watch::Receiver<Arc<AccessSettings>>>,
) -> Result<Json<Value>, StatusCode> {
    let access = Arc::clone(&access.borrow());
    let oauth = access.oauth.as_ref().ok_or(StatusCode::NOT_FOUND)?;
    let mut document = json!({
        "resource": oauth.resource,
        "authorization_servers": [oauth.issuer],
        "bearer_methods_supported": ["header"],
        "resource_name": "Snowflake over MCP",
    });
    if !oauth.scopes.is_empty() {
        document["scopes_supported"] = json!(oauth.scopes);
    }
    Ok(Json(document))
}

#[cfg(test)]
mod tests {
    use super::url;

    #[test]
    fn what_is_well_known_stands_before_the_path() {
        for (resource, document) in [
            (
                "https://mcp.example.com/mcp",
                "https://mcp.example.com/.well-known/oauth-protected-resource/mcp",
            ),
            (
                "https://mcp.example.com",
                "https://mcp.example.com/.well-known/oauth-protected-resource",
            ),
            (
                "https://mcp.example.com/",
                "https://mcp.example.com/.well-known/oauth-protected-resource",
            ),
            (
                "http://[::1]:8000/a/mcp",
                "http://[::1]:8000/.well-known/oauth-protected-resource/a/mcp",
            ),
        ] {
            assert_eq!(url(resource), document);
        }
    }
}
