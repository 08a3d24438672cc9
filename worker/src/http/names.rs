//! Under which name a client came, and which page sent it.
//!
//! A page in a browser can make a name of its own mean this machine, and then talks to it as if the
//! page were ours (DNS rebinding). So a name in `Host` must be one of ours on every path; an
//! address in its place is fine where nothing is told but health, for no page can come from there.
//! A page that is named in `Origin` must be allowed to.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use http::request::Parts;
use http::uri::Authority;
use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use mcp_protocol::settings::McpSettings;
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::words::{INVALID_REQUEST, refusal};

/// Names under which a machine calls itself.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "::1"];
/// How an entry of the configuration says that every port is meant; no page comes from there.
const ANY_PORT: &str = ":*";
/// Paths on which an address is no name of ours; one that ends in `/` stands for all below it.
const GUARDED: [&str; 6] = ["/mcp", "/ws", "/status", "/health/detailed", "/admin/", "/api/"];
/// How long a browser may remember what a page may send.
const PREFLIGHT_AGE: Duration = Duration::from_secs(10 * 60);
/// What a page may send besides what every page may.
const SENT: [&str; 8] = [
    "authorization",
    "content-type",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "traceparent",
];
/// What a page may read besides what every page may.
const READ: [&str; 8] = [
    "mcp-protocol-version",
    "mcp-session-id",
    "ratelimit",
    "ratelimit-limit",
    "ratelimit-policy",
    "ratelimit-remaining",
    "retry-after",
    "www-authenticate",
];

/// Which names are ours, and which pages may come.
#[derive(Debug)]
pub(super) struct Names {
    hosts: Vec<(String, Option<u16>)>,
    origins: Vec<Page>,
}

/// A page that may come.
#[derive(Debug, PartialEq, Eq)]
enum Page {
    /// One that says of itself that it is from nowhere.
    Null,
    At {
        scheme: String,
        host: String,
        port: Port,
    },
}

#[derive(Debug, PartialEq, Eq)]
enum Port {
    Any,
    Only(u16),
}

impl Names {
    pub(super) fn new(settings: &McpSettings) -> Arc<Names> {
        let own = LOOPBACK.map(|name| (name.to_owned(), None)).into_iter();
        let written = settings.allowed_hosts.iter().filter_map(|host| {
            let host = host.trim();
            match host.parse::<Authority>() {
                Ok(authority) => Some((plain(authority.host()), authority.port_u16())),
                Err(_) if host.parse::<IpAddr>().is_ok() => Some((plain(host), None)),
                Err(_) => unusable("mcp.allowed_hosts", host),
            }
        });
        let pages = LOOPBACK.into_iter().flat_map(|host| {
            ["http", "https"].map(|scheme| Page::At {
                scheme: scheme.to_owned(),
                host: host.to_owned(),
                port: Port::Any,
            })
        });
        let origins = settings.allowed_origins.iter();
        let allowed =
            origins.filter_map(|text| page(text).or_else(|| unusable("mcp.allowed_origins", text)));
        Arc::new(Names {
            hosts: own.chain(written).collect(),
            origins: pages.chain(allowed).collect(),
        })
    }

    /// Whether a request with this head may be answered; else the status and the words.
    fn check(&self, head: &Parts) -> Result<(), (StatusCode, &'static str)> {
        let asked = head.uri.path();
        let is_meant =
            |path: &&str| asked == *path || path.ends_with('/') && asked.starts_with(*path);
        let guarded = GUARDED.iter().any(is_meant);
        let mut hosts = head.headers.get_all(header::HOST).iter();
        let host = match (hosts.next(), hosts.next()) {
            (Some(_), Some(_)) => return Err((StatusCode::BAD_REQUEST, "one Host, not two")),
            (Some(host), None) => Some(authority(host).ok_or(NO_HOST)?),
            (None, _) => None,
        };
        for host in host.iter().chain(head.uri.authority()) {
            if !self.serves(host, guarded) {
                return Err((
                    StatusCode::FORBIDDEN,
                    "this name is not served here; whoever runs the server can add it to \
                     mcp.allowed_hosts",
                ));
            }
        }
        if guarded && host.is_none() && head.uri.authority().is_none() {
            return Err(NO_HOST);
        }
        if head.headers.get_all(header::ORIGIN).iter().any(|origin| !self.welcomes(origin)) {
            return Err((
                StatusCode::FORBIDDEN,
                "pages of this origin may not use this server; whoever runs it can add the origin \
                 to mcp.allowed_origins",
            ));
        }
        Ok(())
    }

    fn serves(&self, authority: &Authority, guarded: bool) -> bool {
        let name = plain(authority.host());
        let ours = self.hosts.iter().any(|(host, port)| {
            *host == name && port.is_none_or(|port| authority.port_u16() == Some(port))
        });
        ours || !guarded && name.parse::<IpAddr>().is_ok()
    }

    fn welcomes(&self, origin: &HeaderValue) -> bool {
        let text = origin.to_str().ok().filter(|text| !text.trim().ends_with(ANY_PORT));
        let Some(from) = text.and_then(page) else { return false };
        self.origins.iter().any(|allowed| match (allowed, &from) {
            (Page::Null, Page::Null) => true,
            (Page::At { scheme, host, port }, Page::At { scheme: s, host: h, port: p }) => {
                scheme == s && host == h && (*port == Port::Any || port == p)
            }
            (Page::Null, Page::At { .. }) | (Page::At { .. }, Page::Null) => false,
        })
    }
}

const NO_HOST: (StatusCode, &str) = (StatusCode::BAD_REQUEST, "say in Host who you want");

fn unusable<T>(key: &str, text: &str) -> Option<T> {
    tracing::warn!(key, text, "an entry that cannot be understood allows nobody");
    None
}

fn authority(value: &HeaderValue) -> Option<Authority> {
    value.to_str().ok()?.parse().ok()
}

fn plain(host: &str) -> String {
    host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase()
}

/// A page as written in `Origin` or in the configuration; without a port it has that of its scheme.
fn page(text: &str) -> Option<Page> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("null") {
        return Some(Page::Null);
    }
    let (base, any) = text.strip_suffix(ANY_PORT).map_or((text, false), |base| (base, true));
    let uri: Uri = base.trim_end_matches('/').parse().ok()?;
    let scheme = uri.scheme_str()?.to_ascii_lowercase();
    let authority = uri.authority()?;
    let port = match (any, authority.port_u16(), scheme.as_str()) {
        (true, None, _) => Port::Any,
        (true, Some(_), _) => return None,
        (false, Some(port), _) => Port::Only(port),
        (false, None, "http") => Port::Only(80),
        (false, None, "https") => Port::Only(443),
        (false, None, _other) => Port::Any,
    };
    Some(Page::At { scheme, host: plain(authority.host()), port })
}

/// Answers only those who came under a name of ours, and from a page that may.
pub(super) async fn guard(
    State(names): State<Arc<Names>>,
    request: Request,
    next: Next,
) -> Response {
    let (head, body) = request.into_parts();
    match names.check(&head) {
        Ok(()) => next.run(Request::from_parts(head, body)).await,
        Err((status, words)) => {
            tracing::debug!(path = head.uri.path(), words, "turned away");
            refusal(status, INVALID_REQUEST, words, None)
        }
    }
}

/// Tells browsers what the pages may do that are allowed to come.
pub(super) fn cors(names: Arc<Names>) -> CorsLayer {
    let from_static = HeaderName::from_static;
    CorsLayer::new()
        .allow_origin(AllowOrigin::predicate(move |origin, _head| names.welcomes(origin)))
        .allow_methods([Method::GET, Method::POST, Method::DELETE])
        .allow_headers(SENT.map(from_static))
        .expose_headers(READ.map(from_static))
        .max_age(PREFLIGHT_AGE)
}

/// Whether the client speaks TLS to us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Secrecy {
    Clear,
    Tls,
}

/// What every answer tells a browser: it is not to guess, to keep or to pass on.
pub(super) fn harden(headers: &mut HeaderMap, secrecy: Secrecy) {
    let said = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    for (name, value) in said {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.remove(header::SERVER);
    if secrecy == Secrecy::Tls {
        let year = HeaderValue::from_static("max-age=31536000");
        headers.insert(header::STRICT_TRANSPORT_SECURITY, year);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names() -> Arc<Names> {
        Names::new(&McpSettings {
            allowed_hosts: vec!["mcp.example.com".to_owned(), "other.example:8443".to_owned()],
            allowed_origins: vec![
                "https://app.example.com".to_owned(),
                "http://dev.example:*".to_owned(),
                "https://one.example:8443".to_owned(),
            ],
            ..McpSettings::default()
        })
    }

    fn status(path: &str, headers: &[(&str, &str)]) -> Option<u16> {
        let mut request = http::Request::builder().uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (head, ()) = request.body(()).expect("a request").into_parts();
        names().check(&head).err().map(|(status, _)| status.as_u16())
    }

    #[test]
    fn a_name_is_ours_on_every_path_and_an_address_only_where_health_is_told() {
        for host in ["localhost:8000", "MCP.example.com", "127.0.0.1", "[::1]:80"] {
            assert_eq!(status("/mcp", &[("host", host)]), None, "{host}");
            assert_eq!(status("/health", &[("host", host)]), None, "{host}");
        }
        for host in ["evil.example", "mcp.example.com.evil.example", "other.example"] {
            assert_eq!(status("/mcp", &[("host", host)]), Some(403), "{host}");
            assert_eq!(status("/health", &[("host", host)]), Some(403), "{host}");
        }
        assert_eq!(status("/mcp", &[("host", "other.example:8443")]), None);
        assert_eq!(status("/livez", &[("host", "10.1.2.3:8000")]), None);
        assert_eq!(status("/mcp", &[("host", "10.1.2.3:8000")]), Some(403));
        for path in ["/ws", "/status", "/health/detailed", "/admin/export-state", "/api/sessions"] {
            assert_eq!(status(path, &[("host", "10.1.2.3:8000")]), Some(403), "{path}");
        }
        assert_eq!(status("/livez", &[]), None);
        assert_eq!(status("/mcp", &[]), Some(400));
        assert_eq!(status("/mcp", &[("host", "a b")]), Some(400));
        assert_eq!(status("/mcp", &[("host", "localhost"), ("host", "evil.example")]), Some(400));
        assert_eq!(status("http://evil.example/mcp", &[("host", "localhost")]), Some(403));
    }

    #[test]
    fn a_page_comes_from_where_it_may() {
        let from = |origin| status("/mcp", &[("host", "localhost"), ("origin", origin)]);
        for origin in [
            "https://app.example.com",
            "https://app.example.com:443",
            "http://dev.example:3000",
            "https://one.example:8443",
            "http://localhost:5173",
            "http://[::1]:5173",
        ] {
            assert_eq!(from(origin), None, "{origin}");
        }
        for origin in [
            "http://app.example.com",
            "https://app.example.com:8443",
            "https://one.example",
            "https://evil.example",
            "null",
            "http://localhost:*",
            "nonsense",
            "",
        ] {
            assert_eq!(from(origin), Some(403), "{origin}");
        }
    }
}
