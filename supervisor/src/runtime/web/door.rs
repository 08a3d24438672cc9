//! Who is answered at the supervisor's own address, and what every answer tells a browser.
//!
//! A page in a browser can make a name of its own mean this machine, and then reads what it gets as
//! if it were its own (DNS rebinding). So people are served only under a name that no page can
//! have: a loopback name, or the address itself. Nobody is ever told that another page may read us.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::{House, is_shown};
use crate::config::Dashboard;

/// The page may take nothing from elsewhere, run nothing that is written into it, and be shown in no
/// other page.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
     img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
     require-trusted-types-for 'script'; trusted-types 'none'";

/// A status and the words for whoever is turned away.
type Refusal = (StatusCode, &'static str);

const STRANGE_NAME: Refusal = (
    StatusCode::FORBIDDEN,
    "this name is not served here; use localhost, or the address of supervisor.metrics\n",
);
const STRANGE_PAGE: Refusal = (StatusCode::FORBIDDEN, "other pages may not read this\n");
const NOT_HERE: Refusal = (
    StatusCode::FORBIDDEN,
    "the dashboard shows logs, so it is served on loopback addresses only; supervisor.dashboard = \
     \"on\" serves it to everybody who reaches this address\n",
);
const OFF: Refusal =
    (StatusCode::NOT_FOUND, "there is no dashboard: supervisor.dashboard = \"off\"\n");

/// Lets people in who came under a name of ours, where there is something for them.
pub(super) async fn for_people(
    State(house): State<Arc<House>>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().path();
    if let Err(refusal) = people(request.headers(), path, house.address) {
        return refusal.into_response();
    }
    let dashboard = match house.look().await {
        Ok(look) => look.dashboard,
        Err(ended) => return ended.into_response(),
    };
    match (is_shown(dashboard, house.address), dashboard) {
        (true, _) => next.run(request).await,
        (false, Dashboard::Off) => OFF.into_response(),
        (false, Dashboard::Auto | Dashboard::On) => NOT_HERE.into_response(),
    }
}

/// Lets programs in. At an address of a network they come under names that we cannot know; at a
/// loopback address only a page would.
pub(super) async fn for_machines(
    State(house): State<Arc<House>>,
    request: Request,
    next: Next,
) -> Response {
    match machines(request.headers(), house.address) {
        Ok(()) => next.run(request).await,
        Err(refusal) => refusal.into_response(),
    }
}

fn people(headers: &HeaderMap, path: &str, address: SocketAddr) -> Result<(), Refusal> {
    let named = named(headers)?.ok_or(STRANGE_NAME)?;
    if !is_ours(&named, address.ip()) {
        return Err(STRANGE_NAME);
    }
    // Whoever follows a link comes from another page, and reads nothing on its behalf.
    let word = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
    match word {
        Some(b"cross-site" | b"same-site") if path != "/" => Err(STRANGE_PAGE),
        _ => Ok(()),
    }
}

fn machines(headers: &HeaderMap, address: SocketAddr) -> Result<(), Refusal> {
    match named(headers)? {
        Some(named) if address.ip().is_loopback() && !is_ours(&named, address.ip()) => {
            Err(STRANGE_NAME)
        }
        // A browser always says a name; load balancers that speak HTTP/1.0 do not.
        Some(_) | None => Ok(()),
    }
}

/// The name in `Host`.
fn named(headers: &HeaderMap) -> Result<Option<Authority>, Refusal> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let unclear = (StatusCode::BAD_REQUEST, "say in Host who you want, once\n");
    match (hosts.next(), hosts.next()) {
        (None, _) => Ok(None),
        (Some(host), None) => {
            let host = host.to_str().ok().and_then(|host| host.parse().ok());
            host.map(Some).ok_or(unclear)
        }
        (Some(_), Some(_)) => Err(unclear),
    }
}

/// Whether this names us, who are bound to this address.
fn is_ours(named: &Authority, bound: IpAddr) -> bool {
    let host = named.host().trim_start_matches('[').trim_end_matches(']');
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback() || bound.is_unspecified() || ip == bound,
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// Tells a browser not to guess, to keep, to pass on or to mix in with other pages what it gets.
pub(super) async fn harden(mut response: Response) -> Response {
    let said = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
        (header::HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
    ];
    for (name, value) in said {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn people_by(bound: &str, fields: &[(&'static str, &str)]) -> u16 {
        let verdict = people(&head(fields), "/events", bound.parse().unwrap());
        verdict.map_or_else(|(status, _)| status.as_u16(), |()| 200)
    }

    fn machines_by(bound: &str, fields: &[(&'static str, &str)]) -> u16 {
        let verdict = machines(&head(fields), bound.parse().unwrap());
        verdict.map_or_else(|(status, _)| status.as_u16(), |()| 200)
    }

    #[test]
    fn a_name_that_a_page_could_have_is_not_served() {
        let local = "127.0.0.1:8001";
        for host in ["localhost", "LOCALHOST:8001", "127.0.0.1:8001", "[::1]:8001", "127.9.9.9"] {
            assert_eq!(people_by(local, &[("host", host)]), 200, "{host}");
            assert_eq!(machines_by(local, &[("host", host)]), 200, "{host}");
        }
        for host in ["evil.example", "evil.example:8001", "localhost.evil.example", "10.0.0.7"] {
            assert_eq!(people_by(local, &[("host", host)]), 403, "{host}");
            assert_eq!(machines_by(local, &[("host", host)]), 403, "{host}");
        }
        assert_eq!(people_by(local, &[]), 403);
        assert_eq!(machines_by(local, &[]), 200, "HTTP/1.0 names nobody");
        let twice = [("host", "localhost"), ("host", "evil.example")];
        assert_eq!(people_by(local, &twice), 400);
        assert_eq!(machines_by(local, &twice), 400);
        assert_eq!(people_by(local, &[("host", "a b")]), 400);
    }

    #[test]
    fn in_a_network_programs_come_under_any_name_and_people_by_the_address() {
        let one = "10.0.0.7:8001";
        assert_eq!(machines_by(one, &[("host", "mcp.monitoring.svc:8001")]), 200);
        assert_eq!(people_by(one, &[("host", "10.0.0.7:8001")]), 200);
        assert_eq!(people_by(one, &[("host", "10.0.0.8:8001")]), 403);
        assert_eq!(people_by(one, &[("host", "mcp.example")]), 403);
        assert_eq!(people_by("0.0.0.0:8001", &[("host", "10.0.0.8:8001")]), 200);
        assert_eq!(people_by("0.0.0.0:8001", &[("host", "mcp.example")]), 403);
    }

    #[test]
    fn what_another_page_asks_for_is_not_given_but_a_link_may_be_followed() {
        let from = |site| [("host", "localhost"), ("sec-fetch-site", site)];
        for site in ["same-origin", "none"] {
            assert_eq!(people_by("127.0.0.1:1", &from(site)), 200, "{site}");
        }
        for site in ["cross-site", "same-site"] {
            assert_eq!(people_by("127.0.0.1:1", &from(site)), 403, "{site}");
            let linked = people(&head(&from(site)), "/", "127.0.0.1:1".parse().unwrap());
            assert!(linked.is_ok());
        }
    }
}
