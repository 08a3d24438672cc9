//! Who asks, when a proxy stands between: the address that a request is counted and written down
//! under, and whether it came over TLS.
//!
//! Behind a proxy every connection has the proxy's address, and whom it speaks for stands in a
//! header, which anybody can write. So a header is believed of trusted proxies alone, and read from
//! its end: what the nearest proxy wrote first, then what that one was told, for as long as it was
//! told by one that is trusted too. And whoever is said to be somebody else is never taken for this
//! machine itself, whatever the header says.

use std::fmt;
use std::net::{IpAddr, SocketAddr};

use http::HeaderMap;
use mcp_protocol::network::Network;
use mcp_protocol::settings::{HttpSettings, ProxyHeader};

use super::names::Secrecy;

const FORWARDED: &str = "forwarded";
const X_FORWARDED_FOR: &str = "x-forwarded-for";
const X_FORWARDED_PROTO: &str = "x-forwarded-proto";
/// Headers by which any proxy says that it is one.
const FORWARDING: [&str; 3] = [FORWARDED, X_FORWARDED_FOR, X_FORWARDED_PROTO];

/// Proxies that are believed, and where they say for whom they ask.
#[derive(Debug)]
pub(super) struct Proxies {
    trusted: Vec<Network>,
    header: ProxyHeader,
}

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Asker {
    /// The other end of the connection.
    peer: SocketAddr,
    /// For whom that one asks, where it is believed.
    on_behalf_of: Option<IpAddr>,
    /// Whether anybody says that the request came over a proxy, believed or not.
    is_forwarded: bool,
}

impl Proxies {
    pub(super) fn new(settings: &HttpSettings) -> Proxies {
        Proxies { trusted: settings.trusted_proxies.clone(), header: settings.proxy_header }
    }

    /// Whether this is the address of a proxy that is believed.
    pub(super) fn trusts(&self, address: IpAddr) -> bool {
        self.trusted.iter().any(|network| network.contains(address))
    }

    /// Who sends these headers over a connection from there.
    pub(super) fn asker(&self, peer: SocketAddr, headers: &HeaderMap) -> Asker {
        let is_forwarded = FORWARDING.iter().any(|name| headers.contains_key(*name));
        let believed = is_forwarded && self.trusts(peer.ip());
        let on_behalf_of = believed.then(|| self.first_stranger(headers)).flatten();
        Asker { peer, on_behalf_of, is_forwarded }
    }

    /// What the client speaks, as far as a proxy that is believed says so; else what the proxy
    /// speaks to us.
    pub(super) fn secrecy(&self, asker: &Asker, ours: Secrecy, headers: &HeaderMap) -> Secrecy {
        if !asker.is_forwarded || !self.trusts(asker.peer.ip()) {
            return ours;
        }
        let said = match self.header {
            ProxyHeader::XForwardedFor => {
                last_first(headers, X_FORWARDED_PROTO).next().map(str::to_owned)
            }
            ProxyHeader::Forwarded => hops(headers).next().and_then(|hop| hop.proto),
        };
        match said {
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => Secrecy::Tls,
            Some(_) | None => ours,
        }
    }

    /// The nearest address that is no trusted proxy's; of trusted ones alone the farthest.
    fn first_stranger(&self, headers: &HeaderMap) -> Option<IpAddr> {
        let mut said: Box<dyn Iterator<Item = Option<IpAddr>>> = match self.header {
            ProxyHeader::XForwardedFor => {
                Box::new(last_first(headers, X_FORWARDED_FOR).map(address))
            }
            ProxyHeader::Forwarded => {
                Box::new(hops(headers).map(|hop| hop.whose.as_deref().and_then(address)))
            }
        };
        let mut farthest = None;
        // Behind one who does not tell, or cannot be understood, nothing is known.
        while let Some(Some(address)) = said.next() {
            farthest = Some(address);
            if !self.trusts(address) {
                break;
            }
        }
        farthest
    }
}

impl Asker {
    /// The address that it is counted under.
    pub(super) fn address(&self) -> IpAddr {
        self.on_behalf_of.unwrap_or(self.peer.ip()).to_canonical()
    }

    /// The proxy that asks on its behalf.
    pub(super) fn via(&self) -> Option<IpAddr> {
        self.on_behalf_of.map(|_| self.peer.ip().to_canonical())
    }

    /// Whether it is a program of this machine that asks for itself.
    pub(super) fn is_here(&self) -> bool {
        !self.is_forwarded && self.peer.ip().to_canonical().is_loopback()
    }
}

/// As it stands in logs: a port is known of the other end of the connection alone.
impl fmt::Display for Asker {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.on_behalf_of {
            Some(address) => write!(out, "{address}"),
            None => write!(out, "{}", self.peer),
        }
    }
}

/// The parts of a list that may stand in several lines, from its end.
fn last_first<'h>(headers: &'h HeaderMap, name: &str) -> impl Iterator<Item = &'h str> + use<'h> {
    let lines = headers.get_all(name).iter().rev();
    // A line that is no text counts as one part that is not understood.
    lines.flat_map(|line| line.to_str().unwrap_or("?").rsplit(',').map(str::trim))
}

/// What one proxy says in `Forwarded`.
#[derive(Debug, Default)]
struct Hop {
    whose: Option<String>,
    proto: Option<String>,
}

/// What the proxies say in `Forwarded`, the last one first. A line that is not as RFC 7239 has it is
/// one proxy that says nothing.
fn hops(headers: &HeaderMap) -> impl Iterator<Item = Hop> {
    let lines = headers.get_all(FORWARDED).iter().rev();
    lines.flat_map(|line| {
        let hops = line.to_str().ok().and_then(hops_of_line);
        hops.unwrap_or_else(|| vec![Hop::default()]).into_iter().rev()
    })
}

fn hops_of_line(line: &str) -> Option<Vec<Hop>> {
    let mut hops = Vec::new();
    for element in split(line, ',')? {
        let mut hop = Hop::default();
        for pair in split(element, ';')?.into_iter().map(str::trim).filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=')?;
            let value = unquoted(value)?;
            match name.trim().to_ascii_lowercase().as_str() {
                "for" => hop.whose = Some(value),
                "proto" => hop.proto = Some(value),
                _other => {}
            }
        }
        hops.push(hop);
    }
    Some(hops)
}

/// The parts between separators that stand outside of quotes; none when a quote is not closed.
fn split(text: &str, separator: char) -> Option<Vec<&str>> {
    let (mut parts, mut start, mut quoted, mut escaped) = (Vec::new(), 0, false, false);
    for (at, letter) in text.char_indices() {
        match letter {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            letter if letter == separator && !quoted => {
                parts.push(&text[start..at]);
                start = at + letter.len_utf8();
            }
            _ => {}
        }
    }
    parts.push(&text[start..]);
    (!quoted).then_some(parts)
}

/// A token, or what stands between quotes.
fn unquoted(text: &str) -> Option<String> {
    let text = text.trim();
    let Some(rest) = text.strip_prefix('"') else {
        return (!text.contains('"')).then(|| text.to_owned());
    };
    let inner = rest.strip_suffix('"')?;
    let mut plain = String::with_capacity(inner.len());
    let mut letters = inner.chars();
    while let Some(letter) = letters.next() {
        plain.push(if letter == '\\' { letters.next()? } else { letter });
    }
    Some(plain)
}

/// An address, with or without a port and brackets; none for `unknown` and names that hide one.
fn address(text: &str) -> Option<IpAddr> {
    let inside = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    let alone = inside.unwrap_or(text).parse::<IpAddr>();
    let address = alone.or_else(|_| text.parse::<SocketAddr>().map(|with_port| with_port.ip()));
    address.ok().map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn proxies(header: ProxyHeader) -> Proxies {
        let trusted = ["127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48"];
        let trusted = trusted.map(|text| text.parse().unwrap()).to_vec();
        Proxies::new(&HttpSettings {
            trusted_proxies: trusted,
            proxy_header: header,
            ..Default::default()
        })
    }

    fn headers(lines: &[(&str, &str)]) -> HeaderMap {
        let value = |text: &&str| HeaderValue::from_str(text).unwrap();
        let name = |name: &str| name.parse::<HeaderName>().unwrap();
        let lines = lines.iter();
        lines.map(|(named, text)| (name(named), value(text))).collect()
    }

    fn asker(peer: &str, header: ProxyHeader, lines: &[(&str, &str)]) -> Asker {
        proxies(header).asker(peer.parse().unwrap(), &headers(lines))
    }

    fn counted(peer: &str, header: ProxyHeader, lines: &[(&str, &str)]) -> String {
        asker(peer, header, lines).address().to_string()
    }

    const PROXY: &str = "10.0.0.7:40000";

    #[test]
    fn the_nearest_address_that_is_no_trusted_proxys_asks() {
        let said = |lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|text| (X_FORWARDED_FOR, *text)).collect();
            counted(PROXY, ProxyHeader::XForwardedFor, &lines)
        };
        for (lines, address) in [
            (&["203.0.113.9"][..], "203.0.113.9"),
            (&["198.51.100.1, 203.0.113.9"], "203.0.113.9"),
            (&["198.51.100.1,203.0.113.9 , 10.1.1.1"], "203.0.113.9"),
            (&["198.51.100.1", "203.0.113.9", "10.1.1.1"], "203.0.113.9"),
            (&["203.0.113.9:4711"], "203.0.113.9"),
            (&["2001:db8:2::9"], "2001:db8:2::9"),
            (&["[2001:db8:2::9]:4711"], "2001:db8:2::9"),
            (&["::ffff:203.0.113.9"], "203.0.113.9"),
            // Of trusted ones alone the farthest.
            (&["10.2.2.2, 10.1.1.1"], "10.2.2.2"),
            // What cannot be understood hides all before it, and is itself the last that is known.
            (&["198.51.100.1, unknown, 10.1.1.1"], "10.1.1.1"),
            (&["198.51.100.1, unknown"], "10.0.0.7"),
            (&["203.0.113.9,"], "10.0.0.7"),
            (&[""], "10.0.0.7"),
            (&["localhost"], "10.0.0.7"),
        ] {
            assert_eq!(said(lines), address, "{lines:?}");
        }
    }

    #[test]
    fn a_header_of_anybody_else_changes_nothing_and_one_of_another_name_neither() {
        let forged = [(X_FORWARDED_FOR, "198.51.100.1"), (FORWARDED, "for=198.51.100.2")];
        let stranger = "203.0.113.9:40000";
        for header in [ProxyHeader::XForwardedFor, ProxyHeader::Forwarded] {
            assert_eq!(counted(stranger, header, &forged), "203.0.113.9");
        }
        assert_eq!(counted(PROXY, ProxyHeader::XForwardedFor, &forged), "198.51.100.1");
        assert_eq!(counted(PROXY, ProxyHeader::Forwarded, &forged), "198.51.100.2");
        assert_eq!(counted(PROXY, ProxyHeader::Forwarded, &forged[..1]), "10.0.0.7");
    }

    #[test]
    fn whoever_is_said_to_be_somebody_else_is_never_this_machine() {
        let here = "127.0.0.1:40000";
        assert!(asker(here, ProxyHeader::XForwardedFor, &[]).is_here());
        assert!(asker("[::ffff:127.0.0.1]:4", ProxyHeader::XForwardedFor, &[]).is_here());
        for text in ["127.0.0.1", "::1", "127.0.0.1, 10.0.0.1", "unknown", ""] {
            for peer in [here, "[::1]:4", PROXY, "203.0.113.9:1"] {
                let lines = [(X_FORWARDED_FOR, text)];
                assert!(
                    !asker(peer, ProxyHeader::XForwardedFor, &lines).is_here(),
                    "{peer} {text}"
                );
                let lines = [(FORWARDED, text)];
                assert!(
                    !asker(peer, ProxyHeader::XForwardedFor, &lines).is_here(),
                    "{peer} {text}"
                );
            }
        }
    }

    #[test]
    fn forwarded_is_read_as_rfc_7239_has_it() {
        let said = |lines: &[&str]| {
            let lines: Vec<_> = lines.iter().map(|text| (FORWARDED, *text)).collect();
            counted(PROXY, ProxyHeader::Forwarded, &lines)
        };
        for (lines, address) in [
            (&["for=203.0.113.9"][..], "203.0.113.9"),
            (&["For=\"[2001:db8:2::9]:4711\";proto=https;by=10.0.0.7"], "2001:db8:2::9"),
            (&["for=198.51.100.1, for=203.0.113.9;host=\"a, for=1.1.1.1\""], "203.0.113.9"),
            (&["for=198.51.100.1", "proto=http; for=203.0.113.9 "], "203.0.113.9"),
            (&["for=203.0.113.9, for=10.1.1.1"], "203.0.113.9"),
            (&["for=\"20\\3.0.113.9\""], "203.0.113.9"),
            (&["for=198.51.100.1, for=_hidden, for=10.1.1.1"], "10.1.1.1"),
            (&["for=198.51.100.1, proto=http"], "10.0.0.7"),
            // A client that opens a quote hides what it said, not what the proxy says of it.
            (&["for=\"198.51.100.1", "for=203.0.113.9"], "203.0.113.9"),
            (&["for=\"198.51.100.1, for=203.0.113.9"], "10.0.0.7"),
            (&["nonsense"], "10.0.0.7"),
        ] {
            assert_eq!(said(lines), address, "{lines:?}");
        }
    }

    #[test]
    fn a_client_speaks_tls_when_a_proxy_that_is_believed_says_so() {
        let secrecy = |peer: &str, header, lines: &[(&str, &str)]| {
            let (proxies, headers) = (proxies(header), headers(lines));
            let asker = proxies.asker(peer.parse().unwrap(), &headers);
            proxies.secrecy(&asker, Secrecy::Clear, &headers)
        };
        let (ours, theirs) = (ProxyHeader::XForwardedFor, ProxyHeader::Forwarded);
        let proto = |text| [(X_FORWARDED_PROTO, text)];
        assert_eq!(secrecy(PROXY, ours, &proto("https")), Secrecy::Tls);
        assert_eq!(secrecy(PROXY, ours, &proto("https, http")), Secrecy::Clear);
        assert_eq!(secrecy(PROXY, theirs, &proto("https")), Secrecy::Clear);
        assert_eq!(secrecy("203.0.113.9:1", ours, &proto("https")), Secrecy::Clear);
        let lines = [(FORWARDED, "for=203.0.113.9;proto=HTTPS")];
        assert_eq!(secrecy(PROXY, theirs, &lines), Secrecy::Tls);
        assert_eq!(secrecy(PROXY, ours, &lines), Secrecy::Clear);
    }
}
