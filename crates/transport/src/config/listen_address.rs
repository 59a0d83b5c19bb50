//! Where a listener listens. No name is looked up: `localhost` is loopback by definition.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::FormError;

/// Where a listener listens, written `:8000`, `localhost:9000`, `192.0.2.1:80` or `[::1]:80`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(inline, extend("format" = "listen-address"))]
pub struct ListenAddress {
    host: Host,
    port: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Host {
    Every,
    Loopback,
    One(IpAddr),
}

impl ListenAddress {
    /// All interfaces, both address families.
    pub const fn every_interface(port: u16) -> Self {
        Self { host: Host::Every, port }
    }

    /// Loopback of both address families.
    pub const fn loopback(port: u16) -> Self {
        Self { host: Host::Loopback, port }
    }

    /// The port; 0 lets the kernel choose one per socket.
    pub fn port(self) -> u16 {
        self.port
    }

    /// The socket addresses to bind, IPv6 first. `[::]` stands for IPv6 alone (`IPV6_V6ONLY`).
    pub fn resolve(self) -> Vec<SocketAddr> {
        let hosts: &[IpAddr] = match &self.host {
            Host::Every => &[IpAddr::V6(Ipv6Addr::UNSPECIFIED), IpAddr::V4(Ipv4Addr::UNSPECIFIED)],
            Host::Loopback => &[IpAddr::V6(Ipv6Addr::LOCALHOST), IpAddr::V4(Ipv4Addr::LOCALHOST)],
            Host::One(host) => std::slice::from_ref(host),
        };
        hosts.iter().map(|host| SocketAddr::new(*host, self.port)).collect()
    }
}

impl FromStr for ListenAddress {
    type Err = FormError;

    fn from_str(text: &str) -> Result<Self, FormError> {
        let parsed = match text.rsplit_once(':') {
            Some(("", port)) => parse_port(port).map(Self::every_interface),
            Some(("localhost", port)) => parse_port(port).map(Self::loopback),
            _ => text
                .parse::<SocketAddr>()
                .ok()
                .map(|address| Self { host: Host::One(address.ip()), port: address.port() }),
        };
        parsed.ok_or_else(|| FormError::ListenAddress(text.to_owned()))
    }
}

/// Digits alone: `u16` would also read a sign.
fn parse_port(digits: &str) -> Option<u16> {
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| digits.parse().ok())?
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host {
            Host::Every => write!(f, ":{}", self.port),
            Host::Loopback => write!(f, "localhost:{}", self.port),
            Host::One(host) => SocketAddr::new(host, self.port).fmt(f),
        }
    }
}

impl TryFrom<String> for ListenAddress {
    type Error = FormError;

    fn try_from(text: String) -> Result<Self, FormError> {
        text.parse()
    }
}

impl From<ListenAddress> for String {
    fn from(address: ListenAddress) -> Self {
        address.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_says_which_sockets_to_bind() {
        check(":8000", &["[::]:8000", "0.0.0.0:8000"]);
        check("localhost:9000", &["[::1]:9000", "127.0.0.1:9000"]);
        check("1.2.3.4:80", &["1.2.3.4:80"]);
        check("[::1]:80", &["[::1]:80"]);
        check("[::]:0", &["[::]:0"]);
    }

    #[test]
    fn what_is_no_address_is_refused() {
        let refused = [
            "",
            ":",
            "8000",
            ":65536",
            ":+80",
            ":-1",
            "localhost",
            "localhost:",
            "example.com:80",
            "1.2.3.4",
            "1.2.3:80",
            "::1:80",
            "[::1]",
            " :80",
            "*:80",
        ];
        for text in refused {
            assert_eq!(text.parse::<ListenAddress>(), Err(FormError::ListenAddress(text.to_owned())));
        }
    }

    fn check(text: &str, sockets: &[&str]) {
        let address: ListenAddress = text.parse().expect(text);
        assert_eq!(address.to_string(), text);
        let resolved: Vec<String> = address.resolve().iter().map(ToString::to_string).collect();
        assert_eq!(resolved, sockets, "{text}");
    }
}
