//! A range of IP addresses, as trusted proxies are named.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FormError;

/// An IP address or a range of them, written `192.0.2.1`, `10.0.0.0/8` or `fd00::/8`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline, extend("format" = "network"))]
pub struct Network {
    address: IpAddr,
    /// Leading bits that addresses share with `address`.
    prefix: u32,
}

impl Network {
    /// Whether the address lies in the range. An IPv4 address mapped into IPv6, as a socket of both families
    /// reports it, counts as IPv4.
    pub fn contains(self, address: IpAddr) -> bool {
        let (own, own_width) = bits(self.address);
        let (other, other_width) = bits(address.to_canonical());
        own_width == other_width && (own ^ other).checked_shr(own_width - self.prefix).unwrap_or(0) == 0
    }
}

/// The address as a number, and how many bits it has.
fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

impl FromStr for Network {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        parse(text).ok_or_else(|| FormError::Network(text.to_owned()))
    }
}

fn parse(text: &str) -> Option<Network> {
    let (address, prefix) = match text.split_once('/') {
        Some((address, prefix)) => (address, Some(prefix)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let (_, width) = bits(address);
    let prefix = match prefix {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => digits.parse().ok()?,
        Some(_) => return None,
        None => width,
    };
    (prefix <= width).then_some(Network { address, prefix })
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (_, width) = bits(self.address);
        self.address.fmt(f)?;
        if self.prefix == width {
            return Ok(());
        }
        write!(f, "/{}", self.prefix)
    }
}

impl TryFrom<String> for Network {
    type Error = FormError;

    fn try_from(text: String) -> Result<Self, FormError> {
        text.parse()
    }
}

impl From<Network> for String {
    fn from(network: Network) -> Self {
        network.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_contains_the_addresses_of_its_prefix() {
        check("10.0.0.0/8", &["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3"], &["11.0.0.0", "::a00:1"]);
        check("192.0.2.1", &["192.0.2.1"], &["192.0.2.2"]);
        check("192.0.2.5/31", &["192.0.2.4", "192.0.2.5"], &["192.0.2.6"]);
        check("0.0.0.0/0", &["1.2.3.4"], &["::1"]);
        check("fd00::/8", &["fd12:3456::1"], &["fe80::1", "253.0.0.1"]);
        check("::/0", &["::1", "2001:db8::1"], &["1.2.3.4", "::ffff:1.2.3.4"]);
        check("::1", &["::1"], &["::2"]);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        let refused = [
            "",
            "10",
            "10.0.0.0/",
            "10.0.0.0/33",
            "10.0.0.0/+8",
            "::/129",
            "/8",
            "localhost",
            "10.0.0.0/8/8",
        ];
        for text in refused {
            assert_eq!(text.parse::<Network>(), Err(FormError::Network(text.to_owned())));
        }
    }

    fn check(text: &str, inside: &[&str], outside: &[&str]) {
        let network: Network = text.parse().expect(text);
        assert_eq!(network.to_string(), text);
        let contains = |address: &&str| network.contains(address.parse().expect("an address"));
        assert!(inside.iter().all(contains), "{text}");
        assert!(!outside.iter().any(contains), "{text}");
    }
}
