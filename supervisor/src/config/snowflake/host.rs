//! What an account may be reached at, as it is written: a name, a name with a port, or a place in
//! this machine. Nothing is looked up.

use std::net::IpAddr;

/// What stands behind the name of an account in China.
const CHINA: &str = ".snowflakecomputing.cn";

/// Why this is nothing to connect to, in words.
pub(super) fn check(text: &str) -> Result<(), String> {
    let within = text.strip_prefix("http://");
    let (name, port) = split(within.unwrap_or(text));
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let is_name = !name.is_empty() && name.chars().all(plain);
    let has_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
    let why = match within {
        Some(_) if has_port && is_loopback(name) => return Ok(()),
        Some(_) if is_name && has_port => {
            "would send what proves who we are unencrypted to another machine"
        }
        None if is_name && has_port => return Ok(()),
        Some(_) | None => "is no name to connect to",
    };
    Err(format!(
        "{why}; write the name alone, or with a port, such as \
         \"org-account.snowflakecomputing.com\""
    ))
}

/// The host of an account in China that was written as its address. An identifier alone does not
/// say that it is there, unless it has its region.
pub(super) fn of_china(account: &str) -> Option<String> {
    let rest = account.split("://").last().unwrap_or_default();
    let name = rest.split([':', '/']).next().unwrap_or_default().to_ascii_lowercase();
    name.ends_with(CHINA).then_some(name)
}

/// The host in what stands behind the scheme of an address.
pub(super) fn of_address(rest: &str) -> Option<&str> {
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let (name, port) = split(authority);
    let has_port = port.is_none_or(|port| port.parse::<u16>().is_ok());
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.[:]".contains(c);
    (has_port && !name.is_empty() && name.chars().all(plain)).then_some(name)
}

/// Whether a name or an address stays within this machine.
pub(super) fn is_loopback(name: &str) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || address.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A name and what stands behind its colon; the colons of an IPv6 address are in brackets.
fn split(text: &str) -> (&str, Option<&str>) {
    match text.rsplit_once(':') {
        Some((name, port)) if !port.ends_with(']') => (name, Some(port)),
        Some(_) | None => (text, None),
    }
}
