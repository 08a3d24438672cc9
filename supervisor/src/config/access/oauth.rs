//! `[apps.NAME.oauth]`: whose access tokens are taken, and what they must say.

use mcp_protocol::access::OAuthSettings;

use super::OAUTH;
use crate::config::check::Around;
use crate::config::file::child_key;
use crate::config::keys::Key;
use crate::config::problem::Report;
use crate::config::section::Section;
use crate::config::value::quoted;

/// The issuer that an app's table means; `None` without one, or when a problem was noted.
pub(super) fn read(
    app: Section<'_>,
    around: &Around<'_>,
    report: &mut Report,
) -> Option<OAuthSettings> {
    let node = app.node(OAUTH)?;
    let table = child_key(&child_key("apps", around.app), OAUTH);
    if report.blames_within(&table) {
        return None;
    }
    let section = app.section(OAUTH);
    for name in ["issuer", "resource"] {
        if section.node(name).is_none() {
            let words = format!("is missing; write {name} = {}", example(name));
            report.add(&child_key(&table, name), node.place, words);
        }
    }
    for name in ["issuer", "resource", "jwks_url"] {
        if let (Some(node), Some(text)) = (section.node(name), section.text(name))
            && !is_address(text)
        {
            let words =
                format!("{} is no address that begins with https://; write one", quoted(text));
            report.add(&node.key, node.place, words);
        }
    }
    if report.blames_within(&table) {
        return None;
    }
    let resource = section.text("resource")?.to_owned();
    let audiences = section.texts("audience");
    Some(OAuthSettings {
        issuer: section.text("issuer")?.to_owned(),
        audiences: if audiences.is_empty() { vec![resource.clone()] } else { audiences },
        resource,
        jwks_url: section.text("jwks_url").map(str::to_owned),
        scopes: section.texts("scopes"),
        subject_claim: section.text("subject_claim").unwrap_or("sub").to_owned(),
    })
}

fn example(name: &str) -> &'static str {
    let found: Option<&Key> = super::keys::OAUTH.iter().find(|key| key.name == name);
    found.map_or("", |key| key.example)
}

/// An address that keeps what is said to it to itself; on this machine it need not.
fn is_address(text: &str) -> bool {
    let host = |rest: &str| !rest.is_empty() && !rest.starts_with('/') && !rest.contains(' ');
    if let Some(rest) = text.strip_prefix("https://") {
        return host(rest);
    }
    let Some(rest) = text.strip_prefix("http://") else { return false };
    let authority = rest.split('/').next().unwrap_or_default();
    ["127.0.0.1", "localhost", "[::1]"].iter().any(|loopback| {
        authority
            .strip_prefix(loopback)
            .is_some_and(|port| port.is_empty() || port.starts_with(':'))
    })
}

#[cfg(test)]
mod tests {
    use super::is_address;

    #[test]
    fn only_this_machine_is_trusted_without_encryption() {
        for good in ["https://a", "https://a.b/c", "http://127.0.0.1:80/x", "http://localhost"] {
            assert!(is_address(good), "{good}");
        }
        for bad in
            ["a.b", "https://", "https:///x", "http://a", "http://localhost.evil/", "ftp://a"]
        {
            assert!(!is_address(bad), "{bad}");
        }
    }
}
