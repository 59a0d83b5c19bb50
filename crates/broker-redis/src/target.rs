//! Where Redis is, as the setting `redis.url` says it: addresses, how its primaries are found, and what for.

use std::fmt;

use model::limits;

use crate::ConfigError;

/// An address of a Redis or a Sentinel.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Endpoint {
    /// A name or an IP address, without brackets.
    pub(crate) host: String,
    /// The port.
    pub(crate) port: u16,
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { host, port } = self;
        if host.contains(':') { write!(f, "[{host}]:{port}") } else { write!(f, "{host}:{port}") }
    }
}

/// How the primaries are found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Finder {
    /// One of these is the primary, or all belong to one cluster.
    Seeds(Vec<Endpoint>),
    /// These Sentinels know the primary by its name.
    Sentinels {
        /// Where they are.
        addresses: Vec<Endpoint>,
        /// What they call the primary.
        name: String,
    },
}

/// Which Redis.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Target {
    /// How its primaries are found.
    pub(crate) finder: Finder,
    /// Whether all connections are encrypted.
    pub(crate) is_encrypted: bool,
    /// The number of the database.
    pub(crate) database: u32,
}

const REDIS_PORT: u16 = 6379;
const SENTINEL_PORT: u16 = 26_379;

impl Target {
    /// Parses a URL.
    pub(crate) fn parse(url: &str) -> Result<Self, ConfigError> {
        Self::parse_parts(url).map_err(|reason| ConfigError { setting: "redis.url", reason })
    }

    fn parse_parts(url: &str) -> Result<Self, String> {
        let (scheme, rest) =
            url.split_once("://").ok_or("must begin with redis://, rediss:// or the like")?;
        let (is_encrypted, has_sentinels) = match scheme {
            "redis" => (false, false),
            "rediss" => (true, false),
            "redis+sentinel" => (false, true),
            "rediss+sentinel" => (true, true),
            _ => {
                return Err(
                    "must begin with redis://, rediss://, redis+sentinel:// or rediss+sentinel://".into()
                );
            }
        };
        if rest.contains('@') {
            return Err("must not hold a user or password: set redis.username and redis.password".into());
        }
        if rest.contains(['?', '#']) {
            return Err("must not have a query: everything else has a setting of its own".into());
        }
        let (addresses, path) = rest.split_once('/').unwrap_or((rest, ""));
        let port = if has_sentinels { SENTINEL_PORT } else { REDIS_PORT };
        let addresses: Vec<Endpoint> =
            addresses.split(',').map(|text| endpoint(text, port)).collect::<Result<_, _>>()?;
        if addresses.len() > limits::REDIS_ADDRESSES_MAX {
            return Err(format!("must not name more than {} addresses", limits::REDIS_ADDRESSES_MAX));
        }
        let (finder, database) = if has_sentinels {
            let (name, database) = path.split_once('/').unwrap_or((path, ""));
            if name.is_empty() {
                return Err("must say what the Sentinels call the primary: …://HOST:PORT/NAME".into());
            }
            (Finder::Sentinels { addresses, name: name.to_owned() }, database)
        } else {
            (Finder::Seeds(addresses), path)
        };
        let database = match database.trim_end_matches('/') {
            "" => 0,
            digits => digits.parse().map_err(|_| "must end with the number of the database, or nothing")?,
        };
        Ok(Self { finder, is_encrypted, database })
    }
}

/// Parses `HOST`, `HOST:PORT`, `[IPv6]` or `[IPv6]:PORT`.
fn endpoint(text: &str, default_port: u16) -> Result<Endpoint, String> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or("has a bracket that is not closed")?;
            (host, port.strip_prefix(':'))
        }
        None => text.rsplit_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    if host.is_empty() {
        return Err("must name a host".into());
    }
    if host.contains(':') && !text.starts_with('[') {
        return Err(format!("has an IPv6 address without brackets: [{host}]"));
    }
    let port = match port {
        None | Some("") => default_port,
        Some(digits) => digits
            .parse()
            .ok()
            .filter(|port| *port != 0)
            .ok_or_else(|| format!("has a port that is none: {digits}"))?,
    };
    Ok(Endpoint { host: host.to_owned(), port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_addresses_encryption_and_database() {
        let parsed = Target::parse("redis://localhost").unwrap();
        assert_eq!(parsed.finder, Finder::Seeds(vec![at("localhost", 6379)]));
        assert_eq!((parsed.is_encrypted, parsed.database), (false, 0));
        let parsed = Target::parse("rediss://a:1,[::1]:2,c/3").unwrap();
        assert_eq!(parsed.finder, Finder::Seeds(vec![at("a", 1), at("::1", 2), at("c", 6379)]));
        assert_eq!((parsed.is_encrypted, parsed.database), (true, 3));
        let parsed = Target::parse("redis+sentinel://a,b:5/main/2").unwrap();
        let addresses = vec![at("a", 26_379), at("b", 5)];
        assert_eq!(parsed.finder, Finder::Sentinels { addresses, name: "main".to_owned() });
        assert_eq!(parsed.database, 2);
        assert_eq!(at("::1", 2).to_string(), "[::1]:2");
    }

    #[test]
    fn a_wrong_url_says_what_it_should_be() {
        for (wrong, hint) in [
            ("localhost:6379", "must begin with redis://"),
            ("http://localhost", "must begin with redis://"),
            ("redis://user:secret@localhost", "redis.password"),
            ("redis://localhost?db=1", "query"),
            ("redis://", "host"),
            ("redis://a,,b", "host"),
            ("redis://a:0", "port"),
            ("redis://a:x", "port"),
            ("redis://::1", "brackets"),
            ("redis://a/x", "database"),
            ("redis+sentinel://a", "what the Sentinels call"),
        ] {
            let error = Target::parse(wrong).unwrap_err().to_string();
            assert!(error.starts_with("redis.url ") && error.contains(hint), "{wrong}: {error}");
            assert!(!error.contains("secret"));
        }
    }

    fn at(host: &str, port: u16) -> Endpoint {
        Endpoint { host: host.to_owned(), port }
    }
}
