//! A network: an address and how many of its bits count, as in `10.0.0.0/8`.
//!
//! The supervisor reads one from the configuration and the worker asks whether somebody is in it,
//! so that both mean the same. An address alone is a network of one. Names are not looked up.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    /// Its first address; an IPv4 address is never written as an IPv6 one.
    first: IpAddr,
    /// How many bits its addresses have in common.
    bits: u8,
}

/// Why a text is no network: the words, with the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NetworkError(String);

impl Network {
    /// Whether an address is in it. An IPv4 address is the same however it is written.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.first, address.to_canonical()) {
            (IpAddr::V4(_), IpAddr::V4(_)) | (IpAddr::V6(_), IpAddr::V6(_)) => {
                first_of(address.to_canonical(), self.bits) == self.first
            }
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// Whether every address of its kind is in it.
    #[must_use]
    pub fn is_everybody(&self) -> bool {
        self.bits == 0
    }
}

impl FromStr for Network {
    type Err = NetworkError;

    fn from_str(text: &str) -> Result<Network, NetworkError> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits)),
            None => (text, None),
        };
        let address = address.parse::<IpAddr>().map_err(|_| {
            NetworkError(
                "is no network; write an address such as \"127.0.0.1\", or one with the number of \
                 bits that count, such as \"10.0.0.0/8\""
                    .to_owned(),
            )
        })?;
        let most = length(address);
        let bits = match bits {
            None => most,
            Some(bits) => bits.parse().ok().filter(|bits| *bits <= most).ok_or_else(|| {
                NetworkError(format!("has no number of bits from 0 to {most} behind the slash"))
            })?,
        };
        let first = first_of(address, bits);
        if first != address {
            return Err(NetworkError(format!(
                "is not the first address of its network; write \"{first}/{bits}\""
            )));
        }
        if address.to_canonical() != address {
            let plain = address.to_canonical();
            return Err(NetworkError(format!(
                "is an IPv4 address written as an IPv6 one; write \"{plain}\""
            )));
        }
        Ok(Network { first, bits })
    }
}

impl fmt::Display for Network {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.bits == length(self.first) {
            true => write!(out, "{}", self.first),
            false => write!(out, "{}/{}", self.first, self.bits),
        }
    }
}

fn length(address: IpAddr) -> u8 {
    match address {
        IpAddr::V4(_) => 32,
        IpAddr::V6(_) => 128,
    }
}

/// An address without the bits that do not count.
fn first_of(address: IpAddr, bits: u8) -> IpAddr {
    match address {
        IpAddr::V4(address) => {
            let mask = u32::MAX.checked_shl(32 - u32::from(bits)).unwrap_or(0);
            Ipv4Addr::from_bits(address.to_bits() & mask).into()
        }
        IpAddr::V6(address) => {
            let mask = u128::MAX.checked_shl(128 - u32::from(bits)).unwrap_or(0);
            Ipv6Addr::from_bits(address.to_bits() & mask).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn network(text: &str) -> Network {
        text.parse().unwrap_or_else(|why| panic!("{text} {why}"))
    }

    #[test]
    fn an_address_is_in_the_networks_whose_bits_it_has() {
        for (text, inside, outside) in [
            ("127.0.0.1", "127.0.0.1", "127.0.0.2"),
            ("10.0.0.0/8", "10.255.1.2", "11.0.0.0"),
            ("192.0.2.128/25", "192.0.2.255", "192.0.2.127"),
            ("10.0.0.0/8", "::ffff:10.1.2.3", "::10.1.2.3"),
            ("2001:db8::/32", "2001:db8:ffff::1", "2001:db9::"),
            ("::1", "::1", "127.0.0.1"),
            ("0.0.0.0/0", "203.0.113.9", "::1"),
        ] {
            let network = network(text);
            assert!(network.contains(inside.parse().unwrap()), "{inside} in {text}");
            assert!(!network.contains(outside.parse().unwrap()), "{outside} in {text}");
            assert_eq!(network.to_string(), text);
        }
        assert!(network("::/0").is_everybody() && !network("::/1").is_everybody());
    }

    #[test]
    fn what_is_no_network_is_refused_with_the_remedy() {
        for (text, words) in [
            ("localhost", "such as \"127.0.0.1\""),
            ("", "is no network"),
            ("10.0.0.0/33", "from 0 to 32"),
            ("10.0.0.0/", "from 0 to 32"),
            ("10.0.0.0/-1", "from 0 to 32"),
            ("::/129", "from 0 to 128"),
            ("10.1.2.3/8", "write \"10.0.0.0/8\""),
            ("::ffff:10.0.0.1", "write \"10.0.0.1\""),
            ("10.0.0.0/8/8", "from 0 to 32"),
        ] {
            let said = text.parse::<Network>().unwrap_err().to_string();
            assert!(said.contains(words), "{text}: {said}");
        }
    }
}
