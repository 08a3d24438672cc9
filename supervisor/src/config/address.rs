//! Addresses: an IP address and a port, or what was probably meant by something else.

use std::net::{IpAddr, SocketAddr};

use super::file::{Node, Value};
use super::value::{found, quoted};

pub(super) fn address(node: &Node) -> Result<SocketAddr, String> {
    let text = match &node.value {
        Value::Text(text) => text,
        Value::Integer(port @ 1..=65_535) => {
            return Err(format!("{port} has no host; write \"127.0.0.1:{port}\""));
        }
        other => return Err(format!("{} is not an address", found(other))),
    };
    text.parse().map_err(|_| words(text))
}

fn words(text: &str) -> String {
    let (host, port) = text.rsplit_once(':').unwrap_or(("", text));
    if let Ok(ip) = text.trim_matches(['[', ']', ' ']).parse::<IpAddr>() {
        let meant = SocketAddr::new(ip, 8000);
        return format!("{} has no port; write one, such as \"{meant}\"", quoted(text));
    }
    match (host, port.parse::<u32>()) {
        ("", Ok(port @ 1..=65_535)) => {
            format!("{} has no host; write \"127.0.0.1:{port}\"", quoted(text))
        }
        ("*", Ok(port @ 1..=65_535)) => {
            format!("{} is no host; write \"0.0.0.0:{port}\"", quoted("*"))
        }
        ("localhost", Ok(port @ 1..=65_535)) => {
            format!("{} is a name; write the address \"127.0.0.1:{port}\"", quoted(text))
        }
        (_, Ok(port @ 65_536..)) => {
            format!("{} has no such port: {port}; use 1 to 65535", quoted(text))
        }
        _ => match meant(text) {
            Some(meant) => {
                format!("{} is not an address; did you mean \"{meant}\"?", quoted(text))
            }
            None => format!(
                "{} is not an address; write an IP address and a port, such as \"127.0.0.1:8000\"",
                quoted(text)
            ),
        },
    }
}

/// An address with a slip in it: a blank, a scheme, a separator that is doubled or another one.
fn meant(text: &str) -> Option<SocketAddr> {
    let text: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    let text = ["http://", "https://", "tcp://"]
        .iter()
        .fold(text.as_str(), |text, scheme| text.strip_prefix(scheme).unwrap_or(text))
        .trim_end_matches('/')
        .replace("localhost", "127.0.0.1");
    let last = text.rfind([':', ';', ',', '.', '-'])?;
    let tries = [
        text.clone(),
        text.replace("::", ":").replace("..", "."),
        text.replace(',', ".").replace(';', ":"),
        format!("{}:{}", &text[..last], &text[last + 1..]),
        text.replace(['o', 'O'], "0").replace(['l', 'I'], "1"),
    ];
    tries.iter().find_map(|text| text.parse().ok())
}

/// An address, or `None` for the word "off".
pub(super) fn address_or_off(node: &Node) -> Result<Option<SocketAddr>, String> {
    match &node.value {
        Value::Text(text) if text == "off" => Ok(None),
        Value::Boolean(false) => Err("false is not an address; write \"off\"".to_owned()),
        _other => address(node).map(Some),
    }
}
